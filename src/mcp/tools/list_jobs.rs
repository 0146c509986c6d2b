//! `list_jobs`: lists the jobs of the record. Free.

use std::sync::Arc;

use const_format::concatcp;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, JobTool, LOCAL, Shape, parse};
use crate::answer::Answer;
use crate::app::{App, Caller, ListRequest};
use crate::catalog::{Param, ParamKind};
use crate::error::Result;
use crate::jobs::JobStatus;

const JOBS_DEFAULT: u32 = 20;
const JOBS_MAX: u32 = 100;

const STATUS: Param = Param::new(
    "status",
    ParamKind::Choice(&JobStatus::WORDS),
    "Only jobs in this state; queued ones were never looked at.",
);
const LIMIT: Param = Param::new("limit", ParamKind::Integer { min: 1, max: JOBS_MAX as i64 }, "Jobs per page.")
    .default(concatcp!(JOBS_DEFAULT));
const CURSOR: Param = Param::new("cursor", ParamKind::Text, "next_cursor of the page before. Default: the newest.");

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "list_jobs",
    aliases: &["jobs_list"],
    title: "List jobs",
    description: "List this key's jobs, newest first, with id, state, operation, times and credits. Use it to \
        find a job_id again, also after a restart; for the present state of one job use get_job_check, to wait \
        for it wait_job_completion. Free: it reads the server's own record and asks PDF.co nothing, so a job \
        listed as `working` may have ended since it was last looked at. content has items, total, and \
        next_cursor for the next page, null on the last. Records are kept for 30 days by default.",
    params: &[STATUS, LIMIT, CURSOR],
    not_read_only: &[],
    hints: LOCAL,
    spends_or_writes: false,
    submits: false,
    takes_tasks: false,
    shape: Shape::Described,
    handler: Handler::Keyed(run),
};

#[derive(Deserialize)]
struct Arguments {
    status: Option<String>,
    limit: u32,
    cursor: Option<String>,
}

fn run<'a>(app: &'a Arc<App>, caller: &'a Caller, given: Map<String, Value>) -> BoxFuture<'a, Result<Answer>> {
    async move {
        let Arguments { status, limit, cursor } = parse(TOOL.name, TOOL.params.iter(), given)?;
        let request = ListRequest { status, limit, cursor, ..ListRequest::default() };
        app.list(caller, &request).await.map(Answer::from)
    }
    .boxed()
}
