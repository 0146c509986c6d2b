//! The loop of one poller: takes a permit, then the job that has been due for longest, and checks it.
//!
//! The permit comes first, because while the rate limit made us wait, subscribers may have come and gone.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{CheckOutcome, CheckedBy, Entry, OwnerPoller, Service, Shared};
use crate::clock::{Millis, now as wall_now};
use crate::error::{Error, Kind};
use crate::jobs::job::Job;

/// How often the ledger is read for what other processes learned, where nothing reports it.
const READ_EVERY: Duration = Duration::from_millis(700);
/// While another process holds the lease of a job, the ledger is asked again after this.
const LEASE_RETRY: Duration = Duration::from_millis(500);
/// An idle poller ends after this long; the next subscription starts another.
const IDLE: Duration = Duration::from_secs(30);

pub(super) async fn run<S: Service>(shared: Arc<Shared<S>>, poller: Arc<OwnerPoller>) {
    tokio::select! {
        () = poll(&shared, &poller) => {}
        () = read_others(&shared, &poller) => {}
    }
}

/// Checks whatever is due, until no job has been polled for a while.
async fn poll<S: Service>(shared: &Arc<Shared<S>>, poller: &Arc<OwnerPoller>) {
    loop {
        match next_due(poller) {
            None => {
                let woken = tokio::time::timeout(IDLE, poller.changed.notified()).await.is_ok();
                if !woken && forget_if_empty(shared, poller) {
                    return;
                }
            }
            Some(due) if due > Instant::now() => {
                tokio::select! {
                    () = tokio::time::sleep_until(due) => {}
                    () = poller.changed.notified() => {}
                }
            }
            Some(_) => {
                let Ok(in_flight) = poller.in_flight.acquire().await else { return };
                let permit = shared.service.acquire(&poller.owner).await;
                let Some(due) = take_due(poller) else {
                    shared.service.release(permit);
                    continue;
                };
                in_flight.forget();
                tokio::spawn(check(Arc::clone(shared), Arc::clone(poller), permit, due));
            }
        }
    }
}

/// Forgets the poller if it has no job. Returns whether it did.
fn forget_if_empty<S: Service>(shared: &Shared<S>, poller: &OwnerPoller) -> bool {
    let mut pollers = shared.pollers.lock();
    let mut jobs = poller.jobs.lock();
    if !jobs.entries.is_empty() {
        return false;
    }
    jobs.is_running = false;
    if let Some(of_tenant) = pollers.get_mut(&poller.owner.tenant) {
        of_tenant.remove(poller.owner.account());
        if of_tenant.is_empty() {
            pollers.remove(&poller.owner.tenant);
        }
    }
    true
}

/// Reads what other processes learned about the jobs that are polled here. Never returns.
async fn read_others<S: Service>(shared: &Shared<S>, poller: &OwnerPoller) {
    if !shared.service.is_shared() {
        return std::future::pending().await;
    }
    let mut changes = shared.service.others(&poller.owner).await;
    let mut since = wall_now();
    loop {
        changes.next(READ_EVERY).await;
        if poller.jobs.lock().entries.is_empty() {
            continue;
        }
        let started = wall_now();
        for job in shared.service.changed(&poller.owner, since).await {
            poller.take(job);
        }
        // Clocks of processes on one machine agree, but a write may land a moment after the time in it.
        since = started.saturating_sub(READ_EVERY.as_millis() as Millis);
    }
}

/// When the next check of all is due.
fn next_due(poller: &OwnerPoller) -> Option<Instant> {
    let jobs = poller.jobs.lock();
    jobs.entries.values().filter(|entry| entry.is_waiting()).map(|entry| entry.due).min()
}

/// A job whose check is about to be sent.
struct Due {
    job_id: String,
    job: Arc<Job>,
    cancel: CancellationToken,
}

/// Takes the job that has been due for longest.
fn take_due(poller: &OwnerPoller) -> Option<Due> {
    let mut jobs = poller.jobs.lock();
    let now = Instant::now();
    let (job_id, entry) = jobs
        .entries
        .iter_mut()
        .filter(|(_, entry)| entry.is_waiting() && entry.due <= now)
        .min_by_key(|(_, entry)| entry.due)?;
    let cancel = CancellationToken::new();
    entry.in_flight = Some(cancel.clone());
    let job = Arc::clone(&entry.updates.borrow().job);
    Some(Due { job_id: job_id.clone(), job, cancel })
}

async fn check<S: Service>(shared: Arc<Shared<S>>, poller: Arc<OwnerPoller>, permit: S::Permit, due: Due) {
    let Due { job_id, job, cancel } = due;
    let on_charge = |charge| poller.charge(&job_id, charge);
    // A panic must not keep the slot, nor leave subscribers without an answer.
    let checking = shared.service.check(&poller.owner, permit, &job, &cancel, on_charge);
    let outcome = AssertUnwindSafe(checking).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|_| Err(Error::internal("A check of a job stopped in the middle.")));
    poller.in_flight.add_permits(1);
    let mut jobs = poller.jobs.lock();
    if let Some(entry) = jobs.entries.get_mut(&job_id)
        && !entry.settle(outcome)
    {
        jobs.entries.remove(&job_id);
    }
    drop(jobs);
    poller.changed.notify_one();
}

impl Entry {
    /// Whether it has subscribers and no check is on its way.
    fn is_waiting(&self) -> bool {
        self.in_flight.is_none() && !self.subscribers.is_empty()
    }

    /// Publishes the outcome of a check and plans the next. Returns whether there is to be one.
    fn settle(&mut self, outcome: Result<CheckOutcome, Error>) -> bool {
        let now = Instant::now();
        self.in_flight = None;
        match outcome {
            Ok(checked) => self.settle_answer(checked, now),
            // The last subscriber left, and another came before the check was dropped.
            Err(error) if error.kind() == Kind::Cancelled => {
                self.state.no_later_than = Some(now);
                self.plan();
                !self.subscribers.is_empty()
            }
            Err(error) => {
                self.charge(error.charge());
                let is_over = self.state.failed(&error, now);
                self.publish(None, Some(Arc::new(error)), is_over);
                !is_over && !self.subscribers.is_empty()
            }
        }
    }

    fn settle_answer(&mut self, checked: CheckOutcome, now: Instant) -> bool {
        match checked.by {
            CheckedBy::Here => self.state.answered(now),
            CheckedBy::Elsewhere => self.state.answered_elsewhere(checked.job.last_check_seconds(), now),
            CheckedBy::LeaseHolder => {
                self.state.again_after(LEASE_RETRY, now);
                self.plan();
                return !self.subscribers.is_empty();
            }
        }
        let is_terminal = checked.job.status.is_terminal();
        let doubt = checked.doubt.map(|(why, pause)| {
            self.state.again_after(pause, now);
            why
        });
        self.publish(Some(checked.job), doubt, is_terminal);
        !is_terminal && !self.subscribers.is_empty()
    }
}
