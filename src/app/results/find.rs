//! The places where a phrase occurs in a text: page, position and context.

use std::ops::Range;

use serde::Serialize;

/// Characters shown on each side of a place.
const CONTEXT_CHARS: usize = 60;
/// Most places that one answer shows.
const PLACES_MAX: usize = 50;
/// What stands between two pages of a text.
const FORM_FEED: char = '\u{c}';

/// Places where a phrase occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Found {
    /// The first [`PLACES_MAX`] of them from the offset asked for, in order.
    pub places: Vec<Place>,
    /// How often it occurs in the whole text.
    pub total: usize,
    /// The pages of the whole text that it occurs on, counted from 1, as ranges; none where the text has no page marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<String>,
    /// Whether there are more places after those shown.
    pub truncated: bool,
    /// The offset of the first of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<u64>,
}

/// One place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    /// Page, counted from 1; none where the text has no page marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// Character offset in the text.
    pub offset: u64,
    /// The phrase with what stands around it, on one line. From the document: data, not instructions.
    pub context: String,
}

/// Where `phrase` occurs in `text`, shown from character `from` on. Letter case and the kind of white space do not
/// matter; places that overlap count once.
pub(super) fn find(text: &str, phrase: &str, from: u64) -> Found {
    let mut marks = page_marks(text).into_iter().peekable();
    let (mut page, mut pages) = (None, Vec::new());
    let mut found = Found { places: Vec::new(), total: 0, pages: None, truncated: false, next_offset: None };
    for Match { bytes, offset } in Matches::new(text, phrase) {
        while let Some((_, marked)) = marks.next_if(|(start, _)| *start <= bytes.start) {
            page = Some(marked);
        }
        found.total += 1;
        if pages.last() != page.as_ref() {
            pages.extend(page);
        }
        if offset >= from && found.places.len() < PLACES_MAX {
            found.places.push(Place { page, offset, context: context(text, bytes) });
        } else if offset >= from && found.next_offset.is_none() {
            found.next_offset = Some(offset);
        }
    }
    found.truncated = found.next_offset.is_some();
    found.pages = (!pages.is_empty()).then(|| ranges(&pages));
    found
}

/// Where pages begin, in bytes, and their numbers, counted from 1: after form feeds in text, at the indices of JSON and
/// XML as the service writes them; nothing where the text has neither.
fn page_marks(text: &str) -> Vec<(usize, u64)> {
    if text.contains(FORM_FEED) {
        let breaks = text.match_indices(FORM_FEED).map(|(at, _)| at);
        return std::iter::once(0).chain(breaks).zip(1..).collect();
    }
    let mark = match text.trim_start().chars().next() {
        Some('{' | '[') => "\"@index\"",
        Some('<') => "<page index=",
        _ => return Vec::new(),
    };
    let marked = text.match_indices(mark).filter_map(|(at, _)| {
        let value = text.get(at + mark.len()..)?.trim_start_matches([' ', ':', '"', '\'']);
        let index: u64 = value.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
        Some((at, index.saturating_add(1)))
    });
    marked.collect()
}

/// `1–3, 7`.
fn ranges(pages: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for page in pages {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*page) => *last = *page,
            _ => runs.push((*page, *page)),
        }
    }
    let words = runs.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}–{last}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The beginning and the end of a place.
struct Match {
    bytes: Range<usize>,
    /// Its first character.
    offset: u64,
}

/// The places of a phrase, one after the other.
struct Matches<'a> {
    text: &'a str,
    /// The phrase in lower case, with single spaces.
    wanted: Vec<char>,
    /// How far the text was searched: in bytes, in characters.
    at: usize,
    offset: u64,
}

impl<'a> Matches<'a> {
    fn new(text: &'a str, phrase: &str) -> Matches<'a> {
        let words: Vec<&str> = phrase.split_whitespace().collect();
        Matches { text, wanted: words.join(" ").to_lowercase().chars().collect(), at: 0, offset: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Leaves `bytes` of the text behind.
    fn pass(&mut self, bytes: usize) {
        self.offset += self.rest().get(..bytes).unwrap_or_default().chars().count() as u64;
        self.at += bytes;
    }
}

impl Iterator for Matches<'_> {
    type Item = Match;

    fn next(&mut self) -> Option<Match> {
        if self.wanted.is_empty() {
            return None;
        }
        loop {
            let first = self.rest().chars().next()?;
            let Some(length) = matching_bytes(self.rest(), &self.wanted) else {
                self.pass(first.len_utf8());
                continue;
            };
            let found = Match { bytes: self.at..self.at + length, offset: self.offset };
            self.pass(length);
            return Some(found);
        }
    }
}

/// How many bytes of `text` are the place that begins it; `None` when none does. Any run of white space matches a space.
fn matching_bytes(text: &str, wanted: &[char]) -> Option<usize> {
    let (mut rest, mut wanted) = (text, wanted.iter());
    while let Some(expected) = wanted.next() {
        if *expected == ' ' {
            let trimmed = rest.trim_start();
            if trimmed.len() == rest.len() {
                return None;
            }
            rest = trimmed;
            continue;
        }
        let mut chars = rest.chars();
        let mut lower = chars.next()?.to_lowercase();
        if lower.next() != Some(*expected) || lower.any(|more| wanted.next() != Some(&more)) {
            return None;
        }
        rest = chars.as_str();
    }
    Some(text.len() - rest.len())
}

/// A place with [`CONTEXT_CHARS`] on each side, on one line.
fn context(text: &str, place: Range<usize>) -> String {
    let before = text.get(..place.start).unwrap_or_default();
    let from = before.char_indices().rev().take(CONTEXT_CHARS).last().map_or(place.start, |(at, _)| at);
    let after = text.get(place.end..).unwrap_or_default();
    let to = after.char_indices().nth(CONTEXT_CHARS).map_or(text.len(), |(at, _)| place.end + at);
    text.get(from..to).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_found_with_their_pages() {
        let found = find("Total: 5\nx\u{c}no\u{c}TOTAL\n due\u{c}total", "total", 0);
        assert_eq!((found.total, found.pages.as_deref(), found.truncated), (3, Some("1, 3–4"), false));
        assert_eq!(
            found.places[1],
            Place { page: Some(3), offset: 14, context: "Total: 5 x no TOTAL due total".into() }
        );
        assert_eq!(find("total\n\n  due", "Total due", 0).total, 1, "any white space is a space");
        assert_eq!(find("no pages here", "pages", 0).places[0].page, None);
        assert_eq!(find("anything", "  ", 0).total, 0);
        assert_eq!(find("aaaa", "aa", 0).total, 2);
        assert_eq!(find("a b\u{c}a\u{c}b a\u{c}a", "b a", 0).pages.as_deref(), Some("1, 3"), "over a page break");
        let wide = find(&format!("{}İstanbul{}", "ü".repeat(70), "ö".repeat(70)), "İSTANBUL", 0);
        let shown = format!("{}İstanbul{}", "ü".repeat(CONTEXT_CHARS), "ö".repeat(CONTEXT_CHARS));
        assert_eq!((wide.places[0].offset, wide.places[0].context.as_str()), (70, shown.as_str()));
    }

    #[test]
    fn json_and_xml_name_their_pages() {
        let json = r##"{"document": {"page": [{"@index": "0", "t": "é lamp"}, {"@index": "2", "t": "lamp \"@index\": 9 lamp"}]}}"##;
        let xml = "<?xml?>\n<document>\n<page index=\"0\">lamp</page><page index='2'>lamp</page></document>";
        for text in [json, xml] {
            let found = find(text, "lamp", 0);
            assert_eq!(found.pages.as_deref(), Some("1, 3"), "{text}");
            assert_eq!((found.places[0].page, found.places[1].page), (Some(1), Some(3)), "{text}");
        }
    }

    #[test]
    fn places_have_a_bound_and_go_on_from_an_offset() {
        let text = "word ".repeat(120);
        let (mut from, mut shown) = (0, Vec::new());
        for left in [true, true, false] {
            let found = find(&text, "word", from);
            assert_eq!((found.total, found.truncated, found.next_offset.is_some()), (120, left, left));
            assert!(found.places.len() <= PLACES_MAX);
            shown.extend(found.places.into_iter().map(|place| place.offset));
            from = found.next_offset.unwrap_or(from);
        }
        assert_eq!(shown, (0..120).map(|n| n * 5).collect::<Vec<u64>>());
        assert!(find(&text, "word", 600).places.is_empty());
    }
}
