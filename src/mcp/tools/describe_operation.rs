//! `describe_operation`: shows one operation of the catalog. Free, and needs no key.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, JobTool, LOCAL, Shape, parse};
use crate::answer::Answer;
use crate::app::App;
use crate::catalog::{Param, ParamKind};
use crate::error::Result;

const OPERATION: Param = Param::new("operation", ParamKind::Text, "Name from list_operations, e.g. `pdf_to_text`.")
    .aliases(&["name"])
    .required();

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "describe_operation",
    aliases: &[],
    title: "Describe an operation",
    description: "Show what one operation does, what it costs, and the schema of its arguments. Call it before \
        submit_job runs an operation whose arguments you do not know; list_operations finds names. content has \
        description, cost (with how sure it is), documented (false if known from samples only) and arguments; of \
        these `url` goes beside the `options` of submit_job and all others go into it. A name that does not \
        exist is an error that names the nearest ones. Free, and needs no key.",
    params: &[OPERATION],
    not_read_only: &[],
    hints: LOCAL,
    spends_or_writes: false,
    submits: false,
    takes_tasks: false,
    shape: Shape::Described,
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
