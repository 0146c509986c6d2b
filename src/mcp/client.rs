//! The other end of the conversation: a client that speaks the protocol to a server of ours.
//!
//! What lives here: [`Assistant`], which `pdfco demo` plays. It shares nothing with the server but a stream of bytes,
//! so the demo shows what an assistant would see. What never does: shortcuts into `app.rs`.

use crate::error::{Error, Result};
use rmcp::model::{CallToolRequestParams, ProgressNotificationParam};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::Value;
use tokio::io::DuplexStream;

/// A client in conversation with a server.
pub struct Assistant {
    running: RunningService<RoleClient, Listener>,
}

/// Hears progress: a number that grows, and words.
type Heard = Box<dyn Fn(f64, &str) + Send + Sync>;

struct Listener {
    heard: Heard,
}

impl ClientHandler for Listener {
    async fn on_progress(&self, note: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        (self.heard)(note.progress, note.message.as_deref().unwrap_or_default());
    }
}

impl Assistant {
    /// Shakes hands with the server at the other end of `stream`. `heard` hears progress: a number that grows, and words.
    ///
    /// # Errors
    /// `internal` when the two do not understand each other.
    pub async fn start(stream: DuplexStream, heard: impl Fn(f64, &str) + Send + Sync + 'static) -> Result<Assistant> {
        let running = Listener { heard: Box::new(heard) }
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

    /// Calls a tool; the answer is its structured content, also when it is an error.
    ///
    /// # Errors
    /// `internal` when there is no such answer.
    pub async fn call(&self, tool: &'static str, arguments: Value) -> Result<Value> {
        let mut request = CallToolRequestParams::new(tool);
        request.arguments = arguments.as_object().cloned();
        let result = self.running.peer().call_tool(request).await.map_err(misunderstood)?;
        result.structured_content.ok_or_else(|| Error::internal("A tool answered without structured content."))
    }

    /// Ends the conversation: the server sees the end of its input.
    pub async fn close(self) {
        let _ = self.running.cancel().await;
    }
}

fn misunderstood(error: rmcp::ServiceError) -> Error {
    Error::internal("The conversation failed.").with_source(error)
}
