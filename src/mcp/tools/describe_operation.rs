//! `describe_operation`: shows one operation of the catalog. Free, and needs no key.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, JobTool, LOCAL, Shape, parse};
use crate::answer::Answer;
use crate::app::App;
use crate::catalog::{Param, ParamKind};
use crate::error::Result;

const OPERATION: Param =
    Param::new("operation", ParamKind::Text, "Name from list_operations.").aliases(&["name"]).required();

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "describe_operation",
    aliases: &[],
    title: "Describe an operation",
    description: "Show what an operation does, what it costs and the schema of its arguments. Use it before submit_job \
        when you do not know the arguments; list_operations finds the name. In submit_job `url` stands \
        beside `options`, and all other arguments go into `options`. content has description, cost, what it \
        returns and arguments; an unknown name is an error with similar ones. Free, and needs no key.",
    params: &[OPERATION],
    not_read_only: &[],
    hints: LOCAL,
    spends_or_writes: false,
    submits: false,
    takes_tasks: false,
    shape: Shape::Structured,
    handler: Handler::Keyless(run),
};

#[derive(Deserialize)]
struct Arguments {
    operation: String,
}

fn run(app: &App, given: Map<String, Value>) -> Result<Answer> {
    let Arguments { operation } = parse(TOOL.name, TOOL.params.iter(), given)?;
    app.describe(&operation).map(Answer::from)
}
