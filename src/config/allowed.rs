//! Folders whose `.env` was allowed: remembered with the file's hash, so that a file that changes is asked about again.
//!
//! The list is `allowed-env.json` in this user's configuration folder, readable by this user alone.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::origin::Origin;
use super::paths::Folders;
use super::{env_file, private_file, small_file};
use crate::error::{Error, Kind, Result};

/// Name of the list in the configuration folder.
const LIST: &str = "allowed-env.json";
/// Name of the file in a folder.
const ENV: &str = ".env";
/// Largest list that is read.
const LIST_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Most folders that are remembered; the oldest go first.
const FOLDERS_MAX: usize = 1_000;

/// One folder on the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedFolder {
    /// Its path without symbolic links.
    pub folder: PathBuf,
    /// SHA-256 of its `.env` when it was decided upon, in hex.
    pub sha256: String,
    /// Whether its `.env` is read. One that was denied is not asked about again until it changes.
    pub allowed: bool,
}

/// What is known about the `.env` of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvDecision {
    /// It was allowed and is as it was then.
    Allowed,
    /// It was denied and is as it was then.
    Denied,
    /// It was decided upon and has changed since.
    Changed,
    /// Nothing was decided.
    Unknown,
}

/// The `.env` of a folder, as it is now.
#[derive(Debug)]
pub struct FoundEnv {
    /// The file.
    pub path: PathBuf,
    /// What was decided about it.
    pub decision: EnvDecision,
    /// The settings that it would give, by name.
    pub names: Vec<String>,
    pub(super) bytes: Vec<u8>,
}

impl FoundEnv {
    /// Whether it holds a key.
    pub fn has_key(&self) -> bool {
        self.names.iter().any(|name| name == "PDFCO_API_KEY")
    }
}

/// The list of folders.
#[derive(Debug)]
pub struct AllowedFolders {
    path: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
struct Stored {
    folders: Vec<AllowedFolder>,
}

impl AllowedFolders {
    /// The list of this user; nothing when there is no configuration folder.
    pub fn of(folders: &Folders) -> Option<AllowedFolders> {
        Some(AllowedFolders { path: folders.config.as_ref()?.join(LIST) })
    }

    /// What is remembered. A list that cannot be read allows nothing.
    pub fn all(&self) -> Vec<AllowedFolder> {
        let stored = small_file::read_up_to(&self.path, LIST_BYTES_MAX)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Stored>(&bytes).ok());
        stored.unwrap_or_default().folders
    }

    /// The `.env` of `folder`, and what was decided about it; nothing when there is none that could be read.
    pub fn look_up(&self, folder: &Path) -> Option<FoundEnv> {
        let folder = folder.canonicalize().ok()?;
        let path = folder.join(ENV);
        let bytes = small_file::read(&path).ok()?;
        let names = env_file::parse(&bytes, Origin::AllowedEnvFile).values.into_keys().collect();
        let known = self.all().into_iter().find(|known| known.folder == folder);
        let decision = match known {
            None => EnvDecision::Unknown,
            Some(known) if known.sha256 != hash(&bytes) => EnvDecision::Changed,
            Some(known) if known.allowed => EnvDecision::Allowed,
            Some(_) => EnvDecision::Denied,
        };
        Some(FoundEnv { path: dunce::simplified(&path).to_owned(), decision, names, bytes })
    }

    /// Remembers that the `.env` of `folder`, as it is now, is to be read, or is not. Returns what it would give.
    ///
    /// # Errors
    /// `file_access` when there is no such file, or the list cannot be written.
    pub fn decide(&self, folder: &Path, allowed: bool) -> Result<FoundEnv> {
        let found = self.look_up(folder).ok_or_else(|| {
            Error::new(
                Kind::FileAccess,
                format!("There is no `.env` in `{}` that could be read.", folder.display()),
                "Name the folder that holds it.",
            )
        })?;
        let folder = found.path.parent().unwrap_or(folder).canonicalize().unwrap_or_else(|_| folder.to_owned());
        let mut folders: Vec<AllowedFolder> = self.all().into_iter().filter(|known| known.folder != folder).collect();
        folders.push(AllowedFolder { folder, sha256: hash(&found.bytes), allowed });
        let surplus = folders.len().saturating_sub(FOLDERS_MAX);
        folders.drain(..surplus);
        let stored = serde_json::to_vec_pretty(&Stored { folders })
            .map_err(|error| Error::internal("The list of folders cannot be written.").with_source(error))?;
        private_file::write(&self.path, &stored)?;
        Ok(found)
    }
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_allowed_as_it_was_when_it_was_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders { config: Some(folder.path().join("config")), ..Folders::default() };
        let list = AllowedFolders::of(&folders).unwrap();
        let here = folder.path().join("project");
        fs::create_dir(&here).unwrap();
        assert!(list.look_up(&here).is_none());
        assert_eq!(list.decide(&here, true).unwrap_err().kind(), Kind::FileAccess);

        fs::write(here.join(".env"), "PDFCO_API_KEY=canary\nOTHER=1\n").unwrap();
        let decision = || list.look_up(&here).unwrap().decision;
        assert_eq!(decision(), EnvDecision::Unknown);
        let found = list.decide(&here, true).unwrap();
        assert!(found.has_key() && found.names == ["PDFCO_API_KEY"], "{:?}", found.names);
        assert_eq!(decision(), EnvDecision::Allowed);
        fs::write(here.join(".env"), "PDFCO_API_KEY=canary\nPDFCO_FILES=/\n").unwrap();
        assert_eq!(decision(), EnvDecision::Changed);
        list.decide(&here, false).unwrap();
        assert_eq!(decision(), EnvDecision::Denied);
        assert_eq!(list.all().len(), 1);
        assert!(!fs::read_to_string(&list.path).unwrap().contains("canary"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&list.path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(&list.path, "not json").unwrap();
        assert_eq!(decision(), EnvDecision::Unknown);
    }
}
