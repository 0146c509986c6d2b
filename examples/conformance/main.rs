//! A test fixture, not the product: the product's own server, behind its own HTTP transport, with the tools, resources and
//! prompts in addition that the official MCP conformance suite calls for. `tests/clients/conformance.sh` runs the suite
//! against it.
//!
//! `cargo run --example conformance` listens on a free port of this machine and says on stderr which. Nothing leaves the
//! machine: the service is the simulator.
//!
//! A name that is a fixture's is answered here; everything else goes to the product.
#![allow(
    deprecated,
    missing_docs,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the suite tests what the protocol deprecates; the fixtures are literals, and a wrong one should be seen"
)]

mod inputs;
mod resources;
mod tasks;
mod tools;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pdfco::app::App;
use pdfco::config::{Folders, Values, merge};
use pdfco::mcp::{Server, tasks_2025_11_25};
use pdfco::serve::http;
use pdfco::simulator;
use rmcp::model::*;
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::sync::{Mutex, broadcast};

type Context = RequestContext<RoleServer>;

/// What one conversation, or one stateless request, is answered by.
struct Fixtures {
    product: Server,
    shared: Arc<Shared>,
    /// Least level of the log messages that this conversation wants.
    level: std::sync::Mutex<LoggingLevel>,
    /// Changes since this conversation began, so that none is lost between the acknowledgement and the listening.
    changes: Mutex<broadcast::Receiver<Change>>,
}

/// What all conversations have in common.
struct Shared {
    inputs: inputs::States,
    tasks: tasks::Tasks,
    changes: broadcast::Sender<Change>,
    has_added_tool: AtomicBool,
    has_added_prompt: AtomicBool,
}

/// Of a list.
#[derive(Clone, Copy)]
enum Change {
    Tools,
    Prompts,
}

impl Shared {
    /// Adds to the list, or takes away again, and tells all who listen.
    fn change(&self, change: Change) {
        match change {
            Change::Tools => self.has_added_tool.fetch_not(Ordering::SeqCst),
            Change::Prompts => self.has_added_prompt.fetch_not(Ordering::SeqCst),
        };
        // There may be no listener.
        let _ = self.changes.send(change);
    }
}

impl Fixtures {
    /// The fixtures' own tools.
    fn tools(&self) -> Vec<Tool> {
        let mut tools = tools::list();
        if self.shared.has_added_tool.load(Ordering::SeqCst) {
            tools.push(tools::added());
        }
        tools
    }
}

/// A request of the revision without sessions.
fn is_stateless(context: &Context) -> bool {
    context.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let mut info = self.product.get_info();
        let able = &mut info.capabilities;
        able.tools.get_or_insert_default().list_changed = Some(true);
        able.prompts.get_or_insert_default().list_changed = Some(true);
        able.logging = Some(JsonObject::default());
        info
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut listed = self.product.list_tools(request, context).await?;
        listed.tools.splice(0..0, self.tools());
        Ok(listed)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools().into_iter().find(|tool| tool.name == name).or_else(|| self.product.get_tool(name))
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: Context) -> Result<CallToolResponse, ErrorData> {
        if let Some(rounds) = inputs::of_tool(&request.name) {
            let round = rounds.next(&self.shared.inputs, request.input_responses, request.request_state, &context)?;
            return match round {
                inputs::Round::Ask(question) => Ok(question.into()),
                inputs::Round::Complete(answers) if request.name == tasks::AFTER_QUESTIONS => {
                    self.shared.tasks.greet_later(&answers, &context).await
                }
                inputs::Round::Complete(answers) => Ok(tools::text(&inputs::sentence(&answers)).into()),
            };
        }
        if tasks::is_one(&request.name) {
            return self.shared.tasks.call(&request.name, request.arguments.unwrap_or_default(), &context).await;
        }
        if tools::is_one(&request.name) {
            return self.call(&request.name, request.arguments.unwrap_or_default(), &context).await.map(Into::into);
        }
        self.product.call_tool(request, context).await
    }

    async fn get_task(&self, request: GetTaskParams, context: Context) -> Result<GetTaskResult, ErrorData> {
        self.product.get_task(request, context).await
    }

    async fn update_task(&self, request: UpdateTaskParams, context: Context) -> Result<(), ErrorData> {
        self.shared.tasks.update(request, context).await
    }

    async fn cancel_task(&self, request: CancelTaskParams, context: Context) -> Result<(), ErrorData> {
        self.shared.tasks.cancel(request, context).await
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        let is_first_page = request.as_ref().is_none_or(|request| request.cursor.is_none());
        let mut listed = self.product.list_resources(request, context).await?;
        if is_first_page {
            listed.resources.splice(0..0, resources::list());
        }
        Ok(listed)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut listed = self.product.list_resource_templates(request, context).await?;
        listed.resource_templates.insert(0, resources::template());
        Ok(listed)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match resources::read(&request.uri) {
            Some(content) => Ok(ReadResourceResult::new(vec![content]).into()),
            None => self.product.read_resource(request, context).await,
        }
    }

    // What the fixtures' addresses show never changes: a subscription to them is kept by saying nothing.
    async fn subscribe(&self, request: SubscribeRequestParams, context: Context) -> Result<(), ErrorData> {
        if resources::is_one(&request.uri) { Ok(()) } else { self.product.subscribe(request, context).await }
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, context: Context) -> Result<(), ErrorData> {
        if resources::is_one(&request.uri) { Ok(()) } else { self.product.unsubscribe(request, context).await }
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = self.product.accepted_subscription_filter(requested)?;
        accepted.tools_list_changed = requested.tools_list_changed;
        accepted.prompts_list_changed = requested.prompts_list_changed;
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes.lock().await;
        let sink = context.sink().clone();
        let tell = async {
            while let Ok(change) = changes.recv().await {
                // A list that this client did not ask about is refused by the sink.
                let _ = match change {
                    Change::Tools => sink.notify_tool_list_changed().await,
                    Change::Prompts => sink.notify_prompt_list_changed().await,
                };
            }
            std::future::pending().await
        };
        tokio::select! {
            outcome = self.product.listen(context) => outcome,
            never = tell => never,
        }
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut listed = self.product.list_prompts(request, context).await?;
        listed.prompts.splice(0..0, resources::prompts());
        if self.shared.has_added_prompt.load(Ordering::SeqCst) {
            listed.prompts.push(Prompt::new("test_added_prompt", Some("A prompt that came later"), None));
        }
        Ok(listed)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        if let Some(rounds) = inputs::of_prompt(&request.name) {
            let round = rounds.next(&self.shared.inputs, request.input_responses, request.request_state, &context)?;
            return Ok(match round {
                inputs::Round::Ask(question) => question.into(),
                inputs::Round::Complete(answers) => resources::said(&inputs::sentence(&answers)).into(),
            });
        }
        match resources::prompt(&request.name, request.arguments.as_ref()) {
            Some(prompt) => Ok(prompt.into()),
            None => self.product.get_prompt(request, context).await,
        }
    }

    async fn complete(&self, request: CompleteRequestParams, context: Context) -> Result<CompleteResult, ErrorData> {
        self.product.complete(request, context).await
    }

    async fn set_level(&self, request: SetLevelRequestParams, context: Context) -> Result<(), ErrorData> {
        if is_stateless(&context) {
            return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
        }
        *self.level.lock().expect("no one panics with it") = request.level;
        Ok(())
    }

    async fn on_custom_request(&self, request: CustomRequest, context: Context) -> Result<CustomResult, ErrorData> {
        // How the list of tools arrives in the revision 2025-11-25, which tells of each whether it can be a task.
        let is_list = request.method.strip_prefix(tasks_2025_11_25::PREFIX) == Some("tools/list");
        let mut answer = self.product.on_custom_request(request, context).await?;
        if let (true, Some(Value::Array(listed))) = (is_list, answer.0.get_mut("tools")) {
            listed.splice(0..0, self.tools().into_iter().map(|tool| json!(tool)));
        }
        Ok(answer)
    }

    async fn on_cancelled(&self, param: CancelledNotificationParam, context: NotificationContext<RoleServer>) {
        self.product.on_cancelled(param, context).await;
    }

    async fn on_custom_notification(&self, notification: CustomNotification, context: NotificationContext<RoleServer>) {
        self.product.on_custom_notification(notification, context).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), pdfco::error::Error> {
    let simulator = simulator::spawn(simulator::Options::default()).await?;
    let nothing = Values::new();
    let config = merge(&nothing, &nothing, &nothing, &Folders::default())?;
    let app = Arc::new(App::new(config.simulated(simulator.url(), simulator::DEFAULT_KEY, None)?)?);
    let product = Server::new(Arc::clone(&app));
    let shared = Arc::new(Shared {
        inputs: inputs::States::default(),
        tasks: tasks::Tasks::new(product.clone()),
        changes: broadcast::channel(16).0,
        has_added_tool: AtomicBool::new(false),
        has_added_prompt: AtomicBool::new(false),
    });
    let options = http::Options::at(SocketAddr::from(([127, 0, 0, 1], 0)));
    let running = http::start_with(app, options, move || Fixtures {
        product: product.another(),
        changes: Mutex::new(shared.changes.subscribe()),
        shared: Arc::clone(&shared),
        level: std::sync::Mutex::new(LoggingLevel::Info),
    })
    .await?;
    eprintln!("Listening on http://{}/mcp", running.address);
    let _ = tokio::signal::ctrl_c().await;
    running.stop().await;
    simulator.stop().await;
    Ok(())
}
