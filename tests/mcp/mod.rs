//! The MCP server over its transports.

mod hostile;
mod http;
mod malformed;
mod page;
mod reading;
mod stdio;
mod tasks;
