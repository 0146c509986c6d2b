//! The body of an answer, read within bounds: of its size, and of what several large ones take at once.
//!
//! It is read in small blocks. A buffer that grows to megabytes stays with the allocator after it was freed (glibc keeps
//! as much for the next one): an hour of faults took a server from 13 to 60 MiB.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::stall::TransferProgress;

/// Largest answer that is read. Inline results can be large; anything beyond belongs behind a link.
pub(super) const BYTES_MAX: usize = 16 * 1024 * 1024;
/// A block: half of what glibc asks the system for by itself, so that blocks do not teach it to keep more.
const BLOCK_BYTES: usize = 64 * 1024;
/// Answers larger than this need a permit.
const LARGE_BYTES: usize = 1024 * 1024;
/// Large answers that are in memory at once.
const LARGE_AT_ONCE: usize = 2;
/// A large answer waits this long for a permit and then goes on without: a slow line is more likely than a lack of
/// memory, and no result that was paid for may be lost over this. Shorter than a pause that `stall.rs` takes for a stall.
const PERMIT_PATIENCE: Duration = Duration::from_secs(2);

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is larger than [`BYTES_MAX`].
    TooLarge,
    /// The connection failed.
    Broken(reqwest::Error),
}

/// LargeBodyPermits of large answers.
pub(super) struct LargeBodyPermits(Arc<Semaphore>);

impl LargeBodyPermits {
    pub(super) fn new() -> Self {
        LargeBodyPermits(Arc::new(Semaphore::new(LARGE_AT_ONCE)))
    }

    async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        tokio::time::timeout(PERMIT_PATIENCE, Arc::clone(&self.0).acquire_owned()).await.ok()?.ok()
    }
}

/// An answer's body.
#[derive(Debug, Default)]
pub struct Body {
    blocks: Vec<Vec<u8>>,
    length: usize,
    /// Kept until it is understood.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Body {
    /// Reads the body of `response` and counts its bytes in `progress`. One that turns out to be large waits a moment for
    /// one of the `permits` and holds it for as long as it lives.
    ///
    /// # Errors
    /// See [`Unread`].
    pub(super) async fn read(
        mut response: reqwest::Response,
        progress: &TransferProgress,
        permits: &LargeBodyPermits,
    ) -> Result<Body, Unread> {
        if response.content_length().is_some_and(|length| length > BYTES_MAX as u64) {
            return Err(Unread::TooLarge);
        }
        let mut body = Body::default();
        while let Some(piece) = response.chunk().await.map_err(Unread::Broken)? {
            let was_small = body.length <= LARGE_BYTES;
            if body.length + piece.len() > BYTES_MAX {
                return Err(Unread::TooLarge);
            }
            progress.take(piece.len());
            body.append(&piece);
            if was_small && body.length > LARGE_BYTES {
                body._permit = permits.acquire().await;
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

    /// Its content, if that is JSON.
    pub fn json(&self) -> Option<Value> {
        match self.blocks.as_slice() {
            [] => None,
            [only] => json_of(only),
            blocks => json_of(&blocks.concat()),
        }
    }
}

/// The JSON in `bytes`: a byte order mark before it is skipped, and bytes that are not UTF-8 are replaced, because an
/// answer with a job id in it must not be lost over one letter.
pub fn json_of(bytes: &[u8]) -> Option<Value> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text).ok(),
        Err(_) => serde_json::from_str(&String::from_utf8_lossy(bytes)).ok(),
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
    fn pieces_do_not_change_the_json() {
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
        let marked = [b"\xEF\xBB\xBF", &br#"{"jobId":"a"}"#[..]].concat();
        assert_eq!(Body::from(&marked[..]).json(), Some(serde_json::json!({"jobId": "a"})));
        let latin = b"{\"jobId\":\"a\",\"name\":\"l\xe9on\"}";
        assert_eq!(
            Body::from(&latin[..]).json().and_then(|body| body["jobId"].as_str().map(str::to_owned)),
            Some("a".into())
        );
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
        let (moved, permits) = (TransferProgress::new(), LargeBodyPermits::new());
        let just = Body::read(answer(vec![b' '; BYTES_MAX]), &moved, &permits).await.unwrap();
        assert_eq!((just.length, moved.now().0), (BYTES_MAX, BYTES_MAX as u64));
        // By its length, before any of it is taken; or while it comes in.
        let moved = TransferProgress::new();
        let known = Body::read(answer(vec![b' '; BYTES_MAX + 1]), &moved, &permits).await;
        assert!(matches!(known, Err(Unread::TooLarge)) && moved.now().0 == 0);
        let pieces = (0..=16).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024 * 1024]));
        let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let unknown = Body::read(http::Response::new(stream).into(), &moved, &permits).await;
        assert!(matches!(unknown, Err(Unread::TooLarge)) && moved.now().0 == BYTES_MAX as u64);
    }

    #[tokio::test(start_paused = true)]
    async fn large_answers_take_permits_and_none_waits_for_ever() {
        let (moved, permits) = (TransferProgress::new(), LargeBodyPermits::new());
        let read = |bytes: usize| Body::read(answer(vec![b' '; bytes]), &moved, &permits);
        let took = async |bytes: usize| {
            let began = Instant::now();
            (read(bytes).await.unwrap(), began.elapsed())
        };
        let (first, at_once) = took(2 * LARGE_BYTES).await;
        let (second, also) = took(2 * LARGE_BYTES).await;
        assert!(at_once.is_zero() && also.is_zero() && first._permit.is_some() && second._permit.is_some());
        let (small, at_once) = took(LARGE_BYTES).await;
        assert!(at_once.is_zero() && small._permit.is_none());
        // No permit is free: it goes on without one, and nothing of it is lost.
        let (third, waited) = took(2 * LARGE_BYTES).await;
        assert!(waited >= PERMIT_PATIENCE && waited < 2 * PERMIT_PATIENCE, "{waited:?}");
        assert!(third._permit.is_none() && third.length == 2 * LARGE_BYTES);
        // An answer that has been understood makes room.
        drop(first);
        let (fourth, at_once) = took(2 * LARGE_BYTES).await;
        assert!(at_once.is_zero() && fourth._permit.is_some());
    }
}
