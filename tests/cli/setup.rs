//! `pdfco setup` and the files of other programs: the real binary in a home of its own, before and after each command.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::command::{Ended, Pdfco};
use serde_json::Value;

const CANARY: &str = "canary_5b1e9c";

/// A client, its file below the home on Linux ([`here`] moves it), and the folder of its recorded configuration.
const CLIENTS: &[(&str, &str, &str)] = &[
    ("claude-desktop", ".config/Claude/claude_desktop_config.json", "claude-desktop"),
    ("claude-code", ".claude.json", "claude-code"),
    ("cursor", ".cursor/mcp.json", "cursor"),
    ("vscode", ".config/Code/User/mcp.json", "vscode"),
    ("codex", ".codex/config.toml", "codex"),
    ("gemini", ".gemini/settings.json", "gemini"),
    ("goose", ".config/goose/config.yaml", "goose"),
    ("zed", ".config/zed/settings.json", "zed"),
    ("windsurf", ".codeium/windsurf/mcp_config.json", "windsurf"),
    ("cline", ".cline/data/settings/cline_mcp_settings.json", "cline"),
    ("opencode", ".config/opencode/opencode.json", "opencode"),
    ("opencode", ".config/opencode/opencode.json", "opencode-2"),
];

/// Where desktop programs keep what lies in `.config` on Linux.
const ELSEWHERE: &[(&str, &str)] = if cfg!(windows) {
    &[
        (".config/Claude", "AppData/Roaming/Claude"),
        (".config/Code", "AppData/Roaming/Code"),
        (".config/goose", "AppData/Roaming/Block/goose/config"),
        (".config/zed", "AppData/Roaming/Zed"),
    ]
} else if cfg!(target_os = "macos") {
    &[(".config/Claude", "Library/Application Support/Claude"), (".config/Code", "Library/Application Support/Code")]
} else {
    &[]
};

/// The same file on this system.
fn here(below: &str) -> PathBuf {
    let moved = ELSEWHERE.iter().find_map(|(from, to)| Some(format!("{to}{}", below.strip_prefix(from)?)));
    Path::new(moved.as_deref().unwrap_or(below)).components().collect()
}

/// The binary, as it names itself.
fn program() -> String {
    std::path::absolute(env!("CARGO_BIN_EXE_pdfco")).unwrap().to_str().unwrap().to_owned()
}

/// The same within quotes, where backslashes are doubled.
fn quoted_program() -> String {
    program().replace('\\', r"\\")
}

/// An empty home, and a project in it.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        let home = Home { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(home.path("project")).unwrap();
        home
    }

    fn path(&self, below: &str) -> PathBuf {
        dunce::canonicalize(self.folder.path()).unwrap().join(here(below))
    }

    fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }

    fn setup(&self, args: &[&str]) -> Ended {
        self.call(&[&["setup"][..], args].concat()).run()
    }

    fn call(&self, args: &[&str]) -> Pdfco {
        Pdfco::new(self.folder.path()).folder(&self.path("project")).args(args).env("PDFCO_API_KEY", CANARY)
    }

    /// Every file below the home with its bytes.
    fn everything(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut folders, mut files) = (vec![self.path("")], BTreeMap::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        files
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn recorded(folder: &str, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/clients").join(folder);
    let files = ["json", "toml", "yaml"].map(|extension| folder.join(format!("{name}.{extension}")));
    let before = ["json", "toml", "yaml"].map(|extension| folder.join(format!("before.{extension}")));
    files.into_iter().zip(before).find(|(_, before)| before.exists()).unwrap().0
}

fn without_program(text: &str) -> String {
    // YAML puts quotes around what holds backslashes.
    let text = text.replace(&format!("cmd: \"{}\"", quoted_program()), "cmd: <program>");
    text.replace(&quoted_program(), "<program>").replace(&program(), "<program>")
}

fn names_program(text: &str) -> bool {
    without_program(text) != text
}

#[test]
fn a_file_that_was_not_there_is_made_and_taken_away_again() {
    for &(client, file, _) in &CLIENTS[..11] {
        let home = Home::new();
        let said = home
            .setup(&[client])
            .code(0)
            .says("added pdfco to")
            .says(&home.path(file).display().to_string())
            .says("key: ")
            .says("next: ");
        assert!(said.stderr.is_empty(), "{said:#?}");
        let made = home.everything();
        assert_eq!(made.keys().collect::<Vec<_>>(), [&home.path(file)], "{client}");
        assert!(names_program(&home.read(file)) && home.read(file).contains("serve"), "{}", home.read(file));
        home.setup(&[client]).code(0).says("already there");
        assert_eq!(home.everything(), made, "{client}");
        home.setup(&[client, "--remove"]).code(0).says("deleted");
        assert!(home.everything().is_empty(), "{client}");
        home.setup(&[client, "--remove"]).code(0).says("pdfco is not in");
        assert!(home.everything().is_empty(), "{client}");
    }
}

#[test]
fn a_recorded_configuration_keeps_every_byte_but_the_entry() {
    for &(client, file, folder) in CLIENTS {
        let home = Home::new();
        let before = fs::read_to_string(recorded(folder, "before")).unwrap();
        home.write(file, &before);
        let untouched = home.everything();
        home.setup(&[client, "--dry-run"]).code(0).says("would add pdfco to").says(&quoted_program());
        assert!(names_program(&home.setup(&[client, "--print"]).code(0).stdout), "{client}");
        home.setup(&[client, "--remove", "--dry-run"]).code(0).says("pdfco is not in");
        assert_eq!(home.everything(), untouched, "{folder}");

        let backup = format!("{file}.before-pdfco");
        home.setup(&[client]).code(0).says(&format!("backup: {}", home.path(&backup).display()));
        assert_eq!(home.read(&backup), before, "{folder}");
        let after = without_program(&home.read(file));
        let golden = recorded(folder, "after");
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&golden, &after).unwrap();
        }
        assert_eq!(after, fs::read_to_string(&golden).unwrap(), "{folder}");
        // Every line of before is a line of after, but for a comma at its end.
        if before.lines().count() > 1 {
            let bare = |line: &str| line.trim_end_matches([',', '\r', '{', '}', ' ']).to_owned();
            let kept: Vec<String> = after.lines().map(bare).collect();
            assert!(before.lines().all(|line| kept.contains(&bare(line))), "{folder}");
        }

        let done = home.everything();
        home.setup(&[client]).code(0).says("already there");
        home.setup(&[client, "--remove", "--dry-run"]).code(0).says("would take pdfco out of");
        assert_eq!(home.everything(), done, "{folder}");

        home.setup(&[client, "--remove"]).code(0).says("took pdfco out of");
        assert_eq!(home.read(file), before, "{folder}");
        // Once more: the backup says the same and is enough.
        home.setup(&[client]).code(0);
        home.setup(&[client, "--remove"]).code(0);
        assert_eq!((home.read(file), home.everything().len()), (before, 2), "{folder}");
    }
}

#[test]
fn a_broken_file_is_refused_and_left_alone() {
    for &(client, file, folder) in CLIENTS {
        let home = Home::new();
        let before = fs::read_to_string(recorded(folder, "before")).unwrap();
        let broken = match client {
            "goose" => before.replace("extensions:", "extensions: ["),
            "codex" => before.replace("[tui]", "[tui"),
            _ => before[..before.trim_end().len() - 1].to_owned(),
        };
        home.write(file, &broken);
        let untouched = home.everything();
        for more in [&[][..], &["--remove"], &["--dry-run"], &["--key-in-config"]] {
            let said =
                home.setup(&[&[client][..], more].concat()).code(2).prints_nothing().complains("is broken at line ");
            assert!(
                said.stderr.contains(&home.path(file).display().to_string())
                    && said.stderr.contains("Nothing was changed"),
                "{said:#?}"
            );
        }
        let error = home.setup(&[client, "--json"]).code(2).envelope()["data"]["error"].clone();
        assert_eq!(error["kind"], "invalid_argument");
        assert_eq!(home.everything(), untouched, "{folder}");
    }
}

#[test]
fn uneditable_file_is_left_alone_with_an_entry_to_paste() {
    for (client, file, text) in [
        ("cursor", ".cursor/mcp.json", "{\"mcpServers\": []}"),
        ("cursor", ".cursor/mcp.json", "{\"mcpServers\": {}, \"mcpServers\": {}}"),
        (
            "cursor",
            ".cursor/mcp.json",
            "{\"mcpServers\": {\"pdfco\": {\"command\": \"a\"}, \"pdfco\": {\"command\": \"b\"}}}",
        ),
        ("cursor", ".cursor/mcp.json", "{\"mcpServers\": {\"pdfco\": {\"url\": \"http://127.0.0.1:8911/mcp\"}}}"),
        ("vscode", ".config/Code/User/mcp.json", "{\"servers\": {}, \"inputs\": {}}"),
        ("codex", ".codex/config.toml", "mcp_servers = { a = { command = \"x\" } }\n"),
        ("goose", ".config/goose/config.yaml", "extensions: {a: {type: builtin}}\n"),
        ("goose", ".config/goose/config.yaml", "extensions: {}\n---\nextensions: {}\n"),
    ] {
        let home = Home::new();
        home.write(file, text);
        let untouched = home.everything();
        let said = home.setup(&[client]).code(2).prints_nothing().complains("Nothing was changed");
        assert!(said.stderr.contains("--print") || said.stderr.contains("--remove"), "{said:#?}");
        assert_eq!(home.everything(), untouched, "{text}");
    }
}

#[test]
fn the_key_is_written_only_when_that_was_asked_for() {
    for &(client, file, folder) in CLIENTS {
        let home = Home::new();
        home.write(file, &fs::read_to_string(recorded(folder, "before")).unwrap());
        let says_nothing = |ended: Ended| assert!(!format!("{ended:?}").contains(CANARY), "{ended:#?}");
        for more in
            [&[][..], &["--json"], &["--remove"], &["--print"], &["--dry-run"], &["--dry-run", "--key-in-config"]]
        {
            says_nothing(home.setup(&[&[client][..], more].concat()).code(0));
        }
        for (path, bytes) in home.everything() {
            assert!(!String::from_utf8_lossy(&bytes).contains(CANARY), "{}", path.display());
        }

        for round in ["with a new entry", "with an old one"] {
            says_nothing(home.setup(&[client, "--key-in-config"]).code(0).says("in clear"));
            assert!(home.read(file).contains(CANARY), "{folder} {round}");
            #[cfg(unix)]
            assert_eq!(mode(&home.path(file)), 0o600, "{folder} {round}");
            says_nothing(home.setup(&[client, "--key-in-config"]).code(0).says("already there"));
            home.setup(&[client, "--remove"]).code(0);
            assert!(!home.read(file).contains(CANARY), "{folder} {round}");
            home.setup(&[client]).code(0);
            assert!(!home.read(file).contains(CANARY), "{folder} {round}");
        }
        let backups: Vec<_> =
            home.everything().into_keys().filter(|path| path.to_string_lossy().contains("before")).collect();
        for backup in backups {
            assert!(!fs::read_to_string(backup).unwrap().contains(CANARY), "{folder}");
        }
    }
    let home = Home::new();
    Pdfco::new(home.folder.path())
        .args(&["setup", "cursor", "--key-in-config"])
        .run()
        .code(3)
        .complains("No PDF.co API key");
    assert!(home.everything().is_empty());
}

#[test]
fn no_key_of_a_folder_is_written_into_a_configuration() {
    let home = Home::new();
    fs::write(home.folder.path().join(".env"), format!("PDFCO_API_KEY={CANARY}\n")).unwrap();
    let ended = Pdfco::new(home.folder.path()).args(&["setup", "cursor", "--key-in-config"]).run().code(3);
    assert!(!format!("{ended:?}").contains(CANARY), "{ended:#?}");
    for (path, bytes) in home.everything() {
        let is_it = String::from_utf8_lossy(&bytes).contains(CANARY);
        assert!(!is_it || path.ends_with(".env"), "{}", path.display());
    }
}

#[test]
fn of_an_entry_that_was_edited_only_the_command_is_ours() {
    for (client, file, before, after) in [
        (
            "cursor",
            ".cursor/mcp.json",
            "{\n  \"mcpServers\": {\n    \"pdfco\": {\n      \"args\": [ \"serve\", \"--read-only\" ], // careful\n      \"command\": \"/old/pdfco\",\n      \"env\": { \"PDFCO_FILES\": \"/docs\" }\n    }\n  }\n}\n",
            "{\n  \"mcpServers\": {\n    \"pdfco\": {\n      \"args\": [ \"serve\", \"--read-only\" ], // careful\n      \"command\": \"<program>\",\n      \"env\": { \"PDFCO_FILES\": \"/docs\" }\n    }\n  }\n}\n",
        ),
        (
            "codex",
            ".codex/config.toml",
            "[mcp_servers.pdfco]\ncommand = '/old/pdfco' # mine\nargs = [\"serve\", \"--read-only\"]\ntool_timeout_sec = 240\n\n[mcp_servers.pdfco.env]\nPDFCO_FILES = \"/docs\"\n",
            "[mcp_servers.pdfco]\ncommand = \"<program>\" # mine\nargs = [\"serve\", \"--read-only\"]\ntool_timeout_sec = 240\n\n[mcp_servers.pdfco.env]\nPDFCO_FILES = \"/docs\"\n",
        ),
        (
            "goose",
            ".config/goose/config.yaml",
            "extensions:\n  pdfco:\n    args:\n    - serve\n    - --read-only\n    cmd: /old/pdfco # mine\n    type: stdio\n",
            "extensions:\n  pdfco:\n    args:\n    - serve\n    - --read-only\n    cmd: <program> # mine\n    type: stdio\n",
        ),
        (
            "opencode",
            ".config/opencode/opencode.jsonc",
            "{\"mcp\": {\"pdfco\": {\"type\": \"local\", \"command\": [\"/old/pdfco\", \"serve\", \"--read-only\"]}}}",
            "{\"mcp\": {\"pdfco\": {\"type\": \"local\", \"command\": [\"<program>\", \"serve\", \"--read-only\"]}}}",
        ),
    ] {
        let home = Home::new();
        home.write(file, before);
        home.setup(&[client]).code(0).says("up to date").says("/old/pdfco").says("of its own, which were kept");
        assert_eq!(without_program(&home.read(file)), after);
        assert_eq!(home.read(&format!("{file}.before-pdfco")), before);
        let done = home.everything();
        home.setup(&[client]).code(0).says("already there");
        assert_eq!(home.everything(), done);
        // The key goes where the entry has its variables, and nothing else moves.
        home.setup(&[client, "--key-in-config"]).code(0);
        assert!(home.read(file).contains(CANARY) && home.read(file).contains("--read-only"), "{}", home.read(file));
    }
}

#[test]
fn what_others_wrote_in_the_meantime_stays_when_the_entry_goes() {
    let home = Home::new();
    home.write(".cursor/mcp.json", "{\n  \"a\": 1\n}\n");
    home.setup(&["cursor"]).code(0);
    let edited = home.read(".cursor/mcp.json").replace("\"a\": 1", "\"a\": 2");
    home.write(".cursor/mcp.json", &edited);
    home.setup(&["cursor", "--remove"]).code(0);
    assert_eq!(home.read(".cursor/mcp.json"), "{\n  \"a\": 2,\n  \"mcpServers\": {}\n}\n");

    // A question that another server asks, too, stays with it.
    let vscode = ".config/Code/User/mcp.json";
    home.setup(&["vscode"]).code(0);
    let shared = home.read(vscode).replacen(
        "\"servers\": {",
        "\"servers\": {\n    \"mine\": { \"env\": { \"K\": \"${input:pdfco_key}\" } },",
        1,
    );
    home.write(vscode, &shared);
    home.setup(&["vscode", "--remove"]).code(0);
    assert!(home.read(vscode).contains("\"id\": \"pdfco_key\""), "{}", home.read(vscode));
}

#[cfg(unix)]
#[test]
fn links_and_rights_stay_as_they_are() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let home = Home::new();
    home.write("dotfiles/mcp.json", "{}\n");
    fs::set_permissions(home.path("dotfiles/mcp.json"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir(home.path(".cursor")).unwrap();
    symlink("../dotfiles/mcp.json", home.path(".cursor/mcp.json")).unwrap();
    home.setup(&["cursor"]).code(0);
    assert!(fs::symlink_metadata(home.path(".cursor/mcp.json")).unwrap().is_symlink());
    assert!(names_program(&home.read("dotfiles/mcp.json")));
    assert_eq!(mode(&home.path("dotfiles/mcp.json")), 0o640);
    assert_eq!(mode(&home.path("dotfiles/mcp.json.before-pdfco")), 0o600);
    home.setup(&["cursor", "--remove"]).code(0);
    assert_eq!(home.read("dotfiles/mcp.json"), "{}\n");

    fs::set_permissions(home.path("dotfiles/mcp.json"), fs::Permissions::from_mode(0o400)).unwrap();
    home.setup(&["cursor"]).code(2).complains("read-only");
    symlink("nowhere", home.path(".claude.json")).unwrap();
    home.setup(&["claude-code"]).code(2).complains("cannot be read");
    fs::create_dir_all(home.path(".gemini/settings.json")).unwrap();
    home.setup(&["gemini"]).code(2).complains("is not a file");
    assert_eq!(home.read("dotfiles/mcp.json"), "{}\n");
}

/// A project may be another person's: its links write nothing elsewhere, and what its entry has of its own is named.
#[cfg(unix)]
#[test]
fn a_project_leads_no_write_elsewhere_and_arguments_are_named() {
    use std::os::unix::fs::symlink;
    let home = Home::new();
    home.write(".claude.json", "{}\n");
    home.write("elsewhere/mcp.json", "{}\n");
    symlink("../.claude.json", home.path("project/.mcp.json")).unwrap();
    symlink("../elsewhere", home.path("project/.cursor")).unwrap();
    for client in ["claude-code", "cursor"] {
        for more in [&[][..], &["--remove"], &["--dry-run"]] {
            let refused = home.setup(&[&[client, "--scope", "project"][..], more].concat()).code(2);
            assert!(refused.stderr.contains("a link out of the project"), "{refused:#?}");
        }
    }
    assert_eq!([home.read(".claude.json"), home.read("elsewhere/mcp.json")], ["{}\n", "{}\n"]);

    fs::remove_file(home.path("project/.mcp.json")).unwrap();
    let program = quoted_program();
    home.write(
        "project/.mcp.json",
        &format!(
            r#"{{"mcpServers": {{"pdfco": {{"command": "{program}", "args": ["serve", "--base-url", "https://attacker.test", "--files", "/"], "env": {{"PDFCO_LEDGER": "/tmp/x"}}}}}}}}"#
        ),
    );
    let named = home.setup(&["claude-code", "--scope", "project"]).code(0);
    for own in ["--base-url", "https://attacker.test", "--files", "PDFCO_LEDGER"] {
        assert!(format!("{}{}", named.stdout, named.stderr).contains(own), "{own}: {named:#?}");
    }
}

#[test]
fn files_that_are_no_text_or_too_large_are_refused() {
    let home = Home::new();
    home.write(".cursor/mcp.json", "");
    fs::write(home.path(".cursor/mcp.json"), [b'{', 0xff, b'}']).unwrap();
    home.setup(&["cursor"]).code(2).complains("is not UTF-8");
    let file = fs::File::create(home.path(".cursor/mcp.json")).unwrap();
    file.set_len(16 * 1024 * 1024 + 1).unwrap();
    home.setup(&["cursor"]).code(2).complains("larger than 16 MiB");
    assert_eq!(fs::metadata(home.path(".cursor/mcp.json")).unwrap().len(), 16 * 1024 * 1024 + 1);
}

#[test]
fn a_project_and_another_file_can_be_named() {
    for (client, file) in [
        ("claude-code", ".mcp.json"),
        ("cursor", ".cursor/mcp.json"),
        ("vscode", ".vscode/mcp.json"),
        ("codex", ".codex/config.toml"),
        ("gemini", ".gemini/settings.json"),
        ("opencode", "opencode.json"),
    ] {
        let home = Home::new();
        home.setup(&[client, "--scope", "project"]).code(0);
        assert_eq!(home.everything().keys().collect::<Vec<_>>(), [&home.path(&format!("project/{file}"))]);
        let refused = home.setup(&[client, "--scope", "project", "--key-in-config"]).code(2);
        assert!(refused.stderr.contains("shared with others"), "{refused:#?}");
    }
    let home = Home::new();
    home.setup(&["windsurf", "--scope", "project"]).code(2).complains("--config");
    home.setup(&["windsurf", "--config", "mine.json"]).code(0);
    assert!(names_program(&home.read("project/mine.json")));
    home.setup(&["emacs"]).code(2).complains("possible values");
}

#[test]
fn the_list_and_the_doctor_know_who_has_it() {
    let home = Home::new();
    home.setup(&["cursor"]).code(0);
    home.setup(&["claude-code", "--scope", "project"]).code(0);
    home.write(".codex/config.toml", "");
    home.write(".gemini/settings.json", "{");
    // A path that begins with a drive where paths do.
    let gone = if cfg!(windows) { "C:/gone/pdfco" } else { "/gone/pdfco" };
    home.write(
        ".codeium/windsurf/mcp_config.json",
        &format!("{{\"mcpServers\":{{\"pdfco\":{{\"command\":\"{gone}\"}}}}}}"),
    );
    let data = home.setup(&["--json"]).code(0).envelope()["data"].clone();
    assert_eq!((data["items"].as_array().unwrap().len(), data["total"].as_u64()), (12, Some(12)), "{data:#}");
    let item = |client: &str, scope: &str| {
        let found =
            data["items"].as_array().unwrap().iter().find(|item| item["client"] == client && item["scope"] == scope);
        found.cloned().unwrap_or(Value::Null)
    };
    assert_eq!(item("cursor", "user")["has_pdfco"], true);
    assert_eq!(item("cursor", "user")["command"], program());
    assert_eq!(item("claude-code", "project")["has_pdfco"], true);
    assert_eq!(
        (item("codex", "user")["exists"].clone(), item("codex", "user")["has_pdfco"].clone()),
        (true.into(), false.into())
    );
    assert!(item("gemini", "user")["problem"].as_str().unwrap().contains("line 1"));
    assert_eq!(
        (item("zed", "user")["exists"].clone(), item("windsurf", "user")["stale"].clone()),
        (false.into(), true.into())
    );
    home.setup(&[]).code(0).says("cursor").says("has pdfco (project)").says("whose program is gone").says("not found");

    let doctor = home.call(&["doctor", "--simulate"]).run().code(2);
    for line in [
        "ok    Cursor: has pdfco in ",
        "ok    Codex: does not have pdfco\n      run `pdfco setup codex`",
        "FAIL  Windsurf: has pdfco in ",
        "/gone/pdfco is gone\n      run `pdfco setup windsurf`",
        "ok    Gemini CLI: ",
    ] {
        assert!(doctor.stdout.contains(line), "{line:?}: {doctor:#?}");
    }
    assert!(!doctor.stdout.contains("Zed"), "{doctor:#?}");
    home.setup(&["windsurf"]).code(0).says("up to date");
    let items = home.call(&["doctor", "--simulate", "--json"]).run().code(0).envelope()["data"]["items"].clone();
    let windsurf = items.as_array().unwrap().iter().find(|item| item["check"] == "Windsurf").unwrap();
    assert_eq!((windsurf["ok"].clone(), windsurf["hint"].clone()), (true.into(), "".into()));
}

#[test]
fn programs_read_what_happened() {
    let home = Home::new();
    let said = |args: &[&str]| home.setup(&[args, &["--json"]].concat()).code(0).envelope()["data"].clone();
    let added = said(&["codex"]);
    assert_eq!((added["action"].as_str(), added["changed"].as_bool()), (Some("added"), Some(true)), "{added:#}");
    assert_eq!(added["entry"]["env_vars"][0], "PDFCO_API_KEY");
    assert_eq!(added["path"], home.path(".codex/config.toml").display().to_string());
    for (args, action, changed) in [
        (&["codex"][..], "unchanged", false),
        (&["codex", "--dry-run", "--remove"], "deleted", false),
        (&["codex", "--key-in-config"], "updated", true),
        (&["codex", "--print"], "printed", false),
        (&["codex", "--remove"], "deleted", true),
        (&["codex", "--remove"], "absent", false),
    ] {
        let data = said(args);
        assert_eq!(
            (data["action"].as_str(), data["changed"].as_bool()),
            (Some(action), Some(changed)),
            "{args:?}: {data:#}"
        );
    }
}

#[test]
fn the_entry_starts_a_server_that_finds_no_key_in_a_placeholder() {
    let home = Home::new();
    let printed = home.setup(&["gemini", "--print"]).code(0);
    let config: Value = serde_json::from_str(&printed.stdout).unwrap();
    let entry = &config["mcpServers"]["pdfco"];
    assert_eq!((entry["command"].as_str(), entry["args"][0].as_str()), (Some(&*program()), Some("serve")));
    let unfilled = entry["env"]["PDFCO_API_KEY"].as_str().unwrap();
    Pdfco::new(home.folder.path())
        .args(&["credits"])
        .env("PDFCO_API_KEY", unfilled)
        .run()
        .code(3)
        .complains("No PDF.co API key");
}
