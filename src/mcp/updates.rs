//! Updates for subscribed clients: tasks, resources, and the list of resources.
//!
//! [`follow`] reads the ledger at intervals for one subscription. A subscription to a job's resource never costs a
//! credit: it passes on what other calls learned. A subscription to a task counts as a wait for its job.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::RoleServer;
use rmcp::model::{CustomNotification, ResourceUpdatedNotificationParam, ServerNotification};
use rmcp::service::{Peer, SubscriptionSink};
use serde_json::{Value, json};

use super::tasks;
use crate::answer::TaskView;
use crate::app::{App, Caller, UPDATE_INTERVAL};
use crate::clock::now;
use crate::jobs::{Job, JobResource, Millis, TaskStatus};

/// Job states that one subscription remembers; beyond that it starts anew and may send an update twice.
const KNOWN_MAX: usize = 10_000;
/// Open tasks are read at least once in so many rounds, because their client waits for them.
const TASKS_EVERY: u32 = 5;

/// What a client subscribed to.
#[derive(Clone, Default)]
pub struct Filter {
    /// Ids of tasks.
    pub tasks: Vec<String>,
    /// Resources; may change while the subscription lasts.
    pub uris: Arc<Mutex<Vec<String>>>,
    /// Whether new jobs are announced.
    pub is_list: bool,
}

/// How a subscribed client is reached.
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

    /// Sends which part of the filter is granted. Comes before all updates.
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

/// What is compared to see whether a job has changed.
type Stamp = (String, Option<Millis>, Option<Millis>, usize);

/// Sends updates until the client cannot be reached any more, or until dropped.
pub async fn follow(app: &Arc<App>, caller: &Caller, filter: Filter, listener: Listener) {
    let mut open: HashMap<String, Option<(TaskStatus, Option<String>)>> =
        filter.tasks.iter().map(|id| (id.clone(), None)).collect();
    let mut known: HashMap<String, Stamp> = HashMap::new();
    let began = now();
    let (mut since, mut round) = (began, 0_u32);
    loop {
        let started = now();
        let (jobs, is_task_changed) = match changes(app, caller, since).await {
            Ok(changes) => changes,
            Err(error) => {
                tracing::warn!(%error, "failed to read updates for a subscription");
                (Vec::new(), false)
            }
        };
        // A write may land a moment after the time in it.
        since = started.saturating_sub(UPDATE_INTERVAL.as_millis() as Millis);
        if known.len() > KNOWN_MAX {
            known.clear();
        }
        let mut is_new = false;
        let mut changed = Vec::new();
        for job in jobs {
            let stamp = (job.status.as_str().to_owned(), job.last_checked_at, job.completed_at, job.saved_to.len());
            match known.insert(job.intent_id.to_string(), stamp.clone()) {
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
            for uri in resources_of(job, &filter.uris) {
                if !listener.resource(&uri).await {
                    return;
                }
            }
        }
        if !changed.is_empty() || is_task_changed || round.is_multiple_of(TASKS_EVERY) {
            let ids: Vec<String> = open.keys().cloned().collect();
            for id in ids {
                // An id that is not the caller's gets no updates, like one that does not exist.
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
        tokio::time::sleep(UPDATE_INTERVAL).await;
    }
}

async fn changes(app: &Arc<App>, caller: &Caller, since: Millis) -> crate::error::Result<(Vec<Job>, bool)> {
    let (ledger, caller) = (app.jobs().ledger(), &caller.owner.tenant);
    Ok((ledger.changed_since(caller, since).await?, ledger.tasks_changed_since(caller, since).await?))
}

/// The resources of this job that the client subscribed to.
fn resources_of(job: &Job, uris: &Mutex<Vec<String>>) -> Vec<String> {
    let uris = uris.lock();
    let is_of_job = |uri: &&String| {
        JobResource::parse(uri).is_some_and(|named| {
            Some(&named.job_id) == job.job_id.as_ref() || named.job_id.as_str() == job.intent_id.as_str()
        })
    };
    uris.iter().filter(is_of_job).cloned().collect()
}
