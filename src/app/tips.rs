//! What to do next about a job.

use crate::api::response_errors::document_hint;
use crate::catalog::{Effect, Output};
use crate::clock::rfc3339;
use crate::error::Error;
use crate::hint;
use crate::jobs::{Job, JobStatus};
use crate::next_step::{Hint, NextStep};

/// The next step about `job`; none where there is nothing left to do.
pub fn tips(job: &Job, retry_after_seconds: Option<f64>) -> Option<Hint> {
    let id = || job.id().to_owned();
    let is_open = !job.status.is_terminal();
    if job.job_id.is_none() && is_open {
        return Some(without_id(job));
    }
    Some(match &job.status {
        JobStatus::Queued | JobStatus::Working | JobStatus::Other(_) => {
            let when = retry_after_seconds.map_or(String::new(), |seconds| format!(" in about {} s", seconds.ceil()));
            hint![NextStep::WaitFor(id()), format!("{when} continues the wait; each single check costs credits.")]
        }
        JobStatus::Success => return after_success(job),
        JobStatus::Failed => {
            let by_reason = job.content.as_ref().and_then(document_hint);
            by_reason.unwrap_or_else(|| "Change the arguments before submitting it again.".into())
        }
        JobStatus::Aborted => {
            "The service gave the job up, mostly under load or for its size. Submit it again, with fewer pages if it \
             was large."
                .into()
        }
        JobStatus::Unknown if !job.operation.is_empty() => hint![
            format!(
                "The service accepted this job at {} and does not know it now. ",
                rfc3339(job.submitted_at.unwrap_or(job.created_at))
            ),
            NextStep::CheckAgain(id()),
            " asks once more."
        ],
        JobStatus::Unknown => hint![
            "The service does not know this job: the id is wrong, of another key, or too old. ",
            NextStep::ListJobs,
            " shows the jobs of this key."
        ],
        JobStatus::Cancelled => hint![
            "Tracking was stopped; the service may still finish the job and charge for it. ",
            NextStep::CheckAgain(id()),
            " checks it once more."
        ],
    })
}

/// About a job whose last check failed: why it could not be asked about, and since when its state is known.
pub(super) fn not_asked(job: &Job, error: &Error) -> Hint {
    let since = match job.last_checked_at.or(job.submitted_at) {
        Some(at) => format!(" Its last known state is `{}`, as of {}. ", job.status.as_str(), rfc3339(at)),
        None => " ".to_owned(),
    };
    hint![
        format!("The job could not be asked about: {}", error.message()),
        since,
        error.hint().clone(),
        " ",
        NextStep::WaitFor(job.id().to_owned()),
        " tries again."
    ]
}

/// A request without an answer that named a job.
fn without_id(job: &Job) -> Hint {
    let id = job.id().to_owned();
    let what = match (&job.problem, job.submitted_at) {
        (None, None) => {
            return hint![
                "The request was recorded and has not been sent: it waits for a permit, or a crash interrupted it; nothing was charged. ",
                NextStep::Cancel(id),
                " discards it."
            ];
        }
        (None, Some(_)) => {
            "The request was sent and no answer was recorded: it is being submitted right now, or a crash interrupted it and it may have been charged. Check "
        }
        (Some(_), _) => {
            "The service never confirmed this request, so it cannot be checked and may or may not have been charged. Check "
        }
    };
    hint![what, NextStep::Balance, " before submitting it again; ", NextStep::Cancel(id), " discards this record."]
}

fn after_success(job: &Job) -> Option<Hint> {
    let operation = job.operation();
    if job.lacks_result() {
        return Some(hint![
            "The service said `success` and named no result: do not take it for done. ",
            NextStep::CheckAgain(job.id().to_owned()),
            " asks once more, for the price of a check; if there is still none, submit it again."
        ]);
    }
    // What there is stands in the answer already.
    if job.results().links.is_empty() {
        return None;
    }
    if operation.is_some_and(|operation| operation.effect == Effect::StoresFile) {
        return Some(hint![
            "Pass ",
            NextStep::Field { name: "content.url".into(), meaning: "the link".into() },
            " as ",
            NextStep::Argument("url".into()),
            " of a call. The file is kept for an hour."
        ]);
    }
    let read = NextStep::Read { job_id: job.id().to_owned(), offset: None };
    let save = NextStep::Download { job_id: job.id().to_owned(), save_to: None };
    match operation.map(|operation| operation.output) {
        Some(Output::Text(_) | Output::Inline) => Some(hint![read, " gives the text, ", save, " saves the file."]),
        Some(Output::Nothing) => None,
        _ => Some(hint![save, " saves the result."]),
    }
}
