//! The modules of `src/lib.rs` and what they may import, checked in the text of the sources: other modules and foreign
//! libraries.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A word in code, and the paths below `src/` that may use it.
const FOREIGN: &[(&str, &[&str])] = &[
    ("reqwest::", &["api/"]),
    ("rustls::", &["api/"]),
    ("backoff::", &["api/retry_policy.rs"]),
    ("sqlx::", &["jobs/ledger.rs", "jobs/ledger/"]),
    ("rmcp::", &["mcp/", "serve/"]),
    ("jsonwebtoken::", &["serve/oauth/"]),
    ("ring::", &["serve/oauth/", "serve/page/sessions.rs", "api/"]),
    ("axum::", &["simulator/", "serve/"]),
    ("maud::", &["serve/page/"]),
    ("lopdf::", &["simulator/", "files/pdf_pages.rs"]),
    ("clap::", &["cli/"]),
    ("indicatif::", &["cli/progress.rs"]),
    ("comfy_table::", &["cli/table.rs"]),
    ("jsonc_parser::", &["cli/commands/setup/json.rs"]),
    ("toml_edit::", &["cli/commands/setup/toml.rs"]),
    ("saphyr_parser::", &["cli/commands/setup/yaml.rs"]),
    ("keyring_core::", &["config/keychain.rs"]),
    ("terminal_size::", &["cli/output.rs"]),
    ("rpassword::", &["cli/output.rs"]),
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
const LEAVES: &[&str] = &["charge", "clock", "error", "hint", "json_ext", "next_step", "secret", "tenant", "text"];

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
    ("text", &[]),
    ("catalog", &[]),
    ("config", &["catalog"]),
    ("telemetry", &["config"]),
    ("api", &["catalog", "config"]),
    ("otlp", &["telemetry", "config", "api"]),
    ("jobs", &["catalog", "api", "config"]),
    ("files", &["catalog", "config", "api", "jobs"]),
    ("answer", &["catalog", "jobs"]),
    ("simulator", &["catalog"]),
    ("app", &["catalog", "api", "config", "jobs", "files", "answer"]),
    ("mcp", &["catalog", "config", "jobs", "files", "answer", "app"]),
    ("serve", &["signals", "telemetry", "config", "api", "jobs", "app", "mcp"]),
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

fn rust_files(root: &Path) -> Vec<PathBuf> {
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

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: PathBuf| Source {
        text: std::fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(&root).unwrap().display().to_string().replace('\\', "/"),
    };
    let found: Vec<Source> = rust_files(&root).into_iter().map(read).collect();
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

/// The files beside `path` from which it takes something by `super::`, tests left out.
fn siblings_used(path: &str, text: &str, siblings: &BTreeSet<&str>) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut used = BTreeSet::new();
    // `super::super::` is the folder above, which is another matter.
    for part in text.replace("super::super::", "").split("super::").skip(1) {
        match part.strip_prefix('{') {
            Some(list) => {
                let list = list.split(';').next().unwrap_or_default();
                used.extend(list.split([',', '{', '}']).map(|name| word(name.trim())));
            }
            None => drop(used.insert(word(part))),
        }
    }
    used.retain(|name| siblings.contains(name.as_str()) && !path.ends_with(&format!("/{name}.rs")));
    used
}

#[test]
fn files_of_a_module_import_without_circles() {
    let sources = sources();
    let folder_of = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let mut folders: BTreeMap<String, BTreeMap<&str, &str>> = BTreeMap::new();
    for Source { path, text } in &sources {
        let stem = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        if !["mod", "main", "lib", "tests"].contains(&stem) && path.contains('/') {
            folders.entry(folder_of(path)).or_default().insert(stem, text);
        }
    }
    let mut circles = Vec::new();
    for (folder, files) in &folders {
        let names: BTreeSet<&str> = files.keys().copied().collect();
        let mut arrows: BTreeMap<String, BTreeSet<String>> = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), siblings_used(&format!("{folder}/{name}.rs"), text, &names)))
            .collect();
        // What imports nothing that is left is taken away; what cannot be taken away is in a circle, or above one.
        loop {
            let ground: Vec<String> =
                arrows.iter().filter(|(_, used)| used.is_empty()).map(|(name, _)| name.clone()).collect();
            if ground.is_empty() {
                break;
            }
            arrows.retain(|name, _| !ground.contains(name));
            arrows.values_mut().for_each(|used| used.retain(|name| !ground.contains(name)));
        }
        circles.extend(arrows.into_iter().map(|(name, used)| format!("src/{folder}/{name}.rs uses {used:?}")));
    }
    assert!(folders.len() > 10 && circles.is_empty(), "{circles:#?}");
}

#[test]
fn every_file_says_first_what_it_is() {
    for source in sources() {
        assert!(source.text.starts_with("//! "), "src/{}", source.path);
    }
}

/// A text for people must not name a tool, and one for assistants no command: `next_step.rs` has the words of both.
#[test]
fn only_the_mcp_server_and_hints_name_tools() {
    let sources = sources();
    let tools: Vec<&str> = sources
        .iter()
        .filter_map(|source| source.path.strip_prefix("mcp/tools/")?.strip_suffix(".rs"))
        .filter(|name| !["mod", "declaration", "job_card"].contains(name))
        .collect();
    assert!(tools.len() > 8, "{tools:?}");
    let mut astray = Vec::new();
    for Source { path, text } in
        sources.iter().filter(|Source { path, .. }| !path.starts_with("mcp/") && path != "next_step.rs")
    {
        for (index, line) in text.lines().enumerate() {
            astray.extend(
                tools
                    .iter()
                    .filter(|tool| line.contains(**tool))
                    .map(|tool| format!("src/{path}:{}: {tool}", index + 1)),
            );
        }
    }
    assert!(astray.is_empty(), "{astray:#?}");
}

/// Words that say who does what to whom where a term of the glossary in CONTRIBUTING says what happens.
const AVOIDED: &[&str] = &[
    "whoever", "nobody", "somebody", "anybody", "told", "heard", "hears", "refuge", "dialect", "dialects", "door",
    "doors",
];

#[test]
fn the_sources_keep_to_the_glossary() {
    let mut found = Vec::new();
    for Source { path, text } in sources() {
        for (index, line) in text.lines().enumerate() {
            let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            found.extend(
                words
                    .find(|word| AVOIDED.contains(&word.to_ascii_lowercase().as_str()))
                    .map(|word| format!("src/{path}:{}: {word}", index + 1)),
            );
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn functions_have_names_of_at_most_60_characters() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut long = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        for path in rust_files(&root.join(folder)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| line.split_once("fn ")?.1.split(['(', '<']).next());
            let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            long.extend(
                names.filter(is_name).filter(|name| name.len() > 60).map(|name| format!("{}: {name}", path.display())),
            );
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

/// Warnings in the modules of jobs that are about no job in particular, by their beginning.
const ABOUT_NO_JOB: &[&str] = &[
    "the process ends while a submit",
    "the ledger's file was gone",
    "the ledger could not be written to the end",
    "changes by other processes could not be read",
    "failed to reserve a slot",
    "messages of other replicas are lost",
    "{}",
];

#[test]
fn warnings_about_a_job_name_it() {
    let mut nameless = Vec::new();
    for Source { path, text } in sources() {
        if !["jobs/", "app/", "files/", "api/"].iter().any(|module| path.starts_with(module)) {
            continue;
        }
        for level in ["tracing::warn!(", "tracing::error!("] {
            for (at, _) in text.match_indices(level) {
                let warning = text[at..].split_inclusive(')').scan(0, |open, part| {
                    let is_over = *open < 0;
                    *open += i64::try_from(part.matches('(').count()).unwrap() - 1;
                    if *open <= 0 {
                        *open = -1
                    }
                    (!is_over).then_some(part)
                });
                let warning: String = warning.collect();
                let is_named = warning.contains("job_id") || warning.contains("?change");
                if !is_named && !ABOUT_NO_JOB.iter().any(|words| warning.contains(&format!("\"{words}"))) {
                    nameless.push(format!("src/{path}: {warning}"));
                }
            }
        }
    }
    assert!(nameless.is_empty(), "{nameless:#?}");
}

/// Most lines of a source file, without its tests.
const LINES_MAX: usize = 450;

#[test]
fn no_source_file_is_longer_than_450_lines() {
    let mut long = Vec::new();
    for source in sources().iter().filter(|source| !source.path.ends_with("tests.rs")) {
        let lines = source.text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        if lines > LINES_MAX {
            long.push(format!("src/{}: {lines}", source.path));
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}
