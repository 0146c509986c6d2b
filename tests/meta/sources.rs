//! The text of the sources, for tests that read it.

use std::path::{Path, PathBuf};

/// A file of `src/`.
pub struct Source {
    /// Below `src/`.
    pub path: String,
    /// All of it.
    pub text: String,
}

impl Source {
    /// The module of `src/lib.rs` that it belongs to.
    pub fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    /// The text without the tests at its end.
    pub fn product(&self) -> &str {
        if self.path.ends_with("tests.rs") {
            return "";
        }
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap()
    }

    /// The lines that are compiled into the product, with their numbers: no comments, nothing of the tests.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.product().lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// Every file of Rust below `root`.
pub fn rust_files(root: &Path) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
                false => {}
            }
        }
    }
    found
}

/// Every file of `src/`.
pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: PathBuf| Source {
        text: std::fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(&root).unwrap().display().to_string().replace('\\', "/"),
    };
    let found: Vec<Source> = rust_files(&root).into_iter().map(read).collect();
    assert!(found.len() > 50, "the sources were not found");
    found
}

/// Returns true if the word at this byte of the line is not the end of a longer one.
pub fn starts_a_word(line: &str, at: usize) -> bool {
    !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
}
