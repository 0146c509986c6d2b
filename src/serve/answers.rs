//! Answers on their way out: in the protocol's words, in the form that the client takes, one or many.

use std::time::Instant;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use super::negotiation::{EVENT_STREAM, JSON};
use super::refusal::refused;
use super::task_compat;

/// Largest refusal of a layer below that is read.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;
/// Largest answer to a handshake: our own, with instructions and capabilities.
const HANDSHAKE_BYTES_MAX: usize = 64 * 1024;
/// Largest answer that is turned from a stream into one object.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A refusal of a layer below, which is plain text, as the protocol's error to the request `id`.
pub async fn in_protocol_words(response: Response, id: Value) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || has_kind(&response, JSON) {
        return response;
    }
    let (head, body) = response.into_parts();
    let text = Limited::new(body, REFUSAL_BYTES_MAX).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let what = match (status, text.trim()) {
        // What went wrong inside is in the log.
        (status, _) if status.is_server_error() => "The server could not answer.",
        (_, "") => status.canonical_reason().unwrap_or("The request was refused."),
        (_, text) => text,
    };
    let code = match status {
        StatusCode::NOT_FOUND => -32001,
        status if status.is_server_error() => -32603,
        _ => -32600,
    };
    let mut refusal = refused(status, code, what, id);
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = head.headers.get(&name) {
            refusal.headers_mut().insert(name, value.clone());
        }
    }
    refusal
}

/// The answer, of which nothing more is sent once it is `end`.
pub fn until(response: Response, end: Option<Instant>) -> Response {
    let Some(end) = end else { return response };
    response.map(|body| {
        let over = tokio::time::sleep_until(end.into());
        Body::from_stream(body.into_data_stream().take_until(over))
    })
}

/// The answer of a stream as one object, for a client that takes no stream. What else the stream said is left out.
pub async fn as_one_object(response: Response) -> Response {
    if !has_kind(&response, EVENT_STREAM) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Some(answer) = last_answer(body).await else {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, -32603, "The request was not answered.", Value::Null);
    };
    for name in [header::CONTENT_LENGTH, header::CACHE_CONTROL] {
        head.headers.remove(name);
    }
    head.headers.remove("x-accel-buffering");
    head.headers.insert(header::CONTENT_TYPE, axum::http::HeaderValue::from_static(JSON));
    Response::from_parts(head, Body::from(answer))
}

/// The answers of a batch in one array; nothing where nothing is answered.
pub async fn as_batch(answers: Vec<Response>) -> Response {
    let mut array = Vec::new();
    for answer in answers {
        let Ok(body) = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await else { continue };
        if let Ok(message) = serde_json::from_slice::<Value>(&body.to_bytes()) {
            array.push(message);
        }
    }
    if array.is_empty() {
        return StatusCode::ACCEPTED.into_response();
    }
    ([(header::CONTENT_TYPE, JSON)], Value::Array(array).to_string()).into_response()
}

/// The answer to a handshake with the capabilities that its revision has.
pub async fn with_capabilities(response: Response) -> Response {
    if response.status() != StatusCode::OK {
        return response;
    }
    let is_stream = has_kind(&response, EVENT_STREAM);
    let (mut head, body) = response.into_parts();
    let Ok(body) = Limited::new(body, HANDSHAKE_BYTES_MAX).collect().await.map(|body| body.to_bytes()) else {
        let what = "The handshake failed.";
        return refused(StatusCode::INTERNAL_SERVER_ERROR, -32603, what, Value::Null);
    };
    let text = String::from_utf8_lossy(&body);
    let text = if is_stream {
        text.split_inclusive('\n')
            .map(|line| match line.strip_prefix("data:") {
                Some(data) => corrected(data).map_or_else(|| line.to_owned(), |data| format!("data: {data}\n")),
                None => line.to_owned(),
            })
            .collect()
    } else {
        corrected(&text).unwrap_or_else(|| text.into_owned())
    };
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(text))
}

fn corrected(text: &str) -> Option<String> {
    let mut message: Value = serde_json::from_str(text.trim()).ok()?;
    task_compat::outgoing(&mut message);
    Some(message.to_string())
}

fn has_kind(response: &Response, kind: &str) -> bool {
    let named = response.headers().get(header::CONTENT_TYPE);
    named.is_some_and(|named| named.as_bytes().starts_with(kind.as_bytes()))
}

/// The data of the last event that answers the request. Lines are read as they come, so what goes before the answer
/// is not kept.
async fn last_answer(body: Body) -> Option<Vec<u8>> {
    let (mut body, mut line, mut answer) = (body, Vec::new(), None);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        for byte in data {
            if byte != b'\n' {
                line.push(byte);
                if line.len() > ANSWER_BYTES_MAX {
                    return None;
                }
                continue;
            }
            let data = line.strip_prefix(b"data:").map(|data| data.trim_ascii().to_vec());
            line.clear();
            answer = data.filter(|data| is_answer(data)).or(answer);
        }
    }
    answer
}

fn is_answer(data: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Outcome {
        result: Option<serde::de::IgnoredAny>,
        error: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Outcome>(data).is_ok_and(|outcome| outcome.result.is_some() || outcome.error.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stream(events: &[&str]) -> Response {
        let text: String = events.iter().map(|event| format!("id: 0/1\ndata: {event}\n\n")).collect();
        ([(header::CONTENT_TYPE, EVENT_STREAM)], text).into_response()
    }

    async fn json_of(response: Response) -> Value {
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn a_stream_becomes_the_object_that_answers() {
        let events = ["", r#"{"method":"notifications/progress"}"#, r#"{"id":1,"result":{"a":1}}"#];
        let object = as_one_object(stream(&events)).await;
        assert_eq!(object.headers()[header::CONTENT_TYPE], JSON);
        assert_eq!(json_of(object).await, json!({"id": 1, "result": {"a": 1}}));
        let nothing = as_one_object(stream(&[""])).await;
        assert_eq!(nothing.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test]
    async fn a_refusal_in_plain_text_becomes_an_error_of_the_protocol() {
        let refusal = (StatusCode::BAD_REQUEST, [(header::ALLOW, "POST")], "Bad Request: x").into_response();
        let refusal = in_protocol_words(refusal, json!(7)).await;
        assert_eq!(
            (refusal.status(), &refusal.headers()[header::ALLOW]),
            (StatusCode::BAD_REQUEST, &"POST".parse().unwrap())
        );
        let error = json_of(refusal).await;
        assert_eq!(error, json!({"jsonrpc": "2.0", "id": 7, "error": {"code": -32600, "message": "Bad Request: x"}}));
        let inside = (StatusCode::INTERNAL_SERVER_ERROR, "a path of the server").into_response();
        let error = json_of(in_protocol_words(inside, Value::Null).await).await;
        assert_eq!(error["error"]["message"], "The server could not answer.");
    }

    #[tokio::test]
    async fn a_batch_of_notifications_has_no_answer() {
        let accepted = || StatusCode::ACCEPTED.into_response();
        assert_eq!(as_batch(vec![accepted(), accepted()]).await.status(), StatusCode::ACCEPTED);
        let answers = as_batch(vec![accepted(), refused(StatusCode::BAD_REQUEST, -1, "x", json!(2))]).await;
        assert_eq!(answers.status(), StatusCode::OK);
        assert_eq!(json_of(answers).await[0]["id"], 2);
    }
}
