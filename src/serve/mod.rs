//! Transports: how messages of the protocol come in and go out.
//!
//! What lives here: stdio (`stdio.rs`). What never does: the meaning of a message (`mcp/`).

pub mod stdio;
