//! Traces and metrics for a collector, over OTLP in JSON: where `OTEL_EXPORTER_OTLP_ENDPOINT` names one, and nowhere else.
//!
//! Spans are kept within a bound and sent every few seconds; what a collector does not take is lost, and nothing waits
//! for it. They hold the names of tools and operations, ids of jobs and the fingerprint of a tenant: no argument, no text.

mod points;
mod spans;
mod value;

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub use spans::Spans;
use value::{nanos, text};

use crate::api::Collector;
use crate::config::Otlp;
use crate::error::Result;
use crate::telemetry::Throttle;

/// How often spans are sent.
const SPANS_EVERY: Duration = Duration::from_secs(5);
/// Spans of one request.
const BATCH_MAX: usize = 512;
/// How long the end of the process waits for the last ones.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

static FAILURES: Throttle = Throttle::new(Duration::from_secs(60));

/// Sends spans and metrics until it is stopped.
pub struct Exporter {
    over: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Exporter {
    /// Begins to send what `spans` collects, and the metrics that `metrics` gives in the text format of Prometheus.
    ///
    /// # Errors
    /// As [`Collector::new`].
    pub fn start(
        settings: &Otlp,
        spans: Spans,
        metrics: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Result<Exporter> {
        let sending = Sending {
            collector: Collector::new(settings)?,
            resource: resource(&settings.service),
            spans,
            metrics: Box::new(metrics),
            began: nanos(SystemTime::now()),
        };
        let (over, every) = (CancellationToken::new(), settings.every);
        let task = tokio::spawn(run(sending, every, over.clone()));
        Ok(Exporter { over, task })
    }

    /// Sends what is left, within a bound.
    pub async fn stop(mut self) {
        self.over.cancel();
        if tokio::time::timeout(FLUSH_TIMEOUT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

struct Sending {
    collector: Collector,
    resource: Value,
    spans: Spans,
    metrics: Box<dyn Fn() -> Option<String> + Send + Sync>,
    began: String,
}

async fn run(sending: Sending, every: Duration, over: CancellationToken) {
    let mut spans = tokio::time::interval(SPANS_EVERY);
    let mut metrics = tokio::time::interval(every);
    for interval in [&mut spans, &mut metrics] {
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first tick is at once, when there is nothing yet.
        interval.tick().await;
    }
    loop {
        tokio::select! {
            _ = spans.tick() => sending.spans().await,
            _ = metrics.tick() => sending.metrics().await,
            () = over.cancelled() => break,
        }
    }
    sending.spans().await;
    sending.metrics().await;
}

impl Sending {
    async fn spans(&self) {
        loop {
            let batch = self.spans.take(BATCH_MAX);
            let is_last = batch.len() < BATCH_MAX;
            if !batch.is_empty() {
                let scope = json!({"scope": scope(), "spans": batch});
                let body = json!({"resourceSpans": [{"resource": self.resource, "scopeSpans": [scope]}]});
                self.send("v1/traces", &body).await;
            }
            if is_last {
                return;
            }
        }
    }

    async fn metrics(&self) {
        let Some(text) = (self.metrics)() else { return };
        let metrics = points::of_text(&text, &self.began, &nanos(SystemTime::now()));
        if !metrics.is_empty() {
            let scope = json!({"scope": scope(), "metrics": metrics});
            let body = json!({"resourceMetrics": [{"resource": self.resource, "scopeMetrics": [scope]}]});
            self.send("v1/metrics", &body).await;
        }
    }

    async fn send(&self, path: &str, body: &Value) {
        if let Err(error) = self.collector.send(path, body.to_string().into_bytes()).await
            && FAILURES.allows()
        {
            tracing::warn!(%error, path, "traces or metrics are lost: the collector did not take them");
        }
    }
}

fn scope() -> Value {
    json!({"name": "pdfco", "version": env!("CARGO_PKG_VERSION")})
}

/// What is measured: this process.
fn resource(service: &str) -> Value {
    let attributes = [
        ("service.name", service.to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", uuid::Uuid::new_v4().to_string()),
    ];
    json!({"attributes": attributes.map(|(name, value)| text(name, &value))})
}
