//! Facts of a document: JSON that an operation finds out, handed over as JSON wherever the service put it.
//!
//! The service answers info, form fields, barcodes and the classifier inside its answer, under `body`, or as a JSON file
//! behind a link. Callers find them under one name, whichever it was.

use serde_json::Value;

use super::super::{Answer, App};
use crate::clock::now;
use crate::error::Kind;
use crate::jobs::Job;

/// Longest facts that are put into an answer, in characters of JSON; longer ones are read as text.
const FACTS_CHARS_MAX: usize = 12_000;

/// The name under which the service documents the facts of an operation; none for operations without facts.
fn field_of(operation: &str) -> Option<&'static str> {
    match operation {
        "pdf_info_reader" | "read_pdf_forms_info" => Some("info"),
        "barcode_read" => Some("barcodes"),
        "document_classifier" => Some("body"),
        _ => None,
    }
}

impl App {
    /// Puts the facts that `job` found into `content`, under their documented name. Returns whether they are there.
    pub(super) async fn show_facts(&self, job: &Job, answer: &mut Answer) -> bool {
        let Some(field) = field_of(&job.operation) else { return false };
        let Some(content) = answer.content.as_object_mut() else { return false };
        if content.get(field).is_some_and(is_facts) {
            return true;
        }
        // Documented names first: `body` is where the vendor's own client finds them with `inline`.
        let elsewhere = ["info", "barcodes", "body"].into_iter().find(|name| content.get(*name).is_some_and(is_facts));
        let facts = match elsewhere.and_then(|name| content.shift_remove(name)) {
            Some(facts) => Some(facts),
            None => self.facts_behind_link(job).await,
        };
        let Some(facts) = facts else { return false };
        if let Some(content) = answer.content.as_object_mut() {
            content.insert(field.to_owned(), facts);
        }
        true
    }

    async fn facts_behind_link(&self, job: &Job) -> Option<Value> {
        if job.results().links.is_empty() || job.links_expired(now()) {
            return None;
        }
        let text = match self.text_of(job, 0).await {
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
        serde_json::from_str(&text.text).ok().filter(is_facts).map(unwrapped)
    }
}

fn is_facts(value: &Value) -> bool {
    match value {
        Value::Object(_) | Value::Array(_) => true,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A file may hold the facts themselves or an object that names them.
fn unwrapped(facts: Value) -> Value {
    let Value::Object(map) = &facts else { return facts };
    for name in ["info", "barcodes"] {
        if let Some(inside) = map.get(name).filter(|value| is_facts(value)) {
            return inside.clone();
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_in_a_file_may_be_wrapped() {
        assert_eq!(unwrapped(json!({"info": {"PageCount": 2}})), json!({"PageCount": 2}));
        assert_eq!(unwrapped(json!({"PageCount": 2})), json!({"PageCount": 2}));
        assert_eq!(unwrapped(json!([{"Value": "1"}])), json!([{"Value": "1"}]));
    }
}
