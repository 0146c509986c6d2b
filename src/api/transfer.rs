//! Files over presigned links: streams in both directions, without the key.
//!
//! [`Client::put_file`] and [`Client::get_link`] move bytes. Which hosts may be spoken to, names, hashes and local paths
//! are decided in `files/`.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use reqwest::header;
use tokio::io::AsyncRead;
use tokio_util::bytes::Bytes;
use tokio_util::io::ReaderStream;

use super::Client;
use super::stall::TransferProgress;
pub(crate) use super::transport::is_loopback;
use super::transport::network_error;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::next_step::NextStep;
use crate::secret::PresignedUrl;

/// The head of an answer to a GET of a link.
#[derive(Debug)]
pub struct LinkHead {
    /// HTTP status, 200 or 206.
    pub status: u16,
    /// Which byte of the file the body begins with: 0 unless the answer is 206.
    pub start: u64,
    /// Length of the body that follows, if stated.
    pub length: Option<u64>,
    /// Length of the whole file, if stated.
    pub total: Option<u64>,
    /// MIME type without parameters.
    pub mime_type: Option<String>,
    /// The `charset` of the content type.
    pub charset: Option<String>,
    /// Entity tag: the same tag means the same bytes, so that a cut download may go on.
    pub etag: Option<String>,
}

/// An upload that failed.
#[derive(Debug)]
pub struct Unsent {
    /// Why.
    pub error: Error,
    /// How long nothing had gone out by then.
    pub silent: Duration,
}

/// Head of an S3 error, enough to recognize an expired link.
const ERROR_BYTES_MAX: usize = 4 * 1024;

impl Client {
    /// Sends `length` bytes of `content` to a presigned link with exactly the content type that was signed.
    ///
    /// # Errors
    /// `network` when the connection fails, `link_expired` on 403, `upstream` otherwise.
    pub async fn put_file(
        &self,
        link: &PresignedUrl,
        content_type: &str,
        length: u64,
        content: impl AsyncRead + Send + 'static,
    ) -> Result<(), Unsent> {
        let taken = TransferProgress::new();
        let sent = self.put(link, content_type, length, content, &taken).await;
        sent.map_err(|error| Unsent { error, silent: taken.now().1.elapsed() })
    }

    async fn put(
        &self,
        link: &PresignedUrl,
        content_type: &str,
        length: u64,
        content: impl AsyncRead + Send + 'static,
        taken: &TransferProgress,
    ) -> Result<()> {
        // 64 KiB pieces: constant memory whatever the size.
        let counted = taken.clone();
        let stream = ReaderStream::with_capacity(content, 64 * 1024)
            .inspect(move |piece| counted.take(piece.as_ref().map_or(0, Bytes::len)));
        let request = self
            .transport()
            .client()?
            .put(link.expose())
            .header(header::CONTENT_TYPE, content_type)
            .header(header::CONTENT_LENGTH, length)
            .body(reqwest::Body::wrap_stream(stream));
        let response = tokio::select! {
            response = request.send() => response.map_err(|error| network_error(error, &host_of(link)).0)?,
            () = taken.upload_stalled(self.transport().idle(), length) => return Err(stalled(&host_of(link))),
        };
        match response.status().as_u16() {
            // A portal or a proxy in between; the storage itself has nothing to say.
            200..=299 if is_web_page(response.headers()) => Err(Error::new(
                Kind::Upstream,
                format!("{} answered the upload with a web page.", host_of(link)),
                "Nothing was stored. Check the network: a login page or a proxy may be in the way.",
            )),
            200..=299 => Ok(()),
            429 => Err(Error::new(
                Kind::RateLimited,
                "The storage asks for fewer requests.",
                "Try again in a few seconds.",
            )),
            403 => Err(Error::new(
                Kind::LinkExpired,
                "The storage refused the upload: its link is no longer valid.",
                "Start the upload again; a link for uploading is valid for 15 minutes.",
            )),
            status => Err(Error::new(
                Kind::Upstream,
                format!("The storage answered the upload with HTTP {status}."),
                "Start the upload again.",
            )),
        }
    }

    /// Opens a link, from byte `from` if the file behind it is still the one with `etag`. Whether the answer really
    /// begins there is in its head: a storage may ignore the wish, and one that cannot meet it (416) is asked for the
    /// whole file.
    ///
    /// # Errors
    /// `link_expired` on 403, 404 and 410, `network` when the connection fails, `rate_limited` on 429, `upstream`
    /// otherwise; only what may pass by itself is retryable.
    pub async fn get_link(
        &self,
        link: &PresignedUrl,
        from: u64,
        etag: Option<&str>,
    ) -> Result<(LinkHead, impl Stream<Item = Result<Bytes>> + Send + Unpin + use<>)> {
        let client = self.transport().client()?;
        let host = host_of(link);
        let idle = self.transport().idle();
        let open = async |from: u64| {
            let mut request = client.get(link.expose()).header(header::ACCEPT_ENCODING, "identity");
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
                if let Some(etag) = etag {
                    request = request.header(header::IF_RANGE, etag);
                }
            }
            tokio::time::timeout(idle, request.send())
                .await
                .map_err(|_| stalled(&host))?
                .map_err(|error| network_error(error, &host).0)
        };
        let mut response = open(from).await?;
        if response.status().as_u16() == 416 && from > 0 {
            response = open(0).await?;
        }
        let status = response.status().as_u16();
        if !matches!(status, 200 | 206) {
            return Err(refused(response, status).await);
        }
        let text = |name: header::HeaderName| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (start, total) = match status {
            206 => text(header::CONTENT_RANGE).as_deref().and_then(content_range).ok_or_else(|| {
                Error::new(
                    Kind::Upstream,
                    format!("{host} answered with a part of the file without saying which."),
                    "Try again.",
                )
                .with_retryable(false)
            })?,
            _ => (0, response.content_length()),
        };
        let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
        let (mime_type, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
        let head = LinkHead {
            status,
            start,
            length: response.content_length(),
            total,
            mime_type: Some(mime_type.trim().to_ascii_lowercase()).filter(|mime_type| !mime_type.is_empty()),
            charset: charset_in(parameters).map(str::to_owned),
            etag: text(header::ETAG),
        };
        let body = response.bytes_stream().boxed();
        let stream = futures_util::stream::unfold((body, host), move |(mut body, host)| async move {
            let piece = match tokio::time::timeout(idle, body.next()).await {
                Ok(Some(Ok(bytes))) => Ok(bytes),
                Ok(Some(Err(error))) => Err(network_error(error, &host).0),
                Ok(None) => return None,
                Err(_) => Err(stalled(&host)),
            };
            Some((piece, (body, host)))
        });
        Ok((head, stream.boxed()))
    }
}

/// The value of `charset` among the parameters of a content type.
fn charset_in(parameters: &str) -> Option<&str> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then_some(value)
    })
}

/// First byte and length of the whole, from `bytes 5-9/10` or `bytes 5-9/*`.
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

fn stalled(host: &str) -> Error {
    Error::new(Kind::Network, format!("{host} stopped answering."), "Check the network, then try again.")
}

async fn refused(response: reqwest::Response, status: u16) -> Error {
    let mut said = Vec::new();
    let mut stream = response.bytes_stream();
    let reading = async {
        while let Some(Ok(chunk)) = stream.next().await {
            said.extend_from_slice(&chunk);
            if said.len() >= ERROR_BYTES_MAX {
                break;
            }
        }
    };
    // The status says enough; the body is only worth a moment.
    let _ = tokio::time::timeout(Duration::from_secs(5), reading).await;
    let gone = String::from_utf8_lossy(&said).contains("NoSuchKey");
    match status {
        403 | 404 | 410 => Error::new(
            Kind::LinkExpired,
            if gone || status != 403 {
                "The result is no longer stored."
            } else {
                "The result's link is no longer valid."
            },
            hint![
                "Results are kept for an hour (longer with ",
                NextStep::Argument("expiration".into()),
                "). Checking the job again with ",
                NextStep::Switch("force".into()),
                " asks for a fresh link; otherwise run the operation again."
            ],
        ),
        429 => Error::new(Kind::RateLimited, "The storage asks for fewer requests.", "Try again in a few seconds."),
        300..=399 => Error::new(
            Kind::Upstream,
            format!("The storage redirected the download (HTTP {status}), which is not followed."),
            "Open the link in a browser to see where it leads.",
        )
        .with_retryable(false),
        400..=499 => Error::new(
            Kind::Upstream,
            format!("The storage refused the link (HTTP {status})."),
            "Run the operation again for a fresh link.",
        )
        .with_retryable(false),
        _ => Error::new(Kind::Upstream, format!("The storage answered HTTP {status}."), "Try again."),
    }
}

fn is_web_page(headers: &header::HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|mime| mime.as_bytes().to_ascii_lowercase().starts_with(b"text/html"))
}

fn host_of(link: &PresignedUrl) -> String {
    url::Url::parse(link.expose())
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "The storage".to_owned())
}
