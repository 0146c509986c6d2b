//! What PostgreSQL's error codes say about the server.

use std::fmt;

use sqlx::error::DatabaseError;

use super::super::health::{Problem, ProblemKind};

/// A problem that was found on a new connection.
#[derive(Debug)]
struct Found(ProblemKind);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Found {}

/// The error of a connection on which `kind` was found.
pub(super) fn found(kind: ProblemKind) -> sqlx::Error {
    sqlx::Error::Configuration(Box::new(Found(kind)))
}

impl ProblemKind {
    /// The problem of the server that `error` speaks of; none when it speaks of the statement.
    pub(in super::super) fn of_postgres(error: &sqlx::Error) -> Option<ProblemKind> {
        match error {
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => Some(ProblemKind::NoAnswer),
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed => {
                Some(ProblemKind::ConnectionLost)
            }
            sqlx::Error::PoolTimedOut => Some(ProblemKind::NoAnswer),
            sqlx::Error::Tls(_) => Some(ProblemKind::Insecure),
            sqlx::Error::Configuration(error) => {
                Some(error.downcast_ref::<Found>().map_or(ProblemKind::Unreachable, |found| found.0))
            }
            sqlx::Error::Database(error) => of_code(error.as_ref()),
            _ => None,
        }
    }
}

fn of_code(error: &dyn DatabaseError) -> Option<ProblemKind> {
    let code = error.code()?;
    Some(match code.as_ref() {
        // Shut down by an administrator, crashed, idle for too long.
        "57P01" | "57P02" | "57P05" | "25P03" => ProblemKind::ConnectionLost,
        // Starting, or shutting down.
        "57P03" => ProblemKind::Unreachable,
        // A lock that another transaction holds.
        "55P03" | "40P01" | "40001" => ProblemKind::Busy,
        "57014" | "53000" | "53200" | "53400" => ProblemKind::NoAnswer,
        // A server in recovery gives out no transaction ids.
        "25006" | "55000" => ProblemKind::Standby,
        "53100" => ProblemKind::DatabaseFull,
        "53300" => ProblemKind::TooManyConnections,
        "28P01" | "28000" => ProblemKind::AccessDenied,
        "3D000" | "57P04" => ProblemKind::NoDatabase,
        "42501" => ProblemKind::NotAllowed,
        // A table, a column or a function is gone: another program's doing.
        "42P01" | "42703" | "42883" | "3F000" => ProblemKind::Foreign,
        // Files of the server that cannot be read or written.
        "58000" | "58030" | "58P01" | "XX001" | "XX002" => ProblemKind::ServerFailed,
        code if code.starts_with("08") => ProblemKind::ConnectionLost,
        _ => return None,
    })
}

/// Whether the connection is of no use any more after `error`.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("57P") || code.starts_with("08") || code == "25P03" || code == "25006" || code == "55000"
        }),
        error => ProblemKind::of_postgres(error).is_some(),
    }
}

/// Whether the same may succeed on a new connection a moment later: a server that restarts, or one that takes the place
/// of another.
pub(super) fn is_passing(error: &sqlx::Error) -> bool {
    matches!(
        ProblemKind::of_postgres(error),
        Some(ProblemKind::ConnectionLost | ProblemKind::Unreachable | ProblemKind::TooManyConnections)
    )
}

/// The problem of a server that cannot be opened.
pub(super) fn problem_of(error: &sqlx::Error) -> Problem {
    Problem::new(ProblemKind::of_postgres(error).unwrap_or(ProblemKind::ServerFailed))
}
