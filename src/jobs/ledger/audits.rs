//! Who did what: one row for each call that spent or wrote something, and for each that was refused; and forgetting
//! someone.
//!
//! Rows are written behind, in order with what the service said, and kept while the ledger cannot be written. They go when
//! they are as old as jobs may get.

use serde::Serialize;
use sqlx::FromRow;

use super::audit::AuditEntry;
use super::changes::Change;
use super::connection::Lock;
use super::statement::statement;
use super::work::{Durability, Patience, work};
use super::{Ledger, Millis};
use crate::error::Result;
use crate::tenant::Tenant;

/// A row of the audit. Tenant and account are as the ledger keeps them.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize)]
pub struct AuditRow {
    /// When the call ended.
    pub at: Millis,
    /// Whose call.
    pub tenant: String,
    /// Whose credits.
    pub account: String,
    /// What the client calls itself.
    pub client: String,
    /// The tool, or the command.
    pub tool: String,
    /// The job's operation.
    pub operation: Option<String>,
    /// The job.
    pub job_id: Option<String>,
    /// `success`, or the kind of the error.
    pub outcome: String,
    /// What the call was charged.
    pub credits: Option<i64>,
}

/// Which rows are shown; all conditions hold.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Since this time.
    pub since: Option<Millis>,
    /// Of this tenant, as the ledger keeps it.
    pub tenant: Option<String>,
    /// Of this tool.
    pub tool: Option<String>,
    /// About this job.
    pub job_id: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// Whatever did not succeed.
    pub is_refused: bool,
}

impl Ledger {
    /// Writes a call down, a moment later and together with others.
    pub fn audit(&self, entry: AuditEntry) {
        self.pending.behind(Change::Audited(Box::new(entry)));
    }

    /// The newest calls that match, at most `limit`.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn audited(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditRow>> {
        let mut query = statement(
            "SELECT at, tenant, account, client, tool, operation, job_id, outcome, credits FROM audit WHERE at >= ",
        )
        .push_bind(filter.since.unwrap_or(Millis::MIN));
        for (column, value) in [
            ("tenant", &filter.tenant),
            ("tool", &filter.tool),
            ("job_id", &filter.job_id),
            ("outcome", &filter.outcome),
        ] {
            if let Some(value) = value {
                query = query.push(" AND ").push(column).push(" = ").push_bind(value);
            }
        }
        if filter.is_refused {
            query = query.push(" AND outcome <> 'success'");
        }
        self.database.read(query.push(" ORDER BY at DESC, id LIMIT ").push_bind(i64::from(limit))).await
    }

    /// What stands for `tenant` in the ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn name_of(&self, tenant: &Tenant) -> Result<String> {
        self.stored(tenant).await
    }

    /// How many jobs of a tenant, as the ledger keeps it, have not ended.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn running_of(&self, stored: &str) -> Result<i64> {
        let query = statement("SELECT COUNT(*) FROM jobs WHERE tenant = $1 AND status IN ('queued', 'working')");
        let row: Option<(i64,)> = self.database.read_first(query.bind(stored)).await?;
        Ok(row.map_or(0, |(count,)| count))
    }

    /// Deletes everything that the ledger keeps of a tenant, named as the ledger keeps it: jobs, tasks, spending, what is
    /// set aside, sessions and the audit. What accounts learned of prices names no tenant and stays. How many rows there
    /// were.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written: then nothing is deleted.
    pub async fn forget_tenant(&self, stored: &str) -> Result<u64> {
        let stored = stored.to_owned();
        let work = work(move |mut connection| {
            Box::pin(async move {
                connection.lock(&[Lock::Changes, Lock::Tenant(&stored)]).await?;
                let mut rows = 0;
                for sql in [
                    "DELETE FROM prices WHERE intent_id IN (SELECT intent_id FROM jobs WHERE tenant = $1)",
                    "DELETE FROM reservations WHERE tenant = $1",
                    "DELETE FROM tasks WHERE tenant = $1",
                    "DELETE FROM jobs WHERE tenant = $1",
                    "DELETE FROM spending WHERE tenant = $1",
                    "DELETE FROM sessions WHERE tenant = $1",
                    "DELETE FROM audit WHERE tenant = $1",
                ] {
                    rows += connection.execute(statement(sql).bind(&stored)).await?;
                }
                Ok(rows)
            })
        });
        let deleted = self.database.transaction(Patience::PAID, Durability::Synced, work).await;
        self.watched(deleted)
    }
}
