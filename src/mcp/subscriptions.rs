//! Subscriptions of clients: who may have one, to what, and until when.
//!
//! The revisions have three ways. A session subscribes to resources one by one ([`subscribe`]). A client of 2026-07-28
//! asks for everything in one request that lasts as long as the subscription ([`listen`]); the SDK does not carry it
//! when it names tasks as well ([`listen_with_tasks`]). What is sent is decided in `updates.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rmcp::model::{ClientCapabilities, SubscriptionFilter};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::context::{ServerContext, protocol_error};
use super::updates::{self, Filter, Listener};
use super::{resources, tasks};
use crate::jobs::JobResource;

/// The name under which the transport passes on the filter of a subscription with tasks in it.
pub const RENAMED: &str = "pdfcoNotifications";
/// Most resources and tasks of one subscription.
const NAMES_MAX: usize = 200;

/// What one connection's client subscribed to, in the revisions with sessions.
#[derive(Default)]
pub struct Session {
    uris: Arc<Mutex<Vec<String>>>,
    /// Whether updates are being sent already.
    is_following: AtomicBool,
    /// Cancelled when the connection is dropped.
    over: CancellationToken,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

/// Subscribes a session to a resource.
///
/// # Errors
/// The protocol's: without a key, for a resource that is not the caller's, and above the bound.
pub async fn subscribe(
    context: &ServerContext,
    session: &Session,
    uri: String,
    request: &RequestContext<RoleServer>,
) -> Result<(), ErrorData> {
    let caller = context.asking(request)?;
    if !resources::exists(context.app(), &caller, &uri).await.map_err(protocol_error)? {
        return Err(resources::unknown(&uri));
    }
    {
        let mut uris = session.uris.lock();
        if uris.len() >= NAMES_MAX {
            let what = format!("A session can subscribe to {NAMES_MAX} resources at most.");
            return Err(ErrorData::invalid_params(what, None));
        }
        if !uris.contains(&uri) {
            uris.push(uri);
        }
    }
    if session.is_following.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    let (app, over, gone) = (Arc::clone(context.app()), session.over.clone(), context.gone().clone());
    let filter = Filter { uris: Arc::clone(&session.uris), ..Filter::default() };
    let listener = Listener::Session(request.peer.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = updates::follow(&app, &caller, filter, listener) => {}
            () = over.cancelled() => {}
            () = gone.cancelled() => {}
        }
    });
    Ok(())
}

/// Ends a session's subscription to a resource.
pub fn unsubscribe(session: &Session, uri: &str) {
    session.uris.lock().retain(|subscribed| subscribed != uri);
}

/// The part of a subscription's filter that is granted, out of what the server supports.
pub fn granted(possible: &SubscriptionFilter) -> SubscriptionFilter {
    let uris = possible.resource_subscriptions.iter().flatten().filter(|uri| is_job(uri));
    let uris: Vec<String> = uris.take(NAMES_MAX).cloned().collect();
    let mut filter = SubscriptionFilter::builder();
    if possible.resources_list_changed == Some(true) {
        filter = filter.resources_list_changed();
    }
    if !uris.is_empty() {
        filter = filter.resource_subscriptions(uris);
    }
    filter.build()
}

/// A subscription of 2026-07-28, until its client ends it.
///
/// # Errors
/// The protocol's: without a key, and when there are too many subscriptions.
pub async fn listen(context: &ServerContext, subscription: SubscriptionContext) -> Result<(), ErrorData> {
    let _permit = context.subscription_permit()?;
    let caller = context.asking(subscription.request_context())?;
    let filter = Filter {
        tasks: Vec::new(),
        uris: Arc::new(Mutex::new(subscription.accepted().resource_subscriptions.clone().unwrap_or_default())),
        is_list: subscription.accepted().resources_list_changed == Some(true),
    };
    let listener = Listener::Subscription(subscription.sink().clone());
    tokio::select! {
        () = Box::pin(updates::follow(context.app(), &caller, filter, listener)) => {}
        () = subscription.cancelled() => {}
        () = context.gone().cancelled() => {}
    }
    Ok(())
}

/// A subscription of 2026-07-28 with tasks in it, until its client ends it. The SDK's filter has no field for tasks, so
/// the transport renames the parameter, and what [`granted`] and the SDK do for other subscriptions is done here.
///
/// # Errors
/// As [`listen`], and when the client does not declare the tasks extension.
pub async fn listen_with_tasks(
    context: &ServerContext,
    filter: &Value,
    request: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    if !tasks::are_declared(request) {
        let needed = ClientCapabilities::builder().enable_tasks().build();
        return Err(ErrorData::missing_required_client_capability(needed));
    }
    let _permit = context.subscription_permit()?;
    let caller = context.asking(request)?;
    let names = |field: &str| -> Vec<String> {
        let listed = filter.get(field).and_then(Value::as_array).into_iter().flatten();
        listed.filter_map(|name| name.as_str().map(str::to_owned)).take(NAMES_MAX).collect()
    };
    let mut task_ids = Vec::new();
    for id in names("taskIds") {
        if context.app().task_summary(&caller, &id).await.is_ok() {
            task_ids.push(id);
        }
    }
    let mut uris = names("resourceSubscriptions");
    uris.retain(|uri| is_job(uri));
    let is_list = filter.get("resourcesListChanged") == Some(&Value::Bool(true));
    let mut granted = json!({"taskIds": task_ids});
    if let Some(granted) = granted.as_object_mut() {
        if !uris.is_empty() {
            granted.insert("resourceSubscriptions".into(), json!(uris));
        }
        if is_list {
            granted.insert("resourcesListChanged".into(), Value::Bool(true));
        }
    }
    let id = serde_json::to_value(&request.id).unwrap_or_default();
    let listener = Listener::Custom { peer: request.peer.clone(), id: id.clone() };
    if !listener.acknowledge(granted).await {
        return Err(ErrorData::internal_error("The subscription could not be acknowledged.", None));
    }
    let filter = Filter { tasks: task_ids, uris: Arc::new(Mutex::new(uris)), is_list };
    tokio::select! {
        () = updates::follow(context.app(), &caller, filter, listener) => {}
        () = request.ct.cancelled() => {}
        () = context.gone().cancelled() => {}
    }
    Ok(json!({"resultType": "complete", "_meta": {"io.modelcontextprotocol/subscriptionId": id}}))
}

/// Only jobs have updates.
fn is_job(uri: &str) -> bool {
    JobResource::parse(uri).is_some()
}
