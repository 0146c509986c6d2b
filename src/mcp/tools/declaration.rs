//! How a tool is declared, and how its arguments become a struct.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::app::{App, Caller};
use crate::catalog::arguments::{coerce, read_params};
use crate::catalog::{Param, ParamKind};
use crate::error::{Error, Result};

/// A tool that is not an operation of the service.
#[derive(Debug)]
pub struct JobTool {
    /// The name in the list.
    pub name: &'static str,
    /// Names of other job servers that are answered as this tool.
    pub aliases: &'static [&'static str],
    /// A few words for buttons.
    pub title: &'static str,
    /// What it does, when to use it, what it costs and returns.
    pub description: &'static str,
    /// Its arguments, without `api_key`.
    pub params: &'static [Param],
    /// The names of arguments that spend or write; a read-only server neither shows nor takes them.
    pub not_read_only: &'static [&'static str],
    /// What a client may assume about a call.
    pub hints: Hints,
    /// Whether a read-only server refuses it.
    pub spends_or_writes: bool,
    /// Whether a call may create a job.
    pub submits: bool,
    /// Whether a call may wait for a job, and so be answered with a task.
    pub takes_tasks: bool,
    /// How the answer is shown.
    pub shape: Shape,
    /// What a call does.
    pub handler: Handler,
}

/// A tool about files as callers over HTTP see it.
#[derive(Debug)]
pub struct RemoteForm {
    /// What it does there.
    pub description: &'static str,
    /// The arguments that name files of this machine: none is required, and callers without files do not see them.
    pub paths: &'static [&'static str],
    /// Whether callers who have files here see it as it is over stdio.
    pub is_for_callers_without_files: bool,
}

/// The four annotation hints of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Hints {
    /// Changes nothing, credits and records included.
    pub read_only: bool,
    /// May replace or remove something.
    pub destructive: bool,
    /// Calling it again with the same arguments changes nothing more.
    pub idempotent: bool,
    /// Talks to the service or to the internet.
    pub open_world: bool,
}

/// How an answer becomes the result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Structured, and described by the published output schema.
    Described,
    /// Structured, without a schema: what is in it is said by the description.
    Structured,
    /// Text in `content` alone, after the rest of the answer as JSON.
    Text,
}

/// What a call does. Arguments arrive as they were given.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Reads the catalog; needs no key.
    Keyless(fn(&App, Map<String, Value>) -> Result<Answer>),
    /// Acts for the caller.
    Keyed(KeyedHandler),
}

/// A call for the caller, with the arguments as they were given.
pub type KeyedHandler = for<'a> fn(&'a Arc<App>, &'a Caller, Map<String, Value>) -> BoxFuture<'a, Result<Answer>>;

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Handler::Keyless(_) => "Keyless",
            Handler::Keyed(_) => "Keyed",
        })
    }
}

/// May pay for a check of a job.
pub(super) const CHECKS: Hints = Hints { read_only: false, destructive: false, idempotent: true, open_world: true };
/// Reads only what is here.
pub(super) const LOCAL: Hints = Hints { read_only: true, destructive: false, idempotent: true, open_world: false };

/// The job that a call is about.
pub(super) const JOB_ID: Param =
    Param::new("job_id", ParamKind::Text, "Id from submit_job or list_jobs.").aliases(&["task_id"]).required();

/// The arguments of `of` as a struct: names and types checked against `params`, defaults filled in.
///
/// # Errors
/// `invalid_argument` that names the argument and what it takes.
pub(super) fn parse<T: DeserializeOwned>(
    of: &str,
    params: impl Iterator<Item = &'static Param> + Clone,
    given: Map<String, Value>,
) -> Result<T> {
    let mut body = read_params(of, params.clone(), given)?.body;
    for param in params {
        if let Some(default) = param.default
            && !body.contains_key(param.wire)
            && let Ok(default) = coerce(&param.kind, &json!(default))
        {
            body.insert(param.wire.to_owned(), default);
        }
    }
    serde_json::from_value(Value::Object(body)).map_err(|error| {
        Error::internal(format!("The arguments of {of} do not fit its declaration.")).with_source(error)
    })
}

/// A number of seconds as a duration.
///
/// # Errors
/// `invalid_argument` outside of `min` to `max`.
pub(super) fn duration(name: &str, seconds: f64, min: f64, max: f64) -> Result<Duration> {
    if !(min..=max).contains(&seconds) {
        return Err(Error::invalid(
            format!("`{name}` cannot be {seconds}."),
            format!("It takes seconds from {min} to {max}."),
        ));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Longest timeout that is understood; the server caps it further.
pub(super) const TIMEOUT_SECONDS_MAX: f64 = 86_400.0;
