//! The system's keychain: the key of this user, under one name.
//!
//! macOS and Windows are asked through their own interfaces. On Linux the desktop's Secret Service is asked through
//! libsecret's `secret-tool`, where that is installed: a client of D-Bus in the binary would double what is compiled
//! here. The key goes through pipes, never through arguments.
//!
//! A keychain may ask a person to unlock it, so every question has a deadline and a thread of its own.

use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use crate::secret::ApiKey;

/// The name under which the key is kept.
const SERVICE: &str = "pdfco";
/// The account beside it; there is one.
const ACCOUNT: &str = "api-key";
/// How long the keychain may take, with a person who unlocks it.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Variables that hold secrets of ours.
pub(super) const SECRETS: [&str; 3] = ["PDFCO_API_KEY", "X_API_KEY", "PDFCO_HTTP_TOKEN"];

/// Why the keychain cannot be used, as the rest of a sentence.
pub(super) type Unusable = String;

/// Keeps the key in the place of any other.
pub(super) fn store(key: &ApiKey) -> Result<(), Unusable> {
    let key = key.clone();
    in_time(move || system::store(key.expose()))
}

/// The key, if one is kept.
pub(super) fn load() -> Result<Option<ApiKey>, Unusable> {
    let text = in_time(system::load)?;
    text.map(|text| ApiKey::new(&text).map_err(|_| "it holds no key under the name of pdfco".to_owned())).transpose()
}

/// Removes the key, if one is kept.
pub(super) fn remove() -> Result<(), Unusable> {
    in_time(system::remove)
}

/// Takes the secrets of our settings out of what a program that is started here sees of the environment.
pub fn without_secrets(command: &mut Command) {
    for name in SECRETS {
        command.env_remove(name);
    }
}

/// The outcome of `work`, which is left behind when it takes too long.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> Result<T, Unusable> + Send + 'static) -> Result<T, Unusable> {
    let (send, receive) = mpsc::channel();
    let spawned = std::thread::Builder::new().name("keychain".to_owned()).spawn(move || {
        // A receiver that has left no longer needs the outcome.
        let _ = send.send(work());
    });
    spawned.map_err(|error| error.kind().to_string())?;
    receive.recv_timeout(TIMEOUT).unwrap_or_else(|_| Err(format!("it did not answer within {} s", TIMEOUT.as_secs())))
}

#[cfg(any(target_os = "macos", windows))]
mod system {
    use std::sync::Arc;

    use keyring_core::{CredentialStore, Entry, Error};

    use super::{ACCOUNT, SERVICE, Unusable};

    fn entry() -> Result<Entry, Unusable> {
        #[cfg(target_os = "macos")]
        let store: Arc<CredentialStore> = apple_native_keyring_store::keychain::Store::new().map_err(reason)?;
        #[cfg(windows)]
        let store: Arc<CredentialStore> = windows_native_keyring_store::Store::new().map_err(reason)?;
        Entry::new_in_store(&store, SERVICE, ACCOUNT).map_err(reason)
    }

    #[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
    fn reason(error: Error) -> Unusable {
        match error {
            Error::NoStorageAccess(_) => "it is locked, or access was denied".to_owned(),
            // Others may quote what they were given.
            Error::PlatformFailure(_) => "the system refused".to_owned(),
            _ => "it cannot be used".to_owned(),
        }
    }

    pub(super) fn store(key: &str) -> Result<(), Unusable> {
        entry()?.set_password(key).map_err(reason)
    }

    pub(super) fn load() -> Result<Option<String>, Unusable> {
        match entry()?.get_password() {
            Ok(key) => Ok(Some(key)),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(reason(error)),
        }
    }

    pub(super) fn remove() -> Result<(), Unusable> {
        match entry()?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(reason(error)),
        }
    }
}

#[cfg(not(any(target_os = "macos", windows)))]
mod system {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use super::{ACCOUNT, SERVICE, Unusable, without_secrets};

    /// Longest answer that is read.
    const ANSWER_BYTES_MAX: u64 = 4_096;
    /// What the entry is called where a person sees it.
    const LABEL: &str = "PDF.co API key (pdfco)";

    /// Runs `secret-tool` and returns whether it succeeded, what it printed, and its first complaint.
    fn secret_tool(words: &[&str], input: Option<&str>) -> Result<(bool, String, String), Unusable> {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => "secret-tool (of libsecret) is not installed".to_owned(),
            kind => format!("secret-tool failed: {kind}"),
        };
        let mut command = Command::new("secret-tool");
        without_secrets(&mut command);
        let mut child = command
            .args(words)
            .args(["service", SERVICE, "account", ACCOUNT])
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
            pipe.write_all(input.as_bytes()).map_err(failed)?;
        }
        let (mut printed, mut complaint) = (String::new(), String::new());
        if let Some(pipe) = child.stdout.take() {
            pipe.take(ANSWER_BYTES_MAX).read_to_string(&mut printed).map_err(failed)?;
        }
        if let Some(pipe) = child.stderr.take() {
            pipe.take(ANSWER_BYTES_MAX).read_to_string(&mut complaint).map_err(failed)?;
        }
        let is_success = child.wait().map_err(failed)?.success();
        let first = complaint.lines().next().unwrap_or_default();
        Ok((is_success, printed, first.trim_start_matches("secret-tool:").trim().trim_end_matches('.').to_owned()))
    }

    fn refused(complaint: String) -> Unusable {
        if complaint.is_empty() { "secret-tool failed".to_owned() } else { complaint }
    }

    pub(super) fn store(key: &str) -> Result<(), Unusable> {
        match secret_tool(&["store", "--label", LABEL], Some(key))? {
            (true, ..) => Ok(()),
            (false, _, complaint) => Err(refused(complaint)),
        }
    }

    pub(super) fn load() -> Result<Option<String>, Unusable> {
        match secret_tool(&["lookup"], None)? {
            (true, printed, _) if !printed.trim().is_empty() => Ok(Some(printed)),
            (_, _, complaint) if complaint.is_empty() => Ok(None),
            (_, _, complaint) => Err(complaint),
        }
    }

    pub(super) fn remove() -> Result<(), Unusable> {
        match secret_tool(&["clear"], None)? {
            (false, _, complaint) if !complaint.is_empty() => Err(complaint),
            _ => Ok(()),
        }
    }
}
