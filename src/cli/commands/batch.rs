//! One operation on many inputs: `pdfco call … --url a.pdf b.pdf 'scans/*.pdf' --jobs 8 --resume`.
//!
//! Each input is a job of its own. Whether it was done before is known to `app/batch.rs` and the ledger behind it.

mod outcome;
mod report;

use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use self::outcome::{Before, Outcome, Verdict};
use self::report::BatchReport;
use crate::answer::Answer;
use crate::app::{Caller, Consent, Prior, SubmitRequest};
use crate::catalog::{Operation, Output, arguments};
use crate::cli::consent;
use crate::cli::inputs::{Inputs, stems};
use crate::cli::job_report::job_of;
use crate::cli::output::Format;
use crate::cli::progress;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::targets::{extension_of, looks_like_file, refuse_unwritable, stem_of};
use crate::error::{Error, Kind, Result};
use crate::jobs::{Job, JobStatus};

/// How often an input is taken up again that another process submitted first.
const TAKEN_TRIES: u32 = 3;

/// The arguments of a batch.
pub struct Batch {
    /// The operation.
    pub operation: &'static Operation,
    /// The parameter that an input goes to.
    pub param: &'static str,
    /// The inputs, each once, and what was left out of patterns.
    pub inputs: Inputs,
    /// All other arguments.
    pub arguments: Map<String, Value>,
    /// How many run at once.
    pub at_once: usize,
    /// Skip what is done, follow what runs.
    pub resume: bool,
    /// The person agrees to the price of all inputs.
    pub yes: bool,
    /// Submit and do not wait.
    pub background: bool,
    /// How long to wait for each.
    pub timeout: Duration,
    /// The folder for results.
    pub save_to: Option<String>,
    /// Replace files.
    pub overwrite: bool,
}

/// Runs the batch.
///
/// # Errors
/// What is wrong with all of it: arguments, or the folder for results.
pub async fn run(session: &CliSession, batch: Batch) -> Result<Report> {
    let caller = session.caller()?;
    let folder = batch.save_to.as_deref().map(|path| folder_for(&caller, path)).transpose()?;
    let mut first = batch.arguments.clone();
    first.insert(batch.param.to_owned(), json!(batch.inputs.found.first()));
    arguments::read(batch.operation, first)?;
    let caller = agreed(session, &batch, caller).await?;

    let shown = progress::Batch::new(&session.progress, batch.inputs.found.len());
    let running = Running {
        session,
        names: stems(&batch.inputs.found),
        batch: &batch,
        caller: &caller,
        folder: folder.as_deref(),
        shown: &shown,
        stop: CancellationToken::new(),
    };
    let mut outcomes: Vec<(usize, Outcome)> = stream::iter(0..batch.inputs.found.len())
        .map(|index| running.one(index))
        .buffer_unordered(batch.at_once)
        .collect()
        .await;
    shown.clear();
    outcomes.sort_by_key(|(index, _)| *index);
    let mut outcomes: Vec<Outcome> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    outcomes.extend(batch.inputs.unusable.iter().map(|shown| unusable(shown)));
    batch.inputs.unreadable.iter().for_each(|reason| session.printer.note(&format!("Left out: {reason}")));
    let hint = if session.is_simulated() {
        session.how("")
    } else {
        "The same command with --resume skips what is done, takes up what runs and does again what failed.".to_owned()
    };
    Ok(BatchReport::new(&outcomes, batch.background, session.interrupted_code()).into_report(hint))
}

/// What the batch would cost. What was done before is not counted with --resume.
///
/// # Errors
/// What would refuse an input before anything is paid for.
pub async fn dry_run(session: &CliSession, batch: &Batch) -> Result<Report> {
    let caller = session.caller()?;
    batch.save_to.as_deref().map(|path| folder_for(&caller, path)).transpose()?;
    let inputs = unpaid(session, batch, &caller).await?;
    if inputs.is_empty() {
        return Ok(Report::line("nothing would be submitted", json!({"status": "success", "estimate": null})));
    }
    let estimate = session.app.estimate_each(&caller, batch.operation, &batch.arguments, batch.param, &inputs).await?;
    Ok(consent::estimated(&estimate))
}

/// The caller of a batch whose price needs no consent, or was agreed to: one question for all inputs.
async fn agreed(session: &CliSession, batch: &Batch, caller: Caller) -> Result<Caller> {
    let everything = Caller { consent: Consent::ToAll, ..caller.clone() };
    if batch.yes || session.app.config.confirm_credits.is_none() {
        return Ok(everything);
    }
    let inputs = unpaid(session, batch, &caller).await?;
    if inputs.is_empty() {
        return Ok(everything);
    }
    let quote = session.app.quote_each(&caller, batch.operation, &batch.arguments, batch.param, &inputs).await?;
    match quote {
        Some(quote) => consent::agree(session, &caller, &quote).map(|_| everything),
        None => Ok(everything),
    }
}

/// The inputs that would be paid for.
async fn unpaid(session: &CliSession, batch: &Batch, caller: &Caller) -> Result<Vec<String>> {
    if !batch.resume {
        return Ok(batch.inputs.found.clone());
    }
    let mut inputs = Vec::new();
    for input in &batch.inputs.found {
        let source = (batch.param, input.as_str());
        // What cannot be read fails by itself, and costs nothing.
        let Ok(known) = session.app.input(caller, batch.operation, source, batch.arguments.clone()).await else {
            continue;
        };
        let (prior, _) = session.app.prior(caller, &known, false).await?;
        if matches!(prior, Prior::Nothing | Prior::Ended(_)) {
            inputs.push(input.clone());
        }
    }
    Ok(inputs)
}

/// The folder that results go to, which need not exist yet.
fn folder_for(caller: &Caller, path: &str) -> Result<String> {
    let folder = format!("{}{MAIN_SEPARATOR}", path.trim_end_matches(['/', MAIN_SEPARATOR]));
    if path == "-" || Path::new(path).is_file() {
        return Err(Error::new(
            Kind::FileAccess,
            format!(
                "`{path}` is {}, and the results of several inputs need a folder.",
                if path == "-" { "stdout" } else { "a file" }
            ),
            "Name a folder, such as --save-to out/.",
        ));
    }
    if looks_like_file(path) {
        return Err(Error::invalid(
            format!("`{path}` names one file, and there are several inputs."),
            format!("Nothing was submitted. Name a folder, such as --save-to {}{MAIN_SEPARATOR}", stem_of(path)),
        ));
    }
    refuse_unwritable(caller, &folder, false)?;
    Ok(folder)
}

/// The outcome of a file whose name cannot be written down.
fn unusable(shown: &str) -> Outcome {
    let error = Error::new(Kind::FileAccess, "Its name is not UTF-8 text.", "Rename the file.");
    Outcome { input: shown.to_owned(), error: Some(error), ..Outcome::default() }
}

/// What the inputs of a batch share.
struct Running<'a> {
    session: &'a CliSession,
    batch: &'a Batch,
    caller: &'a Caller,
    folder: Option<&'a str>,
    names: Vec<String>,
    shown: &'a progress::Batch,
    /// Cancelled when there is no key or no credit: nothing more is submitted.
    stop: CancellationToken,
}

impl Running<'_> {
    async fn one(&self, index: usize) -> (usize, Outcome) {
        let name = self.batch.inputs.found.get(index).map(String::as_str).unwrap_or_default();
        let mut outcome = Outcome { input: name.to_owned(), ..Outcome::default() };
        if self.stop.is_cancelled() || self.caller.cancel.is_cancelled() {
            outcome.not_started = true;
            return (index, outcome);
        }
        let lane = self.shown.lane(name);
        let caller = Caller { on_event: lane.listener(), ..self.caller.clone() };
        self.attempts(&caller, index, &mut outcome).await;
        if outcome.stops_batch().is_some() {
            self.stop.cancel();
        }
        let failed = outcome.verdict() == Verdict::Failed;
        let reason = outcome.reason().filter(|_| failed).map_or(String::new(), |reason| format!(": {reason}"));
        self.shown.end(&lane, &format!("{}{reason}", outcome.words()), failed);
        self.print_end(&outcome);
        (index, outcome)
    }

    /// Attempts an input, again when another run of the same batch took it before the request left: that job is ours too.
    async fn attempts(&self, caller: &Caller, index: usize, outcome: &mut Outcome) {
        for attempt in 1..=TAKEN_TRIES {
            let resume = self.batch.resume || attempt > 1;
            let Err(error) = self.attempt(caller, index, resume, outcome).await else { return };
            let was_taken = error.kind() == Kind::Cancelled && !self.caller.cancel.is_cancelled();
            if was_taken && attempt < TAKEN_TRIES {
                outcome.job = None;
                continue;
            }
            outcome.charge.add(error.charge());
            outcome.error = Some(error);
            return;
        }
    }

    /// The last event of an input.
    fn print_end(&self, outcome: &Outcome) {
        let printer = &self.session.printer;
        if printer.format == Format::Ndjson {
            let data = json!({"phase": "ended", "input": outcome.input, "status": outcome.status(), "before": outcome.before.map(Before::as_str), "job_id": outcome.job.as_ref().map(Job::id), "reason": outcome.reason()});
            let message = format!("{}  {}", outcome.input, outcome.words());
            printer.line(&json!({"type": "progress", "app_id": "pdfco", "message": message, "data": data}));
        }
    }

    async fn attempt(&self, caller: &Caller, index: usize, resume: bool, outcome: &mut Outcome) -> Result<()> {
        let (app, batch) = (&self.session.app, self.batch);
        let source = (batch.param, outcome.input.as_str());
        let input = app.input(caller, batch.operation, source, batch.arguments.clone()).await?;
        let (prior, next) = app.prior(caller, &input, resume).await?;
        let request = match prior {
            _ if !resume => input.request(next),
            Prior::Nothing => input.request(next),
            Prior::Done(job) => {
                outcome.before = Some(Before::Done);
                outcome.job = Some(Job::clone(&job));
                if self.is_saved(&job) {
                    match self.changed_file(caller, &job).await {
                        None => {
                            outcome.saved.clone_from(&job.saved_to);
                            return Ok(());
                        }
                        Some(path) if !batch.overwrite => return Err(changed_since(&path)),
                        Some(_) => {}
                    }
                }
                match self.save(caller, index, &job, outcome).await {
                    Err(error) if error.kind() == Kind::LinkExpired => {
                        outcome.charge.add(error.charge());
                        (outcome.job, outcome.before) = (None, Some(Before::Again));
                        input.request(next)
                    }
                    saved => return saved,
                }
            }
            Prior::Open(job) => {
                outcome.before = Some(Before::TakenUp);
                input.same(&job)
            }
            Prior::Ended(_) => {
                outcome.before = Some(Before::Again);
                input.request(next)
            }
        };
        self.refuse_existing_target(caller, index)?;
        self.submit(caller, index, request, outcome).await
    }

    async fn submit(&self, caller: &Caller, index: usize, request: SubmitRequest, outcome: &mut Outcome) -> Result<()> {
        let (app, batch) = (&self.session.app, self.batch);
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
        let job = job_of(self.session, caller, &answer).await?;
        outcome.take(answer);
        outcome.job = Some(job.clone());
        if job.status == JobStatus::Success && !batch.background {
            self.save(caller, index, &job, outcome).await?;
        }
        Ok(())
    }

    /// A file of the result that is not as it was saved, where files were asked for and the storage says it.
    async fn changed_file(&self, caller: &Caller, job: &Job) -> Option<String> {
        self.folder?;
        tokio::select! {
            changed = self.session.app.changed_file(job) => changed,
            () = caller.cancel.cancelled() => None,
        }
    }

    /// Whether a result is in the folder that was asked for.
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

    /// Refuses before anything is paid for where the result's file exists already.
    fn refuse_existing_target(&self, caller: &Caller, index: usize) -> Result<()> {
        let (Some(folder), Some(stem)) = (self.folder, self.names.get(index)) else { return Ok(()) };
        refuse_unwritable(caller, folder, true)?;
        match extension_of(self.batch.operation) {
            Some(extension) => {
                caller.sandbox.target_blocking(
                    Some(&format!("{folder}{stem}.{extension}")),
                    "",
                    self.batch.overwrite,
                )?;
            }
            None if matches!(self.batch.operation.output, Output::Many(_)) => {
                refuse_full_folder(&format!("{folder}{stem}"), self.batch.overwrite)?;
            }
            None => {}
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
            format!("{folder}{stem}{MAIN_SEPARATOR}")
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

    /// Downloads with the intended target recorded in the ledger first: a kill between the file and its record must not
    /// leave a result that a later run takes for a foreign file. A file that existed before is never taken for ours.
    async fn download(&self, caller: &Caller, job: &Job, target: &str, is_many: bool) -> Result<Answer> {
        let (app, overwrite) = (&self.session.app, self.batch.overwrite);
        let mut path = caller.sandbox.target(Some(target), "result", overwrite || is_many).await?.path().to_owned();
        if is_many {
            path.pop();
        }
        let intended = vec![path.display().to_string()];
        let is_ours = is_many && job.saved_to == intended;
        let is_new = !path.exists();
        if is_new {
            app.jobs().ledger().saved(&job.intent_id, &intended).await?;
        }
        let files = app.download(caller, job.id(), Some(target), overwrite || is_ours).await;
        if files.is_err() && is_new && !is_many {
            app.jobs().ledger().saved(&job.intent_id, &job.saved_to).await?;
        }
        files
    }
}

/// What is said of a file that is not as it was saved.
fn changed_since(path: &str) -> Error {
    Error::new(
        Kind::FileAccess,
        format!("{path} was changed or cut off since the result was saved to it."),
        "Pass --overwrite to write the result again, which costs nothing while its links work, or move the file away.",
    )
}

/// Refuses a folder for the files of one input that already holds something.
fn refuse_full_folder(folder: &str, overwrite: bool) -> Result<()> {
    let holds_something = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if overwrite || !holds_something {
        return Ok(());
    }
    Err(Error::new(
        Kind::FileAccess,
        format!("The folder `{folder}` holds files already."),
        "Nothing was submitted. Pass --overwrite to replace them, --resume to keep what is done, or name another folder.",
    ))
}
