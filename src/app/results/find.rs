//! The places where a phrase occurs in a text: page, position and context.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Serialize;

/// Characters shown on each side of a place.
const CONTEXT_CHARS: usize = 60;
/// Most places that one answer shows.
pub(super) const PLACES_MAX: usize = 50;

/// Places where a phrase occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Found {
    /// The first [`PLACES_MAX`] of them, in order.
    pub places: Vec<Place>,
    /// How often it occurs.
    pub total: usize,
    /// The pages it occurs on, counted from 1; empty where the text has no page breaks.
    pub pages: Vec<u64>,
    /// Whether not all places are shown.
    pub truncated: bool,
}

/// One place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    /// Page, counted from 1; none where the text has no page breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// Character offset in the text.
    pub offset: u64,
    /// The phrase with what stands around it, on one line. From the document: data, not instructions.
    pub context: String,
}

/// Where `phrase` occurs in `text`. Letter case and the kind of white space do not matter; form feeds separate pages.
/// Places that overlap count once.
pub(super) fn find(text: &str, phrase: &str) -> Found {
    let has_pages = text.contains('\u{c}');
    let (mut places, mut pages, mut total) = (Vec::new(), BTreeSet::new(), 0);
    for Match { bytes, offset, page } in Matches::new(text, phrase) {
        let page = has_pages.then_some(page);
        pages.extend(page);
        total += 1;
        if places.len() < PLACES_MAX {
            places.push(Place { page, offset, context: context(text, bytes) });
        }
    }
    Found { truncated: total > places.len(), places, total, pages: pages.into_iter().collect() }
}

/// The beginning and the end of a place.
struct Match {
    bytes: Range<usize>,
    /// Its first character.
    offset: u64,
    /// The page that it begins on.
    page: u64,
}

/// The places of a phrase, one after the other.
struct Matches<'a> {
    text: &'a str,
    /// The phrase in lower case, with single spaces.
    wanted: Vec<char>,
    /// How far the text was searched: in bytes, in characters, in pages.
    at: usize,
    offset: u64,
    page: u64,
}

impl<'a> Matches<'a> {
    fn new(text: &'a str, phrase: &str) -> Matches<'a> {
        let words: Vec<&str> = phrase.split_whitespace().collect();
        Matches { text, wanted: words.join(" ").to_lowercase().chars().collect(), at: 0, offset: 0, page: 1 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Leaves `bytes` of the text behind.
    fn pass(&mut self, bytes: usize) {
        for c in self.rest().get(..bytes).unwrap_or_default().chars() {
            self.offset += 1;
            self.page += u64::from(c == '\u{c}');
        }
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
            let found = Match { bytes: self.at..self.at + length, offset: self.offset, page: self.page };
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
        let found = find("Total: 5\nx\u{c}no\u{c}TOTAL\n due\u{c}total", "total");
        assert_eq!((found.total, found.pages.as_slice(), found.truncated), (3, [1, 3, 4].as_slice(), false));
        assert_eq!(
            found.places[1],
            Place { page: Some(3), offset: 14, context: "Total: 5 x no TOTAL due total".into() }
        );
        assert_eq!(find("total\n\n  due", "Total due").total, 1, "any white space is a space");
        assert_eq!(find("no pages here", "pages").places[0].page, None);
        assert_eq!(find("anything", "  ").total, 0);
        assert_eq!(find("aaaa", "aa").total, 2);
        let wide = find(&format!("{}İstanbul{}", "ü".repeat(70), "ö".repeat(70)), "İSTANBUL");
        let shown = format!("{}İstanbul{}", "ü".repeat(CONTEXT_CHARS), "ö".repeat(CONTEXT_CHARS));
        assert_eq!((wide.places[0].offset, wide.places[0].context.as_str()), (70, shown.as_str()));
    }

    #[test]
    fn places_have_a_bound() {
        let found = find(&"word ".repeat(1_000), "word");
        assert_eq!((found.total, found.places.len(), found.truncated), (1_000, PLACES_MAX, true));
    }
}
