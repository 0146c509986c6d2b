//! `job_card`: what the ledger knows of some jobs, for the card in the chat. Free, and called by the card alone.

use std::sync::Arc;

use const_format::formatcp;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, Hints, JobTool, LOCAL, Shape, parse};
use crate::answer::Answer;
use crate::app::{App, CARD_JOBS_MAX, Caller};
use crate::catalog::{Param, ParamKind};
use crate::charge::Charge;
use crate::error::Result;

const JOB_IDS: Param =
    Param::new("job_ids", ParamKind::Strings, formatcp!("Ids of at most {CARD_JOBS_MAX} jobs.")).required();

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "job_card",
    aliases: &[],
    title: "Show jobs on the card",
    description: "Return what is recorded of some jobs, for the card in the chat. Free, without a check. \
        content.left_out counts the last ids, which need another call.",
    params: &[JOB_IDS],
    not_read_only: &[],
    // The sizes of files are asked of the storage.
    hints: Hints { open_world: true, ..LOCAL },
    spends_or_writes: false,
    submits: false,
    takes_tasks: false,
    shape: Shape::Structured,
    handler: Handler::Keyed(run),
};

#[derive(Deserialize)]
struct Arguments {
    job_ids: Vec<String>,
}

fn run<'a>(app: &'a Arc<App>, caller: &'a Caller, given: Map<String, Value>) -> BoxFuture<'a, Result<Answer>> {
    async move {
        let Arguments { job_ids } = parse(TOOL.name, TOOL.params.iter(), given)?;
        let cards = app.cards(caller, &job_ids).await?;
        Ok(Answer::success(cards, Charge::NONE))
    }
    .boxed()
}
