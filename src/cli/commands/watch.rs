//! `pdfco jobs watch`: every change of jobs, until all have ended.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::wait::{Patience, Waited, report_of};
use crate::app::{Caller, Event};
use crate::cli::job_selector::{FoundJob, RunningJobArgs};
use crate::cli::names::counted;
use crate::cli::output::Format;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::value_parsers::{interval, timeout};
use crate::clock::now;
use crate::error::Result;
use crate::jobs::{Job, JobStatus};

/// Examples of `jobs watch --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco jobs watch\n  pdfco jobs watch 7F3A 81BC\n  pdfco jobs watch --operation pdf-to-text --output ndjson | jq -r .message\n\nWith --output ndjson each line is an event; the first says `watch started`, the last `watch completed`.";

/// Flags of `jobs watch`.
#[derive(Clone, Debug, Args)]
pub struct WatchArgs {
    #[command(flatten)]
    jobs: RunningJobArgs,
    /// Watch at most so many seconds; 0 watches for ever
    #[arg(long, value_name = "SECS", default_value = "0", value_parser = timeout)]
    timeout: Duration,
    /// Check every so many seconds (0.5 to 60) instead of when it is worth its credits
    #[arg(long, value_name = "SECS", value_parser = interval)]
    interval: Option<Duration>,
}

/// Prints each change of the jobs that are meant, then how they ended.
///
/// # Errors
/// As `jobs wait`.
pub async fn run(session: &CliSession, caller: &Caller, args: WatchArgs) -> Result<Report> {
    let patience = Patience { timeout: args.timeout, interval: args.interval };
    let found = args.jobs.find(session, caller).await?;
    let jobs: Vec<Value> = found.iter().map(FoundJob::item).collect();
    let beginning = if found.is_empty() {
        "no jobs are running".to_owned()
    } else {
        format!("watching {}", counted(found.len() as i64, "job"))
    };
    session.printer.note(&beginning);
    print_event(session, "watch started", json!({"jobs": jobs}));
    let waits = found.iter().map(async |found| {
        let own = Caller { on_event: printing(session, found), ..caller.clone() };
        if let FoundJob::Known(job) = found
            && job.status.is_terminal()
        {
            // The wait that follows has no events of a job that ended before.
            (own.on_event)(event_of(job));
        }
        Waited::wait(session, &own, found.id(), patience).await
    });
    let mut report = report_of(session, join_all(waits).await, patience)?;
    if found.is_empty() {
        report.summary = beginning;
        report.notes.clear();
    }
    let mut data = report.data.clone();
    if let Some(fields) = data.as_object_mut() {
        fields.insert("summary".to_owned(), json!(report.summary));
    }
    print_event(session, "watch completed", data);
    report.already_printed = true;
    Ok(report)
}

/// The first and the last event of a stream.
fn print_event(session: &CliSession, message: &str, data: Value) {
    if session.printer.format == Format::Ndjson {
        session.printer.line(&json!({"type": "job_update", "app_id": "pdfco", "message": message, "data": data}));
    }
}

fn event_of(job: &Job) -> Event {
    Event::Job {
        job_id: job.id().to_owned(),
        status: job.status.clone(),
        elapsed_seconds: job.elapsed_seconds(now()),
        progress: f64::from(u8::from(job.status == JobStatus::Success)),
        checks_made: job.checks_made,
    }
}

/// A listener that prints each change of a job once: a new state, and for programs also each check.
fn printing(session: &CliSession, found: &FoundJob) -> Arc<dyn Fn(Event) + Send + Sync> {
    let (printer, tracker) = (session.printer, session.progress.clone());
    let operation = found.operation().to_owned();
    let last = Mutex::new(None);
    Arc::new(move |event| {
        tracker.track(&event);
        let Event::Job { job_id, status, elapsed_seconds, progress, checks_made } = event else { return };
        let change = Some((status.clone(), if printer.is_human() { 0 } else { checks_made }));
        let mut last = last.lock();
        if *last == change {
            return;
        }
        *last = change;
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
