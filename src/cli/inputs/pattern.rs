//! Files that match a pattern, as shells have it: `*` stays in its folder, `**` goes into folders, a leading dot is
//! matched only where it is written.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// Deepest folder that `**` leads into.
const DEPTH_MAX: usize = 64;

/// What a pattern leads to.
#[derive(Debug, Default)]
pub struct Matches {
    /// Files, sorted.
    pub files: Vec<String>,
    /// Files whose names are not text, as they can be shown.
    pub unusable: Vec<String>,
    /// Folders that cannot be read, each with its reason in a sentence.
    pub unreadable: Vec<String>,
}

/// One component of a pattern.
enum Step {
    /// A name as it is.
    Name(PathBuf),
    /// A name that is matched.
    Matched { matcher: GlobMatcher, takes_dots: bool },
    /// `**`: this folder and all below it.
    AnyDepth,
}

/// The files that match `pattern`, at most a few more than `files_max`.
///
/// # Errors
/// What is wrong with the pattern.
pub fn matches(pattern: &str, files_max: usize) -> Result<Matches, String> {
    let steps: Vec<Step> = Path::new(pattern).components().map(step).collect::<Result<_, _>>()?;
    let mut search = Search { found: Matches::default(), seen: HashSet::new(), files_max };
    search.walk(PathBuf::new(), &steps, 0);
    let mut found = search.found;
    found.files.sort();
    found.unusable.sort();
    // A folder is entered once for each way that `**` has into it.
    found.unreadable.sort();
    found.unreadable.dedup();
    Ok(found)
}

fn step(component: Component<'_>) -> Result<Step, String> {
    let text = match component {
        Component::Normal(name) => name.to_str().unwrap_or_default(),
        other => return Ok(Step::Name(PathBuf::from(other.as_os_str()))),
    };
    if text == "**" {
        return Ok(Step::AnyDepth);
    }
    if !text.contains(['*', '?', '[']) {
        return Ok(Step::Name(PathBuf::from(text)));
    }
    let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(false).build();
    let glob = glob.map_err(|error| error.kind().to_string())?;
    Ok(Step::Matched { matcher: glob.compile_matcher(), takes_dots: text.starts_with('.') })
}

struct Search {
    found: Matches,
    /// Folders that were searched with so many steps left: links may lead in circles.
    seen: HashSet<(PathBuf, usize)>,
    files_max: usize,
}

impl Search {
    fn walk(&mut self, at: PathBuf, steps: &[Step], depth: usize) {
        if self.found.files.len() > self.files_max || depth > DEPTH_MAX {
            return;
        }
        let Some((step, rest)) = steps.split_first() else { return self.add(&at) };
        match step {
            Step::Name(name) => {
                let next = at.join(name);
                // The last name may be a file that is not there; any other is a folder.
                if fs::symlink_metadata(&next).is_ok() {
                    self.walk(next, rest, depth);
                }
            }
            Step::Matched { matcher, takes_dots } => {
                for name in self.names_in(&at) {
                    if (*takes_dots || !is_hidden(&name)) && matcher.is_match(&name) {
                        self.walk(at.join(name), rest, depth);
                    }
                }
            }
            Step::AnyDepth => {
                let real = fs::canonicalize(folder_of(&at)).unwrap_or_else(|_| at.clone());
                if !self.seen.insert((real, steps.len())) {
                    return;
                }
                self.walk(at.clone(), rest, depth);
                for name in self.names_in(&at) {
                    let next = at.join(&name);
                    if !is_hidden(&name) && next.is_dir() {
                        self.walk(next, steps, depth + 1);
                    }
                }
            }
        }
    }

    fn add(&mut self, path: &Path) {
        if !path.is_file() {
            return;
        }
        match path.to_str() {
            Some(text) => self.found.files.push(text.to_owned()),
            None => self.found.unusable.push(path.display().to_string()),
        }
    }

    /// The names in a folder, sorted; none for what is no folder.
    fn names_in(&mut self, folder: &Path) -> Vec<PathBuf> {
        let folder = folder_of(folder);
        if !folder.is_dir() {
            return Vec::new();
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.found.unreadable.push(format!("`{}` cannot be searched: {}.", folder.display(), error.kind()));
                return Vec::new();
            }
        };
        let mut names: Vec<PathBuf> =
            entries.filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name()))).collect();
        names.sort();
        names
    }
}

/// The folder as the system takes it: a relative pattern begins in the current one.
fn folder_of(path: &Path) -> &Path {
    if path == Path::new("") { Path::new(".") } else { path }
}

fn is_hidden(name: &Path) -> bool {
    AsRef::<OsStr>::as_ref(name).as_encoded_bytes().starts_with(b".")
}
