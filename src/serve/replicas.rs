//! The other replicas on the same ledger, as far as sessions go: what they need to take one up, and what is passed on to
//! them.
//!
//! What the server sends without being asked goes to the replica whose stream the client reads ([`super::notices`]). The
//! answer to a question of the server goes to the replica that asked: the id of the question says which. A request that is
//! withdrawn, or a subscription that is ended, is so everywhere.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, JsonRpcMessage, ProtocolVersion, RequestId,
    ServerJsonRpcMessage, ServerNotification,
};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionState};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::jobs::ledger::session_digest;

/// The other replicas, as far as sessions go.
pub struct Replicas {
    pub(super) app: Arc<App>,
    /// Stands in the ids of this replica's questions.
    name: String,
    /// Whether messages of other replicas are received.
    pub(super) is_receiving: AtomicBool,
}

/// What another replica needs to take a session up.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) begun: SessionState,
    pub(super) revision: ProtocolVersion,
    /// What its connection asked for, as the query of an address.
    #[serde(default)]
    pub(super) settings: String,
}

/// A message to the other replicas.
#[derive(Serialize, Deserialize)]
pub(super) struct Passed {
    /// Digest of the session's id.
    pub(super) session: String,
    pub(super) what: What,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// The client sent this.
    FromClient(Value),
    /// The client is to get this.
    ToClient(Value),
    /// The client has ended the session.
    End,
}

impl Replicas {
    /// None where no other machine uses the same ledger.
    pub fn of(app: &Arc<App>) -> Option<Arc<Replicas>> {
        app.jobs().ledger().is_replicated().then(|| {
            let name = uuid::Uuid::new_v4().simple().to_string();
            Arc::new(Replicas {
                app: Arc::clone(app),
                name: name.get(..12).unwrap_or_default().to_owned(),
                is_receiving: AtomicBool::new(false),
            })
        })
    }

    /// `message` to the client, with ids that say which replica asks.
    pub fn outgoing(&self, mut event: ServerSseMessage) -> ServerSseMessage {
        let named = |id: &RequestId| RequestId::String(format!("{}-{id}", self.name).into());
        let changed = match event.message.as_deref() {
            Some(JsonRpcMessage::Request(request)) => {
                let mut request = request.clone();
                request.id = named(&request.id);
                Some(ServerJsonRpcMessage::Request(request))
            }
            Some(JsonRpcMessage::Notification(notification)) => match &notification.notification {
                // A question that is withdrawn.
                ServerNotification::CancelledNotification(cancelled) => {
                    let (mut notification, mut cancelled) = (notification.clone(), cancelled.clone());
                    cancelled.params.request_id = cancelled.params.request_id.as_ref().map(named);
                    notification.notification = ServerNotification::CancelledNotification(cancelled);
                    Some(ServerJsonRpcMessage::Notification(notification))
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(changed) = changed {
            event.message = Some(Arc::new(changed));
        }
        event
    }

    /// The id of a question as this replica's server knows it; none when another replica asked.
    fn own(&self, id: &RequestId) -> Option<RequestId> {
        let RequestId::String(text) = id else { return None };
        let (name, number) = text.split_once('-')?;
        (name == self.name).then_some(())?;
        number.parse().ok().map(RequestId::Number)
    }

    /// `message` for this replica's server; none when it answers the question of another.
    pub(super) fn incoming(&self, message: ClientJsonRpcMessage) -> Option<ClientJsonRpcMessage> {
        match message {
            JsonRpcMessage::Response(mut response) => {
                response.id = self.own(&response.id)?;
                Some(ClientJsonRpcMessage::Response(response))
            }
            JsonRpcMessage::Error(mut error) => {
                error.id = Some(self.own(error.id.as_ref()?)?);
                Some(ClientJsonRpcMessage::Error(error))
            }
            other => Some(other),
        }
    }

    pub(super) async fn pass(&self, session: &str, what: What) {
        let passed = Passed { session: session_digest(session), what };
        let Ok(text) = serde_json::to_string(&passed) else { return };
        match self.app.jobs().ledger().relay(&text).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(bytes = text.len(), "a message is too long to be passed on to other replicas"),
            Err(error) => tracing::warn!(%error, "a message could not be passed on to other replicas"),
        }
    }

    /// Passes on what the client sent, where another replica needs it. Gives what is left for this one.
    pub async fn route(&self, session: &SessionId, message: ClientJsonRpcMessage) -> Option<ClientJsonRpcMessage> {
        if self.concerns_others(&message)
            && let Ok(value) = serde_json::to_value(&message)
        {
            self.pass(session, What::FromClient(value)).await;
        }
        self.incoming(message)
    }

    /// Whether another replica needs what the client sent: the answer to its question, or an end that it may not know of.
    fn concerns_others(&self, message: &ClientJsonRpcMessage) -> bool {
        match message {
            JsonRpcMessage::Notification(notification) => {
                matches!(notification.notification, ClientNotification::CancelledNotification(_))
            }
            JsonRpcMessage::Request(request) => matches!(request.request, ClientRequest::UnsubscribeRequest(_)),
            JsonRpcMessage::Response(response) => self.own(&response.id).is_none(),
            JsonRpcMessage::Error(error) => error.id.as_ref().is_none_or(|id| self.own(id).is_none()),
        }
    }

    /// Passes on to the client's stream what it has none for here.
    pub async fn notify(&self, session: &SessionId, message: &ServerJsonRpcMessage) {
        if let Ok(value) = serde_json::to_value(message) {
            self.pass(session, What::ToClient(value)).await;
        }
    }

    /// Notes in the ledger that a session is in use.
    pub fn note_use(&self, session: &SessionId) {
        let (app, session) = (Arc::clone(&self.app), Arc::clone(session));
        tokio::spawn(async move {
            if let Err(error) = app.jobs().ledger().session_used(&session).await {
                tracing::debug!(%error, "it could not be noted that a session is in use");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Folders, Values, merge};

    fn replicas() -> Replicas {
        let config = merge(&Values::new(), &Values::new(), &Values::new(), &Folders::default()).unwrap();
        Replicas {
            app: Arc::new(App::new(config).unwrap()),
            name: "a1".to_owned(),
            is_receiving: AtomicBool::new(false),
        }
    }

    #[tokio::test]
    async fn the_answer_to_a_question_is_for_the_replica_that_asked() {
        let replicas = replicas();
        let question = json!({"jsonrpc": "2.0", "id": 7, "method": "ping"});
        let question = ServerSseMessage::from_message(serde_json::from_value(question).unwrap());
        let sent = serde_json::to_value(replicas.outgoing(question).message.unwrap().as_ref()).unwrap();
        assert_eq!(sent["id"], "a1-7");
        for (id, expected) in [(json!("a1-7"), Some(json!(7))), (json!("b2-7"), None), (json!(7), None)] {
            let answer = json!({"jsonrpc": "2.0", "id": id, "result": {}});
            let answer: ClientJsonRpcMessage = serde_json::from_value(answer).unwrap();
            assert_eq!(replicas.concerns_others(&answer), expected.is_none(), "{id}");
            let own = replicas.incoming(answer);
            assert_eq!(own.map(|own| serde_json::to_value(own).unwrap()["id"].clone()), expected, "{id}");
        }
        let withdrawn = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
        assert!(replicas.concerns_others(&serde_json::from_value(withdrawn.clone()).unwrap()));
        let withdrawn = ServerSseMessage::from_message(serde_json::from_value(withdrawn).unwrap());
        let sent = serde_json::to_value(replicas.outgoing(withdrawn).message.unwrap().as_ref()).unwrap();
        assert_eq!(sent["params"]["requestId"], "a1-7");
        let call = json!({"jsonrpc": "2.0", "id": 8, "method": "tools/list"});
        assert!(!replicas.concerns_others(&serde_json::from_value(call).unwrap()));
    }
}
