//! What in a body states an error, or stands in the way of the answer that it wraps.
//!
//! Errors come in many shapes: `error: true` with a message, a code alone, a text or an object in `error`, and any of
//! these inside of another object, of a list or of a text, where something between the service and us passed the answer
//! on. [`unwrapped`] takes such covers off, [`nested_error`] finds an error under an answer that says nothing else.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::json_ext::{field, truth, whole_number};

/// Fields under which an answer is passed on.
const COVERS: &[&str] = &["body", "data", "result", "response", "payload", "json"];
/// Covers within covers that are opened.
const DEPTH_MAX: usize = 3;
/// Fields with which an object is an answer of its own.
const STATEMENTS: &[&str] = &["status", "error", "errorCode", "url", "urls", "presignedUrl", "message"];
/// The names of a job's id.
const JOB_IDS: &[&str] = &["jobId", "job_id"];
/// Texts in `error` that say that there is none.
const NO_ERROR: &[&str] = &["", "0", "no", "none", "null", "false"];
/// Texts in `error` that say only that there is one.
const ERROR: &[&str] = &["1", "yes", "true"];

/// Whether a body says that something went wrong: in `error`, which may be a truth value, a number, a text or an object,
/// in `success`, or by a list of `errors` where there is no result.
pub fn is_error(body: &Value) -> bool {
    match field(body, "error") {
        Some(Value::String(text)) => !is_one_of(text, NO_ERROR),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(error @ (Value::Object(_) | Value::Array(_))) => says_something(error, 0),
        Some(Value::Bool(error)) => *error,
        None | Some(Value::Null) => {
            let failed = || field(body, "success").and_then(truth) == Some(false);
            let listed = || field(body, "errors").and_then(Value::as_array).is_some_and(|errors| !errors.is_empty());
            (failed() || listed()) && !has_link(body) && !says_success(body)
        }
    }
}

/// Whether there is a text or a code of an error in what stands in `error`. Truth values alone, of whatever name, are no
/// shape that is known.
fn says_something(error: &Value, depth: usize) -> bool {
    let mut inside: Box<dyn Iterator<Item = &Value>> = match error {
        Value::String(text) => return !is_one_of(text, NO_ERROR),
        Value::Number(_) => return whole_number(error).is_some_and(|code| (400..600).contains(&code)),
        Value::Array(list) => Box::new(list.iter()),
        Value::Object(map) => Box::new(map.values()),
        Value::Null | Value::Bool(_) => return false,
    };
    depth < DEPTH_MAX && inside.any(|value| says_something(value, depth + 1))
}

/// The code of the error that a body states: `errorCode`, a numeric status, or the code of the object in `error`.
pub fn error_code(body: &Value) -> Option<i64> {
    let of = |body: &Value, names: &[&str]| {
        let codes = names.iter().filter_map(|name| field(body, name).and_then(whole_number));
        codes.into_iter().find(|code| (400..600).contains(code))
    };
    let inside = || field(body, "error").and_then(|error| of(error, &["errorCode", "code", "status", "statusCode"]));
    let code = of(body, &["errorCode", "status", "statusCode"]).or_else(inside);
    // Some servers answer another code, or none, for what their words say.
    let says_nothing_else =
        || job_id_field(body).is_none() && !has_any(body, &["status", "error", "url", "urls", "body"]);
    let by_words = || message_in(body).filter(|_| is_error(body) || says_nothing_else()).and_then(code_in_words);
    match code {
        None | Some(400..=403) => by_words().or(code),
        code => code,
    }
}

/// The code for what the service is known to say.
pub fn code_in_words(message: &str) -> Option<i64> {
    const WORDS: &[(&str, i64)] = &[
        ("enough credits", 402),
        ("insufficient credits", 402),
        ("out of credits", 402),
        ("no credits", 402),
        ("too many requests", 429),
        ("invalid api key", 401),
        ("api key was not found", 401),
    ];
    let message = message.to_lowercase();
    WORDS.iter().find(|(words, _)| message.contains(words)).map(|(_, code)| *code)
}

/// The service's own words about an error: `message`, a text in `error`, the message of the object there, or the first of
/// `errors`; else those of an error inside of the body.
pub fn message_in(body: &Value) -> Option<&str> {
    message_within(body, 0)
}

fn message_within(body: &Value, depth: usize) -> Option<&str> {
    let first = field(body, "errors").and_then(Value::as_array).and_then(|errors| errors.first());
    let error = field(body, "error");
    let said = field(body, "message").and_then(words_in);
    said.or_else(|| error.and_then(words_in))
        .or_else(|| field(error?, "message").and_then(words_in))
        .or_else(|| first.and_then(words_in))
        .or_else(|| field(first?, "message").and_then(words_in))
        .or_else(|| {
            if depth == DEPTH_MAX || has_link(body) {
                return None;
            }
            let covered = COVERS.iter().filter_map(|name| field(body, name)).filter(|inner| inner.is_object());
            covered.into_iter().find_map(|inner| message_within(inner, depth + 1))
        })
}

/// A text that says more than that there is an error.
fn words_in(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !is_one_of(text, NO_ERROR) && !is_one_of(text, ERROR))
}

/// As [`message_in`], also where the error inside of the body was written as a text. What a success says of itself does
/// not explain the error in it.
pub fn message_of(body: &Value) -> Option<String> {
    let nested = || nested_error(body).as_ref().and_then(message_in).map(str::to_owned);
    let outer = || message_in(body).map(str::to_owned);
    if says_success(body) { nested().or_else(outer) } else { outer().or_else(nested) }
}

/// The object inside of a body that states an error, where the body has no result and does not say that all is well. One
/// that does say so is contradicted only by an error with a code and a message, and not by a text, which may be a
/// document's.
pub fn nested_error(body: &Value) -> Option<Value> {
    if has_link(body) {
        return None;
    }
    let says_well = says_success(body) || field(body, "error").and_then(truth) == Some(false);
    let mut level = covered(body);
    level.retain(|inner| !says_well || matches!(inner, Cow::Borrowed(_)));
    error_among(level, says_well, DEPTH_MAX)
}

/// The first of these objects that states an error, else the first of those inside of them.
fn error_among(mut level: Vec<Cow<'_, Value>>, says_well: bool, depth: usize) -> Option<Value> {
    let states = |inner: &Value| match says_well {
        true => is_error(inner) && error_code(inner).is_some() && message_in(inner).is_some(),
        false => states_error(inner),
    };
    if let Some(at) = level.iter().position(|inner| states(inner)) {
        return Some(level.swap_remove(at).into_owned());
    }
    let depth = depth.checked_sub(1).filter(|depth| *depth > 0 && !level.is_empty())?;
    error_among(level.iter().flat_map(|inner| covered(inner)).collect(), says_well, depth)
}

/// The answer that a body passes on: the object inside of one that says nothing itself, the only one of a list, or one
/// that was written as a text. What else stands beside it, such as credits, comes along.
pub fn unwrapped(mut body: Value) -> Value {
    for _ in 0..DEPTH_MAX {
        match opened(&body) {
            Some(inner) => body = inner,
            None => break,
        }
    }
    body
}

fn opened(body: &Value) -> Option<Value> {
    match body {
        Value::Array(list) => match list.as_slice() {
            [only @ Value::Object(_)] if is_answer(only) || opened(only).is_some() => Some(only.clone()),
            _ => None,
        },
        Value::String(_) => object_in(body).map(Cow::into_owned),
        Value::Object(outer) => {
            let (name, inner) = COVERS.iter().find_map(|name| Some((*name, object_in(field(body, name)?)?)))?;
            let says_nothing = !has_any(body, STATEMENTS);
            // A cover may say that it arrived; the job in it must not be lost.
            let is_cover =
                job_id_field(body).is_none() && !has_link(body) && !has_word(body) && job_id_field(&inner).is_some();
            if !(is_cover || says_nothing && (is_answer(&inner) || opened(&inner).is_some())) {
                return None;
            }
            let Value::Object(mut answer) = inner.into_owned() else { return None };
            add_missing(&mut answer, outer, name, is_cover);
            Some(Value::Object(answer))
        }
        _ => None,
    }
}

/// Adds to `answer` what stands beside it in `outer`; without what is said of a mere cover.
fn add_missing(answer: &mut Map<String, Value>, outer: &Map<String, Value>, cover: &str, is_cover: bool) {
    let is_said = |name: &str| is_cover && STATEMENTS.iter().any(|said| said.eq_ignore_ascii_case(name));
    for (name, value) in outer.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(cover) && !is_said(name)) {
        if !answer.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            answer.insert(name.clone(), value.clone());
        }
    }
}

/// Whether an object is an answer of the service, rather than the data of one.
fn is_answer(body: &Value) -> bool {
    job_id_field(body).is_some()
        || states_error(body)
        || (has_any(body, &["status"])
            && has_any(body, &["url", "urls", "error", "message", "credits", "remainingCredits"]))
        || (has_any(body, &["url"]) && has_any(body, &["error", "credits", "remainingCredits", "presignedUrl"]))
}

/// The id of the job that `body` speaks of, of whatever type it is.
pub fn job_id_field(body: &Value) -> Option<&Value> {
    JOB_IDS.iter().filter_map(|name| field(body, name)).find(|id| !id.is_null())
}

fn has_any(body: &Value, names: &[&str]) -> bool {
    names.iter().any(|name| field(body, name).is_some_and(|value| !value.is_null()))
}

/// Whether a body has a word for a state.
fn has_word(body: &Value) -> bool {
    field(body, "status").is_some_and(|status| status.is_string() && whole_number(status).is_none())
}

fn states_error(body: &Value) -> bool {
    let code = error_code(body).is_some();
    let is_named = field(body, "errorCode").and_then(whole_number).is_some_and(|code| (400..600).contains(&code));
    is_named || (is_error(body) && (code || message_in(body).is_some())) || (code && message_in(body).is_some())
}

/// A status that says that the call or the job succeeded.
pub fn says_success(body: &Value) -> bool {
    field(body, "status").is_some_and(|status| match whole_number(status) {
        Some(number) => (200..300).contains(&number),
        None => status.as_str().is_some_and(|word| is_one_of(word, &["success", "ok", "created", "working"])),
    })
}

fn has_link(body: &Value) -> bool {
    ["url", "urls", "presignedUrl"].iter().any(|name| match field(body, name) {
        Some(Value::String(link)) => !link.trim().is_empty(),
        Some(Value::Array(links)) => !links.is_empty(),
        _ => false,
    })
}

fn covered(body: &Value) -> Vec<Cow<'_, Value>> {
    COVERS.iter().filter_map(|name| object_in(field(body, name)?)).collect()
}

/// An object, also where it was written as a text or as the only one of a list.
fn object_in(value: &Value) -> Option<Cow<'_, Value>> {
    match value {
        Value::Object(_) => Some(Cow::Borrowed(value)),
        Value::Array(list) => match list.as_slice() {
            [only @ Value::Object(_)] => Some(Cow::Borrowed(only)),
            _ => None,
        },
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
            let value: Value = serde_json::from_str(text).ok()?;
            if value.is_string() { None } else { Some(Cow::Owned(object_in(&value)?.into_owned())) }
        }
        _ => None,
    }
}

fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(text.trim()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_way_to_say_error_is_one() {
        for (body, expected) in [
            (json!({"error": true}), true),
            (json!({"error": "True"}), true),
            (json!({"error": 1}), true),
            (json!({"error": "1"}), true),
            (json!({"Error": "no such file"}), true),
            (json!({"error": {"code": 441, "message": "Invalid Password"}}), true),
            (json!({"error": ["bad"]}), true),
            (json!({"errors": ["bad"]}), true),
            (json!({"success": false}), true),
            (json!({"error": false, "errors": ["a warning"]}), false),
            (json!({"status": 200, "errors": ["a warning"]}), false),
            (json!({"url": "https://h.test/a", "errors": ["a warning"]}), false),
            (json!({"error": null}), false),
            (json!({"error": 0}), false),
            (json!({"error": "none"}), false),
            (json!({"error": {}}), false),
            (json!({"error": {"is": false}}), false),
            (json!({"error": {"details": [{"reason": "bad"}]}}), true),
            (json!({"errors": []}), false),
            (json!({}), false),
        ] {
            assert_eq!(is_error(&body), expected, "{body}");
        }
    }

    #[test]
    fn answers_are_taken_out_of_their_covers() {
        let job = || json!({"jobId": "J", "status": 200});
        for (body, expected) in [
            (json!({"body": {"jobId": "J", "status": 200}}), job()),
            (json!({"Body": "{\"jobId\": \"J\", \"status\": 200}"}), job()),
            (json!([{"jobId": "J", "status": 200}]), job()),
            (json!([{"json": {"jobId": "J", "status": 200}}]), job()),
            (json!("{\"jobId\": \"J\", \"status\": 200}"), job()),
            (json!({"data": {"result": {"jobId": "J", "status": 200}}}), job()),
            (json!({"body": {"jobId": "J"}, "credits": 21}), json!({"jobId": "J", "credits": 21})),
            (json!({"status": null, "body": {"jobId": "J", "status": 200}}), job()),
            (json!({"status": 200, "error": false, "body": {"jobId": "J", "status": 200}}), job()),
            (
                json!({"jobId": "J", "body": {"status": "working", "credits": 2}}),
                json!({"status": "working", "credits": 2, "jobId": "J"}),
            ),
        ] {
            assert_eq!(unwrapped(body.clone()), expected, "{body}");
        }
        for body in [
            json!({"status": "success", "body": {"jobId": "J"}}),
            json!({"status": 200, "url": "https://h.test/a.json", "body": {"jobId": "J"}}),
            json!({"jobId": "J", "status": 200, "body": {"jobId": "K"}}),
            json!({"body": {"PageCount": 1, "Title": "status"}}),
            json!({"body": {"url": "https://h.test/", "name": "a field of a document"}}),
            json!({"body": ["https://h.test/1.pdf"]}),
            json!([{"TypeName": "QR"}]),
            json!([{"jobId": "J"}, {"jobId": "K"}]),
            json!("plain text"),
        ] {
            assert_eq!(unwrapped(body.clone()), body);
        }
    }

    #[test]
    fn errors_are_found_inside_of_answers_that_say_nothing_else() {
        let error = || json!({"error": true, "errorCode": 441, "message": "Invalid Password"});
        for (body, expected) in [
            (json!({"jobId": "J", "body": error()}), true),
            (json!({"credits": 0, "body": error().to_string()}), true),
            (json!({"body": {"result": {"errorCode": 441}}}), true),
            (json!({"status": 200, "error": false, "body": error()}), true),
            (json!({"status": "success", "body": error()}), true),
            (json!({"status": 200, "body": {"error": true, "message": "Too many requests"}}), true),
            (json!({"status": 200, "body": {"error": true}}), false),
            (json!({"status": 200, "body": {"errorCode": 441}}), false),
            (json!({"status": 200, "url": "https://h.test/a.json", "body": error()}), false),
            (json!({"body": {"Error": "none"}}), false),
            (json!({"body": {"PageCount": 1}}), false),
            (json!({"body": {"status": 450, "vendor": "a field of an invoice"}}), false),
        ] {
            assert_eq!(nested_error(&body).is_some(), expected, "{body}");
        }
    }

    #[test]
    fn words_of_an_error_are_found_wherever_they_stand() {
        for (body, expected) in [
            (json!({"error": "broken"}), Some("broken")),
            (json!({"error": "true", "message": "m"}), Some("m")),
            (json!({"error": true}), None),
            (json!({"error": {"message": "m"}}), Some("m")),
            (json!({"errors": ["first", "second"]}), Some("first")),
            (json!({"errors": [{"message": "first"}]}), Some("first")),
            (json!({"message": "  "}), None),
            (json!({"message": null, "body": {"message": "m"}}), Some("m")),
            (json!({"url": "https://h.test/a", "body": {"message": "of a document"}}), None),
        ] {
            assert_eq!(message_in(&body), expected, "{body}");
        }
    }
}
