//! Taking up sessions where replicas share a ledger: any replica takes up the session of another, whether that one still
//! runs or not. The SDK repeats its `initialize` here.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::transport::streamable_http_server::session::{
    ServerSseMessage, SessionId, SessionState, SessionStore, SessionStoreError,
};

use super::replicas::{Kept, Passed, What};
use super::sessions::{IDLE, Recalled, Sessions};
use super::tenants::{Requester, Scope};
use crate::error::Result;
use crate::jobs::ledger::Relayed;
use crate::mcp::connection::ConnectionSettings;

/// How long a session may take to accept a message of another replica.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked whether the server still runs, where no message comes.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Longest name of a session that is looked up.
const ID_BYTES_MAX: usize = 128;

async fn receive(sessions: Weak<Sessions>, mut relayed: Relayed) {
    loop {
        let message = tokio::time::timeout(LOOK_EVERY, relayed.next()).await;
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

    /// Takes up a session of `requester` that another replica knows.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn recall(&self, id: &str, requester: &Requester, expires: Option<std::time::Instant>) -> Result<()> {
        let Some(replicas) = &self.replicas else { return Ok(()) };
        if self.knows(id) || id.len() > ID_BYTES_MAX {
            return Ok(());
        }
        let ledger = replicas.app.jobs().ledger();
        let Some(kept) = ledger.kept_session(id, requester.tenant.as_ref(), IDLE).await? else { return Ok(()) };
        let Ok(kept) = serde_json::from_str::<Kept>(&kept.state) else { return Ok(()) };
        let address = format!("/?{}", kept.settings).parse().unwrap_or_default();
        // Settings that this version does not understand would make the session wider than it was.
        let Ok(settings) = ConnectionSettings::read(&address, &axum::http::HeaderMap::new()) else { return Ok(()) };
        if self.make_room(requester).await {
            let recalled = Recalled { owner: requester.clone(), settings, revision: kept.revision, begun: kept.begun };
            self.admit(id.into(), recalled, expires);
        }
        Ok(())
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

/// The store that the SDK asks for the sessions of other replicas.
pub struct Store(pub Arc<Sessions>);

type Stored<'a, T> = Pin<Box<dyn Future<Output = std::result::Result<T, SessionStoreError>> + Send + 'a>>;

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl SessionStore for Store {
    fn load<'a, 'b, 'c>(&'a self, id: &'b str) -> Stored<'c, Option<SessionState>>
    where
        'a: 'c,
        'b: 'c,
    {
        Box::pin(async move { Ok(self.0.begun(id)) })
    }

    fn store<'a, 'b, 'd, 'c>(&'a self, id: &'b str, begun: &'d SessionState) -> Stored<'c, ()>
    where
        'a: 'c,
        'b: 'c,
        'd: 'c,
    {
        Box::pin(async move {
            let (Some(replicas), Some(revision)) = (&self.0.replicas, self.0.revision(id)) else { return Ok(()) };
            let scope = Scope::current();
            let kept = Kept { begun: begun.clone(), revision, settings: scope.settings.query() };
            let state = serde_json::to_string(&kept)?;
            let ledger = replicas.app.jobs().ledger();
            if let Err(error) = ledger.keep_session(id, scope.requester.tenant.as_ref(), &state).await {
                tracing::warn!(%error, "a session is known to this replica alone");
            }
            Ok(())
        })
    }

    fn delete<'a, 'b, 'c>(&'a self, id: &'b str) -> Stored<'c, ()>
    where
        'a: 'c,
        'b: 'c,
    {
        Box::pin(async move {
            let Some(replicas) = &self.0.replicas else { return Ok(()) };
            if let Err(error) = replicas.app.jobs().ledger().end_session(id).await {
                tracing::warn!(%error, "a session that was ended is still known to other replicas");
            }
            replicas.pass(id, What::End).await;
            Ok(())
        })
    }
}
