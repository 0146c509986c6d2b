//! Which assistants of this machine have pdfco: for the list of `setup` and for `doctor`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::clients::{CLIENTS, Client, Scope};
use super::edit::at;
use super::seen::Seen;
use crate::cli::report::Report;
use crate::cli::table::Table;
use crate::config::Machine;
use crate::error::Error;

/// What a client has.
pub struct Status {
    /// The client.
    pub client: &'static Client,
    /// Whose configuration.
    pub scope: Scope,
    /// Its file.
    pub path: PathBuf,
    /// Whether the file exists.
    pub exists: bool,
    /// Whether the client seems to be on this machine.
    pub is_installed: bool,
    /// The program that its pdfco starts; nothing when it has none.
    pub command: Option<String>,
    /// Why that cannot be said.
    pub problem: Option<Error>,
}

impl Status {
    fn of(client: &'static Client, machine: &Machine, scope: Scope) -> Status {
        let first = (client.config_files)(machine, scope).into_iter().next();
        let path = first.as_ref().map(|location| location.file.clone()).unwrap_or_default();
        match Seen::find(client, machine, scope, None) {
            Ok(seen) => Status {
                client,
                scope,
                exists: seen.found.is_some(),
                is_installed: seen.is_installed(),
                command: seen
                    .entry()
                    .map(|entry| at(entry, client.command()).and_then(Value::as_str).unwrap_or_default().to_owned()),
                problem: None,
                path: seen.location.file,
            },
            Err(problem) => {
                Status { client, scope, path, exists: true, is_installed: true, command: None, problem: Some(problem) }
            }
        }
    }

    /// Whether its pdfco names a program that is not there.
    pub fn is_stale(&self) -> bool {
        self.command.as_deref().is_some_and(|command| Path::new(command).is_absolute() && !Path::new(command).exists())
    }

    /// The state in words.
    pub fn words(&self) -> &'static str {
        match self {
            Status { problem: Some(_), .. } => "cannot be read",
            status if status.is_stale() => "has pdfco, whose program is gone",
            Status { command: Some(_), .. } => "has pdfco",
            Status { is_installed: true, .. } => "does not have pdfco",
            _ => "not found",
        }
    }
}

/// What every client has: this user's configuration, and the current folder's where it has pdfco.
pub fn statuses(machine: &Machine) -> Vec<Status> {
    let mut all = Vec::new();
    for client in CLIENTS {
        let user = Status::of(client, machine, Scope::User);
        // In the home folder some clients have one file for both.
        let project = client.has(machine, Scope::Project).then(|| Status::of(client, machine, Scope::Project));
        let project = project.filter(|project| project.command.is_some() && project.path != user.path);
        all.push(user);
        all.extend(project);
    }
    all
}

/// The list.
pub fn list(machine: &Machine) -> Report {
    let statuses = statuses(machine);
    let rows: Vec<Vec<String>> = statuses
        .iter()
        .map(|status| {
            let words = match status.scope {
                Scope::User => status.words().to_owned(),
                Scope::Project => format!("{} (project)", status.words()),
            };
            vec![status.client.id.to_owned(), words, status.path.display().to_string()]
        })
        .collect();
    let having = statuses.iter().filter(|status| status.command.is_some()).count();
    let items: Vec<Value> = statuses
        .iter()
        .map(|status| {
            json!({
                "client": status.client.id,
                "title": status.client.title,
                "scope": status.scope.as_str(),
                "path": status.path.display().to_string(),
                "exists": status.exists,
                "installed": status.is_installed,
                "has_pdfco": status.command.is_some(),
                "command": status.command,
                "stale": status.is_stale(),
                "problem": status.problem.as_ref().map(Error::message),
            })
        })
        .collect();
    let summary = format!("{having} have pdfco");
    let table = Table { header: vec!["client", "state", "file"], rows, spare: &[] };
    Report {
        summary,
        lines: table.lines(),
        data: json!({"status": "success", "total": items.len(), "items": items}),
        table: Some(table),
        notes: vec!["pdfco setup <client> adds it; --dry-run only says what it would do.".to_owned()],
        ..Report::default()
    }
}
