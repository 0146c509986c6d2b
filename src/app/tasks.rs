//! Tasks: a call's outcome, promised now and fetched later, even by another process.
//!
//! What lives here: the use cases behind both dialects of the protocol. A task is a row of the ledger beside its job;
//! its state follows from the job's. While somebody asks for it the job is looked at as if they waited; once nobody has
//! asked for a while, looking stops and costs nothing. What never does: the dialects' words (`mcp/`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{App, Caller, ResponseMode};
use crate::answer::{Answer, TaskView};
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::jobs::{Job, JobStatus, Task, TaskStatus, WaitOptions};

/// A task's job is looked at for this long after somebody asked for the task.
const ATTENTION: Duration = Duration::from_secs(60);
/// A task that saves its result is attended to for this long even if nobody asks: the file was asked for.
const ATTENTION_TO_SAVE: Duration = Duration::from_secs(3_600);
/// Tasks that are attended to at once; of more, those that nobody asks for are not looked at.
const ATTENDED_MAX: usize = 4_096;
/// Longest wait of one attendant; whoever asks later starts another.
const ATTENDANT_MAX: Duration = Duration::from_secs(86_400);
/// Outcomes that are kept for asking again. The rest is made anew from the job's row.
const OUTCOMES_KEPT: usize = 64;
/// How long a question about a task waits for its outcome to be read or saved.
const OUTCOME_PATIENCE: Duration = Duration::from_secs(10);
/// Between looks at the ledger for a client that listens.
pub const HEARD_WITHIN: Duration = Duration::from_millis(700);
/// Tasks on one page of a list.
const PAGE: u32 = 20;
/// Bounds of the pause that is suggested between two questions about a task.
const POLL_MIN: Duration = Duration::from_secs(1);
const POLL_MAX: Duration = Duration::from_secs(15);

type Outcome = Shared<BoxFuture<'static, Arc<Answer>>>;

/// What this process keeps about tasks, besides the ledger.
#[derive(Default)]
pub(super) struct Attended {
    /// Until when each is attended to, and how to send its attendant away before.
    open: HashMap<String, (Instant, CancellationToken)>,
    /// The newest last.
    outcomes: VecDeque<(String, Outcome)>,
}

impl App {
    /// Promises the outcome of `job`: the answer that says so carries the task.
    pub(super) async fn promise(
        &self,
        caller: &Caller,
        tool: &str,
        job: &Job,
        follow_up: Value,
        charge: Charge,
    ) -> Result<Answer> {
        let mut task =
            Task::new(caller.owner.tenant.clone(), tool, self.task_ttl(caller), now()).waiting_for(job, follow_up);
        if let Some(used) = charge.credits {
            // What this very call paid belongs to the task's own charge.
            task.credits_before -= used;
        }
        self.jobs.ledger().promise(&task).await?;
        let view = self.view(task, Some(job));
        Ok(Answer { task: Some(Box::new(view)), ..self.job_answer(job, "live", charge) })
    }

    /// Promises what is known already, for a caller who takes nothing but a task. `payload` is the outcome in the
    /// protocol's JSON.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn keep(&self, caller: &Caller, tool: &str, status: TaskStatus, payload: Value) -> Result<TaskView> {
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

    /// The caller's task, with its outcome when there is one. Its job is looked at for a while from now on.
    ///
    /// # Errors
    /// `not_found` for an id that is none of this caller's, or whose time is over.
    pub async fn task(self: &Arc<Self>, caller: &Caller, task_id: &str) -> Result<TaskView> {
        let (task, job) = self.task_and_job(caller, task_id).await?;
        let Some(job) = job else { return Ok(self.view(task, None)) };
        let mut view = self.view(task, Some(&job));
        match view.status {
            TaskStatus::Working | TaskStatus::InputRequired => self.attend(caller, &view.task, job.id()),
            TaskStatus::Completed => {
                match tokio::time::timeout(OUTCOME_PATIENCE, self.outcome(caller, &view.task, &job)).await {
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

    /// The caller's task without its outcome, for nothing: its job is not looked at for this.
    ///
    /// # Errors
    /// As [`App::task`].
    pub async fn glance_at_task(&self, caller: &Caller, task_id: &str) -> Result<TaskView> {
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

    /// The job behind a task. One that waits for a job that is gone is as good as gone itself: jobs are forgotten by
    /// their own age, and without its job there is nothing to tell of a task.
    async fn job_behind(&self, caller: &Caller, task: &Task) -> Result<Option<Job>> {
        match &task.intent_id {
            Some(intent_id) => self.jobs.ledger().get(&caller.owner.tenant, intent_id).await,
            None => Ok(None),
        }
    }

    /// Writes down that a task has ended: from then on its time runs, and no later news of the job change it.
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

    /// The answer that the call would have given had it waited. Made once in this process, on its own, so that nobody
    /// who leaves tears a download.
    fn outcome(self: &Arc<Self>, caller: &Caller, task: &Task, job: &Job) -> Outcome {
        let mut attended = lock(&self.attended);
        if let Some((_, outcome)) = attended.outcomes.iter().find(|(id, _)| *id == task.task_id) {
            return outcome.clone();
        }
        let (app, task, job) = (Arc::clone(self), task.clone(), job.clone());
        let caller = Caller { cancel: CancellationToken::new(), on_event: Arc::new(|_| {}), ..caller.clone() };
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
        if attended.outcomes.len() >= OUTCOMES_KEPT {
            attended.outcomes.pop_front();
        }
        attended.outcomes.push_back((task_id, outcome.clone()));
        outcome
    }

    async fn make_outcome(&self, caller: &Caller, task: &Task, job: &Job) -> Answer {
        let used = job.credits_total().map(|total| total - task.credits_before);
        let mut answer = self.job_answer(job, "cache", Charge::new(used, None));
        answer.is_error = matches!(job.status, JobStatus::Failed | JobStatus::Aborted | JobStatus::Unknown);
        if job.status == JobStatus::Success && task.follow_up.get("read").is_some() {
            self.include_text(job, task.follow_up.get("read").and_then(Value::as_u64), None, &mut answer).await;
        }
        if let Some(save_to) = task.follow_up.get("save_to").and_then(Value::as_str)
            && job.status == JobStatus::Success
            && job.saved_to.is_empty()
        {
            self.include_files(caller, job, save_to, None, &mut answer).await;
        }
        answer
    }

    /// Looks at the task's job for a while, as if somebody waited for it, and fetches the outcome when it ends.
    pub fn attend(self: &Arc<Self>, caller: &Caller, task: &Task, job_id: &str) {
        let saves = task.follow_up.get("save_to").is_some_and(Value::is_string);
        let until = Instant::now() + if saves { ATTENTION_TO_SAVE } else { ATTENTION };
        let mut attended = lock(&self.attended);
        if let Some((deadline, _)) = attended.open.get_mut(&task.task_id) {
            *deadline = until.max(*deadline);
            return;
        }
        if attended.open.len() >= ATTENDED_MAX {
            tracing::warn!("too many tasks are open: the job of one more is not looked at");
            return;
        }
        let leave = CancellationToken::new();
        attended.open.insert(task.task_id.clone(), (until, leave.clone()));
        drop(attended);
        let (app, task, job_id) = (Arc::clone(self), task.clone(), job_id.to_owned());
        let caller = Caller { cancel: leave, on_event: Arc::new(|_| {}), ..caller.clone() };
        tokio::spawn(async move { app.attend_until(&caller, &task, &job_id, until).await });
    }

    async fn attend_until(self: &Arc<Self>, caller: &Caller, task: &Task, job_id: &str, mut until: Instant) {
        let interval = task.follow_up.get("interval").and_then(Value::as_f64).map(Duration::from_secs_f64);
        let options = WaitOptions { budget: ATTENDANT_MAX, interval, cancel: caller.cancel.clone() };
        // Dropping the wait ends the looking, unless somebody else waits.
        let wait = self.jobs.wait(&caller.owner, job_id, &options, |_| {});
        tokio::pin!(wait);
        let waited = loop {
            tokio::select! {
                waited = &mut wait => break Some(waited),
                () = tokio::time::sleep_until(until) => {
                    let mut attended = lock(&self.attended);
                    match attended.open.get(&task.task_id) {
                        // Somebody asked meanwhile.
                        Some((later, _)) if *later > until => until = *later,
                        _ => {
                            attended.open.remove(&task.task_id);
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
                tracing::info!(%error, "a task's job could not be looked at");
            }
            _ => {}
        }
        lock(&self.attended).open.remove(&task.task_id);
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
                () = tokio::time::sleep(HEARD_WITHIN) => {}
                () = caller.cancel.cancelled() => {
                    return Err(Error::new(Kind::Cancelled, "The wait was given up; the task goes on.", "tasks/get tells how far it is."));
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
        if let (Some(intent_id), true) = (&view.task.intent_id, view.task.follow_up.get("read").is_some()) {
            self.jobs.cancel(&caller.owner, intent_id).await?;
        }
        if let Some((_, leave)) = lock(&self.attended).open.get(task_id) {
            leave.cancel();
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

/// The follow-up of a submit: what is left to do once the job has ended.
pub(super) fn after_submit(read: Option<u64>, save_to: Option<&str>) -> Value {
    json!({"read": read, "save_to": save_to})
}

/// The follow-up of a wait.
pub(super) fn after_wait(interval: Option<Duration>) -> Value {
    json!({"interval": interval.map(|interval| interval.as_secs_f64())})
}

/// A poisoned lock means that another thread panicked between two assignments; what it holds stays usable.
fn lock(attended: &Mutex<Attended>) -> MutexGuard<'_, Attended> {
    attended.lock().unwrap_or_else(PoisonError::into_inner)
}

/// No task of this caller's has this id.
fn unknown_task(task_id: &str) -> Error {
    Error::new(
        Kind::NotFound,
        format!("Task not found: {}", crate::catalog::shorten(task_id, 60)),
        "Its time may be over; list_jobs shows the jobs of this key.",
    )
}

fn words(job: &Job) -> String {
    let times = if job.checks_made == 1 { "once".to_owned() } else { format!("{} times", job.checks_made) };
    format!("Job {}: {}, checked {times}.", job.id(), job.status.as_str())
}
