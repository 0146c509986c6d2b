//! One poller per tenant and account: earliest due first, one check for all subscribers of a job, none without one.
//!
//! [`Poller::subscribe`] is the way in, `worker.rs` the loop behind it, `plan.rs` the decision about the next check. The
//! service is a trait, so that tests drive the loop under a paused clock, which a real socket does not know.

mod plan;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::job::{Job, Millis};
use super::ledger::OtherChanges;
use super::polling::schedule::Schedule;
use crate::charge::Charge;
use crate::error::Error;
use crate::secret::Fingerprint;
use crate::tenant::{Owner, Tenant};
use plan::PollState;

/// Checks of one tenant that are on the way at once.
const IN_FLIGHT_MAX: usize = 4;

/// What the poller needs of the world: permits of the rate limit, and checks.
pub trait Service: Send + Sync + 'static {
    /// The right to send one request.
    type Permit: Send + 'static;
    /// Waits for a permit of this owner's account.
    fn acquire(&self, owner: &Owner) -> impl Future<Output = Self::Permit> + Send;
    /// Gives a permit back that was not used.
    fn release(&self, permit: Self::Permit);
    /// Checks a job once: asks the service and records the answer. A newer check of another process is as good as one of
    /// our own, and free.
    ///
    /// `on_charge` is called with the price of the check before its state is recorded, so that an end is never visible
    /// without its charge. `cancel` is cancelled when no subscriber waits for the answer any more.
    fn check(
        &self,
        owner: &Owner,
        permit: Self::Permit,
        job: &Job,
        cancel: &CancellationToken,
        on_charge: impl Fn(Charge) + Send + Sync,
    ) -> impl Future<Output = Result<CheckOutcome, Error>> + Send;
    /// Whether other processes may check the same jobs.
    fn is_shared(&self) -> bool;
    /// The changes that other processes make to this owner's jobs.
    fn others(&self, owner: &Owner) -> impl Future<Output = OtherChanges> + Send;
    /// The tenant's jobs that changed in the ledger at or after `since`.
    fn changed(&self, owner: &Owner, since: Millis) -> impl Future<Output = Vec<Job>> + Send;
}

/// One check.
#[derive(Clone, Debug)]
pub struct CheckOutcome {
    /// The job as the ledger has it after the check.
    pub job: Job,
    /// What the check cost.
    pub charge: Charge,
    /// Which process made it.
    pub by: CheckedBy,
    /// The answer is not believed yet: why, and after which pause it is asked again.
    pub doubt: Option<(Arc<Error>, Duration)>,
}

/// Which process a state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckedBy {
    /// This one.
    Here,
    /// Another one, read from the ledger.
    Elsewhere,
    /// Another one holds the lease and is checking right now: nothing new is known.
    LeaseHolder,
}

/// What a subscriber sees.
#[derive(Clone, Debug)]
pub struct JobUpdate {
    /// The job as of the last check.
    pub job: Arc<Job>,
    /// Why the last check failed, if it did. The next one is already planned.
    pub last_error: Option<Arc<Error>>,
    /// Polling has ended: the job has, or `last_error` ended it.
    pub is_over: bool,
    /// The last check, in seconds since the submit; 0 before the first.
    pub last_check: f64,
    /// Checks that this process made and that were answered.
    pub checks_here: u32,
    /// When the next check is due.
    pub next_check: Instant,
}

/// All pollers of the process.
pub struct Poller<S: Service> {
    shared: Arc<Shared<S>>,
}

/// The pollers of one tenant: more than one only where the tenant changed its key.
type TenantPollers = HashMap<Fingerprint, Arc<OwnerPoller>>;

struct Shared<S> {
    service: Arc<S>,
    pollers: Mutex<HashMap<Tenant, TenantPollers>>,
}

struct OwnerPoller {
    owner: Owner,
    jobs: Mutex<Polled>,
    changed: Notify,
    in_flight: Semaphore,
}

#[derive(Default)]
struct Polled {
    is_running: bool,
    next_subscriber: u64,
    /// By the id that the service knows: an id from elsewhere has no row yet.
    entries: HashMap<String, Entry>,
}

struct Entry {
    updates: watch::Sender<JobUpdate>,
    subscribers: Vec<Subscriber>,
    schedule: Arc<Schedule>,
    state: PollState,
    due: Instant,
    /// The check that is on its way, if one is: cancelled when the last subscriber leaves.
    in_flight: Option<CancellationToken>,
}

struct Subscriber {
    id: u64,
    interval: Option<Duration>,
    charge: Arc<Mutex<Charge>>,
}

impl Entry {
    fn new(job: Arc<Job>, schedule: Arc<Schedule>, now: Millis) -> Entry {
        let instant = Instant::now();
        // The ledger has times of the wall clock; from here on time is counted by the clock that never jumps.
        let since = |at: Millis| Duration::from_millis(now.saturating_sub(at).max(0).unsigned_abs());
        let start = job.submitted_at.unwrap_or(job.created_at);
        let submitted = instant.checked_sub(since(start)).unwrap_or(instant);
        let last_check = job.last_check_seconds().min(instant.duration_since(submitted).as_secs_f64());
        let state = PollState {
            submitted,
            last_check,
            failures: 0,
            not_before: instant,
            no_later_than: None,
            awaits_callback: job.has_callback,
            is_unknown_here: job.is_unknown_here(),
            checks_here: 0,
        };
        let update =
            JobUpdate { job, last_error: None, is_over: false, last_check, checks_here: 0, next_check: instant };
        Entry {
            updates: watch::Sender::new(update),
            subscribers: Vec::new(),
            schedule,
            state,
            due: instant,
            in_flight: None,
        }
    }

    fn plan(&mut self) {
        let intervals = self.subscribers.iter().map(|subscriber| subscriber.interval);
        self.due = self.state.next_check(intervals, &self.schedule);
    }

    /// Puts a charge on the subscriber who has waited for longest.
    fn charge(&self, charge: Charge) {
        if let Some(payer) = self.subscribers.first() {
            payer.charge.lock().add(charge);
        }
    }

    fn want_check(&mut self) {
        if self.in_flight.is_none() {
            self.state.no_later_than = Some(Instant::now());
            self.plan();
        }
    }

    fn publish(&mut self, job: Option<Job>, error: Option<Arc<Error>>, is_over: bool) {
        if let Some(job) = &job {
            self.state.is_unknown_here = job.is_unknown_here();
        }
        self.plan();
        let (last_check, checks_here, next_check) = (self.state.last_check, self.state.checks_here, self.due);
        self.updates.send_modify(|update| {
            if let Some(job) = job {
                // An ended job is published whole; while it runs many wait, and what they keep is small.
                update.job = Arc::new(if job.status.is_terminal() { job } else { job.while_waiting() });
            }
            update.last_error = error;
            update.is_over = is_over;
            update.last_check = last_check;
            update.checks_here = checks_here;
            update.next_check = next_check;
        });
    }
}

/// One waiter of a job. Dropping it ends the polling of the job unless another one waits.
pub struct Subscription {
    /// The newest update of the job.
    pub updates: watch::Receiver<JobUpdate>,
    charge: Arc<Mutex<Charge>>,
    job_id: String,
    subscriber: u64,
    poller: Arc<OwnerPoller>,
}

impl Subscription {
    /// Credits of the checks that were made on this subscription's account: of several, the first one's.
    pub fn charge(&self) -> Charge {
        *self.charge.lock()
    }

    /// Asks for a check at once: one check for all who ask, and none besides one that is on its way.
    pub fn check_now(&self) {
        if let Some(entry) = self.poller.jobs.lock().entries.get_mut(&self.job_id) {
            entry.want_check();
        }
        self.poller.changed.notify_one();
    }

    /// Whether a check of the job is on its way.
    pub fn is_in_flight(&self) -> bool {
        self.poller.jobs.lock().entries.get(&self.job_id).is_some_and(|entry| entry.in_flight.is_some())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        metrics::gauge!("pdfco_waits").decrement(1.0);
        let mut jobs = self.poller.jobs.lock();
        if let Some(entry) = jobs.entries.get_mut(&self.job_id) {
            entry.subscribers.retain(|subscriber| subscriber.id != self.subscriber);
            match &entry.in_flight {
                Some(check) if entry.subscribers.is_empty() => check.cancel(),
                None if entry.subscribers.is_empty() => {
                    jobs.entries.remove(&self.job_id);
                }
                _ => entry.plan(),
            }
        }
        drop(jobs);
        self.poller.changed.notify_one();
    }
}

impl<S: Service> Clone for Poller<S> {
    fn clone(&self) -> Self {
        Poller { shared: Arc::clone(&self.shared) }
    }
}

impl<S: Service> Poller<S> {
    /// A poller that checks through `service`.
    pub fn new(service: Arc<S>) -> Self {
        Poller { shared: Arc::new(Shared { service, pollers: Mutex::default() }) }
    }

    /// Subscribes to `job`. `interval` replaces the schedule for as long as this subscription lives.
    pub fn subscribe(
        &self,
        owner: &Owner,
        job: Arc<Job>,
        schedule: Arc<Schedule>,
        interval: Option<Duration>,
        now: Millis,
    ) -> Subscription {
        // Held until the job is entered, so that the owner's poller is not forgotten in between.
        let mut pollers = self.shared.pollers.lock();
        let of_tenant = pollers.entry(owner.tenant.clone()).or_default();
        let poller = Arc::clone(of_tenant.entry(owner.account().clone()).or_insert_with(|| {
            Arc::new(OwnerPoller {
                owner: owner.clone(),
                jobs: Mutex::default(),
                changed: Notify::new(),
                in_flight: Semaphore::new(IN_FLIGHT_MAX),
            })
        }));
        let job_id = job.id().to_owned();
        let charge = Arc::new(Mutex::new(Charge::NONE));
        let mut jobs = poller.jobs.lock();
        jobs.next_subscriber += 1;
        let subscriber = jobs.next_subscriber;
        let entry = jobs.entries.entry(job_id.clone()).or_insert_with(|| Entry::new(job, schedule, now));
        entry.subscribers.push(Subscriber { id: subscriber, interval, charge: Arc::clone(&charge) });
        entry.plan();
        let updates = entry.updates.subscribe();
        metrics::gauge!("pdfco_waits").increment(1.0);
        let start = !std::mem::replace(&mut jobs.is_running, true);
        drop(jobs);
        drop(pollers);
        if start {
            tokio::spawn(worker::run(Arc::clone(&self.shared), Arc::clone(&poller)));
        }
        poller.changed.notify_one();
        Subscription { updates, charge, job_id, subscriber, poller }
    }

    /// Takes a job that this process changed by other means than a check of the poller.
    pub fn publish(&self, job: &Job) {
        for poller in self.pollers_of(&job.tenant) {
            poller.take(job.clone());
        }
    }

    /// Checks a job at once for those who are subscribed to it. Returns whether anyone is.
    pub fn check_now(&self, job: &Job) -> bool {
        let mut is_polled = false;
        for poller in self.pollers_of(&job.tenant) {
            if let Some(entry) = poller.jobs.lock().entries.get_mut(job.id()) {
                entry.want_check();
                is_polled |= !entry.subscribers.is_empty();
            }
            poller.changed.notify_one();
        }
        is_polled
    }

    /// How many jobs are polled right now, over all tenants.
    pub fn polled(&self) -> usize {
        let pollers = self.shared.pollers.lock();
        pollers.values().flat_map(HashMap::values).map(|poller| poller.jobs.lock().entries.len()).sum()
    }

    fn pollers_of(&self, tenant: &Tenant) -> Vec<Arc<OwnerPoller>> {
        self.shared
            .pollers
            .lock()
            .get(tenant)
            .map(|pollers| pollers.values().map(Arc::clone).collect())
            .unwrap_or_default()
    }
}

impl OwnerPoller {
    fn charge(&self, job_id: &str, charge: Charge) {
        if let Some(entry) = self.jobs.lock().entries.get(job_id) {
            entry.charge(charge);
        }
    }

    /// Takes a job that was changed elsewhere.
    fn take(&self, job: Job) {
        let mut jobs = self.jobs.lock();
        let job_id = job.id().to_owned();
        let Some(entry) = jobs.entries.get_mut(&job_id) else { return };
        let known = Arc::clone(&entry.updates.borrow().job);
        let is_terminal = job.status.is_terminal();
        // Read before our own last check was recorded, it may be old by now; an end never is.
        let is_old = job.last_checked_at < known.last_checked_at && !is_terminal;
        if is_old || (job.status == known.status && job.last_checked_at == known.last_checked_at) {
            return;
        }
        entry.state.answered_elsewhere(job.last_check_seconds(), Instant::now());
        entry.publish(Some(job), None, is_terminal);
        if is_terminal && entry.in_flight.is_none() {
            jobs.entries.remove(&job_id);
        }
        drop(jobs);
        self.changed.notify_one();
    }
}
