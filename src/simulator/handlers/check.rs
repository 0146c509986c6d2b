//! `job/check`: the state of a job, and what its end costs.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::simulator::call::Call;
use crate::simulator::options::Failure;
use crate::simulator::price::CHECK_CREDITS;
use crate::simulator::reply::{Refusal, json_reply};
use crate::simulator::state::World;
use crate::simulator::state::jobs::Job;
use crate::simulator::state::outcome::Finished;

/// How long a check waits for work that should be done by now.
const WORK_PATIENCE: Duration = Duration::from_secs(20);

/// Answers a check.
///
/// # Errors
/// 400 without an id, 402 when it cannot be paid.
pub(in crate::simulator) async fn answer(world: &Arc<World>, call: &Call) -> Result<Response, Refusal> {
    let id = call.input.text("jobid").ok_or_else(|| Refusal::input("The parameter `jobid` is required."))?;
    let word = {
        let mut book = world.jobs.lock();
        book.count_check();
        match book.job(&id).filter(|job| job.key == call.key) {
            // The service says `working` for ids that it does not know, unless it is forced to be honest.
            None => Some((if call.input.flag("force") { "unknown" } else { "working" }.to_owned(), CHECK_CREDITS)),
            Some(job) => job.pass().map(|word| (word, job.check_credits)),
        }
    };
    let mut body = match word {
        Some((word, credits)) => running(world, call, &word, credits)?,
        None => match end(world, &id, CHECK_CREDITS).await {
            Ok(end) => end.body,
            Err(Some(refusal)) => return Err(refusal),
            Err(None) => running(world, call, "working", CHECK_CREDITS)?,
        },
    };
    body.insert("duration".into(), json!(call.duration()));
    Ok(json_reply(200, &Value::Object(body)))
}

fn running(world: &World, call: &Call, word: &str, credits: i64) -> Result<Map<String, Value>, Refusal> {
    let remaining = world.accounts.charge(&call.key, credits)?;
    let mut body = Map::new();
    body.insert("status".into(), json!(word));
    if word == "unknown" {
        body.insert("message".into(), json!("Job doesn't exist"));
    }
    body.insert("credits".into(), json!(credits));
    body.insert("remainingCredits".into(), json!(remaining));
    Ok(body)
}

/// How a job ended, as a check or a callback says it.
pub(in crate::simulator) struct End {
    pub(in crate::simulator) body: Map<String, Value>,
}

/// The answer for a job whose life is over, and the settling of its account the first time. `own_credits` is the price of
/// the check or callback that says so. `Err(None)` when its work is not done after all.
///
/// # Errors
/// 402 when the rest cannot be paid.
pub(in crate::simulator) async fn end(world: &World, id: &str, own_credits: i64) -> Result<End, Option<Refusal>> {
    let mut work = world.jobs.lock().job(id).map(|job| job.work.clone()).ok_or(None)?;
    // A closed channel is work that panicked, which `work::run` has turned into a failure already.
    let done = tokio::time::timeout(WORK_PATIENCE, work.wait_for(Option::is_some)).await;
    let finished = done.ok().and_then(Result::ok).and_then(|done| done.clone()).ok_or(None)?;
    let mut book = world.jobs.lock();
    let job = book.job(id).ok_or(None)?;
    let own = own_credits.min(job.check_credits);
    let (mut body, credits) = job.outcome(finished.as_ref(), own);
    let remaining = world.accounts.charge(&job.key, credits).map_err(Some)?;
    job.settled = true;
    if let Ok(finished) = finished.as_ref()
        && body.get("status").and_then(Value::as_str) == Some("success")
    {
        finished.open(&world.files, world.options.result_delay);
    }
    body.insert("jobId".into(), json!(id));
    body.insert("credits".into(), json!(credits));
    body.insert("remainingCredits".into(), json!(remaining));
    Ok(End { body })
}

impl Job {
    /// What the answer says, and what it costs.
    fn outcome(&self, finished: &Result<Finished, Refusal>, own: i64) -> (Map<String, Value>, i64) {
        let wished = self.directive.outcome.as_deref().unwrap_or_default();
        let mut body = Map::new();
        let credits = match (wished, finished) {
            ("unknown", _) => {
                body.insert("status".into(), json!("unknown"));
                own
            }
            ("failed" | "aborted", _) => self.failed(&mut body, &self.directive.failure(), wished, own),
            (_, Err(failure)) => self.failed(&mut body, failure, "failed", own),
            (_, Ok(finished)) => {
                body.insert("status".into(), json!("success"));
                body.insert("message".into(), json!("Success"));
                body.insert("pageCount".into(), json!(finished.page_count));
                body.extend(finished.answer.clone());
                body.insert("jobDuration".into(), json!(finished.milliseconds));
                if self.settled { own } else { own.saturating_add(self.price.others(finished.pages)) }
            }
        };
        (body, credits)
    }

    /// Fills `body` for a job that failed; what was charged is given back, and the answer that says so is free.
    fn failed(&self, body: &mut Map<String, Value>, failure: &Refusal, word: &str, own: i64) -> i64 {
        match self.failure {
            Failure::Word => body.insert("status".into(), json!(word)),
            Failure::ErrorShape => {
                body.insert("status".into(), json!("error"));
                body.insert("error".into(), json!(true))
            }
        };
        body.insert("message".into(), json!(failure.message));
        body.insert("errorCode".into(), json!(failure.code));
        if self.settled { own } else { self.price.first.saturating_neg() }
    }
}
