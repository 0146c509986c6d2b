//! Results as they may stand: in any encoding, and some seconds after they were promised.

use std::time::Duration;

use crate::support::product::{CHECK, Product, request};
use futures_util::future::join_all;
use pdfco::app::{ReadRequest, SubmitRequest};
use pdfco::next_step::Audience;
use pdfco::simulator::{self, Options, Shape};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const CSV: &str = "/v1/pdf/convert/to/csv";
const KEY: &str = "k-0123456789";
const JOB: &str = "AAAA1111BBBB2222CCCC3333DDDD4444--151-300";
const LONG: Duration = Duration::from_secs(30);

/// A service with one job whose result is `file`, of this content type.
async fn service_with(file: &[u8], mime: &str) -> MockServer {
    let server = MockServer::start().await;
    let on = |at: &str, reply: ResponseTemplate| Mock::given(path(at)).respond_with(reply);
    let accepted = json!({"jobId": JOB, "status": 200, "credits": 28, "remainingCredits": 500});
    on(CSV, ResponseTemplate::new(200).set_body_json(accepted)).mount(&server).await;
    let link = format!("{}/stored/a.csv?X-Amz-Signature=1", server.uri());
    let done = json!({"status": "success", "url": link, "credits": 2, "remainingCredits": 498});
    on(CHECK, ResponseTemplate::new(200).set_body_json(done)).mount(&server).await;
    on("/stored/a.csv", ResponseTemplate::new(200).set_body_raw(file, mime)).mount(&server).await;
    server
}

fn csv(wait: Duration) -> SubmitRequest {
    request("pdf_to_csv", json!({"url": "https://files.example.test/a.pdf"}), wait)
}

#[tokio::test]
async fn a_text_is_text_in_any_encoding_in_the_tip_as_in_the_tool() {
    let utf_16: Vec<u8> = "Müller;12 €".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: Vec<(&str, Vec<u8>, &str, bool)> = vec![
        ("text/csv", "Müller;12 €".into(), "Müller;12 €", false),
        ("text/csv; charset=windows-1252", b"M\xfcller;12 \x80".to_vec(), "Müller;12 €", false),
        ("text/csv", b"M\xfcller;12 \x80".to_vec(), "Müller;12 €", true),
        ("application/octet-stream", b"M\xfcller;12 \x80".to_vec(), "Müller;12 €", true),
        ("text/csv; charset=\"Shift_JIS\"", b"\x90\xbf\x8b\x81".to_vec(), "請求", false),
        ("text/csv", utf_16, "Müller;12 €", false),
    ];
    join_all(cases.iter().map(async |(mime, file, text, is_assumed)| {
        let server = service_with(file, mime).await;
        let product = Product::new(&server.uri(), KEY);
        let answer = product.app.submit(&product.caller, csv(LONG)).await.unwrap();
        assert_eq!(answer.output.as_ref().map(|output| output.text.as_str()), Some(*text), "{mime}: {answer:?}");
        let read = product.app.read(&product.caller, &ReadRequest::of(JOB)).await.unwrap();
        assert_eq!(read.output.as_ref().map(|output| output.text.as_str()), Some(*text), "{mime}: {read:?}");
        for answer in [answer, read] {
            let tips = answer.tips.map(|tips| tips.text(Audience::Agent)).unwrap_or_default();
            assert_eq!(tips.contains("does not say its encoding"), *is_assumed, "{mime}: {tips}");
            assert!(!tips.contains("read_result"), "{mime}: {tips}");
        }
    }))
    .await;
}

#[tokio::test]
async fn what_is_no_text_is_said_to_be_none_by_everything() {
    let server = service_with(b"PK\x03\x04 a workbook", "text/csv").await;
    let product = Product::new(&server.uri(), KEY);
    let answer = product.app.submit(&product.caller, csv(LONG)).await.unwrap();
    let tips = answer.tips.map(|tips| tips.text(Audience::Agent)).unwrap_or_default();
    assert!(answer.output.is_none() && tips.contains("not text") && tips.contains("download_result"), "{tips}");
    let error = product.app.read(&product.caller, &ReadRequest::of(JOB)).await.unwrap_err();
    assert!(error.message().contains("not text"), "{error}");
    let checked = product.app.check(&product.caller, JOB, false).await.unwrap();
    let tips = checked.tips.map(|tips| tips.text(Audience::Agent)).unwrap_or_default();
    assert!(!tips.contains("read_result") && tips.contains("download_result"), "{tips}");
}

/// The checks that a simulator has answered.
fn checks(service: &simulator::Handle) -> usize {
    service.count(CHECK)
}

#[tokio::test]
async fn a_late_result_is_waited_for_without_a_further_check() {
    let operations: [(&str, Value); 4] = [
        ("pdf_to_text", json!({"url": "invoice.pdf"})),
        ("pdf_to_png", json!({"url": "invoice.pdf"})),
        ("pdf_info_reader", json!({"url": "invoice.pdf"})),
        ("pdf_rotate", json!({"url": "invoice.pdf", "angle": 90})),
    ];
    join_all(operations.into_iter().map(async |(operation, arguments)| {
        let options = Options { result_delay: Duration::from_secs(2), shape: Shape::Link, ..Options::default() };
        let service = simulator::spawn(options).await.unwrap();
        let product = Product::new(service.url(), "sim_late");
        let folder = |name: &str| format!("{}/{name}/", product.folder.path().display());
        let asked = SubmitRequest { save_to: Some(folder("out")), ..request(operation, arguments, LONG) };
        let answer = product.app.submit(&product.caller, asked).await.unwrap();
        assert_eq!(answer.status, "success", "{operation}");
        let made = checks(&service);
        let job = answer.job.as_ref().unwrap();
        assert!(
            !job.outputs.is_empty() && job.outputs.iter().all(|output| output.saved_to.is_some()),
            "{operation}: {answer:?}"
        );
        if operation == "pdf_info_reader" {
            assert!(answer.content["info"]["PageCount"].is_number(), "{answer:?}");
        }
        assert_eq!(checks(&service), made, "{operation}");
        // Saved on its own, while it is still not there.
        let again = product
            .app
            .submit(
                &product.caller,
                request(
                    operation,
                    json!({"url": "report.pdf", "angle": 90})
                        .as_object()
                        .map(|all| {
                            let mut all = all.clone();
                            if operation != "pdf_rotate" {
                                all.remove("angle");
                            }
                            Value::Object(all)
                        })
                        .unwrap(),
                    Duration::ZERO,
                ),
            )
            .await
            .unwrap();
        let id = again.job.unwrap().job_id;
        while !product.app.check(&product.caller, &id, true).await.unwrap().job.unwrap().is_terminal {}
        let made = checks(&service);
        product.app.download(&product.caller, &id, Some(&folder("again")), false).await.unwrap();
        assert_eq!(checks(&service), made, "{operation}: a paid check for a file that was only late");
    }))
    .await;
}

#[tokio::test]
async fn an_old_result_that_is_gone_costs_one_check_and_no_patience() {
    let server = MockServer::start().await;
    let link = format!("{}/stored/a.csv?X-Amz-Signature=1", server.uri());
    let done = json!({"status": "success", "url": link, "credits": 2});
    Mock::given(path(CHECK)).respond_with(ResponseTemplate::new(200).set_body_json(done)).mount(&server).await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(404)).mount(&server).await;
    let product = Product::new(&server.uri(), KEY);
    product.app.check(&product.caller, JOB, false).await.unwrap();
    let began = std::time::Instant::now();
    let read = product.app.read(&product.caller, &ReadRequest::of(JOB)).await.unwrap_err();
    assert_eq!(read.kind(), pdfco::error::Kind::LinkExpired);
    // New as it is, it is tried for 20 s; then comes the one check.
    assert!(began.elapsed() >= Duration::from_secs(19), "{:?}", began.elapsed());
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.iter().filter(|request| request.url.path() == CHECK).count(), 2);
}

#[tokio::test]
async fn data_beside_a_dead_link_is_taken_at_once() {
    let found = json!([{"class": "invoice"}]);
    for (operation, at, field, expected) in [
        ("pdf_classifier", "classes", "body", json!({"classes": found})),
        ("pdf_classifier", "body", "body", found.clone()),
        ("barcode_read", "barcodes", "barcodes", found.clone()),
        ("barcode_read", "body", "barcodes", found.clone()),
    ] {
        let server = MockServer::start().await;
        let link = format!("{}/stored/a.json?X-Amz-Signature=1", server.uri());
        let accepted = json!({"jobId": JOB, "status": 200, "credits": 28, "remainingCredits": 500});
        let done = json!({"status": "success", "url": link, at: found, "credits": 2, "remainingCredits": 498});
        Mock::given(path(CHECK)).respond_with(ResponseTemplate::new(200).set_body_json(done)).mount(&server).await;
        Mock::given(method("GET")).respond_with(ResponseTemplate::new(404)).mount(&server).await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(200).set_body_json(accepted))
            .mount(&server)
            .await;
        let product = Product::new(&server.uri(), KEY);
        let asked = request(operation, json!({"url": "https://files.example.test/a.pdf"}), LONG);
        let answer = product.app.submit(&product.caller, asked).await.unwrap();
        assert_eq!((&answer.content[field], &answer.content["url"]), (&expected, &Value::Null), "{answer:?}");
        let read = product.app.read(&product.caller, &ReadRequest::of(JOB)).await.unwrap();
        assert!(read.output.unwrap().text.contains("invoice"), "{operation} {at}");
        let requests = server.received_requests().await.unwrap();
        let checks = requests.iter().filter(|request| request.url.path() == CHECK).count();
        assert_eq!(checks, 1, "{operation} {at}: the data is here");
    }
}
