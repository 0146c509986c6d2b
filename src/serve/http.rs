//! The protocol over HTTP, and what a server needs besides: liveness, readiness, metrics.
//!
//! The key comes with each request (`x-api-key`); the bearer token guards the server itself. Requests of 2026-07-28 are
//! stateless; older revisions get a session.
//!
//! | path | who may ask |
//! |---|---|
//! | `/mcp` | holders of the token; Host and Origin are checked against DNS rebinding |
//! | `/mcp-oauth`, where people sign in | people with a token of the issuer (`oauth/`); its metadata are public |
//! | `/metrics` | holders of the token |
//! | `/healthz`, `/readyz` | everyone: yes or no |
//! | `/` and what belongs to it (`page.rs`) | a person with a session, or who gives token and key to a form |
//! | `/callbacks/{secret}`, where a callback address is set | the service, which alone was given the job's secret |

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use rmcp::ServerHandler;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::bodies::{self, Bodies};
use super::connections::{self, PROTOCOL_PATH};
use super::hosts::Hosts;
use super::oauth::admit::{self, SignIn};
use super::oauth::issuer::Pace;
use super::oauth::resource::{PATH as SIGNED_IN_PATH, Resource};
use super::peers::{Connection, Limits, Peers};
use super::recall::Store;
use super::refusal::refused;
use super::replicas::Replicas;
use super::rpc::{self, Messages};
use super::sessions::Sessions;
use super::tenants::{InFlight, Scope};
use super::tokens::{Tokens, Verdict};
use super::{callbacks, cors, health, page};
use crate::app::App;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::mcp::Server;
use crate::mcp::access::{Access, FileAccess};
use crate::mcp::slices::Slices;

/// How long a connection may be idle where nothing else is said.
pub const KEEP_ALIVE_DEFAULT: Duration = Duration::from_secs(75);
/// How long calls may take to answer when the server is asked to stop.
const DRAIN: Duration = Duration::from_secs(3);
/// How long each of the steps after that may take.
const DRAIN_STEP: Duration = Duration::from_secs(1);

/// Where the server listens and who is let in.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address; port 0 takes a free one.
    pub address: SocketAddr,
    /// Bearer token.
    pub token: Option<SecretString>,
    /// Host names besides this machine's.
    pub hosts: Vec<String>,
    /// Origins of browser clients besides the hosts' own pages.
    pub origins: Vec<String>,
    /// Whether holders of the token may use the server's key.
    pub shared_key: bool,
    /// Folder above those of holders of the token, and the bytes that each may keep; none use files without it.
    pub files: Option<(PathBuf, u64)>,
    /// Who signs in, where people do.
    pub sign_in: Option<admit::Options>,
    /// How long a connection may be idle.
    pub keep_alive: Duration,
    /// Sessions of the page.
    pub page: page::Limits,
}

impl Options {
    /// As the settings say, at `address`.
    pub fn of(config: &Config, address: SocketAddr) -> Options {
        Options {
            token: config.http_token.clone(),
            hosts: config.http_hosts.clone(),
            origins: config.http_origins.clone(),
            shared_key: config.http_shared_key,
            files: config.http_files.clone().map(|root| (root, config.http_files_bytes)),
            sign_in: config.oauth_issuer.clone().map(|issuer| admit::Options {
                issuer,
                resource: config.oauth_resource.clone().or_else(|| below_callbacks(config)),
                audience: config.oauth_audience.clone(),
                pace: Pace::USUAL,
            }),
            keep_alive: config.http_keep_alive,
            ..Options::at(address)
        }
    }

    /// Nothing but an address.
    pub fn at(address: SocketAddr) -> Options {
        Options {
            address,
            token: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            shared_key: false,
            files: None,
            sign_in: None,
            keep_alive: KEEP_ALIVE_DEFAULT,
            page: page::Limits::default(),
        }
    }

    /// Says what is wrong with these options, without starting anything.
    ///
    /// # Errors
    /// `invalid_argument` when others can reach the address and there is no token, for a token that could be guessed, and
    /// for a host or an origin that is none.
    pub fn check(&self) -> Result<()> {
        if !self.address.ip().is_loopback() && self.token.is_none() && self.sign_in.is_none() {
            return Err(Error::invalid(
                format!("{} can be reached from other machines, and no token guards it.", self.address),
                "Set PDFCO_HTTP_TOKEN to a long random word (`openssl rand -hex 32`), or listen on 127.0.0.1.",
            ));
        }
        Tokens::new(self.token.clone())?;
        Hosts::read(&self.hosts, &self.origins)?;
        if let Some(sign_in) = &self.sign_in {
            match &sign_in.resource {
                Some(address) => drop(Resource::new(address, &sign_in.issuer)?),
                None if self.address.ip().is_unspecified() => {
                    return Err(Error::invalid(
                        "People sign in for an address, and the server does not know its own.",
                        "Set PDFCO_OAUTH_RESOURCE to the address of /mcp-oauth as people reach it.",
                    ));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// What callers may use: everything where no token is asked for, because then it is their own machine.
    fn access(&self) -> Access {
        if self.token.is_none() {
            return Access::everything();
        }
        let files = match &self.files {
            Some((root, bytes)) => FileAccess::PerTenant { root: root.clone(), bytes: *bytes },
            None => FileAccess::Nothing,
        };
        Access { server_key: self.shared_key, signed_in: false, files }
    }

    /// What people who signed in may use: their key comes by that.
    fn signed_in_access(&self) -> Access {
        let files = match &self.files {
            Some((root, bytes)) => FileAccess::PerTenant { root: root.clone(), bytes: *bytes },
            None => FileAccess::Nothing,
        };
        Access { server_key: false, signed_in: true, files }
    }

    /// Whether `/mcp`, the page and the metrics are served: not where people sign in and no token guards the rest.
    fn serves_unsigned(&self) -> bool {
        self.sign_in.is_none() || self.token.is_some()
    }
}

/// A server that runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The address for people who sign in, where they do.
    pub signed_in_at: Option<String>,
    /// Whether `/mcp` is served.
    pub serves_unsigned: bool,
    peers: Arc<Peers>,
    accepting: CancellationToken,
    waits: CancellationToken,
    streams: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops accepting, lets calls answer for a moment, then makes the waits that are left answer with what they know, and
    /// ends the rest. Takes six seconds at most.
    pub async fn stop(self) {
        let Running { peers, accepting, waits, streams, mut task, .. } = self;
        accepting.cancel();
        for (time, then) in [(DRAIN, waits), (DRAIN_STEP, streams)] {
            if tokio::time::timeout(time, &mut task).await.is_ok() {
                return;
            }
            then.cancel();
        }
        if tokio::time::timeout(DRAIN_STEP, &mut task).await.is_err() {
            peers.close_all();
            if tokio::time::timeout(DRAIN_STEP, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// Starts the server.
///
/// # Errors
/// As [`Options::check`]; `network` when the address cannot be bound.
pub async fn start(app: Arc<App>, options: Options) -> Result<Running> {
    // The page and the counts of requests ask for the server's key without waiting.
    app.config.key_is_known().await;
    let waits = CancellationToken::new();
    let server = Server::with(Arc::clone(&app), options.access()).until(waits.clone());
    let signed_in = Server::with(Arc::clone(&app), options.signed_in_access()).until(waits.clone());
    listen(app, options, waits, for_connections(server), for_connections(signed_in)).await
}

/// Servers for connections, each with what its connection asked for.
fn for_connections(server: Server) -> impl Fn() -> Server + Send + Sync + 'static {
    move || server.another().narrowed(Scope::current().settings)
}

/// The address of `/mcp-oauth` below the public address of the server.
fn below_callbacks(config: &Config) -> Option<String> {
    let public = config.callback_url.as_ref()?;
    Some(format!("{}{SIGNED_IN_PATH}", public.as_str().trim_end_matches('/')))
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
    let waits = CancellationToken::new();
    let signed_in = Server::with(Arc::clone(&app), options.signed_in_access()).until(waits.clone());
    listen(app, options, waits, handler, for_connections(signed_in)).await
}

async fn listen<S: ServerHandler>(
    app: Arc<App>,
    options: Options,
    waits: CancellationToken,
    handler: impl Fn() -> S + Send + Sync + 'static,
    signed_in: impl Fn() -> Server + Send + Sync + 'static,
) -> Result<Running> {
    options.check()?;
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
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "token and keys travel in plain HTTP: put a proxy that speaks TLS in front");
    }
    let (accepting, streams) = (CancellationToken::new(), CancellationToken::new());
    let limits = Limits::of_this_process();
    let peers = Peers::new(limits);
    let tokens = Arc::new(Tokens::new(options.token.clone())?);
    let sign_in = match &options.sign_in {
        Some(sign_in) => {
            let own = || format!("http://{address}{SIGNED_IN_PATH}");
            let resource = Resource::new(&sign_in.resource.clone().unwrap_or_else(own), &sign_in.issuer)?;
            Some(Arc::new(SignIn::new(Arc::clone(&app), sign_in, resource, Arc::clone(&tokens))?))
        }
        None => None,
    };
    // The name under which people sign in is one of the server's.
    let names: Vec<String> =
        options.hosts.iter().cloned().chain(sign_in.iter().map(|it| it.resource().host())).collect();
    let parts = Parts {
        tokens,
        hosts: Arc::new(Hosts::read(&names, &options.origins)?),
        serves_unsigned: options.serves_unsigned(),
        sign_in,
        bodies: Arc::new(Bodies::new(accepting.clone())),
        in_flight: InFlight::new(limits.total - limits.total / 16),
        slices: Slices::of_this_runtime(),
        streams: streams.clone(),
        page: options.page,
        may_use_server_key: options.access().server_key,
        app,
    };
    let signed_in_at = parts.sign_in.as_ref().map(|sign_in| sign_in.resource().address.clone());
    let serves_unsigned = parts.serves_unsigned;
    let router = parts.router(handler, signed_in);
    let serving = connections::serve(listener, router, Arc::clone(&peers), options.keep_alive, accepting.clone());
    let serving = async {
        tokio::select! {
            () = serving => {}
            () = health::count_metrics() => {}
        }
    };
    Ok(Running {
        address,
        signed_in_at,
        serves_unsigned,
        peers,
        accepting,
        waits,
        streams,
        task: tokio::spawn(serving),
    })
}

/// What the routes share.
struct Parts {
    app: Arc<App>,
    tokens: Arc<Tokens>,
    hosts: Arc<Hosts>,
    bodies: Arc<Bodies>,
    in_flight: Arc<InFlight>,
    slices: Arc<Slices>,
    streams: CancellationToken,
    page: page::Limits,
    may_use_server_key: bool,
    sign_in: Option<Arc<SignIn>>,
    serves_unsigned: bool,
}

impl Parts {
    fn router<S: ServerHandler>(
        self,
        handler: impl Fn() -> S + Send + Sync + 'static,
        signed_in: impl Fn() -> Server + Send + Sync + 'static,
    ) -> Router {
        let mut guarded = Router::new();
        if self.serves_unsigned {
            guarded = self
                .protocol(PROTOCOL_PATH, handler, self.may_use_server_key)
                .merge(health::metrics())
                .route_layer(middleware::from_fn_with_state(Arc::clone(&self.tokens), require_token));
        }
        if let Some(sign_in) = &self.sign_in {
            let protocol = self.protocol(SIGNED_IN_PATH, signed_in, false);
            guarded =
                guarded.merge(protocol.route_layer(middleware::from_fn_with_state(Arc::clone(sign_in), admit::admit)));
        }
        let mut router = guarded
            .route_layer(middleware::from_fn_with_state(Arc::clone(&self.hosts), cors::admit))
            .merge(health::routes(Arc::clone(&self.app)));
        if let Some(sign_in) = &self.sign_in {
            router = router.merge(sign_in.resource().routes());
        }
        if let Some(public) = &self.app.config.callback_url {
            router = router.merge(callbacks::routes(Arc::clone(&self.app), Arc::clone(&self.bodies), public));
        }
        if self.serves_unsigned {
            router = router.merge(page::routes(page::Parts {
                app: self.app,
                tokens: self.tokens,
                hosts: self.hosts,
                bodies: self.bodies,
                limits: self.page,
                may_use_server_key: self.may_use_server_key,
            }));
        }
        router.layer(middleware::from_fn(one_host_only))
    }

    /// The protocol at `path`, with sessions of its own.
    fn protocol<S: ServerHandler>(
        &self,
        path: &str,
        handler: impl Fn() -> S + Send + Sync + 'static,
        may_use_server_key: bool,
    ) -> Router {
        let sessions = Sessions::new(Replicas::of(&self.app));
        let mut config = StreamableHttpServerConfig::default()
            // Hosts and origins are checked for every route by the same list (`cors.rs`).
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(bodies::MESSAGE.bytes)
            .with_cancellation_token(self.streams.clone());
        // The first event of a stream comes from `sessions.rs`.
        config.sse_retry = None;
        if sessions.replicas.is_some() {
            config.session_store = Some(Arc::new(Store(Arc::clone(&sessions))));
        }
        let protocol = StreamableHttpService::new(move || Ok(handler()), Arc::clone(&sessions), config);
        let messages = Arc::new(Messages {
            app: Arc::clone(&self.app),
            sessions,
            bodies: Arc::clone(&self.bodies),
            in_flight: Arc::clone(&self.in_flight),
            slices: Arc::clone(&self.slices),
            may_use_server_key,
        });
        Router::new().nest_service(path, protocol).route_layer(middleware::from_fn_with_state(messages, rpc::handle))
    }
}

/// Refuses a request that names two hosts: what stands in front may have read the other one.
async fn one_host_only(request: Request, next: Next) -> Response {
    match super::hosts::target(request.uri(), request.headers()) {
        super::hosts::Target::Contradictory => {
            refused(StatusCode::BAD_REQUEST, -32600, "The request names two hosts, or none.", Value::Null)
        }
        _ => next.run(request).await,
    }
}

/// Lets holders of the token in. Their connections are trusted from then on.
async fn require_token(State(tokens): State<Arc<Tokens>>, request: Request, next: Next) -> Response {
    if !tokens.is_required() {
        return next.run(request).await;
    }
    let Some(connection) = request.extensions().get::<Arc<Connection>>().cloned() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    match tokens.judge(request.headers(), connection.peer(), Instant::now()) {
        Verdict::Granted => {
            connection.trust();
            return next.run(request).await;
        }
        Verdict::Missing => {}
        Verdict::Wrong(delay) => tokens.delay(delay).await,
        Verdict::Refused(wait) => {
            let what = "Too many wrong tokens came from this address.";
            let refusal = refused(StatusCode::TOO_MANY_REQUESTS, -32600, what, Value::Null);
            return ([(header::RETRY_AFTER, wait.as_secs().max(1).to_string())], refusal).into_response();
        }
    }
    let what = "Send the server's token: Authorization: Bearer …";
    let refusal = refused(StatusCode::UNAUTHORIZED, -32600, what, Value::Null);
    ([(header::WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
}
