//! Browser clients: which pages may use `/mcp`, and what their browser lets them read.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::health::METRICS_PATH;
use super::hosts::{self, Hosts, Target};
use super::refusal::refused;

/// What a page may send.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");
/// Headers that clients of the protocol send.
const SENT: HeaderValue = HeaderValue::from_static(
    "accept, authorization, content-type, last-event-id, mcp-method, mcp-name, mcp-param-jobid, mcp-protocol-version, mcp-session-id, traceparent, x-api-key, x-mcp-readonly, x-mcp-toolsets",
);
/// Headers that clients of the protocol read.
const READ: HeaderValue =
    HeaderValue::from_static("mcp-protocol-version, mcp-session-id, retry-after, www-authenticate");
/// How long a browser need not ask again, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Refuses requests for other hosts and from pages of other sites, answers a browser's question beforehand, and lets the
/// pages that are allowed read the answer.
pub async fn admit(State(known): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    if let Err(refusal) = check_host(&known, &request) {
        return refusal;
    }
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else { return next.run(request).await };
    if !origin.to_str().is_ok_and(|origin| known.has_origin(origin)) {
        tracing::warn!(?origin, "a page of another site was refused");
        let what = "This page may not use the server. Add its origin to PDFCO_HTTP_ORIGINS if it is yours.";
        return refused(StatusCode::FORBIDDEN, -32600, what, Value::Null);
    }
    let asks_before =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks_before { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    allow(headers, origin);
    if asks_before {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, SENT);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        let private = HeaderName::from_static("access-control-allow-private-network");
        headers.insert(private, HeaderValue::from_static("true"));
    }
    response
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, READ);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

/// Whether this asks for the metrics, with a token, under an address: collectors find replicas by address, which is no
/// setting's to know. A name that a stranger points at this machine is never one.
fn is_scrape(request: &Request, authority: &Authority) -> bool {
    let headers = request.headers();
    request.uri().path() == METRICS_PATH
        && headers.contains_key(header::AUTHORIZATION)
        && !headers.contains_key(header::ORIGIN)
        && hosts::is_address(authority)
}

/// Refuses a request for a host that is not ours.
#[expect(clippy::result_large_err, reason = "the error is the response, which is sent at once")]
fn check_host(known: &Hosts, request: &Request) -> Result<(), Response> {
    match hosts::target(request.uri(), request.headers()) {
        Target::Named(authority) if known.has_name(&authority) || is_scrape(request, &authority) => Ok(()),
        Target::Named(authority) => {
            tracing::warn!(host = %authority, "a request for another host was refused");
            let what = format!("`{authority}` is no name of this server. Add it to PDFCO_HTTP_HOSTS if it is one.");
            Err(refused(StatusCode::FORBIDDEN, -32600, &what, Value::Null))
        }
        Target::Unnamed | Target::Contradictory => {
            Err(refused(StatusCode::BAD_REQUEST, -32600, "The request names no host, or two.", Value::Null))
        }
    }
}
