//! What tools there are: the list an assistant sees, made from declarations.
//!
//! What lives here: [`list`] and [`find`]. Which are shown is decided here alone: the job tools always, operations by
//! toolset, nothing that spends or writes when read-only. A tool that is not shown still answers, unless read-only.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::job_tools::{self, Case, Hints, JobTool};
use crate::catalog::schema::{Detail, of_params};
use crate::catalog::{self, Effect, Operation, Param, ParamKind};
use crate::config::Config;
use crate::error::Result;

/// The key, for callers who bring their own.
const API_KEY: &[Param] = &[Param::new("api_key", ParamKind::Text, "PDF.co key, else the server's.").secret()];

/// Which job a call is about, in the header `Mcp-Param-JobId`.
pub const JOB_HEADER: &str = "JobId";

/// A tool by name.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    /// About jobs, files or the catalog.
    Job(&'static JobTool),
    /// An operation of the service.
    Operation(&'static Operation),
}

impl Found {
    /// Whether a job comes of it.
    pub fn submits(self) -> bool {
        match self {
            Found::Job(tool) => tool.case == Case::Submit,
            Found::Operation(_) => true,
        }
    }

    /// Whether it spends credits beyond a look, or writes.
    pub fn spends_or_writes(self) -> bool {
        match self {
            Found::Job(tool) => match tool.case {
                Case::Submit | Case::Upload | Case::Download | Case::Cancel => true,
                Case::Check
                | Case::Wait
                | Case::List
                | Case::Read
                | Case::Operations
                | Case::Describe
                | Case::Balance => false,
            },
            Found::Operation(operation) => operation.effect != Effect::ReadsAccount,
        }
    }
}

/// The tool that answers to `name`, shown or not.
pub fn find(name: &str) -> Option<Found> {
    if let Some(tool) = job_tools::find(name) {
        return Some(Found::Job(tool));
    }
    catalog::all().find(|operation| operation.answers_to(name)).map(Found::Operation)
}

/// The tools that are shown under these settings, in a fixed order.
///
/// # Errors
/// `invalid_argument` for a toolset that there is none of.
pub fn list(config: &Config) -> Result<Vec<Tool>> {
    let toolsets = catalog::toolsets(&config.toolsets)?;
    let key = if config.no_key_argument { &[] } else { API_KEY };
    let jobs = job_tools::ALL
        .iter()
        .filter(|tool| !(config.read_only && Found::Job(tool).spends_or_writes()))
        .map(|tool| job_tool(tool, key));
    let operations = catalog::all()
        .filter(|operation| toolsets.contains(&operation.toolset))
        .filter(|operation| !(config.read_only && Found::Operation(operation).spends_or_writes()))
        .map(|operation| operation_tool(operation, key));
    Ok(jobs.chain(operations).collect())
}

/// Lets clients of 2026-07-28 say in a header which job a call is about, so that a balancer can send calls about one job
/// to one replica, where they share looks.
pub fn name_job_in_header(tool: &mut Tool) {
    let mut schema = JsonObject::clone(&tool.input_schema);
    if let Some(job_id) = schema.get_mut("properties").and_then(|properties| properties.get_mut("job_id"))
        && let Some(job_id) = job_id.as_object_mut()
    {
        job_id.insert("x-mcp-header".into(), json!(JOB_HEADER));
        tool.input_schema = Arc::new(schema);
    }
}

fn job_tool(tool: &'static JobTool, key: &'static [Param]) -> Tool {
    let schema = of_params(tool.params.iter().chain(key), Detail::Brief);
    declared(tool.name, tool.title, tool.description, schema, tool.hints).with_raw_output_schema(output_schema())
}

fn operation_tool(operation: &'static Operation, key: &'static [Param]) -> Tool {
    let schema = of_params(operation.params().chain(key), Detail::Brief);
    let hints = match operation.effect {
        Effect::ReadsAccount => Hints { read_only: true, destructive: false, idempotent: true, open_world: true },
        Effect::MakesDocument | Effect::StoresFile | Effect::SendsMail => {
            Hints { read_only: false, destructive: false, idempotent: false, open_world: true }
        }
        Effect::DeletesFile => Hints { read_only: false, destructive: true, idempotent: true, open_world: true },
    };
    declared(operation.name, operation.title, operation.description, schema, hints)
}

fn declared(name: &'static str, title: &str, description: &'static str, schema: Value, hints: Hints) -> Tool {
    let annotations = ToolAnnotations::new()
        .read_only(hints.read_only)
        .destructive(hints.destructive)
        .idempotent(hints.idempotent)
        .open_world(hints.open_world);
    Tool::new(name, description, object(schema)).with_title(title).with_annotations(annotations)
}

/// The schema of every answer, published with the job tools alone: with each operation it would cost its tokens again,
/// and an assistant that runs operations by name has seen it beside the job tools.
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
