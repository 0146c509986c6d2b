//! Submitting an operation: as a job when the request wants one, at once otherwise.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::{callback, check};
use crate::catalog::{Operation, Output, Run};
use crate::simulator::call::Call;
use crate::simulator::life::life;
use crate::simulator::names::random_name;
use crate::simulator::options::{Charging, Shape};
use crate::simulator::price::{CHECK_CREDITS, PagePrice};
use crate::simulator::reply::{Refusal, json_reply};
use crate::simulator::state::World;
use crate::simulator::state::jobs::Job;
use crate::simulator::work;
use crate::simulator::work::place::Place;

/// Answers a submit.
///
/// # Errors
/// What the service would say of this request.
pub(in crate::simulator) async fn answer(
    world: &Arc<World>,
    operation: &'static Operation,
    call: Call,
) -> Result<Response, Refusal> {
    let in_background = match operation.run {
        Run::AlwaysJob => true,
        Run::Job => call.input.flag("async"),
        Run::Direct => false,
    };
    if !in_background {
        return at_once(world, operation, call).await;
    }
    let charging = call.input.directive.charging.unwrap_or(world.options.charging);
    let price = PagePrice::of(operation, charging);
    let remaining = world.accounts.charge(&call.key, price.first)?;
    let place = Place::reserve(world, operation, &call.input)?;
    let always = operation.run == Run::AlwaysJob;
    let id = if always { Uuid::new_v4().to_string() } else { format!("{}--151-300", random_name()) };
    let mut answer = Map::new();
    if always {
        answer.insert("error".into(), json!(false));
        answer.insert("status".into(), json!("created"));
    } else {
        if shape_of(world, operation, &call) != Shape::Inline || !operation.gives_text() {
            place.describe(&mut answer);
        }
        answer.insert("error".into(), json!(false));
        answer.insert("status".into(), json!(200));
    }
    answer.insert("jobId".into(), json!(id));
    answer.insert("credits".into(), json!(price.first));
    answer.insert("remainingCredits".into(), json!(remaining));
    answer.insert("duration".into(), json!(call.duration()));
    start(world, operation, call, place, price, id);
    Ok(json_reply(200, &Value::Object(answer)))
}

/// Where this request's result stands. `Inline` for what always is a job: its published example has a `body` and no link.
fn shape_of(world: &World, operation: &Operation, call: &Call) -> Shape {
    match call.input.directive.shape.unwrap_or(world.options.shape) {
        Shape::AsAsked if operation.run == Run::AlwaysJob => Shape::Inline,
        shape => shape,
    }
}

/// Without `async`: the answer is the result.
async fn at_once(world: &Arc<World>, operation: &'static Operation, call: Call) -> Result<Response, Refusal> {
    let price = PagePrice::of(operation, Charging::PerPage);
    world.accounts.afford(&call.key, price.first)?;
    if matches!(call.input.directive.outcome.as_deref(), Some("failed" | "aborted")) {
        return Err(call.input.directive.failure());
    }
    let place = Place::reserve(world, operation, &call.input)?;
    let is_link = matches!(operation.output, Output::Text(_)) && !call.input.flag("inline");
    let shape = if is_link { Shape::Link } else { Shape::Inline };
    let mut finished = work::run(world, operation, &call.input, &place, shape).await?;
    let credits = price.all(finished.pages);
    let remaining = world.accounts.charge(&call.key, credits)?;
    finished.open(&world.files, world.options.result_delay);
    let mut answer = std::mem::take(&mut finished.answer);
    if finished.many {
        answer.insert("name".into(), json!(format!("{}.{}", place.stem, finished.ending)));
    }
    answer.insert("pageCount".into(), json!(finished.page_count));
    answer.insert("error".into(), json!(false));
    answer.insert("status".into(), json!(200));
    answer.insert("credits".into(), json!(credits));
    answer.insert("remainingCredits".into(), json!(remaining));
    answer.insert("duration".into(), json!(call.duration()));
    Ok(json_reply(200, &Value::Object(answer)))
}

/// Enters the job into the book and starts its work.
fn start(world: &Arc<World>, operation: &'static Operation, call: Call, place: Place, price: PagePrice, id: String) {
    let (done, work) = watch::channel(None);
    let directive = call.input.directive.clone();
    let (checks_left, until) = life(world.options.life, world.next_number(), &directive, call.started);
    let job = Job {
        key: call.key.clone(),
        price,
        failure: directive.failure.unwrap_or(world.options.failure),
        check_credits: if operation.run == Run::AlwaysJob { 0 } else { CHECK_CREDITS },
        checks_left,
        until,
        known_from: call.started + world.options.unknown_for,
        work,
        settled: false,
        directive,
    };
    world.jobs.lock().enter(id.clone(), job);
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let shape = shape_of(&world, operation, &call);
        let finished = work::run(&world, operation, &call.input, &place, shape).await.map(|mut finished| {
            let ended = until.map_or_else(Instant::now, |until| until.max(Instant::now()));
            finished.milliseconds = u64::try_from(ended.duration_since(call.started).as_millis()).unwrap_or(u64::MAX);
            finished
        });
        let _ = done.send(Some(Arc::new(finished)));
        // A job that lives by checks ends with one of them; only one that needs none can be called back.
        let ends_by_itself = until.is_some() || checks_left == 0;
        if let Some(target) = call.input.text("callback").filter(|_| ends_by_itself) {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            world.pause(left.unwrap_or(Duration::ZERO)).await;
            if let Ok(end) = check::end(&world, &id, world.options.callbacks.credits).await {
                callback::post(&world, &target, &end.body).await;
            }
        }
    });
}
