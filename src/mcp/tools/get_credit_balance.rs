//! `get_credit_balance`: asks the service for the balance. Free.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, Hints, JobTool, Shape, parse};
use crate::answer::Answer;
use crate::app::{App, Caller};
use crate::error::Result;

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "get_credit_balance",
    aliases: &[],
    title: "Credit balance",
    description: "Return how many PDF.co credits the account has left, in credits_remaining. Use it before a large \
        batch or after the error insufficient_credits; calls that spend report credits_remaining by \
        themselves. list_jobs shows what was spent. Free.",
    params: &[],
    not_read_only: &[],
    hints: Hints { read_only: true, destructive: false, idempotent: true, open_world: true },
    spends_or_writes: false,
    submits: false,
    takes_tasks: false,
    shape: Shape::Structured,
    handler: Handler::Keyed(run),
};

#[derive(Deserialize)]
struct Arguments {}

fn run<'a>(app: &'a Arc<App>, caller: &'a Caller, given: Map<String, Value>) -> BoxFuture<'a, Result<Answer>> {
    async move {
        let Arguments {} = parse(TOOL.name, TOOL.params.iter(), given)?;
        app.balance(caller).await
    }
    .boxed()
}
