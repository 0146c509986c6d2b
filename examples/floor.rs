//! The floor that `cargo bench` measures beside the product: the least that a server of this kind can be.
//!
//! rmcp as its own documentation says, as many tools with as large schemas as the product shows, built when they are
//! asked for; one shared reqwest client, built on first use; no ledger, no limits, no schedule, no checks of anything.
//! `forward` sends a `job/check` on and gives the answer back as it came, `sleep` only waits.
//!
//! `floor stdio` or `floor http`, which prints its address. Its service is `FLOOR_BASE`, its key `FLOOR_KEY`, its size
//! `FLOOR_TOOLS` and `FLOOR_TOOL_BYTES`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measuring stick fails by panicking, and prints where it listens"
)]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, JsonObject, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde_json::{Value, json};

#[derive(Clone)]
struct Floor {
    shared: Arc<Shared>,
}

struct Shared {
    base: String,
    key: String,
    client: OnceLock<reqwest::Client>,
    tools: OnceLock<Vec<Tool>>,
}

impl Shared {
    fn client(&self) -> &reqwest::Client {
        self.client.get_or_init(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
            reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap()
        })
    }

    /// `job/check`, sent on.
    async fn forward(&self, job_id: &Value) -> Value {
        let request = self.client().post(format!("{}/v1/job/check", self.base)).header("x-api-key", &self.key);
        let response = request.json(&json!({"jobId": job_id, "force": true})).send().await.unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    fn tools(&self) -> &[Tool] {
        self.tools.get_or_init(|| {
            let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<usize>().ok());
            let (count, bytes) = (number("FLOOR_TOOLS").unwrap_or(1), number("FLOOR_TOOL_BYTES").unwrap_or(500));
            (0..count).map(|index| tool(index, bytes)).collect()
        })
    }
}

/// A tool whose declaration takes about so many bytes: half in its description, half in its schema.
fn tool(index: usize, bytes: usize) -> Tool {
    let text = "what it is for and when to call it. ";
    let property = json!({"type": "string", "description": text.repeat(2)});
    let count = (bytes / 2 / (property.to_string().len() + 12)).max(1);
    let properties: JsonObject = (0..count).map(|number| (format!("number_{number}"), property.clone())).collect();
    let schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    let schema = schema.as_object().cloned().unwrap();
    let description = text.repeat((bytes.saturating_sub(json!(schema).to_string().len()) / text.len()).max(1));
    Tool::new(format!("tool_{index}"), description, schema)
}

impl ServerHandler for Floor {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("floor", "1"))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.shared.tools().to_vec()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let structured = match request.name.as_ref() {
            "forward" => self.shared.forward(arguments.get("job_id").unwrap_or(&Value::Null)).await,
            _ => {
                let seconds = arguments.get("seconds").and_then(Value::as_f64).unwrap_or_default();
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                json!({"slept": seconds})
            }
        };
        let mut result = CallToolResult::success(vec![ContentBlock::text(structured.to_string())]);
        result.structured_content = Some(structured);
        Ok(result.into())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let shared = Shared {
        base: variable("FLOOR_BASE"),
        key: variable("FLOOR_KEY"),
        client: OnceLock::new(),
        tools: OnceLock::new(),
    };
    let floor = Floor { shared: Arc::new(shared) };
    match std::env::args().nth(1).as_deref() {
        Some("stdio") => {
            let running = floor.serve(rmcp::transport::io::stdio_pipes()).await.expect("a client that shakes hands");
            let _ = running.waiting().await;
        }
        Some("http") => {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            println!("http://{}/mcp", listener.local_addr().unwrap());
            let service = StreamableHttpService::new(
                move || Ok(floor.clone()),
                Arc::new(LocalSessionManager::default()),
                StreamableHttpServerConfig::default(),
            );
            let router = axum::Router::new().nest_service("/mcp", service);
            let listener = axum::serve::ListenerExt::tap_io(listener, |socket| {
                let _ = socket.set_nodelay(true);
            });
            axum::serve(listener, router).await.unwrap();
        }
        other => panic!("`floor stdio` or `floor http`, not {other:?}"),
    }
}
