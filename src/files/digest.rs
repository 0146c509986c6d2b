//! The SHA-256 of a transfer, made on a thread of its own: receiving goes on meanwhile.

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::bytes::Bytes;

use crate::error::{Error, Result};

/// Bytes that are handed over together: a change of threads takes longer than hashing one piece of the network.
const BATCH_BYTES: usize = 256 * 1024;
/// Batches on their way: with the ones that are gathered and hashed, less than two megabytes.
const BATCHES_MAX: usize = 4;

/// Hashes what passes by. Its thread is taken with the first full batch, so that small files need none.
pub(super) struct RunningDigest {
    batch: Vec<Bytes>,
    batch_bytes: usize,
    thread: Option<Hashing>,
}

struct Hashing {
    batches: mpsc::Sender<Vec<Bytes>>,
    outcome: JoinHandle<Sha256>,
}

impl RunningDigest {
    pub(super) fn new() -> RunningDigest {
        RunningDigest { batch: Vec::new(), batch_bytes: 0, thread: None }
    }

    /// Takes the next bytes; waits while the thread is more than a few batches behind.
    ///
    /// # Errors
    /// `internal` when the thread ended.
    pub(super) async fn update(&mut self, bytes: Bytes) -> Result<()> {
        self.batch_bytes += bytes.len();
        self.batch.push(bytes);
        if self.batch_bytes < BATCH_BYTES {
            return Ok(());
        }
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let hashing = self.thread.get_or_insert_with(Hashing::begin);
        hashing.batches.send(batch).await.map_err(|_| stopped())
    }

    /// The hash of everything taken, in hex.
    ///
    /// # Errors
    /// `internal` when the thread ended.
    pub(super) async fn finish(self) -> Result<String> {
        let mut hash = match self.thread {
            Some(Hashing { batches, outcome }) => {
                drop(batches);
                outcome.await.map_err(|_| stopped())?
            }
            None => Sha256::new(),
        };
        self.batch.iter().for_each(|bytes| hash.update(bytes));
        Ok(hex::encode(hash.finalize()))
    }
}

impl Hashing {
    fn begin() -> Hashing {
        let (batches, mut waiting) = mpsc::channel::<Vec<Bytes>>(BATCHES_MAX);
        let outcome = tokio::task::spawn_blocking(move || {
            let mut hash = Sha256::new();
            while let Some(batch) = waiting.blocking_recv() {
                batch.iter().for_each(|bytes| hash.update(bytes));
            }
            hash
        });
        Hashing { batches, outcome }
    }
}

fn stopped() -> Error {
    Error::internal("The hash of a transfer was not finished.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_of_any_size_hash_as_the_whole() {
        for (pieces, size) in [(0, 0), (1, 10), (3, BATCH_BYTES), (700, 1_000), (9, BATCH_BYTES + 1)] {
            let mut digest = RunningDigest::new();
            let mut whole = Sha256::new();
            for piece in 0..pieces {
                let bytes = vec![piece as u8; size];
                whole.update(&bytes);
                digest.update(Bytes::from(bytes)).await.unwrap();
            }
            assert_eq!(digest.finish().await.unwrap(), hex::encode(whole.finalize()), "{pieces} pieces of {size}");
        }
    }
}
