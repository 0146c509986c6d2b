//! User tasks as scripted sessions with the MCP server, over the simulator and without a model.
//!
//! Each task is a row of `tasks.json`: what a user asks, the steps of a session that gets there, the fewest calls
//! possible, and what has to be true at the end. A session is scored by calls, tokens of answers, credits and checks.

pub mod driver;
pub mod report;
pub mod session;
pub mod task;
