//! `cancel_job`: stops tracking a job. Free; changes the record.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, Hints, JOB_ID, JobTool, Shape, parse};
use crate::answer::Answer;
use crate::app::{App, Caller};
use crate::error::Result;

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "cancel_job",
    aliases: &["kill_job"],
    title: "Cancel a job",
    description: "Give up a job: its state becomes cancelled and every wait for it ends. PDF.co itself cannot be asked \
        to stop, so the job may still finish and be charged. Use it for a job whose result is not needed. \
        content.outcome is cancelled, already_terminal (it had ended) or not_found (not in list_jobs). Free. get_job_check with `force` shows later whether it finished.",
    params: &[JOB_ID],
    not_read_only: &[],
    hints: Hints { read_only: false, destructive: true, idempotent: true, open_world: false },
    spends_or_writes: true,
    submits: false,
    takes_tasks: false,
    shape: Shape::Structured,
    handler: Handler::Keyed(run),
};

#[derive(Deserialize)]
struct Arguments {
    job_id: String,
}

fn run<'a>(app: &'a Arc<App>, caller: &'a Caller, given: Map<String, Value>) -> BoxFuture<'a, Result<Answer>> {
    async move {
        let Arguments { job_id } = parse(TOOL.name, TOOL.params.iter(), given)?;
        app.cancel(caller, &job_id).await
    }
    .boxed()
}
