//! What the packages say is what the program is: versions, tools, variables and addresses come from the crate.
//!
//! `UPDATE_FIXTURES=1 cargo test --test integration packaging` writes them into the files again, after a new version or a new tool.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pdfco::config::SETTINGS;
use pdfco::mcp::tools::ALL;
use serde_json::{Value, json};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// Every file of JSON that a client, a store or a registry reads.
const FILES: [&str; 9] = [
    "packaging/mcpb/manifest.json",
    "packaging/npm/package.json",
    "packaging/mcp-registry/server.json",
    "gemini-extension.json",
    ".claude-plugin/plugin.json",
    ".claude-plugin/marketplace.json",
    "glama.json",
    "plugin.json",
    "mcp.json",
];

/// Variables that a client asks its user for; the others have their defaults and are in `.env.example`.
const ASKED: [&str; 7] = [
    "PDFCO_API_KEY",
    "PDFCO_FILES",
    "PDFCO_DOWNLOAD_DIR",
    "PDFCO_READ_ONLY",
    "PDFCO_TOOLSETS",
    "PDFCO_MAX_WAIT_SECONDS",
    "PDFCO_CREDIT_BUDGET",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn document(file: &str) -> Value {
    serde_json::from_str(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// `io.github.<owner>/<repository>`, as the registry spells it.
fn registry_name() -> String {
    let (owner, name) = REPOSITORY.strip_prefix("https://github.com/").unwrap().split_once('/').unwrap();
    format!("io.github.{owner}/{name}")
}

/// What the file says with the crate's version, tools and variables in it.
fn renewed(file: &str) -> Value {
    let mut document = document(file);
    match file {
        "packaging/mcpb/manifest.json" => {
            document["version"] = VERSION.into();
            document["tools"] = ALL
                .iter()
                .map(|tool| {
                    let first = tool.description.split(". ").next().unwrap().trim_end_matches('.');
                    json!({"name": tool.name, "description": format!("{first}.")})
                })
                .collect();
        }
        "packaging/npm/package.json" => {
            document["version"] = VERSION.into();
            document["mcpName"] = registry_name().into();
            document["description"] = env!("CARGO_PKG_DESCRIPTION").into();
            for (_, version) in document["optionalDependencies"].as_object_mut().unwrap() {
                *version = VERSION.into();
            }
        }
        "packaging/mcp-registry/server.json" => {
            document["version"] = VERSION.into();
            document["name"] = registry_name().into();
            document["icons"][0]["src"] = json!(
                REPOSITORY.replace("github.com", "raw.githubusercontent.com")
                    + &format!("/v{VERSION}/packaging/icons/icon-256.png")
            );
            for package in document["packages"].as_array_mut().unwrap() {
                if package["registryType"] == "oci" {
                    let image = REPOSITORY.replace("https://github.com/", "ghcr.io/");
                    package["identifier"] = format!("{image}:{VERSION}").into();
                    // Folders are the container's own and set in the image.
                    package["environmentVariables"] =
                        variables(&|name| !["PDFCO_FILES", "PDFCO_DOWNLOAD_DIR"].contains(&name));
                } else {
                    package["version"] = VERSION.into();
                    package["environmentVariables"] = variables(&|_| true);
                }
            }
        }
        "gemini-extension.json" | ".claude-plugin/plugin.json" => {
            document["version"] = VERSION.into();
            document["mcpServers"]["pdfco"]["args"] = json!(["-y", format!("pdfco@{VERSION}"), "serve"]);
        }
        "plugin.json" => {
            // The same words as for Claude Code, without what only that knows.
            let claude = self::document(".claude-plugin/plugin.json");
            document["version"] = VERSION.into();
            for field in ["name", "description", "author", "homepage", "repository", "license", "keywords"] {
                document[field] = claude[field].clone();
            }
        }
        "mcp.json" => {
            document["mcpServers"]["pdfco"]["args"] = json!(["-y", format!("pdfco@{VERSION}"), "serve"]);
        }
        _ => {}
    }
    document
}

fn variables(wanted: &dyn Fn(&str) -> bool) -> Value {
    SETTINGS
        .iter()
        .filter(|setting| ASKED.contains(&setting.variable) && wanted(setting.variable))
        .map(|setting| {
            let mut variable = json!({"name": setting.variable, "description": setting.help});
            if setting.variable == "PDFCO_API_KEY" {
                variable["isRequired"] = true.into();
                variable["isSecret"] = true.into();
            }
            if setting.is_switch() {
                variable["format"] = "boolean".into();
            }
            if !setting.default.is_empty() {
                variable["default"] = setting.default.into();
            }
            variable
        })
        .collect()
}

#[test]
fn versions_tools_variables_and_names_are_those_of_the_crate() {
    for file in FILES {
        let renewed = serde_json::to_string_pretty(&renewed(file)).unwrap() + "\n";
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(root().join(file), renewed).unwrap();
        } else {
            assert_eq!(text(file), renewed, "{file}: run `UPDATE_FIXTURES=1 cargo test --test integration packaging`");
        }
    }
}

/// Agent Plugins 1.0.0 is a closed schema: a field that it does not know is an error in some clients.
#[test]
fn the_agent_plugin_has_known_fields_alone_and_no_key() {
    let plugin = document("plugin.json");
    let known =
        ["$schema", "name", "version", "description", "author", "homepage", "repository", "license", "keywords"];
    for (field, _) in plugin.as_object().unwrap() {
        assert!(known.contains(&field.as_str()), "{field}");
    }
    assert_eq!(plugin["$schema"], "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json");
    let name = plugin["name"].as_str().unwrap();
    assert!(name.len() <= 64 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
    assert!(root().join("skills/pdfco/SKILL.md").is_file(), "the skill is where such clients look");
    let mcp = document("mcp.json");
    assert_eq!(mcp["$schema"], "https://agent-plugins.org/schemas/1.0.0/mcp.schema.json");
    let server = mcp["mcpServers"]["pdfco"].as_object().unwrap();
    assert_eq!(server["type"], "stdio");
    for (field, _) in server {
        assert!(["type", "command", "args"].contains(&field.as_str()), "{field}: keys come from `pdfco key set`");
    }
}

#[test]
fn the_entry_for_dockers_registry_is_about_this_image() {
    let entry = text("packaging/docker/server.yaml");
    for line in [
        "name: pdfco".to_owned(),
        "type: server".to_owned(),
        format!("  project: {REPOSITORY}"),
        "  dockerfile: packaging/docker/Dockerfile".to_owned(),
        "      env: PDFCO_API_KEY".to_owned(),
    ] {
        assert!(entry.lines().any(|found| found == line), "{line}");
    }
}

/// Other texts that packages carry or clients read.
const TEXTS: [&str; 10] = [
    "packaging/docker/server.yaml",
    "packaging/docker/Dockerfile",
    "pyproject.toml",
    "packaging/homebrew/pdfco.rb",
    "packaging/install.sh",
    "packaging/build.sh",
    "docs/llms.txt",
    "skills/pdfco/SKILL.md",
    ".github/SECURITY.md",
    ".github/workflows/release.yml",
];

#[test]
fn every_variable_that_a_package_sets_is_a_setting() {
    let settings: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.variable).collect();
    let mut seen = 0;
    for file in FILES.iter().chain(&TEXTS) {
        for word in text(file).split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if word.starts_with("PDFCO_") {
                assert!(settings.contains(word), "{file}: {word}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 30, "{seen} variables found");
}

/// What stands behind each place where `before` is found, up to the end of the word.
fn words_behind(text: &str, before: &str) -> Vec<String> {
    let word = |rest: &str| rest.split(|c: char| c.is_whitespace() || "\"')>,`".contains(c)).next().unwrap().to_owned();
    text.match_indices(before).map(|(at, _)| word(&text[at + before.len()..])).collect()
}

#[test]
fn every_address_of_the_repository_is_the_one_of_the_crate() {
    let path = REPOSITORY.strip_prefix("https://github.com/").unwrap();
    let (owner, _) = path.split_once('/').unwrap();
    let mut seen = 0;
    for file in FILES.iter().chain(&TEXTS) {
        let text = text(file);
        for host in ["https://github.com/", "https://raw.githubusercontent.com/", "ghcr.io/", "io.github."] {
            for word in words_behind(&text, host) {
                // The schema of the bundle's format lives with the format, the registry's publisher with the registry; a
                // workflow fills its own repository in, and a script cuts the host off its own.
                let is_other = ["anthropics/mcpb/", "modelcontextprotocol/registry/", "${{", "}"]
                    .iter()
                    .any(|other| word.starts_with(other));
                assert!(is_other || word.starts_with(path), "{file}: {host}{word}");
                seen += 1;
            }
        }
        // The scope of the platform packages: `@owner/pdfco-linux-x64`.
        for word in words_behind(&text, "@") {
            let scope = word.split_once("/pdfco-").map(|(scope, _)| scope).filter(|scope| !scope.is_empty());
            if let Some(scope) = scope.filter(|scope| scope.chars().all(|c| c.is_ascii_lowercase() || c == '-')) {
                assert_eq!(scope, owner, "{file}: @{word}");
            }
        }
    }
    assert!(seen >= 30, "{seen} addresses found");
}

#[test]
fn the_manifest_of_the_bundle_fills_every_wish_it_asks_for() {
    let manifest = document("packaging/mcpb/manifest.json");
    let server = serde_json::to_string(&manifest["server"]).unwrap();
    for (name, wish) in manifest["user_config"].as_object().unwrap() {
        assert!(server.contains(&format!("${{user_config.{name}}}")), "{name} is asked for and not used");
        assert!(wish["title"].is_string() && wish["description"].is_string(), "{name}");
    }
    assert_eq!(manifest["user_config"]["api_key"]["sensitive"], true);
    assert_eq!(manifest["user_config"]["allowed_dirs"]["multiple"], true);
    // A list is only spread out where it stands alone in the arguments.
    assert_eq!(manifest["server"]["mcp_config"]["args"], json!(["serve", "${user_config.allowed_dirs}"]));
}

#[test]
fn the_manifest_lists_the_tools_that_the_server_lists() {
    let listed: Vec<Value> = serde_json::from_str(&text("fixtures/tools/core.json")).unwrap();
    let names =
        |tools: &[Value]| tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let manifest = document("packaging/mcpb/manifest.json");
    assert_eq!(names(manifest["tools"].as_array().unwrap()), names(&listed));
}

#[test]
fn the_launcher_knows_the_platforms_that_are_built() {
    let targets = document("packaging/targets.json");
    let scope = registry_name().trim_start_matches("io.github.").split('/').next().unwrap().to_owned();
    let built: BTreeSet<String> = targets
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("@{scope}/pdfco-{}", row["npm"].as_str().unwrap()))
        .collect();
    let package = document("packaging/npm/package.json");
    let offered: BTreeSet<String> = package["optionalDependencies"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(offered, built);
    for row in targets.as_array().unwrap() {
        let target = row["target"].as_str().unwrap();
        assert!(text(".github/workflows/release.yml").contains(target), "the release does not build {target}");
        assert_eq!(row["npm"], format!("{}-{}", row["os"].as_str().unwrap(), row["cpu"].as_str().unwrap()), "{target}");
    }
}

#[test]
fn the_registry_can_see_whose_packages_these_are() {
    let name = registry_name();
    assert_eq!(document("packaging/npm/package.json")["mcpName"], name);
    assert!(text("packaging/docker/Dockerfile").contains(&format!("io.modelcontextprotocol.server.name=\"{name}\"")));
    // Cargo's registry strips comments, so it stands in the text; and nothing may be glued to its end.
    let readme = text("README.md");
    let lines: Vec<&str> = readme.lines().filter(|line| line.contains("mcp-name:")).collect();
    assert_eq!(lines, [format!("mcp-name: {name}")]);
}

#[test]
fn the_limits_of_the_registry_are_kept() {
    let server = document("packaging/mcp-registry/server.json");
    assert!(server["description"].as_str().unwrap().chars().count() <= 100);
    assert!(server["title"].as_str().unwrap().chars().count() <= 100);
    assert!(document("gemini-extension.json")["mcpServers"].get("pdfco").is_some());
}

#[test]
fn what_is_promised_names_what_exists() {
    let security = text(".github/SECURITY.md");
    let mut seen = 0;
    let mut sources: Vec<(PathBuf, String)> = Vec::new();
    let mut folders = vec![root().join("src"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    // The files and the tests that the table names are searched for.
    for word in security.split('`').skip(1).step_by(2) {
        if word.ends_with(".rs") || word.ends_with(".toml") || word.ends_with(".sh") {
            assert!(root().join(word).is_file(), "SECURITY.md names {word}, which is not there");
            seen += 1;
        } else if word.matches('_').count() >= 3 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            let function = format!("fn {word}(");
            assert!(sources.iter().any(|(_, text)| text.contains(&function)), "no test is called {word}");
            seen += 1;
        }
    }
    assert!(seen >= 30, "{seen} names found");
}

#[test]
fn the_change_log_knows_this_version_and_since_when() {
    let log = text("docs/CHANGELOG.md");
    let sections: Vec<&str> =
        log.lines().filter(|line| line.starts_with("## [") && *line != "## [Unreleased]").collect();
    assert!(sections[0].starts_with(&format!("## [{VERSION}] - ")), "CHANGELOG.md has no section for {VERSION}");
    for section in sections {
        let (_, date) = section.split_once("] - ").unwrap_or_else(|| panic!("{section}: no date"));
        assert!(date.parse::<jiff::civil::Date>().is_ok(), "{section}: no date");
    }
}

/// The strings of a list in a TOML file: `list("packaging/deny.toml", &["graph", "targets"])`.
fn list(file: &str, path: &[&str]) -> BTreeSet<String> {
    let document: toml_edit::DocumentMut = text(file).parse().unwrap();
    let mut item = document.as_item();
    for key in path {
        item = &item[key];
    }
    item.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_checked_and_named_is_what_is_released() {
    let targets = document("packaging/targets.json");
    let built: BTreeSet<String> =
        targets.as_array().unwrap().iter().map(|row| row["target"].as_str().unwrap().to_owned()).collect();
    assert_eq!(list("packaging/deny.toml", &["graph", "targets"]), built);
    assert_eq!(list("packaging/about.toml", &["targets"]), built);
    assert_eq!(list("packaging/about.toml", &["accepted"]), list("packaging/deny.toml", &["licenses", "allow"]));
}

#[test]
fn one_compiler_builds_everything() {
    let minimum = env!("CARGO_PKG_RUST_VERSION");
    let mut seen = BTreeSet::new();
    for workflow in WORKFLOWS {
        seen.extend(words_behind(&text(workflow), "RUSTUP_TOOLCHAIN: "));
    }
    seen.extend(
        words_behind(&text("packaging/docker/Dockerfile"), "FROM rust:")
            .iter()
            .map(|word| word.split('-').next().unwrap().to_owned()),
    );
    assert_eq!(seen.len(), 1, "{seen:?}");
    let compiler = seen.first().unwrap();
    assert!(
        compiler == minimum || compiler.starts_with(&format!("{minimum}.")),
        "{compiler}, Cargo.toml says {minimum}"
    );
}

const WORKFLOWS: [&str; 2] = [".github/workflows/ci.yml", ".github/workflows/release.yml"];

/// The jobs of a workflow: name and text.
fn jobs(workflow: &str) -> Vec<(String, String)> {
    let text = text(workflow);
    let (_, text) = text.split_once("\njobs:\n").unwrap();
    let mut jobs: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let name = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':'));
        if let Some(name) = name.filter(|name| !name.starts_with([' ', '#'])) {
            jobs.push((name.to_owned(), String::new()));
        } else if let Some((_, text)) = jobs.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    jobs
}

#[test]
fn only_a_pushed_tag_publishes() {
    let mut publishing = BTreeSet::new();
    for (name, text) in WORKFLOWS.iter().flat_map(|workflow| jobs(workflow)) {
        if ["id-token: write", "contents: write", "packages: write", "attestations: write"]
            .iter()
            .any(|may| text.contains(may))
        {
            assert!(text.contains("\n    if: github.event_name == 'push'\n"), "{name} publishes when started by hand");
            // The environment has reviewers.
            assert!(text.contains("\n    environment: release\n"), "{name} publishes without a reviewer");
            for tool in ["cargo install", "cargo build", "pipx", "pip install", "npx", "npm install", "docker build "] {
                assert!(!text.contains(tool), "{name} may publish and runs {tool}");
            }
            publishing.insert(name);
        }
    }
    let expected = ["crates-io", "image-publish", "npm", "pypi", "registry", "release"];
    assert_eq!(publishing, expected.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn nothing_is_published_before_everything_was_built() {
    let jobs = jobs(".github/workflows/release.yml");
    let needs = |name: &str| -> Vec<String> {
        let (_, text) = jobs.iter().find(|(job, _)| job == name).unwrap_or_else(|| panic!("no job {name}"));
        let line = text.lines().find_map(|line| line.strip_prefix("    needs: ")).unwrap_or_default();
        line.trim_matches(['[', ']']).split(", ").filter(|need| !need.is_empty()).map(str::to_owned).collect()
    };
    let mut before = BTreeSet::new();
    let mut open = needs("release");
    while let Some(job) = open.pop() {
        open.extend(needs(&job));
        before.insert(job);
    }
    for job in ["checks", "lists", "build", "universal", "image", "collect"] {
        assert!(before.contains(job), "the release does not wait for {job}");
    }
    for job in ["crates-io", "npm", "pypi", "image-publish"] {
        assert_eq!(needs(job), ["release"], "{job}");
    }
    // What is summed is all there; what is attested is the sums.
    let (_, collect) = jobs.iter().find(|(job, _)| job == "collect").unwrap();
    assert!(collect.contains("packaging/build.sh --out dist launcher homebrew server-json sums\n"));
    let (_, release) = jobs.iter().find(|(job, _)| job == "release").unwrap();
    assert!(release.contains("subject-checksums: dist/SHA256SUMS\n") && !release.contains("build.sh"));
}

#[test]
fn actions_and_the_base_image_are_named_by_their_digests() {
    let mut seen = 0;
    for workflow in WORKFLOWS {
        for action in words_behind(&text(workflow), "uses: ") {
            let (_, commit) = action.split_once('@').unwrap_or_else(|| panic!("{workflow}: {action}"));
            assert!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{workflow}: {action}");
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen} actions found");
    for image in words_behind(&text("packaging/docker/Dockerfile"), "FROM ") {
        assert!(image == "scratch" || image.contains("@sha256:"), "{image}");
    }
}

#[test]
fn a_container_keeps_its_ledger() {
    let server = document("packaging/mcp-registry/server.json");
    let packages = server["packages"].as_array().unwrap();
    let image = packages.iter().find(|package| package["registryType"] == "oci").unwrap();
    let mounts: Vec<&str> = image["runtimeArguments"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|argument| argument["value"].as_str())
        .collect();
    assert!(text("packaging/docker/Dockerfile").contains("PDFCO_LEDGER=/data/"));
    assert!(mounts.contains(&"type=volume,src=pdfco,dst=/data"), "{mounts:?}");
    for file in ["packaging/docker/Dockerfile", "packaging/README.md"] {
        for line in text(file).lines().filter(|line| line.contains("docker run")) {
            assert!(line.contains("-v pdfco:/data"), "{file}: {line}");
        }
    }
}

/// Files outside of `src/` that are part of the binary, as its sources name them.
fn included_files() -> BTreeSet<String> {
    let mut folders = vec![root().join("src")];
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                let named = source.split("include_").skip(1).filter_map(|rest| {
                    let (kind, rest) = rest.split_once("!(\"")?;
                    matches!(kind, "str" | "bytes").then(|| rest.split('"').next().unwrap_or_default().to_owned())
                });
                let outside = named.filter_map(|name| {
                    let whole = folder.join(name).canonicalize().ok()?;
                    Some(whole.strip_prefix(root().canonicalize().ok()?).ok()?.to_str()?.to_owned())
                });
                found.extend(outside.filter(|file: &String| !file.starts_with("src/")));
            }
        }
    }
    found
}

#[test]
fn whatever_is_inside_the_binary_is_in_every_source_package() {
    let manifest: toml_edit::DocumentMut = text("Cargo.toml").parse().unwrap();
    let crate_files: Vec<String> = manifest["package"]["include"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|file| Some(file.as_str()?.trim_start_matches('/').to_owned()))
        .collect();
    let ignored = text("packaging/docker/Dockerfile.dockerignore");
    let context: Vec<String> = ignored.lines().filter_map(|line| line.strip_prefix('!')).map(str::to_owned).collect();
    let dockerfile = text("packaging/docker/Dockerfile");
    let copied: Vec<String> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let files = included_files();
    assert!(files.contains("skills/pdfco/SKILL.md"), "the sources are read: {files:?}");
    for file in files {
        let is_in = |list: &[String]| list.iter().any(|one| file == *one || file.starts_with(&format!("{one}/")));
        assert!(is_in(&crate_files), "Cargo.toml's include lacks {file}");
        assert!(is_in(&context), "the image's build context lacks {file}");
        assert!(is_in(&copied), "the image's build does not copy {file}");
    }
}
