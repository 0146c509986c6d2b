//! Every setting, once: its names, its default, and the one rank (flag, environment, `.env`, default).
//!
//! What lives here: [`SETTINGS`], the pure [`merge`], and [`load`], the only reader of `.env`, and with [`Machine`] the
//! only one of the process environment. What never does: acting on a setting. `.env.example` is compared with
//! [`SETTINGS`] by a test below.

mod machine;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::api::Pace;
use crate::error::{Error, Kind, Result};
use crate::secret::{ApiKey, without_query};

pub use machine::Machine;

/// One setting: the variable that holds it, its default as text, and what it means.
#[derive(Debug)]
pub struct Setting {
    /// Name in the environment and in `.env`. The flag is the rest in lower case: `PDFCO_BASE_URL` is `--base-url`.
    pub variable: &'static str,
    /// Default, as it would be written; empty when there is none.
    pub default: &'static str,
    /// One or two sentences for `.env.example`, `--help` and `doctor`.
    pub help: &'static str,
}

/// The service's public address.
pub const BASE_URL_DEFAULT: &str = "https://api.pdf.co";

/// How many seconds of waiting a simulated check is worth.
const SIMULATED_CHECK_WORTH_SECONDS: f64 = 0.05;

/// Every setting, in the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    Setting {
        variable: "PDFCO_API_KEY",
        default: "",
        help: "Your PDF.co API key, from https://app.pdf.co. X_API_KEY is read too, after it.",
    },
    Setting {
        variable: "PDFCO_BASE_URL",
        default: BASE_URL_DEFAULT,
        help: "Address of the service: https, or plain http on this machine.",
    },
    Setting {
        variable: "PDFCO_SIMULATE",
        default: "false",
        help: "Use the built-in simulator instead of the service: no key, no credits, no network.",
    },
    Setting {
        variable: "PDFCO_LEDGER",
        default: "",
        help: "File that remembers jobs, or `memory`. Default: ledger.sqlite in this user's data folder.",
    },
    Setting {
        variable: "PDFCO_LEDGER_KEEP_DAYS",
        default: "30",
        help: "Days after which finished jobs are forgotten.",
    },
    Setting {
        variable: "PDFCO_TOOLSETS",
        default: "core",
        help: "Tool groups that assistants see, separated by commas: core, convert_from_pdf, convert_to_pdf, spreadsheets, edit, forms, search, extract, security, account, all.",
    },
    Setting { variable: "PDFCO_READ_ONLY", default: "false", help: "Hide whatever spends credits or writes files." },
    Setting {
        variable: "PDFCO_NO_KEY_ARGUMENT",
        default: "false",
        help: "Leave the `api_key` argument out of the tools.",
    },
    Setting {
        variable: "PDFCO_MAX_WAIT_SECONDS",
        default: "45",
        help: "Longest wait within one tool call. Several assistants give a call up after 60 s.",
    },
    Setting {
        variable: "PDFCO_CHECK_WORTH_SECONDS",
        default: "2",
        help: "How many seconds of waiting one paid check is worth: 0.2 is impatient, 10 saves credits.",
    },
    Setting {
        variable: "PDFCO_RATE_LIMIT",
        default: "2",
        help: "Requests a second and key: 2 on the free plan, 10 on paid ones, or `off`. Refusals lower it by themselves.",
    },
    Setting {
        variable: "PDFCO_FILES",
        default: "",
        help: "Folders that assistants may read and write, separated like PATH. Default: the download folder alone.",
    },
    Setting {
        variable: "PDFCO_DOWNLOAD_DIR",
        default: "",
        help: "Where results are saved. Default: pdfco in this user's download folder.",
    },
    Setting {
        variable: "PDFCO_MAX_FILE_BYTES",
        default: "2147483648",
        help: "Largest file that is uploaded or downloaded.",
    },
    Setting {
        variable: "PDFCO_DOWNLOAD_HOSTS",
        default: "pdf-temp-files.s3.us-west-2.amazonaws.com,pdf-temp-files.s3-us-west-2.amazonaws.com,pdf-temp-files.s3.amazonaws.com,*.pdf.co",
        help: "Hosts that results are downloaded from, separated by commas; `*.` stands for any subdomain.",
    },
    Setting {
        variable: "PDFCO_CREDIT_BUDGET",
        default: "",
        help: "Credits that may be spent in a day (UTC); beyond, paid calls are refused. Default: no budget.",
    },
    Setting {
        variable: "PDFCO_CALLBACK_URL",
        default: "",
        help: "Public address of the HTTP door. With it the service calls back when a job ends, and checks become the exception.",
    },
    Setting {
        variable: "PDFCO_HTTP",
        default: "",
        help: "Address that `pdfco serve` listens on over HTTP, such as 127.0.0.1:8911, instead of stdio.",
    },
    Setting {
        variable: "PDFCO_HTTP_TOKEN",
        default: "",
        help: "Bearer token that HTTP callers must send. Required unless the address is on this machine.",
    },
    Setting {
        variable: "PDFCO_HTTP_HOSTS",
        default: "",
        help: "Host names under which HTTP callers reach the server, separated by commas. This machine's are always allowed.",
    },
    Setting {
        variable: "PDFCO_LOG",
        default: "warn",
        help: "What is logged to stderr: error, warn, info, debug, or a filter such as `pdfco=debug`.",
    },
];

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// The process environment.
    Environment,
    /// The file `.env`.
    DotEnv,
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Flag => "flag",
            Origin::Environment => "environment",
            Origin::DotEnv => ".env",
            Origin::Default => "default",
        })
    }
}

/// Values by variable name.
pub type Values = BTreeMap<String, String>;

/// Where the ledger is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerLocation {
    /// For the life of the process.
    Memory,
    /// In a file.
    File(PathBuf),
}

/// Every setting with its value.
#[derive(Clone, Debug)]
pub struct Config {
    /// The key, when one is configured. Ask with [`Config::key`].
    key: Option<ApiKey>,
    key_origin: Origin,
    /// `PDFCO_BASE_URL`.
    pub base_url: Url,
    /// `PDFCO_SIMULATE`.
    pub simulate: bool,
    /// `PDFCO_LEDGER`.
    pub ledger: LedgerLocation,
    /// `PDFCO_LEDGER_KEEP_DAYS`, as a duration.
    pub ledger_keep: Duration,
    /// `PDFCO_TOOLSETS`.
    pub toolsets: Vec<String>,
    /// `PDFCO_READ_ONLY`.
    pub read_only: bool,
    /// `PDFCO_NO_KEY_ARGUMENT`.
    pub no_key_argument: bool,
    /// `PDFCO_MAX_WAIT_SECONDS`.
    pub max_wait: Duration,
    /// `PDFCO_CHECK_WORTH_SECONDS`.
    pub check_worth_seconds: f64,
    /// `PDFCO_RATE_LIMIT`.
    pub pace: Pace,
    /// `PDFCO_FILES`; nothing when it was not set.
    pub files: Option<Vec<PathBuf>>,
    /// `PDFCO_DOWNLOAD_DIR`.
    pub download_dir: PathBuf,
    /// Whether `PDFCO_DOWNLOAD_DIR` was set by somebody.
    pub download_dir_is_set: bool,
    /// `PDFCO_MAX_FILE_BYTES`.
    pub max_file_bytes: u64,
    /// `PDFCO_DOWNLOAD_HOSTS`.
    pub download_hosts: Vec<String>,
    /// `PDFCO_CREDIT_BUDGET`.
    pub credit_budget: Option<i64>,
    /// `PDFCO_CALLBACK_URL`.
    pub callback_url: Option<Url>,
    /// `PDFCO_HTTP`.
    pub http: Option<SocketAddr>,
    /// `PDFCO_HTTP_TOKEN`.
    pub http_token: Option<SecretString>,
    /// `PDFCO_HTTP_HOSTS`.
    pub http_hosts: Vec<String>,
    /// `PDFCO_LOG`.
    pub log: String,
    /// Where each value came from, and its text; secrets only say that they are set.
    sources: BTreeMap<&'static str, (Origin, String)>,
}

/// This user's folders, as far as they are known.
#[derive(Clone, Debug, Default)]
pub struct Folders {
    /// Where programs keep data.
    pub data: Option<PathBuf>,
    /// Where downloads go.
    pub downloads: Option<PathBuf>,
}

impl Config {
    /// Where the value of `variable` came from.
    pub fn origin(&self, variable: &str) -> Origin {
        self.sources.get(variable).map_or(Origin::Default, |(origin, _)| *origin)
    }

    /// Every setting with its origin and its value as text; secrets only say that they are set.
    pub fn shown(&self) -> impl Iterator<Item = (&'static str, Origin, &str)> {
        SETTINGS.iter().map(|setting| {
            let (origin, text) =
                self.sources.get(setting.variable).map_or((Origin::Default, ""), |(origin, text)| (*origin, text));
            (setting.variable, origin, text)
        })
    }

    /// The configured key.
    ///
    /// # Errors
    /// `auth` when there is none, naming every way to give one; or when `.env` would send a key that it does not hold
    /// itself to a service of its own choice: such a file may have come with a folder somebody else wrote.
    pub fn key(&self) -> Result<&ApiKey> {
        let key = self.key.as_ref().ok_or_else(|| {
            Error::new(
                Kind::Auth,
                "No PDF.co API key is set.",
                "Get a key at https://app.pdf.co, then set PDFCO_API_KEY (or X_API_KEY) in the environment or in a `.env` file, or pass it: `api_key` in a tool call, `--api-key` on the command line. To try without a key, use `--simulate`.",
            )
        })?;
        self.may_be_given(self.key_origin)?;
        Ok(key)
    }

    /// Whether the service may be given a key that came from `origin`; a key of a request counts as a flag.
    ///
    /// # Errors
    /// `auth` when `.env` names the service and does not hold the key.
    pub fn may_be_given(&self, origin: Origin) -> Result<()> {
        if self.origin("PDFCO_BASE_URL") != Origin::DotEnv || origin == Origin::DotEnv {
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

    /// Whether a key is configured.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// The same settings for a simulator at `url`: its address, its key unless one was given as a flag, a ledger that
    /// is not mixed with real jobs, and links on this machine.
    ///
    /// # Errors
    /// `internal` when `url` or `key` cannot be parsed.
    pub fn simulated(mut self, url: &str, key: &str) -> Result<Config> {
        self.base_url = Url::parse(url)
            .map_err(|error| Error::internal("The simulator's address cannot be parsed.").with_source(error))?;
        self.sources.insert("PDFCO_BASE_URL", (Origin::Flag, url.to_owned()));
        if self.key_origin != Origin::Flag || self.key.is_none() {
            self.key = Some(ApiKey::new(key)?);
            self.key_origin = Origin::Flag;
            self.sources.insert("PDFCO_API_KEY", (Origin::Flag, "the simulator's".to_owned()));
        }
        if self.origin("PDFCO_LEDGER") == Origin::Default {
            self.ledger = LedgerLocation::Memory;
        }
        if self.origin("PDFCO_RATE_LIMIT") == Origin::Default {
            self.pace = Pace::Off;
        }
        if self.origin("PDFCO_CHECK_WORTH_SECONDS") == Origin::Default {
            // A simulated check costs nobody anything, a person's time still does.
            self.check_worth_seconds = SIMULATED_CHECK_WORTH_SECONDS;
        }
        Ok(self)
    }
}

/// Settings from three ranks, the earlier one winning. Empty values, and placeholders that nobody filled in, count as
/// not set.
///
/// # Errors
/// `invalid_argument` that names the variable, where it was set, and what it takes.
pub fn merge(flags: &Values, environment: &Values, dot_env: &Values, folders: &Folders) -> Result<Config> {
    let ranks = Ranks { ranks: [(Origin::Flag, flags), (Origin::Environment, environment), (Origin::DotEnv, dot_env)] };
    let mut sources = BTreeMap::new();
    let mut read = |variable: &'static str| -> Value {
        let setting = SETTINGS.iter().find(|setting| setting.variable == variable);
        let default = setting.map_or("", |setting| setting.default);
        let (origin, text) = ranks.get(variable).unwrap_or((Origin::Default, default.to_owned()));
        let shown = match variable {
            "PDFCO_API_KEY" | "PDFCO_HTTP_TOKEN" if !text.is_empty() => "set".to_owned(),
            _ => without_credentials(&text),
        };
        sources.insert(variable, (origin, shown));
        Value { variable, origin, text }
    };

    // By rank first: a key in a folder's `.env` must not stand in for one of the environment.
    let key_value = ranks.ranks.iter().find_map(|(origin, values)| {
        KEY_VARIABLES.iter().copied().find_map(|name| {
            let text = set_value(values, name)?;
            Some((name, (*origin, text)))
        })
    });
    let (key, key_origin) = match key_value {
        Some((name, (origin, text))) => {
            let key = ApiKey::new(&text).map_err(|error| {
                Error::invalid(format!("{name} ({origin}): {}", error.message()), error.hint().clone())
            })?;
            (Some(key), origin)
        }
        None => (None, Origin::Default),
    };
    read("PDFCO_API_KEY");

    if key_origin != Origin::DotEnv
        && let Some(variable) =
            NOT_FROM_A_STRANGERS_DOT_ENV.iter().find(|variable| read(variable).origin == Origin::DotEnv)
    {
        return Err(Error::invalid(
            format!("{variable} stands in a `.env` file that does not hold the key it would be used with."),
            "Such a file may have come with this folder. Set it in the environment or with its flag, or put the key into the same `.env` if it is yours.",
        ));
    }
    let base = read("PDFCO_BASE_URL");
    let base_url = Url::parse(base.text.trim()).map_err(|_| base.refused("an address such as https://api.pdf.co"))?;
    let ledger_value = read("PDFCO_LEDGER");
    let ledger = match ledger_value.text.trim() {
        "memory" => LedgerLocation::Memory,
        "" => match &folders.data {
            Some(data) => LedgerLocation::File(data.join("ledger.sqlite")),
            None => LedgerLocation::Memory,
        },
        path => LedgerLocation::File(PathBuf::from(path)),
    };
    let downloads = read("PDFCO_DOWNLOAD_DIR");
    let download_dir = match downloads.text.trim() {
        "" => folders.downloads.clone().unwrap_or_else(|| PathBuf::from(".")).join("pdfco"),
        path => PathBuf::from(path),
    };
    let files = read("PDFCO_FILES");
    let files = match files.text.trim() {
        "" => None,
        list => Some(std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty()).collect()),
    };
    let keep_days = read("PDFCO_LEDGER_KEEP_DAYS").number(1.0, 36_500.0)?;
    let budget = read("PDFCO_CREDIT_BUDGET");
    let config = Config {
        key,
        key_origin,
        base_url,
        simulate: read("PDFCO_SIMULATE").truth()?,
        ledger,
        ledger_keep: Duration::from_secs_f64(keep_days * 86_400.0),
        toolsets: read("PDFCO_TOOLSETS").list(),
        read_only: read("PDFCO_READ_ONLY").truth()?,
        no_key_argument: read("PDFCO_NO_KEY_ARGUMENT").truth()?,
        max_wait: Duration::from_secs_f64(read("PDFCO_MAX_WAIT_SECONDS").number(1.0, 86_400.0)?),
        check_worth_seconds: read("PDFCO_CHECK_WORTH_SECONDS").number(0.01, 3_600.0)?,
        pace: read("PDFCO_RATE_LIMIT").pace()?,
        files,
        download_dir,
        download_dir_is_set: downloads.origin != Origin::Default,
        max_file_bytes: read("PDFCO_MAX_FILE_BYTES").number(1.0, 1e15)? as u64,
        download_hosts: read("PDFCO_DOWNLOAD_HOSTS").list(),
        credit_budget: if budget.text.is_empty() { None } else { Some(budget.number(0.0, 1e15)? as i64) },
        callback_url: match read("PDFCO_CALLBACK_URL") {
            value if value.text.is_empty() => None,
            value => match Url::parse(&value.text) {
                Ok(url) if matches!(url.scheme(), "https" | "http") && url.query().is_none() => Some(url),
                _ => return Err(value.refused("an http or https address that the service can reach")),
            },
        },
        http: match read("PDFCO_HTTP") {
            value if value.text.is_empty() => None,
            value => {
                Some(value.text.parse().map_err(|_| value.refused("an address and a port, such as 127.0.0.1:8911"))?)
            }
        },
        http_token: Some(read("PDFCO_HTTP_TOKEN").text).filter(|text| !text.is_empty()).map(SecretString::from),
        http_hosts: read("PDFCO_HTTP_HOSTS").list(),
        log: read("PDFCO_LOG").text,
        sources: BTreeMap::new(),
    };
    sources.insert("PDFCO_API_KEY", (config.key_origin, if config.key.is_some() { "set" } else { "" }.to_owned()));
    Ok(Config { sources, ..config })
}

/// Reads the process environment and `.env` of the current folder, then [`merge`]s.
///
/// # Errors
/// As [`merge`]; `invalid_argument` when `.env` is there but cannot be parsed.
pub fn load(flags: &Values) -> Result<Config> {
    let environment: Values = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("PDFCO_") || name == "X_API_KEY")
        .collect();
    let projects = directories::ProjectDirs::from("", "", "pdfco");
    let users = directories::UserDirs::new();
    let folders = Folders {
        // A database in use is nothing to roam between machines.
        data: projects.map(|dirs| dirs.data_local_dir().to_owned()),
        downloads: users
            .map(|dirs| dirs.download_dir().map_or_else(|| dirs.home_dir().join("Downloads"), Path::to_owned)),
    };
    merge(flags, &environment, &read_dot_env(Path::new(".env"))?, &folders)
}

/// Flags with more folders in `PDFCO_FILES`, beside those that it already has.
///
/// # Errors
/// `invalid_argument` when a name holds the separator of `PATH`.
pub fn with_folders(mut flags: Values, folders: &[String]) -> Result<Values> {
    let said = set_value(&flags, "PDFCO_FILES").unwrap_or_default();
    let more = folders.iter().filter(|folder| !folder.is_empty() && !is_placeholder(folder)).map(PathBuf::from);
    let all: Vec<PathBuf> =
        std::env::split_paths(&said).filter(|path| !path.as_os_str().is_empty()).chain(more).collect();
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

/// What an assistant's configuration leaves in place of a value that nobody filled in: `${user_config.folder}`,
/// `${DOWNLOADS}/pdfco`, `$PDFCO_API_KEY`.
fn is_placeholder(text: &str) -> bool {
    text.starts_with("${") || KEY_VARIABLES.iter().any(|name| text == format!("${name}"))
}

fn read_dot_env(path: &Path) -> Result<Values> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() || found.len() > DOT_ENV_BYTES_MAX => return Err(broken_dot_env()),
        Ok(_) => {}
        Err(_) => return Ok(Values::new()),
    }
    let text = std::fs::read_to_string(path).map_err(|_| broken_dot_env())?;
    parse_dot_env(&text)
}

/// The parser fills in `${NAME}` from the environment; a stranger's file could carry any variable away with that.
fn parse_dot_env(text: &str) -> Result<Values> {
    let kept: Vec<&str> = text.lines().filter(|line| line.contains("PDFCO_") || line.contains("X_API_KEY")).collect();
    if kept.iter().any(|line| !line.trim_start().starts_with('#') && line.contains('$')) {
        return Err(Error::invalid(
            "The file `.env` in this folder uses `$`, which is not supported.",
            "Write values out; put one that holds a `$` into the environment instead.",
        ));
    }
    // The parser's own error quotes the line, and the line may hold the key.
    dotenvy::from_read_iter(text.as_bytes())
        .filter(|entry| entry.as_ref().map_or(true, |(name, _)| name.starts_with("PDFCO_") || name == "X_API_KEY"))
        .collect::<Result<Values, _>>()
        .map_err(|_| broken_dot_env())
}

fn broken_dot_env() -> Error {
    Error::invalid(
        "The file `.env` in this folder cannot be parsed.",
        "Each line is NAME=value; put values with spaces or # in quotes.",
    )
}

/// The names of the key, the first one first.
const KEY_VARIABLES: [&str; 2] = ["PDFCO_API_KEY", "X_API_KEY"];

/// Settings that widen what may be touched or who is told. A `.env` may come with a folder that somebody else wrote, so
/// it may set these only where it also holds the key.
const NOT_FROM_A_STRANGERS_DOT_ENV: [&str; 9] = [
    "PDFCO_CALLBACK_URL",
    "PDFCO_FILES",
    "PDFCO_DOWNLOAD_DIR",
    "PDFCO_DOWNLOAD_HOSTS",
    "PDFCO_LEDGER",
    "PDFCO_HTTP",
    "PDFCO_HTTP_TOKEN",
    "PDFCO_HTTP_HOSTS",
    "PDFCO_MAX_FILE_BYTES",
];

fn set_value(values: &Values, variable: &str) -> Option<String> {
    let filled = |text: &&str| !text.is_empty() && !is_placeholder(text);
    values.get(variable).map(|text| text.trim()).filter(filled).map(str::to_owned)
}

struct Ranks<'a> {
    ranks: [(Origin, &'a Values); 3],
}

impl Ranks<'_> {
    fn get(&self, variable: &str) -> Option<(Origin, String)> {
        self.ranks.iter().find_map(|(origin, values)| Some((*origin, set_value(values, variable)?)))
    }
}

/// Largest `.env` that is read.
const DOT_ENV_BYTES_MAX: u64 = 64 * 1024;

struct Value {
    variable: &'static str,
    origin: Origin,
    text: String,
}

impl Value {
    fn refused(&self, takes: &str) -> Error {
        Error::invalid(
            format!(
                "{} ({}) is `{}`, which it cannot be.",
                self.variable,
                self.origin,
                crate::catalog::shorten(&without_credentials(&self.text), 60)
            ),
            format!("It takes {takes}."),
        )
    }

    fn truth(&self) -> Result<bool> {
        match self.text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(self.refused("true or false")),
        }
    }

    fn number(&self, min: f64, max: f64) -> Result<f64> {
        let number = self.text.parse::<f64>().ok().filter(|number| number.is_finite() && (min..=max).contains(number));
        number.ok_or_else(|| self.refused(&format!("a number from {min} to {max}")))
    }

    fn list(&self) -> Vec<String> {
        self.text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    }

    fn pace(&self) -> Result<Pace> {
        match self.text.to_ascii_lowercase().as_str() {
            "off" => Ok(Pace::Off),
            text => match text.parse::<u32>() {
                Ok(limit) if (1..=10_000).contains(&limit) => Ok(Pace::PerSecond(limit)),
                _ => Err(self.refused("a whole number from 1 to 10000, or `off`")),
            },
        }
    }
}

/// A refused address may hold a password.
fn without_credentials(text: &str) -> String {
    if text.contains("://") { without_query(text) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn merged(flags: &[(&str, &str)], environment: &[(&str, &str)], dot_env: &[(&str, &str)]) -> Result<Config> {
        let folders = Folders { data: Some("/data".into()), downloads: Some("/downloads".into()) };
        merge(&values(flags), &values(environment), &values(dot_env), &folders)
    }

    #[test]
    fn one_rank_for_every_setting() {
        for setting in SETTINGS.iter().filter(|setting| setting.variable == "PDFCO_MAX_WAIT_SECONDS") {
            let name = setting.variable;
            let wait = |f: &[(&str, &str)], e: &[(&str, &str)], d: &[(&str, &str)]| {
                let config = merged(f, e, d).unwrap();
                (config.max_wait.as_secs(), config.origin(name))
            };
            assert_eq!(wait(&[(name, "1")], &[(name, "2")], &[(name, "3")]), (1, Origin::Flag));
            assert_eq!(wait(&[], &[(name, "2")], &[(name, "3")]), (2, Origin::Environment));
            assert_eq!(wait(&[], &[(name, "")], &[(name, "3")]), (3, Origin::DotEnv));
            assert_eq!(wait(&[], &[], &[]), (45, Origin::Default));
        }
    }

    #[test]
    fn the_key_has_two_names_and_prints_under_neither() {
        let fingerprint = |e: &[(&str, &str)]| merged(&[], e, &[]).unwrap().key().unwrap().fingerprint().clone();
        let first = fingerprint(&[("PDFCO_API_KEY", "canary-1"), ("X_API_KEY", "canary-2")]);
        assert_eq!(first, *ApiKey::new("canary-1").unwrap().fingerprint());
        assert_eq!(fingerprint(&[("X_API_KEY", "canary-2")]), *ApiKey::new("canary-2").unwrap().fingerprint());
        for unfilled in ["${PDFCO_API_KEY}", "$PDFCO_API_KEY", "${env:PDFCO_API_KEY}", "${input:pdfco_key}"] {
            assert_eq!(fingerprint(&[("PDFCO_API_KEY", unfilled), ("X_API_KEY", "canary-1")]), first);
            assert!(!merged(&[], &[("PDFCO_API_KEY", unfilled)], &[]).unwrap().has_key(), "{unfilled}");
        }
        let config = merged(&[], &[("PDFCO_API_KEY", "canary-1")], &[]).unwrap();
        assert!(!format!("{config:?}").contains("canary"));
        let error = merged(&[], &[("PDFCO_API_KEY", "canary one")], &[]).unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }

    #[test]
    fn without_a_key_every_way_to_give_one_is_named() {
        let error = merged(&[], &[], &[]).unwrap().key().unwrap_err();
        assert_eq!(error.kind(), Kind::Auth);
        for way in ["PDFCO_API_KEY", "X_API_KEY", ".env", "api_key", "--api-key", "--simulate"] {
            assert!(error.hint().text(crate::next_step::Audience::Agent).contains(way), "{way}");
        }
    }

    #[test]
    fn a_placeholder_that_nobody_filled_in_counts_as_not_set() {
        let config = merged(
            &[],
            &[("PDFCO_API_KEY", "${user_config.api_key}"), ("PDFCO_DOWNLOAD_DIR", "${user_config.output_dir}")],
            &[],
        )
        .unwrap();
        assert!(!config.has_key());
        assert_eq!((config.download_dir_is_set, config.download_dir), (false, PathBuf::from("/downloads/pdfco")));
        let config = merged(&[], &[("PDFCO_DOWNLOAD_DIR", "${DOWNLOADS}/pdfco")], &[]).unwrap();
        assert_eq!(config.download_dir, PathBuf::from("/downloads/pdfco"));
        let config = merged(&[], &[("PDFCO_DOWNLOAD_DIR", "/costs/$100")], &[]).unwrap();
        assert_eq!(config.download_dir, PathBuf::from("/costs/$100"), "a name of one's own stays");
    }

    #[cfg(unix)]
    #[test]
    fn folders_named_on_the_command_line_join_those_of_the_flag() {
        let files = |flag: &str, folders: &[&str]| {
            let folders: Vec<String> = folders.iter().map(|folder| (*folder).to_owned()).collect();
            Ok::<_, Error>(with_folders(values(&[("PDFCO_FILES", flag)]), &folders)?.remove("PDFCO_FILES").unwrap())
        };
        assert_eq!(files("/a", &["/b c", "/d"]).unwrap(), "/a:/b c:/d");
        assert_eq!(files("", &["/b", "${user_config.allowed_dirs}", ""]).unwrap(), "/b");
        assert_eq!(files("", &[]).unwrap(), "");
        assert_eq!(files("/a", &["/b:c"]).unwrap_err().kind(), Kind::InvalidArgument);
    }

    #[test]
    fn a_dot_env_cannot_lead_a_key_of_the_environment_astray() {
        let elsewhere = [("PDFCO_BASE_URL", "https://evil.test")];
        assert!(merged(&[], &[("PDFCO_API_KEY", "k")], &elsewhere).unwrap().key().is_err());
        let both = [("PDFCO_BASE_URL", "https://mine.test"), ("PDFCO_API_KEY", "k")];
        assert!(merged(&[], &[], &both).unwrap().key().is_ok());
        assert!(merged(&[], &[("PDFCO_API_KEY", "k"), elsewhere[0]], &[]).unwrap().key().is_ok());
    }

    #[test]
    fn a_key_of_the_environment_outranks_one_of_a_dot_env_under_any_name() {
        let config = merged(&[], &[("X_API_KEY", "mine")], &[("PDFCO_API_KEY", "theirs")]).unwrap();
        assert_eq!(config.key().unwrap().fingerprint(), ApiKey::new("mine").unwrap().fingerprint());
    }

    #[test]
    fn a_strangers_dot_env_cannot_open_doors() {
        for (variable, value) in [
            ("PDFCO_CALLBACK_URL", "https://evil.test"),
            ("PDFCO_FILES", "/"),
            ("PDFCO_DOWNLOAD_HOSTS", "evil.test"),
            ("PDFCO_HTTP", "127.0.0.1:1"),
            ("PDFCO_LEDGER", "/elsewhere"),
        ] {
            let error = merged(&[], &[("PDFCO_API_KEY", "k")], &[(variable, value)]).unwrap_err();
            assert!(error.message().contains(variable), "{error}");
            assert!(merged(&[], &[], &[(variable, value), ("PDFCO_API_KEY", "k")]).is_ok(), "{variable}");
        }
        let config = merged(&[], &[], &[("PDFCO_BASE_URL", "https://evil.test"), ("PDFCO_API_KEY", "k")]).unwrap();
        assert!(config.may_be_given(Origin::Flag).is_err(), "a key of a request is not the file's");
    }

    #[test]
    fn a_dot_env_takes_nothing_from_the_environment() {
        assert!(parse_dot_env("PDFCO_API_KEY=${HOME}\n").is_err());
        assert!(parse_dot_env("PDFCO_API_KEY=x$PATH\n").is_err());
        let values = parse_dot_env("# $ in a comment about PDFCO_ is fine\nOTHER=1\nPDFCO_API_KEY=\"k\"\n").unwrap();
        assert_eq!(values.get("PDFCO_API_KEY").map(String::as_str), Some("k"));
        assert_eq!(values.len(), 1);
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for (name, value) in [
            ("PDFCO_BASE_URL", "api.pdf.co"),
            ("PDFCO_RATE_LIMIT", "0"),
            ("PDFCO_RATE_LIMIT", "fast"),
            ("PDFCO_MAX_WAIT_SECONDS", "NaN"),
            ("PDFCO_MAX_WAIT_SECONDS", "-1"),
            ("PDFCO_READ_ONLY", "maybe"),
            ("PDFCO_CREDIT_BUDGET", "lots"),
            ("PDFCO_CHECK_WORTH_SECONDS", "0"),
        ] {
            let error = merged(&[], &[(name, value)], &[]).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidArgument);
            assert!(error.message().contains(name), "{error}");
        }
    }

    #[test]
    fn the_example_file_lists_every_variable_with_its_default() {
        let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example")).unwrap();
        let mut expected = String::from(
            "# Every setting of pdfco with its default. Copy this file to `.env` and uncomment what you change.\n",
        );
        for setting in SETTINGS {
            expected.push_str(&format!("\n# {}\n# {}={}\n", setting.help, setting.variable, setting.default));
        }
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example"), &expected).unwrap();
            return;
        }
        assert_eq!(example, expected, "run `UPDATE_FIXTURES=1 cargo test config`");
    }
}
