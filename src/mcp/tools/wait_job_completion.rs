//! `wait_job_completion`: waits until a job has ended. Spends credits for checks.

use std::sync::Arc;

use const_format::concatcp;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, JOB_ID, JobTool, READS, Shape, TIMEOUT_SECONDS_MAX, duration, parse};
use crate::answer::Answer;
use crate::app::{App, Caller, WAIT_DEFAULT};
use crate::catalog::{Param, ParamKind};
use crate::error::Result;

const TIMEOUT: Param =
    Param::new("timeout", ParamKind::Number, "Seconds to wait; the server caps it (45 by default); 0 is one look.")
        .aliases(&["wait_seconds"])
        .default(concatcp!(WAIT_DEFAULT.as_secs()));
const INTERVAL: Param =
    Param::new("interval", ParamKind::Number, "Seconds between checks, 0.5 to 60, instead of the cheapest schedule.");

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "wait_job_completion",
    aliases: &[],
    title: "Wait for a job",
    description: "Wait until a job ends and return it, with the fewest paid checks. Use it after submit_job \
        answered `working`, and instead of repeating get_job_check. It returns as soon as the state is success \
        (then read_result or download_result), failed or aborted (reason in content), unknown or cancelled. When \
        `timeout` runs out first, the answer is a normal one with status `working` and retry_after_seconds: the \
        job keeps running, so call again then. A check costs 2 credits, and the one that sees success also \
        charges the pages after the first; a job known to have ended costs nothing. Giving up the wait leaves \
        the job alone.",
    params: &[JOB_ID, TIMEOUT, INTERVAL],
    not_read_only: &[],
    hints: READS,
    spends_or_writes: false,
    submits: false,
    takes_tasks: true,
    shape: Shape::Described,
    handler: Handler::Keyed(run),
};

#[derive(Deserialize)]
struct Arguments {
    job_id: String,
    timeout: f64,
    interval: Option<f64>,
}

fn run<'a>(app: &'a Arc<App>, caller: &'a Caller, given: Map<String, Value>) -> BoxFuture<'a, Result<Answer>> {
    async move {
        let Arguments { job_id, timeout, interval } = parse(TOOL.name, TOOL.params.iter(), given)?;
        let interval = interval.map(|seconds| duration("interval", seconds, 0.5, 60.0)).transpose()?;
        let timeout = duration("timeout", timeout, 0.0, TIMEOUT_SECONDS_MAX)?;
        app.wait(caller, &job_id, Some(timeout), interval).await
    }
    .boxed()
}
