//! Requests to listen: who may, to what, and until when.
//!
//! What lives here: the three ways that the revisions have to ask for news. A session subscribes to resources one by
//! one ([`subscribe`]); a client of 2026-07-28 asks for all it wants in one request, which lasts as long as it listens
//! ([`subscription`]), and which the SDK does not carry when it asks for tasks as well ([`with_tasks`]). What never
//! does: finding out what is new, or telling it (`news.rs`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{ClientCapabilities, SubscriptionFilter};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::news::{self, Filter, Listener};
use super::server::{Server, protocol_error};
use super::{resources, tasks};

/// The name that the layer at the door gives to the wishes of a subscription with tasks in it.
pub const RENAMED: &str = "pdfcoNotifications";
/// Most addresses and tasks of one listener.
const NAMES_MAX: usize = 200;
/// Subscriptions at once, of all clients. Sessions are bounded where they begin.
const SUBSCRIPTIONS_MAX: usize = 1_024;

/// The places for subscriptions.
pub struct Places(Semaphore);

impl Default for Places {
    fn default() -> Places {
        Places(Semaphore::new(SUBSCRIPTIONS_MAX))
    }
}

impl Places {
    fn take(&self) -> Result<SemaphorePermit<'_>, ErrorData> {
        let too_many = |_| ErrorData::internal_error("Too many clients listen; ask for the state instead.", None);
        self.0.try_acquire().map_err(too_many)
    }
}

/// What one connection's client asked to hear of, in the revisions with sessions.
#[derive(Default)]
pub struct Session {
    uris: Arc<Mutex<Vec<String>>>,
    is_told: AtomicBool,
    /// Cancelled when the connection is dropped.
    over: CancellationToken,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

/// A session asks to hear of a resource.
///
/// # Errors
/// The protocol's: without a key, for a resource that is none of the caller's, and for one too many.
pub async fn subscribe(server: &Server, uri: String, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let caller = server.asking(context)?;
    if !resources::exists(server.app(), &caller, &uri).await.map_err(protocol_error)? {
        return Err(resources::unknown(&uri));
    }
    let session = server.session();
    {
        let mut uris = session.uris.lock().unwrap_or_else(PoisonError::into_inner);
        if uris.len() >= NAMES_MAX {
            let what = format!("A session can subscribe to {NAMES_MAX} resources at most.");
            return Err(ErrorData::invalid_params(what, None));
        }
        if !uris.contains(&uri) {
            uris.push(uri);
        }
    }
    if session.is_told.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    let (app, over, gone) = (Arc::clone(server.app()), session.over.clone(), server.gone().clone());
    let filter = Filter { uris: Arc::clone(&session.uris), ..Filter::default() };
    let listener = Listener::Session(context.peer.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = news::follow(&app, &caller, filter, listener) => {}
            () = over.cancelled() => {}
            () = gone.cancelled() => {}
        }
    });
    Ok(())
}

/// A session has heard enough of a resource.
pub fn unsubscribe(session: &Session, uri: &str) {
    session.uris.lock().unwrap_or_else(PoisonError::into_inner).retain(|heard| heard != uri);
}

/// What is granted of the wishes of a subscription, out of those that the server can fulfil at all.
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

/// A subscription of 2026-07-28, until its client leaves.
///
/// # Errors
/// The protocol's: without a key, and when too many listen.
pub async fn subscription(server: &Server, context: SubscriptionContext) -> Result<(), ErrorData> {
    let _place = server.places_to_listen().take()?;
    let caller = server.asking(context.request_context())?;
    let filter = Filter {
        tasks: Vec::new(),
        uris: Arc::new(Mutex::new(context.accepted().resource_subscriptions.clone().unwrap_or_default())),
        is_list: context.accepted().resources_list_changed == Some(true),
    };
    let listener = Listener::Subscription(context.sink().clone());
    tokio::select! {
        () = Box::pin(news::follow(server.app(), &caller, filter, listener)) => {}
        () = context.cancelled() => {}
        () = server.gone().cancelled() => {}
    }
    Ok(())
}

/// A subscription of 2026-07-28 with tasks in it, until its client leaves. The SDK's own has no place for tasks, so the
/// door renames a parameter, and what [`granted`] and the SDK do for the others is done here.
///
/// # Errors
/// As [`subscription`], and when the client does not declare that it knows tasks.
pub async fn with_tasks(
    server: &Server,
    wishes: &Value,
    context: &RequestContext<RoleServer>,
) -> Result<Value, ErrorData> {
    if !tasks::are_declared(context) {
        let needed = ClientCapabilities::builder().enable_tasks().build();
        return Err(ErrorData::missing_required_client_capability(needed));
    }
    let _place = server.places_to_listen().take()?;
    let caller = server.asking(context)?;
    let names = |field: &str| -> Vec<String> {
        let listed = wishes.get(field).and_then(Value::as_array).into_iter().flatten();
        listed.filter_map(|name| name.as_str().map(str::to_owned)).take(NAMES_MAX).collect()
    };
    let mut task_ids = Vec::new();
    for id in names("taskIds") {
        if server.app().glance_at_task(&caller, &id).await.is_ok() {
            task_ids.push(id);
        }
    }
    let mut uris = names("resourceSubscriptions");
    uris.retain(|uri| is_job(uri));
    let is_list = wishes.get("resourcesListChanged") == Some(&Value::Bool(true));
    let mut granted = json!({"taskIds": task_ids});
    if let Some(granted) = granted.as_object_mut() {
        if !uris.is_empty() {
            granted.insert("resourceSubscriptions".into(), json!(uris));
        }
        if is_list {
            granted.insert("resourcesListChanged".into(), Value::Bool(true));
        }
    }
    let id = serde_json::to_value(&context.id).unwrap_or_default();
    let listener = Listener::Custom { peer: context.peer.clone(), id: id.clone() };
    if !listener.acknowledge(granted).await {
        return Err(ErrorData::internal_error("The subscription could not be acknowledged.", None));
    }
    let filter = Filter { tasks: task_ids, uris: Arc::new(Mutex::new(uris)), is_list };
    tokio::select! {
        () = news::follow(server.app(), &caller, filter, listener) => {}
        () = context.ct.cancelled() => {}
        () = server.gone().cancelled() => {}
    }
    Ok(json!({"resultType": "complete", "_meta": {"io.modelcontextprotocol/subscriptionId": id}}))
}

/// Only jobs have news.
fn is_job(uri: &str) -> bool {
    uri.starts_with("job://")
}
