//! Presigned links to stored files: made, and judged when they come back.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What stays as it is in a file name. A comma does not, because sources are lists with commas.
const NAME_SIGNS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Length of the first part of a link's path.
const ID_CHARS: usize = 32;
/// Longest life of a link, one day.
pub(in crate::simulator) const SECONDS_MAX: u64 = 86_400;

/// Signs links; each simulator with a secret of its own.
pub(in crate::simulator) struct Signer {
    base: String,
    secret: Uuid,
}

/// Why a link is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Bad {
    /// There is no signature.
    Unsigned,
    /// It is for something else: another file, method or content type.
    Signature,
    /// Its time is over.
    Expired,
}

impl Signer {
    pub(in crate::simulator) fn new(base: String) -> Self {
        Signer { base, secret: Uuid::new_v4() }
    }

    /// A link to `id` for `method`. With a `content_type`, the request has to bring exactly that one.
    pub(in crate::simulator) fn link(
        &self,
        method: &str,
        id: &str,
        name: &str,
        seconds: u64,
        content_type: Option<&str>,
    ) -> String {
        let path = format!("/{id}/{}", utf8_percent_encode(name, NAME_SIGNS));
        let date = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let headers = if content_type.is_some() { "content-type;host" } else { "host" };
        let expires = seconds.min(SECONDS_MAX).to_string();
        let signature = self.sign(&[method, &path, &date, &expires, headers, content_type.unwrap_or_default()]);
        let day = date.get(..8).unwrap_or_default();
        format!(
            "{}{path}?X-Amz-Expires={expires}&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=simulator%2F{day}%2Fus-west-2%2Fs3%2Faws4_request&X-Amz-Date={date}\
             &X-Amz-SignedHeaders={}&X-Amz-Signature={signature}",
            self.base,
            headers.replace(';', "%3B"),
        )
    }

    /// Judges a link that came back.
    ///
    /// # Errors
    /// Why it is not taken.
    pub(in crate::simulator) fn judge(
        &self,
        method: &str,
        path: &str,
        query: &str,
        content_type: Option<&str>,
    ) -> Result<(), Bad> {
        let get = |wanted: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.into_owned())
        };
        let signature = get("X-Amz-Signature").ok_or(Bad::Unsigned)?;
        let date = get("X-Amz-Date").ok_or(Bad::Unsigned)?;
        let expires = get("X-Amz-Expires").ok_or(Bad::Unsigned)?;
        let headers = get("X-Amz-SignedHeaders").ok_or(Bad::Unsigned)?;
        let signed_type = if headers.contains("content-type") { content_type.unwrap_or_default() } else { "" };
        if self.sign(&[method, path, &date, &expires, &headers, signed_type]) != signature {
            return Err(Bad::Signature);
        }
        let end = DateTime::strptime("%Y%m%dT%H%M%SZ", &date)
            .and_then(|date| date.to_zoned(TimeZone::UTC))
            .map(|date| date.timestamp().as_second())
            .ok()
            .zip(expires.parse::<i64>().ok())
            .map(|(date, seconds)| date.saturating_add(seconds));
        match end {
            Some(end) if Timestamp::now().as_second() < end => Ok(()),
            Some(_) => Err(Bad::Expired),
            None => Err(Bad::Signature),
        }
    }

    /// Path and query of a link of this simulator; nothing for any other link.
    pub(in crate::simulator) fn own<'a>(&self, link: &'a str) -> Option<(&'a str, &'a str)> {
        let rest = link.trim();
        let rest = rest.strip_prefix("cache:").unwrap_or(rest).strip_prefix(&self.base)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        parts(path).map(|_| (path, query))
    }

    fn sign(&self, parts: &[&str]) -> String {
        let mut digest = Sha256::new_with_prefix(self.secret.as_bytes());
        for part in parts {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        hex::encode(digest.finalize())
    }
}

/// Id and name of a path that looks like a link's: `/<32 signs>/<name>`.
pub(in crate::simulator) fn parts(path: &str) -> Option<(&str, String)> {
    let (id, name) = path.strip_prefix('/')?.split_once('/')?;
    let looks = id.len() == ID_CHARS && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (looks && !name.contains('/')).then(|| (id, percent_decode_str(name).decode_utf8_lossy().into_owned()))
}

/// When a link made now ends, as the service writes it.
pub(in crate::simulator) fn valid_till(seconds: u64) -> String {
    let seconds = i64::try_from(seconds.min(SECONDS_MAX)).unwrap_or(0);
    let end = Timestamp::now().saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
    end.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_one_file_with_one_method_for_its_time() {
        let signer = Signer::new("http://127.0.0.1:1".into());
        let id = crate::simulator::names::random_name();
        let link = signer.link("PUT", &id, "résumé, 1.pdf", 60, Some("application/pdf"));
        let (path, query) = signer.own(&link).unwrap();
        assert_eq!(parts(path).unwrap(), (id.as_str(), "résumé, 1.pdf".to_owned()));
        assert!(!link.contains(','));
        assert_eq!(signer.judge("PUT", path, query, Some("application/pdf")), Ok(()));
        assert_eq!(signer.judge("PUT", path, query, Some("text/plain")), Err(Bad::Signature));
        assert_eq!(signer.judge("GET", path, query, Some("application/pdf")), Err(Bad::Signature));
        assert_eq!(signer.judge("PUT", path, "", None), Err(Bad::Unsigned));
        let late = signer.link("GET", &id, "a", 0, None);
        let (path, query) = signer.own(&late).unwrap();
        assert_eq!(signer.judge("GET", path, query, None), Err(Bad::Expired));
    }
}
