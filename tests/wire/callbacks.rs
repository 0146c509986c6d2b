//! Callbacks that are not taken at once: they are repeated as documented, and their credits count once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::product::{Product, request};
use pdfco::app::{ServiceFindings, SubmitRequest};
use pdfco::jobs::JobId;
use pdfco::simulator::{self, Callbacks, Life, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// Answers requests with these words, one each; the secrets and bodies that came.
async fn receiver(listener: TcpListener, answers: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut came = Vec::new();
    for answer in answers {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let (mut head, mut length) = (None, 0);
        while head.is_none_or(|head| request.len() < head + length) {
            let mut piece = [0; 1024];
            let read = socket.read(&mut piece).await.unwrap();
            assert!(read > 0, "the request ended in the middle");
            request.extend_from_slice(&piece[..read]);
            head = request.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
            if let Some(head) = head {
                let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
                length = text.split("content-length: ").nth(1).unwrap().lines().next().unwrap().trim().parse().unwrap();
            }
        }
        let head = head.unwrap();
        let path = String::from_utf8_lossy(&request[..head]).split(' ').nth(1).unwrap().to_owned();
        came.push((path.rsplit('/').next().unwrap().to_owned(), request[head..].to_vec()));
        socket.write_all(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
    }
    came
}

#[tokio::test]
async fn a_callback_is_repeated_until_it_is_taken_and_counts_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let callbacks = Callbacks { patience: Duration::from_millis(100), attempts: 3, ..Callbacks::default() };
    let life = Life::Time { median: Duration::from_millis(50), sigma: 0.0 };
    let service = simulator::spawn(Options { callbacks, life, ..Options::default() }).await.unwrap();
    let product = Product::with(service.url(), "sim_called", &[("PDFCO_CALLBACK_URL", &url)]);
    let asked = request("pdf_to_text", json!({"url": "report.pdf"}), Duration::ZERO);
    let answers = ["503 Service Unavailable", "500 Internal Server Error", "204 No Content"];
    let (submitted, came) = tokio::join!(product.app.submit(&product.caller, asked), receiver(listener, &answers));
    let id = submitted.unwrap().job.unwrap().job_id;
    assert!(came.iter().all(|callback| *callback == came[0]), "each attempt says the same");
    let body: Value = serde_json::from_slice(&came[0].1).unwrap();
    assert_eq!((&body["status"], &body["jobId"]), (&json!("success"), &json!(id)), "{body}");

    // As the server would: each attempt is taken, the second and third change nothing.
    let jobs = product.app.jobs();
    for (secret, body) in &came {
        jobs.called_back(secret, body).await.unwrap();
        let job = jobs.get(&product.caller.owner, &JobId::parse(&id).unwrap()).await.unwrap();
        assert_eq!(job.credits_total(), Some(10_000 - 7 - service.credits("sim_called")), "{job:?}");
        assert_eq!((job.status.as_str(), job.checks_made, job.is_from_callback), ("success", 0, true));
    }
    assert_eq!(service.count("/v1/job/check"), 0);
}

const TEXT: &str = "/v1/pdf/convert/to/text";

/// A service that accepts jobs after this time, as J1, J2 and so on, and a product that it can call.
async fn accepting(delay: Duration) -> (MockServer, Product) {
    let server = MockServer::start().await;
    let jobs = AtomicU32::new(1);
    let accept = move |_: &Request| {
        let id = format!("J{}", jobs.fetch_add(1, Ordering::Relaxed));
        let accepted = json!({"jobId": id, "status": 200, "credits": 21, "remainingCredits": 979});
        ResponseTemplate::new(200).set_body_json(accepted).set_delay(delay)
    };
    Mock::given(path(TEXT)).respond_with(accept).mount(&server).await;
    let product = Product::with(&server.uri(), "k-0123456789", &[("PDFCO_CALLBACK_URL", "https://jobs.example.test")]);
    (server, product)
}

fn text_of_a_link() -> SubmitRequest {
    request("pdf_to_text", json!({"url": "https://files.example.test/a.pdf"}), Duration::ZERO)
}

/// The secret in the newest request.
async fn secret_in(server: &MockServer) -> Option<String> {
    let newest = server.received_requests().await.unwrap().pop()?;
    let body: Value = serde_json::from_slice(&newest.body).unwrap();
    Some(body.get("callback")?.as_str()?.rsplit('/').next()?.to_owned())
}

#[tokio::test]
async fn an_overtaking_callback_has_the_newer_balance() {
    let (server, product) = accepting(Duration::from_millis(700)).await;
    let submit = product.app.submit(&product.caller, text_of_a_link());
    let callback = async {
        let secret = loop {
            match secret_in(&server).await {
                Some(secret) => break secret,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let body = json!({"jobId": "J1", "status": "success", "url": "https://h.test/a.txt", "credits": 2, "remainingCredits": 950});
        product.app.jobs().called_back(&secret, body.to_string().as_bytes()).await.unwrap();
    };
    let (answer, ()) = tokio::join!(submit, callback);
    let answer = answer.unwrap();
    assert_eq!((answer.charge.credits, answer.charge.remaining), (Some(21), Some(950)), "{answer:?}");
    let owner = &product.caller.owner;
    let kept = product.app.jobs().ledger().newest_balance(owner.account()).await.unwrap().unwrap();
    assert_eq!(kept.0, 950);
    let checked = product.app.check(&product.caller, "J1", false).await.unwrap();
    assert_eq!((checked.status.as_str(), checked.charge.remaining), ("success", Some(950)), "{checked:?}");
}

#[tokio::test]
async fn a_callback_without_a_result_means_check_now() {
    let (server, product) = accepting(Duration::ZERO).await;
    product.app.submit(&product.caller, text_of_a_link()).await.unwrap();
    let secret = secret_in(&server).await.unwrap();
    let working = json!({"status": "working", "credits": 2});
    Mock::given(path("/v1/job/check"))
        .respond_with(ResponseTemplate::new(200).set_body_json(working))
        .mount(&server)
        .await;
    let check = async || product.app.check(&product.caller, "J1", false).await.unwrap().job.unwrap().checks_made;
    assert_eq!((check().await, check().await), (1, 1), "a fresh state is not asked for again");
    product.app.jobs().called_back(&secret, br#"{"jobId": "J1", "status": "success"}"#).await.unwrap();
    let job = product.app.jobs().get(&product.caller.owner, &JobId::parse("J1").unwrap()).await.unwrap();
    assert_eq!(job.status.as_str(), "working", "{job:?}");
    assert_eq!(check().await, 2);
}

#[tokio::test]
async fn a_callback_that_never_comes_is_not_asked_for() {
    let (server, product) = accepting(Duration::ZERO).await;
    let asks = async |request: SubmitRequest| {
        let answer = product.app.submit(&product.caller, request).await.unwrap();
        let job = product
            .app
            .jobs()
            .get(&product.caller.owner, &JobId::parse(&answer.job.unwrap().job_id).unwrap())
            .await
            .unwrap();
        assert_eq!(job.has_callback, secret_in(&server).await.is_some(), "{job:?}");
        job.has_callback
    };
    assert!(asks(text_of_a_link()).await, "nothing is known");
    let keep = async |callbacks| {
        let found = ServiceFindings { callbacks, ..ServiceFindings::default() };
        product.app.keep_findings(&product.caller, found).await.unwrap();
    };
    keep(Some(false)).await;
    assert!(!asks(text_of_a_link()).await, "known not to come: the job is checked on its own schedule");
    assert!(asks(SubmitRequest { finds_out: true, ..text_of_a_link() }).await, "the question is asked anew");
    keep(Some(true)).await;
    assert!(asks(text_of_a_link()).await);
}
