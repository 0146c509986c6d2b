//! How fast a key may ask: a sliding window per key that slows down after refusals.
//!
//! [`RateLimiter::acquire`] gives a permit, to the tenants of a key one after the other and to each tenant's own requests
//! first come, first served; [`Permit::complete`] takes the outcome. The service
//! takes 2 requests a second on the free plan and 10 on paid ones and answers 429 beyond.
//!
//! Keys that the service has not accepted yet are bounded all together, and a key that it refused is not sent again for a
//! minute: callers who make keys up cannot multiply the requests that leave this process.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::fair_queue::FairQueue;
use crate::config::Pace;
use crate::error::{Error, Kind};
use crate::secret::Fingerprint;
use crate::tenant::Tenant;

/// The service counts requests within a second. Ours is a little longer, because requests need different times to
/// arrive.
pub(super) const WINDOW: Duration = Duration::from_millis(1_050);
/// The window over all processes: a little longer again, because they do not see each other's answers.
pub(super) const SHARED_WINDOW: Duration = Duration::from_millis(1_100);
/// A request has arrived when it is answered, at the latest: it counts from then on, but from no later than this after it
/// left. Without this a first request, which has to connect first, would meet the next ones in one second.
const ARRIVES_WITHIN: Duration = Duration::from_millis(150);
/// Slowest pace after refusals, as a share of the configured one.
const FACTOR_MIN: f64 = 0.1;
/// Without a refusal for this long the pace recovers one step.
const RECOVERY_AFTER: Duration = Duration::from_secs(10);
/// One step of recovery.
const RECOVERY_STEP: f64 = 1.25;
/// Pause after a refusal that names no delay.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause that a refusal can ask for.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often a call that waits for a permit learns of a new pause.
const PAUSE_SEEN_EVERY: Duration = Duration::from_millis(250);
/// From this many keys on, idle ones are forgotten.
const KEYS_KEPT: usize = 1_024;
/// How long a key that the service refused with 401 is not sent again.
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// Keys that were never accepted are let through at this rate, all of them together.
const NEW_KEYS_PER_SECOND: u32 = 10;
/// A key that was let through and is still not accepted has to wait again after this.
const ADMITTED_FOR: Duration = Duration::from_secs(5);
/// More new keys than this do not wait at once.
const NEW_KEYS_WAITING_MAX: usize = 100;

/// How a request ended, as far as the limiter needs to know.
#[derive(Debug)]
pub enum Outcome {
    /// The service took the key.
    Accepted,
    /// The service refused the key (401).
    KeyRefused(Error),
    /// The service refused the pace (429), with the delay that it named.
    Slowed(Option<Duration>),
    /// Nothing is known about the key: no answer, or none of the service's own.
    Unknown,
}

/// Paces all requests of all keys.
pub struct RateLimiter {
    pace: Pace,
    keys: Mutex<HashMap<Fingerprint, Arc<Window>>>,
    /// Admission of keys that were never accepted.
    new_keys: Window,
    new_keys_queue: tokio::sync::Mutex<()>,
    /// New keys that wait for admission.
    new_keys_waiting: std::sync::atomic::AtomicUsize,
}

impl RateLimiter {
    /// A limiter that starts every key at `pace`.
    pub fn new(pace: Pace) -> Self {
        RateLimiter {
            pace,
            keys: Mutex::new(HashMap::new()),
            new_keys: Window::default(),
            new_keys_queue: tokio::sync::Mutex::default(),
            new_keys_waiting: std::sync::atomic::AtomicUsize::new(0),
        }
    }

    /// Requests in a second, when there is a limit.
    pub fn limit(&self) -> Option<u32> {
        match self.pace {
            Pace::PerSecond(limit) => Some(limit.max(1)),
            Pace::Off => None,
        }
    }

    /// Why a request with `key` would not be sent now, if so: the service refused the key within the last minute, or too
    /// many keys that it never accepted wait already.
    pub fn refusal(&self, key: &Fingerprint) -> Option<Error> {
        let window = self.window(key);
        let mut state = window.state.lock();
        match &state.standing {
            Standing::Refused { until, error } if *until > Instant::now() => return Some(error.share()),
            Standing::Refused { .. } => state.standing = Standing::New,
            Standing::Accepted => return None,
            Standing::New | Standing::Admitted { .. } => {}
        }
        let waiting = self.new_keys_waiting.load(std::sync::atomic::Ordering::Relaxed);
        (waiting >= NEW_KEYS_WAITING_MAX).then(|| {
            let message = "Too many new keys are in use at once. Nothing was sent.";
            Error::new(Kind::RateLimited, message, "Try again in a few seconds.")
                .with_retry_after(Some(Duration::from_secs(5)))
        })
    }

    /// Whether the service took a request with this key, and has not refused it since.
    pub fn has_accepted(&self, account: &str) -> bool {
        let window = self.keys.lock().get(account).cloned();
        window.is_some_and(|window| matches!(window.state.lock().standing, Standing::Accepted))
    }

    /// How much longer `key` has to pause because the service said so, if it has.
    pub fn pause(&self, key: &Fingerprint) -> Option<Duration> {
        let until = self.window(key).state.lock().paused_until?;
        Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// Waits until `key` may send one request for `tenant`. The tenants who wait are served one after the other, so that
    /// one with many requests does not keep another with one waiting. Dropping the future frees the slot.
    pub async fn acquire(&self, key: &Fingerprint, tenant: &Tenant) -> Permit {
        let window = self.window(key);
        // The lock is held while waiting: that is the queue, and it is fair.
        let _queue = window.queue.lock(tenant).await;
        self.admit(&window).await;
        window.slot(self.pace).await;
        let at = Instant::now();
        window.state.lock().take(self.pace, at);
        Permit { window: Arc::clone(&window), at }
    }

    /// Waits until a key that was never accepted is let through.
    async fn admit(&self, window: &Window) {
        let is_known = |now: Instant| match window.state.lock().standing {
            Standing::Accepted => true,
            Standing::Admitted { until } => until > now,
            Standing::New | Standing::Refused { .. } => false,
        };
        if is_known(Instant::now()) {
            return;
        }
        let _waiting = Counted::new(&self.new_keys_waiting);
        let _queue = self.new_keys_queue.lock().await;
        let pace = Pace::PerSecond(NEW_KEYS_PER_SECOND);
        self.new_keys.slot(pace).await;
        let now = Instant::now();
        self.new_keys.state.lock().take(pace, now);
        let mut state = window.state.lock();
        if !matches!(state.standing, Standing::Accepted) {
            state.standing = Standing::Admitted { until: now + ADMITTED_FOR };
        }
    }

    /// Returns once the service has asked `key` to pause until after `deadline`, with what is left of the pause: a call
    /// that waits for a permit need not wait for that.
    pub async fn paused_beyond(&self, key: &Fingerprint, deadline: Instant) -> Duration {
        let window = self.window(key);
        loop {
            let until = window.state.lock().paused_until;
            if let Some(until) = until.filter(|until| *until > deadline) {
                return until.saturating_duration_since(Instant::now());
            }
            tokio::time::sleep(PAUSE_SEEN_EVERY).await;
        }
    }

    fn window(&self, key: &Fingerprint) -> Arc<Window> {
        let mut keys = self.keys.lock();
        if keys.len() >= KEYS_KEPT && !keys.contains_key(key) {
            let now = Instant::now();
            keys.retain(|_, window| Arc::strong_count(window) > 1 || !window.state.lock().is_idle(now));
        }
        Arc::clone(keys.entry(key.clone()).or_default())
    }
}

/// Counts one for as long as it lives.
struct Counted<'a>(&'a std::sync::atomic::AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a std::sync::atomic::AtomicUsize) -> Self {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Window {
    queue: FairQueue,
    state: Mutex<State>,
}

impl Window {
    /// Waits until a request may leave.
    async fn slot(&self, pace: Pace) {
        loop {
            let now = Instant::now();
            let ready = self.state.lock().next_slot(pace, now);
            if ready <= now {
                return;
            }
            tokio::time::sleep_until(ready).await;
        }
    }
}

/// What the service has said about a key.
#[derive(Default)]
enum Standing {
    /// Nothing yet.
    #[default]
    New,
    /// Nothing yet, but its requests may leave until then.
    Admitted { until: Instant },
    /// It took it.
    Accepted,
    /// It refused it.
    Refused { until: Instant, error: Error },
}

struct State {
    sent: VecDeque<Instant>,
    factor: f64,
    paused_until: Option<Instant>,
    changed_at: Option<Instant>,
    standing: Standing,
}

impl Default for State {
    fn default() -> Self {
        State { sent: VecDeque::new(), factor: 1.0, paused_until: None, changed_at: None, standing: Standing::New }
    }
}

impl State {
    /// When the next request may leave.
    fn next_slot(&mut self, pace: Pace, now: Instant) -> Instant {
        let mut ready = self.paused_until.unwrap_or(now).max(now);
        let limit = match pace {
            Pace::PerSecond(limit) => limit.max(1) as usize,
            Pace::Off if self.factor >= 1.0 => return ready,
            // Refused without a limit of our own: fall back to the paid plans' pace and slow that down.
            Pace::Off => 10,
        };
        let window = WINDOW.div_f64(self.factor);
        while self.sent.front().is_some_and(|at| *at + window <= ready) {
            self.sent.pop_front();
        }
        if self.sent.len() >= limit
            && let Some(oldest) = self.sent.get(self.sent.len() - limit)
        {
            ready = ready.max(*oldest + window);
        }
        ready
    }

    fn is_idle(&self, now: Instant) -> bool {
        let is_old = |at: Instant| now.duration_since(at) > WINDOW.div_f64(FACTOR_MIN);
        self.factor >= 1.0
            && self.sent.back().is_none_or(|at| is_old(*at))
            && self.paused_until.is_none_or(|at| at <= now)
            && !matches!(self.standing, Standing::Refused { until, .. } if until > now)
    }

    fn take(&mut self, pace: Pace, now: Instant) {
        let recovered = self.changed_at.is_some_and(|at| now.duration_since(at) >= RECOVERY_AFTER);
        if self.factor < 1.0 && recovered {
            self.factor = (self.factor * RECOVERY_STEP).min(1.0);
            self.changed_at = Some(now);
        }
        if pace != Pace::Off || self.factor < 1.0 {
            self.sent.push_back(now);
        }
    }

    fn slow_down(&mut self, now: Instant, retry_after: Option<Duration>) {
        // Several requests in flight are refused together; that is one lesson, not several.
        let fresh = self.changed_at.is_none_or(|at| now.duration_since(at) >= PAUSE || self.factor >= 1.0);
        if fresh {
            self.factor = (self.factor / 2.0).max(FACTOR_MIN);
            self.changed_at = Some(now);
        }
        let until = now + retry_after.unwrap_or(PAUSE).min(PAUSE_MAX);
        self.paused_until = Some(self.paused_until.map_or(until, |at| at.max(until)));
    }

    /// Counts a request from another time on; the slots stay in order.
    fn move_slot(&mut self, from: Instant, to: Instant) {
        if let Some(index) = self.sent.iter().rposition(|at| *at == from) {
            self.sent.remove(index);
            let index = self.sent.partition_point(|at| *at <= to);
            self.sent.insert(index, to);
        }
    }

    /// A key that was accepted once is not suspended over a single refusal: it may be the service's mistake.
    fn learn(&mut self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Accepted => self.standing = Standing::Accepted,
            Outcome::KeyRefused(_) if matches!(self.standing, Standing::Accepted) => self.standing = Standing::New,
            Outcome::KeyRefused(error) => {
                self.standing = Standing::Refused { until: now + REFUSED_FOR, error };
            }
            Outcome::Slowed(retry_after) => self.slow_down(now, retry_after),
            Outcome::Unknown => {}
        }
    }
}

/// The right to send one request. [`Permit::complete`] reports how it went.
pub struct Permit {
    window: Arc<Window>,
    at: Instant,
}

impl Permit {
    /// The request was not sent: its slot is free again.
    pub fn release(self) {
        let sent = &mut self.window.state.lock().sent;
        // Its own slot and no other's: one that was taken later keeps its time.
        if let Some(index) = sent.iter().rposition(|at| *at == self.at) {
            sent.remove(index);
        }
    }

    /// The request leaves now: it may have waited for other processes since the permit was given.
    pub fn mark_sent(&mut self) {
        let now = Instant::now();
        self.window.state.lock().move_slot(self.at, now);
        self.at = now;
    }

    /// The request has ended.
    pub fn complete(self, outcome: Outcome) {
        let now = Instant::now();
        let mut state = self.window.state.lock();
        state.move_slot(self.at, now.min(self.at + ARRIVES_WITHIN));
        state.learn(outcome, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ApiKey;

    fn key(name: &str) -> Fingerprint {
        ApiKey::new(name).unwrap().fingerprint().clone()
    }

    async fn acquire(limiter: &RateLimiter, key: &Fingerprint) -> Permit {
        limiter.acquire(key, &Tenant::of_account(key)).await
    }

    async fn granted_at(limiter: &RateLimiter, key: &Fingerprint, count: usize) -> Vec<u128> {
        let start = Instant::now();
        let mut seen = vec![];
        for _ in 0..count {
            acquire(limiter, key).await.complete(Outcome::Accepted);
            seen.push(start.elapsed().as_millis());
        }
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_sees_more_requests_than_the_pace() {
        let limiter = RateLimiter::new(Pace::PerSecond(2));
        assert_eq!(granted_at(&limiter, &key("a"), 6).await, [0, 0, 1050, 1050, 2100, 2100]);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_count_from_their_arrival() {
        for (takes, expected) in [(40, 1_090), (140, 1_190), (900, 1_200)] {
            let limiter = RateLimiter::new(Pace::PerSecond(1));
            let start = Instant::now();
            let mut first = acquire(&limiter, &key("a")).await;
            first.mark_sent();
            tokio::time::sleep(Duration::from_millis(takes)).await;
            first.complete(Outcome::Accepted);
            acquire(&limiter, &key("a")).await.complete(Outcome::Accepted);
            assert_eq!(start.elapsed().as_millis(), expected, "answered after {takes} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_tenants_of_a_key_are_served_one_after_the_other() {
        let (limiter, key) = (Arc::new(RateLimiter::new(Pace::PerSecond(2))), key("company"));
        let start = Instant::now();
        let ask = |tenant: String| {
            let (limiter, key) = (Arc::clone(&limiter), key.clone());
            tokio::spawn(async move {
                limiter.acquire(&key, &Tenant::stored(tenant)).await.complete(Outcome::Accepted);
                start.elapsed().as_secs_f64()
            })
        };
        let many: Vec<_> = (0..500).map(|_| ask("many".into())).collect();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let few: Vec<_> = (1..20).map(|number| ask(format!("tenant-{number}"))).collect();
        for asked in few {
            let at = asked.await.unwrap();
            assert!(at <= 5.0 + 20.0 / 2.0 * 1.05 + 0.6, "served after {at} s");
        }
        for asked in many {
            asked.await.unwrap();
        }
        assert!(start.elapsed().as_secs_f64() <= 519.0 / 2.0 * 1.05 + 1.0);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_do_not_slow_each_other_down() {
        let limiter = RateLimiter::new(Pace::PerSecond(1));
        assert_eq!(granted_at(&limiter, &key("a"), 1).await, [0]);
        assert_eq!(granted_at(&limiter, &key("b"), 1).await, [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_halves_the_pace_and_time_restores_it() {
        let limiter = RateLimiter::new(Pace::PerSecond(2));
        let key = key("a");
        acquire(&limiter, &key).await.complete(Outcome::Slowed(Some(Duration::from_secs(3))));
        let start = Instant::now();
        acquire(&limiter, &key).await.complete(Outcome::Accepted);
        assert_eq!(start.elapsed().as_secs(), 3, "the service's wish is honored");
        assert_eq!(granted_at(&limiter, &key, 3).await, [0, 2100, 2100], "half the pace: two in 2.1 s");
        tokio::time::sleep(Duration::from_secs(60)).await;
        for _ in 0..8 {
            acquire(&limiter, &key).await.complete(Outcome::Accepted);
            tokio::time::sleep(RECOVERY_AFTER).await;
        }
        assert_eq!(granted_at(&limiter, &key, 3).await, [0, 0, 1050], "recovered");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_pace_only_refusals_slow_down() {
        let limiter = RateLimiter::new(Pace::Off);
        let key = key("a");
        assert_eq!(granted_at(&limiter, &key, 100).await.last(), Some(&0));
        acquire(&limiter, &key).await.complete(Outcome::Slowed(None));
        assert!(granted_at(&limiter, &key, 1).await[0] >= 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn released_permits_free_their_own_slot_only() {
        let limiter = RateLimiter::new(Pace::PerSecond(2));
        let key = key("a");
        let unused = acquire(&limiter, &key).await;
        tokio::time::sleep(Duration::from_millis(900)).await;
        acquire(&limiter, &key).await.complete(Outcome::Accepted);
        unused.release();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(granted_at(&limiter, &key, 2).await, [0, 850], "the request at 0.9 s still counts");
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_acquires_take_no_slot() {
        let limiter = RateLimiter::new(Pace::PerSecond(1));
        let key = key("a");
        acquire(&limiter, &key).await.complete(Outcome::Accepted);
        assert!(tokio::time::timeout(Duration::from_millis(10), acquire(&limiter, &key)).await.is_err());
        let start = Instant::now();
        acquire(&limiter, &key).await.complete(Outcome::Accepted);
        assert_eq!(start.elapsed().as_millis(), 1_040);
    }

    fn key_refused() -> Outcome {
        Outcome::KeyRefused(Error::new(Kind::Auth, "no such key", "hint"))
    }

    #[tokio::test(start_paused = true)]
    async fn refused_keys_are_not_sent_again_for_a_minute() {
        let limiter = RateLimiter::new(Pace::Off);
        let (made_up, real) = (key("made-up"), key("real"));
        acquire(&limiter, &made_up).await.complete(key_refused());
        acquire(&limiter, &real).await.complete(Outcome::Accepted);
        acquire(&limiter, &real).await.complete(key_refused());
        assert_eq!(limiter.refusal(&made_up).map(|error| error.kind()), Some(Kind::Auth));
        assert!(limiter.refusal(&real).is_none(), "one refusal of a key that worked may be a mistake");
        tokio::time::sleep(REFUSED_FOR).await;
        assert!(limiter.refusal(&made_up).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn keys_never_accepted_are_bounded_together() {
        let limiter = Arc::new(RateLimiter::new(Pace::PerSecond(2)));
        let start = Instant::now();
        let asks: Vec<_> = (0..100)
            .map(|number| {
                let (limiter, key) = (Arc::clone(&limiter), key(&format!("made-up-{number}")));
                tokio::spawn(async move { acquire(&limiter, &key).await.complete(key_refused()) })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(limiter.refusal(&key("one-more")).is_none());
        for ask in asks {
            ask.await.unwrap();
        }
        let took = start.elapsed().as_secs_f64();
        assert!((9.0..11.0).contains(&took), "{took}: 100 keys at 10 a second");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_key_waits_for_its_admission_once() {
        let limiter = RateLimiter::new(Pace::Off);
        assert_eq!(granted_at(&limiter, &key("a"), 64).await.last(), Some(&0));
    }
}
