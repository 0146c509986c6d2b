//! What a message says about itself, found without building it: its id, its method, and whether it is within bounds.
//!
//! A message is measured here before the protocol library parses it, and where it cannot be parsed, the id is salvaged so
//! that its sender gets an answer.

use std::borrow::Cow;

use rmcp::ErrorData;
use rmcp::model::{ErrorCode, RequestId};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Most values in one message: elements, members and containers. A parsed value takes up to a hundred times the bytes that
/// it takes on the wire, so bytes alone bound nothing.
pub const VALUES_MAX: usize = 20_000;

/// The outside of a message.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// The outside of the message in `bytes`.
    ///
    /// # Errors
    /// [`Unreadable`] when the bytes are no JSON, hold too many values, or are no JSON-RPC 2.0 message.
    pub fn read(bytes: &'a [u8]) -> Result<Envelope<'a>, Unreadable> {
        if has_too_many_values(bytes) {
            let what = format!("A message holds at most {VALUES_MAX} values.");
            return Err(Unreadable::of(bytes, ErrorCode::INVALID_REQUEST, what));
        }
        let envelope: Envelope<'a> = serde_json::from_slice(bytes).map_err(|error| {
            if error.is_data() {
                Unreadable::of(bytes, ErrorCode::INVALID_REQUEST, "This is not a JSON-RPC 2.0 message.")
            } else {
                Unreadable::of(bytes, ErrorCode::PARSE_ERROR, format!("This is not JSON: {error}."))
            }
        })?;
        if envelope.jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
            return Err(Unreadable::of(bytes, ErrorCode::INVALID_REQUEST, "This is not a JSON-RPC 2.0 message."));
        }
        Ok(envelope)
    }

    /// The id of a request or an answer; `None` when there is none that the protocol allows.
    pub fn id(&self) -> Option<RequestId> {
        serde_json::from_str(self.id?.get()).ok()
    }

    /// The method; answers have none.
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// The parameters as a type that may leave most of them out; `None` when they are missing or do not fit.
    pub fn params_as<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.params?.get()).ok()
    }
}

/// A message that cannot be read, and what can be said to its sender.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    /// Code and message of the answer.
    pub error: Box<ErrorData>,
    /// The id of the message, where one could be found.
    pub id: Option<RequestId>,
    /// Whether it was an answer of the other side: an error is never answered with an error.
    pub is_answer: bool,
}

impl Unreadable {
    /// The reason why `bytes` cannot be read, with the id that can still be found in them.
    pub fn of(bytes: &[u8], code: ErrorCode, what: impl Into<Cow<'static, str>>) -> Unreadable {
        let found = salvage(bytes);
        Unreadable {
            error: Box::new(ErrorData::new(code, what, None)),
            is_answer: !found.has_method && found.has_outcome,
            id: found.id,
        }
    }
}

/// Whether the first sign of the message opens an array.
pub fn is_batch(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// Whether JSON text holds more than [`VALUES_MAX`] values: one pass over the bytes, which need not be valid.
pub fn has_too_many_values(bytes: &[u8]) -> bool {
    let (mut count, mut at) = (0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b',' | b'[' | b'{' => {
                count += 1;
                if count > VALUES_MAX {
                    return true;
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    false
}

#[derive(Default)]
struct Salvaged {
    id: Option<RequestId>,
    has_method: bool,
    has_outcome: bool,
}

/// What the outermost object of a broken message still shows. Strings may hold bytes that are no text.
fn salvage(bytes: &[u8]) -> Salvaged {
    let (mut found, mut depth, mut at) = (Salvaged::default(), 0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let end = end_of_string(bytes, at);
                let value = after_colon(bytes.get(end..).unwrap_or_default());
                if let (1, Some(value)) = (depth, value) {
                    match bytes.get(at..end).unwrap_or_default() {
                        b"\"id\"" => found.id = found.id.or_else(|| id_at(value)),
                        b"\"method\"" => found.has_method = true,
                        b"\"result\"" | b"\"error\"" => found.has_outcome = true,
                        _ => {}
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The index after the string that opens at `start`, or the end of the bytes.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn after_colon(bytes: &[u8]) -> Option<&[u8]> {
    Some(bytes.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
}

fn id_at(value: &[u8]) -> Option<RequestId> {
    let end = match value.first()? {
        b'"' => end_of_string(value, 0),
        _ => value.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'-').unwrap_or(value.len()),
    };
    serde_json::from_slice(value.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(id: i64) -> Option<RequestId> {
        Some(RequestId::Number(id))
    }

    #[test]
    fn the_envelope_names_id_method_and_parameters() {
        let envelope = Envelope::read(br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"a":[1]}}"#).unwrap();
        assert_eq!((envelope.id(), envelope.method()), (number(7), Some("tools/call")));
        assert_eq!(envelope.params_as::<serde_json::Value>(), Some(serde_json::json!({"a": [1]})));
        let note = Envelope::read(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).unwrap();
        assert!(note.id().is_none() && note.params_as::<serde_json::Value>().is_none());
    }

    #[test]
    fn a_broken_message_keeps_the_id_it_had() {
        for (bytes, id, code) in [
            (&b"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"x\",\"params\":{\"a\":\"\xff\"}}"[..], number(3), -32700),
            (br#"{"jsonrpc":"2.0","method":"x","params":{"id":9},"id":4"#, number(4), -32700),
            (br#"{"jsonrpc":"2.0","id":"a\"b","method":"x","#, Some(RequestId::String("a\"b".into())), -32700),
            (br#"{"id":5,"method":"x"}"#, number(5), -32600),
            (br#"{"jsonrpc":"2.0","id":6,"method":7}"#, number(6), -32600),
            (b"nonsense", None, -32700),
            (b"", None, -32700),
            (br#"{"jsonrpc":"2.0","params":{"id":9},"#, None, -32700),
            (br#"{"jsonrpc":"2.0","id":{},"method":"x""#, None, -32700),
        ] {
            let unreadable = Envelope::read(bytes).unwrap_err();
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!((unreadable.id, unreadable.error.code.0), (id, code), "{shown}");
            assert!(!unreadable.is_answer, "{shown}");
        }
        let answer = Envelope::read(br#"{"jsonrpc":"2.0","id":8,"error":{"code":"#).unwrap_err();
        assert!(answer.is_answer && answer.id == number(8));
    }

    #[test]
    fn too_many_values_are_counted_outside_of_strings() {
        let within = format!(r#"{{"a":"{}"}}"#, ",[{".repeat(VALUES_MAX));
        assert!(!has_too_many_values(within.as_bytes()));
        let beyond = format!("[{}1]", "0,".repeat(VALUES_MAX));
        assert!(has_too_many_values(beyond.as_bytes()));
        assert!(has_too_many_values("[".repeat(VALUES_MAX + 1).as_bytes()));
        assert!(!has_too_many_values(br#""\"#));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_message() {
        assert_eq!(crate::text::without_bom(b"\xef\xbb\xbf{}"), b"{}");
        assert_eq!(crate::text::without_bom(b"{}"), b"{}");
        assert!(is_batch(b" \n[1]") && !is_batch(b" {") && !is_batch(b""));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(0_u8..=255, 0..200), text in r#"[\{\}\[\]":,\\ida-z0-9]{0,80}"#) {
            let _ = Envelope::read(&bytes);
            let _ = Envelope::read(text.as_bytes());
        }
    }
}
