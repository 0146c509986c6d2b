//! The connections that are open, who has a claim to one, and which is closed when there is no room for another.
//!
//! A connection that showed the token, or where none is asked for, sent a whole message, is *trusted*. When there is no
//! room, the oldest connection that is not trusted gives way, then the oldest trusted one on which nothing is being
//! answered, then one whose answer is not read. So neither a flood of strangers nor forgotten connections nor clients that
//! read nothing keep others out. Answers that are not read are bounded in number also while there is room, because each
//! of them is in memory.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Most connections at once, where the process may have that many descriptors.
const CONNECTIONS_MAX: usize = 1_024;
/// Descriptors that are left for the ledger, for files and for requests to the service.
const DESCRIPTORS_RESERVED: u64 = 128;
/// Fewest connections, however few descriptors there are.
const CONNECTIONS_MIN: usize = 16;
/// How old a connection must be before it gives way: time enough to show a token.
const GRACE: Duration = Duration::from_millis(300);

/// An answer that was not taken on for this long is not read.
const UNREAD: Duration = Duration::from_secs(5);
/// Answers that wait longer than [`GRACE`] to be taken on, of all connections: each is in memory until then.
const UNREAD_MAX: usize = 128;

/// How many connections at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub total: usize,
    /// From one address, as long as they are not trusted.
    pub per_peer: usize,
}

impl Limits {
    /// As many as this process may have descriptors for.
    pub fn of_this_process() -> Limits {
        Limits::within(descriptors())
    }

    /// As many as fit into so many descriptors; `None` is no limit.
    fn within(descriptors: Option<u64>) -> Limits {
        let free = descriptors.map(|all| all.saturating_sub(DESCRIPTORS_RESERVED));
        let total = free.map_or(CONNECTIONS_MAX, |free| usize::try_from(free).unwrap_or(CONNECTIONS_MAX));
        let total = total.clamp(CONNECTIONS_MIN, CONNECTIONS_MAX);
        Limits { total, per_peer: (total / 4).max(1) }
    }
}

#[cfg(unix)]
fn descriptors() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn descriptors() -> Option<u64> {
    None
}

/// One open connection.
#[derive(Debug)]
pub struct Connection {
    peer: IpAddr,
    opened: Instant,
    is_trusted: AtomicBool,
    answering: AtomicUsize,
    /// Since when a part of an answer waits for its client to take it.
    unread: Mutex<Option<Instant>>,
    closing: CancellationToken,
}

impl Connection {
    /// The address at its other end.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Its other end has shown that it may be here.
    pub fn trust(&self) {
        self.is_trusted.store(true, Ordering::Relaxed);
    }

    /// Cancelled once it has to give way.
    pub fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Whether something is being answered on it.
    pub fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed) > 0
    }

    /// Counts an answer as being made until the guard is dropped.
    pub fn answering(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    fn is_trusted(&self) -> bool {
        self.is_trusted.load(Ordering::Relaxed)
    }

    /// Whether a part of an answer has waited for so long.
    fn is_unread(&self, now: Instant, lasting: Duration) -> bool {
        let since = *self.unread.lock();
        since.is_some_and(|since| now.saturating_duration_since(since) >= lasting)
    }

    fn set_unread(&self, since: Option<Instant>) {
        *self.unread.lock() = since;
    }
}

/// An answer is being made.
pub struct Answering(Arc<Connection>);

impl Answering {
    /// The client has room for the next part of the answer.
    pub fn asked(&self) {
        self.0.set_unread(None);
    }

    /// A part of the answer is on its way to the client.
    pub fn handed_over(&self) {
        self.0.set_unread(Some(Instant::now()));
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set_unread(None);
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All open connections.
pub struct Peers {
    limits: Limits,
    open: Mutex<Open>,
    freed: Notify,
}

#[derive(Default)]
struct Open {
    next: u64,
    /// In the order in which they were opened.
    connections: BTreeMap<u64, Arc<Connection>>,
}

/// A connection that was let in; it makes room when this is dropped.
pub struct Admitted {
    number: u64,
    connection: Arc<Connection>,
    peers: Arc<Peers>,
}

impl Admitted {
    /// The connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.peers.open().connections.remove(&self.number);
        self.peers.freed.notify_one();
    }
}

impl Peers {
    /// No connection yet.
    pub fn new(limits: Limits) -> Arc<Peers> {
        Arc::new(Peers { limits, open: Mutex::default(), freed: Notify::new() })
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open().connections.len()
    }

    /// Closes every connection.
    pub fn close_all(&self) {
        self.open().connections.values().for_each(|connection| connection.closing.cancel());
    }

    /// Lets a connection in, closing another where there is no room; waits while none gives way.
    pub async fn admit(self: &Arc<Self>, peer: IpAddr) -> Admitted {
        loop {
            if let Some(admitted) = self.try_admit(peer, Instant::now()) {
                return admitted;
            }
            // A connection ends, or one becomes old enough to give way.
            let _ = tokio::time::timeout(GRACE / 4, self.freed.notified()).await;
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock()
    }

    fn try_admit(self: &Arc<Self>, peer: IpAddr, now: Instant) -> Option<Admitted> {
        let mut open = self.open();
        let strangers = open.connections.values().filter(|known| known.peer == peer && !known.is_trusted()).count();
        if strangers >= self.limits.per_peer {
            open.close_one(now, |known| known.peer == peer && !known.is_trusted());
        }
        if open.connections.values().filter(|known| known.is_unread(now, GRACE)).count() > UNREAD_MAX {
            open.close_one(now, |known| known.is_unread(now, GRACE));
        }
        if open.connections.len() >= self.limits.total {
            let made_room = open.close_one(now, |known| !known.is_trusted())
                || open.close_one(now, |known| !known.is_answering())
                || open.close_one(now, |known| known.is_unread(now, UNREAD));
            if !made_room {
                return None;
            }
        }
        let connection = Arc::new(Connection {
            peer,
            opened: now,
            is_trusted: AtomicBool::new(false),
            answering: AtomicUsize::new(0),
            unread: Mutex::new(None),
            closing: CancellationToken::new(),
        });
        open.next += 1;
        let number = open.next;
        open.connections.insert(number, Arc::clone(&connection));
        Some(Admitted { number, connection, peers: Arc::clone(self) })
    }
}

impl Open {
    /// Closes the oldest connection that may give way. False when there is none.
    fn close_one(&mut self, now: Instant, may: impl Fn(&Connection) -> bool) -> bool {
        let is_old = |known: &Connection| now.saturating_duration_since(known.opened) >= GRACE;
        let found = self.connections.iter().find(|(_, known)| is_old(known) && may(known)).map(|(number, _)| *number);
        let Some(connection) = found.and_then(|number| self.connections.remove(&number)) else { return false };
        connection.closing.cancel();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    async fn let_grace_pass() {
        tokio::time::sleep(GRACE).await;
    }

    #[test]
    fn connections_fit_into_the_descriptors_of_the_process() {
        for (descriptors, total) in
            [(Some(1_024), 896), (Some(256), 128), (Some(64), 16), (Some(1 << 20), 1_024), (None, 1_024)]
        {
            assert_eq!(Limits::within(descriptors), Limits { total, per_peer: total / 4 }, "{descriptors:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_give_way_to_newcomers_and_trusted_ones_stay() {
        let peers = Peers::new(Limits { total: 4, per_peer: 4 });
        let mut admitted = Vec::new();
        for number in 0..4 {
            admitted.push(peers.admit(peer(number)).await);
        }
        admitted[0].connection().trust();
        admitted[1].connection().trust();
        let_grace_pass().await;
        let fifth = peers.admit(peer(5)).await;
        let closed = |admitted: &[Admitted]| -> Vec<bool> {
            admitted.iter().map(|admitted| admitted.connection().closing().is_cancelled()).collect()
        };
        assert_eq!(closed(&admitted), [false, false, true, false]);
        assert_eq!(peers.count(), 4);
        drop(fifth);
        assert_eq!(peers.count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn trusted_connections_give_way_only_while_idle() {
        let peers = Peers::new(Limits { total: 2, per_peer: 2 });
        let (busy, idle) = (peers.admit(peer(1)).await, peers.admit(peer(2)).await);
        busy.connection().trust();
        idle.connection().trust();
        let answering = busy.connection().answering();
        let_grace_pass().await;
        let third = peers.admit(peer(3)).await;
        assert!(!busy.connection().closing().is_cancelled() && idle.connection().closing().is_cancelled());
        third.connection().trust();
        let other = third.connection().answering();
        let waiting = tokio::time::timeout(Duration::from_secs(5), peers.admit(peer(4))).await;
        assert!(waiting.is_err(), "both are answering");
        drop((answering, other));
        let_grace_pass().await;
        peers.admit(peer(4)).await;
        assert!(busy.connection().closing().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_are_not_read_give_way() {
        let peers = Peers::new(Limits { total: 2, per_peer: 2 });
        let (busy, deaf) = (peers.admit(peer(1)).await, peers.admit(peer(2)).await);
        let answers = [&deaf, &busy].map(|admitted| {
            admitted.connection().trust();
            admitted.connection().answering()
        });
        answers.iter().for_each(Answering::handed_over);
        tokio::time::sleep(UNREAD).await;
        // The older one is read.
        answers[1].asked();
        let third = tokio::time::timeout(Duration::from_secs(1), peers.admit(peer(3))).await;
        assert!(third.is_ok(), "there is no room");
        assert!(deaf.connection().closing().is_cancelled() && !busy.connection().closing().is_cancelled());
        drop(answers);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_are_not_read_are_bounded_in_number() {
        let total = UNREAD_MAX * 4;
        let peers = Peers::new(Limits { total, per_peer: total });
        let admit = async |number: usize| {
            let admitted = peers.admit(peer(u8::try_from(number % 256).unwrap())).await;
            admitted.connection().trust();
            let answering = admitted.connection().answering();
            answering.handed_over();
            (admitted, answering)
        };
        let mut deaf = Vec::new();
        for number in 0..UNREAD_MAX * 2 {
            deaf.push(admit(number).await);
        }
        let open = |deaf: &[(Admitted, Answering)]| {
            deaf.iter().filter(|(admitted, _)| !admitted.connection().closing().is_cancelled()).count()
        };
        assert_eq!(open(&deaf), UNREAD_MAX * 2, "they may still be read");
        let_grace_pass().await;
        for number in 0..UNREAD_MAX {
            deaf.push(admit(number).await);
        }
        assert_eq!(open(&deaf), UNREAD_MAX * 2, "each newcomer takes the room of one");
        assert!(deaf[..UNREAD_MAX].iter().all(|(admitted, _)| admitted.connection().closing().is_cancelled()));
    }

    #[tokio::test(start_paused = true)]
    async fn only_strangers_of_an_address_count_against_it() {
        let peers = Peers::new(Limits { total: 8, per_peer: 2 });
        let mut admitted = Vec::new();
        for number in [1, 1, 2, 2] {
            admitted.push(peers.admit(peer(number)).await);
        }
        admitted[0].connection().trust();
        let_grace_pass().await;
        // One stranger of the first address so far: this is its second. Those of another address are not its own.
        admitted.push(peers.admit(peer(1)).await);
        let is_open = |admitted: &Admitted| !admitted.connection().closing().is_cancelled();
        assert!(admitted.iter().all(is_open));
        // The third takes the room of the first stranger, not that of the trusted one or of others.
        admitted.push(peers.admit(peer(1)).await);
        let open: Vec<bool> = admitted.iter().map(is_open).collect();
        assert_eq!(open, [true, false, true, true, true, true]);
    }

    #[tokio::test]
    async fn all_connections_are_closed_at_once() {
        let peers = Peers::new(Limits { total: 8, per_peer: 2 });
        let admitted = [peers.admit(peer(1)).await, peers.admit(peer(2)).await];
        peers.close_all();
        assert!(admitted.iter().all(|admitted| admitted.connection().closing().is_cancelled()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_limit_of_this_process_is_that_of_the_system() {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        let soft = line.split_whitespace().next().unwrap().parse().ok();
        assert_eq!(descriptors(), soft);
        assert_eq!(Limits::of_this_process(), Limits::within(soft));
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_cannot_take_every_place() {
        let peers = Peers::new(Limits { total: 8, per_peer: 2 });
        let mut flood = Vec::new();
        for _ in 0..20 {
            flood.push(peers.admit(peer(1)).await);
            let_grace_pass().await;
        }
        let open = flood.iter().filter(|admitted| !admitted.connection().closing().is_cancelled()).count();
        assert_eq!(open, 2);
    }
}
