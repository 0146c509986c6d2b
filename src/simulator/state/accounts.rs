//! Keys, their credits and their pace: which keys exist (any that starts with `sim_`), what they may spend and how fast they
//! may ask.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::simulator::reply::Refusal;

/// Keys remembered; a test that uses more is a mistake, and gets an error.
const KEYS_MAX: usize = 10_000;
/// Longest key.
const KEY_BYTES_MAX: usize = 512;
/// The window of the rate limit.
const WINDOW: Duration = Duration::from_secs(1);

/// All accounts.
pub(in crate::simulator) struct Accounts {
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
    pub(in crate::simulator) fn new(start: i64, pace: Option<u32>) -> Self {
        Accounts { start, pace, refused: AtomicUsize::new(0), known: Mutex::default() }
    }

    /// Admits a request of this key.
    ///
    /// # Errors
    /// 401 for an invalid key, 429 for one that asks too fast.
    pub(in crate::simulator) fn admit(&self, key: Option<&str>) -> Result<String, Refusal> {
        let key = key.filter(|key| key.starts_with("sim_") && key.len() <= KEY_BYTES_MAX).ok_or_else(|| {
            Refusal::new(
                401,
                "Unauthorized: the API key is missing or wrong. The simulator takes keys that start with sim_.",
            )
        })?;
        let mut known = self.known.lock();
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
    pub(in crate::simulator) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Takes `price` credits (gives them back when negative) and returns the balance.
    ///
    /// # Errors
    /// 402 when the balance does not suffice; then nothing is taken.
    pub(in crate::simulator) fn charge(&self, key: &str, price: i64) -> Result<i64, Refusal> {
        let mut known = self.known.lock();
        let account = known.entry(key.to_owned()).or_insert_with(|| self.open(key));
        if price > 0 && account.credits < price {
            return Err(broke(account.credits));
        }
        account.credits = account.credits.saturating_sub(price);
        Ok(account.credits)
    }

    /// Checks that `price` could be paid now.
    ///
    /// # Errors
    /// 402 when it could not.
    pub(in crate::simulator) fn afford(&self, key: &str, price: i64) -> Result<(), Refusal> {
        let balance = self.balance(key);
        if price > 0 && balance < price { Err(broke(balance)) } else { Ok(()) }
    }

    /// The balance of a key, also of one that was never used.
    pub(in crate::simulator) fn balance(&self, key: &str) -> i64 {
        self.known.lock().get(key).map_or_else(|| self.open(key).credits, |account| account.credits)
    }

    fn open(&self, key: &str) -> Account {
        Account { credits: if key == "sim_broke" { 0 } else { self.start }, recent: VecDeque::new() }
    }
}

fn broke(balance: i64) -> Refusal {
    Refusal::new(402, format!("Not enough credits. Remaining credits: {balance}."))
}
