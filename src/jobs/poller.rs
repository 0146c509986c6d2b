//! One poller per key: earliest due first, one check for all who wait, nothing once nobody waits.
//!
//! What lives here: [`Poller::watch`] and the loop behind it. What never does: HTTP, SQL, or the decision when to look
//! (`schedule.rs`). The service is a trait, so that tests meet the loop under a paused clock.
//!
//! The turn at the rate limit is taken first and the job is chosen then: while the limiter made us wait, waiters may
//! have come and gone.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use super::job::{Job, Millis};
use crate::api::retry;
use crate::charge::Charge;
use crate::clock::now as wall_now;
use crate::error::{Error, Kind};
use crate::jobs::polling::schedule::{Schedule, seconds};
use crate::tenant::{Owner, Tenant};

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
    fn turn(&self, owner: &Owner) -> impl Future<Output = Self::Turn> + Send;
    /// Gives a turn back that was not used.
    fn give_back(&self, turn: Self::Turn);
    /// Looks at a job once: asks the service and puts the answer into the ledger. What `job` knew of
    /// is compared: a newer look by another process is as good as one of our own, and free.
    ///
    /// `paid` hears what the look cost before the ledger hears of the state: nobody learns of an end whose price is not
    /// on the charge yet.
    fn check(
        &self,
        owner: &Owner,
        turn: Self::Turn,
        job: &Job,
        paid: impl Fn(Charge) + Send + Sync,
    ) -> impl Future<Output = Result<CheckOutcome, Error>> + Send;
    /// Whether other processes may look at the same jobs.
    fn is_shared(&self) -> bool;
    /// The key's jobs that changed in the ledger at or after `since`.
    fn changed(&self, owner: &Owner, since: Millis) -> impl Future<Output = Vec<Job>> + Send;
}

/// One look: the job as it is now, and what the look cost.
#[derive(Clone, Debug)]
pub struct CheckOutcome {
    /// As the ledger has it after the look.
    pub job: Job,
    /// What the check cost.
    pub charge: Charge,
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
    pub last_check: f64,
    /// When the next look is due.
    pub next_check: Instant,
}

/// All keys' pollers.
pub struct Poller<S: Service> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    service: Arc<S>,
    keys: Mutex<HashMap<Tenant, Arc<KeyPoller>>>,
}

struct KeyPoller {
    owner: Owner,
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
    last_check: f64,
    failures: u32,
    not_before: Instant,
    is_wanted_now: bool,
    is_in_flight: bool,
}

struct Waiter {
    id: u64,
    interval: Option<Duration>,
    charge: Arc<Mutex<Charge>>,
}

impl Entry {
    /// The next look: at once when somebody's time is over, by the shortest interval that a waiter asked for, else by
    /// the schedule.
    fn plan(&mut self, now: Instant) {
        let by_interval = self.waiters.iter().filter_map(|waiter| waiter.interval).min();
        let all_asked = self.waiters.iter().all(|waiter| waiter.interval.is_some());
        let last = self.submitted + seconds(self.last_check);
        let mut next_check = self.schedule.next_check(self.last_check);
        if self.last_check == 0.0 && self.news.borrow().job.has_callback {
            // The callback is the first look; ours is the safety net.
            next_check = next_check.max(self.schedule.safety_net());
        }
        if self.news.borrow().job.is_unknown_here() {
            next_check = 0.0;
        }
        let by_schedule = self.submitted + seconds(next_check);
        self.due = match by_interval {
            Some(interval) if all_asked => last + interval,
            Some(interval) => by_schedule.min(last + interval),
            None => by_schedule,
        };
        if self.is_wanted_now {
            self.due = self.due.min(now);
        }
        // What is overdue stays so: whoever comes or leaves meanwhile does not cost a job its place in the queue.
        self.due = self.due.max(self.not_before);
    }
}

/// A place at a job's news. Dropping it ends the looking unless somebody else waits.
pub struct Watch {
    /// The job's news, newest only.
    pub news: watch::Receiver<News>,
    charge: Arc<Mutex<Charge>>,
    intent_id: String,
    waiter: u64,
    poller: Arc<KeyPoller>,
}

impl Watch {
    /// Credits of the looks that were made on this watcher's account: of several waiters, the first one's.
    pub fn charge(&self) -> Charge {
        *lock(&self.charge)
    }

    /// Asks for a look at once, for a watcher whose time is over: one look for all who ask, and none besides one that
    /// is on its way.
    pub fn check_now(&self) {
        let mut jobs = lock(&self.poller.jobs);
        if let Some(entry) = jobs.entries.get_mut(&self.intent_id).filter(|entry| !entry.is_in_flight) {
            entry.is_wanted_now = true;
            entry.plan(Instant::now());
        }
        drop(jobs);
        self.poller.changed.notify_one();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        metrics::gauge!("pdfco_waits").decrement(1.0);
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

impl<S: Service> Clone for Poller<S> {
    fn clone(&self) -> Self {
        Poller { shared: Arc::clone(&self.shared) }
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
        owner: &Owner,
        job: Arc<Job>,
        schedule: Arc<Schedule>,
        interval: Option<Duration>,
        now: Millis,
    ) -> Watch {
        // Held until the job is entered, so that the key's poller is not forgotten in between.
        let mut keys = lock(&self.shared.keys);
        let poller = Arc::clone(keys.entry(owner.tenant.clone()).or_insert_with(|| {
            Arc::new(KeyPoller {
                owner: owner.clone(),
                jobs: Mutex::default(),
                changed: Notify::new(),
                in_flight: Semaphore::new(IN_FLIGHT_MAX),
            })
        }));
        let intent_id = job.intent_id.clone();
        let charge = Arc::new(Mutex::new(Charge::NONE));
        let mut jobs = lock(&poller.jobs);
        jobs.next_waiter += 1;
        let waiter = jobs.next_waiter;
        let entry = jobs.entries.entry(intent_id.clone()).or_insert_with(|| Entry::new(job, schedule, now));
        entry.waiters.push(Waiter { id: waiter, interval, charge: Arc::clone(&charge) });
        entry.plan(Instant::now());
        let news = entry.news.subscribe();
        metrics::gauge!("pdfco_waits").increment(1.0);
        let start = !std::mem::replace(&mut jobs.is_running, true);
        drop(jobs);
        drop(keys);
        if start {
            tokio::spawn(run(Arc::clone(&self.shared), Arc::clone(&poller)));
        }
        poller.changed.notify_one();
        Watch { news, charge, intent_id, waiter, poller }
    }

    /// ResponseMode note of a job that this process changed by other means than a look of the poller.
    pub fn hear(&self, job: &Job) {
        let poller = lock(&self.shared.keys).get(&job.tenant).map(Arc::clone);
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
        let last_check = job.last_check_seconds().min(instant.duration_since(submitted).as_secs_f64());
        let news = News { job, last_error: None, is_over: false, last_check, next_check: instant };
        Entry {
            news: watch::Sender::new(news),
            waiters: Vec::new(),
            schedule,
            submitted,
            due: instant,
            last_check,
            failures: 0,
            not_before: instant,
            is_wanted_now: false,
            is_in_flight: false,
        }
    }

    /// Puts a look on the charge of whoever has waited for longest.
    fn charge(&self, charge: Charge) {
        if let Some(payer) = self.waiters.first() {
            lock(&payer.charge).add(charge);
        }
    }

    /// Counts a look that somebody else made. It was made by now, whatever the wall clock said then.
    fn take_over(&mut self, job: &Job) {
        let elapsed = self.submitted.elapsed().as_secs_f64();
        self.last_check = self.last_check.max(job.last_check_seconds().min(elapsed));
    }

    fn publish(&mut self, job: Option<Job>, error: Option<Arc<Error>>, is_over: bool) {
        let (last_check, next_check) = (self.last_check, self.due);
        self.news.send_modify(|news| {
            if let Some(job) = job {
                // An end is told whole; until then there may be many that wait.
                news.job = Arc::new(if job.status.is_terminal() { job } else { job.while_waiting() });
            }
            news.last_error = error;
            news.is_over = is_over;
            news.last_check = last_check;
            news.next_check = next_check;
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
                let mut keys = lock(&shared.keys);
                let mut jobs = lock(&poller.jobs);
                if !woken && jobs.entries.is_empty() {
                    jobs.is_running = false;
                    keys.remove(&poller.owner.tenant);
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
                let turn = shared.service.turn(&poller.owner).await;
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
        for job in shared.service.changed(&poller.owner, since).await {
            poller.hear(job);
        }
        // Clocks of processes on one machine agree, but a write may land a moment after the time in it.
        since = started.saturating_sub(READ_EVERY.as_millis() as Millis);
    }
}

impl KeyPoller {
    fn charge(&self, intent_id: &str, charge: Charge) {
        if let Some(entry) = lock(&self.jobs).entries.get(intent_id) {
            entry.charge(charge);
        }
    }

    /// ResponseMode note of a job that somebody else changed.
    fn hear(&self, job: Job) {
        let mut jobs = lock(&self.jobs);
        let intent_id = job.intent_id.clone();
        let Some(entry) = jobs.entries.get_mut(&intent_id) else { return };
        let known = Arc::clone(&entry.news.borrow().job);
        let is_terminal = job.status.is_terminal();
        // Read before our own last look was written, it may be old by now; an end never is.
        let is_old = job.last_checked_at < known.last_checked_at && !is_terminal;
        if is_old || (job.status == known.status && job.last_checked_at == known.last_checked_at) {
            return;
        }
        entry.take_over(&job);
        entry.plan(Instant::now());
        entry.publish(Some(job), None, is_terminal);
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

/// ResponseMode the job that has been due for longest.
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
    let paid = |charge| poller.charge(&intent_id, charge);
    // A panic must not keep the place in flight, nor leave waiters without an answer.
    let outcome = AssertUnwindSafe(shared.service.check(&poller.owner, turn, &job, paid)).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|_| Err(Error::internal("A look at a job stopped in the middle.")));
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
fn settle(entry: &mut Entry, outcome: Result<CheckOutcome, Error>) -> bool {
    let now = Instant::now();
    entry.is_in_flight = false;
    entry.is_wanted_now = false;
    match outcome {
        Ok(looked) => {
            entry.failures = 0;
            match looked.by {
                By::Us => entry.last_check = now.duration_since(entry.submitted).as_secs_f64(),
                By::Others => entry.take_over(&looked.job),
                By::OthersSoon => {
                    entry.not_before = now + OTHERS_SOON;
                    entry.plan(now);
                    return !entry.waiters.is_empty();
                }
            }
            let is_terminal = looked.job.status.is_terminal();
            entry.plan(now);
            entry.publish(Some(looked.job), None, is_terminal);
            !is_terminal && !entry.waiters.is_empty()
        }
        Err(error) => {
            let is_over = ends_polling(&error);
            entry.charge(error.charge());
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
fn ends_polling(error: &Error) -> bool {
    match error.kind() {
        Kind::RateLimited | Kind::Upstream => false,
        // A machine without certificates will not have them in a moment.
        Kind::Network => !error.is_retryable(),
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::{Value, json};

    use super::super::{DurationEstimate, JobStatus};
    use super::*;

    /// Seconds since the start, job, and how often it was looked at before: what the service answers.
    type Script = Box<dyn Fn(f64, &str, usize) -> Result<JobStatus, Error> + Send + Sync>;

    /// A service that answers by a script, and a limiter that grants a turn every so often.
    struct Fake {
        start: Instant,
        script: Script,
        looks: Mutex<Vec<(f64, String)>>,
        takes: Duration,
        /// From the answer until the look is over.
        writes: Duration,
        pace: Duration,
        next_turn: tokio::sync::Mutex<Option<Instant>>,
        at_once: AtomicUsize,
        most_at_once: AtomicUsize,
        given_back: AtomicUsize,
    }

    impl Fake {
        fn new(script: impl Fn(f64, &str, usize) -> Result<JobStatus, Error> + Send + Sync + 'static) -> Fake {
            Fake {
                start: Instant::now(),
                script: Box::new(script),
                looks: Mutex::default(),
                takes: Duration::ZERO,
                writes: Duration::ZERO,
                pace: Duration::ZERO,
                next_turn: tokio::sync::Mutex::default(),
                at_once: AtomicUsize::new(0),
                most_at_once: AtomicUsize::new(0),
                given_back: AtomicUsize::new(0),
            }
        }

        /// Jobs that are done after so many seconds.
        fn done_after(seconds: f64) -> Fake {
            Fake::new(move |at, _, _| Ok(if at >= seconds { JobStatus::Success } else { JobStatus::Working }))
        }

        /// When it was looked at what, to a tenth of a second.
        fn looks(&self) -> Vec<(f64, String)> {
            lock(&self.looks).iter().map(|(at, id)| ((at * 10.0).round() / 10.0, id.clone())).collect()
        }

        fn times(&self) -> Vec<f64> {
            self.looks().into_iter().map(|(at, _)| at).collect()
        }
    }

    impl Service for Fake {
        type Turn = ();

        async fn turn(&self, _: &Owner) {
            let mut next = self.next_turn.lock().await;
            if let Some(at) = *next {
                tokio::time::sleep_until(at).await;
            }
            *next = Some(Instant::now() + self.pace);
        }

        fn give_back(&self, (): ()) {
            self.given_back.fetch_add(1, Ordering::Relaxed);
        }

        async fn check(
            &self,
            _: &Owner,
            (): (),
            job: &Job,
            paid: impl Fn(Charge) + Send + Sync,
        ) -> Result<CheckOutcome, Error> {
            let id = job.id().to_owned();
            let at = self.start.elapsed().as_secs_f64();
            let before = lock(&self.looks).iter().filter(|(_, other)| *other == id).count();
            lock(&self.looks).push((at, id.clone()));
            let now = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
            self.most_at_once.fetch_max(now, Ordering::Relaxed);
            tokio::time::sleep(self.takes).await;
            self.at_once.fetch_sub(1, Ordering::Relaxed);
            let status = (self.script)(at, &id, before)?;
            let job = Job { status, checks_made: job.checks_made + 1, ..job.clone() };
            paid(Charge::new(Some(2), Some(100)));
            tokio::time::sleep(self.writes).await;
            Ok(CheckOutcome { job, charge: Charge::new(Some(2), Some(100)), by: By::Us })
        }

        fn is_shared(&self) -> bool {
            false
        }

        async fn changed(&self, _: &Owner, _: Millis) -> Vec<Job> {
            Vec::new()
        }
    }

    fn owner() -> Owner {
        crate::secret::ApiKey::new("key").unwrap().into()
    }

    fn job(id: &str) -> Arc<Job> {
        Arc::new(Job {
            intent_id: format!("local-{id}"),
            job_id: Some(id.to_owned()),
            tenant: owner().tenant,
            operation: "pdf_to_text".into(),
            arguments: json!({}),
            request_hash: String::new(),
            client_request_id: None,
            status: JobStatus::Queued,
            created_at: 0,
            submitted_at: Some(0),
            started_at: None,
            completed_at: None,
            last_checked_at: None,
            job_duration_ms: None,
            page_count: None,
            checks_made: 0,
            check_credits: None,
            submit_credits: None,
            credits_remaining: None,
            content: Some(Value::Null),
            links_expire_at: None,
            problem: None,
            saved_to: Vec::new(),
            has_callback: false,
            is_told_by_callback: false,
        })
    }

    fn poller(fake: Fake) -> (Arc<Fake>, Poller<Fake>) {
        let fake = Arc::new(fake);
        (Arc::clone(&fake), Poller::new(fake))
    }

    fn watch(poller: &Poller<Fake>, id: &str, interval: Option<u64>) -> Watch {
        let schedule = Arc::new(Schedule::new(DurationEstimate::PRIOR, 2.0));
        poller.watch(&owner(), job(id), schedule, interval.map(Duration::from_secs), 0)
    }

    /// The news with which looking ended.
    async fn end(watch: &mut Watch) -> News {
        let over = watch.news.wait_for(|news| news.is_over);
        tokio::time::timeout(Duration::from_secs(3_600), over).await.unwrap().unwrap().clone()
    }

    async fn seconds_pass(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_looks_are_those_of_the_schedule() {
        let (fake, poller) = poller(Fake::done_after(60.0));
        assert_eq!(end(&mut watch(&poller, "a", None)).await.job.status, JobStatus::Success);
        let schedule = Schedule::new(DurationEstimate::PRIOR, 2.0);
        let mut planned = vec![schedule.next_check(0.0)];
        while planned.last().is_some_and(|last| *last < 60.0) {
            planned.extend(planned.last().map(|last| schedule.next_check(*last)));
        }
        let planned: Vec<f64> = planned.iter().map(|at| (at * 10.0).round() / 10.0).collect();
        assert_eq!(fake.times(), planned);
        assert_eq!(fake.times(), [3.9, 8.1, 14.5, 24.2, 35.3, 48.1, 63.1]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_replaces_the_schedule() {
        let (fake, poller) = poller(Fake::done_after(11.0));
        end(&mut watch(&poller, "a", Some(3))).await;
        assert_eq!(fake.times(), [3.0, 6.0, 9.0, 12.0]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_shortest_interval_of_all_who_wait_is_kept_for_as_long_as_its_owner_stays() {
        let (fake, poller) = poller(Fake::done_after(16.0));
        let mut patient = watch(&poller, "a", Some(10));
        let hasty = watch(&poller, "a", Some(2));
        seconds_pass(5).await;
        drop(hasty);
        end(&mut patient).await;
        assert_eq!(fake.times(), [2.0, 4.0, 14.0, 24.0]);
    }

    #[tokio::test(start_paused = true)]
    async fn ten_waiters_on_one_job_make_the_looks_of_one_and_the_first_one_pays() {
        let (fake, poller) = poller(Fake::done_after(5.0));
        let mut watches: Vec<Watch> = (0..10).map(|_| watch(&poller, "a", Some(2))).collect();
        for watch in &mut watches {
            assert_eq!(end(watch).await.job.status, JobStatus::Success);
        }
        assert_eq!(fake.times(), [2.0, 4.0, 6.0]);
        let bills: Vec<Option<i64>> = watches.iter().map(|watch| watch.charge().credits).collect();
        assert_eq!(bills, [&[Some(6)][..], &[None; 9]].concat());
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_payer_leaves_the_next_one_pays() {
        let (_, poller) = poller(Fake::done_after(5.0));
        let first = watch(&poller, "a", Some(2));
        let mut second = watch(&poller, "a", Some(2));
        seconds_pass(3).await;
        assert_eq!(first.charge().credits, Some(2));
        drop(first);
        end(&mut second).await;
        assert_eq!(second.charge(), Charge::new(Some(4), Some(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_look_is_postponed_and_the_wait_goes_on() {
        let refusals = |_: f64, _: &str, before: usize| match before {
            0 => Err(Error::new(Kind::RateLimited, "slow", "down").with_retry_after(Some(Duration::from_secs(20)))),
            1 => Err(Error::new(Kind::Network, "lost", "wait")),
            2 => Err(Error::new(Kind::Upstream, "503", "wait")),
            3 => Ok(JobStatus::Working),
            _ => Ok(JobStatus::Success),
        };
        let (fake, poller) = poller(Fake::new(refusals));
        let mut watch = watch(&poller, "a", Some(1));
        let refused = watch.news.wait_for(|news| news.last_error.is_some()).await.unwrap().clone();
        assert_eq!((refused.last_error.unwrap().kind(), refused.is_over), (Kind::RateLimited, false));
        let news = end(&mut watch).await;
        assert_eq!((news.job.status.clone(), news.last_error.is_none()), (JobStatus::Success, true));
        let times = fake.times();
        assert_eq!((times[0], times[1], times.len()), (1.0, 21.0, 5), "{times:?}");
        assert!(times[2] - times[1] >= 0.5 && times[3] - times[2] >= 1.1, "the pauses grow: {times:?}");
        assert_eq!(times[4] - times[3], 1.0, "and are forgotten after a success: {times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_all_further_looks_would_meet_too_ends_them_for_everybody() {
        // The last is a machine without certificates of authorities.
        for kind in [Kind::Auth, Kind::InsufficientCredits, Kind::Network] {
            let no = move || Error::new(kind, "no", "no").with_retryable(false);
            let (fake, poller) = poller(Fake::new(move |_, _, _| Err(no())));
            let (mut one, mut other) = (watch(&poller, "a", Some(1)), watch(&poller, "a", None));
            for watch in [&mut one, &mut other] {
                assert_eq!(end(watch).await.last_error.unwrap().kind(), kind);
            }
            seconds_pass(100).await;
            assert_eq!((fake.times(), poller.watched()), (vec![1.0], 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_the_last_look_even_for_those_who_stay() {
        let (fake, poller) = poller(Fake::done_after(0.0));
        let mut watch = watch(&poller, "a", Some(1));
        end(&mut watch).await;
        seconds_pass(100).await;
        assert_eq!((fake.times(), poller.watched()), (vec![1.0], 0));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_looked_after_once_the_last_one_left() {
        let (fake, poller) = poller(Fake::done_after(1_000.0));
        let (one, other) = (watch(&poller, "a", Some(1)), watch(&poller, "a", Some(1)));
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        drop(one);
        seconds_pass(1).await;
        assert_eq!(fake.times(), [1.0, 2.0], "somebody still waits");
        drop(other);
        assert_eq!(poller.watched(), 0);
        seconds_pass(100).await;
        assert_eq!(fake.times(), [1.0, 2.0]);
    }

    #[tokio::test(start_paused = true)]
    async fn leaving_while_a_look_is_on_its_way_makes_it_the_last() {
        let fake = Fake { takes: Duration::from_secs(5), ..Fake::done_after(1_000.0) };
        let (fake, poller) = poller(fake);
        let left = watch(&poller, "a", Some(1));
        seconds_pass(2).await;
        drop(left);
        seconds_pass(100).await;
        assert_eq!((fake.times(), poller.watched()), (vec![1.0], 0));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_while_a_look_is_on_its_way_shares_it() {
        let fake = Fake { takes: Duration::from_secs(5), ..Fake::done_after(0.0) };
        let (fake, poller) = poller(fake);
        let early = watch(&poller, "a", Some(1));
        seconds_pass(2).await;
        let mut late = watch(&poller, "a", Some(1));
        drop(early);
        assert_eq!(end(&mut late).await.job.status, JobStatus::Success);
        assert_eq!(fake.times(), [1.0]);
    }

    #[tokio::test(start_paused = true)]
    async fn under_a_limit_the_earliest_due_is_next_and_none_starves() {
        let fake = Fake {
            pace: Duration::from_secs(1),
            ..Fake::new(|_, _, before| Ok(if before >= 2 { JobStatus::Success } else { JobStatus::Working }))
        };
        let (fake, poller) = poller(fake);
        let names: Vec<String> = (0..20).map(|number| format!("{number:02}")).collect();
        let mut watches = Vec::new();
        for name in &names {
            watches.push(watch(&poller, name, Some(2)));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for watch in &mut watches {
            assert_eq!(end(watch).await.job.status, JobStatus::Success);
        }
        let looks = fake.looks();
        assert_eq!(looks.len(), 60, "three looks each");
        assert!(looks.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 0.9), "a turn a second: {looks:?}");
        for round in looks.chunks(20) {
            let seen: Vec<&String> = round.iter().map(|(_, id)| id).collect();
            assert_eq!(seen, names.iter().collect::<Vec<_>>(), "in the order in which they fell due");
        }
        assert!(looks[59].0 <= 2.0 + 60.0, "no turn is wasted: {looks:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_keeps_its_place_in_the_queue_when_waiters_come_and_go() {
        let fake = Fake { pace: Duration::from_secs(1), ..Fake::done_after(1_000.0) };
        let (fake, poller) = poller(fake);
        let watches: Vec<Watch> = (0..10).map(|number| watch(&poller, &number.to_string(), Some(2))).collect();
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            drop(watch(&poller, "9", Some(2)));
        }
        let looks = fake.looks();
        let nine = looks.iter().filter(|(_, id)| id == "9").count();
        assert!((1..=2).contains(&nine) && looks.len() >= 18, "{looks:?}");
        drop(watches);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_handful_of_looks_is_on_the_way_at_once() {
        let fake = Fake { takes: Duration::from_secs(10), ..Fake::done_after(0.0) };
        let (fake, poller) = poller(fake);
        let mut watches: Vec<Watch> = (0..10).map(|number| watch(&poller, &number.to_string(), Some(1))).collect();
        for watch in &mut watches {
            end(watch).await;
        }
        assert_eq!(fake.most_at_once.load(Ordering::Relaxed), IN_FLIGHT_MAX);
        assert_eq!(fake.times().len(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_came_too_late_for_everybody_is_given_back() {
        let fake = Fake { pace: Duration::from_secs(30), ..Fake::done_after(1_000.0) };
        let (fake, poller) = poller(fake);
        let waiter = watch(&poller, "a", Some(1));
        seconds_pass(5).await;
        assert_eq!(fake.times(), [1.0], "the second look waits for its turn");
        drop(waiter);
        seconds_pass(60).await;
        assert_eq!((fake.times(), fake.given_back.load(Ordering::Relaxed)), (vec![1.0], 1));
    }

    #[tokio::test(start_paused = true)]
    async fn all_whose_time_is_over_get_one_look_together() {
        let (fake, poller) = poller(Fake::done_after(1_000.0));
        let mut watches: Vec<Watch> = (0..10).map(|_| watch(&poller, "a", Some(50))).collect();
        seconds_pass(7).await;
        watches.iter().for_each(Watch::check_now);
        for watch in &mut watches {
            watch.news.changed().await.unwrap();
        }
        assert_eq!(fake.times(), [7.0]);
        seconds_pass(51).await;
        assert_eq!(fake.times(), [7.0, 57.0], "then things go their usual way");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_poller_ends_and_the_next_waiter_starts_another() {
        let (fake, poller) = poller(Fake::done_after(0.0));
        end(&mut watch(&poller, "a", Some(1))).await;
        let is_running = || lock(&poller.shared.keys).values().any(|key| lock(&key.jobs).is_running);
        assert!(is_running());
        seconds_pass(31).await;
        assert!(!is_running() && lock(&poller.shared.keys).is_empty(), "and its key is forgotten");
        end(&mut watch(&poller, "b", Some(1))).await;
        assert_eq!(fake.looks().last().unwrap().1, "b");
    }

    #[tokio::test(start_paused = true)]
    async fn looks_that_panic_take_nobody_elses_place() {
        let (fake, poller) = poller(Fake::new(|_, id, _| match id {
            "sound" => Ok(JobStatus::Success),
            _ => panic!("a defect"),
        }));
        for name in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(end(&mut watch(&poller, name, Some(1))).await.last_error.unwrap().kind(), Kind::Internal);
        }
        assert_eq!(end(&mut watch(&poller, "sound", Some(1))).await.job.status, JobStatus::Success);
        assert_eq!((fake.looks().len(), poller.watched()), (7, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_in_a_future_that_the_clock_took_back_does_not_end_the_looking() {
        let (fake, poller) = poller(Fake::done_after(20.0));
        let tomorrow = Job { last_checked_at: Some(86_400_000), ..Job::clone(&job("a")) };
        let schedule = Arc::new(Schedule::new(DurationEstimate::PRIOR, 2.0));
        let mut watch = poller.watch(&owner(), Arc::new(tomorrow.clone()), schedule, None, 0);
        seconds_pass(1).await;
        poller.hear(&Job { last_checked_at: Some(86_400_001), ..tomorrow });
        assert_eq!(end(&mut watch).await.job.status, JobStatus::Success);
        assert!(fake.times().last().is_some_and(|at| *at < 40.0), "{:?}", fake.times());
    }

    #[tokio::test(start_paused = true)]
    async fn old_news_of_the_ledger_are_no_news() {
        let (_fake, poller) = poller(Fake::done_after(1_000.0));
        let known = Job { status: JobStatus::Working, last_checked_at: Some(9), ..Job::clone(&job("a")) };
        let schedule = Arc::new(Schedule::new(DurationEstimate::PRIOR, 2.0));
        let watch = poller.watch(&owner(), Arc::new(known.clone()), schedule, None, 10_000);
        poller.hear(&Job { status: JobStatus::Queued, last_checked_at: None, ..known });
        assert_eq!(watch.news.borrow().job.status, JobStatus::Working);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_is_heard_of_before_our_own_look_is_over_has_its_price_on_the_bill() {
        let fake = Fake { writes: Duration::from_secs(5), ..Fake::done_after(0.0) };
        let (_fake, poller) = poller(fake);
        let mut watch = watch(&poller, "a", Some(1));
        seconds_pass(2).await;
        // The ledger has it already, and the process's own reading of the ledger finds it there.
        poller.hear(&Job { status: JobStatus::Success, last_checked_at: Some(1_000), ..Job::clone(&job("a")) });
        assert_eq!(end(&mut watch).await.job.status, JobStatus::Success);
        assert_eq!(watch.charge().credits, Some(2));
        seconds_pass(10).await;
        assert_eq!(watch.charge().credits, Some(2), "once");
        assert_eq!(poller.watched(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_somebody_else_ended_ends_the_looking() {
        let (fake, poller) = poller(Fake::done_after(1_000.0));
        let mut watch = watch(&poller, "a", Some(5));
        seconds_pass(2).await;
        poller.hear(&Job { status: JobStatus::Cancelled, ..Job::clone(&job("a")) });
        assert_eq!(end(&mut watch).await.job.status, JobStatus::Cancelled);
        seconds_pass(100).await;
        assert_eq!((fake.times(), poller.watched()), (vec![], 0));
    }
}
