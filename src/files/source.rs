//! Sources of a job: links for the service, or files of this machine.

use std::path::Path;

/// Longest path in bytes: what the system takes.
pub(super) const PATH_BYTES_MAX: usize = if cfg!(windows) { 32_767 } else { 4_096 };

/// Schemes of links that are passed on to the service.
const SCHEMES: [&str; 5] = ["cache", "data", "http", "https", "filetoken"];

/// Whether a source is a file of this machine rather than a link for the service.
///
/// `file:` is local; every other `scheme://`, and `cache:` and `data:`, is not. Anything in the form of a path is local. A
/// link without its scheme, such as `files.test/logo.png` or `localhost:8080/a.pdf`, is local only if a file of that
/// name exists in the current folder; a host without a path, such as `example.com`, cannot be distinguished from a file and is
/// local, unless it starts with `www.`.
pub fn is_local(source: &str) -> bool {
    if starts_with_scheme(source, "file") {
        return true;
    }
    if source.contains("://") && scheme_of(source).is_some() {
        return false;
    }
    if SCHEMES.iter().any(|scheme| starts_with_scheme(source, scheme)) {
        return false;
    }
    let (first, has_path) = source.split_once('/').map_or((source, false), |(first, _)| (first, true));
    let climbs = source.split('/').any(|piece| piece == "..");
    let is_host = looks_like_host(first) && (has_path || first.to_ascii_lowercase().starts_with("www."));
    !is_host || climbs || (source.len() <= PATH_BYTES_MAX && Path::new(source).is_file())
}

/// Whether a link has no scheme, or one that is passed on to the service.
pub fn has_known_scheme(link: &str) -> bool {
    let is_scheme = |scheme: &&str| link.get(scheme.len()..).is_some_and(|rest| rest.starts_with("://"));
    scheme_of(link)
        .filter(is_scheme)
        .is_none_or(|scheme| SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)))
}

/// The scheme of a link. One letter is a drive of Windows, not a scheme.
fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let is_sound = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (is_sound && scheme.len() > 1).then_some(scheme)
}

/// Whether `text` begins with `scheme:`, in any case.
pub(super) fn starts_with_scheme(text: &str, scheme: &str) -> bool {
    scheme_of(text).is_some_and(|found| found.eq_ignore_ascii_case(scheme))
}

/// `name.tld`, or anything with a port.
fn looks_like_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let has_port = port.is_some_and(|port| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()));
    let is_sound = !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.'));
    let has_tld =
        name.rsplit_once('.').is_some_and(|(_, tld)| tld.chars().count() >= 2 && tld.chars().all(char::is_alphabetic));
    is_sound && (has_port || (port.is_none() && has_tld))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_distinguished_from_links() {
        for (source, expected) in [
            ("https://h.test/a.pdf", false),
            ("HTTP://h.test", false),
            ("http:/h.test/a", false),
            ("filetoken://abc", false),
            ("cache:https://h.test/a.pdf", false),
            ("data:application/pdf;base64,AAAA", false),
            ("s3://bucket/a.pdf", false),
            ("file:///a.pdf", true),
            ("File:///a.pdf", true),
            ("a.pdf", true),
            ("./a.pdf", true),
            ("../h.test/a.pdf", true),
            ("/h.test/a.pdf", true),
            ("docs/a.pdf", true),
            (r"C:\docs\a.pdf", true),
            ("C:/docs/a.pdf", true),
            ("~/a.pdf", true),
            ("a folder/a.pdf", true),
            ("bytescout-com.s3.amazonaws.com/logo.png", false),
            ("h.test/a/../../etc/passwd", true),
            ("localhost:8080/a.pdf", false),
            ("www.example.com", false),
            ("example.com", true),
            ("v1.2/a.pdf", true),
            (".hidden.com/a.pdf", true),
        ] {
            assert_eq!(is_local(source), expected, "{source}");
        }
    }

    #[test]
    fn only_known_schemes_are_passed_on() {
        for link in [
            "https://h.test",
            "HTTP://h.test",
            "h.test/a.pdf",
            "localhost:80/a",
            "data:,a",
            "filetoken://a",
            "h.test/?u=ftp://a",
        ] {
            assert!(has_known_scheme(link), "{link}");
        }
        for link in ["ftp://h.test/a.pdf", "s3://b/a", "gs://b/a", "javascript://a"] {
            assert!(!has_known_scheme(link), "{link}");
        }
    }
}
