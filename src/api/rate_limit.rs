//! How fast one key may ask: a sliding window per key that learns from refusals.
//!
//! What lives here: [`RateLimiter::acquire`] and [`Permit::complete`]. What never does: the decision what to ask next;
//! callers come in the order in which they ask (the jobs engine asks in the order of its due times). Source of the
//! numbers: `pdfco-api.md` §1.2, 2 requests a second on the free plan, 10 on paid ones, 429 beyond.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Pace;
use crate::secret::Fingerprint;

/// The service counts requests within a second. Ours is a little longer, because requests need different times to
/// get there.
pub(super) const WINDOW: Duration = Duration::from_millis(1_050);
/// The window over all processes: a little longer again, because they do not see each other's answers.
pub(super) const SHARED_WINDOW: Duration = Duration::from_millis(1_100);
/// A request has arrived when it is answered, at the latest: it counts from then on, but from no later than this after it
/// left. A first request, which has to connect before it arrives, would else meet the next ones in one second.
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

/// A call that waits for its turn looks this often whether a new pause makes that hopeless.
const PAUSE_SEEN_EVERY: Duration = Duration::from_millis(250);

/// From this many keys on, idle ones are forgotten.
const KEYS_KEPT: usize = 1_024;

/// Paces all requests of all keys.
pub struct RateLimiter {
    pace: Pace,
    keys: Mutex<HashMap<Fingerprint, Arc<Window>>>,
}

impl RateLimiter {
    /// A limiter that starts every key at `pace`.
    pub fn new(pace: Pace) -> Self {
        RateLimiter { pace, keys: Mutex::new(HashMap::new()) }
    }

    /// Requests in a second, when there is a limit.
    pub fn limit(&self) -> Option<u32> {
        match self.pace {
            Pace::PerSecond(limit) => Some(limit.max(1)),
            Pace::Off => None,
        }
    }

    /// Waits until `key` may send one request. First come, first served. Dropping the future gives the place back.
    pub async fn acquire(&self, key: &Fingerprint) -> Permit {
        let window = self.window(key);
        // The lock is held while waiting: that is the queue, and it is fair.
        let _turn = window.turn.lock().await;
        loop {
            let now = Instant::now();
            let ready = lock(&window.state).next_slot(self.pace, now);
            if ready <= now {
                lock(&window.state).take(self.pace, now);
                return Permit { window: Arc::clone(&window), at: now };
            }
            tokio::time::sleep_until(ready).await;
        }
    }

    /// Ends once the service has told `key` to pause until after `deadline`; gives what is left of the pause. A call that
    /// waits for its turn need not wait for that.
    pub async fn paused_beyond(&self, key: &Fingerprint, deadline: Instant) -> Duration {
        let window = self.window(key);
        loop {
            let until = lock(&window.state).paused_until;
            if let Some(until) = until.filter(|until| *until > deadline) {
                return until.saturating_duration_since(Instant::now());
            }
            tokio::time::sleep(PAUSE_SEEN_EVERY).await;
        }
    }

    fn window(&self, key: &Fingerprint) -> Arc<Window> {
        let mut keys = lock(&self.keys);
        if keys.len() >= KEYS_KEPT {
            // Nobody holds a place in these, and their last request is long enough ago.
            let now = Instant::now();
            keys.retain(|_, window| Arc::strong_count(window) > 1 || !lock(&window.state).is_idle(now));
        }
        Arc::clone(keys.entry(key.clone()).or_default())
    }
}

#[derive(Default)]
struct Window {
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

struct State {
    sent: VecDeque<Instant>,
    factor: f64,
    paused_until: Option<Instant>,
    changed_at: Option<Instant>,
}

impl Default for State {
    fn default() -> Self {
        State { sent: VecDeque::new(), factor: 1.0, paused_until: None, changed_at: None }
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

    fn refused(&mut self, now: Instant, retry_after: Option<Duration>) {
        // Several requests in flight are refused together; that is one lesson, not several.
        let fresh = self.changed_at.is_none_or(|at| now.duration_since(at) >= PAUSE || self.factor >= 1.0);
        if fresh {
            self.factor = (self.factor / 2.0).max(FACTOR_MIN);
            self.changed_at = Some(now);
        }
        let until = now + retry_after.unwrap_or(PAUSE).min(PAUSE_MAX);
        self.paused_until = Some(self.paused_until.map_or(until, |at| at.max(until)));
    }
}

impl State {
    /// Counts a request from another time on; the places stay in order.
    fn move_place(&mut self, from: Instant, to: Instant) {
        if let Some(index) = self.sent.iter().rposition(|at| *at == from) {
            self.sent.remove(index);
            let index = self.sent.partition_point(|at| *at <= to);
            self.sent.insert(index, to);
        }
    }
}

/// Leave to send one request. [`Permit::complete`] tells the limiter how it went.
pub struct Permit {
    window: Arc<Window>,
    at: Instant,
}

impl Permit {
    /// The request was not sent after all: somebody else may go.
    pub fn give_back(self) {
        let sent = &mut lock(&self.window.state).sent;
        // Its own place and no other's: one that was taken later keeps its time.
        if let Some(index) = sent.iter().rposition(|at| *at == self.at) {
            sent.remove(index);
        }
    }

    /// The request leaves now: it may have waited for other processes since its turn came.
    pub fn leaves(&mut self) {
        let now = Instant::now();
        lock(&self.window.state).move_place(self.at, now);
        self.at = now;
    }

    /// `refused` is `Some` when the service answered 429, with the delay that it named.
    pub fn complete(self, refused: Option<Option<Duration>>) {
        let now = Instant::now();
        let mut state = lock(&self.window.state);
        state.move_place(self.at, now.min(self.at + ARRIVES_WITHIN));
        if let Some(retry_after) = refused {
            state.refused(now, retry_after);
        }
    }
}

/// A poisoned lock only means that another thread panicked between two plain assignments; the state is usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ApiKey;

    fn key(name: &str) -> Fingerprint {
        ApiKey::new(name).unwrap().fingerprint().clone()
    }

    async fn granted_at(limiter: &RateLimiter, key: &Fingerprint, count: usize) -> Vec<u128> {
        let start = Instant::now();
        let mut seen = vec![];
        for _ in 0..count {
            limiter.acquire(key).await.complete(None);
            seen.push(start.elapsed().as_millis());
        }
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn two_a_second_means_never_more_than_two_in_any_second() {
        let limiter = RateLimiter::new(Pace::PerSecond(2));
        assert_eq!(granted_at(&limiter, &key("a"), 6).await, [0, 0, 1050, 1050, 2100, 2100]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_counts_from_its_arrival_on_and_that_is_not_later_than_its_answer() {
        for (takes, expected) in [(40, 1_090), (140, 1_190), (900, 1_200)] {
            let limiter = RateLimiter::new(Pace::PerSecond(1));
            let start = Instant::now();
            let mut first = limiter.acquire(&key("a")).await;
            first.leaves();
            tokio::time::sleep(Duration::from_millis(takes)).await;
            first.complete(None);
            limiter.acquire(&key("a")).await.complete(None);
            assert_eq!(start.elapsed().as_millis(), expected, "answered after {takes} ms");
        }
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
        limiter.acquire(&key).await.complete(Some(Some(Duration::from_secs(3))));
        let start = Instant::now();
        limiter.acquire(&key).await.complete(None);
        assert_eq!(start.elapsed().as_secs(), 3, "the service's wish is honoured");
        assert_eq!(granted_at(&limiter, &key, 3).await, [0, 2100, 2100], "half the pace: two in 2.1 s");
        tokio::time::sleep(Duration::from_secs(60)).await;
        for _ in 0..8 {
            limiter.acquire(&key).await.complete(None);
            tokio::time::sleep(RECOVERY_AFTER).await;
        }
        assert_eq!(granted_at(&limiter, &key, 3).await, [0, 0, 1050], "recovered");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits_until_the_service_refuses() {
        let limiter = RateLimiter::new(Pace::Off);
        let key = key("a");
        assert_eq!(granted_at(&limiter, &key, 100).await.last(), Some(&0));
        limiter.acquire(&key).await.complete(Some(None));
        assert!(granted_at(&limiter, &key, 1).await[0] >= 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_is_given_back_frees_its_own_place_and_no_other() {
        let limiter = RateLimiter::new(Pace::PerSecond(2));
        let key = key("a");
        let unused = limiter.acquire(&key).await;
        tokio::time::sleep(Duration::from_millis(900)).await;
        limiter.acquire(&key).await.complete(None);
        unused.give_back();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(granted_at(&limiter, &key, 2).await, [0, 850], "the request at 0.9 s still counts");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_leaves_the_queue_takes_nothing_with_him() {
        let limiter = RateLimiter::new(Pace::PerSecond(1));
        let key = key("a");
        limiter.acquire(&key).await.complete(None);
        assert!(tokio::time::timeout(Duration::from_millis(10), limiter.acquire(&key)).await.is_err());
        let start = Instant::now();
        limiter.acquire(&key).await.complete(None);
        assert_eq!(start.elapsed().as_millis(), 1_040);
    }
}
