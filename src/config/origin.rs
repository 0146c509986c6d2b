//! Where the value of a setting came from.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from, the strongest source first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The command line.
    Flag,
    /// The simulator that `--simulate` asks for.
    Simulator,
    /// The process environment.
    Environment,
    /// The key that was stored once for this user.
    Stored,
    /// The file that `--env-file` or `PDFCO_ENV_FILE` names.
    EnvFile,
    /// `.env` of the current folder, which was allowed with `pdfco env allow`.
    AllowedEnvFile,
    /// `.env` in this user's configuration folder of pdfco.
    OwnEnvFile,
    /// It was not set.
    Default,
}

impl Origin {
    /// Whether it is a file of settings.
    pub fn is_file(self) -> bool {
        matches!(self, Origin::EnvFile | Origin::AllowedEnvFile | Origin::OwnEnvFile)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Flag => "flag",
            Origin::Simulator => "the simulator",
            Origin::Environment => "environment",
            Origin::Stored => "stored key",
            Origin::EnvFile => "env file",
            Origin::AllowedEnvFile => "allowed .env",
            Origin::OwnEnvFile => "own .env",
            Origin::Default => "default",
        })
    }
}

/// A file of settings, and what became of it.
#[derive(Clone, Debug)]
pub struct EnvFile {
    /// Where it is.
    pub path: PathBuf,
    /// Why it is read.
    pub origin: Origin,
    /// What could not be used of it: the file itself, or single lines.
    pub problems: Vec<String>,
}
