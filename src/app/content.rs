//! The fields of the service's answer that say nothing about the result.

use serde_json::{Map, Value};

/// Fields that the answer's own fields repeat.
const REPEATED: &[&str] = &["status", "jobid", "error", "credits", "remainingcredits", "name"];
/// Fields about the request and its links.
const SPENT: &[&str] = &["outputlinkvalidtill", "jobduration", "duration"];
/// Fields about the document.
const PAGE_COUNT: &str = "pagecount";

/// Whether the answer's own fields hold what `field` of the service's answer says.
pub(super) fn is_repeated(field: &str) -> bool {
    REPEATED.contains(&field.to_ascii_lowercase().as_str())
}

/// Whether `field` says nothing more once the job has succeeded and its links were used.
pub(super) fn is_spent(field: &str, value: &Value) -> bool {
    let says_success = field.eq_ignore_ascii_case("message") && value == "Success";
    says_success || SPENT.contains(&field.to_ascii_lowercase().as_str())
}

/// Whether there is a link anywhere in `value`.
pub(super) fn holds_link(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with("http"),
        Value::Array(list) => list.iter().any(holds_link),
        Value::Object(map) => map.values().any(holds_link),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether `value` is a list of links and of nothing else.
pub(super) fn is_list_of_links(value: &Value) -> bool {
    let is_link = |item: &Value| item.is_string() && holds_link(item);
    value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(is_link))
}

/// The data that a job found out, out of the service's answer to it; none where its result is a file.
pub(super) fn data_in(content: &Value) -> Option<Value> {
    let says_something = |field: &str, value: &Value| {
        !is_repeated(field) && !is_spent(field, value) && !field.eq_ignore_ascii_case(PAGE_COUNT) && !value.is_null()
    };
    let fields = content.as_object()?.iter().filter(|(field, value)| says_something(field, value));
    let data: Map<String, Value> = fields.map(|(field, value)| (field.clone(), value.clone())).collect();
    let is_file = data.iter().any(|(field, value)| matches!(field.as_str(), "url" | "urls") || is_list_of_links(value));
    (!data.is_empty() && !is_file).then_some(Value::Object(data))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn data_is_what_was_found_out() {
        for (content, expected) in [
            (
                json!({"message": "Success", "pageCount": 2, "jobDuration": 8, "barcodes": [{"Value": "https://h.test"}]}),
                Some(json!({"barcodes": [{"Value": "https://h.test"}]})),
            ),
            (json!({"status": "success", "jobId": "j", "name": null, "hash": "abc"}), Some(json!({"hash": "abc"}))),
            (json!({"url": "https://h.test/a.pdf", "extra": 1}), None),
            (json!({"body": ["https://h.test/a.png"]}), None),
            (json!({"message": "Success", "pageCount": 2}), None),
            (json!([]), None),
        ] {
            assert_eq!(data_in(&content), expected, "{content}");
        }
    }
}
