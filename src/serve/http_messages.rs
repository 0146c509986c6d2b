//! Messages on their way through the HTTP door: bounded, read once, renamed where the SDK could not read them.
//!
//! What lives here: [`read_message`], a layer around the SDK's service. A body that is no message is answered in the
//! protocol's own words, which the SDK's would not. What never does: who may come in (`http.rs`).

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};

use super::dialect;

/// Largest request. Documents never travel inline.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Where a client of 2026-07-28 repeats which job a call is about (`mcp/operation_tools.rs`).
const JOB_HEADER: &str = "mcp-param-jobid";
/// How long a request's body may take.
const BODY_WITHIN: Duration = Duration::from_secs(60);
/// Largest answer to a handshake: our own, with instructions and capabilities.
const HANDSHAKE_BYTES_MAX: usize = 64 * 1024;

/// Reads the message of a POST, renames what the SDK cannot read, and puts the handshake's answer right.
pub async fn read_message(request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        let ends_session = request.method() == Method::DELETE;
        let mut response = next.run(request).await;
        if ends_session && response.status() == StatusCode::ACCEPTED {
            // It is done, not accepted; Python clients report the SDK's 202 as a failure.
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        return response;
    }
    let (mut head, body) = request.into_parts();
    let read = tokio::time::timeout(BODY_WITHIN, Limited::new(body, BODY_BYTES_MAX).collect());
    let body = match read.await {
        Err(_) => {
            let what = "The request's body took too long.";
            return refused(StatusCode::REQUEST_TIMEOUT, -32600, what, Value::Null);
        }
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let what = format!("A request is limited to {BODY_BYTES_MAX} bytes.");
            return refused(StatusCode::PAYLOAD_TOO_LARGE, -32600, &what, Value::Null);
        }
        Ok(Err(_)) => return malformed(-32700, "The request's body was cut off.", Value::Null),
    };
    let mut message: Value = match serde_json::from_slice(&body) {
        Ok(message) => message,
        Err(_) => return malformed(-32700, "This is not JSON.", Value::Null),
    };
    if message.is_array() {
        return malformed(-32600, "Batches are not supported; send one message a request.", Value::Null);
    }
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        let id = message.get("id").filter(|id| id.is_string() || id.is_number()).cloned().unwrap_or_default();
        return malformed(-32600, "This is not a JSON-RPC 2.0 message.", id);
    }
    if let Some(named) = head.headers.get(JOB_HEADER) {
        // Whoever routes by the header must not be told another job than the one that is meant.
        let meant = message.pointer("/params/arguments/job_id").and_then(Value::as_str).unwrap_or_default();
        if named.as_bytes() != meant.as_bytes() {
            let id = message.get("id").cloned().unwrap_or_default();
            return malformed(-32020, "The header Mcp-Param-JobId does not match `job_id` in the body.", id);
        }
    }
    let is_handshake = message.get("method").and_then(Value::as_str) == Some("initialize");
    let is_renamed = dialect::incoming(&mut message, revision(&head.headers));
    let body = if is_renamed { serde_json::to_vec(&message).map_or(body, Bytes::from) } else { body };
    // The layers below measure what they get.
    head.headers.remove(header::CONTENT_LENGTH);
    let response = next.run(Request::from_parts(head, Body::from(body))).await;
    if is_handshake { with_handshake_put_right(response).await } else { response }
}

fn revision(headers: &HeaderMap) -> Option<&str> {
    headers.get("mcp-protocol-version").and_then(|revision| revision.to_str().ok())
}

fn malformed(code: i32, what: &str, id: Value) -> Response {
    refused(StatusCode::BAD_REQUEST, code, what, id)
}

/// A refusal in the protocol's words: clients show its message, and of any other body only that there was one.
pub fn refused(status: StatusCode, code: i32, what: &str, id: Value) -> Response {
    let answer = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": what}});
    (status, [(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
}

/// The handshake's answer is one JSON object, or one event of a stream that ends with it.
async fn with_handshake_put_right(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let Ok(body) = Limited::new(body, HANDSHAKE_BYTES_MAX).collect().await.map(|body| body.to_bytes()) else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "The handshake failed.\n").into_response();
    };
    let text = String::from_utf8_lossy(&body);
    let is_stream =
        head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let text = if is_stream {
        text.split_inclusive('\n')
            .map(|line| match line.strip_prefix("data:") {
                Some(data) => put_right(data).map_or_else(|| line.to_owned(), |data| format!("data: {data}\n")),
                None => line.to_owned(),
            })
            .collect()
    } else {
        put_right(&text).unwrap_or_else(|| text.into_owned())
    };
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(text))
}

fn put_right(text: &str) -> Option<String> {
    let mut message: Value = serde_json::from_str(text.trim()).ok()?;
    dialect::outgoing(&mut message);
    Some(message.to_string())
}
