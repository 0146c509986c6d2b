//! Results as text: fetched within a bound, told from binary, cut into pages of characters.
//!
//! What lives here: [`fetch_text`], [`fetch_links`] and the pure [`page`] and [`tail`]. What never does: marking text as
//! untrusted, which is the doors' way of showing it, or keeping it.

use serde::Serialize;
use serde_json::Value;

use super::follow::{Followed, Limits, Sink, follow};
use super::hosts::Hosts;
use crate::api::Client;
use crate::api::transfer::LinkHead;
use crate::error::{Error, Kind, Result};
use crate::secret::PresignedUrl;

/// Largest result that is read as text, unless the caller wants less.
pub const TEXT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Largest list of links.
const LIST_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most links in one.
const LIST_LINKS_MAX: usize = 10_000;
/// Cuts that reading survives: somebody is waiting for the answer.
const CUTS_MAX: u32 = 2;
/// Bytes that tell text from binary.
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
        Kind::TooLarge => error.with_hint("Save it with download_result and read the file instead."),
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
/// As [`fetch_text`]; `too_large` for a list of more links than anybody handles.
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
}

impl Memory {
    fn new(judge: Judge) -> Self {
        Memory { bytes: Vec::new(), judge, is_judged: false }
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

    async fn take(&mut self, bytes: &[u8]) -> Result<bool> {
        self.bytes.extend_from_slice(bytes);
        if !self.is_judged && self.bytes.len() >= SNIFFED_BYTES {
            self.is_judged = true;
            return Ok(self.is_wanted());
        }
        Ok(true)
    }
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_are_text_or_they_are_not() {
        for (bytes, expected) in [
            (&b"plain\r\ntext\rhere\n"[..], Some("plain\ntext\nhere\n")),
            (b"", Some("")),
            (b"\xef\xbb\xbfa,b", Some("a,b")),
            (b"\xff\xfea\0\r\0\n\0\xe9\0", Some("a\né")),
            (b"\xfe\xff\0a\xd8\x3d\xde\x00", Some("a😀")),
            (b"\xff\xfea\0b", None),
            (b"\xff\xfe\0\xd8", None),
            (b"\xff\xfe\0\0a\0\0\0", None),
            (b"%PDF-1.7\nall text", None),
            (b"PK\x03\x04", None),
            (b"\x89PNG\r\n", None),
            (b"nul\0byte", None),
            (b"caf\xe9", None),
        ] {
            assert_eq!(decoded(bytes.to_vec()).as_deref(), expected, "{bytes:?}");
        }
        let mut late = vec![b'a'; SNIFFED_BYTES * 2];
        late.push(0);
        assert_eq!(decoded(late), None);
    }

    #[test]
    fn mime_types_speak_for_themselves_or_say_nothing() {
        for (mime, expected) in [
            ("text/plain", Mime::Text),
            ("text/csv", Mime::Text),
            ("application/json", Mime::Text),
            ("image/svg+xml", Mime::Text),
            ("application/pdf", Mime::Binary),
            ("image/png", Mime::Binary),
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Mime::Binary),
            ("application/octet-stream", Mime::Unsaid),
            ("binary/octet-stream", Mime::Unsaid),
            ("", Mime::Unsaid),
        ] {
            assert_eq!(judge_mime(mime), expected, "{mime}");
        }
    }

    #[test]
    fn pages_say_where_to_go_on() {
        let text = "añ😀d";
        let page_of = |offset, limit| page(text, offset, limit);
        assert_eq!(
            page_of(0, 2),
            TextPage { text: "añ".into(), offset: 0, next_offset: Some(2), total_chars: 4, truncated: true }
        );
        assert_eq!(
            page_of(2, 2),
            TextPage { text: "😀d".into(), offset: 2, next_offset: None, total_chars: 4, truncated: false }
        );
        assert_eq!((page_of(9, 2).text.as_str(), page_of(9, 2).offset), ("", 4));
        assert_eq!(page_of(0, 0).text, "a");
        assert_eq!(page_of(u64::MAX, u64::MAX).next_offset, None);
        assert_eq!(
            page("", 0, 10),
            TextPage { text: String::new(), offset: 0, next_offset: None, total_chars: 0, truncated: false }
        );
    }

    #[test]
    fn tails_are_lines_from_the_end() {
        for (text, lines, limit, expected, truncated) in [
            ("a\nb\nc\n", 2, 100, "b\nc\n", false),
            ("a\nb\nc", 2, 100, "b\nc", false),
            ("a\nb\nc\n", 1, 100, "c\n", false),
            ("a\nb", 9, 100, "a\nb", false),
            ("a\nb", u64::MAX, 100, "a\nb", false),
            ("a\nb", 0, 100, "", false),
            ("a\n\n", 1, 100, "\n", false),
            ("\n", 1, 100, "\n", false),
            ("", 3, 100, "", false),
            ("a\nñ😀c", 1, 2, "😀c", true),
        ] {
            let tail = tail(text, lines, limit);
            assert_eq!(
                (tail.text.as_str(), tail.truncated, tail.next_offset),
                (expected, truncated, None),
                "{text:?} {lines}"
            );
        }
    }

    proptest! {
        #[test]
        fn pages_put_together_are_the_text(text in "(\\PC|\n){0,200}", limit in 0_u64..30) {
            let (mut whole, mut offset, mut pages) = (String::new(), Some(0), 0);
            while let Some(at) = offset {
                let page = page(&text, at, limit);
                prop_assert_eq!(page.offset, at);
                prop_assert!(page.text.chars().count() as u64 <= limit.max(1));
                whole.push_str(&page.text);
                offset = page.next_offset;
                pages += 1;
                prop_assert!(pages <= 201);
            }
            prop_assert_eq!(whole, text);
        }

        #[test]
        fn a_tail_is_the_end_of_the_text_and_says_where_it_begins(text in "[aé😀\n]{0,80}", lines in 0_u64..20, limit in 1_u64..60) {
            let tail = tail(&text, lines, limit);
            prop_assert!(text.ends_with(&tail.text));
            let before: String = text.chars().take(tail.offset as usize).collect();
            prop_assert_eq!(format!("{before}{}", tail.text), text);
            prop_assert!(tail.text.lines().count() as u64 <= lines);
            prop_assert!(tail.text.chars().count() as u64 <= limit);
        }

        #[test]
        fn no_bytes_upset_the_decoder(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(text) = decoded(bytes) {
                prop_assert!(!text.contains('\r') && !text.contains('\0'));
            }
        }
    }
}
