//! A file that belongs to another program, read and written with care.
//!
//! Reads are bounded, the first change makes a backup, and a write is seen whole or not at all: a temporary file in the
//! same folder takes the place of the old one, through links and with the old one's rights.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::files::resolved;

/// Largest file that is edited. Claude Code keeps its history in the same file, so it can be some megabytes.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Most backups that are considered or made.
const BACKUPS_MAX: usize = 20;

/// A file as it was found.
#[derive(Debug)]
pub struct Found {
    /// Where it really is, links followed.
    target: PathBuf,
    /// What it says.
    pub text: String,
    permissions: fs::Permissions,
}

/// Reads the file; nothing when there is none.
///
/// # Errors
/// `file_access` when it cannot be read, is no file or no text; `too_large`.
pub fn read(path: &Path) -> Result<Option<Found>> {
    let unreadable =
        |error: std::io::Error| denied(path, &format!("cannot be read ({})", error.kind())).with_source(error);
    let target = match resolved(path) {
        Ok(target) => target,
        Err(error) if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let file = File::open(&target).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(denied(path, "is not a file"));
    }
    if facts.len() > BYTES_MAX {
        return Err(too_large(path));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(too_large(path));
    }
    let text = String::from_utf8(bytes).map_err(|_| denied(path, "is not UTF-8 text"))?;
    Ok(Some(Found { target, text, permissions: facts.permissions() }))
}

/// Refuses a file of the project at `root` that a link leads out of it: the report would name the project, and the write
/// would go elsewhere.
///
/// # Errors
/// `file_access`.
pub fn refuse_outside(path: &Path, root: &Path) -> Result<()> {
    let (Ok(root), Ok(target)) = (fs::canonicalize(root), resolved(path)) else { return Ok(()) };
    if target.starts_with(&root) {
        return Ok(());
    }
    Err(denied(path, &format!("is a link out of the project, to {}", target.display()))
        .with_hint("Nothing was changed. Name the file itself with --config, or use --scope user."))
}

fn too_large(path: &Path) -> Error {
    Error::new(
        Kind::TooLarge,
        format!("{} is larger than {} MiB.", path.display(), BYTES_MAX / 1024 / 1024),
        "Add the entry by hand: --print shows it.",
    )
}

fn denied(path: &Path, what: &str) -> Error {
    Error::new(
        Kind::FileAccess,
        format!("{} {what}.", path.display()),
        "Nothing was changed. Look at the file and its rights, or name another one with --config.",
    )
}

/// Replaces what was found with `text`, or makes the file; `private` keeps it from other users.
///
/// # Errors
/// `file_access` when the file cannot be written, or when another program wrote meanwhile.
pub fn write(path: &Path, found: Option<&Found>, text: &str, private: bool) -> Result<()> {
    let failed =
        |error: std::io::Error| denied(path, &format!("cannot be written ({})", error.kind())).with_source(error);
    let target = found.map_or(path, |found| &found.target);
    let folder = target.parent().ok_or_else(|| denied(path, "has no folder"))?;
    if found.is_some_and(|found| found.permissions.readonly()) {
        return Err(denied(path, "is read-only"));
    }
    fs::create_dir_all(folder).map_err(failed)?;
    let mut options = tempfile::Builder::new();
    options.prefix(".pdfco-").suffix(".tmp");
    // Made for this user alone; it gets the rights of the old file only when it is whole.
    let mut new = options.tempfile_in(folder).map_err(failed)?;
    new.write_all(text.as_bytes()).map_err(failed)?;
    set_rights(new.as_file(), found, private).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    match found {
        Some(found) => {
            still_as(path, found)?;
            new.persist(target).map_err(|error| failed(error.error))?;
        }
        None => drop(new.persist_noclobber(target).map_err(|error| failed(error.error))?),
    }
    Ok(())
}

fn set_rights(file: &File, found: Option<&Found>, private: bool) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = match found {
            _ if private => 0o600,
            Some(found) => found.permissions.mode(),
            None => 0o644,
        };
        file.set_permissions(fs::Permissions::from_mode(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, found, private);
        Ok(())
    }
}

/// Clients write these files while they run.
fn still_as(path: &Path, found: &Found) -> Result<()> {
    match read(path)? {
        Some(now) if now.text == found.text && now.target == found.target => Ok(()),
        _ => {
            Err(denied(path, "was changed by another program meanwhile")
                .with_hint("Nothing was changed. Run it again."))
        }
    }
}

/// Takes the file away.
///
/// # Errors
/// `file_access`.
pub fn delete(path: &Path, found: &Found) -> Result<()> {
    still_as(path, found)?;
    fs::remove_file(&found.target)
        .map_err(|error| denied(path, &format!("cannot be deleted ({})", error.kind())).with_source(error))
}

/// Where the backup number `number` of a file is.
fn backup_path(found: &Found, number: usize) -> PathBuf {
    let mut name = found.target.file_name().unwrap_or_default().to_owned();
    name.push(".before-pdfco");
    if number > 1 {
        name.push(format!("-{number}"));
    }
    found.target.with_file_name(name)
}

/// What the backups say, the latest first.
pub fn backups(found: &Found) -> Vec<String> {
    let numbers = (1..=BACKUPS_MAX).rev();
    numbers.filter_map(|number| Some(read(&backup_path(found, number)).ok()??.text)).collect()
}

/// Keeps what was found beside the file, readable by this user alone; a backup that says the same is enough.
///
/// # Errors
/// `file_access` when it cannot be written, or when there are too many.
pub fn back_up(path: &Path, found: &Found) -> Result<PathBuf> {
    // Nothing is left beside a file that cannot be changed.
    if found.permissions.readonly() {
        return Err(denied(path, "is read-only"));
    }
    for number in 1..=BACKUPS_MAX {
        let backup = backup_path(found, number);
        match read(&backup) {
            Ok(Some(old)) if old.text == found.text => return Ok(backup),
            Ok(None) => return write(&backup, None, &found.text, true).map(|()| backup),
            _ => {}
        }
    }
    Err(denied(path, "has too many backups beside it").with_hint("Delete those that end in .before-pdfco-<number>."))
}
