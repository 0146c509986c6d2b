//! What a session's server sends without being asked: for the one stream that its client reads, at this replica or at
//! another.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::stream::{self, Stream};
use parking_lot::{Mutex, MutexGuard};
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Messages that wait for a client that is away; older ones are lost.
const KEPT_MAX: usize = 32;
/// How long they wait: as long as a client takes to come back to a replica.
const KEPT_FOR: Duration = Duration::from_secs(15);
/// Messages that wait for a client that reads slowly.
const WAITING_MAX: usize = 64;
/// Streams of one session. The newest gets the messages; the others stay open, because a client that lost one would ask
/// for another.
const READERS_MAX: usize = 8;

/// See the head of this file.
#[derive(Default)]
pub struct Notices(Mutex<State>);

#[derive(Default)]
struct State {
    readers: Vec<mpsc::Sender<ServerSseMessage>>,
    kept: VecDeque<(Instant, ServerSseMessage)>,
}

impl Notices {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Gives a message to the client. False when it reads no stream here: the message is kept for a moment then.
    pub fn push(&self, message: ServerSseMessage) -> bool {
        let mut state = self.state();
        state.readers.retain(|reader| !reader.is_closed());
        if let Some(reader) = state.readers.last()
            && reader.try_send(message.clone()).is_ok()
        {
            return true;
        }
        if state.kept.len() >= KEPT_MAX {
            state.kept.pop_front();
        }
        state.kept.push_back((Instant::now(), message));
        false
    }

    /// A stream for the client, which begins with what was kept for it.
    pub fn read(&self) -> impl Stream<Item = ServerSseMessage> + Send + Sync + use<> {
        let (sender, mut receiver) = mpsc::channel(WAITING_MAX);
        let mut state = self.state();
        for (at, message) in state.kept.drain(..) {
            if at.elapsed() < KEPT_FOR {
                // There is room for all that is kept.
                let _ = sender.try_send(message);
            }
        }
        state.readers.retain(|reader| !reader.is_closed());
        if state.readers.len() >= READERS_MAX {
            state.readers.remove(0);
        }
        state.readers.push(sender);
        stream::poll_fn(move |context| receiver.poll_recv(context))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{FutureExt, StreamExt};

    use super::*;

    fn message(id: usize) -> ServerSseMessage {
        ServerSseMessage::priming(id.to_string(), Duration::ZERO)
    }

    fn arrived(reader: &mut (impl Stream<Item = ServerSseMessage> + Unpin)) -> Vec<String> {
        std::iter::from_fn(|| reader.next().now_or_never().flatten()).filter_map(|message| message.event_id).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_was_away_gets_what_is_still_new() {
        let notices = Notices::default();
        assert!(!notices.push(message(1)));
        tokio::time::advance(KEPT_FOR).await;
        assert!(!notices.push(message(2)));
        let mut first = pin!(notices.read());
        assert!(notices.push(message(3)));
        assert_eq!(arrived(&mut first), ["2", "3"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_stream_gets_the_messages_and_the_others_stay_open() {
        let notices = Notices::default();
        let mut first = pin!(notices.read());
        {
            let mut second = pin!(notices.read());
            assert!(notices.push(message(1)));
            assert_eq!((arrived(&mut first), arrived(&mut second)), (vec![], vec!["1".to_owned()]));
        }
        assert!(notices.push(message(2)));
        assert_eq!(arrived(&mut first), ["2"], "the newest has gone");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_is_bounded() {
        let notices = Notices::default();
        assert!((0..100).all(|id| !notices.push(message(id))));
        let kept = arrived(&mut pin!(notices.read()));
        assert_eq!((kept.len(), kept[0].as_str()), (KEPT_MAX, "68"));
    }
}
