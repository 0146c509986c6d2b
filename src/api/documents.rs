//! Small JSON documents of another server than the service: what an authorization server says about itself, and its keys.
//!
//! Nothing is sent along: no key, no token, no cookie. Redirects are not followed, and time and size are bounded.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::transfer::is_loopback;
use super::transport::client_builder;
use crate::error::{Error, Kind, Result};

/// How long one document may take, the connection included.
const TIMEOUT: Duration = Duration::from_secs(8);
/// How long the connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Largest document, in bytes, unpacked.
const BYTES_MAX: usize = 256 * 1024;

/// Fetches documents. The HTTP client is built when the first one is asked for.
#[derive(Default)]
pub struct Documents {
    client: OnceLock<reqwest::Client>,
    /// For plain http on this machine: no proxy has a business in between, and there is no certificate.
    plain: OnceLock<reqwest::Client>,
}

impl Documents {
    /// The document at `address`.
    ///
    /// # Errors
    /// `invalid_argument` for an address that is neither https nor plain http on this machine; `not_found` where there is
    /// none (an answer of 4xx); `network` without an answer; `upstream` for any other one that is no JSON of this size.
    pub async fn fetch(&self, address: &Url) -> Result<Value> {
        let shown = address.host_str().unwrap_or("nowhere");
        let is_plain = address.scheme() == "http" && is_loopback(address);
        if address.scheme() != "https" && !is_plain {
            return Err(Error::invalid(
                format!("The address of a document of {shown} begins with `{}:`.", address.scheme()),
                "It takes https, or plain http on this machine.",
            ));
        }
        let unreachable = |error: reqwest::Error| {
            Error::new(Kind::Network, format!("{shown} does not answer."), "Try again in a moment.")
                .with_source(error.without_url())
        };
        let mut response = self.client(is_plain)?.get(address.clone()).send().await.map_err(unreachable)?;
        let status = response.status();
        if status.is_client_error() {
            return Err(Error::new(Kind::NotFound, format!("{shown} has no such document ({status})."), ""));
        }
        let unusable = |why: String| Error::new(Kind::Upstream, why, "Try again in a moment.");
        if !status.is_success() {
            return Err(unusable(format!("{shown} answered {status}.")));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > BYTES_MAX {
                return Err(unusable(format!("A document of {shown} is larger than {BYTES_MAX} bytes.")));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|_| unusable(format!("{shown} answered something that is no JSON.")))
    }

    fn client(&self, is_plain: bool) -> Result<&reqwest::Client> {
        let cell = if is_plain { &self.plain } else { &self.client };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let builder = client_builder().connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT);
        // A machine without roots can still ask itself.
        let builder = if is_plain { builder.no_proxy().tls_certs_only(Vec::new()) } else { builder };
        let client = builder.build().map_err(|error| {
            Error::new(Kind::Network, "No secure connection can be made.", "Install the system's root certificates.")
                .with_source(error)
        })?;
        Ok(cell.get_or_init(|| client))
    }
}
