//! The key that a person stored once, so that every start finds it and no configuration has to hold it.
//!
//! It lies in `api-key` in this user's configuration folder, which this user alone can read.

use std::path::{Path, PathBuf};

use super::paths::Folders;
use super::{env_file, private_file};
use crate::error::{Error, Result};
use crate::secret::ApiKey;

/// Name of the file in the configuration folder.
const FILE: &str = "api-key";

/// Where the key is stored.
#[derive(Clone, Debug)]
pub struct StoredKey {
    path: PathBuf,
}

impl StoredKey {
    /// The one of this user; nothing when there is no configuration folder.
    pub fn of(folders: &Folders) -> Option<StoredKey> {
        Some(StoredKey { path: folders.config.as_ref()?.join(FILE) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key, if one is stored.
    ///
    /// # Errors
    /// `invalid_argument` when others can read the file, or there is no key in it.
    pub fn load(&self) -> Result<Option<ApiKey>> {
        let Ok(bytes) = env_file::read(&self.path) else { return Ok(None) };
        if !private_file::is_private(&self.path) {
            return Err(Error::invalid(
                format!("`{}` can be read by others, so its key is not used.", self.path.display()),
                format!("Run `chmod 600 {}`.", self.path.display()),
            ));
        }
        let key = String::from_utf8(bytes).ok().and_then(|text| ApiKey::new(&text).ok());
        key.map(Some).ok_or_else(|| {
            Error::invalid(
                format!("`{}` holds no key.", self.path.display()),
                "Store the key again, or remove the file.",
            )
        })
    }

    /// Stores a key in the place of any other.
    ///
    /// # Errors
    /// `file_access` when the disk refuses.
    pub fn store(&self, key: &ApiKey) -> Result<()> {
        private_file::write(&self.path, format!("{}\n", key.expose()).as_bytes())
    }

    /// Removes the key. Returns whether there was one.
    ///
    /// # Errors
    /// `file_access` when the disk refuses.
    pub fn remove(&self) -> Result<bool> {
        match std::fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(private_file::unwritable(&self.path, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_key_is_found_by_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders { config: Some(folder.path().join("deep/config")), ..Folders::default() };
        let stored = StoredKey::of(&folders).unwrap();
        assert!(stored.load().unwrap().is_none() && !stored.remove().unwrap());
        let key = ApiKey::new("canary-key").unwrap();
        stored.store(&key).unwrap();
        assert_eq!(stored.load().unwrap().unwrap().fingerprint(), key.fingerprint());
        assert!(!format!("{stored:?}").contains("canary"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |mode| std::fs::set_permissions(stored.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(std::fs::metadata(stored.path()).unwrap().permissions().mode() & 0o777, 0o600);
            mode(0o644);
            let error = stored.load().unwrap_err();
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            mode(0o600);
        }
        std::fs::write(stored.path(), "two words").unwrap();
        assert!(stored.load().is_err());
        assert!(stored.remove().unwrap() && stored.load().unwrap().is_none());
    }
}
