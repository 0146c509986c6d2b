//! Everything one simulator knows, shared by its requests.
//!
//! What lives here: the state itself and what it is made of. What never does: behaviour of any one part.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::accounts::Accounts;
use super::door::Routes;
use super::faults::Faults;
use super::files::Files;
use super::jobs::Jobs;
use super::journal::Journal;
use super::{Life, Options};
use crate::error::Result;

/// PDF work done at once; the machine belongs to the tests.
const WORKERS: usize = 2;

/// The state of one simulator.
pub(super) struct World {
    pub(super) life: Life,
    pub(super) link_seconds: u64,
    /// The base URL, without a slash at its end.
    pub(super) base: String,
    pub(super) routes: Routes,
    pub(super) accounts: Accounts,
    pub(super) jobs: Jobs,
    pub(super) files: Files,
    pub(super) faults: Faults,
    pub(super) journal: Journal,
    pub(super) workers: Semaphore,
    pub(super) stop: CancellationToken,
    counter: AtomicU64,
}

impl World {
    pub(super) fn new(options: Options, base: String) -> Result<World> {
        Ok(World {
            life: options.life,
            link_seconds: options.link_seconds,
            routes: Routes::from_catalog(),
            accounts: Accounts::new(options.credits, options.requests_per_second),
            jobs: Jobs::default(),
            files: Files::new(&options.directory, base.clone())?,
            faults: Faults::default(),
            journal: Journal::default(),
            workers: Semaphore::new(WORKERS),
            stop: CancellationToken::new(),
            counter: AtomicU64::new(0),
            base,
        })
    }

    /// Sleeps, but not longer than the simulator lives.
    pub(super) async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// A number that no other job has.
    pub(super) fn next_number(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("base", &self.base).finish_non_exhaustive()
    }
}

/// The lock, also after a panic elsewhere: nothing here is left half-changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 32 characters `A–Z0–9`, as the service names things.
pub(super) fn random_name() -> String {
    const SIGNS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
    let bytes = a.as_bytes().iter().chain(b.as_bytes());
    bytes.map(|byte| char::from(*SIGNS.get(usize::from(*byte) % SIGNS.len()).unwrap_or(&b'A'))).collect()
}
