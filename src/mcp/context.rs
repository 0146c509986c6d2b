//! What all requests to a server share: the use cases, the caller, and the bounded, guarded tool call.
//!
//! The server and its parts (`tasks_2025_11_25.rs`, `subscriptions.rs`) build on this and not on each other.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use futures_util::FutureExt;
use parking_lot::Mutex;
use rmcp::model::{ProtocolVersion, ServerConfig, Tool};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::access::Access;
use super::audit::Audited;
use super::connection::ConnectionSettings;
use super::permits::Permits;
use super::principal::{self, Principal};
use super::progress::Progress;
use super::tools::{self, Found, Handler};
use super::{app, observed, operation_tools};
use crate::answer::Answer;
use crate::app::{App, Caller, Consent, Policy, ResponseMode, policy};
use crate::config::Origin;
use crate::error::{Error, Kind, Result};
use crate::files::sandbox::Sandbox;
use crate::next_step::Audience;
use crate::secret::ApiKey;
use crate::tenant::Owner;

/// Subscriptions at once, of all clients. Sessions are bounded where they begin.
const SUBSCRIPTIONS_MAX: usize = 1_024;

/// Connections with settings of their own whose lists are remembered; the lists are made again beyond.
const SHOWN_KEPT: usize = 256;

/// What all requests of one connection share. Cheap to clone.
#[derive(Clone)]
pub struct ServerContext {
    shared: Arc<Shared>,
    /// What the connection asked for.
    settings: ConnectionSettings,
    /// What it is shown.
    shown: Arc<Shown>,
    /// Cancelled once the client has disconnected for good.
    gone: CancellationToken,
}

/// What all connections share.
struct Shared {
    app: Arc<App>,
    access: Access,
    sandbox: Arc<Sandbox>,
    permits: Permits,
    subscriptions: Semaphore,
    /// What connections with settings of their own are shown.
    narrowed: Mutex<HashMap<ConnectionSettings, Arc<Shown>>>,
}

/// What connections with the same settings are shown; made once, when it is asked for.
#[derive(Default)]
struct Shown {
    tools: OnceLock<Result<Vec<Tool>>>,
    info: OnceLock<ServerConfig>,
}

impl ServerContext {
    /// A context over `app` with a connection that never ends, whose callers may use what `access` says.
    pub fn new(app: Arc<App>, access: Access) -> ServerContext {
        let sandbox = Sandbox::for_assistants(&app.config);
        ServerContext {
            shared: Arc::new(Shared {
                app,
                access,
                sandbox: Arc::new(sandbox),
                permits: Permits::default(),
                subscriptions: Semaphore::new(SUBSCRIPTIONS_MAX),
                narrowed: Mutex::default(),
            }),
            settings: ConnectionSettings::default(),
            shown: Arc::default(),
            gone: CancellationToken::new(),
        }
    }

    /// The same context for a connection that has ended once `gone` is cancelled.
    #[must_use]
    pub fn until(self, gone: CancellationToken) -> ServerContext {
        ServerContext { gone, ..self }
    }

    /// The same context for a connection that asked for `settings`.
    #[must_use]
    pub fn narrowed(self, settings: ConnectionSettings) -> ServerContext {
        if settings == self.settings {
            return self;
        }
        let mut known = self.shared.narrowed.lock();
        if known.len() >= SHOWN_KEPT {
            known.clear();
        }
        let shown = Arc::clone(known.entry(settings.clone()).or_default());
        drop(known);
        ServerContext { settings, shown, ..self }
    }

    /// What the connection asked for.
    pub fn settings(&self) -> &ConnectionSettings {
        &self.settings
    }

    /// What the handshake says, made by `describe` when it is asked for first.
    pub fn info(&self, describe: impl FnOnce() -> ServerConfig) -> ServerConfig {
        self.shown.info.get_or_init(describe).clone()
    }

    /// The use cases.
    pub fn app(&self) -> &Arc<App> {
        &self.shared.app
    }

    /// What callers may use.
    pub fn access(&self) -> &Access {
        &self.shared.access
    }

    /// Cancelled once the client has disconnected for good.
    pub fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    /// A permit for one subscription.
    ///
    /// # Errors
    /// The protocol's, when all permits are taken.
    pub fn subscription_permit(&self) -> Result<SemaphorePermit<'_>, ErrorData> {
        let too_many =
            |_| ErrorData::internal_error("Too many clients are subscribed; ask for the state instead.", None);
        self.shared.subscriptions.try_acquire().map_err(too_many)
    }

    /// The tools that are listed.
    ///
    /// # Errors
    /// As [`operation_tools::list`].
    pub fn listed_tools(&self) -> Result<&[Tool]> {
        let config = &self.shared.app.config;
        let takes_key = !config.no_key_argument && !self.shared.access.signed_in;
        let list = || operation_tools::list_for(config, &self.settings, takes_key);
        match self.shown.tools.get_or_init(list) {
            Ok(tools) => Ok(tools),
            Err(error) => Err(error.share()),
        }
    }

    /// The tools as this request's client sees them: with the job card where it shows apps.
    ///
    /// # Errors
    /// As [`operation_tools::list`].
    pub fn tools_for(&self, request: &RequestContext<RoleServer>) -> Result<Vec<Tool>> {
        let mut tools = self.listed_tools()?.to_vec();
        if is_over_http(request) {
            operation_tools::for_remote_callers(&mut tools, self.shared.access.has_files());
        }
        if app::is_shown(request) {
            app::add_to(&mut tools);
        }
        Ok(tools)
    }

    /// The caller of a request that is no tool call.
    ///
    /// # Errors
    /// `auth` without a usable key.
    pub fn caller(&self, request: &RequestContext<RoleServer>) -> Result<Caller> {
        self.caller_with(None, request, &Progress::default(), ResponseMode::Inline)
    }

    /// The same, with the protocol's error.
    ///
    /// # Errors
    /// As [`ServerContext::caller`].
    pub fn asking(&self, request: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
        self.caller(request).map_err(protocol_error)
    }

    /// The caller with the key of the argument, else of the request's header, else of the server.
    fn caller_with(
        &self,
        key: Option<&str>,
        request: &RequestContext<RoleServer>,
        progress: &Progress,
        response_mode: ResponseMode,
    ) -> Result<Caller> {
        let config = &self.shared.app.config;
        let owner = if self.shared.access.signed_in {
            Principal::of(request).ok_or_else(principal::not_signed_in)?.owner()?
        } else {
            self.owner_of_key(key, request)?
        };
        let progress = progress.clone();
        Ok(Caller {
            is_remote: is_over_http(request),
            sandbox: self.shared.access.sandbox(&self.shared.sandbox, &owner.tenant, config),
            owner,
            policy: Policy::assistant(config).narrowed(self.settings.is_read_only()),
            consent: Consent::Needed,
            max_wait: Some(config.max_wait),
            response_mode,
            cancel: request.ct.child_token(),
            on_event: Arc::new(move |event| progress.record(event)),
        })
    }

    /// The owner who is known by a key alone.
    fn owner_of_key(&self, key: Option<&str>, request: &RequestContext<RoleServer>) -> Result<Owner> {
        let config = &self.shared.app.config;
        let key = match key.or(header_key(request)?) {
            Some(key) => {
                config.may_be_given(Origin::Flag)?;
                ApiKey::new(key)?
            }
            None => self.shared.access.default_key(config)?.clone(),
        };
        Ok(Owner::from(key))
    }

    /// Calls a tool, counts the call, and turns an error into an answer. The job of a task that comes of it is polled.
    pub async fn call_tool(
        &self,
        found: Found,
        given: Map<String, Value>,
        request: &RequestContext<RoleServer>,
        response_mode: ResponseMode,
        consent: Consent,
    ) -> Answer {
        let started = Instant::now();
        let span = tracing::info_span!(
            "call",
            tool = found.name(),
            request = %request.id,
            traceparent = trace_of(request).unwrap_or_default(),
        );
        let mut call = Audited::new(found, &given, request);
        let outcome =
            self.call(found, given, request, response_mode, consent, &mut call).instrument(span.clone()).await;
        let _entered = span.enter();
        let transport = if is_over_http(request) { "tcp" } else { "pipe" };
        observed::tool_call(found.name(), &outcome, transport, revision_of(request).as_ref(), started.elapsed());
        call.write_down(&self.shared.app, request, &outcome);
        match outcome {
            Ok(answer) => answer,
            Err(error) => {
                tracing::info!(tool = found.name(), %error, "tool call failed");
                Answer::from_error(&error)
            }
        }
    }

    async fn call(
        &self,
        found: Found,
        mut given: Map<String, Value>,
        request: &RequestContext<RoleServer>,
        response_mode: ResponseMode,
        consent: Consent,
        audited: &mut Audited,
    ) -> Result<Answer> {
        let app = &self.shared.app;
        if app.config.read_only {
            refuse_if_it_spends_or_writes(
                found,
                &given,
                policy::read_only(),
                "start the server without PDFCO_READ_ONLY",
            )?;
        } else if self.settings.is_read_only() {
            refuse_if_it_spends_or_writes(found, &given, connection_is_read_only(), CONNECT_ANEW)?;
        }
        if Principal::of(request).is_some_and(|person| !person.may_run) {
            refuse_if_it_spends_or_writes(found, &given, token_is_read_only(), "sign in with the scope pdfco:run")?;
        }
        let key = take_key(&mut given, app.config.no_key_argument || self.shared.access.signed_in)?;
        // The catalog can be read before there is an account.
        if let Found::Job(tools::JobTool { handler: Handler::Keyless(run), .. }) = found {
            return run(app, given);
        }
        app.config.key_is_known().await;
        let progress = Progress::default();
        // A task is asked for with the key of the connection, so a call with a key of its own cannot become one.
        let response_mode = if key.is_some() { ResponseMode::Inline } else { response_mode };
        let caller = Caller { consent, ..self.caller_with(key.as_deref(), request, &progress, response_mode)? };
        audited.is_of(&caller.owner);
        let _permit = self.shared.permits.acquire(&caller.owner.tenant, found.takes_tasks()).await?;
        let token = request.meta.get_progress_token();
        // Boxed: the future is large, and moves through several layers from here on.
        let work = Box::pin(async {
            let call = tools::call(app, &caller, found, given);
            tokio::pin!(call);
            tokio::select! {
                outcome = &mut call => Box::new(outcome),
                () = self.gone.cancelled() => {
                    caller.cancel.cancel();
                    Box::new(call.await)
                }
            }
        });
        // A panicking tool would never be answered, and its client would wait for ever.
        let guarded = AssertUnwindSafe(work).catch_unwind();
        let Ok(outcome) = progress.beside(request.peer.clone(), token, guarded).await else {
            tracing::error!(tool = found.name(), "tool panicked");
            return Err(Error::internal("The tool stopped unexpectedly."));
        };
        let answer = match *outcome {
            Ok(answer) => answer,
            Err(error) => return Err(app.error_with_balance(&caller.owner, error).await),
        };
        if let (Some(view), Some(job)) = (&answer.task, &answer.job) {
            app.keep_polling(&caller, &view.task, &job.job_id);
        }
        Ok(answer)
    }
}

/// How a connection stops being read-only.
const CONNECT_ANEW: &str = "connect without read_only=true and X-MCP-Readonly";

/// The transport refuses such a call already, where a client can sign in anew.
fn token_is_read_only() -> Error {
    Error::new(
        Kind::Auth,
        "The token of this sign-in allows reading only.",
        "Sign in with the scope pdfco:run to spend and write.",
    )
}

fn connection_is_read_only() -> Error {
    Error::invalid(
        "This connection is read-only: it does not spend or write.",
        "It asked for that itself; connect without read_only=true and X-MCP-Readonly to allow it.",
    )
}

/// What a read-only server or connection does not do: `refusal`, and how it would.
fn refuse_if_it_spends_or_writes(
    found: Found,
    given: &Map<String, Value>,
    refusal: Error,
    otherwise: &str,
) -> Result<()> {
    if found.spends_or_writes() {
        return Err(refusal);
    }
    match found.argument_that_spends_or_writes(given) {
        Some(name) => Err(Error::invalid(
            format!("Nothing is spent or written here: `{name}` is not accepted."),
            format!("Leave `{name}` out, or {otherwise}."),
        )),
        None => Ok(()),
    }
}

/// The trace that a request is part of: as its own metadata say, else as the HTTP request that carried it.
fn trace_of(request: &RequestContext<RoleServer>) -> Option<&str> {
    let own = request.meta.get("traceparent").and_then(Value::as_str);
    let head = request.extensions.get::<http::request::Parts>();
    let of_head = head.and_then(|head| head.headers.get("traceparent")?.to_str().ok());
    own.or(of_head).and_then(observed::traceparent)
}

/// The protocol's revision: as the request says, else as the client of a session agreed on in its handshake.
fn revision_of(request: &RequestContext<RoleServer>) -> Option<ProtocolVersion> {
    request.meta.protocol_version().or_else(|| request.peer.peer_info().map(|info| info.protocol_version.clone()))
}

/// Whether a request came over HTTP.
fn is_over_http(request: &RequestContext<RoleServer>) -> bool {
    request.extensions.get::<http::request::Parts>().is_some()
}

/// The key that came with an HTTP request.
///
/// One that cannot be read is refused: falling back to the server's own key would charge the wrong account.
fn header_key(request: &RequestContext<RoleServer>) -> Result<Option<&str>> {
    let Some(head) = request.extensions.get::<http::request::Parts>() else { return Ok(None) };
    let mut given = head.headers.get_all("x-api-key").iter();
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => match one.to_str() {
            Ok(key) if key.trim().is_empty() => Ok(None),
            Ok(key) => Ok(Some(key)),
            Err(_) => ApiKey::new("").map(|_| None),
        },
        (Some(_), Some(_)) => Err(Error::new(Kind::Auth, "The request has two x-api-key headers.", "Send one.")),
    }
}

/// Takes the key out of the arguments. One that is given although the setting forbids it is refused: an assistant that
/// follows a document's instructions could otherwise send files to another account.
fn take_key(given: &mut Map<String, Value>, is_forbidden: bool) -> Result<Option<String>> {
    match given.shift_remove("api_key") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(key)) if key.trim().is_empty() => Ok(None),
        Some(_) if is_forbidden => Err(Error::invalid(
            "This server does not accept `api_key`.",
            "Leave it out: the key comes from the server's settings, the x-api-key header, or the sign-in.",
        )),
        Some(Value::String(key)) => Ok(Some(key)),
        Some(_) => Err(Error::invalid("`api_key` is not text.", "Leave it out to use the server's key.")),
    }
}

/// The protocol's error for a request that is no tool call.
pub fn protocol_error(error: Error) -> ErrorData {
    let message = format!("{} {}", error.message(), error.hint().text(Audience::Agent));
    match error.kind() {
        Kind::InvalidArgument | Kind::NotFound => ErrorData::invalid_params(message, None),
        Kind::Auth
        | Kind::InsufficientCredits
        | Kind::RateLimited
        | Kind::JobFailed
        | Kind::JobAborted
        | Kind::LinkExpired
        | Kind::FileAccess
        | Kind::TooLarge
        | Kind::Network
        | Kind::Upstream
        | Kind::Cancelled
        | Kind::LedgerUnavailable
        | Kind::Internal => ErrorData::internal_error(message, None),
    }
}
