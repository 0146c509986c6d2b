//! Many waiters, several processes, one account: none starves, pays twice or is refused for pace.

use std::time::{Duration, Instant};

use super::place::{Place, on_both};
use crate::support::crowd::Crowd;
use crate::support::product::{CHECK, Product, request};
use crate::support::wire::Wire;
use futures_util::future::join_all;
use pdfco::app::Caller;
use pdfco::simulator::{self, Handle};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const SUBMIT: &str = "/v1/pdf/convert/from/html";

async fn limited(requests_per_second: u32) -> Handle {
    let options = simulator::Options { requests_per_second: Some(requests_per_second), ..Default::default() };
    simulator::spawn(options).await.unwrap()
}

fn html(simulate: Value) -> Value {
    json!({"html": "<p>a</p>", "profiles": {"Simulate": simulate}})
}

/// The crowd is 500 waits at 2 requests a second, which takes thirteen minutes (`examples/fairness.rs`). The same
/// crowd at almost forty times the pace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_waits_under_a_limit_are_served_fairly() {
    let crowd = Crowd { jobs: 500, per_second: 75, checks: 1 }.run().await;
    println!("{crowd:?}");
    assert_eq!(crowd.ended, 500, "every job ends");
    // A request that a busy machine delays may fall among those that are on time, and be refused.
    assert!(crowd.refused <= 5, "{} of a thousand were refused for pace", crowd.refused);
    assert_eq!(crowd.checks, 1_000 + crowd.refused, "two checks at each, and no more");
    // Two rounds: no job is checked twice before all were checked once. Measured by the whole, which takes as long as the
    // machine needs.
    assert!(crowd.mean <= crowd.last * 0.85, "mean {:.1} s of {:.1} s", crowd.mean, crowd.last);
    assert!(crowd.longest_gap <= crowd.last * 0.6 + 1.0, "{:.1} s between two checks of one job", crowd.longest_gap);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_waits_on_one_job_make_the_checks_of_one() {
    let checks = async |waits: usize| {
        let service = limited(10).await;
        let product = Product::with(service.url(), "sim_crowd", &[("PDFCO_RATE_LIMIT", "10")]);
        let submit = request("html_to_pdf", html(json!({"seconds": 3})), Duration::ZERO);
        let id = product.app.submit(&product.caller, submit).await.unwrap().job.unwrap().job_id;
        let interval = Some(Duration::from_millis(700));
        let wait = || product.app.wait(&product.caller, &id, Some(Duration::from_secs(20)), interval);
        for answer in join_all((0..waits).map(|_| wait())).await {
            assert_eq!(answer.unwrap().status, "success");
        }
        service.count(CHECK)
    };
    let (one, many) = tokio::join!(checks(1), checks(100));
    assert!(many.abs_diff(one) <= 1, "one wait: {one} checks, a hundred: {many}");
}

// Several processes

/// A service and a ledger, and processes that share both.
struct Shared<'p> {
    service: Handle,
    ledger: &'p Place,
    per_second: u32,
}

impl Shared<'_> {
    async fn new(ledger: &Place, per_second: u32) -> Shared<'_> {
        Shared { service: limited(per_second).await, ledger, per_second }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PDFCO_LEDGER", self.ledger.value()),
            ("PDFCO_RATE_LIMIT", self.per_second.to_string()),
            ("PDFCO_CHECK_WORTH_SECONDS", "0.5".to_owned()),
        ]
    }

    /// A process as far as the ledger can see: an app with a ledger and connections of its own.
    fn app(&self) -> Product {
        let variables = self.variables();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Product::with(self.service.url(), "sim_wire", &variables)
    }

    fn process(&self) -> Wire {
        let variables = self.variables();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Wire::ready(self.service.url(), &variables)
    }

    /// Jobs that take one second, two seconds and so on up to five.
    async fn jobs(&self, count: u32) -> Vec<String> {
        let product = self.app();
        let mut ids = Vec::new();
        for number in 0..count {
            let submit = request("html_to_pdf", html(json!({"seconds": 1 + number % 5})), Duration::ZERO);
            ids.push(product.app.submit(&product.caller, submit).await.unwrap().job.unwrap().job_id);
        }
        product.app.jobs().ledger().close().await;
        ids
    }

    fn refused(&self) -> usize {
        crate::support::crowd::refused(&self.service)
    }
}

/// How many checks so many processes make of the same twenty jobs.
async fn checks_of(ledger: &Place, processes: usize) -> usize {
    let place = Shared::new(ledger, 20).await;
    let ids = place.jobs(20).await;
    let apps: Vec<Product> = (0..processes).map(|_| place.app()).collect();
    let waits = apps.iter().flat_map(|app| {
        ids.iter().map(async |id| app.app.wait(&app.caller, id, Some(Duration::from_secs(30)), None).await.unwrap())
    });
    for answer in join_all(waits).await {
        assert_eq!(answer.status, "success");
    }
    assert_eq!(place.refused(), 0, "the pace is kept together");
    place.service.count(CHECK)
}

on_both! {
    async fn three_waiting_processes_make_the_checks_of_one(ledger: &Place) {
        let alone = &Place::file();
        let (one, three) = tokio::join!(checks_of(alone, 1), checks_of(ledger, 3));
        println!("checks of twenty jobs: one process {one}, three processes {three}");
        // The schedules of a busy machine differ by a few checks; without sharing there would be three times as many.
        let allowed = one as f64 * 1.5;
        assert!(three as f64 <= allowed, "one process: {one} checks, three: {three}");
    }

    async fn three_real_processes_share_checks_and_pace(ledger: &Place) {
        let place = Shared::new(ledger, 20).await;
        let ids = place.jobs(20).await;
        let mut processes: Vec<Wire> = (0..3).map(|_| place.process()).collect();
        let mut asked = Vec::new();
        for process in &mut processes {
            for id in &ids {
                let arguments = json!({"job_id": id, "timeout": 30});
                let call = json!({"name": "wait_job_completion", "arguments": arguments});
                asked.push(process.request("tools/call", call));
            }
        }
        let mut paid = 0;
        for process in &mut processes {
            // Answers come in any order.
            let mut open: Vec<i64> = asked.drain(..ids.len()).collect();
            while !open.is_empty() {
                let message = process.next();
                let answer = &message["result"]["structuredContent"];
                assert_eq!(answer["status"], "success", "{message}");
                paid += answer["credits_used"].as_i64().unwrap_or(0);
                open.retain(|id| message["id"] != *id);
            }
        }
        let checks = place.service.count(CHECK);
        assert_eq!(place.refused(), 0, "the pace is kept together");
        assert_eq!(paid, checks as i64 * 2, "every check is charged to exactly one call");
        assert!(checks <= 20 * 6, "{checks} checks of twenty jobs of up to five seconds");
        for process in processes {
            assert_eq!(process.finish(), "");
        }
    }

    async fn state_from_another_process_is_seen_within_a_second(ledger: &Place) {
        let place = Shared::new(ledger, 20).await;
        let (checker, waiter) = (place.app(), place.app());
        let submit = request("html_to_pdf", html(json!({"checks": 0})), Duration::ZERO);
        let id = checker.app.submit(&checker.caller, submit).await.unwrap().job.unwrap().job_id;
        // Far apart, so that the waiter's own check is not what shows it.
        let interval = Some(Duration::from_secs(30));
        let wait = async {
            let answer = waiter.app.wait(&waiter.caller, &id, Some(Duration::from_secs(20)), interval).await.unwrap();
            (answer, Instant::now())
        };
        let check = async {
            tokio::time::sleep(Duration::from_millis(1_300)).await;
            let answer = checker.app.check(&checker.caller, &id, false).await.unwrap();
            assert_eq!((answer.status.as_str(), answer.charge.credits), ("success", Some(2)));
            Instant::now()
        };
        let ((answer, seen), checked) = tokio::join!(wait, check);
        assert!(seen.duration_since(checked) < Duration::from_secs(1), "{:?}", seen.duration_since(checked));
        assert_eq!((answer.status.as_str(), answer.charge.credits), ("success", None));
        let job = answer.job.unwrap();
        assert_eq!((job.source, job.checks_made), (pdfco::jobs::Source::Cache, 1));
        assert_eq!(place.service.count(CHECK), 1);
    }

    async fn single_requests_of_several_processes_keep_one_pace_too(ledger: &Place) {
        // The service allows more than is asked for: requests that a busy machine delays fall among those on time.
        // Without one pace there would be fifteen a second.
        let place = Shared { service: limited(10).await, ledger, per_second: 5 };
        let apps: Vec<Product> = (0..3).map(|_| place.app()).collect();
        let began = Instant::now();
        let calls = apps.iter().flat_map(|app| (0..10).map(async |_| app.app.balance(&app.caller).await.unwrap()));
        assert_eq!(join_all(calls).await.len(), 30);
        assert_eq!((place.refused(), place.service.requests().len()), (0, 30));
        let took = began.elapsed().as_secs_f64();
        assert!((4.9..15.0).contains(&took), "thirty requests at five a second took {took:.1} s");
    }

    async fn process_that_stops_waiting_leaves_the_job_to_others(ledger: &Place) {
        let place = Shared::new(ledger, 20).await;
        let ids = place.jobs(3).await;
        let (leaves, stays) = (place.app(), place.app());
        let cancel = CancellationToken::new();
        let leaver = Caller { cancel: cancel.clone(), ..leaves.caller.clone() };
        let interval = Some(Duration::from_millis(500));
        let budget = Some(Duration::from_secs(20));
        let left = join_all(ids.iter().map(|id| leaves.app.wait(&leaver, id, budget, interval)));
        let stayed = join_all(ids.iter().map(|id| stays.app.wait(&stays.caller, id, budget, interval)));
        let leave = async {
            tokio::time::sleep(Duration::from_millis(800)).await;
            cancel.cancel();
        };
        let (left, stayed, ()) = tokio::join!(left, stayed, leave);
        // The first job takes a second and may have ended before.
        assert!(left.iter().filter(|outcome| outcome.is_err()).count() >= 2);
        assert!(stayed.into_iter().all(|answer| answer.unwrap().status == "success"));
    }

    async fn processes_killed_at_any_moment_lose_and_repeat_nothing(ledger: &Place) {
        let report = crate::support::crowd::kill_rounds(5, 0x9e37_79b9, &ledger.value()).await;
        println!("{report:?}");
        report.assert_sound();
    }
}

#[test]
fn submits_are_counted_where_they_arrive() {
    // The path on which `crowd` counts is the one that these tests submit to.
    assert_eq!(crate::support::crowd::SUBMIT, SUBMIT);
}
