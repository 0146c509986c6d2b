//! One link, followed to its end: resumed after cuts, counted, bounded. [`follow`] decides when bytes already here may be
//! kept; a [`Sink`] takes them.
//!
//! | after a cut, the answer to the next request… | |
//! |---|---|
//! | continues at the right byte of the same entity | go on |
//! | is the whole file (Range ignored, entity changed, 416) | start over |
//! | is impossible to trust (no strong entity tag, length unknown) | it is not asked for: start over |

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;
use tokio_util::bytes::Bytes;

use super::hosts::Hosts;
use super::refusals::too_large;
use crate::api::Client;
use crate::api::retry_policy::delay;
use crate::api::transfer::LinkHead;
use crate::catalog::media_types::of_name;
use crate::error::{Error, Kind, Result};
use crate::secret::PresignedUrl;

/// How long a transfer may stand still, in all, besides as long as it moved. No further try begins beyond that, so with
/// the pause that ends the last one (15 s) a call about a storage that stalls is over after 40 s: several assistants cut
/// it after 60. Every pause of five cuts fits in, and a long download may lose as much time as it took.
pub(super) const STANDSTILL_MAX: Duration = Duration::from_secs(25);

/// Where the bytes go.
pub(super) trait Sink: Send {
    /// Sees the head of the first answer; `false` ends the transfer without an error.
    fn begin(&mut self, _head: &LinkHead) -> bool {
        true
    }
    /// Forgets everything taken so far.
    fn restart(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// Takes the next bytes; `false` ends the transfer without an error.
    fn take(&mut self, bytes: Bytes) -> impl Future<Output = Result<bool>> + Send;
}

/// A transfer that came to its end.
pub(super) struct Followed {
    /// Bytes of the whole.
    pub bytes: u64,
    /// MIME type, as the storage stated it.
    pub mime_type: Option<String>,
    /// How often the connection was cut and the transfer went on, or began anew.
    pub resumed: u32,
}

/// How far to go.
pub(super) struct Limits {
    /// Most bytes.
    pub bytes: u64,
    /// Most cuts that are survived.
    pub cuts: u32,
}

/// Called after every piece with the bytes so far, and of how many.
pub(super) type OnBytes<'a> = &'a (dyn Fn(u64, Option<u64>) + Send + Sync);

/// What is known of the file behind the link.
#[derive(Default)]
struct Entity {
    etag: Option<String>,
    total: Option<u64>,
}

impl Entity {
    /// The tag under which bytes already here may be continued. A weak one does not promise the same bytes; without a
    /// known length the body may have been decoded on its way, and its bytes do not count like the storage's.
    fn resumable(&self) -> Option<&str> {
        self.etag.as_deref().filter(|tag| tag.starts_with('"') && self.total.is_some())
    }

    /// Whether an answer goes on where the last one was cut. Headers left out of it are those of the entity that
    /// `If-Range` asked for.
    fn is_continued_by(&self, head: &LinkHead, from: u64) -> bool {
        let same_etag = head.etag.is_none() || head.etag == self.etag;
        let same_total = head.total.is_none() || head.total == self.total;
        from > 0 && head.start == from && same_etag && same_total
    }
}

/// Brings everything behind `link` into `sink`. `None` when the sink ended it.
///
/// # Errors
/// `invalid_argument` when the host is not allowed, `too_large` beyond the limit, else as `Client::get_link`.
pub(super) async fn follow(
    client: &Client,
    hosts: &Hosts,
    link: &PresignedUrl,
    limits: Limits,
    sink: &mut impl Sink,
    on_bytes: OnBytes<'_>,
) -> Result<Option<Followed>> {
    hosts.check(link)?;
    let mut entity = Entity::default();
    let mut mime_type = None;
    let mut bytes = 0_u64;
    let mut cuts = 0;
    let mut is_begun = false;
    let (mut stood, mut moved) = (Duration::ZERO, Duration::ZERO);
    loop {
        let began = Instant::now();
        let mut moved_now = Duration::ZERO;
        let etag = entity.resumable();
        let from = if etag.is_some() { bytes } else { 0 };
        let cut = match client.get_link(link, from, etag).await {
            Err(error) => error,
            Ok((head, _)) if is_page_for_people(link, &head) => page_for_people(),
            Ok((head, mut pieces)) => {
                if !entity.is_continued_by(&head, from) {
                    if head.start != 0 {
                        return Err(confused());
                    }
                    if bytes > 0 {
                        sink.restart().await?;
                        bytes = 0;
                    }
                    if !is_begun && !sink.begin(&head) {
                        return Ok(None);
                    }
                    is_begun = true;
                    entity = Entity { etag: head.etag, total: head.total };
                    mime_type = head.mime_type;
                }
                if let Some(total) = entity.total.filter(|total| *total > limits.bytes) {
                    return Err(too_large("The result", total, limits.bytes));
                }
                let opened = Instant::now();
                let broken = loop {
                    match pieces.next().await {
                        None => break None,
                        Some(Err(error)) => break Some(error),
                        Some(Ok(piece)) => {
                            bytes = bytes.saturating_add(piece.len() as u64);
                            if bytes > limits.bytes {
                                return Err(too_large("The result", bytes, limits.bytes));
                            }
                            if entity.total.is_some_and(|total| bytes > total) {
                                return Err(confused());
                            }
                            if !sink.take(piece).await? {
                                return Ok(None);
                            }
                            on_bytes(bytes, entity.total);
                            moved_now = opened.elapsed();
                        }
                    }
                };
                match (broken, entity.total) {
                    (None, Some(total)) if bytes < total => short(bytes, total),
                    (None, _) => return Ok(Some(Followed { bytes, mime_type, resumed: cuts })),
                    (Some(error), _) => error,
                }
            }
        };
        if !cut.is_retryable() || cuts >= limits.cuts {
            return Err(cut);
        }
        cuts += 1;
        let pause = delay(cuts).max(cut.retry_after().unwrap_or_default());
        moved += moved_now;
        stood += began.elapsed().saturating_sub(moved_now) + pause;
        if stood > STANDSTILL_MAX + moved {
            return Err(cut);
        }
        tracing::debug!(%link, bytes, cuts, ?pause, kind = %cut.kind(), "transfer cut");
        tokio::time::sleep(pause).await;
    }
}

/// Whether a web page comes where another kind of file was promised: a portal, a login or a gateway is in between.
fn is_page_for_people(link: &PresignedUrl, head: &LinkHead) -> bool {
    let promised = link.file_name().and_then(|name| of_name(&name));
    let is_page = |mime: &str| matches!(mime, "text/html" | "application/xhtml+xml");
    head.mime_type.as_deref().is_some_and(is_page) && promised.is_some_and(|known| !is_page(known.mime))
}

fn page_for_people() -> Error {
    Error::new(
        Kind::Upstream,
        "A web page came instead of the result.",
        "Check the network: a login page or a proxy may be in the way. Then try again.",
    )
}

fn short(bytes: u64, total: u64) -> Error {
    Error::new(Kind::Network, format!("The storage sent {bytes} of {total} bytes."), "Start the download again.")
}

fn confused() -> Error {
    Error::new(
        Kind::Upstream,
        "The storage sent other bytes than it announced.",
        "Start the download again; if it stays so, a proxy may be in the way.",
    )
}
