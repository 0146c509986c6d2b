//! A result on its way past this process: to a browser that shows the page of jobs. Nothing is saved, nothing is paid.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::super::App;
use super::names_of;
use crate::error::{Error, Kind, Result};
use crate::files::{TextPage, page};
use crate::hint;
use crate::jobs::{Job, JobStatus};
use crate::next_step::NextStep;
use crate::tenant::Tenant;

/// How long the page of a job waits for the start of its text.
const PREVIEW_TIMEOUT: Duration = Duration::from_secs(5);

/// One file of a result, as the storage sends it.
pub struct Passage {
    /// Its name, safe to use.
    pub name: String,
    /// Its length in bytes, if stated.
    pub bytes: Option<u64>,
    /// Its bytes, at most as many as a file may have here.
    pub body: BoxStream<'static, Result<Vec<u8>>>,
}

impl App {
    /// The start of a result's text, as far as it is there for nothing: no check is made for it.
    pub(in crate::app) async fn preview(&self, job: &Job, chars: u64) -> Option<TextPage> {
        let is_text = job.operation().is_some_and(crate::catalog::Operation::gives_text);
        if job.status != JobStatus::Success || !is_text {
            return None;
        }
        let text = tokio::time::timeout(PREVIEW_TIMEOUT, self.text_of(job, 0)).await.ok()?.ok()?;
        Some(page(&text.text, 0, chars))
    }

    /// One file of a finished job's result, counted from 0. Makes no check: links that have expired stay so.
    ///
    /// # Errors
    /// `not_found` for a job or a file that the tenant does not have; `link_expired`; as the storage answers.
    pub async fn pass(&self, tenant: &Tenant, job_id: &str, index: usize) -> Result<Passage> {
        let missing = || {
            Error::new(
                Kind::NotFound,
                "There is no such file.",
                hint![NextStep::ListJobs, " shows the jobs that are recorded."],
            )
        };
        let job = self.jobs.ledger().get(tenant, job_id).await?.ok_or_else(missing)?;
        let links = self.links_of(&job).await?;
        let names = names_of(&links);
        let (Some(link), Some(name)) = (links.get(index), names.get(index)) else { return Err(missing()) };
        self.hosts.check(link)?;
        let (head, stream) = self.client.get_link(link, 0, None).await?;
        let max_bytes = self.config.max_file_bytes;
        if head.total.or(head.length).is_some_and(|bytes| bytes > max_bytes) {
            return Err(beyond(max_bytes));
        }
        let counted = stream.scan(0_u64, move |passed, chunk| {
            let chunk = chunk.and_then(|bytes| {
                *passed = passed.saturating_add(bytes.len() as u64);
                if *passed > max_bytes { Err(beyond(max_bytes)) } else { Ok(bytes.to_vec()) }
            });
            std::future::ready(Some(chunk))
        });
        Ok(Passage { name: name.clone(), bytes: head.length, body: counted.boxed() })
    }
}

fn beyond(max_bytes: u64) -> Error {
    Error::new(
        Kind::TooLarge,
        format!("The file has more than {max_bytes} bytes."),
        "PDFCO_MAX_FILE_BYTES is the limit.",
    )
}
