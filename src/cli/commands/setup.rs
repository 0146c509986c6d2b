//! `pdfco setup`: the right entry in an assistant's own configuration, one command each.
//!
//! Of an entry that exists already only the path of the program is ours, and the key when it was asked for; everything
//! else in it belongs to the person. The shape of an entry is in `setup/clients.rs`, the editing of a text in
//! `setup/edit.rs`, of a file in `setup/file.rs`, the survey of all clients in `setup/status.rs`.

mod action;
pub mod clients;
pub mod edit;
mod entry;
mod file;
mod json;
pub mod link;
mod seen;
mod splice;
pub mod status;
mod stored;
mod toml;
mod yaml;

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use self::action::Action;
use self::clients::{CLIENTS, Client, EntryKey, INPUT, KEY_VARIABLE, KeyDelivery, Scope};
use self::edit::{add_json_element, at, remove_json_element};
use self::entry::{foreign, is_same_program};
use self::seen::{Seen, refused};
use self::splice::Problem;
use self::stored::{key_to_write, offered_key, stored_in, stored_key};
use crate::cli::output::Printer;
use crate::cli::report::Report;
use crate::cli::value_parsers::path;
use crate::config::{Config, KeyPlace, Machine, Origin};
use crate::error::{Error, Kind, Result};

/// Examples of `--help`.
pub const EXAMPLES: &str = "Examples:
  pdfco setup                              the clients, their files, and which of them have pdfco
  pdfco setup claude-desktop
  pdfco setup cursor --scope project --dry-run
  pdfco setup claude-desktop --key-in-config
  pdfco setup codex --remove
  pdfco setup zed --print                  the entry, to paste it yourself
  pdfco setup cursor --link                a link that adds it with a click: Cursor, VS Code";

/// What stands for the key wherever an entry is shown.
const SHOWN_KEY: &str = "(your key)";

/// Flags of `setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// The assistant; without one, all of them are listed
    #[arg(value_parser = PossibleValuesParser::new(CLIENTS.iter().map(|client| client.id)))]
    client: Option<String>,
    /// Say what would change, and change nothing
    #[arg(long, requires = "client")]
    dry_run: bool,
    /// Take the entry out again
    #[arg(long, requires = "client", conflicts_with_all = ["key_in_config", "print"])]
    remove: bool,
    /// Print a configuration with nothing but the entry, and change nothing
    #[arg(long, requires = "client", conflicts_with = "dry_run")]
    print: bool,
    /// Print a link that makes the client ask to add the entry: Cursor and VS Code
    #[arg(long, requires = "client", conflicts_with_all = ["dry_run", "remove", "print", "config", "key_in_config"])]
    link: bool,
    /// Whose configuration
    #[arg(long, value_enum, value_name = "SCOPE", default_value_t = Scope::User)]
    scope: Scope,
    /// Another file than the client's usual one
    #[arg(long, value_name = "PATH", requires = "client", value_parser = path(), value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Write the key into the file, in clear, and keep the file from other users
    #[arg(long, requires = "client")]
    key_in_config: bool,
}

/// Lists the clients, or sets one up.
///
/// # Errors
/// `invalid_argument` when the client has no such scope, or its file is broken or cannot be edited without guessing;
/// `auth` when a key is to be written and there is none; as `file.rs`.
pub fn run(args: &SetupArgs, config: &Config, printer: &Printer) -> Result<Report> {
    let machine = Machine::this()?;
    let Some(client) = args.client.as_deref().and_then(clients::find) else {
        return Ok(status::list(&machine));
    };
    if args.config.is_none() && !client.has(&machine, args.scope) {
        return Err(Error::invalid(
            format!("{} has no configuration of a project.", client.title),
            "Leave --scope out, or name the file with --config.",
        ));
    }
    if args.key_in_config && args.scope == Scope::Project {
        return Err(Error::invalid(
            "A project's configuration is shared with others; the key is not written into it.",
            "Leave --key-in-config out, or use --scope user.",
        ));
    }
    let key = if args.key_in_config { Some(key_to_write(config)?) } else { None };
    let program = machine.program.to_str().ok_or_else(|| {
        Error::new(Kind::FileAccess, "The path of this program is not UTF-8.", "Move the program to another folder.")
    })?;
    if args.link {
        return link::report(client, program, stored_key().as_ref());
    }
    let seen = Seen::find(client, &machine, args.scope, args.config.as_deref())?;
    if args.scope == Scope::Project && args.config.is_none() {
        file::refuse_outside(&seen.location.file, &machine.here)?;
    }
    let key_source = match config.origin(KEY_VARIABLE) {
        Origin::Flag => "--api-key".to_owned(),
        Origin::Environment => "the environment".to_owned(),
        _ => config.source(KEY_VARIABLE),
    };
    let is_final = !args.print && !args.remove && !args.dry_run && key.is_none();
    let mut notes = Vec::new();
    let stored = if is_final { offered_key(config, printer, &mut notes)? } else { stored_key() };
    let work = Work { client, seen, program, key, key_source, stored, scope: args.scope, dry_run: args.dry_run };
    let mut report = match () {
        () if args.print => work.print(),
        () if args.remove => work.remove()?,
        () => work.add()?,
    };
    report.notes.extend(notes);
    Ok(report)
}

/// One client being set up.
struct Work<'a> {
    client: &'static Client,
    seen: Seen,
    program: &'a str,
    key: Option<&'a str>,
    /// Where the key came from.
    key_source: String,
    /// Where the key is stored that the server finds by itself.
    stored: Option<KeyPlace>,
    scope: Scope,
    dry_run: bool,
}

impl Work<'_> {
    /// Where the key of a new entry is. A project's entry is shared with others, who have their own.
    fn entry_key(&self) -> EntryKey<'_> {
        match self.key {
            Some(key) => EntryKey::Written(key),
            None if self.stored.is_some() && self.scope == Scope::User => EntryKey::Stored,
            None => EntryKey::Delivered,
        }
    }

    fn add(self) -> Result<Report> {
        let (client, path) = (self.client, self.seen.path());
        let refused = |problem| refused(client, &self.seen.location.file, problem);
        let format = client.format;
        let text = self.seen.text();
        let fresh = client.entry(self.seen.section, self.program, self.entry_key());
        let Some(entry) = self.seen.entry() else {
            let mut text = format.add(text, &path, &fresh).map_err(refused)?;
            if let Some(input) = client.input(self.entry_key())
                && input_index(&self.seen.value).is_none()
            {
                text = add_json_element(&text, &["inputs"], &input).map_err(refused)?;
            }
            return self.end(Action::Added, Some(text), vec![]);
        };

        let command_path = [path.as_slice(), client.command()].concat();
        let Some(command) = at(&self.seen.value, &command_path).and_then(Value::as_str) else {
            return Err(Error::invalid(
                format!("{} has a pdfco that starts no program.", self.seen.location.file.display()),
                format!(
                    "Nothing was changed. `pdfco setup {} --remove` takes it out; then set it up again.",
                    client.id
                ),
            ));
        };
        let (mut text, mut notes) = (text.to_owned(), Vec::new());
        if !is_same_program(command, self.program) {
            text = format.set(&text, &command_path, &self.program.into()).map_err(refused)?;
            notes.push(format!("command: {command} is now {}", self.program));
        }
        if let Some(key) = self.key {
            let key_path = [path.as_slice(), &[client.env(), KEY_VARIABLE]].concat();
            if at(&self.seen.value, &key_path).and_then(Value::as_str) != Some(key) {
                text = format.set(&text, &key_path, &key.into()).map_err(refused)?;
                notes.push("key: it is in the entry now".to_owned());
            }
        }
        notes.extend(foreign(client, entry, &fresh));
        let action = if text == self.seen.text() { Action::Unchanged } else { Action::Updated };
        self.end(action, (action == Action::Updated).then_some(text), notes)
    }

    fn remove(self) -> Result<Report> {
        let (client, path) = (self.client, self.seen.path());
        let refused = |problem| refused(client, &self.seen.location.file, problem);
        let (Some(found), Some(_)) = (&self.seen.found, self.seen.entry()) else {
            return self.end(Action::Absent, None, vec![]);
        };
        let mut left = Vec::new();
        for text in self.without_input().map_err(refused)? {
            left.extend(client.format.remove(&text, &path).map_err(refused)?);
        }
        // What was there before is one of these; the backup shows which.
        let backups = file::backups(found);
        let is_before = |text: &&String| backups.contains(text);
        let was_there = |text: &String| client.format.read(text).is_ok_and(|value| at(&value, &path).is_none());
        if !backups.iter().any(was_there) && left.iter().any(|text| text.trim().is_empty()) {
            return self.end(Action::Deleted, None, vec![]);
        }
        let text = left.iter().find(is_before).or_else(|| left.first()).cloned();
        self.end(Action::Removed, text, vec![])
    }

    /// The texts without the question for the key, unless another server's entry asks for it, too.
    fn without_input(&self) -> std::result::Result<Vec<String>, Problem> {
        let text = self.seen.text();
        let asked = format!("${{input:{INPUT}}}");
        let others = text.matches(&asked).count()
            > self.seen.entry().map_or(0, |entry| entry.to_string().matches(&asked).count());
        match (self.client.input(EntryKey::Delivered), input_index(&self.seen.value)) {
            (Some(ours), Some(index))
                if !others && at(&self.seen.value, &["inputs", &index.to_string()]) == Some(&ours) =>
            {
                remove_json_element(text, &["inputs"], index)
            }
            _ => Ok(vec![text.to_owned()]),
        }
    }

    fn print(self) -> Report {
        let (client, path) = (self.client, self.seen.path());
        let key = match self.entry_key() {
            // A key is not printed.
            EntryKey::Written(_) => EntryKey::Delivered,
            other => other,
        };
        let mut text = client.format.alone(&path, &client.entry(self.seen.section, self.program, key));
        if let Some(input) = client.input(key) {
            text = add_json_element(&text, &["inputs"], &input).unwrap_or(text);
        }
        let mut report = self.report(Action::Printed, None, None, vec![]);
        report.notes = std::mem::take(&mut report.lines);
        report.lines = text.lines().map(str::to_owned).collect();
        report
    }

    /// Does what was decided, and says it.
    fn end(self, action: Action, text: Option<String>, notes: Vec<String>) -> Result<Report> {
        let mut backup = None;
        let (path, found) = (&self.seen.location.file, self.seen.found.as_ref());
        if !self.dry_run {
            // The first change to a file is the one that has no backup of what was there before us.
            let is_first = action == Action::Added || found.is_some_and(|found| file::backups(found).is_empty());
            if let (Some(found), Some(text)) = (found, &text)
                && is_first
                && *text != found.text
            {
                backup = Some(file::back_up(path, found)?);
            }
            if let Some(text) = &text {
                file::write(path, found, text, self.key.is_some())?;
            }
            if let (Action::Deleted, Some(found)) = (action, found) {
                file::delete(path, found)?;
            }
        }
        Ok(self.report(action, backup, text.as_deref(), notes))
    }

    fn report(self, action: Action, backup: Option<PathBuf>, text: Option<&str>, notes: Vec<String>) -> Report {
        let Work { client, seen, .. } = &self;
        let key = match self.entry_key() {
            EntryKey::Written(_) => EntryKey::Written(SHOWN_KEY),
            other => other,
        };
        let shown = client.entry(seen.section, self.program, key);
        let path = seen.location.file.display().to_string();
        let summary = format!("{}: {} {path}", client.title, action.sentence(self.dry_run));
        let mut lines = vec![summary.clone()];
        lines.extend(notes.iter().cloned());
        lines.extend(backup.iter().map(|backup| format!("backup: {}", backup.display())));
        if self.dry_run && action == Action::Added {
            lines.extend(client.format.alone(&seen.path(), &shown).lines().map(|line| format!("  {line}")));
        }
        let is_there = matches!(action, Action::Added | Action::Updated | Action::Unchanged | Action::Printed);
        let has_key =
            seen.entry().is_some_and(|entry| entry.get(client.env()).and_then(|env| env.get(KEY_VARIABLE)).is_some());
        let how = match (self.key, client.key_delivery) {
            (Some(_), _) if cfg!(unix) => {
                format!(
                    "It comes from {} and stands in the file, in clear; only you can read the file.",
                    self.key_source
                )
            }
            (Some(_), _) => format!(
                "It comes from {} and stands in the file, in clear; who may read the file can read it.",
                self.key_source
            ),
            // The person has seen to it.
            (None, KeyDelivery::None) if has_key => String::new(),
            // An entry of before, or of a project, goes on asking.
            (None, KeyDelivery::Asked) if has_key && action != Action::Printed || key != EntryKey::Stored => {
                client.how.to_owned()
            }
            _ => self.stored.as_ref().map_or_else(|| client.how.to_owned(), stored_in),
        };
        if is_there && !how.is_empty() {
            lines.push(format!("key: {how}"));
        }
        let next = match action {
            Action::Added | Action::Updated | Action::Printed => client.restart.to_owned(),
            Action::Removed | Action::Deleted => format!("{} forgets it when it is started again.", client.title),
            Action::Unchanged | Action::Absent => String::new(),
        };
        if !next.is_empty() {
            lines.push(format!("next: {next}"));
        }
        if !seen.is_installed() && action == Action::Added {
            lines.push(format!("{} was not found on this machine; the file is made all the same.", client.title));
        }
        Report {
            summary,
            lines,
            data: json!({
                "status": "success",
                "client": client.id,
                "scope": self.scope.as_str(),
                "path": path,
                "action": action.word(),
                "dry_run": self.dry_run,
                "changed": !self.dry_run && (text.is_some() || action == Action::Deleted),
                "backup": backup.map(|backup| backup.display().to_string()),
                "entry": is_there.then_some(shown),
                "key_in_config": self.key.is_some(),
                "key": is_there.then_some(how),
                "next": next,
                "notes": notes,
            }),
            ..Report::default()
        }
    }
}

/// Which of the questions of VS Code is ours.
fn input_index(value: &Value) -> Option<usize> {
    value.get("inputs")?.as_array()?.iter().position(|input| input.get("id").is_some_and(|id| id == INPUT))
}
