//! What a call will cost, from what is known: the catalog, what this account's jobs were charged, and the pages of local
//! files; and the balance, whichever process read it last.

use std::time::Duration;

use crate::support::product::{Product, config, request};
use pdfco::app::{App, Estimate, SubmitRequest};
use pdfco::error::Kind;
use pdfco::simulator::{self, Charging, Options};
use serde_json::{Value, json};

const UPLOAD: i64 = 7;
const PRESIGNED: &str = "/v1/file/upload/get-presigned-url";
const LONG: Duration = Duration::from_secs(30);

fn report(operation: &str, more: Value) -> SubmitRequest {
    let mut arguments = json!({"url": "report.pdf"});
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request(operation, arguments, LONG)
}

async fn estimate(product: &Product, request: SubmitRequest) -> Estimate {
    product.app.estimate(&product.caller, &request).await.unwrap()
}

fn range(estimate: &Estimate) -> (Option<i64>, Option<i64>) {
    (estimate.credits_min, estimate.credits_max)
}

#[tokio::test]
async fn an_estimate_is_what_the_accounts_own_jobs_were_charged() {
    for (charging, per_document) in [(Charging::PerPage, 5 * 21), (Charging::Flat, 21)] {
        let service = simulator::spawn(Options { charging, ..Options::default() }).await.unwrap();
        let product = Product::new(service.url(), "sim_learning");
        let open = estimate(&product, report("pdf_to_text", json!({}))).await;
        assert_eq!(range(&open), (Some(21 + UPLOAD), Some(5 * 21 + UPLOAD)), "{charging:?}: {open:?}");
        assert!(open.basis.contains("disagree") && open.pages == Some(5), "{open:?}");
        // One page shows nothing about the others. The file is not uploaded again.
        product.app.submit(&product.caller, report("pdf_to_text", json!({"pages": "0"}))).await.unwrap();
        let still = estimate(&product, report("pdf_to_text", json!({}))).await;
        assert_eq!(range(&still), (Some(21), Some(5 * 21)), "{charging:?}: {still:?}");
        assert!(still.basis.contains("one job of this account"), "{still:?}");
        product.app.submit(&product.caller, report("pdf_to_text", json!({"pages": "1-3"}))).await.unwrap();
        let learned = estimate(&product, report("pdf_to_text", json!({}))).await;
        let whole = per_document;
        assert_eq!(range(&learned), (Some(whole), Some(whole)), "{charging:?}: {learned:?}");
        assert!(learned.basis.contains("2 jobs of this account"), "{learned:?}");
        // What an estimate says is what is charged, its checks aside.
        let before = service.credits("sim_learning");
        let answer = product.app.submit(&product.caller, report("pdf_to_text", json!({}))).await.unwrap();
        let checks = 2 * answer.job.unwrap().checks_made;
        assert_eq!(before - service.credits("sim_learning") - checks, whole, "{charging:?}");
        // Another operation is charged in the same way, and a failure shows nothing.
        let other = estimate(&product, report("pdf_to_csv", json!({}))).await;
        let whole = whole / 21 * 28;
        assert_eq!(range(&other), (Some(whole), Some(whole)), "{charging:?}: {other:?}");
        assert!(other.basis.ends_with("as another operation of this account was charged."), "{other:?}");
        let failing = json!({"profiles": {"Simulate": {"outcome": "failed", "errorCode": 442}}});
        product.app.submit(&product.caller, report("pdf_to_csv", failing)).await.unwrap();
        assert_eq!(estimate(&product, report("pdf_to_csv", json!({}))).await.basis, other.basis);
    }
}

#[tokio::test]
async fn what_one_account_was_charged_says_nothing_about_another() {
    let service = simulator::spawn(Options { charging: Charging::Flat, ..Options::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("l.sqlite").display().to_string();
    let settings = [("PDFCO_LEDGER", ledger.as_str())];
    let one = Product::with(service.url(), "sim_one", &settings);
    let other = Product::with(service.url(), "sim_other", &settings);
    one.app.submit(&one.caller, report("pdf_to_text", json!({}))).await.unwrap();
    assert_eq!(range(&estimate(&one, report("pdf_to_text", json!({}))).await), (Some(21), Some(21)));
    assert_eq!(range(&estimate(&other, report("pdf_to_text", json!({}))).await), (Some(28), Some(112)));
    // The same account in another process knows.
    let again = Product::with(service.url(), "sim_one", &settings);
    assert_eq!(range(&estimate(&again, report("pdf_to_text", json!({}))).await), (Some(28), Some(28)));
}

#[tokio::test]
async fn a_job_that_called_back_teaches_its_price_as_well() {
    for (charging, most) in [(Charging::PerPage, 5 * 21), (Charging::Flat, 21)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let life = simulator::Life::Time { median: Duration::from_secs(60), sigma: 0.0 };
        let service = simulator::spawn(Options { charging, life, ..Options::default() }).await.unwrap();
        let product = Product::with(service.url(), "sim_called", &[("PDFCO_CALLBACK_URL", &url)]);
        let asked = request("pdf_to_text", json!({"url": "report.pdf"}), Duration::ZERO);
        product.app.submit(&product.caller, asked).await.unwrap();
        let submits = service.requests();
        let sent = submits.iter().find_map(|request| request.body.as_ref()?["callback"].as_str()).unwrap();
        let secret = sent.rsplit('/').next().unwrap();
        let credits = 2 + most - 21;
        let body = json!({"status": "success", "url": "https://h.test/a.txt", "pageCount": 5, "credits": credits});
        product.app.jobs().called_back(secret, body.to_string().as_bytes()).await.unwrap();
        let learned = estimate(&product, report("pdf_to_text", json!({}))).await;
        assert_eq!(range(&learned), (Some(most), Some(most)), "{charging:?}: {learned:?}");
    }
}

#[tokio::test]
async fn pages_are_counted_where_they_can_be() {
    let product = Product::new("http://127.0.0.1:9", "sim_counting");
    let of = async |operation: &str, arguments: Value| {
        let estimate = estimate(&product, request(operation, arguments, LONG)).await;
        (estimate.pages, estimate.credits_min, estimate.credits_max)
    };
    /// Pages, the least and the most.
    type Counted = (Option<u32>, Option<i64>, Option<i64>);
    let expected: [(&str, Value, Counted); 8] = [
        ("pdf_to_text", json!({"url": "report.pdf"}), (Some(5), Some(28), Some(112))),
        ("pdf_to_text", json!({"url": "report.pdf", "pages": "0,2-3"}), (Some(3), Some(28), Some(70))),
        ("pdf_split", json!({"url": "report.pdf", "pages": "1-2"}), (Some(2), Some(9), Some(11))),
        ("pdf_merge_simple", json!({"url": ["report.pdf", "invoice.pdf"]}), (Some(6), Some(16), Some(26))),
        // A document that is not here, one that is locked, and a damaged one have no end to their range.
        ("pdf_to_text", json!({"url": "https://files.example.test/a.pdf"}), (None, Some(21), None)),
        ("pdf_to_text", json!({"url": "locked.pdf"}), (None, Some(28), None)),
        ("pdf_to_text", json!({"url": "broken.pdf"}), (None, Some(28), None)),
        ("pdf_merge_simple", json!({"url": ["report.pdf", "https://files.example.test/a.pdf"]}), (None, Some(9), None)),
    ];
    for (operation, arguments, expected) in expected {
        assert_eq!(of(operation, arguments.clone()).await, expected, "{operation} {arguments}");
    }
    let beyond = request("pdf_to_text", json!({"url": "report.pdf", "pages": "7"}), LONG);
    let refused = product.app.estimate(&product.caller, &beyond).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::InvalidArgument, "{refused}");
}

#[tokio::test]
async fn what_the_balance_does_not_cover_is_refused_before_the_upload() {
    let service = simulator::spawn(Options { credits: 27, ..Options::default() }).await.unwrap();
    let product = Product::new(service.url(), "sim_poor");
    product.app.balance(&product.caller).await.unwrap();
    let refused = product.app.submit(&product.caller, report("pdf_to_text", json!({}))).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::InsufficientCredits, "{refused}");
    assert!(refused.message().contains("27") && refused.charge().remaining == Some(27), "{refused:?}");
    assert_eq!((service.count(PRESIGNED), service.credits("sim_poor")), (0, 27));
    // What it covers goes through.
    let cheap = product.app.submit(&product.caller, report("pdf_to_text_simple", json!({"pages": "0"}))).await.unwrap();
    assert_eq!(cheap.status, "success", "{cheap:?}");
}

#[tokio::test]
async fn the_newest_balance_is_the_accounts_in_every_process() {
    let service = simulator::spawn(Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("l.sqlite").display().to_string();
    let settings = [("PDFCO_LEDGER", ledger.as_str())];
    let first = Product::with(service.url(), "sim_shared", &settings);
    let done = first.app.submit(&first.caller, report("pdf_to_text", json!({}))).await.unwrap();
    let id = done.job.unwrap().job_id;
    // Another process of the same account spends.
    let second = App::new(config(service.url(), "sim_shared", &settings)).unwrap();
    let later = second.submit(&first.caller, report("pdf_to_csv", json!({}))).await.unwrap();
    assert_eq!(later.charge.remaining, Some(service.credits("sim_shared")));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let cached = first.app.check(&first.caller, &id, false).await.unwrap();
    assert_eq!(cached.charge.credits, None, "a finished job costs nothing to ask about");
    assert_eq!(cached.charge.remaining, Some(service.credits("sim_shared")), "not the balance of the day it ended");
}

#[tokio::test]
async fn an_upload_ticket_is_asked_about_like_an_upload() {
    let service = simulator::spawn(Options::default()).await.unwrap();
    for (threshold, asks) in [("6", true), ("7", false)] {
        let product = Product::with(service.url(), "sim_ticket", &[("PDFCO_CONFIRM_CREDITS", threshold)]);
        let answer = product.app.upload_ticket(&product.caller, Some("a.pdf")).await.unwrap();
        assert_eq!((answer.is_error, answer.consent.is_some()), (asks, asks), "{answer:?}");
        assert_eq!(service.credits("sim_ticket"), if asks { 10_000 } else { 9_993 }, "{threshold}");
    }
}
