//! pdfco: PDF.co document jobs for AI assistants and for the command line, in one native binary.
//!
//! The map, in reading order:
//!
//! | module | what lives there |
//! |---|---|
//! | [`error`], [`next_step`], [`charge`], [`clock`], [`tenant`], [`secret`], [`text`], [`json_ext`] | leaves, which import one another alone: one error, what to do next, what a call cost, whose jobs and whose key, keys that cannot print themselves |
//! | [`signals`], [`hardening`] | the wish to stop; what the process shows of its memory |
//! | [`config`] | every setting, and the one rank of their sources |
//! | [`telemetry`] | logs, to stderr only |
//! | [`catalog`] | what the service can do: one declaration per operation |
//! | [`api`] | how we speak to it: the only module that imports reqwest |
//! | [`otlp`] | traces, metrics and logs for a collector, where one is named |
//! | [`jobs`] | what happens after submit: ledger, schedule, poller, waiting |
//! | [`files`] | which files may be used, and how they travel |
//! | [`answer`] | the structured answer of every call, the same for both interfaces |
//! | [`app`] | the use cases, each in the order of its walkthrough |
//! | [`mcp`], [`serve`] | the MCP server: the only modules that import rmcp |
//! | [`cli`] | the command line: the only module that prints |
//! | [`simulator`] | the service, offline, on a real port |
//!
//! Invariants:
//! * Dependencies point one way: `main → cli → serve → mcp → app → files → jobs → api → { config, catalog }`; the
//!   simulator reads the catalog and nothing else. `tests/meta/modules.rs` checks this and who may import which foreign library.
//! * An intent is in the ledger before its request leaves; a terminal state never changes.
//! * A key is sent by `api/transport.rs` only, and a fingerprint stands for it everywhere else.
//! * Every loop, queue, body and wait has a bound.
//!
//! Two walkthroughs, of a submit and of a wait, are in `docs/ARCHITECTURE.md`.

pub mod api;
pub mod app;
pub mod catalog;
pub mod charge;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod files;
pub mod hardening;
pub mod jobs;
pub mod json_ext;
pub mod mcp;
pub mod next_step;
pub mod otlp;
pub mod secret;
pub mod serve;
pub mod signals;
pub mod simulator;
pub mod telemetry;
pub mod tenant;
pub mod text;

pub use app::answer;
