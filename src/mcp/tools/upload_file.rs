//! `upload_file`: stores a local file with the service, or says how a file elsewhere gets there. Spends credits.

use std::sync::Arc;

use const_format::formatcp;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, Hints, JobTool, RemoteForm, Shape, parse};
use crate::answer::Answer;
use crate::app::{App, Caller};
use crate::catalog::{Param, ParamKind, UPLOAD_CREDITS};
use crate::error::Result;

const FILE_PATH: Param = Param::new("file_path", ParamKind::Text, "Local path below the allowed folders.")
    .aliases(&["path", "file", "url"])
    .required();
const NAME: Param = Param::new("name", ParamKind::Text, "Name to store it under.");

/// The arguments of a call for a ticket.
const TICKET_PARAMS: &[Param] = &[NAME];

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "upload_file",
    aliases: &[],
    title: "Upload a local file",
    description: formatcp!(
        "Upload a local file to PDF.co's temporary storage and return its link in content.url. Use it for a \
        file that several jobs need, or for arguments in `options` that take only links; submit_job uploads \
        a local path in its `url` by itself. Costs {UPLOAD_CREDITS} credits. The file, up to 2 GB, and its link exist for \
        an hour."
    ),
    params: &[FILE_PATH, NAME],
    not_read_only: &[],
    hints: Hints { read_only: false, destructive: false, idempotent: false, open_world: true },
    spends_or_writes: true,
    submits: false,
    takes_tasks: false,
    shape: Shape::Structured,
    handler: Handler::Keyed(run),
};

/// The tool over HTTP.
pub static REMOTE: RemoteForm = RemoteForm {
    description: formatcp!(
        "Get an upload ticket for a file on your side that has no public link: content.upload has a PUT \
        link that needs no key, its Content-Type and a ready curl command; afterwards use content.url as `url` of \
        submit_job. Pass `name` with the right extension, because the type is signed. Costs {UPLOAD_CREDITS} credits; the file, up to 2 GB, is kept for an hour."
    ),
    paths: &["file_path"],
    is_for_callers_without_files: false,
};

#[derive(Deserialize)]
struct Arguments {
    file_path: Option<String>,
    name: Option<String>,
}

fn run<'a>(app: &'a Arc<App>, caller: &'a Caller, given: Map<String, Value>) -> BoxFuture<'a, Result<Answer>> {
    async move {
        let has_path = given.keys().any(|name| FILE_PATH.answers_to(name));
        let needed = if caller.is_remote && !has_path { TICKET_PARAMS } else { TOOL.params };
        let Arguments { file_path, name } = parse(TOOL.name, needed.iter(), given)?;
        match file_path {
            Some(file_path) => app.upload(caller, &file_path, name.as_deref()).await,
            None => app.upload_ticket(caller, name.as_deref()).await,
        }
    }
    .boxed()
}
