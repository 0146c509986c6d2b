//! Facts of a document: JSON that an operation finds out, handed over as JSON wherever the service put it.
//!
//! The service answers info, form fields, barcodes and the classifier inside its answer, under `body`, or as a JSON file
//! behind a link. Callers find them under one name, whichever it was.

use serde_json::{Map, Value, json};

use super::super::{Answer, App};
use crate::catalog::{Operation, Output, Run};
use crate::clock::now;
use crate::error::Kind;
use crate::jobs::Job;
use crate::json_ext::field;

/// Longest facts that are put into an answer, in characters of JSON; longer ones are read as text.
const FACTS_CHARS_MAX: usize = 12_000;

/// Where the classifier's file has its facts; an answer has the same under `body`.
const CLASSES: &str = "classes";

/// The name under which the service documents the facts of an operation, and under which an answer has them in `content`;
/// none for operations without facts.
pub fn facts_field(operation: &Operation) -> Option<&'static str> {
    match operation.name {
        "pdf_info_reader" | "read_pdf_forms_info" => Some("info"),
        "barcode_read" => Some("barcodes"),
        _ if operation.output == Output::Inline && operation.run != Run::Direct => Some("body"),
        _ => None,
    }
}

impl App {
    /// Puts the facts that `job` found into `content`, under their documented name. Returns whether they are there.
    pub(super) async fn show_facts(&self, job: &Job, answer: &mut Answer) -> bool {
        let Some(name) = job.operation().and_then(facts_field) else { return false };
        let Some(content) = answer.content.as_object_mut() else { return false };
        // Documented names first: `body` is where the vendor's own client finds them with `inline`.
        let inside = [name, "info", "barcodes", "body"].into_iter().find_map(|at| taken(content, at, name));
        let inside = inside.or_else(|| taken(content, CLASSES, name).map(|classes| json!({CLASSES: classes})));
        let facts = match inside {
            Some(facts) => Some(facts),
            None => self.facts_behind_link(job, name).await,
        };
        let Some(facts) = facts else { return false };
        if let Some(content) = answer.content.as_object_mut() {
            content.insert(name.to_owned(), facts);
        }
        true
    }

    async fn facts_behind_link(&self, job: &Job, name: &str) -> Option<Value> {
        if job.results().links.is_empty() || job.links_expired(now()) {
            return None;
        }
        let text = match self.text_when_there(job, 0).await {
            Ok(text) => text,
            Err(error) => {
                if error.kind() != Kind::InvalidArgument {
                    tracing::info!(%error, job_id = job.id(), "failed to fetch the facts behind a link");
                }
                return None;
            }
        };
        if text.text.len() > FACTS_CHARS_MAX {
            return None;
        }
        serde_json::from_str(&text.text).ok().and_then(|value| facts_in(value, name))
    }
}

/// The facts called `name` in the field `at` of an answer, in any letter case, taken out of it.
fn taken(content: &mut Map<String, Value>, at: &str, name: &str) -> Option<Value> {
    let key = content.keys().find(|key| key.eq_ignore_ascii_case(at))?.clone();
    let facts = facts_in(content.get(&key)?.clone(), name)?;
    content.shift_remove(&key);
    Some(facts)
}

/// The facts called `name` that a value is, also where it was written as a text.
fn facts_in(value: Value, name: &str) -> Option<Value> {
    let value = match &value {
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => serde_json::from_str(text).ok()?,
        _ => value,
    };
    Some(value).filter(is_facts).map(|facts| unwrapped(facts, name))
}

fn is_facts(value: &Value) -> bool {
    match value {
        Value::Object(_) | Value::Array(_) => true,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// An answer or a file may hold the facts themselves or an object that names them.
fn unwrapped(facts: Value, name: &str) -> Value {
    match field(&facts, name).filter(|inside| name != "body" && is_facts(inside)) {
        Some(inside) => inside.clone(),
        None => facts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_in_a_file_may_be_wrapped() {
        assert_eq!(unwrapped(json!({"info": {"PageCount": 2}}), "info"), json!({"PageCount": 2}));
        assert_eq!(unwrapped(json!({"PageCount": 2}), "info"), json!({"PageCount": 2}));
        assert_eq!(unwrapped(json!([{"Value": "1"}]), "barcodes"), json!([{"Value": "1"}]));
        // A field of an invoice that happens to have such a name is part of it.
        assert_eq!(unwrapped(json!({"info": {"a": 1}, "body": {}}), "body"), json!({"info": {"a": 1}, "body": {}}));
    }

    #[test]
    fn facts_are_taken_from_any_field_that_holds_some() {
        let pages = || json!({"PageCount": 2});
        for (content, at, expected) in [
            (json!({"info": {"PageCount": 2}}), "info", Some(pages())),
            (json!({"Info": {"PageCount": 2}}), "info", Some(pages())),
            (json!({"body": {"info": {"PageCount": 2}}}), "body", Some(pages())),
            (json!({"body": "{\"PageCount\": 2}"}), "body", Some(pages())),
            (json!({"body": ""}), "body", None),
            (json!({"body": "no facts"}), "body", None),
            (json!({"body": null}), "body", None),
            (json!({"body": []}), "body", Some(json!([]))),
            (json!({"url": "https://h.test/result.json"}), "body", None),
        ] {
            let mut map = content.as_object().unwrap().clone();
            assert_eq!(taken(&mut map, at, "info"), expected, "{content}");
            assert_eq!(map.len(), usize::from(expected.is_none()), "{content}");
        }
    }
}
