//! What a finished job handed over: links to files, a link to a list of links, or JSON in the answer itself.

use serde_json::Value;

use crate::json_ext::field;
use crate::secret::PresignedUrl;

/// The results in an answer.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// Links to the files, in order.
    pub links: Vec<PresignedUrl>,
    /// The only link may lead to a JSON list of links, rather than to the result (split and image jobs). Following it is
    /// free.
    pub maybe_list: bool,
    /// JSON that is the result itself. An asynchronous job may have it beside a link to a file with the same content.
    pub inline: Option<Value>,
}

/// Fields in which operations put a result that is not a link.
const INLINE_FIELDS: &[&str] = &["body", "info", "barcodes", "classes", "templates", "license"];
/// Fields that are a result only where there is no file: beside a link a hash describes the file.
const INLINE_FIELDS_WITHOUT_LINK: &[&str] = &["hash"];

impl Results {
    /// Reads the results out of the service's answer to a finished job or a direct call.
    pub fn read(content: &Value) -> Results {
        for name in ["urls", "body"] {
            if let Some(links) = field(content, name).and_then(links_of) {
                return Results { links, maybe_list: false, inline: None };
            }
        }
        if let Some(links) = field(content, "url").and_then(links_of) {
            return Results { links, maybe_list: false, inline: None };
        }
        let link = field(content, "url").and_then(Value::as_str).filter(|text| is_link(text)).map(PresignedUrl::new);
        let inline = inline_in(content, INLINE_FIELDS)
            .or_else(|| inline_in(content, INLINE_FIELDS_WITHOUT_LINK).filter(|_| link.is_none()));
        let maybe_list = inline.is_none()
            && link
                .as_ref()
                .and_then(PresignedUrl::file_name)
                .is_some_and(|name| name.to_ascii_lowercase().ends_with(".json"));
        Results { links: link.into_iter().collect(), maybe_list, inline: inline.cloned() }
    }
}

/// The first of these fields that holds something.
fn inline_in<'a>(content: &'a Value, names: &[&str]) -> Option<&'a Value> {
    let holds_something = |value: &&Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        _ => true,
    };
    names.iter().find_map(|name| field(content, name).filter(holds_something))
}

/// The links of a list that has nothing else in it, also where it was written as a text.
fn links_of(value: &Value) -> Option<Vec<PresignedUrl>> {
    let written: Value;
    let value = match value.as_str().filter(|text| text.trim_start().starts_with('[')) {
        Some(text) => {
            written = serde_json::from_str(text).ok()?;
            &written
        }
        None => value,
    };
    let list = value.as_array().filter(|list| !list.is_empty())?;
    list.iter().map(|item| item.as_str().filter(|text| is_link(text)).map(PresignedUrl::new)).collect()
}

pub(super) fn is_link(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_stand_in_many_places() {
        let one = Results::read(&json!({"url": "https://h.test/A/sample.txt?x=1"}));
        assert_eq!((one.links.len(), one.maybe_list, one.inline.is_none()), (1, false, true));
        let list = Results::read(&json!({"url": "https://h.test/A/sample.json?x=1"}));
        assert!(list.maybe_list);
        let split = Results::read(
            &json!({"url": "https://h.test/s.json", "body": ["https://h.test/1.pdf", "https://h.test/2.pdf"]}),
        );
        assert_eq!((split.links.len(), split.maybe_list), (2, false));
        for (name, list) in [("url", json!(["https://h.test/1.pdf"])), ("urls", json!("[\"https://h.test/1.pdf\"]"))] {
            assert_eq!(Results::read(&json!({name: list})).links.len(), 1, "{name}");
        }
        let urls = Results::read(&json!({"urls": ["https://h.test/1.pdf"]}));
        assert_eq!(urls.links.len(), 1);
        let invoice = Results::read(&json!({"body": {"vendor": {}}}));
        assert!(invoice.links.is_empty() && invoice.inline.is_some());
        let words = Results::read(&json!({"body": ["not a link"]}));
        assert!(words.links.is_empty() && words.inline.is_some());
        assert!(Results::read(&json!({"status": "success"})).inline.is_none());
    }

    #[test]
    fn facts_are_read_inside_the_answer_and_beside_a_link() {
        let beside = Results::read(&json!({"url": "https://h.test/result.json", "body": {"PageCount": 1}}));
        assert_eq!((beside.links.len(), beside.maybe_list, beside.inline), (1, false, Some(json!({"PageCount": 1}))));
        for name in ["info", "barcodes", "classes"] {
            assert!(Results::read(&json!({name: [1]})).inline.is_some(), "{name}");
        }
        assert!(Results::read(&json!({"url": "https://h.test/a.txt", "body": ""})).inline.is_none());
    }

    #[test]
    fn a_hash_beside_a_link_is_no_result() {
        let file = Results::read(&json!({"url": "https://h.test/a.pdf", "hash": "e3b0c442"}));
        assert!(file.inline.is_none() && file.links.len() == 1);
        assert_eq!(Results::read(&json!({"hash": "e3b0c442"})).inline, Some(json!("e3b0c442")));
    }
}
