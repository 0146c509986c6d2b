//! The results of finished jobs: facts, text or files, handed over in the answer or saved.
//!
//! [`App::deliver`] is the second half of a submit, a wait and a task: it puts into an answer what the job made.

mod facts;
mod files;
mod find;
mod passage;
mod silence;
mod text;

pub use facts::facts_field;
pub(super) use files::name_of_data;
pub use passage::Passage;
pub use text::ReadRequest;
use text::Storage;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::content::{is_list_of_links, is_repeated};
use super::follow_up::FollowUp;
use super::job_view::{OutputView, mime_type};
use super::{Answer, App, Caller, or_cancelled, rfc3339, round_seconds, tips};
use crate::catalog::Output;
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::files::{Text, fetch_links, numbered, safe_file_name};
use crate::hint;
use crate::jobs::polling::new_results::next_try;
use crate::jobs::{Job, JobId, JobStatus};
use crate::next_step::NextStep;
use crate::secret::PresignedUrl;

/// Texts that are kept for reading on, page by page.
const TEXTS_KEPT: usize = 4;
/// Bytes of texts that are kept in all.
const TEXT_BYTES_KEPT: usize = 32 * 1024 * 1024;
/// Texts that are searched at once: each search keeps a processor busy.
const SEARCHES_AT_ONCE: usize = 2;
/// Listings of split and image jobs that are kept.
const LISTINGS_KEPT: usize = 64;
/// Jobs whose result is known to be no text that are kept.
const BINARIES_KEPT: usize = 256;
/// Longest listing that is kept, in links.
const LISTING_LINKS_KEPT: usize = 2_000;
/// How long a file may take to begin where the storage has just been silent.
const AFTER_SILENCE: Duration = Duration::from_secs(5);
/// How long a check waits for a listing or facts behind a link.
const GLANCE_TIMEOUT: Duration = Duration::from_secs(5);

/// What this process keeps of results, so that reading on or asking again fetches nothing.
pub(super) struct ResultCache {
    texts: Mutex<VecDeque<(String, Arc<Text>)>>,
    listings: Mutex<VecDeque<(String, Vec<PresignedUrl>)>>,
    /// Jobs whose first file turned out to be no text.
    binaries: Mutex<VecDeque<String>>,
    /// Permits for searches in texts.
    permits: Semaphore,
}

impl Default for ResultCache {
    fn default() -> ResultCache {
        ResultCache {
            texts: Mutex::default(),
            listings: Mutex::default(),
            binaries: Mutex::default(),
            permits: Semaphore::new(SEARCHES_AT_ONCE),
        }
    }
}

impl ResultCache {
    fn text(&self, name: &str) -> Option<Arc<Text>> {
        let texts = self.texts.lock();
        texts.iter().find(|(kept, _)| kept == name).map(|(_, text)| Arc::clone(text))
    }

    fn keep_text(&self, name: String, text: &Arc<Text>) {
        let mut texts = self.texts.lock();
        texts.push_front((name, Arc::clone(text)));
        texts.truncate(TEXTS_KEPT);
        while texts.len() > 1 && texts.iter().map(|(_, text)| text.text.len()).sum::<usize>() > TEXT_BYTES_KEPT {
            texts.pop_back();
        }
    }

    /// Whether the first file of this job was read and is no text.
    pub(super) fn is_known_as_binary(&self, intent_id: &str) -> bool {
        self.binaries.lock().iter().any(|kept| kept == intent_id)
    }

    fn keep_binary(&self, intent_id: &str) {
        let mut binaries = self.binaries.lock();
        binaries.push_front(intent_id.to_owned());
        binaries.truncate(BINARIES_KEPT);
    }

    fn listing(&self, intent_id: &str) -> Option<Vec<PresignedUrl>> {
        let listings = self.listings.lock();
        listings.iter().find(|(kept, _)| kept == intent_id).map(|(_, links)| links.clone())
    }

    fn keep_listing(&self, intent_id: &str, links: &[PresignedUrl]) {
        if links.len() > LISTING_LINKS_KEPT {
            return;
        }
        let mut listings = self.listings.lock();
        listings.retain(|(kept, _)| kept != intent_id);
        listings.push_front((intent_id.to_owned(), links.to_vec()));
        listings.truncate(LISTINGS_KEPT);
    }

    fn forget_listing(&self, intent_id: &str) {
        let mut listings = self.listings.lock();
        listings.retain(|(kept, _)| kept != intent_id);
    }
}

impl App {
    /// Puts what `job` made into `answer`: facts as they are, the parts of a split, text as `wanted.read` says, files
    /// where `wanted.save_to` says. What cannot be fetched now is named in the tips: the job still succeeded. Later than
    /// `until`, transfers that stand still are given up.
    pub(super) async fn deliver(
        &self,
        caller: &Caller,
        job: &Job,
        wanted: &FollowUp,
        mut until: Option<Instant>,
        answer: &mut Answer,
    ) {
        if job.status != JobStatus::Success {
            return;
        }
        if let Some(view) = answer.job.as_mut().filter(|_| wanted.save_to.is_some()) {
            // Where an earlier call saved it says nothing about this one.
            view.outputs.iter_mut().for_each(|output| output.saved_to = None);
        }
        answer.tips = None;
        if job.lacks_result() {
            answer.tips = self.tips_about(job, None);
            return;
        }
        let showing = async {
            self.show_parts(job, answer).await;
            self.show_facts(job, answer).await
        };
        let has_facts = not_later_than(until, showing.boxed()).await.unwrap_or(false);
        if !has_facts && self.include_text(job, wanted.read, until, answer).boxed().await == Storage::Silent {
            // A storage that has just been silent is not waited for as long a second time.
            until = until.map(|until| until.min(Instant::now() + AFTER_SILENCE));
        }
        if let Some(save_to) = &wanted.save_to {
            self.include_files(caller, job, save_to, wanted.overwrite, until, answer).boxed().await;
        }
        let is_saved = answer.job.as_ref().is_some_and(|view| {
            !view.outputs.is_empty() && view.outputs.iter().all(|output| output.saved_to.is_some())
        });
        let is_read = answer.output.is_some();
        if is_saved && answer.output.is_none() {
            answer.tips = None;
        }
        if is_saved || is_read || has_facts {
            without_used_links(answer);
        } else if answer.tips.is_none() {
            answer.tips = self.tips_about(job, None);
        }
    }

    /// Shows a finished job's parts and facts in the answer to a check, as far as they come soon.
    pub(super) async fn show_result(&self, job: &Job, answer: &mut Answer) {
        if job.status == JobStatus::Success {
            let showing = async {
                self.show_parts(job, answer).await;
                self.show_facts(job, answer).await
            };
            // What does not come in time is left as the service's answer has it.
            let _ = tokio::time::timeout(GLANCE_TIMEOUT, showing.boxed()).await;
        }
    }

    /// Lists the files behind the listing of a split or image job, instead of the listing.
    async fn show_parts(&self, job: &Job, answer: &mut Answer) {
        if !is_listing(job) || job.links_expired(now()) {
            return;
        }
        let mut tries = Tries::default();
        let links = loop {
            match self.links_of(job).await {
                Ok(links) => break links,
                Err(error) if tries.go_on(job, &error).await => {}
                Err(error) => {
                    tracing::info!(%error, job_id = job.id(), "failed to fetch the listing of a result");
                    return;
                }
            }
        };
        let declared = job.operation().map(|operation| operation.output);
        if let Some(view) = &mut answer.job {
            view.outputs = names_of(&links)
                .into_iter()
                .enumerate()
                .map(|(index, name)| OutputView {
                    mime_type: mime_type(&name, declared, false),
                    name,
                    bytes: None,
                    expires_at: job.links_expire_at.map(rfc3339),
                    saved_to: job.saved_to.get(index).cloned(),
                    sha256: None,
                })
                .collect();
            view.bound_outputs();
        }
        if let Some(content) = answer.content.as_object_mut() {
            content.retain(|name, _| !name.eq_ignore_ascii_case("url"));
            let links: Vec<&str> = links.iter().map(PresignedUrl::expose).collect();
            content.insert("urls".to_owned(), json!(links));
        }
    }

    /// A job that can be read or saved; if it is not known to be finished, it is checked once.
    pub(super) async fn finished_job(&self, caller: &Caller, job_id: &str) -> Result<(Job, Charge)> {
        let checked =
            or_cancelled(&caller.cancel, self.jobs.check(&caller.owner, &JobId::parse(job_id)?, false)).await?;
        let job = checked.job;
        let (kind, hint) = match &job.status {
            JobStatus::Success if !job.lacks_result() => return Ok((job, checked.charge)),
            JobStatus::Failed => {
                (Kind::JobFailed, "Change the arguments and submit it again; the same result cannot be read.".into())
            }
            status => {
                let kind = match status {
                    JobStatus::Aborted => Kind::JobAborted,
                    JobStatus::Unknown => Kind::NotFound,
                    JobStatus::Success => Kind::Upstream,
                    _ => Kind::InvalidArgument,
                };
                (kind, tips(&job, checked.retry_after.map(round_seconds)).unwrap_or_default())
            }
        };
        let why = job.reason().map(|reason| format!(" {}", sentence(&reason))).unwrap_or_default();
        let message = format!("Job {} has no result: its status is `{}`.{why}", job.id(), job.status.as_str());
        Err(Error::new(kind, message, hint).with_charge(checked.charge))
    }

    /// One forced check for fresh links; if the service gives none, the first error stands.
    pub(super) async fn with_fresh_links(
        &self,
        caller: &Caller,
        job: &Job,
        charge: &mut Charge,
        error: Error,
    ) -> Result<Job> {
        let Some(job_id) = &job.job_id else { return Err(error) };
        self.results.forget_listing(&job.intent_id);
        let checked = or_cancelled(&caller.cancel, self.jobs.check(&caller.owner, job_id, true)).await?;
        charge.add(checked.charge);
        if checked.job.status == JobStatus::Success && !checked.job.results().links.is_empty() {
            Ok(checked.job)
        } else {
            Err(error)
        }
    }

    /// The text of a result, asked for again while the storage does not have a new result yet: that is free, a fresh
    /// link is not.
    ///
    /// # Errors
    /// As [`App::text_of`].
    async fn text_when_there(&self, job: &Job, index: usize) -> Result<Arc<Text>> {
        let mut tries = Tries::default();
        loop {
            match self.text_of(job, index).await {
                Err(error) if tries.go_on(job, &error).await => {}
                other => return other,
            }
        }
    }

    /// The links of a result, in order; a link to a listing is followed, once in this process.
    ///
    /// # Errors
    /// `link_expired` when the links are known to be gone; else as [`fetch_links`].
    pub(super) async fn links_of(&self, job: &Job) -> Result<Vec<PresignedUrl>> {
        if job.links_expired(now()) {
            return Err(Error::new(
                Kind::LinkExpired,
                match job.links_expire_at {
                    Some(at) if at > 0 => format!("The links of job {} expired at {}.", job.id(), rfc3339(at)),
                    _ => format!("The links of job {} have expired.", job.id()),
                },
                hint![
                    "Run the operation again; ",
                    NextStep::Argument("expiration".into()),
                    " makes links live longer on larger plans."
                ],
            ));
        }
        let results = job.results();
        let [only] = results.links.as_slice() else { return Ok(results.links) };
        if !is_listing(job) {
            return Ok(results.links);
        }
        if let Some(links) = self.results.listing(&job.intent_id) {
            return Ok(links);
        }
        let listed = fetch_links(&self.client, &self.hosts, only).await?;
        let links = listed.unwrap_or(results.links);
        self.results.keep_listing(&job.intent_id, &links);
        Ok(links)
    }
}

/// What `work` comes to, unless it takes longer than `until`.
async fn not_later_than<T>(until: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match until {
        None => Some(work.await),
        Some(until) => tokio::time::timeout_at(until, work).await.ok(),
    }
}

/// Tries to fetch a result that the storage may not have yet.
#[derive(Debug, Default)]
struct Tries(usize);

impl Tries {
    /// Whether to try again after `error`, once the pause is over: while the result is new and its links should work.
    async fn go_on(&mut self, job: &Job, error: &Error) -> bool {
        if error.kind() != Kind::LinkExpired || job.links_expired(now()) {
            return false;
        }
        self.0 += 1;
        let succeeded_at = job.completed_at.unwrap_or_else(now);
        let age = Duration::from_millis(now().saturating_sub(succeeded_at).max(0).unsigned_abs());
        let Some(pause) = next_try(age, self.0) else { return false };
        tokio::time::sleep(pause).await;
        true
    }
}

/// Whether the only link of a job's result may lead to a list of links.
fn is_listing(job: &Job) -> bool {
    let results = job.results();
    let is_many = matches!(job.operation().map(|operation| operation.output), Some(Output::Many(_)) | None);
    results.links.len() == 1 && results.maybe_list && is_many
}

/// The file names of links, safe and each its own.
pub(super) fn names_of(links: &[PresignedUrl]) -> Vec<String> {
    numbered(links.iter().map(|link| safe_file_name(&link.file_name().unwrap_or_default())))
}

/// Leaves out links to what this call saved or handed over, and what stands in the answer's own fields.
fn without_used_links(answer: &mut Answer) {
    if let Some(content) = answer.content.as_object_mut() {
        content.retain(|name, value| {
            let is_link = ["url", "urls"].iter().any(|link| name.eq_ignore_ascii_case(link))
                || (name.eq_ignore_ascii_case("body") && is_list_of_links(value));
            !is_repeated(name) && !is_link && !value.is_null()
        });
    }
    if let Some(view) = &mut answer.job {
        for output in &mut view.outputs {
            output.expires_at = None;
        }
    }
}

/// `text` with a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_were_used_are_left_out() {
        let content = json!({"url": "https://h.test/a?sig=1", "pageCount": 3, "status": "success", "jobId": "j",
            "body": ["https://h.test/1"], "info": {"PageCount": 3}});
        let mut answer = Answer::new(JobStatus::Success, content, Charge::NONE);
        without_used_links(&mut answer);
        assert_eq!(answer.content, json!({"pageCount": 3, "info": {"PageCount": 3}}));
    }

    #[test]
    fn kept_texts_have_a_bound() {
        let cache = ResultCache::default();
        let text = |bytes| Arc::new(Text::inline("text/plain", &"a".repeat(bytes)));
        for name in ["1", "2", "3", "4", "5"] {
            cache.keep_text(name.into(), &text(1));
        }
        assert!(cache.text("1").is_none() && cache.text("2").is_some());
        cache.keep_text("large".into(), &text(TEXT_BYTES_KEPT));
        assert!(cache.text("large").is_some() && cache.text("5").is_none());
    }
}
