//! Changes that wait to be written: in order, within a bound, tried again by a timer for as long as the file fails.
//!
//! Everything that the service said goes this way. What has to be on the disk before it is reported is waited for; what a
//! check said that learned nothing is written a moment later, together with others. A reader of the job meanwhile sees
//! it with these changes ([`Pending::patch`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::backend::Backend;
use super::changes::Change;
use super::connection::Lock;
use super::rows::JobRow;
use super::work::{Durability, Patience, RETRY_EVERY, TransactionId, USUAL_PATIENCE, work};
use crate::error::Error;
use crate::jobs::job::Job;

/// How long a change that no caller waits for may wait for others to be written with.
const WRITE_BEHIND: Duration = Duration::from_millis(50);
/// Changes that are written in one transaction.
const BATCH_MAX: usize = 256;
/// Changes that are kept while the file cannot be written. An answer of the service takes a few kilobytes.
const PENDING_MAX: usize = 4_096;
/// A file that cannot be used is tried again at least this often.
const RETRY_AT_MOST: Duration = Duration::from_secs(5);

struct Entry {
    change: Arc<Change>,
    durability: Durability,
    done: Option<oneshot::Sender<Option<JobRow>>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Entry>,
    /// Taken by the writer, and not known to be in the file.
    writing: Vec<Arc<Change>>,
    is_running: bool,
    is_recovering: bool,
}

/// See the head of this file.
#[derive(Clone)]
pub(super) struct Pending(Arc<Shared>);

struct Shared {
    database: Arc<Backend>,
    queue: Mutex<Queue>,
    /// How many there are, so that readers need not lock when there are none.
    count: AtomicUsize,
    wake: Notify,
}

impl Pending {
    pub(super) fn new(database: Arc<Backend>) -> Pending {
        Pending(Arc::new(Shared { database, queue: Mutex::default(), count: AtomicUsize::new(0), wake: Notify::new() }))
    }

    /// How many changes are not in the file yet.
    pub(super) fn len(&self) -> usize {
        self.0.count.load(Ordering::Acquire)
    }

    /// Writes a change behind: it is kept, and seen by readers of this process, from now on.
    pub(super) fn behind(&self, change: Change) {
        self.push(change, Durability::Relaxed, None);
    }

    /// Writes a change before it returns: the row of its job. Nothing when the file cannot be written now; the change
    /// is kept all the same and written as soon as it can be.
    pub(super) async fn through(&self, change: Change) -> Option<JobRow> {
        let (done, outcome) = oneshot::channel();
        self.push(change, Durability::Synced, Some(done));
        if self.0.database.problem().is_some() {
            return None;
        }
        tokio::time::timeout(USUAL_PATIENCE + RETRY_EVERY, outcome).await.ok()?.ok().flatten()
    }

    /// `job` with what is known of it and not written yet.
    pub(super) fn patch(&self, job: Job) -> Job {
        if self.len() == 0 {
            return job;
        }
        let queue = self.0.lock();
        let changes = queue.changes().filter(|change| change.intent_id() == Some(&job.intent_id));
        let changes: Vec<_> = changes.map(Arc::clone).collect();
        drop(queue);
        changes.iter().fold(job, |job, change| change.apply(job))
    }

    /// A job that has no row yet.
    pub(super) fn find(&self, is_it: impl Fn(&Job) -> bool) -> Option<Job> {
        if self.len() == 0 {
            return None;
        }
        let found = self.0.lock().changes().filter_map(|change| change.job()).find(is_it)?;
        Some(self.patch(found))
    }

    /// Tries the file again from time to time until it can be used.
    pub(super) fn recover(&self) {
        let mut queue = self.0.lock();
        if !std::mem::replace(&mut queue.is_recovering, true) && !std::mem::replace(&mut queue.is_running, true) {
            tokio::spawn(run(Arc::clone(&self.0)));
        }
    }

    /// Writes what there is, for the end of the process. How much is left.
    pub(super) async fn flush(&self, timeout: Duration) -> usize {
        let deadline = Instant::now() + timeout;
        while self.len() > 0 && Instant::now() < deadline {
            self.0.wake.notify_one();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.len()
    }

    fn push(&self, change: Change, durability: Durability, done: Option<oneshot::Sender<Option<JobRow>>>) {
        let is_urgent = done.is_some();
        let mut queue = self.0.lock();
        let change = match (is_urgent, change) {
            (false, Change::Seen(seen)) => match queue.merge(*seen) {
                Some(seen) => Change::Seen(Box::new(seen)),
                None => return,
            },
            (_, change) => change,
        };
        if queue.waiting.len() >= PENDING_MAX {
            tracing::error!(?change, "too many changes wait to be written to the ledger: one is lost");
            return;
        }
        queue.waiting.push_back(Entry { change: Arc::new(change), durability, done });
        self.0.count.fetch_add(1, Ordering::AcqRel);
        if !std::mem::replace(&mut queue.is_running, true) {
            tokio::spawn(run(Arc::clone(&self.0)));
        }
        drop(queue);
        if is_urgent {
            self.0.wake.notify_one();
        }
    }
}

impl Queue {
    fn changes(&self) -> impl Iterator<Item = &Arc<Change>> {
        self.writing.iter().chain(self.waiting.iter().map(|entry| &entry.change))
    }

    /// Lets an answer that learned nothing take the place of the last one about the same job; gives it back when there
    /// is no such answer.
    fn merge(&mut self, seen: super::changes::Seen) -> Option<super::changes::Seen> {
        let last = self.waiting.iter_mut().rev().find(|entry| entry.change.intent_id() == Some(&seen.job.intent_id));
        let Some(entry) = last.filter(|entry| entry.durability == Durability::Relaxed) else { return Some(seen) };
        let Some(Change::Seen(before)) = Arc::get_mut(&mut entry.change) else { return Some(seen) };
        before.checks = before.checks.saturating_add(seen.checks);
        before.seen = seen.seen;
        None
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    fn has_urgent(&self) -> bool {
        self.lock().waiting.iter().any(|entry| entry.durability == Durability::Synced)
    }

    fn take(&self) -> Vec<Entry> {
        let mut queue = self.lock();
        let count = queue.waiting.len().min(BATCH_MAX);
        let batch: Vec<Entry> = queue.waiting.drain(..count).collect();
        queue.writing = batch.iter().map(|entry| Arc::clone(&entry.change)).collect();
        if batch.is_empty() && !queue.is_recovering {
            queue.is_running = false;
        }
        batch
    }

    fn put_back(&self, batch: Vec<Entry>) {
        let mut queue = self.lock();
        queue.writing.clear();
        for entry in batch.into_iter().rev() {
            // Its caller goes on without the file.
            queue.waiting.push_front(Entry { done: None, ..entry });
        }
    }

    fn written(&self, batch: Vec<Entry>, rows: Vec<Option<JobRow>>) {
        let mut queue = self.lock();
        queue.writing.clear();
        queue.is_recovering = false;
        drop(queue);
        self.count.fetch_sub(batch.len(), Ordering::AcqRel);
        for (entry, row) in batch.into_iter().zip(rows) {
            if let Some(done) = entry.done {
                let _ = done.send(row);
            }
        }
    }
}

/// Writes until nothing waits and the file is fine.
async fn run(shared: Arc<Shared>) {
    let mut failures = 0_u32;
    loop {
        if failures == 0 && !shared.has_urgent() {
            tokio::select! {
                () = tokio::time::sleep(WRITE_BEHIND) => {}
                () = shared.wake.notified() => {}
            }
        }
        let batch = shared.take();
        if batch.is_empty() && !shared.lock().is_recovering {
            return;
        }
        let patience = if failures == 0 { Patience::USUAL } else { Patience { timeout: RETRY_EVERY, is_paid: true } };
        let outcome = write(&shared.database, &batch, patience).await;
        match outcome {
            Ok(rows) => {
                failures = 0;
                shared.written(batch, rows);
            }
            Err((error, doubted)) => {
                tracing::debug!(%error, waiting = batch.len(), "the ledger cannot be written; tried again");
                failures = failures.saturating_add(1);
                if let Some(doubted) = doubted
                    && was_kept(&shared.database, &doubted).await
                {
                    failures = 0;
                    let rows = batch.iter().map(|_| None).collect();
                    shared.written(batch, rows);
                    continue;
                }
                shared.put_back(batch);
                tokio::time::sleep((RETRY_EVERY * failures).min(RETRY_AT_MOST)).await;
                if let Err(error) = shared.database.restore().await {
                    tracing::debug!(%error, "the ledger's file cannot be written again");
                }
            }
        }
    }
}

/// Whether a batch whose end was not known is in the ledger. Asks until the answer is known: what is written twice would
/// be booked twice.
async fn was_kept(database: &Backend, doubted: &TransactionId) -> bool {
    loop {
        match database.was_kept(doubted).await {
            Ok(was_kept) => return was_kept,
            Err(error) => {
                tracing::debug!(%error, "it is not known whether the last changes were written; asked again");
                tokio::time::sleep(RETRY_EVERY).await;
            }
        }
    }
}

type Failed = (Error, Option<TransactionId>);

async fn write(database: &Backend, batch: &[Entry], patience: Patience) -> Result<Vec<Option<JobRow>>, Failed> {
    if batch.is_empty() {
        return database.probe(patience.timeout).await.map(|()| Vec::new()).map_err(|error| (error, None));
    }
    let is_synced = batch.iter().any(|entry| entry.durability == Durability::Synced);
    let durability = if is_synced { Durability::Synced } else { Durability::Relaxed };
    let secret = database.secret().await.map_err(|error| (error, None))?;
    let changes: Vec<Arc<Change>> = batch.iter().map(|entry| Arc::clone(&entry.change)).collect();
    let work = work(move |mut connection| {
        Box::pin(async move {
            let tenants: Vec<String> = changes.iter().filter_map(|change| change.locked_tenant(&secret)).collect();
            let locks = std::iter::once(Lock::Changes).chain(tenants.iter().map(|tenant| Lock::Tenant(tenant)));
            connection.lock(&locks.collect::<Vec<_>>()).await?;
            let mut rows = Vec::with_capacity(changes.len());
            for change in changes {
                connection.begin_part().await?;
                let written = change.write(&mut connection, &secret).await;
                rows.push(match written {
                    Ok(row) => {
                        connection.end_part(false).await?;
                        row
                    }
                    Err(error) if connection.problem_of(&error).is_some() => return Err(error),
                    Err(error) => {
                        // The statement is at fault: the others must not wait for it for ever.
                        tracing::error!(%error, ?change, "a change was refused by the ledger and is lost");
                        connection.end_part(true).await?;
                        None
                    }
                });
            }
            Ok(rows)
        })
    });
    let mut doubted = None;
    let written = database.transaction_or_doubt(patience, durability, work, &mut doubted).await;
    written.map_err(|error| (error, doubted))
}
