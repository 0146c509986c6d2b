//! The ledger's file on the disk: for this user alone, and still the one that was opened.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::super::health::{Problem, ProblemKind};

/// Which file a path leads to, whatever its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
}

impl FileIdentity {
    /// The file that is at `path` now. Where the system has no such thing, all files are the same.
    pub(super) async fn of(path: PathBuf) -> std::io::Result<FileIdentity> {
        let metadata = tokio::fs::metadata(path).await?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Ok(FileIdentity { device: metadata.dev(), inode: metadata.ino() })
        }
        #[cfg(not(unix))]
        {
            let _ = metadata;
            Ok(FileIdentity {})
        }
    }
}

/// Makes the folder and the file for this user alone: the ledger knows which documents were worked on. A file that
/// others may write is tightened where it is ours, and refused where it is not.
pub(super) fn create_private(path: &Path) -> Result<(), Problem> {
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    let mut file = std::fs::OpenOptions::new();
    file.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        folder.mode(0o700);
        file.mode(0o600);
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        folder.create(parent).map_err(|error| problem_of(&error))?;
    }
    let file = file.open(path).map_err(|error| problem_of(&error))?;
    tighten(&file)
}

#[cfg(unix)]
fn tighten(file: &std::fs::File) -> Result<(), Problem> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(|error| problem_of(&error))?;
    let mode = metadata.permissions().mode();
    if mode & 0o022 == 0 {
        return Ok(());
    }
    let exposed = |_| Problem::new(ProblemKind::Exposed);
    file.set_permissions(std::fs::Permissions::from_mode(mode & 0o7700)).map_err(exposed)
}

#[cfg(not(unix))]
fn tighten(_file: &std::fs::File) -> Result<(), Problem> {
    Ok(())
}

fn problem_of(error: &std::io::Error) -> Problem {
    Problem::new(match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => ProblemKind::ReadOnly,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ProblemKind::Full,
        _ => ProblemKind::CannotOpen,
    })
}

/// Whether there is a journal with something in it beside the file at `path`.
pub(super) fn has_journal(path: &Path) -> bool {
    std::fs::metadata(beside(path, "wal")).is_ok_and(|journal| journal.len() > 0)
}

/// The name of a file that goes with the ledger at `path`: SQLite's `-wal` and `-shm` are named so.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-");
    name.push(suffix);
    PathBuf::from(name)
}

/// Gives the complete copy at `from` the name `path`, where there must be nothing.
pub(super) fn put_back(from: &Path, path: &Path) -> Result<(), Problem> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(from, std::fs::Permissions::from_mode(0o600)).map_err(|error| problem_of(&error))?;
    }
    // A journal of the file that is gone would be taken for one of the copy.
    for suffix in ["wal", "shm"] {
        let _ = std::fs::remove_file(beside(path, suffix));
    }
    let placed = std::fs::hard_link(from, path);
    let _ = std::fs::remove_file(from);
    match placed {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Problem::new(ProblemKind::Replaced)),
        Err(error) => Err(problem_of(&error)),
    }
}
