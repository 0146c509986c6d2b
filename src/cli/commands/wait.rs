//! `pdfco jobs wait`: waits for one job or for several at once.
//!
//! All waits of a process share one poller, so that several jobs, or several waiters for one job, share its checks.

use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::app::Caller;
use crate::charge::Charge;
use crate::cli::exit_code::{SUCCESS, of_error, worst};
use crate::cli::job_report::{self, already_completed, job_of};
use crate::cli::job_selector::{FoundJob, JobArgs};
use crate::cli::names::counted;
use crate::cli::progress::Batch;
use crate::cli::report::{Problem, Report};
use crate::cli::session::CliSession;
use crate::cli::table::Table;
use crate::cli::text::with_reasons;
use crate::cli::value_parsers::{interval, timeout};
use crate::clock::now;
use crate::error::{Kind, Result};
use crate::jobs::{Job, JobStatus};
use crate::next_step::Audience;
use crate::text::shorten;

/// Examples of `jobs wait --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco jobs wait --latest\n  pdfco jobs wait 7F3A 81BC D204\n  timeout 600 pdfco jobs wait \"$ID\" --timeout 0\n  pdfco jobs wait --latest --operation pdf-to-text --output ndjson\n\nExit codes: 0 all succeeded, 1 one did not, 5 one still runs. Ctrl-C ends the wait, not the job.";

/// Flags of `jobs wait`.
#[derive(Clone, Debug, Args)]
pub struct WaitArgs {
    #[command(flatten)]
    jobs: JobArgs,
    /// Wait at most so many seconds; 0 waits for ever (one check is `jobs show`)
    #[arg(long, value_name = "SECS", default_value = "120", value_parser = timeout)]
    timeout: Duration,
    /// Check every so many seconds (0.5 to 60) instead of when it is worth its credits
    #[arg(long, value_name = "SECS", value_parser = interval)]
    interval: Option<Duration>,
}

/// How long to wait, and how often to check.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The longest wait.
    pub timeout: Duration,
    /// A fixed poll interval instead of the schedule.
    pub interval: Option<Duration>,
}

/// One of several waits that ended.
pub struct Waited {
    /// The job.
    pub id: String,
    /// Its outcome, or why it could not be waited for.
    pub outcome: Result<(Answer, Job)>,
}

/// Waits for the jobs that are meant.
///
/// # Errors
/// `not_found` when no job is meant; `cancelled` when the wait was given up. For one job, whatever ends its wait.
pub async fn run(session: &CliSession, caller: &Caller, args: &WaitArgs) -> Result<Report> {
    let patience = Patience { timeout: args.timeout, interval: args.interval };
    let found = args.jobs.find(session, caller).await?;
    if let [only] = found.as_slice() {
        return wait_for_one(session, caller, only, patience).await;
    }
    let batch = Batch::new(&session.progress, found.len());
    let waits = found.iter().map(async |found| {
        let lane = batch.lane(&format!("{} {}", found.operation(), shorten(found.id(), 8)));
        let own = Caller { on_event: lane.listener(), ..caller.clone() };
        let waited = Waited::wait(session, &own, found.id(), patience).await;
        batch.end(&lane, &waited.words(), false);
        waited
    });
    let waited = join_all(waits).await;
    batch.clear();
    report_of(session, waited, patience)
}

async fn wait_for_one(session: &CliSession, caller: &Caller, found: &FoundJob, patience: Patience) -> Result<Report> {
    session.progress.label(found.operation());
    let answer = session.app.wait(caller, found.id(), Some(patience.timeout), patience.interval).await?;
    let job = job_of(session, caller, &answer).await?;
    let mut report = job_report::outcome(session, &answer, &job, patience.timeout);
    if found.has_ended() {
        report.summary = already_completed(found.id());
        report.lines.push(report.summary.clone());
        report.notes.clear();
    }
    report.lines.extend(job_report::lines(&answer, &job));
    Ok(report)
}

impl Waited {
    /// Waits for one job of several.
    pub async fn wait(session: &CliSession, caller: &Caller, id: &str, patience: Patience) -> Waited {
        let outcome = async {
            let answer = session.app.wait(caller, id, Some(patience.timeout), patience.interval).await?;
            let job = job_of(session, caller, &answer).await?;
            Ok((answer, job))
        };
        Waited { outcome: outcome.await, id: id.to_owned() }
    }

    fn words(&self) -> String {
        match &self.outcome {
            Ok((_, job)) => format!("{}  {:.1} s", job.status.as_str(), job.elapsed_seconds(now())),
            Err(error) => error.message().to_owned(),
        }
    }

    fn row(&self) -> Vec<String> {
        match &self.outcome {
            Ok((answer, job)) => vec![
                self.id.clone(),
                job.status.as_str().to_owned(),
                if job.operation.is_empty() { "-".to_owned() } else { job.operation.clone() },
                result_of(answer, job),
            ],
            Err(_) => vec![self.id.clone(), "error".to_owned(), "-".to_owned(), "-".to_owned()],
        }
    }
}

fn result_of(answer: &Answer, job: &Job) -> String {
    let names = job_report::file_names(answer, job);
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

/// What several waits add up to.
#[derive(Default)]
struct Sum {
    items: Vec<Value>,
    reasons: Vec<String>,
    running: Vec<String>,
    /// Whether one of them was seen at work.
    is_working: bool,
    codes: Vec<u8>,
    /// Jobs that could not be asked about.
    errors: usize,
    charge: Charge,
}

impl Sum {
    /// # Errors
    /// `cancelled`, which ends the whole command.
    fn add(&mut self, session: &CliSession, waited: Waited, patience: Patience) -> Result<()> {
        match waited.outcome {
            Err(error) if error.kind() == Kind::Cancelled => return Err(error),
            Err(error) => {
                self.charge.add(error.charge());
                self.codes.push(of_error(error.kind()));
                self.errors += 1;
                self.reasons.push(format!("{}: {}", waited.id, error.message()));
                self.items
                    .push(json!({"job_id": waited.id, "status": "error", "error": error.to_json(Audience::Shell)}));
            }
            Ok((answer, job)) => {
                self.charge.add(answer.charge);
                let one = job_report::outcome(session, &answer, &job, patience.timeout);
                self.codes.push(one.code);
                self.reasons.extend(one.problem.map(|problem| problem.message));
                if !job.status.is_terminal() && job.job_id.is_some() {
                    self.running.push(waited.id);
                    self.is_working |= job.status != JobStatus::Queued;
                }
                self.items.push(job_report::data(&answer, &job));
            }
        }
        Ok(())
    }
}

/// Several waits in one report.
///
/// # Errors
/// `cancelled` when one of them was given up.
pub fn report_of(session: &CliSession, waited: Vec<Waited>, patience: Patience) -> Result<Report> {
    let rows = waited.iter().map(Waited::row).collect();
    let mut sum = Sum::default();
    for waited in waited {
        sum.add(session, waited, patience)?;
    }
    let total = sum.codes.len();
    let done = sum.codes.iter().filter(|code| **code == SUCCESS).count();
    let code = worst(sum.codes);
    let mut summary = format!("{done} of {} succeeded", counted(total as i64, "job"));
    if let Some(used) = sum.charge.credits {
        summary.push_str(&format!(", {}", counted(used, "credit")));
    }
    let hint = match sum.running.as_slice() {
        [] => format!("{} shows more of one.", session.again("pdfco jobs show JOB_ID")),
        ids => session.how(&format!("pdfco jobs wait {}", ids.join(" "))),
    };
    let status = match code {
        SUCCESS => "success",
        _ if sum.errors == total => "error",
        _ if sum.running.is_empty() => "failed",
        _ if !sum.is_working => "queued",
        _ => "working",
    };
    let table =
        Table { header: vec!["job_id", "status", "operation", "result"], rows, spare: &["operation", "result"] };
    Ok(Report {
        lines: table.lines(),
        data: json!({
            "status": status,
            "items": sum.items,
            "total": total,
            "counts": {"success": done, "running": sum.running.len(), "failed": total - done - sum.running.len()},
            "credits_used": sum.charge.credits,
            "credits_remaining": sum.charge.remaining,
        }),
        problem: (code != SUCCESS).then(|| Problem { message: with_reasons(&summary, &sum.reasons), hint }),
        notes: if code == SUCCESS { vec![summary.clone()] } else { Vec::new() },
        table: Some(table),
        summary,
        code,
        ..Report::default()
    })
}
