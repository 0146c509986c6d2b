//! The list of tools, and the tools named after operations.
//!
//! The job tools are always listed, operations by toolset, and on a read-only server nothing that spends or writes. A
//! tool that is not listed still answers, unless the server is read-only.

use std::borrow::Cow;
use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::connection::ConnectionSettings;
use super::tools::{self, ALL, Found, Handler, Hints, JobTool, Shape};
use crate::app::policy;
use crate::catalog::schema::{Detail, of_params};
use crate::catalog::{self, Effect, Operation, Param, ParamKind};
use crate::config::Config;
use crate::error::Result;

/// The key, for callers who bring their own.
const API_KEY: &[Param] = &[Param::new("api_key", ParamKind::Text, "Own PDF.co key.").secret()];

/// The header `Mcp-Param-JobId` says which job a call is about.
const JOB_HEADER: &str = "JobId";

/// The tools that are listed under these settings, in a fixed order.
///
/// # Errors
/// `invalid_argument` for an unknown toolset.
pub fn list(config: &Config) -> Result<Vec<Tool>> {
    list_for(config, &ConnectionSettings::default(), !config.no_key_argument)
}

/// The same, for a connection that asked for less, with `api_key` where callers may pass a key.
///
/// # Errors
/// As [`list`].
pub fn list_for(config: &Config, asked: &ConnectionSettings, takes_key: bool) -> Result<Vec<Tool>> {
    let toolsets = asked.of_offered(catalog::toolsets(&config.toolsets)?);
    let key = if takes_key { API_KEY } else { &[] };
    let is_read_only = config.read_only || asked.is_read_only();
    let is_listed = |found: Found| !(is_read_only && found.spends_or_writes());
    let jobs = ALL.iter().filter(|tool| is_listed(Found::Job(tool))).map(|tool| job_tool(tool, is_read_only, key));
    let operations = catalog::all()
        .filter(|operation| toolsets.contains(&operation.toolset) && is_listed(Found::Operation(operation)))
        .map(|operation| operation_tool(operation, key));
    Ok(jobs.chain(operations).collect())
}

/// Makes the tools about files those of callers over HTTP, whose files are elsewhere: uploads need no path, and where
/// callers have no files here, results are links.
pub fn for_remote_callers(tools: &mut [Tool], has_files: bool) {
    for tool in tools {
        let Some(remote) = tools::remote_form(&tool.name) else { continue };
        let mut schema = JsonObject::clone(&tool.input_schema);
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| !name.as_str().is_some_and(|name| remote.paths.contains(&name)));
        }
        if !has_files && let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|name, _| !remote.paths.contains(&name.as_str()));
        }
        tool.input_schema = Arc::new(schema);
        if !(has_files && remote.is_for_callers_without_files) {
            tool.description = Some(Cow::Borrowed(remote.description));
        }
    }
}

/// Lets clients of 2026-07-28 say in a header which job a call is about, so that a balancer can send calls about one job
/// to one replica, where they share checks.
pub fn name_job_in_header(tool: &mut Tool) {
    let mut schema = JsonObject::clone(&tool.input_schema);
    if let Some(job_id) = schema.get_mut("properties").and_then(|properties| properties.get_mut("job_id"))
        && let Some(job_id) = job_id.as_object_mut()
    {
        job_id.insert("x-mcp-header".into(), json!(JOB_HEADER));
        tool.input_schema = Arc::new(schema);
    }
}

/// A job tool as it is listed.
pub(super) fn job_tool(tool: &'static JobTool, is_read_only: bool, key: &'static [Param]) -> Tool {
    let shown = tool.params.iter().filter(|param| !(is_read_only && tool.not_read_only.contains(&param.name)));
    // Without a key there is nothing to choose.
    let key = if matches!(tool.handler, Handler::Keyless(_)) { &[] } else { key };
    let schema = of_params(shown.chain(key), Detail::Brief);
    let declared = declared(tool.name, tool.title, tool.description, schema, tool.hints);
    match tool.shape {
        Shape::Described => declared.with_raw_output_schema(output_schema()),
        Shape::Structured | Shape::Text => declared,
    }
}

fn operation_tool(operation: &'static Operation, key: &'static [Param]) -> Tool {
    let schema = of_params(operation.params().chain(key), Detail::Brief);
    declared(operation.name, operation.title, operation.description(), schema, hints(operation))
}

/// True to what a call may do: mail and deletions cannot be taken back, and a priced read spends.
fn hints(operation: &Operation) -> Hints {
    let cannot_be_undone = matches!(operation.effect, Effect::SendsMail | Effect::DeletesFile);
    Hints {
        read_only: !policy::spends_or_writes(operation),
        destructive: cannot_be_undone,
        idempotent: matches!(operation.effect, Effect::ReadsAccount | Effect::DeletesFile),
        open_world: true,
    }
}

fn declared(
    name: &'static str,
    title: &str,
    description: impl Into<Cow<'static, str>>,
    schema: Value,
    hints: Hints,
) -> Tool {
    let annotations = ToolAnnotations::new()
        .read_only(hints.read_only)
        .destructive(hints.destructive)
        .idempotent(hints.idempotent)
        .open_world(hints.open_world);
    Tool::new(name, description, object(schema)).with_title(title).with_annotations(annotations)
}

/// The schema of every answer. It is not published with each operation, where it would cost its tokens again.
fn output_schema() -> Arc<JsonObject> {
    static SCHEMA: std::sync::OnceLock<Arc<JsonObject>> = std::sync::OnceLock::new();
    Arc::clone(SCHEMA.get_or_init(|| Arc::new(object(crate::answer::schema()))))
}

fn object(schema: Value) -> JsonObject {
    match schema {
        Value::Object(map) => map,
        other => json!({"type": "object", "description": other.to_string()}).as_object().cloned().unwrap_or_default(),
    }
}
