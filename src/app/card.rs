//! Jobs as the job card in a chat shows them: read from the ledger, with the sizes of files from the storage, for nothing.

use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;

use super::job_view::OutputView;
use super::{ANSWER_CHARS_MAX, App, Caller, JobSummary, bounded, tips};
use crate::api::response_errors::document_hint;
use crate::catalog::Output;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::jobs::{Job, JobId, JobStatus};
use crate::json_ext::{field, whole_number};
use crate::next_step::Audience;

/// Most jobs on one card.
pub const CARD_JOBS_MAX: usize = 100;
/// Longest list of cards in one answer, in characters of JSON.
const CARDS_CHARS_MAX: usize = ANSWER_CHARS_MAX * 4 / 5;
/// How long the storage may take to say the sizes of files.
const SIZES_TIMEOUT: Duration = Duration::from_secs(3);
/// Most files of one job on a card.
const FILES_MAX: usize = 6;

/// What a card shows of one job. What is not known is left out.
#[derive(Clone, Debug, Serialize)]
pub struct JobCard {
    /// The id to use.
    pub job_id: String,
    /// Its state.
    pub status: JobStatus,
    /// Whether nothing more is expected.
    pub is_terminal: bool,
    /// What the operation is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'static str>,
    /// Name of the document it works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// 0 to 1, an estimate while the job runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// Since the submit, until the end or now.
    pub elapsed_seconds: f64,
    /// Paid checks so far.
    pub checks_made: i64,
    /// All credits reported for this job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits_total: Option<i64>,
    /// Pages, as reported by the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_count: Option<i64>,
    /// Why it did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether the result is text that can be read.
    pub has_text: bool,
    /// Files of the result, the first few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputView>,
    /// Files of the result in all, where not all are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs_total: Option<usize>,
}

/// Some jobs, as many as one answer holds.
#[derive(Clone, Debug, Serialize)]
pub struct Cards {
    /// The first of the jobs that were asked for.
    pub jobs: Vec<JobCard>,
    /// How many ids at the end were not read: they are to be asked for in a call of their own.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl App {
    /// What the ledger knows of these jobs, and of one job the sizes of its files. Makes no check and costs nothing. Ids
    /// that it does not know have no card.
    ///
    /// # Errors
    /// `too_large` for more than [`CARD_JOBS_MAX`] ids; when the ledger cannot be read.
    pub async fn cards(&self, caller: &Caller, job_ids: &[String]) -> Result<Cards> {
        if job_ids.len() > CARD_JOBS_MAX {
            return Err(Error::new(
                Kind::TooLarge,
                format!("{} jobs are more than a card shows.", job_ids.len()),
                format!("Name at most {CARD_JOBS_MAX}."),
            ));
        }
        let (mut cards, mut chars) = (Vec::with_capacity(job_ids.len()), 0);
        for (read, id) in job_ids.iter().enumerate() {
            // An id that cannot be one is an id that the ledger does not know.
            let Ok(id) = JobId::parse(id) else { continue };
            let card = match self.jobs().get(&caller.owner, &id).await {
                // A card about one job lists its files; one about several does not.
                Ok(job) => self.card(&job, job_ids.len() == 1).await,
                Err(error) if error.kind() == Kind::NotFound => continue,
                Err(error) => return Err(error),
            };
            chars += bounded::chars(&card) + 1;
            if chars > CARDS_CHARS_MAX && !cards.is_empty() {
                return Ok(Cards { jobs: cards, left_out: job_ids.len() - read });
            }
            cards.push(card);
        }
        Ok(Cards { jobs: cards, left_out: 0 })
    }

    async fn card(&self, job: &Job, with_sizes: bool) -> JobCard {
        let view = self.job_view(job);
        let files = view.outputs.len();
        let mut outputs: Vec<OutputView> = view.outputs.into_iter().take(FILES_MAX).collect();
        for file in &mut outputs {
            file.bytes = size_of(file, job).await;
        }
        if with_sizes {
            self.ask_sizes(job, &mut outputs).await;
        }
        let operation = job.operation();
        let is_bad_end = matches!(job.status, JobStatus::Failed | JobStatus::Aborted | JobStatus::Unknown);
        JobCard {
            status: job.status.clone(),
            is_terminal: view.is_terminal,
            title: operation.map(|operation| operation.title),
            document: JobSummary::from(job).document,
            progress: view.progress.filter(|_| !view.is_terminal),
            elapsed_seconds: job.elapsed_seconds(now()).round(),
            checks_made: view.checks_made,
            credits_total: view.credits_total,
            page_count: job.page_count,
            reason: is_bad_end.then(|| job.reason()).flatten(),
            next: is_bad_end.then(|| next_step(job)).flatten(),
            has_text: matches!(operation.map(|operation| operation.output), Some(Output::Text(_))),
            outputs_total: (files > FILES_MAX).then_some(files),
            outputs,
            job_id: view.job_id,
        }
    }
}

impl App {
    /// Asks the storage for the sizes that nothing else says. That is free, and a card asks once: when its job has ended.
    async fn ask_sizes(&self, job: &Job, outputs: &mut [OutputView]) {
        let results = job.results();
        if job.status != JobStatus::Success || results.maybe_list || job.links_expired(now()) {
            return;
        }
        let unknown = outputs.iter_mut().zip(&results.links).filter(|(file, _)| file.bytes.is_none());
        let asked = unknown.map(async |(file, link)| {
            if self.hosts.check(link).is_ok() {
                file.bytes = self.client.get_link(link, 0, None).await.ok().and_then(|(head, _)| head.total);
            }
        });
        let _ = tokio::time::timeout(SIZES_TIMEOUT, join_all(asked)).await;
    }
}

/// What a person in a chat can do about a job that did not succeed.
fn next_step(job: &Job) -> Option<String> {
    let document = job.content.as_ref().and_then(document_hint);
    match (&job.status, document) {
        (JobStatus::Failed, Some(hint)) => Some(hint.text(Audience::Agent)),
        (JobStatus::Failed, None) => Some("Ask for it again with other arguments.".to_owned()),
        _ => tips(job, None).map(|hint| hint.text(Audience::Agent)),
    }
}

/// Bytes of a file of the result: of the saved one, else as the service said of a result that is one file.
async fn size_of(file: &OutputView, job: &Job) -> Option<u64> {
    if let Some(path) = &file.saved_to {
        return tokio::fs::metadata(path).await.ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
    }
    let said = field(job.content.as_ref()?, "fileSize").and_then(whole_number)?;
    u64::try_from(said).ok().filter(|_| job.results().links.len() == 1)
}
