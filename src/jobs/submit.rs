//! Submitting: an intent on disk, one request, and what became of it.
//!
//! [`Jobs::prepare`] refuses or recognizes a repeated `client_request_id`, [`Prepared::send`] records the intent within
//! the budget and sends. Waiting for a job is in `wait.rs`, checking one in `check.rs`.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::job_id::{ID_BYTES_MAX, IntentId, JobId, valid_id};
use super::ledger::{Admission, Intent, nothing_sent, taken_id};
use super::{Job, Jobs, Millis, Results};
use crate::api::shape::job_id_field;
use crate::api::{self, BeforeSend, Call, Repeat, ResponseContext};
use crate::catalog::{Effect, Operation, Output, Run};
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::json_ext;
use crate::next_step::NextStep;
use crate::tenant::Owner;

/// The same request by the same tenant within this time is pointed out.
const SAME_REQUEST_WITHIN: Duration = Duration::from_secs(60);
/// No submit is on its way for longer than this, in milliseconds: an exchange has a time limit.
const SUBMIT_MILLIS_MAX: Millis = 120_000;
/// How long a second caller waits for the first one's submit under the same `client_request_id`.
const EARLIER_PATIENCE: Duration = Duration::from_secs(5);
/// How often it asks the ledger meanwhile.
const EARLIER_EVERY: Duration = Duration::from_millis(200);
/// How often a `client_request_id` is tried when its earlier owner vanishes.
const INTEND_TRIES: u32 = 3;

/// What [`Jobs::prepare`] found.
#[derive(Debug)]
pub enum Preparation<'a> {
    /// The same request was submitted before under this `client_request_id`: here is its job.
    Repeat(Box<Job>),
    /// Nothing stands in the way: upload what the request needs, then [`Prepared::send`] it.
    Prepared(Prepared<'a>),
}

/// A submit that was admitted and has not been sent.
pub struct Prepared<'a> {
    jobs: &'a Jobs,
    owner: &'a Owner,
    operation: &'static Operation,
    request_hash: String,
    client_request_id: Option<&'a str>,
}

impl std::fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("operation", &self.operation.name).finish_non_exhaustive()
    }
}

/// The request of a prepared submit.
pub struct Outgoing {
    /// The body that goes out, without `async`.
    pub body: Value,
    /// Values of the body that must not be quoted or kept (passwords).
    pub secrets: Vec<String>,
    /// What the ledger may keep of the request.
    pub public_arguments: Value,
    /// Whether the service is asked to call back, where this server can be called.
    pub calls_back: bool,
    /// Gives the submit up as long as it has not been sent.
    pub cancel: CancellationToken,
}

/// A job that was submitted, and what is known of that.
#[derive(Debug)]
pub struct Submitted {
    /// The job.
    pub job: Job,
    /// What the request cost.
    pub charge: Charge,
    /// The job existed already under this `client_request_id`: nothing was sent.
    pub is_repeat: bool,
    /// The same request went out a moment ago as this job.
    pub twin: Option<Job>,
}

impl Jobs {
    /// Judges a submit before anything is paid for, uploads included: its `client_request_id` and the budget.
    /// `identity` is what makes two requests the same one; it is compared as a hash and never stored.
    ///
    /// # Errors
    /// `invalid_argument` for an id that cannot be one or that belongs to another request; `insufficient_credits` when
    /// the day's budget is spent.
    pub async fn prepare<'a>(
        &'a self,
        owner: &'a Owner,
        operation: &'static Operation,
        identity: &Value,
        client_request_id: Option<&'a str>,
    ) -> Result<Preparation<'a>> {
        let client_request_id = client_request_id.map(|id| valid_id(id, "client_request_id")).transpose()?;
        let request_hash = hash_of_request(operation, identity);
        if let Some(id) = client_request_id
            && let Some(job) = self.repeat_of(owner, id, &request_hash).await?
        {
            return Ok(Preparation::Repeat(Box::new(job)));
        }
        self.refuse_beyond_budget(owner, operation).await?;
        Ok(Preparation::Prepared(Prepared { jobs: self, owner, operation, request_hash, client_request_id }))
    }

    /// The job that has this `client_request_id`, if its request was the same one.
    async fn repeat_of(&self, owner: &Owner, client_request_id: &str, request_hash: &str) -> Result<Option<Job>> {
        let Some(job) = self.earlier(owner, client_request_id).await? else { return Ok(None) };
        if job.request_hash == request_hash {
            return Ok(Some(job));
        }
        Err(Error::invalid(
            format!(
                "The request id `{client_request_id}` belongs to another request: job {} ({}).",
                job.id(),
                job.operation
            ),
            "Give each request an id of its own. Nothing was submitted.",
        ))
    }

    /// Starts an operation. The intent is in the ledger before the request leaves.
    async fn send(&self, prepared: Prepared<'_>, outgoing: Outgoing) -> Result<Submitted> {
        let Prepared { jobs: _, owner, operation, request_hash, client_request_id } = prepared;
        let Outgoing { mut body, mut secrets, public_arguments, calls_back, cancel } = outgoing;
        // The end of the process waits for this: what was sent must be recorded.
        let _under_way = self.submits.token();
        let at = now();
        let callback = if calls_back { self.callback_for(operation, &body) } else { None };
        let intent = Intent {
            arguments: public_arguments,
            request_hash,
            client_request_id: client_request_id.map(str::to_owned),
            callback_hash: callback.as_ref().map(|callback| callback.hash.clone()),
            ..Intent::new(owner, operation.name, at)
        };
        let span = tracing::info_span!("submit", job_id = %intent.intent_id, operation = operation.name, tenant = %owner.tenant);
        let sending = async move {
            let admission = self.admission(owner, operation).await;
            let ledger = &self.core.ledger;
            let mut tries = 0;
            while let Some(job) = ledger.insert_intent(&intent, admission).await.map_err(nothing_sent)? {
                // Another submit took the id while this one uploaded its files: the same rule decides as in `prepare`.
                let earlier = match client_request_id {
                    Some(id) => self.repeat_of(owner, id, &intent.request_hash).await?,
                    None => Some(job),
                };
                tries += 1;
                match earlier {
                    Some(job) => return Ok(Submitted { job, charge: Charge::NONE, is_repeat: true, twin: None }),
                    // The earlier one was refused meanwhile and left no row: the id is free again.
                    None if tries < INTEND_TRIES => {}
                    None => return Err(Error::internal("A client_request_id was taken and freed too often.")),
                }
            }
            let since = at.saturating_sub(SAME_REQUEST_WITHIN.as_millis() as i64);
            let twin =
                ledger.same_request(&owner.tenant, &intent.request_hash, &intent.intent_id, since).await.ok().flatten();

            if let Some(body) = body.as_object_mut() {
                if operation.run == Run::Job {
                    body.insert("async".into(), json!(true));
                }
                if let Some(callback) = callback {
                    body.insert("callback".into(), json!(callback.url));
                    secrets.push(callback.secret);
                }
            }
            self.core.secrets.keep(&intent.intent_id, &owner.key, &secrets);
            let marking = Marking::default();
            let before_send = Some(self.before_send(&intent.intent_id, &marking));
            let call = Call { cancel, before_send, ..call_for(operation, body, secrets) };
            match self.core.client.send(owner, &call).await {
                Ok(reply) => {
                    let charge = reply.charge().counted();
                    let job = self.record(&intent, operation, &reply, charge).await?;
                    Ok(Submitted { job, charge, is_repeat: false, twin })
                }
                Err(error) => {
                    // What kept the request from being sent says more than that it was not.
                    let error = marking.take().map_or(error, nothing_sent);
                    let upstream = error.upstream();
                    let job_id = upstream.and_then(api::response::job_id_in).and_then(|id| JobId::parse(&id).ok());
                    // A failure that names a job: what became of it can be asked.
                    let error = if job_id.is_some() { error.with_unknown_fate() } else { error };
                    ledger.not_accepted(&intent, &error, error.charge().counted(), now()).await;
                    if let Some(job_id) = job_id {
                        ledger.named(&intent.intent_id, &job_id).await;
                    }
                    Err(error)
                }
            }
        };
        sending.instrument(span).await
    }

    /// Keeps what the service answered to a submit: the job, or the error that it was.
    async fn record(
        &self,
        intent: &Intent,
        operation: &Operation,
        reply: &api::Response,
        charge: Charge,
    ) -> Result<Job> {
        let ledger = &self.core.ledger;
        let job_id = reply.job_id();
        let error = match job_id.as_deref().map(|id| JobId::parse_as(id, "jobId")).transpose() {
            Ok(Some(job_id)) => {
                let job = ledger.accepted(intent, job_id.clone(), &reply.body, charge, now()).await;
                return match job.job_id {
                    Some(_) => Ok(job),
                    None => Err(taken_id(&job_id).with_charge(charge)),
                };
            }
            Ok(None) if tells_a_result(operation, &reply.body) && !names_unreadable_job(&reply.body) => {
                return Ok(ledger.finished_at_once(intent, &reply.body, charge, now()).await);
            }
            Ok(None) => neither_job_nor_result(operation, reply),
            Err(error) => unusable_id(reply, error),
        };
        let error = error.with_charge(charge);
        ledger.not_accepted(intent, &error, charge, now()).await;
        Err(error)
    }

    /// Marks the request as sent at the last moment: what a crash cuts off before was surely not charged. A row that is
    /// gone or cancelled by then holds the request back, and so does a ledger that cannot be written.
    fn before_send(&self, intent_id: &IntentId, marking: &Marking) -> BeforeSend {
        let (core, intent_id, marking) = (Arc::clone(&self.core), intent_id.clone(), marking.clone());
        BeforeSend(Arc::new(move || {
            let (core, intent_id, marking) = (Arc::clone(&core), intent_id.clone(), marking.clone());
            Box::pin(async move {
                core.ledger.mark_sent(&intent_id, now()).await.unwrap_or_else(|error| {
                    marking.failed(error);
                    false
                })
            })
        }))
    }

    /// What a submit of `operation` asks of the budget; nothing when there is none, or when it only reads the account.
    async fn admission(&self, owner: &Owner, operation: &Operation) -> Option<Admission> {
        let limit = self.core.config.credit_budget;
        self.core.ledger.admission(owner, operation.name, limit, operation.least_credits()?).await
    }

    /// Refuses paid work that the day's budget does not allow, before files are uploaded for it; the intent is admitted
    /// on its own. What only reads the account goes on.
    ///
    /// # Errors
    /// `insufficient_credits`, naming the budget; `ledger_unavailable` when what was spent is not known.
    pub async fn refuse_beyond_budget(&self, owner: &Owner, operation: &Operation) -> Result<()> {
        let Some(admission) = self.admission(owner, operation).await else { return Ok(()) };
        self.core.ledger.refuse_beyond(owner, admission).await.map_err(nothing_sent)
    }

    /// The caller's earlier job under `client_request_id`. One that is being submitted at this moment, here or by
    /// another process, is waited for a little, because its answer says more.
    async fn earlier(&self, owner: &Owner, client_request_id: &str) -> Result<Option<Job>> {
        let started = tokio::time::Instant::now();
        loop {
            let job = self.core.ledger.by_client_request_id(&owner.tenant, client_request_id).await?;
            let is_on_its_way = job.as_ref().is_some_and(|job| {
                let age = now().saturating_sub(job.created_at);
                job.job_id.is_none() && job.problem.is_none() && !job.status.is_terminal() && age < SUBMIT_MILLIS_MAX
            });
            if !is_on_its_way || started.elapsed() >= EARLIER_PATIENCE {
                return Ok(job);
            }
            tokio::time::sleep(EARLIER_EVERY).await;
        }
    }
}

impl Prepared<'_> {
    /// Sends the request, once its intent is in the ledger. A submit that took the same `client_request_id` since
    /// [`Jobs::prepare`] is answered with its job if it is the same request.
    ///
    /// # Errors
    /// As [`Jobs::prepare`] and `Client::send`.
    pub async fn send(self, outgoing: Outgoing) -> Result<Submitted> {
        self.jobs.send(self, outgoing).await
    }
}

/// Whether an answer without a job id is the result itself. An operation that runs as a job may still be answered at
/// once when there is little to do; an answer without a result in it is no success.
fn tells_a_result(operation: &Operation, body: &Value) -> bool {
    let results = Results::read(body);
    let is_done = || json_ext::field(body, "error").and_then(json_ext::truth) == Some(false);
    let says_something = || body.as_object().is_some_and(|body| !body.is_empty());
    (operation.run == Run::Direct && (operation.output == Output::Nothing || says_something()))
        || !results.links.is_empty()
        || results.inline.is_some()
        || (operation.output == Output::Nothing && is_done())
}

/// Whether an answer names a job in a way that is not known: whatever else stands in it is not the result yet.
fn names_unreadable_job(body: &Value) -> bool {
    job_id_field(body).is_some_and(|id| matches!(id, Value::Bool(_) | Value::Array(_) | Value::Object(_)))
}

fn neither_job_nor_result(operation: &Operation, reply: &api::Response) -> Error {
    if operation.effect == Effect::ReadsAccount {
        let hint = "Nothing was changed by it: try again later.";
        return Error::new(Kind::Upstream, "The service answered with nothing.", hint);
    }
    Error::new(
        Kind::Upstream,
        "The service answered with neither a job nor a result. It may have charged for the request.",
        hint![
            "Compare ",
            NextStep::Balance,
            " before sending it again; the request is kept among the jobs as `queued`."
        ],
    )
    .with_upstream(reply.body.clone())
    .with_unknown_fate()
}

/// The service accepted a job under an id that cannot be one: the caller must not lose it.
fn unusable_id(reply: &api::Response, error: Error) -> Error {
    let id = crate::text::shorten(reply.job_id().as_deref().unwrap_or("(none)"), ID_BYTES_MAX);
    Error::new(
        Kind::Upstream,
        format!("The service accepted the job as `{id}`, which cannot be used as an id."),
        hint!["It may have charged for the request. Compare ", NextStep::Balance, " before sending it again."],
    )
    .with_upstream(reply.body.clone())
    .with_unknown_fate()
    .with_source(error)
}

/// Why a request could not be marked as sent.
#[derive(Clone, Default)]
struct Marking(Arc<Mutex<Option<Error>>>);

impl Marking {
    fn failed(&self, error: Error) {
        *self.0.lock() = Some(error);
    }

    fn take(&self) -> Option<Error> {
        self.0.lock().take()
    }
}

/// Digest of a request, for comparing a repeat with its original. One-way.
pub fn hash_of_request(operation: &Operation, identity: &Value) -> String {
    let digest =
        Sha256::new().chain_update(operation.name).chain_update([0]).chain_update(identity.to_string()).finalize();
    hex::encode(digest.get(..16).unwrap_or_default())
}

/// The request of an operation; `{placeholders}` of the path are filled from the body.
pub fn call_for(operation: &'static Operation, mut body: Value, secrets: Vec<String>) -> Call {
    let mut path = String::with_capacity(operation.path.len());
    for piece in operation.path.split('/').skip(1) {
        path.push('/');
        match piece.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => {
                let value = body.as_object_mut().and_then(|body| body.shift_remove(name)).unwrap_or_default();
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                path.push_str(
                    &percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string(),
                );
            }
            None => path.push_str(piece),
        }
    }
    let repeat = if operation.effect == Effect::ReadsAccount { Repeat::Safe } else { Repeat::Paid };
    let context = if body.get("url").is_some() { ResponseContext::Document } else { ResponseContext::Account };
    Call {
        method: operation.method,
        path,
        params: body,
        repeat,
        context,
        secrets,
        cancel: CancellationToken::new(),
        before_send: None,
    }
}
