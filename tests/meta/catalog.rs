//! The catalog: what each operation sends, and the arguments that it takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pdfco::app::{App, Caller, ResponseMode, SubmitRequest};
use pdfco::catalog::{self, Method, Operation, Param, ParamKind, Run, arguments};
use pdfco::config::{self, Config, Folders, Values};
use pdfco::files::Sandbox;
use pdfco::secret::ApiKey;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

pub(super) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

fn updating() -> bool {
    std::env::var("UPDATE_FIXTURES").is_ok_and(|value| value == "1")
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

/// The stored value, or with `UPDATE_FIXTURES=1` the new one, stored.
pub(super) fn golden(path: &str, new: &Value) -> Value {
    let file = fixture(path);
    if updating() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, pretty(new)).unwrap();
    }
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_FIXTURES=1 writes it", file.display()));
    serde_json::from_str(&text).unwrap()
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

// What an assistant sees.

pub(super) fn config(flags: &[(&str, &str)]) -> Config {
    let flags: Values = flags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    config::merge(&flags, &Values::new(), &Values::new(), &Folders::default()).unwrap()
}

/// Whether an asynchronous job is charged per page or once is disputed: no text claims either.
#[test]
fn prices_stand_once_and_claim_no_more_than_is_known() {
    for operation in catalog::all() {
        let (name, text) = (operation.name, operation.description());
        let is_job = operation.run != Run::Direct;
        assert!(!is_job || !text.contains("credits a page"), "{name}: {text}");
        assert!(text.matches(" credits").count() <= 1, "{name}: {text}");
        match (operation.price.credits(), operation.price.basis()) {
            (None, _) => assert!(text.contains("Price not published"), "{name}: {text}"),
            (Some(0), _) => assert!(text.contains("Free."), "{name}: {text}"),
            (Some(credits), Some(catalog::Basis::Page)) if is_job => {
                let sentence = format!("{credits} credits, per page or once (disputed)");
                assert!(text.contains(&sentence), "{name}: {text}");
            }
            (Some(1), _) => assert!(text.contains("1 credit a"), "{name}: {text}"),
            (Some(credits), _) => assert!(text.contains(&format!("{credits} credits a")), "{name}: {text}"),
        }
    }
}

// What goes out.

/// A value of each kind, for the first draft of a fixture.
fn draft(param: &Param) -> Value {
    match param.kind {
        ParamKind::Source => json!("https://example.com/document.pdf"),
        ParamKind::Sources => json!("https://example.com/one.pdf,https://example.com/two.pdf"),
        ParamKind::Text => json!(param.default.unwrap_or("text")),
        ParamKind::Pages { .. } => json!("1,3-5"),
        ParamKind::JsonText => json!({"Key": "value"}),
        ParamKind::Integer { min, .. } => {
            param.default.map_or(json!(min.max(1)), |text| json!(text.parse::<i64>().unwrap()))
        }
        ParamKind::Number => param.default.map_or(json!(10), |text| json!(text.parse::<i64>().unwrap())),
        ParamKind::Boolean => json!(true),
        ParamKind::Choice(words) | ParamKind::Suggested(words) => json!(words.last().unwrap()),
        ParamKind::Strings => json!(["one", "two"]),
        ParamKind::Objects(fields) => json!([drafts(fields.iter())]),
        ParamKind::Object(fields) => drafts(fields.iter()),
    }
}

fn drafts(params: impl Iterator<Item = &'static Param>) -> Value {
    Value::Object(params.map(|param| (param.name.to_owned(), draft(param))).collect())
}

/// Every parameter, also of the objects inside, is in the arguments under the name that is shown.
fn assert_complete(at: &str, params: &[&'static Param], given: &Map<String, Value>) {
    for param in params {
        let value = given.get(param.name).unwrap_or_else(|| panic!("{at}: the fixture does not have `{}`", param.name));
        match (param.kind, value) {
            (ParamKind::Object(fields), Value::Object(inner)) => {
                assert_complete(&format!("{at}.{}", param.name), &fields.iter().collect::<Vec<_>>(), inner);
            }
            (ParamKind::Objects(fields), Value::Array(list)) => {
                let inner = list[0].as_object().unwrap();
                assert_complete(&format!("{at}.{}", param.name), &fields.iter().collect::<Vec<_>>(), inner);
            }
            _ => {}
        }
    }
}

/// The arguments of an operation's fixture: every parameter with a plausible value.
pub(super) fn full_arguments(operation: &'static Operation) -> Map<String, Value> {
    let file = fixture(&format!("operations/{}/request.json", operation.name));
    let stored: Option<Value> =
        std::fs::read_to_string(&file).ok().map(|text| serde_json::from_str(&text).expect("a fixture is JSON"));
    match stored {
        Some(stored) => object(stored["arguments"].clone()),
        None if updating() => object(drafts(operation.params())),
        None => panic!("{}: no request fixture; UPDATE_FIXTURES=1 drafts it", operation.name),
    }
}

pub(super) fn caller(key: &str, sandbox: Sandbox) -> Caller {
    Caller {
        is_remote: false,
        owner: ApiKey::new(key).unwrap().into(),
        sandbox: Arc::new(sandbox),
        policy: pdfco::app::Policy::person(),
        consent: pdfco::app::Consent::Needed,
        max_wait: None,
        response_mode: ResponseMode::Inline,
        cancel: CancellationToken::new(),
        on_event: Arc::new(|_| {}),
    }
}

/// The one request that `arguments` make of an operation, as the service receives it.
async fn request_of(operation: &'static Operation, arguments: &Map<String, Value>) -> Value {
    let service = MockServer::start().await;
    let reply = json!({"error": false, "status": 200, "jobId": "J", "credits": 1, "remainingCredits": 99});
    Mock::given(matchers::header("x-api-key", "key-of-the-test"))
        .respond_with(ResponseTemplate::new(200).set_body_json(reply))
        .mount(&service)
        .await;
    let app = App::new(config(&[
        ("PDFCO_LEDGER", "memory"),
        ("PDFCO_BASE_URL", &service.uri()),
        ("PDFCO_RATE_LIMIT", "off"),
    ]));
    let caller = caller("key-of-the-test", Sandbox::folders(Vec::new(), std::env::temp_dir()));
    let request = SubmitRequest {
        operation: operation.name.to_owned(),
        arguments: arguments.clone(),
        wait: Some(Duration::ZERO),
        ..SubmitRequest::default()
    };
    let answer =
        app.unwrap().submit(&caller, request).await.unwrap_or_else(|error| panic!("{}: {error}", operation.name));
    assert!(!answer.is_error, "{}", operation.name);
    let requests = service.received_requests().await.unwrap();
    let [request] = requests.as_slice() else { panic!("{}: {} requests", operation.name, requests.len()) };
    let path = match request.url.query() {
        Some(query) => format!("{}?{query}", request.url.path()),
        None => request.url.path().to_owned(),
    };
    let body: Value =
        if request.body.is_empty() { Value::Null } else { serde_json::from_slice(&request.body).unwrap() };
    json!({"arguments": arguments, "method": request.method.as_str(), "path": path, "body": body})
}

#[tokio::test]
async fn every_operation_sends_what_its_fixture_says() {
    for operation in catalog::all() {
        let arguments = full_arguments(operation);
        assert_complete(operation.name, &operation.params().collect::<Vec<_>>(), &arguments);
        let request = request_of(operation, &arguments).await;
        let agreed = golden(&format!("operations/{}/request.json", operation.name), &request);
        assert_eq!(request, agreed, "{}", operation.name);
        let body = request["body"].as_object();
        match operation.method {
            Method::Post => {
                let is_async = body.unwrap().get("async");
                assert_eq!(is_async == Some(&json!(true)), operation.run == Run::Job, "{}", operation.name);
            }
            Method::Get => assert!(body.is_none(), "{}", operation.name),
        }
        assert!(body.and_then(|body| body.get("profiles")).is_none_or(Value::is_string), "{}", operation.name);
    }
    let stored = std::fs::read_dir(fixture("operations")).unwrap().count();
    assert_eq!(stored, catalog::all().count(), "a fixture belongs to no operation");
}

/// Assistants send everything as text, scripts write the service's own names: the same request goes out.
#[test]
fn every_operation_takes_its_arguments_in_every_spelling() {
    fn in_words(value: &Value) -> Value {
        match value {
            Value::String(text) => json!(text),
            other => json!(other.to_string()),
        }
    }
    for operation in catalog::all() {
        let given = full_arguments(operation);
        let plain = arguments::read(operation, given.clone()).unwrap();
        let words = given.iter().map(|(name, value)| (name.clone(), in_words(value))).collect();
        let words = arguments::read(operation, words).unwrap_or_else(|error| panic!("{}: {error}", operation.name));
        assert_eq!(words.identity(), plain.identity(), "{}", operation.name);
        for spelling in ["wire", "upper", "dashes"] {
            let respell = |name: &String| match spelling {
                "wire" => operation.param(name).unwrap().wire.to_owned(),
                "upper" => name.to_uppercase(),
                _ => name.replace('_', "-"),
            };
            let given = given.iter().map(|(name, value)| (respell(name), value.clone())).collect();
            let read = arguments::read(operation, given).unwrap_or_else(|error| panic!("{}: {error}", operation.name));
            assert_eq!(read.identity(), plain.identity(), "{}", operation.name);
        }
        let mut wrong = given;
        wrong.insert("no_such_argument".into(), json!(1));
        assert!(arguments::read(operation, wrong).unwrap_err().message().contains("no_such_argument"));
    }
}
