//! Transports: how messages of the protocol come in and go out.
//!
//! | file | subject |
//! |---|---|
//! | `stdio` | one client on standard input and output, through `lines` and `outbox` |
//! | `http` | the server over HTTP: its routes, and how it stops |
//! | `connections`, `peers` | which connections are open, and which gives way |
//! | `tokens`, `hosts`, `cors` | who is let in |
//! | `oauth` | people who sign in |
//! | `bodies`, `envelope` | what is measured before it is parsed |
//! | `rpc`, `negotiation`, `answers`, `sliced` | messages over HTTP and the form of their answers |
//! | `sessions`, `streams`, `tenants` | whose session it is, and what a client that was away missed |
//! | `replicas`, `recall`, `relay`, `notices` | sessions that any replica can take up |
//! | `callbacks`, `health`, `page` | the other routes |
//! | `operations` | what operators count |
//! | `handshake`, `task_compat` | what the SDK cannot read |
//!
//! What a message means is decided in `mcp/`.

mod answers;
mod bodies;
mod callbacks;
mod connections;
mod cors;
mod envelope;
mod handshake;
mod health;
mod hosts;
pub mod http;
mod lines;
mod negotiation;
mod notices;
pub mod oauth;
mod operations;
mod outbox;
pub mod page;
mod peers;
mod recall;
mod refusal;
mod relay;
mod replicas;
mod rpc;
mod sessions;
mod sliced;
pub mod stdio;
mod streams;
pub mod task_compat;
mod tenants;
mod tokens;

pub use health::send_metrics;
