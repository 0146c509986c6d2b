//! Inputs of a batch: patterns become files, files become the names of their results.

mod pattern;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use self::pattern::Matches;
use crate::config::paths;
use crate::error::{Error, Kind, Result};
use crate::files::{is_local, numbered, safe_file_name};
use crate::text::shorten;

/// Most inputs of one command.
pub const INPUTS_MAX: usize = 10_000;

/// The inputs that words stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Links and paths, each once, in order.
    pub found: Vec<String>,
    /// Whether a word was a pattern.
    pub had_pattern: bool,
    /// Files that a pattern matches and that cannot be named: their names are not text. As they can be shown.
    pub unusable: Vec<String>,
    /// Folders that a pattern leads into and that cannot be read, with the reason.
    pub unreadable: Vec<String>,
}

/// The words as inputs: links and existing files as they are, patterns as the files that they match, sorted. One odd
/// entry of a folder stops nothing; it is reported.
///
/// # Errors
/// `file_access` for a pattern that matches no file, `invalid_argument` for too many inputs.
pub fn expanded(words: &[String]) -> Result<Inputs> {
    let (mut inputs, mut seen) = (Inputs::default(), HashSet::new());
    for word in words {
        let filled_in = paths::below_home(word, paths::home().as_deref());
        let pattern = filled_in.as_deref().and_then(Path::to_str).unwrap_or(word);
        let found = if is_pattern(pattern) {
            inputs.had_pattern = true;
            let matches = matching(pattern)?;
            inputs.unusable.extend(matches.unusable);
            inputs.unreadable.extend(matches.unreadable);
            matches.files
        } else {
            vec![word.clone()]
        };
        for input in found {
            let path = if is_local(&input) { std::fs::canonicalize(&input).ok() } else { None };
            if seen.insert(path.unwrap_or_else(|| PathBuf::from(&input))) {
                inputs.found.push(input);
            }
            if inputs.found.len() > INPUTS_MAX {
                return Err(Error::invalid(
                    format!("There are more than {INPUTS_MAX} inputs."),
                    "Run it folder by folder; --resume skips what is done.",
                ));
            }
        }
    }
    Ok(inputs)
}

/// Whether a word is to be matched against files. A file of that very name wins.
fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?', '[']) && is_local(word) && !word.starts_with("file:") && !Path::new(word).exists()
}

fn matching(pattern: &str) -> Result<Matches> {
    let refused = |message: String, hint: &'static str| Error::new(Kind::FileAccess, message, hint);
    let shown = shorten(pattern, 80);
    let matches = pattern::matches(pattern, INPUTS_MAX).map_err(|reason| {
        refused(format!("The pattern `{shown}` cannot be used: {reason}."), "A pattern is such as 'scans/*.pdf'.")
    })?;
    if matches.files.is_empty() && matches.unusable.is_empty() {
        let unreadable = matches.unreadable.first().map_or(String::new(), |reason| format!(" {reason}"));
        return Err(refused(
            format!("The pattern `{shown}` matches no file.{unreadable}"),
            "`*` stays in its folder; `**/*.pdf` goes into the folders below.",
        ));
    }
    Ok(matches)
}

/// For each input the name of its result, without an extension: its own, and with a number where another input before
/// it has the same, without regard to case.
pub fn stems(inputs: &[String]) -> Vec<String> {
    let stem = |input: &String| {
        let name = if is_local(input) {
            Path::new(input).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        } else {
            let path = input.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
            let last = path.rsplit('/').next().unwrap_or_default();
            percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned()
        };
        let name = safe_file_name(&name);
        // The extension goes; what is left may not look as if it had one.
        match name.rsplit_once('.') {
            Some((stem, _)) if !stem.is_empty() => safe_file_name(stem),
            _ => name,
        }
    };
    numbered(inputs.iter().map(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        folder
    }

    fn names(folder: &tempfile::TempDir, words: &[&str]) -> Result<Vec<String>> {
        let words: Vec<String> = words.iter().map(|word| format!("{}/{word}", folder.path().display())).collect();
        let found = expanded(&words)?.found;
        let below = |path: String| match Path::new(&path).strip_prefix(folder.path()) {
            Ok(below) => below.to_str().unwrap().replace(std::path::MAIN_SEPARATOR, "/"),
            Err(_) => path,
        };
        Ok(found.into_iter().map(below).collect())
    }

    #[test]
    fn patterns_are_files_in_order_each_once() {
        let there = folder(&["b.pdf", "a.pdf", "c.txt", ".hidden.pdf", "deep/d.pdf", "folder.pdf/x"]);
        assert_eq!(names(&there, &["b.pdf", "*.pdf"]).unwrap(), ["b.pdf", "a.pdf"]);
        assert_eq!(names(&there, &["**/*.pdf"]).unwrap(), ["a.pdf", "b.pdf", "deep/d.pdf"]);
        assert_eq!(names(&there, &["[ab].pdf", "deep/../a.pdf"]).unwrap(), ["a.pdf", "b.pdf"]);
        assert_eq!(names(&there, &["missing.pdf"]).unwrap(), ["missing.pdf"], "what is no pattern is judged later");
        for none in ["*.doc", "[", "x/*.pdf"] {
            assert_eq!(names(&there, &[none]).unwrap_err().kind(), Kind::FileAccess, "{none}");
        }
    }

    #[test]
    fn a_file_whose_name_looks_like_a_pattern_is_that_file() {
        let there = folder(&["[1].pdf", "1.pdf"]);
        assert_eq!(names(&there, &["[1].pdf"]).unwrap(), ["[1].pdf"]);
        // No name has a star on Windows.
        if cfg!(unix) {
            let there = folder(&["a*.pdf", "ab.pdf"]);
            assert_eq!(names(&there, &["a*.pdf"]).unwrap(), ["a*.pdf"]);
        }
        let link = "https://h.test/*.pdf?a[1]=b".to_owned();
        let inputs = expanded(std::slice::from_ref(&link)).unwrap();
        assert_eq!((inputs.found, inputs.had_pattern), (vec![link], false));
    }

    #[cfg(unix)]
    #[test]
    fn one_odd_entry_of_a_folder_stops_nothing() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::PermissionsExt;

        let there = folder(&["a.pdf", "closed/b.pdf", "open/c.pdf"]);
        std::fs::write(there.path().join(OsStr::from_bytes(b"l\xe9.pdf")), "x").unwrap();
        std::fs::create_dir(there.path().join(OsStr::from_bytes(b"d\xe9"))).unwrap();
        std::os::unix::fs::symlink("nowhere", there.path().join("dangling.pdf")).unwrap();
        std::os::unix::fs::symlink(".", there.path().join("loop")).unwrap();
        let closed = there.path().join("closed");
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
        let inputs = |pattern: &str| expanded(&[format!("{}/{pattern}", there.path().display())]).unwrap();
        let flat = inputs("*.pdf");
        assert_eq!((flat.found.len(), flat.unusable.len()), (1, 1), "{flat:?}");
        assert_eq!(
            inputs("a*.pdf").unusable,
            Vec::<String>::new(),
            "what a pattern does not match is no concern of it"
        );
        let deep = inputs("**/*.pdf");
        assert!(deep.found.iter().any(|path| path.ends_with("open/c.pdf")), "{deep:?}");
        // The superuser may read everything.
        let may_read = std::fs::read_dir(&closed).is_ok();
        assert_eq!(deep.unreadable.len(), usize::from(!may_read), "{deep:?}");
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn results_of_inputs_with_one_name_do_not_collide() {
        let inputs =
            ["a/x.pdf", "b/X.pdf", "https://h.test/x.pdf?sig=1", "x-2.pdf", "https://h.test/", "con.pdf", "v1.2.pdf"]
                .map(str::to_owned);
        assert_eq!(stems(&inputs), ["x", "X-3", "x-4", "x-2", "h", "_con", "v1.2"]);
    }
}
