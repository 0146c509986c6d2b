//! What answers that are too large leave behind in a server that lives on: one that is refused must not make the
//! allocator keep as much for the next. (Allocators that give every large buffer back, such as musl's, pass anyway.)

use pdfco::simulator::{self, Fault, FaultKind, Options};
use serde_json::{Value, json};

use super::ALWAYS;
use crate::support::wire::Wire;

/// More than is ever read of an answer.
const BYTES: u64 = 50_000_000;
/// What may be left of dozens of them, in KiB. One of them alone once left 18 MiB.
const LEFT_MAX: u64 = 4 * 1024;
/// Calls that meet such an answer at the same moment, and what they may take together at most, in KiB. Each by itself
/// may take 16 MiB.
const AT_ONCE: usize = 16;
const TAKEN_MAX: u64 = 128 * 1024;

/// As many calls at once, each of which asks the service, and what kind of error each ends with.
fn checks(server: &mut Wire, at_once: usize) -> Vec<Value> {
    let ids: Vec<i64> = (0..at_once)
        .map(|number| {
            let arguments = json!({"job_id": format!("job-{number}"), "force": true});
            server.request("tools/call", json!({"name": "get_job_check", "arguments": arguments}))
        })
        .collect();
    let mut kinds = Vec::new();
    while kinds.len() < ids.len() {
        let message = server.next();
        if message.get("method").is_none() {
            kinds.push(message["result"]["structuredContent"]["content"]["kind"].clone());
        }
    }
    kinds
}

fn leave_nothing_behind(fault: FaultKind) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let service = runtime.block_on(simulator::spawn(Options::default())).unwrap();
    let mut server = Wire::ready(service.url(), &[("PDFCO_RATE_LIMIT", "off")]);
    // From here on everything is there that such calls need.
    checks(&mut server, AT_ONCE);
    let before = server.resident().unwrap();
    service.fault(Fault { path_prefix: "/v1/job/check".to_owned(), times: ALWAYS, kind: fault });
    for _ in 0..12 {
        assert_eq!(checks(&mut server, 1), ["too_large"]);
    }
    let after = server.resident().unwrap();
    assert!(after <= before + LEFT_MAX, "{before} KiB before, {after} KiB after");
    for _ in 0..3 {
        assert!(checks(&mut server, AT_ONCE).iter().all(|kind| kind == "too_large"));
    }
    let peak = server.peak().unwrap();
    assert!(peak <= before + TAKEN_MAX, "{before} KiB before, {peak} KiB with {AT_ONCE} at once");
}

#[test]
fn answers_that_are_too_large_leave_no_memory_behind() {
    leave_nothing_behind(FaultKind::HugeBody { bytes: BYTES });
}

#[test]
fn answers_that_unpack_to_too_much_leave_no_memory_behind() {
    leave_nothing_behind(FaultKind::GzipBomb { bytes: BYTES });
}
