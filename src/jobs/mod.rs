//! What happens after submit: the jobs engine.
//!
//! What lives here: [`Jobs`], which writes the intention before the request leaves, looks at jobs as rarely as pays,
//! waits for them on behalf of many, and remembers them. What never does: who is waiting (doors), files, or HTTP
//! (`api/`).
//!
//! Start at [`Jobs::prepare`], then [`Jobs::wait`].

mod check;
pub mod job;
pub mod ledger;
pub mod poller;
pub mod polling;
pub mod status;
pub mod submit;
pub mod task;
pub mod wait;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::api::{Call, Client};
use crate::charge::Charge;
use crate::error::{Error, Kind, Result};
use crate::tenant::Owner;
use url::Url;

pub use job::{Job, Millis, Observation, Results};
pub use ledger::{Ledger, Page, Spending};
pub use polling::schedule::{DurationEstimate, LogNormal, Schedule};
pub use status::JobStatus;
pub use submit::{Outgoing, Preparation, Prepared, Submitted, call_for, hash_of_request};
pub use task::{Task, TaskStatus};
pub use wait::{WaitEnd, WaitOptions, Waited};

use crate::clock::now;
use check::CheckService;
use poller::Poller;

/// A second live look sooner than this is answered from the ledger (DESIGN §2.3).
const FRESH: Duration = Duration::from_secs(3);
/// From this many jobs on, turns that nobody waits for are forgotten.
const TURNS_KEPT: usize = 1_024;
/// Waits that read their jobs from the ledger at once, as they begin and as they end.
const AT_THE_LEDGER_MAX: usize = 16;
/// Longest id that is looked up or sent.
const ID_BYTES_MAX: usize = 200;
/// Prefix of ids that we gave while the service had given none.
const INTENT_PREFIX: &str = "local-";

/// The jobs engine: one per process.
pub struct Jobs {
    core: Arc<CheckService>,
    poller: Poller<CheckService>,
    /// Turns of single looks.
    turns: Mutex<Turns>,
    /// Submits that are under way.
    submits: TaskTracker,
    /// Turns of waits to read from the ledger.
    at_the_ledger: Semaphore,
}

/// Of several who ask about one job at the same moment, the first asks the service; the others hear its answer. What is
/// locked is when the last look ended.
type Turn = Arc<tokio::sync::Mutex<Option<Instant>>>;

#[derive(Default)]
struct Turns {
    by_job: HashMap<String, Turn>,
    /// When turns were forgotten last: of looks before that nothing is known.
    forgotten: Option<Instant>,
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

/// Where a state came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
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
    pub charge: Charge,
    /// When a new look makes sense.
    pub retry_after: Option<Duration>,
    /// This ledger saw the id for the first time.
    pub is_first_sight: bool,
}

impl Jobs {
    /// An engine that speaks through `client` and remembers in `ledger`.
    pub fn new(client: Client, ledger: Arc<Ledger>, settings: Settings) -> Self {
        let holder = uuid::Uuid::new_v4().simple().to_string();
        let core = Arc::new(CheckService { client, ledger, settings, schedules: Mutex::default(), holder });
        Jobs {
            poller: Poller::new(Arc::clone(&core)),
            core,
            turns: Mutex::default(),
            submits: TaskTracker::new(),
            at_the_ledger: Semaphore::new(AT_THE_LEDGER_MAX),
        }
    }

    /// The ledger, for reading.
    pub fn ledger(&self) -> &Ledger {
        &self.core.ledger
    }

    /// How many jobs are being looked at for somebody.
    pub fn watched(&self) -> usize {
        self.poller.watched()
    }

    /// Looks at a job once. An end state comes from the ledger for nothing, unless `force`; so does a state that was
    /// looked at less than three seconds ago. An id that the ledger never saw is asked about with `force`, because the
    /// service says `working` for jobs that do not exist.
    ///
    /// # Errors
    /// As `Client::send`; `not_found` for one of our own ids that is not in the ledger.
    pub async fn check(&self, owner: &Owner, id: &str, force: bool) -> Result<Checked> {
        let asked = Instant::now();
        let (mut job, is_first_sight) = self.known_or_adopted(owner, id).await?;
        if let Some(answer) = from_ledger(&job, force, is_first_sight) {
            return Ok(answer);
        }
        let (turn, forgotten) = self.turn_at(&job.intent_id);
        let mut looked = turn.lock().await;
        if looked.max(forgotten).is_some_and(|at| at >= asked) {
            // Somebody has looked since.
            job = Box::pin(self.core.ledger.get(&owner.tenant, job.id())).await?.unwrap_or(job);
            if let Some(answer) = from_ledger(&job, force, is_first_sight) {
                return Ok(answer);
            }
        }
        let (core, own) = (Arc::clone(&self.core), owner.clone());
        // On its own: the look that sees the end may charge all pages, and its answer must not be lost with its caller.
        let look = tokio::spawn(async move { core.ask(&own, &job, force).await });
        let outcome = look.await.unwrap_or_else(|_| Err(Error::internal("A look at a job stopped in the middle.")));
        *looked = Some(Instant::now());
        drop(looked);
        let looked = outcome?;
        // Whoever waits for the same job need not pay for what is known now.
        self.poller.hear(&looked.job);
        let charge = looked.charge;
        let retry_after = if looked.job.status.is_terminal() { None } else { Some(self.next_check_in(&looked.job)) };
        Ok(Checked { job: looked.job, source: Source::Live, charge, retry_after, is_first_sight })
    }

    /// The job with this id, and whether this ledger sees it for the first time.
    async fn known_or_adopted(&self, owner: &Owner, id: &str) -> Result<(Job, bool)> {
        let id = valid_id(id, "job_id")?;
        match self.core.ledger.get(&owner.tenant, id).await? {
            Some(job) => Ok((job, false)),
            None => Ok((Box::pin(self.adopt(owner, id)).await?, true)),
        }
    }

    /// The job's turn, and when turns were forgotten last.
    fn turn_at(&self, intent_id: &str) -> (Turn, Option<Instant>) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.by_job.len() >= TURNS_KEPT {
            turns.by_job.retain(|_, turn| Arc::strong_count(turn) > 1);
            turns.forgotten = Some(Instant::now());
        }
        (Arc::clone(turns.by_job.entry(intent_id.to_owned()).or_default()), turns.forgotten)
    }

    /// The job as the ledger has it, for nothing.
    pub async fn get(&self, owner: &Owner, id: &str) -> Result<Job> {
        let id = valid_id(id, "job_id")?;
        self.core.ledger.get(&owner.tenant, id).await?.ok_or_else(|| unknown_job(id))
    }

    async fn adopt(&self, owner: &Owner, id: &str) -> Result<Job> {
        if id.starts_with(INTENT_PREFIX) {
            return Err(unknown_job(id));
        }
        self.core.ledger.adopt(&owner.tenant, id, &new_intent_id(), now()).await
    }

    /// Stops tracking a job. Gives it back as it is now, and whether this call changed it.
    ///
    /// # Errors
    /// `not_found` when the ledger does not know it.
    pub async fn cancel(&self, owner: &Owner, id: &str) -> Result<(Job, bool)> {
        let job = self.get(owner, id).await?;
        let (job, changed) = self.core.ledger.cancel(&job.intent_id, now()).await?;
        // Whoever waits for it hears of it at once.
        self.poller.hear(&job);
        Ok((job, changed))
    }

    /// When the schedule would look next, from now.
    pub fn next_check_in(&self, job: &Job) -> Duration {
        let elapsed = job.elapsed_seconds(now());
        let next = self.core.known_schedule(job).next_check(job.last_check_seconds().min(elapsed));
        polling::schedule::seconds((next - elapsed).max(0.5))
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
    pub async fn direct(&self, owner: &Owner, call: &Call, operation: &str) -> Result<(Value, Charge)> {
        let (core, owner, call, operation) =
            (Arc::clone(&self.core), owner.clone(), call.clone(), operation.to_owned());
        // On its own, so that a caller who leaves does not tear an exchange that may have been charged.
        let exchange = tokio::spawn(async move {
            let reply = core.client.send(&owner.key, &call).await?;
            let charge = core.book(&owner.tenant, &operation, reply.charge()).await;
            Ok((reply.body, charge))
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
        charge: Charge::NONE,
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

/// An id that can be looked up, sent and shown.
fn valid_id<'a>(id: &'a str, name: &str) -> Result<&'a str> {
    let id = id.trim();
    let fine = !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(|b| (0x21..=0x7e).contains(&b));
    if fine {
        return Ok(id);
    }
    Err(Error::invalid(
        format!("`{name}` cannot be `{}`.", crate::catalog::shorten(id, 40)),
        format!(
            "An id is 1 to {ID_BYTES_MAX} visible ASCII characters without spaces; list_jobs shows the ids of jobs."
        ),
    ))
}

/// The ledger does not know this job.
pub fn unknown_job(id: &str) -> Error {
    Error::new(
        Kind::NotFound,
        format!("Job `{}` was not found in this key's jobs.", crate::catalog::shorten(id, 60)),
        "list_jobs (`pdfco jobs list`) shows the jobs of this key. An id from elsewhere can be looked at with get_job_check.",
    )
}

fn new_intent_id() -> String {
    format!("{INTENT_PREFIX}{}", uuid::Uuid::new_v4().simple())
}
