//! What a wait makes of checks that fail: a 429, a 5xx, a lost connection, a refused key, a job that is not known.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pdfco::app::ListRequest;
use pdfco::error::Kind;
use pdfco::simulator::FaultKind;
use serde_json::json;

use crate::support::product::{CHECK, Product, service};

use super::waiting::{HALF_A_SECOND, fault, running, seconds, status};

#[tokio::test]
async fn a_429_or_lost_check_postpones_the_wait_and_never_ends_it() {
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
        assert!(answer.job.unwrap().last_check_error.is_none(), "{name}: a later check succeeded");
    }))
    .await;
}

#[tokio::test]
async fn a_wait_whose_checks_all_failed_says_why() {
    let (service, product, id) = running(json!({"checks": 1})).await;
    service.fault(fault(CHECK, 100, status(503, None)));
    let answer = product.app.wait(&product.caller, &id, seconds(1.5), HALF_A_SECOND).await.unwrap();
    assert_eq!((answer.status.as_str(), answer.is_error), ("queued", false));
    let job = answer.job.unwrap();
    assert_eq!(job.last_check_error.unwrap().kind, Kind::Upstream);
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

/// A service that takes connections and answers each with `head`, or with nothing at all, and goes on holding it.
/// Counts the connections that its clients have closed.
pub(super) async fn silent_service(head: &'static str) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
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
        tips.contains("could not be asked")
            && tips.contains("last known state is `working`")
            && !tips.contains("keeps running"),
        "{tips}"
    );
    assert_eq!(answer.job.unwrap().last_check_error.unwrap().kind, Kind::Upstream);
    let error = product.app.check(&product.caller, &id, true).await.unwrap_err();
    let hint = error.hint().text(pdfco::next_step::Audience::Agent);
    assert!(error.kind() == Kind::Upstream && hint.contains("last known state is `working`"), "{error}: {hint}");
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
        let shown = product.app.error_with_balance(&product.caller.owner, error).await;
        assert_eq!(pdfco::app::Answer::from_error(&shown).charge.remaining, Some(balance));
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
