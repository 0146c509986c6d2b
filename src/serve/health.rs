//! Whether the server lives and is ready, and what it counted. Strangers learn yes or no.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::sync::Mutex;

use crate::app::App;

/// Buckets of the conventional durations, in seconds, as the conventions have them.
const BUCKETS: &[f64] = &[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
/// Where the metrics are.
pub const METRICS_PATH: &str = "/metrics";
/// How long an answer about the ledger is good for.
const GOOD_FOR: Duration = Duration::from_secs(1);

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

/// The metrics in the text format of Prometheus; they are kept from the first call on.
pub fn metrics_text() -> Option<String> {
    recorder().map(|handle| handle.render())
}

async fn show_metrics(State(handle): State<Option<PrometheusHandle>>) -> Response {
    match handle {
        Some(handle) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response(),
        None => (StatusCode::NOT_FOUND, "Metrics are kept by another recorder.\n").into_response(),
    }
}

/// The process's recorder: installed once, and shared by servers that are started later.
fn recorder() -> Option<PrometheusHandle> {
    static RECORDER: std::sync::OnceLock<Option<PrometheusHandle>> = std::sync::OnceLock::new();
    let install = || {
        let conventional = Matcher::Prefix("mcp_server_".to_owned());
        PrometheusBuilder::new().set_buckets_for_metric(conventional, BUCKETS).ok()?.install_recorder().ok()
    };
    RECORDER.get_or_init(install).clone()
}
