//! `pdfco key`: the key that every start finds, stored once for this user.

use std::io::{IsTerminal, Read};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::output::Printer;
use crate::cli::report::Report;
use crate::config::{Config, Folders, KeyPlace, StoredKey};
use crate::error::{Error, Kind, Result};
use crate::secret::ApiKey;

/// Examples of `key --help`.
pub const EXAMPLES: &str = "Examples:
  pdfco key set                     asks for the key, and shows nothing of it
  pass show pdfco | pdfco key set   takes it from another program
  pdfco key show
  pdfco key remove";

/// Most bytes that are read of stdin for a key.
const INPUT_BYTES_MAX: u64 = 4_096;

/// Flags of `key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Store your key: in the system's keychain, or in a file that you alone can read where there is none
    #[command(after_help = EXAMPLES)]
    Set {
        /// Store it in the file, although there is a keychain
        #[arg(long)]
        file: bool,
        /// A key on the command line, which is refused
        #[arg(hide = true, num_args = 0..)]
        given: Vec<String>,
    },
    /// Say where the key comes from, and how it ends
    #[command(after_help = EXAMPLES)]
    Show,
    /// Remove the stored key
    #[command(after_help = EXAMPLES)]
    Remove,
}

impl KeyArgs {
    /// Its words on the command line.
    pub fn name(&self) -> &'static str {
        match self.command {
            KeyCommand::Set { .. } => "key set",
            KeyCommand::Show => "key show",
            KeyCommand::Remove => "key remove",
        }
    }
}

/// Stores, shows or removes the key.
///
/// # Errors
/// `invalid_argument` for what cannot be a key, or one on the command line; `auth` when there is none to show;
/// `file_access` when it cannot be stored or removed.
pub fn run(args: &KeyArgs, config: &Config, printer: &Printer) -> Result<Report> {
    match &args.command {
        KeyCommand::Set { given, .. } if !given.is_empty() => Err(Error::invalid(
            "A key is not taken from the command line, where other users of this machine and the shell's history see it.",
            "Run `pdfco key set` and paste it when asked, or send it on stdin. If this was your key, consider a new one.",
        )),
        KeyCommand::Set { file, .. } => {
            let key = asked_for(printer, "PDF.co API key (not shown): ")?;
            kept(&key, !file, config)
        }
        KeyCommand::Show => show(config),
        KeyCommand::Remove => remove(config),
    }
}

/// Stores a key and says where.
///
/// # Errors
/// `file_access` when it cannot be stored.
pub fn kept(key: &ApiKey, may_use_keychain: bool, config: &Config) -> Result<Report> {
    let (place, reason) = stored()?.store(key, may_use_keychain)?;
    let mut notes = Vec::new();
    if let Some(reason) = reason {
        notes.push(format!("The system's keychain cannot be used: {reason}."));
    }
    if let crate::config::Origin::Flag | crate::config::Origin::Environment = config.origin("PDFCO_API_KEY") {
        notes.push(format!("The key of the {} comes before it.", config.origin("PDFCO_API_KEY")));
    }
    let protects = match place {
        KeyPlace::Keychain => "",
        KeyPlace::File(_) if cfg!(unix) => ", which you alone can read",
        KeyPlace::File(_) => "",
    };
    Ok(Report {
        notes,
        ..Report::line(
            format!("{} is stored in {place}{protects}", named(key)),
            json!({"status": "success", "place": word(&place), "path": path(&place), "ending": key.ending(), "fingerprint": key.fingerprint().as_str()}),
        )
    })
}

fn show(config: &Config) -> Result<Report> {
    let stored = stored()?.place();
    let key = config.key()?;
    let source = match (config.origin("PDFCO_API_KEY"), &stored) {
        (crate::config::Origin::Stored, Some(place)) => place.to_string(),
        _ => config.source("PDFCO_API_KEY"),
    };
    let mut report = Report::line(
        format!("{} comes from {source}", named(key)),
        json!({"status": "success", "source": source, "ending": key.ending(), "fingerprint": key.fingerprint().as_str(), "stored": stored.as_ref().map(word), "path": stored.as_ref().and_then(path)}),
    );
    if let Some(place) = stored.filter(|_| config.origin("PDFCO_API_KEY") != crate::config::Origin::Stored) {
        report.notes.push(format!("The one stored in {place} is not used: what is set stronger comes first."));
    }
    Ok(report)
}

fn remove(config: &Config) -> Result<Report> {
    let removed = stored()?.remove()?;
    let words = match &removed {
        Some(place) => format!("the key is removed from {place}"),
        None => "no key is stored".to_owned(),
    };
    let mut report = Report::line(
        words,
        json!({"status": "success", "removed": removed.is_some(), "place": removed.as_ref().map(word)}),
    );
    if config.has_key() && config.origin("PDFCO_API_KEY") != crate::config::Origin::Stored {
        report.notes.push(format!("A key is still set by {}.", config.source("PDFCO_API_KEY")));
    }
    Ok(report)
}

/// A key that a person types without seeing it, or that another program writes to stdin.
///
/// # Errors
/// `invalid_argument` for what cannot be a key, `file_access` when nothing can be read.
pub fn asked_for(printer: &Printer, prompt: &str) -> Result<ApiKey> {
    let unread = |error: std::io::Error| {
        Error::new(Kind::FileAccess, format!("No key can be read: {}.", error.kind()), "Send it on stdin.")
    };
    if std::io::stdin().is_terminal() {
        return ApiKey::new(&printer.secret(prompt).map_err(unread)?);
    }
    let mut text = String::new();
    std::io::stdin().lock().take(INPUT_BYTES_MAX).read_to_string(&mut text).map_err(unread)?;
    ApiKey::new(text.trim_start_matches('\u{feff}'))
}

fn stored() -> Result<StoredKey> {
    StoredKey::of(&Folders::this_user()).ok_or_else(|| {
        Error::new(
            Kind::FileAccess,
            "There is no folder for this user's configuration.",
            "Set HOME, or give the key in the environment: PDFCO_API_KEY.",
        )
    })
}

/// A key as a person may see it.
fn named(key: &ApiKey) -> String {
    match key.ending() {
        Some(ending) => format!("the key that ends in {ending}"),
        None => "the key".to_owned(),
    }
}

fn word(place: &KeyPlace) -> &'static str {
    match place {
        KeyPlace::Keychain => "keychain",
        KeyPlace::File(_) => "file",
    }
}

fn path(place: &KeyPlace) -> Option<Value> {
    match place {
        KeyPlace::Keychain => None,
        KeyPlace::File(path) => Some(path.display().to_string().into()),
    }
}
