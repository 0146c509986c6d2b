//! A collector of traces, metrics and logs. It gets what is measured and nothing that was asked or answered.

use std::time::Duration;

use secrecy::ExposeSecret;
use url::Url;

use super::transfer::is_loopback;
use super::transport::client_builder;
use crate::config::Otlp;
use crate::error::{Error, Kind, Result};

/// Longest answer that is read, so that its connection serves again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// See the head of this file.
pub struct Collector {
    client: reqwest::Client,
    endpoint: Url,
    headers: reqwest::header::HeaderMap,
}

impl Collector {
    /// How long one request may take.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// The collector that is named.
    ///
    /// # Errors
    /// `invalid_argument` for a header that cannot be sent; `internal` when there is no HTTP client.
    pub fn new(settings: &Otlp) -> Result<Collector> {
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in &settings.headers {
            let name = reqwest::header::HeaderName::try_from(name);
            let value = reqwest::header::HeaderValue::try_from(value.expose_secret());
            let (Ok(name), Ok(mut value)) = (name, value) else {
                let what = "OTEL_EXPORTER_OTLP_HEADERS has a header that cannot be sent.";
                return Err(Error::invalid(what, "It takes name=value, separated by commas."));
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let builder = client_builder().timeout(Collector::TIMEOUT);
        let builder = if is_loopback(&settings.endpoint) { builder.no_proxy() } else { builder };
        // Plain http needs no roots, and a bare image has none.
        let builder = if settings.endpoint.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
        let client = builder
            .build()
            .map_err(|error| Error::internal("The HTTP client could not be built.").with_source(error.without_url()))?;
        Ok(Collector { client, endpoint: settings.endpoint.clone(), headers })
    }

    /// The address of `path` below the endpoint.
    pub fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.endpoint.as_str().trim_end_matches('/'))
    }

    /// Sends one document of JSON to an address of the collector.
    ///
    /// # Errors
    /// `network` without an answer, `upstream` for a refusal.
    pub async fn send(&self, address: &str, body: impl Into<reqwest::Body>) -> Result<()> {
        let request = self.client.post(address).headers(self.headers.clone());
        let request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body);
        let mut answer = request.send().await.map_err(|error| {
            Error::new(Kind::Network, "The collector does not answer.", "").with_source(error.without_url())
        })?;
        let status = answer.status();
        if !status.is_success() {
            return Err(Error::new(Kind::Upstream, format!("The collector answered {status}."), ""));
        }
        let mut left = ANSWER_BYTES_MAX;
        while let Ok(Some(part)) = answer.chunk().await {
            let Some(rest) = left.checked_sub(part.len()) else { break };
            left = rest;
        }
        Ok(())
    }
}
