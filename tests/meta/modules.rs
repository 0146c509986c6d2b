//! The modules of `src/lib.rs` and what they may import, checked in the text of the sources: other modules and foreign
//! libraries.

use std::path::Path;

use super::sources::{Source, rust_files, sources, starts_a_word};

/// A word in code, and the paths below `src/` that may use it.
const FOREIGN: &[(&str, &[&str])] = &[
    ("reqwest::", &["api/"]),
    ("rustls::", &["api/"]),
    ("backoff::", &["api/retry_policy.rs"]),
    ("sqlx::", &["jobs/ledger/"]),
    ("rmcp::", &["mcp/", "serve/"]),
    ("jsonwebtoken::", &["serve/oauth/"]),
    ("ring::", &["serve/oauth/", "serve/page/sessions.rs", "api/"]),
    ("axum::", &["simulator/", "serve/", "cli/commands/login.rs"]),
    ("maud::", &["serve/page/", "cli/commands/login.rs"]),
    ("lopdf::", &["simulator/", "files/pdf_pages.rs"]),
    ("clap::", &["cli/"]),
    ("indicatif::", &["cli/progress.rs"]),
    ("comfy_table::", &["cli/table.rs"]),
    ("jsonc_parser::", &["cli/commands/setup/json.rs"]),
    ("toml_edit::", &["cli/commands/setup/toml.rs"]),
    ("saphyr_parser::", &["cli/commands/setup/yaml.rs"]),
    ("keyring_core::", &["config/keychain.rs"]),
    ("opentelemetry::", &["otlp/"]),
    ("opentelemetry_sdk::", &["otlp/"]),
    ("opentelemetry_otlp::", &["otlp/"]),
    ("opentelemetry_http::", &["otlp/client.rs"]),
    ("tracing_opentelemetry::", &["otlp/spans.rs"]),
    ("opentelemetry_appender_tracing::", &["otlp/lines.rs"]),
    ("metrics_exporter_opentelemetry::", &["otlp/instruments.rs"]),
    ("metrics_exporter_prometheus::", &["serve/health.rs"]),
    ("terminal_size::", &["cli/output.rs"]),
    ("rpassword::", &["cli/output.rs"]),
    ("tempfile::", &["cli/", "config/private_file.rs"]),
    ("directories::", &["config/"]),
    ("dunce::", &["files/", "config/"]),
    // `main` hands the command line over; the simulator's folder is a default of its own.
    ("std::env::", &["config/", "simulator/options.rs", "main.rs"]),
    // Printing panics where the other end is closed: what writes says what follows then.
    ("println!", &[]),
    // A server that is blocked cannot unwind.
    ("process::exit", &["main.rs"]),
];

/// Leaves, which import nothing but one another, and which every module may import.
const LEAVES: &[&str] = &["charge", "clock", "error", "json_ext", "next_step", "secret", "tenant", "text"];

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
    ("config", &[]),
    ("telemetry", &["config"]),
    ("api", &["catalog", "config"]),
    ("otlp", &["telemetry", "config", "api"]),
    ("jobs", &["catalog", "api", "config"]),
    ("files", &["catalog", "config", "api", "jobs"]),
    ("simulator", &["catalog"]),
    ("app", &["catalog", "api", "config", "jobs", "files"]),
    ("mcp", &["catalog", "config", "jobs", "files", "app"]),
    ("serve", &["signals", "telemetry", "config", "api", "jobs", "app", "mcp"]),
    ("cli", &["*"]),
    ("main", &["*"]),
    ("lib", &["*"]),
];

/// Names of the library's root that are no modules, and where they come from.
const OF_ROOT: &[(&str, &str)] = &[("answer", "app"), ("hint", "next_step")];

/// Imports that point the wrong way today: a file, and the module that it should not know.
const EXCEPTIONS: &[(&str, &str)] = &[];

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
                let of_root = OF_ROOT.iter().find(|(name, _)| *name == module);
                let module = of_root.map_or(module, |(_, module)| *module);
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

/// A row that is about nothing would check nothing.
#[test]
fn the_tables_name_what_there_is() {
    let sources = sources();
    let modules: Vec<&str> = sources.iter().map(Source::module).collect();
    let gone = ARROWS.iter().flat_map(|(module, allowed)| allowed.iter().chain([module]));
    let gone = gone.chain(LEAVES).filter(|module| **module != "*" && !modules.contains(module));
    assert_eq!(gone.collect::<Vec<_>>(), Vec::<&&str>::new(), "no such module");
    for (word, paths) in FOREIGN {
        for path in *paths {
            let uses = |source: &Source| source.path.starts_with(path) && source.text.contains(word);
            assert!(sources.iter().any(uses), "src/{path} does not use {word}");
        }
    }
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

/// A text for people must not name a tool: `next_step.rs` has the words of both.
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
        let lines = source.product().lines().count();
        if lines > LINES_MAX {
            long.push(format!("src/{}: {lines}", source.path));
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}
