//! What is wrong with the ledger, in words and for `doctor`, `/readyz`, the page and answers.

use std::fmt;

use serde::Serialize;

use super::Millis;
use crate::clock::now;
use crate::error::{Error, Kind};
use crate::next_step::Hint;
use crate::text::counted;

/// Why the ledger cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// Another program holds a lock on the file.
    Locked,
    /// The disk is full, or a quota is.
    Full,
    /// The file or its folder may not be written.
    ReadOnly,
    /// The file cannot be opened or made.
    CannotOpen,
    /// The disk reported an error.
    Io,
    /// The disk does not answer.
    Stalled,
    /// The file is not a ledger, or not any more.
    Damaged,
    /// A newer version wrote it.
    Newer,
    /// The file is gone.
    Removed,
    /// Another file or database has taken its place.
    Replaced,
    /// Other users of this machine may write the file.
    Exposed,
    /// The database's server cannot be reached.
    Unreachable,
    /// The connection to the server was lost.
    ConnectionLost,
    /// The server does not answer in time.
    NoAnswer,
    /// Another connection holds locks on the ledger's rows.
    Busy,
    /// The server refused the user or the password.
    AccessDenied,
    /// The server has no database of this name.
    NoDatabase,
    /// The user may not do what the ledger needs.
    NotAllowed,
    /// The database holds the tables of another program.
    Foreign,
    /// The server takes no writes.
    Standby,
    /// The server's disk is full.
    DatabaseFull,
    /// The server has no connection left.
    TooManyConnections,
    /// No secure connection to the server could be made.
    Insecure,
    /// The server reported an error of its own.
    ServerFailed,
}

impl ProblemKind {
    fn message(self) -> &'static str {
        match self {
            ProblemKind::Locked => "The ledger is locked by another program.",
            ProblemKind::Full => "The ledger cannot be written: the disk is full.",
            ProblemKind::ReadOnly => "The ledger cannot be written: its file or folder is read-only.",
            ProblemKind::CannotOpen => "The ledger cannot be opened.",
            ProblemKind::Io => "The ledger cannot be written: the disk reported an error.",
            ProblemKind::Stalled => "The ledger's disk does not answer.",
            ProblemKind::Damaged => "The ledger's file is damaged, or is not a ledger.",
            ProblemKind::Newer => "The ledger was written by a newer version of pdfco.",
            ProblemKind::Removed => "The ledger's file was removed while it was in use.",
            ProblemKind::Replaced => "The ledger was replaced by another one while it was in use.",
            ProblemKind::Exposed => "Other users of this machine can write the ledger's file.",
            ProblemKind::Unreachable => "The ledger's database cannot be reached.",
            ProblemKind::ConnectionLost => "The connection to the ledger's database was lost.",
            ProblemKind::NoAnswer => "The ledger's database does not answer in time.",
            ProblemKind::Busy => "The ledger's rows are locked by another connection to the database.",
            ProblemKind::AccessDenied => "The ledger's database refused the user or the password.",
            ProblemKind::NoDatabase => "The ledger's database does not exist on its server.",
            ProblemKind::NotAllowed => "The user of the ledger's database may not do what the ledger needs.",
            ProblemKind::Foreign => {
                "The database of PDFCO_LEDGER holds tables that are not a ledger's. Nothing was written to it."
            }
            ProblemKind::Standby => {
                "The ledger's database takes no writes: its server is a standby, or is set to read-only."
            }
            ProblemKind::DatabaseFull => "The ledger's database cannot be written: the disk of its server is full.",
            ProblemKind::TooManyConnections => "The ledger's database has no connection left.",
            ProblemKind::Insecure => "No secure connection to the ledger's database could be made.",
            ProblemKind::ServerFailed => "The ledger's database reported an error of its own.",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            ProblemKind::Locked => "Close the program that has the file open for writing, then try again.",
            ProblemKind::Full => "Free some space, then try again.",
            ProblemKind::ReadOnly => {
                "Make the file of PDFCO_LEDGER and its folder writable, or set PDFCO_LEDGER to another file."
            }
            ProblemKind::CannotOpen => "Set PDFCO_LEDGER to a file in a folder of yours.",
            ProblemKind::Io | ProblemKind::Stalled => "Check the disk of PDFCO_LEDGER, then try again.",
            ProblemKind::Damaged => {
                "Move the file of PDFCO_LEDGER and its -wal and -shm files aside; the next call begins a new ledger, \
                 which does not know the jobs of this one."
            }
            ProblemKind::Newer => "Update pdfco, or set PDFCO_LEDGER to another ledger.",
            ProblemKind::Removed => "It is written again within a few seconds; then try again.",
            ProblemKind::Replaced => "Put the former one back, or restart pdfco to use the new one.",
            ProblemKind::Exposed => "Take the right to write it from others (chmod 600), then try again.",
            ProblemKind::Unreachable => {
                "Check the address in PDFCO_LEDGER and whether PostgreSQL runs there, then try again."
            }
            ProblemKind::ConnectionLost => "Try again: pdfco connects anew by itself.",
            ProblemKind::NoAnswer => {
                "Check the load of the database and what it waits for (pg_stat_activity), then try again."
            }
            ProblemKind::Busy => "Find the transaction that holds them (pg_stat_activity) and end it, then try again.",
            ProblemKind::AccessDenied => "Correct the user and the password in PDFCO_LEDGER.",
            ProblemKind::NoDatabase => "Create the database, or correct its name in PDFCO_LEDGER.",
            ProblemKind::NotAllowed => {
                "Make this user the owner of the database, or grant it CREATE and USAGE on the schema and all rights on the ledger's tables."
            }
            ProblemKind::Foreign => {
                "Set PDFCO_LEDGER to a database, or to a schema of one, that is the ledger's alone."
            }
            ProblemKind::Standby => "Set PDFCO_LEDGER to the primary server, or make this one take writes.",
            ProblemKind::DatabaseFull => "Free some space there, then try again.",
            ProblemKind::TooManyConnections => {
                "Raise max_connections of the server, or end what uses them, then try again."
            }
            ProblemKind::Insecure => "Check the server's certificate, and `sslmode` and `sslrootcert` in PDFCO_LEDGER.",
            ProblemKind::ServerFailed => "Look into the log of PostgreSQL, then try again.",
        }
    }

    /// Whether the same call may succeed later without anything being done.
    fn is_passing(self) -> bool {
        match self {
            ProblemKind::Locked
            | ProblemKind::Full
            | ProblemKind::Io
            | ProblemKind::Stalled
            | ProblemKind::Removed
            | ProblemKind::CannotOpen
            | ProblemKind::Unreachable
            | ProblemKind::ConnectionLost
            | ProblemKind::NoAnswer
            | ProblemKind::Busy
            | ProblemKind::Standby
            | ProblemKind::DatabaseFull
            | ProblemKind::TooManyConnections
            | ProblemKind::ServerFailed => true,
            ProblemKind::ReadOnly
            | ProblemKind::Damaged
            | ProblemKind::Newer
            | ProblemKind::Replaced
            | ProblemKind::Exposed
            | ProblemKind::AccessDenied
            | ProblemKind::NoDatabase
            | ProblemKind::NotAllowed
            | ProblemKind::Foreign
            | ProblemKind::Insecure => false,
        }
    }

    /// Whether a write that met it may still have been kept.
    pub(super) fn leaves_doubt(self) -> bool {
        matches!(
            self,
            ProblemKind::Stalled | ProblemKind::ConnectionLost | ProblemKind::NoAnswer | ProblemKind::Unreachable
        )
    }

    /// Whether it is over as soon as anything can be read.
    pub(super) fn is_of_connection(self) -> bool {
        matches!(
            self,
            ProblemKind::Unreachable
                | ProblemKind::ConnectionLost
                | ProblemKind::NoAnswer
                | ProblemKind::AccessDenied
                | ProblemKind::NoDatabase
                | ProblemKind::TooManyConnections
                | ProblemKind::Insecure
        )
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProblemKind::Locked => "locked",
            ProblemKind::Full => "full",
            ProblemKind::ReadOnly => "read_only",
            ProblemKind::CannotOpen => "cannot_open",
            ProblemKind::Io => "io",
            ProblemKind::Stalled => "stalled",
            ProblemKind::Damaged => "damaged",
            ProblemKind::Newer => "newer",
            ProblemKind::Removed => "removed",
            ProblemKind::Replaced => "replaced",
            ProblemKind::Exposed => "exposed",
            ProblemKind::Unreachable => "unreachable",
            ProblemKind::ConnectionLost => "connection_lost",
            ProblemKind::NoAnswer => "no_answer",
            ProblemKind::Busy => "busy",
            ProblemKind::AccessDenied => "access_denied",
            ProblemKind::NoDatabase => "no_database",
            ProblemKind::NotAllowed => "not_allowed",
            ProblemKind::Foreign => "foreign",
            ProblemKind::Standby => "standby",
            ProblemKind::DatabaseFull => "database_full",
            ProblemKind::TooManyConnections => "too_many_connections",
            ProblemKind::Insecure => "insecure",
            ProblemKind::ServerFailed => "server_failed",
        })
    }
}

/// A problem of the ledger, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// When it was first met.
    pub since: Millis,
}

impl Problem {
    /// A problem that is met now.
    pub(super) fn new(kind: ProblemKind) -> Problem {
        Problem { kind, since: now() }
    }

    /// What happened, one sentence.
    pub fn message(&self) -> &'static str {
        self.kind.message()
    }

    /// What to do about it.
    pub fn hint(&self) -> Hint {
        self.kind.hint().into()
    }

    /// The error of a call that needed the ledger.
    pub fn error(&self) -> Error {
        Error::new(Kind::LedgerUnavailable, self.kind.message(), self.kind.hint())
            .with_retryable(self.kind.is_passing())
    }
}

/// How the ledger is.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// Its file, or the address of its database without the password; none when it is kept in memory by choice.
    pub path: Option<String>,
    /// How many jobs it has; none when it cannot be read.
    pub jobs: Option<i64>,
    /// What is wrong, if anything is.
    pub problem: Option<Problem>,
    /// What was learned and waits to be written.
    pub pending: usize,
}

impl Health {
    /// The error that `doctor` and `/readyz` show; none when the ledger can be read and written.
    pub fn error(&self) -> Option<Error> {
        self.problem.map(|problem| problem.error())
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path.as_deref().unwrap_or("in memory"))?;
        if let Some(jobs) = self.jobs {
            write!(f, ", {}", counted(jobs, "job"))?;
        }
        if self.pending > 0 {
            write!(f, ", {} changes wait to be written", self.pending)?;
        }
        Ok(())
    }
}
