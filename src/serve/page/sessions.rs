//! Who is signed in at the page, and for how long: in memory only, bounded in number and in time.
//!
//! A session knows whose jobs it shows; the key itself is not kept. Times are passed in.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

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

/// Everybody who has been let in.
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
