//! The rooms of `src/lib.rs` and their arrows, checked in the text of the sources: which room may know which other,
//! and which foreign library.

use std::path::{Path, PathBuf};

/// A word in code, and the places that may write it.
const FOREIGN: &[(&str, &[&str])] = &[
    ("reqwest::", &["api/"]),
    ("rustls::", &["api/"]),
    ("backoff::", &["api/retry.rs"]),
    ("sqlx::", &["jobs/ledger.rs", "jobs/ledger/"]),
    ("rmcp::", &["mcp/", "serve/"]),
    ("axum::", &["simulator/", "serve/"]),
    ("maud::", &["serve/page/"]),
    ("lopdf::", &["simulator/"]),
    ("clap::", &["cli/"]),
    ("indicatif::", &["cli/progress.rs"]),
    ("comfy_table::", &["cli/table.rs"]),
    ("jsonc_parser::", &["cli/commands/setup/json.rs"]),
    ("toml_edit::", &["cli/commands/setup/toml.rs"]),
    ("saphyr_parser::", &["cli/commands/setup/yaml.rs"]),
    ("tempfile::", &["cli/commands/setup/file.rs", "config/allowed.rs"]),
    ("directories::", &["config/"]),
    ("dunce::", &["files/", "config/"]),
    // `main` hands the command line over; the simulator's folder is a default of its own.
    ("std::env::", &["config/", "simulator/mod.rs", "main.rs"]),
    ("println!", &["cli/output.rs", "cli/progress.rs"]),
    ("process::exit", &[]),
];

/// A room, and the rooms that it may know. Leaves first; each line may name what stands above it.
const ARROWS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("json_ext", &[]),
    ("telemetry", &[]),
    ("signals", &[]),
    ("secret", &["error"]),
    ("catalog", &["error", "json_ext", "secret"]),
    ("config", &["error", "secret", "catalog"]),
    ("api", &["error", "json_ext", "secret", "catalog", "config"]),
    ("jobs", &["error", "json_ext", "secret", "catalog", "api", "config"]),
    ("files", &["error", "json_ext", "secret", "catalog", "config", "api", "jobs"]),
    ("answer", &["error", "json_ext", "catalog", "jobs"]),
    ("simulator", &["error", "secret", "catalog"]),
    ("app", &["error", "secret", "catalog", "api", "config", "jobs", "files", "answer"]),
    ("mcp", &["error", "secret", "catalog", "config", "jobs", "files", "answer", "app"]),
    ("serve", &["error", "secret", "signals", "config", "app", "mcp"]),
    ("cli", &["*"]),
    ("main", &["*"]),
    ("lib", &["*"]),
];

/// Arrows that point the wrong way today: a file, and the room that it should not know.
const EXCEPTIONS: &[(&str, &str)] = &[];

struct Source {
    /// Below `src/`.
    path: String,
    text: String,
}

impl Source {
    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    /// What is compiled into the product: no comments, nothing from the tests at the end of the file on.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let product = self.text.split("#[cfg(test)]\nmod tests").next().unwrap();
        product
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().display().to_string().replace('\\', "/");
                found.push(Source { path, text });
            }
        }
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn starts_a_word(line: &str, at: usize) -> bool {
    !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
}

#[test]
fn every_foreign_library_stays_in_its_room() {
    let mut astray = Vec::new();
    for source in sources() {
        for (number, line) in source.code() {
            for (word, places) in FOREIGN {
                let is_here = line.match_indices(word).any(|(at, _)| starts_a_word(line, at));
                if is_here && !places.iter().any(|place| source.path.starts_with(place)) {
                    astray.push(format!("src/{}:{number}: {word}", source.path));
                }
            }
        }
    }
    assert!(astray.is_empty(), "{astray:#?}");
}

#[test]
fn dependencies_point_one_way() {
    let (mut astray, mut used) = (Vec::new(), Vec::new());
    for source in sources() {
        let Some((_, allowed)) = ARROWS.iter().find(|(room, _)| *room == source.room()) else {
            panic!("src/{}: this room is not in the table", source.path);
        };
        for (number, line) in source.code() {
            for (at, _) in line.match_indices("crate::").filter(|(at, _)| starts_a_word(line, *at)) {
                let rest = line[at..].trim_start_matches("crate::");
                let room = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                let is_known = room == source.room() || allowed.contains(&"*") || allowed.contains(&room);
                let exception = EXCEPTIONS.iter().position(|(path, other)| *path == source.path && *other == room);
                used.extend(exception);
                if !is_known && exception.is_none() {
                    astray.push(format!("src/{}:{number}: {} knows {room}", source.path, source.room()));
                }
            }
        }
    }
    assert!(astray.is_empty(), "{astray:#?}");
    assert!((0..EXCEPTIONS.len()).all(|exception| used.contains(&exception)), "an exception is no longer one");
}

#[test]
fn the_arrows_have_no_circle() {
    for (index, (room, allowed)) in ARROWS.iter().enumerate() {
        let above: Vec<&str> = ARROWS[..index].iter().map(|(room, _)| *room).collect();
        assert!(allowed.iter().all(|other| *other == "*" || above.contains(other)), "{room}");
    }
}

#[test]
fn every_file_says_first_what_it_is() {
    for source in sources() {
        assert!(source.text.starts_with("//! "), "src/{}", source.path);
    }
}
