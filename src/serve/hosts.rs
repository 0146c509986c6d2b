//! The names under which the server is reached, and the origins of browser clients: one list, read by one function, for
//! every route.
//!
//! A page elsewhere whose name was pointed at this machine (DNS rebinding) must not read what is here, and a page of
//! another site must not use it.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};

use crate::config::HostPattern;
use crate::error::{Error, Result};

/// This machine's own names.
const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The names and origins that are known.
#[derive(Clone, Debug)]
pub struct Hosts {
    names: Vec<HostPattern>,
    origins: Vec<Origin>,
}

impl Hosts {
    /// This machine's names, those of `PDFCO_HTTP_HOSTS`, and the origins of `PDFCO_HTTP_ORIGINS`.
    ///
    /// # Errors
    /// `invalid_argument` for a word that is no name or no origin, naming the setting.
    pub fn read(names: &[String], origins: &[String]) -> Result<Hosts> {
        let all = THIS_MACHINE.into_iter().chain(names.iter().map(String::as_str));
        let names: Result<Vec<HostPattern>> = all.map(read_name).collect();
        let origins: Result<Vec<Origin>> = origins.iter().map(|origin| Origin::read_setting(origin)).collect();
        Ok(Hosts { names: names?, origins: origins? })
    }

    /// Whether `authority` is a name of this server.
    pub fn has_name(&self, authority: &Authority) -> bool {
        let (host, port) = (bare(authority.host()), authority.port_u16());
        self.names.iter().any(|name| fits(name, &host, port))
    }

    /// Whether a page of `origin` may use this server: a page of one of its names, or an origin of the list.
    pub fn has_origin(&self, origin: &str) -> bool {
        self.is_own_origin(origin) || Origin::read(origin).is_some_and(|origin| self.origins.contains(&origin))
    }

    /// Whether `origin` is a page of one of this server's names.
    pub fn is_own_origin(&self, origin: &str) -> bool {
        Origin::read(origin).is_some_and(|origin| self.names.iter().any(|name| fits(name, &origin.host, origin.port)))
    }
}

/// Whom a request is meant for.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// This authority.
    Named(Authority),
    /// HTTP/1.0 need not say.
    Unnamed,
    /// Two names, or one that cannot be read: what is behind a proxy must not read another one than the proxy did.
    Contradictory,
}

/// Whom a request is meant for, by its Host header and its address.
pub fn target(uri: &Uri, headers: &HeaderMap) -> Target {
    let mut hosts = headers.get_all(header::HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => match host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) {
            Some(authority) => Some(authority),
            None => return Target::Contradictory,
        },
        (Some(_), Some(_)) => return Target::Contradictory,
    };
    match (named, uri.authority()) {
        (Some(named), Some(absolute)) if named != *absolute => Target::Contradictory,
        (Some(named), _) => Target::Named(named),
        (None, Some(absolute)) => Target::Named(absolute.clone()),
        (None, None) => Target::Unnamed,
    }
}

/// Whether `authority` is an address of the internet protocol and no name.
pub fn is_address(authority: &Authority) -> bool {
    authority.host().trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
}

fn read_name(word: &str) -> Result<HostPattern> {
    HostPattern::read(word).map_err(|reason| {
        Error::invalid(
            format!("PDFCO_HTTP_HOSTS takes host names: {reason}."),
            "Write names as in jobs.example.com, jobs.example.com:8443 or *.example.com.",
        )
    })
}

/// Whether a host is meant by a name, with any port unless the name has one.
fn fits(name: &HostPattern, host: &str, port: Option<u16>) -> bool {
    name.fits_host(host) && name.port.is_none_or(|named| port == Some(named))
}

/// Scheme, host and port of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    is_https: bool,
    host: String,
    port: Option<u16>,
}

impl Origin {
    fn read(text: &str) -> Option<Origin> {
        let (scheme, authority) = text.trim().split_once("://")?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = authority.parse::<Authority>().ok().filter(is_plain)?;
        // The port that the scheme implies is left out by browsers.
        let implied = if is_https { 443 } else { 80 };
        let port = authority.port_u16().filter(|port| *port != implied);
        Some(Origin { is_https, host: bare(authority.host()), port })
    }

    fn read_setting(text: &str) -> Result<Origin> {
        Origin::read(text.trim_end_matches('/')).ok_or_else(|| {
            Error::invalid(
                format!("PDFCO_HTTP_ORIGINS holds `{}`, which is not an origin.", shown(text)),
                "Write scheme, name and port as browsers do: https://app.example.com or http://localhost:6274.",
            )
        })
    }
}

/// A name with a port at most: no user, and signs that stand in names only.
fn is_plain(authority: &Authority) -> bool {
    let host = authority.host();
    let is_address = host.starts_with('[') && host.ends_with(']');
    let is_name = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    !authority.as_str().contains('@') && !authority.as_str().ends_with(':') && (is_address || is_name)
}

fn bare(host: &str) -> String {
    let host = host.trim_matches(['[', ']']);
    host.parse::<std::net::Ipv6Addr>().map_or_else(|_| host.to_ascii_lowercase(), |address| address.to_string())
}

/// As much of a setting's word as shows which one is meant.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn hosts(names: &[&str], origins: &[&str]) -> Result<Hosts> {
        let owned = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Hosts::read(&owned(names), &owned(origins))
    }

    #[test]
    fn hosts_and_origins_are_known_by_the_same_list() {
        for (known, asked, expected) in [
            ("", "localhost:8911", true),
            ("", "LOCALHOST", true),
            ("", "localhost.evil.test", false),
            ("", "[::1]:8911", true),
            ("::2", "[::2]", true),
            ("[0:0::2]", "[::2]:1", true),
            ("jobs.test", "jobs.test:443", true),
            ("jobs.test:8443", "jobs.test:8443", true),
            ("jobs.test:8443", "jobs.test:8444", false),
            ("jobs.test:8443", "jobs.test", false),
            ("jobs.test", "evil.test", false),
            ("*.jobs.test", "a.jobs.test", true),
            ("*.jobs.test", "jobs.test", false),
            ("*.jobs.test", "evil-jobs.test", false),
            ("jobs_1.test", "jobs_1.test", true),
        ] {
            let names: Vec<&str> = Some(known).filter(|name| !name.is_empty()).into_iter().collect();
            let hosts = hosts(&names, &[]).unwrap();
            assert_eq!(hosts.has_name(&asked.parse().unwrap()), expected, "{known:?} {asked}");
            assert_eq!(hosts.has_origin(&format!("http://{asked}")), expected, "{known:?} http://{asked}");
        }
        let hosts = hosts(&[], &["https://app.test", "http://other.test:8080/"]).unwrap();
        for (origin, expected) in [
            ("https://app.test", true),
            ("https://app.test:443", true),
            ("http://app.test", false),
            ("https://app.test:8443", false),
            ("http://other.test:8080", true),
            ("null", false),
            ("", false),
            ("http://localhost@evil.test", false),
            ("ftp://localhost", false),
        ] {
            assert_eq!(hosts.has_origin(origin), expected, "{origin}");
        }
    }

    #[test]
    fn words_that_would_never_match_are_refused() {
        for word in ["https://jobs.test", "jobs.test/path", "a b", "*", "jobs.test:", "u@jobs.test", "jobs.*.test", ""]
        {
            let error = hosts(&[word], &[]).unwrap_err();
            assert!(error.message().contains("PDFCO_HTTP_HOSTS"), "{word}: {error}");
        }
        for word in ["jobs.test", "*", "https://a.test/path", "null", ""] {
            let error = hosts(&[], &[word]).unwrap_err();
            assert!(error.message().contains("PDFCO_HTTP_ORIGINS"), "{word}: {error}");
        }
    }

    #[test]
    fn a_request_names_one_host_and_no_other() {
        let headers = |names: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for name in names {
                headers.append(header::HOST, HeaderValue::from_static(name));
            }
            headers
        };
        let named = |name: &str| Target::Named(name.parse().unwrap());
        for (uri, sent, expected) in [
            ("/mcp", &["a.test"][..], named("a.test")),
            ("/mcp", &["a.test", "a.test"], Target::Contradictory),
            ("http://a.test/mcp", &["a.test"], named("a.test")),
            ("http://b.test/mcp", &["a.test"], Target::Contradictory),
            ("http://b.test/mcp", &[], named("b.test")),
            ("/mcp", &[], Target::Unnamed),
            ("/mcp", &["a b"], Target::Contradictory),
        ] {
            assert_eq!(target(&uri.parse().unwrap(), &headers(sent)), expected, "{uri} {sent:?}");
        }
    }
}
