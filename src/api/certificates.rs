//! Why no secure connection comes about: [`CertificateTrouble`], found behind an error of the HTTP library, says what to
//! install or to set.

use std::error::Error as StdError;
use std::fs::File;

use crate::config::certificates_variable;
use crate::error::{Error, Kind};

/// What is wrong, where that is known. None of it passes by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CertificateTrouble {
    /// There are no roots: a bare image has none.
    NoRoots,
    /// The host's certificate comes from an unknown issuer: a company's proxy opens what passes through it.
    UnknownIssuer,
    /// The host's certificate is of another time.
    AnotherTime,
    /// The host's certificate is of another host.
    AnotherHost,
    /// The host's certificate is that of an authority, as a self-signed one often is.
    Authority,
    /// Anything else that is wrong with the host's certificate.
    Unacceptable(String),
}

impl CertificateTrouble {
    /// Finds the failure of TLS behind `error`.
    pub(super) fn behind(error: &(dyn StdError + 'static)) -> Option<CertificateTrouble> {
        use rustls::CertificateError as Certificate;
        let mut next = Some(error);
        while let Some(error) = next {
            match error.downcast_ref::<rustls::Error>() {
                // The verifier's words: it has no type for this.
                Some(rustls::Error::General(words)) if words.contains("No CA certificates") => {
                    return Some(CertificateTrouble::NoRoots);
                }
                Some(rustls::Error::InvalidCertificate(Certificate::UnknownIssuer)) => {
                    return Some(CertificateTrouble::UnknownIssuer);
                }
                Some(rustls::Error::InvalidCertificate(
                    Certificate::Expired
                    | Certificate::ExpiredContext { .. }
                    | Certificate::NotValidYet
                    | Certificate::NotValidYetContext { .. },
                )) => return Some(CertificateTrouble::AnotherTime),
                Some(rustls::Error::InvalidCertificate(
                    Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
                )) => return Some(CertificateTrouble::AnotherHost),
                // The verifier has no word of its own for this.
                Some(rustls::Error::InvalidCertificate(other))
                    if format!("{other:?}").contains("CaUsedAsEndEntity") =>
                {
                    return Some(CertificateTrouble::Authority);
                }
                Some(rustls::Error::InvalidCertificate(other)) => {
                    return Some(CertificateTrouble::Unacceptable(other.to_string()));
                }
                _ => {}
            }
            // An error of I/O gives as its source what stands behind the error that it carries, not that error itself.
            next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
                Some(carried) => Some(carried),
                None => error.source(),
            };
        }
        None
    }

    /// The error for a connection to `host`.
    pub(super) fn error(self, host: &str) -> Error {
        if let (CertificateTrouble::NoRoots | CertificateTrouble::UnknownIssuer, Some((variable, place))) =
            (&self, certificates_variable())
            && (self == CertificateTrouble::NoRoots
                || std::fs::read_dir(&place).is_err() && File::open(&place).is_err())
        {
            let set = if place.as_os_str().is_empty() {
                format!("{variable} is set and empty")
            } else {
                format!("{variable} names `{}`, where no CA certificates can be read", place.display())
            };
            let what = if variable == "SSL_CERT_DIR" { "a folder" } else { "a file" };
            let hint = format!(
                "Let {variable} name {what} of certificates in PEM format, or unset it where the package `ca-certificates` is installed."
            );
            let message = format!("{set}, so no secure connection to {host} is possible.");
            return Error::new(Kind::Network, message, hint).with_retryable(false);
        }
        let (message, hint) = match self {
            CertificateTrouble::NoRoots => (
                format!("This machine has no CA certificates, so no secure connection to {host} is possible."),
                "Install the package `ca-certificates`, or let SSL_CERT_FILE name a file of certificates in PEM format.",
            ),
            CertificateTrouble::UnknownIssuer => (
                format!("The certificate of {host} was not issued by an authority that this machine trusts."),
                "Install the package `ca-certificates`. Behind a proxy that opens TLS, add the proxy's certificate to the system's, or to a file in PEM format that SSL_CERT_FILE names.",
            ),
            CertificateTrouble::AnotherTime => (
                format!("The certificate of {host} is not valid at the time that this machine has."),
                "Check this machine's clock and date.",
            ),
            CertificateTrouble::AnotherHost => (
                format!("The certificate that {host} shows is of another host."),
                "Check the address, and what answers there.",
            ),
            CertificateTrouble::Authority => (
                format!("The certificate that {host} shows is that of an authority, not of a host."),
                "A self-signed certificate serves a host with the extension `basicConstraints=CA:FALSE`, and where a file that SSL_CERT_FILE names holds it.",
            ),
            CertificateTrouble::Unacceptable(reason) => (
                format!("The certificate that {host} shows cannot be accepted: {reason}."),
                "Check the address, and what answers there.",
            ),
        };
        Error::new(Kind::Network, message, hint).with_retryable(false)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn trouble_with_certificates_says_what_to_install_or_to_set() {
        use rustls::CertificateError as Certificate;
        use rustls::Error as Tls;
        let authority = Certificate::Other(rustls::OtherError(Arc::new(std::io::Error::other("CaUsedAsEndEntity"))));
        let cases: [(Tls, Option<&[&str]>); 9] = [
            (
                Tls::General("No CA certificates were loaded from the system".into()),
                Some(&["ca-certificates", "SSL_CERT_FILE"]),
            ),
            (Tls::InvalidCertificate(Certificate::UnknownIssuer), Some(&["ca-certificates", "SSL_CERT_FILE", "proxy"])),
            (Tls::InvalidCertificate(Certificate::Expired), Some(&["clock"])),
            (Tls::InvalidCertificate(Certificate::NotValidYet), Some(&["clock"])),
            (Tls::InvalidCertificate(Certificate::NotValidForName), Some(&["address"])),
            (Tls::InvalidCertificate(Certificate::Revoked), Some(&["address"])),
            (Tls::InvalidCertificate(authority), Some(&["CA:FALSE"])),
            (Tls::General("something else".into()), None),
            (Tls::DecryptError, None),
        ];
        for (tls, words) in cases {
            // As a connection brings it: within an error of I/O, and that within another.
            let shown = tls.to_string();
            let error = std::io::Error::other(std::io::Error::other(tls));
            let trouble = CertificateTrouble::behind(&error);
            assert_eq!(trouble.is_some(), words.is_some(), "{shown}");
            if let (Some(trouble), Some(words)) = (trouble, words) {
                let error = trouble.error("api.test");
                assert_eq!((error.kind(), error.is_retryable()), (Kind::Network, false), "{shown}");
                assert!(error.message().contains("api.test"), "{error}");
                assert!(
                    words.iter().all(|word| error.hint().text(crate::next_step::Audience::Agent).contains(word)),
                    "{}",
                    error.hint().text(crate::next_step::Audience::Agent)
                );
            }
        }
        assert_eq!(CertificateTrouble::behind(&std::io::Error::from(std::io::ErrorKind::ConnectionRefused)), None);
    }
}
