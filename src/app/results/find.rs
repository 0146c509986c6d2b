//! The places where a phrase occurs in a text: page, position and context.

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
    let wanted = folded(phrase.trim());
    let wanted: Vec<char> = wanted.chars().collect();
    let mut found = Found { places: Vec::new(), total: 0, pages: Vec::new(), truncated: false };
    if wanted.is_empty() {
        return found;
    }
    let has_pages = text.contains('\u{c}');
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut page) = (0, 1);
    while at < chars.len() {
        if chars.get(at) == Some(&'\u{c}') {
            page += 1;
        }
        let Some(end) = matches_at(&chars, at, &wanted) else {
            at += 1;
            continue;
        };
        found.total += 1;
        if has_pages && found.pages.last() != Some(&page) {
            found.pages.push(page);
        }
        if found.places.len() < PLACES_MAX {
            let context = context(&chars, at, end);
            found.places.push(Place { page: has_pages.then_some(page), offset: at as u64, context });
        }
        // A page break inside a place still counts.
        page += chars.get(at..end).unwrap_or_default().iter().filter(|c| **c == '\u{c}').count() as u64;
        at = end.max(at + 1);
    }
    found.truncated = found.total > found.places.len();
    found
}

/// The end of the place that begins at `at`, if one does. Any run of white space matches a space.
fn matches_at(chars: &[char], at: usize, wanted: &[char]) -> Option<usize> {
    let mut position = at;
    let mut wanted = wanted.iter().peekable();
    while let Some(expected) = wanted.next() {
        if *expected == ' ' {
            let start = position;
            while chars.get(position).is_some_and(|c| c.is_whitespace()) {
                position += 1;
            }
            if position == start {
                return None;
            }
            continue;
        }
        let mut lower = chars.get(position)?.to_lowercase();
        if lower.next() != Some(*expected) {
            return None;
        }
        for rest in lower {
            if wanted.next() != Some(&rest) {
                return None;
            }
        }
        position += 1;
    }
    Some(position)
}

fn folded(phrase: &str) -> String {
    phrase.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn context(chars: &[char], at: usize, end: usize) -> String {
    let from = at.saturating_sub(CONTEXT_CHARS);
    let to = end.saturating_add(CONTEXT_CHARS).min(chars.len());
    let text: String = chars.get(from..to).unwrap_or_default().iter().collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
    }

    #[test]
    fn places_have_a_bound() {
        let found = find(&"word ".repeat(1_000), "word");
        assert_eq!((found.total, found.places.len(), found.truncated), (1_000, PLACES_MAX, true));
    }
}
