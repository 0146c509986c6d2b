//! Folders that are held open, and walks below them that follow no symbolic link.
//!
//! A path that was judged by its text may lead elsewhere a moment later. So whatever is opened is opened relative to a
//! handle of its root, one component after the other, and a component that has become a link ends the walk.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cap_fs_ext::{DirExt, FollowSymlinks, MetadataExt, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions};
use parking_lot::Mutex;

/// What identifies a file, and a state of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    file: u64,
    /// Size in bytes.
    pub bytes: u64,
    pub modified: Option<SystemTime>,
}

impl Stamp {
    pub fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            file: metadata.ino(),
            bytes: metadata.len(),
            modified: metadata.modified().ok().map(cap_std::time::SystemTime::into_std),
        }
    }

    /// The stamp of what a path names itself, not of what a link there leads to.
    ///
    /// # Errors
    /// When nothing is there, or its folder cannot be opened.
    pub fn of_path(path: &Path) -> io::Result<Stamp> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Dir::open_ambient_dir(path, ambient_authority())?.dir_metadata().map(|own| Stamp::of(&own));
        };
        let dir = Dir::open_ambient_dir(folder, ambient_authority())?;
        dir.symlink_metadata(name).map(|metadata| Stamp::of(&metadata))
    }

    /// Whether both are the same file, whatever its content.
    pub fn is_same_file(&self, other: &Stamp) -> bool {
        (self.device, self.file) == (other.device, other.file)
    }
}

/// A folder below which files may be used. It is resolved and opened when it is first used, and held from then on, so
/// that a link which takes its place later leads nowhere.
#[derive(Debug)]
pub(super) struct Root {
    /// As it was configured, absolute.
    pub path: PathBuf,
    held: Mutex<Option<Arc<Held>>>,
}

#[derive(Debug)]
struct Held {
    /// Without symbolic links.
    path: PathBuf,
    dir: Dir,
}

impl Held {
    fn open(path: PathBuf) -> io::Result<Held> {
        let dir = Dir::open_ambient_dir(&path, ambient_authority())?;
        let held = Held { path, dir };
        if held.is_there() { Ok(held) } else { Err(moved()) }
    }

    /// Whether its path still names this very folder, and not a link to one.
    fn is_there(&self) -> bool {
        let named = Stamp::of_path(&self.path);
        let own = self.dir.dir_metadata();
        matches!((named, own), (Ok(named), Ok(own)) if named.is_same_file(&Stamp::of(&own)))
    }
}

fn moved() -> io::Error {
    io::Error::other("the folder is no longer where it was")
}

/// The part of a folder's path that is there.
#[derive(Debug)]
pub(super) struct Deepest {
    pub dir: Dir,
    /// Names below it that are not there yet, outermost first.
    pub missing: Vec<OsString>,
}

/// The deepest folder of an absolute path that is there, and the names below it.
fn deepest_ambient(path: &Path) -> io::Result<(Dir, Vec<OsString>)> {
    let mut missing = Vec::new();
    for folder in path.ancestors() {
        match Dir::open_ambient_dir(folder, ambient_authority()) {
            Ok(dir) => {
                missing.reverse();
                return Ok((dir, missing));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => missing.extend(folder.file_name().map(OsString::from)),
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::NotFound.into())
}

impl Root {
    pub fn new(path: PathBuf) -> Root {
        Root { path, held: Mutex::new(None) }
    }

    /// Its path without symbolic links; as far as it exists, while it does not.
    ///
    /// # Errors
    /// When the existing part cannot be resolved, or a link has taken its place.
    pub fn base(&self) -> io::Result<PathBuf> {
        match self.held() {
            Ok(held) => Ok(held.path.clone()),
            Err(error) if error.kind() == ErrorKind::NotFound => settled(&self.path),
            Err(error) => Err(error),
        }
    }

    fn held(&self) -> io::Result<Arc<Held>> {
        let mut slot = self.held.lock();
        let path = match slot.as_ref() {
            Some(held) if held.is_there() => return Ok(Arc::clone(held)),
            // What is there now is another folder, or a link to one. A link is not followed.
            Some(held) if fs::symlink_metadata(&held.path).is_ok() => held.path.clone(),
            _ => fs::canonicalize(&self.path)?,
        };
        let held = Arc::new(Held::open(path)?);
        *slot = Some(Arc::clone(&held));
        Ok(held)
    }

    /// The folder at `relative`.
    ///
    /// # Errors
    /// When a component is missing, or no folder of its own.
    pub fn folder(&self, relative: &Path) -> io::Result<Dir> {
        let mut dir = self.held()?.dir.try_clone()?;
        for name in components(relative) {
            dir = dir.open_dir_nofollow(name?)?;
        }
        Ok(dir)
    }

    /// As much of the folder at `relative` as there is. Creates nothing.
    ///
    /// # Errors
    /// When a component is there and no folder of its own, a folder cannot be opened, or nothing of the root's path is
    /// there.
    pub fn deepest_folder(&self, relative: &Path) -> io::Result<Deepest> {
        let (mut dir, mut missing) = match self.held() {
            Ok(held) => (held.dir.try_clone()?, Vec::new()),
            Err(error) if error.kind() == ErrorKind::NotFound => deepest_ambient(&self.path)?,
            Err(error) => return Err(error),
        };
        for name in components(relative) {
            let name = name?;
            if missing.is_empty() {
                match dir.open_dir_nofollow(name) {
                    Ok(folder) => dir = folder,
                    Err(error) if error.kind() == ErrorKind::NotFound => missing.push(name.to_owned()),
                    Err(error) => return Err(error),
                }
            } else {
                missing.push(name.to_owned());
            }
        }
        Ok(Deepest { dir, missing })
    }

    /// The folder at `relative`; what is missing of it, and of the root, is created.
    ///
    /// # Errors
    /// As [`Root::folder`], and when a folder cannot be created.
    pub fn created_folder(&self, relative: &Path) -> io::Result<Dir> {
        let held = match self.held() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(&self.path)?;
                self.held()?
            }
            other => other?,
        };
        let mut dir = held.dir.try_clone()?;
        for name in components(relative) {
            let name = name?;
            dir = match dir.open_dir_nofollow(name) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    match dir.create_dir(name) {
                        // Another process was quicker.
                        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                        other => other?,
                    }
                    dir.open_dir_nofollow(name)?
                }
                other => other?,
            };
        }
        Ok(dir)
    }
}

/// The names in a relative path; an error for whatever else stands in it.
fn components(relative: &Path) -> impl Iterator<Item = io::Result<&OsStr>> {
    relative.components().map(|component| match component {
        Component::Normal(name) => Ok(name),
        _ => Err(io::Error::new(ErrorKind::InvalidInput, "a path leads out of its folder")),
    })
}

/// Opens a regular file of `dir` for reading, without following a link and without waiting for a pipe's writer.
///
/// # Errors
/// When it is missing, a link or no regular file.
pub(super) fn open_file(dir: &Dir, name: &OsStr) -> io::Result<(fs::File, Stamp)> {
    // Asked first: opening a device can have effects.
    if !dir.symlink_metadata(name)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "no regular file"));
    }
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let file = dir.open_with(name, &options)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "no regular file"));
    }
    Ok((file.into_std(), Stamp::of(&metadata)))
}

/// `path` with every symbolic link of its existing part resolved, followed by what does not exist yet.
///
/// # Errors
/// When the existing part cannot be resolved, or `..` follows something that does not exist.
pub(super) fn settled(path: &Path) -> io::Result<PathBuf> {
    let mut missing = Vec::new();
    let mut existing = path;
    loop {
        match fs::canonicalize(existing) {
            Ok(base) => return Ok(missing.iter().rev().fold(base, |path, name| path.join(name))),
            // A link that leads nowhere exists: its target would be created through it. A folder that others made a
            // moment ago is no link.
            Err(error) if error.kind() != ErrorKind::NotFound || existing.is_symlink() => return Err(error),
            Err(error) => {
                let (Some(name), Some(parent)) = (existing.file_name(), existing.parent()) else { return Err(error) };
                missing.push(name);
                existing = parent;
            }
        }
    }
}

/// A path without symbolic links, as people write it: on Windows `C:\folder` rather than `\\?\C:\folder` where both
/// mean the same.
///
/// # Errors
/// As [`fs::canonicalize`].
pub fn resolved(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path).map(|path| plain(&path))
}

/// A resolved path as people write it.
pub(super) fn plain(path: &Path) -> PathBuf {
    dunce::simplified(path).to_owned()
}
