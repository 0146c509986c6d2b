//! `pdfco jobs show`: one check, and what is known of the job.

use clap::Args;

use crate::app::Caller;
use crate::cli::job_report::{self, job_of};
use crate::cli::job_selector::{JobArg, not_found};
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::error::Result;
use crate::jobs::JobStatus;
use crate::next_step::Audience;

/// Examples of `jobs show --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco jobs show --latest\n  pdfco jobs show 7F3A --json | jq -r .data.status";

/// Flags of `jobs show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    job: JobArg,
    /// Check again although the job has ended; costs a check
    #[arg(long)]
    force: bool,
}

/// Checks the job once, unless it is known to have ended, and shows its record.
///
/// # Errors
/// `not_found` when neither the ledger nor the service knows the job; as `App::check`.
pub async fn run(session: &CliSession, caller: &Caller, args: &ShowArgs) -> Result<Report> {
    let found = args.job.find(session, caller).await?;
    let answer = session.app.check(caller, found.id(), args.force).await?;
    let job = job_of(session, caller, &answer).await?;
    if job.status == JobStatus::Unknown {
        return Err(not_found(found.id()).with_charge(answer.charge));
    }
    Ok(Report {
        summary: format!("job {}: {}", found.id(), job.status.as_str()),
        lines: job_report::lines(&answer, &job),
        data: job_report::data(&answer, &job),
        notes: answer.tips.iter().map(|tips| tips.text(Audience::Shell)).collect(),
        ..Report::default()
    })
}
