//! `get_job_check`: checks a job once. Spends the credits of one check, or nothing where the record suffices.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, JOB_ID, JobTool, READS, Shape, parse};
use crate::answer::Answer;
use crate::app::{App, Caller};
use crate::catalog::{Param, ParamKind};
use crate::error::Result;

const FORCE: Param =
    Param::new("force", ParamKind::Boolean, "Ask PDF.co whatever the record says, e.g. for fresh links.")
        .default("false");

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "get_job_check",
    aliases: &["get_job_status", "jobs_get_status"],
    title: "Look at a job once",
    description: "Look at a job once, without waiting, and return its state, record and result links. To wait \
        for the end use wait_job_completion; do not loop on this. A look costs 2 credits, and the one that sees \
        success also charges the pages after the first; ended jobs, and looks within 3 s of the last one, are \
        answered from the record for nothing. While it runs the answer says retry_after_seconds; after success \
        read_result and download_result fetch the result, for failed and aborted the reason is in content, and \
        unknown means that PDF.co has no such job. Records are kept for 30 days by default.",
    params: &[JOB_ID, FORCE],
    not_read_only: &[],
    hints: READS,
    spends_or_writes: false,
    submits: false,
    takes_tasks: false,
    shape: Shape::Described,
    handler: Handler::Keyed(run),
};

#[derive(Deserialize)]
struct Arguments {
    job_id: String,
    force: bool,
}

fn run<'a>(app: &'a Arc<App>, caller: &'a Caller, given: Map<String, Value>) -> BoxFuture<'a, Result<Answer>> {
    async move {
        let Arguments { job_id, force } = parse(TOOL.name, TOOL.params.iter(), given)?;
        app.check(caller, &job_id, force).await
    }
    .boxed()
}
