//! What other processes changed and what they pass on, as the server reports it: one connection listens for the whole
//! process, for as long as there is a wait or a session.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;

/// The channel of the triggers.
const CHANNEL: &str = "pdfco_changes";
/// The channel of messages that processes pass on to each other.
pub(super) const RELAY: &str = "pdfco_relay";
/// Messages of other processes that wait to be read; older ones are lost.
const RELAYED_MAX: usize = 1_024;
/// Changes that come together are read together.
const TOGETHER: Duration = Duration::from_millis(30);
/// How often the ledger is read all the same while the server reports: a report may be lost with a connection.
const SELDOM: Duration = Duration::from_secs(5);
/// Between two attempts to listen.
const RETRY: Duration = Duration::from_secs(1);
/// How long connecting may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

type Tenants = HashMap<String, watch::Sender<u64>>;

struct Shared {
    process: String,
    tenants: Mutex<Tenants>,
    is_listening: AtomicBool,
    relayed: broadcast::Sender<Arc<str>>,
}

/// See the head of this file.
pub(super) struct Listener {
    options: Option<PgConnectOptions>,
    shared: Arc<Shared>,
    task: Mutex<Option<AbortHandle>>,
}

/// The changes of one tenant that other processes make.
pub(in super::super) struct Subscription {
    changes: watch::Receiver<u64>,
    shared: Arc<Shared>,
}

impl Listener {
    /// Nothing is opened yet.
    pub(super) fn new(options: Option<PgConnectOptions>, process: String) -> Listener {
        let shared = Shared {
            process,
            tenants: Mutex::default(),
            is_listening: AtomicBool::new(false),
            relayed: broadcast::channel(RELAYED_MAX).0,
        };
        Listener { options, shared: Arc::new(shared), task: Mutex::default() }
    }

    /// Listens for a tenant from now on.
    pub(super) fn subscribe(&self, tenant: &str) -> Subscription {
        let mut tenants = self.shared.tenants.lock();
        tenants.retain(|_, changes| changes.receiver_count() > 0);
        let changes = tenants.entry(tenant.to_owned()).or_insert_with(|| watch::channel(0).0).subscribe();
        drop(tenants);
        self.begin();
        Subscription { changes, shared: Arc::clone(&self.shared) }
    }

    /// The messages that other processes pass on from now on.
    pub(super) fn relayed(&self) -> broadcast::Receiver<Arc<str>> {
        let relayed = self.shared.relayed.subscribe();
        self.begin();
        relayed
    }

    fn begin(&self) {
        let mut task = self.task.lock();
        if task.as_ref().is_none_or(AbortHandle::is_finished)
            && let Some(options) = &self.options
        {
            *task = Some(tokio::spawn(listen(options.clone(), Arc::clone(&self.shared))).abort_handle());
        }
    }

    /// Ends listening; the next subscription begins it again.
    pub(super) fn stop(&self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
        self.shared.is_listening.store(false, Ordering::Release);
    }
}

impl Subscription {
    /// Returns when another process changed something, and from time to time: every `often` where the server cannot
    /// report.
    pub(in super::super) async fn changed(&mut self, often: Duration) {
        let seldom = if self.shared.is_listening.load(Ordering::Acquire) { SELDOM.max(often) } else { often };
        if let Ok(Ok(())) = tokio::time::timeout(seldom, self.changes.changed()).await {
            tokio::time::sleep(TOGETHER).await;
            self.changes.mark_unchanged();
        }
    }
}

impl Shared {
    /// `report`: which process, and whose rows it changed.
    fn reported(&self, report: &str) {
        if let Some((process, tenant)) = report.split_once(' ')
            && process != self.process
            && let Some(changes) = self.tenants.lock().get(tenant)
        {
            changes.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// `message`: which process passes it on, and what.
    fn passed_on(&self, message: &str) {
        if let Some((process, message)) = message.split_once(' ')
            && process != self.process
        {
            let _ = self.relayed.send(message.into());
        }
    }

    /// Reports may have been lost.
    fn all_may_have_changed(&self) {
        for changes in self.tenants.lock().values() {
            changes.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}

/// Listens for as long as there is a subscription, and connects again after a connection is lost.
async fn listen(options: PgConnectOptions, shared: Arc<Shared>) {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_PATIENCE).connect_lazy_with(options);
    while has_subscriptions(&shared) {
        let listening = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.listen_all([CHANNEL, RELAY]).await?;
            shared.is_listening.store(true, Ordering::Release);
            shared.all_may_have_changed();
            loop {
                match tokio::time::timeout(SELDOM, listener.try_recv()).await {
                    Ok(Ok(Some(report))) if report.channel() == RELAY => shared.passed_on(report.payload()),
                    Ok(Ok(Some(report))) => shared.reported(report.payload()),
                    Ok(Ok(None)) => break,
                    Ok(Err(error)) => return Err(error),
                    Err(_) if !has_subscriptions(&shared) => break,
                    Err(_) => {}
                }
            }
            sqlx::Result::Ok(())
        };
        let outcome = listening.await;
        shared.is_listening.store(false, Ordering::Release);
        shared.all_may_have_changed();
        if let Err(error) = outcome {
            tracing::debug!(%error, "changes of other processes are read from time to time until the server reports them");
            tokio::time::sleep(RETRY).await;
        }
    }
    pool.close().await;
}

fn has_subscriptions(shared: &Shared) -> bool {
    shared.relayed.receiver_count() > 0 || shared.tenants.lock().values().any(|changes| changes.receiver_count() > 0)
}
