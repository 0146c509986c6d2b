//! One call from a local file to its result: upload, submit, read, save, and what may fail on the way.

use std::path::Path;
use std::time::{Duration, Instant};

use pdfco::app::{Caller, Event, ListRequest, SubmitRequest};
use pdfco::error::Kind;
use pdfco::jobs::{JobStatus, Source};
use pdfco::simulator::FaultKind;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::product::{CHECK, Product, documents, invoice_text, request, service};

use super::checks_refused::silent_service;
use super::waiting::{fault, seconds, status};

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
    assert_eq!((&answer.content["saved"], answer.job.unwrap().outputs.len()), (&json!(3), 3));
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
    assert_eq!(answer.charge.credits, Some(spent), "upload, work and checks, all of them on the bill");
    assert_eq!(answer.charge.remaining, Some(service.credits("sim_one")));
    let received = product.received.lock().unwrap();
    assert!(matches!(received.first(), Some(Event::Uploading { name, .. }) if name == "invoice.pdf"), "{received:?}");
    assert!(
        received.iter().any(|event| matches!(event, Event::Job { status: JobStatus::Success, .. })),
        "{received:?}"
    );
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
    let check = product.app.check(&product.caller, &id, false).await.unwrap();
    assert_eq!((check.status.as_str(), check.job.unwrap().source), ("queued", Source::Cache));
    assert!(check.tips.unwrap().text(pdfco::next_step::Audience::Agent).contains("get_credit_balance"));
    let waited = product.app.wait(&product.caller, &id, seconds(20.0), None).await.unwrap();
    assert_eq!(waited.status, "queued", "there is nothing to wait for, and that is said at once");
    assert_eq!(service.count(CHECK), 0);
    let again = product.app.submit(&product.caller, submit()).await.unwrap();
    assert!(again.tips.unwrap().text(pdfco::next_step::Audience::Agent).contains(&id), "a repeat of it is reported");
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
