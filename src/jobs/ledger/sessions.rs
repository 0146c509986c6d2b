//! Sessions of clients where replicas share the ledger: what another replica needs to take one up, and messages that
//! replicas pass on to each other.
//!
//! An id is kept as a digest only. What is kept here makes a session survive its replica, and no more depends on it: a
//! ledger that cannot be written costs the other replicas the session.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::broadcast;

use super::statement::statement;
use super::work::{Durability, Patience};
use super::{Ledger, Millis};
use crate::clock::now;
use crate::error::Result;
use crate::tenant::Tenant;

/// Longest message that is passed on: a server takes less than 8000 bytes, the name of the process included.
const MESSAGE_BYTES_MAX: usize = 7_900;
/// Longest state that is kept of a session.
const STATE_BYTES_MAX: usize = 64 * 1024;

/// Sessions of one tenant that are kept; those that were used longest ago give way.
const PER_TENANT_MAX: i64 = 2_000;
/// How often it is noted that a session is in use.
pub const SESSION_NOTED_EVERY: Duration = Duration::from_secs(300);
/// Stands for the owner of names that are used once.
const USED_NAMES: &str = "-";

/// A session as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSession {
    /// What its replica wrote down.
    pub state: String,
    /// When it began.
    pub began: Millis,
    /// When it was used last, to within some minutes.
    pub used: Millis,
}

/// Messages that other processes pass on.
pub struct Relayed(broadcast::Receiver<Arc<str>>);

impl Relayed {
    /// The next message; none when there are no more. Messages that came too fast are left out.
    pub async fn next(&mut self) -> Option<Arc<str>> {
        loop {
            match self.0.recv().await {
                Ok(message) => return Some(message),
                Err(broadcast::error::RecvError::Lagged(count)) => {
                    tracing::warn!(count, "messages of other replicas are lost: they came too fast");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl Ledger {
    /// Whether processes on other machines may be using the same ledger.
    pub fn is_replicated(&self) -> bool {
        self.database.server().is_some()
    }

    /// Keeps a session for the other replicas. A state that is too long is not kept.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written.
    pub async fn keep_session(&self, id: &str, tenant: Option<&Tenant>, state: &str) -> Result<()> {
        if state.len() > STATE_BYTES_MAX {
            return Ok(());
        }
        let tenant = self.stored_owner(tenant).await?;
        let query = statement(
            "INSERT INTO sessions (id, tenant, state, began, used) VALUES ($1, $2, $3, $4, $4) ON CONFLICT (id) DO NOTHING;
             DELETE FROM sessions WHERE id IN
                 (SELECT id FROM sessions WHERE tenant = $2 ORDER BY used DESC LIMIT 1000 OFFSET $5)",
        );
        let query = query.bind(session_digest(id)).bind(tenant).bind(state).bind(now()).bind(PER_TENANT_MAX);
        self.database.write(Patience::USUAL, Durability::Relaxed, query).await.map(drop)
    }

    /// A session of `tenant` that was used within `idle`.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn kept_session(&self, id: &str, tenant: Option<&Tenant>, idle: Duration) -> Result<Option<KeptSession>> {
        let tenant = self.stored_owner(tenant).await?;
        let oldest = now().saturating_sub(i64::try_from(idle.as_millis()).unwrap_or(i64::MAX));
        let query = statement("SELECT state, began, used FROM sessions WHERE id = $1 AND tenant = $2 AND used >= $3");
        let row: Option<(String, Millis, Millis)> =
            self.database.read_first(query.bind(session_digest(id)).bind(tenant).bind(oldest)).await?;
        Ok(row.map(|(state, began, used)| KeptSession { state, began, used }))
    }

    /// Notes that a session is in use; every [`SESSION_NOTED_EVERY`] is enough.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written.
    pub async fn session_used(&self, id: &str) -> Result<()> {
        let query =
            statement("UPDATE sessions SET used = $2 WHERE id = $1 AND used < $2").bind(session_digest(id)).bind(now());
        self.database.write(Patience::USUAL, Durability::Relaxed, query).await.map(drop)
    }

    /// Forgets a session.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written.
    pub async fn end_session(&self, id: &str) -> Result<()> {
        let query = statement("DELETE FROM sessions WHERE id = $1").bind(session_digest(id));
        self.database.write(Patience::USUAL, Durability::Relaxed, query).await.map(drop)
    }

    /// Whether this is the first process to use `name`, which can be used once.
    ///
    /// # Errors
    /// `ledger_unavailable` when that cannot be written.
    pub async fn use_once(&self, name: &str) -> Result<bool> {
        let query = statement(
            "INSERT INTO sessions (id, tenant, state, began, used) VALUES ($1, $3, '', $2, $2) ON CONFLICT (id) DO NOTHING",
        );
        let query = query.bind(session_digest(name)).bind(now()).bind(USED_NAMES);
        Ok(self.database.write(Patience::USUAL, Durability::Relaxed, query).await? > 0)
    }

    /// Passes a message on to the other processes, as far as they listen. False when it is too long.
    ///
    /// # Errors
    /// `ledger_unavailable` when the server cannot be reached.
    pub async fn relay(&self, message: &str) -> Result<bool> {
        let Some(server) = self.database.server() else { return Ok(true) };
        if message.len() > MESSAGE_BYTES_MAX {
            return Ok(false);
        }
        self.database.write(Patience::USUAL, Durability::Relaxed, server.relay(message)).await.map(|_| true)
    }

    /// The messages that other processes pass on from now on; none where there are no replicas.
    pub fn relayed(&self) -> Option<Relayed> {
        self.database.server().map(|server| Relayed(server.relayed()))
    }

    async fn stored_owner(&self, tenant: Option<&Tenant>) -> Result<String> {
        match tenant {
            Some(tenant) => self.stored(tenant).await,
            None => Ok(String::new()),
        }
    }
}

/// What stands for a session's id in the ledger.
pub fn session_digest(id: &str) -> String {
    hex::encode(Sha256::digest(id.as_bytes()))
}
