//! Answering a request wrongly, in the way that was asked for.

use std::future::Future;
use std::io::Write;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::FaultKind;
use crate::simulator::listener::{ConnectionControl, Noise};
use crate::simulator::reply::{Refusal, reply};

/// A cut answer waits so long before it ends, so that what was sent before arrives.
const BEFORE_THE_CUT: Duration = Duration::from_millis(60);
/// Answers that are cut are held in memory; larger ones are cut after so much.
const CUT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Piece of a huge body.
const PIECE_BYTES: usize = 64 * 1024;
/// Size of a packed piece, about.
const BOMB_PIECE_BYTES: usize = 4 * 1024;

/// Answers a request wrongly. `serve` answers it rightly, for the kinds that need that.
pub(in crate::simulator) async fn apply<F>(
    stop: &CancellationToken,
    kind: FaultKind,
    connection: &ConnectionControl,
    serve: impl FnOnce() -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    match kind {
        FaultKind::Status { code, retry_after, body } => status(code, retry_after, body),
        FaultKind::Reset => cut(connection),
        FaultKind::LoseAnswer => {
            serve().await;
            cut(connection)
        }
        FaultKind::StallHeaders(time) => {
            pause(stop, time).await;
            cut(connection)
        }
        FaultKind::StallBody(time) => cut_in_half(stop.clone(), serve().await, time).await,
        FaultKind::Truncate => cut_in_half(stop.clone(), serve().await, BEFORE_THE_CUT).await,
        FaultKind::Html { code } => {
            reply(code, "text/html", "<html><body><h1>Temporarily unavailable</h1>pdfco simulator</body></html>")
        }
        FaultKind::InvalidJson => reply(200, "application/json", "{\"status\":\"success\",\"url\":\"http"),
        FaultKind::HugeBody { bytes } => huge(bytes),
        FaultKind::GzipBomb { bytes } => {
            let mut response = reply(200, "application/json", Body::from_stream(gzip_bomb(bytes)));
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        FaultKind::WrongTypes => rewritten(serve().await, &wrong_types).await,
        FaultKind::Clock { seconds } => under_another_clock(serve().await, seconds).await,
        FaultKind::BadChunks => noise(connection, Noise::BadChunks),
        FaultKind::Garbage => noise(connection, Noise::Garbage),
        FaultKind::RedirectTo(location) => {
            let mut response = reply(302, "text/plain", Body::empty());
            if let Ok(location) = HeaderValue::from_str(&location) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
        FaultKind::Slow(time) => {
            pause(stop, time).await;
            serve().await
        }
    }
}

/// Sleeps, but not longer than the simulator lives.
async fn pause(stop: &CancellationToken, time: Duration) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}

fn status(code: u16, retry_after: Option<String>, body: Option<String>) -> Response {
    let mut response = match body {
        Some(body) => reply(code, "application/json; charset=utf-8", body),
        None => Refusal::new(code, "The simulator was asked to fail here.").answer(None),
    };
    if let Some(value) = retry_after.and_then(|value| HeaderValue::from_str(&value).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// What is returned here never leaves: its first byte finds the connection cut.
fn cut(connection: &ConnectionControl) -> Response {
    connection.cut();
    reply(500, "text/plain", Body::empty())
}

/// Of what is returned here nothing leaves: its first byte gives the noise the word.
fn noise(connection: &ConnectionControl, noise: Noise) -> Response {
    connection.garble(noise);
    reply(500, "text/plain", Body::empty())
}

/// An answer with another JSON in it; one without JSON stays as it is.
async fn rewritten(response: Response, rewrite: &(dyn Fn(&Value) -> Value + Sync)) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, CUT_BYTES_MAX).await.unwrap_or_default();
    let is_json =
        parts.headers.get(header::CONTENT_TYPE).is_some_and(|mime| mime.as_bytes().starts_with(b"application/json"));
    let bytes = match serde_json::from_slice::<Value>(&bytes) {
        Ok(value) if is_json => Bytes::from(rewrite(&value).to_string()),
        _ => bytes,
    };
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    Response::from_parts(parts, Body::from(bytes))
}

/// The same fields, none of the type that it should have.
fn wrong_types(body: &Value) -> Value {
    fn other(value: &Value) -> Value {
        match value {
            Value::Null => json!({}),
            Value::Bool(truth) => json!({ "is": truth }),
            Value::Number(_) => json!("many"),
            Value::String(text) => json!([text]),
            Value::Array(list) => {
                Value::Object(list.iter().enumerate().map(|(at, item)| (at.to_string(), other(item))).collect())
            }
            Value::Object(map) => Value::Array(map.values().map(other).collect()),
        }
    }
    match body {
        Value::Object(map) => Value::Object(map.iter().map(|(name, value)| (name.clone(), other(value))).collect()),
        value => other(value),
    }
}

/// An answer as a server would give it whose clock is `seconds` ahead.
async fn under_another_clock(response: Response, seconds: i64) -> Response {
    const TILL: &str = "outputLinkValidTill";
    let shifted = |at: Timestamp| at.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(at);
    let mut response = rewritten(response, &|body| {
        let mut body = body.clone();
        let at = body.get(TILL).and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
        if let (Some(at), Some(map)) = (at, body.as_object_mut()) {
            map.insert(TILL.to_owned(), json!(shifted(at).to_string()));
        }
        body
    })
    .await;
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&shifted(Timestamp::now()));
    if let Some(date) = date.ok().and_then(|date| HeaderValue::from_str(&date).ok()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// The first half of an answer under the length of the whole; after `time` the connection ends.
async fn cut_in_half(stop: CancellationToken, response: Response, time: Duration) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, CUT_BYTES_MAX).await.unwrap_or_default();
    let announced = whole.len().max(2);
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(announced));
    let first = whole.slice(..whole.len() / 2);
    let pieces = stream::unfold(Some(first), move |first| {
        let stop = stop.clone();
        async move {
            match first {
                Some(first) if !first.is_empty() => Some((Ok::<Bytes, std::io::Error>(first), Some(Bytes::new()))),
                Some(_) => {
                    pause(&stop, time).await;
                    Some((Err(std::io::ErrorKind::ConnectionReset.into()), None))
                }
                None => None,
            }
        }
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

fn huge(bytes: u64) -> Response {
    const FIRST: &[u8] = b"{\"status\":\"success\",\"body\":\"";
    const LAST: &[u8] = b"\"}";
    let filling = bytes.saturating_sub((FIRST.len() + LAST.len()) as u64);
    let first = stream::iter([Ok::<Bytes, std::io::Error>(Bytes::from_static(FIRST))]);
    let piece = Bytes::from(vec![b'x'; PIECE_BYTES]);
    let middle = stream::unfold(filling, move |left| {
        let size = usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let piece = piece.slice(..size);
        async move { (size > 0).then(|| (Ok(piece), left.saturating_sub(size as u64))) }
    });
    let last = stream::iter([Ok(Bytes::from_static(LAST))]);
    let body = futures_util::StreamExt::chain(futures_util::StreamExt::chain(first, middle), last);
    reply(200, "application/json; charset=utf-8", Body::from_stream(body))
}

/// JSON of about `bytes` bytes in a few thousand bytes of gzip, packed as it is asked for.
fn gzip_bomb(bytes: u64) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let first = Some((encoder, bytes, &b"{\"status\":\"success\",\"body\":\""[..]));
    stream::unfold(first, |state| async move {
        let (mut encoder, mut left, start) = state?;
        let filling = vec![b'x'; PIECE_BYTES];
        let mut packed = encoder.write_all(start);
        while packed.is_ok() && left > 0 && encoder.get_ref().len() < BOMB_PIECE_BYTES {
            let size = usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            packed = encoder.write_all(filling.get(..size).unwrap_or_default());
            left = left.saturating_sub(size as u64);
        }
        if let Err(cause) = packed {
            return Some((Err(cause), None));
        }
        if left > 0 {
            let piece = std::mem::take(encoder.get_mut());
            return Some((Ok(Bytes::from(piece)), Some((encoder, left, &b""[..]))));
        }
        let last = encoder.write_all(b"\"}").and_then(|()| encoder.finish());
        Some((last.map(Bytes::from), None))
    })
}
