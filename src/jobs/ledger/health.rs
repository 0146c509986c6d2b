//! What is wrong with the ledger, in words and for `doctor`, `/readyz`, the page and answers.

use std::fmt;

use serde::Serialize;

use super::Millis;
use crate::clock::now;
use crate::error::{Error, Kind};
use crate::next_step::Hint;

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
    /// A newer version wrote the file.
    Newer,
    /// The file is gone.
    Removed,
    /// Another file has taken its place.
    Replaced,
    /// Other users of this machine may write the file.
    Exposed,
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
            ProblemKind::Replaced => "The ledger's file was replaced by another one while it was in use.",
            ProblemKind::Exposed => "Other users of this machine can write the ledger's file.",
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
            ProblemKind::Newer => "Update pdfco, or set PDFCO_LEDGER to another file.",
            ProblemKind::Removed => "It is written again within a few seconds; then try again.",
            ProblemKind::Replaced => "Put the file back, or restart pdfco to use the new one.",
            ProblemKind::Exposed => "Take the right to write it from others (chmod 600), then try again.",
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
            | ProblemKind::CannotOpen => true,
            ProblemKind::ReadOnly
            | ProblemKind::Damaged
            | ProblemKind::Newer
            | ProblemKind::Replaced
            | ProblemKind::Exposed => false,
        }
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
    /// Its file; none when it is kept in memory by choice.
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
            write!(f, ", {jobs} jobs")?;
        }
        if self.pending > 0 {
            write!(f, ", {} changes wait to be written", self.pending)?;
        }
        Ok(())
    }
}
