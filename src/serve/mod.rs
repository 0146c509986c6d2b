//! Transports: how messages of the protocol come in and go out.
//!
//! What lives here: stdio (`stdio.rs`), HTTP (`http.rs`, `http_messages.rs`, `connections.rs`, `allowed_hosts.rs`), the
//! renaming of what the SDK cannot read (`dialect.rs`), and the page that a browser sees (`page.rs`). What never does:
//! the meaning of a message (`mcp/`).
//!
//! Start at `stdio.rs`.

mod allowed_hosts;
mod connections;
pub mod dialect;
pub mod http;
mod http_messages;
pub mod page;
pub mod stdio;
