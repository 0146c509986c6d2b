//! What other processes change: when to read the ledger for it.

use std::time::Duration;

use super::statement::{Statement, statement};
use super::{Ledger, Millis, postgres};
use crate::tenant::Tenant;

/// The changes that other processes make to one tenant's jobs and tasks.
#[derive(Default)]
pub struct OtherChanges(Option<postgres::Subscription>);

impl OtherChanges {
    /// Returns when the ledger is to be read: when its server reports a change, else every `often`.
    pub async fn next(&mut self, often: Duration) {
        match &mut self.0 {
            Some(subscription) => subscription.changed(often).await,
            None => tokio::time::sleep(often).await,
        }
    }
}

impl Ledger {
    /// The changes that other processes make to this tenant's jobs and tasks from now on. A ledger that cannot be read
    /// is read from time to time.
    pub async fn others(&self, tenant: &Tenant) -> OtherChanges {
        let Some(server) = self.database.server() else { return OtherChanges::default() };
        let stored = self.stored(tenant).await;
        OtherChanges(stored.ok().map(|stored| server.subscribe(&stored)))
    }

    /// `select` (with the tenant as `$1`) for rows that changed at or after `since`. On a server by its own clock: those
    /// of the replicas may differ.
    pub(super) fn changed(&self, select: &str, tenant: &str, since: Millis) -> Statement {
        self.database.changed_since(statement(select.to_owned()).bind(tenant), since)
    }
}
