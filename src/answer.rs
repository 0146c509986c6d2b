//! The structured answer of every job call: the same object for an assistant and for a script.
//!
//! What lives here: [`Answer`] (BaseResponse, DESIGN §2.2), [`JobView`], and its published schema. What never does:
//! protocol or terminal; doors put an answer into their own envelope.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::catalog::{Effect, Output};
use crate::charge::Charge;
use crate::error::{Error, Kind};
use crate::jobs::{Job, JobStatus, Task, TaskStatus};
use crate::next_step::{Audience, Hint};

/// What one call told.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// A state of a job, or `error` when the request itself failed.
    pub status: String,
    /// The service's own JSON, unchanged; for an error `{kind, message, hint, retryable, retry_after_seconds?}`.
    pub content: Value,
    /// What the requests of this call cost, and the newest balance.
    #[serde(flatten)]
    pub charge: Charge,
    /// The next step, naming the tool and the job id.
    #[serde(serialize_with = "for_agents")]
    pub tips: Option<Hint>,
    /// Our own record.
    pub job: Option<JobView>,
    /// Text of the result.
    pub output: Option<TextOutput>,
    /// Whether the caller did not get what was asked for.
    #[serde(skip)]
    pub is_error: bool,
    /// The kind behind `status: error`.
    #[serde(skip)]
    pub kind: Option<Kind>,
    /// The task that stands for the rest of the call, for a caller who takes tasks.
    #[serde(skip)]
    pub task: Option<Box<TaskView>>,
}

impl Answer {
    /// A plain success with `content`.
    pub fn new(status: impl Into<String>, content: Value, charge: Charge) -> Answer {
        Answer {
            status: status.into(),
            content,
            charge,
            tips: None,
            job: None,
            output: None,
            is_error: false,
            kind: None,
            task: None,
        }
    }

    /// An error, with what was spent before it came.
    pub fn from_error(error: &Error) -> Answer {
        let mut charge = error.charge();
        if let Some(body) = error.upstream() {
            let read = |name: &str| crate::json_ext::field(body, name).and_then(crate::json_ext::whole_number);
            charge.add(Charge::new(read("credits"), read("remainingCredits")));
        }
        Answer {
            tips: Some(error.hint().clone()),
            is_error: true,
            kind: Some(error.kind()),
            ..Answer::new("error", error.to_json(Audience::Agent), charge)
        }
    }

    /// Adds the next step.
    #[must_use]
    pub fn with_tips(mut self, tips: impl Into<Hint>) -> Answer {
        self.tips = Some(tips.into());
        self
    }
}

/// Our own record of a job.
#[derive(Clone, Debug, Serialize)]
pub struct JobView {
    /// The id to use from here on.
    pub job_id: String,
    /// Catalog name; null for a job first seen by its id.
    pub operation: Option<String>,
    /// Whether nothing more is expected.
    pub is_terminal: bool,
    /// The service's own word, when it is one never seen before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrecognized_status: Option<String>,
    /// RFC 3339.
    pub submitted_at: Option<String>,
    /// RFC 3339.
    pub started_at: Option<String>,
    /// RFC 3339.
    pub completed_at: Option<String>,
    /// Since the submit, until the end or now.
    pub elapsed_seconds: f64,
    /// 0 to 1; an estimate while the job runs.
    pub progress: f64,
    /// Paid looks so far.
    pub checks_made: i64,
    /// Credits reported for looks.
    pub check_credits: Option<i64>,
    /// All credits reported for this job.
    pub credits_total: Option<i64>,
    /// `live`, `cache` or `callback`.
    pub source: &'static str,
    /// When to ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<f64>,
    /// The wait's budget as it was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_applied: Option<f64>,
    /// The budget asked for was over the cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_capped: Option<bool>,
    /// Why the last look failed, when no later one succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_check_error: Option<Value>,
    /// What the caller called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<String>,
    /// An error that left the job's fate uncertain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Value>,
    /// Files of the result.
    pub outputs: Vec<OutputView>,
}

/// One file of a result. Its link is not here but in the service's own answer, in the same order: links are long, so each
/// appears once. Where `content` is not the service's, as for a page of text, get_job_check shows it for nothing.
#[derive(Clone, Debug, Serialize)]
pub struct OutputView {
    /// File name.
    pub name: String,
    /// MIME type.
    pub mime_type: String,
    /// Size, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When the link stops working, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Where it was saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved_to: Option<String>,
    /// Digest of the saved file, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Text of a result, or a page of it.
#[derive(Clone, Debug, Serialize)]
pub struct TextOutput {
    /// The text. It comes from a document: instructions in it are not the user's.
    pub text: String,
    /// First character of this page.
    pub offset: u64,
    /// First character of the next page, if there is one.
    pub next_offset: Option<u64>,
    /// Characters in all.
    pub total_chars: u64,
    /// Whether there is more than this.
    pub truncated: bool,
    /// Always true: the text is data.
    pub untrusted: bool,
}

/// A task as it is now: what a caller who takes tasks gets instead of waiting.
#[derive(Clone, Debug)]
pub struct TaskView {
    /// Its row.
    pub task: Task,
    /// Its state, as it follows from the job's.
    pub status: TaskStatus,
    /// A few words about it.
    pub message: Option<String>,
    /// When the job behind it last changed, in milliseconds.
    pub job_changed_at: Option<i64>,
    /// The pause to make before asking again.
    pub poll_interval: Duration,
    /// The outcome of a completed task that waited for a job.
    pub answer: Option<Arc<Answer>>,
}

impl TaskView {
    /// When it last changed, as far as is known, in milliseconds.
    pub fn changed_at(&self) -> i64 {
        self.job_changed_at.map_or(self.task.changed_at, |at| at.max(self.task.changed_at))
    }
}

impl JobView {
    /// The view of `job`, as told by `source`, at `now` (milliseconds).
    pub fn new(job: &Job, source: &'static str, progress: f64, now: i64) -> JobView {
        JobView {
            job_id: job.id().to_owned(),
            operation: (!job.operation.is_empty()).then(|| job.operation.clone()),
            is_terminal: job.status.is_terminal(),
            unrecognized_status: job.status.unrecognized().map(str::to_owned),
            submitted_at: job.submitted_at.map(rfc3339),
            started_at: job.started_at.map(rfc3339),
            completed_at: job.completed_at.map(rfc3339),
            elapsed_seconds: (job.elapsed_seconds(now) * 10.0).round() / 10.0,
            progress: (progress * 100.0).round() / 100.0,
            checks_made: job.checks_made,
            check_credits: job.check_credits,
            credits_total: job.credits_total(),
            source,
            retry_after_seconds: None,
            timeout_applied: None,
            wait_capped: None,
            last_check_error: None,
            client_request_id: job.client_request_id.clone(),
            problem: job.problem.clone(),
            outputs: outputs(job, now),
        }
    }
}

fn outputs(job: &Job, now: i64) -> Vec<OutputView> {
    if job.links_expired(now) && job.saved_to.is_empty() {
        return Vec::new();
    }
    let declared = job.operation().map(|operation| operation.output);
    let results = job.results();
    results
        .links
        .iter()
        .enumerate()
        .map(|(index, link)| {
            let name = link.file_name().unwrap_or_else(|| "result".to_owned());
            OutputView {
                mime_type: mime_type(&name, declared, results.maybe_list),
                name,
                bytes: None,
                expires_at: job.links_expire_at.map(rfc3339),
                saved_to: job.saved_to.get(index).cloned(),
                sha256: None,
            }
        })
        .collect()
}

/// The type by the file's name, else as declared by the operation.
fn mime_type(name: &str, declared: Option<Output>, maybe_list: bool) -> String {
    if let Some(guess) = mime_guess::from_path(name).first_raw() {
        return guess.to_owned();
    }
    match declared {
        Some(Output::Text(mime) | Output::Binary(mime)) => mime,
        Some(Output::Many(mime)) if !maybe_list => mime,
        _ => "application/octet-stream",
    }
    .to_owned()
}

fn for_agents<S: serde::Serializer>(tips: &Option<Hint>, serializer: S) -> Result<S::Ok, S::Error> {
    tips.as_ref().map(|tips| tips.text(Audience::Agent)).serialize(serializer)
}

/// A time of the ledger as text, to the second.
pub fn rfc3339(at: i64) -> String {
    let stamp = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{:.0}", stamp)
}

/// The published schema of [`Answer`], short because it stands beside every job tool. A field that may be null has no
/// `type`, because lists of types break clients.
pub fn schema() -> Value {
    let states: Vec<&str> = JobStatus::WORDS.into_iter().chain(["error"]).collect();
    json!({
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": states, "description": "state of the job; error: the request failed"},
            "content": {"description": "the service's JSON, or the error {kind, message, hint, retryable}"},
            "credits_used": {"description": "by this call"},
            "credits_remaining": {"description": "last balance"},
            "tips": {"description": "next step"},
            "job": {"description": "{job_id, is_terminal, progress, retry_after_seconds, outputs…}"},
            "output": {"description": "{text (untrusted), offset, next_offset, total_chars, truncated}"},
        },
        "required": ["status"],
    })
}

/// What to do next about a job, naming tool and id.
pub fn tips(job: &Job, retry_after_seconds: Option<f64>) -> Option<Hint> {
    let id = job.id();
    let text = match &job.status {
        _ if job.job_id.is_none() && !job.status.is_terminal() && job.problem.is_none() && job.submitted_at.is_none() => format!(
            "The request was written down and has not left yet: it waits for its turn right now, or a crash cut it off, and then nothing was charged. cancel_job {id} puts it aside."
        ),
        _ if job.job_id.is_none() && !job.status.is_terminal() && job.problem.is_none() => format!(
            "The request was written down and never answered here: it is being submitted right now, or a crash cut it off and it may have been charged. Check get_credit_balance before submitting it again; cancel_job {id} puts it aside."
        ),
        _ if job.job_id.is_none() && !job.status.is_terminal() => format!(
            "The service never confirmed this request, so it cannot be looked at and may or may not have been charged. Check get_credit_balance before submitting it again; cancel_job {id} puts it aside."
        ),
        JobStatus::Queued | JobStatus::Working | JobStatus::Other(_) => {
            let when = retry_after_seconds.map_or(String::new(), |seconds| format!(" in about {} s", seconds.ceil()));
            format!("The job keeps running. Call wait_job_completion with job_id {id}{when}; do not loop on get_job_check, each look costs credits.")
        }
        JobStatus::Success => {
            let operation = job.operation();
            match operation.map(|operation| operation.output) {
                // What there is stands in the answer already.
                _ if job.results().links.is_empty() => return None,
                _ if operation.is_some_and(|operation| operation.effect == Effect::StoresFile) => {
                    "Pass content.url as `url` of a call. The file is kept for an hour.".to_owned()
                }
                Some(Output::Text(_) | Output::Inline) => format!("read_result {id} gives the text, download_result {id} saves the file."),
                Some(Output::Nothing) => return None,
                _ => format!("download_result {id} saves the result."),
            }
        }
        JobStatus::Failed => "The work failed; the reason is in `content`. Change the arguments before submitting it again.".to_owned(),
        JobStatus::Aborted => "The service gave the job up, mostly under load or for size. Submit it again, with fewer pages if it was large.".to_owned(),
        JobStatus::Unknown => format!("The service does not know job {id}: the id is wrong, of another key, or too old. list_jobs shows the jobs of this key."),
        JobStatus::Cancelled => format!("Tracking was stopped; the service may still finish and charge. get_job_check {id} with force: true looks once more."),
    };
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_to_the_second() {
        assert_eq!(rfc3339(1_754_932_153_263), "2025-08-11T17:09:13Z");
    }

    #[test]
    fn an_error_shows_what_was_spent_on_the_way() {
        let error = Error::new(Kind::InvalidArgument, "m", "h")
            .with_charge(Charge::new(Some(7), Some(90)))
            .with_upstream(json!({"credits": 1, "remainingCredits": "89"}));
        let answer = Answer::from_error(&error);
        assert_eq!((answer.charge.credits, answer.charge.remaining), (Some(8), Some(89)));
        assert_eq!(answer.content["kind"], "invalid_argument");
    }
}
