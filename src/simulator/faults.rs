//! Faults on request: what networks, gateways and tired services do.
//!
//! What lives here: which request goes wrong, and how. What never does: anything that happens without being asked for.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::bomb::GzipBomb;
use super::listener::{Noise, Shears};
use super::reply::{Refusal, reply};
use super::world::{World, lock};

/// Faults that wait for their request.
const FAULTS_MAX: usize = 1_000;
/// A cut answer waits so long before it ends, so that what was sent before arrives.
const BEFORE_THE_CUT: Duration = Duration::from_millis(60);
/// Answers that are cut are held in memory; larger ones are cut after so much.
const CUT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Piece of a huge body.
const PIECE_BYTES: usize = 64 * 1024;

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Requests whose path starts with this; one that starts with `*` matches anywhere in the path (`*.txt`).
    pub path_prefix: String,
    /// For so many requests.
    pub times: u32,
    /// In this way.
    pub kind: FaultKind,
}

/// How a request goes wrong. All but `StallBody`, `Truncate`, `Slow`, `LoseAnswer`, `WrongTypes` and `Clock` do so before
/// anything is done.
#[derive(Clone, Debug)]
pub enum FaultKind {
    /// Answers with a status.
    Status {
        /// The HTTP status.
        code: u16,
        /// The header `Retry-After`.
        retry_after: Option<String>,
        /// The body; an error in the service's shape when left out.
        body: Option<String>,
    },
    /// Closes the connection without an answer; nothing was done.
    Reset,
    /// Does the work, charges for it, then closes the connection without an answer.
    LoseAnswer,
    /// Says nothing for this long, then closes the connection.
    StallHeaders(Duration),
    /// Sends half of the answer, says nothing for this long, then closes the connection.
    StallBody(Duration),
    /// Sends half of what it announced, then closes the connection.
    Truncate,
    /// Answers with a page for people.
    Html {
        /// The HTTP status: 200 for a portal in between, 502 or 503 for a gateway.
        code: u16,
    },
    /// Answers with JSON that ends in the middle.
    InvalidJson,
    /// Answers with JSON of this size.
    HugeBody {
        /// The size.
        bytes: u64,
    },
    /// Answers with so many bytes of JSON in a few thousand bytes of gzip.
    GzipBomb {
        /// The size after unpacking.
        bytes: u64,
    },
    /// Answers as usual, but every value in the JSON is of another type.
    WrongTypes,
    /// Answers as usual, under a clock that is so many seconds ahead of ours, or behind.
    Clock {
        /// Ahead, when positive.
        seconds: i64,
    },
    /// Answers with a head that announces chunks, and with bytes that are none.
    BadChunks,
    /// Answers with bytes that are no HTTP.
    Garbage,
    /// Sends the client elsewhere.
    RedirectTo(String),
    /// Answers as usual, but so much later.
    Slow(Duration),
}

impl FaultKind {
    /// Its word in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            FaultKind::Status { .. } => "status",
            FaultKind::Reset => "reset",
            FaultKind::LoseAnswer => "lose_answer",
            FaultKind::StallHeaders(_) => "stall_headers",
            FaultKind::StallBody(_) => "stall_body",
            FaultKind::Truncate => "truncate",
            FaultKind::Html { .. } => "html",
            FaultKind::InvalidJson => "invalid_json",
            FaultKind::HugeBody { .. } => "huge_body",
            FaultKind::GzipBomb { .. } => "gzip_bomb",
            FaultKind::WrongTypes => "wrong_types",
            FaultKind::Clock { .. } => "clock",
            FaultKind::BadChunks => "bad_chunks",
            FaultKind::Garbage => "garbage",
            FaultKind::RedirectTo(_) => "redirect_to",
            FaultKind::Slow(_) => "slow",
        }
    }
}

impl Fault {
    /// Reads `{"path_prefix": "/v1/job/check", "times": 2, "kind": "status", "code": 503}`. Other fields by kind:
    /// `retry_after` and `body`, `code`, `seconds`, `bytes`, `location`.
    pub(super) fn from_json(body: &Value) -> Result<Fault, Refusal> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let whole = |name: &str| body.get(name).and_then(Value::as_u64);
        let code = |usual: u16| whole("code").and_then(|code| u16::try_from(code).ok()).unwrap_or(usual);
        let seconds = body.get("seconds").and_then(Value::as_f64).unwrap_or(1.0);
        let word = text("kind").unwrap_or_default();
        // Only a clock may be behind.
        let time = match Duration::try_from_secs_f64(seconds) {
            Ok(time) => time,
            Err(_) if word == "clock" => Duration::ZERO,
            Err(_) => return Err(Refusal::input("`seconds` is no time.")),
        };
        let kind = match word.as_str() {
            "status" => FaultKind::Status {
                code: code(503),
                retry_after: text("retry_after").or_else(|| whole("retry_after").map(|seconds| seconds.to_string())),
                body: text("body"),
            },
            "reset" => FaultKind::Reset,
            "lose_answer" => FaultKind::LoseAnswer,
            "stall_headers" => FaultKind::StallHeaders(time),
            "stall_body" => FaultKind::StallBody(time),
            "truncate" => FaultKind::Truncate,
            "html" => FaultKind::Html { code: code(200) },
            "invalid_json" => FaultKind::InvalidJson,
            "huge_body" => FaultKind::HugeBody { bytes: whole("bytes").unwrap_or(100_000_000) },
            "gzip_bomb" => FaultKind::GzipBomb { bytes: whole("bytes").unwrap_or(100_000_000) },
            "wrong_types" => FaultKind::WrongTypes,
            // A float becomes the nearest whole number there is.
            "clock" => FaultKind::Clock { seconds: seconds as i64 },
            "bad_chunks" => FaultKind::BadChunks,
            "garbage" => FaultKind::Garbage,
            "redirect_to" => FaultKind::RedirectTo(text("location").unwrap_or_else(|| "/".to_owned())),
            "slow" => FaultKind::Slow(time),
            _ => {
                return Err(Refusal::input(
                    "`kind` is one of status, reset, lose_answer, stall_headers, stall_body, truncate, html, \
                     invalid_json, huge_body, gzip_bomb, wrong_types, clock, bad_chunks, garbage, redirect_to, slow.",
                ));
            }
        };
        let times = whole("times").and_then(|times| u32::try_from(times).ok()).unwrap_or(1);
        Ok(Fault { path_prefix: text("path_prefix").unwrap_or_else(|| "/".to_owned()), times, kind })
    }

    fn matches(&self, path: &str) -> bool {
        match self.path_prefix.strip_prefix('*') {
            Some(part) => path.contains(part),
            None => path.starts_with(&self.path_prefix),
        }
    }
}

/// The faults that wait, and how many requests met those that came before.
#[derive(Default)]
pub(super) struct Faults(Mutex<Known>);

#[derive(Default)]
struct Known {
    waiting: VecDeque<Fault>,
    /// By prefix and by kind.
    taken: BTreeMap<(String, &'static str), usize>,
}

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        let mut known = lock(&self.0);
        if fault.times > 0 && known.waiting.len() < FAULTS_MAX {
            known.waiting.push_back(fault);
        }
    }

    pub(super) fn clear(&self) {
        lock(&self.0).waiting.clear();
    }

    /// The fault for a request, if one waits; the earliest first.
    pub(super) fn take(&self, path: &str) -> Option<FaultKind> {
        let mut known = lock(&self.0);
        let at = known.waiting.iter().position(|fault| fault.matches(path))?;
        let fault = known.waiting.get_mut(at)?;
        fault.times = fault.times.saturating_sub(1);
        let (kind, over, prefix) = (fault.kind.clone(), fault.times == 0, fault.path_prefix.clone());
        if over {
            known.waiting.remove(at);
        }
        let key = (prefix, kind.word());
        if known.taken.len() < FAULTS_MAX || known.taken.contains_key(&key) {
            let count = known.taken.entry(key).or_default();
            *count = count.saturating_add(1);
        }
        Some(kind)
    }

    /// How many requests met a fault with this prefix, of this kind if one is named.
    pub(super) fn taken(&self, path_prefix: &str, word: Option<&str>) -> usize {
        let known = lock(&self.0);
        let fits = |(prefix, kind): &(String, &str)| prefix == path_prefix && word.is_none_or(|word| word == *kind);
        known.taken.iter().filter(|(key, _)| fits(key)).map(|(_, count)| *count).sum()
    }
}

/// Answers a request wrongly. `serve` answers it rightly, for the kinds that need that.
pub(super) async fn apply<F>(
    world: &Arc<World>,
    kind: FaultKind,
    shears: &Shears,
    serve: impl FnOnce() -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    match kind {
        FaultKind::Status { code, retry_after, body } => status(code, retry_after, body),
        FaultKind::Reset => cut(shears),
        FaultKind::LoseAnswer => {
            serve().await;
            cut(shears)
        }
        FaultKind::StallHeaders(time) => {
            world.pause(time).await;
            cut(shears)
        }
        FaultKind::StallBody(time) => half(Arc::clone(world), serve().await, time).await,
        FaultKind::Truncate => half(Arc::clone(world), serve().await, BEFORE_THE_CUT).await,
        FaultKind::Html { code } => {
            reply(code, "text/html", "<html><body><h1>Temporarily unavailable</h1>pdfco simulator</body></html>")
        }
        FaultKind::InvalidJson => reply(200, "application/json", "{\"status\":\"success\",\"url\":\"http"),
        FaultKind::HugeBody { bytes } => huge(bytes),
        FaultKind::GzipBomb { bytes } => {
            let mut response = reply(200, "application/json", Body::from_stream(GzipBomb::new(bytes).pieces()));
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        FaultKind::WrongTypes => rewritten(serve().await, &wrong_types).await,
        FaultKind::Clock { seconds } => under_another_clock(serve().await, seconds).await,
        FaultKind::BadChunks => noise(shears, Noise::BadChunks),
        FaultKind::Garbage => noise(shears, Noise::Garbage),
        FaultKind::RedirectTo(location) => {
            let mut response = reply(302, "text/plain", Body::empty());
            if let Ok(location) = HeaderValue::from_str(&location) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
        FaultKind::Slow(time) => {
            world.pause(time).await;
            serve().await
        }
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
fn cut(shears: &Shears) -> Response {
    shears.cut();
    reply(500, "text/plain", Body::empty())
}

/// Of what is returned here nothing leaves: its first byte gives the noise the word.
fn noise(shears: &Shears, noise: Noise) -> Response {
    shears.garble(noise);
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
async fn half(world: Arc<World>, response: Response, time: Duration) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, CUT_BYTES_MAX).await.unwrap_or_default();
    let announced = whole.len().max(2);
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(announced));
    let first = whole.slice(..whole.len() / 2);
    let pieces = stream::unfold(Some(first), move |first| {
        let world = Arc::clone(&world);
        async move {
            match first {
                Some(first) if !first.is_empty() => Some((Ok::<Bytes, std::io::Error>(first), Some(Bytes::new()))),
                Some(_) => {
                    world.pause(time).await;
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
