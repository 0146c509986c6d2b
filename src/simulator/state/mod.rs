//! Everything one simulator knows, shared by its requests.

pub(in crate::simulator) mod accounts;
pub(in crate::simulator) mod files;
pub(in crate::simulator) mod jobs;
pub(in crate::simulator) mod journal;
pub(in crate::simulator) mod outcome;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::accounts::Accounts;
use self::files::Files;
use self::jobs::Jobs;
use self::journal::Journal;
use super::faults::Faults;
use super::options::Options;
use super::routes::Routes;
use crate::error::Result;

/// PDF work done at once; the machine belongs to the tests.
const WORKERS: usize = 2;

/// The state of one simulator.
pub(in crate::simulator) struct World {
    pub(in crate::simulator) options: Options,
    /// The base URL, without a slash at its end.
    pub(in crate::simulator) base: String,
    pub(in crate::simulator) routes: Routes,
    pub(in crate::simulator) accounts: Accounts,
    pub(in crate::simulator) jobs: Jobs,
    pub(in crate::simulator) files: Files,
    pub(in crate::simulator) faults: Faults,
    pub(in crate::simulator) journal: Journal,
    pub(in crate::simulator) workers: Semaphore,
    pub(in crate::simulator) stop: CancellationToken,
    counter: AtomicU64,
}

impl World {
    pub(in crate::simulator) fn new(options: Options, base: String) -> Result<World> {
        Ok(World {
            routes: Routes::from_catalog(),
            accounts: Accounts::new(options.credits, options.requests_per_second),
            jobs: Jobs::default(),
            files: Files::new(&options.directory, base.clone())?,
            faults: Faults::default(),
            journal: Journal::default(),
            workers: Semaphore::new(WORKERS),
            stop: CancellationToken::new(),
            counter: AtomicU64::new(0),
            options,
            base,
        })
    }

    /// Sleeps, but not longer than the simulator lives.
    pub(in crate::simulator) async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// A number that no other job has.
    pub(in crate::simulator) fn next_number(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("base", &self.base).finish_non_exhaustive()
    }
}
