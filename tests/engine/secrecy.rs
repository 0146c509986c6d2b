//! Keys, passwords and signatures stay out of the ledger, of errors and of lists.

use std::time::Duration;

use pdfco::app::{ListRequest, SubmitRequest};
use pdfco::error::Kind;
use pdfco::jobs::JobId;
use pdfco::simulator::FaultKind;
use serde_json::json;

use crate::support::product::{CHECK, Product, request, service};

use super::waiting::{HALF_A_SECOND, fault, running, seconds, status};

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
    let kept = product.app.jobs().get(&product.caller.owner, &JobId::parse(&id).unwrap()).await.unwrap();
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
