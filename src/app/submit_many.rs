//! Many documents in one call, a job for each: bounded, paced, nothing paid for twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::{Input, Prior};
use super::folders::as_folder;
use super::limits::DOCUMENTS_MAX;
use super::lines::{Line, answer_about};
use super::sources::distinct_names;
use super::submit::Part;
use super::wait_many::Wanted;
use super::{Answer, App, Caller, Status, SubmitRequest, WaitRequest};
use crate::catalog::{Operation, ParamKind};
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::jobs::JobStatus;
use crate::next_step::NextStep;

/// Submits of one call that run at once; the rate limit paces them.
const SUBMITS_AT_ONCE: usize = 4;

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
                let texts = list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
                Some(texts.ok_or_else(|| {
                    let message = format!("`{}` is a list in which not everything is text.", param.name);
                    Error::invalid(
                        message,
                        "A list of documents has a link, a path or a job's id for each. Nothing was sent.",
                    )
                })?)
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
        if let Some(id) = &request.client_request_id {
            self.refuse_id_of_other_form(caller, id, true).await?;
        }
        if let Some(save_to) = &request.save_to {
            caller.sandbox.target(Some(&as_folder(save_to)), "result", true).await?;
        }
        if let Some(answer) = self.refuse_many(caller, operation, &request, param, &documents).await? {
            return Ok(answer);
        }
        let until = caller.max_wait.map(|max| began + max);
        let (lines, charge) = self.submit_each(caller, operation, &request, (param, documents), until).await?;
        let asked = request.wait.unwrap_or(super::SUBMIT_WAIT_DEFAULT);
        let max = caller.max_wait.map(|max| max.saturating_sub(began.elapsed()));
        let left = asked.saturating_sub(began.elapsed());
        // Submitting took all the time there was: checks a moment afterwards would only cost.
        if left.is_zero() || max == Some(Duration::ZERO) {
            return Ok(answer_about(&lines, charge, None));
        }
        let wait = WaitRequest {
            timeout: Some(left),
            read: request.read.filter(|_| request.save_to.is_none()),
            save_to: request.save_to,
            overwrite: request.overwrite,
            ..WaitRequest::default()
        };
        let was_submitted = |line: &Line| line.job_id.is_some() && !line.is_unconfirmed && line.status != Status::Error;
        let wanted: Vec<Wanted> = lines
            .iter()
            .filter(|line| was_submitted(line))
            .filter_map(|line| Some(Wanted { job_id: line.job_id.clone()?, document: line.document.clone() }))
            .collect();
        let (waited, cost, retry_after, _) = self.lines_of(caller, wanted, &wait, max).boxed().await?;
        let mut waited = waited.into_iter();
        let merged: Vec<Line> = lines
            .into_iter()
            .map(|line| if was_submitted(&line) { waited.next().unwrap_or(line) } else { line })
            .collect();
        Ok(answer_about(&merged, charge.and(cost), retry_after))
    }

    /// Submits each document as `request` says. Returns a line for each and what was charged, as far as they have come at
    /// `until`; what takes longer goes on.
    ///
    /// # Errors
    /// `cancelled` when the caller gives up.
    async fn submit_each(
        &self,
        caller: &Caller,
        operation: &'static Operation,
        request: &SubmitRequest,
        (param, documents): (&'static str, Vec<String>),
        until: Option<Instant>,
    ) -> Result<(Vec<Line>, Charge)> {
        let mut others = request.arguments.clone();
        others.retain(|name, _| operation.param(name).is_none_or(|found| found.name != param));
        let lines: Arc<Mutex<Vec<Option<Line>>>> = Arc::new(Mutex::new(vec![None; documents.len()]));
        let charge = Arc::new(Mutex::new(Charge::NONE));
        let stop = CancellationToken::new();
        let background = caller.in_background(stop.clone());
        let (app, shared, cost) = (self.clone(), Arc::clone(&lines), Arc::clone(&charge));
        let names = distinct_names(&documents);
        let named: Vec<(String, String)> = documents.into_iter().zip(names.clone()).collect();
        let client_request_id = request.client_request_id.clone();
        let part = Part { folder: request.save_to.as_deref().map(as_folder), overwrite: request.overwrite };
        let submitting = tokio::spawn(async move {
            let submits = named.into_iter().enumerate().map(|(number, (document, name))| {
                let (app, caller, others, id) = (&app, &background, others.clone(), client_request_id.clone());
                let part = part.clone();
                let (shared, cost) = (&shared, &cost);
                async move {
                    let outcome = app.submit_document(caller, operation, (param, &document), others, id, part).await;
                    let (line, paid) = line_of_submit(name, outcome);
                    cost.lock().add(paid);
                    if let Some(slot) = shared.lock().get_mut(number) {
                        *slot = Some(line);
                    }
                }
            });
            stream::iter(submits).buffer_unordered(SUBMITS_AT_ONCE).collect::<Vec<()>>().await;
        });
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
        let lines = lines.lock().clone().into_iter().zip(names);
        let unsent = |name: String| Line::new(None, Some(name), JobStatus::Queued);
        let lines = lines.map(|(line, name)| line.unwrap_or_else(|| unsent(name))).collect();
        let charge = *charge.lock();
        Ok((lines, charge))
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
}

fn line_of_submit(document: String, outcome: Result<Answer>) -> (Line, Charge) {
    let document = Some(document);
    match outcome {
        Ok(answer) => {
            let job_id = answer.job.as_ref().map(|view| view.job_id.clone());
            let is_unconfirmed = answer.job.as_ref().is_some_and(|view| view.is_unconfirmed);
            let has_result = answer.job.is_some_and(|view| view.is_terminal && !view.outputs.is_empty());
            (Line { is_unconfirmed, has_result, ..Line::new(job_id, document, answer.status) }, answer.charge)
        }
        Err(error) => (Line::of_error(None, document, &error), error.charge()),
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
        let mixed = Map::from_iter([("url".to_owned(), json!(["a.pdf", 3]))]);
        assert!(App::several_documents(find("pdf_to_text").unwrap(), &mixed).is_err());
    }
}
