//! Traces, metrics and logs for a collector, over OTLP in JSON: where `OTEL_EXPORTER_OTLP_ENDPOINT` names one, and nowhere
//! else.
//!
//! The crates of OpenTelemetry collect, encode and send, each signal on a thread of its own. Names, bounds and the HTTP
//! client are ours; addresses, headers, intervals and the sampler are given to those crates, which would read them from the
//! environment otherwise. What a collector does not take is lost, and no call waits for it. No signal holds arguments or
//! texts.

mod client;
mod instruments;
mod lines;
mod spans;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig,
    WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{self, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{self, BatchSpanProcessor, Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tracing_subscriber::Layer;

use self::client::Client;
use crate::api::Collector;
use crate::config::Otlp;
use crate::error::{Error, Result};
use crate::telemetry::Exported;

/// How often spans and log lines are sent, unless a batch is full before.
const EVERY: Duration = Duration::from_secs(5);
/// Spans, and as many lines, that wait to be sent; more are lost.
const WAITING_MAX: usize = 4_096;
/// Spans or lines of one request.
const BATCH_MAX: usize = 512;
/// How long the end of the process waits for what is left.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Collects and sends until it is stopped.
pub struct Exporter {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    logs: SdkLoggerProvider,
}

impl Exporter {
    /// An exporter to the collector that is named, which sends on `runtime`.
    ///
    /// # Errors
    /// As [`Collector::new`]; `internal` for an address that the exporters refuse.
    pub fn new(settings: &Otlp, runtime: Handle) -> Result<Exporter> {
        let client = Arc::new(Client { collector: Arc::new(Collector::new(settings)?), runtime });
        let refused = |error: ExporterBuildError| Error::internal("Nothing can be exported.").with_source(error);
        let spans = sent_by(&client, "v1/traces", SpanExporter::builder().with_http()).build().map_err(refused)?;
        let lines = sent_by(&client, "v1/logs", LogExporter::builder().with_http()).build().map_err(refused)?;
        let points = MetricExporter::builder().with_http().with_temporality(Temporality::Cumulative);
        let points = sent_by(&client, "v1/metrics", points).build().map_err(refused)?;

        let batches = trace::BatchConfigBuilder::default().with_max_queue_size(WAITING_MAX);
        let batches = batches.with_max_export_batch_size(BATCH_MAX).with_scheduled_delay(EVERY).build();
        let spans = spans::Named(BatchSpanProcessor::builder(spans).with_batch_config(batches).build());
        let batches = logs::BatchConfigBuilder::default().with_max_queue_size(WAITING_MAX);
        let batches = batches.with_max_export_batch_size(BATCH_MAX).with_scheduled_delay(EVERY).build();
        let lines = BatchLogProcessor::builder(lines).with_batch_config(batches).build();
        let points = PeriodicReader::builder(points).with_interval(settings.every).build();

        let resource = resource(&settings.service);
        // A client cannot turn the traces of this server off by a `traceparent` that is not sampled.
        let traces = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn).with_resource(resource.clone());
        let metrics = SdkMeterProvider::builder().with_view(instruments::durations).with_resource(resource.clone());
        let logs = SdkLoggerProvider::builder().with_resource(resource);
        Ok(Exporter {
            traces: traces.with_span_processor(spans).build(),
            metrics: metrics.with_reader(points).build(),
            logs: logs.with_log_processor(lines).build(),
        })
    }

    /// What collects spans and log lines.
    pub fn layers(&self) -> Exported {
        Exported {
            spans: spans::layer(self.traces.tracer_with_scope(scope())).boxed(),
            lines: lines::layer(&self.logs).boxed(),
        }
    }

    /// What collects metrics.
    pub fn recorder(&self) -> impl metrics::Recorder + Send + Sync + 'static {
        instruments::recorder(self.metrics.meter_with_scope(scope()))
    }

    /// Sends what is left, within a bound.
    pub async fn stop(self) {
        let Exporter { traces, metrics, logs } = self;
        let flushed = async {
            let _ = tokio::join!(
                spawn_blocking(move || traces.shutdown_with_timeout(FLUSH_TIMEOUT)),
                spawn_blocking(move || metrics.shutdown_with_timeout(FLUSH_TIMEOUT)),
                spawn_blocking(move || logs.shutdown_with_timeout(FLUSH_TIMEOUT)),
            );
        };
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, flushed).await;
    }
}

/// Without the headers that the exporters read themselves.
impl fmt::Debug for Exporter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Exporter").finish_non_exhaustive()
    }
}

/// An exporter that sends to `path` of the collector, once.
fn sent_by<B: WithExportConfig + WithHttpConfig>(client: &Arc<Client>, path: &str, exporter: B) -> B {
    exporter
        .with_protocol(Protocol::HttpJson)
        .with_endpoint(client.collector.address(path))
        .with_timeout(Collector::TIMEOUT)
        .with_retry_policy(RetryPolicy::disabled())
        .with_shared_http_client(Arc::<Client>::clone(client))
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("pdfco").with_version(env!("CARGO_PKG_VERSION")).build()
}

/// What is measured: this process.
fn resource(service: &str) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let instance = KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string());
    Resource::builder_empty().with_service_name(service.to_owned()).with_attributes([version, instance]).build()
}
