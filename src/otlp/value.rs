//! Values as OTLP writes them in JSON.

use std::time::SystemTime;

use serde_json::{Value, json};

/// An attribute.
pub(super) fn text(name: &str, value: &str) -> Value {
    json!({"key": name, "value": {"stringValue": value}})
}

/// A time: nanoseconds since 1970, as text.
pub(super) fn nanos(at: SystemTime) -> String {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}
