//! Calls of the service when a job has ended: `/callbacks/{secret}`, where a callback address is set.
//!
//! The secret is looked up before the body is read. A callback whose secret is known always has an effect: a body with no
//! state in it means "check now".

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::sync::Semaphore;
use url::Url;

use super::bodies::{self, Bodies};
use crate::app::App;
use crate::error::Kind;
use crate::telemetry::Throttle;

/// Callbacks that are taken at once.
const AT_ONCE: usize = 8;
/// How long one more waits for its permit.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest text that can be a secret.
const SECRET_BYTES_MAX: usize = 128;

static REFUSALS: Throttle = Throttle::new(Duration::from_secs(10));

/// The route below `/callbacks` and, where the public address has a path that a proxy may or may not cut off, below that.
pub fn routes(app: Arc<App>, bodies: Arc<Bodies>, public: &Url) -> Router {
    let callbacks = Arc::new(Callbacks { app, bodies, permits: Semaphore::new(AT_ONCE) });
    let prefix = public.path().trim_end_matches('/');
    let is_plain = !prefix.contains(['{', '}', '*']);
    let router = Router::new().route("/callbacks/{secret}", post(take));
    let router = if prefix.is_empty() || !is_plain {
        router
    } else {
        router.route(&format!("{prefix}/callbacks/{{secret}}"), post(take))
    };
    router.with_state(callbacks)
}

struct Callbacks {
    app: Arc<App>,
    bodies: Arc<Bodies>,
    permits: Semaphore,
}

/// Takes a callback. An unknown secret and a spent one look the same.
async fn take(State(callbacks): State<Arc<Callbacks>>, Path(secret): Path<String>, request: Request) -> Response {
    let status = match callbacks.take(&secret, request).await {
        Ok(()) => return StatusCode::NO_CONTENT.into_response(),
        Err(status) => status,
    };
    if REFUSALS.allows() {
        tracing::warn!(%status, "a callback was refused");
    }
    match status {
        StatusCode::SERVICE_UNAVAILABLE => (status, [(header::RETRY_AFTER, "1")]).into_response(),
        status => status.into_response(),
    }
}

impl Callbacks {
    async fn take(&self, secret: &str, request: Request) -> Result<(), StatusCode> {
        let permit = tokio::time::timeout(TIMEOUT, self.permits.acquire()).await;
        let _permit = permit.ok().and_then(Result::ok).ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
        let jobs = self.app.jobs();
        let is_known = secret.len() <= SECRET_BYTES_MAX
            && jobs.knows_callback(secret).await.map_err(|error| {
                tracing::warn!(%error, "a callback could not be looked up");
                StatusCode::SERVICE_UNAVAILABLE
            })?;
        if !is_known {
            return Err(StatusCode::NOT_FOUND);
        }
        let (head, body) = request.into_parts();
        let body = self.bodies.read(&head.headers, body, bodies::CALLBACK).await.map_err(|error| error.answer().0)?;
        jobs.called_back(secret, crate::text::without_bom(&body)).await.map_err(|error| match error.kind() {
            Kind::NotFound => StatusCode::NOT_FOUND,
            _ => {
                tracing::warn!(%error, "a callback could not be recorded");
                StatusCode::SERVICE_UNAVAILABLE
            }
        })
    }
}
