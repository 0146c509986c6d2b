//! The shape of an answer of the service: its fields and the kinds of their values, without what they say.

use serde_json::{Map, Value, json};

use crate::app::DataLocation;
use crate::error::Kind;
use crate::json_ext::field;

/// Words of an answer that are shown as they are: states and codes are the same for everybody.
const SHOWN: &[&str] = &["status", "errorCode", "error", "pageCount", "credits"];
/// Fields below this depth are not described.
const DEPTH_MAX: usize = 6;
/// Most fields or elements that are described.
const FIELDS_MAX: usize = 60;

/// The shape of an answer: names as they are, links, ids, texts and names by their kind.
pub fn of(value: &Value) -> Value {
    described("", value, DEPTH_MAX)
}

fn described(name: &str, value: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return json!("…") };
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .take(FIELDS_MAX)
                .map(|(name, value)| (name.clone(), described(name, value, depth)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(list) => {
            Value::Array(list.iter().take(2).map(|element| described(name, element, depth)).collect())
        }
        Value::String(text) => json!(kind_of_text(name, text)),
        Value::Number(_) if SHOWN.contains(&name) => value.clone(),
        Value::Number(_) => json!("<number>"),
        Value::Bool(_) | Value::Null => value.clone(),
    }
}

fn kind_of_text(name: &str, text: &str) -> String {
    if SHOWN.contains(&name) && text.len() <= 40 {
        return text.to_owned();
    }
    if let Ok(link) = url::Url::parse(text)
        && link.has_host()
    {
        let extension = link.path().rsplit('/').next().and_then(|last| Some(last.rsplit_once('.')?.1)).unwrap_or("?");
        return format!("<link to .{extension}>");
    }
    if name.eq_ignore_ascii_case("jobid") {
        return "<job id>".to_owned();
    }
    if text.parse::<f64>().is_ok() {
        return "<number as text>".to_owned();
    }
    format!("<text of {} characters>", text.chars().count())
}

/// Where the facts of an answer stand; none where there are none.
pub fn location_of_facts(content: &Value) -> Option<DataLocation> {
    let has = |name: &str| field(content, name).is_some_and(|value| value.is_object() || value.is_array());
    match (has("info"), has("body"), field(content, "url").is_some()) {
        (true, _, _) => Some(DataLocation::Field),
        (_, true, true) => Some(DataLocation::BodyAndLink),
        (_, true, false) => Some(DataLocation::Body),
        (_, _, true) => Some(DataLocation::Link),
        (false, false, false) => None,
    }
}

/// A location in words.
pub fn words_of(location: Option<DataLocation>) -> &'static str {
    match location {
        Some(DataLocation::Field) => "inside the answer, under info",
        Some(DataLocation::BodyAndLink) => "inside the answer, under body, and behind a link",
        Some(DataLocation::Body) => "inside the answer, under body",
        Some(DataLocation::Link) => "behind a link",
        None => "nowhere in the answer",
    }
}

/// What an error looked like to the caller, in a word of ours.
pub fn of_error(kind: Kind) -> String {
    format!("an error of the kind {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_has_the_fields_and_none_of_the_secrets() {
        let content = json!({
            "status": "success", "errorCode": 441, "jobId": "J-SECRET", "name": "Smith.pdf", "remainingCredits": "7",
            "url": "https://h.test/a/result.json?X-Amz-Signature=SECRET", "body": {"Author": "SECRET", "PageCount": 3},
        });
        let shape = of(&content);
        assert_eq!(shape["url"], "<link to .json>");
        assert_eq!((&shape["status"], &shape["errorCode"]), (&json!("success"), &json!(441)));
        assert_eq!(shape["body"]["PageCount"], "<number>");
        assert_eq!(shape["remainingCredits"], "<number as text>");
        assert!(!shape.to_string().contains("SECRET") && !shape.to_string().contains("Smith"), "{shape}");
        assert_eq!(location_of_facts(&content), Some(DataLocation::BodyAndLink));
    }
}
