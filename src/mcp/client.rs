//! A client that speaks the protocol to a server of ours, for `pdfco demo`.
//!
//! It shares nothing with the server but a stream of bytes, so the demo shows what an assistant would see.

use super::tools::job_card;
use crate::error::{Error, Result};
use rmcp::model::{CallToolRequestParams, ContentBlock, ProgressNotificationParam};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value, json};
use tokio::io::DuplexStream;

/// A client in conversation with a server.
pub struct Assistant {
    running: RunningService<RoleClient, Handler>,
}

/// Called with each progress notification: a number that grows, and words.
type OnProgress = Box<dyn Fn(f64, &str) + Send + Sync>;

struct Handler {
    on_progress: OnProgress,
}

impl ClientHandler for Handler {
    async fn on_progress(&self, note: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        (self.on_progress)(note.progress, note.message.as_deref().unwrap_or_default());
    }
}

impl Assistant {
    /// Shakes hands with the server at the other end of `stream`. `on_progress` is called with
    /// each progress notification: a number that grows, and words.
    ///
    /// # Errors
    /// `internal` when the two do not understand each other.
    pub async fn start(
        stream: DuplexStream,
        on_progress: impl Fn(f64, &str) + Send + Sync + 'static,
    ) -> Result<Assistant> {
        let running = Handler { on_progress: Box::new(on_progress) }
            .serve(stream)
            .await
            .map_err(|error| Error::internal("Client and server did not understand each other.").with_source(error))?;
        Ok(Assistant { running })
    }

    /// The names of the tools that the server shows.
    ///
    /// # Errors
    /// `internal` when the list cannot be had.
    pub async fn tools(&self) -> Result<Vec<String>> {
        let tools = self.running.peer().list_all_tools().await.map_err(misunderstood)?;
        Ok(tools.into_iter().map(|tool| tool.name.into_owned()).collect())
    }

    /// Calls a tool and returns its answer, also when it is an error.
    ///
    /// # Errors
    /// `internal` when there is no such answer.
    pub async fn call(&self, tool: &'static str, arguments: Value) -> Result<Value> {
        let mut request = CallToolRequestParams::new(tool);
        request.arguments = arguments.as_object().cloned();
        let result = self.running.peer().call_tool(request).await.map_err(misunderstood)?;
        match result.structured_content {
            Some(answer) => Ok(answer),
            None => {
                joined(&result.content).ok_or_else(|| Error::internal("A tool answered with something unreadable."))
            }
        }
    }

    /// What the job card shows of these jobs.
    ///
    /// # Errors
    /// As [`Assistant::call`].
    pub async fn cards(&self, job_ids: &[&str]) -> Result<Value> {
        let answer = self.call(job_card::TOOL.name, json!({"job_ids": job_ids})).await?;
        Ok(answer.pointer("/content/jobs").cloned().unwrap_or_default())
    }

    /// Ends the conversation: the server sees the end of its input.
    pub async fn close(self) {
        let _ = self.running.cancel().await;
    }
}

/// The answer of a result whose text stands in `content` alone: first the rest as JSON, then the text.
fn joined(content: &[ContentBlock]) -> Option<Value> {
    let mut texts = content.iter().filter_map(|block| block.as_text()).map(|block| block.text.as_str());
    let mut answer: Value = serde_json::from_str(texts.next()?).ok()?;
    if let (Some(text), Some(output)) = (texts.next(), answer.get_mut("output").and_then(Value::as_object_mut)) {
        output.insert("text".into(), Value::String(text.to_owned()));
    }
    Some(answer)
}

fn misunderstood(error: rmcp::ServiceError) -> Error {
    Error::internal("The conversation failed.").with_source(error)
}
