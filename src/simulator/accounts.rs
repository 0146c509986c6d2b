//! Keys, their credits and their pace.
//!
//! What lives here: which keys exist (any that starts with `sim_`), what they may spend and how fast they may ask.
//! What never does: prices (the catalog) and when they fall due (`jobs.rs`).

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::reply::Refusal;
use super::world::lock;

/// Keys remembered; a test that uses more is a mistake, and is told.
const KEYS_MAX: usize = 10_000;
/// Longest key.
const KEY_BYTES_MAX: usize = 512;
/// The window of the rate limit.
const WINDOW: Duration = Duration::from_secs(1);

/// All accounts.
pub(super) struct Accounts {
    start: i64,
    pace: Option<u32>,
    refused: AtomicUsize,
    known: Mutex<HashMap<String, Account>>,
}

struct Account {
    credits: i64,
    recent: VecDeque<Instant>,
}

impl Accounts {
    pub(super) fn new(start: i64, pace: Option<u32>) -> Self {
        Accounts { start, pace, refused: AtomicUsize::new(0), known: Mutex::default() }
    }

    /// Lets a request of this key in.
    ///
    /// # Errors
    /// 401 for a key that is none, 429 for one that asks too fast.
    pub(super) fn admit(&self, key: Option<&str>) -> Result<String, Refusal> {
        let key = key.filter(|key| key.starts_with("sim_") && key.len() <= KEY_BYTES_MAX).ok_or_else(|| {
            Refusal::new(
                401,
                "Unauthorized: the API key is missing or wrong. The simulator takes keys that start with sim_.",
            )
        })?;
        let mut known = lock(&self.known);
        if !known.contains_key(key) && known.len() >= KEYS_MAX {
            return Err(Refusal::new(429, "Too many keys for one simulator."));
        }
        let account = known.entry(key.to_owned()).or_insert_with(|| self.open(key));
        if let Some(pace) = self.pace {
            let now = Instant::now();
            while account.recent.front().is_some_and(|at| now.duration_since(*at) >= WINDOW) {
                account.recent.pop_front();
            }
            if account.recent.len() >= usize::try_from(pace).unwrap_or(usize::MAX) {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(Refusal::new(429, "Too many requests"));
            }
            account.recent.push_back(now);
        }
        Ok(key.to_owned())
    }

    /// How many requests came too fast.
    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// ResponseMode `price` credits (gives them back when negative) and returns the balance.
    ///
    /// # Errors
    /// 402 when the balance does not suffice; then nothing is taken.
    pub(super) fn charge(&self, key: &str, price: i64) -> Result<i64, Refusal> {
        let mut known = lock(&self.known);
        let account = known.entry(key.to_owned()).or_insert_with(|| self.open(key));
        if price > 0 && account.credits < price {
            return Err(broke(account.credits));
        }
        account.credits = account.credits.saturating_sub(price);
        Ok(account.credits)
    }

    /// Whether `price` could be paid now.
    ///
    /// # Errors
    /// 402 when not.
    pub(super) fn afford(&self, key: &str, price: i64) -> Result<(), Refusal> {
        let balance = self.balance(key);
        if price > 0 && balance < price { Err(broke(balance)) } else { Ok(()) }
    }

    /// The balance of a key, also of one that was never used.
    pub(super) fn balance(&self, key: &str) -> i64 {
        lock(&self.known).get(key).map_or_else(|| self.open(key).credits, |account| account.credits)
    }

    fn open(&self, key: &str) -> Account {
        Account { credits: if key == "sim_broke" { 0 } else { self.start }, recent: VecDeque::new() }
    }
}

fn broke(balance: i64) -> Refusal {
    Refusal::new(402, format!("Not enough credits. Remaining credits: {balance}."))
}
