//! Faults on request: what networks, gateways and overloaded services do. Which request goes wrong, and in which way;
//! `apply.rs` does it.

pub(in crate::simulator) mod apply;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;

use super::reply::Refusal;

/// Faults that wait for their request.
const FAULTS_MAX: usize = 1_000;
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
    pub(in crate::simulator) fn from_json(body: &Value) -> Result<Fault, Refusal> {
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
pub(in crate::simulator) struct Faults(Mutex<Known>);

#[derive(Default)]
struct Known {
    waiting: VecDeque<Fault>,
    /// By prefix and by kind.
    taken: BTreeMap<(String, &'static str), usize>,
}

impl Faults {
    pub(in crate::simulator) fn add(&self, fault: Fault) {
        let mut known = self.0.lock();
        if fault.times > 0 && known.waiting.len() < FAULTS_MAX {
            known.waiting.push_back(fault);
        }
    }

    pub(in crate::simulator) fn clear(&self) {
        self.0.lock().waiting.clear();
    }

    /// The fault for a request, if one waits; the earliest first.
    pub(in crate::simulator) fn take(&self, path: &str) -> Option<FaultKind> {
        let mut known = self.0.lock();
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
    pub(in crate::simulator) fn taken(&self, path_prefix: &str, word: Option<&str>) -> usize {
        let known = self.0.lock();
        let fits = |(prefix, kind): &(String, &str)| prefix == path_prefix && word.is_none_or(|word| word == *kind);
        known.taken.iter().filter(|(key, _)| fits(key)).map(|(_, count)| *count).sum()
    }
}
