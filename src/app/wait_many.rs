//! Waits for many jobs in one call: bounded, each with a line of its own.

use std::collections::HashSet;
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bounded::chars;
use super::content::data_in;
use super::folders::{as_folder, saved_before};
use super::follow_up::FollowUp;
use super::jobs::document_of;
use super::limits::DOCUMENTS_MAX;
use super::lines::{Line, answer_about};
use super::results::{name_of_data, names_of};
use super::wait::FETCH_TIMEOUT;
use super::{Answer, App, Caller, Until, WaitRequest, round_seconds};
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::files::safe_file_name;
use crate::hint;
use crate::jobs::wait::LAST_CHECK_TIMEOUT;
use crate::jobs::{Job, JobId, JobStatus, WaitOptions};
use crate::next_step::NextStep;

/// Results of one call that are fetched at once.
const FETCHES_AT_ONCE: usize = 4;
/// Characters of text that one answer about many jobs shows in all.
const TEXT_CHARS_MAX: u64 = 12_000;
/// Least that each of them gets.
const TEXT_CHARS_MIN: u64 = 100;

/// A job of a call about many, and what its line says about the document.
pub(super) struct Wanted {
    pub(super) job_id: String,
    pub(super) document: Option<String>,
}

/// What the waits of one call share.
struct SharedWait {
    options: WaitOptions,
    /// Whether the first job that has ended ends the wait for all.
    ends_with_any: bool,
    follow_up: FollowUp,
    /// When results are given up whose storage is silent.
    until: Option<Instant>,
    /// Permits to fetch results.
    fetches: Semaphore,
    /// Names that results are saved under.
    names: Mutex<HashSet<String>>,
}

/// What the wait for one of several jobs came to.
struct WaitedLine {
    line: Line,
    charge: Charge,
    /// Why nothing is known of the job.
    error: Option<Error>,
    /// When a further wait makes sense, in seconds.
    retry_after: Option<f64>,
}

impl App {
    /// Waits for several jobs.
    ///
    /// # Errors
    /// `invalid_argument` for too many; when nothing is known of any of them, the first reason why, a refused key or the lack
    /// of credits before others.
    pub(super) async fn wait_for_many(&self, caller: &Caller, request: &WaitRequest) -> Result<Answer> {
        if request.job_ids.len() > DOCUMENTS_MAX {
            return Err(Error::invalid(
                format!("{} jobs are more than {DOCUMENTS_MAX}.", request.job_ids.len()),
                "Wait for them in several calls.",
            ));
        }
        if let Some(save_to) = &request.save_to {
            caller.sandbox.target(Some(&as_folder(save_to)), "result", true).await?;
        }
        let mut seen = HashSet::new();
        let ids = request.job_ids.iter().filter(|id| seen.insert(id.as_str()));
        let wanted = ids.map(|id| Wanted { job_id: id.clone(), document: None }).collect();
        let (lines, charge, retry_after, unasked) =
            self.lines_of(caller, wanted, request, caller.max_wait).boxed().await?;
        if let Some(error) = unasked {
            return Err(error.with_charge(charge));
        }
        Ok(answer_about(&lines, charge, retry_after))
    }

    /// Waits for jobs and delivers what they made. Returns a line for each, in order, the charge, when a further wait makes
    /// sense, and the error to name when nothing is known of any job.
    pub(super) async fn lines_of(
        &self,
        caller: &Caller,
        wanted: Vec<Wanted>,
        request: &WaitRequest,
        max: Option<Duration>,
    ) -> Result<(Vec<Line>, Charge, Option<f64>, Option<Error>)> {
        let asked = request.timeout.unwrap_or(super::WAIT_DEFAULT);
        let began = Instant::now();
        let deadline = began + max.map_or(asked, |max| asked.min(max));
        let count = wanted.len().max(1) as u64;
        let shared = SharedWait {
            options: WaitOptions { deadline, interval: request.interval, cancel: CancellationToken::new() },
            ends_with_any: request.until == Until::Any,
            follow_up: FollowUp {
                read: Some(request.read.map_or(0, |read| read.min((TEXT_CHARS_MAX / count).max(TEXT_CHARS_MIN)))),
                save_to: request.save_to.clone(),
                overwrite: request.overwrite,
                interval: None,
            },
            until: max.map(|max| began + max + FETCH_TIMEOUT),
            fetches: Semaphore::new(FETCHES_AT_ONCE),
            names: Mutex::new(HashSet::new()),
        };
        let waits = wanted.into_iter().map(|wanted| self.waited_line(caller, wanted, &shared));
        let waits = futures_util::future::join_all(waits);
        tokio::pin!(waits);
        // Jobs that are checked once take turns: of those whose turn does not come in time, the ledger has to be enough.
        let over = async {
            match max {
                Some(max) => tokio::time::sleep_until(began + max + LAST_CHECK_TIMEOUT).await,
                None => std::future::pending().await,
            }
            shared.options.cancel.cancel();
            std::future::pending::<Infallible>().await
        };
        let outcomes = tokio::select! {
            outcomes = &mut waits => outcomes,
            never = over => match never {},
            () = caller.cancel.cancelled() => {
                shared.options.cancel.cancel();
                return Err(Error::new(
                    Kind::Cancelled,
                    "The wait was given up; the jobs go on.",
                    hint![NextStep::ListJobs, " shows them."],
                ));
            }
        };
        let mut charge = Charge::NONE;
        let (mut lines, mut failures, mut retry_after) = (Vec::with_capacity(outcomes.len()), Vec::new(), None::<f64>);
        for outcome in outcomes {
            charge.add(outcome.charge);
            lines.push(outcome.line);
            failures.extend(outcome.error);
            retry_after = match (retry_after, outcome.retry_after) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        let concerns_all = |error: &Error| matches!(error.kind(), Kind::Auth | Kind::InsufficientCredits);
        let first = failures.iter().find(|error| concerns_all(error)).or(failures.first());
        let unasked = first.filter(|_| failures.len() == lines.len()).map(Error::share);
        Ok((lines, charge, retry_after, unasked))
    }

    /// Waits for one of several jobs and delivers what it made.
    async fn waited_line(&self, caller: &Caller, wanted: Wanted, shared: &SharedWait) -> WaitedLine {
        let (job, charge, failure) = self.waited_job(caller, &wanted.job_id, shared).await;
        if shared.ends_with_any && job.as_ref().is_ok_and(|job| job.status.is_terminal()) {
            shared.options.cancel.cancel();
        }
        let job = match job {
            Ok(job) => job,
            Err(error) => {
                let line = Line::of_error(Some(wanted.job_id), wanted.document, &error);
                return WaitedLine { line, charge, error: Some(error), retry_after: None };
            }
        };
        let _permit = shared.fetches.acquire().await;
        let mut line = self.line_of(caller, &job, &shared.follow_up, &shared.names, shared.until).boxed().await;
        line.document = wanted.document.or(line.document);
        line.note = line.note.or(failure);
        let is_asked_again = !job.status.is_terminal() && !line.is_unconfirmed;
        let retry_after = is_asked_again.then(|| round_seconds(self.jobs.next_check_in(&job)));
        WaitedLine { line, charge, error: None, retry_after }
    }

    /// One of several jobs at the end of the wait, what its checks cost, and why the last of them failed, if it did.
    async fn waited_job(
        &self,
        caller: &Caller,
        job_id: &str,
        shared: &SharedWait,
    ) -> (Result<Job>, Charge, Option<String>) {
        let id = match JobId::parse(job_id) {
            Ok(id) => id,
            Err(error) => return (Err(error), Charge::NONE, None),
        };
        match self.jobs.wait(&caller.owner, &id, &shared.options, |job| self.emit_job(caller, job)).await {
            Ok(waited) => {
                let failure = waited.last_error.map(|error| error.message().to_owned());
                (Ok(waited.job), waited.charge, failure)
            }
            // Another job ended first, or the call ends: what is known of this one has to be enough.
            Err(error) if error.kind() == Kind::Cancelled && !caller.cancel.is_cancelled() => {
                let charge = error.charge();
                let known = self.jobs.get(&caller.owner, &id).await;
                (known.map_err(|error| not_its_turn(&id, error)), charge, None)
            }
            Err(error) => {
                let charge = error.charge();
                (Err(error), charge, None)
            }
        }
    }

    async fn line_of(
        &self,
        caller: &Caller,
        job: &Job,
        follow_up: &FollowUp,
        names: &Mutex<HashSet<String>>,
        until: Option<Instant>,
    ) -> Line {
        let document = document_of(job);
        let mut line = Line::new(Some(job.id().to_owned()), document, job.status.clone());
        line.is_unconfirmed = job.is_unconfirmed();
        if job.status != JobStatus::Success {
            line.reason = job.reason();
            return line;
        }
        let mut wanted = follow_up.clone();
        if let Some(folder) = &follow_up.save_to {
            let before = saved_before(caller, job, folder).await.unwrap_or_default();
            if job.links_expired(now()) && !before.is_empty() && before.iter().all(|path| Path::new(path).is_file()) {
                // It cannot be fetched again; what is there is all there is.
                line.saved_to = before;
                wanted.save_to = None;
            } else {
                wanted.save_to = Some(self.path_for(job, folder, &before, names).await);
            }
        }
        let mut answer = self.job_answer(job, crate::jobs::Source::Cache, Charge::NONE);
        answer.tips = None;
        self.deliver(caller, job, &wanted, until, &mut answer).boxed().await;
        if wanted.save_to.is_some() {
            let outputs = answer.job.iter().flat_map(|view| &view.outputs);
            line.saved_to = outputs.filter_map(|output| output.saved_to.clone()).collect();
        }
        if line.saved_to.is_empty() && (follow_up.save_to.is_some() || job.lacks_result()) {
            line.note = answer.tips.as_ref().map(|tips| tips.text(crate::next_step::Audience::Agent));
        }
        line.text = answer.output;
        let results = job.results();
        line.has_result = !results.links.is_empty() || results.inline.is_some();
        if let (None, None, Some(room)) = (&line.text, &line.note, follow_up.read.filter(|read| *read > 0)) {
            match data_in(&answer.content) {
                Some(data) if chars(&data) as u64 <= room => line.data = Some(data),
                Some(_) => line.text = self.start_of_text(job, room).await,
                None => {}
            }
        }
        line
    }

    /// Where in `folder` the result of `job` goes: several files into it, one under the name that it had there before,
    /// else under one that no other job of this call has.
    async fn path_for(&self, job: &Job, folder: &str, before: &[String], names: &Mutex<HashSet<String>>) -> String {
        let folder = as_folder(folder);
        let links = self.links_of(job).await.unwrap_or_default();
        if let ([only], [] | [_]) = (before, links.as_slice())
            && let Some(name) = Path::new(only).file_name().and_then(|name| name.to_str())
            && names.lock().insert(name.to_lowercase())
        {
            return format!("{folder}{name}");
        }
        let name = match (links.as_slice(), name_of_data(job)) {
            ([] | [_], Some(name)) => name,
            ([only], None) => safe_file_name(&only.file_name().unwrap_or_default()),
            (links, _) => {
                let own: Vec<String> = names_of(links).iter().map(|name| name.to_lowercase()).collect();
                let mut names = names.lock();
                if own.iter().any(|name| names.contains(name)) {
                    // Documents of one name: the parts of the second have a folder of their own.
                    return as_folder(&format!("{folder}{}", safe_file_name(job.id())));
                }
                names.extend(own);
                return folder;
            }
        };
        let mut names = names.lock();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name.as_str(), ""));
        let dot = if extension.is_empty() { "" } else { "." };
        let mut candidate = name.clone();
        for number in 2..=DOCUMENTS_MAX + 1 {
            if names.insert(candidate.to_lowercase()) {
                break;
            }
            candidate = format!("{stem}-{number}{dot}{extension}");
        }
        format!("{folder}{candidate}")
    }
}

/// What is said of a job that the ledger does not know and whose turn to be checked did not come; any other error stays.
fn not_its_turn(id: &JobId, error: Error) -> Error {
    if error.kind() != Kind::NotFound {
        return error;
    }
    Error::new(
        Kind::RateLimited,
        format!("The turn of job {id} to be checked did not come within this call."),
        hint![NextStep::WaitFor(id.to_string()), " asks about it alone."],
    )
}
