//! Uploads that take longer than a call may: they go on, and are taken up and paid for once.

use std::time::{Duration, Instant};

use crate::support::product::{Product, request};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const PRESIGNED: &str = "/v1/file/upload/get-presigned-url";
const TEXT: &str = "/v1/pdf/convert/to/text-simple";
/// How long the storage takes for a file: longer than two calls of a second.
const SLOW: Duration = Duration::from_millis(2_500);

fn json(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// A link that costs 7 credits.
fn link(base: &str) -> Value {
    json!({"presignedUrl": format!("{base}/put"), "url": format!("{base}/file/a.pdf"), "credits": 7, "remainingCredits": 93})
}

async fn service() -> MockServer {
    let server = MockServer::start().await;
    let base = server.uri();
    Mock::given(path(PRESIGNED)).respond_with(json(link(&base))).mount(&server).await;
    Mock::given(method("PUT")).respond_with(ResponseTemplate::new(200).set_delay(SLOW)).mount(&server).await;
    let accepted = json!({"jobId": "SLOWUPLOAD1", "credits": 4, "remainingCredits": 89});
    Mock::given(path(TEXT)).respond_with(json(accepted)).mount(&server).await;
    let ended = json!({"jobId": "SLOWUPLOAD1", "status": "success", "credits": 2, "url": format!("{base}/file/a.txt")});
    Mock::given(path("/v1/job/check")).respond_with(json(ended)).mount(&server).await;
    let text = ResponseTemplate::new(200).set_body_raw("the text", "text/plain");
    Mock::given(path("/file/a.txt")).respond_with(text).mount(&server).await;
    Mock::given(path("/v1/account/credit/balance"))
        .respond_with(json(json!({"remainingCredits": 100})))
        .mount(&server)
        .await;
    server
}

async fn count(server: &MockServer, what: &str) -> usize {
    let requests = server.received_requests().await.unwrap();
    requests.iter().filter(|request| request.url.path() == what).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_upload_is_taken_up_and_paid_once() {
    let server = service().await;
    let product = Product::with(&server.uri(), "k-0123456789", &[("PDFCO_MAX_WAIT_SECONDS", "1")]);
    let mut used = 0;
    let mut calls = 0;
    let answer = loop {
        let began = Instant::now();
        let submit = request("pdf_to_text_simple", json!({"url": "invoice.pdf"}), Duration::from_secs(20));
        let answer = product.app.submit(&product.caller, submit).await.unwrap();
        calls += 1;
        used += answer.charge.credits.unwrap_or(0);
        assert!(began.elapsed() < Duration::from_secs(5), "a call of 1 s took {:?}", began.elapsed());
        if answer.job.is_some() {
            break answer;
        }
        assert_eq!((answer.status.as_str(), answer.is_error), ("queued", false));
        assert_eq!(answer.content, json!({"upload": "in progress", "submitted": false}));
        let tips = answer.tips.unwrap().text(pdfco::next_step::Audience::Agent);
        assert!(tips.contains("submit_job again with the same arguments"), "{tips}");
        assert!(calls < 10, "it never ends");
    };
    assert!(calls >= 3, "the upload was not slow: {calls} calls");
    assert_eq!((count(&server, PRESIGNED).await, count(&server, "/put").await, count(&server, TEXT).await), (1, 1, 1));
    let job_id = answer.job.unwrap().job_id;
    // A wait of a second may be over before its check is due.
    for waits in 1.. {
        let waited = product.app.wait(&product.caller, &job_id, None, None).await.unwrap();
        used += waited.charge.credits.unwrap_or(0);
        if waited.status == "success" {
            break;
        }
        assert!(waits < 10, "it is never checked: {:?}", waited.status);
    }
    assert_eq!(used, 7 + 4 + 2, "each charge is reported once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_by_itself_is_taken_up_too_and_a_later_one_is_new() {
    let server = service().await;
    let product = Product::with(&server.uri(), "k-0123456789", &[("PDFCO_MAX_WAIT_SECONDS", "1")]);
    for links in [1, 2] {
        let mut used = 0;
        loop {
            let answer = product.app.upload(&product.caller, "invoice.pdf", None).await.unwrap();
            used += answer.charge.credits.unwrap_or(0);
            if answer.status == "success" {
                assert!(answer.content["url"].as_str().unwrap().ends_with("/file/a.pdf"), "{:?}", answer.content);
                break;
            }
            assert_eq!(answer.content, json!({"upload": "in progress"}));
        }
        assert_eq!((used, count(&server, PRESIGNED).await), (7, links));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_upload_says_what_its_link_cost() {
    for has_link in [true, false] {
        let server = MockServer::start().await;
        let answer = if has_link { link(&server.uri()) } else { json!({"credits": 7, "remainingCredits": 93}) };
        // Long enough for the second call to take the upload of the first up.
        let slow = json(answer).set_delay(Duration::from_millis(500));
        Mock::given(path(PRESIGNED)).respond_with(slow).mount(&server).await;
        Mock::given(method("PUT")).respond_with(ResponseTemplate::new(403)).mount(&server).await;
        let product = Product::new(&server.uri(), "k-0123456789");
        let upload = || product.app.upload(&product.caller, "invoice.pdf", None);
        let (first, second) = tokio::join!(upload(), upload());
        let charges = [first.unwrap_err().charge(), second.unwrap_err().charge()];
        let used: i64 = charges.iter().filter_map(|charge| charge.credits).sum();
        assert_eq!((used, count(&server, PRESIGNED).await), (7, 1), "{has_link} {charges:?}");
        let booked = product.app.spending(&product.caller, 10).await.unwrap();
        assert_eq!(booked.iter().map(|row| row.credits).sum::<i64>(), 7, "it is booked once");
    }
}
