//! The protocol's server: each method of the SDK's trait, answered from a [`ServerContext`].

use std::sync::Arc;

use futures_util::FutureExt;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams, CompleteResult,
    CompletionInfo, CustomRequest, CustomResult, ErrorCode, GetPromptRequestParams, GetPromptResponse,
    GetSkillRequestParams, GetSkillResult, GetTaskParams, GetTaskResult, Icon, Implementation, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult, ListToolsResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::connection::ConnectionSettings;
use super::consent::{self, Brought};
use super::context::{ServerContext, protocol_error};
use super::operation_tools::name_job_in_header;
use super::slices::Share;
use super::{
    app, icon, instructions, present, prompts, resources, skills, subscriptions, tasks, tasks_2025_11_25, tools,
};
use crate::app::{App, Consent, ResponseMode};
use crate::error::Kind;

/// How long a client may keep the list of tools: it changes with the settings only.
const LIST_TTL_MS: u64 = 3_600_000;

/// The server: cheap to clone, one per connection.
#[derive(Clone)]
pub struct Server {
    context: ServerContext,
    /// What this connection's client subscribed to, in the revisions with sessions.
    session: Arc<subscriptions::Session>,
}

impl Server {
    /// A server over `app`, whose callers may use everything that the server itself may.
    pub fn new(app: Arc<App>) -> Server {
        Server::with(app, Access::everything())
    }

    /// A server over `app`, whose callers may use what `access` says.
    pub fn with(app: Arc<App>, access: Access) -> Server {
        Server { context: ServerContext::new(app, access), session: Arc::default() }
    }

    /// The same server for another connection.
    #[must_use]
    pub fn another(&self) -> Server {
        Server { session: Arc::default(), ..self.clone() }
    }

    /// The same server for a client that has disconnected once `gone` is cancelled. Its waits end then; a submit that
    /// is under way is finished.
    #[must_use]
    pub fn until(self, gone: CancellationToken) -> Server {
        Server { context: self.context.until(gone), ..self }
    }

    /// The same server for a connection that asked for `settings`.
    #[must_use]
    pub fn narrowed(self, settings: ConnectionSettings) -> Server {
        Server { context: self.context.narrowed(settings), ..self }
    }

    /// What the server's parts share.
    pub fn context(&self) -> &ServerContext {
        &self.context
    }

    fn describe(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_extensions_with(app::capability())
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_resources_list_changed()
            .enable_prompts()
            .enable_completions()
            .enable_tasks()
            .enable_skills()
            .build();
        let icon = Icon::new(icon::address()).with_mime_type(icon::MIME_TYPE).with_sizes(vec!["any".into()]);
        let implementation = Implementation::new("pdfco", env!("CARGO_PKG_VERSION"))
            .with_title("PDF.co document jobs")
            .with_icons(vec![icon]);
        let instructions = instructions::text(
            &self.context.app().config,
            &self.context.access().files,
            self.context.listed_tools().unwrap_or(&[]),
        );
        ServerConfig::new(capabilities).with_server_info(implementation).with_instructions(instructions)
    }
}

/// The SDK keeps one future for all methods, as large as the largest of them: each large one is boxed.
impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        self.context.info(|| self.describe())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let listing = async { self.context.tools_for(&context).map_err(protocol_error) };
        let mut tools = Share::run_in(Share::of(&context.extensions), listing).await?;
        if context.meta.protocol_version().is_some() && context.extensions.get::<http::request::Parts>().is_some() {
            tools.iter_mut().for_each(name_job_in_header);
        }
        Ok(ListToolsResult::with_all_items(tools).with_ttl_ms(LIST_TTL_MS).with_cache_scope(
            match app::is_shown(&context) || self.context.settings().is_narrowed() {
                true => CacheScope::Private,
                false => CacheScope::Public,
            },
        ))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.context.listed_tools().ok()?.iter().find(|tool| tool.name == name).cloned()
    }

    fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<CallToolResponse, ErrorData>> + Send {
        let share = Share::of(&context.extensions);
        let call = async move {
            let Some(found) = tools::find(&request.name) else {
                return Err(ErrorData::invalid_params(tools::unknown_tool(&request.name), None));
            };
            let response_mode =
                if tasks::are_declared(&context) { ResponseMode::PreferTask } else { ResponseMode::Inline };
            let given = request.arguments.clone().unwrap_or_default();
            let consent = match consent::brought(&self.context, &request, &given, &context).boxed().await {
                Brought::Agreed(quote) => Consent::To(quote),
                Brought::Nothing => Consent::Needed,
                Brought::Declined => return Ok(present::result(&consent::declined(), found.shape()).into()),
            };
            let answer =
                consent::call_tool(&self.context, found, given.clone(), &context, response_mode, consent).boxed().await;
            if let Some(quote) = &answer.consent
                && let Some(question) =
                    consent::question(&self.context, &request.name, &given, &context, quote).boxed().await
            {
                return Ok(question.into());
            }
            if found.submits() && answer.job.is_some() && context.meta.protocol_version().is_none() {
                // The list has a new job. Clients of 2026-07-28 learn of it by a subscription.
                let _ = Box::pin(context.peer.notify_resource_list_changed()).await;
            }
            if let Some(view) = &answer.task {
                return Ok(tasks::created(view).into());
            }
            Ok(present::result(&answer, found.shape()).into())
        };
        Box::pin(Share::run_in(share, call))
    }

    fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListResourcesResult, ErrorData>> + Send {
        Box::pin(async move {
            // Without a key there are no jobs to list, and a client that lists at start must not see an error.
            self.context.app().config.key_is_known().await;
            let Ok(caller) = self.context.caller(&context) else {
                return Ok(ListResourcesResult::with_all_items(Vec::new()));
            };
            let cursor = request.and_then(|request| request.cursor);
            let listed = resources::list(self.context.app(), &caller, cursor.as_deref()).await;
            let mut listed = listed.map_err(protocol_error)?;
            if cursor.is_none() && app::is_shown(&context) {
                listed.resources.insert(0, app::resource());
            }
            Ok(listed)
        })
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(resources::templates())
    }

    fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ReadResourceResponse, ErrorData>> + Send {
        Box::pin(async move {
            if request.uri == app::URI {
                return Ok(app::read().into());
            }
            if let Some(file) = skills::read(&request.uri) {
                return Ok(file.into());
            }
            let unknown = || resources::unknown(&request.uri);
            self.context.app().config.key_is_known().await;
            let caller = self.context.caller(&context).map_err(|_| unknown())?;
            match Box::pin(resources::read(self.context.app(), &caller, &request.uri)).await {
                Ok(result) => Ok(result.into()),
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::InvalidArgument) => Err(unknown()),
                Err(error) => Err(protocol_error(error)),
            }
        })
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let listed = ListPromptsResult::with_all_items(prompts::list());
        Ok(listed.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<GetPromptResponse, ErrorData>> + Send {
        Box::pin(async move {
            self.context.app().config.key_is_known().await;
            let caller = self.context.caller(&context);
            let given = request.arguments.unwrap_or_default();
            let prompt =
                prompts::get(self.context.app(), caller, &request.name, &given).await.map_err(protocol_error)?;
            Ok(prompt.into())
        })
    }

    async fn list_skills(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        Ok(skills::list())
    }

    async fn get_skill(
        &self,
        request: GetSkillRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, ErrorData> {
        let unknown = || ErrorData::invalid_params("There is no skill at this address; skills/list shows them.", None);
        skills::get(&request.uri).ok_or_else(unknown)
    }

    fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<CompleteResult, ErrorData>> + Send {
        Box::pin(async move {
            self.context.app().config.key_is_known().await;
            let caller = self.context.caller(&context);
            let (name, typed) = (&request.argument.name, &request.argument.value);
            let values = prompts::complete(self.context.app(), caller, name, typed).await.map_err(protocol_error)?;
            let values =
                CompletionInfo::with_all_values(values).map_err(|error| ErrorData::internal_error(error, None))?;
            Ok(CompleteResult::new(values))
        })
    }

    fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<GetTaskResult, ErrorData>> + Send {
        Box::pin(async move {
            let caller = self.context.asking(&context)?;
            let view = self.context.app().task(&caller, &request.task_id).await.map_err(protocol_error)?;
            Ok(GetTaskResult::new(tasks::detailed(&view)))
        })
    }

    /// No task asks for input, so there is nothing to update; the caller's right to the task is checked all the same.
    fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send {
        Box::pin(async move {
            let caller = self.context.asking(&context)?;
            self.context.app().task_summary(&caller, &request.task_id).await.map_err(protocol_error)?;
            Ok(())
        })
    }

    fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send {
        Box::pin(async move {
            let caller = self.context.asking(&context)?;
            self.context.app().cancel_task(&caller, &request.task_id).await.map_err(protocol_error)?;
            Ok(())
        })
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(subscriptions::granted(&requested.supported_by(&self.get_info().capabilities)))
    }

    fn listen(&self, context: SubscriptionContext) -> impl Future<Output = Result<(), ErrorData>> + Send {
        Box::pin(subscriptions::listen(&self.context, context))
    }

    fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send {
        Box::pin(async move { subscriptions::subscribe(&self.context, &self.session, request.uri, &context).await })
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        subscriptions::unsubscribe(&self.session, &request.uri);
        Ok(())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let renamed = tasks_2025_11_25::answer(&self.context, &request.method, request.params.clone(), &context);
        if let Some(outcome) = Box::pin(renamed).await {
            return outcome.map(CustomResult::new);
        }
        if request.method == "subscriptions/listen"
            && let Some(wishes) = request.params.as_ref().and_then(|params| params.get(subscriptions::RENAMED))
        {
            return Box::pin(subscriptions::listen_with_tasks(&self.context, wishes, &context))
                .await
                .map(CustomResult::new);
        }
        let is_removed = context.meta.protocol_version() == Some(rmcp::model::ProtocolVersion::V_2026_07_28)
            && REMOVED.contains(&request.method.as_str());
        if KNOWN.contains(&request.method.as_str()) && !is_removed {
            return Err(ErrorData::invalid_params(
                format!("The parameters of {} do not have the right shape.", request.method),
                None,
            ));
        }
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None))
    }
}

/// Methods that the SDK knows: one of these arrives as a custom request when its parameters do not fit its type.
const KNOWN: &[&str] = &[
    "initialize",
    "server/discover",
    "tools/call",
    "tools/list",
    "resources/read",
    "resources/list",
    "resources/templates/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "subscriptions/listen",
    "ping",
    "prompts/get",
    "prompts/list",
    "completion/complete",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
    "skills/list",
    "skills/get",
];
/// Methods that 2026-07-28 no longer has: unknown there, whatever their parameters are.
const REMOVED: &[&str] = &["initialize", "ping", "resources/subscribe", "resources/unsubscribe"];
