//! Results as text: fetched within a bound, distinguished from binary, cut into pages of characters.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::bytes::Bytes;

use super::follow::{Followed, Limits, Sink, follow};
use super::hosts::Hosts;
use crate::api::Client;
use crate::api::transfer::LinkHead;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::next_step::NextStep;
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
/// Bytes that distinguish text from binary.
const SNIFFED_BYTES: usize = 4 * 1024;

/// A result that is text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// MIME type: the storage's, or by the link's name.
    pub mime_type: String,
    /// The text, with LF line ends and without a byte order mark.
    pub text: String,
}

/// Reads what is behind `link` as text; `None` when it is binary.
///
/// # Errors
/// `too_large` beyond `max_bytes`, `invalid_argument` for a host that is not allowed, `link_expired`, `network`,
/// `upstream`.
pub async fn fetch_text(client: &Client, hosts: &Hosts, link: &PresignedUrl, max_bytes: u64) -> Result<Option<Text>> {
    let mut memory = Memory::new(Judge::Text);
    let fetched =
        follow(client, hosts, link, Limits { bytes: max_bytes, cuts: CUTS_MAX }, &mut memory, &|_, _| ()).await;
    let followed = fetched.map_err(|error| match error.kind() {
        Kind::TooLarge => error.with_hint(hint!["Save it with ", NextStep::DownloadAny, " and read the file instead."]),
        _ => error,
    })?;
    let Some(Followed { mime_type, .. }) = followed else { return Ok(None) };
    let Some(text) = decoded(memory.bytes) else { return Ok(None) };
    let by_name =
        || link.file_name().and_then(|name| Some(mime_guess::from_path(name).first()?.essence_str().to_owned()));
    let is_text = |mime: &String| judge_mime(mime) == Mime::Text;
    let mime_type =
        mime_type.filter(is_text).or_else(|| by_name().filter(is_text)).unwrap_or_else(|| "text/plain".to_owned());
    Ok(Some(Text { mime_type, text }))
}

/// Reads what is behind `link` as a JSON list of links; `None` when it is anything else, however large.
///
/// # Errors
/// As [`fetch_text`]; `too_large` for a list of more links than are handled.
pub async fn fetch_links(client: &Client, hosts: &Hosts, link: &PresignedUrl) -> Result<Option<Vec<PresignedUrl>>> {
    let mut memory = Memory::new(Judge::List);
    let limits = Limits { bytes: LIST_BYTES_MAX, cuts: CUTS_MAX };
    match follow(client, hosts, link, limits, &mut memory, &|_, _| ()).await {
        Ok(None) => return Ok(None),
        Ok(Some(_)) => {}
        Err(error) if error.kind() == Kind::TooLarge => return Ok(None),
        Err(error) => return Err(error),
    }
    let Some(Value::Array(list)) = decoded(memory.bytes).and_then(|text| serde_json::from_str(&text).ok()) else {
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

/// What is wanted of the bytes, so that reading can end early.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judge {
    Text,
    List,
}

struct Memory {
    bytes: Vec<u8>,
    judge: Judge,
    is_judged: bool,
    /// Held until the text is decoded.
    permit: Option<SemaphorePermit<'static>>,
}

impl Memory {
    fn new(judge: Judge) -> Self {
        Memory { bytes: Vec::new(), judge, is_judged: false, permit: None }
    }

    fn is_wanted(&self) -> bool {
        let start = self.bytes.get(..SNIFFED_BYTES).unwrap_or(&self.bytes);
        match self.judge {
            Judge::Text => !is_binary(start),
            Judge::List => {
                start.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf))
                    == Some(&b'[')
            }
        }
    }
}

impl Sink for Memory {
    fn begin(&mut self, head: &LinkHead) -> bool {
        self.judge == Judge::List || head.mime_type.as_deref().is_none_or(|mime| judge_mime(mime) != Mime::Binary)
    }

    async fn restart(&mut self) -> Result<()> {
        self.bytes.clear();
        self.is_judged = false;
        Ok(())
    }

    async fn take(&mut self, bytes: Bytes) -> Result<bool> {
        if self.permit.is_none() && self.bytes.len() + bytes.len() > LARGE_BYTES {
            let acquired = tokio::time::timeout(LARGE_TIMEOUT, LARGE_TEXT.acquire()).await;
            self.permit = Some(acquired.ok().and_then(Result::ok).ok_or_else(busy)?);
        }
        self.bytes.extend_from_slice(&bytes);
        if !self.is_judged && self.bytes.len() >= SNIFFED_BYTES {
            self.is_judged = true;
            return Ok(self.is_wanted());
        }
        Ok(true)
    }
}

fn busy() -> Error {
    Error::new(Kind::RateLimited, "Other large results are being read at this moment.", "Try again in a few seconds.")
        .with_retry_after(Some(LARGE_TIMEOUT))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mime {
    Text,
    Binary,
    Unsaid,
}

fn judge_mime(mime: &str) -> Mime {
    match mime.split_once('/') {
        Some(("text", _)) => Mime::Text,
        Some((_, sub)) if sub.ends_with("+json") || sub.ends_with("+xml") || sub.ends_with("+yaml") => Mime::Text,
        Some((
            "application",
            "json" | "xml" | "csv" | "yaml" | "x-yaml" | "javascript" | "x-ndjson" | "jsonl" | "sql" | "rtf",
        )) => Mime::Text,
        Some((_, "octet-stream" | "unknown" | "x-download" | "force-download")) | None => Mime::Unsaid,
        Some(_) => Mime::Binary,
    }
}

/// First bytes of formats that PDF.co makes, and that could pass for text for a while.
const MAGIC: &[&[u8]] = &[
    b"%PDF-",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"II*\0",
    b"MM\0*",
    b"\xd0\xcf\x11\xe0",
    b"\x1f\x8b",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!",
];

fn is_binary(start: &[u8]) -> bool {
    let is_utf_16 = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
    MAGIC.iter().any(|magic| start.starts_with(magic)) || (!is_utf_16 && start.contains(&0))
}

/// The text in `bytes`, if they are text: UTF-8, or UTF-16 that says so.
fn decoded(bytes: Vec<u8>) -> Option<String> {
    if is_binary(bytes.get(..SNIFFED_BYTES).unwrap_or(&bytes)) {
        return None;
    }
    let text = if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        utf_16(rest, u16::from_le_bytes)?
    } else if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        utf_16(rest, u16::from_be_bytes)?
    } else {
        String::from_utf8(bytes).ok()?
    };
    (!text.contains('\0')).then(|| normalised(text))
}

fn utf_16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    char::decode_utf16(pairs.iter().map(|pair| read(*pair))).collect::<Result<_, _>>().ok()
}

/// Without a byte order mark, with LF alone at line ends.
fn normalised(text: String) -> String {
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
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
