//! Values that must not be printed: the API key and presigned links. Their `Debug` and `Display` show only what is safe;
//! a fingerprint stands for a key everywhere else.
//!
//! [`ApiKey::expose`] has three callers: `api/transport.rs` sends the key, `config` stores it for this user alone, and
//! `setup` writes it into a client's configuration; the last two for a person who asked for that.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

use crate::error::{Error, Result};

/// Longest key accepted; real ones are well under 200 bytes.
const KEY_BYTES_MAX: usize = 512;

/// A PDF.co API key. Cannot print itself.
#[derive(Clone)]
pub struct ApiKey {
    key: SecretString,
    fingerprint: Fingerprint,
}

impl ApiKey {
    /// Takes a key as the caller wrote it; white space around it is dropped.
    ///
    /// # Errors
    /// `invalid_argument` when it is empty, too long or holds characters that cannot stand in an HTTP header.
    pub fn new(raw: &str) -> Result<Self> {
        let key = raw.trim();
        let printable = key.bytes().all(|b| (0x21..=0x7e).contains(&b));
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !printable {
            return Err(Error::invalid(
                "The API key is empty, too long, or holds characters that no key has.",
                "Copy the key again from https://app.pdf.co (it is one line of letters, digits and signs).",
            ));
        }
        let digest = Sha256::new().chain_update(b"pdfco key fingerprint v1\0").chain_update(key.as_bytes()).finalize();
        let fingerprint = hex::encode(digest.get(..16).unwrap_or_default());
        Ok(ApiKey { key: SecretString::from(key.to_owned()), fingerprint: Fingerprint(fingerprint.into()) })
    }

    /// The digest that stands for this key in the ledger, in limiters and in logs: 32 hex digits, one-way.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Its last four characters, for the person whose it is; nothing of a key so short that they would be much of it.
    pub fn ending(&self) -> Option<&str> {
        let key = self.key.expose_secret();
        key.get(key.len().checked_sub(4)?..).filter(|_| key.len() >= 16)
    }

    /// The key itself, for the function that puts it into a header and the one that writes it down on request.
    pub(crate) fn expose(&self) -> &str {
        self.key.expose_secret()
    }

    /// `text` with `replacement` wherever the key stands in it; nothing where it does not.
    pub(crate) fn cut_from(&self, text: &str, replacement: &str) -> Option<String> {
        let key = self.key.expose_secret();
        text.contains(key).then(|| text.replace(key, replacement))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.fingerprint)
    }
}

/// What stands for a key where the key must not be: 32 hex digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(std::sync::Arc<str>);

impl Fingerprint {
    /// The hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Fingerprint {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A link that grants access to its holder: results, presigned uploads. Cannot print its query.
#[derive(Clone)]
pub struct PresignedUrl(SecretString);

impl PresignedUrl {
    /// Wraps a link. It is not checked here; `files/download.rs` decides which hosts may be spoken to.
    pub fn new(link: impl Into<String>) -> Self {
        PresignedUrl(SecretString::from(link.into()))
    }

    /// The whole link: for the HTTP client, and for the caller who owns the result.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The file name at the end of the path, percent-decoded, if there is one.
    pub fn file_name(&self) -> Option<String> {
        let url = Url::parse(self.expose()).ok()?;
        let last = url.path_segments()?.next_back()?.to_owned();
        let name = percent_encoding::percent_decode_str(&last).decode_utf8_lossy().into_owned();
        (!name.is_empty()).then_some(name)
    }
}

impl fmt::Display for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_query(self.expose()))
    }
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PresignedUrl({})", without_query(self.expose()))
    }
}

/// A link for logs and messages: no user, no password, no query, no fragment.
pub fn without_query(link: &str) -> String {
    match Url::parse(link) {
        Ok(mut url) => {
            let had_query = url.query().is_some();
            url.set_query(None);
            url.set_fragment(None);
            // Both fail only for links that cannot have credentials at all.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            if had_query { format!("{url}?…") } else { url.to_string() }
        }
        Err(_) => "(not a link)".to_owned(),
    }
}

/// `text` with every link in it as [`without_query`] shows it.
pub fn without_link_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let before = rest.get(..at).unwrap_or_default();
        let scheme = before
            .rfind(|c: char| !c.is_ascii_alphanumeric())
            .map_or(0, |end| end + before.get(end..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
        let link = rest.get(scheme..).unwrap_or_default();
        let end = link.find(|c: char| c.is_whitespace() || "\"'<>,()[]{}\\`".contains(c)).unwrap_or(link.len());
        let (link, after) = link.split_at_checked(end.max(at - scheme + 3)).unwrap_or((link, ""));
        clean.push_str(rest.get(..scheme).unwrap_or_default());
        clean.push_str(&without_query(link));
        rest = after;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_prints_only_its_fingerprint() {
        let key = ApiKey::new("  canary-key-123\n").unwrap();
        assert_eq!(key.expose(), "canary-key-123");
        let printed = format!("{key:?} {}", key.fingerprint());
        assert!(!printed.contains("canary"), "{printed}");
        assert_eq!(key.fingerprint().as_str().len(), 32);
        assert_eq!(key.fingerprint(), ApiKey::new("canary-key-123").unwrap().fingerprint());
        assert_eq!((key.ending(), ApiKey::new("0123456789abcdef").unwrap().ending()), (None, Some("cdef")));
        assert_ne!(key.fingerprint(), ApiKey::new("canary-key-124").unwrap().fingerprint());
    }

    #[test]
    fn keys_that_cannot_be_sent_are_refused() {
        for raw in ["", "   ", "a\nb", "schlüssel", &"x".repeat(513)] {
            assert!(ApiKey::new(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn links_in_a_text_lose_their_secrets_and_nothing_else() {
        for (text, expected) in [
            ("no link", "no link"),
            ("see https://h.test/a?sig=canary, then", "see https://h.test/a?…, then"),
            ("<img src=\"https://u:canary@h.test/a?x=canary\"> end", "<img src=\"https://h.test/a?…\"> end"),
            ("cache:https://u:canary@h.test/a", "cache:https://h.test/a"),
            ("é://x", "é(not a link)"),
            ("://", "(not a link)"),
            ("https://a.test/?canary https://b.test/#canary", "https://a.test/?… https://b.test/"),
        ] {
            assert_eq!(without_link_secrets(text), expected);
        }
    }

    #[test]
    fn a_presigned_link_prints_without_its_signature() {
        let link = PresignedUrl::new("https://u:p@files.test/A/r%C3%A9sum%C3%A9.pdf?X-Amz-Signature=canary");
        let printed = format!("{link} {link:?}");
        assert!(!printed.contains("canary") && !printed.contains("u:p"), "{printed}");
        assert_eq!(link.file_name().as_deref(), Some("résumé.pdf"));
    }
}
