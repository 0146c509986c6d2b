//! One operation on many inputs: `pdfco call … --url a.pdf b.pdf 'scans/*.pdf' --jobs 8 --resume`.
//!
//! What lives here: how many run at once, what is skipped, where results go, and the summary. What never does: knowing
//! whether an input was done before (`app/batch.rs` and the ledger behind it).

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::call::NOT_NAMED_YET;
use super::inputs::stems;
use super::output::{
    ACCOUNT, Format, JOB_FAILED, Report, STILL_RUNNING, SUCCESS, Table, error_in_shell_words, in_shell_words,
};
use super::progress_bar::{Lanes, counted};
use super::watch::several;
use super::{Session, record};
use crate::answer::{Answer, JobView};
use crate::app::{Caller, Prior, SubmitRequest};
use crate::catalog::{Operation, Output, arguments};
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::files::resolved;
use crate::jobs::{Job, JobStatus};

/// How often an input is taken up again that another process took first.
const TAKEN_TRIES: u32 = 3;
/// Stands for a link's extension where the place of a result is looked at before there is one.
const EXTENSIONS: &[(&str, &str)] = &[
    ("text/plain", "txt"),
    ("text/csv", "csv"),
    ("text/html", "html"),
    ("text/xml", "xml"),
    ("application/xml", "xml"),
    ("application/json", "json"),
    ("application/pdf", "pdf"),
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
];

/// A batch, understood.
pub struct Batch {
    /// What to run.
    pub operation: &'static Operation,
    /// The parameter that an input goes to.
    pub param: &'static str,
    /// The inputs, each once.
    pub inputs: Vec<String>,
    /// All other arguments.
    pub arguments: Map<String, Value>,
    /// How many run at once.
    pub at_once: usize,
    /// Skip what is done, take up what runs.
    pub resume: bool,
    /// Submit and do not wait.
    pub background: bool,
    /// How long to wait for each.
    pub timeout: Duration,
    /// The folder for results.
    pub save_to: Option<String>,
    /// Replace files.
    pub overwrite: bool,
}

/// How one input ended.
#[derive(Default)]
struct Outcome {
    input: String,
    job: Option<Job>,
    view: Option<JobView>,
    content: Value,
    charge: Charge,
    saved: Vec<String>,
    /// It was done before, or runs since before, or is done again because it failed before.
    before: Option<&'static str>,
    error: Option<Error>,
    not_started: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Done,
    Skipped,
    Failed,
    Running,
    NotStarted,
}

const SKIPPED: &str = "done before";
const TAKEN_UP: &str = "taken up";
const AGAIN: &str = "done again";

impl Outcome {
    fn verdict(&self) -> Verdict {
        if self.not_started {
            return Verdict::NotStarted;
        }
        match (&self.error, &self.job) {
            (Some(error), Some(job)) if error.kind() == Kind::Cancelled && !job.status.is_terminal() => {
                Verdict::Running
            }
            (Some(error), None) if error.kind() == Kind::Cancelled => Verdict::NotStarted,
            (Some(_), _) | (None, None) => Verdict::Failed,
            (None, Some(job)) => match &job.status {
                JobStatus::Success if self.before == Some(SKIPPED) => Verdict::Skipped,
                JobStatus::Success => Verdict::Done,
                JobStatus::Queued | JobStatus::Working | JobStatus::Other(_) if job.job_id.is_some() => {
                    Verdict::Running
                }
                _ => Verdict::Failed,
            },
        }
    }

    /// A state of a job, or `skipped`, `error`, `not_started`.
    fn status(&self) -> &str {
        match (self.verdict(), &self.job) {
            (Verdict::Skipped, _) => "skipped",
            (Verdict::NotStarted, _) => "not_started",
            (_, Some(job)) if self.error.is_none() || self.verdict() == Verdict::Running => job.status.as_str(),
            _ => "error",
        }
    }

    /// Why it did not succeed.
    fn reason(&self) -> Option<String> {
        if let Some(error) = &self.error {
            return Some(error.message().to_owned());
        }
        let job = self.job.as_ref()?;
        match self.verdict() {
            Verdict::Failed if job.job_id.is_none() && !job.status.is_terminal() => Some(format!(
                "the service never confirmed the request, so it may or may not have been charged; `pdfco jobs cancel {}` puts it aside, so that --resume does it again",
                job.id()
            )),
            Verdict::Failed => job.reason().or_else(|| Some(format!("the job is {}", job.status.as_str()))),
            _ => None,
        }
    }

    /// Where the result is: the files as seen from `here`, else the links.
    fn result(&self, here: Option<&Path>) -> String {
        let near = |path: &String| match here.and_then(|here| Path::new(path).strip_prefix(here).ok()) {
            Some(near) => near.display().to_string(),
            None => path.clone(),
        };
        if !self.saved.is_empty() {
            return self.saved.iter().map(near).collect::<Vec<_>>().join(", ");
        }
        let job = self.job.as_ref().filter(|job| job.status == JobStatus::Success && !job.links_expired(now()));
        let links = job.map(Job::results).unwrap_or_default().links;
        let links: Vec<&str> = links.iter().map(|link| link.expose()).collect();
        if links.is_empty() { "-".to_owned() } else { links.join(" ") }
    }

    fn row(&self, here: Option<&Path>) -> Vec<String> {
        let id = self.job.as_ref().map_or("-", |job| job.id()).to_owned();
        vec![self.status().to_owned(), self.input.clone(), self.result(here), id]
    }

    fn item(&self) -> Value {
        json!({
            "input": self.input,
            "status": self.status(),
            "before": self.before,
            "job_id": self.job.as_ref().map(Job::id),
            "local_id": self.job.as_ref().map(|job| &job.intent_id),
            "credits_used": self.charge.credits,
            "saved": self.saved,
            "reason": self.reason(),
            "error": self.error.as_ref().map(error_in_shell_words),
            "job": self.view,
            "content": self.content,
        })
    }

    /// Why nothing more is to be submitted, if that is so.
    fn stops_all(&self) -> Option<String> {
        let stops = |kind: &str| kind == Kind::Auth.as_str() || kind == Kind::InsufficientCredits.as_str();
        if let Some(error) = self.error.as_ref().filter(|error| stops(error.kind().as_str())) {
            return Some(format!("{} {}", error.message(), in_shell_words(error.hint())));
        }
        let error = self.view.as_ref()?.last_check_error.as_ref()?;
        let word = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        stops(word("kind")).then(|| word("message").to_owned())
    }

    fn take(&mut self, answer: Answer) {
        self.charge.add(answer.charge);
        self.view = answer.job;
        self.content = answer.content;
    }
}

/// Runs the batch.
///
/// # Errors
/// What is wrong with all of it: arguments, or the folder for results.
pub async fn run(session: &Session, batch: Batch) -> Result<Report> {
    let caller = session.caller()?;
    let folder = batch.save_to.as_deref().map(|path| folder_for(&caller, path)).transpose()?;
    let mut first = batch.arguments.clone();
    first.insert(batch.param.to_owned(), json!(batch.inputs.first()));
    arguments::read(batch.operation, first)?;

    let lanes = Lanes::new(&session.progress, batch.inputs.len());
    let running = Running {
        session,
        names: stems(&batch.inputs),
        batch: &batch,
        caller: &caller,
        folder: folder.as_deref(),
        lanes: &lanes,
        stop: CancellationToken::new(),
    };
    let mut outcomes: Vec<(usize, Outcome)> = stream::iter(0..batch.inputs.len())
        .map(|index| running.one(index))
        .buffer_unordered(batch.at_once)
        .collect()
        .await;
    lanes.clear();
    outcomes.sort_by_key(|(index, _)| *index);
    Ok(report(session, &batch, outcomes.into_iter().map(|(_, outcome)| outcome).collect()))
}

/// The folder that results go to, which need not be there yet.
fn folder_for(caller: &Caller, path: &str) -> Result<String> {
    let folder = format!("{}{}", path.trim_end_matches(['/', std::path::MAIN_SEPARATOR]), std::path::MAIN_SEPARATOR);
    if Path::new(path).is_file() {
        return Err(Error::new(
            Kind::FileAccess,
            format!("`{path}` is a file, and the results of several inputs need a folder."),
            "Name a folder, such as --save-to out/.",
        ));
    }
    caller.sandbox.target(Some(&folder), NOT_NAMED_YET, false)?;
    Ok(folder)
}

/// What the inputs of a batch share.
struct Running<'a> {
    session: &'a Session,
    batch: &'a Batch,
    caller: &'a Caller,
    folder: Option<&'a str>,
    names: Vec<String>,
    lanes: &'a Lanes,
    /// No key or no credits: nothing more is submitted.
    stop: CancellationToken,
}

impl Running<'_> {
    async fn one(&self, index: usize) -> (usize, Outcome) {
        let name = self.batch.inputs.get(index).map(String::as_str).unwrap_or_default();
        let mut outcome = Outcome { input: name.to_owned(), ..Outcome::default() };
        if self.stop.is_cancelled() || self.caller.cancel.is_cancelled() {
            outcome.not_started = true;
            return (index, outcome);
        }
        let lane = self.lanes.lane(name);
        let caller = Caller { on_event: lane.listener(), ..self.caller.clone() };
        let mut tries = 0;
        loop {
            tries += 1;
            let resume = self.batch.resume || tries > 1;
            let ended = self.attempt(&caller, index, resume, &mut outcome).await;
            let was_taken = ended.as_ref().is_err_and(|error| error.kind() == Kind::Cancelled)
                && !self.caller.cancel.is_cancelled();
            if was_taken && tries < TAKEN_TRIES {
                // Another run of the same batch took the input before its request left; its job is ours too.
                outcome.job = None;
                continue;
            }
            if let Err(error) = ended {
                outcome.charge.add(error.charge());
                outcome.error = Some(error);
            }
            break;
        }
        if outcome.stops_all().is_some() {
            self.stop.cancel();
        }
        let words = match outcome.before {
            Some(before) => format!("{} ({before})", outcome.status()),
            None => outcome.status().to_owned(),
        };
        let failed = outcome.verdict() == Verdict::Failed;
        let reason = outcome.reason().filter(|_| failed).map_or(String::new(), |reason| format!(": {reason}"));
        lane.end(&format!("{words}{reason}"), failed);
        self.tell_end(&outcome, &words);
        (index, outcome)
    }

    /// The last event of an input.
    fn tell_end(&self, outcome: &Outcome, words: &str) {
        let printer = &self.session.printer;
        if printer.format == Format::Ndjson {
            let data = json!({"phase": "ended", "input": outcome.input, "status": outcome.status(), "before": outcome.before, "job_id": outcome.job.as_ref().map(Job::id), "reason": outcome.reason()});
            printer.line(&json!({"type": "progress", "app_id": "pdfco", "message": format!("{}  {words}", outcome.input), "data": data}));
        }
    }

    async fn attempt(&self, caller: &Caller, index: usize, resume: bool, outcome: &mut Outcome) -> Result<()> {
        let app = &self.session.app;
        let batch = self.batch;
        let source = (batch.param, outcome.input.as_str());
        let input = app.input(caller, batch.operation, source, batch.arguments.clone()).await?;
        let (prior, next) = app.prior(caller, &input, resume).await?;
        let request = match prior {
            _ if !resume => input.request(next),
            Prior::Nothing => input.request(next),
            Prior::Done(job) => {
                outcome.before = Some(SKIPPED);
                outcome.job = Some(Job::clone(&job));
                if self.is_saved(&job) {
                    outcome.saved.clone_from(&job.saved_to);
                    return Ok(());
                }
                match self.save(caller, index, &job, outcome).await {
                    Err(error) if error.kind() == Kind::LinkExpired => {
                        outcome.charge.add(error.charge());
                        (outcome.job, outcome.before) = (None, Some(AGAIN));
                        input.request(next)
                    }
                    saved => return saved,
                }
            }
            Prior::Open(job) => {
                outcome.before = Some(TAKEN_UP);
                input.same(&job)
            }
            Prior::Ended(_) => {
                outcome.before = Some(AGAIN);
                input.request(next)
            }
        };
        self.refuse_what_is_in_the_way(caller, index)?;
        let wait = Some(if batch.background { Duration::ZERO } else { batch.timeout });
        let request = SubmitRequest { wait, read: Some(0), ..request };
        let client_request_id = request.client_request_id.clone();
        let answer = match app.submit(caller, request).await {
            Ok(answer) => answer,
            Err(error) => {
                // An interrupted wait has a job; an error before the submit has none.
                if let Some(id) = client_request_id.as_deref() {
                    outcome.job = app.jobs().ledger().by_client_request_id(&caller.owner.tenant, id).await?;
                }
                return Err(error);
            }
        };
        let job = record::job_of(self.session, caller, &answer).await?;
        outcome.take(answer);
        outcome.job = Some(job.clone());
        if job.status == JobStatus::Success && !batch.background {
            self.save(caller, index, &job, outcome).await?;
        }
        Ok(())
    }

    /// Whether a result lies where it is asked to be.
    fn is_saved(&self, job: &Job) -> bool {
        let Some(folder) = self.folder else { return true };
        let has_files = job.results().inline.is_some() || job.links_expire_at.is_some();
        let Ok(folder) = std::fs::canonicalize(folder) else { return !has_files };
        let is_there = |path: &String| {
            let path = PathBuf::from(path);
            path.is_file() && std::fs::canonicalize(&path).is_ok_and(|path| path.starts_with(&folder))
        };
        if has_files { !job.saved_to.is_empty() && job.saved_to.iter().all(is_there) } else { true }
    }

    /// A file in the way is found before anything is paid for, as far as the name is known by then.
    fn refuse_what_is_in_the_way(&self, caller: &Caller, index: usize) -> Result<()> {
        let extension = match self.batch.operation.output {
            Output::Text(mime) | Output::Binary(mime) => EXTENSIONS.iter().find(|(known, _)| *known == mime),
            Output::Many(_) | Output::Inline | Output::Nothing => None,
        };
        if let (Some(folder), Some((_, extension)), Some(stem)) = (self.folder, extension, self.names.get(index)) {
            caller.sandbox.target(Some(&format!("{folder}{stem}.{extension}")), "", self.batch.overwrite)?;
        }
        Ok(())
    }

    async fn save(&self, caller: &Caller, index: usize, job: &Job, outcome: &mut Outcome) -> Result<()> {
        let (Some(folder), Some(stem)) = (self.folder, self.names.get(index)) else { return Ok(()) };
        let results = job.results();
        let is_many = results.links.len() > 1 || matches!(self.batch.operation.output, Output::Many(_));
        if results.links.is_empty() && results.inline.is_none() && job.links_expire_at.is_none() {
            return Ok(());
        }
        let target = if is_many {
            // Several files of one input lie in a folder of its name.
            format!("{folder}{stem}{}", std::path::MAIN_SEPARATOR)
        } else {
            let name = results.links.first().and_then(|link| link.file_name());
            let extension = name.as_deref().and_then(|name| Some(name.rsplit_once('.')?.1.to_owned()));
            let inline = if results.inline.as_ref().is_some_and(Value::is_string) { "txt" } else { "json" };
            format!("{folder}{stem}.{}", extension.as_deref().unwrap_or(inline))
        };
        let files = self.download(caller, job, &target, is_many).await?;
        outcome.charge.add(files.charge);
        let view = files.job.as_ref();
        outcome.saved = view.iter().flat_map(|view| &view.outputs).filter_map(|file| file.saved_to.clone()).collect();
        outcome.view = files.job;
        Ok(())
    }

    /// Downloads with the intention in the ledger first: a kill between the file and its record must not leave a result
    /// that stands in its own way. A file that was there before is never taken for ours.
    async fn download(&self, caller: &Caller, job: &Job, target: &str, is_many: bool) -> Result<Answer> {
        let (app, overwrite) = (&self.session.app, self.batch.overwrite);
        let mut place = caller.sandbox.target(Some(target), "result", overwrite || is_many)?;
        if is_many {
            place.pop();
        }
        let intention = vec![place.display().to_string()];
        let is_ours = is_many && job.saved_to == intention;
        let is_new = !place.exists();
        if is_new {
            app.jobs().ledger().saved(&job.intent_id, &intention).await?;
        }
        let files = app.download(caller, job.id(), Some(target), overwrite || is_ours).await;
        if files.is_err() && is_new && !is_many {
            app.jobs().ledger().saved(&job.intent_id, &job.saved_to).await?;
        }
        files
    }
}

fn report(session: &Session, batch: &Batch, outcomes: Vec<Outcome>) -> Report {
    let count = |verdict: Verdict| outcomes.iter().filter(|outcome| outcome.verdict() == verdict).count();
    let (done, skipped, failed) = (count(Verdict::Done), count(Verdict::Skipped), count(Verdict::Failed));
    let (running, not_started) = (count(Verdict::Running), count(Verdict::NotStarted));
    let mut charge = Charge::NONE;
    outcomes.iter().for_each(|outcome| charge.add(Charge::new(outcome.charge.credits, None)));
    // Balances come in any order; the lowest is the last.
    charge.remaining = outcomes.iter().filter_map(|outcome| outcome.charge.remaining).min();
    let stopped = outcomes.iter().find_map(Outcome::stops_all);
    let interrupted = session.interrupted_code();

    let mut parts = Vec::new();
    for (number, words) in [
        (done, "done"),
        (skipped, SKIPPED),
        (failed, "failed"),
        (running, if batch.background { "submitted" } else { "still running" }),
        (not_started, "not started"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {words}"));
        }
    }
    let mut summary = format!("{}: {}", counted(outcomes.len() as i64, "input"), parts.join(", "));
    if let Some(used) = charge.credits {
        summary.push_str(&format!("; {}", counted(used, "credit")));
    }
    if let Some(left) = charge.remaining {
        summary.push_str(&format!(", {left} left"));
    }
    let code = match (&stopped, interrupted) {
        (_, Some(code)) => code,
        (Some(_), None) => ACCOUNT,
        (None, None) if failed > 0 => JOB_FAILED,
        (None, None) if running > 0 && !batch.background => STILL_RUNNING,
        (None, None) => SUCCESS,
    };
    let reasons: Vec<String> = outcomes
        .iter()
        .filter(|outcome| outcome.verdict() == Verdict::Failed)
        .filter_map(|outcome| Some(format!("{}: {}", outcome.input, outcome.reason()?)))
        .collect();
    let headline = match (&stopped, interrupted) {
        (_, Some(_)) => format!("interrupted; {summary}"),
        (Some(why), None) => format!("stopped, nothing more is submitted: {why} {summary}"),
        (None, None) => summary.clone(),
    };
    let hint = if session.is_simulated() {
        session.how("")
    } else {
        "The same command with --resume skips what is done, takes up what runs and does again what failed.".to_owned()
    };
    let here = resolved(Path::new(".")).ok();
    let table = Table {
        header: vec!["status", "input", "result", "job_id"],
        rows: outcomes.iter().map(|outcome| outcome.row(here.as_deref())).collect(),
        spare: &["job_id"],
    };
    let status = match code {
        SUCCESS => "success",
        STILL_RUNNING => "working",
        _ => "failed",
    };
    Report {
        lines: table.lines(),
        data: json!({
            "status": status,
            "items": outcomes.iter().map(Outcome::item).collect::<Vec<_>>(),
            "total": outcomes.len(),
            "counts": {"success": done, "skipped": skipped, "failed": failed, "running": running, "not_started": not_started},
            "credits_used": charge.credits,
            "credits_remaining": charge.remaining,
        }),
        table: Some(table),
        problem: (code != SUCCESS).then(|| (several(&headline, &reasons), hint)),
        notes: if code == SUCCESS { vec![summary.clone()] } else { Vec::new() },
        summary,
        code,
        ..Report::default()
    }
}
