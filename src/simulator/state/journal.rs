//! What was asked of the simulator: the latest requests and counts per path, for tests and `GET /simulator/stats`.
//! Neither keys in the clear nor bodies without a bound are kept.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::secret::Fingerprint;

/// Requests remembered.
const REQUESTS_MAX: usize = 10_000;
/// Paths counted; links are paths of their own, so there can be many.
const PATHS_MAX: usize = 10_000;
/// Larger bodies are not remembered.
pub(in crate::simulator) const BODY_BYTES_MAX: usize = 16 * 1024;

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
pub(in crate::simulator) struct Journal(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    latest: VecDeque<Request>,
    counts: BTreeMap<String, usize>,
    total: usize,
}

impl Journal {
    pub(in crate::simulator) fn record(&self, request: Request) {
        let mut pages = self.0.lock();
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

    pub(in crate::simulator) fn requests(&self) -> Vec<Request> {
        self.0.lock().latest.iter().cloned().collect()
    }

    pub(in crate::simulator) fn count(&self, path: &str) -> usize {
        self.0.lock().counts.get(path).copied().unwrap_or(0)
    }

    /// `{requests, paths: {path: count}}`.
    pub(in crate::simulator) fn to_json(&self) -> Value {
        let pages = self.0.lock();
        json!({ "requests": pages.total, "paths": pages.counts })
    }
}
