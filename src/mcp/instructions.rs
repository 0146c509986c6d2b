//! The instructions that a client gives to its assistant once.
//!
//! The text is `instructions.md`. A line that names a tool is left out where that tool is not listed.

use rmcp::model::Tool;

use super::tools::ALL;
use crate::config::Config;

const TEXT: &str = include_str!("instructions.md");

/// The instructions for a server that lists `tools`.
pub fn text(_config: &Config, tools: &[Tool]) -> String {
    let is_listed = |name: &str| tools.iter().any(|tool| tool.name == name);
    let names_unlisted = |line: &str| ALL.iter().any(|tool| line.contains(tool.name) && !is_listed(tool.name));
    let lines: Vec<&str> = TEXT.lines().filter(|line| !names_unlisted(line)).collect();
    lines.join("\n")
}
