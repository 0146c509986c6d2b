//! `download_result`: saves the files of a result. Writes to disk; free once the job is known to have succeeded.

use std::sync::Arc;

use const_format::formatcp;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, Hints, JOB_ID, JobTool, RemoteForm, Shape, parse};
use crate::answer::Answer;
use crate::app::{App, Caller};
use crate::catalog::{CHECK_CREDITS, Param, ParamKind};
use crate::error::Result;

const SAVE_TO: Param =
    Param::new("save_to", ParamKind::Text, "File, or folder for several files. Default: the download folder.");
const OVERWRITE: Param = Param::new("overwrite", ParamKind::Boolean, "Replace files that exist.").default("false");

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "download_result",
    aliases: &[],
    title: "Save a result to disk",
    description: formatcp!(
        "Save the files of a finished job to disk; job.outputs has path, size and SHA-256 of each. Wait with \
        wait_job_completion first; to look at a text use read_result instead. It writes only below the \
        allowed folders and creates missing ones. A file that exists is an error unless `overwrite` \
        is true, which replaces it for good. Interrupted downloads are resumed; expired links, usually after \
        an hour, are the error link_expired. Free for a job known to have succeeded; otherwise one check \
        costs {CHECK_CREDITS} credits."
    ),
    params: &[JOB_ID, SAVE_TO, OVERWRITE],
    not_read_only: &[],
    hints: Hints { read_only: false, destructive: true, idempotent: true, open_world: true },
    spends_or_writes: true,
    submits: false,
    takes_tasks: false,
    shape: Shape::Structured,
    handler: Handler::Keyed(run),
};

/// The tool for callers over HTTP who have no files here.
pub static REMOTE: RemoteForm = RemoteForm {
    description: formatcp!(
        "Get the links to the files of a finished job, fresh ones where those that are known have ended or end \
        soon; content.files has name, link and expiry of each. Wait with wait_job_completion first; to look at a text \
        use read_result instead. The links need no key and work for all who have them. Free while the links live; \
        fresh ones cost a check, {CHECK_CREDITS} credits."
    ),
    paths: &["save_to", "overwrite"],
    is_for_callers_without_files: true,
};

#[derive(Deserialize)]
struct Arguments {
    job_id: String,
    save_to: Option<String>,
    overwrite: bool,
}

fn run<'a>(app: &'a Arc<App>, caller: &'a Caller, given: Map<String, Value>) -> BoxFuture<'a, Result<Answer>> {
    async move {
        let Arguments { job_id, save_to, overwrite } = parse(TOOL.name, TOOL.params.iter(), given)?;
        if caller.is_remote && caller.sandbox.is_nothing() && save_to.is_none() {
            return app.result_links(caller, &job_id).await;
        }
        app.download(caller, &job_id, save_to.as_deref(), overwrite).await
    }
    .boxed()
}
