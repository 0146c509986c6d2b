//! How we speak to the service: the only room that knows reqwest.
//!
//! What lives here: [`Client`], which sends one request under the key's pace and repeats it where that is safe
//! (`retry.rs` decides, `rate_limit.rs` paces, `transport.rs` speaks HTTP, `certificates.rs` knows why it cannot,
//! `body.rs` takes in what comes back, `reply.rs` reads it, `transfer.rs` moves files, `moved.rs` tells a slow line from
//! one that stalls). What never does: knowledge of jobs in time, of the ledger or of any door.
//!
//! Start at [`Client::send`].

pub mod body;
mod certificates;
mod moved;
pub mod rate_limit;
pub mod reply;
pub mod retry;
pub mod transfer;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::catalog::Method;
use crate::error::{Error, Kind, Result};
use crate::secret::{ApiKey, Fingerprint};

pub use rate_limit::RateLimiter;

pub use crate::config::Pace;
pub use reply::{About, Reply};
pub use retry::Repeat;
pub use transport::Timeouts;

/// One request to the service.
#[derive(Clone, Debug)]
pub struct Call {
    /// HTTP method; decides where the parameters travel.
    pub method: Method,
    /// Path below the base URL.
    pub path: String,
    /// Parameters, an object.
    pub params: Value,
    /// Whether, and after which failures, the request may be sent again.
    pub repeat: Repeat,
    /// What it is about: decides how some answers read.
    pub about: About,
    /// Values of the request that must not be quoted back in an error (passwords).
    pub secrets: Vec<String>,
    /// Gives the request up as long as it has not left. What has left is waited for: it may have been charged.
    pub cancel: CancellationToken,
    /// Asked when everything is ready and the request is about to leave.
    pub departure: Option<BeforeSend>,
}

/// The last word before a request leaves: `false` holds it back. Whoever keeps records learns here, and no earlier, that
/// the service may have seen the request.
#[derive(Clone)]
pub struct BeforeSend(pub Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>);

impl std::fmt::Debug for BeforeSend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BeforeSend")
    }
}

impl Call {
    /// A request that changes nothing and may be repeated after every passing failure.
    pub fn safe(method: Method, path: impl Into<String>, params: Value) -> Self {
        Call {
            method,
            path: path.into(),
            params,
            repeat: Repeat::Safe,
            about: About::Account,
            secrets: Vec::new(),
            cancel: CancellationToken::new(),
            departure: None,
        }
    }
}

/// The service's HTTP client: one for the whole process, cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    transport: transport::Transport,
    limiter: RateLimiter,
    shared_pace: Option<SharedPace>,
}

/// Asks for one of a key's `limit` places in a window that other processes use too; the answer is how long to wait
/// before asking again, or nothing when the place is taken.
pub type SharedPace = Arc<dyn Fn(Fingerprint, u32, Duration) -> BoxFuture<'static, Option<Duration>> + Send + Sync>;

impl Client {
    /// A client of the service at `base`. Nothing is opened before the first request. `shared_pace` is asked after our
    /// own limiter, so that several processes keep one pace together.
    ///
    /// # Errors
    /// `invalid_argument` when `base` is neither https nor plain http on loopback.
    pub fn new(base: Url, pace: Pace, timeouts: Timeouts, shared_pace: Option<SharedPace>) -> Result<Self> {
        let transport = transport::Transport::new(base, timeouts)?;
        Ok(Client { inner: Arc::new(Inner { transport, limiter: RateLimiter::new(pace), shared_pace }) })
    }

    /// Whether the service is on this machine: then its links are too, and plain http is in order.
    pub fn is_local(&self) -> bool {
        self.inner.transport.is_local()
    }

    /// Sends `call` under the key's pace and repeats what is safe to repeat.
    ///
    /// # Errors
    /// What [`reply::failure`] makes of the last answer; `network` when there was none. After a paid request whose
    /// fate is unknown the error says so and is not retryable.
    pub async fn send(&self, key: &ApiKey, call: &Call) -> Result<Reply> {
        let started = Instant::now();
        let mut number = 1;
        loop {
            let failure = match self.attempt(key, call, started).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            let attempt = retry::Attempt {
                number,
                elapsed: started.elapsed(),
                repeat: call.repeat,
                fate: failure.fate,
                retryable: failure.error.is_retryable(),
                retry_after: failure.error.retry_after(),
            };
            match attempt.decide() {
                retry::Decision::Again { after } => {
                    tracing::debug!(path = %call.path, number, ?after, kind = %failure.error.kind(), "request repeated");
                    tokio::select! {
                        () = tokio::time::sleep(after) => number += 1,
                        () = call.cancel.cancelled() => return Err(given_up()),
                    }
                }
                retry::Decision::Stop => return Err(failure.explained(call)),
            }
        }
    }

    /// Waits for a turn of `key` at the rate limit, for callers that choose what to send only then.
    pub async fn turn(&self, key: &ApiKey) -> rate_limit::Permit {
        self.inner.limiter.acquire(key.fingerprint()).await
    }

    /// Sends `call` once, in a turn taken before. The jobs engine sends its checks so, because there a refused check
    /// only moves the next look.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_in_turn(&self, key: &ApiKey, call: &Call, turn: rate_limit::Permit) -> Result<Reply> {
        self.attempt_in_turn(key, call, turn).await.map_err(|failure| failure.explained(call))
    }

    async fn attempt(&self, key: &ApiKey, call: &Call, started: Instant) -> Result<Reply, Failure> {
        let turn = tokio::select! {
            biased;
            turn = self.turn(key) => turn,
            pause = self.inner.limiter.paused_beyond(key.fingerprint(), started + REPEAT_BUDGET) => {
                return Err(Failure { error: told_to_pause(pause), fate: retry::Fate::Elsewhere });
            }
            () = call.cancel.cancelled() => return Err(Failure { error: given_up(), fate: retry::Fate::Elsewhere }),
        };
        self.attempt_in_turn(key, call, turn).await
    }

    async fn attempt_in_turn(
        &self,
        key: &ApiKey,
        call: &Call,
        mut permit: rate_limit::Permit,
    ) -> Result<Reply, Failure> {
        let mut is_given_up = tokio::select! {
            () = self.keep_shared_pace(key) => call.cancel.is_cancelled(),
            () = call.cancel.cancelled() => true,
        };
        if let (false, Some(BeforeSend(may_leave))) = (is_given_up, &call.departure) {
            is_given_up = !may_leave().await;
        }
        if is_given_up {
            permit.give_back();
            return Err(Failure { error: given_up(), fate: retry::Fate::Elsewhere });
        }
        permit.leaves();
        let answer = self.inner.transport.exchange(key, call).await;
        let refused = match &answer {
            Err(Failure { error, .. }) if error.kind() == Kind::RateLimited => Some(error.retry_after()),
            _ => None,
        };
        permit.complete(refused);
        if refused.is_some() {
            metrics::counter!("pdfco_refused_for_pace_total").increment(1);
        }
        let outcome = if answer.is_ok() { "answered" } else { "failed" };
        metrics::counter!("pdfco_requests_total", "outcome" => outcome).increment(1);
        answer
    }

    /// Waits for a place in the pace that other processes keep too. Last before the request leaves, so that a turn that
    /// is given back takes no place.
    async fn keep_shared_pace(&self, key: &ApiKey) {
        if let (Some(reserve), Some(limit)) = (&self.inner.shared_pace, self.inner.limiter.limit()) {
            // Each round waits for a place that others may take first; those who wait here are few and take turns.
            while let Some(wait) = reserve(key.fingerprint().clone(), limit, rate_limit::SHARED_WINDOW).await {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// The part that moves files: uploads and downloads by presigned links, which carry no key.
    pub(crate) fn transport(&self) -> &transport::Transport {
        &self.inner.transport
    }
}

/// A request that did not succeed, and what became of it on the way.
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) fate: retry::Fate,
}

impl Failure {
    /// The error for the caller. Where money may have been spent unseen, it says so: the answer to a paid request was
    /// lost, or is one that does not tell what was done.
    fn explained(self, call: &Call) -> Error {
        let is_unclear = match self.fate {
            retry::Fate::Lost => true,
            retry::Fate::Answered => matches!(self.error.kind(), Kind::Network | Kind::Upstream),
            retry::Fate::NotSent | retry::Fate::Refused | retry::Fate::Elsewhere => false,
        };
        if call.repeat == Repeat::Safe || !is_unclear {
            return self.error;
        }
        let message = format!("{} The service may have received the request and charged for it.", self.error.message());
        let hint = "Look with list_jobs and get_credit_balance before sending it again; the request itself is kept there as `queued`.";
        let error = Error::new(self.error.kind(), message, hint).with_unknown_fate();
        match self.error.upstream() {
            Some(body) => error.with_upstream(body.clone()),
            None => error,
        }
        .with_source(self.error)
    }
}

fn told_to_pause(pause: Duration) -> Error {
    let message = "The service asked this key to pause, for longer than a call waits. The request was not sent.";
    Error::new(Kind::RateLimited, message, "Nothing was charged for it. Try again after `retry_after_seconds`.")
        .with_retry_after(Some(pause))
}

fn given_up() -> Error {
    Error::new(Kind::Cancelled, "The request was given up before it was sent.", "Nothing was charged for it.")
}

/// A repeat begins within this time after the first attempt, or not at all.
pub(crate) const REPEAT_BUDGET: Duration = Duration::from_secs(20);

/// Several assistants cut a call after a minute. What is left of it is for the way there and back.
pub(crate) const CALL_PATIENCE: Duration = Duration::from_secs(55);

const _: () = {
    let limits = Timeouts::USUAL;
    assert!(REPEAT_BUDGET.as_secs() + limits.paid.as_secs() <= CALL_PATIENCE.as_secs());
    assert!(REPEAT_BUDGET.as_secs() + limits.safe.as_secs() <= CALL_PATIENCE.as_secs());
    assert!(limits.connect.as_secs() < limits.safe.as_secs() && limits.safe.as_secs() <= limits.paid.as_secs());
};
