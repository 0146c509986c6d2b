//! Tasks: the outcome of a call, created now and fetched later, even by another process.
//!
//! A task is a row of the ledger beside its job; its state follows from the job's. While a client asks for the task, its
//! job is polled as for a wait; once the questions stop, so does the polling, and it costs nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::follow_up::FollowUp;
use super::{Answer, App, Caller, ResponseMode, TaskView};
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::jobs::{Job, JobId, Source, Task, TaskStatus, WaitOptions};
use crate::next_step::{NextStep, WAIT_TOOL};

/// A task's job is polled for this long after a client asked for the task.
const POLLED_AFTER_QUESTION: Duration = Duration::from_secs(60);
/// A task that saves its result is polled for this long without a question: the file was asked for.
const POLLED_TO_SAVE: Duration = Duration::from_secs(3_600);
/// Background pollers at once; the jobs of further tasks are not polled.
const POLLERS_MAX: usize = 4_096;
/// Longest wait of one background poller; a later question starts another.
const POLLER_LIFE_MAX: Duration = Duration::from_secs(86_400);
/// Outcomes that are kept for asking again. The rest is made anew from the job's row.
const OUTCOMES_KEPT: usize = 64;
/// How long a question about a task waits for its outcome to be read or saved.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between reads of the ledger for a client that subscribes to updates.
pub const UPDATE_INTERVAL: Duration = Duration::from_millis(700);
/// Tasks on one page of a list.
const PAGE: u32 = 20;
/// Bounds of the pause that is suggested between two questions about a task.
const POLL_MIN: Duration = Duration::from_secs(1);
const POLL_MAX: Duration = Duration::from_secs(15);

type Outcome = Shared<BoxFuture<'static, Arc<Answer>>>;

/// What this process keeps about tasks, besides the ledger.
#[derive(Default)]
pub(super) struct BackgroundPollers {
    /// Until when each task's job is polled, and how to stop that before.
    open: HashMap<String, (Instant, CancellationToken)>,
    /// The newest last.
    outcomes: VecDeque<(String, Outcome)>,
}

/// A task id is shown whole up to this many characters: a job id, a dot, and 32 more.
const TASK_ID_SHOWN_MAX: usize = 160;

impl App {
    /// Creates a task for the outcome of `job`. The answer carries it.
    pub(super) async fn create_task(
        &self,
        caller: &Caller,
        tool: &str,
        job: &Job,
        follow_up: &FollowUp,
        charge: Charge,
    ) -> Result<Answer> {
        let follow_up = serde_json::to_value(follow_up).unwrap_or_default();
        let mut task =
            Task::new(caller.owner.tenant.clone(), tool, self.task_ttl(caller), now()).waiting_for(job, follow_up);
        if let Some(used) = charge.credits {
            // What this very call paid belongs to the task's own charge.
            task.credits_before -= used;
        }
        self.jobs.ledger().promise(&task).await?;
        let view = self.view(task, Some(job));
        Ok(Answer { task: Some(Box::new(view)), ..self.job_answer(job, Source::Live, charge) })
    }

    /// Stores an outcome that is known already as a task, for a caller who takes nothing else. `payload` is the outcome
    /// in the protocol's JSON.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn store_outcome(
        &self,
        caller: &Caller,
        tool: &str,
        status: TaskStatus,
        payload: Value,
    ) -> Result<TaskView> {
        let task = Task {
            status,
            payload: Some(payload),
            ..Task::new(caller.owner.tenant.clone(), tool, self.task_ttl(caller), now())
        };
        self.jobs.ledger().promise(&task).await?;
        Ok(self.view(task, None))
    }

    /// As long as the client asked for, and no longer than the ledger keeps jobs.
    fn task_ttl(&self, caller: &Caller) -> Duration {
        match caller.response_mode {
            ResponseMode::TaskOnly { ttl: Some(ttl) } => ttl.min(self.config.ledger_keep),
            ResponseMode::TaskOnly { ttl: None } | ResponseMode::PreferTask | ResponseMode::Inline => {
                self.config.ledger_keep
            }
        }
    }

    /// The caller's task, with its outcome when there is one. Its job is polled for a while from now on.
    ///
    /// # Errors
    /// `not_found` for an id that is none of this caller's, or whose time is over.
    pub async fn task(self: &Arc<Self>, caller: &Caller, task_id: &str) -> Result<TaskView> {
        let (task, job) = self.task_and_job(caller, task_id).await?;
        let Some(job) = job else { return Ok(self.view(task, None)) };
        let mut view = self.view(task, Some(&job));
        match view.status {
            TaskStatus::Working | TaskStatus::InputRequired => self.keep_polling(caller, &view.task, job.id()),
            TaskStatus::Completed => {
                match tokio::time::timeout(OUTCOME_TIMEOUT, self.outcome(caller, &view.task, &job)).await {
                    Ok(answer) => {
                        self.ended(&mut view).await?;
                        view.answer = Some(answer);
                    }
                    Err(_) => {
                        view.status = TaskStatus::Working;
                        view.message = Some("The job has ended; its result is being fetched.".into());
                    }
                }
            }
            TaskStatus::Cancelled | TaskStatus::Failed => self.ended(&mut view).await?,
        }
        Ok(view)
    }

    /// The caller's task without its outcome, for free: its job is not polled for this.
    ///
    /// # Errors
    /// As [`App::task`].
    pub async fn task_summary(&self, caller: &Caller, task_id: &str) -> Result<TaskView> {
        let (task, job) = self.task_and_job(caller, task_id).await?;
        Ok(self.view(task, job.as_ref()))
    }

    /// The caller's task, and the job that it waits for, if it waits for one.
    async fn task_and_job(&self, caller: &Caller, task_id: &str) -> Result<(Task, Option<Job>)> {
        let task = self.jobs.ledger().task(&caller.owner.tenant, task_id, now()).await?;
        let task = task.ok_or_else(|| unknown_task(task_id))?;
        let job = self.job_behind(caller, &task).await?;
        if task.intent_id.is_some() && job.is_none() {
            return Err(unknown_task(task_id));
        }
        Ok((task, job))
    }

    /// The job behind a task. A task whose job was forgotten counts as gone itself.
    async fn job_behind(&self, caller: &Caller, task: &Task) -> Result<Option<Job>> {
        match &task.intent_id {
            Some(intent_id) => self.jobs.ledger().get(&caller.owner.tenant, intent_id).await,
            None => Ok(None),
        }
    }

    /// Records that a task has ended: from then on its time to live runs, and later updates of the job do not change it.
    async fn ended(&self, view: &mut TaskView) -> Result<()> {
        if !view.task.status.is_terminal() {
            let at = now();
            if self.jobs.ledger().move_task(&view.task.task_id, view.status, view.message.as_deref(), None, at).await? {
                view.task.changed_at = at;
            }
            view.task.status = view.status;
        }
        Ok(())
    }

    fn view(&self, task: Task, job: Option<&Job>) -> TaskView {
        let status = match job {
            Some(job) if !task.status.is_terminal() => TaskStatus::of_job(&job.status),
            _ => task.status,
        };
        let poll_interval = match job {
            Some(job) if !status.is_terminal() => self.jobs.next_check_in(job).clamp(POLL_MIN, POLL_MAX),
            _ => POLL_MIN,
        };
        let message = match job {
            Some(job) if !task.status.is_terminal() => Some(words(job)),
            _ => task.message.clone(),
        };
        let job_changed_at =
            job.and_then(|job| job.completed_at.max(job.last_checked_at)).filter(|_| !task.status.is_terminal());
        TaskView { task, status, message, job_changed_at, poll_interval, answer: None }
    }

    /// The answer that the call would have returned had it waited. Made once in this process, in a task of its own, so that
    /// a caller who leaves cuts no download.
    fn outcome(self: &Arc<Self>, caller: &Caller, task: &Task, job: &Job) -> Outcome {
        let mut pollers = self.pollers.lock();
        if let Some((_, outcome)) = pollers.outcomes.iter().find(|(id, _)| *id == task.task_id) {
            return outcome.clone();
        }
        let (app, task, job) = (Arc::clone(self), task.clone(), job.clone());
        let caller = caller.in_background(CancellationToken::new());
        let task_id = task.task_id.clone();
        let made = tokio::spawn(async move { Arc::new(Box::pin(app.make_outcome(&caller, &task, &job)).await) });
        let outcome: Outcome = made
            .map(|made| {
                made.unwrap_or_else(|_| {
                    Arc::new(Answer::from_error(&Error::internal("The result was lost in the middle.")))
                })
            })
            .boxed()
            .shared();
        if pollers.outcomes.len() >= OUTCOMES_KEPT {
            pollers.outcomes.pop_front();
        }
        pollers.outcomes.push_back((task_id, outcome.clone()));
        outcome
    }

    async fn make_outcome(&self, caller: &Caller, task: &Task, job: &Job) -> Answer {
        let used = job.credits_total().map(|total| total - task.credits_before);
        let mut answer = self.job_answer(job, Source::Cache, Charge::new(used, None));
        answer.is_error = job.status.is_failure();
        let mut wanted = FollowUp::of(task);
        if task.tool == WAIT_TOOL && wanted.read.is_none() {
            // A wait includes text only where it was asked for.
            wanted.read = Some(0);
        }
        if !job.saved_to.is_empty() {
            wanted.save_to = None;
        }
        self.deliver(caller, job, &wanted, None, &mut answer).await;
        if let (false, Some(view)) = (answer.is_error, &mut answer.job) {
            view.without_times();
        }
        self.finish(caller, answer).await
    }

    /// Polls the task's job for a while, as a wait would, and fetches the outcome when it ends.
    pub fn keep_polling(self: &Arc<Self>, caller: &Caller, task: &Task, job_id: &str) {
        let saves = FollowUp::of(task).save_to.is_some();
        let until = Instant::now() + if saves { POLLED_TO_SAVE } else { POLLED_AFTER_QUESTION };
        let mut pollers = self.pollers.lock();
        if let Some((deadline, _)) = pollers.open.get_mut(&task.task_id) {
            *deadline = until.max(*deadline);
            return;
        }
        if pollers.open.len() >= POLLERS_MAX {
            tracing::warn!(
                limit = POLLERS_MAX,
                job_id,
                tenant = %caller.owner.tenant,
                "background poller limit reached; the job of a task is not polled"
            );
            return;
        }
        let stop = CancellationToken::new();
        pollers.open.insert(task.task_id.clone(), (until, stop.clone()));
        drop(pollers);
        let (app, task, job_id) = (Arc::clone(self), task.clone(), JobId::from_stored(job_id));
        let caller = caller.in_background(stop);
        tokio::spawn(async move { app.poll_until(&caller, &task, &job_id, until).await });
    }

    async fn poll_until(self: &Arc<Self>, caller: &Caller, task: &Task, job_id: &JobId, mut until: Instant) {
        let interval = FollowUp::of(task).interval;
        let options =
            WaitOptions { deadline: Instant::now() + POLLER_LIFE_MAX, interval, cancel: caller.cancel.clone() };
        // Dropping the wait ends its subscription, and with the last one the polling.
        let wait = self.jobs.wait(&caller.owner, job_id, &options, |_| {});
        tokio::pin!(wait);
        let waited = loop {
            tokio::select! {
                waited = &mut wait => break Some(waited),
                () = tokio::time::sleep_until(until) => {
                    let mut pollers = self.pollers.lock();
                    match pollers.open.get(&task.task_id) {
                        // The client asked again meanwhile.
                        Some((later, _)) if *later > until => until = *later,
                        _ => {
                            pollers.open.remove(&task.task_id);
                            break None;
                        }
                    }
                }
            }
        };
        match waited {
            Some(Ok(waited)) if TaskStatus::of_job(&waited.job.status) == TaskStatus::Completed => {
                self.outcome(caller, task, &waited.job).await;
            }
            Some(Err(error)) if error.kind() != Kind::Cancelled => {
                tracing::info!(%error, %job_id, "failed to poll the job of a task");
            }
            _ => {}
        }
        self.pollers.lock().open.remove(&task.task_id);
    }

    /// Waits until the task has ended, as long as the caller does.
    ///
    /// # Errors
    /// As [`App::task`]; `cancelled` when the caller gave up.
    pub async fn ended_task(self: &Arc<Self>, caller: &Caller, task_id: &str) -> Result<TaskView> {
        loop {
            let view = self.task(caller, task_id).await?;
            if view.status.is_terminal() {
                return Ok(view);
            }
            tokio::select! {
                () = tokio::time::sleep(UPDATE_INTERVAL) => {}
                () = caller.cancel.cancelled() => {
                    return Err(Error::new(Kind::Cancelled, "The wait was given up; the task goes on.", "Ask for the task again to see how far it is."));
                }
            }
        }
    }

    /// Ends a task, and the tracking of the job that it submitted. A task that only waited leaves the job alone.
    /// Says whether it was still open.
    ///
    /// # Errors
    /// As [`App::task`].
    pub async fn cancel_task(self: &Arc<Self>, caller: &Caller, task_id: &str) -> Result<(TaskView, bool)> {
        let mut view = self.task(caller, task_id).await?;
        if view.status.is_terminal() {
            return Ok((view, false));
        }
        let message = "The task was cancelled; the service may still finish the job and charge for it.";
        let moved = self.jobs.ledger().move_task(task_id, TaskStatus::Cancelled, Some(message), None, now()).await?;
        if !moved {
            return Ok((self.task(caller, task_id).await?, false));
        }
        if let Some(intent_id) = view.task.intent_id.as_ref().filter(|_| view.task.tool != WAIT_TOOL) {
            self.jobs.cancel(&caller.owner, &intent_id.into()).await?;
        }
        if let Some((_, stop)) = self.pollers.lock().open.get(task_id) {
            stop.cancel();
        }
        (view.status, view.message) = (TaskStatus::Cancelled, Some(message.into()));
        Ok((view, true))
    }

    /// A page of the caller's tasks, newest first, without outcomes.
    ///
    /// # Errors
    /// `invalid_argument` for a cursor that is none of ours.
    pub async fn tasks(&self, caller: &Caller, cursor: Option<&str>) -> Result<(Vec<TaskView>, Option<String>)> {
        let (tasks, next) = self.jobs.ledger().tasks(&caller.owner.tenant, PAGE, cursor, now()).await?;
        let mut views = Vec::with_capacity(tasks.len());
        for task in tasks {
            match self.job_behind(caller, &task).await? {
                None if task.intent_id.is_some() => {}
                job => views.push(self.view(task, job.as_ref())),
            }
        }
        Ok((views, next))
    }
}

/// No task of this caller's has this id.
fn unknown_task(task_id: &str) -> Error {
    Error::new(
        Kind::NotFound,
        format!("Task not found: {}", crate::text::shorten(task_id, TASK_ID_SHOWN_MAX)),
        hint!["It may have expired; ", NextStep::ListJobs, " shows the jobs of this key."],
    )
}

fn words(job: &Job) -> String {
    let times = if job.checks_made == 1 { "once".to_owned() } else { format!("{} times", job.checks_made) };
    format!("Job {}: {}, checked {times}.", job.id(), job.status.as_str())
}
