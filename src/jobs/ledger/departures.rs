//! Which requests have left, and which generations a batch's input has had.
//!
//! What lives here: the moment between an intention and its request, in three statements that several processes may
//! race with. What never does: deciding what is done again (`app/batch.rs`).

use super::{Ledger, failed, job};
use crate::error::Result;
use crate::jobs::{Job, Millis};
use crate::tenant::Tenant;

/// Most generations of one input that are looked at.
const GENERATIONS_MAX: i64 = 1_000;

impl Ledger {
    /// The request of this intention leaves now. `false` when it must not: the intention was taken back or put aside
    /// meanwhile. A ledger that fled into memory may have lost the row on the way, and holds nobody up.
    pub async fn leaves(&self, intent_id: &str, at: Millis) -> Result<bool> {
        let store = self.pool().await?;
        let left = sqlx::query(
            "UPDATE jobs SET submitted_at = $2, changed_at = $2
             WHERE intent_id = $1 AND job_id IS NULL AND status <> 'cancelled'",
        )
        .bind(intent_id)
        .bind(at)
        .execute(store)
        .await
        .map_err(failed)?;
        Ok(left.rows_affected() == 1 || store.is_in_refuge())
    }

    /// ResponseMode an intention back whose request has not left. `false` when it has: then nothing is changed.
    pub async fn take_back(&self, intent_id: &str) -> Result<bool> {
        let taken = sqlx::query(
            "DELETE FROM jobs WHERE intent_id = $1 AND job_id IS NULL AND submitted_at IS NULL AND problem IS NULL",
        )
        .bind(intent_id)
        .execute(self.pool().await?)
        .await
        .map_err(failed)?;
        Ok(taken.rows_affected() == 1)
    }

    /// The caller's jobs whose `client_request_id` is `base` and a number, oldest first.
    pub async fn generations(&self, tenant: &Tenant, base: &str) -> Result<Vec<Job>> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE caller = $1 AND client_request_id >= $2 AND client_request_id < $3
             ORDER BY created_at, rowid LIMIT $4",
        )
        .bind(tenant.as_str())
        // Between the two stand the ids that begin with `base-` and nothing else: '.' comes after '-'.
        .bind(format!("{base}-"))
        .bind(format!("{base}."))
        .bind(GENERATIONS_MAX)
        .fetch_all(self.pool().await?)
        .await
        .map_err(failed)?;
        rows.iter().map(job).collect()
    }
}
