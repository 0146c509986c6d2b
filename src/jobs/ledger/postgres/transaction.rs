//! One transaction, from its beginning to an end that is known.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, Row};
use tokio::time::Instant;

use super::super::connection::Connection;
use super::super::health::ProblemKind;
use super::super::work::{Durability, TransactionId, Work};
use super::connections::{CONNECT_RETRY, Connections, Taken};
use super::problem::{is_lost, is_passing};

/// How much later than its deadline the end of a transaction may still be looked up.
const LOOKUP_GRACE: Duration = Duration::from_secs(2);
/// Between two queries for a transaction that is still running.
const LOOKUP_RETRY: Duration = Duration::from_millis(50);

/// The part of a transaction's time that it waits for one lock: four fifths.
const LOCK_SHARE: (u128, u128) = (4, 5);

/// Why a transaction failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: sqlx::Error,
    /// Its number, when it is not known whether it was kept.
    pub(super) doubted: Option<TransactionId>,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Failure {
        Failure { error, doubted: None }
    }
}

/// Runs `work` between `BEGIN` and `COMMIT`. `is_patient`: a server that restarts is waited for until the deadline.
pub(super) async fn run<T>(
    connections: &Connections,
    durability: Durability,
    deadline: Instant,
    is_patient: bool,
    work: Work<T>,
) -> Result<T, Failure> {
    let (mut taken, id) = begin(connections, durability, deadline, is_patient).await?;
    let worked = tokio::time::timeout_at(deadline, work(Connection::Postgres(taken.get()))).await;
    let value = match worked {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => {
            if is_lost(&error) {
                connections.forget_idle();
            } else if taken.get().execute("ROLLBACK").await.is_ok() {
                taken.keep();
            }
            return Err(error.into());
        }
        // The connection is closed in the middle of a statement: the server takes all of it back.
        Err(_) => return Err(sqlx::Error::PoolTimedOut.into()),
    };
    if Instant::now() >= deadline {
        return Err(sqlx::Error::PoolTimedOut.into());
    }
    let error = match tokio::time::timeout_at(deadline + LOOKUP_GRACE, taken.get().execute("COMMIT")).await {
        Ok(Ok(_)) => {
            taken.keep();
            return Ok(value);
        }
        Ok(Err(error)) if !is_lost(&error) => return Err(error.into()),
        Ok(Err(error)) => error,
        Err(_) => sqlx::Error::PoolTimedOut,
    };
    drop(taken);
    connections.forget_idle();
    match was_kept(connections, &id, deadline.max(Instant::now()) + LOOKUP_GRACE).await {
        Ok(true) => Ok(value),
        Ok(false) => Err(error.into()),
        Err(_) => Err(Failure { error, doubted: Some(id) }),
    }
}

/// A connection inside a new transaction, and the transaction's number.
async fn begin(
    connections: &Connections,
    durability: Durability,
    deadline: Instant,
    is_patient: bool,
) -> sqlx::Result<(Taken<'_>, TransactionId)> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let began = async {
            let mut taken = connections.take(deadline).await?;
            let left = deadline.saturating_duration_since(Instant::now()).as_millis().max(LOCK_SHARE.1);
            // Less than there is time, so that the server names the lock before the client gives the answer up.
            let lock = left * LOCK_SHARE.0 / LOCK_SHARE.1;
            let relaxed = if durability == Durability::Relaxed { "SET LOCAL synchronous_commit = off;" } else { "" };
            let begin = format!(
                "BEGIN; SET LOCAL lock_timeout = {lock}; SET LOCAL statement_timeout = {left}; {relaxed}
                 SELECT pg_current_xact_id()::text"
            );
            let rows = taken.get().fetch_all(sqlx::raw_sql(AssertSqlSafe(begin))).await?;
            let number: String = rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
            Ok((taken, TransactionId(number)))
        };
        let error: sqlx::Error = match tokio::time::timeout_at(deadline, began).await {
            Ok(Ok(began)) => return Ok(began),
            Ok(Err(error)) => error,
            Err(_) => return Err(sqlx::Error::PoolTimedOut),
        };
        if is_lost(&error) {
            connections.forget_idle();
        }
        let is_over = attempts > 1 && (!is_patient || Instant::now() + CONNECT_RETRY >= deadline);
        if is_over || !is_passing(&error) {
            return Err(error);
        }
        if attempts > 1 {
            tokio::time::sleep(CONNECT_RETRY).await;
        }
    }
}

/// Whether a transaction was kept; one that is still running is waited for.
pub(super) async fn was_kept(connections: &Connections, id: &TransactionId, deadline: Instant) -> sqlx::Result<bool> {
    loop {
        let asked = async {
            let mut taken = connections.take(deadline).await?;
            let query = sqlx::query("SELECT pg_xact_status($1::text::xid8)").bind(&id.0);
            let status: Option<String> = taken.get().fetch_one(query).await?.try_get(0)?;
            taken.keep();
            Ok(status)
        };
        let error: sqlx::Error = match tokio::time::timeout_at(deadline, asked).await {
            Ok(Ok(Some(status))) if status == "committed" => return Ok(true),
            Ok(Ok(Some(status))) if status == "in progress" => sqlx::Error::PoolTimedOut,
            Ok(Ok(_)) => return Ok(false),
            Ok(Err(error)) => error,
            Err(_) => return Err(sqlx::Error::PoolTimedOut),
        };
        match ProblemKind::of_postgres(&error) {
            // A server that never came so far: it took the place of the one that did.
            None => return Ok(false),
            Some(ProblemKind::NoAnswer | ProblemKind::ConnectionLost | ProblemKind::Unreachable) => {}
            Some(_) => return Err(error),
        }
        if is_lost(&error) {
            connections.forget_idle();
        }
        if Instant::now() + LOOKUP_RETRY >= deadline {
            return Err(error);
        }
        tokio::time::sleep(LOOKUP_RETRY).await;
    }
}
