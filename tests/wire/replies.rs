//! Single replies of the service, byte for byte, and what the product makes of them.

use std::time::{Duration, Instant};

use crate::support::product::{CHECK, Product, request};
use futures_util::future::join_all;
use pdfco::api::Response;
use pdfco::app::{ListRequest, ReadRequest, SubmitRequest};
use pdfco::charge::Charge;
use pdfco::clock::now;
use pdfco::error::Kind;
use pdfco::jobs::ledger::Intent;
use pdfco::jobs::{JobId, Observation, Source};
use pdfco::simulator;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wiremock::matchers::{body_partial_json, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const TEXT: &str = "/v1/pdf/convert/to/text";
const JOB: &str = "AAAA1111BBBB2222CCCC3333DDDD4444--151-300";
const KEY: &str = "k-0123456789";
const HALF_A_SECOND: Duration = Duration::from_millis(500);

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/replies/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn fixture_json(name: &str) -> Value {
    serde_json::from_slice(&fixture(name)).unwrap()
}

fn reply(status: u16, name: &str) -> ResponseTemplate {
    let mime = if name.ends_with("html") { "text/html" } else { "application/json; charset=utf-8" };
    ResponseTemplate::new(status).set_body_raw(fixture(name), mime)
}

async fn at(server: &MockServer, at: &str, reply: ResponseTemplate) {
    Mock::given(path(at)).respond_with(reply).mount(server).await;
}

/// Of several, the first one answers first.
async fn once_at(server: &MockServer, at: &str, reply: ResponseTemplate) {
    Mock::given(path(at)).respond_with(reply).up_to_n_times(1).with_priority(1).mount(server).await;
}

async fn requests(server: &MockServer, at: &str) -> Vec<Request> {
    server.received_requests().await.unwrap().into_iter().filter(|request| request.url.path() == at).collect()
}

fn body_of(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// The job that a reply speaks of; [`JOB`] when it names none.
fn job_of(file: &str) -> String {
    let body = fixture_json(file);
    pdfco::json_ext::field(&body, "jobId").and_then(Value::as_str).unwrap_or(JOB).to_owned()
}

fn text_of_a_link(wait: Duration) -> SubmitRequest {
    request("pdf_to_text", json!({"url": "https://files.example.test/a.pdf"}), wait)
}

/// A reply to a check, and what it says.
struct Row {
    file: &'static str,
    status: &'static str,
    is_terminal: bool,
    new_word: Option<&'static str>,
    credits_used: Option<i64>,
    credits_remaining: Option<i64>,
}

const fn row(
    file: &'static str,
    status: &'static str,
    is_terminal: bool,
    new_word: Option<&'static str>,
    credits_used: Option<i64>,
    credits_remaining: Option<i64>,
) -> Row {
    Row { file, status, is_terminal, new_word, credits_used, credits_remaining }
}

/// All of `fixtures/replies/job_check` that hold a state.
const CHECKS: &[Row] = &[
    row("working", "working", false, None, None, Some(60_227)),
    row("working_with_credits", "working", false, None, Some(2), Some(98)),
    row("success", "success", true, None, Some(2), Some(60_225)),
    row("success_split", "success", true, None, Some(2), Some(9_311)),
    row("success_ai_invoice", "success", true, None, Some(0), Some(8_489)),
    row("success_uppercase", "success", true, None, Some(2), Some(60_225)),
    row("jobid_lowercase", "success", true, None, Some(2), Some(60_225)),
    row("failed_with_refund", "failed", true, None, Some(-21), Some(60_248)),
    row("aborted", "aborted", true, None, Some(2), Some(60_225)),
    row("unknown", "unknown", true, None, Some(2), Some(60_225)),
    row("new_word", "working", false, Some("rescheduled"), Some(2), Some(60_225)),
    row("status_number", "working", false, Some("200"), Some(2), Some(60_225)),
    row("credits_string", "working", false, None, Some(2), Some(60_225)),
    row("credits_float", "working", false, None, Some(2), Some(60_225)),
    row("credits_null", "working", false, None, None, None),
];

/// Those that hold none.
const STATELESS: &[(&str, Option<i64>)] = &[("status_missing", Some(2)), ("message_only", None)];

#[test]
fn every_reply_to_a_check_is_in_a_table() {
    let folder = format!("{}/fixtures/replies/job_check", env!("CARGO_MANIFEST_DIR"));
    let mut there: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".json", ""))
        .collect();
    let mut here: Vec<&str> = CHECKS.iter().map(|row| row.file).chain(STATELESS.iter().map(|row| row.0)).collect();
    there.sort();
    here.sort_unstable();
    assert_eq!(there, here);
}

#[tokio::test]
async fn check_reports_every_end_state_without_an_error() {
    join_all(CHECKS.iter().map(async |row| {
        let (server, name) = (MockServer::start().await, row.file);
        at(&server, CHECK, reply(200, &format!("job_check/{name}.json"))).await;
        let product = Product::new(&server.uri(), KEY);
        let id = job_of(&format!("job_check/{name}.json"));
        let answer = product.app.check(&product.caller, &id, false).await.unwrap();
        let job = answer.job.as_ref().unwrap();
        assert_eq!(answer.status, row.status, "{name}");
        assert_eq!(job.is_terminal, row.is_terminal, "{name}");
        assert_eq!(job.unrecognized_status.as_deref(), row.new_word, "{name}");
        assert_eq!(
            (answer.charge.credits, answer.charge.remaining),
            (row.credits_used, row.credits_remaining),
            "{name}"
        );
        assert_eq!(answer.content, fixture_json(&format!("job_check/{name}.json")), "{name}: the service's own JSON");
        assert!(!answer.is_error, "{name}");
        assert_eq!((job.source, job.checks_made, job.job_id.as_str()), (Source::Live, 1, id.as_str()), "{name}");
        assert_eq!(job.retry_after_seconds.is_none(), row.is_terminal, "{name}");
        assert_eq!(job.completed_at.is_some(), row.is_terminal, "{name}");
    }))
    .await;
}

#[tokio::test]
async fn wait_ends_on_terminal_states_alone() {
    join_all(CHECKS.iter().map(async |row| {
        let (server, name) = (MockServer::start().await, row.file);
        once_at(&server, CHECK, reply(200, "job_check/working.json")).await;
        at(&server, CHECK, reply(200, &format!("job_check/{name}.json"))).await;
        let product = Product::new(&server.uri(), KEY);
        let id = job_of(&format!("job_check/{name}.json"));
        product.app.check(&product.caller, &id, false).await.unwrap();
        let (budget, began) = (Duration::from_millis(1_400), Instant::now());
        let waited = product.app.wait(&product.caller, &id, Some(budget), Some(HALF_A_SECOND)).await;
        let (answer, took) = (waited.unwrap(), began.elapsed());
        let job = answer.job.as_ref().unwrap();
        assert_eq!(answer.status, row.status, "{name}");
        assert_eq!(job.unrecognized_status.as_deref(), row.new_word, "{name}");
        assert_eq!(answer.content, fixture_json(&format!("job_check/{name}.json")), "{name}");
        assert_eq!(
            answer.is_error,
            matches!(row.status, "failed" | "aborted" | "unknown"),
            "{name}: who waits wants the outcome"
        );
        if row.is_terminal {
            assert!(took < budget, "{name}: {took:?}");
            assert_eq!(answer.charge.credits, row.credits_used, "{name}");
        } else {
            assert!(took >= budget, "{name}: {took:?}");
            assert!(
                job.retry_after_seconds.is_some()
                    && answer.tips.unwrap().text(pdfco::next_step::Audience::Agent).contains(&id),
                "{name}"
            );
        }
    }))
    .await;
}

#[tokio::test]
async fn check_without_a_state_is_an_error_with_its_cost() {
    for (name, credits) in STATELESS {
        let server = MockServer::start().await;
        at(&server, CHECK, reply(200, &format!("job_check/{name}.json"))).await;
        let product = Product::new(&server.uri(), KEY);
        let error = product.app.check(&product.caller, JOB, false).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Upstream, "{name}");
        assert_eq!(pdfco::answer::Answer::from_error(&error).charge.credits, *credits, "{name}");
    }
}

#[tokio::test]
async fn a_wait_outlives_checks_without_a_state() {
    let server = MockServer::start().await;
    once_at(&server, CHECK, reply(200, "job_check/working.json")).await;
    once_at(&server, CHECK, reply(200, "job_check/status_missing.json")).await;
    at(&server, CHECK, reply(200, "job_check/success.json")).await;
    let product = Product::new(&server.uri(), KEY);
    product.app.check(&product.caller, JOB, false).await.unwrap();
    let waited = product.app.wait(&product.caller, JOB, Some(Duration::from_secs(8)), Some(HALF_A_SECOND)).await;
    assert_eq!(waited.unwrap().status, "success");
}

#[tokio::test]
async fn every_shape_of_a_refusal_is_reported_as_one_kind() {
    let table: &[(u16, &str, Kind)] = &[
        (400, "400.json", Kind::InvalidArgument),
        (400, "400_error_code_only.json", Kind::InvalidArgument),
        (400, "400_numeric_status.json", Kind::InvalidArgument),
        (401, "401.json", Kind::Auth),
        (402, "402.json", Kind::InsufficientCredits),
        (403, "403.json", Kind::InvalidArgument),
        (404, "404.json", Kind::NotFound),
        (408, "408.json", Kind::Upstream),
        (429, "429.json", Kind::RateLimited),
        (441, "441.json", Kind::InvalidArgument),
        (442, "442.json", Kind::InvalidArgument),
        (443, "443.json", Kind::InvalidArgument),
        (445, "445.json", Kind::Upstream),
        (449, "449.json", Kind::InvalidArgument),
        (454, "454.json", Kind::InvalidArgument),
        (500, "500.json", Kind::Upstream),
        (502, "gateway_html.html", Kind::Upstream),
        (200, "ok_with_error_true.json", Kind::InvalidArgument),
    ];
    join_all(table.iter().map(async |(status, name, kind)| {
        let server = MockServer::start().await;
        // Longer than any patience of ours, so that a 429 is reported at once.
        let refusal = reply(*status, &format!("errors/{name}")).insert_header("Retry-After", "30");
        at(&server, TEXT, refusal).await;
        let product = Product::new(&server.uri(), KEY);
        let refused = product.app.submit(&product.caller, text_of_a_link(Duration::ZERO)).await.unwrap_err();
        assert_eq!(refused.kind(), *kind, "{name}");
        assert_eq!(requests(&server, TEXT).await.len(), 1, "{name}: nothing of this is repeated");
        assert!(!refused.message().is_empty() && !refused.hint().is_empty(), "{name}");
        if let Some(said) = serde_json::from_slice::<Value>(&fixture(&format!("errors/{name}")))
            .ok()
            .and_then(|body| body.get("message").and_then(Value::as_str).map(str::to_owned))
        {
            assert!(refused.message().contains(&said), "{name}: {refused}");
        }
    }))
    .await;
}

#[tokio::test]
async fn only_a_submit_of_unknown_fate_leaves_a_job() {
    for (status, traces) in [(400, 0), (402, 0), (500, 1)] {
        let server = MockServer::start().await;
        at(&server, TEXT, reply(status, &format!("errors/{status}.json"))).await;
        let product = Product::new(&server.uri(), KEY);
        product.app.submit(&product.caller, text_of_a_link(Duration::ZERO)).await.unwrap_err();
        let jobs =
            product.app.list(&product.caller, &ListRequest { limit: 10, ..ListRequest::default() }).await.unwrap();
        assert_eq!(jobs.total, traces, "HTTP {status}");
    }
}

#[tokio::test]
async fn submit_after_429_is_repeated_once_after_its_delay() {
    let server = MockServer::start().await;
    once_at(&server, TEXT, reply(429, "errors/429.json").insert_header("Retry-After", "1")).await;
    at(&server, TEXT, reply(200, "submit/accepted.json")).await;
    let (product, began) = (Product::new(&server.uri(), KEY), Instant::now());
    let answer = product.app.submit(&product.caller, text_of_a_link(Duration::ZERO)).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.charge.credits), ("queued", Some(21)));
    assert_eq!(answer.job.unwrap().job_id, JOB);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(requests(&server, TEXT).await.len(), 2);
}

#[tokio::test]
async fn submit_after_500_is_not_repeated() {
    for (status, name) in
        [(500, "errors/500.json"), (502, "errors/gateway_html.html"), (200, "errors/gateway_html.html")]
    {
        let server = MockServer::start().await;
        at(&server, TEXT, reply(status, name)).await;
        let product = Product::new(&server.uri(), KEY);
        let error = product.app.submit(&product.caller, text_of_a_link(Duration::ZERO)).await.unwrap_err();
        assert_eq!(requests(&server, TEXT).await.len(), 1, "HTTP {status}");
        assert!(error.message().contains("charged"), "HTTP {status}: {error}");
        assert!(
            error.hint().text(pdfco::next_step::Audience::Agent).contains("list_jobs"),
            "HTTP {status}: {}",
            error.hint().text(pdfco::next_step::Audience::Agent)
        );
        assert!(!error.is_retryable(), "HTTP {status}: an agent would repeat it");
    }
}

#[tokio::test]
async fn a_submit_that_was_not_received_is_repeated() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let product = Product::new(&format!("http://{port}"), "sim_late");
    let submit =
        product.app.submit(&product.caller, request("html_to_pdf", json!({"html": "<p>a</p>"}), Duration::ZERO));
    let opens = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        simulator::spawn(simulator::Options { address: port, ..simulator::Options::default() }).await.unwrap()
    };
    let (answer, service) = tokio::join!(submit, opens);
    assert_eq!(answer.unwrap().status, "queued");
    assert_eq!(service.requests().len(), 1, "only the one that arrived");
}

#[tokio::test]
async fn a_redirect_takes_no_key_to_another_host() {
    let (server, elsewhere) = (MockServer::start().await, MockServer::start().await);
    let redirect =
        |status| ResponseTemplate::new(status).insert_header("Location", format!("{}/take", elsewhere.uri()));
    at(&server, TEXT, redirect(307)).await;
    at(&server, "/v1/pdf/convert/from/html", redirect(302)).await;
    let product = Product::new(&server.uri(), KEY);
    for request in [text_of_a_link(Duration::ZERO), request("html_to_pdf", json!({"html": "<p>a</p>"}), Duration::ZERO)]
    {
        if let Ok(answer) = product.app.submit(&product.caller, request).await {
            panic!("{answer:?}");
        }
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
    assert!(!requests(&server, TEXT).await.is_empty());
    let error = product.app.submit(&product.caller, text_of_a_link(Duration::ZERO)).await.unwrap_err();
    assert!(
        error.hint().text(pdfco::next_step::Audience::Agent).contains("PDFCO_BASE_URL"),
        "{error}: {}",
        error.hint().text(pdfco::next_step::Audience::Agent)
    );
}

#[tokio::test]
async fn an_answer_without_a_bound_is_not_read_to_its_end() {
    let server = simulator::spawn(simulator::Options::default()).await.unwrap();
    server.fault(simulator::Fault {
        path_prefix: "/v1/account".into(),
        times: 1,
        kind: simulator::FaultKind::HugeBody { bytes: 50_000_000_000 },
    });
    let product = Product::new(server.url(), "sim_huge");
    let (refused, began) = (product.app.balance(&product.caller).await.unwrap_err(), Instant::now());
    assert_eq!(refused.kind(), Kind::TooLarge);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn expired_links_are_replaced_by_one_forced_check() {
    let server = MockServer::start().await;
    let fresh = json!({"status": "success", "url": format!("{}/fresh/report.txt", server.uri()), "credits": 2, "remainingCredits": 50});
    Mock::given(path(CHECK))
        .and(body_partial_json(json!({"force": true})))
        .respond_with(ResponseTemplate::new(200).set_body_json(fresh))
        .mount(&server)
        .await;
    at(&server, "/fresh/report.txt", ResponseTemplate::new(200).set_body_raw("the text", "text/plain")).await;
    // By its time, and by the storage's word.
    let stale = json!({"status": "success", "url": format!("{}/stale/report.txt", server.uri())});
    at(&server, "/stale/report.txt", reply(403, "errors/storage_access_denied.xml")).await;
    let soon = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_millis(1_500)).unwrap();
    let mut by_time = fixture_json("job_check/success.json");
    by_time["outputLinkValidTill"] = json!(soon.to_string());
    for success in [by_time, stale] {
        let seen = requests(&server, CHECK).await.len();
        let product = Product::new(&server.uri(), KEY);
        once_at(&server, TEXT, reply(200, "submit/accepted.json")).await;
        once_at(&server, CHECK, ResponseTemplate::new(200).set_body_json(success)).await;
        product.app.submit(&product.caller, text_of_a_link(Duration::ZERO)).await.unwrap();
        let first = product.app.check(&product.caller, JOB, false).await.unwrap();
        assert_eq!(first.status, "success");
        let till = jiff::Timestamp::now().duration_until(soon).max(jiff::SignedDuration::ZERO);
        tokio::time::sleep(till.unsigned_abs()).await;
        let read = product.app.read(&product.caller, &ReadRequest::of(JOB)).await.unwrap();
        assert_eq!(read.output.unwrap().text, "the text");
        assert_eq!(read.charge.credits, Some(2), "the look for the fresh link is on the bill");
        let checks = requests(&server, CHECK).await.split_off(seen);
        assert_eq!(
            checks.iter().map(|check| body_of(check)["force"].clone()).collect::<Vec<_>>(),
            [Value::Null, json!(true)]
        );
    }
}

#[tokio::test]
async fn an_answer_without_a_job_is_a_finished_job_of_our_own() {
    let server = MockServer::start().await;
    at(&server, TEXT, reply(200, "submit/direct_without_job.json")).await;
    let product = Product::new(&server.uri(), KEY);
    let answer = product.app.submit(&product.caller, text_of_a_link(Duration::from_secs(5))).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.charge.credits), ("success", Some(21)));
    let text = " Northwind Lantern Works Ltd. \n 14 Harbour Lane, Port Ellery \n";
    assert_eq!(answer.output.unwrap().text, text);
    assert!(answer.content["body"].is_null(), "the text stands there once: {}", answer.content);
    let id = answer.job.unwrap().job_id;
    assert!(id.starts_with("local-"), "{id}");
    let read = product.app.read(&product.caller, &ReadRequest::of(&id)).await.unwrap();
    assert_eq!(read.output.unwrap().text, text);
    let again = product.app.wait(&product.caller, &id, None, None).await.unwrap();
    assert_eq!((again.status.as_str(), again.charge.credits), ("success", None));
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "the submit is all that was sent");
}

#[tokio::test]
async fn a_job_id_in_small_letters_is_one() {
    let server = MockServer::start().await;
    at(&server, TEXT, reply(200, "submit/accepted_lowercase_jobid.json")).await;
    let product = Product::new(&server.uri(), KEY);
    let answer = product.app.submit(&product.caller, text_of_a_link(Duration::ZERO)).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.job.unwrap().job_id.as_str()), ("queued", JOB));
    assert_eq!(body_of(&requests(&server, TEXT).await[0])["async"], true);
}

#[tokio::test]
async fn an_id_that_was_never_seen_is_asked_about_with_force() {
    let server = MockServer::start().await;
    at(&server, CHECK, reply(200, "job_check/working.json")).await;
    let product = Product::new(&server.uri(), KEY);
    let answer = product.app.check(&product.caller, "from-elsewhere", false).await.unwrap();
    let asked = body_of(&requests(&server, CHECK).await[0]);
    assert_eq!(asked, json!({"jobId": "from-elsewhere", "force": true}));
    assert!(answer.tips.unwrap().text(pdfco::next_step::Audience::Agent).contains("do not exist"));
}

#[tokio::test]
async fn a_look_right_after_a_look_is_answered_from_memory() {
    let server = MockServer::start().await;
    at(&server, CHECK, reply(200, "job_check/working_with_credits.json")).await;
    let product = Product::new(&server.uri(), KEY);
    product.app.check(&product.caller, JOB, false).await.unwrap();
    let second = product.app.check(&product.caller, JOB, false).await.unwrap();
    let job = second.job.unwrap();
    assert_eq!((job.source, second.charge.credits, second.charge.remaining), (Source::Cache, None, Some(98)));
    assert!((0.1..=3.0).contains(&job.retry_after_seconds.unwrap()));
    assert_eq!(requests(&server, CHECK).await.len(), 1);
    product.app.check(&product.caller, JOB, true).await.unwrap();
    assert_eq!(requests(&server, CHECK).await.len(), 2, "force means now");
}

#[tokio::test]
async fn what_ended_is_never_asked_about_again_unless_it_is_wished() {
    let server = MockServer::start().await;
    at(&server, CHECK, reply(200, "job_check/failed_with_refund.json")).await;
    let product = Product::new(&server.uri(), KEY);
    product.app.check(&product.caller, JOB, false).await.unwrap();
    for _ in 0..3 {
        let check = product.app.check(&product.caller, JOB, false).await.unwrap();
        let wait = product.app.wait(&product.caller, JOB, None, None).await.unwrap();
        assert_eq!((check.job.unwrap().source, check.charge.credits), (Source::Cache, None));
        assert_eq!((wait.status.as_str(), wait.is_error, wait.charge.credits), ("failed", true, None));
    }
    assert_eq!(requests(&server, CHECK).await.len(), 1);
}

#[tokio::test]
async fn same_client_request_id_is_paid_for_once() {
    let server = MockServer::start().await;
    at(&server, TEXT, reply(200, "submit/accepted.json").set_delay(Duration::from_millis(100))).await;
    let product = Product::new(&server.uri(), KEY);
    let submit = || {
        let request = SubmitRequest { client_request_id: Some("mine-1".into()), ..text_of_a_link(Duration::ZERO) };
        product.app.submit(&product.caller, request)
    };
    let (first, second) = tokio::join!(submit(), submit());
    let third = submit().await.unwrap();
    assert_eq!((third.charge.credits, third.job.unwrap().job_id.as_str()), (None, JOB));
    assert!(third.tips.unwrap().text(pdfco::next_step::Audience::Agent).contains("client_request_id"));
    let (first, second) = (first.unwrap(), second.unwrap());
    let bills = [first.charge.credits, second.charge.credits];
    assert!(bills.contains(&Some(21)) && bills.contains(&None), "{bills:?}");
    assert_eq!(requests(&server, TEXT).await.len(), 1);
}

#[tokio::test]
async fn the_same_request_again_is_reported_and_not_refused() {
    let server = MockServer::start().await;
    at(&server, TEXT, reply(200, "submit/accepted.json")).await;
    let product = Product::new(&server.uri(), KEY);
    let first = product.app.submit(&product.caller, text_of_a_link(Duration::ZERO)).await.unwrap();
    assert!(!first.tips.unwrap().text(pdfco::next_step::Audience::Agent).contains("same request"));
    let accepted = fixture_json("submit/accepted.json");
    server.reset().await;
    let mut other = accepted.clone();
    other["jobId"] = json!("OTHER--151-300");
    at(&server, TEXT, ResponseTemplate::new(200).set_body_json(other)).await;
    let second = product.app.submit(&product.caller, text_of_a_link(Duration::ZERO)).await.unwrap();
    let tips = second.tips.unwrap().text(pdfco::next_step::Audience::Agent);
    assert!(tips.contains("same request") && tips.contains(JOB), "{tips}");
}

#[tokio::test]
async fn the_days_budget_refuses_what_costs_and_nothing_else() {
    let server = MockServer::start().await;
    at(&server, TEXT, reply(200, "submit/accepted.json")).await;
    at(&server, CHECK, reply(200, "job_check/working_with_credits.json")).await;
    let product = Product::with(&server.uri(), KEY, &[("PDFCO_CREDIT_BUDGET", "25")]);
    product.app.submit(&product.caller, text_of_a_link(Duration::ZERO)).await.unwrap();
    let refused = product.app.submit(&product.caller, text_of_a_link(Duration::ZERO)).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::InsufficientCredits);
    assert!(
        refused.message().contains("25")
            && refused.hint().text(pdfco::next_step::Audience::Agent).contains("PDFCO_CREDIT_BUDGET")
    );
    assert_eq!(requests(&server, TEXT).await.len(), 1);
    assert_eq!(product.app.check(&product.caller, JOB, false).await.unwrap().status, "working");
}

#[tokio::test]
async fn a_check_is_repeated_through_passing_failures() {
    let server = MockServer::start().await;
    once_at(&server, CHECK, reply(502, "errors/gateway_html.html")).await;
    once_at(&server, CHECK, reply(502, "errors/gateway_html.html")).await;
    at(&server, CHECK, reply(200, "job_check/success.json")).await;
    let product = Product::new(&server.uri(), KEY);
    assert_eq!(product.app.check(&product.caller, JOB, false).await.unwrap().status, "success");
    assert_eq!(requests(&server, CHECK).await.len(), 3);
}

#[tokio::test]
async fn link_into_a_private_network_is_refused_before_sending() {
    // The public service is never spoken to: the refusal comes first, and nothing is written down.
    let product = Product::new("https://api.pdf.co", KEY);
    for link in
        ["http://169.254.169.254/latest", "https://10.0.0.7/a.pdf", "http://localhost:8080/a.pdf", "http://[fd00::1]/a"]
    {
        let asked = crate::support::product::request("pdf_to_text", json!({"url": link}), Duration::ZERO);
        let error = product.app.submit(&product.caller, asked).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument, "{link}");
        assert!(
            error.message().contains("private network")
                && error.hint().text(pdfco::next_step::Audience::Agent).contains("path"),
            "{error:?}"
        );
    }
    let listed = product.app.list(&product.caller, &ListRequest { limit: 10, ..ListRequest::default() }).await.unwrap();
    assert_eq!(listed.total, 0);
}

#[tokio::test]
async fn a_submit_answered_with_neither_job_nor_result_is_no_success() {
    for (body, kind) in [
        ("", Kind::Upstream),
        ("{}", Kind::Upstream),
        (r#"{"status":"working","credits":2}"#, Kind::Upstream),
        (r#"{"status":"failed","error":true,"errorCode":441,"message":"Invalid Password."}"#, Kind::InvalidArgument),
        (r#"{"status":"aborted"}"#, Kind::InvalidArgument),
    ] {
        let server = MockServer::start().await;
        at(&server, TEXT, ResponseTemplate::new(200).set_body_raw(body, "application/json")).await;
        let product = Product::new(&server.uri(), KEY);
        let asked = request("pdf_to_text", json!({"url": "https://h.test/a.pdf"}), Duration::ZERO);
        let error = product.app.submit(&product.caller, asked).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
        let listed =
            product.app.list(&product.caller, &ListRequest { limit: 10, ..ListRequest::default() }).await.unwrap();
        let expected = (kind == Kind::Upstream).then_some("queued");
        assert_eq!(
            listed.items.first().map(|job| job.status.as_str()),
            expected,
            "{body}: an unknown fate leaves a trace, a refusal none"
        );
    }
    let server = MockServer::start().await;
    at(&server, TEXT, ResponseTemplate::new(200).set_body_json(json!({"jobId": 12345}))).await;
    let product = Product::new(&server.uri(), KEY);
    let asked = request("pdf_to_text", json!({"url": "https://h.test/a.pdf"}), Duration::ZERO);
    let answer = product.app.submit(&product.caller, asked).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.job.unwrap().job_id.as_str()), ("queued", "12345"));
}

#[tokio::test]
async fn a_submit_given_up_before_it_left_is_not_sent() {
    let server = MockServer::start().await;
    once_at(&server, TEXT, ResponseTemplate::new(200).set_body_json(json!({"jobId": "J"}))).await;
    at(&server, TEXT, ResponseTemplate::new(200).set_body_json(json!({"jobId": "K"}))).await;
    let product = Product::with(&server.uri(), KEY, &[("PDFCO_RATE_LIMIT", "1")]);
    let asked =
        |page: u32| request("pdf_to_text", json!({"url": "https://h.test/a.pdf", "pages": page}), Duration::ZERO);
    product.app.submit(&product.caller, asked(0)).await.unwrap();
    let patient = product.caller.clone();
    let mut gone = product.caller.clone();
    gone.cancel = tokio_util::sync::CancellationToken::new();
    let cancel = gone.cancel.clone();
    let leaving = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(product.app.submit(&gone, asked(1)), leaving);
    assert_eq!(outcome.unwrap_err().kind(), Kind::Cancelled);
    product.app.submit(&patient, asked(2)).await.unwrap();
    assert_eq!(server.received_requests().await.unwrap().len(), 2, "the one in between never left");
    let listed = product.app.list(&product.caller, &ListRequest { limit: 10, ..ListRequest::default() }).await.unwrap();
    assert_eq!(listed.total, 2, "and it left no row behind");
}

#[tokio::test]
async fn unknown_id_is_listed_only_on_request() {
    let server = MockServer::start().await;
    at(&server, CHECK, reply(200, "job_check/unknown.json")).await;
    let product = Product::new(&server.uri(), KEY);
    let id = job_of("job_check/unknown.json");
    let looked = product.app.check(&product.caller, &id, false).await.unwrap();
    assert_eq!(looked.status, "unknown");
    let total = async |status: Option<&str>| {
        let request = ListRequest { status: status.map(str::to_owned), ..ListRequest::default() };
        product.app.list(&product.caller, &request).await.unwrap().total
    };
    assert_eq!((total(None).await, total(Some("unknown")).await), (0, 1));
    let cancelled = product.app.cancel(&product.caller, &id).await.unwrap();
    assert_eq!(cancelled.content["outcome"], "not_found");
    let again = product.app.check(&product.caller, &id, false).await.unwrap();
    assert_eq!(again.charge.credits, None, "asking again about a mistyped id is free");
}

#[tokio::test]
async fn an_operation_says_what_it_costs_and_how_sure_that_is() {
    let product = Product::new("https://api.pdf.co", KEY);
    let cost = |name: &str| product.app.describe(name).unwrap().cost;
    assert!(cost("pdf_to_text").starts_with("21 credits"), "{}", cost("pdf_to_text"));
    assert!(cost("pdf_to_xlsx").contains("every answer reports"));
}

#[tokio::test]
async fn credits_beyond_any_account_do_not_spoil_the_ledger() {
    let server = MockServer::start().await;
    let absurd = json!({"status": "working", "credits": i64::MAX, "remainingCredits": i64::MIN});
    at(&server, CHECK, ResponseTemplate::new(200).set_body_json(absurd)).await;
    let product = Product::with(&server.uri(), KEY, &[("PDFCO_CREDIT_BUDGET", "1000")]);
    for _ in 0..3 {
        let answer = product.app.check(&product.caller, JOB, true).await.unwrap();
        assert_eq!((answer.status.as_str(), answer.charge.credits), ("working", None));
    }
    let listed = product.app.list(&product.caller, &ListRequest { limit: 10, ..ListRequest::default() }).await.unwrap();
    assert_eq!((listed.total, listed.items[0].credits_total), (1, None));
    assert_eq!(product.app.spending(&product.caller, 10).await.unwrap(), []);
}

/// A job of long ago, what this machine saw of it then, how it learns of the end now, and what that teaches.
struct Past {
    /// Seconds since the submit.
    ago: i64,
    /// Of these, those until it was checked.
    checked_at: Option<i64>,
    /// Whether the service calls, instead of being asked.
    is_called: bool,
    /// What it says, in milliseconds.
    reported: Option<u64>,
    /// In seconds.
    learned: Option<f64>,
}

#[tokio::test]
async fn only_an_end_that_was_seen_in_time_teaches_how_long_jobs_take() {
    const NIGHT: i64 = 8 * 3_600;
    let past = |ago, checked_at, is_called, reported, learned| Past { ago, checked_at, is_called, reported, learned };
    for (number, past) in [
        past(20, None, false, None, Some(10.0)),
        past(40, Some(20), false, None, Some(30.0)),
        // The lid was closed, the clock jumped, or a hundred other jobs came first.
        past(NIGHT, Some(5), false, None, None),
        past(NIGHT, None, false, None, None),
        past(600, Some(20), false, None, None),
        past(-600, None, false, None, None),
        past(-600, None, false, Some(4_000), Some(4.0)),
        past(NIGHT, Some(3), false, Some(4_000), Some(4.0)),
        // A check saw it running for longer than it reports: it waited, too.
        past(NIGHT, Some(5), false, Some(4_000), Some(5.0)),
        past(20, Some(10), false, Some(4_000), Some(15.0)),
        past(60, Some(10), true, Some(4_000), Some(10.0)),
        // Whoever calls says when it ended: now.
        past(60, None, true, None, Some(60.0)),
        past(60, Some(10), true, None, Some(60.0)),
        past(60, None, true, Some(50_000), Some(50.0)),
        past(30 * NIGHT, None, true, None, None),
    ]
    .into_iter()
    .enumerate()
    {
        let server = MockServer::start().await;
        let mut end = json!({"status": "success", "url": "https://files.example.test/a.txt"});
        if let Some(reported) = past.reported {
            end["jobDuration"] = json!(reported);
        }
        at(&server, CHECK, ResponseTemplate::new(200).set_body_json(&end)).await;
        let product = Product::new(&server.uri(), KEY);
        let (jobs, key) = (product.app.jobs(), &product.caller.owner);
        let submitted_at = now() - past.ago * 1_000;
        let secret = format!("secret-{number}");
        let callback_hash: String =
            Sha256::digest(format!("pdfco callback v1\0{secret}")).iter().map(|byte| format!("{byte:02x}")).collect();
        let intent = Intent { callback_hash: Some(callback_hash), ..Intent::new(key, "pdf_to_text", submitted_at) };
        let ledger = jobs.ledger();
        ledger.insert_intent(&intent, None).await.unwrap();
        let job = ledger.accepted(&intent, JobId::parse(JOB).unwrap(), &json!({}), Charge::NONE, submitted_at).await;
        if let Some(seconds) = past.checked_at {
            let reply = Response::of(json!({"status": "working"}));
            let seen = Observation::read(&reply, submitted_at + seconds * 1_000).unwrap();
            ledger.observe(None, &job, &seen, None).await;
        }
        if past.is_called {
            jobs.called_back(&secret, end.to_string().as_bytes()).await.unwrap();
        } else {
            assert!(jobs.check(key, &JobId::parse(JOB).unwrap(), false).await.unwrap().job.status.is_terminal());
        }
        let learned = ledger.duration_stats("pdf_to_text", 0).await.unwrap();
        let seconds = (learned.weight > 0.0).then(|| learned.mean.exp());
        let is_right = match (seconds, past.learned) {
            (Some(seconds), Some(expected)) => (seconds / expected - 1.0).abs() < 0.1,
            (seconds, expected) => seconds == expected,
        };
        assert!(is_right, "row {number}: {seconds:?} instead of {:?}", past.learned);
    }
}
