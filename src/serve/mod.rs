//! Transports: how messages of the protocol come in and go out.
//!
//! What lives here: stdio (`stdio.rs`) and HTTP (`http.rs`). What never does: the meaning of a message (`mcp/`).

pub mod http;
pub mod stdio;
