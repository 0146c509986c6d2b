//! `pdfco doctor --service`: the questions about the service that only a real key can answer.
//!
//! At most ten calls, whose price is said first. The jobs are ordinary jobs: the ledger keeps them and learns from them
//! what jobs cost. An interrupted run leaves nothing else behind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::shape;
use crate::app::{Caller, SubmitRequest};
use crate::catalog::{self, Operation, Price};
use crate::charge::Charge;
use crate::cli::names::counted;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::table::Table;
use crate::cli::targets::scratch_folder;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::jobs::Job;

/// Most calls to the service.
const CALLS_MAX: u32 = 10;
/// Credits of an upload's link and of a check, as the service's price table has them.
const UPLOAD_CREDITS: i64 = 7;
const CHECK_CREDITS: i64 = 2;
/// Assumed for an operation whose price is not published.
const UNKNOWN_CREDITS: i64 = 50;
/// How long a job gets before its one check.
const JOB_TIME: Duration = Duration::from_secs(8);
/// The same with the simulator.
const SIMULATED_JOB_TIME: Duration = Duration::from_millis(400);
/// Pages that the question about prices is asked with.
const PAGES: i64 = 3;
/// Name of the report's file.
const REPORT_NAME: &str = "pdfco-service-report";

const REPORT_PDF: &[u8] = include_bytes!("../../../../fixtures/documents/report.pdf");
const LOCKED_PDF: &[u8] = include_bytes!("../../../../fixtures/documents/locked.pdf");

/// One question, answered by one job.
struct Question {
    /// What is asked.
    title: &'static str,
    operation: &'static str,
    arguments: fn() -> Value,
    document: Document,
    /// Pages of the document that the operation works on.
    pages: i64,
    /// What the product believes.
    believed: fn(&Operation) -> String,
    /// What the job showed.
    found: fn(&Operation, &Job) -> Found,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Document {
    Report,
    Locked,
}

struct Found {
    words: String,
    /// Whether it is what the product believes; `None` where it settles what was open.
    agrees: Option<bool>,
}

const QUESTIONS: &[Question] = &[
    Question {
        title: "Where do the facts of pdf/info stand?",
        operation: "pdf_info_reader",
        arguments: || json!({}),
        document: Document::Report,
        pages: 5,
        believed: |_| "inside the answer, or behind a link; both are read".to_owned(),
        found: |_, job| facts(job),
    },
    Question {
        title: "What is a job of three pages charged?",
        operation: "pdf_to_text",
        arguments: || json!({"pages": "0-2"}),
        document: Document::Report,
        pages: PAGES,
        believed: |operation| match unit_price(operation) {
            Some(unit) => format!("{unit} once, or {} per page: the service's pages disagree", unit * PAGES),
            None => "not published".to_owned(),
        },
        found: price,
    },
    Question {
        title: "What does a job end in whose password is wrong?",
        operation: "pdf_to_text",
        arguments: || json!({"password": "not-the-password"}),
        document: Document::Locked,
        pages: 1,
        believed: |_| "failed, with a reason".to_owned(),
        found: |_, job| Found {
            words: match job.reason() {
                Some(reason) => {
                    format!("{}, with a reason of {} characters", job.status.as_str(), reason.chars().count())
                }
                None => format!("{}, without a reason", job.status.as_str()),
            },
            agrees: Some(job.status.is_terminal() && job.status != crate::jobs::JobStatus::Success),
        },
    },
];

fn facts(job: &Job) -> Found {
    let content = job.content.clone().unwrap_or_default();
    let place = shape::place_of_facts(&content);
    let is_read = !job.results().links.is_empty() || job.results().inline.is_some();
    Found { words: place.to_owned(), agrees: Some(is_read) }
}

fn price(operation: &Operation, job: &Job) -> Found {
    let submit = job.submit_credits;
    let check = job.check_credits;
    let words = |model: &str| {
        let shown = |credits: Option<i64>| credits.map_or_else(|| "?".to_owned(), |credits| credits.to_string());
        format!("{model}: {} at the submit, {} at the check", shown(submit), shown(check))
    };
    let total = submit.zip(check).map(|(submit, check)| submit + check - CHECK_CREDITS);
    match (unit_price(operation), total) {
        (Some(unit), Some(total)) if total == unit => Found { words: words("once"), agrees: None },
        (Some(unit), Some(total)) if total == unit * PAGES => Found { words: words("per page"), agrees: None },
        (Some(_), Some(_)) => Found { words: words("neither once nor per page"), agrees: Some(false) },
        _ => Found { words: words("not reported"), agrees: None },
    }
}

fn unit_price(operation: &Operation) -> Option<i64> {
    match operation.price {
        Price::PerPage(credits)
        | Price::PerPageSeen(credits)
        | Price::PerCall(credits)
        | Price::PerCallSeen(credits) => Some(i64::from(credits)),
        Price::Unknown => None,
    }
}

/// The most that a question can cost: its job by the dearer model, and its one check.
fn most(operation: &Operation, pages: i64) -> i64 {
    let pages = match operation.price {
        Price::PerPage(_) | Price::PerPageSeen(_) => pages,
        Price::PerCall(_) | Price::PerCallSeen(_) | Price::Unknown => 1,
    };
    unit_price(operation).unwrap_or(UNKNOWN_CREDITS) * pages + CHECK_CREDITS
}

/// What a run of the questions has used up.
struct Budget {
    calls: u32,
    agreed: i64,
    charge: Charge,
}

impl Budget {
    fn spent(&self) -> i64 {
        self.charge.credits.unwrap_or_default()
    }

    /// Takes `calls` calls and what they can cost at most; says what is missing.
    fn take(&mut self, calls: u32, credits: i64) -> Result<(), String> {
        if self.calls + calls > CALLS_MAX {
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
/// `invalid_argument` where the price was not agreed to; `file_access` when the report cannot be written; as the first
/// upload. What goes wrong with one question is its answer.
pub async fn run(session: &CliSession, yes: bool, max_credits: Option<i64>) -> Result<Report> {
    let caller = session.caller()?;
    let operations: Vec<(&Question, &'static Operation)> =
        QUESTIONS.iter().map(|question| Ok((question, catalog::find(question.operation)?))).collect::<Result<_>>()?;
    let total = operations.iter().map(|(question, operation)| most(operation, question.pages)).sum::<i64>()
        + 2 * UPLOAD_CREDITS;
    let agreed = max_credits.unwrap_or(total);
    agree(session, yes, total.min(agreed), operations.len())?;
    let mut budget = Budget { calls: 0, agreed, charge: Charge::NONE };
    let folder = scratch_folder()?;
    let caller = Caller { sandbox: session.caller_with_folder(Some(folder.path()))?.sandbox, ..caller };
    let mut uploads = Uploads { folder: folder.path(), report: None, locked: None };
    let mut answers = Vec::new();
    for (question, operation) in operations {
        session.progress.label(question.operation);
        let answer = match ask(session, &caller, &mut budget, &mut uploads, question, operation).await {
            Ok(answer) => answer,
            Err(error) if error.kind() == Kind::Cancelled => return Err(error),
            Err(error) => {
                budget.charge.add(error.charge());
                let words = format!("{}: {}", shape::of_error(error.kind()), error.message());
                Asked { words, agrees: Some(false), shape: Value::Null, job_id: None }
            }
        };
        answers.push((question, operation, answer));
    }
    report(session, &budget, &answers)
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
        session.printer.note(&offer);
    }
    if agreed {
        return Ok(());
    }
    Err(Error::invalid(
        offer,
        "Nothing was sent. --yes agrees to it, --max-credits N to less: what would cost more is left out.",
    ))
}

/// Links of the documents, uploaded when they are first needed.
struct Uploads<'a> {
    folder: &'a Path,
    report: Option<String>,
    locked: Option<String>,
}

/// One question, asked.
struct Asked {
    words: String,
    agrees: Option<bool>,
    shape: Value,
    job_id: Option<String>,
}

impl Asked {
    fn left_out(words: String) -> Asked {
        Asked { words, agrees: None, shape: Value::Null, job_id: None }
    }
}

async fn ask(
    session: &CliSession,
    caller: &Caller,
    budget: &mut Budget,
    uploads: &mut Uploads<'_>,
    question: &Question,
    operation: &Operation,
) -> Result<Asked> {
    let needs_upload = match question.document {
        Document::Report => uploads.report.is_none(),
        Document::Locked => uploads.locked.is_none(),
    };
    let most = most(operation, question.pages);
    let (calls, credits) = if needs_upload { (3, most + UPLOAD_CREDITS) } else { (2, most) };
    if let Err(reason) = budget.take(calls, credits) {
        return Ok(Asked::left_out(reason));
    }
    let link = uploaded(session, caller, budget, uploads, question.document).await?;
    let mut arguments: Map<String, Value> = (question.arguments)().as_object().cloned().unwrap_or_default();
    arguments.insert("url".to_owned(), json!(link));
    let request = SubmitRequest {
        operation: operation.name.to_owned(),
        arguments,
        wait: Some(Duration::ZERO),
        read: Some(0),
        ..SubmitRequest::default()
    };
    let submitted = session.app.submit(caller, request).await?;
    budget.charge.add(submitted.charge);
    let id = submitted.job.ok_or_else(|| Error::internal("A submit was answered without a job."))?.job_id;
    let pause = if session.app.config.simulate { SIMULATED_JOB_TIME } else { JOB_TIME };
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = caller.cancel.cancelled() => {
            return Err(Error::new(Kind::Cancelled, "The questions were given up.", "The jobs made so far are in the ledger."));
        }
    }
    let checked = session.app.check(caller, &id, false).await?;
    budget.charge.add(checked.charge);
    let job = session.app.jobs().get(&caller.owner, &id).await?;
    let shape = job.content.as_ref().map(shape::of).unwrap_or_default();
    if !job.status.is_terminal() {
        let words = format!("not known: the job was still {} after {} s", job.status.as_str(), pause.as_secs_f64());
        return Ok(Asked { shape, job_id: Some(id), ..Asked::left_out(words) });
    }
    let found = (question.found)(operation, &job);
    Ok(Asked { words: found.words, agrees: found.agrees, shape, job_id: Some(id) })
}

async fn uploaded(
    session: &CliSession,
    caller: &Caller,
    budget: &mut Budget,
    uploads: &mut Uploads<'_>,
    document: Document,
) -> Result<String> {
    let (slot, name, bytes) = match document {
        Document::Report => (&mut uploads.report, "report.pdf", REPORT_PDF),
        Document::Locked => (&mut uploads.locked, "locked.pdf", LOCKED_PDF),
    };
    if let Some(link) = slot {
        return Ok(link.clone());
    }
    let path = uploads.folder.join(name);
    std::fs::write(&path, bytes).map_err(|error| {
        Error::new(Kind::FileAccess, format!("{} cannot be written: {}.", path.display(), error.kind()), "Make room.")
    })?;
    let answer = session.app.upload(caller, &path.display().to_string(), None).await?;
    budget.charge.add(answer.charge);
    let link = answer.content.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
    *slot = Some(link.clone());
    Ok(link)
}

fn report(session: &CliSession, budget: &Budget, answers: &[(&Question, &Operation, Asked)]) -> Result<Report> {
    let rows = answers
        .iter()
        .map(|(question, operation, asked)| {
            let mark = match asked.agrees {
                Some(true) => "as believed",
                Some(false) => "DIFFERS",
                None => "open",
            };
            vec![question.title.to_owned(), (question.believed)(operation), asked.words.clone(), mark.to_owned()]
        })
        .collect();
    let items: Vec<Value> = answers
        .iter()
        .map(|(question, operation, asked)| {
            json!({
                "question": question.title,
                "operation": operation.name,
                "believed": (question.believed)(operation),
                "found": asked.words,
                "as_believed": asked.agrees,
                "shape": asked.shape,
                "job_id": asked.job_id,
            })
        })
        .collect();
    let path = write_report(&items, budget)?;
    let summary = format!(
        "{}, {}, {}",
        counted(answers.len() as i64, "question"),
        counted(i64::from(budget.calls), "call"),
        counted(budget.spent(), "credit")
    );
    let table = Table { header: vec!["question", "believed", "found", ""], rows, spare: &[] };
    session.progress.clear();
    Ok(Report {
        lines: table
            .rows
            .iter()
            .map(|row| {
                format!("{}\n  believed: {}\n  found: {} ({})", cell(row, 0), cell(row, 1), cell(row, 2), cell(row, 3))
            })
            .collect(),
        data: json!({"status": "success", "items": items, "total": answers.len(), "calls": budget.calls, "credits_used": budget.charge.credits, "credits_remaining": budget.charge.remaining, "report": path.display().to_string()}),
        notes: vec![
            summary.clone(),
            format!(
                "{} holds the same without keys, links and ids: a file to send with a report of a defect.",
                path.display()
            ),
        ],
        summary,
        ..Report::default()
    })
}

fn cell(row: &[String], index: usize) -> &str {
    row.get(index).map(String::as_str).unwrap_or_default()
}

/// Writes what was found into a new file of the current folder.
fn write_report(items: &[Value], budget: &Budget) -> Result<PathBuf> {
    let items: Vec<Value> = items
        .iter()
        .cloned()
        .map(|mut item| {
            item.as_object_mut().and_then(|fields| fields.shift_remove("job_id"));
            item
        })
        .collect();
    let text = json!({
        "pdfco": env!("CARGO_PKG_VERSION"),
        "at": crate::answer::rfc3339(now()),
        "calls": budget.calls,
        "credits": budget.charge.credits,
        "questions": items,
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
