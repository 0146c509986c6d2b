//! Running an operation: everything that can be refused is refused before anything is paid for.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::tasks::FollowUp;
use super::wait::is_failure;
use super::{Answer, App, Caller, ResponseMode, or_cancelled, round_seconds, tips};
use crate::api::CALL_PATIENCE;
use crate::catalog::{self, arguments};
use crate::charge::Charge;
use crate::error::{Kind, Result};
use crate::hint;
use crate::jobs::{Job, JobStatus, Outgoing, Preparation, Source};
use crate::next_step::{Audience, Hint, NextStep};

/// How long a submit waits when it says nothing.
pub const SUBMIT_WAIT_DEFAULT: Duration = Duration::from_secs(20);

/// What reading and saving get after the longest wait of a call.
const FOLLOW_UP: Duration = Duration::from_secs(10);
/// What they get in any case, when even that is over.
const FOLLOW_UP_MIN: Duration = Duration::from_secs(5);
/// What is said of a `client_request_id` that was used before.
const REPEAT_NOTE: &str =
    "This client_request_id was used before: here is its job; nothing was submitted or charged again.";

/// What to submit.
#[derive(Clone, Debug, Default)]
pub struct SubmitRequest {
    /// Catalog name.
    pub operation: String,
    /// Arguments in any accepted spelling.
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
}

impl App {
    /// Runs an operation: uploads local sources, writes the intent, submits, and if asked waits, reads and saves.
    ///
    /// # Errors
    /// Everything that ends the call before there is a job; from then on the answer says what happened.
    pub async fn submit(&self, caller: &Caller, mut request: SubmitRequest) -> Result<Answer> {
        let began = Instant::now();
        let operation = catalog::find(&request.operation)?;
        let arguments = arguments::read(operation, std::mem::take(&mut request.arguments))?;
        caller.policy.allows(operation, &arguments)?;
        self.refuse_private_links(&arguments.body)?;
        let (public, identity) = (arguments.public(), arguments.identity());
        let client_request_id = request.client_request_id.clone();
        let preparing = self.jobs.prepare(&caller.owner, operation, &identity, client_request_id.as_deref());
        let prepared = match or_cancelled(&caller.cancel, preparing).await? {
            Preparation::Prepared(prepared) => prepared,
            Preparation::Repeat(job) => {
                let note = Some(REPEAT_NOTE.to_owned());
                return self.after_submit(caller, &request, began, *job, Charge::NONE, note).await;
            }
        };
        if let Some(save_to) = &request.save_to {
            caller.sandbox.target(Some(save_to), operation.name, request.overwrite).await?;
        }
        let (body, mut charge) = match &arguments.sources {
            None => (arguments.body, Charge::NONE),
            Some(sources) => {
                let judged = self.judge_sources(caller, sources).await?;
                Box::pin(self.with_sources(caller, operation, arguments.body, sources, judged)).await?
            }
        };
        let outgoing = Outgoing {
            body: Value::Object(body),
            secrets: arguments.secrets,
            public_arguments: public,
            cancel: caller.cancel.clone(),
        };
        let submitted = Box::pin(prepared.send(outgoing)).await.map_err(|error| error.with_charge(charge))?;
        charge.add(submitted.charge);
        let note = match (&submitted.twin, submitted.is_repeat) {
            (_, true) => Some(REPEAT_NOTE.to_owned()),
            (Some(twin), _) => Some(format!(
                "The same request was submitted less than a minute ago as job {}; both are charged. The same client_request_id on both would have made them one.",
                twin.id()
            )),
            _ => None,
        };
        self.emit_job(caller, &submitted.job);
        self.after_submit(caller, &request, began, submitted.job, charge, note).await
    }

    /// The rest of a submit once there is a job: waits, reads and saves as `request` says.
    async fn after_submit(
        &self,
        caller: &Caller,
        request: &SubmitRequest,
        began: Instant,
        job: Job,
        mut charge: Charge,
        note: Option<String>,
    ) -> Result<Answer> {
        let asked = request.wait.unwrap_or(SUBMIT_WAIT_DEFAULT);
        let takes_a_task = match caller.response_mode {
            ResponseMode::Inline => false,
            ResponseMode::PreferTask => !asked.is_zero(),
            ResponseMode::TaskOnly { .. } => true,
        };
        if takes_a_task && job.job_id.is_some() && !job.status.is_terminal() {
            let follow_up = FollowUp {
                read: request.read,
                save_to: request.save_to.clone(),
                overwrite: request.overwrite,
                interval: None,
            };
            match self.create_task(caller, &job.operation, &job, &follow_up, charge).await {
                Ok(answer) => return Ok(answer),
                // From here on there is a job: whatever happens, the answer names it.
                Err(error) => {
                    tracing::warn!(%error, job_id = job.id(), "failed to record a task; the call waits instead")
                }
            }
        }
        let (mut answer, job) = if asked.is_zero() || job.status.is_terminal() {
            let source = if charge == Charge::NONE { Source::Cache } else { Source::Live };
            (self.job_answer(&job, source, charge), job)
        } else {
            // From here on there is a job: whatever happens, the answer names it.
            let left = caller.max_wait.map(|max| max.saturating_sub(began.elapsed()));
            let waited = match left {
                // The upload took all the time there was. A check a moment after the submit would only cost.
                Some(Duration::ZERO) => Ok((self.not_waited_for(&job), job.clone())),
                _ => self.wait_for_one(caller, job.id(), asked, left, None).await,
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
                    if let Some(view) = &mut answer.job {
                        view.last_check_error = Some(error.to_json(Audience::Agent));
                    }
                    (answer, job)
                }
            }
        };
        answer.is_error = is_failure(&job.status) && !asked.is_zero();
        if job.status == JobStatus::Success {
            // A caller whose client cuts calls off after a minute, or a little after the longest wait allowed, is
            // answered before: with the job, and what to call for the rest.
            let until = caller.max_wait.map(|max| {
                (began + CALL_PATIENCE.max(max.saturating_add(FOLLOW_UP))).max(Instant::now() + FOLLOW_UP_MIN)
            });
            Box::pin(self.include_text(&job, request.read, until, &mut answer)).await;
            if let Some(save_to) = &request.save_to {
                Box::pin(self.include_files(caller, &job, save_to, request.overwrite, until, &mut answer)).await;
            }
        }
        if let Some(save_to) = request.save_to.as_ref().filter(|_| !job.status.is_terminal()) {
            let save = NextStep::Download { job_id: job.id().to_owned(), save_to: Some(save_to.clone()) };
            answer.add_tip(hint!["Nothing was saved yet: ", save, " saves the result once it has ended."]);
        }
        if let Some(note) = note {
            answer.tips = Some(match answer.tips {
                Some(tips) => Hint::from(format!("{note} ")).and(tips),
                None => note.into(),
            });
        }
        Ok(answer)
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
