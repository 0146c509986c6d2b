//! The body of an answer, within bounds: of its size, and of what many large ones take at once.
//!
//! What lives here: [`Body`], which comes in in small blocks. A buffer that grows with what may turn out to be too much
//! is a burden for good: once it has been freed, an allocator such as glibc's keeps as much for the next one, and an hour
//! of faults took a server from 13 to 60 MiB. An answer that is accepted is not spared that, it becomes one string as a
//! rule. What never does: what an answer says.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::moved::Moved;

/// Largest answer that is read. Inline results can be large; anything beyond belongs behind a link.
pub(super) const BYTES_MAX: usize = 16 * 1024 * 1024;
/// A block: half of what glibc asks the system for by itself, so that blocks do not teach it to keep more.
const BLOCK_BYTES: usize = 64 * 1024;
/// Larger answers take turns.
const LARGE_BYTES: usize = 1024 * 1024;
/// Large answers that have a turn at once.
const LARGE_AT_ONCE: usize = 2;
/// A large answer waits this long for its turn, and then goes on without: lines are slow more often than memory is
/// short, and no result that was paid for is lost over this. Shorter than a pause that `moved.rs` would take for a stall.
const TURN_PATIENCE: Duration = Duration::from_secs(2);

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is larger than [`BYTES_MAX`].
    TooLarge,
    /// The connection failed.
    Broken(reqwest::Error),
}

/// Turns of large answers.
pub(super) struct Turns(Arc<Semaphore>);

impl Turns {
    pub(super) fn new() -> Self {
        Turns(Arc::new(Semaphore::new(LARGE_AT_ONCE)))
    }

    async fn next(&self) -> Option<OwnedSemaphorePermit> {
        tokio::time::timeout(TURN_PATIENCE, Arc::clone(&self.0).acquire_owned()).await.ok()?.ok()
    }
}

/// An answer's body.
#[derive(Debug, Default)]
pub struct Body {
    blocks: Vec<Vec<u8>>,
    length: usize,
    /// Kept until it is understood.
    _turn: Option<OwnedSemaphorePermit>,
}

impl Body {
    /// Reads the body of `response`; what moves is counted in `moved`. One that turns out to be large waits a moment for
    /// one of the `turns`, and has it for as long as it lives.
    ///
    /// # Errors
    /// See [`Unread`].
    pub(super) async fn read(mut response: reqwest::Response, moved: &Moved, turns: &Turns) -> Result<Body, Unread> {
        if response.content_length().is_some_and(|length| length > BYTES_MAX as u64) {
            return Err(Unread::TooLarge);
        }
        let mut body = Body::default();
        while let Some(piece) = response.chunk().await.map_err(Unread::Broken)? {
            let was_small = body.length <= LARGE_BYTES;
            if body.length + piece.len() > BYTES_MAX {
                return Err(Unread::TooLarge);
            }
            moved.take(piece.len());
            body.append(&piece);
            if was_small && body.length > LARGE_BYTES {
                body._turn = turns.next().await;
            }
        }
        Ok(body)
    }

    fn append(&mut self, mut piece: &[u8]) {
        self.length += piece.len();
        while !piece.is_empty() {
            match self.blocks.last_mut().filter(|block| block.len() < BLOCK_BYTES) {
                Some(block) => {
                    let room = BLOCK_BYTES - block.len();
                    let (fits, rest) = piece.split_at(piece.len().min(room));
                    if block.capacity() - block.len() < fits.len() {
                        // Doubles, as buffers do, but not beyond a block.
                        block.reserve_exact(fits.len().max(block.len()).min(room));
                    }
                    block.extend_from_slice(fits);
                    piece = rest;
                }
                None => self.blocks.push(Vec::new()),
            }
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// What it says, if that is JSON.
    pub fn json(&self) -> Option<Value> {
        match self.blocks.as_slice() {
            [] => None,
            [only] => serde_json::from_slice(only).ok(),
            blocks => serde_json::from_slice(&blocks.concat()).ok(),
        }
    }
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        let mut body = Body::default();
        body.append(bytes);
        body
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::*;

    fn answer(bytes: Vec<u8>) -> reqwest::Response {
        http::Response::new(bytes).into()
    }

    #[test]
    fn what_a_body_says_does_not_depend_on_its_pieces() {
        let long = serde_json::json!({"body": "é".repeat(3 * BLOCK_BYTES), "credits": 21});
        let text = long.to_string();
        for piece in [1, 7, 1_000, 40_000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, text.len()] {
            let mut body = Body::default();
            text.as_bytes().chunks(piece).for_each(|piece| body.append(piece));
            assert_eq!(body.json().as_ref(), Some(&long), "{piece}");
            assert!(body.blocks.iter().all(|block| block.capacity() <= BLOCK_BYTES), "{piece}");
        }
        assert_eq!(Body::from(format!("{text} x").as_bytes()).json(), None);
        assert!(Body::from(&b""[..]).is_empty());
        assert_eq!(Body::default().json(), None);
    }

    proptest! {
        #[test]
        fn bytes_come_out_as_they_went_in(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90_000), 0..6)) {
            let mut body = Body::default();
            pieces.iter().for_each(|piece| body.append(piece));
            prop_assert_eq!(body.length, pieces.iter().map(Vec::len).sum::<usize>());
            prop_assert_eq!(body.blocks.concat(), pieces.concat());
        }
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_the_limit_and_not_beyond() {
        let (moved, turns) = (Moved::new(), Turns::new());
        let just = Body::read(answer(vec![b' '; BYTES_MAX]), &moved, &turns).await.unwrap();
        assert_eq!((just.length, moved.now().0), (BYTES_MAX, BYTES_MAX as u64));
        // By its length, before any of it is taken; or while it comes in.
        let moved = Moved::new();
        let known = Body::read(answer(vec![b' '; BYTES_MAX + 1]), &moved, &turns).await;
        assert!(matches!(known, Err(Unread::TooLarge)) && moved.now().0 == 0);
        let pieces = (0..=16).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024 * 1024]));
        let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let unknown = Body::read(http::Response::new(stream).into(), &moved, &turns).await;
        assert!(matches!(unknown, Err(Unread::TooLarge)) && moved.now().0 == BYTES_MAX as u64);
    }

    #[tokio::test(start_paused = true)]
    async fn large_answers_take_turns_and_none_waits_for_ever() {
        let (moved, turns) = (Moved::new(), Turns::new());
        let read = |bytes: usize| Body::read(answer(vec![b' '; bytes]), &moved, &turns);
        let took = async |bytes: usize| {
            let began = Instant::now();
            (read(bytes).await.unwrap(), began.elapsed())
        };
        let (first, at_once) = took(2 * LARGE_BYTES).await;
        let (second, also) = took(2 * LARGE_BYTES).await;
        assert!(at_once.is_zero() && also.is_zero() && first._turn.is_some() && second._turn.is_some());
        let (small, at_once) = took(LARGE_BYTES).await;
        assert!(at_once.is_zero() && small._turn.is_none());
        // Nobody gives a turn back: it goes on without one, and nothing of it is lost.
        let (third, waited) = took(2 * LARGE_BYTES).await;
        assert!(waited >= TURN_PATIENCE && waited < 2 * TURN_PATIENCE, "{waited:?}");
        assert!(third._turn.is_none() && third.length == 2 * LARGE_BYTES);
        // An answer that has been understood makes room.
        drop(first);
        let (fourth, at_once) = took(2 * LARGE_BYTES).await;
        assert!(at_once.is_zero() && fourth._turn.is_some());
    }
}
