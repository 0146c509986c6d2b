//! Whether bytes still move: distinguishes a slow line from one that has stalled.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Slowest line worth waiting for.
const BYTES_PER_SECOND_MIN: u64 = 20_000;
/// What the system may hold back of an upload over a slow line: bytes that were taken and are not yet sent.
const BUFFERED_BYTES_MAX: u64 = 512 * 1024;
/// Longest pause of an answer that takes longer than its limit.
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// How often a silence is measured.
const SILENCE_STEP: Duration = Duration::from_millis(250);

/// How long the slowest line takes for so many bytes.
pub(super) fn at_least(bytes: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND_MIN as f64)
}

/// Bytes transferred so far, and when the last of them were. Counted by the side that moves bytes and read by the side
/// that waits for them.
#[derive(Clone)]
pub(super) struct TransferProgress(Arc<Mutex<(u64, Instant)>>);

impl TransferProgress {
    pub(super) fn new() -> Self {
        TransferProgress(Arc::new(Mutex::new((0, Instant::now()))))
    }

    pub(super) fn now(&self) -> (u64, Instant) {
        *self.0.lock()
    }

    pub(super) fn take(&self, bytes: usize) {
        let mut progress = self.0.lock();
        *progress = (progress.0.saturating_add(bytes as u64), Instant::now());
    }

    /// For an incoming answer: returns after `limit`, later while bytes still arrive at a rate worth waiting for.
    pub(super) async fn answer_stalled(&self, limit: Duration) {
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

    /// For an outgoing body, where only reads of the source can be seen: returns when nothing was read for `idle` plus the
    /// time that the slowest line needs for what buffers may hold, and in any case when such a line would have sent all
    /// of `length`.
    pub(super) async fn upload_stalled(&self, idle: Duration, length: u64) {
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
        let (taken, began) = (TransferProgress::new(), Instant::now());
        let takes = async {
            for (second, bytes) in at {
                tokio::time::sleep_until(began + Duration::from_secs(*second)).await;
                taken.take(usize::try_from(*bytes).unwrap_or(usize::MAX));
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = taken.upload_stalled(IDLE, length) => began.elapsed().as_secs(),
            () = takes => unreachable!("it never ends"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_uploads_end_and_slow_ones_go_on() {
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
    async fn answers_may_be_slow_but_not_stall_or_drip() {
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
            let (progress, began) = (TransferProgress::new(), Instant::now());
            let moves = async {
                for _ in 0..pieces {
                    tokio::time::sleep(Duration::from_secs(every)).await;
                    progress.take(bytes);
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = progress.answer_stalled(limit) => assert_eq!(began.elapsed().as_secs(), ends, "{every} {bytes} {pieces}"),
                () = moves => unreachable!("it never ends"),
            }
        }
    }
}
