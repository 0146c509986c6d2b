//! Who is signed in at the page, and for how long: in memory, bounded in number and in time.
//!
//! A session knows whose jobs it shows; the key itself is not kept. Times are passed in. Where replicas share a ledger, it
//! has the sessions as well: each with its viewer sealed under the session's id, which the browser alone has.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::{Millis, now};
use crate::error::Result;
use crate::jobs::Ledger;
use crate::jobs::ledger::SESSION_NOTED_EVERY;
use crate::tenant::Tenant;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sessions at once; one more ends the one that was used longest ago.
    pub sessions: usize,
    /// A session that is not used for this long is over.
    pub idle: Duration,
    /// A session this old is over, used or not.
    pub lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { sessions: 100, idle: Duration::from_secs(3_600), lifetime: Duration::from_secs(12 * 3_600) }
    }
}

/// Whose jobs are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// Of this key.
    pub tenant: Tenant,
    /// Whether that is the server's own key.
    pub is_server: bool,
}

/// A viewer as the ledger keeps it, sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    tenant: String,
    is_server: bool,
}

/// All who have been let in.
pub struct Sessions {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By digest of the session's id: what is looked up is not what was sent, so timing reveals nothing about ids.
    sessions: HashMap<[u8; 32], Session>,
}

struct Session {
    viewer: Viewer,
    opened: Instant,
    used: Instant,
}

impl Sessions {
    /// No sessions yet.
    pub fn new(limits: Limits) -> Sessions {
        Sessions { limits, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn is_over(&self, session: &Session, now: Instant) -> bool {
        now.saturating_duration_since(session.used) >= self.limits.idle
            || now.saturating_duration_since(session.opened) >= self.limits.lifetime
    }

    /// Starts a session; gives its id, which is random and kept nowhere else.
    pub fn open(&self, viewer: Viewer, now: Instant) -> String {
        let id = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let mut state = self.state();
        state.sessions.retain(|_, session| !self.is_over(session, now));
        while state.sessions.len() >= self.limits.sessions.max(1) {
            let oldest = state.sessions.iter().min_by_key(|(_, session)| session.used).map(|(digest, _)| *digest);
            let Some(oldest) = oldest else { break };
            state.sessions.remove(&oldest);
        }
        state.sessions.insert(digest(&id), Session { viewer, opened: now, used: now });
        id
    }

    /// Whose jobs this session shows, if it is one. Asking is using it.
    pub fn viewer(&self, id: &str, now: Instant) -> Option<Viewer> {
        let digest = digest(id);
        let mut state = self.state();
        let session = state.sessions.get_mut(&digest)?;
        if self.is_over(session, now) {
            state.sessions.remove(&digest);
            return None;
        }
        session.used = now;
        Some(session.viewer.clone())
    }

    /// Ends a session.
    pub fn end(&self, id: &str) {
        self.state().sessions.remove(&digest(id));
    }
}

// Sessions of other replicas

impl Sessions {
    /// Keeps a new session for the other replicas.
    pub async fn keep(&self, ledger: &Ledger, id: &str, viewer: &Viewer) {
        if !ledger.is_replicated() {
            return;
        }
        let Some(sealed) = seal(id, viewer) else { return };
        if let Err(error) = ledger.keep_session(id, None, &sealed).await {
            tracing::warn!(%error, "a session of the page is known to this replica alone");
        }
    }

    /// Whose jobs this session shows, whichever replica began it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn kept_viewer(&self, ledger: &Ledger, id: &str) -> Result<Option<Viewer>> {
        let Some(kept) = ledger.kept_session(id, None, self.limits.idle).await? else { return Ok(None) };
        let lifetime = Millis::try_from(self.limits.lifetime.as_millis()).unwrap_or(Millis::MAX);
        let at = now();
        if at.saturating_sub(kept.began) >= lifetime {
            return Ok(None);
        }
        let viewer = unseal(id, &kept.state);
        if viewer.is_some()
            && at.saturating_sub(kept.used) >= SESSION_NOTED_EVERY.as_millis() as Millis
            && let Err(error) = ledger.session_used(id).await
        {
            tracing::debug!(%error, "it could not be noted that a session is in use");
        }
        Ok(viewer)
    }
}

/// A key that is used for one text: its nonce may be constant.
fn key_of(id: &str) -> Option<(LessSafeKey, Nonce)> {
    let digest = Sha256::new().chain_update(b"pdfco page session v1\0").chain_update(id).finalize();
    let key = UnboundKey::new(&AES_256_GCM, &digest).ok()?;
    Some((LessSafeKey::new(key), Nonce::assume_unique_for_key([0; NONCE_LEN])))
}

fn seal(id: &str, viewer: &Viewer) -> Option<String> {
    let (key, nonce) = key_of(id)?;
    let sealed = Sealed { tenant: viewer.tenant.as_str().to_owned(), is_server: viewer.is_server };
    let mut text = serde_json::to_vec(&sealed).ok()?;
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut text).ok()?;
    Some(hex::encode(text))
}

fn unseal(id: &str, text: &str) -> Option<Viewer> {
    let (key, nonce) = key_of(id)?;
    let mut text = hex::decode(text).ok()?;
    let sealed: Sealed = serde_json::from_slice(key.open_in_place(nonce, Aad::empty(), &mut text).ok()?).ok()?;
    Some(Viewer { tenant: Tenant::stored(sealed.tenant), is_server: sealed.is_server })
}

fn digest(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ApiKey;

    fn viewer(key: &str) -> Viewer {
        Viewer { tenant: Tenant::of_account(ApiKey::new(key).unwrap().fingerprint()), is_server: false }
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_session_ends_when_it_is_idle_and_when_it_is_old() {
        let limits = Limits { idle: Duration::from_secs(10), lifetime: Duration::from_secs(25), ..Default::default() };
        // Seconds at which the session is used, and whether it is still one.
        for uses in [
            &[(9, true), (18, true), (24, true), (25, false)][..],
            &[(10, false)],
            &[(5, true), (15, false), (15, false)],
        ] {
            let (sessions, start) = (Sessions::new(limits), Instant::now());
            let id = sessions.open(viewer("a"), start);
            for (seconds, expected) in uses {
                let found = sessions.viewer(&id, after(start, *seconds));
                assert_eq!(found, expected.then(|| viewer("a")), "{uses:?} at {seconds}");
            }
        }
    }

    #[test]
    fn one_more_session_ends_the_one_used_longest_ago() {
        let (sessions, start) = (Sessions::new(Limits { sessions: 2, ..Default::default() }), Instant::now());
        let first = sessions.open(viewer("a"), start);
        let second = sessions.open(viewer("b"), after(start, 1));
        assert!(sessions.viewer(&first, after(start, 2)).is_some());
        let third = sessions.open(viewer("c"), after(start, 3));
        let left = [first, second, third].map(|id| sessions.viewer(&id, after(start, 4)).is_some());
        assert_eq!(left, [true, false, true]);
    }

    #[test]
    fn a_viewer_is_read_with_the_id_of_its_session_alone() {
        let sealed = seal("an id", &viewer("a")).unwrap();
        assert_eq!(unseal("an id", &sealed), Some(viewer("a")));
        assert!(!sealed.contains(&hex::encode(viewer("a").tenant.as_str())), "{sealed}");
        for (id, text) in [("another id", sealed.as_str()), ("an id", "00"), ("an id", "not hex"), ("an id", "")] {
            assert_eq!(unseal(id, text), None, "{id} {text}");
        }
    }

    #[test]
    fn ids_are_long_random_and_kept_as_digests_only() {
        let (sessions, now) = (Sessions::new(Limits::default()), Instant::now());
        let (one, other) = (sessions.open(viewer("a"), now), sessions.open(viewer("a"), now));
        assert_ne!(one, other);
        assert_eq!(one.len(), 64);
        assert!(sessions.viewer(&one[..63], now).is_none());
        sessions.end(&one);
        assert!(sessions.viewer(&one, now).is_none() && sessions.viewer(&other, now).is_some());
    }
}
