//! Transactions: what they do, how long they may wait, and whether they have to be on the disk.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::connection::Connection;

/// How long a write that a paid request depends on waits for the ledger.
pub(super) const PAID_PATIENCE: Duration = Duration::from_secs(15);
/// How long any other write waits.
pub(super) const USUAL_PATIENCE: Duration = Duration::from_secs(5);
/// How long a read waits.
pub(super) const READ_PATIENCE: Duration = Duration::from_secs(10);
/// A ledger that could not be used is tried again after this long.
pub(super) const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Whether a write has to be on the disk when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// Synced: survives a power cut.
    Synced,
    /// Survives the death of the process; a power cut may take back the last moments.
    Relaxed,
}

/// How much a write may wait, and what depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For how long.
    pub(super) timeout: Duration,
    /// Whether a ledger that failed a moment ago is tried all the same, and whether it is checked that a file is still
    /// the one that was opened.
    pub(super) is_paid: bool,
}

impl Patience {
    /// For what has to be written before a paid request is sent.
    pub(super) const PAID: Patience = Patience { timeout: PAID_PATIENCE, is_paid: true };
    /// For everything else.
    pub(super) const USUAL: Patience = Patience { timeout: USUAL_PATIENCE, is_paid: false };
}

/// The server's number of a transaction, by which its end is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TransactionId(pub(super) String);

/// What a transaction does on its connection.
pub(super) type Work<T> = Box<dyn for<'c> FnOnce(Connection<'c>) -> BoxFuture<'c, sqlx::Result<T>> + Send>;

/// `run` as the work of a transaction.
pub(super) fn work<T, F>(run: F) -> Work<T>
where
    F: for<'c> FnOnce(Connection<'c>) -> BoxFuture<'c, sqlx::Result<T>> + Send + 'static,
{
    Box::new(run)
}
