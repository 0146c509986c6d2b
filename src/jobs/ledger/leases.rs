//! Leases: the right of one process to check a job.

use std::time::Duration;

use super::changes::Change;
use super::statement::{Statement, statement};
use super::work::{Durability, Patience, work};
use super::{Ledger, Millis};
use crate::error::{Error, Result};
use crate::jobs::job::Job;
use crate::jobs::job_id::IntentId;
use crate::tenant::Tenant;

/// How long a process that checks a job holds its lease without renewing it (`check_service.rs` renews every 2 s): a
/// process that died keeps the others from checking for no longer than this.
const LEASE: Duration = Duration::from_secs(6);

impl Ledger {
    /// Takes the right to check a job for a short time, unless another process has it or has checked since `last_seen`.
    /// `Err` holds the job as that other process left it. A lease that ends much later than one taken now was taken
    /// under a clock that has been set back since: it does not count.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written: then no other process can have a lease either.
    pub async fn claim(
        &self,
        job: &Job,
        holder: &str,
        last_seen: Option<Millis>,
        at: Millis,
    ) -> Result<Result<(), Job>> {
        if job.is_unknown_here() {
            // It has no row yet.
            return Ok(Ok(()));
        }
        if let Some(problem) = self.database.problem() {
            return Err(problem.error());
        }
        let (intent_id, holder, last_seen) = (job.intent_id.clone(), holder.to_owned(), last_seen.unwrap_or_default());
        let work = work(move |mut connection| {
            Box::pin(async move {
                let at = connection.time(at).await?;
                connection.execute(claim(&intent_id, &holder, last_seen, at)).await
            })
        });
        let claimed = self.database.transaction(Patience::USUAL, Durability::Relaxed, work).await;
        if self.watched(claimed)? > 0 {
            return Ok(Ok(()));
        }
        Ok(Err(self.by_intent(&job.tenant, &job.intent_id).await?))
    }

    /// Gives the right to check back, when the check failed.
    pub fn release(&self, intent_id: &IntentId, holder: &str) {
        self.pending.behind(Change::Released { intent_id: intent_id.clone(), holder: holder.to_owned() });
    }

    pub(super) async fn by_intent(&self, tenant: &Tenant, intent_id: &str) -> Result<Job> {
        let query = statement("SELECT * FROM jobs WHERE intent_id = $1").bind(intent_id);
        let found = self.jobs(tenant, query).await?.pop();
        found.ok_or_else(|| Error::internal("The row of a job is gone."))
    }
}

fn claim(intent_id: &str, holder: &str, last_seen: Millis, at: Millis) -> Statement {
    statement(
        "UPDATE jobs SET lease_holder = $2, lease_until = $3
         WHERE intent_id = $1 AND status NOT IN ('success', 'failed', 'aborted', 'unknown', 'cancelled')
             AND (lease_until IS NULL OR lease_until <= $4 OR lease_until > $6 OR lease_holder = $2)
             AND COALESCE(last_checked_at, 0) <= $5",
    )
    .bind(intent_id)
    .bind(holder)
    .bind(at.saturating_add(LEASE.as_millis() as i64))
    .bind(at)
    .bind(last_seen)
    .bind(at.saturating_add(2 * LEASE.as_millis() as i64))
}
