//! Waiting for a job: until its end, the deadline, or the caller's change of mind. Ending a wait leaves the job alone.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::poller::{JobUpdate, Subscription};
use super::polling::last_check::{AtDeadline, is_worth_it};
use super::{Checked, Job, JobId, Jobs, Schedule, Source};
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::next_step::NextStep;
use crate::tenant::Owner;

/// How long past its deadline a wait may go on for a last check that is worth its price.
pub const LAST_CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long past its deadline a wait may go on for a check that is on its way, and will be paid for.
const IN_FLIGHT_TIMEOUT: Duration = Duration::from_secs(2);

/// How to wait.
#[derive(Clone, Debug)]
pub struct WaitOptions {
    /// When the wait ends at the latest; a deadline that has passed means one check.
    pub deadline: Instant,
    /// Replaces the schedule.
    pub interval: Option<Duration>,
    /// Ends the wait, never the job.
    pub cancel: CancellationToken,
}

/// How a wait ended.
#[derive(Clone, Debug)]
pub enum WaitEnd {
    /// The job is in a terminal state.
    Finished,
    /// The deadline has come first.
    Pending {
        /// When the next check makes sense.
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
    /// Why the last check failed, when no later one succeeded: then `job` is as it was known before.
    pub last_error: Option<Arc<Error>>,
    /// This ledger sees the id for the first time.
    pub is_first_sight: bool,
}

/// A wait that has begun.
enum Begun {
    /// There was nothing to wait for.
    Over(Box<Waited>),
    /// It is polled; and whether this ledger sees the id for the first time.
    Polling(Subscription, bool),
}

impl Jobs {
    /// Waits until the job ends or the deadline comes. `on_change` is called with every state meanwhile.
    ///
    /// # Errors
    /// `auth` and `insufficient_credits` at once, `cancelled` when the caller gave up. Where no submit and no check of the
    /// job was ever answered, the kind of what kept it from being asked. A failed job is not an error here, and passing
    /// errors of checks of a job that is known are in `last_error`.
    pub async fn wait(
        &self,
        owner: &Owner,
        id: &JobId,
        options: &WaitOptions,
        mut on_change: impl FnMut(&Job) + Send,
    ) -> Result<Waited> {
        let operation = tracing::field::Empty;
        let span = tracing::info_span!("wait", job_id = %id, operation, tenant = %owner.tenant);
        let began = Instant::now();
        let waiting = async move {
            match self.begin(owner, id, options, &mut on_change).await? {
                Begun::Over(waited) => Ok(*waited),
                Begun::Polling(subscription, is_first_sight) => {
                    let checks_before = subscription.updates.borrow().checks_here;
                    let (update, charge, is_in_flight) =
                        self.follow_to_end(subscription, options, &mut on_change).await?;
                    if let Some(error) = self.error_of(owner, &update, is_in_flight, began) {
                        return Err(error.with_charge(charge));
                    }
                    let was_checked = update.checks_here > checks_before;
                    Ok(self.outcome(owner, &update, charge, was_checked, is_first_sight).await)
                }
            }
        };
        waiting.instrument(span).await
    }

    /// Follows a subscription to the end of the wait. Also returns what it cost and whether a check was on its way still.
    async fn follow_to_end(
        &self,
        mut subscription: Subscription,
        options: &WaitOptions,
        on_change: &mut (impl FnMut(&Job) + Send),
    ) -> Result<(JobUpdate, Charge, bool)> {
        let followed = self.follow_to_last_check(&mut subscription, options, on_change).await;
        // A wait that is given up has cost what it has cost.
        let update = followed.map_err(|error| error.with_charge(subscription.charge()))?;
        Ok((update, subscription.charge(), subscription.is_in_flight()))
    }

    async fn follow_to_last_check(
        &self,
        subscription: &mut Subscription,
        options: &WaitOptions,
        on_change: &mut (impl FnMut(&Job) + Send),
    ) -> Result<JobUpdate> {
        let update = follow(subscription, options, on_change).await?;
        if update.is_over || update.job.status.is_terminal() {
            return Ok(update);
        }
        if self.is_worth_a_last_check(&update, options) {
            subscription.check_now();
            return next_update(subscription, LAST_CHECK_TIMEOUT, &options.cancel).await;
        }
        if subscription.is_in_flight() {
            return next_update(subscription, IN_FLIGHT_TIMEOUT, &options.cancel).await;
        }
        Ok(update)
    }

    /// The error that a wait ends with, if it does: one that ended the polling, or what kept a job from being asked about
    /// of which nothing is known.
    fn error_of(&self, owner: &Owner, update: &JobUpdate, is_in_flight: bool, began: Instant) -> Option<Error> {
        if let (Some(error), true) = (&update.last_error, update.is_over) {
            return Some(error.share());
        }
        update.job.is_unknown_here().then(|| self.never_answered(owner, update, is_in_flight, began.elapsed()))
    }

    fn never_answered(&self, owner: &Owner, update: &JobUpdate, is_in_flight: bool, waited: Duration) -> Error {
        let id = update.job.id();
        let hint = hint!["Nothing is known about this job yet. ", NextStep::WaitFor(id.to_owned()), " tries again."];
        let seconds = waited.as_secs_f64();
        let pause = self.core.client.pause(&owner.key);
        match &update.last_error {
            Some(error) => {
                let hint = hint![error.hint().clone(), " ", hint];
                error.share().with_hint(hint)
            }
            None if is_in_flight => {
                let message = format!("The service has not answered about job {id} within {seconds:.0} s.");
                Error::new(Kind::Network, message, hint)
            }
            None => {
                let message = format!("The rate limit left no request for job {id} within {seconds:.0} s.");
                Error::new(Kind::RateLimited, message, hint).with_retry_after(pause)
            }
        }
    }

    async fn outcome(
        &self,
        owner: &Owner,
        update: &JobUpdate,
        charge: Charge,
        was_checked: bool,
        is_first_sight: bool,
    ) -> Waited {
        let job = self.whole(owner, &update.job).await;
        Waited {
            source: match (was_checked || charge != Charge::NONE, job.is_from_callback) {
                (_, true) => Source::Callback,
                (true, _) => Source::Live,
                (false, _) => Source::Cache,
            },
            end: self.end_of(&job),
            charge,
            last_error: update.last_error.clone(),
            is_first_sight,
            job,
        }
    }

    fn end_of(&self, job: &Job) -> WaitEnd {
        if job.status.is_terminal() {
            WaitEnd::Finished
        } else {
            WaitEnd::Pending { retry_after: self.next_check_in(job) }
        }
    }

    /// The job with all that is known of it, which is not kept while it is waited for.
    async fn whole(&self, owner: &Owner, waited_for: &Job) -> Job {
        if waited_for.status.is_terminal() {
            return waited_for.clone();
        }
        let _permit = self.waits_at_ledger.acquire().await;
        match Box::pin(self.core.ledger.get(&owner.tenant, waited_for.id())).await {
            Ok(Some(job)) => job,
            Ok(None) | Err(_) => waited_for.clone(),
        }
    }

    async fn begin(
        &self,
        owner: &Owner,
        id: &JobId,
        options: &WaitOptions,
        on_change: &mut (impl FnMut(&Job) + Send),
    ) -> Result<Begun> {
        // Many waits may begin at once; few of them read the ledger at a time.
        let permit = self.waits_at_ledger.acquire().await;
        let found = Box::pin(self.find_for_wait(owner, id, options)).await;
        drop(permit);
        let (job, is_first_sight, schedule) = found?;
        tracing::Span::current().record("operation", &job.operation);
        if job.status.is_terminal() || job.job_id.is_none() {
            return Ok(Begun::Over(Box::new(self.as_recorded(job, is_first_sight))));
        }
        if !job.is_unknown_here() {
            on_change(&job);
        }
        let Some(schedule) = schedule else {
            let checked = until_cancelled(&options.cancel, Box::pin(self.check(owner, id, false))).await?;
            return Ok(Begun::Over(Box::new(self.checked_once(checked))));
        };
        let is_check_wanted = self.core.is_check_wanted(&job);
        let polled = Arc::new(job.while_waiting());
        let subscription = self.poller.subscribe(owner, polled, schedule, options.interval, now());
        if is_check_wanted {
            subscription.check_now();
        }
        Ok(Begun::Polling(subscription, is_first_sight))
    }

    /// The job, whether this ledger sees it for the first time, and its schedule if there is time for more than one check.
    async fn find_for_wait(
        &self,
        owner: &Owner,
        id: &JobId,
        options: &WaitOptions,
    ) -> Result<(Job, bool, Option<Arc<Schedule>>)> {
        let (job, is_first_sight) = self.find(owner, id).await?;
        let is_waited_for = options.deadline > Instant::now() && !job.status.is_terminal();
        let schedule = if is_waited_for { Some(self.core.schedule_for(&job).await) } else { None };
        Ok((job, is_first_sight, schedule))
    }

    fn is_worth_a_last_check(&self, update: &JobUpdate, options: &WaitOptions) -> bool {
        let at_deadline = AtDeadline {
            has_interval: options.interval.is_some(),
            has_failed: update.last_error.is_some() || update.job.is_unknown_here(),
            last_check: update.last_check,
            elapsed: update.job.elapsed_seconds(now()),
        };
        is_worth_it(at_deadline, &self.core.known_schedule(&update.job))
    }

    fn as_recorded(&self, job: Job, is_first_sight: bool) -> Waited {
        let end = self.end_of(&job);
        Waited { job, end, source: Source::Cache, charge: Charge::NONE, last_error: None, is_first_sight }
    }

    fn checked_once(&self, checked: Checked) -> Waited {
        let end = match checked.retry_after {
            Some(retry_after) if !checked.job.status.is_terminal() => WaitEnd::Pending { retry_after },
            _ => self.end_of(&checked.job),
        };
        Waited {
            job: checked.job,
            end,
            source: checked.source,
            charge: checked.charge,
            last_error: checked.doubt,
            is_first_sight: checked.is_first_sight,
        }
    }
}

/// Follows the updates until an end, the deadline or the caller's leaving.
async fn follow(
    subscription: &mut Subscription,
    options: &WaitOptions,
    on_change: &mut (impl FnMut(&Job) + Send),
) -> Result<JobUpdate> {
    loop {
        let update = subscription.updates.borrow_and_update().clone();
        if !update.job.is_unknown_here() {
            on_change(&update.job);
        }
        if update.is_over || update.job.status.is_terminal() {
            return Ok(update);
        }
        tokio::select! {
            changed = subscription.updates.changed() => {
                if changed.is_err() {
                    return Ok(subscription.updates.borrow().clone());
                }
            }
            () = tokio::time::sleep_until(options.deadline) => return Ok(subscription.updates.borrow().clone()),
            () = options.cancel.cancelled() => return Err(gave_up()),
        }
    }
}

/// The update after those that were read; the last one again when none comes within `timeout`.
async fn next_update(
    subscription: &mut Subscription,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<JobUpdate> {
    tokio::select! {
        _ = subscription.updates.changed() => {}
        () = tokio::time::sleep(timeout) => {}
        () = cancel.cancelled() => return Err(gave_up()),
    }
    Ok(subscription.updates.borrow().clone())
}

async fn until_cancelled<T>(cancel: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        outcome = work => outcome,
        () = cancel.cancelled() => Err(gave_up()),
    }
}

fn gave_up() -> Error {
    Error::new(
        Kind::Cancelled,
        "The wait was given up; the job was left alone.",
        "Waiting for or checking the same job id takes it up again.",
    )
}
