//! Answers as streams of events that outlive their connection: a client that was away asks for what came after the event
//! it saw last.
//!
//! The events of one request are kept here while it runs, and its answer for a bounded time after that where no one took
//! it. Nothing here waits for a client that reads slowly: events that it is too far behind for are left out, the answer
//! never is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{self, Stream};
use parking_lot::{Mutex, MutexGuard};
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use tokio::sync::watch;
use tokio::time::Instant;

/// Events of one request that are kept; older ones make room.
const EVENTS_MAX: usize = 64;
/// How long an answer that no one took can be fetched.
pub const KEPT_FOR: Duration = Duration::from_secs(300);
/// Answers that no one took, in one session.
const KEPT_MAX: usize = 32;
/// Bytes of answers that no one took, in all sessions.
const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The streams of one session.
#[derive(Default)]
pub struct Streams {
    state: Mutex<State>,
    kept: Arc<Kept>,
}

/// What the kept answers of all sessions take, in bytes.
#[derive(Default)]
pub struct Kept(AtomicUsize);

#[derive(Default)]
struct State {
    next: u64,
    streams: BTreeMap<u64, Arc<Replay>>,
}

impl Streams {
    /// No stream yet; kept answers count towards `kept`.
    pub fn new(kept: Arc<Kept>) -> Streams {
        Streams { state: Mutex::default(), kept }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// A stream for one request.
    pub fn open(&self) -> Arc<Replay> {
        let mut state = self.state();
        state.streams.retain(|_, replay| !replay.is_over());
        state.next += 1;
        let replay = Arc::new(Replay {
            number: state.next,
            events: Mutex::default(),
            changed: watch::Sender::new(()),
            readers: watch::Sender::new(0),
            kept: Arc::clone(&self.kept),
        });
        state.streams.insert(replay.number, Arc::clone(&replay));
        replay
    }

    /// The stream that an event belongs to, and the event's number in it; `None` when it is unknown or over.
    pub fn find(&self, event_id: &str) -> Option<(Arc<Replay>, u64)> {
        let (event, number) = event_id.split_once('/')?;
        let replay = self.state().streams.get(&number.parse().ok()?).cloned()?;
        (!replay.is_over()).then_some(())?;
        Some((replay, event.parse().ok()?))
    }

    /// Forgets a stream that has ended and was read to its end, and the oldest of too many that were not.
    pub fn settle(&self, ended: &Replay) {
        let mut state = self.state();
        if ended.is_delivered() {
            state.streams.remove(&ended.number);
        }
        let waiting: Vec<u64> =
            state.streams.values().filter(|replay| replay.is_complete()).map(|replay| replay.number).collect();
        for number in waiting.iter().take(waiting.len().saturating_sub(KEPT_MAX)) {
            state.streams.remove(number);
        }
    }

    /// Whether a request is being answered.
    pub fn is_busy(&self) -> bool {
        self.state().streams.values().any(|replay| !replay.is_complete())
    }
}

/// The events of one request.
pub struct Replay {
    number: u64,
    events: Mutex<Events>,
    changed: watch::Sender<()>,
    readers: watch::Sender<usize>,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Events {
    /// Number of the next event.
    next: u64,
    list: VecDeque<(u64, ServerSseMessage)>,
    completed: Option<Instant>,
    is_delivered: bool,
    /// What it takes of [`KEPT_BYTES_MAX`].
    bytes: usize,
}

impl Replay {
    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock()
    }

    /// Adds an event, with the id by which its client asks for what follows it.
    pub fn push(&self, mut event: ServerSseMessage) {
        let mut events = self.events();
        let number = events.next;
        events.next += 1;
        event.event_id = Some(format!("{number}/{}", self.number));
        if events.list.len() >= EVENTS_MAX {
            events.list.pop_front();
        }
        events.list.push_back((number, event));
        drop(events);
        self.changed.send_replace(());
    }

    /// No more events come. An answer that no one is reading is kept if there is room for it.
    pub fn complete(&self) {
        let has_reader = *self.readers.borrow() > 0;
        let mut events = self.events();
        events.completed = Some(Instant::now());
        if !has_reader {
            // Progress is of no use any more.
            let answer = events.list.pop_back();
            events.list.clear();
            let bytes = answer.as_ref().map_or(0, |(_, event)| size_of(event));
            if self.kept.0.fetch_add(bytes, Ordering::Relaxed) + bytes <= KEPT_BYTES_MAX {
                events.bytes = bytes;
                events.list.extend(answer);
            } else {
                self.kept.0.fetch_sub(bytes, Ordering::Relaxed);
                tracing::warn!("an answer that no one took is dropped: too many are kept");
            }
        }
        drop(events);
        self.changed.send_replace(());
    }

    fn is_complete(&self) -> bool {
        self.events().completed.is_some()
    }

    fn is_delivered(&self) -> bool {
        self.events().is_delivered
    }

    fn is_over(&self) -> bool {
        let events = self.events();
        events.is_delivered || events.completed.is_some_and(|at| at.elapsed() >= KEPT_FOR)
    }

    /// Returns once no one has read the stream for `time`.
    pub async fn abandoned(&self, time: Duration) {
        let mut readers = self.readers.subscribe();
        loop {
            if readers.wait_for(|count| *count == 0).await.is_err() {
                return;
            }
            if tokio::time::timeout(time, readers.wait_for(|count| *count > 0)).await.is_err() {
                return;
            }
        }
    }

    /// The events from number `from` on, as they come, until the stream is complete.
    pub fn read(self: &Arc<Self>, from: u64) -> impl Stream<Item = ServerSseMessage> + Send + Sync + use<> {
        let reader = Reader::new(Arc::clone(self));
        let changed = self.changed.subscribe();
        stream::unfold((reader, changed, from), |(reader, mut changed, from)| async move {
            loop {
                match reader.replay.next(from) {
                    Next::Event(number, event) => return Some((event, (reader, changed, number + 1))),
                    Next::End => return None,
                    Next::Wait => changed.changed().await.ok()?,
                }
            }
        })
    }

    fn next(&self, from: u64) -> Next {
        let mut events = self.events();
        match events.list.iter().find(|(number, _)| *number >= from) {
            Some((number, event)) => Next::Event(*number, event.clone()),
            None if events.completed.is_some() => {
                events.is_delivered = true;
                Next::End
            }
            None => Next::Wait,
        }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        let bytes = self.events().bytes;
        self.kept.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

enum Next {
    Event(u64, ServerSseMessage),
    Wait,
    End,
}

/// Counts as a reader of its stream until it is dropped.
struct Reader {
    replay: Arc<Replay>,
}

impl Reader {
    fn new(replay: Arc<Replay>) -> Reader {
        replay.readers.send_modify(|count| *count += 1);
        Reader { replay }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.replay.readers.send_modify(|count| *count = count.saturating_sub(1));
    }
}

fn size_of(event: &ServerSseMessage) -> usize {
    event.message.as_deref().and_then(|message| serde_json::to_vec(message).ok()).map_or(0, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use rmcp::model::{ErrorData, JsonRpcMessage, RequestId};

    fn event(id: i64) -> ServerSseMessage {
        let error = ErrorData::internal_error("an answer", None);
        ServerSseMessage::from_message(JsonRpcMessage::error(error, Some(RequestId::Number(id))))
    }

    async fn ids(stream: impl Stream<Item = ServerSseMessage>) -> Vec<String> {
        stream.map(|event| event.event_id.unwrap()).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_no_one_took_can_be_fetched_for_a_while() {
        let streams = Streams::default();
        let replay = streams.open();
        replay.push(event(0));
        let mut first = Box::pin(replay.read(0));
        assert_eq!(first.next().await.unwrap().event_id.unwrap(), "0/1");
        drop(first);
        replay.push(event(1));
        replay.complete();
        streams.settle(&replay);
        let (found, seen) = streams.find("0/1").unwrap();
        assert_eq!(ids(found.read(seen + 1)).await, ["1/1"]);
        assert!(streams.find("0/1").is_none(), "it was taken");
        assert!(streams.find("0/9").is_none() && streams.find("x").is_none() && streams.find("0").is_none());

        let other = streams.open();
        other.push(event(2));
        other.complete();
        tokio::time::sleep(KEPT_FOR).await;
        assert!(streams.find("0/2").is_none(), "its time is over");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_gets_everything_in_order_while_it_comes() {
        let streams = Streams::default();
        let replay = streams.open();
        let reading = tokio::spawn(ids(replay.read(0)));
        for id in 0..3 {
            replay.push(event(id));
            tokio::task::yield_now().await;
        }
        replay.complete();
        assert_eq!(reading.await.unwrap(), ["0/1", "1/1", "2/1"]);
        streams.settle(&replay);
        assert!(!streams.is_busy() && streams.find("0/1").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_misses_progress_but_never_the_answer() {
        let streams = Streams::default();
        let replay = streams.open();
        let reader = replay.read(0);
        for id in 0..1_000 {
            replay.push(event(id));
        }
        replay.complete();
        let seen = ids(reader).await;
        assert_eq!((seen.len(), seen.last().map(String::as_str)), (EVENTS_MAX, Some("999/1")));
    }

    #[tokio::test(start_paused = true)]
    async fn kept_answers_are_bounded_in_number() {
        let streams = Streams::default();
        for id in 0..100 {
            let replay = streams.open();
            replay.push(event(id));
            replay.complete();
            streams.settle(&replay);
        }
        assert_eq!(streams.state().streams.len(), KEPT_MAX);
        assert!(streams.find("0/100").is_some() && streams.find("0/1").is_none());
        let kept = Arc::clone(&streams.kept);
        assert!(kept.0.load(Ordering::Relaxed) > 0);
        drop(streams);
        assert_eq!(kept.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_abandoned_once_no_one_came_back_in_time() {
        let replay = Streams::default().open();
        let began = Instant::now();
        let reader = Box::pin(replay.read(0));
        let abandoned = {
            let replay = Arc::clone(&replay);
            tokio::spawn(async move { replay.abandoned(Duration::from_secs(15)).await })
        };
        tokio::time::sleep(Duration::from_secs(100)).await;
        drop(reader);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let again = Box::pin(replay.read(0));
        tokio::time::sleep(Duration::from_secs(10)).await;
        drop(again);
        abandoned.await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 135);
    }
}
