//! Where may be written: from what a caller asked for to a [`Target`].

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Sandbox, is_hidden};
use crate::error::{Error, Kind, Result};
use crate::files::local_file::Location;
use crate::files::names::{document_name, safe_file_name};
use crate::files::refusals::{hidden, never_written, quota_used_up};
use crate::files::requested_path::RequestedPath;
use crate::files::root::settled;
use crate::files::target::{Target, exists};

impl Sandbox {
    /// Where to write: the file that `save_to` names, or a file of `suggested_name` in the folder that it names, or in
    /// the download folder. A relative `save_to` starts at the first allowed folder, or at the current one for a
    /// person. For assistants the name is made safe, and has the extension of a document. Nothing is created here;
    /// [`super::download()`] creates missing folders.
    ///
    /// # Errors
    /// `file_access` when that is outside, hidden, not a plain file, or exists already and `overwrite` was not asked
    /// for; `too_large` when a quota is used up.
    pub fn target_blocking(&self, save_to: Option<&str>, suggested_name: &str, overwrite: bool) -> Result<Target> {
        self.check_files_are_used()?;
        let (requested, path, is_folder) = self.requested_target(save_to)?;
        let (folder, name) = self.target_name(&requested, &path, is_folder, suggested_name)?;
        let unwritable = |error: io::Error| self.unusable(&requested, &error, "written", &[]);
        let folder = match settled(&folder) {
            Ok(folder) if self.below(&folder).is_some() => folder,
            Ok(_) => return Err(self.outside(&requested)),
            Err(_) if !self.leads_inside(&folder) => return Err(self.outside(&requested)),
            Err(error) => return Err(unwritable(error)),
        };
        let existing = folder.ancestors().find_map(|path| fs::symlink_metadata(path).ok());
        if existing.is_some_and(|metadata| !metadata.is_dir()) {
            return Err(Error::new(
                Kind::FileAccess,
                format!("`{requested}` leads through something that is not a folder."),
                "Name a file in a folder.",
            ));
        }
        let mut target = folder.join(name);
        // One file may have several names: other case, short names such as `ENV~1`. What is there has its own.
        if fs::symlink_metadata(&target).is_ok_and(|metadata| metadata.is_file()) {
            target = fs::canonicalize(&target).map_err(unwritable)?;
        }
        let Some((root, relative)) = self.below(&target) else { return Err(self.outside(&requested)) };
        if self.is_careful && is_hidden(&relative) {
            return Err(hidden(&requested));
        }
        if self.is_excluded(&target, None) {
            return Err(self.outside(&requested));
        }
        let path = self.shown(&target, &relative);
        match fs::symlink_metadata(&target) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unwritable(error)),
            Ok(metadata) if !metadata.is_file() => return Err(never_written(&path, metadata.file_type())),
            Ok(_) if overwrite => {}
            Ok(_) => return Err(exists(&path)),
        }
        let (Some(name), folder) = (relative.file_name(), relative.parent().unwrap_or(Path::new(""))) else {
            return Err(self.outside(&requested));
        };
        let location = Location { folder: folder.to_owned(), name: name.to_owned(), root };
        let target = Target { path, location, quota: self.quota() };
        if target.bytes_left() == Some(0) {
            return Err(quota_used_up());
        }
        Ok(target)
    }

    /// What `save_to` says: the words, the path that they mean, and whether that is a folder.
    fn requested_target(&self, save_to: Option<&str>) -> Result<(RequestedPath, PathBuf, bool)> {
        let Some(text) = save_to else {
            return Ok((RequestedPath::of(&self.download_dir), self.download_dir.clone(), true));
        };
        let requested = RequestedPath::read(text)?;
        if !self.may_ask(&requested.path) {
            return Err(self.outside(&requested));
        }
        let path = self.candidates(&requested.path).into_iter().next().unwrap_or_default();
        let is_folder = requested.ends_like_a_folder() || path.is_dir() || self.is_root(&path);
        Ok((requested, path, is_folder))
    }

    /// The folder and the name of a target.
    fn target_name(
        &self,
        requested: &RequestedPath,
        path: &Path,
        is_folder: bool,
        suggested_name: &str,
    ) -> Result<(PathBuf, OsString)> {
        if is_folder {
            let name = if self.is_careful {
                document_name(&safe_file_name(suggested_name), suggested_name)
                    .unwrap_or_else(|_| format!("{}.bin", safe_file_name(suggested_name)))
            } else {
                safe_file_name(suggested_name)
            };
            return Ok((path.to_owned(), name.into()));
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::invalid(
                format!("`{requested}` does not name a file."),
                "Name a file or an existing folder.",
            ));
        };
        let Some(text) = name.to_str().filter(|name| !name.chars().any(char::is_control)) else {
            return Err(Error::invalid(
                format!("The name in `{requested}` holds control characters."),
                "Choose a plain name.",
            ));
        };
        if !self.is_careful {
            return Ok((folder.to_owned(), name.to_owned()));
        }
        if text.starts_with('.') {
            // Judged by what it would have been: outside is said first.
            return Ok((folder.to_owned(), name.to_owned()));
        }
        let name = document_name(text, suggested_name).map_err(|extension| {
            Error::invalid(
                format!("`{requested}` ends with `.{extension}`, which is not the extension of a document."),
                "Choose the extension of what the operation makes, such as .pdf, .txt, .csv, .json, .xlsx or .png.",
            )
        })?;
        Ok((folder.to_owned(), name.into()))
    }
}

impl Target {
    /// The file at `path`, as a person at a shell may write it.
    ///
    /// # Errors
    /// As [`Sandbox::target_blocking`].
    pub fn of_person(path: &Path, overwrite: bool) -> Result<Target> {
        Sandbox::person(PathBuf::from(".")).target_blocking(Some(&path.to_string_lossy()), "result", overwrite)
    }
}
