//! How many tool calls run at once: so many of each tenant, and those that wait for a job apart from those that do not.
//!
//! A wait holds its permit for as long as a job takes, and would keep short calls out otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};
use crate::tenant::Tenant;

/// Short calls of one tenant that run at once; more wait for a permit.
const CALLS_MAX: usize = 64;
/// Waits of one tenant that run at once; more wait for a permit.
const WAITS_MAX: usize = 1_024;

/// The permits of all tenants.
#[derive(Default)]
pub struct Permits {
    tenants: Mutex<HashMap<Tenant, Arc<TenantPermits>>>,
}

struct TenantPermits {
    calls: Arc<Semaphore>,
    waits: Arc<Semaphore>,
}

impl Default for TenantPermits {
    fn default() -> TenantPermits {
        TenantPermits { calls: Arc::new(Semaphore::new(CALLS_MAX)), waits: Arc::new(Semaphore::new(WAITS_MAX)) }
    }
}

/// A permit for one call, until it is dropped.
pub struct Permit<'a> {
    all: &'a Permits,
    tenant: Tenant,
    own: Option<Arc<TenantPermits>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Permits {
    fn tenants(&self) -> MutexGuard<'_, HashMap<Tenant, Arc<TenantPermits>>> {
        self.tenants.lock()
    }

    /// A permit for a call of `tenant`, once there is one. `may_wait` for calls that may wait for a job.
    ///
    /// # Errors
    /// `internal` while the server is shutting down.
    pub async fn acquire(&self, tenant: &Tenant, may_wait: bool) -> Result<Permit<'_>> {
        let own = Arc::clone(self.tenants().entry(tenant.clone()).or_default());
        let semaphore = Arc::clone(if may_wait { &own.waits } else { &own.calls });
        let mut permit = Permit { all: self, tenant: tenant.clone(), own: Some(own), permit: None };
        let acquired = semaphore.acquire_owned().await;
        permit.permit = Some(acquired.map_err(|_| Error::internal("The server is shutting down."))?);
        Ok(permit)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.permit = None;
        let mut tenants = self.all.tenants();
        self.own = None;
        // The map holds the last reference: no call of this tenant is left.
        if tenants.get(&self.tenant).is_some_and(|own| Arc::strong_count(own) == 1) {
            tenants.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn is_free(permits: &Permits, tenant: &str, may_wait: bool) -> bool {
        let tenant = Tenant::stored(tenant);
        let acquired = permits.acquire(&tenant, may_wait);
        tokio::time::timeout(Duration::from_millis(1), acquired).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn waits_keep_out_neither_short_calls_nor_other_tenants() {
        let permits = Permits::default();
        let mut held = Vec::new();
        for _ in 0..WAITS_MAX {
            held.push(permits.acquire(&Tenant::stored("a"), true).await.unwrap());
        }
        assert!(!is_free(&permits, "a", true).await);
        assert!(is_free(&permits, "a", false).await && is_free(&permits, "b", true).await);
        held.clear();
        assert!(is_free(&permits, "a", true).await);
        assert!(permits.tenants().is_empty(), "nothing is kept of a tenant without calls");
    }
}
