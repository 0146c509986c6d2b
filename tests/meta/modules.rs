//! The modules of `src/lib.rs` and what they may import, checked in the text of the sources: other modules and foreign
//! libraries.

use std::path::{Path, PathBuf};

/// A word in code, and the paths below `src/` that may use it.
const FOREIGN: &[(&str, &[&str])] = &[
    ("reqwest::", &["api/"]),
    ("rustls::", &["api/"]),
    ("backoff::", &["api/retry_policy.rs"]),
    ("sqlx::", &["jobs/ledger.rs", "jobs/ledger/"]),
    ("rmcp::", &["mcp/", "serve/"]),
    ("axum::", &["simulator/", "serve/"]),
    ("maud::", &["serve/page/"]),
    ("lopdf::", &["simulator/", "files/pdf_pages.rs"]),
    ("clap::", &["cli/"]),
    ("indicatif::", &["cli/progress.rs"]),
    ("comfy_table::", &["cli/table.rs"]),
    ("jsonc_parser::", &["cli/commands/setup/json.rs"]),
    ("toml_edit::", &["cli/commands/setup/toml.rs"]),
    ("saphyr_parser::", &["cli/commands/setup/yaml.rs"]),
    ("tempfile::", &["cli/", "config/private_file.rs"]),
    ("directories::", &["config/"]),
    ("dunce::", &["files/", "config/"]),
    // `main` hands the command line over; the simulator's folder is a default of its own.
    ("std::env::", &["config/", "simulator/options.rs", "main.rs"]),
    ("println!", &["cli/output.rs", "cli/progress.rs"]),
    // A server that is blocked cannot unwind.
    ("process::exit", &["main.rs"]),
];

/// Leaves that every module may import.
const LEAVES: &[&str] = &["charge", "clock", "error", "hint", "json_ext", "next_step", "secret", "tenant"];

/// A module, and the modules that it may import beside the leaves. Each line may name what stands above it.
const ARROWS: &[(&str, &[&str])] = &[
    ("hardening", &[]),
    ("signals", &[]),
    ("charge", &[]),
    ("clock", &[]),
    ("error", &[]),
    ("json_ext", &[]),
    ("next_step", &[]),
    ("secret", &[]),
    ("tenant", &[]),
    ("catalog", &[]),
    ("config", &["catalog"]),
    ("telemetry", &["config"]),
    ("api", &["catalog", "config"]),
    ("jobs", &["catalog", "api", "config"]),
    ("files", &["catalog", "config", "api", "jobs"]),
    ("answer", &["catalog", "jobs"]),
    ("simulator", &["catalog"]),
    ("app", &["catalog", "api", "config", "jobs", "files", "answer"]),
    ("mcp", &["catalog", "config", "jobs", "files", "answer", "app"]),
    ("serve", &["signals", "telemetry", "config", "app", "mcp"]),
    ("cli", &["*"]),
    ("main", &["*"]),
    ("lib", &["*"]),
];

/// Imports that point the wrong way today: a file, and the module that it should not know.
const EXCEPTIONS: &[(&str, &str)] = &[];

struct Source {
    /// Below `src/`.
    path: String,
    text: String,
}

impl Source {
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    /// What is compiled into the product: no comments, nothing from the tests at the end of the file on.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = self.path.ends_with("tests.rs");
        let product = if is_test { "" } else { self.text.split("#[cfg(test)]\nmod tests").next().unwrap() };
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
fn foreign_libraries_stay_in_their_modules() {
    let mut astray = Vec::new();
    for source in sources() {
        for (number, line) in source.code() {
            for (word, paths) in FOREIGN {
                let is_used = line.match_indices(word).any(|(at, _)| starts_a_word(line, at));
                if is_used && !paths.iter().any(|path| source.path.starts_with(path)) {
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
        let Some((_, allowed)) = ARROWS.iter().find(|(module, _)| *module == source.module()) else {
            panic!("src/{}: this module is not in the table", source.path);
        };
        for (number, line) in source.code() {
            for (at, _) in line.match_indices("crate::").filter(|(at, _)| starts_a_word(line, *at)) {
                let rest = line[at..].trim_start_matches("crate::");
                let module = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                let is_known = LEAVES.contains(&module)
                    || module == source.module()
                    || allowed.contains(&"*")
                    || allowed.contains(&module);
                let exception = EXCEPTIONS.iter().position(|(path, other)| *path == source.path && *other == module);
                used.extend(exception);
                if !is_known && exception.is_none() {
                    astray.push(format!("src/{}:{number}: {} imports {module}", source.path, source.module()));
                }
            }
        }
    }
    assert!(astray.is_empty(), "{astray:#?}");
    assert!((0..EXCEPTIONS.len()).all(|exception| used.contains(&exception)), "an exception is no longer one");
}

#[test]
fn modules_import_without_circles() {
    for (index, (module, allowed)) in ARROWS.iter().enumerate() {
        let above: Vec<&str> = ARROWS[..index].iter().map(|(module, _)| *module).collect();
        assert!(allowed.iter().all(|other| *other == "*" || above.contains(other)), "{module}");
    }
}

#[test]
fn every_file_says_first_what_it_is() {
    for source in sources() {
        assert!(source.text.starts_with("//! "), "src/{}", source.path);
    }
}
