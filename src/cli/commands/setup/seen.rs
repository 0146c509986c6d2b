//! A client's file as it was found, and what it says about this program.

use std::path::Path;

use serde_json::Value;

use super::clients::{Client, ConfigFile, NAME, Scope};
use super::edit::at;
use super::file::{self, Found};
use super::splice::Problem;
use crate::config::Machine;
use crate::error::{Error, Result};

/// A client's file, as it is.
pub(super) struct Seen {
    pub(super) location: ConfigFile,
    pub(super) found: Option<Found>,
    pub(super) value: Value,
    pub(super) section: &'static [&'static str],
}

impl Seen {
    /// Of several files, the one that has the entry; or the first that is there; or the first whose folder is.
    pub(super) fn find(client: &'static Client, machine: &Machine, scope: Scope, named: Option<&Path>) -> Result<Seen> {
        let config_files = match named {
            Some(file) => {
                let file = machine.here.join(file);
                vec![ConfigFile { folder: file.parent().unwrap_or(&machine.here).to_owned(), file }]
            }
            None => (client.config_files)(machine, scope),
        };
        let mut best: Option<Seen> = None;
        for location in config_files {
            let seen = Seen::read(client, location)?;
            let rank = |seen: &Seen| (seen.entry().is_some(), seen.found.is_some(), seen.location.folder.is_dir());
            if best.as_ref().is_none_or(|best| rank(&seen) > rank(best)) {
                best = Some(seen);
            }
        }
        best.ok_or_else(|| Error::internal("A client has no file."))
    }

    pub(super) fn read(client: &'static Client, location: ConfigFile) -> Result<Seen> {
        let found = file::read(&location.file)?;
        let text = found.as_ref().map_or("", |found| &found.text);
        let value = client.format.read(text).map_err(|problem| refused(client, &location.file, problem))?;
        let section = section(client, &value);
        Ok(Seen { location, found, value, section })
    }

    pub(super) fn text(&self) -> &str {
        self.found.as_ref().map_or("", |found| &found.text)
    }

    pub(super) fn path(&self) -> Vec<&'static str> {
        [self.section, &[NAME]].concat()
    }

    pub(super) fn entry(&self) -> Option<&Value> {
        at(&self.value, &self.path())
    }

    pub(super) fn is_installed(&self) -> bool {
        self.found.is_some() || self.location.folder.is_dir()
    }
}

/// The section that has the entry; or the first that is one; or the last, which is then made.
fn section(client: &'static Client, value: &Value) -> &'static [&'static str] {
    let has_entry = |section: &&&[&str]| at(value, &[**section, &[NAME]].concat()).is_some();
    // A server may be called `servers`; then its fields are no servers.
    let is_section = |section: &&&[&str]| {
        at(value, section).and_then(Value::as_object).is_some_and(|servers| servers.values().all(Value::is_object))
    };
    let mut sections = client.sections.iter();
    let found = sections.clone().find(has_entry).or_else(|| sections.clone().find(is_section));
    found.or_else(|| sections.next_back()).copied().unwrap_or_default()
}

/// Why the file at `path` is left alone.
pub(super) fn refused(client: &Client, path: &Path, problem: Problem) -> Error {
    let path = path.display();
    match problem {
        Problem::Broken { line, column, what } => Error::invalid(
            format!("{path} is broken at line {line}, column {column}: {what}."),
            format!("Nothing was changed. Repair the file, then run `pdfco setup {}` again.", client.id),
        ),
        Problem::Unclear(what) => Error::invalid(
            format!("{path} cannot be edited without guessing: {what}."),
            format!("Nothing was changed. `pdfco setup {} --print` shows the entry, to paste it yourself.", client.id),
        ),
    }
}
