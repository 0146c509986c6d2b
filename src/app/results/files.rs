//! Results as files: saved where the caller asked, each under a name of its own.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tracing::Instrument;

use super::super::folders::as_folder;
use super::super::result_name::data_name;
use super::super::{Answer, App, Caller, Event, OutputView};
use super::silence::not_silent_beyond;
use super::text::inline_text;
use super::{Tries, names_of};
use crate::catalog::media_types::mime_of_name;
use crate::error::{Error, Kind, Result};
use crate::files::{Saved, Target, digest_of, download, save_text};
use crate::hint;
use crate::jobs::{Job, Source};
use crate::next_step::NextStep;
use crate::secret::PresignedUrl;

/// Time for a disk to write a file whose last byte has arrived.
const DISK_TIME: Duration = Duration::from_secs(30);
/// Most files that one result may have.
const OUTPUTS_MAX: usize = 2_000;
/// How often the ledger is asked whether another process saved a file that is in the way.
const KEPT_TRIES: u32 = 5;
/// Time between these questions.
const KEPT_EVERY: Duration = Duration::from_millis(200);

impl App {
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
        match self.save_when_there(caller, &job, save_to, overwrite, &mut saved).await {
            Err(error) if error.kind() == Kind::LinkExpired => {
                let job = self.with_fresh_links(caller, &job, &mut charge, error).await?;
                let span = job.span("download", &caller.owner);
                self.save(caller, &job, save_to, overwrite, &mut saved).instrument(span).await
            }
            other => other,
        }
        .map_err(|error| error.with_charge(charge))?;
        let mut answer = self.job_answer(&job, Source::Cache, charge);
        answer.content = json!({"saved": saved.len()});
        answer.tips = None;
        show_saved(&mut answer, &saved);
        Ok(self.finish(caller, answer).await)
    }

    /// The first of the files that the result of `job` was saved to that is not as large as the result; none where all are,
    /// and where the storage does not say.
    pub async fn changed_file(&self, job: &Job) -> Option<String> {
        let links = self.links_of(job).await.ok()?;
        if links.len() != job.saved_to.len() {
            return None;
        }
        for (link, path) in links.iter().zip(&job.saved_to) {
            let (head, _) = self.client.get_link(link, 0, None).await.ok()?;
            let found = tokio::fs::metadata(path).await.map_or(0, |found| found.len());
            if head.total? != found {
                return Some(path.clone());
            }
        }
        None
    }

    /// Saves the files of `job` where the caller asked, and shows in `answer` what was saved or why not.
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
            *moves.lock() = Some(Instant::now() + disk);
            on_event(event);
        });
        let caller = Caller { on_event: watched, ..caller.clone() };
        let saving = self.save_when_there(&caller, job, Some(save_to), overwrite, &mut saved);
        match not_silent_beyond(until, Some(&moved), saving).await {
            Ok(()) => show_saved(answer, &saved),
            Err(error) => {
                // Of several files the first may be there: they are shown, and not fetched again.
                if !saved.is_empty() {
                    show_saved(answer, &saved);
                }
                let part = if saved.is_empty() { "its result was" } else { "some of its files were" };
                // What is saved already is kept in the same folder alone.
                let save_to = (!saved.is_empty()).then(|| save_to.to_owned());
                let step = NextStep::Download { job_id: job.id().to_owned(), save_to };
                answer.tips = Some(hint![
                    format!("The job succeeded, but {part} not saved: {} ", error.message()),
                    error.hint().clone(),
                    " Then call ",
                    step,
                    "."
                ]);
            }
        }
    }

    /// Saves the files of `job`, asked for again while the storage does not have a new result yet: that is free, a fresh
    /// link is not.
    async fn save_when_there(
        &self,
        caller: &Caller,
        job: &Job,
        save_to: Option<&str>,
        overwrite: bool,
        saved: &mut Vec<Saved>,
    ) -> Result<()> {
        let mut tries = Tries::default();
        loop {
            let span = job.span("download", &caller.owner);
            let error = match self.save(caller, job, save_to, overwrite, saved).instrument(span).await {
                Err(error) => error,
                Ok(()) => return Ok(()),
            };
            tokio::select! {
                goes_on = tries.go_on(job, &error) => if !goes_on { return Err(error) },
                () = caller.cancel.cancelled() => return Err(error),
            }
        }
    }

    /// Saves the files of `job` in order and appends each to `saved` as it is complete. Files that an earlier, cut save
    /// of this job left whole are kept and count as saved.
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
        let names = match (links.as_slice(), name_of_data(job)) {
            ([_], Some(name)) => vec![name],
            _ => names_of(&links),
        };
        let folder = if links.len() > 1 { save_to.map(as_folder) } else { save_to.map(str::to_owned) };
        // Every name is judged before the first byte is fetched.
        let mut targets: Vec<(&PresignedUrl, &String, Target, Option<Saved>)> = Vec::with_capacity(names.len());
        for (name, link) in names.iter().zip(&links).skip(saved.len()) {
            let target = caller.sandbox.target(folder.as_deref(), name, true).await?;
            let mut kept = None;
            if !overwrite && target.is_there().await {
                kept = self.kept(caller, job, link, &target).await;
                if kept.is_none() {
                    // Refuses with what is in the way.
                    caller.sandbox.target(folder.as_deref(), name, false).await?;
                }
            }
            targets.push((link, name, target, kept));
        }
        let total = links.len();
        for (link, name, target, kept) in targets {
            let file = match kept {
                Some(file) => file,
                None => {
                    let fetched = self.save_one(caller, job, link, (name, &target), overwrite).await;
                    fetched.map_err(|error| interrupted(error, saved.len(), total))?
                }
            };
            saved.push(file);
            self.remember_saved(job, saved).await;
        }
        Ok(())
    }

    async fn save_one(
        &self,
        caller: &Caller,
        job: &Job,
        link: &PresignedUrl,
        (name, target): (&str, &Target),
        overwrite: bool,
    ) -> Result<Saved> {
        let on_bytes = |done, total| caller.emit(Event::Downloading { name: name.to_owned(), done, total });
        let max_bytes = self.config.max_file_bytes;
        let fetching =
            download(&self.client, &self.hosts, link, target, overwrite, max_bytes, &on_bytes, &caller.cancel);
        match fetching.await {
            // Another process may have saved the same result at the same moment.
            Err(error) if error.kind() == Kind::FileAccess && !overwrite && target.is_there().await => {
                self.kept(caller, job, link, target).await.ok_or(error)
            }
            other => other,
        }
    }

    /// The file at `target`, if this job's result was saved there before and it is still whole. A process that was killed
    /// may have saved a file and not recorded it: one of the same bytes counts as saved.
    async fn kept(&self, caller: &Caller, job: &Job, link: &PresignedUrl, target: &Target) -> Option<Saved> {
        let path = target.to_string();
        let mut is_ours = job.saved_to.contains(&path);
        for _ in 0..KEPT_TRIES {
            if is_ours {
                break;
            }
            // The row may have been read before another process saved the result.
            let row = self.jobs.ledger().get(&caller.owner.tenant, &job.intent_id).await.ok().flatten()?;
            is_ours = row.saved_to.contains(&path);
            if !is_ours && row.saved_to.is_empty() && job.saved_to.is_empty() {
                tokio::time::sleep(KEPT_EVERY).await;
            }
        }
        let (head, _) = self.client.get_link(link, 0, None).await.ok()?;
        let (bytes, sha256) = target.digest().await?;
        if head.total.is_some_and(|total| total != bytes) {
            return None;
        }
        if !is_ours {
            let fetched = tokio::select! {
                fetched = digest_of(&self.client, &self.hosts, link, bytes) => fetched.ok()?,
                () = caller.cancel.cancelled() => return None,
            };
            if fetched != sha256 {
                return None;
            }
        }
        let mime_type = mime_of_name(&target.path().to_string_lossy()).to_owned();
        Some(Saved { path: target.path().to_owned(), bytes, sha256, mime_type, resumed: 0 })
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
        let usual = if job.operation.is_empty() { "result" } else { &job.operation };
        let name = name_of_data(job).unwrap_or_else(|| format!("{usual}.{extension}"));
        let target = caller.sandbox.target(save_to, &name, true).await?;
        let there = if overwrite { None } else { target.digest().await };
        let saved = match there {
            Some((bytes, sha256)) if sha256 == hex::encode(Sha256::digest(&text.text)) => {
                let path = target.path().to_owned();
                vec![Saved { path, bytes, sha256, mime_type: text.mime_type.clone(), resumed: 0 }]
            }
            _ => {
                let target = caller.sandbox.target(save_to, &name, overwrite).await?;
                vec![save_text(&text, &target, overwrite).await?]
            }
        };
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

/// The name under which the data that a job found out is saved; none for a job whose result is a file of the service's.
pub(in crate::app) fn name_of_data(job: &Job) -> Option<String> {
    data_name(job.operation()?, &job.arguments)
}

/// An error after `done` of `total` files, which the next save does not fetch again.
fn interrupted(error: Error, done: usize, total: usize) -> Error {
    if error.kind() != Kind::Cancelled || done == 0 {
        return error;
    }
    Error::new(
        Kind::Cancelled,
        format!("The download was cancelled; {done} of {total} files are saved."),
        "Start it again with the same folder: what is there is kept, and the rest is fetched.",
    )
}

/// Whether a file is complete here and only has to be written.
fn is_all_here(event: &Event) -> bool {
    matches!(event, Event::Downloading { done, total: Some(total), .. } if done >= total)
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
