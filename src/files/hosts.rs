//! Which hosts files may travel to and from: a pure judgement of links. The client follows no redirect
//! (`api/transport.rs`), so what is judged here is what is spoken to.

use url::{Host, Url};

use crate::api::transfer::is_loopback;
use crate::config::HostPattern;
use crate::error::{Error, Result};
use crate::secret::PresignedUrl;

/// The hosts of result and upload links (`PDFCO_DOWNLOAD_HOSTS`).
#[derive(Clone, Debug)]
pub struct Hosts {
    patterns: Vec<HostPattern>,
    service: Url,
}

impl Hosts {
    /// The hosts that match `patterns`, and the service itself: the key goes there anyway. While the service is on this
    /// machine (the simulator), so may its links be, over plain http.
    pub fn new(patterns: &[String], service: &Url) -> Self {
        Hosts {
            patterns: patterns.iter().filter_map(|pattern| HostPattern::read(pattern).ok()).collect(),
            service: service.clone(),
        }
    }

    /// Whether `link` may be opened: https, a host of the list by its name, no user in it.
    ///
    /// # Errors
    /// `invalid_argument`, naming the host and what is allowed.
    pub fn check(&self, link: &PresignedUrl) -> Result<()> {
        let Ok(url) = Url::parse(link.expose()) else {
            return Err(self.refused("A link to a file cannot be read as a link."));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(self.refused("A link to a file holds a user name, which links of the service never do."));
        }
        if is_loopback(&self.service) && is_loopback(&url) && matches!(url.scheme(), "http" | "https") {
            return Ok(());
        }
        let shown = url.host_str().unwrap_or("nowhere");
        if url.scheme() != "https" {
            return Err(
                self.refused(&format!("A link to a file leads to {shown} by `{}`, not by https.", url.scheme()))
            );
        }
        if url.origin() == self.service.origin() {
            return Ok(());
        }
        match url.host() {
            Some(Host::Domain(host)) if self.patterns.iter().any(|pattern| fits(pattern, host, url.port())) => Ok(()),
            Some(Host::Domain(_)) => {
                Err(self.refused(&format!("A link to a file leads to {shown}, which is not among the allowed hosts.")))
            }
            // An address says nothing about whose it is, and private ones belong to internal services.
            _ => Err(self.refused(&format!("A link to a file leads to the bare address {shown}."))),
        }
    }

    fn refused(&self, message: &str) -> Error {
        let allowed: Vec<String> = self.patterns.iter().map(HostPattern::to_string).collect();
        Error::invalid(
            message,
            format!(
                "Files travel over https to these hosts only: {}. Add the host to PDFCO_DOWNLOAD_HOSTS if it is yours.",
                if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") }
            ),
        )
    }
}

/// Whether a host is on a list, by name and port; the port of https is the one that is not written.
fn fits(pattern: &HostPattern, host: &str, port: Option<u16>) -> bool {
    pattern.fits_host(host) && pattern.port.filter(|port| *port != 443) == port
}

/// Whether one of `patterns` names this host and port: `files.test`, or `*.files.test` for any subdomain.
pub fn is_listed(patterns: &[String], host: &str, port: Option<u16>) -> bool {
    patterns.iter().filter_map(|pattern| HostPattern::read(pattern).ok()).any(|pattern| fits(&pattern, host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn fine(service: &str, link: &str) -> bool {
        let patterns =
            ["*.amazonaws.com", "*.pdf.co", "Files.Test", "store.test:8443", "*", "a.*.test", ""].map(str::to_owned);
        let checked = Hosts::new(&patterns, &Url::parse(service).unwrap()).check(&PresignedUrl::new(link));
        if let Err(error) = &checked {
            assert_eq!(error.kind(), Kind::InvalidArgument);
            let said = format!("{error:?} {}", error.hint().text(crate::next_step::Audience::Agent));
            assert!(!said.contains("canary"), "{said}");
        }
        checked.is_ok()
    }

    #[test]
    fn links_are_opened_on_known_hosts_over_https_only() {
        for (link, expected) in [
            ("https://pdf-temp-files.s3.us-west-2.amazonaws.com/A/a.pdf?sig=canary", true),
            ("https://PDF-temp-files.S3.amazonaws.com/a", true),
            ("https://s3.amazonaws.com:443/a", true),
            ("https://files.pdf.co/a", true),
            ("https://api.pdf.co/a", true),
            ("https://files.test/a", true),
            ("https://store.test:8443/a", true),
            ("https://store.test/a", false),
            ("https://sub.files.test/a", false),
            ("https://amazonaws.com/a", false),
            ("https://s3.amazonaws.com:8080/a?canary", false),
            ("http://s3.amazonaws.com/a?canary", false),
            ("https://evilamazonaws.com/a", false),
            ("https://s3.amazonaws.com.evil.test/a?canary", false),
            ("https://evil.test/?x=.amazonaws.com", false),
            ("https://evil.test#.amazonaws.com", false),
            (r"https://evil.test\.amazonaws.com", false),
            ("https://canary:canary@s3.amazonaws.com/a", false),
            ("https://s3.amazonaws.com@evil.test/a", false),
            ("https://169.254.169.254/latest/meta-data?canary", false),
            ("https://127.0.0.1/a", false),
            ("https://2130706433/a", false),
            ("https://0x7f.1/a", false),
            ("https://[::1]/a", false),
            ("https://[::ffff:10.0.0.1]/a", false),
            ("https://10.0.0.1/a", false),
            ("https://localhost/a", false),
            ("http://127.0.0.1:80/a", false),
            ("ftp://s3.amazonaws.com/a", false),
            ("file:///etc/passwd", false),
            ("data:text/plain,canary", false),
            ("not a link canary", false),
            ("", false),
        ] {
            assert_eq!(fine("https://api.pdf.co", link), expected, "{link}");
        }
    }

    #[test]
    fn beside_a_service_on_this_machine_its_links_are_too() {
        for (service, link, expected) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9001/a", true),
            ("http://localhost:9000", "http://[::1]:9001/a", true),
            ("http://127.0.0.1:9000", "https://s3.amazonaws.com/a", true),
            ("http://127.0.0.1:9000", "http://u:p@127.0.0.1/a", false),
            ("http://127.0.0.1:9000", "http://10.0.0.1/a", false),
            ("http://127.0.0.1:9000", "http://127.0.0.1.evil.test/a", false),
            ("http://127.0.0.1:9000", "ftp://127.0.0.1/a", false),
        ] {
            assert_eq!(fine(service, link), expected, "{service} {link}");
        }
    }

    #[test]
    fn a_dedicated_service_may_hand_out_links_to_itself() {
        for (link, expected) in [
            ("https://10.0.0.7:8443/files/a.pdf", true),
            ("https://10.0.0.7/files/a.pdf", false),
            ("http://10.0.0.7:8443/files/a.pdf", false),
            ("https://10.0.0.8:8443/files/a.pdf", false),
        ] {
            assert_eq!(fine("https://10.0.0.7:8443/prefix", link), expected, "{link}");
        }
    }
}
