//! News for clients that listen: tasks, resources, and the list of resources.
//!
//! What lives here: [`follow`], which reads the ledger every now and then for one listener, and the three ways to reach
//! one. Listening to a job's resource never costs a credit: it tells what others learned. Listening to a task is
//! waiting for it. What never does: looking at a job, or ruling on who may listen (`listen.rs`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{CustomNotification, ResourceUpdatedNotificationParam, ServerNotification};
use rmcp::service::{Peer, SubscriptionSink};
use serde_json::{Value, json};

use super::tasks;
use crate::answer::TaskView;
use crate::app::{App, Caller, HEARD_WITHIN};
use crate::clock::now;
use crate::jobs::{Job, Millis, TaskStatus};

/// Jobs that a listener remembers the state of; then it starts anew, and may tell something twice.
const KNOWN_MAX: usize = 10_000;
/// Open tasks are asked about at least once in so many rounds: somebody waits for them.
const ASKED_EVERY: u32 = 5;

/// What a listener wants to hear of.
#[derive(Clone, Default)]
pub struct Filter {
    /// Ids of tasks.
    pub tasks: Vec<String>,
    /// Addresses of resources; may change while the listener listens.
    pub uris: Arc<Mutex<Vec<String>>>,
    /// New jobs.
    pub is_list: bool,
}

/// How a listener is reached.
pub enum Listener {
    /// A session of a revision with sessions.
    Session(Peer<RoleServer>),
    /// A subscription of 2026-07-28.
    Subscription(SubscriptionSink),
    /// A subscription that has tasks in it, which the SDK's own does not carry.
    Custom {
        /// The other side.
        peer: Peer<RoleServer>,
        /// The subscription's id, which is its request's.
        id: Value,
    },
}

impl Listener {
    async fn resource(&self, uri: &str) -> bool {
        match self {
            Listener::Session(peer) => {
                peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await.is_ok()
            }
            Listener::Subscription(sink) => sink.notify_resource_updated(uri).await.is_ok(),
            Listener::Custom { .. } => self.custom("notifications/resources/updated", json!({"uri": uri})).await,
        }
    }

    async fn list(&self) -> bool {
        match self {
            Listener::Session(peer) => peer.notify_resource_list_changed().await.is_ok(),
            Listener::Subscription(sink) => sink.notify_resource_list_changed().await.is_ok(),
            Listener::Custom { .. } => self.custom("notifications/resources/list_changed", json!({})).await,
        }
    }

    async fn task(&self, view: &TaskView) -> bool {
        self.custom("notifications/tasks", json!(tasks::detailed(view))).await
    }

    /// Says which of the wishes are granted. Comes before everything else.
    pub async fn acknowledge(&self, granted: Value) -> bool {
        self.custom("notifications/subscriptions/acknowledged", json!({"notifications": granted})).await
    }

    async fn custom(&self, method: &str, mut params: Value) -> bool {
        let Listener::Custom { peer, id } = self else { return true };
        if let Some(params) = params.as_object_mut() {
            params.insert("_meta".into(), json!({"io.modelcontextprotocol/subscriptionId": id}));
        }
        let note = ServerNotification::CustomNotification(CustomNotification::new(method, Some(params)));
        peer.send_notification(note).await.is_ok()
    }
}

/// What is compared to know whether a job has changed.
type Stamp = (String, Option<Millis>, Option<Millis>, usize);

/// Tells a listener what happens, until it cannot be reached any more. Ends by being dropped, otherwise.
pub async fn follow(app: &Arc<App>, caller: &Caller, filter: Filter, listener: Listener) {
    let mut open: HashMap<String, Option<(TaskStatus, Option<String>)>> =
        filter.tasks.iter().map(|id| (id.clone(), None)).collect();
    let mut known: HashMap<String, Stamp> = HashMap::new();
    let began = now();
    let (mut since, mut round) = (began, 0_u32);
    loop {
        let started = now();
        let (jobs, is_task_moved) = match news(app, caller, since).await {
            Ok(news) => news,
            Err(error) => {
                tracing::warn!(%error, "news for a listener could not be read");
                (Vec::new(), false)
            }
        };
        // A write may land a moment after the time in it.
        since = started.saturating_sub(HEARD_WITHIN.as_millis() as Millis);
        if known.len() > KNOWN_MAX {
            known.clear();
        }
        let mut is_new = false;
        let mut changed = Vec::new();
        for job in jobs {
            let stamp = (job.status.as_str().to_owned(), job.last_checked_at, job.completed_at, job.saved_to.len());
            match known.insert(job.intent_id.clone(), stamp.clone()) {
                Some(before) if before == stamp => continue,
                Some(_) => {}
                None => is_new |= job.submitted_at.is_some_and(|at| at >= began),
            }
            changed.push(job);
        }
        if is_new && filter.is_list && !listener.list().await {
            return;
        }
        for job in &changed {
            for uri in addressed(job, &filter.uris) {
                if !listener.resource(&uri).await {
                    return;
                }
            }
        }
        if !changed.is_empty() || is_task_moved || round.is_multiple_of(ASKED_EVERY) {
            let ids: Vec<String> = open.keys().cloned().collect();
            for id in ids {
                // An id that is none of the caller's is never heard of, like one that does not exist.
                let Ok(view) = app.task(caller, &id).await else { continue };
                let state = Some((view.status, view.message.clone()));
                if open.get(&id) != Some(&state) && !listener.task(&view).await {
                    return;
                }
                if view.status.is_terminal() {
                    open.remove(&id);
                } else {
                    open.insert(id, state);
                }
            }
        }
        round = round.wrapping_add(1);
        tokio::time::sleep(HEARD_WITHIN).await;
    }
}

async fn news(app: &Arc<App>, caller: &Caller, since: Millis) -> crate::error::Result<(Vec<Job>, bool)> {
    let (ledger, caller) = (app.jobs().ledger(), &caller.owner.tenant);
    Ok((ledger.changed_since(caller, since).await?, ledger.tasks_changed_since(caller, since).await?))
}

/// The addresses of this job that the listener wants to hear of.
fn addressed(job: &Job, uris: &Mutex<Vec<String>>) -> Vec<String> {
    let uris = uris.lock().unwrap_or_else(PoisonError::into_inner);
    let is_meant = |uri: &&String| {
        let id = uri.strip_prefix("job://").unwrap_or_default();
        let id = id.strip_suffix("/result").unwrap_or(id);
        Some(id) == job.job_id.as_deref() || id == job.intent_id
    };
    uris.iter().filter(is_meant).cloned().collect()
}
