//! `pdfco ledger`: moves the ledger between a file and a database, and deletes what it keeps of a tenant.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use tokio::io::{AsyncWriteExt, BufReader, BufWriter};

use crate::cli::names::counted;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::tenant_args::TenantArgs;
use crate::cli::value_parsers::path;
use crate::error::{Error, Kind, Result};

/// Examples of `ledger --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco ledger export jobs.ndjson\n  PDFCO_LEDGER=postgres://pdfco@db/pdfco pdfco ledger import jobs.ndjson\n\nStop the servers that use the ledger first. The file holds what the ledger holds, its secret included: keep it as safe.";

/// Commands of `ledger`.
#[derive(Clone, Debug, Subcommand)]
pub enum LedgerCommand {
    /// Write the whole ledger as lines of JSON
    #[command(after_help = EXAMPLES)]
    Export {
        /// A new file, or - for stdout
        #[arg(value_hint = clap::ValueHint::FilePath, value_parser = path())]
        file: PathBuf,
    },
    /// Read an exported ledger into one that is empty: all of it or nothing
    #[command(after_help = EXAMPLES)]
    Import {
        /// The file, or - for stdin
        #[arg(value_hint = clap::ValueHint::FilePath, value_parser = path())]
        file: PathBuf,
    },
    /// Delete everything that is kept of one tenant: jobs, tasks, spending, sessions, audit and files
    #[command(after_help = FORGET_EXAMPLES)]
    ForgetTenant(ForgetArgs),
}

/// Examples of `ledger forget-tenant --help`.
const FORGET_EXAMPLES: &str = "Examples:\n  pdfco ledger forget-tenant --subject 00u1x2 --yes\n  pdfco ledger forget-tenant --tenant 5e1f…\n\nTake the person's access away first: a server that still works for them writes anew. Results at PDF.co are not deleted; their links end by themselves.";

/// Flags of `ledger forget-tenant`.
#[derive(Clone, Debug, Args)]
pub struct ForgetArgs {
    #[command(flatten)]
    who: TenantArgs,
    /// Delete; without it the command says what there is
    #[arg(long)]
    yes: bool,
    /// Also while jobs of the tenant are under way: they are paid for and cannot be found afterwards
    #[arg(long)]
    running: bool,
}

impl LedgerCommand {
    /// Its word on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            LedgerCommand::Export { .. } => "export",
            LedgerCommand::Import { .. } => "import",
            LedgerCommand::ForgetTenant(_) => "forget-tenant",
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
        LedgerCommand::Export { file } if file == Path::new("-") => {
            let rows = ledger.export(&mut BufWriter::new(tokio::io::stdout())).await?;
            let summary = format!("{} exported", counted(i64::try_from(rows).unwrap_or(i64::MAX), "row"));
            Ok(Report {
                already_printed: true,
                notes: vec![summary.clone()],
                ..Report::line(summary, json!({"rows": rows}))
            })
        }
        LedgerCommand::Export { file } => {
            let mut target = BufWriter::new(new_file(&file).await?);
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
        LedgerCommand::Import { file } if file == Path::new("-") => {
            let rows = ledger.import(BufReader::new(tokio::io::stdin())).await?;
            Ok(moved(rows, "imported", &file))
        }
        LedgerCommand::Import { file } => {
            let source = tokio::fs::File::open(&file).await.map_err(|error| unusable(&file, &error))?;
            let rows = ledger.import(BufReader::new(source)).await?;
            Ok(moved(rows, "imported", &file))
        }
        LedgerCommand::ForgetTenant(args) => forget(session, &args).await,
    }
}

async fn forget(session: &CliSession, args: &ForgetArgs) -> Result<Report> {
    let ledger = session.app.jobs().ledger();
    let meant = args.who.meant(session).await?.ok_or_else(|| {
        Error::invalid("Whose data is not said.", "Name a tenant with --subject, --own-key or --tenant.")
    })?;
    let running = ledger.running_of(&meant.stored).await?;
    let files = meant.folder(&session.app.config);
    let files = files.filter(|folder| folder.is_dir());
    let shown = files.as_ref().map(|folder| folder.display().to_string());
    let facts = |status: &str, rows: Option<u64>| json!({"status": status, "tenant": meant.stored, "rows": rows, "running": running, "folder": shown});
    if running > 0 && !args.running {
        return Err(Error::invalid(
            format!("{} of tenant {} are under way.", counted(running, "job"), meant.stored),
            "Wait for them or cancel them, or add --running: they are paid for and cannot be found afterwards.",
        ));
    }
    if !args.yes {
        let line = format!("tenant {}: add --yes to delete what is kept of it", meant.stored);
        return Ok(Report::line(line, facts("unchanged", None)));
    }
    let rows = ledger.forget_tenant(&meant.stored).await?;
    if let Some(folder) = files {
        tokio::fs::remove_dir_all(&folder).await.map_err(|error| {
            Error::new(
                Kind::FileAccess,
                format!("The ledger forgot the tenant, and the folder `{}` could not be deleted.", folder.display()),
                "Delete it by hand.",
            )
            .with_source(error.to_string())
        })?;
    }
    let count = counted(i64::try_from(rows).unwrap_or(i64::MAX), "row");
    Ok(Report::line(format!("tenant {}: {count} deleted", meant.stored), facts("success", Some(rows))))
}

fn moved(rows: u64, how: &str, file: &Path) -> Report {
    let count = counted(i64::try_from(rows).unwrap_or(i64::MAX), "row");
    Report::line(format!("{count} {how}"), json!({"status": "success", "rows": rows, "file": file}))
}

/// A file for this user alone: it holds the ledger's secret.
async fn new_file(path: &Path) -> Result<tokio::fs::File> {
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path).await.map_err(|error| unusable(path, &error))
}

fn unusable(file: &Path, error: &std::io::Error) -> Error {
    let why = match error.kind() {
        std::io::ErrorKind::AlreadyExists => "is there already",
        std::io::ErrorKind::NotFound => "was not found",
        _ => "cannot be read or written",
    };
    Error::invalid(format!("The file `{}` {why}.", file.display()), "Name another file, or - for a pipe.")
        .with_source(error.to_string())
}
