//! The names under which the HTTP door may be reached: a page elsewhere whose name was pointed at this machine must not
//! read what stands here.
//!
//! What lives here: [`AllowedHosts`], for everything but `/mcp`, where the SDK reads the same list. What never does:
//! tokens.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};

/// This machine's own names.
pub const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The names that are known.
#[derive(Clone, Debug)]
pub struct AllowedHosts(Vec<AllowedHost>);

impl AllowedHosts {
    /// This machine's names and `others`.
    pub fn and_this_machine(others: &[String]) -> AllowedHosts {
        let names = THIS_MACHINE.into_iter().chain(others.iter().map(String::as_str));
        AllowedHosts(names.filter_map(AllowedHost::read).collect())
    }

    /// Whether a request to this authority is meant for us.
    pub fn fit(&self, authority: &Authority) -> bool {
        self.0.iter().any(|host| host.fits(authority))
    }

    /// Whether the request with these headers is.
    pub fn fit_request(&self, headers: &HeaderMap) -> bool {
        host(headers).is_some_and(|authority| self.fit(&authority))
    }
}

/// The authority that a request names.
pub fn host(headers: &HeaderMap) -> Option<Authority> {
    headers.get(header::HOST)?.to_str().ok()?.parse().ok()
}

/// A name under which the server may be reached, with any port unless it names one: as `/mcp` reads the same list.
#[derive(Clone, Debug)]
struct AllowedHost {
    host: String,
    port: Option<u16>,
}

impl AllowedHost {
    fn read(text: &str) -> Option<AllowedHost> {
        let text = text.trim();
        let bare = |host: &str| host.trim_matches(['[', ']']).to_ascii_lowercase();
        match text.parse::<Authority>() {
            _ if text.is_empty() => None,
            Ok(authority) => Some(AllowedHost { host: bare(authority.host()), port: authority.port_u16() }),
            // An IPv6 address without its brackets.
            Err(_) => Some(AllowedHost { host: bare(text), port: None }),
        }
    }

    fn fits(&self, authority: &Authority) -> bool {
        self.host.eq_ignore_ascii_case(authority.host().trim_matches(['[', ']']))
            && self.port.is_none_or(|port| authority.port_u16() == Some(port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_known_by_name_and_by_port_if_one_is_named() {
        for (allowed, asked, expected) in [
            ("localhost", "localhost:8911", true),
            ("localhost", "LOCALHOST", true),
            ("localhost", "localhost.evil.test", false),
            ("[::1]", "[::1]:8911", true),
            ("::1", "[::1]", true),
            ("jobs.test", "jobs.test:443", true),
            ("jobs.test:443", "jobs.test:443", true),
            ("jobs.test:443", "jobs.test:444", false),
            ("jobs.test:443", "jobs.test", false),
            ("jobs.test", "evil.test", false),
        ] {
            let allowed = AllowedHost::read(allowed).unwrap();
            assert_eq!(allowed.fits(&asked.parse().unwrap()), expected, "{allowed:?} {asked}");
        }
        assert!(AllowedHost::read(" ").is_none());
    }
}
