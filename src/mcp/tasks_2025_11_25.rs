//! Tasks of the revision 2025-11-25, where the client asks for one by `task` on the call.
//!
//! The transport renames that revision's methods, so that they arrive here as custom requests; they work on the same
//! rows as the tasks of 2026-07-28.

use std::time::Duration;

use futures_util::FutureExt;
use rmcp::model::{CallToolRequestParams, CustomNotification, ErrorCode, ServerNotification};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Map, Value, json};

use super::context::{ServerContext, protocol_error};
use super::{consent, present, tasks, tools};
use crate::answer::{Answer, TaskView, rfc3339};
use crate::app::{Caller, Consent, ResponseMode};
use crate::error::{Error, Kind};
use crate::jobs::TaskStatus;

/// The prefix of the methods that the transport renames.
pub const PREFIX: &str = "pdfco.2025-11-25/";
/// The key of a text that the model may read while the task is open.
const IMMEDIATE: &str = "io.modelcontextprotocol/model-immediate-response";
/// The key that names a result's task.
const RELATED: &str = "io.modelcontextprotocol/related-task";
/// The shortest interval that clients of this revision are asked to poll at.
const POLL_MIN: Duration = Duration::from_secs(5);
/// How long a session is notified of a task's states.
const NOTIFIED_FOR: Duration = Duration::from_secs(3_600);

/// Answers one of the renamed methods; `None` for a method that is none of them.
pub async fn answer(
    context: &ServerContext,
    method: &str,
    params: Option<Value>,
    request: &RequestContext<RoleServer>,
) -> Option<Result<Value, ErrorData>> {
    let params = match params {
        Some(Value::Object(params)) => params,
        _ => Map::new(),
    };
    Some(match method.strip_prefix(PREFIX)? {
        "tools/list" => tools_list(context, request),
        "tools/call" => tools_call(context, params, request).await,
        "tasks/get" => tasks_get(context, &params, request).await,
        "tasks/result" => tasks_result(context, &params, request).await,
        "tasks/list" => tasks_list(context, &params, request).await,
        "tasks/cancel" => tasks_cancel(context, &params, request).await,
        other => Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, other.to_owned(), None)),
    })
}

/// The list of tools, each with whether it may be called as a task.
fn tools_list(context: &ServerContext, request: &RequestContext<RoleServer>) -> Result<Value, ErrorData> {
    let listed = context.tools_for(request).map_err(protocol_error)?;
    let tools: Vec<Value> = listed
        .iter()
        .map(|tool| {
            let mut shown = json!(tool);
            if let (true, Some(shown)) =
                (tools::find(&tool.name).is_some_and(tools::Found::takes_tasks), shown.as_object_mut())
            {
                shown.insert("execution".into(), json!({"taskSupport": "optional"}));
            }
            shown
        })
        .collect();
    Ok(json!({"tools": tools}))
}

async fn tools_call(
    context: &ServerContext,
    mut params: Map<String, Value>,
    request: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let wanted = params.remove("task").unwrap_or_default();
    let call: CallToolRequestParams = serde_json::from_value(Value::Object(params))
        .map_err(|_| ErrorData::invalid_params("The parameters of tools/call do not have the right shape.", None))?;
    let found =
        tools::find(&call.name).ok_or_else(|| ErrorData::invalid_params(tools::unknown_tool(&call.name), None))?;
    if !found.takes_tasks() {
        let what = format!("{} does not support task-augmented execution", call.name);
        return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, what, None));
    }
    let ttl = wanted.get("ttl").and_then(Value::as_u64).map(Duration::from_millis);
    let given = call.arguments.unwrap_or_default();
    if given.get("api_key").and_then(Value::as_str).is_some_and(|key| !key.trim().is_empty()) {
        return Err(ErrorData::invalid_params(
            "A task is kept for the key that will ask for it: send the key as x-api-key or set PDFCO_API_KEY instead of passing api_key.",
            None,
        ));
    }
    let response_mode = ResponseMode::TaskOnly { ttl };
    let answer = consent::call_tool(context, found, given, request, response_mode, Consent::Needed).boxed().await;
    let view = match &answer.task {
        Some(view) => {
            let caller = context.asking(request)?;
            notify(context, &caller, view, request);
            TaskView::clone(view)
        }
        // The call had nothing to wait for: its task has ended already.
        None => {
            let caller = Caller { response_mode, ..context.asking(request)? };
            let payload = Value::Object(tasks::as_object(&present::result(&answer, found.shape())));
            context
                .app()
                .store_outcome(&caller, &call.name, TaskStatus::Completed, payload)
                .await
                .map_err(protocol_error)?
        }
    };
    let mut meta = json!({RELATED: {"taskId": view.task.task_id}});
    if let (Some(_), Some(meta)) = (&answer.task, meta.as_object_mut()) {
        meta.insert(IMMEDIATE.into(), json!(immediate(&answer)));
    }
    Ok(json!({"task": shown(&view), "_meta": meta}))
}

async fn tasks_get(
    context: &ServerContext,
    params: &Map<String, Value>,
    request: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let caller = context.asking(request)?;
    let view = context.app().task(&caller, task_id(params)?).await.map_err(task_error)?;
    Ok(shown(&view))
}

/// Waits until the task has ended or the client gives up, and returns the result that the call would have had.
async fn tasks_result(
    context: &ServerContext,
    params: &Map<String, Value>,
    request: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let caller = context.asking(request)?;
    let ended = context.app().ended_task(&caller, task_id(params)?);
    let view = tokio::select! {
        ended = ended => ended.map_err(task_error)?,
        () = context.gone().cancelled() => return Err(ErrorData::internal_error("The client has disconnected.", None)),
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
    context: &ServerContext,
    params: &Map<String, Value>,
    request: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let caller = context.asking(request)?;
    let cursor = match params.get("cursor") {
        None | Some(Value::Null) => None,
        Some(Value::String(cursor)) => Some(cursor.as_str()),
        Some(_) => return Err(ErrorData::invalid_params("Invalid cursor", None)),
    };
    let (views, next) = context.app().tasks(&caller, cursor).await.map_err(|error| match error.kind() {
        Kind::InvalidArgument => ErrorData::invalid_params("Invalid cursor", None),
        _ => protocol_error(error),
    })?;
    let mut listed = json!({"tasks": views.iter().map(shown).collect::<Vec<_>>()});
    if let (Some(next), Some(listed)) = (next, listed.as_object_mut()) {
        listed.insert("nextCursor".into(), json!(next));
    }
    Ok(listed)
}

async fn tasks_cancel(
    context: &ServerContext,
    params: &Map<String, Value>,
    request: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    let caller = context.asking(request)?;
    let (view, was_open) = context.app().cancel_task(&caller, task_id(params)?).await.map_err(task_error)?;
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
        _ => protocol_error(error),
    }
}

/// What the model may read while the task is open.
fn immediate(answer: &Answer) -> String {
    let id = answer.job.as_ref().map_or("", |job| job.job_id.as_str());
    format!("Job {id} is running; its outcome will be the result of this call. Do not submit it again.")
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

/// Notifies the session of a task's states until it ends. Reads the ledger alone, so this costs nothing.
fn notify(context: &ServerContext, caller: &Caller, view: &TaskView, request: &RequestContext<RoleServer>) {
    let (app, caller, peer, gone) =
        (context.app().clone(), caller.clone(), request.peer.clone(), context.gone().clone());
    let (task_id, mut notified) = (view.task.task_id.clone(), (view.status, view.message.clone()));
    let notifying = async move {
        loop {
            tokio::time::sleep(crate::app::UPDATE_INTERVAL).await;
            let Ok(view) = app.task_summary(&caller, &task_id).await else { return };
            let state = (view.status, view.message.clone());
            if state != notified {
                let note = CustomNotification::new("notifications/tasks/status", Some(shown(&view)));
                if peer.send_notification(ServerNotification::CustomNotification(note)).await.is_err() {
                    return;
                }
                notified = state;
            }
            if view.status.is_terminal() {
                return;
            }
        }
    };
    tokio::spawn(async move {
        tokio::select! {
            () = notifying => {}
            () = tokio::time::sleep(NOTIFIED_FOR) => {}
            () = gone.cancelled() => {}
        }
    });
}
