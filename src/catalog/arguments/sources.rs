//! The documents that a call names: one by one, in a list, and in text that was meant as a list.

use serde_json::{Value, json};

use crate::catalog::media_types;

/// What a source that is not a local path begins with.
const SCHEMES: [&str; 7] = ["http://", "https://", "filetoken://", "file://", "job://", "cache:", "data:"];

/// The documents that a call names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Wire name.
    pub wire: &'static str,
    /// Links, tokens or local paths, in order.
    pub items: Vec<String>,
    /// Whether the operation takes several, and so reads commas on the wire as separators.
    pub takes_many: bool,
}

impl Sources {
    /// The value that goes out: the links as one string. Where the operation takes several, commas separate them, and a
    /// comma inside a link is percent-encoded.
    pub fn joined(&self, links: &[String]) -> String {
        match links {
            [one] if !self.takes_many => one.clone(),
            links => links.iter().map(|link| link.replace(',', "%2C")).collect::<Vec<_>>().join(","),
        }
    }
}

/// The documents of a list, of the JSON text of one, or of a text; `None` for other values and when none is named. A
/// text is split at commas only if `takes_many` and each piece is a document by itself.
pub fn documents(value: &Value, takes_many: bool) -> Option<Vec<String>> {
    let items: Vec<String> = match value {
        Value::Array(list) => list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        Value::String(text) => match serde_json::from_str::<Vec<String>>(text) {
            Ok(list) => list,
            Err(_) if takes_many => split(text).into_iter().map(str::to_owned).collect(),
            Err(_) => vec![text.clone()],
        },
        _ => return None,
    };
    let items: Vec<String> =
        items.iter().map(|item| without_margin(item).to_owned()).filter(|item| !item.trim().is_empty()).collect();
    (!items.is_empty()).then_some(items)
}

/// A link without white space around it, and a name without line ends: a space may be the end of a name.
fn without_margin(item: &str) -> &str {
    let trimmed = item.trim();
    if is_link(trimmed) { trimmed } else { item.trim_matches(['\n', '\r']) }
}

/// The documents of a text with commas between them. A comma that does not end a document is part of a link or a name:
/// it separates only where a link begins after it, or where a name with a known extension stands on both sides.
pub fn split(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(',') {
        let (Some(before), Some(after)) = (text.get(start..at), text.get(at.saturating_add(1)..)) else { continue };
        if separates(before, after) {
            documents.push(before.trim());
            start = at.saturating_add(1);
        }
    }
    documents.extend(text.get(start..).map(str::trim));
    documents.retain(|document| !document.is_empty());
    documents
}

fn separates(before: &str, after: &str) -> bool {
    let next = after.trim_start();
    if next.is_empty() || before.trim().is_empty() || is_link(next) {
        return true;
    }
    let next = next.split(',').next().unwrap_or_default();
    // A link has no white space in it, but it may have a comma.
    let may_end = !is_link(before.trim_start()) || after.starts_with(char::is_whitespace);
    may_end && has_known_extension(before) && has_known_extension(next)
}

fn is_link(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

fn has_known_extension(name: &str) -> bool {
    let path = name.trim().split(['?', '#']).next().unwrap_or_default();
    media_types::of_name(path).is_some()
}

/// The JSON form of several documents, for a hint that shows how a list is written.
pub fn as_list(documents: &[&str]) -> String {
    let shown: Vec<String> = documents.iter().take(3).map(|document| crate::text::shorten(document, 40)).collect();
    json!(shown).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_links_and_names_stay() {
        for (text, expected) in [
            ("a.pdf,b.pdf", vec!["a.pdf", "b.pdf"]),
            ("a.pdf, b.PNG ,notes.txt", vec!["a.pdf", "b.PNG", "notes.txt"]),
            ("Smith, John.png", vec!["Smith, John.png"]),
            ("Smith, John.png,b.pdf", vec!["Smith, John.png", "b.pdf"]),
            ("v1.2, final.pdf", vec!["v1.2, final.pdf"]),
            ("https://h.test/image/w_200,h_100/sample.jpg", vec!["https://h.test/image/w_200,h_100/sample.jpg"]),
            (
                "https://h.test/w_2,h_1/a.jpg,https://h.test/b.jpg",
                vec!["https://h.test/w_2,h_1/a.jpg", "https://h.test/b.jpg"],
            ),
            ("https://h.test/a.pdf,b.pdf", vec!["https://h.test/a.pdf,b.pdf"]),
            ("https://h.test/a.pdf, b.pdf", vec!["https://h.test/a.pdf", "b.pdf"]),
            ("filetoken://abc,filetoken://def", vec!["filetoken://abc", "filetoken://def"]),
            ("a.pdf,", vec!["a.pdf"]),
            ("", vec![]),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
    }

    #[test]
    fn lists_are_taken_as_they_are() {
        for value in [json!(["a,b.pdf,c.pdf", "d.pdf"]), json!("[\"a,b.pdf,c.pdf\", \"d.pdf\"]")] {
            assert_eq!(documents(&value, true).unwrap(), ["a,b.pdf,c.pdf", "d.pdf"]);
        }
        assert_eq!(documents(&json!("a.pdf,b.pdf"), false).unwrap(), ["a.pdf,b.pdf"]);
        assert_eq!(
            documents(&json!([" https://h.test/a ", "a .pdf \n"]), true).unwrap(),
            ["https://h.test/a", "a .pdf "]
        );
        assert_eq!(documents(&json!(" "), false), None);
        assert_eq!(documents(&json!([1]), true), None);
        assert_eq!(documents(&json!([]), true), None);
    }

    #[test]
    fn commas_travel_encoded_where_they_would_separate() {
        let sources = |takes_many| Sources { wire: "url", items: Vec::new(), takes_many };
        let one = ["https://h.test/a,b".to_owned()];
        assert_eq!(sources(false).joined(&one), "https://h.test/a,b");
        assert_eq!(sources(true).joined(&one), "https://h.test/a%2Cb");
        let two = ["https://h.test/a,b".to_owned(), "c".to_owned()];
        assert_eq!(sources(true).joined(&two), "https://h.test/a%2Cb,c");
    }
}
