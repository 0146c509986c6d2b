//! Tasks as the revision 2025-11-25 has them: the client asks for one by `task` on the call.
//!
//! What lives here: the methods that the layer at the door (`serve/dialect.rs`) renames so that they arrive as custom
//! requests, over the same tasks as the newer dialect. What never does: anything for other revisions.

use std::time::Duration;

use rmcp::model::{CallToolRequestParams, CustomNotification, ErrorCode, ServerNotification};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Map, Value, json};

use super::server::Server;
use super::tools::{self, Found};
use super::{present, tasks};
use crate::answer::{TaskView, rfc3339};
use crate::app::{Caller, ResponseMode};
use crate::catalog::{Operation, Run};
use crate::error::{Error, Kind};
use crate::jobs::TaskStatus;
use crate::mcp::job_tools::Case;

/// What stands before the methods that the layer at the door renames.
pub const PREFIX: &str = "pdfco.2025-11-25/";
/// Names a result's task.
const RELATED: &str = "io.modelcontextprotocol/related-task";
/// A client of this revision is asked not to come back sooner.
const POLL_MIN: Duration = Duration::from_secs(5);
/// How long a session hears of a task without asking.
const TOLD_FOR: Duration = Duration::from_secs(3_600);

/// Whether a tool may be called as a task: those that may wait for a job.
pub fn takes_tasks(found: Found) -> bool {
    match found {
        Found::Job(tool) => matches!(tool.case, Case::Submit | Case::Wait),
        Found::Operation(Operation { run, .. }) => *run == Run::Job,
    }
}

/// Answers one of the renamed methods; `None` for a method that is none of them.
pub async fn answer(
    server: &Server,
    method: &str,
    params: Option<Value>,
    context: &RequestContext<RoleServer>,
) -> Option<Result<Value, ErrorData>> {
    let params = match params {
        Some(Value::Object(params)) => params,
        _ => Map::new(),
    };
    Some(match method.strip_prefix(PREFIX)? {
        "tools/list" => tools_list(server),
        "tools/call" => tools_call(server, params, context).await,
        "tasks/get" => tasks_get(server, &params, context).await,
        "tasks/result" => tasks_result(server, &params, context).await,
        "tasks/list" => tasks_list(server, &params, context).await,
        "tasks/cancel" => tasks_cancel(server, &params, context).await,
        other => Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, other.to_owned(), None)),
    })
}

/// The list of tools, each with whether it may be called as a task.
fn tools_list(server: &Server) -> Result<Value, ErrorData> {
    let listed = server.tools().map_err(super::server::protocol_error)?;
    let tools: Vec<Value> = listed
        .iter()
        .map(|tool| {
            let mut shown = json!(tool);
            if let (true, Some(shown)) = (tools::find(&tool.name).is_some_and(takes_tasks), shown.as_object_mut()) {
                shown.insert("execution".into(), json!({"taskSupport": "optional"}));
            }
            shown
        })
        .collect();
    Ok(json!({"tools": tools}))
}

async fn tools_call(
    server: &Server,
    mut params: Map<String, Value>,
    context: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let wanted = params.remove("task").unwrap_or_default();
    let request: CallToolRequestParams = serde_json::from_value(Value::Object(params))
        .map_err(|_| ErrorData::invalid_params("The parameters of tools/call do not have the right shape.", None))?;
    let found = tools::find(&request.name)
        .ok_or_else(|| ErrorData::invalid_params(super::job_tools::unknown_tool(&request.name), None))?;
    if !takes_tasks(found) {
        let what = format!("{} does not support task-augmented execution", request.name);
        return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, what, None));
    }
    let ttl = wanted.get("ttl").and_then(Value::as_u64).map(Duration::from_millis);
    let given = request.arguments.unwrap_or_default();
    if given.get("api_key").and_then(Value::as_str).is_some_and(|key| !key.trim().is_empty()) {
        return Err(ErrorData::invalid_params(
            "A task is kept for the key that will ask for it: send the key as x-api-key or set PDFCO_API_KEY instead of passing api_key.",
            None,
        ));
    }
    let response_mode = ResponseMode::TaskOnly { ttl };
    let answer = server.called(found, &request.name, given, context, response_mode).await;
    let view = match &answer.task {
        Some(view) => {
            let caller = server.asking(context)?;
            tell(server, &caller, view, context);
            TaskView::clone(view)
        }
        // The call had nothing to wait for: its task has ended already.
        None => {
            let caller = Caller { response_mode, ..server.asking(context)? };
            let payload = Value::Object(tasks::as_object(&present::result(&answer)));
            server
                .app()
                .keep(&caller, &request.name, TaskStatus::Completed, payload)
                .await
                .map_err(super::server::protocol_error)?
        }
    };
    let mut meta = json!({RELATED: {"taskId": view.task.task_id}});
    if let (Some(_), Some(meta)) = (&answer.task, meta.as_object_mut()) {
        meta.insert(tasks::IMMEDIATE.into(), json!(tasks::immediate(&answer)));
    }
    Ok(json!({"task": shown(&view), "_meta": meta}))
}

async fn tasks_get(
    server: &Server,
    params: &Map<String, Value>,
    context: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let caller = server.asking(context)?;
    let view = server.app().task(&caller, task_id(params)?).await.map_err(task_error)?;
    Ok(shown(&view))
}

/// Waits for the end, however long the client does, and gives the result that the call would have had.
async fn tasks_result(
    server: &Server,
    params: &Map<String, Value>,
    context: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let caller = server.asking(context)?;
    let ended = server.app().ended_task(&caller, task_id(params)?);
    let view = tokio::select! {
        ended = ended => ended.map_err(task_error)?,
        () = server.gone().cancelled() => return Err(ErrorData::internal_error("The client has left.", None)),
    };
    let mut result = match view.status {
        TaskStatus::Failed => {
            let error = view.task.payload.clone().and_then(|error| serde_json::from_value::<ErrorData>(error).ok());
            return Err(error.unwrap_or_else(|| ErrorData::internal_error("The task failed.", None)));
        }
        TaskStatus::Cancelled => tasks::as_object(&tasks::cancelled()),
        TaskStatus::Completed | TaskStatus::Working | TaskStatus::InputRequired => tasks::outcome(&view),
    };
    let meta = result.entry("_meta").or_insert_with(|| json!({}));
    if let Some(meta) = meta.as_object_mut() {
        meta.insert(RELATED.into(), json!({"taskId": view.task.task_id}));
    }
    result.shift_remove("resultType");
    Ok(Value::Object(result))
}

async fn tasks_list(
    server: &Server,
    params: &Map<String, Value>,
    context: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let caller = server.asking(context)?;
    let cursor = match params.get("cursor") {
        None | Some(Value::Null) => None,
        Some(Value::String(cursor)) => Some(cursor.as_str()),
        Some(_) => return Err(ErrorData::invalid_params("Invalid cursor", None)),
    };
    let (views, next) = server.app().tasks(&caller, cursor).await.map_err(|error| match error.kind() {
        Kind::InvalidArgument => ErrorData::invalid_params("Invalid cursor", None),
        _ => super::server::protocol_error(error),
    })?;
    let mut listed = json!({"tasks": views.iter().map(shown).collect::<Vec<_>>()});
    if let (Some(next), Some(listed)) = (next, listed.as_object_mut()) {
        listed.insert("nextCursor".into(), json!(next));
    }
    Ok(listed)
}

async fn tasks_cancel(
    server: &Server,
    params: &Map<String, Value>,
    context: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let caller = server.asking(context)?;
    let (view, was_open) = server.app().cancel_task(&caller, task_id(params)?).await.map_err(task_error)?;
    if !was_open {
        let what = format!("Cannot cancel task in terminal state '{}'", view.status.as_str());
        return Err(ErrorData::invalid_params(what, None));
    }
    Ok(shown(&view))
}

fn task_id(params: &Map<String, Value>) -> Result<&str, ErrorData> {
    let id = params.get("taskId").and_then(Value::as_str);
    id.ok_or_else(|| ErrorData::invalid_params("`taskId` is missing.", None))
}

fn task_error(error: Error) -> ErrorData {
    match error.kind() {
        Kind::NotFound => ErrorData::invalid_params(error.message().to_owned(), None),
        _ => super::server::protocol_error(error),
    }
}

/// A task in the shape of this revision.
fn shown(view: &TaskView) -> Value {
    let task = &view.task;
    json!({
        "taskId": task.task_id,
        "status": view.status.as_str(),
        "statusMessage": view.message,
        "createdAt": rfc3339(task.created_at),
        "lastUpdatedAt": rfc3339(view.changed_at()),
        "ttl": u64::try_from(task.ttl.as_millis()).unwrap_or(u64::MAX),
        "pollInterval": u64::try_from(view.poll_interval.max(POLL_MIN).as_millis()).unwrap_or(u64::MAX),
    })
}

/// Tells the session about a task's states until it ends, from the ledger alone: this costs nothing.
fn tell(server: &Server, caller: &Caller, view: &TaskView, context: &RequestContext<RoleServer>) {
    let (app, caller, peer, gone) = (server.app().clone(), caller.clone(), context.peer.clone(), server.gone().clone());
    let (task_id, mut told) = (view.task.task_id.clone(), (view.status, view.message.clone()));
    let telling = async move {
        loop {
            tokio::time::sleep(crate::app::HEARD_WITHIN).await;
            let Ok(view) = app.glance_at_task(&caller, &task_id).await else { return };
            let state = (view.status, view.message.clone());
            if state != told {
                let note = CustomNotification::new("notifications/tasks/status", Some(shown(&view)));
                if peer.send_notification(ServerNotification::CustomNotification(note)).await.is_err() {
                    return;
                }
                told = state;
            }
            if view.status.is_terminal() {
                return;
            }
        }
    };
    tokio::spawn(async move {
        tokio::select! {
            () = telling => {}
            () = tokio::time::sleep(TOLD_FOR) => {}
            () = gone.cancelled() => {}
        }
    });
}
