//! The integration tests, one binary.
//!
//! | folder | what is tested there |
//! |---|---|
//! | `cli` | the real binary as a shell and a script run it |
//! | `mcp` | the MCP server over stdio and HTTP, tasks, hostile callers, the page of jobs |
//! | `engine` | jobs against the simulator: waiting (`waiting`), a 429 or another failure while waiting (`checks_refused`), submits, recovery, several processes, the ledger, the log |
//! | `wire` | single replies of the service and files over real sockets |
//! | `meta` | catalog, list of tools, results of every operation, packages, README, and what the sources keep to |
//!
//! `support` has the vocabulary: [`support::product::Product`] is the product in this process,
//! [`support::command::Pdfco`] the real binary as a command, [`support::wire::Wire`] the real binary as a stdio server.
//! Three programs stand apart, because they measure or preload the process: `faults`, `transfer_memory`, `corpora`.
//!
//! `UPDATE_FIXTURES=1 cargo test` writes the fixtures that tests compare with; read the difference before it is
//! committed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod cli;
mod engine;
mod mcp;
mod meta;
mod support;
mod wire;
