//! What all requests to a server share: the use cases, the caller, and the bounded, guarded tool call.
//!
//! The server and its parts (`tasks_2025_11_25.rs`, `subscriptions.rs`) build on this and not on each other.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use rmcp::model::Tool;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::permits::Permits;
use super::progress::Progress;
use super::tools::{self, Found, Handler};
use super::{app, operation_tools};
use crate::answer::Answer;
use crate::app::{App, Caller, Policy, ResponseMode, policy};
use crate::config::Origin;
use crate::error::{Error, Kind, Result};
use crate::files::sandbox::Sandbox;
use crate::next_step::Audience;
use crate::secret::ApiKey;
use crate::tenant::Owner;

/// Subscriptions at once, of all clients. Sessions are bounded where they begin.
const SUBSCRIPTIONS_MAX: usize = 1_024;

/// What all requests of one connection share. Cheap to clone.
#[derive(Clone)]
pub struct ServerContext {
    shared: Arc<Shared>,
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
    listed: OnceLock<Result<Vec<Tool>>>,
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
                listed: OnceLock::new(),
            }),
            gone: CancellationToken::new(),
        }
    }

    /// The same context for a connection that has ended once `gone` is cancelled.
    #[must_use]
    pub fn until(self, gone: CancellationToken) -> ServerContext {
        ServerContext { gone, ..self }
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
        match self.shared.listed.get_or_init(|| operation_tools::list(&self.shared.app.config)) {
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
        let key = match key.or(header_key(request)?) {
            Some(key) => {
                config.may_be_given(Origin::Flag)?;
                ApiKey::new(key)?
            }
            None => self.shared.access.default_key(config)?.clone(),
        };
        let progress = progress.clone();
        let owner = Owner::from(key);
        Ok(Caller {
            sandbox: self.shared.access.sandbox(&self.shared.sandbox, &owner.tenant, config),
            owner,
            policy: Policy::assistant(config),
            max_wait: Some(config.max_wait),
            response_mode,
            cancel: request.ct.child_token(),
            on_event: Arc::new(move |event| progress.record(event)),
        })
    }

    /// Calls a tool, counts the call, and turns an error into an answer. The job of a task that comes of it is polled.
    pub async fn call_tool(
        &self,
        found: Found,
        given: Map<String, Value>,
        request: &RequestContext<RoleServer>,
        response_mode: ResponseMode,
    ) -> Answer {
        let started = Instant::now();
        let outcome = self.call(found, given, request, response_mode).await;
        count(found, outcome.as_ref().is_ok_and(|answer| !answer.is_error), started.elapsed());
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
    ) -> Result<Answer> {
        let app = &self.shared.app;
        if app.config.read_only {
            refuse_unless_read_only(found, &given)?;
        }
        let key = take_key(&mut given, app.config.no_key_argument)?;
        // The catalog can be read before there is an account.
        if let Found::Job(tools::JobTool { handler: Handler::Keyless(run), .. }) = found {
            return run(app, given);
        }
        app.config.key_is_known().await;
        let progress = Progress::default();
        // A task is asked for with the key of the connection, so a call with a key of its own cannot become one.
        let response_mode = if key.is_some() { ResponseMode::Inline } else { response_mode };
        let caller = self.caller_with(key.as_deref(), request, &progress, response_mode)?;
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
        let answer = (*outcome)?;
        if let (Some(view), Some(job)) = (&answer.task, &answer.job) {
            app.keep_polling(&caller, &view.task, &job.job_id);
        }
        Ok(answer)
    }
}

/// What a read-only server does not do.
fn refuse_unless_read_only(found: Found, given: &Map<String, Value>) -> Result<()> {
    if found.spends_or_writes() {
        return Err(policy::read_only());
    }
    let Found::Job(tool) = found else { return Ok(()) };
    let withheld = tool.params.iter().filter(|param| tool.not_read_only.contains(&param.name));
    for param in withheld {
        let is_given = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
        if given.iter().any(|(name, value)| param.answers_to(name) && is_given(value)) {
            return Err(Error::invalid(
                format!("This server is read-only: `{}` is not accepted.", param.name),
                format!("Leave `{}` out, or start the server without PDFCO_READ_ONLY.", param.name),
            ));
        }
    }
    Ok(())
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
            "Leave it out: the key comes from the server's settings or from the x-api-key header.",
        )),
        Some(Value::String(key)) => Ok(Some(key)),
        Some(_) => Err(Error::invalid("`api_key` is not text.", "Leave it out to use the server's key.")),
    }
}

/// Counts a call under the tool's listed name, whatever name the caller used.
fn count(found: Found, is_success: bool, took: Duration) {
    let (name, outcome) = (found.name(), if is_success { "success" } else { "error" });
    metrics::counter!("pdfco_tool_calls_total", "tool" => name, "outcome" => outcome).increment(1);
    metrics::histogram!("pdfco_tool_seconds", "tool" => name).record(took.as_secs_f64());
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
