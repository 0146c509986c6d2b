//! From the text of a setting to its value, within the bounds of its row.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::command_line::CommandLine;
use super::database_url::DatabaseUrl;
use super::host_pattern::HostPattern;
use super::origin::Origin;
use super::paths::{Folders, folder_list, setting_path};
use super::setting::{Setting, SettingKind};
use crate::error::{Error, Result};
use crate::secret::{ApiKey, without_query};
use crate::text::shorten;

/// Longest part of a refused value that a message quotes.
const SHOWN_CHARS: usize = 60;
/// Shortest token: one that cannot be guessed.
const TOKEN_CHARS_MIN: usize = 32;
/// Seconds of a day.
const DAY_SECONDS: f64 = 86_400.0;

/// How many requests a second a key may make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// At most this many requests in a second, at least 1.
    PerSecond(u32),
    /// No limit of ours; refusals still slow a key down.
    Off,
}

/// How the lines of the log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the ledger is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerLocation {
    /// For the life of the process.
    Memory,
    /// In a file.
    File(PathBuf),
    /// In a PostgreSQL database that several machines share.
    Postgres(DatabaseUrl),
}

impl LedgerLocation {
    /// The files that the ledger keeps on this machine, those of the database engine included.
    pub fn files(&self) -> Vec<PathBuf> {
        let LedgerLocation::File(path) = self else { return Vec::new() };
        let beside = |end: &str| {
            let mut name = path.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        };
        ["", "-wal", "-shm", "-journal", "-restored"].map(beside).into()
    }
}

/// What assistants may do that cannot be taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Sending e-mail.
    pub email: bool,
    /// Deleting files that the service stores.
    pub delete: bool,
}

impl Permissions {
    /// All of it.
    pub const ALL: Permissions = Permissions { email: true, delete: true };
}

/// The text of one setting, before it is understood.
pub(super) struct Value<'a> {
    pub setting: Setting,
    /// The name under which it was set.
    pub name: &'static str,
    pub origin: Origin,
    pub text: String,
    pub folders: &'a Folders,
}

/// A type that the text of a setting is read into.
pub(super) trait FromValue: Sized {
    /// # Errors
    /// `invalid_argument` that names the variable, where it was set, and what it takes.
    fn from_value(value: &Value<'_>) -> Result<Self>;
}

impl Value<'_> {
    fn refused(&self, takes: &str) -> Error {
        if self.setting.is_secret() {
            return self.refused_unseen(takes);
        }
        let is = shorten(&without_credentials(&self.text), SHOWN_CHARS);
        Error::invalid(
            format!("{} ({}) is `{is}`, which it cannot be.", self.name, self.origin),
            format!("It takes {takes}."),
        )
    }

    /// The same without the value.
    fn refused_unseen(&self, takes: &str) -> Error {
        Error::invalid(
            format!("{} ({}) has a value, which it cannot be.", self.name, self.origin),
            format!("It takes {takes}."),
        )
    }

    /// The number within the bounds of the row; without bounds, any.
    fn number(&self) -> Result<f64> {
        let (min, max) = match self.setting.kind {
            SettingKind::Seconds { min, max } | SettingKind::Days { min, max } | SettingKind::Number { min, max } => {
                (min, max)
            }
            _ => (f64::MIN, f64::MAX),
        };
        let number = self.text.parse::<f64>().ok().filter(|number| number.is_finite() && (min..=max).contains(number));
        number.ok_or_else(|| self.refused(&format!("a number from {min} to {max}")))
    }

    fn path(&self, text: &str) -> Result<PathBuf> {
        setting_path(text, self.folders.home.as_deref()).map_err(|takes| self.refused(takes))
    }
}

/// A value as it may be shown: an address may hold a password.
pub(super) fn without_credentials(text: &str) -> String {
    if DatabaseUrl::is_meant(text) {
        return DatabaseUrl::parse(text).map_or_else(|_| "set".to_owned(), |url| url.to_string());
    }
    if text.contains("://") { without_query(text) } else { text.to_owned() }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        if value.text.is_empty() { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        match value.text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(value.refused("true or false")),
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        value.number()
    }
}

impl FromValue for Duration {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        let unit = if matches!(value.setting.kind, SettingKind::Days { .. }) { DAY_SECONDS } else { 1.0 };
        Duration::try_from_secs_f64(value.number()? * unit).map_err(|_| value.refused("a shorter time"))
    }
}

impl FromValue for u64 {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        let (min, max) = match value.setting.kind {
            SettingKind::Integer { min, max } => (min, max),
            _ => (0, u64::MAX),
        };
        let number = value.text.parse::<u64>().ok().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| value.refused(&format!("a whole number from {min} to {max}")))
    }
}

impl FromValue for i64 {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        i64::try_from(u64::from_value(value)?).map_err(|_| value.refused("a smaller number"))
    }
}

impl FromValue for String {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        if value.setting.kind == SettingKind::Address {
            let is_bare = |url: &Url| url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
            let is_safe = |url: &Url| (url.scheme() == "https" && url.host().is_some()) || is_local_http(url);
            return match Url::parse(&value.text) {
                Ok(url) if is_bare(&url) && is_safe(&url) => Ok(value.text.clone()),
                _ => Err(value.refused("an https address without a query, or plain http on this machine")),
            };
        }
        Ok(value.text.clone())
    }
}

impl FromValue for CommandLine {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        CommandLine::read(&value.text).ok_or_else(|| {
            value.refused(r#"a program and its arguments, separated by spaces or as in ["/opt/keys", "an argument"]"#)
        })
    }
}

impl FromValue for Vec<String> {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        let words = value.text.split(',').map(str::trim).filter(|word| !word.is_empty());
        match value.setting.kind {
            SettingKind::Hosts => words
                .map(|word| HostPattern::read(word).map(|pattern| pattern.to_string()))
                .collect::<std::result::Result<_, _>>()
                .map_err(|reason| value.refused(&format!("host names separated by commas: {reason}"))),
            SettingKind::Origins => words
                .map(|word| origin(word).ok_or_else(|| value.refused("origins such as https://chat.example.com")))
                .collect(),
            _ => Ok(words.map(str::to_owned).collect()),
        }
    }
}

/// An origin as browsers send it.
fn origin(word: &str) -> Option<String> {
    let url = Url::parse(word).ok()?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    (matches!(url.scheme(), "https" | "http") && is_bare).then(|| url.origin().ascii_serialization())
}

impl FromValue for LogFormat {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        match value.text.as_str() {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(value.refused("text or json")),
        }
    }
}

impl FromValue for Permissions {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        let mut permissions = Permissions::default();
        for word in Vec::<String>::from_value(value)? {
            match word.to_ascii_lowercase().as_str() {
                "email" => permissions.email = true,
                "delete" => permissions.delete = true,
                _ => return Err(value.refused("email, delete, or both, separated by a comma")),
            }
        }
        Ok(permissions)
    }
}

impl FromValue for Vec<PathBuf> {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        folder_list(&value.text, value.folders.home.as_deref()).map_err(|takes| value.refused(takes))
    }
}

impl FromValue for PathBuf {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        match value.text.as_str() {
            "" => Ok(value.folders.download_folder()),
            text => value.path(text),
        }
    }
}

impl FromValue for LedgerLocation {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        Ok(match value.text.as_str() {
            "memory" => LedgerLocation::Memory,
            "" => match &value.folders.data {
                Some(data) => LedgerLocation::File(data.join("ledger.sqlite")),
                None => LedgerLocation::Memory,
            },
            url if DatabaseUrl::is_meant(url) => {
                let url = DatabaseUrl::parse(url);
                LedgerLocation::Postgres(url.map_err(|takes| value.refused_unseen(&takes))?)
            }
            path => LedgerLocation::File(value.path(path)?),
        })
    }
}

impl FromValue for Pace {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        match value.text.to_ascii_lowercase().as_str() {
            "off" => Ok(Pace::Off),
            text => match text.parse::<u32>() {
                Ok(limit) if (1..=10_000).contains(&limit) => Ok(Pace::PerSecond(limit)),
                _ => Err(value.refused("a whole number from 1 to 10000, or `off`")),
            },
        }
    }
}

impl FromValue for Url {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        let url = Url::parse(&value.text);
        match value.setting.kind {
            SettingKind::CallbackUrl => match url {
                Ok(url) if url.query().is_none() && (url.scheme() == "https" || is_local_http(&url)) => Ok(url),
                _ => Err(value.refused("an https address that the service can reach")),
            },
            _ => url.map_err(|_| value.refused("an address such as https://api.pdf.co")),
        }
    }
}

/// Whether it is plain http on this machine: for tests with a service of one's own.
fn is_local_http(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && is_loopback
}

impl FromValue for SocketAddr {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        listening(&value.text).ok_or_else(|| value.refused("an address and a port, such as 127.0.0.1:8911"))
    }
}

/// An address to listen on: as addresses are written, or `localhost:8911`, `:8911` and `8911` for this machine alone.
fn listening(text: &str) -> Option<SocketAddr> {
    let host_and_port = text.rsplit_once(':').map_or(("", text), |(host, port)| (host, port));
    match host_and_port {
        ("", port) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?))),
        (host, port) if host.eq_ignore_ascii_case("localhost") => {
            Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?)))
        }
        _ => text.parse().ok(),
    }
}

impl FromValue for SecretString {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        if value.text.chars().count() < TOKEN_CHARS_MIN {
            return Err(
                value.refused(&format!("at least {TOKEN_CHARS_MIN} characters, such as `openssl rand -hex 32` prints"))
            );
        }
        Ok(SecretString::from(value.text.clone()))
    }
}

impl FromValue for ApiKey {
    fn from_value(value: &Value<'_>) -> Result<Self> {
        ApiKey::new(&value.text).map_err(|error| {
            Error::invalid(format!("{} ({}): {}", value.name, value.origin, error.message()), error.hint().clone())
        })
    }
}
