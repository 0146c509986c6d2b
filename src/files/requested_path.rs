//! A path as a caller wrote it: plain, with `~`, or as a `file://` link.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use super::source::{PATH_BYTES_MAX, starts_with_scheme};
use super::windows_names;
use crate::config::paths::{below_home, home};
use crate::error::{Error, Result};
use crate::text::shorten;

/// Most components of a path.
const COMPONENTS_MAX: usize = 256;
/// Longest part of a caller's path that a message quotes.
const SHOWN_CHARS: usize = 200;

/// How a link to a file is written.
const FILE_LINK: &str = if cfg!(windows) {
    "Pass a plain path, or file:///C:/folder/name with % escapes."
} else {
    "Pass a plain path, or file:///folder/name with % escapes."
};

/// A caller's path, as written and as a path. Prints as it was written, shortened.
#[derive(Debug)]
pub(super) struct RequestedPath {
    /// As it was written.
    pub text: String,
    /// What it means, relative or absolute; nothing is resolved yet.
    pub path: PathBuf,
}

impl fmt::Display for RequestedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shorten(&self.text, SHOWN_CHARS))
    }
}

impl RequestedPath {
    /// One that was not requested in words.
    pub fn of(path: &Path) -> Self {
        RequestedPath { text: path.display().to_string(), path: path.to_owned() }
    }

    /// Reads a caller's words, without asking the disk.
    ///
    /// # Errors
    /// `invalid_argument` when they are empty, longer than the system takes, or name no path at all.
    pub fn read(text: &str) -> Result<Self> {
        let refused = |why: &str, hint: &'static str| {
            Err(Error::invalid(format!("`{}` {why}", shorten(text, SHOWN_CHARS)), hint))
        };
        if text.is_empty() {
            return Err(Error::invalid("The path is empty.", "Pass the path of a file."));
        }
        // Escapes of a link take three bytes for one.
        if text.len() > 3 * PATH_BYTES_MAX {
            return refused("is longer than any path.", "Pass the path of one file.");
        }
        let path = if starts_with_scheme(text, "file") {
            match path_of_link(text) {
                Ok(path) => path,
                Err((why, hint)) => return refused(why, hint),
            }
        } else {
            below_home(text, home().as_deref()).unwrap_or_else(|| PathBuf::from(text))
        };
        let bytes = path.as_os_str().as_encoded_bytes();
        if bytes.len() > PATH_BYTES_MAX || path.components().nth(COMPONENTS_MAX).is_some() {
            return refused("is longer than any path.", "Pass the path of one file.");
        }
        if bytes.contains(&0) {
            return refused("holds a NUL character.", "Pass a plain path.");
        }
        if cfg!(windows)
            && let Some((why, hint)) = windows_names::refused(&path.to_string_lossy())
        {
            return refused(why, hint);
        }
        Ok(RequestedPath { text: text.to_owned(), path })
    }

    /// Whether it names a folder by its last character.
    pub fn ends_like_a_folder(&self) -> bool {
        self.text.ends_with(['/', std::path::MAIN_SEPARATOR])
    }
}

/// The path behind a `file:` link.
fn path_of_link(text: &str) -> Result<PathBuf, (&'static str, &'static str)> {
    let url = Url::parse(text).map_err(|_| ("is not a file:// link.", FILE_LINK))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err((
            "holds a `?` or `#`, which ends a path in a link.",
            "Write %3F or %23 for them, or pass a plain path.",
        ));
    }
    url.to_file_path().map_err(|()| match url.host_str() {
        Some(_) => ("leads to another machine.", "file:// links name files of this machine: file:///folder/name."),
        None => ("names no file.", FILE_LINK),
    })
}
