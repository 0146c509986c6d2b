//! What happens after submit: the jobs engine.
//!
//! What lives here: [`Jobs`], which writes the intention before the request leaves, looks at jobs as rarely as pays,
//! waits for them on behalf of many, and remembers them. What never does: who is waiting (doors), files, or HTTP
//! (`api/`).
//!
//! Start at [`Jobs::submit`], then [`Jobs::wait`].

pub mod belief;
pub mod job;
pub mod ledger;
pub mod poller;
pub mod schedule;
pub mod simulation;
pub mod status;
pub mod wait;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::{self, About, Call, Client, Repeat};
use crate::catalogue::{Effect, Method, Operation, Output, Run};
use crate::error::{Error, Kind, Result};
use crate::lenient;
use crate::secret::{ApiKey, Fingerprint};
use url::Url;

pub use job::{Job, Millis, Observation, Results};
pub use ledger::{Ledger, Page, Spending};
pub use poller::Bill;
pub use schedule::{Belief, Schedule};
pub use status::JobStatus;
pub use wait::{WaitEnd, WaitOptions, Waited};

use belief::Learned;
use ledger::{Intent, now};
use poller::{By, Looked, Poller, Service};

/// A second live look sooner than this is answered from the ledger (DESIGN §2.3).
const FRESH: Duration = Duration::from_secs(3);
/// The same request by the same caller within this time is told about.
const SAME_REQUEST_WITHIN: Duration = Duration::from_secs(60);
/// No submit is on its way for longer than this, in milliseconds: an exchange has a time limit.
const SUBMIT_MILLIS_MAX: Millis = 120_000;
/// How long a second caller waits for the first one's submit under the same `client_request_id`.
const EARLIER_PATIENCE: Duration = Duration::from_secs(5);
/// How often it asks the ledger meanwhile.
const EARLIER_EVERY: Duration = Duration::from_millis(200);
/// How often a `client_request_id` is tried when its earlier owner vanishes.
const INTEND_TRIES: u32 = 3;
/// From this many jobs on, turns that nobody waits for are forgotten.
const TURNS_KEPT: usize = 1_024;
/// Longest id that is looked up or sent.
const ID_BYTES_MAX: usize = 200;
/// Prefix of ids that we gave while the service had given none.
const INTENT_PREFIX: &str = "local-";

/// The jobs engine: one per process.
pub struct Jobs {
    core: Arc<Core>,
    poller: Poller<Core>,
    /// Turns of single looks, by job.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Submits that are under way.
    submits: TaskTracker,
}

/// What checks need: shared with the poller's tasks.
struct Core {
    client: Client,
    ledger: Arc<Ledger>,
    settings: Settings,
    /// Schedules by operation and size class: as many as the catalogue has, no more.
    schedules: Mutex<HashMap<(String, i64), Arc<Schedule>>>,
    /// This process, in leases.
    holder: String,
}

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `PDFCO_CHECK_WORTH_SECONDS`.
    pub check_worth_seconds: f64,
    /// `PDFCO_CREDIT_BUDGET`.
    pub credit_budget: Option<i64>,
    /// `PDFCO_CALLBACK_URL`: where the HTTP door can be reached by the service.
    pub callback_url: Option<Url>,
}

/// What to submit.
#[derive(Debug)]
pub struct Submission<'a> {
    /// The catalogue row.
    pub operation: &'static Operation,
    /// The body that goes out, without `async`.
    pub body: Value,
    /// Values of the body that must not be quoted or kept (passwords).
    pub secrets: Vec<String>,
    /// What the ledger may keep of the request.
    pub public_arguments: Value,
    /// What makes two requests the same one; compared, never stored.
    pub identity: Value,
    /// The caller's own id for "never twice".
    pub client_request_id: Option<&'a str>,
    /// Gives the submit up as long as it has not left.
    pub cancel: CancellationToken,
}

/// A job that was submitted, and what that told.
#[derive(Debug)]
pub struct Submitted {
    /// The job.
    pub job: Job,
    /// What the request cost.
    pub bill: Bill,
    /// The job existed already under this `client_request_id`: nothing was sent.
    pub is_repeat: bool,
    /// The same request went out a moment ago as this job.
    pub twin: Option<Job>,
}

/// Where a state came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The service, just now.
    Live,
    /// The ledger: free.
    Cache,
    /// The service, by its own call: free.
    Callback,
}

impl Source {
    /// The word doors show.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Live => "live",
            Source::Cache => "cache",
            Source::Callback => "callback",
        }
    }
}

/// One look at a job.
#[derive(Debug)]
pub struct Checked {
    /// The job as it is known now.
    pub job: Job,
    /// Where that came from.
    pub source: Source,
    /// What it cost.
    pub bill: Bill,
    /// When a new look makes sense.
    pub retry_after: Option<Duration>,
    /// This ledger saw the id for the first time.
    pub is_first_sight: bool,
}

impl Jobs {
    /// An engine that speaks through `client` and remembers in `ledger`.
    pub fn new(client: Client, ledger: Arc<Ledger>, settings: Settings) -> Self {
        let holder = uuid::Uuid::new_v4().simple().to_string();
        let core = Arc::new(Core { client, ledger, settings, schedules: Mutex::default(), holder });
        Jobs { poller: Poller::new(Arc::clone(&core)), core, turns: Mutex::default(), submits: TaskTracker::new() }
    }

    /// The ledger, for reading.
    pub fn ledger(&self) -> &Ledger {
        &self.core.ledger
    }

    /// How many jobs are being looked at for somebody.
    pub fn watched(&self) -> usize {
        self.poller.watched()
    }

    /// Starts an operation. The intention is in the ledger before the request leaves.
    ///
    /// # Errors
    /// As `Client::send`; `insufficient_credits` when the day's budget is spent; `invalid_argument` for an id that
    /// cannot be one.
    pub async fn submit(&self, key: &ApiKey, submission: Submission<'_>) -> Result<Submitted> {
        let Submission { operation, mut body, mut secrets, public_arguments, identity, client_request_id, cancel } =
            submission;
        // Whoever shuts the process down waits for this: what has left must be written down.
        let _under_way = self.submits.token();
        let client_request_id = client_request_id.map(|id| valid_id(id, "client_request_id")).transpose()?;
        let caller = key.fingerprint();
        let intent_id = new_intent_id();
        let request_hash = request_hash(operation, &identity);
        let at = now();
        self.refuse_beyond_budget(operation).await?;
        let callback = self.callback_for(operation, &body);
        let intent = Intent {
            intent_id: &intent_id,
            caller,
            operation: operation.name,
            arguments: &public_arguments,
            request_hash: &request_hash,
            client_request_id,
            callback_hash: callback.as_ref().map(|callback| callback.hash.as_str()),
            at,
        };
        let mut tries = 0;
        while let Some(job) = self.core.ledger.intend(&intent).await? {
            let earlier = match client_request_id {
                Some(id) => self.earlier(key, id).await?,
                None => Some(job),
            };
            tries += 1;
            match earlier {
                Some(job) => return Ok(Submitted { job, bill: Bill::default(), is_repeat: true, twin: None }),
                // The earlier one was refused meanwhile and left nothing behind: the id is free again.
                None if tries < INTEND_TRIES => {}
                None => return Err(Error::internal("A client_request_id was taken and freed too often.")),
            }
        }
        let since = at.saturating_sub(SAME_REQUEST_WITHIN.as_millis() as i64);
        let twin = self.core.ledger.same_request(caller, &request_hash, &intent_id, since).await?;

        if let Some(body) = body.as_object_mut() {
            if operation.run == Run::Job {
                body.insert("async".into(), json!(true));
            }
            if let Some(callback) = callback {
                body.insert("callback".into(), json!(callback.url));
                secrets.push(callback.secret);
            }
        }
        let call = Call { cancel, ..call_for(operation, body, secrets) };
        match self.core.client.send(key, &call).await {
            Ok(reply) => {
                let bill = self.core.charge(caller, operation.name, reply.credits(), reply.credits_remaining()).await;
                let (credits, remaining) = (reply.credits(), reply.credits_remaining());
                let job_id = reply.job_id();
                let recorded = match job_id.as_deref().map(|id| valid_id(id, "jobId")).transpose() {
                    Ok(Some(job_id)) => {
                        self.core.ledger.accepted(&intent_id, job_id, &reply.body, credits, remaining, now()).await
                    }
                    Ok(None) if tells_a_result(operation, &reply.body) => {
                        self.core.ledger.finished_at_once(&intent_id, &reply.body, credits, remaining, now()).await
                    }
                    Ok(None) => {
                        let error = neither_job_nor_result(&reply);
                        self.core.ledger.not_accepted(&intent_id, &error, true).await?;
                        return Err(error);
                    }
                    Err(error) => Err(error),
                };
                let job =
                    recorded.map_err(|error| not_recorded(&reply, error).with_spent(bill.used, bill.remaining))?;
                Ok(Submitted { job, bill, is_repeat: false, twin })
            }
            Err(error) => {
                if let Some(credits) =
                    error.upstream().and_then(|body| lenient::field(body, "credits")).and_then(lenient::whole_number)
                {
                    self.core.charge(caller, operation.name, Some(credits), None).await;
                }
                self.core.ledger.not_accepted(&intent_id, &error, error.is_fate_unknown()).await?;
                Err(error)
            }
        }
    }

    /// The address for the service to call when the job ends, with a secret of its own; none when the caller named
    /// another, or when nobody listens.
    fn callback_for(&self, operation: &Operation, body: &Value) -> Option<Callback> {
        let base = self.core.settings.callback_url.as_ref()?;
        let can_call = operation.run != Run::Direct && operation.param("callback").is_some();
        if !can_call || body.get("callback").is_some() {
            return None;
        }
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let url = format!("{}/callbacks/{secret}", base.as_str().trim_end_matches('/'));
        Some(Callback { hash: callback_hash(&secret), url, secret })
    }

    /// Takes what the service sent to a callback. A replay changes nothing; whoever waits hears of it at once.
    ///
    /// # Errors
    /// `not_found` for a secret that is none of ours, `upstream` for a body without a state.
    pub async fn called_back(&self, secret: &str, content: Value) -> Result<()> {
        let unknown =
            || Error::new(Kind::NotFound, "There is no such callback.", "It is spent or was never given out.");
        let job = self.core.ledger.by_callback(&callback_hash(secret)).await?.ok_or_else(unknown)?;
        let seen = Observation::called_back(content, now())?;
        let before = job.last_look_seconds();
        let reply = api::Reply { body: seen.content.clone() };
        if let (None, Some(id)) = (&job.job_id, reply.job_id())
            && valid_id(&id, "jobId").is_ok()
        {
            // The callback overtook the answer to the submit, or that answer was lost.
            self.core.ledger.named(&job.intent_id, &id).await?;
        }
        let job = self.core.ledger.observe(&job.intent_id, &seen).await?;
        if job.completed_at == Some(seen.at) {
            self.core.charge(&job.caller, &job.operation, seen.credits, None).await;
            if seen.status == JobStatus::Success {
                self.core.learn(&job, before).await;
            }
        }
        self.poller.hear(&job);
        Ok(())
    }

    /// Refuses paid work once the day's budget is spent. What only reads the account goes on.
    ///
    /// # Errors
    /// `insufficient_credits`, naming the budget.
    pub async fn refuse_beyond_budget(&self, operation: &Operation) -> Result<()> {
        let Some(budget) = self.core.settings.credit_budget else { return Ok(()) };
        if operation.effect == Effect::ReadsAccount {
            return Ok(());
        }
        let spent = self.core.ledger.spent_on_day(now()).await?;
        if spent < budget {
            return Ok(());
        }
        Err(Error::new(
            Kind::InsufficientCredits,
            format!("The day's budget of {budget} credits is spent ({spent} so far, by this ledger's count)."),
            "It starts anew at midnight UTC. Raise PDFCO_CREDIT_BUDGET to go on today. Nothing was sent.",
        ))
    }

    /// Looks at a job once. An end state comes from the ledger for nothing, unless `force`; so does a state that was
    /// looked at less than three seconds ago. An id that the ledger never saw is asked about with `force`, because the
    /// service says `working` for jobs that do not exist.
    ///
    /// # Errors
    /// As `Client::send`; `not_found` for one of our own ids that is not in the ledger.
    pub async fn check(&self, key: &ApiKey, id: &str, force: bool) -> Result<Checked> {
        let (job, is_first_sight) = self.known_or_adopted(key, id).await?;
        if let Some(answer) = from_ledger(&job, force, is_first_sight) {
            return Ok(answer);
        }
        // Of several who ask about one job at the same moment, the first asks the service; the others hear its answer.
        let turn = self.turn_at(&job.intent_id);
        let _turn = turn.lock().await;
        let job = self.core.ledger.get(key.fingerprint(), job.id()).await?.unwrap_or(job);
        if let Some(answer) = from_ledger(&job, force, is_first_sight) {
            return Ok(answer);
        }
        let (core, own_key, asked) = (Arc::clone(&self.core), key.clone(), job.clone());
        // On its own: the look that sees the end may charge all pages, and its answer must not be lost with its caller.
        let look = tokio::spawn(async move { core.ask(&own_key, &asked, force).await });
        let looked = look.await.unwrap_or_else(|_| Err(Error::internal("A look at a job stopped in the middle.")))?;
        // Whoever waits for the same job need not pay for what is known now.
        self.poller.hear(&looked.job);
        let mut bill = Bill::default();
        bill.add(looked.credits, looked.credits_remaining);
        let retry_after = if looked.job.status.is_terminal() { None } else { Some(self.next_look_in(&looked.job)) };
        Ok(Checked { job: looked.job, source: Source::Live, bill, retry_after, is_first_sight })
    }

    /// The job with this id, and whether this ledger sees it for the first time.
    async fn known_or_adopted(&self, key: &ApiKey, id: &str) -> Result<(Job, bool)> {
        let id = valid_id(id, "job_id")?;
        match self.core.ledger.get(key.fingerprint(), id).await? {
            Some(job) => Ok((job, false)),
            None => Ok((self.adopt(key, id).await?, true)),
        }
    }

    fn turn_at(&self, intent_id: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= TURNS_KEPT {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(intent_id.to_owned()).or_default())
    }

    /// The caller's earlier job under `client_request_id`. One that is being submitted at this moment, here or by
    /// another process, is waited for a little, because its answer says more.
    pub async fn earlier(&self, key: &ApiKey, client_request_id: &str) -> Result<Option<Job>> {
        let client_request_id = valid_id(client_request_id, "client_request_id")?;
        let started = tokio::time::Instant::now();
        loop {
            let job = self.core.ledger.by_client_request_id(key.fingerprint(), client_request_id).await?;
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

    /// The job as the ledger has it, for nothing.
    pub async fn get(&self, key: &ApiKey, id: &str) -> Result<Job> {
        let id = valid_id(id, "job_id")?;
        self.core.ledger.get(key.fingerprint(), id).await?.ok_or_else(|| unknown_job(id))
    }

    async fn adopt(&self, key: &ApiKey, id: &str) -> Result<Job> {
        if id.starts_with(INTENT_PREFIX) {
            return Err(unknown_job(id));
        }
        self.core.ledger.adopt(key.fingerprint(), id, &new_intent_id(), now()).await
    }

    /// Stops tracking a job. Gives it back as it is now, and whether this call changed it.
    ///
    /// # Errors
    /// `not_found` when the ledger does not know it.
    pub async fn cancel(&self, key: &ApiKey, id: &str) -> Result<(Job, bool)> {
        let job = self.get(key, id).await?;
        let (job, changed) = self.core.ledger.cancel(&job.intent_id, now()).await?;
        // Whoever waits for it hears of it at once.
        self.poller.hear(&job);
        Ok((job, changed))
    }

    /// When the schedule would look next, from now.
    pub fn next_look_in(&self, job: &Job) -> Duration {
        let elapsed = job.elapsed_seconds(now());
        let next = self.core.known_schedule(job).next_look(job.last_look_seconds().min(elapsed));
        schedule::seconds((next - elapsed).max(0.5))
    }

    /// An estimate of progress, 0 to 1.
    pub fn progress(&self, job: &Job) -> f64 {
        match job.status {
            JobStatus::Queued | JobStatus::Unknown | JobStatus::Cancelled => 0.0,
            JobStatus::Success => 1.0,
            JobStatus::Working | JobStatus::Other(_) | JobStatus::Failed | JobStatus::Aborted => {
                self.core.known_schedule(job).progress(job.elapsed_seconds(now()))
            }
        }
    }

    /// Sends a request that is no job: balance, stored files, templates.
    ///
    /// # Errors
    /// As `Client::send`.
    pub async fn direct(&self, key: &ApiKey, call: &Call, operation: &str) -> Result<(Value, Bill)> {
        let (core, key, call, operation) = (Arc::clone(&self.core), key.clone(), call.clone(), operation.to_owned());
        // On its own, so that a caller who leaves does not tear an exchange that may have been charged.
        let exchange = tokio::spawn(async move {
            let reply = core.client.send(&key, &call).await?;
            let (credits, remaining) = (reply.credits(), reply.credits_remaining());
            let bill = core.charge(key.fingerprint(), &operation, credits, remaining).await;
            Ok((reply.body, bill))
        });
        exchange.await.unwrap_or_else(|_| Err(Error::internal("A request stopped in the middle.")))
    }

    /// Waits until what is being submitted is written down, at most for `patience`. For the end of the process.
    pub async fn settle(&self, patience: Duration) {
        self.submits.close();
        if tokio::time::timeout(patience, self.submits.wait()).await.is_err() {
            tracing::warn!("a submit was still on its way at the end");
        }
    }
}

/// The answer that costs nothing, when there is one.
fn from_ledger(job: &Job, force: bool, is_first_sight: bool) -> Option<Checked> {
    let answer = |retry_after| Checked {
        job: job.clone(),
        source: Source::Cache,
        bill: Bill::default(),
        retry_after,
        is_first_sight,
    };
    if job.job_id.is_none() {
        // The service never gave an id: there is nothing to ask about.
        return Some(answer(None));
    }
    if force || job.is_unknown_here() {
        return None;
    }
    if job.status.is_terminal() {
        return Some(answer(None));
    }
    // A look in the future was made under a clock that has been set back since: however far, it proves nothing now.
    let age = Duration::from_millis(now().saturating_sub(job.last_checked_at?).unsigned_abs());
    (age < FRESH).then(|| answer(Some(FRESH - age)))
}

impl Core {
    /// Asks the service about a job, for somebody who wants this very answer, and puts it into the ledger.
    async fn ask(&self, key: &ApiKey, job: &Job, force: bool) -> Result<Looked> {
        let reply = self.client.send(key, &check_call(job, force || job.is_unknown_here())).await?;
        self.looked(key, job, &reply).await
    }

    async fn looked(&self, key: &ApiKey, job: &Job, reply: &api::Reply) -> Result<Looked> {
        let (credits, credits_remaining) = (reply.credits(), reply.credits_remaining());
        metrics::counter!("pdfco_checks_total").increment(1);
        self.charge(key.fingerprint(), "job_check", credits, None).await;
        // An answer without a state still says what it cost: it goes along with the error.
        let seen = Observation::read(reply, now())?;
        let before = job.last_look_seconds();
        let job = self.ledger.observe(&job.intent_id, &seen).await.unwrap_or_else(|error| {
            // What the service said, and was paid for, is told even when it cannot be kept.
            tracing::warn!(%error, "the answer to a check could not be recorded");
            job.seeing(&seen)
        });
        if seen.status == JobStatus::Success && job.completed_at == Some(seen.at) {
            self.learn(&job, before).await;
        }
        Ok(Looked { job, credits, credits_remaining, by: By::Us })
    }

    /// Lets a finished job teach how long such jobs take: in its size class and in general.
    async fn learn(&self, job: &Job, last_look_before: f64) {
        if job.operation.is_empty() || job.submitted_at.is_none() {
            return;
        }
        let seconds = belief::duration(job.job_duration_ms, job.elapsed_seconds(now()), last_look_before);
        let mut buckets = vec![0, belief::page_bucket(job.page_count)];
        buckets.dedup();
        for bucket in buckets {
            let learnt = match self.ledger.learned(&job.operation, bucket).await {
                Ok(learned) => self.ledger.learn(&job.operation, bucket, learned.with(seconds)).await,
                Err(error) => Err(error),
            };
            if let Err(error) = learnt {
                tracing::warn!(%error, "a duration could not be kept");
            }
        }
    }

    /// The schedule for a job: from the durations of its operation, in its size class where there are any.
    async fn schedule_for(&self, job: &Job) -> Arc<Schedule> {
        let mut learned = Learned::default();
        for bucket in [belief::page_bucket(job.page_count), 0] {
            if learned.weight == 0.0 && !job.operation.is_empty() {
                // Without the past the prior will do.
                learned = self.ledger.learned(&job.operation, bucket).await.unwrap_or_default();
            }
        }
        let belief = learned.belief();
        let mut schedules = self.schedules.lock().unwrap_or_else(PoisonError::into_inner);
        let known = schedules.entry(schedule_key(job)).or_insert_with(|| self.schedule(belief));
        if known.made_from() != belief {
            *known = self.schedule(belief);
        }
        Arc::clone(known)
    }

    /// The schedule that was last used for such a job; the prior's when there was none yet.
    fn known_schedule(&self, job: &Job) -> Arc<Schedule> {
        let mut schedules = self.schedules.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(schedules.entry(schedule_key(job)).or_insert_with(|| self.schedule(Learned::default().belief())))
    }

    /// Books what a request cost. A ledger that cannot be written does not turn a success into a failure.
    async fn charge(
        &self,
        caller: &Fingerprint,
        operation: &str,
        credits: Option<i64>,
        remaining: Option<i64>,
    ) -> Bill {
        if let Some(credits) = credits
            && let Err(error) = self.ledger.spent(caller, operation, credits, now()).await
        {
            tracing::warn!(%error, "spending could not be booked");
        }
        if let Some(credits) = credits {
            // Refunds make this fall, so it is no counter.
            metrics::gauge!("pdfco_credits_spent").increment(credits as f64);
        }
        let mut bill = Bill::default();
        bill.add(credits, remaining);
        bill
    }

    fn schedule(&self, belief: Belief) -> Arc<Schedule> {
        Arc::new(Schedule::new(belief, self.settings.check_worth_seconds))
    }
}

fn schedule_key(job: &Job) -> (String, i64) {
    (job.operation.clone(), belief::page_bucket(job.page_count))
}

impl Service for Core {
    type Turn = api::rate_limit::Permit;

    async fn turn(&self, key: &ApiKey) -> Self::Turn {
        self.client.turn(key).await
    }

    fn give_back(&self, turn: Self::Turn) {
        turn.give_back();
    }

    async fn check(&self, key: &ApiKey, turn: Self::Turn, job: &Job) -> Result<Looked> {
        let is_shared = self.ledger.is_shared();
        let claimed = match is_shared {
            true => self.ledger.claim(&job.intent_id, &self.holder, job.last_checked_at, now()).await,
            false => Ok(Ok(())),
        };
        // A ledger that cannot be asked does not stop the looking.
        if let Ok(Err(theirs)) = claimed {
            turn.give_back();
            let is_news = theirs.status.is_terminal() || theirs.last_checked_at > job.last_checked_at;
            let by = if is_news { By::Others } else { By::OthersSoon };
            return Ok(Looked { job: theirs, credits: None, credits_remaining: None, by });
        }
        let reply = self.client.send_in_turn(key, &check_call(job, job.is_unknown_here()), turn).await;
        let looked = match reply {
            Ok(reply) => self.looked(key, job, &reply).await,
            Err(error) => Err(error),
        };
        if is_shared
            && looked.is_err()
            && let Err(error) = self.ledger.release(&job.intent_id, &self.holder).await
        {
            tracing::debug!(%error, "a lease could not be given back; it ends by time");
        }
        looked
    }

    fn is_shared(&self) -> bool {
        self.ledger.is_shared()
    }

    async fn changed(&self, key: &ApiKey, since: Millis) -> Vec<Job> {
        self.ledger.changed_since(key.fingerprint(), since).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "other processes' news could not be read");
            Vec::new()
        })
    }
}

fn check_call(job: &Job, force: bool) -> Call {
    let mut params = json!({"jobId": job.id()});
    if force && let Some(params) = params.as_object_mut() {
        params.insert("force".into(), json!(true));
    }
    Call { about: About::Job, ..Call::safe(Method::Post, "/v1/job/check", params) }
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
    let about = if body.get("url").is_some() { About::Document } else { About::Account };
    Call { method: operation.method, path, params: body, repeat, about, secrets, cancel: CancellationToken::new() }
}

/// An id that can be looked up, sent and shown.
fn valid_id<'a>(id: &'a str, name: &str) -> Result<&'a str> {
    let id = id.trim();
    let fine = !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(|b| (0x21..=0x7e).contains(&b));
    if fine {
        return Ok(id);
    }
    Err(Error::invalid(
        format!("`{name}` cannot be `{}`.", crate::catalogue::shorten(id, 40)),
        format!(
            "An id is 1 to {ID_BYTES_MAX} visible ASCII characters without spaces; list_jobs shows the ids of jobs."
        ),
    ))
}

/// Where the service calls back, and what proves that it is the service.
struct Callback {
    url: String,
    secret: String,
    hash: String,
}

/// The ledger keeps the hash only, and looking a hash up tells nothing about a secret by how long it takes.
fn callback_hash(secret: &str) -> String {
    Sha256::new()
        .chain_update(b"pdfco callback v1\0")
        .chain_update(secret)
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether an answer without a job id is the result itself. An operation that runs as a job may still be answered at
/// once when there is little to do; an answer without a result in it is no success.
fn tells_a_result(operation: &Operation, body: &Value) -> bool {
    let results = Results::read(body);
    let is_done = || lenient::field(body, "error").and_then(lenient::truth) == Some(false);
    operation.run == Run::Direct
        || !results.links.is_empty()
        || results.inline.is_some()
        || (operation.output == Output::Nothing && is_done())
}

fn neither_job_nor_result(reply: &api::Reply) -> Error {
    Error::new(
        Kind::Upstream,
        "The service answered with neither a job nor a result. It may have charged for the request.",
        "Look with get_credit_balance before sending it again; the request is kept in list_jobs as `queued`.",
    )
    .with_upstream(reply.body.clone())
    .with_unknown_fate()
}

/// The service accepted a job, and we could not write that down: the caller must not lose its id.
fn not_recorded(reply: &api::Reply, error: Error) -> Error {
    let id = crate::catalogue::shorten(reply.job_id().as_deref().unwrap_or("(none)"), ID_BYTES_MAX);
    Error::new(
        Kind::Internal,
        format!("The service accepted the job as `{id}`, but it could not be recorded: {}", error.message()),
        format!("Keep the id: get_job_check {id} takes the job up again. {}", error.hint()),
    )
    .with_source(error)
}

/// What tells one request from another, for comparing a repeat with its original. One-way.
pub fn hash_of_request(operation: &Operation, identity: &Value) -> String {
    request_hash(operation, identity)
}

/// The ledger does not know this job.
pub fn unknown_job(id: &str) -> Error {
    Error::new(
        Kind::NotFound,
        format!("Job `{}` was not found in this key's jobs.", crate::catalogue::shorten(id, 60)),
        "list_jobs (`pdfco jobs list`) shows the jobs of this key. An id from elsewhere can be looked at with get_job_check.",
    )
}

fn new_intent_id() -> String {
    format!("{INTENT_PREFIX}{}", uuid::Uuid::new_v4().simple())
}

fn request_hash(operation: &Operation, identity: &Value) -> String {
    let digest =
        Sha256::new().chain_update(operation.name).chain_update([0]).chain_update(identity.to_string()).finalize();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
