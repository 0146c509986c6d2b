//! `pdfco jobs`: what happened to what was submitted.
//!
//! What lives here: the commands of `jobs`, and finding the job that a person means. What never does: how a job is
//! shown (`record.rs`) and every rule about jobs (`app.rs` and below).

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Session;
use super::account::{cell, listed};
use super::output::{Report, SUCCESS, in_shell_words, outcome_code};
use super::record::{self, job_of};
use super::watch::{self, Patience};
use crate::app::{Caller, PAGE_MAX};
use crate::catalog::{self, shorten};
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::jobs::{Job, JobStatus};
use crate::tenant::Tenant;

/// Examples of `jobs --help`.
pub const EXAMPLES: &str = "Examples:
  pdfco jobs list --status working
  pdfco jobs wait --latest --timeout 600
  pdfco jobs watch
  pdfco jobs read 7F3A --tail-lines 20      the beginning of an id is enough";

/// What "for ever" is, for timers that need an end.
pub const A_YEAR: Duration = Duration::from_secs(365 * 86_400);
/// Most jobs of one command.
const JOBS_MAX: u32 = 1_000;
/// An id at least this long may be the service's own and of another machine; a shorter one is a beginning.
const WHOLE_ID_CHARS: usize = 20;

/// Commands of `jobs`.
#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// List the jobs of this key, newest first
    #[command(after_help = "Examples:\n  pdfco jobs list\n  pdfco jobs list --status failed --json | jq .data.items")]
    List {
        /// Only jobs in this state: queued, working, success, failed, aborted, unknown, cancelled
        #[arg(long, value_name = "STATE")]
        status: Option<String>,
        /// Most jobs to list
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        /// Where a longer list goes on
        #[arg(long, value_name = "CURSOR")]
        cursor: Option<String>,
    },
    /// Look at a job once and show what is known of it
    #[command(after_help = "Examples:\n  pdfco jobs show --latest\n  pdfco jobs show 7F3A --json | jq -r .data.status")]
    Show(Target),
    /// Wait until jobs end; the exit code tells how
    #[command(
        after_help = "Examples:\n  pdfco jobs wait --latest\n  pdfco jobs wait 7F3A 81BC D204\n  timeout 600 pdfco jobs wait \"$ID\" --timeout 0\n  pdfco jobs wait --latest --operation pdf-to-text --output ndjson\n\nExit codes: 0 all succeeded, 1 one did not, 5 one still runs. Ctrl-C ends the wait, not the job."
    )]
    Wait {
        /// Which jobs
        #[command(flatten)]
        targets: Targets,
        /// Wait at most so many seconds; 0 waits for ever (one look is `jobs show`)
        #[arg(long, value_name = "SECS", default_value = "120", value_parser = seconds)]
        timeout: Duration,
        /// Look every so many seconds (0.5 to 60) instead of when it is worth its credits
        #[arg(long, value_name = "SECS", value_parser = interval)]
        interval: Option<Duration>,
    },
    /// Print each change of jobs until all have ended
    #[command(
        after_help = "Examples:\n  pdfco jobs watch\n  pdfco jobs watch 7F3A 81BC\n  pdfco jobs watch --operation pdf-to-text --output ndjson | jq -r .message\n\nWith --output ndjson each line is an event; the first says `watch started`, the last `watch completed`."
    )]
    Watch {
        /// Which jobs
        #[command(flatten)]
        targets: WatchTargets,
        /// Watch at most so many seconds; 0 watches for ever
        #[arg(long, value_name = "SECS", default_value = "0", value_parser = seconds)]
        timeout: Duration,
        /// Look every so many seconds (0.5 to 60) instead of when it is worth its credits
        #[arg(long, value_name = "SECS", value_parser = interval)]
        interval: Option<Duration>,
    },
    /// Stop following a job; the service may still finish it and charge
    #[command(after_help = "Examples:\n  pdfco jobs cancel --latest\n  pdfco jobs cancel 7F3A")]
    Cancel(Target),
    /// Print the text of a result
    #[command(
        after_help = "Examples:\n  pdfco jobs read --latest\n  pdfco jobs read 7F3A --offset 20000 --limit 20000\n  pdfco jobs read 7F3A --tail-lines 20"
    )]
    Read {
        /// Which job
        #[command(flatten)]
        target: Target,
        /// First character to print
        #[arg(long, value_name = "CHARS", default_value_t = 0)]
        offset: u64,
        /// Most characters to print. Default: all, or 20000 with --json
        #[arg(long, value_name = "CHARS", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
        /// Print the last lines instead
        #[arg(long, value_name = "N", conflicts_with = "offset")]
        tail_lines: Option<u64>,
        /// Which of several outputs, counted from 0
        #[arg(long, value_name = "N", default_value_t = 0)]
        index: usize,
    },
    /// Save the result of a job
    #[command(
        after_help = "Examples:\n  pdfco jobs download --latest\n  pdfco jobs download 7F3A --save-to report.pdf --overwrite"
    )]
    Download {
        /// Which job
        #[command(flatten)]
        target: Target,
        /// File or folder. Default: the result's own name, in this folder
        #[arg(long, value_name = "PATH")]
        save_to: Option<String>,
        /// Replace a file that is there
        #[arg(long)]
        overwrite: bool,
    },
}

impl JobsCommand {
    /// Its word on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            JobsCommand::List { .. } => "list",
            JobsCommand::Show(_) => "show",
            JobsCommand::Wait { .. } => "wait",
            JobsCommand::Watch { .. } => "watch",
            JobsCommand::Cancel(_) => "cancel",
            JobsCommand::Read { .. } => "read",
            JobsCommand::Download { .. } => "download",
        }
    }
}

/// Which job.
#[derive(Debug, Args)]
pub struct Target {
    /// Id of the job, or its beginning
    #[arg(required_unless_present = "latest", conflicts_with_all = ["latest", "operation"])]
    job_id: Option<String>,
    /// The newest job
    #[arg(long)]
    latest: bool,
    /// The newest job of this operation
    #[arg(long, value_name = "NAME", requires = "latest")]
    operation: Option<String>,
}

/// Which jobs: one or several.
#[derive(Debug, Args)]
pub struct Targets {
    /// Ids of jobs, or their beginnings
    #[arg(value_name = "JOB_ID", required_unless_present = "latest", conflicts_with_all = ["latest", "operation"])]
    job_ids: Vec<String>,
    /// The newest job
    #[arg(long)]
    latest: bool,
    /// The newest job of this operation
    #[arg(long, value_name = "NAME", requires = "latest")]
    operation: Option<String>,
}

/// Which jobs to watch: all that run, unless something is said.
#[derive(Debug, Args)]
pub struct WatchTargets {
    /// Ids of jobs, or their beginnings. Default: all jobs that run
    #[arg(value_name = "JOB_ID", conflicts_with_all = ["latest", "operation"])]
    job_ids: Vec<String>,
    /// The newest job
    #[arg(long)]
    latest: bool,
    /// Only jobs of this operation
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
}

impl From<WatchTargets> for Targets {
    fn from(targets: WatchTargets) -> Targets {
        Targets { job_ids: targets.job_ids, latest: targets.latest, operation: targets.operation }
    }
}

impl Targets {
    /// Whether jobs are named, or the newest is meant.
    pub fn names_jobs(&self) -> bool {
        self.latest || !self.job_ids.is_empty()
    }
}

/// Seconds as written.
///
/// # Errors
/// What it takes.
pub fn plain_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=A_YEAR.as_secs_f64()).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "a number of seconds, such as 120 or 2.5".to_owned())
}

/// A budget: seconds, where 0 is none.
///
/// # Errors
/// What it takes.
pub fn seconds(text: &str) -> Result<Duration, String> {
    plain_seconds(text).map(|budget| if budget.is_zero() { A_YEAR } else { budget })
}

fn interval(text: &str) -> Result<Duration, String> {
    plain_seconds(text)
        .ok()
        .filter(|seconds| (0.5..=60.0).contains(&seconds.as_secs_f64()))
        .ok_or_else(|| "a number of seconds from 0.5 to 60".to_owned())
}

/// `pdfco jobs …`.
///
/// # Errors
/// As the use case behind it; `not_found` when no job is meant.
pub async fn run(session: &Session, command: JobsCommand) -> Result<Report> {
    let caller = session.caller()?;
    let caller = &caller;
    match command {
        JobsCommand::List { status, limit, cursor } => {
            list(session, caller, status.as_deref(), limit, cursor.as_deref()).await
        }
        JobsCommand::Show(target) => show(session, caller, &target).await,
        JobsCommand::Wait { targets, timeout, interval } => {
            watch::wait(session, caller, &targets, Patience { timeout, interval }).await
        }
        JobsCommand::Watch { targets, timeout, interval } => {
            watch::watch(session, caller, &targets.into(), Patience { timeout, interval }).await
        }
        JobsCommand::Cancel(target) => cancel(session, caller, &target).await,
        JobsCommand::Read { target, offset, limit, tail_lines, index } => {
            let id = find(session, caller, &target).await?.id();
            read(session, caller, &id, Part { offset, limit, tail_lines, index }).await
        }
        JobsCommand::Download { target, save_to, overwrite } => {
            let id = find(session, caller, &target).await?.id();
            let answer = session.app.download(caller, &id, save_to.as_deref(), overwrite).await?;
            let job = job_of(session, caller, &answer).await?;
            let lines = record::saved_lines(&answer);
            Ok(Report {
                summary: format!("saved {}", lines.len()),
                lines,
                data: record::data(&answer, &job),
                ..Report::default()
            })
        }
    }
}

/// The job that is meant.
pub enum Found {
    /// In the ledger.
    Known(Box<Job>),
    /// Perhaps the service knows it.
    Stranger(String),
}

impl Found {
    /// Its id.
    pub fn id(&self) -> String {
        match self {
            Found::Known(job) => job.id().to_owned(),
            Found::Stranger(id) => id.clone(),
        }
    }

    /// Known, and in an end state before anything was asked.
    pub fn is_completed(&self) -> bool {
        matches!(self, Found::Known(job) if job.status.is_terminal())
    }

    /// What it does, as far as is known.
    pub fn operation(&self) -> &str {
        match self {
            Found::Known(job) if !job.operation.is_empty() => &job.operation,
            Found::Known(_) | Found::Stranger(_) => "job",
        }
    }

    /// For a list.
    pub fn line(&self) -> Value {
        match self {
            Found::Known(job) => crate::app::job_line(job),
            Found::Stranger(id) => json!({"job_id": id, "status": "working", "operation": Value::Null}),
        }
    }
}

async fn find(session: &Session, caller: &Caller, target: &Target) -> Result<Found> {
    let ledger = session.app.jobs().ledger();
    let caller = &caller.owner.tenant;
    let Some(id) = target.job_id.as_deref() else {
        let operation = target.operation.as_deref().map(catalog::find).transpose()?.map(|operation| operation.name);
        let latest = ledger.latest(caller, operation).await?;
        return latest.map(|job| Found::Known(Box::new(job))).ok_or_else(|| match operation {
            Some(operation) => Error::new(
                Kind::NotFound,
                format!("no jobs found for command '{operation}'"),
                "`pdfco jobs list` shows what there is.",
            ),
            None => Error::new(
                Kind::NotFound,
                "no jobs found; run a background command first or pass an explicit job id",
                "`pdfco call <operation> --background` makes one. Each key and each ledger has its own jobs.",
            ),
        });
    };
    find_by_id(session, caller, id).await
}

/// The jobs that are meant, each once.
///
/// # Errors
/// As for one; too many are refused.
pub async fn find_all(session: &Session, caller: &Caller, targets: &Targets) -> Result<Vec<Found>> {
    if targets.job_ids.is_empty() {
        let target = Target { job_id: None, latest: targets.latest, operation: targets.operation.clone() };
        return Ok(vec![find(session, caller, &target).await?]);
    }
    if targets.job_ids.len() > JOBS_MAX as usize {
        return Err(Error::invalid(
            format!("{} jobs are more than {JOBS_MAX}.", targets.job_ids.len()),
            "Wait for some of them first.",
        ));
    }
    let mut all: Vec<Found> = Vec::new();
    for id in &targets.job_ids {
        let found = find_by_id(session, &caller.owner.tenant, id).await?;
        if !all.iter().any(|other| other.id() == found.id()) {
            all.push(found);
        }
    }
    Ok(all)
}

/// The jobs that run, of one operation or of any, oldest first.
///
/// # Errors
/// `not_found` for an operation that is none.
pub async fn find_running(session: &Session, caller: &Caller, targets: &Targets) -> Result<Vec<Found>> {
    let operation = targets.operation.as_deref().map(catalog::find).transpose()?.map(|operation| operation.name);
    let mut running = Vec::new();
    for status in ["queued", "working"] {
        let page = session.app.jobs().ledger().list(&caller.owner.tenant, Some(status), JOBS_MAX, None).await?;
        // What the service never confirmed cannot be looked at.
        running.extend(page.jobs.into_iter().filter(|job| job.job_id.is_some()));
    }
    running.retain(|job| operation.is_none_or(|operation| job.operation == operation));
    running.sort_by_key(|job| job.created_at);
    Ok(running.into_iter().map(|job| Found::Known(Box::new(job))).collect())
}

async fn find_by_id(session: &Session, tenant: &Tenant, id: &str) -> Result<Found> {
    let ledger = session.app.jobs().ledger();
    let id = id.trim();
    if id.is_empty() {
        return Err(Error::invalid(
            "The job id is empty.",
            "Pass an id or the beginning of one; `pdfco jobs list` shows them.",
        ));
    }
    if let Some(job) = ledger.get(tenant, id).await? {
        return Ok(Found::Known(Box::new(job)));
    }
    let mut jobs = ledger.by_prefix(tenant, id).await?;
    match (jobs.len(), jobs.pop()) {
        (1, Some(job)) => Ok(Found::Known(Box::new(job))),
        (0, _) if id.chars().count() >= WHOLE_ID_CHARS => Ok(Found::Stranger(id.to_owned())),
        (0, _) => Err(not_found(id)),
        _ => Err(Error::invalid(
            format!("Several jobs' ids begin with '{}'.", shorten(id, 60)),
            "Give more of the id; `pdfco jobs list` shows them whole.",
        )),
    }
}

fn not_found(id: &str) -> Error {
    Error::new(
        Kind::NotFound,
        format!("job '{}' was not found", shorten(id, 60)),
        "`pdfco jobs list` shows the jobs of this key.",
    )
}

async fn list(
    session: &Session,
    caller: &Caller,
    status: Option<&str>,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Report> {
    let answer = session.app.list(caller, status, limit, cursor).await?;
    let field = |name: &str| answer.content.get(name).cloned().unwrap_or_default();
    let items = field("items");
    let row = |item: &Value| {
        vec![
            cell(item, "job_id"),
            cell(item, "status"),
            cell(item, "operation"),
            age(&cell(item, "submitted_at")),
            cell(item, "credits_total"),
        ]
    };
    let rows: Vec<Vec<String>> = items.as_array().into_iter().flatten().map(row).collect();
    let total = field("total").as_u64().and_then(|total| usize::try_from(total).ok()).unwrap_or(rows.len());
    let shown = rows.len();
    let mut report =
        listed(items, total, vec!["job_id", "status", "operation", "age", "credits"], rows, "no jobs recorded", "job");
    let next = field("next_cursor");
    if let Some(cursor) = next.as_str() {
        report.notes.push(format!("{shown} of {total}; --cursor {cursor} shows more."));
    }
    if let Some(data) = report.data.as_object_mut() {
        data.insert("next_cursor".to_owned(), next);
    }
    Ok(report)
}

/// How long ago, in one short word.
fn age(submitted: &str) -> String {
    let Ok(at) = submitted.parse::<jiff::Timestamp>() else { return "-".to_owned() };
    match now().saturating_sub(at.as_millisecond()).max(0) / 1_000 {
        seconds @ 0..=119 => format!("{seconds}s"),
        seconds @ 120..=7_199 => format!("{}m", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

async fn show(session: &Session, caller: &Caller, target: &Target) -> Result<Report> {
    let id = find(session, caller, target).await?.id();
    let answer = session.app.check(caller, &id, false).await?;
    let job = job_of(session, caller, &answer).await?;
    if job.status == JobStatus::Unknown {
        return Err(not_found(&id).with_charge(answer.charge));
    }
    let tips = in_shell_words(&answer.tips.clone().unwrap_or_default());
    let lines = record::lines(&job);
    Ok(Report {
        summary: format!("job {id}: {}", job.status.as_str()),
        lines,
        data: record::data(&answer, &job),
        notes: vec![tips],
        ..Report::default()
    })
}

/// What is said of a job that had ended before anything was asked.
pub fn already_completed(id: &str) -> String {
    format!("job '{id}' is already completed")
}

async fn cancel(session: &Session, caller: &Caller, target: &Target) -> Result<Report> {
    let found = find(session, caller, target).await?;
    let id = found.id();
    let Found::Known(_) = &found else { return Err(not_found(&id)) };
    let answer = session.app.cancel(caller, &id).await?;
    let job = job_of(session, caller, &answer).await?;
    let data = record::data(&answer, &job);
    if found.is_completed() {
        let said = already_completed(&id);
        return Ok(Report {
            summary: said.clone(),
            lines: vec![said],
            data,
            code: outcome_code(&job.status),
            ..Report::default()
        });
    }
    let said = format!("job '{id}' cancelled");
    let notes = vec![in_shell_words(&answer.tips.clone().unwrap_or_default())];
    Ok(Report { summary: said.clone(), lines: vec![said], data, notes, code: SUCCESS, ..Report::default() })
}

/// Which part of a text.
struct Part {
    offset: u64,
    limit: Option<u64>,
    tail_lines: Option<u64>,
    index: usize,
}

async fn read(session: &Session, caller: &Caller, id: &str, part: Part) -> Result<Report> {
    if session.printer.is_human() && part.tail_lines.is_none() {
        let (text, next) = text(session, caller, id, part.offset, part.limit, part.index).await?;
        let notes =
            next.map(|next| session.how(&format!("pdfco jobs read {id} --offset {next}"))).into_iter().collect();
        return Ok(Report { text: Some(text), notes, ..Report::default() });
    }
    let limit = part.limit.or(part.tail_lines.map(|_| PAGE_MAX));
    let answer = session.app.read(caller, id, part.offset, limit, part.tail_lines, part.index).await?;
    let job = job_of(session, caller, &answer).await?;
    let text = answer.output.as_ref().map(|output| output.text.clone());
    Ok(Report { summary: format!("text of job {id}"), data: record::data(&answer, &job), text, ..Report::default() })
}

/// The text of a result from `offset`, at most `limit` characters of it, and where it goes on.
///
/// # Errors
/// As `App::read`.
pub async fn text(
    session: &Session,
    caller: &Caller,
    id: &str,
    offset: u64,
    limit: Option<u64>,
    index: usize,
) -> Result<(String, Option<u64>)> {
    let (mut text, mut at, mut left) = (String::new(), offset, limit.unwrap_or(u64::MAX));
    while left > 0 {
        let answer = session.app.read(caller, id, at, Some(left.min(PAGE_MAX)), None, index).await?;
        let Some(page) = answer.output else { return Ok((text, None)) };
        text.push_str(&page.text);
        match page.next_offset {
            Some(next) if next > at => (left, at) = (left.saturating_sub(next - at), next),
            _ => return Ok((text, None)),
        }
    }
    Ok((text, Some(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_seconds_and_zero_is_for_ever() {
        for (text, budget) in
            [("120", Some(Duration::from_secs(120))), ("2.5", Some(Duration::from_millis(2_500))), ("0", Some(A_YEAR))]
        {
            assert_eq!(seconds(text).ok(), budget, "{text}");
        }
        for text in ["-1", "NaN", "inf", "1e300", "soon", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert!(interval("0.4").is_err() && interval("61").is_err() && interval("0.5").is_ok());
    }

    #[test]
    fn ages_are_one_word() {
        let ago = |seconds: i64| age(&crate::answer::rfc3339(now() - seconds * 1_000));
        assert!(ago(5).ends_with('s') && ago(300) == "5m" && ago(8_000) == "2h" && ago(400_000) == "4d");
        assert_eq!(age("-"), "-");
    }
}
