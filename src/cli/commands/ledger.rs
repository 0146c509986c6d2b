//! `pdfco ledger`: moves the ledger between a file and a database.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;
use tokio::io::{AsyncWriteExt, BufReader, BufWriter};

use crate::cli::names::counted;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::error::{Error, Result};

/// Examples of `ledger --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco ledger export jobs.ndjson\n  PDFCO_LEDGER=postgres://pdfco@db/pdfco pdfco ledger import jobs.ndjson\n\nStop the servers that use the ledger first. The file holds what the ledger holds, its secret included: keep it as safe.";

/// Commands of `ledger`.
#[derive(Clone, Debug, Subcommand)]
pub enum LedgerCommand {
    /// Write the whole ledger as lines of JSON
    #[command(after_help = EXAMPLES)]
    Export {
        /// A new file, or - for stdout
        #[arg(value_hint = clap::ValueHint::FilePath)]
        file: String,
    },
    /// Read an exported ledger into one that is empty: all of it or nothing
    #[command(after_help = EXAMPLES)]
    Import {
        /// The file, or - for stdin
        #[arg(value_hint = clap::ValueHint::FilePath)]
        file: String,
    },
}

impl LedgerCommand {
    /// Its word on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            LedgerCommand::Export { .. } => "export",
            LedgerCommand::Import { .. } => "import",
        }
    }
}

/// `pdfco ledger …`.
///
/// # Errors
/// As `Ledger::export` and `Ledger::import`; `invalid_argument` for a file that is there already, or is not there.
pub async fn run(session: &CliSession, command: LedgerCommand) -> Result<Report> {
    let ledger = session.app.jobs().ledger();
    match command {
        LedgerCommand::Export { file } if file == "-" => {
            let rows = ledger.export(&mut BufWriter::new(tokio::io::stdout())).await?;
            let summary = format!("{} exported", counted(i64::try_from(rows).unwrap_or(i64::MAX), "row"));
            Ok(Report {
                already_printed: true,
                notes: vec![summary.clone()],
                ..Report::line(summary, json!({"rows": rows}))
            })
        }
        LedgerCommand::Export { file } => {
            let mut target = BufWriter::new(new_file(Path::new(&file)).await?);
            let rows = match ledger.export(&mut target).await {
                Ok(rows) => rows,
                Err(error) => {
                    // Half a ledger is none.
                    let _ = tokio::fs::remove_file(&file).await;
                    return Err(error);
                }
            };
            target.get_mut().sync_all().await.map_err(|error| unusable(&file, &error))?;
            target.shutdown().await.map_err(|error| unusable(&file, &error))?;
            Ok(moved(rows, "exported", &file))
        }
        LedgerCommand::Import { file } if file == "-" => {
            let rows = ledger.import(BufReader::new(tokio::io::stdin())).await?;
            Ok(moved(rows, "imported", &file))
        }
        LedgerCommand::Import { file } => {
            let source = tokio::fs::File::open(&file).await.map_err(|error| unusable(&file, &error))?;
            let rows = ledger.import(BufReader::new(source)).await?;
            Ok(moved(rows, "imported", &file))
        }
    }
}

fn moved(rows: u64, how: &str, file: &str) -> Report {
    let count = counted(i64::try_from(rows).unwrap_or(i64::MAX), "row");
    Report::line(format!("{count} {how}"), json!({"status": "success", "rows": rows, "file": file}))
}

/// A file for this user alone: it holds the ledger's secret.
async fn new_file(path: &Path) -> Result<tokio::fs::File> {
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path).await.map_err(|error| unusable(&path.display().to_string(), &error))
}

fn unusable(file: &str, error: &std::io::Error) -> Error {
    let why = match error.kind() {
        std::io::ErrorKind::AlreadyExists => "is there already",
        std::io::ErrorKind::NotFound => "was not found",
        _ => "cannot be read or written",
    };
    Error::invalid(format!("The file `{file}` {why}."), "Name another file, or - for a pipe.")
        .with_source(error.to_string())
}
