//! Which paths may be read and written.
//!
//! A path is judged after every symbolic link in it is resolved, component by component, never by its text. What was
//! judged is opened later relative to a handle of its root, without following links (`root.rs`), so that a folder that is
//! swapped in between leads nowhere. On Windows some texts are refused before the disk is asked at all
//! (`windows_names.rs`), and resolved paths are in the form without limits of length, `\\?\C:\`, while they are compared;
//! what leaves this file is written as people write it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::blocking::off_runtime;
use super::local_file::{LocalFile, Location};
use super::quota::Quota;
use super::refusals::{hidden, not_a_file, too_large, what_it_is};
use super::requested_path::RequestedPath;
use super::root::{Root, Stamp, plain, settled};
use super::target::Target;
use super::{similar, windows_names};
use crate::config::Config;
use crate::error::{Error, Kind, Result};

mod writing;

#[cfg(test)]
mod tests;

/// Largest file, unless `PDFCO_MAX_FILE_BYTES` says otherwise: what the service takes.
pub const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Which paths may be read and written. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sandbox {
    access: Access,
    download_dir: PathBuf,
    bytes_max: u64,
    /// Whether names are those of documents, and hidden ones out of reach.
    is_careful: bool,
    /// Files that are out of reach whatever folder holds them.
    excluded: Arc<[PathBuf]>,
}

#[derive(Clone, Debug)]
enum Access {
    /// Whatever the account may.
    Person,
    /// What lies below these folders.
    Folders(Arc<[Arc<Root>]>),
    /// What lies below one tenant's own folder, whose path is not shown.
    Tenant(Arc<[Arc<Root>]>, Arc<Quota>),
    /// No file.
    Nothing,
}

impl Sandbox {
    /// For assistants: only what lies below `roots` and `download_dir`. Folders need not exist yet.
    pub fn folders(roots: Vec<PathBuf>, download_dir: PathBuf) -> Self {
        let download_dir = absolute(&download_dir);
        let mut roots: Vec<PathBuf> = roots.iter().map(|root| absolute(root)).collect();
        if !roots.contains(&download_dir) {
            roots.push(download_dir.clone());
        }
        let roots = roots.into_iter().map(|root| Arc::new(Root::new(root))).collect();
        Sandbox::new(Access::Folders(roots), download_dir)
    }

    /// For assistants, as the settings say: their folders, size limit, and never the ledger's own files.
    pub fn for_assistants(config: &Config) -> Self {
        let roots = config.files.clone().unwrap_or_default();
        Sandbox::folders(roots, config.download_dir.clone())
            .with_max_bytes(config.max_file_bytes)
            .without(config.ledger.files())
    }

    /// For one of many remote tenants: what lies below `<root>/<tenant>/`, at most `bytes` in all. Messages and answers
    /// show paths below that folder only.
    pub fn tenant(root: &Path, tenant: &str, bytes: u64) -> Self {
        let folder = absolute(root).join(tenant_folder(tenant));
        let roots: Arc<[Arc<Root>]> = [Arc::new(Root::new(folder.clone()))].into();
        Sandbox::new(Access::Tenant(roots, Arc::new(Quota { folder: folder.clone(), bytes })), folder)
    }

    /// For remote callers who may use no file of this machine.
    pub fn nothing() -> Self {
        Sandbox::new(Access::Nothing, PathBuf::new())
    }

    /// For a person at their own shell: any regular file. Devices and folders are still no documents.
    pub fn person(download_dir: PathBuf) -> Self {
        Sandbox::new(Access::Person, absolute(&download_dir))
    }

    fn new(access: Access, download_dir: PathBuf) -> Self {
        let is_careful = !matches!(access, Access::Person);
        Sandbox { access, download_dir, bytes_max: FILE_BYTES_MAX, is_careful, excluded: Arc::default() }
    }

    /// The same for a person, who may use hidden files and any names where the folders allow it.
    #[must_use]
    pub fn of_person(mut self) -> Self {
        self.is_careful = false;
        self
    }

    /// The same with another size limit (`PDFCO_MAX_FILE_BYTES`).
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// The same without these files, under whatever name they are asked for.
    #[must_use]
    pub fn without(mut self, files: Vec<PathBuf>) -> Self {
        self.excluded = files.iter().map(|file| absolute(file)).collect();
        self
    }

    /// Whether no file of this machine may be used at all.
    pub fn is_nothing(&self) -> bool {
        matches!(self.access, Access::Nothing)
    }

    /// [`Sandbox::readable_blocking`], off the threads of the runtime.
    ///
    /// # Errors
    /// As there.
    pub async fn readable(&self, source: &str) -> Result<LocalFile> {
        let (sandbox, source) = (self.clone(), source.to_owned());
        off_runtime(move || sandbox.readable_blocking(&source)).await
    }

    /// [`Sandbox::target_blocking`], off the threads of the runtime.
    ///
    /// # Errors
    /// As there.
    pub async fn target(&self, save_to: Option<&str>, suggested_name: &str, overwrite: bool) -> Result<Target> {
        let (sandbox, save_to, name) = (self.clone(), save_to.map(str::to_owned), suggested_name.to_owned());
        off_runtime(move || sandbox.target_blocking(save_to.as_deref(), &name, overwrite)).await
    }

    /// The file behind a path or `file://` link. A relative path is tried below each allowed folder in turn, or
    /// in the current folder for a person. A name that reads like the one asked for is found too.
    ///
    /// # Errors
    /// `file_access` when it is outside, hidden, missing or no regular file, `invalid_argument` when it is empty or no
    /// path at all, `too_large` beyond the limit.
    pub fn readable_blocking(&self, source: &str) -> Result<LocalFile> {
        self.check_files_are_used()?;
        let requested = RequestedPath::read(source)?;
        if !self.may_ask(&requested.path) {
            return Err(self.outside(&requested));
        }
        let candidates = self.candidates(&requested.path);
        let mut failure = None;
        for path in &candidates {
            match fs::canonicalize(path) {
                Ok(path) => return self.judged(&requested, &path),
                Err(error) => drop(failure.get_or_insert((path, error))),
            }
        }
        let Some((path, error)) = failure else { return Err(self.outside(&requested)) };
        let inside: Vec<&PathBuf> = candidates.iter().filter(|path| self.leads_inside(path)).collect();
        let alike = inside.iter().find_map(|path| fs::canonicalize(similar::look_alike(path)?).ok());
        if let Some(path) = alike.filter(|path| self.below(path).is_some()) {
            return self.judged(&requested, &path);
        }
        // Outside the folders it is not said whether a file exists.
        if !self.leads_inside(path) {
            return Err(self.outside(&requested));
        }
        Err(self.unusable(&requested, &error, "read", &inside))
    }

    /// The file at `path`, which has no links, if it may be read.
    fn judged(&self, requested: &RequestedPath, path: &Path) -> Result<LocalFile> {
        let Some((root, relative)) = self.below(path) else { return Err(self.outside(requested)) };
        if self.is_careful && is_hidden(&relative) {
            return Err(hidden(requested));
        }
        let unusable = |error: io::Error| self.unusable(requested, &error, "read", &[]);
        let (Some(name), folder) = (relative.file_name(), relative.parent().unwrap_or(Path::new(""))) else {
            return Err(not_a_file(requested, "a folder"));
        };
        let metadata = root.folder(folder).and_then(|dir| dir.symlink_metadata(name)).map_err(unusable)?;
        if !metadata.is_file() {
            return Err(not_a_file(requested, what_it_is(metadata.is_dir(), metadata.is_symlink())));
        }
        let stamp = Stamp::of(&metadata);
        if self.is_excluded(path, Some(&stamp)) {
            return Err(self.outside(requested));
        }
        if stamp.bytes == 0 {
            return Err(Error::invalid(format!("`{requested}` is empty."), "Pass a file with something in it."));
        }
        if stamp.bytes > self.bytes_max {
            return Err(too_large(&format!("`{requested}`"), stamp.bytes, self.bytes_max));
        }
        let location = Location { folder: folder.to_owned(), name: name.to_owned(), root };
        Ok(LocalFile { path: self.shown(path, &relative), bytes: stamp.bytes, location, stamp })
    }

    /// What a path as written may stand for.
    fn candidates(&self, path: &Path) -> Vec<PathBuf> {
        match self.roots() {
            Some(roots) if path.is_relative() => roots.iter().map(|root| root.path.join(path)).collect(),
            _ => vec![absolute(path)],
        }
    }

    /// The folders below which everything must lie; nothing for a person.
    fn roots(&self) -> Option<&[Arc<Root>]> {
        match &self.access {
            Access::Person => None,
            Access::Folders(roots) | Access::Tenant(roots, _) => Some(roots),
            Access::Nothing => Some(&[]),
        }
    }

    fn quota(&self) -> Option<Arc<Quota>> {
        match &self.access {
            Access::Tenant(_, quota) => Some(Arc::clone(quota)),
            Access::Person | Access::Folders(_) | Access::Nothing => None,
        }
    }

    fn check_files_are_used(&self) -> Result<()> {
        match self.access {
            Access::Nothing => Err(Error::new(
                Kind::FileAccess,
                "This server uses no files of its own machine.",
                "Pass a link as source, or upload the file first; results are fetched by their links.",
            )),
            Access::Person | Access::Folders(_) | Access::Tenant(..) => Ok(()),
        }
    }

    /// Whether the disk may be asked about a path. On Windows the question alone shows another machine who is logged on
    /// here, so only machines that a folder is on are asked.
    fn may_ask(&self, path: &Path) -> bool {
        let Some(roots) = self.roots() else { return true };
        let share = |path: &Path| if cfg!(windows) { windows_names::share(&path.to_string_lossy()) } else { None };
        share(path).is_none_or(|wanted| roots.iter().any(|root| share(&root.path).as_ref() == Some(&wanted)))
    }

    /// The root that a path without links lies below, and the rest of the path. Of several roots, one below which it is
    /// not hidden.
    fn below(&self, path: &Path) -> Option<(Arc<Root>, PathBuf)> {
        let is_plain = path.components().all(|part| !matches!(part, Component::ParentDir | Component::CurDir));
        if !is_plain {
            return None;
        }
        let Some(roots) = self.roots() else {
            let folder = path.ancestors().skip(1).find(|folder| folder.is_dir())?;
            let rest = path.strip_prefix(folder).ok()?.to_owned();
            return Some((Arc::new(Root::new(folder.to_owned())), rest));
        };
        let mut below = roots.iter().filter_map(|root| {
            let rest = path.strip_prefix(root.base().ok()?).ok()?.to_owned();
            Some((Arc::clone(root), rest))
        });
        let first = below.next()?;
        if is_hidden(&first.1) { below.find(|(_, rest)| !is_hidden(rest)).or(Some(first)) } else { Some(first) }
    }

    /// Whether all that is there of a path that cannot be resolved is inside.
    fn leads_inside(&self, path: &Path) -> bool {
        let existing = path.ancestors().find_map(|part| Some((part, fs::canonicalize(part).ok()?)));
        existing.is_some_and(|(part, resolved)| {
            let rest = path.strip_prefix(part).unwrap_or(path);
            self.below(&resolved).is_some() && rest.components().all(|part| matches!(part, Component::Normal(_)))
                || settled(path).is_ok_and(|path| self.below(&path).is_some())
        })
    }

    /// Whether a path without links is out of reach: by its name, or as another name of the same file.
    fn is_excluded(&self, path: &Path, stamp: Option<&Stamp>) -> bool {
        let is_same_file = |excluded: &Path| {
            stamp.is_some_and(|stamp| Stamp::of_path(excluded).is_ok_and(|other| other.is_same_file(stamp)))
        };
        self.excluded
            .iter()
            .filter_map(|excluded| settled(excluded).ok())
            .any(|excluded| excluded == path || is_same_file(&excluded))
    }

    /// Whether a path is one of the folders themselves, which may not exist yet.
    fn is_root(&self, path: &Path) -> bool {
        path == self.download_dir || self.roots().unwrap_or_default().iter().any(|root| path == root.path)
    }

    /// A path as its caller may know it.
    fn shown(&self, path: &Path, relative: &Path) -> PathBuf {
        match self.access {
            Access::Tenant(..) | Access::Nothing => relative.to_owned(),
            Access::Person | Access::Folders(_) => plain(path),
        }
    }

    fn outside(&self, requested: &RequestedPath) -> Error {
        Error::new(Kind::FileAccess, format!("`{requested}` is outside the folders that may be used."), self.allowed())
    }

    fn allowed(&self) -> String {
        match &self.access {
            Access::Person => "Any regular file that you may open yourself will do.".to_owned(),
            Access::Folders(roots) => {
                let list: Vec<String> = roots.iter().map(|root| root.path.display().to_string()).collect();
                format!(
                    "Allowed: {}. The person who runs pdfco can allow more folders with PDFCO_FILES.",
                    list.join(", ")
                )
            }
            Access::Tenant(..) => {
                "Pass a relative path, such as report.pdf: it lies in your own folder here.".to_owned()
            }
            Access::Nothing => String::new(),
        }
    }

    /// Why a path cannot be used, with the nearest names where it is missing from one of the folders in `inside`.
    fn unusable(&self, requested: &RequestedPath, error: &io::Error, done: &str, inside: &[&PathBuf]) -> Error {
        let message = match error.kind() {
            ErrorKind::NotFound => format!("`{requested}` does not exist."),
            kind => format!("`{requested}` cannot be {done}: {kind}."),
        };
        let near = inside.iter().filter_map(|path| {
            let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
            let near = similar::nearest(folder, name);
            (!near.is_empty()).then_some(near)
        });
        let near = near.flatten().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let hint = match (near.is_empty(), done) {
            (false, _) => format!("Similar names: {near}. "),
            (true, "read") => "Check the path. A link starts with https://. ".to_owned(),
            (true, _) => "Check the path. ".to_owned(),
        };
        Error::new(Kind::FileAccess, message, format!("{hint}{}", self.allowed()))
    }
}

/// The name of a tenant's folder: the tenant itself where that is a word that every file system keeps apart from all
/// others, else its hash. Devices of Windows have shorter names.
pub fn tenant_folder(tenant: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if (8..=128).contains(&tenant.len()) && tenant.chars().all(is_plain) {
        return tenant.to_owned();
    }
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(tenant))
}

/// Whether a part of a path below its root begins with a dot. Such files hold settings of programs and keys: a person's
/// own shell may use them, an assistant that follows a document's text must not.
fn is_hidden(relative: &Path) -> bool {
    relative.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'))
}

fn absolute(path: &Path) -> PathBuf {
    // Fails only for an empty path or without a current folder; then nothing will be found there.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
