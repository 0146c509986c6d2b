//! `pdfco doctor --service`: the questions about the service that only a real key can answer.
//!
//! At most ten calls, whose price is said first. The jobs are ordinary jobs: the ledger keeps them and learns from them
//! what jobs cost. An interrupted run leaves nothing else behind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::questions::{Document, Found, STEPS, Shown, Step, most};
use super::shape;
use crate::app::{Caller, Consent, Event, ReadRequest, ServiceFindings, SubmitRequest, TextOutput};
use crate::catalog::{self, CHECK_CREDITS, Operation, UPLOAD_CREDITS};
use crate::charge::Charge;
use crate::cli::exit_code::{SERVICE, SUCCESS};
use crate::cli::names::counted;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::targets::scratch_folder;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::jobs::{Job, JobId, JobStatus};

/// Most calls to the service.
const CALLS_MAX: u32 = 10;
/// How long a job gets before each of its checks. A second one is made only if the calls and the credits allow it.
const JOB_TIMES: [Duration; 3] = [Duration::from_secs(8), Duration::from_secs(4), Duration::from_secs(8)];
/// The same of a simulator on this machine, whose jobs take about a second.
const SIMULATED_JOB_TIMES: [Duration; 3] = [Duration::from_millis(3_100); 3];
/// Name of the report's file.
const REPORT_NAME: &str = "pdfco-service-report";

/// What a run of the questions has used up.
struct Budget {
    /// Those that were planned.
    calls: u32,
    /// Those that were made: more where requests had to be repeated.
    made: u32,
    agreed: i64,
    charge: Charge,
}

impl Budget {
    fn spent(&self) -> i64 {
        self.charge.credits.unwrap_or_default()
    }

    /// Takes `calls` calls and what they can cost at most; says what is missing.
    fn take(&mut self, calls: u32, credits: i64) -> Result<(), String> {
        if self.calls.max(self.made) + calls > CALLS_MAX {
            return Err(format!("left out: it needs more than the {CALLS_MAX} calls"));
        }
        if self.spent() + credits > self.agreed {
            return Err(format!(
                "left out: it may cost {credits} credits, more than is left of the {} agreed",
                self.agreed
            ));
        }
        self.calls += calls;
        Ok(())
    }
}

/// Asks the questions.
///
/// # Errors
/// `invalid_argument` where the price was not agreed to; `file_access` when the report cannot be written; `cancelled`.
/// What goes wrong with one question is its answer.
pub async fn run(session: &CliSession, yes: bool, max_credits: Option<i64>) -> Result<Report> {
    let caller = session.caller()?;
    let steps: Vec<(&Step, &'static Operation)> =
        STEPS.iter().map(|step| Ok((step, catalog::find(step.operation)?))).collect::<Result<_>>()?;
    let uploads = UPLOAD_CREDITS * Document::ALL.len() as i64;
    let total = steps.iter().map(|(step, operation)| most(step, operation)).sum::<i64>() + uploads;
    let agreed = max_credits.map_or(total, |most| most.min(total));
    let questions = STEPS.iter().map(|step| step.questions.len()).sum();
    agree(session, yes || max_credits.is_some(), agreed, questions)?;
    let folder = scratch_folder()?;
    let sandbox = session.caller_with_folder(Some(folder.path()))?.sandbox;
    // The price of all questions was agreed to.
    let caller = Caller { sandbox, consent: Consent::ToAll, ..caller };
    let mut run = Run {
        session,
        caller,
        budget: Budget { calls: 0, made: 0, agreed, charge: Charge::NONE },
        folder: folder.path(),
        links: Vec::new(),
        findings: ServiceFindings { at: now(), ..ServiceFindings::default() },
    };
    let mut answers = Vec::new();
    session.app.limit_calls(CALLS_MAX);
    let before = session.app.calls_made();
    for (step, operation) in steps {
        session.progress.label(step.operation);
        let asked = run.ask(step, operation).await;
        run.budget.made = session.app.calls_made().saturating_sub(before);
        let answered = match asked {
            Ok(asked) => asked,
            Err(error) if error.kind() == Kind::Cancelled => return Err(error),
            Err(error) => {
                run.budget.charge.add(error.charge());
                let words = format!("{}: {}", shape::of_error(error.kind()), error.message());
                let failed = Found { words, agrees: Some(false) };
                Asked { found: Err(failed), failed: Some(error.kind()), shape: Value::Null, job_id: None }
            }
        };
        answers.push((step, operation, answered));
    }
    let rows = answers.into_iter().flat_map(|(step, operation, asked)| rows_of(step, operation, &asked)).collect();
    if run.findings.is_anything()
        && let Err(error) = session.app.keep_findings(&run.caller, run.findings.clone()).await
    {
        session.printer.note(&format!("What was found could not be kept: {}", error.message()));
    }
    report(session, &run.budget, &run.findings, rows)
}

/// Says what the questions cost and goes on only if that is agreed to.
fn agree(session: &CliSession, yes: bool, credits: i64, questions: usize) -> Result<()> {
    let offer = format!(
        "This asks {} {} with at most {CALLS_MAX} calls, which cost at most {}.",
        crate::secret::without_query(session.app.config.base_url.as_str()),
        counted(questions as i64, "question"),
        counted(credits, "credit")
    );
    let agreed = yes || session.printer.confirm(&format!("{offer} Go on?")).unwrap_or(false);
    if yes {
        // Whatever else is quiet: the price is said first.
        session.printer.insist(&offer);
    }
    if agreed {
        return Ok(());
    }
    Err(Error::invalid(
        offer,
        "Nothing was sent. --yes agrees to it, --max-credits N to less: what would cost more is left out.",
    ))
}

/// The questions being asked.
struct Run<'a> {
    session: &'a CliSession,
    caller: Caller,
    budget: Budget,
    folder: &'a Path,
    /// Documents that were uploaded, when they were first needed.
    links: Vec<(Document, String)>,
    findings: ServiceFindings,
}

/// One step, done: its answers in order, or the one of all its questions.
struct Asked {
    found: Result<Vec<Found>, Found>,
    /// The kind of the error that ended it: its words may name what is the user's.
    failed: Option<Kind>,
    shape: Value,
    job_id: Option<String>,
}

impl Asked {
    fn nothing(words: String) -> Asked {
        Asked { found: Err(Found { words, agrees: None }), failed: None, shape: Value::Null, job_id: None }
    }
}

impl Run<'_> {
    async fn ask(&mut self, step: &Step, operation: &'static Operation) -> Result<Asked> {
        let is_uploaded = self.links.iter().any(|(document, _)| *document == step.document);
        let most = most(step, operation);
        let (calls, credits) = if is_uploaded { (2, most) } else { (3, most + UPLOAD_CREDITS) };
        if let Err(reason) = self.budget.take(calls, credits) {
            return Ok(Asked::nothing(reason));
        }
        let link = self.uploaded(step.document).await?;
        let mut arguments: Map<String, Value> = (step.arguments)().as_object().cloned().unwrap_or_default();
        arguments.insert("url".to_owned(), json!(link));
        let request = SubmitRequest {
            operation: operation.name.to_owned(),
            arguments,
            wait: Some(Duration::ZERO),
            read: Some(0),
            finds_out: true,
            ..SubmitRequest::default()
        };
        let app = &self.session.app;
        let submitted = app.submit(&self.caller, request).await?;
        self.budget.charge.add(submitted.charge);
        let id = submitted.job.ok_or_else(|| Error::internal("A submit was answered without a job."))?.job_id;
        let job = self.ended(&id).await?;
        let shape = job.content.as_ref().map(shape::of).unwrap_or_default();
        if !job.status.is_terminal() {
            let words = format!("not known: the job was still {} when it was checked", job.status);
            return Ok(Asked { shape, job_id: Some(id), ..Asked::nothing(words) });
        }
        let text = match step.reads && job.status == JobStatus::Success {
            true => self.text_of(&id).await,
            false => None,
        };
        let shown = Shown { operation, job: &job, text: text.as_ref().map(|output| output.text.as_str()) };
        let found = step.questions.iter().map(|question| (question.found)(&shown, &mut self.findings)).collect();
        Ok(Asked { found: Ok(found), failed: None, shape, job_id: Some(id) })
    }

    /// The job after the time that it gets, and one check unless the service has called back; where it still runs then,
    /// after further ones, as far as the calls and the credits allow.
    async fn ended(&mut self, id: &str) -> Result<Job> {
        let app = &self.session.app;
        let id = JobId::parse(id)?;
        let pauses = if is_here(self.session) { SIMULATED_JOB_TIMES } else { JOB_TIMES };
        for (number, pause) in pauses.into_iter().enumerate() {
            // The first check was taken with the step.
            if number > 0 && self.budget.take(1, CHECK_CREDITS).is_err() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.caller.cancel.cancelled() => {
                    let hint = "The jobs made so far are in the ledger.";
                    return Err(Error::new(Kind::Cancelled, "The questions were given up.", hint));
                }
            }
            let checked = app.check(&self.caller, id.as_str(), false).await?;
            self.budget.charge.add(checked.charge);
            if checked.job.is_some_and(|view| view.is_terminal) {
                break;
            }
        }
        let job = app.jobs().get(&self.caller.owner, &id).await?;
        // A job that has ended does not go on when the questions are given up.
        self.session.progress.track(&Event::Job {
            job_id: job.id().to_owned(),
            status: job.status.clone(),
            elapsed_seconds: 0.0,
            progress: 0.0,
            checks_made: job.checks_made,
        });
        Ok(job)
    }

    /// The text of a job's result, if it can be had.
    async fn text_of(&mut self, id: &str) -> Option<TextOutput> {
        let read = self.session.app.read(&self.caller, &ReadRequest::of(id)).await;
        self.budget.charge.add(read.as_ref().map_or_else(Error::charge, |answer| answer.charge));
        read.ok().and_then(|answer| answer.output)
    }

    async fn uploaded(&mut self, document: Document) -> Result<String> {
        if let Some((_, link)) = self.links.iter().find(|(uploaded, _)| *uploaded == document) {
            return Ok(link.clone());
        }
        let path = self.folder.join(document.name());
        std::fs::write(&path, document.bytes()).map_err(|error| {
            let message = format!("{} cannot be written: {}.", path.display(), error.kind());
            Error::new(Kind::FileAccess, message, "Make room.")
        })?;
        let answer = self.session.app.upload(&self.caller, &path.display().to_string(), None).await?;
        self.budget.charge.add(answer.charge);
        let link = answer.content.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.links.push((document, link.clone()));
        Ok(link)
    }
}

/// Whether the service is one on this machine, which is a simulator.
fn is_here(session: &CliSession) -> bool {
    crate::api::transfer::is_loopback(&session.app.config.base_url)
}

/// A question and its answer, as the report has them.
struct Row {
    question: &'static str,
    operation: &'static str,
    believed: String,
    found: String,
    failed: Option<Kind>,
    agrees: Option<bool>,
    shape: Value,
    job_id: Option<String>,
}

fn rows_of(step: &Step, operation: &'static Operation, asked: &Asked) -> Vec<Row> {
    let found = |index: usize| match &asked.found {
        Ok(all) => all.get(index).map(|found| (found.words.clone(), found.agrees)),
        Err(one) => Some((one.words.clone(), one.agrees)),
    };
    let row = |(index, question): (usize, &super::questions::Question)| {
        let (words, agrees) = found(index)?;
        Some(Row {
            question: question.title,
            operation: operation.name,
            believed: (question.believed)(operation),
            found: words,
            failed: asked.failed,
            agrees,
            shape: if index == 0 { asked.shape.clone() } else { Value::Null },
            job_id: asked.job_id.clone(),
        })
    };
    step.questions.iter().enumerate().filter_map(row).collect()
}

impl Row {
    /// The row for machines; the job's id, and what an error quotes, are for this user alone.
    fn to_json(&self, with_id: bool) -> Value {
        let found = match self.failed {
            Some(kind) if !with_id => shape::of_error(kind),
            _ => self.found.clone(),
        };
        let mut row = json!({
            "question": self.question,
            "operation": self.operation,
            "believed": self.believed,
            "found": found,
            "as_believed": self.agrees,
            "shape": self.shape,
        });
        if let Some(fields) = row.as_object_mut().filter(|_| with_id) {
            fields.insert("job_id".to_owned(), json!(self.job_id));
        }
        row
    }

    fn line(&self) -> String {
        let mark = match self.agrees {
            Some(true) => "as believed",
            Some(false) => "DIFFERS",
            None => "open",
        };
        format!("{}\n  believed: {}\n  found: {} ({mark})", self.question, self.believed, self.found)
    }
}

fn report(session: &CliSession, budget: &Budget, findings: &ServiceFindings, rows: Vec<Row>) -> Result<Report> {
    let path = write_report(&rows, budget, findings)?;
    let summary = format!(
        "{}, {}, {}",
        counted(rows.len() as i64, "question"),
        counted(i64::from(budget.made), "call"),
        counted(budget.spent(), "credit")
    );
    session.progress.clear();
    let items: Vec<Value> = rows.iter().map(|row| row.to_json(true)).collect();
    let data = json!({
        "status": "success",
        "items": items,
        "total": rows.len(),
        "findings": findings,
        "calls": budget.made,
        "credits_at_most": budget.agreed,
        "credits_used": budget.charge.credits,
        "credits_remaining": budget.charge.remaining,
        "report": path.display().to_string(),
    });
    let kept = match findings.is_anything() {
        true => "What was found is kept in the ledger: estimates and requests of this account follow it from now on.",
        false => "Nothing was found out, and nothing is kept.",
    };
    let to_send = format!(
        "{} holds the same without keys, links and ids: a file to send with a report of a defect.",
        path.display()
    );
    Ok(Report {
        lines: rows.iter().map(Row::line).collect(),
        data,
        notes: vec![summary.clone(), kept.to_owned(), to_send],
        summary,
        code: if budget.made > 0 && !findings.is_anything() { SERVICE } else { SUCCESS },
        ..Report::default()
    })
}

/// Writes what was found into a new file of the current folder.
fn write_report(rows: &[Row], budget: &Budget, findings: &ServiceFindings) -> Result<PathBuf> {
    let text = json!({
        "pdfco": env!("CARGO_PKG_VERSION"),
        "at": crate::answer::rfc3339(now()),
        "calls": budget.made,
        "credits": budget.charge.credits,
        "findings": findings,
        "questions": rows.iter().map(|row| row.to_json(false)).collect::<Vec<_>>(),
    });
    for number in 1..=100 {
        let name = if number == 1 { format!("{REPORT_NAME}.json") } else { format!("{REPORT_NAME}-{number}.json") };
        let path = PathBuf::from(name);
        match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                use std::io::Write;
                writeln!(file, "{text:#}").map_err(|error| unwritable(&path, &error))?;
                return Ok(path);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unwritable(&path, &error)),
        }
    }
    Err(Error::new(Kind::FileAccess, "There are too many reports in this folder.", "Delete those that were sent."))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(
        Kind::FileAccess,
        format!("{} cannot be written: {}.", path.display(), error.kind()),
        "Run it in a folder that can be written. What was found is in the ledger's jobs.",
    )
}
