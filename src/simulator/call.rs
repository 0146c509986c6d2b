//! One request to the API, with its key admitted.

use tokio::time::Instant;

use super::input::Input;

/// A request that a handler answers.
pub(in crate::simulator) struct Call {
    pub(in crate::simulator) key: String,
    pub(in crate::simulator) input: Input,
    pub(in crate::simulator) started: Instant,
}

impl Call {
    /// How long it took so far, in milliseconds.
    pub(in crate::simulator) fn duration(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
