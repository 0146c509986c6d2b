//! Names that read like the one that was asked for.
//!
//! A model writes the letters that it sees: it cannot distinguish a no-break space from a space, an en dash from a hyphen, or a
//! letter with a composed accent from one with a combining accent. So a name that differs in nothing else is the same
//! name here, and other near ones are offered.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use icu_normalizer::ComposingNormalizerBorrowed;

/// Most entries of a folder that are compared.
const ENTRIES_MAX: usize = 5_000;
/// Most names that are offered.
const OFFERED_MAX: usize = 3;
/// How alike an offered name is, from 0 to 1.
const ALIKE_MIN: f64 = 0.7;

/// The existing path that differs from the absolute `path` only in letters that read the same; nothing when there is
/// none, or several.
pub(super) fn look_alike(path: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for component in path.components() {
        let Component::Normal(name) = component else {
            found.push(component);
            continue;
        };
        let exact = found.join(name);
        found = if fs::symlink_metadata(&exact).is_ok() { exact } else { found.join(alike_in(&found, name)?) };
    }
    Some(found)
}

fn alike_in(folder: &Path, name: &OsStr) -> Option<OsString> {
    let wanted = shape(name.to_str()?);
    let mut alike = names(folder).filter(|name| name.to_str().is_some_and(|name| shape(name) == wanted));
    match (alike.next(), alike.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// Names in `folder` that are near to `name`, the nearest first; no hidden ones.
pub(super) fn nearest(folder: &Path, name: &str) -> Vec<String> {
    let wanted = shape(name).to_lowercase();
    let mut near: Vec<(f64, String)> = names(folder)
        .filter_map(|name| name.into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .map(|name| (strsim::jaro_winkler(&wanted, &shape(&name).to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= ALIKE_MIN)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    near.into_iter().take(OFFERED_MAX).map(|(_, name)| name).collect()
}

fn names(folder: &Path) -> impl Iterator<Item = OsString> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.take(ENTRIES_MAX).filter_map(std::io::Result::ok).map(|entry| entry.file_name())
}

/// `name` in the letters that a reader sees.
fn shape(name: &str) -> String {
    let plain: String = name
        .chars()
        .filter(
            |c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'),
        )
        .map(|c| match c {
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
            '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{2bc}' | '\u{ff07}' => '\'',
            '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{ff02}' => '"',
            c => c,
        })
        .collect();
    ComposingNormalizerBorrowed::new_nfc().normalize(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_read_the_same_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        fs::create_dir(base.join("Scans\u{a0}2024")).unwrap();
        for (real, written) in [
            ("Screenshot 10.00\u{202f}AM.png", "Screenshot 10.00 AM.png"),
            ("a\u{a0}b.pdf", "a b.pdf"),
            ("2020\u{2013}2021.pdf", "2020-2021.pdf"),
            ("it\u{2019}s.pdf", "it's.pdf"),
            ("re\u{301}sume\u{301}.pdf", "r\u{e9}sum\u{e9}.pdf"),
            ("Scans\u{a0}2024/x\u{201c}y\u{201d}.pdf", "Scans 2024/x\"y\".pdf"),
        ] {
            fs::write(base.join(real), "x").unwrap();
            assert_eq!(look_alike(&base.join(written)), Some(base.join(real)), "{written}");
            assert_eq!(look_alike(&base.join(real)), Some(base.join(real)), "{real}");
        }
        fs::write(base.join("a\u{2009}b.pdf"), "x").unwrap();
        assert_eq!(look_alike(&base.join("a b.pdf")), None, "two read like it");
        assert_eq!(look_alike(&base.join("c.pdf")), None);
    }

    #[test]
    fn near_names_are_offered_and_hidden_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["report-2024.pdf", "Report_2023.pdf", ".report.pdf", "invoice.txt"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(nearest(folder.path(), "report2024.pdf"), ["report-2024.pdf", "Report_2023.pdf"]);
        assert!(nearest(folder.path(), "zzz").is_empty());
    }
}
