//! What the work of an operation came to.

use std::time::Duration;

use serde_json::{Map, Value};

use super::files::Files;

/// A finished operation.
pub(in crate::simulator) struct Finished {
    /// What its answer says about the result.
    pub(in crate::simulator) answer: Map<String, Value>,
    /// Pages that are paid for.
    pub(in crate::simulator) pages: u32,
    /// Pages of the document.
    pub(in crate::simulator) page_count: u32,
    /// Whether the result is several files.
    pub(in crate::simulator) many: bool,
    /// The ending of their names.
    pub(in crate::simulator) ending: &'static str,
    /// How long it took from the submit to the end of the job's life, or of the work if that came later.
    pub(in crate::simulator) milliseconds: u64,
    /// Ids of the files that it made.
    pub(in crate::simulator) files: Vec<String>,
}

impl Finished {
    /// Lets the result be downloaded, after `delay`.
    pub(in crate::simulator) fn open(&self, files: &Files, delay: Duration) {
        self.files.iter().for_each(|id| files.open_after(id, delay));
    }
}
