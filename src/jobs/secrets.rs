//! The secrets of submitted requests, kept in memory.
//!
//! Checks and callbacks may quote the password of the submit. It is not in the ledger, so it is kept here, within a
//! bound.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use super::job_id::IntentId;
use crate::api::Redactor;
use crate::secret::ApiKey;

/// Jobs whose secrets are kept; the oldest are forgotten first.
const JOBS_MAX: usize = 4_096;

/// Secrets by intent.
#[derive(Default)]
pub(super) struct JobSecrets(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    by_intent: HashMap<IntentId, (ApiKey, Vec<String>)>,
    order: VecDeque<IntentId>,
}

impl JobSecrets {
    /// Keeps the key and the passwords of a submit.
    pub(super) fn keep(&self, intent_id: &IntentId, key: &ApiKey, secrets: &[String]) {
        let mut kept = self.0.lock();
        while kept.order.len() >= JOBS_MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.by_intent.remove(&oldest);
        }
        kept.order.push_back(intent_id.clone());
        kept.by_intent.insert(intent_id.clone(), (key.clone(), secrets.to_vec()));
    }

    /// The passwords of a job's submit.
    pub(super) fn of(&self, intent_id: &str) -> Vec<String> {
        self.0.lock().by_intent.get(intent_id).map(|(_, secrets)| secrets.clone()).unwrap_or_default()
    }

    /// What cuts the secrets of a job's submit out of a text, its key included.
    pub(super) fn redactor(&self, intent_id: &str) -> Redactor {
        match self.0.lock().by_intent.get(intent_id) {
            Some((key, secrets)) => Redactor::new(Some(key), secrets),
            None => Redactor::default(),
        }
    }
}
