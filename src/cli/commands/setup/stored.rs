//! The key and an assistant's file: written into it when that was asked for, else stored once where the server finds it.

use super::clients::KEY_VARIABLE;
use crate::cli::commands::key;
use crate::cli::output::Printer;
use crate::config::{Config, Folders, KeyPlace, StoredKey};
use crate::error::{Error, Result};
use crate::secret::ApiKey;

/// Where this user's stored key is.
pub fn stored_key() -> Option<KeyPlace> {
    StoredKey::of(&Folders::this_user())?.place()
}

/// How a server comes to the key that is stored there.
pub fn stored_in(place: &KeyPlace) -> String {
    format!("It is stored in {place}, where the server finds it; the entry needs none.")
}

/// Where the stored key is. A person who has none set is asked for one, so that no assistant's file has to hold it.
///
/// # Errors
/// As [`key::asked_for`] and `key set`.
pub fn offered_key(config: &Config, printer: &Printer, notes: &mut Vec<String>) -> Result<Option<KeyPlace>> {
    let stored = stored_key();
    if stored.is_some() || config.simulate {
        return Ok(stored);
    }
    if printer.can_ask() && !config.has_key() {
        let typed = printer.secret("PDF.co API key, stored once for every assistant (not shown; Enter for later): ");
        if let Some(typed) = typed.ok().filter(|typed| !typed.trim().is_empty()) {
            let kept = key::kept(&ApiKey::new(&typed)?, true, config)?;
            notes.extend(kept.lines);
            notes.extend(kept.notes);
            return Ok(stored_key());
        }
    }
    if printer.can_ask() {
        notes.push("`pdfco key set` stores a key once, for every assistant.".to_owned());
    }
    Ok(None)
}

/// The key to write into a configuration: one that a person gave to this process or keeps for it, never one of a `.env`,
/// which may have come with a folder.
pub fn key_to_write(config: &Config) -> Result<&str> {
    let key = config.key()?;
    if config.origin(KEY_VARIABLE).is_file() {
        return Err(Error::invalid(
            format!(
                "The key comes from {}, and a key of such a file is not copied into another.",
                config.source(KEY_VARIABLE)
            ),
            "Nothing was changed. Set PDFCO_API_KEY in the environment for this command, or pass --api-key.",
        ));
    }
    Ok(key.expose())
}
