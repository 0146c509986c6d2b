//! What operators see of a call: durations under the conventional names, and the trace that it is part of.

use std::time::Duration;

use rmcp::model::ProtocolVersion;

use crate::answer::Answer;
use crate::error::Result;

/// The method of tool calls.
pub const TOOLS_CALL: &str = "tools/call";

/// Revisions of the protocol that have a label of their own.
const REVISIONS: &[&str] = &["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

/// The label of a revision; callers make names up.
fn known(revision: Option<&str>) -> &'static str {
    revision.and_then(|named| REVISIONS.iter().find(|known| **known == named)).copied().unwrap_or("unknown")
}

/// Counts one operation. An empty `tool` or `error` is none.
pub fn operation(
    method: &'static str,
    tool: &'static str,
    error: &'static str,
    transport: &'static str,
    revision: Option<&str>,
    took: Duration,
) {
    metrics::histogram!(
        "mcp_server_operation_duration_seconds",
        "mcp_method_name" => method,
        "gen_ai_tool_name" => tool,
        "error_type" => error,
        "network_transport" => transport,
        "mcp_protocol_version" => known(revision),
    )
    .record(took.as_secs_f64());
}

/// Counts a call of a tool under its listed name, whatever name the caller used: under the conventional names and ours.
pub fn tool_call(
    tool: &'static str,
    outcome: &Result<Answer>,
    transport: &'static str,
    revision: Option<&ProtocolVersion>,
    took: Duration,
) {
    let (error, is_success) = match outcome {
        Ok(answer) if !answer.is_error => ("", true),
        Ok(_) => ("tool_error", false),
        Err(error) => (error.kind().as_str(), false),
    };
    operation(TOOLS_CALL, tool, error, transport, revision.map(ProtocolVersion::as_str), took);
    let outcome = if is_success { "success" } else { "error" };
    metrics::counter!("pdfco_tool_calls_total", "tool" => tool, "outcome" => outcome).increment(1);
    metrics::histogram!("pdfco_tool_seconds", "tool" => tool).record(took.as_secs_f64());
}

/// Counts a session that has ended.
pub fn session(revision: Option<&str>, took: Duration) {
    metrics::histogram!(
        "mcp_server_session_duration_seconds",
        "network_transport" => "tcp",
        "mcp_protocol_version" => known(revision),
    )
    .record(took.as_secs_f64());
}

/// `text`, if it is a `traceparent` as the W3C writes them: hexadecimal digits and dashes, of one length.
pub fn traceparent(text: &str) -> Option<&str> {
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let is_whole = version != "ff" && is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    (is_whole && parts.next().is_none() && !is_zero(trace) && !is_zero(parent)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_has_one_form() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent(good), Some(good));
        for bad in [
            "",
            "00",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\n",
        ] {
            assert_eq!(traceparent(bad), None, "{bad}");
        }
    }

    #[test]
    fn revisions_that_are_made_up_share_a_label() {
        assert_eq!(known(Some("2026-07-28")), "2026-07-28");
        assert_eq!((known(Some("2099-01-01")), known(None)), ("unknown", "unknown"));
    }
}
