//! Results: read as text page by page, or saved as files.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Answer, App, Caller, Event, OutputView, TextOutput, or_cancelled, rfc3339, round_seconds, tips};
use crate::catalog::{Operation, Output};
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::files::{
    Saved, Text, TextPage, download, fetch_links, fetch_text, numbered, page, safe_file_name, save_text, tail,
};
use crate::hint;
use crate::jobs::{Job, JobStatus, Source};
use crate::next_step::{Hint, NextStep};
use crate::secret::PresignedUrl;

/// Characters of text that a submit includes when it says nothing.
pub const READ_DEFAULT: u64 = 4_000;
/// Characters of one page of text when a call says nothing.
pub const PAGE_DEFAULT: u64 = 20_000;
/// Largest page of text.
pub const PAGE_MAX: u64 = 100_000;
/// Largest text that is read.
const TEXT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Texts that are kept for reading on, page by page.
const TEXTS_KEPT: usize = 4;
/// What a disk gets to write a file down whose last byte has come.
const DISK_TIME: Duration = Duration::from_secs(30);
/// How long a transfer may be silent once the patience of its call is over.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// Most files that one result may have.
const OUTPUTS_MAX: usize = 2_000;

/// What to read of a result.
#[derive(Clone, Debug, Default)]
pub struct ReadRequest {
    /// The job.
    pub job_id: String,
    /// First character.
    pub offset: u64,
    /// Most characters. Default: [`PAGE_DEFAULT`].
    pub limit: Option<u64>,
    /// This many lines from the end instead of a page.
    pub tail_lines: Option<u64>,
    /// The places where this phrase occurs, instead of a page.
    pub find: Option<String>,
    /// Which file of the result, counted from 0.
    pub index: usize,
}

impl ReadRequest {
    /// The first page of a job's first file.
    pub fn of(job_id: impl Into<String>) -> ReadRequest {
        ReadRequest { job_id: job_id.into(), ..ReadRequest::default() }
    }
}

impl App {
    /// Text of a finished job's result, a page of it.
    ///
    /// # Errors
    /// `invalid_argument` when it is not finished, not text, or has no such output; `link_expired` when it is gone.
    pub async fn read(&self, caller: &Caller, request: &ReadRequest) -> Result<Answer> {
        let ReadRequest { job_id, offset, limit, tail_lines, find: _, index } = request;
        let (offset, index) = (*offset, *index);
        let (job, mut charge) = self.finished_job(caller, job_id).await?;
        let text = match or_cancelled(&caller.cancel, self.text_of(&job, index)).await {
            Err(error) if error.kind() == Kind::LinkExpired => {
                let job = self.with_fresh_links(caller, &job, &mut charge, error).await?;
                or_cancelled(&caller.cancel, self.text_of(&job, index)).await
            }
            other => other,
        }
        .map_err(|error| error.with_charge(charge))?;
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let shown = match tail_lines {
            Some(lines) => tail(&text.text, *lines, limit),
            None => page(&text.text, offset, limit),
        };
        let mut answer = self.job_answer(&job, Source::Cache, charge);
        answer.content = json!({"mime_type": text.mime_type, "index": index});
        answer.tips = shown.next_offset.map(|next| reads_on(&job, next));
        answer.output = Some(text_output(shown));
        Ok(answer)
    }

    /// Saves the files of a finished job.
    ///
    /// # Errors
    /// `file_access` for a place that cannot be written, `link_expired`, `network`, `too_large`.
    pub async fn download(
        &self,
        caller: &Caller,
        job_id: &str,
        save_to: Option<&str>,
        overwrite: bool,
    ) -> Result<Answer> {
        let (job, mut charge) = self.finished_job(caller, job_id).await?;
        // What was saved before the links died stays saved, and is not fetched again.
        let mut saved = Vec::new();
        match self.save(caller, &job, save_to, overwrite, &mut saved).await {
            Err(error) if error.kind() == Kind::LinkExpired => {
                let job = self.with_fresh_links(caller, &job, &mut charge, error).await?;
                self.save(caller, &job, save_to, overwrite, &mut saved).await
            }
            other => other,
        }
        .map_err(|error| error.with_charge(charge))?;
        let mut answer = self.job_answer(&job, Source::Cache, charge);
        answer.content = json!({"files": saved.iter().map(saved_line).collect::<Vec<_>>()});
        answer.tips = None;
        show_saved(&mut answer, &saved);
        Ok(answer)
    }

    /// Text in the answer, when the result is text. A result that cannot be read now is not a failed job.
    pub(super) async fn include_text(&self, job: &Job, read: Option<u64>, until: Option<Instant>, answer: &mut Answer) {
        let results = job.results();
        // Data that stands in the answer already is not fetched as a file again.
        let is_shown = |operation: &Operation| operation.output == Output::Inline && results.inline.is_some();
        let is_text = job.operation().is_some_and(|operation| operation.gives_text() && !is_shown(operation));
        let limit = read.unwrap_or(if is_text { READ_DEFAULT } else { 0 }).min(PAGE_MAX);
        if limit == 0 || results.links.is_empty() {
            return;
        }
        match not_silent_beyond(until, &Mutex::default(), self.text_of(job, 0)).await {
            Ok(text) => {
                answer.output = Some(text_output(page(&text.text, 0, limit)));
                if let Some(next) = answer.output.as_ref().and_then(|output| output.next_offset) {
                    answer.tips = Some(reads_on(job, next));
                }
            }
            Err(error) if error.kind() == Kind::InvalidArgument => {}
            Err(error) => {
                let step = NextStep::Read { job_id: job.id().to_owned(), offset: None };
                answer.tips = Some(hint![
                    format!("The text could not be read: {} ", error.message()),
                    error.hint().clone(),
                    " Then call ",
                    step,
                    "."
                ]);
            }
        }
    }

    pub(super) async fn include_files(
        &self,
        caller: &Caller,
        job: &Job,
        save_to: &str,
        overwrite: bool,
        until: Option<Instant>,
        answer: &mut Answer,
    ) {
        let mut saved = Vec::new();
        let moved = Arc::new(Mutex::default());
        let (on_event, moves) = (Arc::clone(&caller.on_event), Arc::clone(&moved));
        let watched: Arc<dyn Fn(Event) + Send + Sync> = Arc::new(move |event| {
            let disk = if is_all_here(&event) { DISK_TIME } else { Duration::ZERO };
            *moves.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + disk);
            on_event(event);
        });
        let caller = Caller { on_event: watched, ..caller.clone() };
        match not_silent_beyond(until, &moved, self.save(&caller, job, Some(save_to), overwrite, &mut saved)).await {
            Ok(()) => show_saved(answer, &saved),
            Err(error) => {
                // Of several files the first may be there: they are told, and not fetched again.
                if !saved.is_empty() {
                    self.remember_saved(job, &saved).await;
                    show_saved(answer, &saved);
                }
                let (part, again) = if saved.is_empty() {
                    ("its result was", Hint::empty())
                } else {
                    ("some of its files were", hint![" with ", NextStep::Switch("overwrite".into())])
                };
                let step = NextStep::Download { job_id: job.id().to_owned(), save_to: None };
                answer.tips = Some(hint![
                    format!("The job succeeded, but {part} not saved: {} ", error.message()),
                    error.hint().clone(),
                    " Then call ",
                    step,
                    again,
                    "."
                ]);
            }
        }
    }

    /// A job that can be read or saved; if it is not known to be finished, it is checked once.
    async fn finished_job(&self, caller: &Caller, job_id: &str) -> Result<(Job, Charge)> {
        let checked = or_cancelled(&caller.cancel, self.jobs.check(&caller.owner, job_id, false)).await?;
        let job = checked.job;
        match &job.status {
            JobStatus::Success => Ok((job, checked.charge)),
            status => {
                let hint = match status {
                    JobStatus::Failed => hint![
                        NextStep::Show(job.id().to_owned()),
                        " shows the reason. Change the arguments and submit it again."
                    ],
                    _ => tips(&job, checked.retry_after.map(round_seconds)).unwrap_or_default(),
                };
                let kind = match status {
                    JobStatus::Failed => Kind::JobFailed,
                    JobStatus::Aborted => Kind::JobAborted,
                    JobStatus::Unknown => Kind::NotFound,
                    _ => Kind::InvalidArgument,
                };
                Err(Error::new(
                    kind,
                    format!("Job {} has no result: its status is `{}`.", job.id(), status.as_str()),
                    hint,
                )
                .with_charge(checked.charge))
            }
        }
    }

    /// One forced check for fresh links; if the service gives none, the first error stands.
    async fn with_fresh_links(&self, caller: &Caller, job: &Job, charge: &mut Charge, error: Error) -> Result<Job> {
        if job.job_id.is_none() {
            return Err(error);
        }
        let checked = or_cancelled(&caller.cancel, self.jobs.check(&caller.owner, job.id(), true)).await?;
        charge.add(checked.charge);
        if checked.job.status == JobStatus::Success && !checked.job.results().links.is_empty() {
            Ok(checked.job)
        } else {
            Err(error)
        }
    }

    /// The links of a result; a link to a list is followed.
    async fn links_of(&self, job: &Job) -> Result<Vec<PresignedUrl>> {
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
        let is_many = matches!(job.operation().map(|operation| operation.output), Some(Output::Many(_)) | None);
        if let [only] = results.links.as_slice()
            && results.maybe_list
            && is_many
            && let Some(links) = fetch_links(&self.client, &self.hosts, only).await?
        {
            return Ok(links);
        }
        Ok(results.links)
    }

    async fn text_of(&self, job: &Job, index: usize) -> Result<Arc<Text>> {
        let kept_as = format!("{}#{index}", job.intent_id);
        if let Some(text) = self.kept_text(&kept_as) {
            return Ok(text);
        }
        let links = self.links_of(job).await?;
        let text = match (links.get(index), job.results().inline) {
            (Some(link), _) => fetch_text(&self.client, &self.hosts, link, TEXT_BYTES_MAX).await?.ok_or_else(|| {
                Error::invalid(
                    format!("Output {index} of job {} is not text.", job.id()),
                    hint![NextStep::Download { job_id: job.id().to_owned(), save_to: None }, " saves it to a file."],
                )
            })?,
            (None, Some(inline)) if index == 0 && links.is_empty() => inline_text(&inline),
            (None, _) if links.is_empty() => {
                return Err(Error::invalid(
                    format!("Job {} has no output that could be read.", job.id()),
                    hint![NextStep::Show(job.id().to_owned()), " shows what the service answered."],
                ));
            }
            (None, _) => {
                return Err(Error::invalid(
                    format!("Job {} has no output {index}.", job.id()),
                    format!("It has {}, counted from 0.", links.len()),
                ));
            }
        };
        let text = Arc::new(text);
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.push_front((kept_as, Arc::clone(&text)));
        texts.truncate(TEXTS_KEPT);
        Ok(text)
    }

    fn kept_text(&self, kept_as: &str) -> Option<Arc<Text>> {
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().find(|(name, _)| name == kept_as).map(|(_, text)| Arc::clone(text))
    }

    async fn save(
        &self,
        caller: &Caller,
        job: &Job,
        save_to: Option<&str>,
        overwrite: bool,
        saved: &mut Vec<Saved>,
    ) -> Result<()> {
        let links = self.links_of(job).await?;
        if links.len() > OUTPUTS_MAX {
            return Err(Error::new(
                Kind::TooLarge,
                format!("The result has {} files, more than {OUTPUTS_MAX}.", links.len()),
                "Run the operation on fewer pages.",
            ));
        }
        if links.is_empty() {
            *saved = self.save_inline(caller, job, save_to, overwrite).await?;
            return Ok(());
        }
        let names = numbered(links.iter().map(|link| safe_file_name(&link.file_name().unwrap_or_default())));
        // Several files go into a folder, one may be given a name.
        let folder = if links.len() > 1 {
            save_to.map(|folder| {
                format!("{}{}", folder.trim_end_matches(std::path::MAIN_SEPARATOR), std::path::MAIN_SEPARATOR)
            })
        } else {
            save_to.map(str::to_owned)
        };
        let mut targets = Vec::new();
        for name in names.iter().skip(saved.len()) {
            targets.push(caller.sandbox.target(folder.as_deref(), name, overwrite).await?);
        }
        let done = saved.len();
        for ((link, target), name) in links.iter().skip(done).zip(&targets).zip(names.iter().skip(done)) {
            let on_bytes = |done, total| caller.emit(Event::Downloading { name: name.clone(), done, total });
            saved.push(
                download(
                    &self.client,
                    &self.hosts,
                    link,
                    target,
                    overwrite,
                    self.config.max_file_bytes,
                    &on_bytes,
                    &caller.cancel,
                )
                .await?,
            );
        }
        self.remember_saved(job, saved).await;
        Ok(())
    }

    /// A result that stood in the answer itself is saved as JSON or text.
    async fn save_inline(
        &self,
        caller: &Caller,
        job: &Job,
        save_to: Option<&str>,
        overwrite: bool,
    ) -> Result<Vec<Saved>> {
        let Some(inline) = job.results().inline else {
            return Err(Error::invalid(
                format!("Job {} has nothing to save.", job.id()),
                hint![NextStep::Show(job.id().to_owned()), " shows what the service answered."],
            ));
        };
        let text = inline_text(&inline);
        let extension = if text.mime_type == "application/json" { "json" } else { "txt" };
        let name = if job.operation.is_empty() { "result" } else { &job.operation };
        let target = caller.sandbox.target(save_to, &format!("{name}.{extension}"), overwrite).await?;
        let saved = vec![save_text(&text, &target, overwrite).await?];
        self.remember_saved(job, &saved).await;
        Ok(saved)
    }

    async fn remember_saved(&self, job: &Job, saved: &[Saved]) {
        let files: Vec<String> = saved.iter().map(|file| file.path.display().to_string()).collect();
        if let Err(error) = self.jobs.ledger().saved(&job.intent_id, &files).await {
            tracing::warn!(%error, job_id = job.id(), "failed to record where the result was saved");
        }
    }
}

/// Whether a file is here and only has to be written down.
fn is_all_here(event: &Event) -> bool {
    matches!(event, Event::Downloading { done, total: Some(total), .. } if done >= total)
}

/// `work`, given up when nothing has moved for a while and it is later than `until`.
async fn not_silent_beyond<T>(
    until: Option<Instant>,
    moved: &Mutex<Option<Instant>>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(until) = until else { return work.await };
    let patience_over = async {
        let mut at = until;
        while at > Instant::now() {
            tokio::time::sleep_until(at).await;
            let moved = *moved.lock().unwrap_or_else(PoisonError::into_inner);
            at = moved.map_or(until, |moved| until.max(moved + SILENCE_MAX));
        }
    };
    tokio::select! {
        outcome = work => outcome,
        () = patience_over => Err(Error::new(
            Kind::Network,
            "The storage stopped answering, and the call ends before it is cut off.",
            "Nothing is lost: the result is where it was.",
        )),
    }
}

fn saved_line(saved: &Saved) -> Value {
    json!({"path": saved.path.display().to_string(), "bytes": saved.bytes, "sha256": saved.sha256, "mime_type": saved.mime_type})
}

fn show_saved(answer: &mut Answer, saved: &[Saved]) {
    let Some(view) = &mut answer.job else { return };
    // What is not saved yet stays as it was.
    let others = view.outputs.drain(..).skip(saved.len()).collect::<Vec<_>>();
    view.outputs = saved
        .iter()
        .map(|file| OutputView {
            name: file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            mime_type: file.mime_type.clone(),
            bytes: Some(file.bytes),
            expires_at: None,
            saved_to: Some(file.path.display().to_string()),
            sha256: Some(file.sha256.clone()),
        })
        .chain(others)
        .collect();
}

fn text_output(page: TextPage) -> TextOutput {
    TextOutput {
        text: page.text,
        offset: page.offset,
        next_offset: page.next_offset,
        total_chars: page.total_chars,
        truncated: page.truncated,
        untrusted: true,
    }
}

fn inline_text(inline: &Value) -> Text {
    match inline {
        Value::String(text) => Text { mime_type: "text/plain".into(), text: text.replace("\r\n", "\n") },
        other => Text {
            mime_type: "application/json".into(),
            text: serde_json::to_string_pretty(other).unwrap_or_else(|_| other.to_string()),
        },
    }
}
/// How the text goes on from character `offset`.
fn reads_on(job: &Job, offset: u64) -> Hint {
    hint![NextStep::Read { job_id: job.id().to_owned(), offset: Some(offset) }, " reads on."]
}
