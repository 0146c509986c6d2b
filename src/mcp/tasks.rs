//! Tasks in the protocol's types, as the extension of 2026-07-28 has them.

use rmcp::RoleServer;
use rmcp::model::{CallToolResult, CreateTaskResult, DetailedTask, JsonObject, TaskPayload};
use rmcp::service::RequestContext;
use serde_json::Value;

use super::present;
use super::tools::Shape;
use crate::answer::{Answer, TaskView, rfc3339};
use crate::jobs::TaskStatus;

/// Whether the client can take a task as the result of this very request. In a session it cannot, whatever it declared
/// when the session began: results of older revisions have no types, and clients read a task as an empty result.
pub fn are_declared(context: &RequestContext<RoleServer>) -> bool {
    context.meta.protocol_version().is_some()
        && context.client_capabilities().is_some_and(|capabilities| capabilities.supports_tasks())
}

/// The answer to a call that goes on as a task.
pub fn created(view: &TaskView) -> CreateTaskResult {
    CreateTaskResult::new(task(view))
}

/// The task with everything that its state brings.
pub fn detailed(view: &TaskView) -> DetailedTask {
    let payload = match view.status {
        TaskStatus::Working => TaskPayload::Working,
        TaskStatus::Cancelled => TaskPayload::Cancelled,
        TaskStatus::Completed => TaskPayload::Completed { result: outcome(view) },
        TaskStatus::Failed => TaskPayload::Failed { error: object(view.task.payload.clone()) },
        TaskStatus::InputRequired => {
            let requests = view.task.payload.clone().and_then(|payload| serde_json::from_value(payload).ok());
            TaskPayload::InputRequired { input_requests: requests.unwrap_or_default() }
        }
    };
    DetailedTask::new(task(view), payload)
}

/// The result that the call would have had.
pub fn outcome(view: &TaskView) -> JsonObject {
    match &view.answer {
        Some(answer) => as_object(&present::result(answer, Shape::Structured)),
        None => object(view.task.payload.clone()),
    }
}

/// The outcome of a task that was cancelled, for those who ask for one all the same.
pub fn cancelled() -> CallToolResult {
    let error = crate::error::Error::new(
        crate::error::Kind::Cancelled,
        "The task was cancelled.",
        crate::hint![crate::next_step::NextStep::ListJobs, " shows whether its job ended all the same."],
    );
    present::result(&Answer::from_error(&error), Shape::Structured)
}

/// A result as it goes into a task's row.
pub fn as_object(result: &CallToolResult) -> JsonObject {
    object(serde_json::to_value(result).ok())
}

fn task(view: &TaskView) -> rmcp::model::Task {
    let status = match view.status {
        TaskStatus::Working => rmcp::model::TaskStatus::Working,
        TaskStatus::InputRequired => rmcp::model::TaskStatus::InputRequired,
        TaskStatus::Completed => rmcp::model::TaskStatus::Completed,
        TaskStatus::Failed => rmcp::model::TaskStatus::Failed,
        TaskStatus::Cancelled => rmcp::model::TaskStatus::Cancelled,
    };
    let task = &view.task;
    let made =
        rmcp::model::Task::new(task.task_id.clone(), status, rfc3339(task.created_at), rfc3339(view.changed_at()))
            .with_ttl_ms(u64::try_from(task.ttl.as_millis()).unwrap_or(u64::MAX))
            .with_poll_interval_ms(u64::try_from(view.poll_interval.as_millis()).unwrap_or(u64::MAX));
    match &view.message {
        Some(message) => made.with_status_message(message.clone()),
        None => made,
    }
}

fn object(value: Option<Value>) -> JsonObject {
    match value {
        Some(Value::Object(object)) => object,
        _ => JsonObject::default(),
    }
}
