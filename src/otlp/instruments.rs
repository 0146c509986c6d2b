//! Counters and latencies for a collector, under the names that the conventions of OpenTelemetry have for them.

use std::collections::HashMap;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, SharedString, Unit};
use metrics_exporter_opentelemetry::Recorder;
use opentelemetry::metrics::Meter;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, Stream};
use parking_lot::Mutex;

use crate::telemetry::DURATION_BOUNDS;

/// Names and labels that have another one in the conventions of OpenTelemetry.
const CONVENTIONAL: &[(&str, &str)] = &[
    ("mcp_server_operation_duration_seconds", "mcp.server.operation.duration"),
    ("mcp_server_session_duration_seconds", "mcp.server.session.duration"),
    ("mcp_method_name", "mcp.method.name"),
    ("gen_ai_tool_name", "gen_ai.tool.name"),
    ("error_type", "error.type"),
    ("network_transport", "network.transport"),
    ("mcp_protocol_version", "mcp.protocol.version"),
];

/// A recorder of instruments of `meter`.
pub(super) fn recorder(meter: Meter) -> Instruments {
    Instruments { made: Recorder::with_meter(meter), gauges: Mutex::default() }
}

/// Every histogram of this server is of seconds, and all have the buckets of `/metrics`.
pub(super) fn durations(instrument: &Instrument) -> Option<Stream> {
    let buckets = Aggregation::ExplicitBucketHistogram { boundaries: DURATION_BOUNDS.to_vec(), record_min_max: false };
    let is_duration = instrument.kind() == InstrumentKind::Histogram;
    is_duration.then(|| Stream::builder().with_unit("s").with_aggregation(buckets).build().ok()).flatten()
}

/// See [`recorder`].
pub(super) struct Instruments {
    made: Recorder,
    /// Each is made once: one that is made again begins at zero.
    gauges: Mutex<HashMap<Key, Gauge>>,
}

impl metrics::Recorder for Instruments {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.made.register_counter(&conventional_key(key), metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        let make = || self.made.register_gauge(&conventional_key(key), metadata);
        self.gauges.lock().entry(key.clone()).or_insert_with(make).clone()
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.made.register_histogram(&conventional_key(key), metadata)
    }
}

fn conventional(name: &str) -> &str {
    CONVENTIONAL.iter().find(|(known, _)| *known == name).map_or(name, |(_, conventional)| conventional)
}

/// The key with conventional names, and without labels that say nothing.
fn conventional_key(key: &Key) -> Key {
    let labels = key.labels().filter(|label| !label.value().is_empty());
    let labels = labels.map(|label| Label::new(conventional(label.key()).to_owned(), label.value().to_owned()));
    Key::from_parts(conventional(key.name()).to_owned(), labels.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::metrics::data::ResourceMetrics;
    use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
    use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};

    use super::*;

    /// The text of what was exported last.
    #[derive(Clone, Default)]
    struct Last(Arc<Mutex<String>>);

    impl PushMetricExporter for Last {
        async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
            *self.0.lock() = format!("{metrics:?}");
            Ok(())
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
            Ok(())
        }

        fn temporality(&self) -> Temporality {
            Temporality::Cumulative
        }
    }

    #[test]
    fn metrics_have_conventional_names_and_go_on() {
        let last = Last::default();
        let provider = SdkMeterProvider::builder().with_view(durations);
        let provider = provider.with_reader(PeriodicReader::builder(last.clone()).build()).build();
        metrics::with_local_recorder(&recorder(provider.meter("test")), || {
            for _ in 0..2 {
                metrics::gauge!("pdfco_waits").increment(1.0);
                metrics::counter!("pdfco_checks_total").increment(2);
            }
            let name = "mcp_server_operation_duration_seconds";
            metrics::histogram!(name, "mcp_method_name" => "ping", "error_type" => "").record(0.07);
        });
        provider.force_flush().unwrap();
        let text = last.0.lock().clone();
        for part in ["\"mcp.server.operation.duration\"", "\"mcp.method.name\"", "value: 4", "value: 2.0", "300.0"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("error"), "{text}");
    }
}
