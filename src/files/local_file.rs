//! A file that may be read, and how it is opened: as it was when it was judged, or not at all.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::root::{Root, Stamp, open_file};
use crate::error::{Error, Kind, Result};

/// A file that may be read: a regular one, not empty, within the limit when it was judged.
#[derive(Clone, Debug)]
pub struct LocalFile {
    /// Where it is, as the caller may know it: without symbolic links, and below the caller's own folder where that is
    /// all the caller has.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    pub(super) location: Location,
    pub(super) stamp: Stamp,
}

/// A name in a folder below a root.
#[derive(Clone, Debug)]
pub(super) struct Location {
    pub root: Arc<Root>,
    /// Relative to the root, without symbolic links.
    pub folder: PathBuf,
    pub name: OsString,
}

impl LocalFile {
    /// Opens the file if it still is the one that was judged: the same file, reached without a symbolic link, with the
    /// same size and time. Touches the disk: not for the threads of the runtime.
    ///
    /// # Errors
    /// `file_access` when it is not, or cannot be read.
    pub fn open(&self) -> Result<File> {
        let dir = self.location.root.folder(&self.location.folder).map_err(|_| self.changed())?;
        match open_file(&dir, &self.location.name) {
            Ok((file, stamp)) if stamp == self.stamp => Ok(file),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(Error::new(
                Kind::FileAccess,
                format!("`{}` cannot be read: {}.", self.path.display(), error.kind()),
                "Check its permissions.",
            )),
            Ok(_) | Err(_) => Err(self.changed()),
        }
    }

    /// When it was last written to, as of when it was judged; none where the file system does not say.
    pub fn modified(&self) -> Option<SystemTime> {
        self.stamp.modified
    }

    /// Checks that nothing was written to the file since it was judged: after it was sent, before its content is
    /// relied on. Touches the disk.
    ///
    /// # Errors
    /// `file_access` when it changed.
    pub fn check_unchanged(&self) -> Result<()> {
        self.open().map(drop)
    }

    fn changed(&self) -> Error {
        Error::new(
            Kind::FileAccess,
            format!("`{}` changed while it was about to be read.", self.path.display()),
            "Wait until nothing writes to it, then try again.",
        )
    }
}
