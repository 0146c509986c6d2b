//! Work that blocks its thread, off those of the runtime.

use crate::error::{Error, Result};

/// Runs work that touches the disk off the threads of the runtime.
///
/// # Errors
/// Those of `work`; `internal` when it panicked.
pub(crate) async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Error::internal("Work on the disk ended without a result.")))
}
