//! Lines of the log for a collector, with the fields of the spans that they are in.

use std::collections::BTreeMap;

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry_appender_tracing::layer::{OpenTelemetryTracingBridge, TracingSpanAttributes};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider};

use crate::text::shorten;

/// Longest text of a line and value of a field, in characters.
const VALUE_CHARS_MAX: usize = 1_000;
/// The fields of spans that a line has; its trace has an id of its own.
const OF_SPANS: [&str; 5] = ["job_id", "operation", "tenant", "tool", "request"];

/// What collects lines.
pub(super) fn layer(provider: &SdkLoggerProvider) -> OpenTelemetryTracingBridge<Lines, Lines> {
    OpenTelemetryTracingBridge::builder(&Lines(provider.logger("")))
        .with_tracing_span_attributes(TracingSpanAttributes::allowlist(OF_SPANS))
        .build()
}

/// Hands lines on with each field once and every text bounded, before they wait to be sent.
pub(super) struct Lines(SdkLogger);

impl LoggerProvider for Lines {
    type Logger = Lines;

    fn logger_with_scope(&self, _: InstrumentationScope) -> Lines {
        Lines(self.0.clone())
    }
}

impl Logger for Lines {
    type LogRecord = SdkLogRecord;

    fn create_log_record(&self) -> SdkLogRecord {
        self.0.create_log_record()
    }

    /// Without the name of the event, which is its place in the source.
    fn emit(&self, given: SdkLogRecord) {
        let mut line = self.0.create_log_record();
        given.target().into_iter().for_each(|target| line.set_target(target.clone()));
        given.severity_number().into_iter().for_each(|number| line.set_severity_number(number));
        given.severity_text().into_iter().for_each(|text| line.set_severity_text(text));
        given.body().into_iter().for_each(|body| line.set_body(bounded(body)));
        // The line's own value counts, else that of the innermost span: it comes last.
        let fields: BTreeMap<&str, &AnyValue> =
            given.attributes_iter().map(|(name, value)| (name.as_str(), value)).collect();
        line.add_attributes(fields.into_iter().map(|(name, value)| (name.to_owned(), bounded(value))));
        self.0.emit(line);
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        self.0.event_enabled(level, target, name)
    }
}

fn bounded(value: &AnyValue) -> AnyValue {
    match value {
        AnyValue::String(text) => AnyValue::from(shorten(text.as_str(), VALUE_CHARS_MAX)),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::logs::{LogBatch, LogExporter};
    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<Vec<SdkLogRecord>>>);

    impl LogExporter for Kept {
        async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
            self.0.lock().extend(batch.iter().map(|(record, _)| record.clone()));
            Ok(())
        }
    }

    #[test]
    fn a_line_has_each_field_of_its_spans_once() {
        let kept = Kept::default();
        let provider = SdkLoggerProvider::builder().with_simple_exporter(kept.clone()).build();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer(&provider)), || {
            let _outer = tracing::info_span!("call", tool = "a_tool", tenant = "T", traceparent = "no field").entered();
            let _inner = tracing::info_span!("wait", job_id = "J1", tenant = "T").entered();
            tracing::warn!(job_id = "J2", number = 7, "{}", "x".repeat(2_000));
        });
        let kept = kept.0.lock();
        let mut fields: Vec<String> =
            kept[0].attributes_iter().map(|(name, value)| format!("{name} {value:?}")).collect();
        fields.sort();
        assert_eq!(fields.len(), 4, "{fields:?}");
        assert!(fields[0].contains("J2") && fields[1].contains("Int(7)"), "{fields:?}");
        let Some(AnyValue::String(body)) = kept[0].body() else { panic!("{:?}", kept[0]) };
        assert_eq!(body.as_str().chars().count(), VALUE_CHARS_MAX + 1);
        assert_eq!((kept[0].event_name(), kept[0].severity_text()), (None, Some("WARN")));
    }
}
