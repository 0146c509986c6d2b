//! Which paths may be read and written.
//!
//! What lives here: [`Sandbox`], which turns what a caller wrote into a path that is allowed, and [`is_local`], which
//! tells paths from links. What never does: transfers, or writing anything: folders are created by whoever writes.
//!
//! A path is judged after every symlink in it is resolved, component by component, never by its text. On Windows some
//! texts are refused before the disk is asked at all (`forms.rs`), and resolved paths are in the form without limits of
//! length, `\\?\C:\`, while they are compared; what leaves this file is written as people write it.

use std::fs::{self, FileType, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use url::Url;

use super::forms;
use super::names::safe_file_name;
use crate::catalog::shorten;
use crate::error::{Error, Kind, Result};

/// Largest file, unless `PDFCO_MAX_FILE_BYTES` says otherwise: what the service takes.
pub const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// How a link to a file is written.
const FILE_LINK: &str = if cfg!(windows) {
    "Pass a plain path, or file:///C:/folder/name with % escapes."
} else {
    "Pass a plain path, or file:///folder/name with % escapes."
};

/// Longest part of a caller's path that a message quotes.
const SHOWN_CHARS: usize = 200;

/// Which paths may be read and written.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// `None` for a person, who may use whatever the account may.
    roots: Option<Vec<PathBuf>>,
    download_dir: PathBuf,
    bytes_max: u64,
}

/// A file that may be read: a regular one, not empty, within the limit when it was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
    /// Where it is, without symlinks.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

impl Sandbox {
    /// For assistants: only what lies below `roots` and `download_dir`. Folders need not exist yet.
    pub fn folders(roots: Vec<PathBuf>, download_dir: PathBuf) -> Self {
        let download_dir = absolute(&download_dir);
        let mut roots: Vec<PathBuf> = roots.iter().map(|root| absolute(root)).collect();
        if !roots.contains(&download_dir) {
            roots.push(download_dir.clone());
        }
        Sandbox { roots: Some(roots), download_dir, bytes_max: FILE_BYTES_MAX }
    }

    /// For a person at their own shell: any regular file. Devices and folders are still no documents.
    pub fn person(download_dir: PathBuf) -> Self {
        Sandbox { roots: None, download_dir: absolute(&download_dir), bytes_max: FILE_BYTES_MAX }
    }

    /// The same with another size limit (`PDFCO_MAX_FILE_BYTES`).
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// The file behind a path or `file://` link. A relative path is looked for below each allowed folder in turn, or
    /// in the current folder for a person.
    ///
    /// # Errors
    /// `file_access` when it is outside, missing or no regular file, `invalid_argument` when it is empty or no path at
    /// all, `too_large` beyond the limit.
    pub fn readable(&self, source: &str) -> Result<LocalFile> {
        let given = Given::read(source)?;
        if !self.may_ask(&given.path) {
            return Err(self.outside(&given));
        }
        let candidates = self.candidates(&given.path);
        let mut failure = None;
        for path in candidates {
            match fs::canonicalize(&path) {
                Ok(path) => return self.judged(&given, path),
                Err(error) => {
                    failure.get_or_insert((path, error));
                }
            }
        }
        let Some((path, error)) = failure else { return Err(self.outside(&given)) };
        // Whether a file exists is nobody's business outside the folders.
        if !self.leads_inside(&path) {
            return Err(self.outside(&given));
        }
        Err(self.unusable(&given, &error, "read"))
    }

    fn judged(&self, given: &Given, path: PathBuf) -> Result<LocalFile> {
        if !self.is_inside(&path) {
            return Err(self.outside(given));
        }
        let metadata = fs::symlink_metadata(&path).map_err(|error| self.unusable(given, &error, "read"))?;
        if !metadata.is_file() {
            return Err(Error::new(
                Kind::FileAccess,
                format!("`{given}` is {}, not a file.", what_it_is(metadata.file_type())),
                "Pass the path of one regular file; several go as a list.",
            ));
        }
        if metadata.len() == 0 {
            return Err(Error::invalid(format!("`{given}` is empty."), "Pass a file with something in it."));
        }
        if metadata.len() > self.bytes_max {
            return Err(too_large(&format!("`{given}`"), metadata.len(), self.bytes_max));
        }
        Ok(LocalFile { path: plain(&path), bytes: metadata.len() })
    }

    /// Where to write: the file that `save_to` names, or a file of `suggested_name` in the folder that it names, or in
    /// the download folder. A relative `save_to` starts at the first allowed folder, or at the current one for a
    /// person. Nothing is created here; [`super::download()`] creates missing folders.
    ///
    /// # Errors
    /// `file_access` when that is outside, not a plain file, or exists already and `overwrite` was not asked for.
    pub fn target(&self, save_to: Option<&str>, suggested_name: &str, overwrite: bool) -> Result<PathBuf> {
        let (given, path, is_folder) = match save_to {
            None => (Given::of(&self.download_dir), self.download_dir.clone(), true),
            Some(text) => {
                let given = Given::read(text)?;
                if !self.may_ask(&given.path) {
                    return Err(self.outside(&given));
                }
                let path = self.candidates(&given.path).into_iter().next().unwrap_or_default();
                let is_folder =
                    text.ends_with(['/', std::path::MAIN_SEPARATOR]) || path.is_dir() || self.is_root(&path);
                (given, path, is_folder)
            }
        };
        let (folder, name) = match (is_folder, path.parent(), path.file_name()) {
            (true, _, _) => (path.as_path(), safe_file_name(suggested_name).into()),
            (false, Some(folder), Some(name)) => (folder, name.to_owned()),
            (false, _, _) => {
                return Err(Error::invalid(
                    format!("`{given}` does not name a file."),
                    "Name a file or an existing folder.",
                ));
            }
        };
        if name.to_str().is_some_and(|name| name.chars().any(char::is_control)) {
            return Err(Error::invalid(
                format!("The name in `{given}` holds control characters."),
                "Choose a plain name.",
            ));
        }
        let folder = match settled(folder) {
            Ok(folder) if self.is_inside(&folder) => folder,
            Ok(_) => return Err(self.outside(&given)),
            Err(_) if !self.leads_inside(folder) => return Err(self.outside(&given)),
            Err(error) => return Err(self.unusable(&given, &error, "written")),
        };
        let existing = nearest_existing(&folder);
        if existing.as_ref().is_some_and(|metadata| !metadata.is_dir()) {
            return Err(Error::new(
                Kind::FileAccess,
                format!("`{given}` leads through something that is not a folder."),
                "Name a file in a folder.",
            ));
        }
        let mut target = folder.join(name);
        // One file may have several names: other case, short names such as `ENV~1`. What is there has its own.
        if fs::symlink_metadata(&target).is_ok_and(|metadata| metadata.is_file()) {
            target = fs::canonicalize(&target).map_err(|error| self.unusable(&given, &error, "written"))?;
            if !self.is_inside(&target) {
                return Err(self.outside(&given));
            }
        }
        if self.is_hidden(&target) {
            return Err(Error::new(
                Kind::FileAccess,
                format!("`{given}` is a hidden file or lies in a hidden folder."),
                "Names that begin with a dot hold settings of programs (.env, .git): choose another.",
            ));
        }
        match fs::symlink_metadata(&target) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(plain(&target)),
            Err(error) => Err(self.unusable(&given, &error, "written")),
            Ok(metadata) if !metadata.is_file() => Err(Error::new(
                Kind::FileAccess,
                format!(
                    "`{}` is {}, which is never written to.",
                    plain(&target).display(),
                    what_it_is(metadata.file_type())
                ),
                "Name another file.",
            )),
            Ok(_) if overwrite => Ok(plain(&target)),
            Ok(_) => Err(exists(&plain(&target))),
        }
    }

    /// What a path as written may stand for.
    fn candidates(&self, path: &Path) -> Vec<PathBuf> {
        match &self.roots {
            Some(roots) if path.is_relative() => roots.iter().map(|root| root.join(path)).collect(),
            _ => vec![absolute(path)],
        }
    }

    /// Whether the disk may be asked about a path. On Windows the question alone tells another machine who is logged on
    /// here, so only machines that a folder is on are asked.
    fn may_ask(&self, path: &Path) -> bool {
        let Some(roots) = &self.roots else { return true };
        let share = |path: &Path| if cfg!(windows) { forms::share(&path.to_string_lossy()) } else { None };
        share(path).is_none_or(|wanted| roots.iter().any(|root| share(root).as_ref() == Some(&wanted)))
    }

    /// Whether a part of the path below its root begins with a dot. A person's own shell may write such files; an
    /// assistant that follows a document's text must not.
    fn is_hidden(&self, path: &Path) -> bool {
        let Some(roots) = &self.roots else { return false };
        let begins_with_dot =
            |rest: &Path| rest.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'));
        let is_plain_below = |root: &PathBuf| {
            settled(root).is_ok_and(|root| path.strip_prefix(&root).is_ok_and(|rest| !begins_with_dot(rest)))
        };
        !roots.iter().any(is_plain_below)
    }

    /// Whether a path without symlinks is below a root. The roots' own symlinks are resolved anew each time, because
    /// folders appear and move while a server runs.
    fn is_inside(&self, path: &Path) -> bool {
        let Some(roots) = &self.roots else { return true };
        let plain = path.components().all(|component| !matches!(component, Component::ParentDir | Component::CurDir));
        plain && roots.iter().any(|root| settled(root).is_ok_and(|root| path.starts_with(root)))
    }

    /// The same for a path that cannot be resolved: whether all that is there of it is inside.
    fn leads_inside(&self, path: &Path) -> bool {
        let existing = path.ancestors().find_map(|part| Some((part, fs::canonicalize(part).ok()?)));
        existing.is_some_and(|(part, resolved)| {
            let rest = path.strip_prefix(part).unwrap_or(path);
            self.is_inside(&resolved) && rest.components().all(|component| matches!(component, Component::Normal(_)))
                || settled(path).is_ok_and(|path| self.is_inside(&path))
        })
    }

    /// Whether a path is one of the folders themselves, which may not exist yet.
    fn is_root(&self, path: &Path) -> bool {
        path == self.download_dir || self.roots.iter().flatten().any(|root| path == root)
    }

    fn outside(&self, given: &Given) -> Error {
        Error::new(Kind::FileAccess, format!("`{given}` is outside the folders that may be used."), self.allowed())
    }

    fn allowed(&self) -> String {
        match &self.roots {
            None => "Any regular file that you may open yourself will do.".to_owned(),
            Some(roots) => {
                let list: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
                format!(
                    "Allowed: {}. The person who runs pdfco can allow more folders with PDFCO_FILES.",
                    list.join(", ")
                )
            }
        }
    }

    fn unusable(&self, given: &Given, error: &io::Error, done: &str) -> Error {
        let message = match error.kind() {
            ErrorKind::NotFound if given.path.starts_with("~") => {
                format!("`{given}` does not exist; `~` is not expanded here.")
            }
            ErrorKind::NotFound => format!("`{given}` does not exist."),
            _ => format!("`{given}` cannot be {done}: {}.", error.kind()),
        };
        let links = if done == "read" { " A link starts with https://." } else { "" };
        Error::new(Kind::FileAccess, message, format!("Check the path.{links} {}", self.allowed()))
    }
}

impl LocalFile {
    /// Opens the file if it still is the one that was judged: the same path without symlinks, regular, as long.
    ///
    /// # Errors
    /// `file_access` when it is not.
    pub fn open(&self) -> Result<fs::File> {
        let changed = || {
            Error::new(
                Kind::FileAccess,
                format!("`{}` changed while it was about to be read.", self.path.display()),
                "Wait until nothing writes to it, then try again.",
            )
        };
        // Before opening: a FIFO put in its place would block for ever.
        let before = fs::symlink_metadata(&self.path).map_err(|_| changed())?;
        if !before.is_file() {
            return Err(changed());
        }
        let file = fs::File::open(&self.path).map_err(|error| {
            Error::new(
                Kind::FileAccess,
                format!("`{}` cannot be read: {}.", self.path.display(), error.kind()),
                "Check its permissions.",
            )
        })?;
        let opened = file.metadata().map_err(|_| changed())?;
        let is_same = opened.is_file()
            && opened.len() == self.bytes
            && same_file(&before, &opened)
            && resolved(&self.path).is_ok_and(|path| path == self.path);
        if is_same { Ok(file) } else { Err(changed()) }
    }
}

#[cfg(unix)]
fn same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn same_file(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len() && a.modified().ok() == b.modified().ok()
}

/// A caller's path, as written and as a path.
struct Given {
    text: String,
    path: PathBuf,
}

impl std::fmt::Display for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&shorten(&self.text, SHOWN_CHARS))
    }
}

impl Given {
    fn of(path: &Path) -> Self {
        Given { text: path.display().to_string(), path: path.to_owned() }
    }

    fn read(text: &str) -> Result<Self> {
        let refused = |why: &str, hint: &'static str| {
            Err(Error::invalid(format!("`{}` {why}", shorten(text, SHOWN_CHARS)), hint))
        };
        if text.is_empty() {
            return Err(Error::invalid("The path is empty.", "Pass the path of a file."));
        }
        let path = if starts_with_scheme(text, "file") {
            let Ok(url) = Url::parse(text) else {
                return refused("is not a file:// link.", FILE_LINK);
            };
            if url.query().is_some() || url.fragment().is_some() {
                return refused(
                    "holds a `?` or `#`, which ends a path in a link.",
                    "Write %3F or %23 for them, or pass a plain path.",
                );
            }
            match url.to_file_path() {
                Ok(path) => path,
                Err(()) if url.host_str().is_some() => {
                    return refused(
                        "leads to another machine.",
                        "file:// links name files of this machine: file:///folder/name.",
                    );
                }
                Err(()) => return refused("names no file.", FILE_LINK),
            }
        } else {
            PathBuf::from(text)
        };
        if path.as_os_str().as_encoded_bytes().contains(&0) {
            return refused("holds a NUL character.", "Pass a plain path.");
        }
        if cfg!(windows)
            && let Some((why, hint)) = forms::refused(&path.to_string_lossy())
        {
            return refused(why, hint);
        }
        Ok(Given { text: text.to_owned(), path })
    }
}

/// Whether a source is a file of this machine rather than a link for the service.
///
/// `file:` is local; every other `scheme://`, and `cache:` and `data:`, is not. What looks like a path is local. A
/// link without its scheme, such as `files.test/logo.png` or `localhost:8080/a.pdf`, is local only if a file of that
/// name exists in the current folder; a host without a path, such as `example.com`, cannot be told from a file and is
/// local, unless it starts with `www.`.
pub fn is_local(source: &str) -> bool {
    if starts_with_scheme(source, "file") {
        return true;
    }
    if source.contains("://") && scheme_of(source).is_some() {
        return false;
    }
    if ["cache", "data", "http", "https", "filetoken"].iter().any(|scheme| starts_with_scheme(source, scheme)) {
        return false;
    }
    let (first, has_path) = source.split_once('/').map_or((source, false), |(first, _)| (first, true));
    let climbs = source.split('/').any(|piece| piece == "..");
    let is_host = looks_like_host(first) && (has_path || first.to_ascii_lowercase().starts_with("www."));
    !is_host || climbs || Path::new(source).is_file()
}

fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let sound = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    // One letter is a drive of Windows.
    (sound && scheme.len() > 1).then_some(scheme)
}

fn starts_with_scheme(text: &str, scheme: &str) -> bool {
    scheme_of(text).is_some_and(|found| found.eq_ignore_ascii_case(scheme))
}

/// `name.tld`, or anything with a port.
fn looks_like_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let has_port = port.is_some_and(|port| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()));
    let sound = !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.'));
    let has_tld =
        name.rsplit_once('.').is_some_and(|(_, tld)| tld.chars().count() >= 2 && tld.chars().all(char::is_alphabetic));
    sound && (has_port || (port.is_none() && has_tld))
}

/// `path` with every symlink of its existing part resolved, followed by what does not exist yet.
///
/// # Errors
/// When the existing part cannot be resolved, or `..` follows something that does not exist.
fn settled(path: &Path) -> io::Result<PathBuf> {
    let mut missing = Vec::new();
    let mut existing = path;
    loop {
        match fs::canonicalize(existing) {
            Ok(base) => return Ok(missing.iter().rev().fold(base, |path, name| path.join(name))),
            // A symlink that leads nowhere exists: its target would be created through it.
            Err(error) if error.kind() != ErrorKind::NotFound || fs::symlink_metadata(existing).is_ok() => {
                return Err(error);
            }
            Err(error) => {
                let (Some(name), Some(parent)) = (existing.file_name(), existing.parent()) else { return Err(error) };
                missing.push(name);
                existing = parent;
            }
        }
    }
}

/// A path without symlinks, as people write it: on Windows `C:\folder` rather than `\\?\C:\folder` where both mean the
/// same.
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

fn nearest_existing(path: &Path) -> Option<Metadata> {
    path.ancestors().find_map(|path| fs::symlink_metadata(path).ok())
}

fn absolute(path: &Path) -> PathBuf {
    // Fails only for an empty path or without a current folder; then nothing will be found there.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn what_it_is(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else {
        "a device, pipe or socket"
    }
}

/// A file is in the way.
pub(super) fn exists(target: &Path) -> Error {
    Error::new(
        Kind::FileAccess,
        format!("`{}` exists already.", target.display()),
        "Pass `overwrite: true` to replace it, or another `save_to`.",
    )
}

/// Something is larger than is allowed.
pub(super) fn too_large(what: &str, bytes: u64, bytes_max: u64) -> Error {
    Error::new(
        Kind::TooLarge,
        format!("{what} is larger than is allowed: {bytes} bytes, at most {bytes_max}."),
        "PDFCO_MAX_FILE_BYTES sets the limit; the service takes up to 2 GB.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assistant_writes_no_hidden_files_and_a_person_may() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        let root = folder.path().canonicalize().unwrap();
        let assistant = Sandbox::folders(vec![root.clone()], root.join("out"));
        for name in [".env", ".git/hook", "sub/.hidden/a.txt"] {
            let error = assistant.target(Some(root.join(name).to_str().unwrap()), "a", false).unwrap_err();
            assert_eq!(error.kind(), Kind::FileAccess, "{name}");
        }
        assert!(assistant.target(Some(root.join("plain.txt").to_str().unwrap()), "a", false).is_ok());
        assert!(Sandbox::person(root.clone()).target(Some(root.join(".env").to_str().unwrap()), "a", false).is_ok());
    }

    struct Home {
        _dir: tempfile::TempDir,
        base: PathBuf,
        sandbox: Sandbox,
    }

    /// `docs` is allowed, `secret` is not, `downloads` does not exist yet.
    fn home() -> Home {
        let dir = tempfile::tempdir().unwrap();
        let base = resolved(dir.path()).unwrap();
        for folder in ["docs/sub", "docs-evil", "secret"] {
            fs::create_dir_all(base.join(folder)).unwrap();
        }
        for file in ["docs/a.pdf", "docs/sub/b c#é.pdf", "docs-evil/a.pdf", "secret/key"] {
            fs::write(base.join(file), "content").unwrap();
        }
        fs::write(base.join("docs/empty.pdf"), "").unwrap();
        let sandbox = Sandbox::folders(vec![base.join("docs")], base.join("downloads"));
        Home { _dir: dir, base, sandbox }
    }

    fn kind(result: Result<impl std::fmt::Debug>) -> Kind {
        result.unwrap_err().kind()
    }

    #[test]
    fn files_below_an_allowed_folder_are_readable_however_they_are_written() {
        let home = home();
        let docs = home.base.join("docs").display().to_string();
        for source in [
            format!("{docs}/a.pdf"),
            format!("{docs}/./sub/../a.pdf"),
            format!("{docs}/../docs/a.pdf"),
            format!("file://{docs}/a.pdf"),
            format!("FILE://localhost/{}/a.pdf", docs.trim_start_matches('/')),
            format!("file:{docs}/a.pdf"),
            format!("file://{docs}/%61.pdf"),
            format!("file://{docs}/sub%2F..%2Fa.pdf"),
            "a.pdf".to_owned(),
            "sub/../a.pdf".to_owned(),
        ] {
            let file = home.sandbox.readable(&source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
            assert_eq!(file, LocalFile { path: home.base.join("docs/a.pdf"), bytes: 7 }, "{source}");
        }
        let odd = home.sandbox.readable(&format!("file://{docs}/sub/b%20c%23%C3%A9.pdf")).unwrap();
        assert_eq!(odd.path, home.base.join("docs/sub/b c#é.pdf"));
    }

    #[test]
    fn everything_else_is_refused_with_a_reason() {
        let home = home();
        let base = home.base.display().to_string();
        for (source, expected, word) in [
            (format!("{base}/secret/key"), Kind::FileAccess, "outside"),
            (format!("{base}/docs/../secret/key"), Kind::FileAccess, "outside"),
            (format!("{base}/docs-evil/a.pdf"), Kind::FileAccess, "outside"),
            (format!("file://{base}/secret/key"), Kind::FileAccess, "outside"),
            (format!("file://{base}/docs/%2e%2e/secret/key"), Kind::FileAccess, "outside"),
            (format!("file://{base}/docs/..%2fsecret/key"), Kind::FileAccess, "outside"),
            ("../secret/key".to_owned(), Kind::FileAccess, "outside"),
            ("/etc/passwd".to_owned(), Kind::FileAccess, "outside"),
            ("/etc/does-not-exist".to_owned(), Kind::FileAccess, "outside"),
            (format!("{base}/secret/nothing"), Kind::FileAccess, "outside"),
            ("/dev/null".to_owned(), Kind::FileAccess, "outside"),
            ("nothing.pdf".to_owned(), Kind::FileAccess, "does not exist"),
            ("~/a.pdf".to_owned(), Kind::FileAccess, "not expanded"),
            (format!("{base}/docs/nothing/../../secret/key"), Kind::FileAccess, "outside"),
            (format!("{base}/docs/a.pdf/x"), Kind::FileAccess, if cfg!(windows) { "not exist" } else { "be read" }),
            (format!("{base}/docs"), Kind::FileAccess, "a folder"),
            (format!("{base}/docs/empty.pdf"), Kind::InvalidArgument, "empty"),
            (format!("{base}/docs/a.pdf\0.txt"), Kind::InvalidArgument, "NUL"),
            (format!("file://{base}/docs/a.pdf%00.txt"), Kind::InvalidArgument, "NUL"),
            (format!("file://{base}/docs/a.pdf?x=1"), Kind::InvalidArgument, "`?`"),
            (format!("file://{base}/docs/sub/b c#é.pdf"), Kind::InvalidArgument, "`#`"),
            (String::new(), Kind::InvalidArgument, "empty"),
        ] {
            let error = home.sandbox.readable(&source).expect_err(&source);
            assert_eq!(error.kind(), expected, "{source}: {error:?}");
            assert!(error.message().contains(word), "{source}: {error:?}");
            if word == "outside" {
                assert!(
                    error.hint().text(crate::next_step::Audience::Agent).contains("PDFCO_FILES")
                        && error.hint().text(crate::next_step::Audience::Agent).contains("docs"),
                    "{error:?}"
                );
            }
        }
        assert!(!home.base.join("downloads").exists(), "judging creates nothing");
        // Windows has paths to other machines; what is behind them is not asked.
        let error = home.sandbox.readable("file://evil.test/docs/a.pdf").unwrap_err();
        let word = if cfg!(windows) { "outside" } else { "another machine" };
        assert!(error.message().contains(word), "{error:?}");
    }

    #[cfg(windows)]
    #[test]
    fn windows_spells_one_file_in_many_ways_and_all_mean_the_same_here() {
        let home = home();
        let docs = home.base.join("docs").display().to_string();
        assert!(docs.contains(r":\") && !docs.contains(r"\\?\"), "{docs}");
        let forward = docs.replace('\\', "/");
        for source in [
            r"sub\..\a.pdf".to_owned(),
            "A.PDF".to_owned(),
            format!(r"{docs}\a.pdf"),
            format!("{forward}/a.pdf"),
            format!(r"\\?\{docs}\a.pdf"),
            docs.to_uppercase() + r"\a.pdf",
            format!("file:///{forward}/a.pdf"),
            format!("file:///{forward}/sub%5C..%5Ca.pdf"),
        ] {
            let file = home.sandbox.readable(&source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
            assert_eq!(file, LocalFile { path: home.base.join(r"docs\a.pdf"), bytes: 7 }, "{source}");
            assert!(file.open().is_ok(), "{source}");
        }
        for (save_to, expected) in
            [(r"new\x.pdf", r"docs\new\x.pdf"), (r"sub\", r"docs\sub\n.pdf"), ("new/", r"docs\new\n.pdf")]
        {
            assert_eq!(
                home.sandbox.target(Some(save_to), "n.pdf", false).unwrap(),
                home.base.join(expected),
                "{save_to}"
            );
        }
        assert_eq!(home.sandbox.target(Some("A.pdf"), "", true).unwrap(), home.base.join(r"docs\a.pdf"));
    }

    #[cfg(windows)]
    #[test]
    fn what_windows_reads_between_the_letters_is_refused_before_the_disk_is_asked() {
        let home = home();
        let docs = home.base.join("docs").display().to_string();
        let person = Sandbox::person(home.base.join("downloads"));
        let on_a_share = Sandbox::folders(vec![r"\\files.test\scans".into()], home.base.join("downloads"));
        for source in [
            "NUL".to_owned(),
            "con.pdf".to_owned(),
            "a.pdf:stream".to_owned(),
            "a.pdf::$DATA".to_owned(),
            "a.pdf.".to_owned(),
            "a.pdf ".to_owned(),
            "C:a.pdf".to_owned(),
            format!(r"{docs}\sub.\..\a.pdf"),
            format!(r"\\.\{docs}\a.pdf"),
            r"\\.\pipe\name".to_owned(),
            r"\\machine.test\pipe\name".to_owned(),
        ] {
            for sandbox in [&home.sandbox, &person] {
                assert_eq!(kind(sandbox.readable(&source)), Kind::InvalidArgument, "{source}");
                assert_eq!(kind(sandbox.target(Some(&source), "n.pdf", true)), Kind::InvalidArgument, "{source}");
            }
        }
        for source in [r"\\evil.test\share\a.pdf", "//evil.test/share/a.pdf", r"\\?\UNC\evil.test\share\a.pdf"] {
            for sandbox in [&home.sandbox, &on_a_share] {
                assert!(sandbox.readable(source).unwrap_err().message().contains("outside"), "{source}");
                assert!(sandbox.target(Some(source), "", true).unwrap_err().message().contains("outside"), "{source}");
            }
        }
        assert!(on_a_share.may_ask(Path::new(r"\\FILES.test\Scans\a.pdf")) && person.may_ask(Path::new(r"\\nas\b\c")));
        assert!(kind(home.sandbox.readable("file:///folder/a.pdf")) == Kind::InvalidArgument, "no drive");
    }

    #[cfg(unix)]
    #[test]
    fn symlinks_are_followed_before_anything_is_judged() {
        use std::os::unix::fs::symlink;
        let home = home();
        let docs = home.base.join("docs");
        symlink(home.base.join("secret"), docs.join("out")).unwrap();
        symlink(home.base.join("secret/key"), docs.join("key.pdf")).unwrap();
        symlink("a.pdf", docs.join("in.pdf")).unwrap();
        symlink("loop", docs.join("loop")).unwrap();
        symlink(home.base.join("secret/new"), docs.join("dangling.pdf")).unwrap();
        symlink(&docs, home.base.join("alias")).unwrap();

        assert_eq!(kind(home.sandbox.readable("out/key")), Kind::FileAccess);
        assert_eq!(kind(home.sandbox.readable("key.pdf")), Kind::FileAccess);
        assert_eq!(kind(home.sandbox.readable("loop")), Kind::FileAccess);
        assert_eq!(home.sandbox.readable("in.pdf").unwrap().path, docs.join("a.pdf"));

        for save_to in [
            "out/new.pdf",
            "out/",
            "out/deep/new.pdf",
            "key.pdf",
            "in.pdf",
            "dangling.pdf",
            "dangling.pdf/x.pdf",
            "loop/x",
        ] {
            for overwrite in [false, true] {
                assert_eq!(kind(home.sandbox.target(Some(save_to), "n.pdf", overwrite)), Kind::FileAccess, "{save_to}");
            }
        }

        let by_alias = Sandbox::folders(vec![home.base.join("alias")], home.base.join("downloads"));
        let file = by_alias.readable(&home.base.join("alias/a.pdf").display().to_string()).unwrap();
        assert_eq!(file.path, docs.join("a.pdf"));
        assert_eq!(by_alias.readable(&docs.join("a.pdf").display().to_string()).unwrap().path, docs.join("a.pdf"));
        assert_eq!(by_alias.target(Some("x/new.pdf"), "", false).unwrap(), docs.join("x/new.pdf"));
    }

    #[cfg(unix)]
    #[test]
    fn a_person_may_read_any_regular_file_and_nothing_else() {
        let home = home();
        let person = Sandbox::person(home.base.join("downloads"));
        let path = |name: &str| home.base.join(name).display().to_string();
        assert_eq!(person.readable(&path("secret/key")).unwrap().bytes, 7);
        let fifo = path("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for source in ["/dev/null", "/dev/zero", "/dev", &fifo, &path("socket")] {
            assert_eq!(kind(person.readable(source)), Kind::FileAccess, "{source}");
            if source != "/dev" {
                assert_eq!(kind(person.target(Some(source), "a", true)), Kind::FileAccess, "{source}");
            }
        }
        let error = person.readable(&path("nothing")).unwrap_err();
        assert!(
            error.message().contains("does not exist")
                && error.hint().text(crate::next_step::Audience::Agent).contains("https://"),
            "{error:?}"
        );
    }

    #[test]
    fn size_has_a_limit() {
        let home = home();
        let huge = fs::File::create(home.base.join("docs/huge.pdf")).unwrap();
        huge.set_len(3 * 1024 * 1024 * 1024).unwrap();
        let error = home.sandbox.readable("huge.pdf").unwrap_err();
        assert_eq!(error.kind(), Kind::TooLarge);
        assert!(
            error.message().contains("huge.pdf")
                && error.hint().text(crate::next_step::Audience::Agent).contains("PDFCO_MAX_FILE_BYTES")
        );
        assert_eq!(kind(home.sandbox.clone().with_max_bytes(6).readable("a.pdf")), Kind::TooLarge);
        assert!(home.sandbox.clone().with_max_bytes(7).readable("a.pdf").is_ok());
    }

    #[test]
    fn targets_are_files_in_allowed_folders() {
        let home = home();
        let at = |path: &str| home.base.join(path);
        let absolute = |path: &str| at(path).display().to_string();
        for (save_to, expected) in [
            (None, "downloads/n.pdf"),
            (Some("sub".to_owned()), "docs/sub/n.pdf"),
            (Some("sub/".to_owned()), "docs/sub/n.pdf"),
            (Some("new/".to_owned()), "docs/new/n.pdf"),
            (Some("new/x.pdf".to_owned()), "docs/new/x.pdf"),
            (Some("x".to_owned()), "docs/x"),
            (Some(absolute("docs")), "docs/n.pdf"),
            (Some(absolute("docs/../docs/x.pdf")), "docs/x.pdf"),
            (Some(absolute("downloads/deep/x.pdf")), "downloads/deep/x.pdf"),
            (Some(absolute("downloads")), "downloads/n.pdf"),
            (Some(format!("file://{}/x%20y.pdf", absolute("docs"))), "docs/x y.pdf"),
        ] {
            let target = home.sandbox.target(save_to.as_deref(), "../n.pdf", false);
            assert_eq!(target.unwrap(), at(expected), "{save_to:?}");
        }
        for save_to in [
            absolute("secret/x.pdf"),
            absolute("secret"),
            absolute("docs-evil/x.pdf"),
            "../x.pdf".to_owned(),
            "new/../../x.pdf".to_owned(),
            "..".to_owned(),
            "a.pdf/x.pdf".to_owned(),
            "/x.pdf".to_owned(),
            "/".to_owned(),
        ] {
            assert_eq!(kind(home.sandbox.target(Some(&save_to), "n.pdf", true)), Kind::FileAccess, "{save_to}");
        }
        for save_to in ["", "x\0.pdf", "x\n.pdf"] {
            assert_eq!(kind(home.sandbox.target(Some(save_to), "n.pdf", true)), Kind::InvalidArgument, "{save_to:?}");
        }
        assert!(home.sandbox.target(Some("file://evil.test/share/x.pdf"), "n.pdf", true).is_err());
        assert!(!at("downloads").exists() && !at("docs/new").exists(), "judging creates nothing");
    }

    #[test]
    fn an_existing_file_is_only_replaced_when_asked() {
        let home = home();
        let error = home.sandbox.target(Some("a.pdf"), "", false).unwrap_err();
        assert_eq!(error.kind(), Kind::FileAccess);
        assert!(error.hint().text(crate::next_step::Audience::Agent).contains("overwrite: true"), "{error:?}");
        assert_eq!(kind(home.sandbox.target(Some("sub"), "b c#é.pdf", false)), Kind::FileAccess);
        assert_eq!(home.sandbox.target(Some("a.pdf"), "", true).unwrap(), home.base.join("docs/a.pdf"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_swapped_after_it_was_judged_is_not_opened() {
        let home = home();
        let file = home.sandbox.readable("a.pdf").unwrap();
        assert!(file.open().is_ok());
        fs::write(&file.path, "longer content").unwrap();
        assert_eq!(kind(file.open()), Kind::FileAccess);
        fs::remove_file(&file.path).unwrap();
        assert_eq!(kind(file.open()), Kind::FileAccess);
        std::os::unix::fs::symlink(home.base.join("secret/key"), &file.path).unwrap();
        assert_eq!(kind(file.open()), Kind::FileAccess);
        fs::remove_file(&file.path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&file.path).status().unwrap().success());
        assert_eq!(kind(file.open()), Kind::FileAccess);
    }

    #[test]
    fn paths_are_told_from_links() {
        for (source, expected) in [
            ("https://h.test/a.pdf", false),
            ("HTTP://h.test", false),
            ("http:/h.test/a", false),
            ("filetoken://abc", false),
            ("cache:https://h.test/a.pdf", false),
            ("data:application/pdf;base64,AAAA", false),
            ("s3://bucket/a.pdf", false),
            ("file:///a.pdf", true),
            ("File:///a.pdf", true),
            ("a.pdf", true),
            ("./a.pdf", true),
            ("../h.test/a.pdf", true),
            ("/h.test/a.pdf", true),
            ("docs/a.pdf", true),
            (r"C:\docs\a.pdf", true),
            ("C:/docs/a.pdf", true),
            ("~/a.pdf", true),
            ("a folder/a.pdf", true),
            ("bytescout-com.s3.amazonaws.com/logo.png", false),
            ("h.test/a/../../etc/passwd", true),
            ("localhost:8080/a.pdf", false),
            ("www.example.com", false),
            ("example.com", true),
            ("v1.2/a.pdf", true),
            (".hidden.com/a.pdf", true),
        ] {
            assert_eq!(is_local(source), expected, "{source}");
        }
    }
}
