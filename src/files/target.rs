//! Where a result is written: a file that appears under its name only when it is complete.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cap_std::fs::{Dir, OpenOptions};
use sha2::{Digest, Sha256};

use super::blocking::off_runtime;
use super::local_file::Location;
use super::quota::Quota;
use super::root::open_file;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::next_step::NextStep;

/// Longest part of the target's name in the temporary one: with the random part it stays within 255 bytes.
const PART_STEM_BYTES_MAX: usize = 180;
/// A temporary file that nothing has written to for so long may be left over from a process that was killed.
const STALE_AFTER: Duration = Duration::from_secs(60);
/// Most entries of a folder that are searched for leftovers.
const SEARCHED_MAX: usize = 10_000;

/// Bytes that are hashed in one go.
const HASHED_BYTES: usize = 256 * 1024;

/// A file that may be written. Prints as the path that its caller may know.
#[derive(Clone, Debug)]
pub struct Target {
    /// As the caller may know it.
    pub(super) path: PathBuf,
    pub(super) location: Location,
    pub(super) quota: Option<Arc<Quota>>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl Target {
    /// Its path, as the caller may know it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something of its name is there. Touches the disk.
    pub(super) fn exists(&self) -> bool {
        self.location
            .root
            .folder(&self.location.folder)
            .is_ok_and(|dir| dir.symlink_metadata(&self.location.name).is_ok())
    }

    /// Whether something of its name is there.
    pub async fn is_there(&self) -> bool {
        let target = self.clone();
        tokio::task::spawn_blocking(move || target.exists()).await.unwrap_or(false)
    }

    /// Size and SHA-256 of the file that is there; none when it cannot be read.
    pub async fn digest(&self) -> Option<(u64, String)> {
        let target = self.clone();
        tokio::task::spawn_blocking(move || target.digest_blocking().ok()).await.ok()?
    }

    fn digest_blocking(&self) -> io::Result<(u64, String)> {
        let folder = self.location.root.folder(&self.location.folder)?;
        let (mut file, _) = open_file(&folder, &self.location.name)?;
        let mut hash = Sha256::new();
        let mut chunk = vec![0; HASHED_BYTES];
        let mut bytes = 0_u64;
        loop {
            let count = file.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            hash.update(chunk.get(..count).unwrap_or_default());
            bytes = bytes.saturating_add(count as u64);
        }
        Ok((bytes, hex::encode(hash.finalize())))
    }

    /// Bytes that may still be written, where there is a quota. Touches the disk.
    pub(super) fn bytes_left(&self) -> Option<u64> {
        self.quota.as_ref().map(|quota| quota.left())
    }

    /// Refuses a target that cannot be written, by writing a temporary file in the deepest of its folders that is there.
    /// No folder is created for that, so that none has to be taken away from others that write below it by then.
    /// Touches the disk.
    ///
    /// # Errors
    /// `file_access` when the disk refuses, or something that is no folder stands in the path.
    pub fn refuse_unwritable_blocking(&self) -> Result<()> {
        let tried = self.location.root.deepest_folder(&self.location.folder).and_then(|deepest| {
            // A name that the disk does not take says so here.
            for name in deepest.missing.iter().chain([&self.location.name]) {
                match deepest.dir.symlink_metadata(name) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            self.part_in(deepest.dir)
        });
        tried.map(drop).map_err(|error| self.unwritable(&error))
    }

    /// The same off the runtime.
    ///
    /// # Errors
    /// As [`Target::refuse_unwritable_blocking`].
    pub async fn refuse_unwritable(&self) -> Result<()> {
        let target = self.clone();
        off_runtime(move || target.refuse_unwritable_blocking()).await
    }

    /// Refuses a folder that holds a file which looks like a part of this result: the target's name, or that with
    /// `_page…` after it. The parts of a result are named by the service, so their own names are not known before.
    /// Touches the disk.
    ///
    /// # Errors
    /// `file_access` with the file that is in the way.
    pub fn refuse_parts_blocking(&self) -> Result<()> {
        let Ok(dir) = self.location.root.folder(&self.location.folder) else { return Ok(()) };
        let Ok(entries) = dir.entries() else { return Ok(()) };
        let name = self.location.name.to_string_lossy().into_owned();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name.as_str(), ""));
        let is_part_of_it = |other: &str| {
            let (start, end) = other.rsplit_once('.').unwrap_or((other, ""));
            // A part of a document may not be taken for the document itself, which may lie there.
            let is_part = |rest: &str| match rest {
                "" => !end.eq_ignore_ascii_case("pdf"),
                rest => rest.to_ascii_lowercase().starts_with("_page"),
            };
            start.strip_prefix(stem).is_some_and(is_part) && end.eq_ignore_ascii_case(extension)
        };
        let names =
            entries.take(SEARCHED_MAX).filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
        match names.into_iter().find(|other| is_part_of_it(other)) {
            Some(there) => Err(exists(&self.path.with_file_name(there))),
            None => Ok(()),
        }
    }

    /// The same off the runtime.
    ///
    /// # Errors
    /// As [`Target::refuse_parts_blocking`].
    pub async fn refuse_parts(&self) -> Result<()> {
        let target = self.clone();
        off_runtime(move || target.refuse_parts_blocking()).await
    }

    /// A temporary file beside the target, for this user alone, in folders that are created where they are missing.
    /// What killed processes left in the folder is removed. Touches the disk.
    ///
    /// # Errors
    /// `file_access` when the disk refuses, or a link has come into the path since it was judged.
    pub(super) fn create_part(&self) -> Result<(File, Part)> {
        let part = self.location.root.created_folder(&self.location.folder).and_then(|dir| {
            remove_leftovers(&dir);
            self.part_in(dir)
        });
        part.map_err(|error| self.unwritable(&error))
    }

    /// A temporary file in `dir`, named after the target, for this user alone.
    fn part_in(&self, dir: Dir) -> io::Result<(File, Part)> {
        let name = self.location.name.to_string_lossy();
        let stem = name.get(..name.floor_char_boundary(PART_STEM_BYTES_MAX)).unwrap_or_default();
        let name = OsString::from(format!(".{stem}.{}.part", uuid::Uuid::new_v4().simple()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        cap_std::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = dir.open_with(&name, &options)?.into_std();
        // Held as long as the file is open: so that no other process takes it for a leftover. Not every system can.
        let _ = file.try_lock();
        Ok((file, Part { dir, name }))
    }

    /// Gives the finished file its name in one step. Touches the disk.
    ///
    /// # Errors
    /// `file_access` when a file is in the way and `overwrite` is not set, or when the disk refuses.
    pub(super) fn publish(&self, part: &Part, overwrite: bool) -> Result<()> {
        part.publish(&self.location.name, overwrite).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists if !overwrite => exists(&self.path),
            _ => self.unwritable(&error),
        })
    }

    pub(super) fn unwritable(&self, error: &io::Error) -> Error {
        Error::new(
            Kind::FileAccess,
            format!("`{self}` cannot be written: {}.", error.kind()),
            hint![
                "Check the folder's permissions and free space, or pass another ",
                NextStep::Argument("save_to".into()),
                "."
            ],
        )
    }
}

/// A temporary file that goes when this does.
#[derive(Debug)]
pub(super) struct Part {
    dir: Dir,
    name: OsString,
}

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already when it was given its name.
        let _ = self.dir.remove_file(&self.name);
    }
}

impl Part {
    fn publish(&self, name: &OsString, overwrite: bool) -> io::Result<()> {
        if overwrite {
            self.dir.rename(&self.name, &self.dir, name)?;
        } else {
            match self.dir.hard_link(&self.name, &self.dir, name) {
                // The second name is the right one; dropping this takes the first away.
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
                // No hard links on this file system: take the name first, which fails when it is taken.
                Err(_) => {
                    self.dir.open_with(name, OpenOptions::new().write(true).create_new(true))?;
                    self.dir.rename(&self.name, &self.dir, name).inspect_err(|_| drop(self.dir.remove_file(name)))?;
                }
            }
        }
        // So that the name survives a crash too. Not every system can, and the bytes are safe already.
        if cfg!(unix) {
            let _ = self.dir.open(".").and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

/// Removes temporary files of ours that no process holds any more.
fn remove_leftovers(dir: &Dir) {
    let Ok(entries) = dir.entries() else { return };
    for entry in entries.take(SEARCHED_MAX).filter_map(io::Result::ok) {
        let name = entry.file_name();
        if is_part(&name.to_string_lossy()) && is_leftover(dir, &name).unwrap_or(false) {
            let _ = dir.remove_file(&name);
        }
    }
}

fn is_leftover(dir: &Dir, name: &OsString) -> io::Result<bool> {
    let metadata = dir.symlink_metadata(name)?;
    let age = SystemTime::now().duration_since(metadata.modified()?.into_std()).unwrap_or_default();
    if !metadata.is_file() || age < STALE_AFTER {
        return Ok(false);
    }
    let file = dir.open_with(name, OpenOptions::new().read(true).write(true))?.into_std();
    Ok(file.try_lock().is_ok())
}

/// Whether a name is one that [`Target::create_part`] gives: `.name.<32 hex digits>.part`.
pub(super) fn is_part(name: &str) -> bool {
    let Some((stem, id)) = name.strip_suffix(".part").and_then(|rest| rest.rsplit_once('.')) else { return false };
    stem.starts_with('.') && id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A file is in the way.
pub(super) fn exists(target: &Path) -> Error {
    Error::new(
        Kind::FileAccess,
        format!("`{}` exists already.", target.display()),
        hint![
            "Pass ",
            NextStep::Switch("overwrite".into()),
            " to replace it, or another ",
            NextStep::Argument("save_to".into()),
            "."
        ],
    )
}
