//! An entry that exists already, compared with the one that we would write.

use serde_json::Value;

use super::clients::{Client, KEY_VARIABLE};

/// Whether two paths start the same program.
pub fn is_same_program(one: &str, other: &str) -> bool {
    one == other
        || std::fs::canonicalize(one).is_ok_and(|one| std::fs::canonicalize(other).is_ok_and(|other| one == other))
}

/// What an entry has that we would not write, and that is kept: arguments and variables by name, fields in general.
pub fn foreign(client: &Client, entry: &Value, fresh: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    let known = client.arguments(fresh);
    let arguments: Vec<String> = client.arguments(entry).into_iter().filter(|word| !known.contains(word)).collect();
    if !arguments.is_empty() {
        notes.push(format!(
            "The entry has arguments of its own, which were kept: {}",
            without_keys(&arguments).join(" ")
        ));
    }
    let variables = entry.get(client.env()).and_then(Value::as_object).into_iter().flatten();
    let variables: Vec<&str> =
        variables.map(|(name, _)| name.as_str()).filter(|name| ![KEY_VARIABLE, "X_API_KEY"].contains(name)).collect();
    if !variables.is_empty() {
        notes.push(format!("The entry sets variables of its own, which were kept: {}", variables.join(", ")));
    }
    let bare = |entry: &Value| {
        let mut entry = entry.clone();
        for name in [client.command().first().copied().unwrap_or_default(), "args", client.env(), "env_vars"] {
            entry.as_object_mut().and_then(|fields| fields.remove(name));
        }
        entry
    };
    if bare(entry) != bare(fresh) {
        notes.push("The entry was edited by hand; what stands in it besides the command was left as it is.".to_owned());
    }
    notes
}

/// Arguments that can be shown: the value of a key or token is not.
fn without_keys(arguments: &[String]) -> Vec<String> {
    let is_secret = |word: &str| word.starts_with("--api-key") || word.contains("token");
    let mut hide_next = false;
    arguments
        .iter()
        .map(|word| {
            let hide = std::mem::replace(&mut hide_next, is_secret(word) && !word.contains('='));
            match word.split_once('=') {
                Some((name, _)) if is_secret(name) => format!("{name}=(hidden)"),
                _ if hide => "(hidden)".to_owned(),
                _ => crate::text::shorten(word, 80),
            }
        })
        .collect()
}
