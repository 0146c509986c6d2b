//! The MCP server over its transports.

mod bounds;
mod consent;
mod desk;
#[cfg(target_os = "linux")]
mod flood;
mod hostile;
mod http;
mod malformed;
mod oauth;
mod orders;
mod otlp;
mod page;
mod reading;
mod replicas;
mod several;
mod stdio;
mod tasks;

use serde_json::Value;

/// The answer in a body: one JSON object, or the last event of a stream that has an id of a request.
fn answer_in(text: &str) -> Option<Value> {
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:").unwrap_or(line)).ok())
        .rfind(|message| message.get("id").is_some())
}

/// The same, where there has to be one.
fn message_in(text: &str) -> Value {
    answer_in(text).unwrap_or_else(|| panic!("no answer in {text}"))
}
