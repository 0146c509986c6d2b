//! Waits against the simulator: how they end, what they cost, and who else waits.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pdfco::error::Kind;
use pdfco::jobs::Source;
use pdfco::simulator::{Fault, FaultKind, Handle};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::product::{CHECK, Product, invoice_text, request, service};

pub(super) const HALF_A_SECOND: Option<Duration> = Some(Duration::from_millis(500));

pub(super) fn seconds(seconds: f64) -> Option<Duration> {
    Some(Duration::from_secs_f64(seconds))
}

/// A service, a product, and a job of it that lives as `simulate` says.
pub(super) async fn running(simulate: Value) -> (Handle, Product, String) {
    let service = service().await;
    let product = Product::new(service.url(), "sim_waiting");
    let id = submitted(&product, simulate).await;
    (service, product, id)
}

async fn submitted(product: &Product, simulate: Value) -> String {
    let request = request("pdf_to_text", invoice_text(simulate), Duration::ZERO);
    let answer = product.app.submit(&product.caller, request).await.unwrap();
    assert_eq!(answer.status, "queued");
    answer.job.unwrap().job_id
}

pub(super) fn fault(path: &str, times: u32, kind: FaultKind) -> Fault {
    Fault { path_prefix: path.into(), times, kind }
}

pub(super) fn status(code: u16, retry_after: Option<&str>) -> FaultKind {
    FaultKind::Status { code, retry_after: retry_after.map(str::to_owned), body: None }
}

#[tokio::test]
async fn a_wait_that_runs_out_says_working_and_when_to_go_on() {
    let service = service().await;
    let product = Product::with(service.url(), "sim_cap", &[("PDFCO_MAX_WAIT_SECONDS", "1")]);
    let id = submitted(&product, json!({"seconds": 60})).await;
    let began = Instant::now();
    let answer = product.app.wait(&product.caller, &id, seconds(20.0), HALF_A_SECOND).await.unwrap();
    assert!((1.0..3.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    assert_eq!((answer.status.as_str(), answer.is_error), ("working", false));
    let job = answer.job.unwrap();
    assert_eq!((job.timeout_applied, job.wait_capped), (Some(1.0), Some(true)));
    assert!(job.retry_after_seconds.unwrap() >= 0.5);
    let tips = answer.tips.unwrap().text(pdfco::next_step::Audience::Agent);
    assert!(tips.contains("wait_job_completion") && tips.contains(&id), "{tips}");
    assert!(product.app.jobs().polled() == 0, "no one waits, nothing is polled");
}

#[tokio::test]
async fn a_wait_within_the_cap_says_nothing_of_it() {
    let (_service, product, id) = running(json!({"seconds": 60})).await;
    let job = product.app.wait(&product.caller, &id, seconds(0.6), HALF_A_SECOND).await.unwrap().job.unwrap();
    assert_eq!((job.timeout_applied, job.wait_capped), (Some(0.6), None));
}

#[tokio::test]
async fn a_wait_of_no_time_is_one_check() {
    let (service, product, id) = running(json!({"seconds": 60})).await;
    let answer = product.app.wait(&product.caller, &id, seconds(0.0), None).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.charge.credits), ("working", Some(2)));
    assert_eq!(service.count(CHECK), 1);
}

/// The work of the simulator takes milliseconds; the job's life is what a wait for the next one has to know.
#[tokio::test]
async fn what_is_learned_of_a_job_is_its_whole_life() {
    let (_service, product, id) = running(json!({"seconds": 1})).await;
    let answer = product.app.wait(&product.caller, &id, seconds(20.0), seconds(2.0)).await.unwrap();
    assert_eq!(answer.status, "success");
    let learned = product.app.jobs().ledger().duration_stats("pdf_to_text", 0).await.unwrap();
    assert!((0.9..1.9).contains(&learned.mean.exp()), "{learned:?}");
}

#[tokio::test]
async fn every_end_of_a_job_ends_the_wait_at_once() {
    for (outcome, is_error) in [("aborted", true), ("failed", true)] {
        let (_service, product, id) = running(json!({"outcome": outcome, "checks": 1, "message": "Too large."})).await;
        let began = Instant::now();
        let answer = product.app.wait(&product.caller, &id, seconds(30.0), HALF_A_SECOND).await.unwrap();
        assert_eq!((answer.status.as_str(), answer.is_error), (outcome, is_error));
        assert!(began.elapsed() < Duration::from_secs(3), "{outcome}: {:?}", began.elapsed());
        let job = answer.job.unwrap();
        assert!(job.is_terminal && job.completed_at.is_some() && job.outputs.is_empty(), "{outcome}");
        if is_error {
            assert_eq!(answer.content["message"], "Too large.", "the reason is in the service's own words");
        }
        let check = product.app.check(&product.caller, &id, false).await.unwrap();
        assert_eq!((check.status.as_str(), check.is_error, check.job.unwrap().source), (outcome, false, Source::Cache));
    }
}

#[tokio::test]
async fn a_word_never_seen_before_keeps_the_wait_going() {
    let (_service, product, id) = running(json!({"outcome": "rescheduled", "checks": 3})).await;
    let first = product.app.wait(&product.caller, &id, seconds(0.8), HALF_A_SECOND).await.unwrap();
    assert_eq!(first.status, "working");
    assert_eq!(first.job.unwrap().unrecognized_status.as_deref(), Some("rescheduled"));
    let second = product.app.wait(&product.caller, &id, seconds(20.0), HALF_A_SECOND).await.unwrap();
    assert_eq!((second.status.as_str(), second.job.unwrap().unrecognized_status), ("success", None));
}

#[tokio::test]
async fn giving_a_wait_up_ends_the_polling_and_not_the_job() {
    let (service, product, id) = running(json!({"seconds": 4})).await;
    let cancel = CancellationToken::new();
    let caller = pdfco::app::Caller { cancel: cancel.clone(), ..product.caller.clone() };
    let wait = product.app.wait(&caller, &id, seconds(30.0), HALF_A_SECOND);
    let leave = async {
        while service.count(CHECK) < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cancel.cancel();
        Instant::now()
    };
    let (outcome, left) = tokio::join!(wait, leave);
    assert!(left.elapsed() < Duration::from_secs(1));
    assert_eq!(outcome.unwrap_err().kind(), Kind::Cancelled);
    let seen = service.count(CHECK);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(service.count(CHECK), seen, "no one waits, nothing is checked");
    let answer = product.app.wait(&product.caller, &id, seconds(20.0), HALF_A_SECOND).await.unwrap();
    assert_eq!(answer.status, "success", "the job went on");
}

#[tokio::test]
async fn giving_one_of_two_waits_up_leaves_the_other_alone() {
    let (_service, product, id) = running(json!({"seconds": 2})).await;
    let cancel = CancellationToken::new();
    let caller = pdfco::app::Caller { cancel: cancel.clone(), ..product.caller.clone() };
    let (leaves, stays, ()) = tokio::join!(
        product.app.wait(&caller, &id, seconds(30.0), HALF_A_SECOND),
        product.app.wait(&product.caller, &id, seconds(30.0), HALF_A_SECOND),
        async {
            tokio::time::sleep(Duration::from_millis(700)).await;
            cancel.cancel();
        }
    );
    assert_eq!(leaves.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(stays.unwrap().status, "success");
}

#[tokio::test]
async fn a_hundred_waits_on_one_job_make_the_checks_of_one() {
    let (service, product, id) = running(json!({"seconds": 2.2})).await;
    let wait = || product.app.wait(&product.caller, &id, seconds(30.0), HALF_A_SECOND);
    let answers: Vec<_> = join_all((0..100).map(|_| wait())).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.status == "success"));
    let checks = service.count(CHECK);
    assert!((4..=6).contains(&checks), "{checks} checks in 2.2 s, one every half second");
    let charged = |credits: Option<i64>| credits.is_some();
    assert_eq!(answers.iter().filter(|answer| charged(answer.charge.credits)).count(), 1, "one of them pays");
    let used: i64 = answers.iter().filter_map(|answer| answer.charge.credits).sum();
    assert_eq!(used, answers[0].job.as_ref().unwrap().check_credits.unwrap(), "and the charge is whole");
}

#[tokio::test]
async fn waits_that_run_out_together_share_their_last_check() {
    // The schedule would first check a little later than this deadline; with a fair chance by then, it is worth a check.
    let service = service().await;
    let product = Product::with(service.url(), "sim_last", &[("PDFCO_CHECK_WORTH_SECONDS", "2")]);
    let id = submitted(&product, json!({"seconds": 60})).await;
    let wait = || product.app.wait(&product.caller, &id, seconds(2.2), None);
    let answers: Vec<_> = join_all((0..20).map(|_| wait())).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.status == "working"), "{:?}", answers[0]);
    let checks = service.count(CHECK);
    assert!(checks <= 2, "{checks} checks for twenty waits on one job");
}

#[tokio::test]
async fn a_job_that_this_ledger_never_saw_can_be_waited_for() {
    let (service, product, id) = running(json!({"seconds": 1.5})).await;
    let other = Product::new(service.url(), "sim_waiting");
    let answer = other.app.wait(&other.caller, &id, seconds(20.0), HALF_A_SECOND).await.unwrap();
    assert_eq!(answer.status, "success");
    let stranger = Product::new(service.url(), "sim_stranger");
    let answer = stranger.app.wait(&stranger.caller, &id, seconds(20.0), HALF_A_SECOND).await.unwrap();
    assert_eq!(answer.status, "unknown", "asked with force, the service admits that this key has no such job");
    drop(product);
}

#[tokio::test]
async fn a_cancelled_job_ends_the_waits_for_it() {
    let (_service, product, id) = running(json!({"seconds": 60})).await;
    let began = Instant::now();
    let (answer, cancelled) =
        tokio::join!(product.app.wait(&product.caller, &id, seconds(20.0), HALF_A_SECOND), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            product.app.cancel(&product.caller, &id).await.unwrap()
        });
    assert_eq!(cancelled.content["outcome"], "cancelled");
    assert_eq!(answer.unwrap().status, "cancelled");
    assert!(began.elapsed() < Duration::from_secs(2));
    let again = product.app.cancel(&product.caller, &id).await.unwrap();
    assert_eq!(again.content["outcome"], "already_terminal");
    let unknown = product.app.cancel(&product.caller, "no-such-job").await.unwrap();
    assert_eq!((unknown.content["outcome"].clone(), unknown.is_error), (json!("not_found"), false));
}

#[tokio::test]
async fn a_forced_first_check_is_paid_for_once() {
    let (service, _product, id) = running(json!({"seconds": 60})).await;
    let other = Product::with(service.url(), "sim_waiting", &[("PDFCO_CHECK_WORTH_SECONDS", "2")]);
    let answer = other.app.wait(&other.caller, &id, seconds(0.7), None).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.charge.credits, service.count(CHECK)), ("working", Some(2), 1));
}
