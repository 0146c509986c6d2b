//! Many documents or many jobs in one call: bounded, paced, nothing paid for twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::{Input, Prior};
use super::folders::{already_saved, as_folder};
use super::follow_up::FollowUp;
use super::jobs::document_of;
use super::lines::{Line, answer_about};
use super::results::{name_of_data, names_of};
use super::sources::short_name;
use super::submit::Part;
use super::{Answer, App, Caller, Status, SubmitRequest, Until, WaitRequest, round_seconds};
use crate::catalog::{Operation, ParamKind};
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::files::safe_file_name;
use crate::hint;
use crate::jobs::{Job, JobId, JobStatus, WaitOptions};
use crate::next_step::NextStep;

/// Most documents or jobs of one call.
pub const DOCUMENTS_MAX: usize = 100;
/// Submits of one call that run at once; the rate limit paces them.
const SUBMITS_AT_ONCE: usize = 4;
/// Results of one call that are fetched at once.
const FETCHES_AT_ONCE: usize = 4;
/// Characters of text that one answer about many jobs shows in all.
const TEXT_CHARS_MAX: u64 = 12_000;
/// Least that each of them gets.
const TEXT_CHARS_MIN: u64 = 100;
/// How long fetching results may go on after the timeout of the wait.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// A job of a call about many, and what its line says about the document.
struct Wanted {
    job_id: String,
    document: Option<String>,
}

impl App {
    /// The documents of a call that names several for an operation which takes one; none for every other call. What one
    /// list holds is not split at commas.
    pub(super) fn several_documents(
        operation: &'static Operation,
        arguments: &Map<String, Value>,
    ) -> Result<Option<(&'static str, Vec<String>)>> {
        let Some(param) = operation.params().find(|param| param.kind == ParamKind::Source) else { return Ok(None) };
        let given = arguments.iter().find(|(name, _)| param.answers_to(name)).map(|(_, value)| value);
        let list = match given {
            Some(Value::Array(list)) => {
                list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
            }
            Some(Value::String(text)) => serde_json::from_str::<Vec<String>>(text).ok(),
            _ => None,
        };
        let Some(list) = list.filter(|list| list.len() > 1) else { return Ok(None) };
        if list.len() > DOCUMENTS_MAX {
            return Err(Error::invalid(
                format!("{} documents are more than {DOCUMENTS_MAX}.", list.len()),
                "Pass them in several calls. Nothing was sent.",
            ));
        }
        let mut seen = HashSet::new();
        Ok(Some((param.name, list.into_iter().filter(|item| seen.insert(item.clone())).collect())))
    }

    /// Runs `operation` on each document, one job each, and waits, reads and saves as `request` says. Submits that take
    /// longer than the call go on; the same call takes them up.
    pub(super) async fn submit_many(
        &self,
        caller: &Caller,
        operation: &'static Operation,
        request: SubmitRequest,
        (param, documents): (&'static str, Vec<String>),
    ) -> Result<Answer> {
        let began = Instant::now();
        if let Some(save_to) = &request.save_to {
            caller.sandbox.target(Some(&as_folder(save_to)), "result", true).await?;
        }
        let mut others = request.arguments.clone();
        others.retain(|name, _| operation.param(name).is_none_or(|found| found.name != param));
        if let Some(answer) = self.refuse_many(caller, operation, &request, param, &documents).await? {
            return Ok(answer);
        }
        let lines: Arc<Mutex<Vec<Option<Line>>>> = Arc::new(Mutex::new(vec![None; documents.len()]));
        let charge = Arc::new(Mutex::new(Charge::NONE));
        let stop = CancellationToken::new();
        let background = caller.in_background(stop.clone());
        let (app, shared, cost, names) = (self.clone(), Arc::clone(&lines), Arc::clone(&charge), documents.clone());
        let client_request_id = request.client_request_id.clone();
        let part = Part { folder: request.save_to.as_deref().map(as_folder), overwrite: request.overwrite };
        let submitting = tokio::spawn(async move {
            let submits = names.into_iter().enumerate().map(|(number, document)| {
                let (app, caller, others, id) = (&app, &background, others.clone(), client_request_id.clone());
                let part = part.clone();
                let (shared, cost) = (&shared, &cost);
                async move {
                    let outcome = app.submit_document(caller, operation, (param, &document), others, id, part).await;
                    let (line, paid) = line_of_submit(document, outcome);
                    cost.lock().add(paid);
                    if let Some(slot) = shared.lock().get_mut(number) {
                        *slot = Some(line);
                    }
                }
            });
            stream::iter(submits).buffer_unordered(SUBMITS_AT_ONCE).collect::<Vec<()>>().await;
        });
        let asked = request.wait.unwrap_or(super::SUBMIT_WAIT_DEFAULT);
        let until = caller.max_wait.map(|max| began + max.max(asked.min(max)));
        let over = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = submitting => {}
            () = over => {}
            () = caller.cancel.cancelled() => {
                stop.cancel();
                return Err(Error::new(
                    Kind::Cancelled,
                    "The call was given up.",
                    hint!["Jobs that were submitted go on; ", NextStep::ListJobs, " shows them."],
                ));
            }
        }
        let lines = lines.lock().clone();
        let mut charge = *charge.lock();
        let lines: Vec<Line> = lines
            .into_iter()
            .zip(documents)
            .map(|(line, document)| {
                line.unwrap_or_else(|| Line::new(None, Some(short_name(&document)), JobStatus::Queued))
            })
            .collect();
        if asked.is_zero() {
            return Ok(answer_about(&lines, charge, None));
        }
        let wanted: Vec<Wanted> = lines
            .iter()
            .filter(|line| line.status != Status::Error)
            .filter_map(|line| Some(Wanted { job_id: line.job_id.clone()?, document: line.document.clone() }))
            .collect();
        let wait = WaitRequest {
            timeout: Some(asked.saturating_sub(began.elapsed()).max(Duration::from_millis(1))),
            read: request.read.filter(|_| request.save_to.is_none()),
            save_to: request.save_to,
            overwrite: request.overwrite,
            ..WaitRequest::default()
        };
        let max = caller.max_wait.map(|max| max.saturating_sub(began.elapsed()));
        let (waited, cost, retry_after) = self.lines_of(caller, wanted, &wait, max).boxed().await?;
        charge.add(cost);
        let mut waited = waited.into_iter();
        let merged: Vec<Line> = lines
            .into_iter()
            .map(|line| match line.job_id.is_some() && line.status != Status::Error {
                true => waited.next().unwrap_or(line),
                false => line,
            })
            .collect();
        Ok(answer_about(&merged, charge, retry_after))
    }

    /// Submits one of several documents, or takes up the job that an earlier call made of it.
    async fn submit_document(
        &self,
        caller: &Caller,
        operation: &'static Operation,
        source: (&str, &str),
        others: Map<String, Value>,
        client_request_id: Option<String>,
        part: Part,
    ) -> Result<Answer> {
        if caller.cancel.is_cancelled() {
            return Err(Error::new(
                Kind::Cancelled,
                "The call was given up before this document.",
                "Nothing was sent.",
            ));
        }
        let input = self.input(caller, operation, source, others).await?;
        let request = match client_request_id {
            Some(id) => SubmitRequest { client_request_id: Some(input.id_within(&id)), ..input.request(1) },
            None => self.request_for(caller, &input).await?,
        };
        let request = SubmitRequest { wait: Some(Duration::ZERO), read: Some(0), ..request };
        self.submit_one(caller, operation, request, Some(part)).boxed().await
    }

    /// The request of an input: the one of its earlier job while that runs or its result is there, else a new one.
    async fn request_for(&self, caller: &Caller, input: &Input) -> Result<SubmitRequest> {
        let (prior, next) = self.prior(caller, input, true).await?;
        Ok(match prior {
            Prior::Open(job) => input.same(&job),
            Prior::Done(job) if !job.links_expired(now()) => input.same(&job),
            Prior::Done(_) | Prior::Ended(_) | Prior::Nothing => input.request(next),
        })
    }

    /// Waits for several jobs.
    ///
    /// # Errors
    /// `invalid_argument` for too many; `auth` and `insufficient_credits` when no job could be checked.
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
        let (lines, charge, retry_after) = self.lines_of(caller, wanted, request, caller.max_wait).boxed().await?;
        Ok(answer_about(&lines, charge, retry_after))
    }

    /// Waits for jobs and delivers what they made. Returns a line for each, in order, the charge, and when a further
    /// wait makes sense.
    async fn lines_of(
        &self,
        caller: &Caller,
        wanted: Vec<Wanted>,
        request: &WaitRequest,
        max: Option<Duration>,
    ) -> Result<(Vec<Line>, Charge, Option<f64>)> {
        let asked = request.timeout.unwrap_or(super::WAIT_DEFAULT);
        let timeout = max.map_or(asked, |max| asked.min(max));
        let deadline = Instant::now() + timeout;
        let until = max.map(|_| deadline + FETCH_TIMEOUT);
        let over = CancellationToken::new();
        let fetches = Semaphore::new(FETCHES_AT_ONCE);
        let names = Mutex::new(HashSet::new());
        let count = wanted.len().max(1) as u64;
        let follow_up = FollowUp {
            read: Some(request.read.map_or(0, |read| read.min((TEXT_CHARS_MAX / count).max(TEXT_CHARS_MIN)))),
            save_to: request.save_to.clone(),
            overwrite: request.overwrite,
            interval: None,
        };
        let waits = wanted.into_iter().map(|wanted| {
            let (over, fetches, names, follow_up) = (&over, &fetches, &names, &follow_up);
            async move {
                let options = WaitOptions { deadline, interval: request.interval, cancel: over.clone() };
                let id = JobId::parse(&wanted.job_id);
                let waited = match &id {
                    Ok(id) => self.jobs.wait(&caller.owner, id, &options, |job| self.emit_job(caller, job)).await,
                    Err(error) => Err(error.share()),
                };
                let (job, charge, failure) = match waited {
                    Ok(waited) => {
                        let failure = waited.last_error.map(|error| error.message().to_owned());
                        (Ok(waited.job), waited.charge, failure)
                    }
                    // Another job ended first: what is known of this one is enough.
                    Err(error) if error.kind() == Kind::Cancelled && !caller.cancel.is_cancelled() => match &id {
                        Ok(id) => (self.jobs.get(&caller.owner, id).await, Charge::NONE, None),
                        Err(_) => (Err(error), Charge::NONE, None),
                    },
                    Err(error) => {
                        let charge = error.charge();
                        (Err(error), charge, None)
                    }
                };
                if request.until == Until::Any && job.as_ref().is_ok_and(|job| job.status.is_terminal()) {
                    over.cancel();
                }
                let job = match job {
                    Ok(job) => job,
                    Err(error) => {
                        let mut line = Line::new(Some(wanted.job_id), wanted.document, Status::Error);
                        line.reason = Some(error.message().to_owned());
                        return (line, charge, Some(error), None);
                    }
                };
                let _permit = fetches.acquire().await;
                let mut line = self.line_of(caller, &job, follow_up, names, until).boxed().await;
                line.document = wanted.document.or(line.document);
                line.note = line.note.or(failure);
                let next = (!job.status.is_terminal()).then(|| round_seconds(self.jobs.next_check_in(&job)));
                (line, charge, None, next)
            }
        });
        let all = futures_util::future::join_all(waits);
        let outcomes = tokio::select! {
            outcomes = all => outcomes,
            () = caller.cancel.cancelled() => {
                over.cancel();
                return Err(Error::new(
                    Kind::Cancelled,
                    "The wait was given up; the jobs go on.",
                    hint![NextStep::ListJobs, " shows them."],
                ));
            }
        };
        let mut charge = Charge::NONE;
        let (mut lines, mut failures, mut retry_after) = (Vec::with_capacity(outcomes.len()), Vec::new(), None::<f64>);
        for (line, cost, failure, next) in outcomes {
            charge.add(cost);
            lines.push(line);
            failures.extend(failure);
            retry_after = match (retry_after, next) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        let concerns_all = |error: &Error| matches!(error.kind(), Kind::Auth | Kind::InsufficientCredits);
        if failures.len() == lines.len()
            && let Some(error) = failures.iter().find(|error| concerns_all(error))
        {
            return Err(error.share().with_charge(charge));
        }
        Ok((lines, charge, retry_after))
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
        if job.status != JobStatus::Success {
            line.reason = job.reason();
            return line;
        }
        let mut wanted = follow_up.clone();
        if let Some(folder) = &follow_up.save_to {
            if let Some(saved) = already_saved(job, folder) {
                line.saved_to = saved;
                wanted.save_to = None;
            } else {
                wanted.save_to = Some(self.path_for(job, folder, names).await);
            }
        }
        let mut answer = self.job_answer(job, crate::jobs::Source::Cache, Charge::NONE);
        answer.tips = None;
        self.deliver(caller, job, &wanted, until, &mut answer).boxed().await;
        if wanted.save_to.is_some() {
            let outputs = answer.job.iter().flat_map(|view| &view.outputs);
            line.saved_to = outputs.filter_map(|output| output.saved_to.clone()).collect();
        }
        if line.saved_to.is_empty() && follow_up.save_to.is_some() {
            line.note = answer.tips.as_ref().map(|tips| tips.text(crate::next_step::Audience::Agent));
        }
        line.text = answer.output;
        if line.text.is_none() && follow_up.save_to.is_none() && follow_up.read.is_some_and(|read| read > 0) {
            let has_links = ["url", "urls"].iter().any(|name| answer.content.get(name).is_some());
            let facts = answer.content.to_string();
            if !has_links && facts.len() as u64 <= TEXT_CHARS_MAX {
                line.note = Some(facts).filter(|facts| facts != "{}");
            }
        }
        line
    }

    /// Where in `folder` the result of `job` goes: several files into it, one under a name that no other job of this
    /// call has.
    async fn path_for(&self, job: &Job, folder: &str, names: &Mutex<HashSet<String>>) -> String {
        let folder = as_folder(folder);
        let links = self.links_of(job).await.unwrap_or_default();
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

fn line_of_submit(document: String, outcome: Result<Answer>) -> (Line, Charge) {
    let document = Some(short_name(&document));
    match outcome {
        Ok(answer) => {
            let job_id = answer.job.as_ref().map(|view| view.job_id.clone());
            (Line::new(job_id, document, answer.status), answer.charge)
        }
        Err(error) => {
            let mut line = Line::new(None, document, Status::Error);
            line.reason = Some(error.message().to_owned());
            (line, error.charge())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::find;

    #[test]
    fn several_documents_are_a_list_and_never_a_comma() {
        let several = |operation: &str, url: Value| {
            let arguments = Map::from_iter([("url".to_owned(), url)]);
            App::several_documents(find(operation).unwrap(), &arguments).unwrap().map(|(_, list)| list)
        };
        assert_eq!(
            several("pdf_to_text", json!(["a.pdf", "b.pdf", "a.pdf"])),
            Some(vec!["a.pdf".into(), "b.pdf".into()])
        );
        assert_eq!(several("pdf_to_text", json!("[\"a.pdf\", \"b, c.pdf\"]")).unwrap().len(), 2);
        assert_eq!(several("pdf_to_text", json!("Smith, John.pdf")), None);
        assert_eq!(several("pdf_to_text", json!(["a.pdf"])), None);
        assert_eq!(several("pdf_merge", json!(["a.pdf", "b.pdf"])), None, "it takes several itself");
        let many = Map::from_iter([("url".to_owned(), json!(vec!["a"; 101]))]);
        assert!(App::several_documents(find("pdf_to_text").unwrap(), &many).is_err());
    }

    #[test]
    fn documents_are_named_by_their_last_part() {
        for (source, name) in [
            ("/srv/in/a.pdf", "a.pdf"),
            ("https://h.test/x/b.pdf?sig=1", "b.pdf"),
            ("c#1.pdf", "c#1.pdf"),
            ("https://h.test/", "h.test"),
        ] {
            assert_eq!(short_name(source), name);
        }
    }
}
