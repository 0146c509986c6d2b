//! Asking a person about a price, by elicitation: accepting the question is the consent, and no argument can give it.
//!
//! In the revisions with sessions the question is a request of the server within the call. In 2026-07-28 it is the
//! result of the call, with a sealed state that the client sends back: bound to the method, the tenant, the very
//! arguments and the price, good for one call and a short time.

use std::time::Duration;

use futures_util::FutureExt;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, ClientResult, ElicitRequest, ElicitRequestParams, ElicitationAction, ElicitationSchema,
    InputRequest, InputRequests, InputRequiredResult, InputResponses, RequestStateCodec, SealOptions, ServerRequest,
};
use rmcp::service::{PeerRequestOptions, RequestContext};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::context::ServerContext;
use super::tools::Found;
use crate::answer::Answer;
use crate::app::{Consent, Quote, ResponseMode};
use crate::clock::{Millis, now};
use crate::error::{Error, Kind};

/// The name of the question among those that a result asks.
const QUESTION: &str = "consent";
/// How long a person may think about it.
const PATIENCE: Duration = Duration::from_secs(600);
/// Questions of one call: each further one is about another price.
const QUESTIONS_MAX: usize = 3;

/// What a person said.
enum Decision {
    Agreed,
    Declined,
    /// The client could not ask, or the person did not answer.
    Unanswered,
}

/// What is sealed into the state of a question.
#[derive(Serialize, Deserialize)]
struct Sealed {
    quote: String,
    /// Makes each consent one of its own.
    nonce: String,
    /// Until when it counts, in milliseconds.
    until: Millis,
}

impl Sealed {
    fn new(quote: String, now: Millis) -> Sealed {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        Sealed { quote, nonce, until: now.saturating_add(PATIENCE.as_millis() as Millis) }
    }

    /// Whether a consent to it still counts, also where a clock has jumped since.
    fn is_valid(&self, now: Millis) -> bool {
        (self.until.saturating_sub(PATIENCE.as_millis() as Millis)..=self.until).contains(&now)
    }
}

/// What a call of 2026-07-28 brings back of an earlier question.
pub enum Brought {
    /// Nothing that counts.
    Nothing,
    /// The person agreed to the quote of this id.
    Agreed(String),
    /// The person declined.
    Declined,
}

/// Calls a tool. In a session whose client can ask, the person is asked about a price above the threshold, and the call
/// goes on with the consent; otherwise the answer carries the price.
pub async fn call_tool(
    context: &ServerContext,
    found: Found,
    given: Map<String, Value>,
    request: &RequestContext<RoleServer>,
    response_mode: ResponseMode,
    consent: Consent,
) -> Answer {
    let mut answer = context.call_tool(found, given.clone(), request, response_mode, consent).boxed().await;
    for _ in 0..QUESTIONS_MAX {
        let Some(quote) = answer.consent.as_ref().filter(|_| is_session(request) && can_ask(request)) else { break };
        match asked(context, request, quote).boxed().await {
            Decision::Agreed => {
                let consent = Consent::To(quote.id.clone());
                answer = context.call_tool(found, given.clone(), request, response_mode, consent).boxed().await;
            }
            Decision::Declined => return declined(),
            Decision::Unanswered => break,
        }
    }
    answer
}

/// The result that asks the person of a client of 2026-07-28; none where that client cannot ask.
pub async fn question(
    context: &ServerContext,
    tool: &str,
    given: &Map<String, Value>,
    request: &RequestContext<RoleServer>,
    quote: &Quote,
) -> Option<InputRequiredResult> {
    if is_session(request) || !can_ask(request) {
        return None;
    }
    let sealed = Sealed::new(quote.id.clone(), now());
    let bound_to = bound_to(context, tool, given, request);
    let options = SealOptions::new().associated_data(&bound_to).ttl(PATIENCE);
    let state = codec(context).await?.seal_with(serde_json::to_vec(&sealed).ok()?.as_slice(), &options);
    let requests = InputRequests::from([(QUESTION.to_owned(), InputRequest::Elicitation(elicitation(quote)))]);
    Some(InputRequiredResult::new(Some(requests), Some(state)))
}

/// What a call brings back of an earlier question. A state that was forged, belongs to another call, was used or has
/// expired counts as none: the person is asked again.
pub async fn brought(
    context: &ServerContext,
    call: &CallToolRequestParams,
    given: &Map<String, Value>,
    request: &RequestContext<RoleServer>,
) -> Brought {
    let (Some(state), Some(responses)) = (&call.request_state, &call.input_responses) else { return Brought::Nothing };
    let Some(codec) = codec(context).await else { return Brought::Nothing };
    let Ok(opened) = codec.open_with(state, &bound_to(context, &call.name, given, request)) else {
        return Brought::Nothing;
    };
    let Ok(sealed) = serde_json::from_slice::<Sealed>(&opened) else { return Brought::Nothing };
    match action(responses) {
        Some(ElicitationAction::Accept) if sealed.is_valid(now()) && is_first_use(context, &sealed.nonce).await => {
            Brought::Agreed(sealed.quote)
        }
        Some(ElicitationAction::Decline | ElicitationAction::Cancel) => {
            // So that it cannot be accepted afterwards.
            is_first_use(context, &sealed.nonce).await;
            Brought::Declined
        }
        _ => Brought::Nothing,
    }
}

/// The answer of a call that the person declined.
pub fn declined() -> Answer {
    Answer::from_error(&Error::new(
        Kind::Cancelled,
        "The user did not agree to the price. Nothing was sent or charged.",
        "Do not repeat the call unless the user asks for it. Fewer pages or a cheaper operation may be welcome.",
    ))
}

/// Asks within the call.
async fn asked(context: &ServerContext, request: &RequestContext<RoleServer>, quote: &Quote) -> Decision {
    let question = ServerRequest::ElicitRequest(elicitation(quote));
    let asking = async {
        let options = PeerRequestOptions::no_options();
        request.peer.send_cancellable_request(question, options).await?.await_response().await
    };
    let answered = tokio::select! {
        answered = tokio::time::timeout(PATIENCE, asking) => answered,
        () = request.ct.cancelled() => return Decision::Unanswered,
        () = context.gone().cancelled() => return Decision::Unanswered,
    };
    match answered {
        Ok(Ok(ClientResult::ElicitResult(result))) => match result.action {
            ElicitationAction::Accept => Decision::Agreed,
            _ => Decision::Declined,
        },
        Ok(other) => {
            tracing::info!(is_error = other.is_err(), "the client did not answer a question about a price");
            Decision::Unanswered
        }
        Err(_) => Decision::Unanswered,
    }
}

/// A form without fields: its buttons are the answer.
fn elicitation(quote: &Quote) -> ElicitRequest {
    ElicitRequest::new(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: quote.question(),
        requested_schema: ElicitationSchema::new(std::collections::BTreeMap::new()),
    })
}

fn action(responses: &InputResponses) -> Option<ElicitationAction> {
    serde_json::from_value(responses.get(QUESTION)?.get("action")?.clone()).ok()
}

/// Whether the request belongs to a session, where the server may send requests of its own.
fn is_session(request: &RequestContext<RoleServer>) -> bool {
    request.meta.protocol_version().is_none()
}

/// Whether the client shows forms.
fn can_ask(request: &RequestContext<RoleServer>) -> bool {
    let capability = request.client_capabilities().and_then(|capabilities| capabilities.elicitation);
    capability.is_some_and(|capability| capability.form.is_some() || capability.url.is_none())
}

/// Whether this question was not answered before, in any process on the ledger. One of which that cannot be known counts
/// as answered.
async fn is_first_use(context: &ServerContext, nonce: &str) -> bool {
    context.app().jobs().ledger().use_once(&format!("consent {nonce}")).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "a consent does not count: it cannot be noted that it was used");
        false
    })
}

/// What a state is sealed with, the same for all processes on a ledger; none where the ledger cannot be read.
async fn codec(context: &ServerContext) -> Option<RequestStateCodec> {
    let secret = context.app().jobs().ledger().secret_for("consent").await;
    let secret = secret.map_err(|error| tracing::warn!(%error, "a price cannot be asked about")).ok()?;
    RequestStateCodec::try_new(secret.into_bytes()).ok()
}

/// What a state belongs to: the method, the tool, the tenant and the arguments, in whatever order a client sends them.
fn bound_to(
    context: &ServerContext,
    tool: &str,
    given: &Map<String, Value>,
    request: &RequestContext<RoleServer>,
) -> Vec<u8> {
    let caller = context.caller(request);
    let tenant = caller.as_ref().map_or("", |caller| caller.owner.tenant.as_str());
    let arguments: Map<String, Value> = given.clone();
    let parts = json!(["tools/call", tool, tenant, in_order(&Value::Object(arguments))]);
    Sha256::digest(parts.to_string()).to_vec()
}

/// `value` with the fields of every object in order.
fn in_order(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<(&String, Value)> = map.iter().map(|(name, value)| (name, in_order(value))).collect();
            fields.sort_by_key(|(name, _)| *name);
            Value::Object(fields.into_iter().map(|(name, value)| (name.clone(), value)).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(in_order).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_the_same_in_any_order() {
        let one = json!({"b": [1, {"d": 1, "c": 2}], "a": null});
        let other = json!({"a": null, "b": [1, {"c": 2, "d": 1}]});
        assert_eq!(in_order(&one).to_string(), in_order(&other).to_string());
        assert_ne!(in_order(&json!([1, 2])).to_string(), in_order(&json!([2, 1])).to_string());
    }

    #[test]
    fn a_consent_expires_and_survives_no_jump_of_the_clock() {
        let sealed = Sealed::new("quote".into(), 1_000_000);
        for (now, expected) in [
            (1_000_000, true),
            (1_600_000, true),
            (1_600_001, false),
            (999_999, false),
            (i64::MAX, false),
            (i64::MIN, false),
        ] {
            assert_eq!(sealed.is_valid(now), expected, "{now}");
        }
    }

    #[test]
    fn only_a_button_is_an_answer() {
        for (response, is_accepted) in [
            (json!({"action": "accept", "content": {}}), Some(true)),
            (json!({"action": "decline"}), Some(false)),
            (json!({"action": "yes"}), None),
            (json!(true), None),
        ] {
            let responses = InputResponses::from([(QUESTION.to_owned(), response.clone())]);
            let found = action(&responses).map(|action| action == ElicitationAction::Accept);
            assert_eq!(found, is_accepted, "{response}");
        }
    }
}
