//! What is known of one setting: its names, what it takes, and who may set it.

/// One setting: the variable that holds it, what it takes, and what it means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Name in the environment and in `.env`. The flag is the rest in lower case: `PDFCO_BASE_URL` is `--base-url`.
    pub variable: &'static str,
    /// A second name, read where the first one is not set.
    pub alias: Option<&'static str>,
    /// What its text means, and in which bounds.
    pub kind: SettingKind,
    /// Default, as it would be written; empty when there is none.
    pub default: &'static str,
    /// Who may set it.
    pub trust: Trust,
    /// Which commands use it.
    pub used_by: UsedBy,
    /// One or two sentences for `.env.example`, `--help` and `doctor`.
    pub help: &'static str,
}

/// What a setting's text means, and in which bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SettingKind {
    /// A key or a token: never shown.
    Secret,
    /// `true` or `false`.
    Switch,
    /// Seconds, with fractions.
    Seconds {
        /// Fewest.
        min: f64,
        /// Most.
        max: f64,
    },
    /// Days, with fractions.
    Days {
        /// Fewest.
        min: f64,
        /// Most.
        max: f64,
    },
    /// A number, with fractions.
    Number {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// A whole number.
    Integer {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// Requests per second, or `off`.
    Rate,
    /// Any words, separated by commas.
    Words,
    /// Hosts, separated by commas.
    Hosts,
    /// Origins of web pages, separated by commas.
    Origins,
    /// Folders, separated like `PATH`.
    Folders,
    /// A folder; this user's download folder where none is named.
    DownloadFolder,
    /// A file or folder.
    Path,
    /// Where the ledger is.
    Ledger,
    /// The address of the service.
    ServiceUrl,
    /// The address under which the service reaches this server.
    CallbackUrl,
    /// An https address, or plain http on this machine; kept as it is written.
    Address,
    /// A program and its arguments.
    Command,
    /// An address and a port to listen on.
    Socket,
    /// `text` or `json`.
    LogFormat,
    /// Any text.
    Text,
}

/// Who may set a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Every source.
    Any,
    /// It widens which files may be used or where data is sent: the `.env` of a folder that was allowed may set it only where
    /// it also holds the key.
    WithKey,
    /// It decides which file is read: no file may set it.
    NotInFiles,
}

/// The commands that use a setting, whose help shows its flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedBy {
    /// Servers.
    Servers,
    /// Servers, and commands that run operations, wait, or fetch results.
    Calls,
    /// These, and commands that read the ledger or ask the service one question.
    Reads,
    /// `pdfco login`.
    Login,
    /// Every command.
    All,
}

/// What most settings are.
pub(super) const PLAIN: Setting = Setting {
    variable: "",
    alias: None,
    kind: SettingKind::Text,
    default: "",
    trust: Trust::Any,
    used_by: UsedBy::Servers,
    help: "",
};

impl Setting {
    /// Its names, the first one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        [Some(self.variable), self.alias].into_iter().flatten()
    }

    /// Whether its flag needs no value.
    pub fn is_switch(&self) -> bool {
        self.kind == SettingKind::Switch
    }

    /// Whether its value is never shown.
    pub fn is_secret(&self) -> bool {
        self.kind == SettingKind::Secret
    }
}
