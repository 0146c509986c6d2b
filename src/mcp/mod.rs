//! The MCP server, over the use cases of `app`.
//!
//! `server.rs` answers the SDK's methods from a [`ServerContext`]; a tool is a file in `tools/`. With `serve/` this is
//! the only module that knows the SDK.

pub mod access;
pub mod app;
mod audit;
pub mod client;
pub mod connection;
mod consent;
mod context;
pub mod icon;
mod instructions;
pub mod observed;
pub mod operation_tools;
mod permits;
mod present;
pub mod principal;
mod progress;
mod prompts;
mod resources;
pub mod scope;
mod server;
mod skills;
pub mod slices;
pub mod subscriptions;
pub mod tasks;
pub mod tasks_2025_11_25;
pub mod tools;
mod updates;

pub use context::ServerContext;
pub use server::Server;
