//! Refusals in the protocol's words.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::negotiation::JSON;

/// A refusal in the protocol's words: clients show its message, and of any other body only that there was one.
pub fn refused(status: StatusCode, code: i32, what: &str, id: Value) -> Response {
    let answer = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": what}});
    (status, [(header::CONTENT_TYPE, JSON)], answer.to_string()).into_response()
}
