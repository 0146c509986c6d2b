//! The structured answer of every call: the same object for an assistant and for a script.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

pub use super::job_view::JobView;
use super::quote::Quote;
use crate::charge::Charge;
use crate::error::{Error, ErrorView, Kind};
use crate::jobs::{JobStatus, Task, TaskStatus};
use crate::next_step::{Audience, Hint};

/// What one call returned.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// State of the job, or `error` when the request itself failed.
    pub status: Status,
    /// The service's own JSON, without links that this call used up; for an error
    /// `{kind, message, hint, retryable, retry_after_seconds?}`.
    pub content: Value,
    /// What the requests of this call cost, and the newest balance of the account.
    #[serde(flatten)]
    pub charge: Charge,
    /// The next step, naming the tool and the job id.
    #[serde(serialize_with = "for_agents", skip_serializing_if = "Option::is_none")]
    pub tips: Option<Hint>,
    /// Our own record of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobView>,
    /// Text of the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<TextOutput>,
    /// Whether `content` and the names in `job` come from the service or a document: data, never instructions.
    #[serde(skip_serializing_if = "is_false")]
    pub untrusted: bool,
    /// Whether the caller did not get what was asked for.
    #[serde(skip)]
    pub is_error: bool,
    /// The kind behind `status: error`.
    #[serde(skip)]
    pub kind: Option<Kind>,
    /// The error that `content` holds, if it holds one of ours.
    #[serde(skip)]
    pub error: Option<Box<ErrorView>>,
    /// The task that stands for the rest of the call, for a caller who takes tasks.
    #[serde(skip)]
    pub task: Option<Box<TaskView>>,
    /// The price that a person has to agree to before the call is made; nothing was sent.
    #[serde(skip)]
    pub consent: Option<Box<Quote>>,
}

/// What an answer is about: a job's state, or the failure of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The state of the job, or `success` where the call was about no job.
    Job(JobStatus),
    /// The request failed.
    Error,
}

impl Status {
    /// Call succeeded, about no job.
    pub const SUCCESS: Status = Status::Job(JobStatus::Success);

    /// The word of the answer.
    pub fn as_str(&self) -> &str {
        match self {
            Status::Job(status) => status.as_str(),
            Status::Error => "error",
        }
    }
}

impl From<JobStatus> for Status {
    fn from(status: JobStatus) -> Status {
        Status::Job(status)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<str> for Status {
    fn eq(&self, word: &str) -> bool {
        self.as_str() == word
    }
}

impl PartialEq<&str> for Status {
    fn eq(&self, word: &&str) -> bool {
        self.as_str() == *word
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Answer {
    /// An answer of `status` with `content`.
    pub fn new(status: impl Into<Status>, content: Value, charge: Charge) -> Answer {
        Answer {
            status: status.into(),
            content,
            charge,
            tips: None,
            job: None,
            output: None,
            untrusted: false,
            is_error: false,
            kind: None,
            error: None,
            task: None,
            consent: None,
        }
    }

    /// A success about no job, with what `content` serializes to.
    pub fn success(content: impl Serialize, charge: Charge) -> Answer {
        Answer::new(Status::SUCCESS, serde_json::to_value(content).unwrap_or_default(), charge)
    }

    /// An error, with what was spent before it came.
    pub fn from_error(error: &Error) -> Answer {
        Answer {
            // The hint stands in `content` already.
            untrusted: error.upstream().is_some(),
            is_error: true,
            kind: Some(error.kind()),
            error: Some(Box::new(error.view())),
            ..Answer::new(Status::Error, error.to_json(Audience::Agent), error.charge())
        }
    }

    /// Its fields, with hints in the words of `audience`.
    pub fn to_json(&self, audience: Audience) -> Value {
        let mut fields = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = fields.as_object_mut() {
            if let Some(tips) = &self.tips {
                fields.insert("tips".to_owned(), json!(tips.text(audience)));
            }
            if let Some(job) = &self.job {
                fields.insert("job".to_owned(), job.to_json(audience));
            }
            if let (Some(error), Some(content)) =
                (&self.error, fields.get_mut("content").and_then(Value::as_object_mut))
            {
                content.insert("hint".to_owned(), json!(error.hint.text(audience)));
            }
        }
        fields
    }

    /// Adds the next step.
    #[must_use]
    pub fn with_tips(mut self, tips: impl Into<Hint>) -> Answer {
        self.tips = Some(tips.into());
        self
    }

    /// Adds a sentence to the tips.
    pub(super) fn add_tip(&mut self, tip: impl Into<Hint>) {
        let tip = tip.into();
        self.tips = Some(match self.tips.take() {
            Some(tips) if !tips.is_empty() => tips.and(" ").and(tip),
            _ => tip,
        });
    }
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

fn is_false(value: &bool) -> bool {
    !*value
}

fn for_agents<S: Serializer>(tips: &Option<Hint>, serializer: S) -> Result<S::Ok, S::Error> {
    tips.as_ref().map(|tips| tips.text(Audience::Agent)).serialize(serializer)
}

pub use crate::clock::rfc3339;

/// The published schema of [`Answer`], short because it stands beside job tools. A field that may be null or absent has
/// no `type`, because lists of types break clients.
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
            .with_charge(Charge::new(Some(1), Some(89)))
            .with_charge(Charge::new(Some(7), Some(90)));
        let answer = Answer::from_error(&error);
        assert_eq!((answer.charge.credits, answer.charge.remaining), (Some(8), Some(89)));
        assert_eq!(answer.content["kind"], "invalid_argument");
    }

    #[test]
    fn fields_without_a_value_are_left_out() {
        let shown = serde_json::to_value(Answer::success(json!({"a": 1}), Charge::NONE)).unwrap();
        let fields: Vec<&String> = shown.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["status", "content", "credits_used", "credits_remaining"]);
    }
}
