//! Running an operation: everything that can be refused is refused before anything is paid for.

use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::Instrument;

use super::findings::{SHEET, ServiceFindings};
use super::follow_up::{FollowUp, GRACE};
use super::pages::selection;
use super::result_name::{expected_name, first_part_name};
use super::sources::{Judged, Ready, named};
use super::{Answer, App, Caller, Estimate, ResponseMode, or_cancelled, round_seconds, tips};
use crate::api::CALL_PATIENCE;
use crate::catalog::arguments::{self, Arguments};
use crate::catalog::{self, Effect, Operation, Output};
use crate::charge::Charge;
use crate::error::{Kind, Result};
use crate::hint;
use crate::jobs::{Job, JobStatus, Outgoing, Preparation, Source, Submitted, hash_of_request};
use crate::next_step::{Hint, NextStep};

/// How long a submit waits when it says nothing.
pub const SUBMIT_WAIT_DEFAULT: Duration = Duration::from_secs(20);

/// What reading and saving get after the longest wait of a call.
const FOLLOW_UP: Duration = Duration::from_secs(10);
/// What they get in any case, when even that is over.
const FOLLOW_UP_MIN: Duration = Duration::from_secs(5);

/// What to submit.
#[derive(Clone, Debug, Default)]
pub struct SubmitRequest {
    /// Catalog name.
    pub operation: String,
    /// Arguments in any accepted spelling. Several documents for an operation that takes one are one job each.
    pub arguments: Map<String, Value>,
    /// How long to wait; zero returns at once. Default: [`SUBMIT_WAIT_DEFAULT`].
    pub wait: Option<Duration>,
    /// Characters of text to include; zero includes none.
    pub read: Option<u64>,
    /// Where to save the result once it is there.
    pub save_to: Option<String>,
    /// Whether saving may replace files.
    pub overwrite: bool,
    /// The caller's own id, under which nothing is paid for twice.
    pub client_request_id: Option<String>,
    /// Whether the call is to find out what the service does: what was found before is not applied.
    pub finds_out: bool,
}

/// One document of a call about many: its price was agreed to as part of the whole.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The folder that its result is saved into later.
    pub(super) folder: Option<String>,
    /// Whether that may replace files.
    pub(super) overwrite: bool,
}

impl App {
    /// Runs an operation: uploads local sources, writes the intent, submits, and if asked waits, reads and saves.
    ///
    /// # Errors
    /// Everything that ends the call before there is a job; from then on the answer says what happened.
    pub async fn submit(&self, caller: &Caller, request: SubmitRequest) -> Result<Answer> {
        let operation = catalog::find(&request.operation)?;
        let answer = match App::several_documents(operation, &request.arguments)? {
            Some(several) => self.submit_many(caller, operation, request, several).boxed().await?,
            None => self.submit_one(caller, operation, request, None).boxed().await?,
        };
        Ok(self.finish(caller, answer).await)
    }

    /// What a submit would cost. Nothing is sent or charged.
    ///
    /// # Errors
    /// What would refuse the submit before anything is paid for.
    pub async fn estimate(&self, caller: &Caller, request: &SubmitRequest) -> Result<Estimate> {
        let operation = catalog::find(&request.operation)?;
        let Some((param, documents)) = App::several_documents(operation, &request.arguments)? else {
            let arguments = arguments::read(operation, request.arguments.clone())?;
            return Ok(self.judged_estimate(caller, operation, &arguments, true).await?.0);
        };
        self.estimate_each(caller, operation, &request.arguments, param, &documents).await
    }

    /// Judges what a call asks for, its documents and pages, and what it will cost. Returns the judged documents too.
    /// With `for_nothing` nothing is spent on judging either.
    pub(super) async fn judged_estimate(
        &self,
        caller: &Caller,
        operation: &'static Operation,
        arguments: &Arguments,
        for_nothing: bool,
    ) -> Result<(Estimate, Vec<Judged>, Charge)> {
        caller.policy.allows(operation, arguments)?;
        self.refuse_private_links(&arguments.body)?;
        if arguments.body.contains_key(SHEET) {
            self.findings(caller).await.refuse_missing_sheet(&arguments.body)?;
        }
        let pages = arguments.body.get("pages").and_then(Value::as_str).and_then(|text| selection(operation, text));
        let (judged, charge) = match &arguments.sources {
            Some(sources) => self.judge_sources(caller, sources, for_nothing).await?,
            None => (Vec::new(), Charge::NONE),
        };
        let estimate = self.estimate_for(caller, operation, pages.as_ref(), &judged).await;
        Ok((estimate.map_err(|error| error.with_charge(charge))?, judged, charge))
    }

    /// What was found out about the service, where it decides how a request is sent.
    async fn findings_for(
        &self,
        caller: &Caller,
        operation: &Operation,
        request: &SubmitRequest,
        arguments: &Arguments,
    ) -> ServiceFindings {
        let may_call_back = self.config.callback_url.is_some() && operation.param("callback").is_some();
        let decides = operation.output == Output::Inline || may_call_back || arguments.body.contains_key(SHEET);
        if request.finds_out || !decides {
            return ServiceFindings::default();
        }
        self.findings(caller).await
    }

    /// Submits one job, which may be `part` of a larger call.
    pub(super) async fn submit_one(
        &self,
        caller: &Caller,
        operation: &'static Operation,
        mut request: SubmitRequest,
        part: Option<Part>,
    ) -> Result<Answer> {
        let began = Instant::now();
        let was_inline_given = request.arguments.keys().any(|name| name.eq_ignore_ascii_case("inline"));
        let mut arguments = arguments::read(operation, std::mem::take(&mut request.arguments))?;
        caller.policy.allows(operation, &arguments)?;
        self.refuse_private_links(&arguments.body)?;
        let (public, identity) = (arguments.public(), arguments.identity());
        let findings = self.findings_for(caller, operation, &request, &arguments).await;
        if findings.leaves_out_inline(operation, was_inline_given) {
            arguments.body.remove("inline");
        }
        let client_request_id = request.client_request_id.clone();
        if let Some(id) = client_request_id.as_deref().filter(|_| part.is_none()) {
            self.refuse_id_of_other_form(caller, id, false).await?;
        }
        let preparing = self.jobs.prepare(&caller.owner, operation, &identity, client_request_id.as_deref());
        let prepared = match or_cancelled(&caller.cancel, preparing).await? {
            Preparation::Prepared(prepared) => prepared,
            Preparation::Repeat(job) => {
                let repeated = Submitted { job: *job, charge: Charge::NONE, is_repeat: true, twin: None };
                return self.after_submit(caller, &request, began, repeated, None).await;
            }
        };
        let (save_to, overwrite) = match &part {
            Some(part) => (part.folder.as_deref(), part.overwrite),
            None => (request.save_to.as_deref(), request.overwrite),
        };
        if let Some(save_to) = save_to {
            refuse_unwritable(caller, operation, &arguments, save_to, overwrite).await?;
        }
        let judging = self.judged_estimate(caller, operation, &arguments, false);
        let (estimate, judged, mut charge) = or_cancelled(&caller.cancel, judging.boxed()).await?;
        if part.is_none() {
            self.refuse_beyond_balance(caller, &estimate).await.map_err(|error| error.with_charge(charge))?;
            let documents = arguments.sources.iter().flat_map(|sources| &sources.items);
            let names: Vec<String> = documents.map(|source| super::sources::short_name(source)).collect();
            let hash = hash_of_request(operation, &identity);
            let document = named(names.iter().map(String::as_str));
            if let Some(answer) = self.without_consent(caller, operation, &estimate, &hash, document) {
                return Ok(Answer { charge: charge.and(answer.charge), ..answer });
            }
        }
        let sheet = findings.sheet_in_words(&arguments.body);
        let ready = match &arguments.sources {
            None => Ready::Body(arguments.body, Charge::NONE),
            Some(sources) => {
                let until = caller.max_wait.map(|max| began + max);
                let ready = self.with_sources(caller, arguments.body, sources, judged, until);
                let span = tracing::info_span!("upload", operation = operation.name, tenant = %caller.owner.tenant);
                Box::pin(ready.instrument(span)).await.map_err(|error| error.with_charge(charge))?
            }
        };
        let body = match ready {
            Ready::Body(body, cost) => {
                charge.add(cost);
                body
            }
            Ready::UploadGoesOn(cost) => return Ok(upload_goes_on(charge.and(cost))),
        };
        let outgoing = Outgoing {
            body: Value::Object(body),
            secrets: arguments.secrets,
            public_arguments: public,
            calls_back: findings.may_call_back(),
            cancel: caller.cancel.clone(),
        };
        let submitted = Box::pin(prepared.send(outgoing)).await.map_err(|error| error.with_charge(charge))?;
        if operation.effect == Effect::DeletesFile {
            self.uploads.forget(caller.owner.account());
        }
        self.emit_job(caller, &submitted.job);
        let submitted = Submitted { charge: charge.and(submitted.charge), ..submitted };
        self.after_submit(caller, &request, began, submitted, sheet).await
    }

    /// The rest of a submit once there is a job: waits, reads and saves as `request` says. `sheet` is about the sheet that
    /// was asked for.
    async fn after_submit(
        &self,
        caller: &Caller,
        request: &SubmitRequest,
        began: Instant,
        submitted: Submitted,
        sheet: Option<String>,
    ) -> Result<Answer> {
        let note = note_about(&submitted, sheet);
        // What this call did not submit is known from an earlier one.
        let source = if submitted.is_repeat { Source::Cache } else { Source::Live };
        let Submitted { job, mut charge, .. } = submitted;
        let asked = request.wait.unwrap_or(SUBMIT_WAIT_DEFAULT);
        let wanted = FollowUp {
            read: request.read,
            save_to: request.save_to.clone(),
            overwrite: request.overwrite,
            interval: None,
        };
        let may_become_a_task = job.job_id.is_some() && !job.status.is_terminal();
        let is_task_at_once = match caller.response_mode {
            ResponseMode::Inline => false,
            ResponseMode::PreferTask => !asked.is_zero() && self.is_beyond_grace(&job),
            ResponseMode::TaskOnly { .. } => true,
        };
        if may_become_a_task
            && is_task_at_once
            && let Some(answer) = self.task_about(caller, &job, &wanted, charge).await
        {
            return Ok(answer);
        }
        // Within the grace the answer is the whole one; a job that takes longer becomes a task.
        let wait = match caller.response_mode {
            ResponseMode::PreferTask => asked.min(GRACE),
            ResponseMode::Inline | ResponseMode::TaskOnly { .. } => asked,
        };
        let mut is_refused = false;
        let (mut answer, job) = if asked.is_zero() || job.status.is_terminal() {
            (self.job_answer(&job, source, charge), job)
        } else {
            // From here on there is a job: whatever happens, the answer names it.
            let left = caller.max_wait.map(|max| max.saturating_sub(began.elapsed()));
            let waited = match left {
                // The upload took all the time there was. A check a moment after the submit would only cost.
                Some(Duration::ZERO) => Ok((self.not_waited_for(&job), job.clone())),
                _ => self.wait_for_one(caller, &job.known_id(), wait, left, None).await,
            };
            match waited {
                Ok((answer, job)) => {
                    charge.add(answer.charge);
                    (Answer { charge, ..answer }, job)
                }
                Err(error) if error.kind() == Kind::Cancelled => return Err(error),
                Err(error) => {
                    charge.add(error.charge());
                    let mut answer = self.job_answer(&job, Source::Live, charge);
                    answer.tips = Some(super::tips::not_asked(&job, &error));
                    // Waiting on would not help: the call ends as the error, which names the job all the same.
                    is_refused = matches!(error.kind(), Kind::Auth | Kind::InsufficientCredits);
                    if is_refused {
                        let Answer { job, tips, .. } = answer;
                        answer = Answer { job, tips, charge, ..Answer::from_error(&error) };
                    }
                    if let Some(view) = &mut answer.job {
                        view.last_check_error = Some(error.view());
                    }
                    (answer, job)
                }
            }
        };
        if caller.response_mode == ResponseMode::PreferTask
            && may_become_a_task
            && !asked.is_zero()
            && !is_refused
            && !job.status.is_terminal()
            && let Some(answer) = self.task_about(caller, &job, &wanted, answer.charge).await
        {
            return Ok(answer);
        }
        answer.is_error = is_refused || (job.status.is_failure() && !asked.is_zero());
        if job.status == JobStatus::Success {
            // A caller whose client cuts calls off after a minute, or a little after the longest wait allowed, is
            // answered before: with the job, and what to call for the rest.
            let until = caller.max_wait.map(|max| {
                (began + CALL_PATIENCE.max(max.saturating_add(FOLLOW_UP))).max(Instant::now() + FOLLOW_UP_MIN)
            });
            self.deliver(caller, &job, &wanted, until, &mut answer).boxed().await;
            if let Some(view) = &mut answer.job {
                view.without_times();
            }
        }
        add_notes(&mut answer, &job, request.save_to.as_ref(), note);
        Ok(answer)
    }

    /// The answer with a task about `job`. None where the task could not be recorded: there is a job, and the call answers
    /// with that.
    async fn task_about(&self, caller: &Caller, job: &Job, wanted: &FollowUp, charge: Charge) -> Option<Answer> {
        let created = self.create_task(caller, &job.operation, job, wanted, charge).await;
        created.inspect_err(|error| tracing::warn!(%error, job_id = job.id(), "failed to record a task")).ok()
    }

    /// Whether a job is expected to run longer than the grace anyway.
    pub(super) fn is_beyond_grace(&self, job: &Job) -> bool {
        self.jobs.next_check_in(job) > GRACE
    }

    /// The answer about a job that there was no time to wait for.
    fn not_waited_for(&self, job: &Job) -> Answer {
        let retry_after = round_seconds(self.jobs.next_check_in(job));
        let mut answer = self.job_answer(job, Source::Live, Charge::NONE);
        answer.tips = tips(job, Some(retry_after));
        if let Some(view) = &mut answer.job {
            view.retry_after_seconds = Some(retry_after);
            view.timeout_applied = Some(0.0);
            view.wait_capped = Some(true);
        }
        answer
    }
}

/// Refuses what could not be saved at `save_to`, before anything is paid for.
async fn refuse_unwritable(
    caller: &Caller,
    operation: &'static Operation,
    arguments: &Arguments,
    save_to: &str,
    overwrite: bool,
) -> Result<()> {
    let name = expected_name(operation, arguments);
    let name = name.as_deref().unwrap_or(operation.name);
    caller.sandbox.target(Some(save_to), name, overwrite).await?.refuse_unwritable().await?;
    if let Some(name) = first_part_name(operation, arguments).filter(|_| !overwrite) {
        let folder = super::folders::as_folder(save_to);
        caller.sandbox.target(Some(&folder), &name, true).await?.refuse_parts().await?;
    }
    Ok(())
}

/// What an answer says of a submit besides its job; `sheet` is about the sheet that was asked for.
fn note_about(submitted: &Submitted, sheet: Option<String>) -> Option<Hint> {
    let note = match (&submitted.twin, submitted.is_repeat) {
        (_, true) => Some(repeat_note()),
        (Some(twin), _) => Some(hint![
            format!(
                "The same request was submitted less than a minute ago as job {}; both are charged. The same ",
                twin.id()
            ),
            NextStep::Argument("client_request_id".into()),
            " on both would have made them one."
        ]),
        _ => None,
    };
    match (note, sheet) {
        (Some(note), Some(sheet)) => Some(note.and(format!(" {sheet}"))),
        (note, sheet) => note.or(sheet.map(Hint::from)),
    }
}

/// Says before the other tips what is to be said of the submit, and after them that a file is still to be saved.
fn add_notes(answer: &mut Answer, job: &Job, save_to: Option<&String>, note: Option<Hint>) {
    if let Some(save_to) = save_to.filter(|_| !job.status.is_terminal()) {
        let save = NextStep::Download { job_id: job.id().to_owned(), save_to: Some(save_to.clone()) };
        answer.add_tip(hint!["Nothing was saved yet: ", save, " saves the result once it has ended."]);
    }
    if let Some(note) = note {
        answer.tips = Some(match answer.tips.take() {
            Some(tips) => hint![note, " ", tips],
            None => note,
        });
    }
}

/// What is said of a `client_request_id` that was used before.
fn repeat_note() -> Hint {
    hint![
        "This ",
        NextStep::Argument("client_request_id".into()),
        " was used before: here is its job; nothing was submitted or charged again."
    ]
}

/// The answer of a call whose upload goes on without it.
fn upload_goes_on(charge: Charge) -> Answer {
    let content = serde_json::json!({"upload": "in progress", "submitted": false});
    Answer::new(JobStatus::Queued, content, charge).with_tips(hint![
        "The upload takes longer than a call may, and goes on here; nothing was submitted yet. Call ",
        NextStep::Submit,
        " again with the same arguments: it takes the upload up, which is paid for once."
    ])
}
