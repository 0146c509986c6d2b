//! A job as an answer shows it.

use std::path::Path;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::pages::selection;
use crate::catalog::{Output, media_types};
use crate::clock::rfc3339;
use crate::error::ErrorView;
use crate::files::safe_file_name;
use crate::jobs::{Job, JobStatus, Source};
use crate::next_step::Audience;

/// Most files of a result that one answer lists.
pub(super) const OUTPUTS_SHOWN_MAX: usize = 25;

/// Our own record of a job. What is not known is left out, apart from `progress`.
#[derive(Clone, Debug, Serialize)]
pub struct JobView {
    /// The id to use from here on.
    pub job_id: String,
    /// Catalog name; none for a job first seen by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The pages that the call selected, counted from 1; none for all pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<String>,
    /// Whether nothing more is expected.
    pub is_terminal: bool,
    /// The service's own word, when it is one never seen before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrecognized_status: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// Since the submit, until the end or now.
    pub elapsed_seconds: f64,
    /// 0 to 1, an estimate while the job runs; none where the service never answered about it, and for a job that failed.
    pub progress: Option<f64>,
    /// Paid checks so far.
    pub checks_made: i64,
    /// Credits reported for checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_credits: Option<i64>,
    /// All credits reported for this job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits_total: Option<i64>,
    /// Whether its request was sent and it is open whether the service took it.
    #[serde(skip)]
    pub is_unconfirmed: bool,
    /// Where the state came from.
    pub source: Source,
    /// When to ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<f64>,
    /// The timeout of the wait as it was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_applied: Option<f64>,
    /// Whether the timeout asked for was over the cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_capped: Option<bool>,
    /// Why the last check failed, when no later one succeeded.
    #[serde(serialize_with = "error_for_agents", skip_serializing_if = "Option::is_none")]
    pub last_check_error: Option<ErrorView>,
    /// The caller's own id for the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<String>,
    /// An error that left the job's fate uncertain.
    #[serde(serialize_with = "error_for_agents", skip_serializing_if = "Option::is_none")]
    pub problem: Option<ErrorView>,
    /// Files of the result, the first [`OUTPUTS_SHOWN_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputView>,
    /// Files of the result in all, where not all are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs_total: Option<usize>,
    /// The folder of several files that were saved, where it stands for the path of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved_in: Option<String>,
}

/// One file of a result. Its link is not here but in the service's own answer, in the same order: links are long, so each
/// appears once.
#[derive(Clone, Debug, Serialize)]
pub struct OutputView {
    /// File name, safe to use and to show.
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

impl JobView {
    /// The view of `job`, known from `source`, at `now` (milliseconds). `progress` is 0 to 1.
    pub fn new(job: &Job, source: Source, progress: f64, now: i64) -> JobView {
        JobView {
            job_id: job.id().to_owned(),
            operation: (!job.operation.is_empty()).then(|| job.operation.clone()),
            pages: pages_of(job),
            is_terminal: job.status.is_terminal(),
            unrecognized_status: job.status.unrecognized().map(str::to_owned),
            submitted_at: job.submitted_at.map(rfc3339),
            started_at: job.started_at.map(rfc3339),
            completed_at: job.completed_at.map(rfc3339),
            elapsed_seconds: (job.elapsed_seconds(now) * 10.0).round() / 10.0,
            progress: (was_answered(job) && !job.status.is_failure()).then_some((progress * 100.0).round() / 100.0),
            checks_made: job.checks_made,
            check_credits: job.check_credits,
            credits_total: job.credits_total(),
            is_unconfirmed: job.is_unconfirmed(),
            source,
            retry_after_seconds: None,
            timeout_applied: None,
            wait_capped: None,
            last_check_error: None,
            client_request_id: job.client_request_id.clone(),
            problem: job.problem.clone(),
            outputs: outputs(job, now),
            outputs_total: None,
            saved_in: None,
        }
    }

    /// Its fields, with hints in the words of `audience`.
    pub fn to_json(&self, audience: Audience) -> Value {
        let mut fields = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = fields.as_object_mut() {
            for (name, error) in [("last_check_error", &self.last_check_error), ("problem", &self.problem)] {
                if let Some(error) = error {
                    fields.insert(name.to_owned(), error.to_json(audience));
                }
            }
        }
        fields
    }

    /// The view beside a text or another page of something: who and what, without times, credits and files.
    pub(super) fn brief(&self) -> JobView {
        JobView {
            submitted_at: None,
            started_at: None,
            completed_at: None,
            check_credits: None,
            credits_total: None,
            client_request_id: None,
            outputs: Vec::new(),
            outputs_total: None,
            ..self.clone()
        }
    }

    /// Leaves out times that a caller who waited for the end does not need.
    pub(super) fn without_times(&mut self) {
        (self.submitted_at, self.started_at, self.completed_at) = (None, None, None);
    }

    /// Says once where several files are that were saved in one folder, each under its name there.
    pub(super) fn name_folder_once(&mut self) {
        if self.outputs.len() < 2 {
            return;
        }
        let place = |output: &OutputView| {
            let path = Path::new(output.saved_to.as_deref()?);
            Some((path.parent()?.to_str()?.to_owned(), path.file_name()?.to_str()?.to_owned()))
        };
        let Some(places) = self.outputs.iter().map(place).collect::<Option<Vec<_>>>() else { return };
        let Some((folder, _)) = places.first().cloned() else { return };
        if places.iter().any(|(other, _)| *other != folder) {
            return;
        }
        for (output, (_, name)) in self.outputs.iter_mut().zip(places) {
            (output.name, output.saved_to) = (name, None);
        }
        self.saved_in = Some(folder);
    }

    /// Keeps the first [`OUTPUTS_SHOWN_MAX`] outputs and says how many there are.
    pub(super) fn bound_outputs(&mut self) {
        if self.outputs.len() > OUTPUTS_SHOWN_MAX {
            self.outputs_total = Some(self.outputs.len());
            self.outputs.truncate(OUTPUTS_SHOWN_MAX);
        }
    }
}

fn error_for_agents<S: Serializer>(error: &Option<ErrorView>, serializer: S) -> Result<S::Ok, S::Error> {
    error.as_ref().map(|error| error.to_json(Audience::Agent)).serialize(serializer)
}

/// Whether the service ever said anything about this job: it answered its submit or a check.
pub(super) fn was_answered(job: &Job) -> bool {
    job.job_id.is_some() && !job.is_unknown_here() && job.status != JobStatus::Unknown
}

/// The selection of pages that the job was submitted with, counted from 1.
fn pages_of(job: &Job) -> Option<String> {
    let text = job.arguments.get("pages")?.as_str()?;
    let count = job.page_count.and_then(|count| u32::try_from(count).ok());
    selection(job.operation()?, text).map(|pages| pages.words_from_one(count))
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
            let name = safe_file_name(&link.file_name().unwrap_or_else(|| "result".to_owned()));
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
pub(super) fn mime_type(name: &str, declared: Option<Output>, maybe_list: bool) -> String {
    if let Some(known) = media_types::of_name(name) {
        return known.mime.to_owned();
    }
    match declared {
        Some(Output::Text(mime) | Output::Binary(mime)) => mime,
        Some(Output::Many(mime)) if !maybe_list => mime,
        _ => media_types::UNKNOWN,
    }
    .to_owned()
}
