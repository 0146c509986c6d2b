//! Transports: how messages of the protocol come in and go out.
//!
//! What lives here: stdio (`stdio.rs`), HTTP (`http.rs`, `http_messages.rs`,
//! `connections.rs`), and the renaming of what the SDK cannot
//! read (`dialect.rs`). What never does: the meaning of a message (`mcp/`).

mod connections;
pub mod dialect;
pub mod http;
mod http_messages;
pub mod stdio;
