//! This user's folders, and paths as settings and arguments write them: with `~` and `$HOME`.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

/// This user's folders, as far as they are known.
#[derive(Clone, Debug, Default)]
pub struct Folders {
    /// Where programs keep data.
    pub data: Option<PathBuf>,
    /// Where downloads go.
    pub downloads: Option<PathBuf>,
    /// Where this program keeps its configuration.
    pub config: Option<PathBuf>,
    /// What `~` stands for.
    pub home: Option<PathBuf>,
}

impl Folders {
    /// Those of the user who runs this process.
    pub fn this_user() -> Folders {
        let projects = directories::ProjectDirs::from("", "", "pdfco");
        let users = directories::UserDirs::new();
        Folders {
            // A database in use is nothing to roam between machines.
            data: projects.as_ref().map(|dirs| dirs.data_local_dir().to_owned()),
            config: projects.map(|dirs| dirs.config_dir().to_owned()),
            downloads: users
                .map(|dirs| dirs.download_dir().map_or_else(|| dirs.home_dir().join("Downloads"), Path::to_owned)),
            home: home(),
        }
    }

    /// Where results are saved when nothing else is said.
    pub(super) fn download_folder(&self) -> PathBuf {
        self.downloads.clone().unwrap_or_else(|| PathBuf::from(".")).join("pdfco")
    }
}

/// This user's home folder, as most programs find it: `HOME`, on Windows `USERPROFILE`.
pub fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute())
}

/// How the home folder is written at the beginning of a path.
const HOME_WORDS: [&str; 6] = ["~", "$HOME", "${HOME}", "%USERPROFILE%", "$USERPROFILE", "${USERPROFILE}"];

/// The path that `text` means when it begins with the home folder (`~/a`, `$HOME/a`, `${HOME}`); nothing when it does
/// not, or when the home folder is not known.
pub fn below_home(text: &str, home: Option<&Path>) -> Option<PathBuf> {
    let rest = HOME_WORDS.iter().find_map(|word| text.strip_prefix(word).filter(|rest| begins_a_component(rest)))?;
    let rest = rest.trim_start_matches(is_separator);
    Some(if rest.is_empty() { home?.to_owned() } else { home?.join(rest) })
}

fn begins_a_component(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(is_separator)
}

fn is_separator(c: char) -> bool {
    c == '/' || c == MAIN_SEPARATOR
}

/// Whether `text` begins with a variable that no shell filled in: `$DOCUMENTS/a`, `${X}`, `%X%`. A name of one's own
/// such as `$100` is none.
fn begins_with_variable(text: &str) -> bool {
    let is_name = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '{');
    text.strip_prefix('$').is_some_and(is_name)
        || text.strip_prefix('%').is_some_and(|rest| rest.contains('%') && is_name(rest))
}

/// A path as a setting writes it. Quotes around it, which a shell would have taken away, are dropped.
///
/// # Errors
/// What the setting takes instead, when the path begins with a variable or the home folder of another user: a folder
/// of that name is never meant.
pub(super) fn setting_path(text: &str, home: Option<&Path>) -> Result<PathBuf, &'static str> {
    let text = unquoted(text.trim());
    if let Some(path) = below_home(text, home) {
        return Ok(path);
    }
    if text.starts_with('~') {
        return Err("a path without `~name`; `~/folder` is this user's own home folder");
    }
    if text.starts_with("file://") {
        return Err("a path, without `file://`");
    }
    if begins_with_variable(text) {
        return Err("a path in which variables are filled in; only `~` and `$HOME` are filled in here");
    }
    Ok(PathBuf::from(text))
}

/// Folders as a setting lists them, separated like `PATH`.
///
/// # Errors
/// As [`setting_path`]; also for lists that are separated by commas.
pub(super) fn folder_list(text: &str, home: Option<&Path>) -> Result<Vec<PathBuf>, &'static str> {
    if text.contains("file://") {
        // Its colon would separate two folders.
        return Err("paths, without `file://`");
    }
    let mut folders = Vec::new();
    for part in std::env::split_paths(text) {
        // The text was UTF-8, so its parts are.
        let part = part.to_string_lossy();
        if part.trim().is_empty() || is_placeholder(part.trim()) {
            continue;
        }
        let path = setting_path(&part, home)?;
        if !path.exists() && looks_comma_separated(&part) {
            return Err(if cfg!(windows) { "folders separated by `;`" } else { "folders separated by `:`" });
        }
        folders.push(path);
    }
    Ok(folders)
}

fn unquoted(text: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
        .filter(|inner| !inner.is_empty())
        .unwrap_or(text)
}

/// Whether several absolute paths stand in one: `/a,/b`.
fn looks_comma_separated(text: &str) -> bool {
    let begins_a_path = |part: &str| {
        let part = part.trim();
        part.starts_with(['/', '~', '$', '"']) || Path::new(part).is_absolute()
    };
    text.split(',').count() > 1 && text.split(',').all(begins_a_path)
}

/// What an assistant's configuration leaves in place of a value that was not filled in: `${user_config.folder}`,
/// `${DOWNLOADS}/pdfco`, `${env:NAME}`, `$PDFCO_API_KEY`. The home folder is not one of them.
pub(super) fn is_placeholder(text: &str) -> bool {
    let is_home = || HOME_WORDS.iter().any(|word| text.strip_prefix(word).is_some_and(begins_a_component));
    let is_own_name = |name: &str| name.starts_with("PDFCO_") || name == "X_API_KEY";
    (text.starts_with("${") && !is_home()) || text.strip_prefix('$').is_some_and(is_own_name)
}
