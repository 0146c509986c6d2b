//! Messages of the protocol over HTTP: measured before they are parsed, renamed where the SDK could not read them, and
//! answered in the protocol's own words and in the form that the client takes.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use rmcp::model::{ErrorCode, ProtocolVersion};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answers;
use super::bodies::{self, Bodies};
use super::envelope::{self, Envelope, Unreadable};
use super::negotiation::{self, EVENT_STREAM, Form, JSON};
use super::peers::Connection;
use super::refusal::refused;
use super::sessions::Sessions;
use super::sliced::{Begun, Sliced};
use super::tenants::{InFlight, Requester, Scope};
use super::{handshake, oauth, operations, task_compat};
use crate::app::App;
use crate::mcp::connection::ConnectionSettings;
use crate::mcp::principal::Principal;
use crate::mcp::slices::Slices;
use crate::tenant::Tenant;

/// Where a client of 2026-07-28 repeats which job a call is about (`mcp/operation_tools.rs`).
const JOB_HEADER: &str = "mcp-param-jobid";
/// Names the session.
const SESSION_HEADER: &str = "mcp-session-id";
/// Names the last event that a client saw.
const LAST_EVENT_HEADER: &str = "last-event-id";
/// Names the revision.
const REVISION_HEADER: &str = "mcp-protocol-version";
/// Most messages of one batch.
pub const BATCH_MAX: usize = 50;

/// What the messages of all connections share.
pub struct Messages {
    /// The use cases.
    pub app: Arc<App>,
    /// The sessions.
    pub sessions: Arc<Sessions>,
    /// Reads bodies.
    pub bodies: Arc<Bodies>,
    /// Requests that run.
    pub in_flight: Arc<InFlight>,
    /// In which requests are worked on.
    pub slices: Arc<Slices>,
    /// Whether callers without a key use the server's.
    pub may_use_server_key: bool,
}

/// Handles a request to the protocol's path around the SDK's service.
pub async fn handle(State(messages): State<Arc<Messages>>, mut request: Request, next: Next) -> Response {
    let (headers, extensions) = (request.headers(), request.extensions());
    let requester = Requester::of_request(headers, extensions, &messages.app.config, messages.may_use_server_key);
    let expires = extensions.get::<Arc<Principal>>().map(|person| person.expires);
    let claimant = messages.claimant(&requester, request.extensions());
    let Some(permit) = messages.in_flight.enter(&claimant) else {
        let what = match claimant {
            Some(_) => "Too many requests of this key are being answered.",
            None => "Too many requests of keys that were not used here yet are being answered.",
        };
        let refusal = refused(StatusCode::TOO_MANY_REQUESTS, -32000, what, Value::Null);
        return ([(header::RETRY_AFTER, "5")], refusal).into_response();
    };
    // Looked up with a permit, because the ledger may be asked; and before the settings, which a session keeps.
    if let Some(refusal) = messages.check_session(request.headers(), &requester, expires).await {
        return refusal;
    }
    let settings = match messages.settings(&request) {
        Ok(settings) => settings,
        Err(what) => return refused(StatusCode::BAD_REQUEST, -32602, &what, Value::Null),
    };
    messages.extend_session(request.headers(), expires);
    let share = messages.slices.share(claimant);
    request.extensions_mut().insert(share.clone());
    let scope = Scope { requester, settings, expires, permit: Some(Arc::clone(&permit)) };
    let response = async {
        let response = match *request.method() {
            Method::POST => scope.run(messages.post(request, next)).await,
            Method::GET => answers::until(messages.get(request, next).await, expires),
            _ => messages.other(request, next).await,
        };
        Begun::of(response).await
    };
    let (response, begun) = share.clone().run(response).await;
    // The permit lasts as long as the answer.
    response.map(|body| Body::new(Sliced::new(begun, body, share.claim(), permit)))
}

impl Messages {
    /// In whose slices a request is worked on: its tenant's, if that is known to be one.
    fn claimant(&self, requester: &Requester, extensions: &Extensions) -> Option<Tenant> {
        let is_known = |tenant: &Tenant| {
            requester.is_server || extensions.get::<Arc<Principal>>().is_some() || self.app.has_accepted_key_of(tenant)
        };
        requester.tenant.clone().filter(is_known)
    }

    /// Refuses a session of another tenant and one that does not exist in the same words.
    async fn check_session(
        &self,
        headers: &HeaderMap,
        requester: &Requester,
        expires: Option<Instant>,
    ) -> Option<Response> {
        let id = headers.get(SESSION_HEADER)?;
        // The newest revision has no sessions, and ignores what names one.
        if revision(headers) == Some(ProtocolVersion::V_2026_07_28.as_str()) {
            return None;
        }
        let id = id.to_str().unwrap_or_default();
        if let Err(error) = self.sessions.recall(id, requester, expires).await {
            tracing::warn!(%error, "a session could not be looked up");
            let what = "The session cannot be looked up at the moment.";
            let refusal = refused(StatusCode::SERVICE_UNAVAILABLE, -32603, what, Value::Null);
            return Some(([(header::RETRY_AFTER, "2")], refusal).into_response());
        }
        (!self.sessions.is_of(id, requester))
            .then(|| refused(StatusCode::NOT_FOUND, -32001, "There is no such session.", Value::Null))
    }

    /// A session lasts as long as the newest token that was shown for it.
    fn extend_session(&self, headers: &HeaderMap, expires: Option<Instant>) {
        let session = headers.get(SESSION_HEADER).and_then(|id| id.to_str().ok());
        if let (Some(session), Some(expires)) = (session, expires) {
            self.sessions.extend(session, expires);
        }
    }

    /// What the request asks for. A session keeps what it began with: a request of it that asks for something else would
    /// be answered otherwise than it asks.
    fn settings(&self, request: &Request) -> Result<ConnectionSettings, String> {
        let asked = ConnectionSettings::read(request.uri(), request.headers())?;
        let session = request.headers().get(SESSION_HEADER).and_then(|id| id.to_str().ok());
        match session.and_then(|id| self.sessions.settings(id)) {
            Some(settings) if asked.is_narrowed() && asked != settings => {
                Err("toolsets and read_only of a session are those of its initialize; start a new session for others."
                    .to_owned())
            }
            Some(settings) => Ok(settings),
            None => Ok(asked),
        }
    }

    async fn get(&self, mut request: Request, next: Next) -> Response {
        let headers = request.headers_mut();
        if !negotiation::takes_stream(headers) {
            let what = "A GET is answered with a stream of events (Accept: text/event-stream).";
            return refused(StatusCode::NOT_ACCEPTABLE, -32600, what, Value::Null);
        }
        headers.insert(header::ACCEPT, HeaderValue::from_static(EVENT_STREAM));
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let (Some(session), Some(last)) = (text(SESSION_HEADER), headers.get(LAST_EVENT_HEADER))
            && !last.to_str().is_ok_and(|last| self.sessions.knows_event(session, last))
        {
            let what = "Last-Event-ID names no event that is still kept: ask again for what you need.";
            return refused(StatusCode::BAD_REQUEST, -32600, what, Value::Null);
        }
        answers::in_protocol_words(next.run(request).await, Value::Null).await
    }

    async fn other(&self, request: Request, next: Next) -> Response {
        let ends_session = request.method() == Method::DELETE;
        let mut response = next.run(request).await;
        if ends_session && response.status() == StatusCode::ACCEPTED {
            // It is done, not accepted; Python clients report the SDK's 202 as a failure.
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        answers::in_protocol_words(response, Value::Null).await
    }

    async fn post(&self, request: Request, next: Next) -> Response {
        let (head, body) = request.into_parts();
        let Some(form) = negotiation::of_message(&head.headers) else {
            let what = "Answers are application/json or text/event-stream; the request accepts neither.";
            return refused(StatusCode::NOT_ACCEPTABLE, -32600, what, Value::Null);
        };
        if !is_json(&head.headers) {
            let what = "The body must be JSON (Content-Type: application/json).";
            return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, -32600, what, Value::Null);
        }
        let body = match self.bodies.read(&head.headers, body, bodies::MESSAGE).await {
            Ok(body) => body,
            Err(error) => {
                let (status, what) = error.answer();
                return refused(status, -32600, &what, Value::Null);
            }
        };
        if let Some(connection) = head.extensions.get::<Arc<Connection>>() {
            // The token was checked before, where one is asked for.
            connection.trust();
        }
        let body = body.slice_ref(crate::text::without_bom(&body));
        if envelope::is_batch(&body) {
            return self.batch(head, &body, next).await;
        }
        self.message(head, body, next, form).await
    }

    /// Answers one message.
    async fn message(&self, mut head: Parts, mut body: Bytes, next: Next, form: Form) -> Response {
        let copy = body.clone();
        let envelope = match Envelope::read(&copy) {
            Ok(envelope) => envelope,
            Err(unreadable) => return unreadable_answer(unreadable),
        };
        let (id, started) = (json!(envelope.id()), Instant::now());
        if let Some(refusal) = check_job_header(&head.headers, &envelope, &id) {
            return refusal;
        }
        if let Some(insufficient) = oauth::scopes::insufficient(&head.extensions, &envelope) {
            insufficient.write_down(self.app.jobs().ledger());
            let refusal = refused(StatusCode::FORBIDDEN, -32600, &insufficient.what, id);
            return ([(header::WWW_AUTHENTICATE, insufficient.challenge)], refusal).into_response();
        }
        let expires = head.extensions.get::<Arc<Principal>>().map(|person| person.expires);
        // A subscription lasts no longer than the sign-in; a call that was let in is answered.
        let expires = expires.filter(|_| envelope.method() == Some("subscriptions/listen"));
        let is_handshake = envelope.method() == Some("initialize");
        if is_handshake {
            let params: Option<Value> = envelope.params_as();
            if let Some(problem) = handshake::problem(params.as_ref()) {
                return refused(StatusCode::BAD_REQUEST, problem.code.0, &problem.message, id);
            }
            if !self.sessions.make_room(&Scope::current().requester).await {
                let refusal = refused(StatusCode::SERVICE_UNAVAILABLE, -32603, "Too many sessions are in use.", id);
                return ([(header::RETRY_AFTER, "10")], refusal).into_response();
            }
        }
        let agreed = self.agreed_revision(&head.headers);
        if let Some(renamed) = task_compat::renamed(&body, envelope.method(), agreed.as_deref()) {
            body = renamed.into();
        }
        // The layers below measure what they get, and insist on both forms.
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let response = next.run(Request::from_parts(head, Body::from(body))).await;
        operations::count(envelope.method(), agreed.as_deref(), response.status(), started);
        let response = if is_handshake { answers::with_capabilities(response).await } else { response };
        let response = answers::until(answers::in_protocol_words(response, id).await, expires);
        match form {
            Form::Json => answers::as_one_object(response).await,
            Form::Stream => response,
        }
    }

    /// Answers the messages of a batch, which 2025-03-26 alone has, in one array.
    async fn batch(&self, head: Parts, body: &[u8], next: Next) -> Response {
        if !matches!(self.agreed_revision(&head.headers).as_deref(), Some("2025-03-26")) {
            let what = "Batches are of revision 2025-03-26 only; send one message a request.";
            return refused(StatusCode::BAD_REQUEST, -32600, what, Value::Null);
        }
        if envelope::has_too_many_values(body) {
            return unreadable_answer(Unreadable::of(b"", ErrorCode::INVALID_REQUEST, "The batch is too large."));
        }
        let messages: Vec<&RawValue> = match serde_json::from_slice(body) {
            Ok(messages) => messages,
            Err(error) => {
                let what = format!("This is not JSON: {error}.");
                return unreadable_answer(Unreadable::of(b"", ErrorCode::PARSE_ERROR, what));
            }
        };
        if messages.is_empty() || messages.len() > BATCH_MAX {
            let what = format!("A batch holds 1 to {BATCH_MAX} messages.");
            return refused(StatusCode::BAD_REQUEST, -32600, &what, Value::Null);
        }
        let answered = messages.into_iter().map(|message| {
            let (head, next) = (head.clone(), next.clone());
            let message = Bytes::copy_from_slice(message.get().as_bytes());
            async move {
                let is_handshake =
                    Envelope::read(&message).is_ok_and(|envelope| envelope.method() == Some("initialize"));
                if is_handshake {
                    let what = "initialize must not be part of a batch.";
                    return refused(StatusCode::BAD_REQUEST, -32600, what, Value::Null);
                }
                self.message(head, message, next, Form::Json).await
            }
        });
        answers::as_batch(join_all(answered).await).await
    }

    /// The revision that a request is of: as its header says, else as its session agreed.
    fn agreed_revision(&self, headers: &HeaderMap) -> Option<String> {
        let named = revision(headers).map(str::to_owned);
        named.or_else(|| {
            let id = headers.get(SESSION_HEADER)?.to_str().ok()?;
            Some(self.sessions.revision(id)?.as_str().to_owned())
        })
    }
}

fn revision(headers: &HeaderMap) -> Option<&str> {
    headers.get(REVISION_HEADER).and_then(|revision| revision.to_str().ok())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(JSON))
}

/// A router that reads the header must not see another job than the one that is meant.
fn check_job_header(headers: &HeaderMap, envelope: &Envelope<'_>, id: &Value) -> Option<Response> {
    #[derive(Deserialize)]
    struct Call {
        arguments: Option<Arguments>,
    }
    #[derive(Deserialize)]
    struct Arguments {
        job_id: Option<Value>,
    }
    let named = headers.get(JOB_HEADER)?;
    let meant = envelope.params_as::<Call>().and_then(|call| call.arguments?.job_id);
    let meant = meant.as_ref().and_then(Value::as_str).unwrap_or_default();
    let what = "The header Mcp-Param-JobId does not match `job_id` in the body.";
    (named.as_bytes() != meant.as_bytes()).then(|| refused(StatusCode::BAD_REQUEST, -32020, what, id.clone()))
}

fn unreadable_answer(unreadable: Unreadable) -> Response {
    let Unreadable { error, id, .. } = unreadable;
    refused(StatusCode::BAD_REQUEST, error.code.0, &error.message, json!(id))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt;

    use super::*;
    use crate::config::{Folders, Values, merge};

    #[tokio::test]
    async fn a_session_is_looked_up_with_a_permit() {
        for (permits, expected) in [(0, StatusCode::TOO_MANY_REQUESTS), (10, StatusCode::NOT_FOUND)] {
            let config = merge(&Values::new(), &Values::new(), &Values::new(), &Folders::default()).unwrap();
            let messages = Arc::new(Messages {
                app: Arc::new(App::new(config).unwrap()),
                sessions: Sessions::new(None),
                bodies: Arc::new(Bodies::new(CancellationToken::new())),
                in_flight: InFlight::new(permits),
                slices: Slices::new(1),
                may_use_server_key: false,
            });
            let router = Router::new().route("/mcp", post(async || ()));
            let router = router.route_layer(from_fn_with_state(messages, handle));
            let request = Request::post("/mcp").header(SESSION_HEADER, "none").body(Body::empty()).unwrap();
            assert_eq!(router.oneshot(request).await.unwrap().status(), expected, "{permits}");
        }
    }
}
