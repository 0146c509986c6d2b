//! Forgetting a tenant: under which name the ledger keeps it, and deleting what is kept of it.

use super::Ledger;
use super::connection::Lock;
use super::queries::HAS_NOT_ENDED;
use super::statement::statement;
use super::work::{Durability, Patience, work};
use crate::error::Result;
use crate::tenant::Tenant;

impl Ledger {
    /// What stands for `tenant` in the ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn stored_name_of(&self, tenant: &Tenant) -> Result<String> {
        self.stored(tenant).await
    }

    /// How many jobs of a tenant, as the ledger keeps it, have not ended.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn running_of(&self, stored: &str) -> Result<i64> {
        let query = statement("SELECT COUNT(*) FROM jobs WHERE tenant = $1 AND ").push(HAS_NOT_ENDED).bind(stored);
        let row: Option<(i64,)> = self.database.read_first(query).await?;
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
