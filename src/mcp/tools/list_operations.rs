//! `list_operations`: finds operations of the catalog. Free, and needs no key.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, JobTool, LOCAL, Shape, parse};
use crate::answer::Answer;
use crate::app::App;
use crate::catalog::{Param, ParamKind};
use crate::error::Result;

const QUERY: Param = Param::new("query", ParamKind::Text, "What you want to do, e.g. `watermark` or `unlock pdf`.");

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "list_operations",
    aliases: &[],
    title: "Find operations",
    description: "Find operations that submit_job can run: converting, merging, splitting, forms, search, barcodes, \
        invoices, security and more. With `query` the best matches come first, by name, purpose or another \
        word for it; without it all are listed. content has total and items with name, group and title, in a \
        short list also with use and price. describe_operation shows the arguments of one. Free, and needs \
        no key.",
    params: &[QUERY],
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
    query: Option<String>,
}

fn run(app: &App, given: Map<String, Value>) -> Result<Answer> {
    let Arguments { query } = parse(TOOL.name, TOOL.params.iter(), given)?;
    Ok(app.operations(query.as_deref())?.into())
}
