//! Taking up sessions where replicas share a ledger: any replica takes up the session of another, whether that one still
//! runs or not. The SDK repeats its `initialize` here.

use std::pin::Pin;
use std::sync::Arc;

use rmcp::transport::streamable_http_server::session::{SessionState, SessionStore, SessionStoreError};

use super::replicas::{Kept, What};
use super::sessions::{IDLE, Recalled, Sessions};
use super::tenants::{Requester, Scope};
use crate::error::Result;
use crate::mcp::connection::ConnectionSettings;

/// Longest name of a session that is looked up.
const ID_BYTES_MAX: usize = 128;

impl Sessions {
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
