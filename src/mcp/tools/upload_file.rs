//! `upload_file`: stores a local file with the service. Spends credits.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, Hints, JobTool, Shape, parse};
use crate::answer::Answer;
use crate::app::{App, Caller};
use crate::catalog::{Param, ParamKind};
use crate::error::Result;

const FILE_PATH: Param = Param::new("file_path", ParamKind::Text, "Local path below the allowed folders.")
    .aliases(&["path", "file", "url"])
    .required();
const NAME: Param = Param::new("name", ParamKind::Text, "Name to store it under.");

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "upload_file",
    aliases: &[],
    title: "Upload a local file",
    description: "Upload a local file to PDF.co's temporary storage and return its link in content.url. Use it for a file \
        that several jobs need, or for arguments in `options` that take only links; submit_job uploads a local \
        path in its `url` by itself. Costs 7 credits. The file, up to 2 GB, and its link exist for an hour. A \
        missing, empty or forbidden file is refused and costs nothing.",
    params: &[FILE_PATH, NAME],
    not_read_only: &[],
    hints: Hints { read_only: false, destructive: false, idempotent: false, open_world: true },
    spends_or_writes: true,
    submits: false,
    takes_tasks: false,
    shape: Shape::Structured,
    handler: Handler::Keyed(run),
};

#[derive(Deserialize)]
struct Arguments {
    file_path: String,
    name: Option<String>,
}

fn run<'a>(app: &'a Arc<App>, caller: &'a Caller, given: Map<String, Value>) -> BoxFuture<'a, Result<Answer>> {
    async move {
        let Arguments { file_path, name } = parse(TOOL.name, TOOL.params.iter(), given)?;
        app.upload(caller, &file_path, name.as_deref()).await
    }
    .boxed()
}
