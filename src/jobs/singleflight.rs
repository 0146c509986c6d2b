//! One question at a time about a job.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::tenant::{Owner, Tenant};

/// From this many jobs on, guards that are not held are forgotten.
const GUARDS_KEPT: usize = 1_024;

/// Of several callers who check one job at the same moment, one asks the service and the others take its answer.
#[derive(Default)]
pub(super) struct Singleflight {
    guards: Mutex<HashMap<(Tenant, String), CheckGuard>>,
}

/// When the last check of a job that was answered began. Locked during a check.
pub(super) type CheckGuard = Arc<tokio::sync::Mutex<Option<Instant>>>;

impl Singleflight {
    /// The guard of one job: who holds it asks the service.
    pub(super) fn guard(&self, owner: &Owner, job_id: &str) -> CheckGuard {
        let mut guards = self.guards.lock();
        if guards.len() >= GUARDS_KEPT {
            guards.retain(|_, guard| Arc::strong_count(guard) > 1);
        }
        Arc::clone(guards.entry((owner.tenant.clone(), job_id.to_owned())).or_default())
    }
}
