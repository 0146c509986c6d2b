//! The folder that many results are saved into.

use std::path::{MAIN_SEPARATOR, Path};

use super::Caller;
use crate::error::Result;
use crate::jobs::Job;

/// The files of a job, if they were saved into `folder` before.
///
/// # Errors
/// `file_access` for a folder that may not be used.
pub(super) async fn saved_before(caller: &Caller, job: &Job, folder: &str) -> Result<Vec<String>> {
    let inside = caller.sandbox.target(Some(&as_folder(folder)), "result", true).await?;
    let is_here = |path: &String| Path::new(path).parent() == inside.path().parent();
    let saved = if job.saved_to.iter().all(is_here) { job.saved_to.clone() } else { Vec::new() };
    Ok(saved)
}

/// `save_to` as the name of a folder.
pub(super) fn as_folder(save_to: &str) -> String {
    let separator = MAIN_SEPARATOR;
    format!("{}{separator}", save_to.trim_end_matches(separator))
}
