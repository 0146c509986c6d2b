//! `/simulator/…`: what only a simulator has. No key is needed.

use axum::http::Method;
use axum::response::Response;
use serde_json::{Value, json};

use crate::simulator::faults::Fault;
use crate::simulator::reply::{Refusal, json_reply};
use crate::simulator::state::World;

/// Answers a request to the simulator itself.
pub(in crate::simulator) fn answer(
    world: &World,
    method: &Method,
    path: &str,
    body: Result<Option<Value>, Refusal>,
) -> Response {
    match (method, path) {
        (&Method::GET, "/simulator/stats") => stats(world),
        (&Method::POST, "/simulator/faults") => {
            match body.and_then(|body| Fault::from_json(&body.unwrap_or_default())) {
                Ok(fault) => {
                    world.faults.add(fault);
                    json_reply(200, &json!({ "error": false, "status": 200 }))
                }
                Err(refusal) => refusal.answer(None),
            }
        }
        _ => Refusal::new(404, "The simulator has GET /simulator/stats and POST /simulator/faults.").answer(None),
    }
}

fn stats(world: &World) -> Response {
    let mut stats = world.journal.to_json();
    if let Some(map) = stats.as_object_mut() {
        let (jobs, checks) = world.jobs.counts();
        map.insert("jobs".into(), json!(jobs));
        map.insert("checks".into(), json!(checks));
        map.insert("files".into(), json!(world.files.len()));
    }
    json_reply(200, &stats)
}
