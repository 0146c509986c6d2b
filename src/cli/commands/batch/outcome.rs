//! How one input of a batch ended.

use std::path::Path;

use serde_json::{Value, json};

use crate::answer::{Answer, JobView};
use crate::charge::Charge;
use crate::cli::job_report::links;
use crate::clock::now;
use crate::error::{Error, Kind};
use crate::jobs::{Job, JobStatus};
use crate::next_step::Audience;

/// How one input ended, or where it stands.
#[derive(Default)]
pub struct Outcome {
    /// The input as it was named.
    pub input: String,
    /// Its job.
    pub job: Option<Job>,
    /// The answer's view of the job.
    pub view: Option<JobView>,
    /// The service's own JSON.
    pub content: Value,
    /// What this run of it cost.
    pub charge: Charge,
    /// Files that were saved.
    pub saved: Vec<String>,
    /// What an earlier run of the batch did with it.
    pub before: Option<Before>,
    /// Why it was not finished.
    pub error: Option<Error>,
    /// Whether it was left alone because the batch had stopped.
    pub not_started: bool,
}

/// What an earlier run of the batch did with an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// It succeeded; nothing was submitted.
    Done,
    /// Its job still ran, and was followed.
    TakenUp,
    /// It failed, and was submitted again.
    Again,
}

impl Before {
    /// The words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Before::Done => "done before",
            Before::TakenUp => "taken up",
            Before::Again => "done again",
        }
    }
}

/// What an outcome counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It succeeded now.
    Done,
    /// It had succeeded before.
    Skipped,
    /// It failed.
    Failed,
    /// Its job still runs.
    Running,
    /// Nothing was submitted for it.
    NotStarted,
}

impl Outcome {
    /// What it counts as.
    pub fn verdict(&self) -> Verdict {
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
                JobStatus::Success if job.lacks_result() => Verdict::Failed,
                JobStatus::Success if self.before == Some(Before::Done) => Verdict::Skipped,
                JobStatus::Success => Verdict::Done,
                JobStatus::Queued | JobStatus::Working | JobStatus::Other(_) if job.job_id.is_some() => {
                    Verdict::Running
                }
                _ => Verdict::Failed,
            },
        }
    }

    /// A state of a job, or `skipped`, `error`, `not_started`.
    pub fn status(&self) -> &str {
        match (self.verdict(), &self.job) {
            (Verdict::Skipped, _) => "skipped",
            (Verdict::NotStarted, _) => "not_started",
            (_, Some(job)) if self.error.is_none() || self.verdict() == Verdict::Running => job.status.as_str(),
            _ => "error",
        }
    }

    /// The status with what happened before, and for a failure with its reason.
    pub fn words(&self) -> String {
        match self.before {
            Some(before) => format!("{} ({})", self.status(), before.as_str()),
            None => self.status().to_owned(),
        }
    }

    /// Why it did not succeed.
    pub fn reason(&self) -> Option<String> {
        if let Some(error) = &self.error {
            return Some(error.message().to_owned());
        }
        let job = self.job.as_ref()?;
        match self.verdict() {
            Verdict::Failed if job.job_id.is_none() && !job.status.is_terminal() => Some(format!(
                "the service never confirmed the request, so it may or may not have been charged; `pdfco jobs cancel {}` discards this record, so that --resume does it again",
                job.id()
            )),
            Verdict::Failed if job.lacks_result() => Some("the service said `success` and named no result".to_owned()),
            Verdict::Failed => job.reason().or_else(|| Some(format!("the job is {}", job.status.as_str()))),
            _ => None,
        }
    }

    /// Where the result is: the files as seen from the folder `here`, else the links.
    fn result(&self, here: Option<&Path>) -> String {
        let near = |path: &String| match here.and_then(|here| Path::new(path).strip_prefix(here).ok()) {
            Some(near) => near.display().to_string(),
            None => path.clone(),
        };
        if !self.saved.is_empty() {
            return self.saved.iter().map(near).collect::<Vec<_>>().join(", ");
        }
        let job = self.job.as_ref().filter(|job| job.status == JobStatus::Success && !job.links_expired(now()));
        let links = job.map(|job| links(&self.content, job)).unwrap_or_default();
        if links.is_empty() { "-".to_owned() } else { links.join(" ") }
    }

    /// Status, input, result and job id.
    pub fn row(&self, here: Option<&Path>) -> Vec<String> {
        let id = self.job.as_ref().map_or("-", |job| job.id()).to_owned();
        vec![self.status().to_owned(), self.input.clone(), self.result(here), id]
    }

    /// The outcome for programs.
    pub fn item(&self) -> Value {
        json!({
            "input": self.input,
            "status": self.status(),
            "before": self.before.map(Before::as_str),
            "job_id": self.job.as_ref().map(Job::id),
            "local_id": self.job.as_ref().map(|job| &job.intent_id),
            "credits_used": self.charge.credits,
            "saved": self.saved,
            "reason": self.reason(),
            "error": self.error.as_ref().map(|error| error.to_json(Audience::Shell)),
            "job": self.view.as_ref().map(|view| view.to_json(Audience::Shell)),
            "content": self.content,
        })
    }

    /// Why nothing more is to be submitted after this: no usable key, no credits, or no ledger to record it in.
    pub fn stops_batch(&self) -> Option<String> {
        let stops = |kind: Kind| matches!(kind, Kind::Auth | Kind::InsufficientCredits);
        if let Some(error) = self.error.as_ref().filter(|error| stops(error.kind())) {
            return Some(format!("{} {}", error.message(), error.hint().text(Audience::Shell)));
        }
        let error = self.view.as_ref()?.last_check_error.as_ref()?;
        stops(error.kind).then(|| format!("{} {}", error.message, error.hint.text(Audience::Shell)))
    }

    /// Takes over what a call returned.
    pub fn take(&mut self, answer: Answer) {
        self.charge.add(answer.charge);
        self.view = answer.job;
        self.content = answer.content;
    }
}
