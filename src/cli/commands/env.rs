//! `pdfco env`: the settings in effect, and the `.env` files that may give some.
//!
//! A `.env` of the current folder may have come with other people's documents, so it is read only after its folder was
//! allowed, and only as long as it stays as it was then.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::report::Report;
use crate::cli::table::Table;
use crate::cli::value_parsers::path;
use crate::config::{AllowedFolders, Config, Folders};
use crate::error::{Error, Kind, Result};

/// Examples of `env --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco env                     every setting, its value, and where it came from\n  pdfco env allow               read .env of this folder from now on\n  pdfco env deny ~/projects/x   never";

/// Flags of `env`.
#[derive(Clone, Debug, Args)]
pub struct EnvArgs {
    #[command(subcommand)]
    command: Option<EnvCommand>,
}

/// Commands of `env`.
#[derive(Clone, Debug, Subcommand)]
pub enum EnvCommand {
    /// Read `.env` of a folder from now on, as long as it stays as it is
    #[command(after_help = EXAMPLES)]
    Allow {
        /// The folder
        #[arg(default_value = ".", value_parser = path(), value_hint = clap::ValueHint::DirPath)]
        folder: PathBuf,
    },
    /// Do not read `.env` of a folder, and do not ask about it again
    #[command(after_help = EXAMPLES)]
    Deny {
        /// The folder
        #[arg(default_value = ".", value_parser = path(), value_hint = clap::ValueHint::DirPath)]
        folder: PathBuf,
    },
}

impl EnvArgs {
    /// Its words on the command line.
    pub fn name(&self) -> &'static str {
        match &self.command {
            None => "env",
            Some(EnvCommand::Allow { .. }) => "env allow",
            Some(EnvCommand::Deny { .. }) => "env deny",
        }
    }
}

/// Lists the settings, or decides about the `.env` of a folder.
///
/// # Errors
/// `file_access` for a folder without `.env`, or when the decision cannot be kept.
pub fn run(args: &EnvArgs, config: &Config) -> Result<Report> {
    match &args.command {
        None => Ok(settings(config)),
        Some(EnvCommand::Allow { folder }) => decide(folder, true),
        Some(EnvCommand::Deny { folder }) => decide(folder, false),
    }
}

fn settings(config: &Config) -> Report {
    let items: Vec<Value> = config
        .shown()
        .map(|(variable, origin, value)| json!({"variable": variable, "value": value, "origin": origin.to_string(), "source": config.source(variable)}))
        .collect();
    let rows = config
        .shown()
        .map(|(variable, _, value)| {
            let value = if value.is_empty() { "-" } else { value };
            vec![variable.to_owned(), value.to_owned(), config.source(variable)]
        })
        .collect();
    let total = items.len();
    let table = Table { header: vec!["setting", "value", "from"], rows, spare: &[] };
    let mut report = Report::list(items, total, table, "no settings", "setting");
    report.notes = config.notes().collect();
    report
}

fn decide(folder: &Path, allowed: bool) -> Result<Report> {
    let list = AllowedFolders::of(&Folders::this_user()).ok_or_else(|| {
        Error::new(
            Kind::FileAccess,
            "There is no folder for this user's configuration.",
            "Set HOME, or name the file each time: --env-file .env",
        )
    })?;
    let found = list.decide(folder, allowed)?;
    let path = found.path.display();
    let names = if found.names.is_empty() { "no setting of pdfco".to_owned() } else { found.names.join(", ") };
    let data = json!({"status": "success", "path": path.to_string(), "allowed": allowed, "settings": found.names});
    if !allowed {
        return Ok(Report::line(format!("{path} is not read"), data));
    }
    Ok(Report {
        notes: vec!["When it changes, it is not read until it is allowed again.".to_owned()],
        ..Report::line(format!("{path} is read from now on; it sets {names}"), data)
    })
}
