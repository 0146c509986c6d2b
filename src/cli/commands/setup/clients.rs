//! The assistants that can be set up, one row each: where a client keeps its servers, what an entry looks like there, how
//! the key reaches a server that the client starts, and what to restart.
//!
//! Where the key goes is different for each client, because they hand different environments to their servers: some the
//! whole one, some none, some only what the entry names.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::edit::Format;
use crate::config::Machine;

/// What the entry is called everywhere. Gemini CLI allows no `_`, Cursor counts it into the length of tool names.
pub const NAME: &str = "pdfco";

/// The variable that the server reads its key from.
pub const KEY_VARIABLE: &str = "PDFCO_API_KEY";

/// What VS Code asks the person for, once, and keeps in its own store.
pub const INPUT: &str = "pdfco_key";

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    /// This user's, for every project
    User,
    /// The current folder's, shared with all who have it
    Project,
}

impl Scope {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::User => "user",
            Scope::Project => "project",
        }
    }
}

/// How the key reaches the server when it is not in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDelivery {
    /// The client hands its own environment on.
    Inherited,
    /// The entry names the variable, and the client fills it in: the name it gets, and the text.
    FilledIn(&'static str, &'static str),
    /// The entry lists the variable, and the client lets it through.
    LetThrough,
    /// The client asks the person.
    Asked,
    /// There is none.
    None,
}

/// Where the key of an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKey<'a> {
    /// In the entry, in clear.
    Written(&'a str),
    /// Wherever the client's own way leads.
    Delivered,
    /// Stored once for this user, where the server finds it by itself.
    Stored,
}

/// A file that a client reads, and the folder that shows that the client is there.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// The file.
    pub file: PathBuf,
    /// The folder.
    pub folder: PathBuf,
}

/// What an entry looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `command`, `args` and `env`, after a field that says what kind of server it is, if the client wants one.
    Usual(Option<(&'static str, &'static str)>),
    /// One array for the command, and `environment`.
    Opencode,
    /// `cmd`, `args` and `envs`.
    Goose,
}

/// One assistant.
#[derive(Debug)]
pub struct Client {
    /// What it is called on the command line.
    pub id: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// How its file is written.
    pub format: Format,
    /// Where the servers stand in the file; the last one is made when there is none.
    pub sections: &'static [&'static [&'static str]],
    /// How the key reaches the server.
    pub key_delivery: KeyDelivery,
    /// The same in words.
    pub how: &'static str,
    /// What to do then.
    pub restart: &'static str,
    /// Its files, the one that it prefers first.
    pub config_files: fn(&Machine, Scope) -> Vec<ConfigFile>,
    shape: Shape,
}

/// Every client, in the order of the documentation.
pub const CLIENTS: &[Client] = &[
    Client {
        id: "claude-desktop",
        title: "Claude Desktop",
        format: Format::Json,
        sections: &[&["mcpServers"]],
        shape: Shape::Usual(None),
        key_delivery: KeyDelivery::None,
        how: "Claude Desktop does not read your shell's variables. Run `pdfco key set` once, and the server finds the key by itself; or run this again with --key-in-config to write the key into this file; or add PDFCO_API_KEY to the entry's `env` yourself.",
        restart: "Quit Claude Desktop completely and open it again.",
        config_files: |machine, scope| match scope {
            Scope::User => vec![in_folder(app_data(machine).join("Claude"), "claude_desktop_config.json")],
            Scope::Project => vec![],
        },
    },
    Client {
        id: "claude-code",
        title: "Claude Code",
        format: Format::Json,
        sections: &[&["mcpServers"]],
        shape: Shape::Usual(Some(("type", "stdio"))),
        key_delivery: KeyDelivery::Inherited,
        how: "Claude Code hands its environment on: set PDFCO_API_KEY in the shell that starts it.",
        restart: "Start a new session of Claude Code; /mcp shows the server.",
        config_files: |machine, scope| match (scope, machine.variable("CLAUDE_CONFIG_DIR")) {
            (Scope::User, Some(folder)) => vec![in_folder(folder, ".claude.json")],
            (Scope::User, None) => {
                vec![ConfigFile { file: machine.home.join(".claude.json"), folder: machine.home.join(".claude") }]
            }
            (Scope::Project, _) => vec![in_project(machine, "", ".mcp.json")],
        },
    },
    Client {
        id: "cursor",
        title: "Cursor",
        format: Format::Json,
        sections: &[&["mcpServers"]],
        shape: Shape::Usual(None),
        key_delivery: KeyDelivery::FilledIn(KEY_VARIABLE, "${env:PDFCO_API_KEY}"),
        how: "The entry names the variable and Cursor fills it in: set PDFCO_API_KEY in the environment that Cursor starts in.",
        restart: "Restart Cursor; Settings > MCP shows the server.",
        config_files: |machine, scope| match scope {
            Scope::User => vec![in_folder(machine.home.join(".cursor"), "mcp.json")],
            Scope::Project => vec![in_project(machine, ".cursor", "mcp.json")],
        },
    },
    Client {
        id: "vscode",
        title: "VS Code",
        format: Format::Json,
        sections: &[&["servers"]],
        shape: Shape::Usual(Some(("type", "stdio"))),
        key_delivery: KeyDelivery::Asked,
        how: "VS Code asks for the key when it starts the server for the first time, and keeps it in its own store.",
        restart: "Run \"MCP: List Servers\" in VS Code and start pdfco.",
        config_files: |machine, scope| match scope {
            Scope::User => {
                let folder = app_data(machine).join("Code");
                vec![ConfigFile { file: folder.join("User").join("mcp.json"), folder }]
            }
            Scope::Project => vec![in_project(machine, ".vscode", "mcp.json")],
        },
    },
    Client {
        id: "codex",
        title: "Codex",
        format: Format::Toml,
        sections: &[&["mcp_servers"]],
        shape: Shape::Usual(None),
        key_delivery: KeyDelivery::LetThrough,
        how: "Codex hands on only the variables that the entry lists, and it lists PDFCO_API_KEY: set it in the shell that starts Codex.",
        restart: "Start a new session of Codex; /mcp shows the server.",
        config_files: |machine, scope| match scope {
            Scope::User => {
                let folder = machine.variable("CODEX_HOME").unwrap_or_else(|| machine.home.join(".codex"));
                vec![in_folder(folder, "config.toml")]
            }
            Scope::Project => vec![in_project(machine, ".codex", "config.toml")],
        },
    },
    Client {
        id: "gemini",
        title: "Gemini CLI",
        format: Format::Json,
        sections: &[&["mcpServers"]],
        shape: Shape::Usual(None),
        // Inherited variables with KEY in their name are taken away from servers, those that the entry names are not.
        key_delivery: KeyDelivery::FilledIn(KEY_VARIABLE, "$PDFCO_API_KEY"),
        how: "The entry names the variable and Gemini CLI fills it in: set PDFCO_API_KEY in the shell that starts it.",
        restart: "Start Gemini CLI again; /mcp shows the server.",
        config_files: |machine, scope| match scope {
            Scope::User => vec![in_folder(machine.home.join(".gemini"), "settings.json")],
            Scope::Project => vec![in_project(machine, ".gemini", "settings.json")],
        },
    },
    Client {
        id: "goose",
        title: "Goose",
        format: Format::Yaml,
        sections: &[&["extensions"]],
        shape: Shape::Goose,
        // Not `env_keys`: with it, Goose refuses to start the server while the key is missing.
        key_delivery: KeyDelivery::Inherited,
        how: "Goose hands its environment on: set PDFCO_API_KEY in the shell that starts it.",
        restart: "Start a new session of Goose.",
        config_files: |machine, scope| match scope {
            Scope::User if machine.is_windows() => {
                vec![in_folder(app_data(machine).join("Block").join("goose").join("config"), "config.yaml")]
            }
            Scope::User => vec![in_folder(config_home(machine).join("goose"), "config.yaml")],
            Scope::Project => vec![],
        },
    },
    Client {
        id: "zed",
        title: "Zed",
        format: Format::Json,
        sections: &[&["context_servers"]],
        shape: Shape::Usual(Some(("source", "custom"))),
        key_delivery: KeyDelivery::Inherited,
        how: "Zed hands its environment on: set PDFCO_API_KEY in your login shell, and restart Zed if it runs already.",
        restart: "Zed starts the server by itself.",
        config_files: |machine, scope| match scope {
            Scope::User if machine.is_windows() => vec![in_folder(app_data(machine).join("Zed"), "settings.json")],
            Scope::User if machine.is_mac() => {
                vec![in_folder(machine.home.join(".config").join("zed"), "settings.json")]
            }
            Scope::User => vec![in_folder(config_home(machine).join("zed"), "settings.json")],
            Scope::Project => vec![],
        },
    },
    Client {
        id: "windsurf",
        title: "Windsurf",
        format: Format::Json,
        sections: &[&["mcpServers"]],
        shape: Shape::Usual(None),
        key_delivery: KeyDelivery::FilledIn(KEY_VARIABLE, "${env:PDFCO_API_KEY}"),
        how: "The entry names the variable and Windsurf fills it in: set PDFCO_API_KEY in the environment that Windsurf starts in.",
        restart: "Press the refresh button of Windsurf's MCP panel, or restart Windsurf.",
        config_files: |machine, scope| match scope {
            Scope::User => vec![in_folder(machine.home.join(".codeium").join("windsurf"), "mcp_config.json")],
            Scope::Project => vec![],
        },
    },
    Client {
        id: "cline",
        title: "Cline",
        format: Format::Json,
        sections: &[&["mcpServers"]],
        shape: Shape::Usual(None),
        // The extension fills variables in and hands no others on; the command line hands all on and fills none in. The
        // second name of the key serves the first and does not shadow the second.
        key_delivery: KeyDelivery::FilledIn("X_API_KEY", "${env:PDFCO_API_KEY}"),
        how: "The entry names the variable and Cline fills it in: set PDFCO_API_KEY in the environment that Cline or its editor starts in.",
        restart: "Cline starts the server by itself; if not, restart it in Cline's MCP panel.",
        config_files: |machine, scope| match scope {
            Scope::User => {
                let root = machine.variable("CLINE_DIR").unwrap_or_else(|| machine.home.join(".cline"));
                let data = machine.variable("CLINE_DATA_DIR").unwrap_or_else(|| root.join("data"));
                let storage =
                    app_data(machine).join("Code").join("User").join("globalStorage").join("saoudrizwan.claude-dev");
                let file = |folder: &PathBuf| folder.join("settings").join("cline_mcp_settings.json");
                vec![
                    ConfigFile { file: file(&data), folder: root },
                    ConfigFile { file: file(&storage), folder: storage },
                ]
            }
            Scope::Project => vec![],
        },
    },
    Client {
        id: "opencode",
        title: "opencode",
        format: Format::Json,
        // Files of the second major version nest deeper; it reads those of the first as well.
        sections: &[&["mcp", "servers"], &["mcp"]],
        shape: Shape::Opencode,
        key_delivery: KeyDelivery::Inherited,
        how: "opencode hands its environment on: set PDFCO_API_KEY in the shell that starts it.",
        restart: "Start opencode again.",
        config_files: |machine, scope| {
            let folder = match scope {
                Scope::User => config_home(machine).join("opencode"),
                Scope::Project => machine.here.clone(),
            };
            ["opencode.json", "opencode.jsonc"].map(|name| in_folder(folder.clone(), name)).to_vec()
        },
    },
];

/// Returns the client with this id, or `None` if there is none.
pub fn find(id: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.id == id)
}

impl Client {
    /// The entry that starts `program`, in this section; with the key, with the client's own way to it, or with neither.
    pub fn entry(&self, section: &[&str], program: &str, key: EntryKey<'_>) -> Value {
        let mut entry = Map::new();
        let mut field = |name: &str, value: Value| drop(entry.insert(name.to_owned(), value));
        match self.shape {
            Shape::Usual(kind) => {
                if let Some((name, value)) = kind {
                    field(name, value.into());
                }
                field("command", program.into());
                field("args", json!(["serve"]));
            }
            Shape::Opencode => {
                field("type", "local".into());
                field("command", json!([program, "serve"]));
                if section.len() == 1 {
                    field("enabled", true.into());
                }
            }
            Shape::Goose => {
                for (name, value) in [("type", "stdio"), ("name", NAME), ("description", "PDF.co document jobs")] {
                    field(name, value.into());
                }
                field("enabled", true.into());
                field("cmd", program.into());
                field("args", json!(["serve"]));
                field("timeout", 300.into());
            }
        }
        match (key, self.key_delivery) {
            (EntryKey::Written(key), _) => field(self.env(), json!({KEY_VARIABLE: key})),
            (EntryKey::Stored, _) => {}
            (_, KeyDelivery::FilledIn(variable, text)) => field(self.env(), json!({variable: text})),
            (_, KeyDelivery::Asked) => field(self.env(), json!({KEY_VARIABLE: format!("${{input:{INPUT}}}")})),
            (_, KeyDelivery::LetThrough) => field("env_vars", json!([KEY_VARIABLE])),
            (_, KeyDelivery::Inherited | KeyDelivery::None) => {}
        }
        Value::Object(entry)
    }

    /// Where an entry names the program.
    pub fn command(&self) -> &'static [&'static str] {
        match self.shape {
            Shape::Usual(_) => &["command"],
            Shape::Opencode => &["command", "0"],
            Shape::Goose => &["cmd"],
        }
    }

    /// The words that an entry passes to the program.
    pub fn arguments(&self, entry: &Value) -> Vec<String> {
        let words = match self.shape {
            Shape::Usual(_) | Shape::Goose => entry.get("args"),
            Shape::Opencode => entry.get("command"),
        };
        let words = words.and_then(Value::as_array).into_iter().flatten();
        let skipped = usize::from(self.shape == Shape::Opencode);
        words.skip(skipped).map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect()
    }

    /// Where an entry sets variables.
    pub fn env(&self) -> &'static str {
        match self.shape {
            Shape::Usual(_) => "env",
            Shape::Opencode => "environment",
            Shape::Goose => "envs",
        }
    }

    /// What VS Code needs to know of the key before it can ask for it.
    pub fn input(&self, key: EntryKey<'_>) -> Option<Value> {
        let input = json!({"type": "promptString", "id": INPUT, "description": "PDF.co API key", "password": true});
        (self.key_delivery == KeyDelivery::Asked && key == EntryKey::Delivered).then_some(input)
    }

    /// Whether it has a configuration of this scope.
    pub fn has(&self, machine: &Machine, scope: Scope) -> bool {
        !(self.config_files)(machine, scope).is_empty()
    }
}

fn in_folder(folder: PathBuf, name: &str) -> ConfigFile {
    ConfigFile { file: folder.join(name), folder }
}

fn in_project(machine: &Machine, folder: &str, name: &str) -> ConfigFile {
    let folder = if folder.is_empty() { machine.here.clone() } else { machine.here.join(folder) };
    in_folder(folder, name)
}

/// `$XDG_CONFIG_HOME`, or what stands for it.
fn config_home(machine: &Machine) -> PathBuf {
    machine.variable("XDG_CONFIG_HOME").unwrap_or_else(|| machine.home.join(".config"))
}

/// Where desktop programs keep their settings.
fn app_data(machine: &Machine) -> PathBuf {
    if machine.is_windows() {
        machine.variable("APPDATA").unwrap_or_else(|| machine.home.join("AppData").join("Roaming"))
    } else if machine.is_mac() {
        machine.home.join("Library").join("Application Support")
    } else {
        config_home(machine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(system: &'static str, variables: &[(&str, &str)]) -> Machine {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), absolute(value).into())).collect();
        Machine { home: "/h".into(), here: "/p".into(), program: "/bin/pdfco".into(), system, variables }
    }

    /// The same folder where paths begin with a drive.
    fn absolute(folder: &str) -> String {
        if cfg!(windows) && folder.starts_with('/') { format!("C:{folder}") } else { folder.to_owned() }
    }

    fn files(id: &str, machine: &Machine, scope: Scope) -> Vec<String> {
        let config_files = (find(id).unwrap().config_files)(machine, scope);
        let plain = |file: String| file.trim_start_matches("C:").replace(std::path::MAIN_SEPARATOR, "/");
        config_files.iter().map(|location| plain(location.file.display().to_string())).collect()
    }

    #[test]
    fn every_client_has_its_files_on_every_system() {
        let table: &[(&str, &str, &[&str])] = &[
            ("linux", "claude-desktop", &["/h/.config/Claude/claude_desktop_config.json"]),
            ("macos", "claude-desktop", &["/h/Library/Application Support/Claude/claude_desktop_config.json"]),
            ("windows", "claude-desktop", &["/h/AppData/Roaming/Claude/claude_desktop_config.json"]),
            ("linux", "claude-code", &["/h/.claude.json"]),
            ("windows", "claude-code", &["/h/.claude.json"]),
            ("linux", "cursor", &["/h/.cursor/mcp.json"]),
            ("linux", "vscode", &["/h/.config/Code/User/mcp.json"]),
            ("macos", "vscode", &["/h/Library/Application Support/Code/User/mcp.json"]),
            ("windows", "vscode", &["/h/AppData/Roaming/Code/User/mcp.json"]),
            ("linux", "codex", &["/h/.codex/config.toml"]),
            ("linux", "gemini", &["/h/.gemini/settings.json"]),
            ("linux", "goose", &["/h/.config/goose/config.yaml"]),
            ("macos", "goose", &["/h/.config/goose/config.yaml"]),
            ("windows", "goose", &["/h/AppData/Roaming/Block/goose/config/config.yaml"]),
            ("linux", "zed", &["/h/.config/zed/settings.json"]),
            ("macos", "zed", &["/h/.config/zed/settings.json"]),
            ("windows", "zed", &["/h/AppData/Roaming/Zed/settings.json"]),
            ("linux", "windsurf", &["/h/.codeium/windsurf/mcp_config.json"]),
            (
                "macos",
                "cline",
                &[
                    "/h/.cline/data/settings/cline_mcp_settings.json",
                    "/h/Library/Application Support/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
                ],
            ),
            ("linux", "opencode", &["/h/.config/opencode/opencode.json", "/h/.config/opencode/opencode.jsonc"]),
        ];
        for (system, id, expected) in table {
            assert_eq!(files(id, &machine(system, &[]), Scope::User), *expected, "{id} on {system}");
        }
        for client in CLIENTS {
            assert!(table.iter().any(|(_, id, _)| *id == client.id), "{} is not in the table", client.id);
        }
    }

    #[test]
    fn variables_move_the_files_of_those_who_read_them() {
        for (system, variable, value, id, expected) in [
            ("linux", "XDG_CONFIG_HOME", "/x", "zed", "/x/zed/settings.json"),
            ("macos", "XDG_CONFIG_HOME", "/x", "zed", "/h/.config/zed/settings.json"),
            ("macos", "XDG_CONFIG_HOME", "/x", "goose", "/x/goose/config.yaml"),
            ("linux", "XDG_CONFIG_HOME", "relative", "goose", "/h/.config/goose/config.yaml"),
            ("linux", "XDG_CONFIG_HOME", "/x", "vscode", "/x/Code/User/mcp.json"),
            ("windows", "APPDATA", "/a", "vscode", "/a/Code/User/mcp.json"),
            ("linux", "CODEX_HOME", "/c", "codex", "/c/config.toml"),
            ("linux", "CLAUDE_CONFIG_DIR", "/c", "claude-code", "/c/.claude.json"),
            ("linux", "CLINE_DIR", "/c", "cline", "/c/data/settings/cline_mcp_settings.json"),
        ] {
            let found = files(id, &machine(system, &[(variable, value)]), Scope::User);
            assert_eq!(found.first().map(String::as_str), Some(expected), "{variable} on {system}");
        }
    }

    #[test]
    fn a_project_has_its_own_files() {
        for (id, expected) in [
            ("claude-code", "/p/.mcp.json"),
            ("cursor", "/p/.cursor/mcp.json"),
            ("vscode", "/p/.vscode/mcp.json"),
            ("codex", "/p/.codex/config.toml"),
            ("gemini", "/p/.gemini/settings.json"),
            ("opencode", "/p/opencode.json"),
        ] {
            let found = files(id, &machine("linux", &[]), Scope::Project);
            assert_eq!(found.first().map(String::as_str), Some(expected), "{id}");
        }
        assert!(files("windsurf", &machine("linux", &[]), Scope::Project).is_empty());
    }

    #[test]
    fn no_entry_holds_a_key_that_was_not_given() {
        for client in CLIENTS {
            for section in client.sections {
                let without = client.entry(section, "/bin/pdfco", EntryKey::Delivered);
                let with = client.entry(section, "/bin/pdfco", EntryKey::Written("canary"));
                let stored = client.entry(section, "/bin/pdfco", EntryKey::Stored).to_string();
                assert!(!stored.contains("API_KEY") && client.input(EntryKey::Stored).is_none(), "{stored}");
                assert_eq!(
                    super::super::edit::at(&without, client.command()),
                    Some(&json!("/bin/pdfco")),
                    "{}",
                    client.id
                );
                assert_eq!(with[client.env()][KEY_VARIABLE], "canary", "{}", client.id);
                assert!(!with.to_string().contains('$') && with.get("env_vars").is_none(), "{}", client.id);
            }
        }
    }
}
