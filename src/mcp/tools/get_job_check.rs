//! `get_job_check`: checks a job once. Spends the credits of one check, or nothing where the record suffices.

use std::sync::Arc;

use const_format::formatcp;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{CHECKS, Handler, JOB_ID, JobTool, Shape, parse};
use crate::answer::Answer;
use crate::app::{App, Caller};
use crate::catalog::{CHECK_CREDITS, Param, ParamKind};
use crate::error::Result;
use crate::jobs::polling::freshness::FRESH;

const FRESH_SECONDS: u64 = FRESH.as_secs();

const FORCE: Param =
    Param::new("force", ParamKind::Boolean, "Ask PDF.co even if the record suffices, e.g. for new links.")
        .default("false");

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "get_job_check",
    aliases: &["get_job_status", "jobs_get_status"],
    title: "Check a job once",
    description: formatcp!(
        "Check once whether a job has ended, without waiting, and return its state and the links of its result. \
        To wait for the end use wait_job_completion, which needs fewer checks. A check costs {CHECK_CREDITS} credits; a job \
        known to have ended, or checked less than {FRESH_SECONDS} seconds ago, is answered from the record for nothing. While \
        it runs, retry_after_seconds says when to check again. After success use read_result or download_result; \
        for failed and aborted content has the reason, and unknown means no such job."
    ),
    params: &[JOB_ID, FORCE],
    not_read_only: &["force"],
    hints: CHECKS,
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
