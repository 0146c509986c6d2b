//! [`Jobs`], the jobs engine, and the calls that need no rule of their own.

use std::sync::Arc;
use std::time::Duration;

use const_format::formatcp;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::check_service::CheckService;
use super::job_id::JobId;
use super::poller::Poller;
use super::singleflight::Singleflight;
use super::{Job, JobStatus, Ledger, polling};
use crate::api::{Call, Client, Repeat};
use crate::catalog::CHECK_CREDITS;
use crate::charge::Charge;
use crate::clock::now;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::next_step::NextStep;
use crate::tenant::Owner;

/// Waits that read their jobs from the ledger at once, as they begin and as they end: what it takes to begin is far
/// larger than what a wait keeps.
const WAITS_AT_LEDGER_MAX: usize = 16;

/// The jobs engine: one per process.
pub struct Jobs {
    pub(super) core: Arc<CheckService>,
    pub(super) poller: Poller<CheckService>,
    /// Single checks of the same job.
    pub(super) checks: Singleflight,
    /// Submits that are under way.
    pub(super) submits: TaskTracker,
    /// Permits of waits to read from the ledger.
    pub(super) waits_at_ledger: Semaphore,
}

impl Jobs {
    /// An engine that speaks through `client` and remembers in `ledger`.
    pub fn new(client: Client, ledger: Arc<Ledger>, config: Arc<Config>) -> Self {
        let core = Arc::new(CheckService::new(client, ledger, config));
        Jobs {
            poller: Poller::new(Arc::clone(&core)),
            core,
            checks: Singleflight::default(),
            submits: TaskTracker::new(),
            waits_at_ledger: Semaphore::new(WAITS_AT_LEDGER_MAX),
        }
    }

    /// The ledger, for reading.
    pub fn ledger(&self) -> &Ledger {
        &self.core.ledger
    }

    /// How many jobs are polled right now.
    pub fn polled(&self) -> usize {
        self.poller.polled()
    }

    /// The job as the ledger has it, for nothing.
    ///
    /// # Errors
    /// `not_found` when the ledger does not know it.
    pub async fn get(&self, owner: &Owner, id: &JobId) -> Result<Job> {
        self.core.ledger.get(&owner.tenant, id.as_str()).await?.ok_or_else(|| unknown_job(id.as_str()))
    }

    /// When the schedule would check next, from now.
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

    /// Sends a request that is no job: balance, stored files, templates. One that may be repeated is dropped when its
    /// caller leaves; what may be charged is brought to its end.
    ///
    /// # Errors
    /// As `Client::send`.
    pub async fn direct(&self, owner: &Owner, call: &Call, operation: &str) -> Result<(Value, Charge)> {
        let (core, owner, mut call, operation) =
            (Arc::clone(&self.core), owner.clone(), call.clone(), operation.to_owned());
        let _cancelled_with_the_caller = (call.repeat == Repeat::Safe).then(|| {
            call.cancel = call.cancel.child_token();
            call.cancel.clone().drop_guard()
        });
        let span = tracing::info_span!("request", %operation, tenant = %owner.tenant);
        let exchange = async move {
            let admitted = core.admit_direct(&owner, &operation).await?;
            let response = match core.client.send(&owner, &call).await {
                Ok(response) => response,
                Err(error) => return Err(core.not_answered(&owner, &operation, admitted, error).await),
            };
            let charge = match admitted {
                Some(admitted) => {
                    core.ledger.settle(&owner, admitted, &operation, response.charge()).await;
                    response.charge().counted()
                }
                None => core.book(&owner, &operation, response.charge()).await,
            };
            Ok((response.body, charge))
        };
        let exchange = tokio::spawn(exchange.instrument(span));
        exchange.await.unwrap_or_else(|_| Err(Error::internal("A request stopped in the middle.")))
    }

    /// Waits until what is being submitted is recorded, at most for `timeout`. For the end of the process.
    pub async fn settle(&self, timeout: Duration) {
        self.submits.close();
        if tokio::time::timeout(timeout, self.submits.wait()).await.is_err() {
            tracing::warn!("the process ends while a submit is still on its way");
        }
    }
}

/// The ledger does not know this job.
pub fn unknown_job(id: &str) -> Error {
    let id = crate::text::shorten(id, 60);
    Error::new(
        Kind::NotFound,
        format!("Job `{id}` was not found in this key's jobs."),
        hint![
            NextStep::ListJobs,
            " shows the jobs of this key. An id from elsewhere can be checked with ",
            NextStep::Check(id),
            formatcp!(", which costs {CHECK_CREDITS} credits.")
        ],
    )
}
