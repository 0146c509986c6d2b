//! `get_credit_balance`: asks the service for the balance. Free.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, JobTool, READS, Shape, parse};
use crate::answer::Answer;
use crate::app::{App, Caller};
use crate::error::Result;

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "get_credit_balance",
    aliases: &[],
    title: "Credit balance",
    description: "Return how many PDF.co credits the account has left, in credits_remaining. Use it before a \
        large batch, or after an error of kind insufficient_credits; calls that spend credits report \
        credits_remaining by themselves. For the cost of an operation use describe_operation. Free: it always \
        asks PDF.co and starts no job.",
    params: &[],
    not_read_only: &[],
    hints: READS,
    spends_or_writes: false,
    submits: false,
    takes_tasks: false,
    shape: Shape::Described,
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
