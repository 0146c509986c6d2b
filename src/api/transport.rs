//! One HTTP exchange with the service: base URL, key header, time limits, no redirects.
//!
//! The reqwest clients are built on first use, because reading the system's TLS roots takes longer than answering
//! `initialize`. Whether a request is repeated, and what an answer means, is decided elsewhere.

use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use url::{Host, Url};

use super::body::{self, Body, LargeBodyPermits, Unread};
use super::call::{Call, Failure};
use super::certificates::CertificateTrouble;
use super::redact::Redactor;
use super::response::{self, Response};
use super::response_errors;
use super::retry_policy::{Delivery, Repeat, parse_retry_after};
use super::stall::{TransferProgress, at_least};
use crate::catalog::Method;
use crate::error::{Error, Kind, Result};
use crate::secret::{ApiKey, without_query};

/// Time limits of requests.
///
/// Several assistants cut a call after 60 s, and its outcome is lost then. So whatever stalls has to end before that,
/// with everything that a call does besides:
///
/// | limit | why so much | what a call then takes at most |
/// |---|---|---|
/// | `connect` 10 s | a lost packet or two and a slow TLS handshake | part of the others |
/// | `safe` 20 s | checks, balances and links come in milliseconds, large inline results in seconds | repeats begin within [`REPEAT_BUDGET`](super::retry_policy::REPEAT_BUDGET): 40 s |
/// | `paid` 35 s | a job is accepted at once, but what runs at once is worked on for up to 30 s (the service then answers 408 or 445 by itself); given up earlier, it would not be known whether it was charged | repeats after a refusal begin within 20 s: 55 s |
/// | `idle` 15 s | a pause of a line that is alive | downloads: see `STANDSTILL_MAX` in `files/follow.rs`, 40 s; an upload's last silence is 41 s at most (`api/stall.rs`), after up to 25 s of tries that were cut |
///
/// Work that takes longer runs as a background job, and a job is waited for by checking.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the connection.
    pub connect: Duration,
    /// For one whole JSON exchange that may be repeated. An answer that is still moving then may go on.
    pub safe: Duration,
    /// For one whole JSON exchange that may be charged. The same.
    pub paid: Duration,
    /// For a pause within a transfer of a file.
    pub idle: Duration,
}

impl Timeouts {
    /// Those of the product.
    pub const USUAL: Timeouts = Timeouts {
        connect: Duration::from_secs(10),
        safe: Duration::from_secs(20),
        paid: Duration::from_secs(35),
        idle: Duration::from_secs(15),
    };
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts::USUAL
    }
}

/// Requests up to this size leave at once; larger ones (HTML in the request, base64) get time to leave.
const REQUEST_BYTES_SMALL: usize = 64 * 1024;

/// The connection to the service.
pub(crate) struct Transport {
    base: Url,
    timeouts: Timeouts,
    client: OnceLock<reqwest::Client>,
    /// For requests that may be charged: every one on a connection of its own.
    paid_client: OnceLock<reqwest::Client>,
    large_bodies: LargeBodyPermits,
}

/// Kept connections are dropped after this. A load balancer's limit is 60 s, and some servers close after less: a
/// request that meets the close is lost, which is harmless for those that are sent here (they may be repeated).
const POOL_IDLE: Duration = Duration::from_secs(20);

impl Transport {
    pub(super) fn new(base: Url, timeouts: Timeouts) -> Result<Self> {
        let acceptable = match base.scheme() {
            "https" => base.host().is_some(),
            "http" => is_loopback(&base),
            _ => false,
        };
        if !acceptable {
            return Err(Error::invalid(
                format!("The base URL `{}` cannot be used.", without_query(base.as_str())),
                "PDFCO_BASE_URL is an https link; plain http is accepted for this machine (127.0.0.1, localhost) only.",
            ));
        }
        Ok(Transport {
            base,
            timeouts,
            client: OnceLock::new(),
            paid_client: OnceLock::new(),
            large_bodies: LargeBodyPermits::new(),
        })
    }

    pub(super) fn idle(&self) -> Duration {
        self.timeouts.idle
    }

    pub(super) fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    fn host(&self) -> &str {
        self.base.host_str().unwrap_or("the service")
    }

    /// The HTTP client. It follows no redirect: the service sends none, and a key must not travel to another host.
    pub(super) fn client(&self) -> Result<&reqwest::Client> {
        self.built(&self.client, |builder| builder.pool_idle_timeout(POOL_IDLE))
    }

    /// The HTTP client for requests that may be charged. A kept connection can be closed by the service in the moment in
    /// which a request is written to it, and then it is not known whether the request was received; so these requests
    /// share no connection. That costs a handshake, and no doubt about money.
    fn paid_client(&self) -> Result<&reqwest::Client> {
        self.built(&self.paid_client, |builder| builder.pool_max_idle_per_host(0))
    }

    fn built<'a>(
        &self,
        cell: &'a OnceLock<reqwest::Client>,
        pool: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<&'a reqwest::Client> {
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let builder = || {
            let builder = client_builder().connect_timeout(self.timeouts.connect);
            // A proxy has no business between this machine and itself.
            pool(if self.is_local() { builder.no_proxy() } else { builder })
        };
        let built = match builder().build() {
            // A service on this machine needs no roots: without any, the simulator works and https is refused.
            Err(error)
                if self.is_local() && CertificateTrouble::behind(&error) == Some(CertificateTrouble::NoRoots) =>
            {
                builder().tls_certs_only([]).build()
            }
            built => built,
        };
        let client = built.map_err(|error| {
            let error = error.without_url();
            match CertificateTrouble::behind(&error) {
                Some(trouble) => trouble.error(self.host()),
                None => Error::internal("The HTTP client could not be built."),
            }
            .with_source(error)
        })?;
        Ok(cell.get_or_init(|| client))
    }

    /// Sends `call` with `key` and reads the whole answer.
    pub(super) async fn exchange(&self, key: &ApiKey, call: &Call) -> Result<Response, Failure> {
        let request = self.request(key, call).and_then(|request| {
            request.build().map_err(|error| network_error(error, self.base.host_str().unwrap_or_default()).0)
        });
        let request = request.map_err(|error| Failure::new(error, Delivery::NotSent))?;
        let limit = match call.repeat {
            Repeat::Safe => self.timeouts.safe,
            Repeat::Paid => self.timeouts.paid,
        };
        let size = request.body().and_then(reqwest::Body::as_bytes).map_or(0, <[u8]>::len);
        let limit = limit + at_least(size.saturating_sub(REQUEST_BYTES_SMALL) as u64);
        let progress = TransferProgress::new();
        tokio::select! {
            answer = self.exchange_unbounded(key, call, request, &progress) => answer,
            () = progress.answer_stalled(limit) => {
                let message = format!("The service did not answer within {} s.", limit.as_secs());
                let hint = "Try again later; long work runs as a background job anyway.";
                Err(Failure::new(Error::new(Kind::Network, message, hint), Delivery::Lost))
            }
        }
    }

    async fn exchange_unbounded(
        &self,
        key: &ApiKey,
        call: &Call,
        request: reqwest::Request,
        progress: &TransferProgress,
    ) -> Result<Response, Failure> {
        let client = self.client_for(call).map_err(|error| Failure::new(error, Delivery::NotSent))?;
        let response = client.execute(request).await.map_err(|error| self.lost(error))?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(reqwest::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| parse_retry_after(value, Timestamp::now()));
        if response.status().is_redirection() {
            let message = format!("The service answered with a redirect (HTTP {status}), which is not followed.");
            let hint = "Check PDFCO_BASE_URL: the key is only ever sent to the host that stands there.";
            return Err(Failure::new(Error::new(Kind::Upstream, message, hint), Delivery::Elsewhere));
        }
        let body = Body::read(response, progress, &self.large_bodies).await.map_err(|unread| match unread {
            Unread::Broken(error) => self.lost(error),
            Unread::TooLarge => {
                let message = format!("The service's answer is larger than {} MiB.", body::BYTES_MAX / (1024 * 1024));
                let hint = "Leave `inline` out, so that the result comes as a file.";
                // What it answered is not known.
                Failure::new(Error::new(Kind::TooLarge, message, hint), Delivery::Lost)
            }
        })?;
        let redactor = Redactor::new(Some(key), &call.secrets);
        response::read(status, &body, retry_after, call.context, &redactor).map_err(|error| {
            let delivery = if error.kind() == Kind::RateLimited { Delivery::Refused } else { Delivery::Answered };
            let is_key_refused = error.kind() == Kind::Auth
                && response_errors::failure_code(status, error.upstream().unwrap_or(&Value::Null), call.context)
                    == Some(401);
            Failure { error, delivery, is_key_refused }
        })
    }

    fn client_for(&self, call: &Call) -> Result<&reqwest::Client> {
        match call.repeat {
            Repeat::Safe => self.client(),
            Repeat::Paid => self.paid_client(),
        }
    }

    fn request(&self, key: &ApiKey, call: &Call) -> Result<reqwest::RequestBuilder> {
        let client = self.client_for(call)?;
        let mut url = self.base.clone();
        // `Url::join` would drop a path prefix of the base, which dedicated servers have.
        let path = format!("{}{}", self.base.path().trim_end_matches('/'), call.path);
        url.set_path(&path);
        let mut header = reqwest::header::HeaderValue::from_str(key.expose()).map_err(|_| {
            Error::invalid("The API key cannot be sent.", "Copy the key again from https://app.pdf.co.")
        })?;
        header.set_sensitive(true);
        let request = match call.method {
            Method::Get => {
                if let Some(params) = call.params.as_object().filter(|params| !params.is_empty()) {
                    let mut query = url.query_pairs_mut();
                    for (name, value) in params {
                        match value {
                            Value::String(text) => query.append_pair(name, text),
                            Value::Null => &mut query,
                            other => query.append_pair(name, &other.to_string()),
                        };
                    }
                }
                client.get(url)
            }
            Method::Post => client.post(url).json(&call.params),
        };
        Ok(request.header("x-api-key", header))
    }

    fn lost(&self, error: reqwest::Error) -> Failure {
        let (error, not_sent) = network_error(error, self.host());
        Failure::new(error, if not_sent { Delivery::NotSent } else { Delivery::Lost })
    }
}

/// What every HTTP client here has in common. It follows no redirect: neither a key nor a token must travel to another
/// host.
pub(super) fn client_builder() -> reqwest::ClientBuilder {
    // Fails only when a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("pdfco/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .referer(false)
}

/// Makes a connection's failure readable, without its URL. Also says whether the request surely never arrived.
pub(super) fn network_error(error: reqwest::Error, host: &str) -> (Error, bool) {
    let not_sent = error.is_connect() || error.is_builder() || was_cancelled_before_sending(&error);
    if let Some(trouble) = CertificateTrouble::behind(&error) {
        return (trouble.error(host).with_source(error.without_url()), not_sent);
    }
    let what = if error.is_connect() {
        format!("{host} could not be reached.")
    } else if error.is_timeout() {
        format!("{host} stopped answering.")
    } else if error.is_decode() || error.is_body() {
        format!("The answer of {host} broke off or could not be decoded.")
    } else {
        format!("The connection to {host} failed.")
    };
    let hint = "Check the network, a proxy (HTTPS_PROXY) and PDFCO_BASE_URL, then try again.";
    (Error::new(Kind::Network, what, hint).with_source(error.without_url()), not_sent)
}

/// Whether the HTTP library gave the request up before it wrote any of it, because its connection had been closed.
fn was_cancelled_before_sending(error: &reqwest::Error) -> bool {
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Whether a link leads to this very machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_this_machine_will_do() {
        for (base, fine) in [
            ("https://api.pdf.co", true),
            ("https://pdf.company.test/prefix/", true),
            ("http://127.0.0.1:9", true),
            ("http://localhost:9", true),
            ("http://[::1]:9", true),
            ("http://api.pdf.co", false),
            ("http://10.0.0.1", false),
            ("ftp://api.pdf.co", false),
            ("file:///etc/passwd", false),
        ] {
            let made = Transport::new(Url::parse(base).unwrap(), Timeouts::default());
            assert_eq!(made.is_ok(), fine, "{base}");
        }
    }
}
