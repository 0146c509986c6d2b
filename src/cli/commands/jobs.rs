//! `pdfco jobs`: its verbs, each in a file of its own beside this one.

use clap::Subcommand;

use super::{cancel, download, list, read, report, show, wait, watch};
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::error::Result;

/// Examples of `jobs --help`.
pub const EXAMPLES: &str = "Examples:
  pdfco jobs list --status working
  pdfco jobs wait --latest --timeout 600
  pdfco jobs watch
  pdfco jobs read 7F3A --tail-lines 20      the beginning of an id is enough";

/// Commands of `jobs`.
#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// List the jobs of this key, newest first
    #[command(after_help = list::EXAMPLES)]
    List(list::ListArgs),
    /// Check a job once and show what is known of it
    #[command(after_help = show::EXAMPLES)]
    Show(show::ShowArgs),
    /// Wait until jobs end; the exit code says how
    #[command(after_help = wait::EXAMPLES)]
    Wait(wait::WaitArgs),
    /// Print each change of jobs until all have ended
    #[command(after_help = watch::EXAMPLES)]
    Watch(watch::WatchArgs),
    /// Stop tracking a job; the service may still finish it and charge
    #[command(after_help = cancel::EXAMPLES)]
    Cancel(cancel::CancelArgs),
    /// Print the text of a result
    #[command(after_help = read::EXAMPLES)]
    Read(read::ReadArgs),
    /// Save the result of a job
    #[command(after_help = download::EXAMPLES)]
    Download(download::DownloadArgs),
    /// Write jobs, charges and a chart of them into one HTML file
    #[command(after_help = report::EXAMPLES)]
    Report(report::ReportArgs),
}

impl JobsCommand {
    /// Its word on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            JobsCommand::List(_) => "list",
            JobsCommand::Show(_) => "show",
            JobsCommand::Wait(_) => "wait",
            JobsCommand::Watch(_) => "watch",
            JobsCommand::Cancel(_) => "cancel",
            JobsCommand::Read(_) => "read",
            JobsCommand::Download(_) => "download",
            JobsCommand::Report(_) => "report",
        }
    }
}

/// `pdfco jobs …`.
///
/// # Errors
/// As the verb; `not_found` when no job is meant.
pub async fn run(session: &CliSession, command: JobsCommand) -> Result<Report> {
    let caller = session.caller()?;
    match command {
        JobsCommand::List(args) => list::run(session, &caller, &args).await,
        JobsCommand::Show(args) => show::run(session, &caller, &args).await,
        JobsCommand::Wait(args) => wait::run(session, &caller, &args).await,
        JobsCommand::Watch(args) => watch::run(session, &caller, args).await,
        JobsCommand::Cancel(args) => cancel::run(session, &caller, &args).await,
        JobsCommand::Read(args) => read::run(session, &caller, &args).await,
        JobsCommand::Download(args) => download::run(session, &caller, &args).await,
        JobsCommand::Report(args) => report::run(session, &caller, &args).await,
    }
}
