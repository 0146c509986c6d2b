//! The key that a person stored once, so that every start finds it and no configuration has to hold it.
//!
//! It is in the system's keychain, or in `api-key` of this user's configuration folder, which this user alone can read.
//! `api-key-in-keychain` beside it says that the keychain has it: without that file no start asks the keychain anything.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::paths::Folders;
use super::{keychain, private_file, small_file};
use crate::error::{Error, Kind, Result};
use crate::secret::ApiKey;

/// Name of the file with the key.
const FILE: &str = "api-key";
/// Name of the file that says that the keychain has the key.
const MARK: &str = "api-key-in-keychain";

/// Where a key is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// The system's keychain.
    Keychain,
    /// A file that this user alone can read.
    File(PathBuf),
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyPlace::Keychain => f.write_str("the system's keychain"),
            KeyPlace::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Where this user's key is stored.
#[derive(Clone, Debug)]
pub struct StoredKey {
    file: PathBuf,
    mark: PathBuf,
}

impl StoredKey {
    /// The one of this user; nothing when there is no configuration folder.
    pub fn of(folders: &Folders) -> Option<StoredKey> {
        let folder = folders.config.as_ref()?;
        Some(StoredKey { file: folder.join(FILE), mark: folder.join(MARK) })
    }

    /// The file that keeps the key where there is no keychain.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Where a key is stored, if one is. The keychain is not asked.
    pub fn place(&self) -> Option<KeyPlace> {
        if self.mark.is_file() {
            return Some(KeyPlace::Keychain);
        }
        self.file.exists().then(|| KeyPlace::File(self.file.clone()))
    }

    /// The key, if one is stored. Asks the keychain where that has it, which may wait for a person.
    ///
    /// # Errors
    /// `auth` when the keychain cannot be read or has lost the key; `invalid_argument` when others can read the file, or
    /// there is no key in it.
    pub fn load(&self) -> Result<Option<ApiKey>> {
        match self.place() {
            None => Ok(None),
            Some(KeyPlace::Keychain) => from_keychain().map(Some),
            Some(KeyPlace::File(_)) => self.in_file(),
        }
    }

    pub(super) fn in_file(&self) -> Result<Option<ApiKey>> {
        let Ok(bytes) = small_file::read(&self.file) else { return Ok(None) };
        if !private_file::is_private(&self.file) {
            return Err(Error::invalid(
                format!("`{}` can be read by others, so its key is not used.", self.file.display()),
                format!("Run `chmod 600 {}`.", self.file.display()),
            ));
        }
        let key = String::from_utf8(bytes).ok().and_then(|text| ApiKey::new(crate::text::without_mark(&text)).ok());
        key.map(Some).ok_or_else(|| {
            Error::invalid(
                format!("`{}` holds no key.", self.file.display()),
                "Store the key again, or remove the file.",
            )
        })
    }

    /// Stores a key in the place of any other: in the keychain where there is one and `may_use_keychain`, else in the
    /// file. Returns where it is, and why it is not in the keychain where that was tried.
    ///
    /// # Errors
    /// `file_access` when the disk refuses.
    pub fn store(&self, key: &ApiKey, may_use_keychain: bool) -> Result<(KeyPlace, Option<String>)> {
        let mut reason = None;
        if may_use_keychain {
            match keychain::store(key) {
                Ok(()) => {
                    private_file::write(&self.mark, b"The key is in the system's keychain.\n")?;
                    delete(&self.file)?;
                    return Ok((KeyPlace::Keychain, None));
                }
                Err(unusable) => reason = Some(unusable),
            }
        } else if self.mark.is_file() {
            self.clear_keychain()?;
        }
        private_file::write(&self.file, format!("{}\n", key.expose()).as_bytes())?;
        delete(&self.mark)?;
        Ok((KeyPlace::File(self.file.clone()), reason))
    }

    /// Removes the key from wherever it is. Returns where it was, if there was one.
    ///
    /// # Errors
    /// `file_access` when the disk or the keychain refuses.
    pub fn remove(&self) -> Result<Option<KeyPlace>> {
        let place = self.place();
        if self.mark.is_file() {
            self.clear_keychain()?;
            delete(&self.mark)?;
        }
        delete(&self.file)?;
        Ok(place)
    }

    fn clear_keychain(&self) -> Result<()> {
        keychain::remove().map_err(|reason| {
            Error::new(
                Kind::FileAccess,
                format!("The key cannot be removed from the system's keychain: {reason}."),
                "Unlock the keychain, then run it again.",
            )
        })
    }
}

/// How long a keychain that could not be read is left alone: it may have asked a person who did not answer.
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// The key in the keychain, asked for once in a process, and no earlier than it is needed. A keychain that cannot be read
/// is asked again after a while.
#[derive(Clone, Debug, Default)]
pub(super) struct KeychainKey(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    key: OnceLock<ApiKey>,
    failure: Mutex<Option<(Instant, String)>>,
}

impl KeychainKey {
    /// The key. The first call may wait for a person who unlocks the keychain.
    ///
    /// # Errors
    /// `auth` when the keychain cannot be read or has lost the key.
    pub(super) fn get(&self) -> Result<&ApiKey> {
        if let Some(key) = self.0.key.get() {
            return Ok(key);
        }
        let mut failure = self.0.failure.lock();
        if let Some((_, what)) = failure.as_ref().filter(|(at, _)| at.elapsed() < LEFT_ALONE) {
            return Err(lost(what));
        }
        match asked() {
            Ok(key) => Ok(self.0.key.get_or_init(|| key)),
            Err(what) => {
                let error = lost(&what);
                *failure = Some((Instant::now(), what));
                Err(error)
            }
        }
    }

    /// The key, if the keychain gave it already.
    pub(super) fn known(&self) -> Option<&ApiKey> {
        self.0.key.get()
    }
}

fn from_keychain() -> Result<ApiKey> {
    asked().map_err(|what| lost(&what))
}

/// The key in the keychain, or what is the matter with it.
fn asked() -> std::result::Result<ApiKey, String> {
    match keychain::load() {
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err("the keychain has it no longer".to_owned()),
        Err(reason) => Err(format!("that cannot be read: {reason}")),
    }
}

fn lost(what: &str) -> Error {
    Error::new(
        Kind::Auth,
        format!("The stored key is in the system's keychain, and {what}."),
        "Unlock the keychain, store the key again with `pdfco key set`, or set PDFCO_API_KEY in the environment.",
    )
}

fn delete(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(private_file::unwritable(path, &error)),
        _ => Ok(()),
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
        assert!(stored.load().unwrap().is_none() && stored.remove().unwrap().is_none() && stored.place().is_none());
        let key = ApiKey::new("canary-key").unwrap();
        let file = KeyPlace::File(stored.path().to_owned());
        assert_eq!(stored.store(&key, false).unwrap(), (file.clone(), None));
        assert_eq!(stored.place(), Some(file.clone()));
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
        assert_eq!(stored.remove().unwrap(), Some(file));
        assert!(stored.load().unwrap().is_none());
    }
}
