//! pdfco: PDF.co document jobs for AI assistants and for the command line, in one native binary.
//!
//! The map, in reading order:
//!
//! | room | what lives there |
//! |---|---|
//! | [`error`], [`secret`], [`config`], [`telemetry`] | leaves, known by all: one error, keys that cannot print themselves, every setting, logs |
//! | [`catalogue`] | what the service can do: one declaration per operation |
//! | [`api`] | how we speak to it: the only room that knows reqwest |
//! | [`jobs`] | what happens after submit: ledger, schedule, poller, waiting |
pub mod api;
pub mod catalogue;
pub mod config;
pub mod error;
pub mod jobs;
pub mod secret;
pub mod telemetry;
