//! Whether the server lives and is ready, and what it counted. Strangers learn yes or no.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics::Recorder;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_util::layers::FanoutBuilder;
use tokio::sync::Mutex;

use crate::app::App;
use crate::telemetry::DURATION_BOUNDS;

/// Where the metrics are.
pub const METRICS_PATH: &str = "/metrics";
/// How long an answer about the ledger is good for.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// How often durations are counted that no one asked for since: they would pile up.
const COUNT_EVERY: Duration = Duration::from_secs(30);

/// `/healthz` and `/readyz`, for everyone.
pub fn routes(app: Arc<App>) -> Router {
    let readiness = Arc::new(Readiness { app, last: Mutex::new(None) });
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready)).with_state(readiness)
}

/// `/metrics`, which the caller guards.
pub fn metrics() -> Router {
    Router::new().route(METRICS_PATH, get(show_metrics)).with_state(recorder())
}

struct Readiness {
    app: Arc<App>,
    /// The last answer and when it was given: asking often costs nothing.
    last: Mutex<Option<(Instant, bool)>>,
}

async fn ready(State(readiness): State<Arc<Readiness>>) -> Response {
    match readiness.is_ready().await {
        true => (StatusCode::OK, "ready\n").into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
    }
}

impl Readiness {
    async fn is_ready(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, is_ready)) = *last
            && at.elapsed() < GOOD_FOR
        {
            return is_ready;
        }
        let health = self.app.jobs().ledger().health().await;
        if let Err(error) = &health {
            tracing::warn!(%error, "the ledger is not ready");
        }
        *last = Some((Instant::now(), health.is_ok()));
        health.is_ok()
    }
}

/// Counts metrics for a collector from now on, and where `is_shown` says so for [`METRICS_PATH`] as well.
pub fn send_metrics(collector: impl Recorder + Send + Sync + 'static, is_shown: bool) {
    RECORDER.get_or_init(|| match is_shown.then(shown_recorder).flatten() {
        Some(shown) => {
            let handle = shown.handle();
            let both = FanoutBuilder::default().add_recorder(shown).add_recorder(collector).build();
            metrics::set_global_recorder(both).ok().map(|()| handle)
        }
        None => {
            let _ = metrics::set_global_recorder(collector);
            None
        }
    });
}

/// Counts what was measured, for ever: a server whose metrics no one reads keeps no measurements.
pub async fn count_metrics() {
    let Some(handle) = recorder() else { return std::future::pending().await };
    loop {
        tokio::time::sleep(COUNT_EVERY).await;
        handle.run_upkeep();
    }
}

async fn show_metrics(State(handle): State<Option<PrometheusHandle>>) -> Response {
    match handle {
        Some(handle) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response(),
        None => (StatusCode::NOT_FOUND, "Metrics are kept by another recorder.\n").into_response(),
    }
}

/// The process's recorder: installed once, and shared by servers that are started later.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

fn recorder() -> Option<PrometheusHandle> {
    let install = || {
        let shown = shown_recorder()?;
        let handle = shown.handle();
        metrics::set_global_recorder(shown).ok().map(|()| handle)
    };
    RECORDER.get_or_init(install).clone()
}

fn shown_recorder() -> Option<PrometheusRecorder> {
    let conventional = Matcher::Prefix("mcp_server_".to_owned());
    Some(PrometheusBuilder::new().set_buckets_for_metric(conventional, DURATION_BOUNDS).ok()?.build_recorder())
}
