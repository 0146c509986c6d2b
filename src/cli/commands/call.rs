//! `pdfco call`: any operation, its parameters as flags.
//!
//! Arguments are checked and typed by `catalog/arguments`, for the command line and the MCP server alike.

mod arguments;
mod flags;

use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

pub use self::arguments::{CallArgs, read};
pub use self::flags::{Named, command};

use self::flags::source_of;
use super::batch::{self, Batch};
use super::read::text_from;
use crate::answer::Answer;
use crate::app::{Caller, Consent, SubmitRequest, facts_field};
use crate::catalog::{Output, ParamKind};
use crate::cli::consent;
use crate::cli::exit_code::SUCCESS;
use crate::cli::inputs::expanded;
use crate::cli::job_report::{self, job_of};
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::stdin;
use crate::cli::targets::{Target, scratch_folder};
use crate::error::{Error, Kind, Result};
use crate::jobs::{Job, JobStatus};

/// Inputs of a batch that run at once, unless it says.
const AT_ONCE: u16 = 4;

/// Submits, waits, and prints or saves the result.
///
/// # Errors
/// What ends the call before there is an outcome.
pub async fn run(session: &CliSession, mut args: CallArgs) -> Result<Report> {
    if args.background && session.is_simulated() {
        return Err(Error::invalid(
            "The simulator of --simulate ends with this command, so a job in the background would be lost.",
            "Nothing was submitted. Run `pdfco simulate` in another terminal: --simulate finds it, and later commands find the job. Or leave --background out.",
        ));
    }
    let piped = with_document_from_stdin(session, &mut args).await?;
    if let Some(batch) = with_inputs(&mut args)? {
        return match args.dry_run {
            true => batch::dry_run(session, &batch).await,
            false => batch::run(session, batch).await,
        };
    }
    let consent = if args.yes { Consent::ToAll } else { Consent::Needed };
    let caller = Caller { consent, ..session.caller_with_folder(piped.as_ref().map(TempDir::path))? };
    if args.dry_run {
        return Ok(consent::estimated(&session.app.estimate(&caller, &request(session, &args)).await?));
    }
    let target = args.save_to.as_deref().map(|path| Target::parse(session, path)).transpose()?;
    if let Some(target) = &target {
        target.check_before_submit(&caller, args.operation, &args.arguments, args.overwrite)?;
    }
    session.progress.label(args.operation.name);
    let request = request(session, &args);
    let mut answer = consent::submit(session, &caller, request).await?;
    let job = job_of(session, &caller, &answer).await?;
    let mut report = job_report::outcome(session, &answer, &job, args.timeout);
    if args.background {
        return Ok(in_background(session, report, &job));
    }
    match (&target, &job.status) {
        (_, JobStatus::Success) if job.lacks_result() => {}
        (Some(target), JobStatus::Success) => {
            let saved = save(session, &caller, &job, target, args.overwrite).await?;
            report = job_report::outcome(session, &with_outputs(&mut answer, &saved), &job, args.timeout);
            report.lines = if target.is_stdout() { Vec::new() } else { job_report::saved_lines(&saved) };
        }
        (None, JobStatus::Success) if session.printer.is_human() => {
            show_result(session, &caller, args, (&answer, &job), &mut report).await?;
        }
        _ => {}
    }
    Ok(report)
}

fn request(session: &CliSession, args: &CallArgs) -> SubmitRequest {
    SubmitRequest {
        operation: args.operation.name.to_owned(),
        arguments: args.arguments.clone(),
        wait: Some(if args.background { Duration::ZERO } else { args.timeout }),
        // A person's text is read below, where a failure to read is an error.
        read: if session.printer.is_human() || args.save_to.is_some() { Some(0) } else { args.read },
        client_request_id: args.client_request_id.clone(),
        ..SubmitRequest::default()
    }
}

/// The report of a job that is not waited for.
fn in_background(session: &CliSession, mut report: Report, job: &Job) -> Report {
    report.code = if job.status.is_terminal() { report.code } else { SUCCESS };
    report.problem = report.problem.filter(|_| report.code != SUCCESS);
    report.lines = job_report::head_lines(job);
    report.lines.insert(1, format!("local id: {}", job.intent_id));
    report.notes.push(session.how(&format!("pdfco jobs wait {}", job.id())));
    report
}

async fn save(session: &CliSession, caller: &Caller, job: &Job, target: &Target, overwrite: bool) -> Result<Answer> {
    let command = target.command_for(job.id());
    session.progress.downloads(job.id(), &command);
    let saved = target.save(session, caller, job, overwrite).await;
    saved.map_err(|error| later(session, error, &command))
}

/// The answer with the files of `saved`.
fn with_outputs(answer: &mut Answer, saved: &Answer) -> Answer {
    if let (Some(view), Some(files)) = (&mut answer.job, &saved.job) {
        view.outputs.clone_from(&files.outputs);
    }
    answer.clone()
}

/// Copies a document that is named `-` from stdin into a folder of its own, which is returned.
async fn with_document_from_stdin(session: &CliSession, args: &mut CallArgs) -> Result<Option<TempDir>> {
    let Some(param) =
        args.operation.params().find(|param| matches!(param.kind, ParamKind::Source | ParamKind::Sources))
    else {
        return Ok(None);
    };
    let mut words = words_of(args, param.name);
    if !words.iter().any(|word| word == "-") {
        return Ok(None);
    }
    if words.iter().filter(|word| *word == "-").count() > 1 {
        return Err(Error::invalid("`-` is named twice, and there is one stdin.", "Name it once."));
    }
    let folder = scratch_folder()?;
    let (into, most) = (folder.path().to_owned(), session.app.config.max_file_bytes);
    // Reading blocks its thread; a signal ends the command all the same, and the folder goes with it.
    let copying = tokio::task::spawn_blocking(move || stdin::document(&into, most));
    let path = tokio::select! {
        copied = copying => copied.map_err(|_| Error::internal("The document on stdin could not be copied."))??,
        () = session.until_interrupted() => return Err(Error::new(Kind::Cancelled, "Nothing was sent.", "")),
    };
    words.iter_mut().filter(|word| *word == "-").for_each(|word| *word = path.display().to_string());
    args.arguments.insert(param.name.to_owned(), Value::from(words));
    Ok(Some(folder))
}

/// The documents that the arguments name.
fn words_of(args: &CallArgs, param: &str) -> Vec<String> {
    match args.arguments.get(param) {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        // A list as JSON text is a list.
        Some(Value::String(word)) => serde_json::from_str(word).unwrap_or_else(|_| vec![word.clone()]),
        _ => Vec::new(),
    }
}

/// Turns patterns into files. Returns a batch when there is more than one input for an operation that takes one.
fn with_inputs(args: &mut CallArgs) -> Result<Option<Batch>> {
    let takes_one = source_of(args.operation);
    let takes_many = args.operation.params().find(|param| param.kind == ParamKind::Sources);
    let Some(param) = takes_one.or(takes_many) else { return Ok(None) };
    let words = words_of(args, param.name);
    if words.is_empty() {
        return Ok(None);
    }
    if takes_one.is_none() {
        // All of them are inputs of one job, as often as they are named.
        let mut inputs = Vec::new();
        for word in &words {
            let found = expanded(std::slice::from_ref(word))?;
            if let Some(odd) = found.unusable.first().or(found.unreadable.first()) {
                return Err(Error::new(
                    Kind::FileAccess,
                    format!("Not every document can be taken: {odd}"),
                    "Nothing was submitted. Rename the file or open the folder, or name the documents one by one.",
                ));
            }
            inputs.extend(found.found);
        }
        if inputs != words {
            args.arguments.insert(param.name.to_owned(), Value::from(inputs));
        }
        return Ok(None);
    }
    let inputs = expanded(&words)?;
    let is_batch = words.len() > 1 || inputs.had_pattern || args.resume || args.at_once.is_some();
    if !is_batch {
        return Ok(None);
    }
    if args.client_request_id.is_some() {
        return Err(Error::invalid(
            "--client-request-id is the id of one request, and a batch has several.",
            "Leave it out: --resume finds what each input has been paid for.",
        ));
    }
    if args.read.is_some() {
        return Err(Error::invalid(
            "--read shows the text of one result, and a batch has several.",
            "Add --save-to with a folder, or read each with `pdfco jobs read`.",
        ));
    }
    let mut arguments = args.arguments.clone();
    arguments.shift_remove(param.name);
    Ok(Some(Batch {
        operation: args.operation,
        param: param.name,
        inputs,
        arguments,
        at_once: usize::from(args.at_once.unwrap_or(AT_ONCE)),
        resume: args.resume,
        yes: args.yes,
        background: args.background,
        timeout: args.timeout,
        save_to: args.save_to.clone(),
        overwrite: args.overwrite,
    }))
}

/// Shows a person the result: facts as the answer has them, the text, else the links, else the service's own words.
async fn show_result(
    session: &CliSession,
    caller: &Caller,
    args: CallArgs,
    (answer, job): (&Answer, &Job),
    report: &mut Report,
) -> Result<()> {
    let CallArgs { operation, read, .. } = args;
    let results = job.results();
    if let Some(facts) = facts_field(operation).and_then(|name| answer.content.get(name)).filter(|_| read.is_none()) {
        report.text = Some(format!("{facts:#}"));
        return Ok(());
    }
    let is_text = matches!(operation.output, Output::Text(_) | Output::Inline)
        && (!results.links.is_empty() || results.inline.is_some());
    if is_text || (results.links.is_empty() && results.inline.is_some()) {
        let text = text_from(session, caller, job.id(), 0, read, 0).await;
        let (text, rest) = text.map_err(|error| match error.kind() {
            // It cannot be read, now or later.
            Kind::InvalidArgument => {
                let hint = error.hint().clone().and(" The job itself succeeded.");
                error.with_hint(hint)
            }
            _ => later(session, error, &format!("pdfco jobs read {}", job.id())),
        })?;
        report.text = Some(text);
        report.notes.extend(rest.map(|next| session.how(&format!("pdfco jobs read {} --offset {next}", job.id()))));
    } else if results.links.is_empty() {
        report.text = job.content.as_ref().map(|content| format!("{content:#}"));
    } else {
        report.lines = job_report::links(&answer.content, job);
        report.notes.push(if session.is_simulated() {
            "Add --save-to PATH to save the result.".to_owned()
        } else {
            session.how(&format!("pdfco jobs download {}", job.id()))
        });
    }
    Ok(())
}

/// An error after the job succeeded, when only its result did not come: says how to get it without paying again.
fn later(session: &CliSession, error: Error, command: &str) -> Error {
    let hint = error.hint().clone().and(format!(" The job itself succeeded. {}", session.how(command)));
    error.with_hint(hint)
}
