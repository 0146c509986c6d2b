//! The protocol over HTTP, and what a server needs besides: liveness, readiness, metrics.
//!
//! What lives here: [`start`]. The key comes with each request (`x-api-key`); the bearer token guards the door itself.
//! Requests of 2026-07-28 are stateless; older revisions get a session. What never does: the meaning of a message.
//!
//! | path | who may ask |
//! |---|---|
//! | `/mcp` | holders of the token; Host and Origin are checked against DNS rebinding |
//! | `/metrics` | holders of the token |
//! | `/healthz`, `/readyz` | anybody |
//! | `/` and what belongs to it (`page.rs`) | a person: whoever is in, or gives token and key to a form |
//! | `/callbacks/{secret}` | the service, which alone was told the job's secret |

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use metrics_exporter_prometheus::PrometheusHandle;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::allowed_hosts::{AllowedHosts, THIS_MACHINE};
use super::connections;
use super::http_messages::{BODY_BYTES_MAX, read_message, refused};
use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::mcp::Server;

/// A session that says nothing for this long is over: longer than the longest call.
const SESSION_IDLE: Duration = Duration::from_secs(1_800);
/// Sessions at once; each costs some 50 KiB.
const SESSIONS_MAX: usize = 1_000;
/// How long calls may take to answer when the server is told to stop, before each of the steps that end them.
const GRACE: Duration = Duration::from_secs(3);

/// Where the server listens and whom it lets in.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address; port 0 takes a free one.
    pub address: SocketAddr,
    /// Bearer token.
    pub token: Option<SecretString>,
    /// Host names besides this machine's.
    pub hosts: Vec<String>,
}

/// A server that runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    accepting: CancellationToken,
    waits: CancellationToken,
    streams: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops accepting, lets calls answer for a moment, tells the waits that are left to answer as far as they are, and
    /// ends the rest.
    pub async fn stop(self) {
        let Running { accepting, waits, streams, mut task, .. } = self;
        accepting.cancel();
        for then in [waits, streams] {
            if tokio::time::timeout(GRACE, &mut task).await.is_ok() {
                return;
            }
            then.cancel();
        }
        if tokio::time::timeout(GRACE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// Starts the server.
///
/// # Errors
/// `invalid_argument` when the address is not this machine's and there is no token; `network` when it cannot be bound.
pub async fn start(app: Arc<App>, options: Options) -> Result<Running> {
    let waits = CancellationToken::new();
    let server = Server::new(Arc::clone(&app)).until(waits.clone());
    listen(app, options, waits, move || server.another()).await
}

/// Starts the server with another handler of messages; `handler` makes one for each session or stateless request.
///
/// # Errors
/// As [`start`].
pub async fn start_with<S: ServerHandler>(
    app: Arc<App>,
    options: Options,
    handler: impl Fn() -> S + Send + Sync + 'static,
) -> Result<Running> {
    listen(app, options, CancellationToken::new(), handler).await
}

async fn listen<S: ServerHandler>(
    app: Arc<App>,
    options: Options,
    waits: CancellationToken,
    handler: impl Fn() -> S + Send + Sync + 'static,
) -> Result<Running> {
    if !options.address.ip().is_loopback() && options.token.is_none() {
        return Err(Error::invalid(
            format!("{} can be reached from other machines, and no token guards it.", options.address),
            "Set PDFCO_HTTP_TOKEN to a long random word, or listen on 127.0.0.1.",
        ));
    }
    let listener = TcpListener::bind(options.address).await.map_err(|error| {
        Error::new(
            Kind::Network,
            format!("{} cannot be listened on: {}.", options.address, error.kind()),
            "Choose another port, or end the program that has it.",
        )
        .with_source(error)
    })?;
    let address =
        listener.local_addr().map_err(|error| Error::internal("The server has no address.").with_source(error))?;
    let (accepting, streams) = (CancellationToken::new(), CancellationToken::new());
    let router = router(app, &options, streams.clone(), handler);
    let task = tokio::spawn(connections::serve(listener, router, accepting.clone()));
    Ok(Running { address, accepting, waits, streams, task })
}

fn router<S: ServerHandler>(
    app: Arc<App>,
    options: &Options,
    streams: CancellationToken,
    handler: impl Fn() -> S + Send + Sync + 'static,
) -> Router {
    let mut sessions = LocalSessionManager::default();
    sessions.session_config.keep_alive = Some(SESSION_IDLE);
    let sessions = Arc::new(sessions);
    let hosts: Vec<String> = THIS_MACHINE.into_iter().map(str::to_owned).chain(options.hosts.iter().cloned()).collect();
    let known = AllowedHosts::and_this_machine(&options.hosts);
    let origins: Vec<String> =
        hosts.iter().flat_map(|host| [format!("http://{host}:*"), format!("https://{host}:*")]).collect();
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts)
        .with_allowed_origins(origins)
        .enforce_origin_validation()
        .with_max_request_body_bytes(BODY_BYTES_MAX)
        .with_cancellation_token(streams);
    let protocol = StreamableHttpService::new(move || Ok(handler()), Arc::clone(&sessions), config);
    let guard = Arc::new(Guard { token: options.token.clone() });
    let guarded = Router::new()
        .nest_service("/mcp", protocol)
        .route_layer(middleware::from_fn(read_message))
        .route_layer(middleware::from_fn_with_state(sessions, bounded_sessions))
        .route(
            "/metrics",
            get(show_metrics)
                .with_state(recorder())
                .route_layer(middleware::from_fn_with_state(known, known_hosts_only)),
        )
        .layer(middleware::from_fn_with_state(guard, require_token));
    Router::new()
        .merge(super::page::routes(Arc::clone(&app), options.token.clone(), &options.hosts))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state(Arc::clone(&app)))
        .route("/callbacks/{secret}", post(called_back).with_state(app))
        .merge(guarded)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

struct Guard {
    token: Option<SecretString>,
}

async fn require_token(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match &guard.token {
        Some(token) if !has_token(request.headers(), token) => {
            let what = "Send the server's token: Authorization: Bearer …";
            let refusal = refused(StatusCode::UNAUTHORIZED, -32600, what, Value::Null);
            ([(header::WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
        }
        _ => next.run(request).await,
    }
}

/// A page elsewhere whose name was pointed at this machine must not read what stands here.
async fn known_hosts_only(State(known): State<AllowedHosts>, request: Request, next: Next) -> Response {
    if known.fit_request(request.headers()) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "This host name is not one of this server's.\n").into_response()
}

/// Compared in constant time: how much of a guess is right must not show in how long the answer takes.
fn has_token(headers: &HeaderMap, token: &SecretString) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given =
        given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    given.is_some_and(|(_, given)| bool::from(given.trim().as_bytes().ct_eq(token.expose_secret().as_bytes())))
}

/// New sessions are refused while there are too many; those that exist go on.
async fn bounded_sessions(State(sessions): State<Arc<LocalSessionManager>>, request: Request, next: Next) -> Response {
    // Requests of the revision without sessions open none.
    let is_stateless = request.headers().get("mcp-protocol-version").is_some_and(|version| version == "2026-07-28");
    let opens_one = !is_stateless && !request.headers().contains_key("mcp-session-id");
    if opens_one && sessions.sessions.read().await.len() >= SESSIONS_MAX {
        let refusal = refused(StatusCode::SERVICE_UNAVAILABLE, -32603, "Too many sessions.", Value::Null);
        return ([(header::RETRY_AFTER, "60")], refusal).into_response();
    }
    next.run(request).await
}

/// The service says that a job has ended. An unknown secret and a spent one look the same.
async fn called_back(State(app): State<Arc<App>>, Path(secret): Path<String>, body: axum::body::Bytes) -> StatusCode {
    match app.jobs().called_back(&secret, &body).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(error) if error.kind() == Kind::NotFound => StatusCode::NOT_FOUND,
        Err(error) => {
            tracing::warn!(%error, "a callback could not be taken");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.jobs().ledger().health().await {
        Ok(ledger) => (StatusCode::OK, format!("ready; ledger {ledger}\n")).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", error.message())).into_response(),
    }
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
    RECORDER.get_or_init(|| metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder().ok()).clone()
}
