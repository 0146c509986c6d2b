//! How the product speaks to the service: the only module that knows reqwest.
//!
//! Start at [`Client::send`], which sends one request under the key's pace and repeats it where that is safe.
//! `call.rs` has the request, `retry_policy.rs` decides about repeats, `rate_limiter.rs` paces, fairly between tenants
//! (`fair_queue.rs`), `transport.rs` speaks HTTP, `certificates.rs` explains failed TLS, `body.rs` reads what comes
//! back, `redact.rs` cuts secrets out of it, `shape.rs`, `response.rs` and `response_errors.rs` give it a meaning,
//! `transfer.rs` moves files, `documents.rs` asks other servers than the service, and `stall.rs` distinguishes a slow
//! line from a stalled one.

pub mod body;
mod call;
mod certificates;
mod collector;
pub mod documents;
mod fair_queue;
pub mod rate_limiter;
pub mod redact;
pub mod response;
pub mod response_errors;
pub mod retry_policy;
pub mod shape;
pub mod sign_in;
mod stall;
pub mod transfer;
mod transport;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use url::Url;

use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::secret::{ApiKey, Fingerprint};
use crate::tenant::Owner;

pub use call::{ANSWER_GRACE, BeforeSend, Call};
pub(crate) use call::{CALL_PATIENCE, Failure};
pub use collector::Collector;
use rate_limiter::Outcome;
pub use rate_limiter::{Permit, RateLimiter};
pub use redact::Redactor;
pub use response::Response;
pub use response_errors::ResponseContext;
pub use retry_policy::Repeat;
use retry_policy::{Delivery, REPEAT_BUDGET};

pub use crate::config::Pace;
pub use transport::Timeouts;

/// The service's HTTP client: one for the whole process, cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    transport: transport::Transport,
    limiter: RateLimiter,
    shared_pace: Option<SharedPace>,
    calls: Calls,
}

/// Requests to the service, repeats included: how many were sent, and how many may be.
struct Calls {
    made: AtomicU32,
    most: AtomicU32,
}

impl Calls {
    /// Counts one more, unless as many were sent as may be.
    fn take(&self) -> bool {
        let most = self.most.load(Ordering::Relaxed);
        let more = |made: u32| (made < most).then(|| made.saturating_add(1));
        self.made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Takes back one that was not sent.
    fn give_back(&self) {
        self.made.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reserves one of a key's `limit` slots in a window that other processes share; returns how long to wait before trying
/// again, or nothing when the slot is reserved.
pub type SharedPace = Arc<dyn Fn(Fingerprint, u32, Duration) -> BoxFuture<'static, Option<Duration>> + Send + Sync>;

impl Client {
    /// A client of the service at `base`. Nothing is opened before the first request. `shared_pace` is asked after our
    /// own limiter, so that several processes keep one pace together.
    ///
    /// # Errors
    /// `invalid_argument` when `base` is neither https nor plain http on loopback.
    pub fn new(base: Url, pace: Pace, timeouts: Timeouts, shared_pace: Option<SharedPace>) -> Result<Self> {
        let transport = transport::Transport::new(base, timeouts)?;
        let calls = Calls { made: AtomicU32::new(0), most: AtomicU32::new(u32::MAX) };
        Ok(Client { inner: Arc::new(Inner { transport, limiter: RateLimiter::new(pace), shared_pace, calls }) })
    }

    /// Sends at most `more` requests from now on, repeats included. What is beyond is refused unsent.
    pub fn limit_calls(&self, more: u32) {
        self.inner.calls.most.store(self.calls_made().saturating_add(more), Ordering::Relaxed);
    }

    /// How many requests were sent, repeats included.
    pub fn calls_made(&self) -> u32 {
        self.inner.calls.made.load(Ordering::Relaxed)
    }

    /// Whether the service is on this machine: then its links are too, and plain http is in order.
    pub fn is_local(&self) -> bool {
        self.inner.transport.is_local()
    }

    /// Sends `call` under the pace of the owner's key and repeats what is safe to repeat.
    ///
    /// # Errors
    /// What [`response::failure`] makes of the last answer; `network` when there was none. After a paid request whose
    /// fate is unknown the error says so and is not retryable.
    pub async fn send(&self, owner: &Owner, call: &Call) -> Result<Response> {
        let started = Instant::now();
        let mut number = 1;
        loop {
            let failure = match self.attempt(owner, call, started).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            let attempt = retry_policy::Attempt {
                number,
                elapsed: started.elapsed(),
                repeat: call.repeat,
                delivery: failure.delivery,
                retryable: failure.error.is_retryable(),
                retry_after: failure.error.retry_after(),
            };
            match attempt.decide() {
                retry_policy::Decision::Again { after } => {
                    tracing::debug!(path = %call.path, number, ?after, kind = %failure.error.kind(), "request repeated");
                    tokio::select! {
                        () = tokio::time::sleep(after) => number += 1,
                        () = call.cancel.cancelled() => return Err(given_up()),
                    }
                }
                retry_policy::Decision::Stop => return Err(failure.explained(call)),
            }
        }
    }

    /// Waits for a permit of the owner's key at the rate limit, for callers that choose what to send only then.
    pub async fn acquire(&self, owner: &Owner) -> Permit {
        self.inner.limiter.acquire(owner.account(), &owner.tenant).await
    }

    /// Why a request with `key` would not be sent now, if so. See [`RateLimiter::refusal`].
    pub fn refusal(&self, key: &ApiKey) -> Option<Error> {
        self.inner.limiter.refusal(key.fingerprint())
    }

    /// Whether the service took a request of `account`, which is a key's fingerprint, and has not refused it since.
    pub fn has_accepted(&self, account: &str) -> bool {
        self.inner.limiter.has_accepted(account)
    }

    /// How much longer `key` has to pause because the service said so, if it has.
    pub fn pause(&self, key: &ApiKey) -> Option<Duration> {
        self.inner.limiter.pause(key.fingerprint())
    }

    /// Sends `call` once, with a permit that was acquired before. The jobs engine sends its checks so, because there a
    /// refused check only postpones the next one.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_with_permit(&self, key: &ApiKey, call: &Call, permit: Permit) -> Result<Response> {
        self.attempt_with_permit(key, call, permit).await.map_err(|failure| failure.explained(call))
    }

    async fn attempt(&self, owner: &Owner, call: &Call, started: Instant) -> Result<Response, Failure> {
        let key = &owner.key;
        if let Some(error) = self.refusal(key) {
            return Err(Failure::new(error, Delivery::Withheld));
        }
        let permit = tokio::select! {
            biased;
            permit = self.acquire(owner) => permit,
            pause = self.inner.limiter.paused_beyond(key.fingerprint(), started + REPEAT_BUDGET) => {
                return Err(Failure::new(asked_to_pause(pause), Delivery::Withheld));
            }
            () = call.cancel.cancelled() => {
                return Err(Failure::new(given_up(), Delivery::Withheld));
            }
        };
        self.attempt_with_permit(key, call, permit).await
    }

    async fn attempt_with_permit(&self, key: &ApiKey, call: &Call, mut permit: Permit) -> Result<Response, Failure> {
        // Another request of this key may have been refused while this one waited.
        let mut withheld = self.refusal(key);
        let is_counted = withheld.is_none() && self.inner.calls.take();
        if withheld.is_none() && !is_counted {
            withheld = Some(no_more_calls());
        }
        if let (None, Some(BeforeSend(may_leave))) = (&withheld, &call.before_send)
            && (call.cancel.is_cancelled() || !may_leave().await)
        {
            withheld = Some(given_up());
        }
        // Last, because marking a request as sent waits for the disk: a slot that is taken is used at once.
        if withheld.is_none() {
            tokio::select! {
                () = self.keep_shared_pace(key) => {}
                () = call.cancel.cancelled() => withheld = Some(given_up()),
            }
        }
        if let Some(error) = withheld {
            if is_counted {
                self.inner.calls.give_back();
            }
            permit.release();
            return Err(Failure::new(error, Delivery::Withheld));
        }
        permit.mark_sent();
        let sent_at = now();
        let answer = match self.answer(key, call).await {
            Ok(response) => Ok(response.asked_at(sent_at)),
            Err(failure) => Err(Failure { error: failure.error.asked_at(sent_at), ..failure }),
        };
        let outcome = match &answer {
            Ok(_) => Outcome::Accepted,
            Err(failure) if failure.is_key_refused => Outcome::KeyRefused(failure.error.share()),
            Err(Failure { error, .. }) => match error.kind() {
                Kind::RateLimited => Outcome::Slowed(error.retry_after()),
                Kind::Network | Kind::Upstream | Kind::Auth | Kind::Cancelled | Kind::Internal => Outcome::Unknown,
                _ => Outcome::Accepted,
            },
        };
        if matches!(outcome, Outcome::Slowed(_)) {
            metrics::counter!("pdfco_refused_for_pace_total").increment(1);
        }
        permit.complete(outcome);
        let outcome = if answer.is_ok() { "answered" } else { "failed" };
        metrics::counter!("pdfco_requests_total", "outcome" => outcome).increment(1);
        answer
    }

    /// The answer to a request that leaves now. One that may be repeated is dropped, with its connection, a moment after
    /// its caller gave up.
    async fn answer(&self, key: &ApiKey, call: &Call) -> Result<Response, Failure> {
        let given_up_on = async {
            match call.repeat {
                Repeat::Safe => {
                    call.cancel.cancelled().await;
                    tokio::time::sleep(ANSWER_GRACE).await;
                }
                Repeat::Paid => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = self.inner.transport.exchange(key, call) => answer,
            () = given_up_on => Err(Failure::new(let_go(), Delivery::Lost)),
        }
    }

    /// Waits for a slot in the pace that other processes share. Last before the request leaves, so that a permit that is
    /// released takes no slot.
    async fn keep_shared_pace(&self, key: &ApiKey) {
        if let (Some(reserve), Some(limit)) = (&self.inner.shared_pace, self.inner.limiter.limit()) {
            // Another process may take the slot first; then the next one is waited for.
            while let Some(wait) = reserve(key.fingerprint().clone(), limit, rate_limiter::SHARED_WINDOW).await {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// The part that moves files: uploads and downloads by presigned links, which carry no key.
    pub(crate) fn transport(&self) -> &transport::Transport {
        &self.inner.transport
    }
}

fn asked_to_pause(pause: Duration) -> Error {
    let message = "The service asked this key to pause, for longer than a call waits. The request was not sent.";
    Error::new(Kind::RateLimited, message, "Nothing was charged for it. Try again after `retry_after_seconds`.")
        .with_retry_after(Some(pause))
}

/// What is said of a request beyond those that may be sent.
fn no_more_calls() -> Error {
    Error::invalid("Every call that was agreed to has been made.", "Nothing was sent.")
}

fn given_up() -> Error {
    Error::new(Kind::Cancelled, "The request was given up before it was sent.", "Nothing was charged for it.")
}

fn let_go() -> Error {
    Error::new(Kind::Cancelled, "The request was given up before it was answered.", "It can be sent again.")
        .with_unknown_fate()
}

const _: () = {
    let limits = Timeouts::USUAL;
    assert!(REPEAT_BUDGET.as_secs() + limits.paid.as_secs() <= CALL_PATIENCE.as_secs());
    assert!(REPEAT_BUDGET.as_secs() + limits.safe.as_secs() <= CALL_PATIENCE.as_secs());
    assert!(limits.connect.as_secs() < limits.safe.as_secs() && limits.safe.as_secs() <= limits.paid.as_secs());
};
