//! Tasks: the outcome of a call, promised to a client that comes back for it.
//!
//! [`Task`] is a row of the ledger beside the job that it waits for. Its two forms in the protocol are in `mcp/`.

use std::time::Duration;

use serde_json::Value;

use super::job::{Job, Millis};
use super::job_id::IntentId;
use super::status::JobStatus;
use crate::tenant::Tenant;

/// A task's state, in the protocol's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// The outcome is not there yet.
    Working,
    /// The client has to answer something first.
    InputRequired,
    /// The outcome is there; a failed job is a completed task whose result is an error.
    Completed,
    /// The call ended in an error of the protocol.
    Failed,
    /// No client waits for it any more.
    Cancelled,
}

impl TaskStatus {
    /// The word of the protocol, which the ledger keeps too.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskStatus::Working => "working",
            TaskStatus::InputRequired => "input_required",
            TaskStatus::Completed => "completed",
            TaskStatus::Failed => "failed",
            TaskStatus::Cancelled => "cancelled",
        }
    }

    /// The state that has this word; a word of a later version counts as an end, because nothing can be done with it.
    pub fn from_stored(word: &str) -> TaskStatus {
        match word {
            "working" => TaskStatus::Working,
            "input_required" => TaskStatus::InputRequired,
            "completed" => TaskStatus::Completed,
            "cancelled" => TaskStatus::Cancelled,
            _ => TaskStatus::Failed,
        }
    }

    /// Whether it is never left again.
    pub fn is_terminal(self) -> bool {
        match self {
            TaskStatus::Working | TaskStatus::InputRequired => false,
            TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => true,
        }
    }

    /// What a job's state means for a task that waits for it.
    pub fn of_job(status: &JobStatus) -> TaskStatus {
        match status {
            JobStatus::Queued | JobStatus::Working | JobStatus::Other(_) => TaskStatus::Working,
            JobStatus::Success | JobStatus::Failed | JobStatus::Aborted | JobStatus::Unknown => TaskStatus::Completed,
            JobStatus::Cancelled => TaskStatus::Cancelled,
        }
    }
}

/// A task as the ledger keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Ours: `<job_id>.<random>`, or the random part alone where there is no job. The random part has 128 bits,
    /// because the id is the right to ask for the outcome.
    pub task_id: String,
    /// Whose.
    pub tenant: Tenant,
    /// The tool that was called.
    pub tool: String,
    /// The job whose end is the task's; `None` for a task without a job.
    pub intent_id: Option<IntentId>,
    /// What is left to do once the job has ended.
    pub follow_up: Value,
    /// What the job had cost when the task began.
    pub credits_before: i64,
    /// Its state, as far as it does not follow from the job's.
    pub status: TaskStatus,
    /// A few words about the state.
    pub message: Option<String>,
    /// Result, error or open questions of a task without a job, in the protocol's JSON.
    pub payload: Option<Value>,
    /// When it was promised.
    pub created_at: Millis,
    /// Last change.
    pub changed_at: Millis,
    /// How long it is kept once it has ended.
    pub ttl: Duration,
}

impl Task {
    /// A new task, at work.
    pub fn new(tenant: Tenant, tool: impl Into<String>, ttl: Duration, at: Millis) -> Task {
        Task {
            task_id: new_task_id(),
            tenant,
            tool: tool.into(),
            intent_id: None,
            follow_up: Value::Null,
            credits_before: 0,
            status: TaskStatus::Working,
            message: None,
            payload: None,
            created_at: at,
            changed_at: at,
            ttl,
        }
    }

    /// The same, waiting for `job`. Its id begins with the job's, so that a model and a balancer can see which job it
    /// is about; the random rest keeps it unguessable.
    #[must_use]
    pub fn waiting_for(self, job: &Job, follow_up: Value) -> Task {
        let credits_before = job.credits_total().unwrap_or_default();
        let task_id = format!("{}.{}", job.id(), self.task_id);
        Task { task_id, intent_id: Some(job.intent_id.clone()), follow_up, credits_before, ..self }
    }
}

/// 128 random bits, in hexadecimal.
fn new_task_id() -> String {
    // A version 4 UUID has 122: two make one.
    let halves = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    let bytes = halves.iter().flat_map(|half| {
        let bytes = half.into_bytes();
        // Version and variant stand in bytes 6 and 8.
        [0, 1, 2, 3, 4, 5, 9, 10].map(|at| bytes.get(at).copied().unwrap_or_default())
    });
    hex::encode(bytes.collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_long_and_each_its_own() {
        let ids: std::collections::HashSet<String> = (0..1_000).map(|_| new_task_id()).collect();
        assert!(ids.len() == 1_000 && ids.iter().all(|id| id.len() == 32));
        // Every bit of them is seen both set and clear: none is fixed by a format.
        let numbers: Vec<u128> = ids.iter().map(|id| u128::from_str_radix(id, 16).unwrap()).collect();
        assert_eq!(numbers.iter().fold(0, |all, one| all | one), u128::MAX);
        assert_eq!(numbers.iter().fold(u128::MAX, |all, one| all & one), 0);
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        use TaskStatus::{Cancelled, Completed, Failed, InputRequired, Working};
        for status in [Working, InputRequired, Completed, Failed, Cancelled] {
            assert_eq!(TaskStatus::from_stored(status.as_str()), status);
        }
    }
}
