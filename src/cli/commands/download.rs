//! `pdfco jobs download`: saves the result of a job.

use clap::Args;

use crate::app::Caller;
use crate::cli::job_report::{self, job_of};
use crate::cli::job_selector::JobArg;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::targets::Target;
use crate::error::Result;
use crate::jobs::JobId;

/// Examples of `jobs download --help`.
pub const EXAMPLES: &str =
    "Examples:\n  pdfco jobs download --latest\n  pdfco jobs download 7F3A --save-to report.pdf --overwrite";

/// Flags of `jobs download`.
#[derive(Clone, Debug, Args)]
pub struct DownloadArgs {
    #[command(flatten)]
    job: JobArg,
    /// File or folder. Default: the result's own name, in this folder
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    save_to: Option<String>,
    /// Replace a file that is there
    #[arg(long)]
    overwrite: bool,
}

/// Saves the files of the result; prints path, size and digest of each.
///
/// # Errors
/// As `App::download`.
pub async fn run(session: &CliSession, caller: &Caller, args: &DownloadArgs) -> Result<Report> {
    let found = args.job.find(session, caller).await?;
    let target = args.save_to.as_deref().map(|path| Target::parse(session, path)).transpose()?;
    let command = match &target {
        Some(target) => target.command_for(found.id()),
        None => format!("pdfco jobs download {}", found.id()),
    };
    session.progress.downloads(found.id(), &command);
    let answer = match &target {
        Some(Target::Stdout) => {
            let job = session.app.jobs().get(&caller.owner, &JobId::parse(found.id())?).await?;
            Target::Stdout.save(session, caller, &job, false).await?
        }
        _ => session.app.download(caller, found.id(), args.save_to.as_deref(), args.overwrite).await?,
    };
    let job = job_of(session, caller, &answer).await?;
    if target == Some(Target::Stdout) {
        return Ok(Report {
            summary: "printed".to_owned(),
            data: job_report::data(&answer, &job),
            ..Report::default()
        });
    }
    let lines = job_report::saved_lines(&answer);
    Ok(Report {
        summary: format!("saved {}", lines.len()),
        lines,
        data: job_report::data(&answer, &job),
        ..Report::default()
    })
}
