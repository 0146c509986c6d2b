//! Callbacks that are not taken at once: they are repeated as documented, and their credits count once.

use std::time::Duration;

use crate::support::product::{Product, request};
use pdfco::simulator::{self, Callbacks, Life, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

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
        let job = jobs.get(&product.caller.owner, &id).await.unwrap();
        assert_eq!(job.credits_total(), Some(10_000 - 7 - service.credits("sim_called")), "{job:?}");
        assert_eq!((job.status.as_str(), job.checks_made, job.is_from_callback), ("success", 0, true));
    }
    assert_eq!(service.count("/v1/job/check"), 0);
}
