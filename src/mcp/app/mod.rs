//! The job card: a page that clients with MCP Apps show in the chat.
//!
//! The card reads the ledger through one tool that only the card may call, so that watching costs nothing. Clients that
//! do not show apps see neither the tool nor the page; every answer is complete as text.

use rmcp::RoleServer;
use rmcp::model::{
    ExtensionCapabilities, JsonObject, MetaObject, ReadResourceResult, Resource, ResourceContents, Tool,
};
use rmcp::service::RequestContext;
use serde_json::{Value, json};

use super::operation_tools::job_tool;
use super::tools::job_card;

/// Where the page is.
pub const URI: &str = "ui://pdfco/job.html";
/// What it is.
pub const MIME_TYPE: &str = "text/html;profile=mcp-app";

const EXTENSION: &str = "io.modelcontextprotocol/ui";
const PAGE: &str = include_str!("job.html");
const STANDALONE: &str = include_str!("standalone.html");
/// The tools whose answers the card shows.
const SHOWN_FOR: &[&str] = &["submit_job", "wait_job_completion", "get_job_check", "list_jobs"];

/// What the server says of itself in its handshake.
pub fn capability() -> ExtensionCapabilities {
    let mut extensions = ExtensionCapabilities::new();
    extensions.insert(EXTENSION.to_owned(), object(json!({"mimeTypes": [MIME_TYPE]})));
    extensions
}

/// Whether the client of this request shows apps.
pub fn is_shown(context: &RequestContext<RoleServer>) -> bool {
    let Some(capabilities) = context.client_capabilities() else { return false };
    let settings = capabilities.extensions.as_ref().and_then(|extensions| extensions.get(EXTENSION));
    settings.is_some_and(|settings| match settings.get("mimeTypes") {
        Some(Value::Array(types)) => types.iter().any(|one| one == MIME_TYPE),
        _ => true,
    })
}

/// Names the card at the tools whose answers it shows, and adds the tool that it calls.
pub fn add_to(tools: &mut Vec<Tool>) {
    for tool in tools.iter_mut().filter(|tool| SHOWN_FOR.contains(&tool.name.as_ref())) {
        tool.meta = Some(meta(json!({"ui": {"resourceUri": URI}})));
    }
    tools.push(job_tool(&job_card::TOOL, false, &[]).with_meta(meta(json!({"ui": {"visibility": ["app"]}}))));
}

/// The page in a list of resources.
pub fn resource() -> Resource {
    Resource::new(URI, "job card")
        .with_title("Job card")
        .with_description("A job in the chat: state, progress, cost and results.")
        .with_mime_type(MIME_TYPE)
        .with_meta(page_meta())
}

/// The page.
pub fn read() -> ReadResourceResult {
    let page = ResourceContents::text(PAGE, URI).with_mime_type(MIME_TYPE).with_meta(page_meta());
    ReadResourceResult::new(vec![page])
}

/// The card in a page of its own, with what a call answered and with the jobs as they are now: for `pdfco demo`. It needs
/// no host and no network.
pub fn standalone(answer: &Value, jobs: &Value) -> String {
    // Inside a script no text can end it.
    let data = json!({"card": PAGE, "answer": answer, "jobs": jobs}).to_string().replace('<', "\\u003c");
    STANDALONE.replace("{data}", &data)
}

/// It loads nothing from anywhere and asks for no permission.
fn page_meta() -> MetaObject {
    meta(json!({
        "ui": {"csp": {"connectDomains": [], "resourceDomains": []}, "prefersBorder": true},
        "openai/widgetCSP": {"connect_domains": [], "resource_domains": []},
    }))
}

fn meta(fields: Value) -> MetaObject {
    MetaObject(object(fields))
}

fn object(fields: Value) -> JsonObject {
    match fields {
        Value::Object(fields) => fields,
        _ => JsonObject::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_from_anywhere() {
        for word in ["http://", "https://", "src=", "@import", "url(", "fetch(", "XMLHttpRequest", "eval(", "innerHTML"]
        {
            assert!(!PAGE.contains(word), "{word}");
        }
        assert!(PAGE.len() < 40_000, "{}", PAGE.len());
    }

    #[test]
    fn a_page_of_its_own_holds_the_card_and_its_jobs() {
        let evil = "</script><script>alert(1)</script>";
        let page = standalone(&json!({"output": {"text": evil}}), &json!([{"job_id": evil}]));
        assert_eq!(page.matches("</script>").count(), 2, "{page}");
        assert!(page.contains("\\u003c!doctype html>") && !page.contains("{data}"));
        for word in ["http://", "https://", " src=", "fetch(", "@import"] {
            assert!(!STANDALONE.contains(word), "{word}");
        }
    }

    #[test]
    fn the_page_calls_tools_that_exist() {
        for tool in [job_card::TOOL.name, "download_result", "read_result"] {
            assert!(PAGE.contains(&format!("\"{tool}\"")), "{tool}");
            assert!(super::super::tools::find(tool).is_some(), "{tool}");
        }
    }
}
