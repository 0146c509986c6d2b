//! `wait_job_completion`: waits until jobs have ended. Spends credits for checks, and writes where `save_to` says.

use std::sync::Arc;

use const_format::{concatcp, formatcp};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, Hints, JobTool, Shape, TIMEOUT_SECONDS_MAX, duration, parse};
use crate::answer::Answer;
use crate::app::{App, Caller, DOCUMENTS_MAX, PAGE_MAX, READ_DEFAULT, Until, WAIT_DEFAULT, WaitRequest};
use crate::catalog::{CHECK_CREDITS, Param, ParamKind};
use crate::config::MAX_WAIT_DEFAULT;
use crate::error::{Error, Result};

/// Most jobs of one wait.
const JOBS_MAX: usize = DOCUMENTS_MAX;

const JOB_ID: Param = Param::new("job_id", ParamKind::Text, "Id from submit_job or list_jobs.").aliases(&["task_id"]);
const JOB_IDS: Param = Param::new("job_ids", ParamKind::Strings, formatcp!("Several ids instead, up to {JOBS_MAX}."));
const UNTIL: Param =
    Param::new("until", ParamKind::Choice(&["all", "any"]), "Return when all have ended, or any.").default("all");
const TIMEOUT: Param = Param::new(
    "timeout",
    ParamKind::Number,
    formatcp!("Seconds to wait, 0 to check once; usually capped at {MAX_WAIT_DEFAULT}."),
)
.aliases(&["wait_seconds"])
.default(concatcp!(WAIT_DEFAULT.as_secs()));
const INTERVAL: Param =
    Param::new("interval", ParamKind::Number, "Seconds between checks, 0.5 to 60, instead of the schedule.");
const READ: Param = Param::new(
    "read",
    ParamKind::Integer { min: 0, max: PAGE_MAX as i64 },
    formatcp!("Characters of text to include. Default: {READ_DEFAULT}; 0 for several jobs."),
);
const SAVE_TO: Param = Param::new("save_to", ParamKind::Text, "Folder, or file for one job, to save results to.");
const OVERWRITE: Param = Param::new("overwrite", ParamKind::Boolean, "Replace existing files.").default("false");

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "wait_job_completion",
    aliases: &[],
    title: "Wait for jobs",
    description: formatcp!(
        "Wait until a job has ended and return its state and result. Use it when submit_job answered \
        `working` or `queued`, instead of repeating get_job_check; `job_ids` waits for several in one call, \
        with a line for each. It returns once the status is success, failed or aborted (content has the \
        reason), unknown (no such job) or cancelled. If `timeout` runs out first, the answer says how \
        the job stands: call again after retry_after_seconds. A check costs {CHECK_CREDITS} credits, a job known to \
        have ended nothing. Ending the wait does not cancel the job."
    ),
    params: &[JOB_ID, JOB_IDS, UNTIL, TIMEOUT, INTERVAL, READ, SAVE_TO, OVERWRITE],
    not_read_only: &["interval", "save_to", "overwrite"],
    hints: Hints { read_only: false, destructive: true, idempotent: true, open_world: true },
    spends_or_writes: false,
    submits: false,
    takes_tasks: true,
    shape: Shape::Described,
    handler: Handler::Keyed(run),
};

#[derive(Deserialize)]
struct Arguments {
    job_id: Option<String>,
    #[serde(default)]
    job_ids: Vec<String>,
    until: String,
    timeout: f64,
    interval: Option<f64>,
    read: Option<u64>,
    save_to: Option<String>,
    overwrite: bool,
}

fn run<'a>(app: &'a Arc<App>, caller: &'a Caller, given: Map<String, Value>) -> BoxFuture<'a, Result<Answer>> {
    async move {
        let arguments: Arguments = parse(TOOL.name, TOOL.params.iter(), given)?;
        app.wait_for(caller, &arguments.request()?).await
    }
    .boxed()
}

impl Arguments {
    fn request(self) -> Result<WaitRequest> {
        let mut job_ids: Vec<String> = Vec::new();
        for id in self.job_id.into_iter().chain(self.job_ids) {
            if !job_ids.contains(&id) {
                job_ids.push(id);
            }
            if job_ids.len() > JOBS_MAX {
                return Err(Error::invalid(
                    format!("{} takes at most {JOBS_MAX} jobs.", TOOL.name),
                    "Wait for the others in another call.",
                ));
            }
        }
        if job_ids.is_empty() {
            return Err(Error::invalid(
                format!("`job_id` of {} is missing.", TOOL.name),
                "Give `job_id`, or several in `job_ids`. list_jobs shows them.",
            ));
        }
        let read_default = if job_ids.len() == 1 { READ_DEFAULT } else { 0 };
        Ok(WaitRequest {
            job_ids,
            until: if self.until == "any" { Until::Any } else { Until::All },
            timeout: Some(duration("timeout", self.timeout, 0.0, TIMEOUT_SECONDS_MAX)?),
            interval: self.interval.map(|seconds| duration("interval", seconds, 0.5, 60.0)).transpose()?,
            read: Some(self.read.unwrap_or(read_default)),
            save_to: self.save_to,
            overwrite: self.overwrite,
        })
    }
}
