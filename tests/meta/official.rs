//! The tools of the official server beside ours: the same arguments reach the service.

use std::sync::Arc;

use futures_util::StreamExt;
use pdfco::catalog::{self, Operation, Run, arguments};
use pdfco::mcp::client::Assistant;
use serde_json::{Map, Value, json};

use super::catalog::{fixture, object};
use super::results::{AT_ONCE, Bench, request_with};

// In place of the official server.

pub(super) fn official_tools() -> Vec<Value> {
    let text = std::fs::read_to_string(fixture("official-server/tools.json")).unwrap();
    let tools: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(tools.len(), 38);
    tools
}

pub(super) fn words(list: &Value) -> Vec<&str> {
    list.as_array().map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// The official tools that are operations of the service, each name they go by.
pub(super) fn official_operations() -> Vec<(&'static str, &'static Operation, Value)> {
    let mut found = Vec::new();
    for tool in official_tools() {
        let name = tool["name"].as_str().unwrap();
        if ["upload_file", "get_job_check", "wait_job_completion"].contains(&name) {
            continue;
        }
        for name in std::iter::once(name).chain(words(&tool["aliases"])) {
            let operation = catalog::find(name).unwrap();
            assert_eq!(operation.path, tool["path"].as_str().unwrap(), "{name}");
            found.push((&*name.to_owned().leak(), operation, tool.clone()));
        }
    }
    found
}

async fn takes_the_official_call(
    bench: &Bench,
    assistant: &Assistant,
    name: &'static str,
    operation: &'static Operation,
    tool: &Value,
) {
    let key = format!("sim_{name}");
    let names: Vec<&str> =
        words(&tool["arguments"]).into_iter().filter(|name| !["api_key", "encrypt"].contains(name)).collect();
    let mut arguments = bench.arguments(operation, &names).await;
    arguments.insert("api_key".into(), json!(key));
    if words(&tool["arguments"]).contains(&"encrypt") {
        arguments.insert("encrypt".into(), json!(false));
    }
    let answer = assistant.call(name, Value::Object(arguments)).await.unwrap();
    assert_eq!(answer["status"], "success", "{name}: {answer}");
    let request = request_with(bench, &key, operation);
    let agreed: Value = golden_request(operation);
    assert_eq!((json!(request.method), json!(request.path)), (agreed["method"].clone(), agreed["path"].clone()));
    // Exactly what was given, under the wire names and in the types of the fixture.
    let mut expected = Map::new();
    for given in &names {
        let wire = operation.param(given).unwrap().wire;
        if let Some(value) = agreed["body"].get(wire) {
            expected.insert(wire.to_owned(), value.clone());
        } else {
            assert!(operation.path.contains(&format!("{{{wire}}}")), "{name}: {given}");
        }
    }
    let mut body = object(request.body.unwrap());
    if let Some(link) = expected.shift_remove("url") {
        let sent = body.shift_remove("url").unwrap();
        assert!(sent.as_str().unwrap().starts_with("http"), "{name}: {sent} for {link}");
    }
    if operation.run == Run::Job {
        expected.insert("async".into(), json!(true));
    }
    // What the service needs and the official server leaves out.
    for param in operation.params().filter(|param| param.sends_default) {
        let is_in_path = operation.path.contains(&format!("{{{}}}", param.wire));
        if !is_in_path && !expected.contains_key(param.wire) {
            let default = arguments::coerce(&param.kind, &json!(param.default.unwrap())).unwrap();
            expected.insert(param.wire.to_owned(), default);
        }
    }
    assert_eq!(body, expected, "{name}");
}

fn golden_request(operation: &Operation) -> Value {
    let text = std::fs::read_to_string(fixture(&format!("operations/{}/request.json", operation.name))).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_official_tool_has_a_counterpart_with_its_arguments() {
    let bench = &Bench::new(&[("PDFCO_TOOLSETS", "all")]).await;
    let assistant =
        &Assistant::start(pdfco::serve::stdio::in_process(Arc::clone(&bench.app)).0, |_, _| {}).await.unwrap();
    let listed = assistant.tools().await.unwrap();
    for tool in official_tools() {
        assert!(listed.iter().any(|name| *name == tool["name"]), "{}", tool["name"]);
    }
    let operations = official_operations();
    assert_eq!(operations.len(), 36, "35 operations, one of them under two names");
    let calls = operations
        .iter()
        .map(|(name, operation, tool)| takes_the_official_call(bench, assistant, name, operation, tool));
    assert_eq!(futures_util::stream::iter(calls).buffer_unordered(AT_ONCE).count().await, 36);

    let uploaded =
        assistant.call("upload_file", json!({"file_path": "invoice.pdf", "api_key": "sim_up"})).await.unwrap();
    assert_eq!(uploaded["status"], "success", "{uploaded}");
    let url = uploaded["content"]["url"].clone();
    let submitted = json!({"url": url, "api_key": "sim_up", "wait": 0});
    let job_id = assistant.call("pdf_to_text", submitted).await.unwrap()["job"]["job_id"].clone();
    let arguments = json!({"job_id": job_id, "interval": 1, "timeout": 20, "api_key": "sim_up"});
    let waited = assistant.call("wait_job_completion", arguments).await.unwrap();
    assert_eq!(waited["status"], "success", "{waited}");
    let looked = assistant.call("get_job_check", json!({"job_id": job_id, "api_key": "sim_up"})).await.unwrap();
    assert_eq!((&looked["status"], &looked["job"]["source"]), (&json!("success"), &json!("cache")));
    let others = assistant.call("list_jobs", json!({"api_key": "sim_nobody"})).await.unwrap();
    assert_eq!(others["content"]["total"], 0, "a key sees its own jobs only");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_official_server_loses_on_the_way_arrives() {
    let bench = &Bench::new(&[("PDFCO_TOOLSETS", "all")]).await;
    let assistant =
        Assistant::start(pdfco::serve::stdio::in_process(Arc::clone(&bench.app)).0, |_, _| {}).await.unwrap();
    let lost = [
        (
            "pdf_add_annotations_images_fields",
            json!({"expiration": 30, "flatten": true}),
            json!({"expiration": 30, "flatten": true}),
        ),
        (
            "extract_attachments",
            json!({"httpusername": "reader", "httppassword": "canary", "password": "canary2"}),
            json!({"httpusername": "reader", "httppassword": "canary", "password": "canary2"}),
        ),
        // Its defaults are empty texts; they mean nothing and are not sent.
        ("pdf_info_reader", json!({"httpusername": "", "httppassword": "", "password": ""}), json!({"inline": true})),
        (
            "pdf_to_text",
            json!({"profiles": {"TrimSpaces": true}, "callback": ""}),
            json!({"profiles": "{\"TrimSpaces\":true}"}),
        ),
    ];
    for (name, arguments, expected) in lost {
        let (key, mut arguments) = (format!("sim_lost_{name}"), object(arguments));
        arguments.insert("url".into(), json!("report.pdf"));
        arguments.insert("api_key".into(), json!(key));
        let answer = assistant.call(name, Value::Object(arguments)).await.unwrap();
        assert_eq!(answer["status"], "success", "{name}: {answer}");
        let request = request_with(bench, &key, catalog::find(name).unwrap());
        let mut body = object(request.body.unwrap());
        body.retain(|name, _| name != "url" && name != "async");
        assert_eq!(Value::Object(body), expected, "{name}");
        assert!(!answer.to_string().contains("canary"), "{name}");
    }
}
