//! What replicas pass on to each other: messages of a client for the replica that they concern, and messages for the
//! client to the replica whose stream it reads.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId};

use super::replicas::{Passed, What};
use super::sessions::Sessions;
use crate::jobs::ledger::Relayed;

/// How long a session may take to accept a message of another replica.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is checked whether the server still runs, where no message comes.
const CHECK_EVERY: Duration = Duration::from_secs(10);

async fn receive(sessions: Weak<Sessions>, mut relayed: Relayed) {
    loop {
        let message = tokio::time::timeout(CHECK_EVERY, relayed.next()).await;
        // A server that has ended needs no messages any more.
        let Some(sessions) = sessions.upgrade() else { return };
        let message = match message {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(_) => continue,
        };
        let Ok(passed) = serde_json::from_str::<Passed>(&message) else { continue };
        if tokio::time::timeout(PATIENCE, sessions.take(passed)).await.is_err() {
            tracing::warn!("a session does not accept the message of another replica");
        }
    }
}

impl Sessions {
    /// Receives what other replicas pass on, from the first session on.
    pub(super) fn receive(&self) {
        let Some(replicas) = &self.replicas else { return };
        if replicas.is_receiving.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(relayed) = replicas.app.jobs().ledger().relayed() {
            tokio::spawn(receive(self.this.clone(), relayed));
        }
    }

    /// Reads what the server of a session sends without being asked, for as long as the session lasts.
    pub(super) async fn read_notices(&self, id: &SessionId) {
        if self.replicas.is_none() {
            return;
        }
        let Ok(events) = self.local.create_standalone_stream(id).await else { return };
        let (this, id) = (self.this.clone(), Arc::clone(id));
        tokio::spawn(async move {
            let mut events = std::pin::pin!(events);
            while let Some(mut event) = events.next().await {
                let Some(sessions) = this.upgrade() else { return };
                let (Some(replicas), Some(notices)) = (&sessions.replicas, sessions.notices(&id)) else { return };
                // Numbers of this replica say nothing to another.
                event.event_id = None;
                let event = replicas.outgoing(event);
                let message = event.message.clone();
                if let (false, Some(message)) = (notices.push(event), message) {
                    replicas.notify(&id, &message).await;
                }
            }
        });
    }

    async fn take(&self, passed: Passed) {
        let (Some(replicas), Some(id)) = (&self.replicas, self.find_by_digest(&passed.session)) else { return };
        match passed.what {
            What::FromClient(value) => {
                let Ok(message) = serde_json::from_value::<ClientJsonRpcMessage>(value) else { return };
                let Some(message) = replicas.incoming(message) else { return };
                if !matches!(message, JsonRpcMessage::Request(_)) {
                    let _ = self.local.accept_message(&id, message).await;
                } else if let Ok(answer) = self.local.create_stream(&id, message).await {
                    // The client has its answer from the replica that it asked.
                    answer.for_each(async |_| ()).await;
                }
            }
            What::ToClient(value) => {
                let Ok(message) = serde_json::from_value::<ServerJsonRpcMessage>(value) else { return };
                if let Some(notices) = self.notices(&id) {
                    notices.push(ServerSseMessage::from_message(message));
                }
            }
            What::End => {
                let _ = self.close_session(&id).await;
            }
        }
    }
}
