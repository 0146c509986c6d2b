//! In which form a client takes an answer: as one JSON object, or as a stream of events that ends with it.

use axum::http::{HeaderMap, header};

/// A media type that streams of events have.
pub const EVENT_STREAM: &str = "text/event-stream";
/// The media type of one message.
pub const JSON: &str = "application/json";

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON object: every client can read it.
    Json,
    /// A stream, which the client names by itself.
    Stream,
}

/// The form of the answer to a message; `None` when the client takes neither.
///
/// Only who names the stream gets one. A wildcard, or nothing at all, comes from programs that expect one object.
pub fn of_message(headers: &HeaderMap) -> Option<Form> {
    let accepted = accepted(headers);
    if accepted.iter().any(|kind| kind == EVENT_STREAM) {
        return Some(Form::Stream);
    }
    let takes_json = accepted.is_empty() && !headers.contains_key(header::ACCEPT)
        || accepted.iter().any(|kind| [JSON, "application/*", "*/*"].contains(&kind.as_str()));
    takes_json.then_some(Form::Json)
}

/// Whether a client takes the stream of notifications.
pub fn takes_stream(headers: &HeaderMap) -> bool {
    let accepted = accepted(headers);
    accepted.is_empty() && !headers.contains_key(header::ACCEPT)
        || accepted.iter().any(|kind| [EVENT_STREAM, "text/*", "*/*"].contains(&kind.as_str()))
}

/// The media types that a client accepts, in lower case and without parameters.
fn accepted(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            let kind = parts.next().filter(|kind| !kind.is_empty())?;
            let is_refused = parts.any(|parameter| {
                let weight = parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
                weight.is_some_and(|(_, weight)| weight.trim().parse::<f32>() == Ok(0.0))
            });
            (!is_refused).then(|| kind.to_ascii_lowercase())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: Option<&'static str>) -> HeaderMap {
        accept.into_iter().map(|value| (header::ACCEPT, value.parse().unwrap())).collect()
    }

    #[test]
    fn a_stream_is_for_those_who_name_it() {
        for (accept, message, stream) in [
            (None, Some(Form::Json), true),
            (Some("*/*"), Some(Form::Json), true),
            (Some("application/*"), Some(Form::Json), false),
            (Some("application/json"), Some(Form::Json), false),
            (Some("application/json, text/event-stream"), Some(Form::Stream), true),
            (Some("Text/Event-Stream"), Some(Form::Stream), true),
            (Some("application/json, text/event-stream;q=0"), Some(Form::Json), false),
            (Some("application/json;q=0.5, */*;q=0.1"), Some(Form::Json), true),
            (Some("text/html"), None, false),
            (Some("application/json;q=0"), None, false),
            (Some(";;;"), None, false),
        ] {
            let headers = headers(accept);
            assert_eq!((of_message(&headers), takes_stream(&headers)), (message, stream), "{accept:?}");
        }
    }
}
