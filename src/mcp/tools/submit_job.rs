//! `submit_job`: runs any operation of the catalog. Spends credits, and writes where `save_to` says.

use std::sync::Arc;

use const_format::{concatcp, formatcp};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, Hints, JobTool, Shape, TIMEOUT_SECONDS_MAX, duration, parse};
use crate::answer::Answer;
use crate::app::{App, Caller, DOCUMENTS_MAX, PAGE_MAX, READ_DEFAULT, SUBMIT_WAIT_DEFAULT, SubmitRequest};
use crate::catalog::{self, CHECK_CREDITS, Operation, Param, ParamKind, UPLOAD_CREDITS};
use crate::config::MAX_WAIT_DEFAULT;
use crate::error::{Error, Result};

const OPERATION: Param =
    Param::new("operation", ParamKind::Text, "Name from list_operations, e.g. `pdf_to_text_simple`.")
        .aliases(&["op", "operation_name", "tool"])
        .required();
// Text or a list, as it was given: only the operation knows whether a comma separates documents or stands in a name.
const URL: Param = Param::new(
    "url",
    ParamKind::JsonText,
    "Document: https link, local path, or job_id of an earlier job to use its result. Several: a JSON list. Operations without a document: leave it out.",
)
.aliases(&["urls", "file_path", "input"]);
const OPTIONS: Param = Param::new(
    "options",
    ParamKind::Object(&[
        // Text or a list, which the operation reads.
        Param::new(
            "pages",
            ParamKind::JsonText,
            "E.g. `0,2-5,7-`, counted from 0 (pdf_split and pdf_delete_pages: from 1). Default: all.",
        ),
        Param::new("name", ParamKind::Text, "File name of the result."),
        Param::new("password", ParamKind::Text, "Password that opens the PDF."),
    ]),
    "Other arguments, as describe_operation lists them.",
)
.aliases(&["arguments", "params"]);
const WAIT: Param = Param::new(
    "wait",
    ParamKind::Number,
    formatcp!("Seconds to wait, 0 to return at once; usually capped at {MAX_WAIT_DEFAULT}."),
)
.default(concatcp!(SUBMIT_WAIT_DEFAULT.as_secs()));
const READ: Param = Param::new(
    "read",
    ParamKind::Integer { min: 0, max: PAGE_MAX as i64 },
    "Characters of a text result to include, 0 for none.",
)
.default(concatcp!(READ_DEFAULT));
const SAVE_TO: Param =
    Param::new("save_to", ParamKind::Text, "File or folder to save the result to, if it succeeds within `wait`.");
const OVERWRITE: Param =
    Param::new("overwrite", ParamKind::Boolean, "Replace existing files instead of refusing.").default("false");
const CLIENT_REQUEST_ID: Param = Param::new(
    "client_request_id",
    ParamKind::Text,
    "Own id, without spaces: repeating it returns the same job and charges nothing again.",
);

const ESTIMATE: Param = Param::new("estimate", ParamKind::Boolean, "Only return what it would cost.").default("false");

/// The arguments about waiting, reading and saving, which a tool named after an operation takes too.
static EXTRAS: &[Param] = &[WAIT, READ, SAVE_TO, OVERWRITE, CLIENT_REQUEST_ID, ESTIMATE];

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "submit_job",
    aliases: &[],
    title: "Run a PDF operation",
    description: formatcp!(
        "Run a PDF.co operation on a document, wait up to `wait` seconds and return the result: the start of \
        a text, links of files, or where they were saved. describe_operation shows arguments and \
        price. If the status is `working` or `queued`, the job goes \
        on: call wait_job_completion, because submitting again charges again. \
        With `failed` or `aborted` content has the reason. A list as `url` starts one job per document, up \
        to {DOCUMENTS_MAX}, where the operation takes one, and returns a line per job. Costs the operation's credits, \
        {UPLOAD_CREDITS} per uploaded file and {CHECK_CREDITS} per check while waiting."
    ),
    params: &[OPERATION, URL, OPTIONS, WAIT, READ, SAVE_TO, OVERWRITE, CLIENT_REQUEST_ID, ESTIMATE],
    not_read_only: &[],
    hints: Hints { read_only: false, destructive: true, idempotent: false, open_world: true },
    spends_or_writes: true,
    submits: true,
    takes_tasks: true,
    shape: Shape::Described,
    handler: Handler::Keyed(run),
};

#[derive(Deserialize)]
struct Arguments {
    operation: String,
    url: Option<String>,
    #[serde(default)]
    options: Map<String, Value>,
    #[serde(flatten)]
    extras: Extras,
}

#[derive(Deserialize)]
struct Extras {
    wait: f64,
    read: u64,
    save_to: Option<String>,
    overwrite: bool,
    client_request_id: Option<String>,
    estimate: bool,
}

fn run<'a>(app: &'a Arc<App>, caller: &'a Caller, mut given: Map<String, Value>) -> BoxFuture<'a, Result<Answer>> {
    async move {
        let beside = operation_arguments_beside_options(&mut given);
        let Arguments { operation, url, options, extras } = parse(TOOL.name, TOOL.params.iter(), given)?;
        let mut arguments = options;
        let url = url.map(|url| ("url".to_owned(), text_or_list(url)));
        for (name, value) in beside.into_iter().chain(url) {
            if arguments.contains_key(&name) {
                return Err(Error::invalid(
                    format!("`{name}` is given twice: beside `options` and in it."),
                    "Give it once.",
                ));
            }
            arguments.insert(name, value);
        }
        extras.run(app, caller, operation, arguments).await
    }
    .boxed()
}

/// Runs an operation under its own name, with the official server's arguments. Ours for waiting, reading and saving are
/// taken too, where the operation has none of that name.
///
/// # Errors
/// What the use case says.
pub async fn run_operation(
    app: &Arc<App>,
    caller: &Caller,
    operation: &'static Operation,
    mut given: Map<String, Value>,
) -> Result<Answer> {
    let mut ours = Map::new();
    for param in EXTRAS {
        if operation.param(param.name).is_none()
            && let Some(value) = given.shift_remove(param.name)
        {
            ours.insert(param.name.to_owned(), value);
        }
    }
    let extras: Extras = parse(operation.name, EXTRAS.iter(), ours)?;
    extras.run(app, caller, operation.name.to_owned(), given).await
}

impl Extras {
    async fn run(self, app: &App, caller: &Caller, operation: String, arguments: Map<String, Value>) -> Result<Answer> {
        let is_estimate = self.estimate;
        let request = self.request(operation, arguments)?;
        match is_estimate {
            true => Box::pin(app.estimate(caller, &request)).await.map(Answer::from),
            false => Box::pin(app.submit(caller, request)).await,
        }
    }

    fn request(self, operation: String, arguments: Map<String, Value>) -> Result<SubmitRequest> {
        Ok(SubmitRequest {
            finds_out: false,
            operation,
            arguments,
            wait: Some(duration("wait", self.wait, 0.0, TIMEOUT_SECONDS_MAX)?),
            read: Some(self.read),
            save_to: self.save_to,
            overwrite: self.overwrite,
            client_request_id: self.client_request_id,
        })
    }
}

/// Documents as they were given: a list, also as its JSON, or text.
fn text_or_list(text: String) -> Value {
    serde_json::from_str::<Vec<String>>(&text).map_or(Value::String(text), Value::from)
}

/// Takes out of `given` what can only be meant for `options`: arguments that the operation has and this tool has not.
fn operation_arguments_beside_options(given: &mut Map<String, Value>) -> Map<String, Value> {
    let named = given.iter().find(|(name, _)| OPERATION.answers_to(name)).and_then(|(_, value)| value.as_str());
    let Some(operation) = named.and_then(|name| catalog::find(name).ok()) else { return Map::new() };
    let is_beside = |name: &str| {
        !TOOL.params.iter().any(|param| param.answers_to(name))
            && operation.params().any(|param| param.answers_to(name))
    };
    let (beside, rest) = std::mem::take(given).into_iter().partition(|(name, _)| is_beside(name));
    *given = rest;
    beside
}
