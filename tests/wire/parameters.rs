//! What the vendor's own code sends, and other clients were seen to send: each is taken, and goes out as it has to.

use std::time::Duration;

use crate::support::product::{Product, request};
use pdfco::catalog::{self, ParamKind, Run};
use serde_json::{Map, Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

const LINK: &str = "https://files.example.test/a.pdf";

/// The request that a call sends, parameters of the query included.
async fn sent(operation: &str, given: &Value) -> Map<String, Value> {
    let server = MockServer::start().await;
    let answer = json!({"jobId": "AAAA--1", "status": 200, "url": LINK, "remainingCredits": 100_000});
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(answer)).mount(&server).await;
    let product = Product::new(&server.uri(), "k-0123456789");
    let found = catalog::find(operation).unwrap();
    let mut arguments = given.as_object().unwrap().clone();
    for param in found.params().filter(|param| param.required) {
        let value = match param.kind {
            ParamKind::Source => json!(LINK),
            ParamKind::Sources => json!([LINK, LINK]),
            ParamKind::Objects(_) => json!([{}]),
            _ if param.name == "url" => json!(LINK),
            _ if param.name == "file" => json!("data:text/plain;base64,aGVsbG8="),
            _ => json!("1"),
        };
        arguments.entry(param.name).or_insert(value);
    }
    let asked = request(operation, Value::Object(arguments), Duration::ZERO);
    let submitted = product.app.submit(&product.caller, asked).await;
    submitted.unwrap_or_else(|error| panic!("{operation} {given}: {error}"));
    let requests = server.received_requests().await.unwrap();
    let [only] = requests.as_slice() else { panic!("{operation}: {} requests", requests.len()) };
    let mut body: Map<String, Value> = serde_json::from_slice(&only.body).unwrap_or_default();
    body.extend(only.url.query_pairs().map(|(name, value)| (name.into_owned(), json!(value))));
    body
}

#[tokio::test]
async fn parameters_that_others_send_are_taken_and_sent() {
    let auth = json!({"httpusername": "u", "httppassword": "p"});
    // Operation, what a call gives, and what goes out for it.
    let rows: &[(&str, Value, Value)] = &[
        // Redaction: text that is only covered stays searchable.
        ("pdf_replace_text", json!({"makeunsearchable": true}), json!({"makeunsearchable": true})),
        ("pdf_replace_text_with_image", json!({"makeunsearchable": "true"}), json!({"makeunsearchable": true})),
        ("pdf_delete_text", json!({"makeUnsearchable": false}), json!({"makeunsearchable": false})),
        // Data is asked for in the answer, as the vendor's own node does.
        ("pdf_info_reader", json!({}), json!({"inline": true, "async": true})),
        ("read_pdf_forms_info", json!({}), json!({"inline": true})),
        ("barcode_read", json!({"types": "QRCode"}), json!({"inline": true})),
        ("document_classifier", json!({}), json!({"inline": true})),
        ("pdf_info_reader", json!({"inline": false}), json!({"inline": false})),
        // The link works either way.
        ("excel_to_csv", json!({"inline": true}), json!({"inline": true})),
        ("excel_to_json", json!({"inline": true}), json!({"inline": true})),
        ("excel_to_html", json!({"inline": true}), json!({"inline": true})),
        ("excel_to_txt", json!({"inline": true}), json!({"inline": true})),
        ("excel_to_xml", json!({"inline": true}), json!({"inline": true})),
        ("excel_to_pdf", json!({"inline": true}), json!({"inline": true})),
        // Left empty for all sheets; the number goes out as it is given.
        ("excel_to_csv", json!({"worksheetIndex": 0}), json!({"worksheetIndex": "0"})),
        ("excel_to_pdf", json!({"worksheet_index": "1"}), json!({"worksheetIndex": "1"})),
        ("document_parser", json!({"storeResult": true}), json!({"storeResult": true})),
        ("ai_invoice_parser", json!({"customfield": "PO"}), json!({"customfield": "PO"})),
        ("ai_invoice_parser", json!({"customField": "PO"}), json!({"customfield": "PO"})),
        // Stored files.
        ("file_upload_url", json!({"expiration": 120}), json!({"expiration": 120})),
        ("file_upload_base64", json!({"expiration": "120"}), json!({"expiration": 120})),
        ("file_delete", auth.clone(), auth.clone()),
        // A larger plan lets links live longer than a day.
        ("pdf_to_text", json!({"expiration": 43_200}), json!({"expiration": 43_200})),
        ("barcode_read", json!({"types": "QRCode", "expiration": 90}), json!({"expiration": 90})),
        // An object is answered with 400.
        ("pdf_to_text", json!({"profiles": {"A": true}}), json!({"profiles": "{\"A\":true}"})),
        ("find_text", json!({"caseSensitive": false}), json!({"caseSensitive": false})),
    ];
    for (operation, given, expected) in rows {
        let body = sent(operation, given).await;
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(body.get(name), Some(value), "{operation} {given}: {body:?}");
        }
    }
}

#[tokio::test]
async fn every_job_takes_an_address_to_call_back() {
    for operation in catalog::all().filter(|operation| operation.run != Run::Direct) {
        assert!(operation.param("callback").is_some(), "{}", operation.name);
        assert!(operation.param("profiles").is_some(), "{}", operation.name);
    }
}
