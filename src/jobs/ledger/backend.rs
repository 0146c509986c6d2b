//! The database behind a ledger: one contract for both.
//!
//! Reads go on for as long as anything can be read; a write that cannot be done is an error, never a write to somewhere
//! else. What only one of the two needs is in [`super::sqlite`] and in [`super::postgres`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::connection::Stored;
use super::health::Problem;
use super::statement::Statement;
use super::work::{Durability, Patience, TransactionId, Work, work};
use super::{postgres, sqlite};
use crate::clock::{Millis, now};
use crate::config::LedgerLocation;
use crate::error::Result;

/// How much earlier than asked changes are read from a server: a transaction is seen a moment after its changes were
/// stamped.
const OVERLAP: Millis = 2_000;

/// See the head of this file.
pub(super) enum Backend {
    /// A file or memory.
    Sqlite(sqlite::Database),
    /// A server.
    Postgres(Box<postgres::Database>),
}

impl Backend {
    /// The database at `location`; nothing is opened yet.
    pub(super) fn new(location: LedgerLocation) -> Backend {
        match location {
            LedgerLocation::Memory => Backend::Sqlite(sqlite::Database::new(sqlite::Place::Memory)),
            LedgerLocation::File(path) => Backend::Sqlite(sqlite::Database::new(sqlite::Place::File(path))),
            LedgerLocation::Postgres(url) => Backend::Postgres(Box::new(postgres::Database::new(&url))),
        }
    }

    /// Whether it was opened and is not closed.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Backend::Sqlite(database) => database.is_open(),
            Backend::Postgres(database) => database.is_open(),
        }
    }

    /// Whether other processes may be using the same ledger.
    pub(super) fn is_shared(&self) -> bool {
        match self {
            Backend::Sqlite(database) => database.path().is_some(),
            Backend::Postgres(_) => true,
        }
    }

    /// The server, where the ledger is on one.
    pub(super) fn server(&self) -> Option<&postgres::Database> {
        match self {
            Backend::Sqlite(_) => None,
            Backend::Postgres(database) => Some(database),
        }
    }

    /// `query` for rows that changed at or after `since`. On a server by its own clock: those of the replicas may differ.
    pub(super) fn changed_since(&self, query: Statement, since: Millis) -> Statement {
        match self {
            Backend::Sqlite(_) => query.push(" AND changed_at >= ").push_bind(since),
            Backend::Postgres(_) => {
                let age = now().saturating_sub(since).saturating_add(OVERLAP);
                query.push(" AND written_at >= pdfco_now() - ").push_bind(age)
            }
        }
    }

    /// An expression in SQL: a JSON object of these columns, each with whether it holds fractions.
    pub(super) fn json_object(&self, columns: &[(&str, bool)]) -> String {
        let (function, is_short) = match self {
            // In JSON SQLite writes fifteen digits of a number.
            Backend::Sqlite(_) => ("json_object", true),
            Backend::Postgres(_) => ("json_build_object", false),
        };
        let pairs: Vec<String> = columns
            .iter()
            .map(|(name, is_float)| match is_short && *is_float {
                true => format!("'{name}', printf('%!.17g', {name})"),
                false => format!("'{name}', {name}"),
            })
            .collect();
        format!("{function}({})", pairs.join(", "))
    }

    /// The ledger's files on this machine, whether they are there or not.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        match self {
            Backend::Sqlite(database) => {
                database.path().map(|path| LedgerLocation::File(path.clone()).files()).unwrap_or_default()
            }
            Backend::Postgres(_) => Vec::new(),
        }
    }

    /// Where it is, for people: a path or an address without its password. None in memory.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Backend::Sqlite(database) => database.path().map(|path| path.display().to_string()),
            Backend::Postgres(database) => Some(database.name().to_owned()),
        }
    }

    /// What is wrong with it, as of the last attempt to use it.
    pub(super) fn problem(&self) -> Option<Problem> {
        match self {
            Backend::Sqlite(database) => database.problem(),
            Backend::Postgres(database) => database.problem(),
        }
    }

    /// The secret under which tenants and accounts are kept; opens the ledger when it is not open.
    pub(super) async fn secret(&self) -> Result<Arc<[u8]>> {
        match self {
            Backend::Sqlite(database) => database.secret().await,
            Backend::Postgres(database) => database.secret().await,
        }
    }

    /// Rows of a statement that changes nothing.
    pub(super) async fn read<T: Stored>(&self, statement: Statement) -> Result<Vec<T>> {
        match self {
            Backend::Sqlite(database) => database.read(statement).await,
            Backend::Postgres(database) => database.read(statement).await,
        }
    }

    /// The first row of a statement that changes nothing.
    pub(super) async fn read_first<T: Stored>(&self, statement: Statement) -> Result<Option<T>> {
        Ok(self.read(statement).await?.into_iter().next())
    }

    /// One statement that writes; how many rows it changed.
    pub(super) async fn write(&self, patience: Patience, durability: Durability, statement: Statement) -> Result<u64> {
        let work = work(move |mut connection| Box::pin(async move { connection.execute(statement).await }));
        self.transaction(patience, durability, work).await
    }

    /// Runs `work` in a transaction: all of it is kept or nothing. It runs to its end whether or not the caller waits
    /// for it; after its time it is rolled back.
    pub(super) async fn transaction<T: Send + 'static>(
        &self,
        patience: Patience,
        durability: Durability,
        work: Work<T>,
    ) -> Result<T> {
        match self {
            Backend::Sqlite(database) => database.transaction(patience, durability, work).await,
            Backend::Postgres(database) => database.transaction(patience, durability, work, None).await,
        }
    }

    /// The same. `doubted` gets the number of a transaction of which it is not known whether it was kept: that is to be
    /// asked ([`Backend::was_kept`]) before the same is written again.
    pub(super) async fn transaction_or_doubt<T: Send + 'static>(
        &self,
        patience: Patience,
        durability: Durability,
        work: Work<T>,
        doubted: &mut Option<TransactionId>,
    ) -> Result<T> {
        match self {
            Backend::Sqlite(database) => database.transaction(patience, durability, work).await,
            Backend::Postgres(database) => database.transaction(patience, durability, work, Some(doubted)).await,
        }
    }

    /// Whether a transaction whose end was not known has been kept.
    ///
    /// # Errors
    /// `ledger_unavailable` when that cannot be asked.
    pub(super) async fn was_kept(&self, doubted: &TransactionId) -> Result<bool> {
        match self {
            // A transaction on this machine ends before its caller gets a failure.
            Backend::Sqlite(_) => Ok(false),
            Backend::Postgres(database) => database.was_kept(doubted).await,
        }
    }

    /// Tries to use it for writing, whatever happened before. For the timer, and for `health`.
    pub(super) async fn probe(&self, timeout: Duration) -> Result<()> {
        let statement = super::statement::statement(
            "INSERT INTO meta (name, value) VALUES ('probed_at', $1)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(crate::clock::now().to_string());
        self.write(Patience { timeout, is_paid: true }, Durability::Relaxed, statement).await.map(drop)
    }

    /// Writes a file that is gone again, from what is still open. For the timer; a paid request is refused first.
    pub(super) async fn restore(&self) -> Result<()> {
        match self {
            Backend::Sqlite(database) => database.restore().await,
            Backend::Postgres(_) => Ok(()),
        }
    }

    /// Closes it. It opens again when it is used again.
    pub(super) async fn close(&self) {
        match self {
            Backend::Sqlite(database) => database.close().await,
            Backend::Postgres(database) => database.close().await,
        }
    }
}
