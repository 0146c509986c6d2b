//! Results as text: fetched within a bound, decoded, distinguished from binary, cut into pages of characters.

mod charset;

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::bytes::Bytes;

pub use self::charset::Charset;
use self::charset::TextDecoder;
use super::follow::{Followed, Limits, Sink, follow};
use super::hosts::Hosts;
use super::refusals::too_large;
use crate::api::Client;
use crate::api::body::json_of;
use crate::api::transfer::LinkHead;
use crate::catalog::media_types::{Content, content_of, of_name};
use crate::error::{Error, Kind, Result};
use crate::secret::PresignedUrl;

/// Largest result that is read as text, unless the caller wants less.
pub const TEXT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Texts beyond this size need a permit: what is smaller may stall without keeping others from theirs.
const LARGE_BYTES: usize = 256 * 1024;
/// One large text is read and decoded at a time, in the whole process: it takes up to five times its size for a moment.
static LARGE_TEXT: Semaphore = Semaphore::const_new(1);
/// How long a large text waits for its permit.
const LARGE_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest list of links.
const LIST_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most links in one.
const LIST_LINKS_MAX: usize = 10_000;
/// Cuts that reading survives: a caller is waiting for the answer.
const CUTS_MAX: u32 = 2;

/// A result that is text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// MIME type: the storage's, or by the link's name.
    pub mime_type: String,
    /// The text, with LF line ends and without a byte order mark.
    pub text: String,
    /// The encoding that it was read from.
    pub charset: Charset,
}

impl Text {
    /// A text that stands in an answer of the service, which is UTF-8.
    pub fn inline(mime_type: &str, text: &str) -> Text {
        let text = charset::normalized(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned());
        Text { mime_type: mime_type.to_owned(), text, charset: Charset::UTF_8 }
    }
}

/// Reads what is behind `link` as text; `None` when it is binary.
///
/// # Errors
/// `too_large` beyond `max_bytes`, `invalid_argument` for a host that is not allowed, `link_expired`, `network`,
/// `upstream`.
pub async fn fetch_text(client: &Client, hosts: &Hosts, link: &PresignedUrl, max_bytes: u64) -> Result<Option<Text>> {
    let mut sink = TextSink { decoder: TextDecoder::new(None, false), stated: (None, false), max_bytes, permit: None };
    let limits = Limits { bytes: max_bytes, cuts: CUTS_MAX };
    let fetched = follow(client, hosts, link, limits, &mut sink, &|_, _| ()).await;
    let Some(Followed { mime_type, .. }) = fetched? else { return Ok(None) };
    let Some((text, charset)) = sink.decoder.end() else { return Ok(None) };
    let by_name = || link.file_name().and_then(|name| Some(of_name(&name)?.mime.to_owned()));
    let is_text = |mime: &String| content_of(mime) == Content::Text;
    let mime_type =
        mime_type.filter(is_text).or_else(|| by_name().filter(is_text)).unwrap_or_else(|| "text/plain".to_owned());
    Ok(Some(Text { mime_type, text, charset }))
}

/// Reads what is behind `link` as a JSON list of links; `None` when it is anything else, however large.
///
/// # Errors
/// As [`fetch_text`]; `too_large` for a list of more links than are handled.
pub async fn fetch_links(client: &Client, hosts: &Hosts, link: &PresignedUrl) -> Result<Option<Vec<PresignedUrl>>> {
    let mut sink = ListSink { bytes: Vec::new() };
    let limits = Limits { bytes: LIST_BYTES_MAX, cuts: CUTS_MAX };
    match follow(client, hosts, link, limits, &mut sink, &|_, _| ()).await {
        Ok(None) => return Ok(None),
        Ok(Some(_)) => {}
        Err(error) if error.kind() == Kind::TooLarge => return Ok(None),
        Err(error) => return Err(error),
    }
    let Some(Value::Array(list)) = json_of(&sink.bytes) else {
        return Ok(None);
    };
    let is_link = |text: &&str| text.starts_with("https://") || text.starts_with("http://");
    let links: Option<Vec<PresignedUrl>> =
        list.iter().map(|item| item.as_str().filter(is_link).map(PresignedUrl::new)).collect();
    match links {
        Some(links) if links.len() > LIST_LINKS_MAX => Err(Error::new(
            Kind::TooLarge,
            format!("The result is a list of {} files; at most {LIST_LINKS_MAX} are taken.", links.len()),
            "Run the operation for fewer `pages` at once.",
        )),
        Some(links) if !links.is_empty() => Ok(Some(links)),
        _ => Ok(None),
    }
}

/// Decodes a text while it comes in, and ends the transfer when it is none.
struct TextSink {
    decoder: TextDecoder,
    /// What the content type said: the charset, and whether it is a type of text.
    stated: (Option<String>, bool),
    max_bytes: u64,
    /// Held until the text is decoded.
    permit: Option<SemaphorePermit<'static>>,
}

impl TextSink {
    fn anew(&mut self) {
        self.decoder = TextDecoder::new(self.stated.0.as_deref(), self.stated.1);
    }
}

impl Sink for TextSink {
    fn begin(&mut self, head: &LinkHead) -> bool {
        let mime = head.mime_type.as_deref().map_or(Content::Unsaid, content_of);
        self.stated = (head.charset.clone(), mime == Content::Text);
        self.anew();
        mime != Content::Binary
    }

    async fn restart(&mut self) -> Result<()> {
        self.anew();
        Ok(())
    }

    async fn take(&mut self, bytes: Bytes) -> Result<bool> {
        if self.permit.is_none() && self.decoder.len() + bytes.len() > LARGE_BYTES {
            let acquired = tokio::time::timeout(LARGE_TIMEOUT, LARGE_TEXT.acquire()).await;
            self.permit = Some(acquired.ok().and_then(Result::ok).ok_or_else(busy)?);
        }
        let is_text = self.decoder.take(&bytes);
        // In UTF-8 a text can be larger than its file.
        let size = self.decoder.len() as u64;
        if size > self.max_bytes {
            return Err(too_large("The text", size, self.max_bytes));
        }
        Ok(is_text)
    }
}

/// Keeps the bytes of what may be a JSON list.
struct ListSink {
    bytes: Vec<u8>,
}

impl Sink for ListSink {
    async fn restart(&mut self) -> Result<()> {
        self.bytes.clear();
        Ok(())
    }

    async fn take(&mut self, bytes: Bytes) -> Result<bool> {
        self.bytes.extend_from_slice(&bytes);
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf);
        let first = self.bytes.iter().find(|byte| !is_space(byte));
        Ok(first.is_none_or(|first| *first == b'['))
    }
}

fn busy() -> Error {
    Error::new(Kind::RateLimited, "Other large results are being read at this moment.", "Try again in a few seconds.")
        .with_retry_after(Some(LARGE_TIMEOUT))
}

/// A part of a text. Positions and lengths count characters (Unicode scalar values), never bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TextPage {
    /// The part.
    pub text: String,
    /// Where it begins.
    pub offset: u64,
    /// Where to go on; nothing at the end.
    pub next_offset: Option<u64>,
    /// Length of the whole.
    pub total_chars: u64,
    /// Whether something that was asked for is missing: the rest after a page, the beginning of a tail.
    pub truncated: bool,
}

/// The part of `text` from character `offset`, of at most `limit` characters and at least one.
pub fn page(text: &str, offset: u64, limit: u64) -> TextPage {
    let total_chars = text.chars().count() as u64;
    let offset = offset.min(total_chars);
    let end = offset.saturating_add(limit.max(1)).min(total_chars);
    let next_offset = (end < total_chars).then_some(end);
    TextPage { text: part(text, offset, end), offset, next_offset, total_chars, truncated: next_offset.is_some() }
}

/// The last `lines` lines of `text`; of those the last `limit` characters. A line end at the very end begins no line.
pub fn tail(text: &str, lines: u64, limit: u64) -> TextPage {
    let total_chars = text.chars().count() as u64;
    let body = text.strip_suffix('\n').unwrap_or(text);
    let wanted = match usize::try_from(lines) {
        Ok(0) => "",
        Ok(lines) => match body.rmatch_indices('\n').nth(lines - 1) {
            Some((at, _)) => text.get(at + 1..).unwrap_or_default(),
            None => text,
        },
        Err(_) => text,
    };
    let chars = wanted.chars().count() as u64;
    let shown = chars.min(limit.max(1));
    let offset = total_chars - shown;
    TextPage {
        text: part(wanted, chars - shown, chars),
        offset,
        next_offset: None,
        total_chars,
        truncated: shown < chars,
    }
}

fn part(text: &str, from: u64, to: u64) -> String {
    let skip = usize::try_from(from).unwrap_or(usize::MAX);
    let take = usize::try_from(to - from).unwrap_or(usize::MAX);
    let start = text.char_indices().nth(skip).map_or(text.len(), |(at, _)| at);
    let rest = text.get(start..).unwrap_or_default();
    let end = rest.char_indices().nth(take).map_or(rest.len(), |(at, _)| at);
    rest.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
