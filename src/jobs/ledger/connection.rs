//! One connection inside a transaction, to either database.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Executor, FromRow};

use super::Millis;
use super::health::ProblemKind;
use super::statement::{Statement, statement};

/// What rows can be read as.
pub(super) trait Stored: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send {}

impl<T> Stored for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send {}

/// See the head of this file.
pub(super) enum Connection<'c> {
    /// To a file or to memory.
    Sqlite(&'c mut SqliteConnection),
    /// To a server.
    Postgres(&'c mut PgConnection),
}

impl Connection<'_> {
    /// The problem of the ledger that `error` speaks of; none when it speaks of the statement.
    pub(super) fn problem_of(&self, error: &sqlx::Error) -> Option<ProblemKind> {
        match self {
            Connection::Sqlite(_) => ProblemKind::of(error),
            Connection::Postgres(_) => ProblemKind::of_postgres(error),
        }
    }

    /// Runs a statement; how many rows it changed.
    pub(super) async fn execute(&mut self, statement: Statement) -> sqlx::Result<u64> {
        match self {
            Connection::Sqlite(connection) => {
                let (text, arguments) = statement.for_sqlite()?;
                Ok(connection.execute(sqlx::query_with(text, arguments)).await?.rows_affected())
            }
            Connection::Postgres(connection) => {
                let mut changed = 0;
                for (text, arguments) in statement.for_postgres()? {
                    changed += connection.execute(sqlx::query_with(text, arguments)).await?.rows_affected();
                }
                Ok(changed)
            }
        }
    }

    /// Runs a statement; the rows that the last of it gives.
    pub(super) async fn rows<T: Stored>(&mut self, statement: Statement) -> sqlx::Result<Vec<T>> {
        match self {
            Connection::Sqlite(connection) => {
                let (text, arguments) = statement.for_sqlite()?;
                let rows = connection.fetch_all(sqlx::query_with(text, arguments)).await?;
                rows.iter().map(T::from_row).collect()
            }
            Connection::Postgres(connection) => {
                let mut rows = Vec::new();
                for (text, arguments) in statement.for_postgres()? {
                    rows = connection.fetch_all(sqlx::query_with(text, arguments)).await?;
                }
                rows.iter().map(T::from_row).collect()
            }
        }
    }

    /// The last row that a statement gives.
    pub(super) async fn row<T: Stored>(&mut self, statement: Statement) -> sqlx::Result<Option<T>> {
        Ok(self.rows(statement).await?.pop())
    }

    /// Keeps other transactions that lock one of these out until this one ends. SQLite has one writer anyway.
    pub(super) async fn lock(&mut self, locks: &[Lock<'_>]) -> sqlx::Result<()> {
        let Connection::Postgres(connection) = self else { return Ok(()) };
        // All transactions take them in this order, so that no two wait for each other.
        let mut keys: Vec<i64> = locks.iter().map(Lock::key).collect();
        keys.sort_unstable();
        keys.dedup();
        let query = sqlx::query("SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key").bind(keys);
        connection.execute(query).await.map(drop)
    }

    /// Keeps other transactions from changing a job's row until this one ends.
    pub(super) async fn lock_job(&mut self, intent_id: &str) -> sqlx::Result<()> {
        let Connection::Postgres(_) = self else { return Ok(()) };
        self.execute(statement("SELECT 1 FROM jobs WHERE intent_id = $1 FOR UPDATE").bind(intent_id)).await.map(drop)
    }

    /// Begins a part that can fail without the whole. A statement that fails in SQLite takes back no more than itself.
    pub(super) async fn begin_part(&mut self) -> sqlx::Result<()> {
        let Connection::Postgres(connection) = self else { return Ok(()) };
        connection.execute("SAVEPOINT part").await.map(drop)
    }

    /// Ends a part, and takes it back when it failed.
    pub(super) async fn end_part(&mut self, has_failed: bool) -> sqlx::Result<()> {
        let Connection::Postgres(connection) = self else { return Ok(()) };
        let end = if has_failed { "ROLLBACK TO SAVEPOINT part" } else { "RELEASE SAVEPOINT part" };
        connection.execute(end).await.map(drop)
    }

    /// Now, by the one clock that all processes on this ledger share: the server's. On one machine that is `here`.
    pub(super) async fn time(&mut self, here: Millis) -> sqlx::Result<Millis> {
        let Connection::Postgres(_) = self else { return Ok(here) };
        let now: Option<(Millis,)> = self.row(statement("SELECT pdfco_now()")).await?;
        Ok(now.map_or(here, |(now,)| now))
    }
}

/// What is locked between processes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lock<'a> {
    /// Writing what was learned, and forgetting it. Comes before all others.
    Changes,
    /// What a tenant may spend, and the order of its jobs.
    Tenant(&'a str),
    /// The pace of an account.
    Pace(&'a str),
}

impl Lock<'_> {
    fn key(&self) -> i64 {
        use sha2::{Digest, Sha256};
        let (kind, name) = match self {
            Lock::Changes => return i64::MIN,
            Lock::Tenant(tenant) => ("tenant", tenant),
            Lock::Pace(account) => ("pace", account),
        };
        let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize();
        let first = digest.iter().take(8).fold(0_u64, |key, byte| (key << 8) | u64::from(*byte));
        first.cast_signed()
    }
}
