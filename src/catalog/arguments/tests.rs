//! Tests of reading arguments.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::catalog::{all, find};
use crate::error::{Kind, Reason};
use crate::next_step::Audience;

fn of(operation: &str, given: Value) -> Result<Arguments> {
    read(find(operation).unwrap(), given.as_object().unwrap().clone())
}

#[test]
fn any_spelling_goes_out_under_the_wire_name() {
    for spelling in ["line_grouping", "lineGrouping", "linegrouping", "LINE-GROUPING"] {
        let arguments = of("pdf_to_csv", json!({"url": "https://h.test/a.pdf", spelling: 1})).unwrap();
        assert_eq!(arguments.body.get("lineGrouping"), Some(&json!("1")), "{spelling}");
    }
}

#[test]
fn unknown_and_repeated_arguments_are_refused() {
    let error = of("pdf_to_text", json!({"url": "u", "page": "1"})).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (Kind::InvalidArgument, Some(Reason::UnknownArgument)));
    assert!(error.hint().text(Audience::Agent).contains("`pages`"), "{}", error.hint().text(Audience::Agent));
    assert!(of("pdf_to_text", json!({"url": "u", "pages": "1", "Pages": "2"})).is_err());
    assert!(of("pdf_to_text", json!({"pages": "1"})).unwrap_err().message().contains("`url`"));
    assert!(
        of("pdf_to_text", json!({"url": "u", "encrypt": true, "async": false, "name": ""})).unwrap().body.is_empty()
    );
}

#[test]
fn profiles_leave_as_text_whatever_came_in() {
    for profiles in [json!({"TrimSpaces": true}), json!("{\"TrimSpaces\":true}")] {
        let arguments = of("pdf_to_text", json!({"url": "u", "profiles": profiles})).unwrap();
        assert_eq!(arguments.body["profiles"], json!("{\"TrimSpaces\":true}"));
    }
}

#[test]
fn several_documents_come_as_list_or_with_commas() {
    for url in [json!(["a.pdf", "b.pdf"]), json!("a.pdf, b.pdf"), json!("[\"a.pdf\",\"b.pdf\"]")] {
        assert_eq!(of("pdf_merge", json!({"url": url})).unwrap().sources.unwrap().items, ["a.pdf", "b.pdf"]);
    }
    assert_eq!(of("pdf_merge", json!({"url": "Smith, John.png"})).unwrap().sources.unwrap().items.len(), 1);
    assert_eq!(of("pdf_to_text", json!({"url": "a,b.pdf"})).unwrap().sources.unwrap().items, ["a,b.pdf"]);
    assert_eq!(of("pdf_to_text", json!({"url": ["a.pdf,b.pdf"]})).unwrap().sources.unwrap().items, ["a.pdf,b.pdf"]);
}

#[test]
fn two_documents_for_one_are_refused_with_the_list() {
    for url in [json!(["a.pdf", "b.pdf"]), json!("a.pdf,b.pdf")] {
        let error = of("pdf_to_text", json!({"url": url})).unwrap_err();
        assert!(error.message().contains("2 documents"), "{error}");
        assert!(error.hint().text(Audience::Agent).contains(r#"["a.pdf","b.pdf"]"#), "{error:?}");
    }
}

#[test]
fn a_default_that_the_service_needs_is_sent() {
    let sent = |operation: &str, given: Value| of(operation, given).unwrap().body;
    assert_eq!(sent("pdf_info_reader", json!({"url": "u"})), json!({"inline": true}).as_object().unwrap().clone());
    assert!(sent("barcode_read", json!({"url": "u"}))["types"].as_str().unwrap().contains("QRCode"));
    assert_eq!(sent("barcode_read", json!({"url": "u", "types": "EAN13"}))["types"], "EAN13");
    assert_eq!(sent("pdf_to_image", json!({"url": "u"}))["type"], "jpg");
    assert!(!sent("pdf_to_text", json!({"url": "u"})).contains_key("inline"));
}

#[test]
fn impossible_pages_are_refused_before_anything_is_paid() {
    for (operation, pages) in [("pdf_to_text", "page 3"), ("pdf_split", "0"), ("pdf_delete_pages", "5-2")] {
        let error = of(operation, json!({"url": "u", "pages": pages})).unwrap_err();
        assert!(error.hint().text(Audience::Agent).contains("counted from"), "{operation}: {error:?}");
    }
}

#[test]
fn passwords_and_signatures_are_not_kept() {
    let arguments = of("pdf_to_text", json!({"url": "https://h.test/a.pdf?sig=canary1", "password": "canary2", "httppassword": "canary3", "profiles": {"Key": "canary2"}})).unwrap();
    let public = arguments.public().to_string();
    assert!(!public.contains("canary"), "{public}");
    assert_eq!(arguments.secrets.len(), 2);
    let twice =
        json!({"url": "https://h.test/canary2/a.pdf", "password": "canary2", "profiles": {"canary2": {"canary2": 1}}});
    assert!(!of("pdf_to_text", twice).unwrap().public().to_string().contains("canary"));
}

#[test]
fn nested_json_text_is_followed_to_a_bound() {
    // Some twenty layers of JSON as text, each a hundred lists deep: far more levels than a small stack has room for.
    let layer = |inside: &str| format!("{}{}{}", "[".repeat(100), json!(inside), "]".repeat(100));
    let deep = (0..14).fold("1".to_owned(), |inside, _| layer(&inside));
    let given = json!({"url": "u", "profiles": deep});
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    let read = small.spawn(move || of("pdf_to_text", given).unwrap().public().to_string().len()).unwrap();
    assert!(read.join().unwrap() < 1_000);
}

proptest! {
    #[test]
    fn no_argument_makes_reading_panic(name in "\\PC{0,20}", text in "\\PC{0,40}", pick in 0_usize..200) {
        let operations: Vec<_> = all().collect();
        let operation = operations[pick % operations.len()];
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let mut given = Map::new();
        given.insert(name, value.clone());
        if let Some(param) = operation.params().nth(pick % 7) {
            given.insert(param.name.to_owned(), value);
        }
        let _ = read(operation, given);
    }
}
