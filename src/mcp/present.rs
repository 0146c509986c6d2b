//! How an answer looks to an agent: the only text that it reads.
//!
//! What lives here: [`result`]. `content[0]` is the same JSON as `structuredContent`, because some clients show only
//! the one and some only the other; a link to `job://…` follows a success. What never does: I/O.

use rmcp::model::{CallToolResult, ContentBlock, Resource};
use serde_json::Value;

use crate::answer::Answer;

/// The result of a tool call.
pub fn result(answer: &Answer) -> CallToolResult {
    let structured = serde_json::to_value(answer).unwrap_or(Value::Null);
    let mut content = vec![ContentBlock::text(structured.to_string())];
    if let Some(job) = answer.job.as_ref().filter(|_| answer.status == "success") {
        let link = Resource::new(format!("job://{}", job.job_id), format!("job {}", job.job_id))
            .with_mime_type("application/json");
        content.push(ContentBlock::resource_link(link));
    }
    let mut result = if answer.is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    result.structured_content = Some(structured);
    result
}
