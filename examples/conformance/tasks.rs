//! Tools of the suite that go on as tasks.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::*;
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use serde_json::{Value, json};

use super::{Context, inputs, tools};

/// A tool that asks first, in `inputs.rs`, and then goes on as a task.
pub const AFTER_QUESTIONS: &str = "test_tool_with_task";
/// Longest computation that is pretended.
const SECONDS_MAX: f64 = 120.0;

/// What a task comes to; `None` when it was cancelled.
type Outcome = Option<Result<CallToolResult, ErrorData>>;

/// A running task's side of the store.
struct Work(TaskContext);

impl Work {
    /// Puts the task into `input_required` until all of this is answered.
    async fn ask(&self, questions: Value) -> Option<InputResponses> {
        let asked = inputs::requests(questions).into_iter().map(async |(key, request)| {
            let answer = self.0.request_input(key.clone(), request).await.ok()?;
            Some((key, answer))
        });
        futures_util::future::join_all(asked).await.into_iter().collect()
    }

    /// Lets time pass; `None` when the task was cancelled meanwhile.
    async fn compute(&self, seconds: f64) -> Option<()> {
        tokio::select! {
            () = self.0.cancelled() => None,
            () = tokio::time::sleep(Duration::from_secs_f64(seconds)) => Some(()),
        }
    }
}

/// The store of the tasks.
#[derive(Default)]
pub struct Tasks(TaskManager);

impl Tasks {
    pub fn get(&self, request: &GetTaskParams) -> Result<GetTaskResult, ErrorData> {
        self.0.get_task(&request.task_id).map(GetTaskResult::new)
    }

    pub fn update(&self, request: UpdateTaskParams) -> Result<(), ErrorData> {
        self.0.update_task(&request.task_id, request.input_responses)
    }

    pub fn cancel(&self, request: &CancelTaskParams) -> Result<(), ErrorData> {
        self.0.cancel_task(&request.task_id)
    }

    /// Answers with a task, which then does `work`.
    fn start<F>(&self, context: &Context, work: impl FnOnce(Work) -> F) -> Result<CallToolResponse, ErrorData>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        if !can_wait(context) {
            let required = ClientCapabilities::builder().enable_tasks().build();
            return Err(ErrorData::missing_required_client_capability(required));
        }
        let options = TaskOptions::new().with_poll_interval_ms(200);
        let task = self.0.spawn(options, |context| {
            let work = work(Work(context));
            Box::pin(async move { work.await.ok_or(TaskExit::Cancelled)?.map_err(TaskExit::Error) })
        });
        Ok(CreateTaskResult::new(task).into())
    }

    pub async fn call(
        &self,
        name: &str,
        arguments: JsonObject,
        context: &Context,
    ) -> Result<CallToolResponse, ErrorData> {
        match name {
            "slow_compute" => {
                let seconds = arguments.get("seconds").and_then(Value::as_f64).unwrap_or(1.0).clamp(0.0, SECONDS_MAX);
                let label = arguments.get("label").and_then(Value::as_str).unwrap_or("nothing");
                let done = tools::text(&format!("computed {label} in {seconds} seconds"));
                if !can_wait(context) {
                    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                    return Ok(done.into());
                }
                self.start(context, move |work| async move {
                    work.compute(seconds).await?;
                    Some(Ok(done))
                })
            }
            "failing_job" => self.start(context, |work| async move {
                work.compute(1.0).await?;
                Some(Ok(CallToolResult::error(vec![ContentBlock::text("This job always fails.")])))
            }),
            "protocol_error_job" => self.start(context, |work| async move {
                work.compute(0.1).await?;
                Some(Err(ErrorData::internal_error("This job always ends in an error of the protocol.", None)))
            }),
            "confirm_delete" => {
                let file = arguments.get("filename").and_then(Value::as_str).unwrap_or("a file").to_owned();
                let question = json!({"confirm": inputs::elicit(&format!("Delete {file}?"), "confirm", "boolean")});
                self.start(context, |work| async move {
                    let answers = work.ask(question).await?;
                    let is_confirmed = answers.get("confirm").and_then(|answer| answer.pointer("/content/confirm"));
                    let did = if is_confirmed == Some(&Value::Bool(true)) { "deleted" } else { "kept" };
                    Some(Ok(tools::text(&format!("{did} {file}"))))
                })
            }
            _ => {
                let questions = json!({
                    "first": inputs::elicit("The first name?", "name", "string"),
                    "second": inputs::elicit("The second name?", "name", "string"),
                });
                self.start(context, |work| async move {
                    let answers = work.ask(questions).await?;
                    Some(Ok(tools::text(&json!(answers).to_string())))
                })
            }
        }
    }

    /// Greets whoever answered, as a task.
    pub fn greet_later(&self, answers: &InputResponses, context: &Context) -> Result<CallToolResponse, ErrorData> {
        let greeting = tools::text(&inputs::sentence(answers));
        self.start(context, |work| async move {
            work.compute(0.1).await?;
            Some(Ok(greeting))
        })
    }
}

pub fn is_one(name: &str) -> bool {
    ["slow_compute", "failing_job", "protocol_error_job", "confirm_delete", "multi_input"].contains(&name)
}

/// Whether this client takes a task for an answer.
fn can_wait(context: &Context) -> bool {
    context.client_capabilities().is_some_and(|able| able.supports_tasks())
}
