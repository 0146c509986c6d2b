//! Answers that are not taken at their word: a success without a result, an id that was given before, and no answer at all.

use std::time::Duration;

use crate::support::command::Pdfco;
use crate::support::product::{CHECK, Product, request};
use pdfco::app::{ListRequest, SubmitRequest, WaitRequest};
use pdfco::error::Kind;
use pdfco::jobs::{JobId, JobStatus};
use pdfco::next_step::Audience;
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

const TEXT: &str = "/v1/pdf/convert/to/text";
const KEY: &str = "k-0123456789";
const JOB: &str = "AAAA1111BBBB2222CCCC3333DDDD4444--151-300";
const LINK: &str = "https://files.example.test/a.pdf";
const LONG: Duration = Duration::from_secs(20);

/// A service that accepts every text job under one id and answers its checks with `check`.
async fn service(check: (u16, Value)) -> MockServer {
    let server = MockServer::start().await;
    let on = |at: &str, reply: ResponseTemplate| Mock::given(path(at)).respond_with(reply);
    let accepted = json!({"jobId": JOB, "status": 200, "url": "https://h.test/r.txt?X-Amz-Signature=canary", "credits": 21, "remainingCredits": 979});
    on(TEXT, ResponseTemplate::new(200).set_body_json(accepted)).mount(&server).await;
    on(CHECK, ResponseTemplate::new(check.0).set_body_json(check.1)).mount(&server).await;
    on("/stored/a.txt", ResponseTemplate::new(200).set_body_raw("the first result", "text/plain")).mount(&server).await;
    server
}

fn text_job(wait: Duration) -> SubmitRequest {
    request("pdf_to_text", json!({"url": LINK}), wait)
}

#[tokio::test]
async fn a_job_id_given_twice_is_an_error_with_its_charge() {
    let server = service((200, json!({"status": "working", "credits": 2}))).await;
    let product = Product::new(&server.uri(), KEY);
    let first = product.app.submit(&product.caller, text_job(Duration::ZERO)).await.unwrap();
    assert_eq!(first.job.unwrap().job_id, JOB);
    let again = SubmitRequest { client_request_id: Some("again".into()), ..text_job(LONG) };
    let error = product.app.submit(&product.caller, again.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.charge().credits, error.is_retryable()), (Kind::Upstream, Some(21), false));
    assert!(error.message().contains("an earlier job") && error.message().contains(JOB), "{error}");

    let list = product.app.list(&product.caller, &ListRequest::default()).await.unwrap();
    let states: Vec<(&str, Option<i64>)> =
        list.items.iter().map(|job| (job.status.as_str(), job.credits_total)).collect();
    assert_eq!(states, [("failed", Some(21)), ("queued", Some(21))]);
    assert_eq!((list.spent_today, list.credits_remaining), (42, Some(979)));
    let (second, jobs) = (JobId::parse(&list.items[0].job_id).unwrap(), product.app.jobs());
    let second = jobs.get(&product.caller.owner, &second).await.unwrap();
    assert!(second.reason().unwrap().contains("an earlier job"), "{second:?}");
    let repeated = product.app.submit(&product.caller, again).await.unwrap();
    assert_eq!((repeated.status.as_str(), repeated.is_error), ("failed", true), "it is not paid for again");
    // Neither is the first one touched.
    assert_eq!(jobs.get(&product.caller.owner, &JobId::parse(JOB).unwrap()).await.unwrap().status, JobStatus::Queued);
}

#[tokio::test]
async fn a_success_without_a_result_is_said_to_be_none() {
    let bodies = [
        json!({"status": "success", "credits": 2}),
        json!({"status": "success", "url": Value::Null, "credits": 2}),
        json!({"status": "success", "url": "", "body": [], "credits": 2}),
        json!({"status": "success", "urls": [], "credits": 2}),
        json!({"status": "success", "url": "ftp://h.test/a.txt", "credits": 2}),
    ];
    for body in bodies {
        let server = service((200, body.clone())).await;
        let product = Product::new(&server.uri(), KEY);
        for save_to in [None, Some(format!("{}/", product.folder.path().display()))] {
            let request = SubmitRequest { save_to, client_request_id: Some("one".into()), ..text_job(LONG) };
            let answer = product.app.submit(&product.caller, request).await.unwrap();
            let tips = answer.tips.unwrap().text(Audience::Agent);
            assert_eq!(answer.status.as_str(), "success", "{body}");
            assert!(tips.contains("named no result") && tips.contains("force: true"), "{body}: {tips}");
            assert!(!tips.contains("download_result"), "{body}: {tips}");
        }
        let (one, other, base) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), server.uri());
        let run = async |home: &tempfile::TempDir, args: &[&str]| {
            let call = Pdfco::new(home.path()).env("PDFCO_BASE_URL", &base).env("PDFCO_API_KEY", KEY).args(args);
            tokio::task::spawn_blocking(move || call.run()).await.unwrap()
        };
        let text = ["call", "pdf-to-text", "--url", LINK];
        run(&one, &text).await.code(6).prints_nothing().complains("named no result").complains("--force");
        let save = [&text[..], &["--save-to", "a.txt"]].concat();
        run(&other, &save).await.code(6).complains("named no result").complains("--force");
        for (command, code) in [("wait", 6), ("read", 6), ("download", 6)] {
            let ended = run(&one, &["jobs", command, "--latest"]).await;
            ended.code(code).complains("named no result");
        }
        run(&one, &["jobs", "show", "--latest"]).await.code(0).complains("named no result");
    }
}

#[tokio::test]
async fn a_forced_check_finds_the_result_that_was_missing() {
    let server = MockServer::start().await;
    let on = |at: &str, reply: ResponseTemplate| Mock::given(path(at)).respond_with(reply);
    let accepted = json!({"jobId": JOB, "status": 200, "credits": 21});
    on(TEXT, ResponseTemplate::new(200).set_body_json(accepted)).mount(&server).await;
    let empty = ResponseTemplate::new(200).set_body_json(json!({"status": "success", "credits": 2}));
    on(CHECK, empty).up_to_n_times(1).mount(&server).await;
    let done = json!({"status": "success", "url": format!("{}/stored/a.txt?X-Amz-Signature=1", server.uri())});
    on(CHECK, ResponseTemplate::new(200).set_body_json(done)).mount(&server).await;
    on("/stored/a.txt", ResponseTemplate::new(200).set_body_raw("here", "text/plain")).mount(&server).await;
    let product = Product::new(&server.uri(), KEY);
    let answer = product.app.submit(&product.caller, text_job(LONG)).await.unwrap();
    assert!(answer.output.is_none());
    let answer = product.app.check(&product.caller, JOB, true).await.unwrap();
    let tips = answer.tips.map(|tips| tips.text(Audience::Agent)).unwrap_or_default();
    assert_eq!(answer.job.unwrap().outputs.len(), 1);
    assert!(!tips.contains("named no result"), "{tips}");
}

#[tokio::test]
async fn a_wait_for_several_unknown_ids_without_an_answer_is_an_error() {
    // Nothing listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let product = Product::new(&format!("http://{free}"), KEY);
    let ids = ["A", "B"].map(|letter| letter.repeat(40));
    let wait = WaitRequest { job_ids: ids.to_vec(), timeout: Some(Duration::from_secs(1)), ..WaitRequest::default() };
    let error = product.app.wait_for(&product.caller, &wait).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (Kind::Network, true), "{error}");
}

#[tokio::test]
async fn a_wait_for_a_queued_and_an_unknown_id_claims_nothing() {
    let server = service((503, json!({}))).await;
    let product = Product::new(&server.uri(), KEY);
    product.app.submit(&product.caller, text_job(Duration::ZERO)).await.unwrap();
    let job_ids = vec![JOB.to_owned(), "B".repeat(40)];
    let wait = WaitRequest { job_ids, timeout: Some(Duration::from_secs(1)), ..WaitRequest::default() };
    let answer = product.app.wait_for(&product.caller, &wait).await.unwrap();
    assert_eq!(answer.status.as_str(), "queued", "{answer:?}");
    assert_eq!(answer.content["error"][0]["kind"], "upstream", "{answer:?}");
}

#[tokio::test]
async fn a_refused_check_of_an_own_job_ends_it_as_failed() {
    let refused = json!({"error": true, "errorCode": 400, "message": "Incorrect input parameters"});
    let server = service((400, refused)).await;
    let product = Product::new(&server.uri(), KEY);
    let answer = product.app.submit(&product.caller, text_job(LONG)).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.is_error), ("failed", true), "{answer:?}");
    // Of an id from elsewhere it is not known that there is such a job.
    let error = product.app.check(&product.caller, &"B".repeat(40), false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.hint().text(Audience::Agent).contains("job id"), "{error}");
}

#[tokio::test]
async fn a_check_without_credits_is_live() {
    let server = service((200, json!({"status": "working"}))).await;
    let product = Product::new(&server.uri(), KEY);
    product.app.submit(&product.caller, text_job(Duration::ZERO)).await.unwrap();
    let half = Some(Duration::from_millis(500));
    let answer = product.app.wait(&product.caller, JOB, Some(Duration::from_secs(2)), half).await.unwrap();
    let job = serde_json::to_value(answer.job.unwrap()).unwrap();
    assert!(job["checks_made"].as_i64().unwrap() > 0 && job["source"] == "live", "{job:#}");
}

#[tokio::test]
async fn a_check_without_credits_left_is_an_error_that_names_the_job() {
    let refused = json!({"error": true, "errorCode": 402, "message": "Payment required"});
    let server = service((402, refused)).await;
    let product = Product::new(&server.uri(), KEY);
    let answer = product.app.submit(&product.caller, text_job(LONG)).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.is_error), ("error", true), "{answer:?}");
    assert_eq!(answer.content["kind"], "insufficient_credits");
    assert_eq!((answer.charge.credits, answer.charge.remaining), (Some(21), Some(979)), "{answer:?}");
    assert_eq!(answer.job.unwrap().job_id, JOB);
    let (home, base) = (tempfile::tempdir().unwrap(), server.uri());
    let call = Pdfco::new(home.path()).env("PDFCO_BASE_URL", &base).env("PDFCO_API_KEY", KEY);
    let call = call.args(&["call", "pdf-to-text", "--url", LINK]);
    let ended = tokio::task::spawn_blocking(move || call.run()).await.unwrap().code(3);
    ended.complains("979 credits").complains("Buy credits").complains("jobs wait");
}
