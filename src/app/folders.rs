//! The folder that many results are saved into.

use std::path::{MAIN_SEPARATOR, Path};

use crate::jobs::Job;

/// The files of a job, if they were saved into `folder` before and are still there.
pub(super) fn already_saved(job: &Job, folder: &str) -> Option<Vec<String>> {
    let folder = Path::new(folder.trim_end_matches(['/', '\\'])).file_name()?.to_owned();
    let is_here = |path: &String| {
        let path = Path::new(path);
        path.parent().and_then(Path::file_name) == Some(folder.as_os_str()) && path.is_file()
    };
    (!job.saved_to.is_empty() && job.saved_to.iter().all(is_here)).then(|| job.saved_to.clone())
}

/// `save_to` as the name of a folder.
pub(super) fn as_folder(save_to: &str) -> String {
    let separator = MAIN_SEPARATOR;
    format!("{}{separator}", save_to.trim_end_matches(separator))
}
