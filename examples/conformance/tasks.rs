//! Tools of the suite that go on as tasks, in the product's ledger. Asking for a task is the product's too, and so is
//! ending it; only the answers to what a task asks are taken here, because no tool of the product asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pdfco::clock::now;
use pdfco::jobs::TaskStatus;
use pdfco::jobs::ledger::Ledger;
use pdfco::mcp::Server;
use pdfco::mcp::tasks::{as_object, detailed};
use rmcp::model::*;
use rmcp::{ErrorData, ServerHandler};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::{Context, inputs, tools};

/// A tool that asks first, in `inputs.rs`, and then goes on as a task.
pub const AFTER_QUESTIONS: &str = "test_tool_with_task";
/// Longest computation that is pretended.
const SECONDS_MAX: f64 = 120.0;
/// Answers that one task can have waiting.
const ANSWERS_MAX: usize = 16;

/// The tasks of the fixtures.
pub struct Tasks {
    product: Server,
    /// Those that are at work, by their ids.
    at_work: Arc<Mutex<HashMap<String, Reins>>>,
}

/// How a task at work is reached.
struct Reins {
    answers: mpsc::Sender<(String, Value)>,
    over: CancellationToken,
}

/// What a task at work has.
struct Work {
    product: Server,
    id: String,
    answers: mpsc::Receiver<(String, Value)>,
}

/// Moves a task, unless it has ended: an end state never changes.
async fn move_task(ledger: &Ledger, id: &str, status: TaskStatus, payload: Option<Value>) {
    ledger.move_task(id, status, None, payload.as_ref(), now()).await.expect("the ledger is in memory");
}

impl Work {
    async fn to(&self, status: TaskStatus, payload: Option<Value>) {
        move_task(self.product.context().app().jobs().ledger(), &self.id, status, payload).await;
    }

    /// Puts the task into `input_required` until all of this is answered. It is asked as the protocol's types have it.
    async fn ask(&mut self, questions: Value) -> InputResponses {
        let questions = inputs::requests(questions);
        self.to(TaskStatus::InputRequired, Some(json!(questions))).await;
        let mut answers = InputResponses::new();
        while answers.len() < questions.len() {
            answers.extend(self.answers.recv().await);
        }
        answers
    }

    async fn end(&self, outcome: Result<CallToolResult, ErrorData>) {
        match outcome {
            Ok(result) => self.to(TaskStatus::Completed, Some(Value::Object(as_object(&result)))).await,
            Err(error) => self.to(TaskStatus::Failed, Some(json!(error))).await,
        }
    }
}

impl Tasks {
    pub fn new(product: Server) -> Tasks {
        Tasks { product, at_work: Arc::default() }
    }

    /// Hands answers to the task. What it did not ask, or not any more, is ignored.
    pub async fn update(&self, request: UpdateTaskParams, context: Context) -> Result<(), ErrorData> {
        // One at a time: each reads what is open and writes what is left.
        let at_work = self.at_work.lock().await;
        let (id, caller) = (request.task_id.clone(), self.product.context().asking(&context)?);
        let given = request.input_responses.clone();
        // Whose task it is, is the product's to check.
        self.product.update_task(request, context).await?;
        let Ok(view) = self.product.context().app().task_summary(&caller, &id).await else { return Ok(()) };
        let (TaskStatus::InputRequired, Some(Value::Object(mut open))) = (view.status, view.task.payload) else {
            return Ok(());
        };
        let answered: Vec<_> = given.into_iter().filter(|(key, _)| open.shift_remove(key).is_some()).collect();
        let ledger = self.product.context().app().jobs().ledger();
        match open.is_empty() {
            true => move_task(ledger, &id, TaskStatus::Working, None).await,
            false => move_task(ledger, &id, TaskStatus::InputRequired, Some(Value::Object(open))).await,
        }
        if let Some(reins) = at_work.get(&id) {
            for answer in answered {
                // A task that has just ended needs none.
                let _ = reins.answers.try_send(answer);
            }
        }
        Ok(())
    }

    /// Ends the task, and its work.
    pub async fn cancel(&self, request: CancelTaskParams, context: Context) -> Result<(), ErrorData> {
        let id = request.task_id.clone();
        self.product.cancel_task(request, context).await?;
        if let Some(reins) = self.at_work.lock().await.get(&id) {
            reins.over.cancel();
        }
        Ok(())
    }

    /// Answers with a task, which is in the ledger before it does its `work`.
    async fn start<F>(
        &self,
        tool: &str,
        context: &Context,
        work: impl FnOnce(Work) -> F,
    ) -> Result<CallToolResponse, ErrorData>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if !can_wait(context) {
            let required = ClientCapabilities::builder().enable_tasks().build();
            return Err(ErrorData::missing_required_client_capability(required));
        }
        let caller = self.product.context().asking(context)?;
        let kept = self.product.context().app().store_outcome(&caller, tool, TaskStatus::Working, Value::Null).await;
        let task = detailed(&kept.map_err(|error| ErrorData::internal_error(error.to_string(), None))?).task;
        let ((answers, receiver), over) = (mpsc::channel(ANSWERS_MAX), CancellationToken::new());
        self.at_work.lock().await.insert(task.task_id.clone(), Reins { answers, over: over.clone() });
        let work = work(Work { product: self.product.clone(), id: task.task_id.clone(), answers: receiver });
        let (at_work, id) = (Arc::clone(&self.at_work), task.task_id.clone());
        tokio::spawn(async move {
            over.run_until_cancelled(work).await;
            at_work.lock().await.remove(&id);
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
                let computed = tokio::time::sleep(Duration::from_secs_f64(seconds));
                if !can_wait(context) {
                    computed.await;
                    return Ok(done.into());
                }
                let work = |work: Work| async move {
                    computed.await;
                    work.end(Ok(done)).await;
                };
                self.start(name, context, work).await
            }
            "failing_job" => {
                let work = |work: Work| async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    work.end(Ok(CallToolResult::error(vec![ContentBlock::text("This job always fails.")]))).await;
                };
                self.start(name, context, work).await
            }
            "protocol_error_job" => {
                let error = ErrorData::internal_error("This job always ends in an error of the protocol.", None);
                self.start(name, context, |work| async move { work.end(Err(error)).await }).await
            }
            "confirm_delete" => {
                let file = arguments.get("filename").and_then(Value::as_str).unwrap_or("a file").to_owned();
                let question = json!({"confirm": inputs::elicit(&format!("Delete {file}?"), "confirm", "boolean")});
                let work = |mut work: Work| async move {
                    let answers = work.ask(question).await;
                    let is_confirmed = answers.get("confirm").and_then(|answer| answer.pointer("/content/confirm"));
                    let did = if is_confirmed == Some(&Value::Bool(true)) { "deleted" } else { "kept" };
                    work.end(Ok(tools::text(&format!("{did} {file}")))).await;
                };
                self.start(name, context, work).await
            }
            _ => {
                let questions = json!({
                    "first": inputs::elicit("The first name?", "name", "string"),
                    "second": inputs::elicit("The second name?", "name", "string"),
                });
                let work = |mut work: Work| async move {
                    let answers = work.ask(questions).await;
                    work.end(Ok(tools::text(&json!(answers).to_string()))).await;
                };
                self.start(name, context, work).await
            }
        }
    }

    /// Greets the one who answered, as a task.
    pub async fn greet_later(
        &self,
        answers: &InputResponses,
        context: &Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let greeting = tools::text(&inputs::sentence(answers));
        self.start(AFTER_QUESTIONS, context, |work| async move { work.end(Ok(greeting)).await }).await
    }
}

pub fn is_one(name: &str) -> bool {
    ["slow_compute", "failing_job", "protocol_error_job", "confirm_delete", "multi_input"].contains(&name)
}

/// Whether this client takes a task for an answer.
fn can_wait(context: &Context) -> bool {
    context.client_capabilities().is_some_and(|able| able.supports_tasks())
}
