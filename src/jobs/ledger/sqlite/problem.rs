//! What SQLite's result codes say about the file.

use super::super::health::{Problem, ProblemKind};
use crate::error::Error;

impl ProblemKind {
    /// The problem of the file that `error` speaks of; none when it speaks of the statement.
    pub(in super::super) fn of(error: &sqlx::Error) -> Option<ProblemKind> {
        match error {
            sqlx::Error::Io(error) => Some(match error.kind() {
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => ProblemKind::ReadOnly,
                std::io::ErrorKind::TimedOut => ProblemKind::Stalled,
                std::io::ErrorKind::ResourceBusy => ProblemKind::Locked,
                std::io::ErrorKind::InvalidData => ProblemKind::Damaged,
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ProblemKind::Full,
                _ => ProblemKind::Io,
            }),
            // A connection whose thread is gone is of no use any more.
            sqlx::Error::WorkerCrashed => Some(ProblemKind::Io),
            sqlx::Error::PoolClosed => Some(ProblemKind::CannotOpen),
            sqlx::Error::Database(error) => of_code(error.code()?.parse().ok()?),
            _ => None,
        }
    }
}

/// SQLite's primary result codes that speak of the file.
fn of_code(code: i32) -> Option<ProblemKind> {
    Some(match code & 0xff {
        // Busy, locked, a schema that changes under us, another connection's recovery.
        5 | 6 | 15 | 17 => ProblemKind::Locked,
        8 => ProblemKind::ReadOnly,
        10 => ProblemKind::Io,
        11 | 26 => ProblemKind::Damaged,
        13 => ProblemKind::Full,
        14 => ProblemKind::CannotOpen,
        _ => return None,
    })
}

/// A failure that is no problem of the file.
pub(super) fn unexpected(error: &sqlx::Error) -> Error {
    Error::internal("The ledger refused a statement.").with_source(error.to_string())
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        match ProblemKind::of(&error) {
            Some(kind) => Problem::new(kind).error().with_source(error),
            None => unexpected(&error),
        }
    }
}
