//! A job as a person and a program see it: the lines of `jobs show`, the `data` of the envelope, and what an outcome
//! means for the exit code. Nothing here asks for anything; every function takes what is known.

use std::time::Duration;

use serde_json::{Value, json};

use super::exit_code::{of_error, of_outcome};
use super::names::counted;
use super::report::{Problem, Report, with_balance};
use super::session::CliSession;
use crate::answer::{Answer, rfc3339};
use crate::app::Caller;
use crate::clock::now;
use crate::error::{Error, ErrorView, Kind, Result};
use crate::jobs::{Job, JobId, JobStatus};
use crate::next_step::Audience;

/// What an absent value is shown as.
const NONE: &str = "(none)";

/// The ledger's row behind an answer.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn job_of(session: &CliSession, caller: &Caller, answer: &Answer) -> Result<Job> {
    let view = answer.job.as_ref().ok_or_else(|| Error::internal("An answer about a job came without one."))?;
    session.app.jobs().get(&caller.owner, &JobId::parse(&view.job_id)?).await
}

/// The outcome of a job that was waited for; one that still runs ran out of `timeout`.
pub fn outcome(session: &CliSession, answer: &Answer, job: &Job, timeout: Duration) -> Report {
    let id = job.id();
    let message = match &job.status {
        JobStatus::Success => job.lacks_result().then(|| format!("job {id} ended without a result")),
        JobStatus::Failed | JobStatus::Aborted => Some(format!(
            "job {id} {}: {}",
            job.status.as_str(),
            job.reason().unwrap_or_else(|| "the service gave no reason".to_owned())
        )),
        JobStatus::Unknown => Some(format!("job '{id}' was not found")),
        JobStatus::Cancelled => Some(format!("job {id} was cancelled: it is not tracked any more")),
        JobStatus::Queued | JobStatus::Working | JobStatus::Other(_) => Some(match broken_by(answer) {
            _ if job.job_id.is_none() => format!("request {id} has no id of the service and cannot be waited for"),
            Some(error) => {
                let why = with_balance(&error.message, error.kind, answer.charge.remaining);
                format!("job {id} is {}, but it cannot be followed: {why}", status_word(job))
            }
            None => format!("operation timed out after {}s; job {id} is {}", timeout.as_secs_f64(), status_word(job)),
        }),
    };
    let tips = answer.tips.as_ref().map(|tips| tips.text(Audience::Shell)).unwrap_or_default();
    let hint = match &job.status {
        JobStatus::Queued | JobStatus::Working | JobStatus::Other(_) if job.job_id.is_some() => {
            let how = session.how(&format!("pdfco jobs wait {id}"));
            match answer.job.as_ref().and_then(|view| view.last_check_error.as_ref()) {
                Some(error) if broken_by(answer).is_some() => {
                    format!("{} {how}", error.hint.text(Audience::Shell))
                }
                Some(error) => format!("The last check failed: {} {how}", error.message),
                None => how,
            }
        }
        _ => tips,
    };
    let summary = summary(answer, job);
    let code = match broken_by(answer) {
        Some(error) if !job.status.is_terminal() => of_error(error.kind),
        _ if job.lacks_result() => of_error(Kind::Upstream),
        _ => of_outcome(&job.status),
    };
    Report {
        notes: if message.is_none() { vec![summary.clone()] } else { Vec::new() },
        summary,
        lines: Vec::new(),
        data: data(answer, job),
        problem: message.map(|message| Problem { message, hint }),
        code,
        ..Report::default()
    }
}

/// The error that ended the wait early; no timeout was applied then.
fn broken_by(answer: &Answer) -> Option<&ErrorView> {
    answer.job.as_ref().filter(|view| view.timeout_applied.is_none())?.last_check_error.as_ref()
}

fn summary(answer: &Answer, job: &Job) -> String {
    let mut words = format!(
        "{}: {} in {:.1} s, {}",
        named(job),
        status_word(job),
        job.elapsed_seconds(now()),
        counted(job.checks_made, "check")
    );
    if let Some(used) = answer.charge.credits {
        words.push_str(&format!(", {}", counted(used, "credit")));
    }
    if let Some(left) = answer.charge.remaining {
        words.push_str(&format!(", {left} left"));
    }
    words
}

fn named(job: &Job) -> &str {
    if job.operation.is_empty() { "job" } else { &job.operation }
}

fn status_word(job: &Job) -> String {
    match job.status.unrecognized() {
        Some(word) => format!("{} ({})", job.status.as_str(), crate::text::shorten(word, 40)),
        None => job.status.as_str().to_owned(),
    }
}

/// The first lines of `jobs show`, and all of a call in the background.
pub fn head_lines(job: &Job) -> Vec<String> {
    vec![
        format!("job: {}", job.id()),
        format!("command: {}", if job.operation.is_empty() { NONE } else { &job.operation }),
        format!("status: {}", status_word(job)),
        format!("remote task: {}", job.job_id.as_deref().unwrap_or(NONE)),
    ]
}

/// The lines of `jobs show`.
pub fn lines(answer: &Answer, job: &Job) -> Vec<String> {
    let mut detail = format!("{:.1} s, {}", job.elapsed_seconds(now()), counted(job.checks_made, "check"));
    if let Some(credits) = job.credits_total() {
        detail.push_str(&format!(", {}", counted(credits, "credit")));
    }
    let updated =
        [Some(job.created_at), job.submitted_at, job.last_checked_at, job.completed_at].into_iter().flatten().max();
    let mut lines = head_lines(job);
    lines.extend([
        format!("detail: {detail}"),
        format!("failure: {}", job.reason().as_deref().unwrap_or(NONE)),
        format!("result: {}", result_words(answer, job)),
        format!("created: {}", rfc3339(job.created_at)),
        format!("updated: {}", updated.map_or_else(|| NONE.to_owned(), rfc3339)),
    ]);
    lines
}

/// The names of a result's files: of the parts, where the answer lists them, rather than of their listing.
pub fn file_names(answer: &Answer, job: &Job) -> Vec<String> {
    let outputs = answer.job.iter().filter(|_| job.status == JobStatus::Success).flat_map(|view| &view.outputs);
    let mut names: Vec<String> = outputs.map(|output| output.name.clone()).collect();
    if let Some(more) = answer.job.as_ref().and_then(|view| view.outputs_total?.checked_sub(names.len())) {
        names.push(format!("{more} more"));
    }
    if names.is_empty() {
        let links = job.results().links;
        names.extend(links.iter().map(|link| link.file_name().unwrap_or_else(|| "a file".to_owned())));
    }
    names
}

/// The links of a result: those of the parts that `content` lists, rather than the one of their listing.
pub fn links(content: &Value, job: &Job) -> Vec<String> {
    let results = job.results();
    let listed = content.get("urls").and_then(Value::as_array).filter(|_| results.maybe_list);
    match listed {
        Some(listed) => listed.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => results.links.iter().map(|link| link.expose().to_owned()).collect(),
    }
}

fn result_words(answer: &Answer, job: &Job) -> String {
    let names = file_names(answer, job);
    let what = match (names.as_slice(), job.results().inline) {
        ([], None) => NONE.to_owned(),
        ([], Some(_)) => "in the answer itself".to_owned(),
        (names, _) => names.join(", "),
    };
    match (job.links_expire_at, job.saved_to.as_slice()) {
        (_, [_, ..]) => format!("{what}; saved to {}", job.saved_to.join(", ")),
        (Some(at), _) if job.links_expired(now()) => format!("{what} (expired {})", rfc3339(at)),
        (Some(at), _) if !names.is_empty() => format!("{what} (until {})", rfc3339(at)),
        _ => what,
    }
}

/// The fields of an answer, with hints in the words of a shell.
pub fn fields_of(answer: &Answer) -> Value {
    answer.to_json(Audience::Shell)
}

/// The `data` of one job: the answer's fields, and the job's own as other job systems name them.
pub fn data(answer: &Answer, job: &Job) -> Value {
    let mut data = fields_of(answer);
    if let Some(fields) = data.as_object_mut() {
        fields.insert("job_id".to_owned(), json!(job.id()));
        fields.insert("local_id".to_owned(), json!(job.intent_id));
        fields.insert("remote".to_owned(), json!(job.job_id));
        fields.insert("result".to_owned(), result(answer, job));
    }
    data
}

/// What a success handed over: links, JSON of the answer itself, and files saved by this command.
fn result(answer: &Answer, job: &Job) -> Value {
    if job.status != JobStatus::Success {
        return Value::Null;
    }
    let links = links(&answer.content, job);
    let saved = answer
        .job
        .as_ref()
        .map(|view| view.outputs.iter().filter(|output| output.saved_to.is_some()).collect::<Vec<_>>());
    json!({"urls": links, "value": job.results().inline, "expires_at": job.links_expire_at.map(rfc3339), "saved": saved})
}

/// What is said of a job that had ended before this command.
pub fn already_completed(id: &str) -> String {
    format!("job '{id}' is already completed")
}

/// One line for each saved file: path, bytes, digest.
pub fn saved_lines(answer: &Answer) -> Vec<String> {
    let outputs = answer.job.iter().flat_map(|view| &view.outputs);
    outputs
        .filter_map(|file| {
            Some(format!(
                "{}  {} bytes  sha256 {}",
                file.saved_to.as_ref()?,
                file.bytes.unwrap_or_default(),
                file.sha256.as_deref().unwrap_or(NONE)
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(status: JobStatus, content: Value) -> Job {
        Job {
            status,
            created_at: 1_754_932_153_000,
            submitted_at: Some(1_754_932_153_000),
            completed_at: Some(1_754_932_156_200),
            last_checked_at: Some(1_754_932_156_200),
            checks_made: 2,
            check_credits: Some(4),
            submit_credits: Some(21),
            credits_remaining: Some(9_975),
            content: Some(content),
            ..Job::fixture("J1")
        }
    }

    fn bare() -> Answer {
        Answer::success(json!({}), Default::default())
    }

    #[test]
    fn parts_are_shown_instead_of_their_listing() {
        let done = job(JobStatus::Success, json!({"url": "https://h.test/a/report.json?sig=1"}));
        let done = Job { operation: "pdf_split".into(), ..done };
        let parts = ["https://h.test/a/1.pdf?sig=2", "https://h.test/a/2.pdf?sig=3"];
        let answer = Answer::success(json!({"urls": parts}), Default::default());
        assert_eq!(links(&answer.content, &done), parts);
        assert_eq!(data(&answer, &done)["result"]["urls"], json!(parts));
        assert_eq!(links(&json!({}), &done), ["https://h.test/a/report.json?sig=1"], "the parts are not known");
    }

    #[test]
    fn show_has_the_lines_that_scripts_know() {
        let failed = job(JobStatus::Failed, json!({"message": "Invalid Password."}));
        assert_eq!(
            lines(&bare(), &failed),
            [
                "job: J1",
                "command: pdf_to_text",
                "status: failed",
                "remote task: J1",
                "detail: 3.2 s, 2 checks, 25 credits",
                "failure: Invalid Password.",
                "result: (none)",
                "created: 2025-08-11T17:09:13Z",
                "updated: 2025-08-11T17:09:16Z",
            ]
        );
        let done = job(JobStatus::Success, json!({"url": "https://h.test/a/report.txt?sig=1"}));
        assert!(lines(&bare(), &done).contains(&"result: report.txt".to_owned()));
        let saved = Job { saved_to: vec!["/tmp/report.txt".into()], ..done };
        assert!(lines(&bare(), &saved).contains(&"result: report.txt; saved to /tmp/report.txt".to_owned()));
    }

    #[test]
    fn data_has_both_shapes() {
        let done = job(JobStatus::Success, json!({"url": "https://h.test/a/report.txt?sig=1"}));
        let answer = Answer::success(json!({}), Default::default()).with_tips(crate::hint![
            crate::next_step::NextStep::Read { job_id: "J1".into(), offset: None },
            " gives the text."
        ]);
        let data = data(&answer, &done);
        assert_eq!(data["status"], "success");
        assert_eq!(
            (data["job_id"].as_str(), data["remote"].as_str(), data["local_id"].as_str()),
            (Some("J1"), Some("J1"), Some("local-J1"))
        );
        assert_eq!(data["result"]["urls"][0], "https://h.test/a/report.txt?sig=1");
        assert_eq!(data["tips"], "`pdfco jobs read J1` gives the text.");
    }
}
