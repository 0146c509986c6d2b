//! The table of settings: one row each, from which flags, documents and the fields of [`Config`] are made.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::command_line::CommandLine;
use super::origin::{EnvFile, Origin};
use super::setting::{PLAIN, Setting, SettingKind, Trust, UsedBy};
use super::stored_key::KeychainKey;
use super::value::{FromValue, LedgerLocation, LogFormat, Pace, Permissions, Value};
use crate::error::Result;
use crate::secret::ApiKey;

/// The service's public address.
pub const BASE_URL_DEFAULT: &str = "https://api.pdf.co";
/// Longest wait within one tool call, in seconds.
pub const MAX_WAIT_DEFAULT: &str = "45";
/// Where the service signs people in.
const LOGIN_URL_DEFAULT: &str = "https://api.backend.pdf.co";

impl Setting {
    /// The row of a variable.
    pub fn named(variable: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.variable == variable)
    }
}

/// Makes [`SETTINGS`], [`Config`] and its reader from one table. A row is the field's documentation, which is the
/// setting's help text too, the field, its type, and what differs from [`PLAIN`].
macro_rules! settings {
    ($(#[doc = $help:literal] $vis:vis $field:ident: $type:ty => $row:expr;)+) => {
        /// Every setting, in the order of the documentation.
        pub const SETTINGS: &[Setting] = &[$(Setting { help: $help.trim_ascii_start(), ..$row }),+];

        /// Every setting with its value.
        #[derive(Clone, Debug)]
        pub struct Config {
            $(#[doc = $help] $vis $field: $type,)+
            /// Where each value came from, and its text; secrets only say that they are set.
            pub(super) sources: BTreeMap<&'static str, (Origin, String)>,
            /// The files that settings came from, or were to come from.
            pub(super) env_files: Vec<EnvFile>,
            /// What `doctor` has to say about the sources.
            pub(super) notes: Vec<String>,
            /// The key, where the system's keychain has it and nothing stronger gives one.
            pub(super) keychain: Option<KeychainKey>,
        }

        impl Config {
            /// Reads every field from the value of its row.
            ///
            /// # Errors
            /// `invalid_argument` that names the variable, where it was set, and what it takes.
            pub(super) fn from_values<'a>(mut value: impl FnMut(Setting) -> Value<'a>) -> Result<Config> {
                Ok(Config {
                    $($field: FromValue::from_value(&value($row))?,)+
                    sources: BTreeMap::new(),
                    env_files: Vec::new(),
                    notes: Vec::new(),
                    keychain: None,
                })
            }
        }
    };
}

settings! {
    /// Your PDF.co API key, from https://app.pdf.co. X_API_KEY is read too, after it.
    pub(super) api_key: Option<ApiKey> => Setting {
        variable: "PDFCO_API_KEY", alias: Some("X_API_KEY"), kind: SettingKind::Secret,
        used_by: UsedBy::Reads, ..PLAIN
    };

    /// Client id that PDF.co gave to you, for `pdfco login`.
    pub oauth_client_id: Option<String> => Setting {
        variable: "PDFCO_OAUTH_CLIENT_ID", used_by: UsedBy::Login, ..PLAIN
    };

    /// Address of PDF.co's sign-in, for `pdfco login`: https, or plain http on this machine.
    pub login_url: Url => Setting {
        variable: "PDFCO_LOGIN_URL", kind: SettingKind::ServiceUrl, default: LOGIN_URL_DEFAULT,
        trust: Trust::NotInFiles, used_by: UsedBy::Login, ..PLAIN
    };

    /// File to read settings from, written like this one. Without it, `.env` in this user's configuration folder of pdfco is read, and that of the current folder only after `pdfco env allow`.
    pub env_file: Option<PathBuf> => Setting {
        variable: "PDFCO_ENV_FILE", kind: SettingKind::Path, trust: Trust::NotInFiles, used_by: UsedBy::Reads, ..PLAIN
    };

    /// Address of the service: https, or plain http on this machine.
    pub base_url: Url => Setting {
        variable: "PDFCO_BASE_URL", kind: SettingKind::ServiceUrl, default: BASE_URL_DEFAULT,
        used_by: UsedBy::Reads, ..PLAIN
    };

    /// Use the built-in simulator instead of the service: no key, no credits, no network.
    pub simulate: bool => Setting {
        variable: "PDFCO_SIMULATE", kind: SettingKind::Switch, default: "false", used_by: UsedBy::Reads, ..PLAIN
    };

    /// File that remembers jobs, `memory`, or a PostgreSQL database that several servers share: postgres://user:password@host/database?sslmode=verify-full. Default: ledger.sqlite in this user's data folder.
    pub ledger: LedgerLocation => Setting {
        variable: "PDFCO_LEDGER", kind: SettingKind::Ledger, trust: Trust::WithKey, used_by: UsedBy::Reads, ..PLAIN
    };

    /// Days after which finished jobs are forgotten.
    pub ledger_keep: Duration => Setting {
        variable: "PDFCO_LEDGER_KEEP_DAYS", kind: SettingKind::Days { min: 1.0, max: 36_500.0 }, default: "30",
        trust: Trust::WithKey, ..PLAIN
    };

    /// Tool groups that assistants see, separated by commas: core, convert_from_pdf, convert_to_pdf, spreadsheets, edit, forms, search, extract, security, account, all.
    pub toolsets: Vec<String> => Setting {
        variable: "PDFCO_TOOLSETS", kind: SettingKind::Words, default: "core", ..PLAIN
    };

    /// Hide whatever spends credits or writes files.
    pub read_only: bool => Setting {
        variable: "PDFCO_READ_ONLY", kind: SettingKind::Switch, default: "false", ..PLAIN
    };

    /// Refuse keys in tool arguments, and leave `api_key` out of the tools.
    pub no_key_argument: bool => Setting {
        variable: "PDFCO_NO_KEY_ARGUMENT", kind: SettingKind::Switch, default: "false", ..PLAIN
    };

    /// What assistants may do that cannot be taken back, separated by commas: email (send it), delete (stored files). Default: neither.
    pub allow: Permissions => Setting {
        variable: "PDFCO_ALLOW", kind: SettingKind::Words, trust: Trust::WithKey, ..PLAIN
    };

    /// Hosts that the `callback` of an assistant's call may lead to, separated by commas; `*.` stands for any subdomain. Default: none.
    pub callback_hosts: Vec<String> => Setting {
        variable: "PDFCO_CALLBACK_HOSTS", kind: SettingKind::Hosts, trust: Trust::WithKey, ..PLAIN
    };

    /// Ask before a call that will cost more credits than this. Default: never ask.
    pub confirm_credits: Option<i64> => Setting {
        variable: "PDFCO_CONFIRM_CREDITS", kind: SettingKind::Integer { min: 0, max: 1_000_000_000_000_000 },
        used_by: UsedBy::Calls, ..PLAIN
    };

    /// Longest wait within one tool call. Several assistants give a call up after 60 s.
    pub max_wait: Duration => Setting {
        variable: "PDFCO_MAX_WAIT_SECONDS", kind: SettingKind::Seconds { min: 1.0, max: 86_400.0 },
        default: MAX_WAIT_DEFAULT, ..PLAIN
    };

    /// How many seconds of waiting one paid check is worth: 0.2 is impatient, 10 saves credits.
    pub check_worth_seconds: f64 => Setting {
        variable: "PDFCO_CHECK_WORTH_SECONDS", kind: SettingKind::Number { min: 0.01, max: 3_600.0 }, default: "2",
        used_by: UsedBy::Calls, ..PLAIN
    };

    /// Requests a second and key: 2 on the free plan, 10 on paid ones, or `off`. Refusals lower it by themselves.
    pub pace: Pace => Setting {
        variable: "PDFCO_RATE_LIMIT", kind: SettingKind::Rate, default: "2", used_by: UsedBy::Calls, ..PLAIN
    };

    /// Folders that assistants may read and write, separated like PATH. Default: the download folder alone.
    pub files: Option<Vec<PathBuf>> => Setting {
        variable: "PDFCO_FILES", kind: SettingKind::Folders, trust: Trust::WithKey, used_by: UsedBy::Calls, ..PLAIN
    };

    /// Where results are saved. Default: pdfco in this user's download folder.
    pub download_dir: PathBuf => Setting {
        variable: "PDFCO_DOWNLOAD_DIR", kind: SettingKind::DownloadFolder, trust: Trust::WithKey,
        used_by: UsedBy::Calls, ..PLAIN
    };

    /// Largest file that is uploaded or downloaded.
    pub max_file_bytes: u64 => Setting {
        variable: "PDFCO_MAX_FILE_BYTES", kind: SettingKind::Integer { min: 1, max: 1_000_000_000_000_000 },
        default: "2147483648", trust: Trust::WithKey, used_by: UsedBy::Calls, ..PLAIN
    };

    /// Hosts that results are downloaded from, separated by commas; `*.` stands for any subdomain.
    pub download_hosts: Vec<String> => Setting {
        variable: "PDFCO_DOWNLOAD_HOSTS", kind: SettingKind::Hosts,
        default: "pdf-temp-files.s3.us-west-2.amazonaws.com,pdf-temp-files.s3-us-west-2.amazonaws.com,pdf-temp-files.s3.amazonaws.com,*.pdf.co",
        trust: Trust::WithKey, used_by: UsedBy::Calls, ..PLAIN
    };

    /// Credits that may be spent in a day (UTC); beyond, paid calls are refused. Default: no budget.
    pub credit_budget: Option<i64> => Setting {
        variable: "PDFCO_CREDIT_BUDGET", kind: SettingKind::Integer { min: 0, max: 1_000_000_000_000_000 },
        used_by: UsedBy::Calls, ..PLAIN
    };

    /// Public address of the HTTP server. With it the service calls back when a job ends: sooner, for up to 2 credits.
    pub callback_url: Option<Url> => Setting {
        variable: "PDFCO_CALLBACK_URL", kind: SettingKind::CallbackUrl, trust: Trust::WithKey, ..PLAIN
    };

    /// Address that `pdfco serve` listens on over HTTP, such as 127.0.0.1:8911, instead of stdio.
    pub http: Option<SocketAddr> => Setting {
        variable: "PDFCO_HTTP", kind: SettingKind::Socket, trust: Trust::WithKey, ..PLAIN
    };

    /// Bearer token that HTTP callers must send, at least 32 characters. Required unless the address is on this machine.
    pub http_token: Option<SecretString> => Setting {
        variable: "PDFCO_HTTP_TOKEN", kind: SettingKind::Secret, trust: Trust::WithKey, ..PLAIN
    };

    /// Host names under which HTTP callers reach the server, separated by commas. This machine's are always allowed.
    pub http_hosts: Vec<String> => Setting {
        variable: "PDFCO_HTTP_HOSTS", kind: SettingKind::Hosts, trust: Trust::WithKey, ..PLAIN
    };

    /// Let HTTP callers with the token work with the server's own key too; otherwise each sends a key of its own.
    pub http_shared_key: bool => Setting {
        variable: "PDFCO_HTTP_SHARED_KEY", kind: SettingKind::Switch, default: "false", trust: Trust::WithKey, ..PLAIN
    };

    /// Folder in which each remote HTTP caller gets one of its own. Without it, remote callers use no files of the server.
    pub http_files: Option<PathBuf> => Setting {
        variable: "PDFCO_HTTP_FILES", kind: SettingKind::Path, trust: Trust::WithKey, ..PLAIN
    };

    /// Bytes that each remote HTTP caller may keep in its folder.
    pub http_files_bytes: u64 => Setting {
        variable: "PDFCO_HTTP_FILES_BYTES", kind: SettingKind::Integer { min: 1, max: 1_000_000_000_000_000 },
        default: "1073741824", trust: Trust::WithKey, ..PLAIN
    };

    /// Origins of web pages elsewhere that may call the HTTP server, separated by commas, such as https://chat.example.com.
    pub http_origins: Vec<String> => Setting {
        variable: "PDFCO_HTTP_ORIGINS", kind: SettingKind::Origins, trust: Trust::WithKey, ..PLAIN
    };

    /// Issuer of the company's single sign-on (OAuth 2.1), as it stands in `iss`. With it people sign in at /mcp-oauth; /mcp, the page and /metrics are served only where PDFCO_HTTP_TOKEN is set.
    pub oauth_issuer: Option<String> => Setting {
        variable: "PDFCO_OAUTH_ISSUER", kind: SettingKind::Address, trust: Trust::WithKey, ..PLAIN
    };

    /// Address under which people reach /mcp-oauth, such as https://pdf.example.com/mcp-oauth. Default: below PDFCO_CALLBACK_URL, else where the server listens.
    pub oauth_resource: Option<String> => Setting {
        variable: "PDFCO_OAUTH_RESOURCE", kind: SettingKind::Address, trust: Trust::WithKey, ..PLAIN
    };

    /// What `aud` of a token must name, where the issuer does not put the address of /mcp-oauth there.
    pub oauth_audience: Option<String> => Setting {
        variable: "PDFCO_OAUTH_AUDIENCE", trust: Trust::WithKey, ..PLAIN
    };

    /// Claim of the token that holds the PDF.co key of the person who signed in. Default: the server's own key serves all.
    pub oauth_key_claim: Option<String> => Setting {
        variable: "PDFCO_OAUTH_KEY_CLAIM", trust: Trust::WithKey, ..PLAIN
    };

    /// Program, with arguments, that prints the PDF.co key of a person who signed in; run without a shell, with PDFCO_SUBJECT and PDFCO_ISSUER in its environment.
    pub key_command: Option<CommandLine> => Setting {
        variable: "PDFCO_KEY_COMMAND", kind: SettingKind::Command, trust: Trust::WithKey, ..PLAIN
    };

    /// Seconds after which an idle HTTP connection is closed; longer than a load balancer's 60.
    pub http_keep_alive: Duration => Setting {
        variable: "PDFCO_HTTP_KEEP_ALIVE_SECONDS", kind: SettingKind::Seconds { min: 5.0, max: 3_600.0 },
        default: "75", ..PLAIN
    };

    /// What is logged to stderr, and to a collector where one is named: error, warn, info, debug, or a filter such as `pdfco=debug`.
    pub log: String => Setting {
        variable: "PDFCO_LOG", default: "warn", used_by: UsedBy::All, ..PLAIN
    };

    /// How each line of the log is written: text or json.
    pub log_format: LogFormat => Setting {
        variable: "PDFCO_LOG_FORMAT", kind: SettingKind::LogFormat, default: "text", ..PLAIN
    };
}
