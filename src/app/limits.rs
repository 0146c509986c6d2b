//! How much a call takes and an answer holds.

/// Longest answer to an assistant that asked for no particular length, in characters of JSON.
pub const ANSWER_CHARS_MAX: usize = 20_000;
/// Characters of text that a submit includes when it says nothing.
pub const READ_DEFAULT: u64 = 4_000;
/// Characters of one page of text when a call says nothing: what an answer holds beside its details.
pub const PAGE_DEFAULT: u64 = ANSWER_CHARS_MAX as u64 - 1_000;
/// Largest page of text.
pub const PAGE_MAX: u64 = 100_000;
/// Most documents or jobs of one call.
pub const DOCUMENTS_MAX: usize = 100;
