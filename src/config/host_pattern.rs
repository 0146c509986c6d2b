//! Hosts as lists of settings write them, read in one way everywhere.

use std::fmt;
use std::net::Ipv6Addr;

use url::Host;

/// `files.test`, `*.files.test` (any subdomain, not the domain itself), `192.0.2.1` or `::1`, each with a port or
/// without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// In lower case, an IPv6 address without its brackets.
    host: String,
    is_suffix: bool,
    /// The port, if one is named.
    pub port: Option<u16>,
}

impl HostPattern {
    /// Reads one word of a list.
    ///
    /// # Errors
    /// What is wrong with it, for a message: it is an address with a scheme or a path, or no name of a host.
    pub fn read(word: &str) -> Result<HostPattern, String> {
        let word = word.trim().to_ascii_lowercase();
        let refused = |why: &str| Err(format!("`{}` {why}", crate::text::shorten(&word, 60)));
        if word.contains("://") || word.contains('/') {
            return refused("is an address; a host has neither a scheme nor a path");
        }
        let (rest, is_suffix) = word.strip_prefix("*.").map_or((word.as_str(), false), |rest| (rest, true));
        // An IPv6 address without its brackets has no port.
        if let Ok(address) = rest.parse::<Ipv6Addr>() {
            return Ok(HostPattern { host: address.to_string(), is_suffix: false, port: None });
        }
        let (host, port) = match rest.rsplit_once(':').filter(|_| !rest.ends_with(']')) {
            Some((host, port)) => match port.parse::<u16>() {
                Ok(port) if port != 0 => (host, Some(port)),
                _ => return refused("has a port that is none"),
            },
            None => (rest, None),
        };
        // `*` alone, or a star elsewhere, would allow far more than its writer meant.
        if host.contains('*') {
            return refused("has a star that does not stand for a whole subdomain, as in `*.example.com`");
        }
        match Host::parse(host) {
            Ok(Host::Domain(name)) => Ok(HostPattern { host: name, is_suffix, port }),
            Ok(Host::Ipv4(address)) if !is_suffix => Ok(HostPattern { host: address.to_string(), is_suffix, port }),
            Ok(Host::Ipv6(address)) if !is_suffix => Ok(HostPattern { host: address.to_string(), is_suffix, port }),
            _ => refused("is no name of a host"),
        }
    }

    /// Whether `host`, in lower case and without brackets, is meant, whatever the port.
    pub fn fits_host(&self, host: &str) -> bool {
        if self.is_suffix {
            host.strip_suffix(&self.host).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'))
        } else {
            host == self.host
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_suffix {
            f.write_str("*.")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_in_every_way_that_they_are_written() {
        for (word, shown) in [
            ("Files.Test", "files.test"),
            ("*.files.test:8443", "*.files.test:8443"),
            (" localhost ", "localhost"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("::1", "[::1]"),
            ("[::1]", "[::1]"),
            ("[2001:DB8::1]:8911", "[2001:db8::1]:8911"),
            ("bücher.test", "xn--bcher-kva.test"),
        ] {
            assert_eq!(HostPattern::read(word).unwrap().to_string(), shown, "{word}");
        }
        for word in
            ["", "*", "https://jobs.example.com", "files.test/", "a.*.test", "*files.test", "h.test:x", "h:0", "a b"]
        {
            assert!(HostPattern::read(word).is_err(), "{word}");
        }
    }

    #[test]
    fn a_star_stands_for_subdomains_only() {
        let pattern = HostPattern::read("*.files.test").unwrap();
        for (host, expected) in [
            ("a.files.test", true),
            ("a.b.files.test", true),
            ("files.test", false),
            (".files.test", false),
            ("evilfiles.test", false),
        ] {
            assert_eq!(pattern.fits_host(host), expected, "{host}");
        }
    }
}
