//! `list_operations`: finds operations of the catalog. Free, and needs no key.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, JobTool, LOCAL, Shape, parse};
use crate::answer::Answer;
use crate::app::App;
use crate::catalog::{Param, ParamKind};
use crate::error::Result;

const QUERY: Param = Param::new(
    "query",
    ParamKind::Text,
    "Words to look for, e.g. `watermark` or `unlock pdf`. Default: all operations.",
);

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "list_operations",
    aliases: &[],
    title: "Find operations",
    description: "List the operations that submit_job can run: converting, merging, splitting, forms, search, \
        barcodes, security and more. Use it to find a name; describe_operation then shows the arguments and the \
        cost of one. `query` finds operations by any of its words, best match first; when no word is \
        found, the nearest names come instead. content has items, each with name, group and title, in a short list \
        also about and price, and total. Free, and needs no key.",
    params: &[QUERY],
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
    query: Option<String>,
}

fn run(app: &App, given: Map<String, Value>) -> Result<Answer> {
    let Arguments { query } = parse(TOOL.name, TOOL.params.iter(), given)?;
    Ok(app.operations(query.as_deref())?.into())
}
