//! From an answer to the result of a tool call.
//!
//! Clients differ in what their model sees: some show `structuredContent` alone, some `content` alone. The first get the
//! whole answer; the second get it as JSON, followed by its text as it is, without JSON's escapes.

use rmcp::model::{CallToolResult, ContentBlock, MetaObject, Resource};
use serde_json::{Value, json};

use super::tools::Shape;
use crate::answer::Answer;
use crate::app::bounded;

/// The key under which results and resources mark what came from a document or from the service.
pub const UNTRUSTED: &str = "pdfco/untrusted";

/// The result of a tool call: the answer as JSON, its text, and a link to the job of a success.
///
/// It stays within [`ANSWER_CHARS_MAX`](crate::app::ANSWER_CHARS_MAX) unless the call asked for more text.
/// With [`Shape::Text`] the text stands in `content` alone, so that no client pays for it twice.
pub fn result(answer: &Answer, shape: Shape) -> CallToolResult {
    let answer = &*bounded(answer);
    let mut whole = serde_json::to_value(answer).unwrap_or(Value::Null);
    let (head, text) = head_and_text(&mut whole);
    let has_text = text.is_some();
    let mut content = vec![ContentBlock::text(head)];
    content.extend(text.map(ContentBlock::text));
    if let Some(job) = answer.job.as_ref().filter(|_| answer.status == "success" && shape != Shape::Text) {
        let link = Resource::new(format!("job://{}", job.job_id), format!("job {}", job.job_id))
            .with_mime_type("application/json");
        content.push(ContentBlock::resource_link(link));
    }
    let mut result = if answer.is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    if !(shape == Shape::Text && has_text) {
        result.structured_content = Some(whole);
    }
    result.with_meta(Some(untrusted()))
}

/// The mark of what came from a document or from the service.
pub fn untrusted() -> MetaObject {
    let mut meta = MetaObject::default();
    meta.insert(UNTRUSTED.into(), json!(true));
    meta
}

/// The answer as JSON without the text of its `output`, and that text; the whole answer where it holds no text. The text
/// may be long: it is taken out while the rest is written.
fn head_and_text(whole: &mut Value) -> (String, Option<String>) {
    const TEXT: &str = "text";
    let take = |whole: &mut Value| {
        let output = whole.get_mut("output")?.as_object_mut()?;
        let at = output.keys().position(|name| name == TEXT)?;
        output.get(TEXT)?.as_str().filter(|text| !text.is_empty())?;
        Some((at, output.shift_remove(TEXT)?))
    };
    let Some((at, taken)) = take(whole) else { return (whole.to_string(), None) };
    let head = whole.to_string();
    let text = taken.as_str().map(str::to_owned);
    if let Some(output) = whole.get_mut("output").and_then(Value::as_object_mut) {
        output.shift_insert(at, TEXT.to_owned(), taken);
    }
    (head, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::TextOutput;
    use crate::charge::Charge;

    fn answer(text: Option<&str>) -> Answer {
        let output = text.map(|text| TextOutput {
            text: text.to_owned(),
            offset: 0,
            next_offset: None,
            total_chars: 5,
            truncated: false,
            untrusted: true,
        });
        Answer { output, ..Answer::success(json!({"a": 1}), Charge::NONE) }
    }

    fn shown(answer: &Answer, shape: Shape) -> Value {
        serde_json::to_value(result(answer, shape)).unwrap()
    }

    #[test]
    fn text_is_unescaped_in_content_and_whole_in_structure() {
        let result = shown(&answer(Some("a\n\"b\"")), Shape::Described);
        assert_eq!(result["structuredContent"]["output"]["text"], "a\n\"b\"");
        assert_eq!(result["content"][1]["text"], "a\n\"b\"");
        let head: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(head["output"]["untrusted"], true);
        assert!(head["output"].get("text").is_none(), "{head}");
    }

    #[test]
    fn a_read_text_stands_in_content_alone() {
        let result = shown(&answer(Some("text")), Shape::Text);
        assert!(result.get("structuredContent").is_none(), "{result}");
        assert_eq!(
            (result["content"].as_array().map(Vec::len), &result["content"][1]["text"]),
            (Some(2), &json!("text"))
        );
        assert_eq!(result["_meta"][UNTRUSTED], true);
    }

    #[test]
    fn an_answer_without_text_is_the_same_in_both() {
        for shape in [Shape::Described, Shape::Structured, Shape::Text] {
            let result = shown(&answer(None), shape);
            let content: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
            assert_eq!(content, result["structuredContent"], "{shape:?}");
        }
    }
}
