//! Inputs of a batch: patterns become files, files become the names of their results.
//!
//! What lives here: [`expanded`] and [`stems`]. What never does: reading what is in a file, or judging whether it may be
//! read (`files/sandbox.rs`).

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::catalog::shorten;
use crate::error::{Error, Kind, Result};
use crate::files::{is_local, numbered, safe_file_name};

/// Most inputs of one command.
pub const INPUTS_MAX: usize = 10_000;
/// As shells have it: `*` stays in its folder, and a leading dot is meant only when it is written.
const AS_IN_SHELLS: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The words as inputs, each once, in order: links and existing files as they are, patterns as the files that they
/// match, sorted. Says also whether there was a pattern.
///
/// # Errors
/// `file_access` for a pattern that matches no file, `invalid_argument` for too many inputs.
pub fn expanded(words: &[String]) -> Result<(Vec<String>, bool)> {
    let (mut inputs, mut seen, mut had_pattern) = (Vec::new(), HashSet::new(), false);
    for word in words {
        let found = if is_pattern(word) {
            had_pattern = true;
            matching(word)?
        } else {
            vec![word.clone()]
        };
        for input in found {
            let place = if is_local(&input) { std::fs::canonicalize(&input).ok() } else { None };
            if seen.insert(place.unwrap_or_else(|| PathBuf::from(&input))) {
                inputs.push(input);
            }
            if inputs.len() > INPUTS_MAX {
                return Err(Error::invalid(
                    format!("There are more than {INPUTS_MAX} inputs."),
                    "Run it folder by folder; --resume skips what is done.",
                ));
            }
        }
    }
    Ok((inputs, had_pattern))
}

/// Whether a word is to be matched against files. A file of that very name wins.
fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?', '[']) && is_local(word) && !word.starts_with("file:") && !Path::new(word).exists()
}

fn matching(pattern: &str) -> Result<Vec<String>> {
    let refused = |message: String| Error::new(Kind::FileAccess, message, "Quote a pattern as in 'scans/*.pdf'.");
    let shown = shorten(pattern, 80);
    let paths = glob::glob_with(pattern, AS_IN_SHELLS)
        .map_err(|error| refused(format!("The pattern `{shown}` cannot be used: {}.", error.msg)))?;
    let mut found = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            refused(format!("`{}` cannot be searched: {}.", error.path().display(), error.error().kind()))
        })?;
        if !path.is_file() {
            continue;
        }
        let text = path.to_str().map(str::to_owned);
        found.push(text.ok_or_else(|| refused(format!("The name `{}` is not UTF-8 text.", path.display())))?);
        if found.len() > INPUTS_MAX {
            break;
        }
    }
    if found.is_empty() {
        return Err(refused(format!("The pattern `{shown}` matches no file.")));
    }
    Ok(found)
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
        let (found, _) = expanded(&words)?;
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
        assert_eq!(expanded(std::slice::from_ref(&link)).unwrap(), (vec![link], false));
    }

    #[test]
    fn results_of_inputs_with_one_name_do_not_collide() {
        let inputs =
            ["a/x.pdf", "b/X.pdf", "https://h.test/x.pdf?sig=1", "x-2.pdf", "https://h.test/", "con.pdf", "v1.2.pdf"]
                .map(str::to_owned);
        assert_eq!(stems(&inputs), ["x", "X-3", "x-4", "x-2", "h", "_con", "v1.2"]);
    }
}
