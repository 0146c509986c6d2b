//! The body of an answer, within bounds: of its size, and of what many of them take at once.
//!
//! What lives here: [`Body`], kept in small blocks. One buffer that grows with a large answer is a burden for good: once
//! it has been freed, an allocator such as glibc's keeps as much for the next one (it had taken a server from 13 to 60 MiB
//! in an hour of faults). What never does: what an answer says.

use std::io::{BufReader, Read};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

use super::moved::Moved;

/// Largest answer that is read. Inline results can be large; anything beyond belongs behind a link.
pub(super) const BYTES_MAX: usize = 16 * 1024 * 1024;
/// A block: less than what allocators ask the system for by itself.
const BLOCK_BYTES: usize = 64 * 1024;
/// Larger answers take turns.
const LARGE_BYTES: usize = 1024 * 1024;
/// Larger answers that are read at once.
pub(super) const LARGE_AT_ONCE: usize = 2;
/// An answer that waits for its turn does not stall: this often it says so.
const TURN_STEP: Duration = Duration::from_secs(1);

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is larger than [`BYTES_MAX`].
    TooLarge,
    /// The connection failed.
    Broken(reqwest::Error),
}

/// An answer's body.
#[derive(Debug, Default)]
pub struct Body {
    blocks: Vec<Vec<u8>>,
    length: usize,
}

impl Body {
    /// Reads the body of `response`; what moves is counted in `moved`. One that turns out to be large waits for one of
    /// the [`LARGE_AT_ONCE`] turns in `large`, and has it until it is read.
    ///
    /// # Errors
    /// See [`Unread`].
    pub(super) async fn read(
        mut response: reqwest::Response,
        moved: &Moved,
        large: &Semaphore,
    ) -> Result<Body, Unread> {
        if response.content_length().is_some_and(|length| length > BYTES_MAX as u64) {
            return Err(Unread::TooLarge);
        }
        let (mut body, mut turn) = (Body::default(), None);
        while let Some(piece) = response.chunk().await.map_err(Unread::Broken)? {
            moved.take(piece.len());
            if body.length + piece.len() > BYTES_MAX {
                return Err(Unread::TooLarge);
            }
            body.append(&piece);
            if body.length > LARGE_BYTES && turn.is_none() {
                turn = Some(turn_of(large, moved).await);
            }
        }
        Ok(body)
    }

    fn append(&mut self, mut piece: &[u8]) {
        self.length += piece.len();
        while !piece.is_empty() {
            let block = match self.blocks.last_mut() {
                Some(block) if block.len() < BLOCK_BYTES => block,
                _ => {
                    self.blocks.push(Vec::new());
                    continue;
                }
            };
            let (fits, rest) = piece.split_at(piece.len().min(BLOCK_BYTES - block.len()));
            block.extend_from_slice(fits);
            piece = rest;
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
            blocks => serde_json::from_reader(BufReader::new(Blocks { blocks, at: 0 })).ok(),
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

async fn turn_of<'a>(large: &'a Semaphore, moved: &Moved) -> Option<tokio::sync::SemaphorePermit<'a>> {
    loop {
        tokio::select! {
            // It is never closed.
            turn = large.acquire() => return turn.ok(),
            () = tokio::time::sleep(TURN_STEP) => moved.take(0),
        }
    }
}

/// Blocks, read one after the other.
struct Blocks<'a> {
    blocks: &'a [Vec<u8>],
    /// Where in the first of them.
    at: usize,
}

impl Read for Blocks<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while let Some((first, others)) = self.blocks.split_first() {
            let read = first.get(self.at..).unwrap_or_default().read(into)?;
            if read > 0 || into.is_empty() {
                self.at += read;
                return Ok(read);
            }
            (self.blocks, self.at) = (others, 0);
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_body_says_does_not_depend_on_its_pieces() {
        let long = serde_json::json!({"body": "é".repeat(3 * BLOCK_BYTES), "credits": 21});
        let text = long.to_string();
        for piece in [1, 7, 1_000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, text.len()] {
            let mut body = Body::default();
            text.as_bytes().chunks(piece).for_each(|piece| body.append(piece));
            assert_eq!(body.json().as_ref(), Some(&long), "{piece}");
            assert!(body.blocks.iter().all(|block| block.len() <= BLOCK_BYTES), "{piece}");
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
            let mut read = Vec::new();
            Blocks { blocks: &body.blocks, at: 0 }.read_to_end(&mut read).unwrap();
            prop_assert_eq!(read.len(), body.length);
            prop_assert_eq!(read, pieces.concat());
        }
    }
}
