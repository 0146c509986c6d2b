//! The MCP server over its transports.

mod bounds;
mod consent;
#[cfg(target_os = "linux")]
mod flood;
mod hostile;
mod http;
mod malformed;
mod oauth;
mod orders;
mod otlp;
mod page;
mod reading;
mod replicas;
mod stdio;
mod tasks;
