//! Whether bytes still move: what tells a slow line from one that stalls.
//!
//! What lives here: [`Moved`], counted by whoever moves bytes and asked by whoever waits for them. What never does: HTTP.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Slowest line worth waiting for.
const BYTES_PER_SECOND_MIN: u64 = 20_000;
/// What the system may hold back of an upload over a slow line: bytes that were taken and are not yet sent.
const BUFFERED_BYTES_MAX: u64 = 512 * 1024;
/// Longest pause of an answer that takes longer than its limit.
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// How often a silence is looked at.
const SILENCE_STEP: Duration = Duration::from_millis(250);

/// How long the slowest line takes for so many bytes.
pub(super) fn at_least(bytes: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND_MIN as f64)
}

/// Bytes that moved, and when the last did.
#[derive(Clone)]
pub(super) struct Moved(Arc<Mutex<(u64, Instant)>>);

impl Moved {
    pub(super) fn new() -> Self {
        Moved(Arc::new(Mutex::new((0, Instant::now()))))
    }

    pub(super) fn now(&self) -> (u64, Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self, bytes: usize) {
        let mut moved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *moved = (moved.0.saturating_add(bytes as u64), Instant::now());
    }

    /// Of an answer that comes in: ends after `limit`, but goes on for as long as one moves that is worth waiting for.
    pub(super) async fn stalled_after(&self, limit: Duration) {
        let began = Instant::now();
        tokio::time::sleep(limit).await;
        loop {
            let (bytes, at) = self.now();
            if at.elapsed() >= PAUSE_MAX || began.elapsed() >= limit + at_least(bytes) {
                return;
            }
            tokio::time::sleep(SILENCE_STEP).await;
        }
    }

    /// Of a body that goes out, where what left the machine cannot be seen, only that nobody comes for more: ends when
    /// nothing was taken for `idle` and for as long as the slowest line needs for what is still in buffers; and in any
    /// case when such a line would have been through with all of `length`.
    pub(super) async fn nothing_for(&self, idle: Duration, length: u64) {
        let (began, whole) = (Instant::now(), idle + at_least(length));
        loop {
            let (bytes, at) = self.now();
            if at.elapsed() >= idle + at_least(bytes.min(BUFFERED_BYTES_MAX)) || began.elapsed() >= whole {
                return;
            }
            tokio::time::sleep(SILENCE_STEP).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(15);
    const MIB: u64 = 1024 * 1024;

    /// After how many seconds an upload of `length` is given up of which a piece was taken at each of `at`.
    async fn given_up_after(length: u64, at: &[(u64, u64)]) -> u64 {
        let (taken, began) = (Moved::new(), Instant::now());
        let takes = async {
            for (second, bytes) in at {
                tokio::time::sleep_until(began + Duration::from_secs(*second)).await;
                taken.take(usize::try_from(*bytes).unwrap_or(usize::MAX));
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = taken.nothing_for(IDLE, length) => began.elapsed().as_secs(),
            () = takes => unreachable!("it never ends"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_stalls_is_given_up_before_its_caller_is_and_a_slow_one_is_not() {
        // Nothing was taken at all, of a small file or of a large one.
        assert_eq!(given_up_after(9, &[]).await, 15);
        assert_eq!(given_up_after(2_000 * MIB, &[]).await, 15);
        // All of a small file is in the system's buffers.
        assert_eq!(given_up_after(9, &[(0, 9)]).await, 15);
        assert_eq!(given_up_after(200_000, &[(0, 200_000)]).await, 25);
        // In the middle of a large one: never more than what buffers may hold over the slowest line.
        let stalled = given_up_after(100 * MIB, &[(1, 50 * MIB)]).await;
        assert!((41..=43).contains(&stalled), "{stalled}");
        // The slowest line worth waiting for, for ten minutes.
        let slow: Vec<(u64, u64)> = (0..150).map(|piece| (piece * 4, 80_000)).collect();
        assert!(given_up_after(100 * MIB, &slow).await >= 600);
        // A slower one ends when that one would have been through.
        let slower: Vec<(u64, u64)> = (0..1_000).map(|piece| (piece * 10, 20_000)).collect();
        assert_eq!(given_up_after(2_000_000, &slower).await, 115);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_moves_may_take_longer_and_one_that_stalls_or_drips_may_not() {
        let limit = Duration::from_secs(20);
        for (every, bytes, pieces, ends) in [
            // Nothing came, or it stalled before the limit.
            (1, 0, 0, 20),
            (1, 65_536, 5, 20),
            // It moves until it stalls.
            (1, 65_536, 30, 33),
            // It drips: on the average too slow.
            (2, 100, 1_000, 20),
        ] {
            let (moved, began) = (Moved::new(), Instant::now());
            let moves = async {
                for _ in 0..pieces {
                    tokio::time::sleep(Duration::from_secs(every)).await;
                    moved.take(bytes);
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = moved.stalled_after(limit) => assert_eq!(began.elapsed().as_secs(), ends, "{every} {bytes} {pieces}"),
                () = moves => unreachable!("it never ends"),
            }
        }
    }
}
