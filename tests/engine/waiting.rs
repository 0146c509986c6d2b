//! Stories of jobs against the simulator: submit, wait, read and save, with everything that can happen on the way.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::product::{Product, documents, invoice_text, request};
use futures_util::future::join_all;
use pdfco::app::{Caller, Event, ListRequest, SubmitRequest};
use pdfco::error::Kind;
use pdfco::jobs::{JobStatus, Source};
use pdfco::simulator::{self, Fault, FaultKind, Handle};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const CHECK: &str = "/v1/job/check";
const HALF_A_SECOND: Option<Duration> = Some(Duration::from_millis(500));

fn seconds(seconds: f64) -> Option<Duration> {
    Some(Duration::from_secs_f64(seconds))
}

async fn service() -> Handle {
    simulator::spawn(simulator::Options::default()).await.unwrap()
}

/// A service, a product, and a job of it that lives as `simulate` says.
async fn running(simulate: Value) -> (Handle, Product, String) {
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

fn fault(path: &str, times: u32, kind: FaultKind) -> Fault {
    Fault { path_prefix: path.into(), times, kind }
}

fn status(code: u16, retry_after: Option<&str>) -> FaultKind {
    FaultKind::Status { code, retry_after: retry_after.map(str::to_owned), body: None }
}

#[tokio::test]
async fn an_upload_beyond_the_wait_goes_on_and_is_taken_up_once() {
    let service = service().await;
    let product = Product::new(service.url(), "sim_late");
    // As after an upload that took as long as the longest wait.
    let caller = Caller { max_wait: Some(Duration::ZERO), ..product.caller.clone() };
    let request = request("pdf_to_text", invoice_text(json!({"checks": 1})), Duration::from_secs(20));
    let first = product.app.submit(&caller, request.clone()).await.unwrap();
    assert_eq!((first.status.as_str(), first.is_error, first.job.is_none()), ("queued", false, true));
    let taken_up = async {
        loop {
            let answer = product.app.submit(&caller, request.clone()).await.unwrap();
            if answer.job.is_some() {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), taken_up).await.expect("the upload never ends");
    assert_eq!(service.count("/v1/file/upload/get-presigned-url"), 1, "it is paid for once");
    assert_eq!((answer.status.as_str(), answer.is_error), ("queued", false));
    assert_eq!(service.count(CHECK), 0, "a check a moment after the submit would see nothing");
    let tips = answer.tips.unwrap().text(pdfco::next_step::Audience::Agent);
    let job = answer.job.unwrap();
    assert_eq!((job.timeout_applied, job.wait_capped, job.checks_made), (Some(0.0), Some(true), 0));
    assert!(job.retry_after_seconds.unwrap() > 0.0 && tips.contains("wait_job_completion"), "{tips}");
}

#[tokio::test]
async fn saved_files_are_listed_and_failed_ones_come_later() {
    let service = service().await;
    let product = Product::new(service.url(), "sim_part");
    service.fault(fault("*/report_page2-2.pdf", 1_000, status(403, None)));
    let parts = format!("{}/parts/", product.folder.path().display());
    let arguments = json!({"url": "report.pdf", "pages": "1,2,3", "profiles": {"Simulate": {"checks": 1}}});
    let request = request("pdf_split", arguments, Duration::from_secs(20));
    let answer =
        product.app.submit(&product.caller, SubmitRequest { save_to: Some(parts.clone()), ..request }).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.is_error), ("success", false));
    let tips = answer.tips.unwrap().text(pdfco::next_step::Audience::Agent);
    assert!(tips.contains("some of its files were not saved") && tips.contains("download_result"), "{tips}");
    let job = answer.job.unwrap();
    let saved: Vec<bool> = job.outputs.iter().map(|output| output.saved_to.is_some()).collect();
    assert_eq!(saved, [true, false, false]);
    assert!(Path::new(job.outputs[0].saved_to.as_ref().unwrap()).is_file());
    service.heal();
    let answer = product.app.download(&product.caller, &job.job_id, Some(&parts), false).await.unwrap();
    assert_eq!(answer.content["files"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn one_call_uploads_submits_waits_and_reads() {
    let service = service().await;
    let product = Product::new(service.url(), "sim_one");
    let request = request("pdf_to_text", invoice_text(json!({"checks": 1})), Duration::from_secs(20));
    let answer = product.app.submit(&product.caller, request).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.is_error), ("success", false));
    let output = answer.output.unwrap();
    assert!(output.text.contains("Northwind Lantern Works") && output.untrusted && !output.truncated);
    let job = answer.job.unwrap();
    assert_eq!((job.checks_made, job.progress), (2, Some(1.0)));
    let spent = 10_000 - service.credits("sim_one");
    assert_eq!(answer.charge.credits, Some(spent), "upload, work and looks, all of them on the bill");
    assert_eq!(answer.charge.remaining, Some(service.credits("sim_one")));
    let heard = product.heard.lock().unwrap();
    assert!(matches!(heard.first(), Some(Event::Uploading { name, .. }) if name == "invoice.pdf"), "{heard:?}");
    assert!(heard.iter().any(|event| matches!(event, Event::Job { status: JobStatus::Success, .. })), "{heard:?}");
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
    assert!(product.app.jobs().polled() == 0, "nobody waits, nothing is watched");
}

#[tokio::test]
async fn a_wait_within_the_cap_says_nothing_of_it() {
    let (_service, product, id) = running(json!({"seconds": 60})).await;
    let job = product.app.wait(&product.caller, &id, seconds(0.6), HALF_A_SECOND).await.unwrap().job.unwrap();
    assert_eq!((job.timeout_applied, job.wait_capped), (Some(0.6), None));
}

#[tokio::test]
async fn a_wait_of_no_time_is_one_look() {
    let (service, product, id) = running(json!({"seconds": 60})).await;
    let answer = product.app.wait(&product.caller, &id, seconds(0.0), None).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.charge.credits), ("working", Some(2)));
    assert_eq!(service.count(CHECK), 1);
}

#[tokio::test]
async fn whatever_ends_a_job_during_a_wait_ends_the_wait_at_once() {
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
        let look = product.app.check(&product.caller, &id, false).await.unwrap();
        assert_eq!((look.status.as_str(), look.is_error, look.job.unwrap().source), (outcome, false, Source::Cache));
    }
}

#[tokio::test]
async fn submit_is_an_error_only_if_it_waited_for_the_failure() {
    let service = service().await;
    let product = Product::new(service.url(), "sim_failing");
    let wish = invoice_text(json!({"outcome": "failed", "checks": 0}));
    let waited = request("pdf_to_text", wish.clone(), Duration::from_secs(10));
    let answer = product.app.submit(&product.caller, waited).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.is_error, answer.output.is_none()), ("failed", true, true));
    let answer = product.app.submit(&product.caller, request("pdf_to_text", wish, Duration::ZERO)).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.is_error), ("queued", false));
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
async fn giving_a_wait_up_ends_the_looking_and_not_the_job() {
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
    assert_eq!(service.count(CHECK), seen, "nobody waits, nobody looks");
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
async fn refused_and_lost_looks_postpone_the_wait_and_never_end_it() {
    let kinds = [
        ("429", status(429, Some("1"))),
        ("503", status(503, None)),
        ("html", FaultKind::Html { code: 200 }),
        ("reset", FaultKind::Reset),
        ("truncated", FaultKind::Truncate),
    ];
    join_all(kinds.into_iter().map(async |(name, kind)| {
        let (service, product, id) = running(json!({"checks": 1})).await;
        service.fault(fault(CHECK, 2, kind));
        let answer = product.app.wait(&product.caller, &id, seconds(30.0), HALF_A_SECOND).await.unwrap();
        assert_eq!(answer.status, "success", "{name}");
        assert!(answer.job.unwrap().last_check_error.is_none(), "{name}: a later look succeeded");
    }))
    .await;
}

#[tokio::test]
async fn a_wait_whose_looks_all_failed_says_why() {
    let (service, product, id) = running(json!({"checks": 1})).await;
    service.fault(fault(CHECK, 100, status(503, None)));
    let answer = product.app.wait(&product.caller, &id, seconds(1.5), HALF_A_SECOND).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.is_error), ("queued", false));
    let job = answer.job.unwrap();
    assert_eq!(job.last_check_error.unwrap()["kind"], "upstream");
    assert!(job.retry_after_seconds.is_some());
}

#[tokio::test]
async fn a_refused_key_and_an_empty_account_end_a_wait_at_once() {
    for (code, kind) in [(401, Kind::Auth), (402, Kind::InsufficientCredits), (403, Kind::Auth)] {
        let (service, product, id) = running(json!({"seconds": 60})).await;
        service.fault(fault(CHECK, 1, status(code, None)));
        let began = Instant::now();
        let error = product.app.wait(&product.caller, &id, seconds(30.0), HALF_A_SECOND).await.unwrap_err();
        assert_eq!(error.kind(), kind, "HTTP {code}");
        assert!(began.elapsed() < Duration::from_secs(2), "HTTP {code}");
        assert_eq!(service.count(CHECK), 1, "HTTP {code}");
    }
}

#[tokio::test]
async fn a_hundred_waits_on_one_job_make_the_looks_of_one() {
    let (service, product, id) = running(json!({"seconds": 2.2})).await;
    let wait = || product.app.wait(&product.caller, &id, seconds(30.0), HALF_A_SECOND);
    let answers: Vec<_> = join_all((0..100).map(|_| wait())).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.status == "success"));
    let checks = service.count(CHECK);
    assert!((4..=6).contains(&checks), "{checks} looks in 2.2 s, one every half second");
    let charged = |credits: Option<i64>| credits.is_some();
    assert_eq!(answers.iter().filter(|answer| charged(answer.charge.credits)).count(), 1, "one of them pays");
    let used: i64 = answers.iter().filter_map(|answer| answer.charge.credits).sum();
    assert_eq!(used, answers[0].job.as_ref().unwrap().check_credits.unwrap(), "and the charge is whole");
}

#[tokio::test]
async fn waits_that_run_out_together_take_their_last_look_together() {
    // The schedule would first look a little later than this deadline; with a fair chance by then, it is worth a look.
    let service = service().await;
    let product = Product::with(service.url(), "sim_last", &[("PDFCO_CHECK_WORTH_SECONDS", "2")]);
    let id = submitted(&product, json!({"seconds": 60})).await;
    let wait = || product.app.wait(&product.caller, &id, seconds(2.2), None);
    let answers: Vec<_> = join_all((0..20).map(|_| wait())).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.status == "working"), "{:?}", answers[0]);
    let checks = service.count(CHECK);
    assert!(checks <= 2, "{checks} looks for twenty waits on one job");
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
    let nobody = product.app.cancel(&product.caller, "nobody").await.unwrap();
    assert_eq!((nobody.content["outcome"].clone(), nobody.is_error), (json!("not_found"), false));
}

#[tokio::test]
async fn a_lost_answer_to_a_submit_leaves_a_trace_and_is_not_repeated() {
    let service = service().await;
    let product = Product::new(service.url(), "sim_lost");
    service.fault(fault("/v1/pdf/convert/from/html", 1, FaultKind::LoseAnswer));
    let submit = || request("html_to_pdf", json!({"html": "<p>a</p>"}), Duration::ZERO);
    let error = product.app.submit(&product.caller, submit()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (Kind::Network, false));
    assert!(error.message().contains("charged"), "{error}");
    assert_eq!(service.count("/v1/pdf/convert/from/html"), 1);
    let jobs = product
        .app
        .list(&product.caller, &ListRequest { status: Some("queued".into()), ..ListRequest::default() })
        .await
        .unwrap();
    let id = jobs.items[0].job_id.clone();
    let look = product.app.check(&product.caller, &id, false).await.unwrap();
    assert_eq!((look.status.as_str(), look.job.unwrap().source), ("queued", Source::Cache));
    assert!(look.tips.unwrap().text(pdfco::next_step::Audience::Agent).contains("get_credit_balance"));
    let waited = product.app.wait(&product.caller, &id, seconds(20.0), None).await.unwrap();
    assert_eq!(waited.status, "queued", "there is nothing to wait for, and that is said at once");
    assert_eq!(service.count(CHECK), 0);
    let again = product.app.submit(&product.caller, submit()).await.unwrap();
    assert!(again.tips.unwrap().text(pdfco::next_step::Audience::Agent).contains(&id), "whoever repeats it is told");
}

#[tokio::test]
async fn a_split_gives_several_files_and_saves_them_in_a_folder() {
    let service = service().await;
    let product = Product::new(service.url(), "sim_split");
    let folder = dunce::canonicalize(product.folder.path()).unwrap().join("parts");
    let request = SubmitRequest {
        save_to: Some(folder.display().to_string()),
        ..request("pdf_split", json!({"url": "report.pdf", "pages": "1,2"}), Duration::from_secs(20))
    };
    let answer = product.app.submit(&product.caller, request).await.unwrap();
    assert_eq!(answer.status, "success", "{answer:?}");
    let outputs = answer.job.unwrap().outputs;
    assert_eq!(outputs.len(), 2, "{outputs:?}");
    for output in outputs {
        let path = output.saved_to.unwrap();
        assert!(Path::new(&path).starts_with(&folder), "{path}");
        assert!(std::fs::read(&path).unwrap().starts_with(b"%PDF-"), "{path}");
        assert_eq!((output.mime_type.as_str(), output.sha256.unwrap().len()), ("application/pdf", 64));
    }
}

#[tokio::test]
async fn file_outside_allowed_folders_is_refused_before_sending() {
    let service = service().await;
    let product = Product::new(service.url(), "sim_outside");
    let outside = format!("{}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    let link = url::Url::from_file_path(std::path::absolute(&outside).unwrap()).unwrap();
    for path in [outside.as_str(), "../../Cargo.toml", link.as_str()] {
        let submit = request("pdf_to_text", json!({"url": path}), Duration::ZERO);
        let error = product.app.submit(&product.caller, submit).await.unwrap_err();
        assert_eq!(error.kind(), Kind::FileAccess, "{path}");
        let error = product.app.upload(&product.caller, path, None).await.unwrap_err();
        assert_eq!(error.kind(), Kind::FileAccess, "{path}");
    }
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn a_file_over_a_hundred_kilobytes_is_uploaded_and_worked_on() {
    let service = service().await;
    let product = Product::new(service.url(), "sim_upload");
    assert!(std::fs::metadata(documents().join("brochure.pdf")).unwrap().len() > 100_000);
    let uploaded = product.app.upload(&product.caller, "brochure.pdf", None).await.unwrap();
    let link = uploaded.content["url"].as_str().unwrap().to_owned();
    let info = request("pdf_info_reader", json!({"url": link}), Duration::from_secs(20));
    let answer = product.app.submit(&product.caller, info).await.unwrap();
    assert_eq!(answer.status, "success", "{answer:?}");
    assert!(answer.content["info"].is_object(), "{}", answer.content);
}

/// A service that takes connections and answers each with `head`, or with nothing at all, and goes on holding it.
/// Counts the connections that its clients have closed.
async fn silent_service(head: &'static str) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let closed = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&closed);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = std::sync::Arc::clone(&count);
            tokio::spawn(async move {
                let mut bytes = [0; 4_096];
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            });
        }
    });
    (base, closed)
}

fn agent_tips(answer: &pdfco::app::Answer) -> String {
    answer.tips.as_ref().map(|tips| tips.text(pdfco::next_step::Audience::Agent)).unwrap_or_default()
}

#[tokio::test]
async fn an_id_of_which_nothing_was_answered_is_an_error() {
    let refusing = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let (silent, _) = silent_service("").await;
    let (dripping, _) = silent_service("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{").await;
    let mut cases = vec![(refusing, Kind::Network), (silent, Kind::Network), (dripping, Kind::Network)];
    let faulty = [
        (status(429, Some("30")), Kind::RateLimited),
        (status(503, None), Kind::Upstream),
        (FaultKind::Html { code: 200 }, Kind::Upstream),
        (FaultKind::Reset, Kind::Network),
    ];
    let mut services = Vec::new();
    for (kind, expected) in faulty {
        let service = service().await;
        service.fault(fault(CHECK, 1_000, kind));
        cases.push((service.url().to_owned(), expected));
        services.push(service);
    }
    join_all(cases.into_iter().map(async |(base, kind)| {
        let product = Product::new(&base, "sim_never");
        let began = Instant::now();
        let wait = product.app.wait(&product.caller, "AAAA--151-300", seconds(1.0), None).await;
        let error = wait.expect_err("nothing is known about this job");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(began.elapsed() < Duration::from_secs(5), "{kind}: {:?}", began.elapsed());
        let text = format!("{error} {}", error.hint().text(pdfco::next_step::Audience::Agent));
        assert!(!text.contains("keeps running") && !text.contains("runs on"), "{text}");
        let answer = pdfco::app::Answer::from_error(&error);
        assert!(answer.job.is_none() && answer.is_error && answer.status == "error");
        let listed = product.app.list(&product.caller, &ListRequest::default()).await.unwrap();
        assert_eq!(listed.total, 0, "an id that nothing was said about leaves no row");
    }))
    .await;
}

#[tokio::test]
async fn a_job_of_our_own_keeps_its_state_and_says_why() {
    let (service, product, id) = running(json!({"seconds": 60})).await;
    product.app.check(&product.caller, &id, false).await.unwrap();
    service.fault(fault(CHECK, 1_000, status(503, None)));
    let answer = product.app.wait(&product.caller, &id, seconds(1.2), HALF_A_SECOND).await.unwrap();
    assert_eq!(answer.status, "working");
    let tips = agent_tips(&answer);
    assert!(
        tips.contains("could not be asked") && tips.contains("`working`") && !tips.contains("keeps running"),
        "{tips}"
    );
    assert_eq!(answer.job.unwrap().last_check_error.unwrap()["kind"], "upstream");
    let error = product.app.check(&product.caller, &id, true).await.unwrap_err();
    let hint = error.hint().text(pdfco::next_step::Audience::Agent);
    assert!(error.kind() == Kind::Upstream && hint.contains("`working`"), "{error}: {hint}");
}

#[tokio::test]
async fn unknown_about_a_young_job_needs_three_answers() {
    let (service, product, id) = running(json!({"outcome": "unknown", "checks": 0})).await;
    for _ in 0..4 {
        let answer = product.app.check(&product.caller, &id, true).await.unwrap();
        assert_eq!(answer.status, "queued", "answers in the same moment count once");
    }
    let began = Instant::now();
    let answer = product.app.wait(&product.caller, &id, seconds(20.0), HALF_A_SECOND).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.is_error), ("unknown", true));
    assert!(began.elapsed() >= Duration::from_millis(3_500), "{:?}", began.elapsed());
    assert!(service.count(CHECK) <= 4 + 3, "{}", service.count(CHECK));
    assert_eq!(product.app.check(&product.caller, &id, false).await.unwrap().status, "unknown");
}

#[tokio::test]
async fn a_job_that_is_unknown_for_a_moment_succeeds() {
    let (service, product, id) = running(json!({"checks": 1})).await;
    let unknown = json!({"status": "unknown", "message": "Job doesn't exist", "credits": 2}).to_string();
    service.fault(fault(CHECK, 1, FaultKind::Status { code: 200, retry_after: None, body: Some(unknown) }));
    let answer = product.app.wait(&product.caller, &id, seconds(20.0), HALF_A_SECOND).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.job.unwrap().checks_made), ("success", 3));
}

#[tokio::test]
async fn an_error_about_the_document_ends_the_job_as_failed() {
    for body in [
        json!({"status": "error", "errorCode": 441, "error": true, "message": "Invalid Password", "credits": -21}),
        json!({"error": true, "message": "Object reference not set", "credits": -21}),
    ] {
        let (service, product, id) = running(json!({"seconds": 60})).await;
        let body = body.to_string();
        service.fault(fault(CHECK, 1, FaultKind::Status { code: 200, retry_after: None, body: Some(body.clone()) }));
        let answer = product.app.wait(&product.caller, &id, seconds(20.0), HALF_A_SECOND).await.unwrap();
        assert_eq!(
            (answer.status.as_str(), answer.is_error, answer.charge.credits),
            ("failed", true, Some(-21)),
            "{body}"
        );
        let again = product.app.wait(&product.caller, &id, seconds(20.0), None).await.unwrap();
        assert_eq!((again.status.as_str(), again.charge.credits), ("failed", None), "{body}");
        assert_eq!(service.count(CHECK), 1, "{body}");
    }
}

#[tokio::test]
async fn a_check_refused_for_lack_of_credits_tells_the_balance() {
    let (service, product, id) = running(json!({"seconds": 60})).await;
    let balance = service.credits("sim_waiting");
    service.fault(fault(CHECK, 3, status(402, None)));
    let waited = product.app.wait(&product.caller, &id, seconds(20.0), HALF_A_SECOND).await.unwrap_err();
    let checked = product.app.check(&product.caller, &id, true).await.unwrap_err();
    for error in [waited, checked] {
        assert_eq!(error.kind(), Kind::InsufficientCredits);
        assert_eq!(pdfco::app::Answer::from_error(&error).charge.remaining, Some(balance));
    }
}

#[tokio::test]
async fn an_answer_about_another_job_is_not_taken() {
    let (service, product, id) = running(json!({"seconds": 60})).await;
    let other =
        json!({"status": "success", "jobId": "OTHER--151-300", "url": "https://h.test/other.txt", "credits": 2});
    service.fault(fault(CHECK, 1, FaultKind::Status { code: 200, retry_after: None, body: Some(other.to_string()) }));
    let error = product.app.check(&product.caller, &id, true).await.unwrap_err();
    assert_eq!((error.kind(), error.charge().credits), (Kind::Upstream, Some(2)));
    assert_eq!(product.app.check(&product.caller, &id, true).await.unwrap().status, "working");
}

#[tokio::test]
async fn a_cancelled_call_lets_go_of_its_request() {
    let (base, closed) = silent_service("").await;
    let product = Product::new(&base, "sim_gone");
    let cancel = CancellationToken::new();
    let caller = Caller { cancel: cancel.clone(), ..product.caller.clone() };
    let (check, wait, balance, cancelled) = tokio::join!(
        product.app.check(&caller, "AAAA--1", false),
        product.app.wait(&caller, "AAAA--2", seconds(30.0), None),
        product.app.balance(&caller),
        async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            cancel.cancel();
            Instant::now()
        }
    );
    for error in [check.unwrap_err(), wait.unwrap_err(), balance.unwrap_err()] {
        assert_eq!(error.kind(), Kind::Cancelled, "{error}");
    }
    while closed.load(std::sync::atomic::Ordering::SeqCst) < 3 {
        assert!(cancelled.elapsed() < Duration::from_secs(1), "the requests are still on their way");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn made_up_keys_leave_no_rows_and_are_not_sent_again() {
    let service = service().await;
    service.fault(fault(CHECK, 1_000, status(401, None)));
    let product = Product::new(service.url(), "sim_made_up");
    for _ in 0..5 {
        let error = product.app.check(&product.caller, "AAAA--1", false).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Auth);
        let error = product.app.wait(&product.caller, "AAAA--2", seconds(5.0), None).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Auth);
    }
    assert_eq!(service.count(CHECK), 1);
    let listed = product.app.list(&product.caller, &ListRequest::default()).await.unwrap();
    assert_eq!(listed.total, 0);
}

#[tokio::test]
async fn a_forced_first_check_is_paid_for_once() {
    let (service, _product, id) = running(json!({"seconds": 60})).await;
    let other = Product::with(service.url(), "sim_waiting", &[("PDFCO_CHECK_WORTH_SECONDS", "2")]);
    let answer = other.app.wait(&other.caller, &id, seconds(0.7), None).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.charge.credits, service.count(CHECK)), ("working", Some(2), 1));
}

#[tokio::test]
async fn quoted_secrets_of_a_job_are_neither_shown_nor_kept() {
    let (service, product, id) = running(json!({"seconds": 60})).await;
    drop((product, id));
    let product = Product::new(service.url(), CANARIES[0]);
    let request = request(
        "pdf_to_text",
        json!({"url": "invoice.pdf", "password": CANARIES[1], "profiles": {"Simulate": {"seconds": 60}}}),
        Duration::ZERO,
    );
    let id = product.app.submit(&product.caller, request).await.unwrap().job.unwrap().job_id;
    let message = format!(
        "Invalid password '{}' for https://u:{}@h.test/a?X-Amz-Signature={} key {}",
        CANARIES[1], CANARIES[3], CANARIES[2], CANARIES[0]
    );
    let body = json!({"status": "failed", "message": message, "details": {"input": message}}).to_string();
    service.fault(fault(CHECK, 1, FaultKind::Status { code: 200, retry_after: None, body: Some(body) }));
    let answer = product.app.wait(&product.caller, &id, seconds(20.0), HALF_A_SECOND).await.unwrap();
    assert_eq!(answer.status, "failed");
    assert_clean("the answer", &serde_json::to_string(&answer).unwrap());
    let kept = product.app.jobs().get(&product.caller.owner, &id).await.unwrap();
    assert_clean("the ledger", &format!("{kept:?}"));
}

/// Everything that was planted, and must turn up nowhere.
const CANARIES: [&str; 4] = ["sim_canary_key", "canary-password", "canary-signature", "canary-login"];

fn assert_clean(place: &str, text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} in {place}: {text}");
    }
}

#[tokio::test]
async fn secrets_stay_out_of_ledger_errors_and_lists() {
    let service = service().await;
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger.sqlite");
    let product = Product::with(service.url(), CANARIES[0], &[("PDFCO_LEDGER", ledger.to_str().unwrap())]);
    let link = "https://files.example.test/a.pdf?X-Amz-Signature=canary-signature";
    let arguments =
        json!({"url": link, "password": "canary-password", "httpusername": "u", "httppassword": "canary-login"});
    let submit = || request("pdf_to_text", arguments.clone(), Duration::ZERO);
    let quoting = json!({"error": true, "errorCode": 400, "message": format!("Bad: {link} with canary-password, canary-login and {}", CANARIES[0])});
    for kind in [
        FaultKind::Status { code: 400, retry_after: None, body: Some(quoting.to_string()) },
        FaultKind::Status { code: 500, retry_after: None, body: Some(quoting.to_string()) },
        FaultKind::LoseAnswer,
        FaultKind::Reset,
        FaultKind::Truncate,
    ] {
        service.fault(fault("/v1/pdf/convert/to/text", 1, kind.clone()));
        let error = product.app.submit(&product.caller, submit()).await.unwrap_err();
        assert_clean("Display", &format!("{error} {}", error.hint().text(pdfco::next_step::Audience::Agent)));
        assert_clean("Debug", &format!("{error:?}"));
        let answer = pdfco::app::Answer::from_error(&error);
        assert_clean("the answer", &serde_json::to_string(&answer).unwrap());
    }
    let answer = product.app.submit(&product.caller, SubmitRequest { wait: seconds(10.0), ..submit() }).await.unwrap();
    assert_clean("a failed job's answer", &serde_json::to_string(&answer).unwrap());
    let jobs = product.app.list(&product.caller, &ListRequest { limit: 100, ..ListRequest::default() }).await.unwrap();
    assert_eq!(jobs.total, 4, "three of unknown fate and one that failed: {jobs:?}");
    assert_clean("list_jobs", &serde_json::to_string(&jobs).unwrap());
    assert_clean("the settings", &format!("{:?}", product.app.config));
    let mut files = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap().path();
        assert_clean(file.to_str().unwrap(), &String::from_utf8_lossy(&std::fs::read(&file).unwrap()));
        files += 1;
    }
    assert!(files >= 2, "the ledger and its journal were read");
}
