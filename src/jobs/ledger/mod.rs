//! The ledger: what is known about jobs, tasks and money, kept where several processes share it.
//!
//! A narrow set of domain operations, each in the file of its subject. Transitions are monotonic in SQL, so that no
//! order of answers, from whatever process, moves a job out of an end state. Keys are kept as HMACs only, links no
//! longer than they work, passwords never.
//!
//! **No paid request without a durable row.** What a paid request needs (an intent, its mark as sent, an admission) is
//! written and synced, or the request is refused with `ledger_unavailable` and nothing is sent. What the service says
//! goes the other way ([`pending`]): it is kept in order until it can be written, and never turns a success into a
//! failure.
//!
//! Two databases keep it: SQLite for the processes of one machine, PostgreSQL for the replicas of a deployment. There is
//! one copy of the operations and of their SQL; what only one of the two needs is in [`sqlite`] and in [`postgres`].

mod audit;
mod backend;
mod batcher;
mod budget;
mod changes;
mod checks;
mod connection;
mod durations;
mod findings;
mod forget;
mod health;
mod intent;
mod intents;
mod keyed;
mod learned;
mod leases;
mod lookups;
mod others;
mod pace;
mod pending;
mod postgres;
mod prune;
mod queries;
mod rows;
mod sessions;
mod spending;
mod sqlite;
mod statement;
mod task_end;
mod tasks;
mod transfer;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use backend::Backend;
use changes::Change;
use keyed::{Names, keyed};
use lookups::Lookups;
use pending::Pending;
use queries::HAS_NOT_ENDED;
use rows::JobRow;
use statement::statement;
use work::{Durability, Patience, work};

use super::job::Job;
use super::job_id::IntentId;
use crate::clock::{Millis, now};
use crate::config::LedgerLocation;
use crate::error::Result;
use crate::tenant::Tenant;

pub use audit::{AuditEntry, AuditFilter, AuditRow};
pub use budget::{Admission, Reservation};
pub use health::{Health, Problem, ProblemKind};
pub use intent::Intent;
pub use learned::taken_id;
pub use others::OtherChanges;
pub(in crate::jobs) use queries::nothing_sent;
pub use queries::{Filter, Page, RUNNING, is_unavailable};
pub use sessions::{KeptSession, Relayed, SESSION_NOTED_EVERY, session_digest};
pub use spending::{PriceObservation, Spending};

/// A server that runs for days prunes this often.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);
/// How long the end of a process waits for what is not written yet.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// How long `health` waits for the file.
const HEALTH_PATIENCE: Duration = Duration::from_secs(2);

/// The ledger: jobs of every tenant, in one file, in memory or in a database of several machines.
pub struct Ledger {
    database: Arc<Backend>,
    pending: Pending,
    lookups: Lookups,
    names: Names,
    keep: Duration,
    pruned_at: Mutex<Option<Instant>>,
    /// Pruning that is under way: it is over before the ledger is closed.
    pruning: TaskTracker,
}

impl Ledger {
    /// A ledger at `location` that forgets jobs that ended longer than `keep` ago. Nothing is opened yet.
    pub fn new(location: LedgerLocation, keep: Duration) -> Self {
        let database = Arc::new(Backend::new(location));
        Ledger {
            pending: Pending::new(Arc::clone(&database)),
            database,
            lookups: Lookups::default(),
            names: Names::default(),
            keep,
            pruned_at: Mutex::default(),
            pruning: TaskTracker::new(),
        }
    }

    /// Whether it is open: it was used before, and can be read without waiting for it to open.
    pub fn is_open(&self) -> bool {
        self.database.is_open()
    }

    /// Whether other processes may be using the same ledger.
    pub fn is_shared(&self) -> bool {
        self.database.is_shared()
    }

    /// The ledger's files, whether they are there or not: no other user may read or write them.
    pub fn files(&self) -> Vec<PathBuf> {
        self.database.files()
    }

    /// What is wrong with it as of its last use, at once and for nothing; none when it can be written.
    pub fn problem(&self) -> Option<Problem> {
        self.database.problem()
    }

    /// Whether it can be read and written, and where it is kept, in words. Tries both.
    ///
    /// # Errors
    /// `ledger_unavailable` with what is wrong.
    pub async fn health(&self) -> Result<String> {
        let health = self.report().await;
        health.error().map_or_else(|| Ok(health.to_string()), Err)
    }

    /// The same for machines.
    pub async fn report(&self) -> Health {
        let probed = self.database.probe(HEALTH_PATIENCE).await;
        let is_writable = self.watched(probed).is_ok();
        let counted = self.database.read_first(statement("SELECT COUNT(*) FROM jobs")).await.ok().flatten();
        Health {
            path: self.database.name(),
            jobs: counted.map(|(jobs,)| jobs),
            problem: self.database.problem().filter(|_| !is_writable),
            pending: self.pending.len(),
        }
    }

    /// Stops tracking. Gives the job back as it is afterwards, and whether this call changed it.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written.
    pub async fn cancel(&self, job: &Job, at: Millis) -> Result<(Job, bool)> {
        let query = statement(
            "UPDATE jobs SET status = 'cancelled', unrecognized_status = NULL, completed_at = $2, changed_at = $2
             WHERE intent_id = $1 AND ",
        )
        .push(HAS_NOT_ENDED)
        .push(" RETURNING *")
        .bind(job.intent_id.as_str())
        .bind(at);
        let work = work(move |mut connection| Box::pin(async move { connection.row::<JobRow>(query).await }));
        let changed = self.database.transaction(Patience::USUAL, Durability::Synced, work).await;
        if let Some(row) = self.watched(changed)? {
            // What was learned a moment ago may not be in the row yet.
            return Ok((self.pending.patch(row.job(job.tenant.clone())), true));
        }
        Ok((self.by_intent(&job.tenant, &job.intent_id).await?, false))
    }

    /// Remembers where a result was saved.
    ///
    /// # Errors
    /// None: what cannot be written now is kept until it can be.
    pub async fn saved(&self, intent_id: &IntentId, files: &[String]) -> Result<()> {
        self.through(Change::Saved { intent_id: intent_id.clone(), files: files.to_vec() }).await;
        Ok(())
    }

    /// Forgets what is too old. The ledger does this by itself, about every hour.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written.
    pub async fn prune(&self) -> Result<()> {
        prune::prune(&self.database, now(), self.keep).await
    }

    /// Writes a call down, a moment later and together with others.
    pub fn audit(&self, entry: AuditEntry) {
        self.pending.behind(Change::Audited(Box::new(entry)));
    }

    /// Waits until everything is written, at most for `timeout`. How many changes are not.
    pub async fn flush(&self, timeout: Duration) -> usize {
        self.pending.flush(timeout).await
    }

    /// Writes what is not written yet, folds the journal in and closes the file.
    pub async fn close(&self) {
        let left = self.flush(CLOSE_PATIENCE).await;
        if left > 0 {
            tracing::error!(
                left,
                "the ledger could not be written to the end: the newest states of some jobs are lost"
            );
        }
        self.pruning.close();
        let _ = tokio::time::timeout(CLOSE_PATIENCE, self.pruning.wait()).await;
        self.database.close().await;
    }

    /// Writes a change and waits for it; the row of its job.
    async fn through(&self, change: Change) -> Option<JobRow> {
        self.prune_if_due();
        self.pending.through(change).await
    }

    /// `result`; a ledger that cannot be written is tried again by a timer from now on.
    fn watched<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && is_unavailable(error)
        {
            self.pending.recover();
        }
        result
    }

    /// What stands for a tenant in the ledger.
    async fn stored(&self, tenant: &Tenant) -> Result<String> {
        self.prune_if_due();
        Ok(self.names.keyed(&self.database.secret().await?, tenant))
    }

    /// The same, before something is written.
    async fn stored_for_writing(&self, tenant: &Tenant) -> Result<String> {
        Ok(self.names.keyed(&self.writable_secret().await?, tenant))
    }

    /// A secret for `purpose`, the same for all processes on this ledger and of no use for another purpose.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn secret_for(&self, purpose: &str) -> Result<String> {
        // No tenant has such a name.
        Ok(keyed(&self.database.secret().await?, &format!("\0{purpose}")))
    }

    /// The ledger's secret, before something is written.
    async fn writable_secret(&self) -> Result<Arc<[u8]>> {
        let secret = self.database.secret().await;
        self.watched(secret)
    }

    fn prune_if_due(&self) {
        let mut pruned_at = self.pruned_at.lock();
        if pruned_at.is_some_and(|at| at.elapsed() < PRUNE_EVERY) {
            return;
        }
        *pruned_at = Some(Instant::now());
        let (database, keep) = (Arc::clone(&self.database), self.keep);
        self.pruning.spawn(async move {
            if let Err(error) = prune::prune(&database, now(), keep).await {
                tracing::debug!(%error, "the ledger could not be pruned");
            }
        });
    }
}
