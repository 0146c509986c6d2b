//! What was asked of the simulator.
//!
//! What lives here: the latest requests and counts per path, for tests and `GET /simulator/stats`. What never does:
//! keys in the clear, or bodies without a bound.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use serde_json::{Value, json};

use super::world::lock;
use crate::secret::Fingerprint;

/// Requests remembered.
const REQUESTS_MAX: usize = 10_000;
/// Paths counted; links are paths of their own, so there can be many.
const PATHS_MAX: usize = 10_000;
/// Larger bodies are not remembered.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024;

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// The query, as sent, without a key.
    pub query: Option<String>,
    /// The body, when it was JSON of a modest size.
    pub body: Option<Value>,
    /// The fingerprint of its key, if it had one.
    pub key: Option<Fingerprint>,
}

/// The journal.
#[derive(Default)]
pub(super) struct Journal(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    latest: VecDeque<Request>,
    counts: BTreeMap<String, usize>,
    total: usize,
}

impl Journal {
    pub(super) fn record(&self, request: Request) {
        let mut pages = lock(&self.0);
        pages.total = pages.total.saturating_add(1);
        if let Some(count) = pages.counts.get_mut(&request.path) {
            *count = count.saturating_add(1);
        } else if pages.counts.len() < PATHS_MAX {
            pages.counts.insert(request.path.clone(), 1);
        }
        if pages.latest.len() >= REQUESTS_MAX {
            pages.latest.pop_front();
        }
        pages.latest.push_back(request);
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        lock(&self.0).latest.iter().cloned().collect()
    }

    pub(super) fn count(&self, path: &str) -> usize {
        lock(&self.0).counts.get(path).copied().unwrap_or(0)
    }

    /// `{requests, paths: {path: count}}`.
    pub(super) fn to_json(&self) -> Value {
        let pages = lock(&self.0);
        json!({ "requests": pages.total, "paths": pages.counts })
    }
}
