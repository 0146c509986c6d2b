//! Files of this user's configuration folder, which this user alone can read.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Kind, Result};

/// Writes a file beside `path` and puts it in its place, so that no reader sees half of it. Missing folders are created,
/// for this user alone.
///
/// # Errors
/// `file_access` when the disk refuses.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        create_folder(folder)?;
        // Temporary files are made for this user alone.
        let mut beside = tempfile::NamedTempFile::new_in(folder)?;
        beside.write_all(bytes)?;
        beside.as_file().sync_all()?;
        beside.persist(path).map(drop).map_err(|error| error.error)
    };
    written().map_err(|error| unwritable(path, &error))
}

/// Whether only this user can read a file, as far as the system says so.
pub(super) fn is_private(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 == 0)
    }
    #[cfg(not(unix))]
    path.exists()
}

fn create_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

pub(super) fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(
        Kind::FileAccess,
        format!("`{}` cannot be written: {}.", path.display(), error.kind()),
        "Check the rights of this user's configuration folder.",
    )
}
