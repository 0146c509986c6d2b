//! Whatever a result, a list or a refusal holds: an answer to an assistant is short, is JSON, and says what it leaves out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pdfco::app::{ANSWER_CHARS_MAX, App, ListRequest};
use pdfco::catalog;
use pdfco::charge::Charge;
use pdfco::clock::now;
use pdfco::jobs::ledger::Intent;
use pdfco::jobs::{JobId, Observation};
use pdfco::secret::ApiKey;
use pdfco::serve::stdio;
use pdfco::tenant::Owner;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, ReadHalf, WriteHalf};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::product::Product;

const KEY: &str = "k-0123456789";

/// A client that sees what stands on the wire.
struct Client {
    lines: Lines<BufReader<ReadHalf<tokio::io::DuplexStream>>>,
    output: WriteHalf<tokio::io::DuplexStream>,
    last: u64,
}

impl Client {
    async fn of(app: Arc<App>) -> Client {
        let (input, output) = tokio::io::split(stdio::in_process(app).0);
        let mut client = Client { lines: BufReader::new(input).lines(), output, last: 0 };
        let hello =
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
        client.ask("initialize", hello).await;
        client.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        client
    }

    async fn send(&mut self, message: Value) {
        self.output.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// The result of a request, or its error.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        loop {
            let line = self.lines.next_line().await.unwrap().unwrap();
            let mut message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id {
                return if message["error"].is_null() { message["result"].take() } else { message["error"].take() };
            }
        }
    }

    /// Calls a tool. What it answers is bounded.
    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let shown: String = arguments.to_string().chars().take(80).collect();
        let result = self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await;
        assert_bounded(&format!("{tool} {shown}"), &result);
        result
    }
}

fn chars(value: &Value) -> usize {
    value.to_string().chars().count()
}

/// What a model reads of it has a bound in either place, and is JSON.
fn assert_bounded(what: &str, result: &Value) {
    let texts: Vec<&str> =
        result["content"].as_array().into_iter().flatten().filter_map(|block| block["text"].as_str()).collect();
    let read: usize = texts.iter().map(|text| text.chars().count()).sum();
    let start: String = result.to_string().chars().take(400).collect();
    assert!(read <= ANSWER_CHARS_MAX, "{what}: {read} characters: {start}");
    assert!(!texts.is_empty(), "{what}: {start}");
    let head: Result<Value, _> = serde_json::from_str(texts[0]);
    assert!(head.is_ok(), "{what}: no JSON: {start}");
    let structure = chars(&result["structuredContent"]);
    assert!(structure <= ANSWER_CHARS_MAX, "{what}: {structure} characters: {start}");
}

/// Whether an answer says that something is not in it, and how to get it.
fn says_what_is_left_out(result: &Value) -> bool {
    let answer = result["content"][0]["text"].as_str().unwrap_or_default();
    let counted = ["left out", "left_out", "outputs_total", "next_offset", "next_cursor", "…"];
    counted.iter().any(|words| answer.contains(words))
}

/// Jobs that ended with far too much, by id: what a check of them answers.
fn jobs(base: &str) -> BTreeMap<&'static str, (&'static str, Value)> {
    let link = |number: usize| format!("{base}/file/{number}-{}.png?{}", "n".repeat(150), "s".repeat(2_000));
    let links: Vec<String> = (0..300).map(link).collect();
    let wide: Map<String, Value> = (0..50_000).map(|number| (format!("key{number}"), json!(number))).collect();
    let deep = (0..60).fold(json!("x".repeat(900)), |inside, _| json!({"a": [inside], "b": "y".repeat(900)}));
    let long = "m".repeat(1_000_000);
    BTreeMap::from([
        ("LINKS", ("pdf_to_png", json!({"status": "success", "urls": links}))),
        ("TEXT", ("pdf_to_text", json!({"status": "success", "body": "\u{1}\"words\" ".repeat(300_000)}))),
        ("FACTS", ("pdf_info_reader", json!({"status": "success", "info": wide}))),
        ("DEEP", ("ai_invoice_parser", json!({"status": "success", "body": deep}))),
        ("FAILED", ("pdf_to_text", json!({"status": "failed", "error": true, "errorCode": 441, "message": long}))),
        ("WORD", ("pdf_to_text", json!({"status": "w".repeat(100_000), "note": long}))),
        (
            "LINK",
            ("html_to_pdf", json!({"status": "success", "url": format!("{base}/file/a.pdf?{}", "s".repeat(20_000))})),
        ),
    ])
}

/// A service whose every answer is far too long.
async fn wordy() -> MockServer {
    let server = MockServer::start().await;
    let known = jobs(&server.uri());
    let made = AtomicU32::new(1);
    let answer = move |request: &Request| {
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let path = request.url.path();
        if path.starts_with("/file/") {
            return ResponseTemplate::new(200).set_body_string("words of a file");
        }
        if path.ends_with("/job/check") {
            let id = asked["jobId"].as_str().unwrap_or_default().to_owned();
            let like = if id.starts_with("MADE") { "LINKS" } else { id.as_str() };
            let mut body = known.get(like).map_or(json!({"status": "unknown"}), |(_, body)| body.clone());
            body["jobId"] = json!(id);
            return ResponseTemplate::new(200).set_body_json(body);
        }
        let words = "quoted \"words\" ".repeat(50_000);
        match path {
            "/v1/pdf/convert/to/text" => {
                ResponseTemplate::new(400).set_body_json(json!({"error": true, "message": words}))
            }
            "/v1/pdf/convert/to/png" => {
                let id = format!("MADE{}", made.fetch_add(1, Ordering::Relaxed));
                ResponseTemplate::new(200).set_body_json(json!({"jobId": id, "credits": 21}))
            }
            "/v1/pdf/info" => {
                ResponseTemplate::new(200).set_body_json(json!({"status": 200, "info": {"Title": words}}))
            }
            "/v1/account/credit/balance" => {
                ResponseTemplate::new(200).set_body_json(json!({"remainingCredits": 9_000, "note": words}))
            }
            _ => ResponseTemplate::new(500).set_body_string(words),
        }
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

/// Puts a job into the ledger, as a check that answered `content` would.
async fn leave(app: &App, operation: &str, id: &str, document: &str, content: Option<&Value>) {
    let ledger = app.jobs().ledger();
    let owner = Owner::from(ApiKey::new(KEY).unwrap());
    let intent =
        Intent { arguments: json!({"url": document, "html": document}), ..Intent::new(&owner, operation, now()) };
    assert!(ledger.insert_intent(&intent, None).await.unwrap().is_none());
    let charge = Charge::new(Some(7), Some(9_000));
    let job = ledger.accepted(&intent, JobId::from_stored(id), &json!({}), charge, now()).await;
    if let Some(content) = content {
        let seen = Observation::read(&pdfco::api::Response::of(content.clone()), now()).unwrap();
        ledger.observe(None, &job, &seen, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_any_tool_is_longer_than_the_bound() {
    let server = wordy().await;
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    let product = Product::with(&server.uri(), KEY, &[("PDFCO_FILES", here), ("PDFCO_DOWNLOAD_DIR", here)]);
    let app = &product.app;
    let mut client = Client::of(Arc::clone(app)).await;
    let long_name = format!("{}.pdf", "ä".repeat(300));
    for number in 0..1_000 {
        leave(app, "pdf_to_csv", &format!("{}-{number:04}", "J".repeat(60)), &long_name, None).await;
    }
    for (id, (operation, content)) in jobs(&server.uri()) {
        leave(app, operation, id, "a.pdf", Some(&content)).await;
        for (tool, more) in [
            ("get_job_check", json!({})),
            ("get_job_check", json!({"force": true})),
            ("wait_job_completion", json!({"timeout": 0})),
            ("wait_job_completion", json!({"timeout": 0, "read": 4_000})),
            ("read_result", json!({})),
            ("read_result", json!({"find": "words"})),
            ("read_result", json!({"tail_lines": 500})),
            ("download_result", json!({"save_to": "x".repeat(3_000)})),
            ("job_card", json!({"job_ids": [id]})),
        ] {
            let mut arguments = more.as_object().unwrap().clone();
            if !arguments.contains_key("job_ids") {
                arguments.insert("job_id".into(), json!(id));
            }
            let result = client.call(tool, Value::Object(arguments)).await;
            if tool == "get_job_check" {
                assert!(says_what_is_left_out(&result), "{id}: {}", result["content"][0]["text"]);
            }
        }
        for uri in [format!("job://{id}"), format!("job://{id}/result")] {
            let read = client.ask("resources/read", json!({"uri": uri})).await;
            let text = read["contents"][0]["text"].as_str().map_or_else(|| read.to_string(), str::to_owned);
            assert!(text.chars().count() <= ANSWER_CHARS_MAX, "{uri}: {}", text.chars().count());
            let is_record = !uri.ends_with("/result") && read.get("contents").is_some();
            assert!(!is_record || serde_json::from_str::<Value>(&text).is_ok(), "{uri}: {text}");
        }
        let asked = json!({"name": "jobs_postmortem", "arguments": {"job_id": id}});
        let prompt = client.ask("prompts/get", asked).await;
        assert!(
            prompt["messages"].is_array() && chars(&prompt) <= ANSWER_CHARS_MAX + 2_000,
            "{id}: {}",
            chars(&prompt)
        );
        let record = prompt["messages"][1]["content"]["resource"]["text"].as_str().unwrap();
        assert!(serde_json::from_str::<Value>(record).is_ok(), "{id}: {record}");
    }
    let page = app.list(&product.caller, &ListRequest { limit: 100, ..Default::default() }).await.unwrap();
    let ids: Vec<String> = page.items.iter().map(|job| job.job_id.clone()).collect();
    let listed = client.call("list_jobs", json!({"limit": 100})).await;
    assert!(listed["structuredContent"]["content"]["next_cursor"].is_string(), "{listed}");
    let cards = client.call("job_card", json!({"job_ids": ids})).await;
    let cards = &cards["structuredContent"]["content"];
    let shown = cards["jobs"].as_array().unwrap();
    assert!(shown.len() > 10 && shown.iter().all(|card| card["job_id"].is_string() && card["status"].is_string()));
    assert_eq!(cards["left_out"], json!(100 - shown.len()), "{cards}");
    client.call("wait_job_completion", json!({"job_ids": ids, "timeout": 0, "read": 4_000})).await;
    client.call("list_operations", json!({})).await;
    client.call("list_operations", json!({"query": "pdf"})).await;
    for operation in catalog::all() {
        client.call("describe_operation", json!({"operation": operation.name})).await;
    }
    client.call("describe_operation", json!({"operation": "x".repeat(100_000)})).await;
    client.call("get_credit_balance", json!({})).await;
    client.call("cancel_job", json!({"job_id": "LINKS"})).await;
    client.call("upload_file", json!({"file_path": "x".repeat(100_000)})).await;
    let documents: Vec<String> = (0..100).map(|number| format!("https://h.test/{number}/{long_name}")).collect();
    for (operation, url) in [
        ("pdf_to_text", json!("https://files.example.test/a.pdf")),
        ("pdf_info_reader", json!("https://files.example.test/a.pdf")),
        ("pdf_to_png", json!("https://files.example.test/a.pdf")),
        ("html_to_pdf", json!("https://files.example.test/a.pdf")),
        ("pdf_to_text", json!(documents)),
    ] {
        client.call("submit_job", json!({"operation": operation, "url": url, "wait": 1})).await;
    }
    for arguments in [json!({"y".repeat(100_000): 1}), json!({"operation": "z".repeat(100_000), "url": "a.pdf"})] {
        client.call("submit_job", arguments).await;
    }
    let task = json!({"name": "submit_job", "task": {}, "arguments": {"operation": "pdf_to_png", "url": "https://files.example.test/b.pdf"}});
    let made = client.ask("tools/call", task).await;
    let id = made["task"]["taskId"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let result = client.ask("tasks/result", json!({"taskId": id})).await;
    assert_bounded("tasks/result", &result);
    assert!(says_what_is_left_out(&result), "{result}");
}
