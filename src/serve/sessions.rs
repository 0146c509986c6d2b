//! Sessions of the revisions that have them: whose they are, how many, and what a client that was away missed.
//!
//! A session belongs to the tenant that opened it; for others it does not exist. Each tenant has a number of them,
//! and the one that was idle longest gives way to a new one.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use parking_lot::{Mutex, MutexGuard};
use rmcp::model::{
    CancelledNotificationParam, ClientJsonRpcMessage, ClientNotification, JsonRpcMessage, Notification,
    ProtocolVersion, RequestId, ServerJsonRpcMessage, ServerResult,
};
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, LocalSessionManagerError};
use rmcp::transport::streamable_http_server::session::{RestoreOutcome, ServerSseMessage, SessionId, SessionState};
use tokio::time::Instant;

use super::notices::Notices;
use super::replicas::Replicas;
use super::streams::{Kept, Streams};
use super::tenants::{Requester, Scope};
use crate::jobs::ledger::{SESSION_NOTED_EVERY, session_digest};
use crate::mcp::connection::ConnectionSettings;
use crate::mcp::observed;

/// A session without a message for this long is over: longer than the longest call.
pub(super) const IDLE: Duration = Duration::from_secs(1_800);
/// Sessions at once; each costs some 50 KiB.
const SESSIONS_MAX: usize = 1_000;
/// Sessions of one tenant before an idle one gives way.
const PER_TENANT: usize = 20;
/// Sessions of one tenant, also when none of them is idle.
const PER_TENANT_MAX: usize = 200;
/// Sessions of the server's own key, which many may share.
const PER_SERVER_KEY: usize = 500;
/// How long a request goes on after its client has left the stream and not come back.
const ABANDONED_AFTER: Duration = Duration::from_secs(15);
/// How soon a client that lost its stream is asked to come back.
const RETRY: Duration = Duration::from_secs(3);

/// All sessions.
pub struct Sessions {
    pub(super) local: LocalSessionManager,
    open: Mutex<HashMap<SessionId, Session>>,
    kept: Arc<Kept>,
    pub(super) this: Weak<Sessions>,
    /// Where there are any.
    pub(super) replicas: Option<Arc<Replicas>>,
}

/// A session that another replica began.
pub(super) struct Recalled {
    pub(super) owner: Requester,
    pub(super) settings: ConnectionSettings,
    pub(super) revision: ProtocolVersion,
    /// Its `initialize`, which the SDK repeats here.
    pub(super) begun: SessionState,
}

struct Session {
    owner: Requester,
    settings: ConnectionSettings,
    /// When the sign-in of its owner ends, where people sign in.
    expires: Option<Instant>,
    began: Instant,
    used: Instant,
    revision: Option<ProtocolVersion>,
    streams: Arc<Streams>,
    notices: Arc<Notices>,
    /// Of another replica: how it began there.
    begun: Option<SessionState>,
    digest: String,
    noted: Instant,
}

impl Session {
    fn new(id: &str, owner: Requester, settings: ConnectionSettings, kept: &Arc<Kept>) -> Session {
        Session {
            owner,
            settings,
            expires: None,
            began: Instant::now(),
            used: Instant::now(),
            revision: None,
            streams: Arc::new(Streams::new(Arc::clone(kept))),
            notices: Arc::default(),
            begun: None,
            digest: session_digest(id),
            noted: Instant::now(),
        }
    }
}

impl Sessions {
    /// No session yet. Those of `replicas` are taken up.
    pub fn new(replicas: Option<Arc<Replicas>>) -> Arc<Sessions> {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(IDLE);
        // The first event of a stream is sent here, to the revisions that know it.
        local.session_config.sse_retry = None;
        Arc::new_cyclic(|this| Sessions {
            local,
            open: Mutex::default(),
            kept: Arc::default(),
            this: this.clone(),
            replicas,
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.open.lock()
    }

    /// Whether `id` is a session of `requester`.
    pub fn is_of(&self, id: &str, requester: &Requester) -> bool {
        self.open().get(id).is_some_and(|session| session.owner == *requester)
    }

    /// Whether `id` is a session here, whosever it is.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.open().contains_key(id)
    }

    /// The session of this digest.
    pub(super) fn find_by_digest(&self, digest: &str) -> Option<SessionId> {
        self.open().iter().find(|(_, session)| session.digest == digest).map(|(id, _)| Arc::clone(id))
    }

    /// What the server of a session sends without being asked; none where there are no other replicas.
    pub(super) fn notices(&self, id: &str) -> Option<Arc<Notices>> {
        self.replicas.as_ref()?;
        Some(Arc::clone(&self.open().get(id)?.notices))
    }

    /// How a session of another replica began.
    pub(super) fn begun(&self, id: &str) -> Option<SessionState> {
        self.open().get(id)?.begun.clone()
    }

    /// Adds a session of another replica, unless another request has done so already.
    pub(super) fn admit(&self, id: SessionId, recalled: Recalled, expires: Option<std::time::Instant>) {
        let mut session = Session::new(&id, recalled.owner, recalled.settings, &self.kept);
        session.expires = expires.map(Instant::from_std);
        session.revision = Some(recalled.revision);
        session.begun = Some(recalled.begun);
        let expires = session.expires;
        let mut open = self.open();
        if open.contains_key(&id) {
            return;
        }
        open.insert(Arc::clone(&id), session);
        drop(open);
        self.watch(&id, expires);
    }

    /// Ends a session with the sign-in of its owner, and receives what other replicas have for it.
    fn watch(&self, id: &SessionId, expires: Option<Instant>) {
        if let Some(expires) = expires {
            tokio::spawn(end_when_expired(self.this.clone(), Arc::clone(id), expires));
        }
        self.receive();
    }

    /// Lets a session last until `expires`, if it does not anyway.
    pub fn extend(&self, id: &str, expires: std::time::Instant) {
        if let Some(known) = self.open().get_mut(id).and_then(|session| session.expires.as_mut()) {
            *known = (*known).max(Instant::from_std(expires));
        }
    }

    /// What the connection of a session asked for when it began.
    pub fn settings(&self, id: &str) -> Option<ConnectionSettings> {
        Some(self.open().get(id)?.settings.clone())
    }

    /// The revision that a session agreed on.
    pub fn revision(&self, id: &str) -> Option<ProtocolVersion> {
        self.open().get(id)?.revision.clone()
    }

    /// Whether what followed an event can still be sent.
    pub fn knows_event(&self, id: &str, event_id: &str) -> bool {
        match event_id.contains('/') {
            true => self.open().get(id).is_some_and(|session| session.streams.find(event_id).is_some()),
            // A number alone belongs to the stream of notifications.
            false => event_id.parse::<u64>().is_ok(),
        }
    }

    /// Makes room for one more session of `requester`: ends the one that was idle longest, of its own where it has many,
    /// else of the tenant that has most. False when none is idle.
    pub async fn make_room(&self, requester: &Requester) -> bool {
        let victim = {
            let open = self.open();
            let own = open.values().filter(|session| session.owner == *requester).count();
            let quota = if requester.is_server { PER_SERVER_KEY } else { PER_TENANT };
            if own >= quota {
                match longest_idle(&open, |session| session.owner == *requester) {
                    Some(id) => Some(id),
                    None if own >= quota.max(PER_TENANT_MAX) => return false,
                    None => None,
                }
            } else if open.len() >= SESSIONS_MAX {
                let largest = largest_owner(&open);
                let of_largest = longest_idle(&open, |session| Some(&session.owner) == largest.as_ref());
                match of_largest.or_else(|| longest_idle(&open, |_| true)) {
                    Some(id) => Some(id),
                    None => return false,
                }
            } else {
                None
            }
        };
        if let Some(id) = victim {
            tracing::info!("an idle session gives way to a new one");
            let _ = self.close_session(&id).await;
        }
        true
    }

    fn touch(&self, id: &SessionId) -> Option<(Arc<Streams>, bool)> {
        let mut open = self.open();
        let session = open.get_mut(id)?;
        session.used = Instant::now();
        if let Some(replicas) = &self.replicas
            && session.noted.elapsed() >= SESSION_NOTED_EVERY
        {
            session.noted = session.used;
            replicas.note_use(id);
        }
        let is_primed = session.revision.as_ref().is_some_and(|revision| *revision >= ProtocolVersion::V_2025_11_25);
        Some((Arc::clone(&session.streams), is_primed))
    }
}

/// Ends a session once the sign-in of its owner has ended: `expires`, or later where a newer token was shown for it.
async fn end_when_expired(sessions: Weak<Sessions>, id: SessionId, expires: Instant) {
    let mut until = expires;
    loop {
        tokio::time::sleep_until(until).await;
        let Some(sessions) = sessions.upgrade() else { return };
        let Some(newest) = sessions.open().get(&id).and_then(|session| session.expires) else { return };
        if newest <= Instant::now() {
            tracing::info!("a session ends with its sign-in");
            let _ = sessions.close_session(&id).await;
            return;
        }
        until = newest;
    }
}

fn longest_idle(open: &HashMap<SessionId, Session>, may: impl Fn(&Session) -> bool) -> Option<SessionId> {
    let idle = open.iter().filter(|(_, session)| may(session) && !session.streams.is_busy());
    idle.min_by_key(|(_, session)| session.used).map(|(id, _)| Arc::clone(id))
}

fn largest_owner(open: &HashMap<SessionId, Session>) -> Option<Requester> {
    let mut counts: HashMap<&Requester, usize> = HashMap::new();
    open.values().for_each(|session| *counts.entry(&session.owner).or_default() += 1);
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(owner, _)| owner.clone())
}

/// The event that asks a client to come back when its stream ends early. Revisions before 2025-11-25 do not know it, and
/// some of their clients end at it.
fn priming(event_id: &str) -> ServerSseMessage {
    ServerSseMessage::priming(event_id, RETRY)
}

impl SessionManager for Sessions {
    type Error = LocalSessionManagerError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let Scope { requester: owner, settings, expires, .. } = Scope::current();
        let expires = expires.map(Instant::from_std);
        let (id, transport) = self.local.create_session().await?;
        let mut session = Session::new(&id, owner, settings, &self.kept);
        session.expires = expires;
        self.open().insert(Arc::clone(&id), session);
        self.watch(&id, expires);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        let answer = self.local.initialize_session(id, message).await?;
        if let JsonRpcMessage::Response(response) = &answer
            && let ServerResult::InitializeResult(result) = &response.result
            && let Some(session) = self.open().get_mut(id)
        {
            session.revision = Some(result.protocol_version.clone());
        }
        self.read_notices(id).await;
        Ok(answer)
    }

    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<Self::Transport>, Self::Error> {
        self.local.restore_session(id).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.local.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        if let Some(ended) = self.open().remove(id) {
            observed::session(ended.revision.as_ref().map(ProtocolVersion::as_str), ended.began.elapsed());
        }
        self.local.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let unknown = || LocalSessionManagerError::SessionNotFound(Arc::clone(id));
        let (streams, is_primed) = self.touch(id).ok_or_else(unknown)?;
        let request = match &message {
            JsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        let message = match &self.replicas {
            Some(replicas) => replicas.route(id, message).await.ok_or_else(unknown)?,
            None => message,
        };
        let events = self.local.create_stream(id, message).await?;
        let replicas = self.replicas.clone();
        let replay = streams.open();
        if is_primed {
            replay.push(priming(""));
        }
        let read = replay.read(0);
        let cancel = self.canceller(id, request).await;
        let permit = Scope::current().permit;
        tokio::spawn(async move {
            let pump = async {
                let mut events = std::pin::pin!(events);
                while let Some(event) = events.next().await {
                    replay.push(match &replicas {
                        Some(replicas) => replicas.outgoing(event),
                        None => event,
                    });
                }
            };
            let mut pump = std::pin::pin!(pump);
            tokio::select! {
                () = pump.as_mut() => {}
                () = replay.abandoned(ABANDONED_AFTER) => {
                    cancel().await;
                    pump.await;
                }
            }
            replay.complete();
            streams.settle(&replay);
            drop(permit);
        });
        Ok(read)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        self.touch(id);
        let message = match &self.replicas {
            Some(replicas) => replicas.route(id, message).await,
            None => Some(message),
        };
        match message {
            Some(message) => self.local.accept_message(id, message).await,
            None => Ok(()),
        }
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let is_primed = self.touch(id).is_some_and(|(_, is_primed)| is_primed);
        let events = match self.notices(id) {
            Some(notices) => notices.read().left_stream(),
            None => self.local.create_standalone_stream(id).await?.right_stream(),
        };
        Ok(stream::iter(is_primed.then(|| priming("0"))).chain(events))
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let found = self.touch(id).and_then(|(streams, _)| streams.find(&last_event_id));
        match (found, self.notices(id)) {
            (Some((replay, seen)), _) => Ok(replay.read(seen + 1).left_stream()),
            (None, Some(notices)) => Ok(notices.read().left_stream().right_stream()),
            (None, None) => Ok(self.local.resume(id, last_event_id).await?.right_stream().right_stream()),
        }
    }
}

impl Sessions {
    /// What cancels a request of a session, as its client would.
    async fn canceller(
        &self,
        id: &SessionId,
        request: Option<RequestId>,
    ) -> impl FnOnce() -> futures_util::future::BoxFuture<'static, ()> + Send + use<> {
        let handle = self.local.sessions.read().await.get(id).cloned();
        move || {
            Box::pin(async move {
                let (Some(handle), Some(request)) = (handle, request) else { return };
                let params = CancelledNotificationParam::new(Some(request), Some("The client has left.".to_owned()));
                let cancelled = ClientNotification::CancelledNotification(Notification::new(params));
                let _ = handle.push_message(JsonRpcMessage::notification(cancelled), None).await;
            })
        }
    }
}
