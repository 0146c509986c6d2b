//! What `pdfco setup` needs to know of the machine: its user, its system, and how this program is called. Clients keep
//! their files in folders that their own variables move, so those are read too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// Variables that move the files of clients.
const CLIENT_VARIABLES: [&str; 6] =
    ["APPDATA", "CLAUDE_CONFIG_DIR", "CLINE_DATA_DIR", "CLINE_DIR", "CODEX_HOME", "XDG_CONFIG_HOME"];

/// A machine, as one user sees it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// This user's home.
    pub home: PathBuf,
    /// The current folder.
    pub here: PathBuf,
    /// This program, by the name that will outlive an update where there is one.
    pub program: PathBuf,
    /// The operating system, as Rust calls it.
    pub system: &'static str,
    /// Folders that variables name.
    pub variables: BTreeMap<String, PathBuf>,
}

impl Machine {
    /// This machine.
    ///
    /// # Errors
    /// `file_access` when there is no home, no current folder, or no way to name this program.
    pub fn this() -> Result<Machine> {
        let unknown = |what: &str| {
            Error::new(Kind::FileAccess, format!("{what} is not known."), "Name the file with --config, or set HOME.")
        };
        let program = std::env::current_exe().map_err(|_| unknown("The path of this program"))?;
        Ok(Machine {
            // As most assistants find it: HOME, on Windows USERPROFILE.
            home: std::env::home_dir().filter(|home| home.is_absolute()).ok_or_else(|| unknown("Your home folder"))?,
            here: std::env::current_dir().map_err(|_| unknown("The current folder"))?,
            program: on_path(&program).unwrap_or(program),
            system: std::env::consts::OS,
            variables: CLIENT_VARIABLES
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), PathBuf::from(std::env::var_os(name)?))))
                .collect(),
        })
    }

    /// The folder that a variable names. Relative ones are no place.
    pub fn variable(&self, name: &str) -> Option<PathBuf> {
        self.variables.get(name).filter(|folder| folder.is_absolute()).cloned()
    }

    /// Whether this is Windows.
    pub fn is_windows(&self) -> bool {
        self.system == "windows"
    }

    /// Whether this is macOS.
    pub fn is_mac(&self) -> bool {
        self.system == "macos"
    }
}

/// The variable that says where certificates are instead of the system, and where they are said to be. An empty
/// `SSL_CERT_FILE` says that as well: nowhere.
pub fn certificates_variable() -> Option<(&'static str, PathBuf)> {
    let place = |name| std::env::var_os(name).map(|place| (name, PathBuf::from(place)));
    place("SSL_CERT_FILE").or_else(|| place("SSL_CERT_DIR").filter(|(_, place)| !place.as_os_str().is_empty()))
}

/// The same program as PATH knows it: package managers keep that name and move what is behind it.
fn on_path(program: &Path) -> Option<PathBuf> {
    let (name, real) = (program.file_name()?, program.canonicalize().ok()?);
    let folders = std::env::var_os("PATH")?;
    let named = std::env::split_paths(&folders).map(|folder| folder.join(name));
    named.into_iter().find(|named| named.is_absolute() && named.canonicalize().is_ok_and(|found| found == real))
}
