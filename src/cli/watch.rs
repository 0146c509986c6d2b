//! Waiting for jobs: one, several at once, or as a stream of changes.
//!
//! What lives here: `jobs wait` and `jobs watch`. What never does: looking at a job. Whoever waits here waits at the
//! engine's one poller, so that several jobs, or several waiters for one job, share its looks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::Session;
use super::jobs::{Found, Targets, already_completed, find_all, find_running};
use super::output::{Format, Report, SUCCESS, Table, error_in_shell_words, exit_code, worst};
use super::progress_bar::{Lanes, counted};
use super::record::{self, job_of};
use crate::answer::Answer;
use crate::app::{Caller, Event};
use crate::catalog::shorten;
use crate::error::{Error, Kind, Result};
use crate::jobs::Job;

/// Most reasons that an error names.
const REASONS_MAX: usize = 20;

/// How long, and how often to look.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// At most.
    pub timeout: Duration,
    /// Instead of the schedule.
    pub interval: Option<Duration>,
}

/// What became of one of several waits.
struct Ending {
    id: String,
    /// As the wait itself reports it.
    outcome: Result<(Answer, Job)>,
}

/// `pdfco jobs wait`.
///
/// # Errors
/// `not_found` when no job is meant; `cancelled` when the wait was given up. For one job, whatever ends its wait.
pub async fn wait(session: &Session, caller: &Caller, targets: &Targets, patience: Patience) -> Result<Report> {
    let found = find_all(session, caller, targets).await?;
    if let [only] = found.as_slice() {
        return wait_for_one(session, caller, only, patience).await;
    }
    let lanes = Lanes::new(&session.progress, found.len());
    let waits = found.iter().map(async |found| {
        let id = found.id();
        let lane = lanes.lane(&format!("{} {}", found.operation(), shorten(&id, 8)));
        let own = Caller { on_event: lane.listener(), ..caller.clone() };
        let ending = follow(session, &own, id, patience).await;
        lane.end(&ending.words(), false);
        ending
    });
    let endings = join_all(waits).await;
    lanes.clear();
    report_of(session, endings, patience)
}

async fn wait_for_one(session: &Session, caller: &Caller, found: &Found, patience: Patience) -> Result<Report> {
    let id = found.id();
    session.progress.label(found.operation());
    let answer = session.app.wait(caller, &id, Some(patience.timeout), patience.interval).await?;
    let job = job_of(session, caller, &answer).await?;
    let mut report = record::outcome(session, &answer, &job, patience.timeout);
    if found.is_completed() {
        report.summary = already_completed(&id);
        report.lines.push(report.summary.clone());
        report.notes.clear();
    }
    report.lines.extend(record::lines(&job));
    Ok(report)
}

async fn follow(session: &Session, caller: &Caller, id: String, patience: Patience) -> Ending {
    let waited = async {
        let answer = session.app.wait(caller, &id, Some(patience.timeout), patience.interval).await?;
        let job = job_of(session, caller, &answer).await?;
        Ok((answer, job))
    };
    let outcome = waited.await;
    Ending { id, outcome }
}

impl Ending {
    fn words(&self) -> String {
        match &self.outcome {
            Ok((_, job)) => {
                format!("{}  {:.1} s", job.status.as_str(), job.elapsed_seconds(crate::clock::now()))
            }
            Err(error) => error.message().to_owned(),
        }
    }

    fn row(&self) -> Vec<String> {
        match &self.outcome {
            Ok((_, job)) => vec![
                self.id.clone(),
                job.status.as_str().to_owned(),
                if job.operation.is_empty() { "-".to_owned() } else { job.operation.clone() },
                names_of(job),
            ],
            Err(_) => vec![self.id.clone(), "error".to_owned(), "-".to_owned(), "-".to_owned()],
        }
    }
}

/// The names of a job's files.
fn names_of(job: &Job) -> String {
    let names: Vec<String> = job.results().links.iter().filter_map(|link| link.file_name()).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

/// Several waits in one report.
fn report_of(session: &Session, endings: Vec<Ending>, patience: Patience) -> Result<Report> {
    let (mut rows, mut items, mut reasons, mut running, mut codes) = (vec![], vec![], vec![], vec![], vec![]);
    let mut charge = crate::charge::Charge::NONE;
    for ending in endings {
        rows.push(ending.row());
        match ending.outcome {
            Err(error) if error.kind() == Kind::Cancelled => return Err(error),
            Err(error) => {
                charge.add(error.charge());
                codes.push(exit_code(error.kind()));
                reasons.push(format!("{}: {}", ending.id, error.message()));
                items.push(json!({"job_id": ending.id, "status": "error", "error": error_in_shell_words(&error)}));
            }
            Ok((answer, job)) => {
                charge.add(answer.charge);
                let one = record::outcome(session, &answer, &job, patience.timeout);
                codes.push(one.code);
                reasons.extend(one.problem.map(|(message, _)| message));
                if !job.status.is_terminal() && job.job_id.is_some() {
                    running.push(ending.id);
                }
                items.push(record::data(&answer, &job));
            }
        }
    }
    let total = codes.len();
    let done = codes.iter().filter(|code| **code == SUCCESS).count();
    let code = worst(codes);
    let mut summary = format!("{done} of {} succeeded", counted(total as i64, "job"));
    if let Some(used) = charge.credits {
        summary.push_str(&format!(", {}", counted(used, "credit")));
    }
    let hint = match running.as_slice() {
        [] => "pdfco jobs show JOB_ID tells more of one.".to_owned(),
        ids => session.how(&format!("pdfco jobs wait {}", ids.join(" "))),
    };
    let table =
        Table { header: vec!["job_id", "status", "operation", "result"], rows, spare: &["operation", "result"] };
    Ok(Report {
        lines: table.lines(),
        data: json!({
            "status": if code == SUCCESS { "success" } else if running.is_empty() { "failed" } else { "working" },
            "items": items,
            "total": total,
            "counts": {"success": done, "running": running.len(), "failed": total - done - running.len()},
            "credits_used": charge.credits,
            "credits_remaining": charge.remaining,
        }),
        problem: (code != SUCCESS).then(|| (several(&summary, &reasons), hint)),
        notes: if code == SUCCESS { vec![summary.clone()] } else { Vec::new() },
        table: Some(table),
        summary,
        code,
        ..Report::default()
    })
}

/// A headline and its reasons, not too many of them.
pub fn several(headline: &str, reasons: &[String]) -> String {
    let mut words = headline.to_owned();
    for reason in reasons.iter().take(REASONS_MAX) {
        words.push_str(&format!("\n  {}", reason.replace('\n', " ")));
    }
    if reasons.len() > REASONS_MAX {
        words.push_str(&format!("\n  … and {} more", reasons.len() - REASONS_MAX));
    }
    words
}

/// `pdfco jobs watch`: every change as it is heard, until all have ended.
///
/// # Errors
/// As [`wait`].
pub async fn watch(session: &Session, caller: &Caller, targets: &Targets, patience: Patience) -> Result<Report> {
    let found = if targets.names_jobs() {
        find_all(session, caller, targets).await?
    } else {
        find_running(session, caller, targets).await?
    };
    let jobs: Vec<Value> = found.iter().map(Found::line).collect();
    let begins = if found.is_empty() {
        "no jobs are running".to_owned()
    } else {
        format!("watching {}", counted(found.len() as i64, "job"))
    };
    session.printer.note(&begins);
    told(session, "watch started", json!({"jobs": jobs}));
    let waits = found.iter().map(|found| {
        let own = Caller { on_event: teller(session, found), ..caller.clone() };
        async move {
            let id = found.id();
            if let Found::Known(job) = found
                && job.status.is_terminal()
            {
                // The wait that follows tells nothing of what ended before.
                (own.on_event)(event_of(job));
            }
            follow(session, &own, id, patience).await
        }
    });
    let endings = join_all(waits).await;
    let mut report = report_of(session, endings, patience)?;
    if found.is_empty() {
        report.summary = begins;
        report.notes.clear();
    }
    told(session, "watch completed", with_summary(&report));
    report.is_told = true;
    Ok(report)
}

fn with_summary(report: &Report) -> Value {
    let mut data = report.data.clone();
    if let Some(fields) = data.as_object_mut() {
        fields.insert("summary".to_owned(), json!(report.summary));
    }
    data
}

/// The first and the last event of a stream.
fn told(session: &Session, message: &str, data: Value) {
    if session.printer.format == Format::Ndjson {
        session.printer.line(&json!({"type": "job_update", "app_id": "pdfco", "message": message, "data": data}));
    }
}

fn event_of(job: &Job) -> Event {
    Event::Job {
        job_id: job.id().to_owned(),
        status: job.status.as_str().to_owned(),
        elapsed_seconds: job.elapsed_seconds(crate::clock::now()),
        progress: f64::from(u8::from(job.status == crate::jobs::JobStatus::Success)),
        checks_made: job.checks_made,
    }
}

/// Tells each change of a job once: a new state, and to a program also each look that was paid for.
fn teller(session: &Session, found: &Found) -> Arc<dyn Fn(Event) + Send + Sync> {
    let (printer, progress) = (session.printer, session.progress.clone());
    let operation = found.operation().to_owned();
    let last = Mutex::new(None);
    Arc::new(move |event| {
        progress.keep_in_mind(&event);
        let Event::Job { job_id, status, elapsed_seconds, progress, checks_made } = event else { return };
        let news = Some((status.clone(), if printer.is_human() { 0 } else { checks_made }));
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == news {
            return;
        }
        *last = news;
        let words =
            format!("{job_id}  {status}  {operation}  {elapsed_seconds:.1} s  {}", counted(checks_made, "check"));
        match printer.format {
            Format::Human => printer.say(&words),
            Format::Ndjson => {
                let data = json!({"job_id": job_id, "status": status, "operation": operation, "elapsed_seconds": elapsed_seconds, "progress": progress, "checks_made": checks_made});
                printer.line(&json!({"type": "job_update", "app_id": "pdfco", "message": words, "data": data}));
            }
            Format::Json => {}
        }
    })
}

/// The words for several jobs that go on after a wait was given up.
pub fn going_on(session: &Session, running: &[String], last: Option<String>, error: Error) -> Error {
    let (message, command) = match (running, last) {
        _ if session.is_simulated() => ("Interrupted.".to_owned(), String::new()),
        ([job], _) => (format!("Interrupted; job {job} goes on."), format!("pdfco jobs wait {job}")),
        ([], Some(job)) => (format!("Interrupted; job {job} has ended."), format!("pdfco jobs show {job}")),
        ([], None) => return error,
        (jobs, _) => {
            (format!("Interrupted; {} jobs go on.", jobs.len()), format!("pdfco jobs wait {}", jobs.join(" ")))
        }
    };
    Error::new(Kind::Cancelled, message, session.how(&command))
}
