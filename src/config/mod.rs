//! Settings: one table, one rank of sources (flag, environment, `.env`, default), and the values that follow.
//!
//! A new setting is a row of `settings.rs`. [`load`] is the only reader of the process environment and of files of
//! settings, together with [`Machine`]. `.env.example` is made from the table.

mod allowed;
mod command_line;
mod database_url;
mod env_file;
mod host_pattern;
mod keychain;
mod machine;
mod origin;
mod otlp;
pub mod paths;
mod private_file;
mod setting;
mod settings;
mod small_file;
mod sources;
mod stored_key;
mod value;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use url::Url;

use crate::error::{Error, Kind, Result};
use crate::next_step::Hint;
use crate::secret::{ApiKey, without_query};

pub use allowed::{AllowedFolder, AllowedFolders, EnvDecision, FoundEnv};
pub use command_line::CommandLine;
pub use database_url::DatabaseUrl;
pub use host_pattern::HostPattern;
pub use keychain::without_secrets;
pub use machine::{Machine, certificates_variable};
pub use origin::{EnvFile, Origin};
pub use otlp::Otlp;
pub use paths::Folders;
pub use setting::{Setting, SettingKind, Trust, UsedBy};
pub use settings::{BASE_URL_DEFAULT, Config, MAX_WAIT_DEFAULT, SETTINGS};
pub use sources::Values;
pub use stored_key::{KeyPlace, StoredKey};
pub use value::{LedgerLocation, LogFormat, Pace, Permissions};

use sources::{Environment, Ranks, set_value};
use stored_key::KeychainKey;
use value::{Value, without_credentials};

/// How many seconds of waiting a simulated check is worth.
const SIMULATED_CHECK_WORTH_SECONDS: f64 = 0.05;

impl Config {
    /// Where the value of `variable` came from.
    pub fn origin(&self, variable: &str) -> Origin {
        self.sources.get(variable).map_or(Origin::Default, |(origin, _)| *origin)
    }

    /// Where the value of `variable` came from, for people: a file by its path.
    pub fn source(&self, variable: &str) -> String {
        let origin = self.origin(variable);
        match self.env_files.iter().find(|file| file.origin == origin) {
            Some(file) => file.path.display().to_string(),
            None if origin == Origin::Stored && self.keychain.is_some() => KeyPlace::Keychain.to_string(),
            None => origin.to_string(),
        }
    }

    /// Every setting with its origin and its value as text; secrets only say that they are set.
    pub fn shown(&self) -> impl Iterator<Item = (&'static str, Origin, &str)> {
        SETTINGS.iter().map(|setting| {
            let (origin, text) =
                self.sources.get(setting.variable).map_or((Origin::Default, ""), |(origin, text)| (*origin, text));
            (setting.variable, origin, text)
        })
    }

    /// The files that settings came from, or were to come from.
    pub fn env_files(&self) -> &[EnvFile] {
        &self.env_files
    }

    /// What could not be used of the sources, one sentence each: unknown variables, values that are not UTF-8,
    /// placeholders that were not filled in, files and lines that cannot be read.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let of_file = |file: &EnvFile| {
            let path = file.path.display().to_string();
            file.problems.iter().map(move |problem| format!("`{path}` {problem}.")).collect::<Vec<_>>()
        };
        self.notes.iter().cloned().chain(self.env_files.iter().flat_map(of_file))
    }

    /// Whether `PDFCO_DOWNLOAD_DIR` was set.
    pub fn download_dir_is_set(&self) -> bool {
        self.origin("PDFCO_DOWNLOAD_DIR") != Origin::Default
    }

    /// The configured key.
    ///
    /// # Errors
    /// `auth` when there is none, naming every way to give one; when the keychain that has it cannot be read; or when
    /// the `.env` of an allowed folder would send a key that it does not hold itself to a service of its own choice.
    pub fn key(&self) -> Result<&ApiKey> {
        let key = match &self.keychain {
            Some(keychain) => keychain.get()?,
            None => self.api_key.as_ref().ok_or_else(|| self.no_key())?,
        };
        self.may_be_given(self.origin("PDFCO_API_KEY"))?;
        Ok(key)
    }

    /// Whether the service may be given a key that came from `origin`; a key of a request counts as a flag.
    ///
    /// # Errors
    /// `auth` when the `.env` of an allowed folder names the service and does not hold the key.
    pub fn may_be_given(&self, origin: Origin) -> Result<()> {
        if self.origin("PDFCO_BASE_URL") != Origin::AllowedEnvFile || origin == Origin::AllowedEnvFile {
            return Ok(());
        }
        Err(Error::new(
            Kind::Auth,
            format!(
                "The key is not sent to {}: that address stands in a `.env` file, the key does not.",
                without_query(self.base_url.as_str())
            ),
            "Set PDFCO_BASE_URL in the environment or with --base-url if you trust that service.",
        ))
    }

    /// The configured key, if it is here without asking the keychain.
    pub fn key_at_hand(&self) -> Option<&ApiKey> {
        self.keychain.as_ref().map_or(self.api_key.as_ref(), KeychainKey::known)
    }

    /// Whether a key is configured. The keychain is not asked.
    pub fn has_key(&self) -> bool {
        self.api_key.is_some() || self.keychain.is_some()
    }

    /// Asks the keychain for the key where that has it, once, and without blocking the runtime: [`Config::key`] answers
    /// at once afterwards.
    pub async fn key_is_known(&self) {
        let Some(keychain) = self.keychain.clone().filter(|keychain| keychain.known().is_none()) else { return };
        // What went wrong is the answer of `key`.
        let _ = tokio::task::spawn_blocking(move || keychain.get().is_ok()).await;
    }

    fn no_key(&self) -> Error {
        let unread = self.notes().collect::<Vec<_>>().join(" ");
        let message = if unread.is_empty() {
            "No PDF.co API key is set.".to_owned()
        } else {
            format!("No PDF.co API key is set. {unread}")
        };
        let found = offered_env_file(&Folders::this_user()).map(|found| found.decision);
        let (of_server, of_folder) = match found {
            Some(EnvDecision::Changed) => (
                "The `.env` of the server's folder holds a key, but has changed since it was allowed: the person who runs the server can allow it anew, or ",
                "The `.env` of this folder holds a key, but has changed since it was allowed: `pdfco env allow` allows it anew. Or get",
            ),
            Some(_) => (
                "The `.env` of the server's folder holds a key and is not read by itself, because it may have come with the folder: the person who runs the server can allow it, or ",
                "The `.env` of this folder holds a key and is not read by itself, because it may have come with the folder: pass `--env-file .env`, or run `pdfco env allow` once. Or get",
            ),
            None => ("Tell the user: the person who runs the server can ", "Get"),
        };
        let argument = if self.no_key_argument { "" } else { " A caller may also pass it as `api_key`." };
        Error::new(
            Kind::Auth,
            message,
            Hint::either(
                format!(
                    "{of_server}get a key at https://app.pdf.co and store it for pdfco, set PDFCO_API_KEY (or X_API_KEY) in the server's environment, or name a `.env` file that holds it with PDFCO_ENV_FILE.{argument} PDFCO_SIMULATE=true tries the server without a key."
                ),
                format!(
                    "{of_folder} a key at https://app.pdf.co, then store it with `pdfco key set`, set PDFCO_API_KEY (or X_API_KEY) in the environment, name a `.env` file that holds it with --env-file or PDFCO_ENV_FILE, or pass it with --api-key. To try without a key, use `--simulate`."
                ),
            ),
        )
    }

    /// The same settings for a simulator at `url`: its address, its key unless one was given as a flag, a ledger in the
    /// file `ledger` or in memory unless one was named, so that its jobs are not mixed with real ones, and links on this
    /// machine.
    ///
    /// # Errors
    /// `internal` when `url` or `key` cannot be parsed.
    pub fn simulated(mut self, url: &str, key: &str, ledger: Option<PathBuf>) -> Result<Config> {
        self.base_url = Url::parse(url)
            .map_err(|error| Error::internal("The simulator's address cannot be parsed.").with_source(error))?;
        self.sources.insert("PDFCO_BASE_URL", (Origin::Simulator, url.to_owned()));
        if self.origin("PDFCO_API_KEY") != Origin::Flag {
            self.api_key = Some(ApiKey::new(key)?);
            self.keychain = None;
            self.sources.insert("PDFCO_API_KEY", (Origin::Simulator, "set".to_owned()));
        }
        if self.origin("PDFCO_LEDGER") == Origin::Default {
            let shown = ledger.as_ref().map_or_else(|| "memory".to_owned(), |path| path.display().to_string());
            self.sources.insert("PDFCO_LEDGER", (Origin::Simulator, shown));
            self.ledger = ledger.map_or(LedgerLocation::Memory, LedgerLocation::File);
        }
        if self.origin("PDFCO_RATE_LIMIT") == Origin::Default {
            self.pace = Pace::Off;
            self.sources.insert("PDFCO_RATE_LIMIT", (Origin::Simulator, "off".to_owned()));
        }
        if self.origin("PDFCO_CHECK_WORTH_SECONDS") == Origin::Default {
            // A simulated check costs no credits, a person's time still counts.
            self.check_worth_seconds = SIMULATED_CHECK_WORTH_SECONDS;
            let shown = SIMULATED_CHECK_WORTH_SECONDS.to_string();
            self.sources.insert("PDFCO_CHECK_WORTH_SECONDS", (Origin::Simulator, shown));
        }
        Ok(self)
    }
}

/// Settings of which none is set: each has its default, and there are no folders of a user.
///
/// # Errors
/// As [`merge`].
pub fn defaults() -> Result<Config> {
    merge(&Values::new(), &Values::new(), &Values::new(), &Folders::default())
}

/// Settings from three ranks, the earlier one winning; `env_file` holds what a file that was asked for says. Empty
/// values, and placeholders that were not filled in, count as not set.
///
/// # Errors
/// `invalid_argument` that names the variable, where it was set, and what it takes.
pub fn merge(flags: &Values, environment: &Values, env_file: &Values, folders: &Folders) -> Result<Config> {
    let ranks = [(Origin::Flag, flags), (Origin::Environment, environment), (Origin::EnvFile, env_file)];
    resolve(&Ranks(ranks.map(|(origin, values)| (origin, values.clone())).into()), folders)
}

fn resolve(ranks: &Ranks, folders: &Folders) -> Result<Config> {
    let key_origin = Setting::named("PDFCO_API_KEY").and_then(|setting| ranks.get(setting));
    if let Some(setting) = ranks.untrusted(key_origin.map_or(Origin::Default, |(origin, ..)| origin)) {
        return Err(Error::invalid(
            format!("{} stands in a `.env` file that does not hold the key it would be used with.", setting.variable),
            "Such a file may have come with its folder. Set it in the environment or with its flag, or put the key into the same `.env` if it is yours.",
        ));
    }
    let mut sources = std::collections::BTreeMap::new();
    let config = Config::from_values(|setting| {
        let (origin, name, text) =
            ranks.get(&setting).unwrap_or((Origin::Default, setting.variable, setting.default.to_owned()));
        let shown = match setting.is_secret() && !text.is_empty() {
            true => "set".to_owned(),
            false => without_credentials(&text),
        };
        sources.insert(setting.variable, (origin, shown));
        Value { setting, name, origin, text, folders }
    })?;
    let notes = ranks
        .placeholders()
        .map(|name| format!("{name} holds a placeholder that was not filled in, and counts as not set."))
        .collect();
    Ok(Config { sources, notes, ..config })
}

/// Reads the process environment, and the file of settings that was asked for: with `--env-file` or `PDFCO_ENV_FILE`,
/// or else `.env` of the current folder if it was allowed, and `.env` in this user's configuration folder. Then merges.
///
/// # Errors
/// As [`merge`]; `invalid_argument` when `--env-file` names no readable file. Every other file that cannot be read is
/// named by [`Config::notes`] and stops nothing.
pub fn load(flags: &Values) -> Result<Config> {
    load_for(flags, &Folders::this_user(), std::env::vars_os())
}

fn load_for(
    flags: &Values,
    folders: &Folders,
    variables: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
) -> Result<Config> {
    let environment = Environment::read(variables);
    let mut notes = environment.notes();
    let mut files = env_files(flags, &environment.values, folders)?;
    let mut ranks = vec![(Origin::Flag, flags.clone()), (Origin::Environment, environment.values)];
    let stored = StoredKey::of(folders);
    let is_in_keychain = stored.as_ref().and_then(StoredKey::place) == Some(KeyPlace::Keychain);
    let stored_rank = |text: &str| (Origin::Stored, Values::from([("PDFCO_API_KEY".to_owned(), text.to_owned())]));
    match stored.filter(|_| !is_in_keychain).map_or(Ok(None), |stored| stored.in_file()) {
        // The keychain is asked when the key is needed; the rank is taken now.
        _ if is_in_keychain => ranks.push(stored_rank("in-the-keychain")),
        Ok(None) => {}
        Ok(Some(key)) => ranks.push(stored_rank(key.expose())),
        Err(error) => notes.push(error.message().to_owned()),
    }
    for (file, values) in &mut files {
        ranks.push((file.origin, std::mem::take(values)));
    }
    let mut config = resolve(&Ranks(ranks), folders)?;
    if is_in_keychain && config.origin("PDFCO_API_KEY") == Origin::Stored {
        config.api_key = None;
        config.keychain = Some(KeychainKey::default());
    }
    config.notes.splice(0..0, notes);
    config.env_files = files.into_iter().map(|(file, _)| file).collect();
    Ok(config)
}

/// The files of settings that were asked for, the stronger one first, with what they say.
fn env_files(flags: &Values, environment: &Values, folders: &Folders) -> Result<Vec<(EnvFile, Values)>> {
    let by_flag = set_value(flags, "PDFCO_ENV_FILE");
    let is_flag = by_flag.is_some();
    if let Some(named) = by_flag.or_else(|| set_value(environment, "PDFCO_ENV_FILE")) {
        let path = paths::below_home(&named, folders.home.as_deref()).unwrap_or_else(|| PathBuf::from(&named));
        return match small_file::read(&path) {
            Ok(bytes) => Ok(vec![parsed(path, Origin::EnvFile, &bytes)]),
            Err(reason) if is_flag => Err(Error::invalid(
                format!("`{}` cannot be read: {reason}.", path.display()),
                "--env-file takes a file with one NAME=value a line.",
            )),
            Err(reason) => Ok(vec![unreadable(path, Origin::EnvFile, &reason)]),
        };
    }
    let allowed = AllowedFolders::of(folders)
        .and_then(|list| list.look_up(Path::new(".")))
        .filter(|found| found.decision == EnvDecision::Allowed)
        .map(|found| parsed(found.path, Origin::AllowedEnvFile, &found.bytes));
    let own =
        folders.config.as_ref().map(|folder| folder.join(".env")).and_then(|path| match small_file::read(&path) {
            Ok(bytes) => Some(parsed(path, Origin::OwnEnvFile, &bytes)),
            Err(_) if std::fs::symlink_metadata(&path).is_err() => None,
            Err(reason) => Some(unreadable(path, Origin::OwnEnvFile, &reason)),
        });
    Ok(allowed.into_iter().chain(own).collect())
}

fn parsed(path: PathBuf, origin: Origin, bytes: &[u8]) -> (EnvFile, Values) {
    let parsed = env_file::parse(bytes, origin);
    (EnvFile { path, origin, problems: parsed.problems }, parsed.values)
}

fn unreadable(path: PathBuf, origin: Origin, reason: &str) -> (EnvFile, Values) {
    (EnvFile { path, origin, problems: vec![format!("cannot be read: {reason}")] }, Values::new())
}

/// The `.env` of the current folder, if it holds a key and was neither allowed nor denied as it is.
pub fn offered_env_file(folders: &Folders) -> Option<FoundEnv> {
    let found = AllowedFolders::of(folders)?.look_up(Path::new("."))?;
    let is_open = matches!(found.decision, EnvDecision::Unknown | EnvDecision::Changed);
    (is_open && found.has_key()).then_some(found)
}

/// Flags with more folders in `PDFCO_FILES`, beside those that it already has.
///
/// # Errors
/// `invalid_argument` when a name holds the separator of `PATH`.
pub fn with_folders(mut flags: Values, folders: &[String]) -> Result<Values> {
    let named = set_value(&flags, "PDFCO_FILES").unwrap_or_default();
    let more = folders.iter().filter(|folder| !folder.is_empty() && !paths::is_placeholder(folder)).map(PathBuf::from);
    let all: Vec<PathBuf> =
        std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).chain(more).collect();
    if !all.is_empty() {
        let joined = std::env::join_paths(&all).ok().and_then(|joined| joined.into_string().ok()).ok_or_else(|| {
            Error::invalid(
                "The name of a folder holds the character that separates folders.",
                "Name the folder above it.",
            )
        })?;
        flags.insert("PDFCO_FILES".to_owned(), joined);
    }
    Ok(flags)
}
