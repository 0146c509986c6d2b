//! Waiting for jobs, in the call or as a task.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::follow_up::{FollowUp, GRACE};
use super::tips;
use super::{Answer, App, Caller, ResponseMode, round_seconds};
use crate::charge::Charge;
use crate::error::{Error, Result};
use crate::hint;
use crate::jobs::{Job, JobId, WaitEnd, WaitOptions};
use crate::next_step::{NextStep, WAIT_TOOL};

/// How long a job is waited for when a call says nothing.
pub const WAIT_DEFAULT: Duration = Duration::from_secs(30);

/// How long fetching a result may go on after the longest wait of a call.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// A wait that is shorter than asked for by no more than this counts as what was asked for.
const CAP_UNREPORTED: Duration = Duration::from_secs(1);

/// What to wait for, and what to do with what comes.
#[derive(Clone, Debug, Default)]
pub struct WaitRequest {
    /// The jobs, at least one.
    pub job_ids: Vec<String>,
    /// When the wait for several jobs is over.
    pub until: Until,
    /// How long to wait; zero checks once. Default: [`WAIT_DEFAULT`].
    pub timeout: Option<Duration>,
    /// Time between checks, instead of the schedule.
    pub interval: Option<Duration>,
    /// Characters of each text result to include; zero includes none.
    pub read: Option<u64>,
    /// Where to save the results.
    pub save_to: Option<String>,
    /// Whether saving may replace files.
    pub overwrite: bool,
}

impl WaitRequest {
    /// A wait for one job under the defaults.
    pub fn one(job_id: impl Into<String>) -> WaitRequest {
        WaitRequest { job_ids: vec![job_id.into()], ..WaitRequest::default() }
    }
}

/// When a wait for several jobs is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// When all have ended.
    #[default]
    All,
    /// When one has ended.
    Any,
}

impl App {
    /// Waits for one job, for `timeout` ([`WAIT_DEFAULT`] if none). See [`App::wait_for`].
    ///
    /// # Errors
    /// As `Jobs::wait`.
    pub async fn wait(
        &self,
        caller: &Caller,
        job_id: &str,
        timeout: Option<Duration>,
        interval: Option<Duration>,
    ) -> Result<Answer> {
        self.wait_for(caller, &WaitRequest { timeout, interval, ..WaitRequest::one(job_id) }).await
    }

    /// Waits for jobs. Running out of time is a normal answer; a job that did not succeed is an answer with `is_error`.
    ///
    /// # Errors
    /// As `Jobs::wait`.
    pub async fn wait_for(&self, caller: &Caller, request: &WaitRequest) -> Result<Answer> {
        let answer = match request.job_ids.as_slice() {
            [] => {
                return Err(Error::invalid(
                    "No job is named.",
                    hint![
                        "Name one with ",
                        NextStep::Argument("job_id".into()),
                        ", or several with ",
                        NextStep::Argument("job_ids".into()),
                        "."
                    ],
                ));
            }
            [job_id] => self.wait_for_single(caller, job_id, request).boxed().await?,
            _ => self.wait_for_many(caller, request).boxed().await?,
        };
        Ok(self.finish(caller, answer).await)
    }

    async fn wait_for_single(&self, caller: &Caller, job_id: &str, request: &WaitRequest) -> Result<Answer> {
        let asked = request.timeout.unwrap_or(WAIT_DEFAULT);
        let wanted = FollowUp {
            read: Some(request.read.unwrap_or(0)),
            save_to: request.save_to.clone(),
            overwrite: request.overwrite,
            interval: request.interval,
        };
        if let Some(save_to) = &request.save_to {
            caller.sandbox.target(Some(save_to), "result", true).await?;
        }
        let job_id = &JobId::parse(job_id)?;
        let wait = match caller.response_mode {
            ResponseMode::Inline => asked,
            ResponseMode::TaskOnly { .. } | ResponseMode::PreferTask if asked.is_zero() => asked,
            mode => {
                if let Some(answer) = Box::pin(self.wait_as_task(caller, job_id, &wanted, mode)).await? {
                    return Ok(answer);
                }
                asked.min(GRACE)
            }
        };
        let began = Instant::now();
        let (mut answer, job) = self.wait_for_one(caller, job_id, wait, caller.max_wait, request.interval).await?;
        if wait < asked && job.job_id.is_some() && !job.status.is_terminal() {
            return self.create_task(caller, WAIT_TOOL, &job, &wanted, answer.charge).await;
        }
        let until = caller.max_wait.map(|max| began + max + FETCH_TIMEOUT);
        self.deliver(caller, &job, &wanted, until, &mut answer).boxed().await;
        Ok(answer)
    }

    /// A task instead of a wait: at once for a client that takes nothing else, and for a job that is expected to run
    /// beyond the grace. None for a job that has ended, does not exist, or may end within the grace.
    async fn wait_as_task(
        &self,
        caller: &Caller,
        job_id: &JobId,
        wanted: &FollowUp,
        mode: ResponseMode,
    ) -> Result<Option<Answer>> {
        let ledger = self.jobs.ledger();
        let mut charge = Charge::NONE;
        let mut found = ledger.get(&caller.owner.tenant, job_id).await?;
        if found.is_none() {
            // An id from elsewhere: one check shows whether there is such a job at all.
            let (answer, job) = Box::pin(self.wait_for_one(caller, job_id, Duration::ZERO, None, None)).await?;
            if job.status.is_terminal() {
                return Ok(Some(answer));
            }
            charge.add(answer.charge);
            found = Some(job);
        }
        match found {
            Some(job) if job.job_id.is_some() && !job.status.is_terminal() => {
                if mode == ResponseMode::PreferTask && charge == Charge::NONE && !self.is_beyond_grace(&job) {
                    return Ok(None);
                }
                self.create_task(caller, WAIT_TOOL, &job, wanted, charge).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Waits for one job for `asked`, at most `max`. Returns the answer and the job as it is known then.
    pub(super) async fn wait_for_one(
        &self,
        caller: &Caller,
        job_id: &JobId,
        asked: Duration,
        max: Option<Duration>,
        interval: Option<Duration>,
    ) -> Result<(Answer, Job)> {
        let timeout = max.map_or(asked, |max| asked.min(max));
        let options = WaitOptions { deadline: Instant::now() + timeout, interval, cancel: caller.cancel.clone() };
        let waited = self.jobs.wait(&caller.owner, job_id, &options, |job| self.emit_job(caller, job)).await?;
        let mut answer = self.job_answer(&waited.job, waited.source, waited.charge);
        let retry_after = match waited.end {
            WaitEnd::Finished => None,
            WaitEnd::Pending { retry_after } => Some(round_seconds(retry_after)),
        };
        answer.tips = self.tips_about(&waited.job, retry_after);
        answer.is_error = waited.job.status.is_failure();
        if waited.is_first_sight && !waited.job.status.is_terminal() {
            super::jobs::doubt_the_id(&mut answer);
        }
        // A request that the service never gave an id cannot be asked about, so nothing was waited for.
        let can_be_asked = waited.job.job_id.is_some() || waited.job.status.is_terminal();
        if let Some(view) = answer.job.as_mut().filter(|_| can_be_asked) {
            view.retry_after_seconds = retry_after;
            view.timeout_applied = Some((timeout.as_secs_f64() * 10.0).round() / 10.0);
            view.wait_capped = (timeout + CAP_UNREPORTED < asked).then_some(true);
            view.last_check_error = waited.last_error.as_ref().map(|error| error.view());
        }
        if let Some(error) = &waited.last_error {
            answer.tips = Some(tips::not_asked(&waited.job, error));
        }
        Ok((answer, waited.job))
    }
}
