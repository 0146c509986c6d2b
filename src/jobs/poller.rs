//! One poller per key: earliest due first, one check for all who wait, nothing once nobody waits.
//!
//! What lives here: [`Poller::watch`] and the loop behind it. What never does: HTTP, SQL, or the decision when to look
//! (`schedule.rs`). The service is a trait, so that tests meet the loop under a paused clock.
//!
//! The turn at the rate limit is taken first and the job is chosen then: while the limiter made us wait, waiters may
//! have come and gone.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use super::job::{Job, Millis};
use super::ledger::now as wall_now;
use super::schedule::{Schedule, seconds};
use crate::api::retry;
use crate::error::{Error, Kind};
use crate::secret::{ApiKey, Fingerprint};

/// Checks of one key that are on the way at once.
const IN_FLIGHT_MAX: usize = 4;
/// A waiter hears within this time what another process learned.
const READ_EVERY: Duration = Duration::from_millis(700);
/// While another process looks, its answer is waited for this long before asking the ledger again.
const OTHERS_SOON: Duration = Duration::from_millis(500);
/// An idle poller ends after this long; the next waiter starts another.
const IDLE: Duration = Duration::from_secs(30);

/// What the poller needs of the world: turns at the rate limit, and checks.
pub trait Service: Send + Sync + 'static {
    /// Leave to send one request.
    type Turn: Send + 'static;
    /// Waits for a turn of this key.
    fn turn(&self, key: &ApiKey) -> impl Future<Output = Self::Turn> + Send;
    /// Gives a turn back that was not used.
    fn give_back(&self, turn: Self::Turn);
    /// Looks at a job once: asks the service and puts the answer into the ledger. What `job` knew of
    /// is compared: a newer look by another process is as good as one of our own, and free.
    fn check(&self, key: &ApiKey, turn: Self::Turn, job: &Job) -> impl Future<Output = Result<Looked, Error>> + Send;
    /// Whether other processes may look at the same jobs.
    fn is_shared(&self) -> bool;
    /// The key's jobs that changed in the ledger at or after `since`.
    fn changed(&self, key: &ApiKey, since: Millis) -> impl Future<Output = Vec<Job>> + Send;
}

/// One look: the job as it is now, and what the look cost.
#[derive(Clone, Debug)]
pub struct Looked {
    /// As the ledger has it after the look.
    pub job: Job,
    /// Credits reported for the look.
    pub credits: Option<i64>,
    /// Balance reported.
    pub credits_remaining: Option<i64>,
    /// Whose look it was.
    pub by: By,
}

/// Whose look a state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Ours.
    Us,
    /// Another process's, read from the ledger.
    Others,
    /// Another process is looking right now; nothing is known yet.
    OthersSoon,
}

/// Credits reported for the requests that one call made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Sum; `None` while no answer reported any.
    pub used: Option<i64>,
    /// Last balance reported.
    pub remaining: Option<i64>,
}

impl Bill {
    /// Adds what one answer reported.
    pub fn add(&mut self, credits: Option<i64>, remaining: Option<i64>) {
        if let Some(credits) = credits {
            self.used = Some(self.used.unwrap_or(0).saturating_add(credits));
        }
        self.remaining = remaining.or(self.remaining);
    }

    /// Adds another bill.
    pub fn merge(&mut self, other: Bill) {
        self.add(other.used, other.remaining);
    }
}

/// What a watcher sees.
#[derive(Clone, Debug)]
pub struct News {
    /// The job as of the last look.
    pub job: Arc<Job>,
    /// Why the last look failed, if it did. The next look is already planned.
    pub last_error: Option<Arc<Error>>,
    /// Looking has ended because of `last_error`.
    pub is_over: bool,
    /// When the last look was, in seconds since the submit; 0 before the first.
    pub last_look: f64,
    /// When the next look is due.
    pub next_look: Instant,
}

/// All keys' pollers.
pub struct Poller<S: Service> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    service: Arc<S>,
    keys: Mutex<HashMap<Fingerprint, Arc<KeyPoller>>>,
}

struct KeyPoller {
    key: ApiKey,
    jobs: Mutex<Watched>,
    changed: Notify,
    in_flight: Semaphore,
}

#[derive(Default)]
struct Watched {
    is_running: bool,
    next_waiter: u64,
    entries: HashMap<String, Entry>,
}

struct Entry {
    news: watch::Sender<News>,
    waiters: Vec<Waiter>,
    schedule: Arc<Schedule>,
    submitted: Instant,
    due: Instant,
    last_look: f64,
    failures: u32,
    not_before: Instant,
    is_in_flight: bool,
}

struct Waiter {
    id: u64,
    interval: Option<Duration>,
    bill: Arc<Mutex<Bill>>,
}

impl Entry {
    /// The next look: by the shortest interval that a waiter asked for, else by the schedule.
    fn plan(&mut self, now: Instant) {
        let by_interval = self.waiters.iter().filter_map(|waiter| waiter.interval).min();
        let all_asked = self.waiters.iter().all(|waiter| waiter.interval.is_some());
        let last = self.submitted + seconds(self.last_look);
        let by_schedule = self.submitted + seconds(self.schedule.next_look(self.last_look));
        self.due = match by_interval {
            Some(interval) if all_asked => last + interval,
            Some(interval) => by_schedule.min(last + interval),
            None => by_schedule,
        }
        .max(self.not_before)
        .max(now);
    }
}

/// A place at a job's news. Dropping it ends the looking unless somebody else waits.
pub struct Watch {
    /// The job's news, newest only.
    pub news: watch::Receiver<News>,
    bill: Arc<Mutex<Bill>>,
    intent_id: String,
    waiter: u64,
    poller: Arc<KeyPoller>,
}

impl Watch {
    /// Credits of the looks that were made on this watcher's account: of several waiters, the first one's.
    pub fn bill(&self) -> Bill {
        *lock(&self.bill)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut jobs = lock(&self.poller.jobs);
        if let Some(entry) = jobs.entries.get_mut(&self.intent_id) {
            entry.waiters.retain(|waiter| waiter.id != self.waiter);
            if entry.waiters.is_empty() && !entry.is_in_flight {
                jobs.entries.remove(&self.intent_id);
            } else {
                entry.plan(Instant::now());
            }
        }
        drop(jobs);
        self.poller.changed.notify_one();
    }
}

impl<S: Service> Poller<S> {
    /// A poller that looks through `service`.
    pub fn new(service: Arc<S>) -> Self {
        Poller { shared: Arc::new(Shared { service, keys: Mutex::new(HashMap::new()) }) }
    }

    /// Joins those who wait for `job`. `interval` replaces the schedule for as long as this watcher stays.
    pub fn watch(
        &self,
        key: &ApiKey,
        job: Arc<Job>,
        schedule: Arc<Schedule>,
        interval: Option<Duration>,
        now: Millis,
    ) -> Watch {
        let poller = Arc::clone(lock(&self.shared.keys).entry(key.fingerprint().clone()).or_insert_with(|| {
            Arc::new(KeyPoller {
                key: key.clone(),
                jobs: Mutex::default(),
                changed: Notify::new(),
                in_flight: Semaphore::new(IN_FLIGHT_MAX),
            })
        }));
        let intent_id = job.intent_id.clone();
        let bill = Arc::new(Mutex::new(Bill::default()));
        let mut jobs = lock(&poller.jobs);
        jobs.next_waiter += 1;
        let waiter = jobs.next_waiter;
        let entry = jobs.entries.entry(intent_id.clone()).or_insert_with(|| Entry::new(job, schedule, now));
        entry.waiters.push(Waiter { id: waiter, interval, bill: Arc::clone(&bill) });
        entry.plan(Instant::now());
        let news = entry.news.subscribe();
        let start = !std::mem::replace(&mut jobs.is_running, true);
        drop(jobs);
        if start {
            tokio::spawn(run(Arc::clone(&self.shared), Arc::clone(&poller)));
        }
        poller.changed.notify_one();
        Watch { news, bill, intent_id, waiter, poller }
    }

    /// Takes note of a job that this process changed by other means than a look of the poller.
    pub fn hear(&self, key: &ApiKey, job: &Job) {
        let poller = lock(&self.shared.keys).get(key.fingerprint()).map(Arc::clone);
        if let Some(poller) = poller {
            poller.hear(job.clone());
        }
    }

    /// How many jobs are watched right now, over all keys.
    pub fn watched(&self) -> usize {
        lock(&self.shared.keys).values().map(|poller| lock(&poller.jobs).entries.len()).sum()
    }
}

impl Entry {
    fn new(job: Arc<Job>, schedule: Arc<Schedule>, now: Millis) -> Entry {
        let instant = Instant::now();
        // The ledger's clock is the wall's; from here on time is counted by the one clock that never jumps.
        let since = |at: Millis| Duration::from_millis(now.saturating_sub(at).max(0).unsigned_abs());
        let start = job.submitted_at.unwrap_or(job.created_at);
        let submitted = instant.checked_sub(since(start)).unwrap_or(instant);
        let last_look = job.last_look_seconds();
        let news = News { job, last_error: None, is_over: false, last_look, next_look: instant };
        Entry {
            news: watch::Sender::new(news),
            waiters: Vec::new(),
            schedule,
            submitted,
            due: instant,
            last_look,
            failures: 0,
            not_before: instant,
            is_in_flight: false,
        }
    }

    fn publish(&mut self, job: Option<Arc<Job>>, error: Option<Arc<Error>>, is_over: bool) {
        let (last_look, next_look) = (self.last_look, self.due);
        self.news.send_modify(|news| {
            if let Some(job) = job {
                news.job = job;
            }
            news.last_error = error;
            news.is_over = is_over;
            news.last_look = last_look;
            news.next_look = next_look;
        });
    }
}

async fn run<S: Service>(shared: Arc<Shared<S>>, poller: Arc<KeyPoller>) {
    tokio::select! {
        () = take_looks(&shared, &poller) => {}
        () = hear_others(&shared, &poller) => {}
    }
}

/// Looks at whatever is due, until nobody has waited for a while.
async fn take_looks<S: Service>(shared: &Arc<Shared<S>>, poller: &Arc<KeyPoller>) {
    loop {
        match next_due(poller) {
            None => {
                let woken = tokio::time::timeout(IDLE, poller.changed.notified()).await.is_ok();
                let mut jobs = lock(&poller.jobs);
                if !woken && jobs.entries.is_empty() {
                    jobs.is_running = false;
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
                let Ok(place) = poller.in_flight.acquire().await else { return };
                let turn = shared.service.turn(&poller.key).await;
                let Some((intent_id, job)) = take_due(poller) else {
                    shared.service.give_back(turn);
                    continue;
                };
                place.forget();
                tokio::spawn(look(Arc::clone(shared), Arc::clone(poller), turn, intent_id, job));
            }
        }
    }
}

/// Reads what other processes learned about the jobs that are waited for here. Never ends by itself.
async fn hear_others<S: Service>(shared: &Shared<S>, poller: &KeyPoller) {
    if !shared.service.is_shared() {
        return std::future::pending().await;
    }
    let mut since = wall_now();
    loop {
        tokio::time::sleep(READ_EVERY).await;
        if lock(&poller.jobs).entries.is_empty() {
            continue;
        }
        let started = wall_now();
        for job in shared.service.changed(&poller.key, since).await {
            poller.hear(job);
        }
        // Clocks of processes on one machine agree, but a write may land a moment after the time in it.
        since = started.saturating_sub(READ_EVERY.as_millis() as Millis);
    }
}

impl KeyPoller {
    /// Takes note of a job that somebody else changed.
    fn hear(&self, job: Job) {
        let mut jobs = lock(&self.jobs);
        let intent_id = job.intent_id.clone();
        let Some(entry) = jobs.entries.get_mut(&intent_id) else { return };
        let known = Arc::clone(&entry.news.borrow().job);
        if job.status == known.status && job.last_checked_at <= known.last_checked_at {
            return;
        }
        let is_terminal = job.status.is_terminal();
        entry.last_look = entry.last_look.max(job.last_look_seconds());
        entry.plan(Instant::now());
        entry.publish(Some(Arc::new(job)), None, is_terminal);
        if is_terminal && !entry.is_in_flight {
            jobs.entries.remove(&intent_id);
        }
        drop(jobs);
        self.changed.notify_one();
    }
}

/// When the next look of all is due.
fn next_due(poller: &KeyPoller) -> Option<Instant> {
    let jobs = lock(&poller.jobs);
    jobs.entries.values().filter(|entry| !entry.is_in_flight && !entry.waiters.is_empty()).map(|entry| entry.due).min()
}

/// Takes the job that has been due for longest.
fn take_due(poller: &KeyPoller) -> Option<(String, Arc<Job>)> {
    let mut jobs = lock(&poller.jobs);
    let now = Instant::now();
    let (intent_id, entry) = jobs
        .entries
        .iter_mut()
        .filter(|(_, entry)| !entry.is_in_flight && !entry.waiters.is_empty() && entry.due <= now)
        .min_by_key(|(_, entry)| entry.due)?;
    entry.is_in_flight = true;
    Some((intent_id.clone(), Arc::clone(&entry.news.borrow().job)))
}

async fn look<S: Service>(
    shared: Arc<Shared<S>>,
    poller: Arc<KeyPoller>,
    turn: S::Turn,
    intent_id: String,
    job: Arc<Job>,
) {
    let outcome = shared.service.check(&poller.key, turn, &job).await;
    poller.in_flight.add_permits(1);
    let mut jobs = lock(&poller.jobs);
    if let Some(entry) = jobs.entries.get_mut(&intent_id)
        && !settle(entry, outcome)
    {
        jobs.entries.remove(&intent_id);
    }
    drop(jobs);
    poller.changed.notify_one();
}

/// Tells everybody what a look brought, and plans the next. False when there is to be none.
fn settle(entry: &mut Entry, outcome: Result<Looked, Error>) -> bool {
    let now = Instant::now();
    entry.is_in_flight = false;
    match outcome {
        Ok(looked) => {
            entry.failures = 0;
            match looked.by {
                By::Us => entry.last_look = now.duration_since(entry.submitted).as_secs_f64(),
                By::Others => entry.last_look = entry.last_look.max(looked.job.last_look_seconds()),
                By::OthersSoon => {
                    entry.not_before = now + OTHERS_SOON;
                    entry.plan(now);
                    return !entry.waiters.is_empty();
                }
            }
            if let Some(payer) = entry.waiters.first() {
                lock(&payer.bill).add(looked.credits, looked.credits_remaining);
            }
            let is_terminal = looked.job.status.is_terminal();
            entry.plan(now);
            entry.publish(Some(Arc::new(looked.job)), None, is_terminal);
            !is_terminal && !entry.waiters.is_empty()
        }
        Err(error) => {
            let is_over = ends_looking(&error);
            entry.failures = entry.failures.saturating_add(1);
            // A refused look is postponed; the wait goes on.
            let pause = retry::delay(entry.failures).max(error.retry_after().unwrap_or_default());
            entry.not_before = now + pause;
            entry.plan(now);
            entry.publish(None, Some(Arc::new(error)), is_over);
            !is_over && !entry.waiters.is_empty()
        }
    }
}

/// Whether a failed look means that all further looks would fail too.
fn ends_looking(error: &Error) -> bool {
    match error.kind() {
        Kind::RateLimited | Kind::Network | Kind::Upstream => false,
        Kind::InvalidArgument
        | Kind::Auth
        | Kind::InsufficientCredits
        | Kind::NotFound
        | Kind::JobFailed
        | Kind::JobAborted
        | Kind::LinkExpired
        | Kind::FileAccess
        | Kind::TooLarge
        | Kind::Cancelled
        | Kind::Internal => true,
    }
}

/// A poisoned lock means that another thread panicked between two assignments; what it holds stays usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
