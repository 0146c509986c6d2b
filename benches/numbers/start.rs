//! From the start of a process until it has answered, and what it takes up then.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::peer::{Peer, SIDES, Side, Stage};
use crate::table::{Rule, Table, median};

/// Starts of each.
const STARTS: usize = 80;
/// Those of which the memory is measured.
const LOOKED_AT: usize = 7;
/// A start, beside the bare server's.
const STARTS_WITHIN: Rule = Rule::AtMost(1.3);
/// Idle memory, beside the bare server's.
const IDLE_WITHIN: Rule = Rule::AtMost(2.0);
/// Design: idle memory, in KiB.
const IDLE_MAX: f64 = 15.0 * 1024.0;

/// Start-up and idle memory.
pub fn measure(stage: &Stage, table: &mut Table) {
    let mut times: [[Vec<f64>; 2]; 2] = Default::default();
    let mut memory: [Vec<f64>; 2] = Default::default();
    for round in 0..STARTS {
        for (side, (times, memory)) in SIDES.into_iter().zip(times.iter_mut().zip(&mut memory)) {
            let command = stage.command(side, &[]);
            let began = Instant::now();
            let mut peer = Peer::start(command);
            peer.initialize();
            times[0].push(began.elapsed().as_secs_f64() * 1e3);
            let listed = peer.ask("tools/list", &json!({}));
            times[1].push(began.elapsed().as_secs_f64() * 1e3);
            assert!(listed["result"]["tools"].is_array());
            if round < LOOKED_AT {
                std::thread::sleep(Duration::from_millis(200));
                memory.push(peer.memory("VmRSS"));
            }
            peer.finish();
        }
    }
    let [[ours_hello, ours_list], [floor_hello, floor_list]] = times.map(|side| side.map(median));
    table.add("start to `initialize` answered", ours_hello, floor_hello, "ms", STARTS_WITHIN);
    table.add("start to `tools/list` answered", ours_list, floor_list, "ms", STARTS_WITHIN);
    let [ours, floor] = memory.map(median);
    table.add("idle memory, against its limit", ours / 1024.0, IDLE_MAX / 1024.0, "MiB", Rule::AtMost(1.0));
    table.add("idle memory, beside the bare server", ours / 1024.0, floor / 1024.0, "MiB", IDLE_WITHIN);
}

/// How many tools the product shows, and how large one is on the average.
pub fn tools_of_product(stage: &Stage) -> (usize, usize) {
    let tools = stage.ready(Side::Product, &[]).tools();
    let bytes: usize = tools.iter().map(|tool| tool.to_string().len()).sum();
    (tools.len(), bytes / tools.len().max(1))
}
