//! `pdfco jobs cancel`: stops tracking a job.

use clap::Args;

use crate::app::Caller;
use crate::cli::exit_code::of_outcome;
use crate::cli::job_report::{self, already_completed, job_of};
use crate::cli::job_selector::{FoundJob, JobArg, not_found};
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::error::Result;
use crate::next_step::Audience;

/// Examples of `jobs cancel --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco jobs cancel --latest\n  pdfco jobs cancel 7F3A";

/// Flags of `jobs cancel`.
#[derive(Clone, Debug, Args)]
pub struct CancelArgs {
    #[command(flatten)]
    job: JobArg,
}

/// Stops tracking the job. The service does not learn of it, and may still finish and charge.
///
/// # Errors
/// `not_found` for a job that is not in the ledger.
pub async fn run(session: &CliSession, caller: &Caller, args: &CancelArgs) -> Result<Report> {
    let found = args.job.find(session, caller).await?;
    let id = found.id();
    let FoundJob::Known(_) = &found else { return Err(not_found(id)) };
    let answer = session.app.cancel(caller, id).await?;
    let job = job_of(session, caller, &answer).await?;
    let data = job_report::data(&answer, &job);
    if found.has_ended() {
        return Ok(Report { code: of_outcome(&job.status), ..Report::line(already_completed(id), data) });
    }
    let notes = answer.tips.iter().map(|tips| tips.text(Audience::Shell)).collect();
    Ok(Report { notes, ..Report::line(format!("job '{id}' cancelled"), data) })
}
