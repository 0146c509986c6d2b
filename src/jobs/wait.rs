//! Waiting for a job: news, deadline or the caller's change of mind, whichever comes first.
//!
//! What lives here: [`Jobs::wait`]. What never does: the cancelling of a job; ending a wait leaves the job alone.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::poller::{News, Watch};
use super::{Checked, Job, Jobs, Schedule, Source};
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::tenant::Owner;

/// How long past its deadline a wait may go on for a last look that is worth its price.
const LAST_LOOK_PATIENCE: Duration = Duration::from_secs(5);

/// How to wait.
#[derive(Clone, Debug)]
pub struct WaitOptions {
    /// How long at most; zero is one look.
    pub budget: Duration,
    /// Replaces the schedule.
    pub interval: Option<Duration>,
    /// Ends the wait, never the job.
    pub cancel: CancellationToken,
}

/// How a wait ended.
#[derive(Clone, Debug)]
pub enum WaitEnd {
    /// The job is in an end state.
    Finished,
    /// The budget is over and the job goes on.
    Pending {
        /// When the next look makes sense.
        retry_after: Duration,
    },
}

/// A wait's outcome.
#[derive(Clone, Debug)]
pub struct Waited {
    /// The job as it is known now.
    pub job: Job,
    /// How it ended.
    pub end: WaitEnd,
    /// Where the final state came from.
    pub source: Source,
    /// What it cost this caller.
    pub charge: Charge,
    /// The last look that failed, when no later one succeeded.
    pub last_error: Option<Arc<Error>>,
    /// This ledger saw the id for the first time.
    pub is_first_sight: bool,
}

/// A wait that has begun.
enum Begun {
    /// There was nothing to wait for.
    Over(Box<Waited>),
    /// It is watched; and whether this ledger saw the id for the first time.
    Watching(Watch, bool),
}

impl Jobs {
    /// Waits until the job ends or the budget does. `told` hears of every change while waiting.
    ///
    /// # Errors
    /// `auth` and `insufficient_credits` at once, `cancelled` when the caller gave up. A failed job is not an error
    /// here; passing failures of looks are in `last_error`.
    pub async fn wait(
        &self,
        owner: &Owner,
        id: &str,
        options: &WaitOptions,
        mut told: impl FnMut(&Job) + Send,
    ) -> Result<Waited> {
        let deadline = Instant::now() + options.budget;
        let begun = self.begin(owner, id, options, &mut told).await?;
        let (mut watch, is_first_sight) = match begun {
            Begun::Over(waited) => return Ok(*waited),
            Begun::Watching(watch, is_first_sight) => (watch, is_first_sight),
        };
        let mut charge = Charge::NONE;
        let mut news = follow(&mut watch, deadline, &options.cancel, &mut told).await?;
        if self.is_worth_a_last_check(&news, options) {
            watch.check_now();
            news = next_news(&mut watch, LAST_LOOK_PATIENCE, &options.cancel).await?;
        }
        charge.add(watch.charge());
        let looked_here = watch.charge() != Charge::NONE;
        drop(watch);
        if let (Some(error), true) = (&news.last_error, news.is_over) {
            return Err(error.share().with_charge(charge));
        }
        let job = self.whole(owner, &news.job).await;
        let end = if job.status.is_terminal() {
            WaitEnd::Finished
        } else {
            WaitEnd::Pending { retry_after: self.next_check_in(&job) }
        };
        Ok(Waited {
            source: match (looked_here, job.is_told_by_callback) {
                (_, true) => Source::Callback,
                (true, _) => Source::Live,
                (false, _) => Source::Cache,
            },
            end,
            charge,
            last_error: news.last_error.clone(),
            is_first_sight,
            job,
        })
    }

    /// The job with all that is known of it, which is not kept while it is waited for.
    async fn whole(&self, owner: &Owner, waited_for: &Job) -> Job {
        if waited_for.status.is_terminal() {
            return waited_for.clone();
        }
        let _turn = self.at_the_ledger.acquire().await;
        match Box::pin(self.core.ledger.get(&owner.tenant, waited_for.id())).await {
            Ok(Some(job)) => job,
            Ok(None) | Err(_) => waited_for.clone(),
        }
    }

    async fn begin(
        &self,
        owner: &Owner,
        id: &str,
        options: &WaitOptions,
        told: &mut (impl FnMut(&Job) + Send),
    ) -> Result<Begun> {
        // Many waits may begin at once, and what it takes to begin is far larger than what a wait keeps: it is in a
        // place of its own, and there are few of those.
        let turn = self.at_the_ledger.acquire().await;
        let found = Box::pin(self.find_for_wait(owner, id, options)).await;
        drop(turn);
        let (job, is_first_sight, schedule) = found?;
        if job.status.is_terminal() || job.job_id.is_none() {
            return Ok(Begun::Over(Box::new(self.as_remembered(job, Charge::NONE, is_first_sight))));
        }
        told(&job);
        let Some(schedule) = schedule else {
            let checked = self.until_cancelled(&options.cancel, Box::pin(self.check(owner, id, false))).await?;
            return Ok(Begun::Over(Box::new(self.one_look(checked))));
        };
        let watched = Arc::new(job.while_waiting());
        Ok(Begun::Watching(self.poller.watch(owner, watched, schedule, options.interval, now()), is_first_sight))
    }

    /// The job, whether this ledger sees it for the first time, and its schedule if there is time for more than a look.
    async fn find_for_wait(
        &self,
        owner: &Owner,
        id: &str,
        options: &WaitOptions,
    ) -> Result<(Job, bool, Option<Arc<Schedule>>)> {
        let (job, is_first_sight) = self.known_or_adopted(owner, id).await?;
        let is_waited_for = !(options.budget.is_zero() || job.status.is_terminal());
        let schedule = if is_waited_for { Some(self.core.schedule_for(&job).await) } else { None };
        Ok((job, is_first_sight, schedule))
    }

    /// At the deadline: one more look, if the estimate gives it a fair chance.
    fn is_worth_a_last_check(&self, news: &News, options: &WaitOptions) -> bool {
        let elapsed = news.job.elapsed_seconds(now());
        !(news.is_over || news.job.status.is_terminal())
            && options.interval.is_none()
            && news.last_error.is_none()
            && self.core.known_schedule(&news.job).is_worth_a_last_check(news.last_check, elapsed)
    }

    fn as_remembered(&self, job: Job, charge: Charge, is_first_sight: bool) -> Waited {
        let end = if job.status.is_terminal() {
            WaitEnd::Finished
        } else {
            WaitEnd::Pending { retry_after: self.next_check_in(&job) }
        };
        Waited { job, end, source: Source::Cache, charge, last_error: None, is_first_sight }
    }

    fn one_look(&self, checked: Checked) -> Waited {
        let retry_after = checked.retry_after;
        let mut waited = finished(checked);
        if !waited.job.status.is_terminal() {
            waited.end =
                WaitEnd::Pending { retry_after: retry_after.unwrap_or_else(|| self.next_check_in(&waited.job)) };
        }
        waited
    }

    async fn until_cancelled<T>(&self, cancel: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            outcome = work => outcome,
            () = cancel.cancelled() => Err(gave_up()),
        }
    }
}

/// Follows the news until an end, the deadline or the caller's leaving.
async fn follow(
    watch: &mut Watch,
    deadline: Instant,
    cancel: &CancellationToken,
    told: &mut (impl FnMut(&Job) + Send),
) -> Result<News> {
    loop {
        let news = watch.news.borrow_and_update().clone();
        told(&news.job);
        if news.is_over || news.job.status.is_terminal() {
            return Ok(news);
        }
        tokio::select! {
            changed = watch.news.changed() => {
                if changed.is_err() {
                    return Ok(watch.news.borrow().clone());
                }
            }
            () = tokio::time::sleep_until(deadline) => return Ok(watch.news.borrow().clone()),
            () = cancel.cancelled() => return Err(gave_up()),
        }
    }
}

/// The news after those that were read last; those again when none come within `patience`.
async fn next_news(watch: &mut Watch, patience: Duration, cancel: &CancellationToken) -> Result<News> {
    tokio::select! {
        _ = watch.news.changed() => {}
        () = tokio::time::sleep(patience) => {}
        () = cancel.cancelled() => return Err(gave_up()),
    }
    Ok(watch.news.borrow().clone())
}

fn finished(checked: Checked) -> Waited {
    Waited {
        job: checked.job,
        end: WaitEnd::Finished,
        source: checked.source,
        charge: checked.charge,
        last_error: None,
        is_first_sight: checked.is_first_sight,
    }
}

fn gave_up() -> Error {
    Error::new(
        Kind::Cancelled,
        "The wait was given up; the job goes on.",
        "wait_job_completion or get_job_check with the same job id takes it up again.",
    )
}
