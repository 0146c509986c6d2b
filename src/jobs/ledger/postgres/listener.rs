//! What other processes changed, as the server reports it: one connection listens for the whole process, for as long as
//! there is a wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// The channel of the triggers.
const CHANNEL: &str = "pdfco_changes";
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
        let shared = Shared { process, tenants: Mutex::default(), is_listening: AtomicBool::new(false) };
        Listener { options, shared: Arc::new(shared), task: Mutex::default() }
    }

    /// Listens for a tenant from now on.
    pub(super) fn subscribe(&self, tenant: &str) -> Subscription {
        let mut tenants = lock(&self.shared.tenants);
        tenants.retain(|_, changes| changes.receiver_count() > 0);
        let changes = tenants.entry(tenant.to_owned()).or_insert_with(|| watch::channel(0).0).subscribe();
        drop(tenants);
        let mut task = lock(&self.task);
        if task.as_ref().is_none_or(AbortHandle::is_finished)
            && let Some(options) = &self.options
        {
            *task = Some(tokio::spawn(listen(options.clone(), Arc::clone(&self.shared))).abort_handle());
        }
        Subscription { changes, shared: Arc::clone(&self.shared) }
    }

    /// Ends listening; the next subscription begins it again.
    pub(super) fn stop(&self) {
        if let Some(task) = lock(&self.task).take() {
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
            && let Some(changes) = lock(&self.tenants).get(tenant)
        {
            changes.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Reports may have been lost.
    fn all_may_have_changed(&self) {
        for changes in lock(&self.tenants).values() {
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
            listener.listen(CHANNEL).await?;
            shared.is_listening.store(true, Ordering::Release);
            shared.all_may_have_changed();
            loop {
                match tokio::time::timeout(SELDOM, listener.try_recv()).await {
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
    lock(&shared.tenants).values().any(|changes| changes.receiver_count() > 0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
