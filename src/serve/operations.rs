//! Requests of the protocol as operators count them: by the conventions of OpenTelemetry for MCP, under their Prometheus
//! names. Tool calls are counted in `mcp/context.rs`, where their outcome is known.

use std::time::Instant;

use axum::http::StatusCode;

use crate::mcp::observed::{self, TOOLS_CALL};

/// The methods that have a label of their own; all others share one, because callers make names up.
const METHODS: &[&str] = &[
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "subscriptions/listen",
    "tasks/get",
    "tasks/result",
    "tasks/list",
    "tasks/update",
    "tasks/cancel",
    "skills/list",
    "skills/get",
    "notifications/initialized",
    "notifications/cancelled",
];

/// Counts a request that was answered with `status`.
pub fn count(method: Option<&str>, revision: Option<&str>, status: StatusCode, since: Instant) {
    let Some(method) = method.filter(|method| *method != TOOLS_CALL) else { return };
    let method = METHODS.iter().find(|known| **known == method).copied().unwrap_or("other");
    let error = match status {
        status if status.is_server_error() => "5xx",
        status if status.is_client_error() => "4xx",
        _ => "",
    };
    observed::operation(method, "", error, "tcp", revision, since.elapsed());
}
