//! Cuts secrets out of what the service quotes, before anything of it is kept or shown.
//!
//! The service repeats parts of a request in its answers: the key, passwords, and links with their signatures. Every
//! answer passes through [`Redactor::json`] where it enters the process, callbacks included.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::secret::{ApiKey, without_link_secrets};

/// What stands instead of a secret.
const HIDDEN: &str = "[hidden]";
/// Shortest secret that is cut out of messages, in bytes: anything shorter would tear words apart.
const SECRET_BYTES_MIN: usize = 3;
/// Shortest secret that is cut out of results and of links to them, in bytes: a short password is a word that documents
/// use as well.
const SECRET_BYTES_MIN_IN_RESULTS: usize = 8;
/// Fields whose links are the result itself: their signatures stay, because the caller needs them.
const LINK_FIELDS: &[&str] = &["url", "urls", "presignedUrl"];
/// Fields that hold the content of documents.
const RESULT_FIELDS: &[&str] = &["body", "info", "barcodes", "classes", "templates"];

/// The secrets of one request.
#[derive(Clone, Default)]
pub struct Redactor {
    key: Option<ApiKey>,
    secrets: Arc<[String]>,
}

/// What a string is, which decides how much of it may be cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// The service's words.
    Words,
    /// A link to a result.
    Link,
    /// The content of a document.
    Result,
}

impl Redactor {
    /// Cuts `key` and `secrets` (passwords of the request) out, as they are and percent-encoded.
    pub fn new(key: Option<&ApiKey>, secrets: &[String]) -> Redactor {
        let encoded = |secret: &String| {
            let encoded = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
            (encoded != *secret).then_some(encoded)
        };
        let mut secrets: Vec<String> = secrets
            .iter()
            .filter(|secret| secret.len() >= SECRET_BYTES_MIN)
            .flat_map(|secret| std::iter::once(secret.clone()).chain(encoded(secret)))
            .collect();
        // The longest first: one secret may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Redactor { key: key.cloned(), secrets: secrets.into() }
    }

    /// A message without secrets; links in it lose their user and query.
    pub fn text(&self, text: &str) -> String {
        self.cut(text, Context::Words).unwrap_or_else(|| text.to_owned())
    }

    /// `value` without secrets. Links in `url` and `urls`, and links inside of a document's content, keep their queries.
    pub fn json(&self, mut value: Value) -> Value {
        self.clean(&mut value, Context::Words);
        value
    }

    fn clean(&self, value: &mut Value, context: Context) {
        match value {
            Value::String(text) => {
                if let Some(clean) = self.cut(text, context) {
                    *text = clean;
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.clean(value, context)),
            Value::Object(map) => map.iter_mut().for_each(|(name, value)| self.clean(value, context.of_field(name))),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// `text` as it may stand in `context`; nothing when it is fine as it is.
    fn cut(&self, text: &str, context: Context) -> Option<String> {
        let is_link = text.starts_with("https://") || text.starts_with("http://");
        let context = if context == Context::Link && !is_link { Context::Words } else { context };
        let shortest = if context == Context::Words { SECRET_BYTES_MIN } else { SECRET_BYTES_MIN_IN_RESULTS };
        let mut clean = Cow::Borrowed(text);
        if let Some(without) = self.key.as_ref().and_then(|key| key.cut_from(&clean, HIDDEN)) {
            clean = Cow::Owned(without);
        }
        for secret in self.secrets.iter().filter(|secret| secret.len() >= shortest) {
            if clean.contains(secret.as_str()) {
                clean = Cow::Owned(clean.replace(secret.as_str(), HIDDEN));
            }
        }
        if context == Context::Words && clean.contains("://") {
            clean = Cow::Owned(without_link_secrets(&clean));
        }
        match clean {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean),
        }
    }
}

impl Context {
    fn of_field(self, name: &str) -> Context {
        let is_one_of = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if self == Context::Result || is_one_of(RESULT_FIELDS) {
            Context::Result
        } else if is_one_of(LINK_FIELDS) {
            Context::Link
        } else {
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quoted_secrets_are_cut_wherever_they_stand() {
        let key = ApiKey::new("canary-key").unwrap();
        let redactor = Redactor::new(Some(&key), &["canary-pass".into(), "p@ss word".into()]);
        let body = json!({
            "status": "failed",
            "message": "Invalid password 'canary-pass' for https://u:canary-user@h.test/a?X-Amz-Signature=canary-sig key canary-key",
            "errors": [{"text": "p%40ss%20word"}],
            "url": "https://h.test/r.txt?X-Amz-Signature=kept&echo=canary-key",
            "name": "canary-pass.pdf",
        });
        let clean = redactor.json(body);
        let text = clean.to_string();
        assert!(!text.contains("canary") && !text.contains("p%40ss"), "{text}");
        assert_eq!(clean["url"], "https://h.test/r.txt?X-Amz-Signature=kept&echo=[hidden]");
    }

    #[test]
    fn results_keep_their_links_and_their_words() {
        let redactor = Redactor::new(None, &["cat".into()]);
        let body = json!({
            "urls": ["https://cat.test/1?sig=a"],
            "body": {"text": "A cat, see https://h.test/?q=cat"},
            "message": "cat",
        });
        let clean = redactor.json(body.clone());
        assert_eq!((&clean["urls"], &clean["body"]), (&body["urls"], &body["body"]));
        assert_eq!(clean["message"], HIDDEN);
    }
}
