//! What may be kept and shown of a call's arguments: no passwords, no signatures, no long texts.

use serde_json::{Map, Value, json};

use super::{Arguments, Sources};
use crate::secret::without_link_secrets;
use crate::text::shorten;

/// Longest text that the ledger keeps of one argument, in characters.
const CHARS_MAX: usize = 200;
/// Most items of a list or fields of an object that the ledger keeps.
const ITEMS_MAX: usize = 50;
/// Deepest nesting that the ledger keeps.
const DEPTH_MAX: usize = 16;
/// Fields whose names hold one of these are secrets, wherever they occur.
const SECRET_NAMES: &[&str] = &["password", "secret", "token", "encryptionkey", "decryptionkey", "apikey", "api_key"];

/// The public form of `arguments`.
pub(super) fn public(arguments: &Arguments) -> Value {
    let mut kept = Map::new();
    if let Some(sources) = &arguments.sources {
        kept.insert(sources.wire.to_owned(), public_sources(sources, &arguments.secrets));
    }
    for (name, value) in &arguments.body {
        kept.insert(name.clone(), public_value(name, value, &arguments.secrets, DEPTH_MAX));
    }
    Value::Object(kept)
}

/// One document as text, several as a list.
fn public_sources(sources: &Sources, secrets: &[String]) -> Value {
    let shown = |item: &String| {
        if holds_secret(item, secrets) {
            "[hidden]".to_owned()
        } else {
            shorten(&without_link_secrets(item), CHARS_MAX)
        }
    };
    match sources.items.as_slice() {
        [one] => json!(shown(one)),
        many => json!(many.iter().take(ITEMS_MAX).map(shown).collect::<Vec<_>>()),
    }
}

/// `depth` is how deep it goes: JSON as text in JSON as text may hold far more levels than a stack.
fn public_value(name: &str, value: &Value, secrets: &[String], depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return json!("[not kept]") };
    let is_named_secret = SECRET_NAMES.iter().any(|word| name.to_ascii_lowercase().contains(word));
    match value {
        Value::String(text) if is_named_secret || holds_secret(text, secrets) => json!("[hidden]"),
        // Options as text may hold secrets under names of their own: they are read for that, and kept as an object.
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inside @ (Value::Object(_) | Value::Array(_))) => public_value(name, &inside, secrets, depth),
            _ if name.eq_ignore_ascii_case("callback") => json!(origin_of(text)),
            // Relaxed JSON that cannot be read cannot be cleaned either.
            _ if name.eq_ignore_ascii_case("profiles") => json!("[not kept]"),
            _ => json!(shorten(&without_link_secrets(text), CHARS_MAX)),
        },
        Value::Array(list) => {
            Value::Array(list.iter().take(ITEMS_MAX).map(|value| public_value(name, value, secrets, depth)).collect())
        }
        Value::Object(map) => {
            let kept = map.iter().filter(|(name, _)| !holds_secret(name, secrets)).take(ITEMS_MAX);
            Value::Object(kept.map(|(name, value)| (name.clone(), public_value(name, value, secrets, depth))).collect())
        }
        _ if is_named_secret => json!("[hidden]"),
        other => other.clone(),
    }
}

fn holds_secret(text: &str, secrets: &[String]) -> bool {
    secrets.iter().any(|secret| !secret.is_empty() && text.contains(secret.as_str()))
}

/// Scheme, host and port of a link: the rest of a webhook's address is its secret.
fn origin_of(link: &str) -> String {
    url::Url::parse(link).map_or_else(|_| "[not kept]".to_owned(), |url| url.origin().ascii_serialization())
}
