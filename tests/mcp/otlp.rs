//! Traces, metrics and logs for a collector: what arrives where one is named, and what one that fails costs.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::command::Pdfco;
use crate::support::wire::{Wire, hello};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use pdfco::simulator::{self, Fault, FaultKind};
use serde_json::{Value, json};

/// What came to which path, with which authorization.
type Arrived = Arc<Mutex<Vec<(String, String, Value)>>>;

/// How a collector answers.
#[derive(Clone, Copy)]
enum Answer {
    Taken,
    Never,
    /// A refusal, or an acceptance, with a body that has no end.
    Endless(u16),
}

/// A collector on this machine.
async fn collector(answer: Answer) -> (String, Arrived) {
    async fn take(State((arrived, answer)): State<(Arrived, Answer)>, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        let authorization = head.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(head.headers["content-type"], "application/json");
        let arrival =
            (head.uri.path().to_owned(), authorization.unwrap_or_default(), serde_json::from_slice(&body).unwrap());
        arrived.lock().unwrap().push(arrival);
        match answer {
            Answer::Taken => Response::new(Body::from("{}")),
            Answer::Never => std::future::pending().await,
            Answer::Endless(status) => {
                let parts =
                    futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 65_536])));
                Response::builder().status(status).body(Body::from_stream(parts)).unwrap()
            }
        }
    }
    let arrived = Arrived::default();
    let router = Router::new().fallback(take).with_state((Arc::clone(&arrived), answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/otlp/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, arrived)
}

/// What lies below these names in documents that came to `path`, one level of lists after another.
fn below(arrived: &Arrived, path: &str, names: [&str; 3]) -> Vec<Value> {
    let arrived = arrived.lock().unwrap();
    let mut found: Vec<Value> = arrived.iter().filter(|(at, ..)| at == path).map(|(.., body)| body.clone()).collect();
    for name in names {
        found = found.iter().flat_map(|value| value[name].as_array().unwrap().clone()).collect();
    }
    found
}

/// The text of an attribute.
fn attribute<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    let attributes: Vec<&Value> =
        value["attributes"].as_array().unwrap().iter().filter(|attribute| attribute["key"] == name).collect();
    assert!(attributes.len() <= 1, "{name} twice: {value}");
    attributes.first()?["value"]["stringValue"].as_str()
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A call of `submit_job` in that trace.
fn submit(arguments: Value) -> Value {
    let trace = format!("00-{TRACE}-b7ad6b7169203331-00");
    json!({"name": "submit_job", "arguments": arguments, "_meta": {"traceparent": trace}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_gets_the_spans_of_calls_and_no_text() {
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let (address, arrived) = collector(Answer::Taken).await;
    let named = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of-the-collector"),
        ("OTEL_SERVICE_NAME", "documents"),
    ];
    let mut wire = Wire::ready(service.url(), &named);
    let arguments = json!({"operation": "html_to_pdf", "options": {"html": "<p>canary-of-a-text</p>"}, "wait": 20});
    let answer = wire.ask("tools/call", submit(arguments));
    let id = answer["result"]["structuredContent"]["job"]["job_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned();
    // What is left is sent at the end.
    assert_eq!(wire.finish(), "");

    assert!(arrived.lock().unwrap().iter().all(|(_, authorization, _)| authorization == "Bearer of-the-collector"));
    let spans = below(&arrived, "/otlp/v1/traces", ["resourceSpans", "scopeSpans", "spans"]);
    let call = spans.iter().find(|span| span["name"] == "tools/call submit_job").unwrap_or_else(|| panic!("{spans:?}"));
    assert_eq!(
        (&call["traceId"], &call["parentSpanId"], &call["kind"]),
        (&json!(TRACE), &json!("b7ad6b7169203331"), &json!(2))
    );
    assert_eq!(attribute(call, "gen_ai.tool.name"), Some("submit_job"));
    let submit = spans.iter().find(|span| span["name"] == "submit").unwrap();
    assert_eq!((&submit["traceId"], &submit["parentSpanId"]), (&json!(TRACE), &call["spanId"]), "a call has its parts");
    assert!(spans.iter().any(|span| attribute(span, "pdfco.job_id") == Some(id.as_str())), "{id}: {spans:?}");
    let of_code = |span: &Value| {
        let names = ["traceparent", "code.", "thread.", "target", "busy_ns", "operation"];
        let mut attributes = span["attributes"].as_array().unwrap().iter();
        attributes.any(|attribute| names.iter().any(|name| attribute["key"].as_str().unwrap().starts_with(name)))
    };
    assert!(!spans.iter().any(|span| of_code(span) || span["events"] != json!([])), "{spans:?}");
    let times = |span: &Value| {
        ["startTimeUnixNano", "endTimeUnixNano"].map(|name| span[name].as_str().unwrap().parse::<u64>().unwrap())
    };
    assert!(spans.iter().map(times).all(|[began, ended]| began <= ended && began > 1_700_000_000_000_000_000));

    let metrics = below(&arrived, "/otlp/v1/metrics", ["resourceMetrics", "scopeMetrics", "metrics"]);
    let named =
        |name: &str| metrics.iter().rev().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("{name}"));
    let duration = named("mcp.server.operation.duration");
    let point = &duration["histogram"]["dataPoints"][0];
    assert_eq!((attribute(point, "mcp.method.name"), attribute(point, "error.type")), (Some("tools/call"), None));
    assert_eq!((&duration["unit"], &point["explicitBounds"][0]), (&json!("s"), &json!(0.01)));
    assert_eq!(named("pdfco_tool_calls_total")["sum"]["isMonotonic"], true);
    assert_eq!(named("pdfco_waits")["gauge"]["dataPoints"][0]["asDouble"], 0.0);

    let everything = format!("{:?}", arrived.lock().unwrap());
    assert_eq!(everything.matches("service.name").count(), everything.matches("documents").count());
    for secret in ["canary", "sim_wire"] {
        assert!(!everything.contains(secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_arrive_with_their_job_and_trace_and_no_secret() {
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let quoted = "Invalid password 'canary-password' for https://u:canary-login@h.test/a?X-Amz-Signature=canary-signature key sim_wire";
    let status = |code: u16, body: Option<Value>| FaultKind::Status {
        code,
        retry_after: None,
        body: body.map(|body| body.to_string()),
    };
    let fault = |kind: FaultKind| Fault { path_prefix: "/v1/pdf/convert/to/text".into(), times: 1, kind };
    let (address, arrived) = collector(Answer::Taken).await;
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("PDFCO_LOG", "trace")];
    let mut wire = Wire::ready(service.url(), &variables);
    let url = "https://bucket.s3.amazonaws.com/invoice.pdf?X-Amz-Signature=canary-signature";
    let arguments =
        json!({"operation": "pdf_to_text", "url": url, "options": {"password": "canary-password"}, "wait": 0});
    for kind in [status(429, None), status(400, Some(json!({"error": true, "status": 400, "message": quoted})))] {
        service.fault(fault(kind));
        wire.ask("tools/call", submit(arguments.clone()));
    }
    assert_eq!(service.count("/v1/pdf/convert/to/text"), 3);
    // The longest wait for an export whose own lines must not be exported.
    tokio::time::sleep(Duration::from_secs(6)).await;
    wire.finish();

    let scopes = below(&arrived, "/otlp/v1/logs", ["resourceLogs", "scopeLogs", "logRecords"]);
    let line = |text: &str| {
        let is_it = |line: &&Value| line["body"]["stringValue"] == text;
        scopes.iter().find(is_it).unwrap_or_else(|| panic!("{text}: {scopes:?}"))
    };
    let repeated = line("request repeated");
    assert_eq!((&repeated["severityText"], &repeated["severityNumber"]), (&json!("DEBUG"), &json!(5)));
    for name in ["job_id", "operation", "tenant", "tool", "request"] {
        assert!(attribute(repeated, name).is_some(), "{name}: {repeated}");
    }
    let failed = line("tool call failed");
    assert_eq!((attribute(failed, "tool"), &failed["severityText"]), (Some("submit_job"), &json!("INFO")));
    let spans = below(&arrived, "/otlp/v1/traces", ["resourceSpans", "scopeSpans", "spans"]);
    for line in [repeated, failed] {
        assert_eq!(line["traceId"], TRACE, "{line}");
        assert!(spans.iter().any(|span| span["spanId"] == line["spanId"]), "{line}");
    }
    let everything = format!("{:?}", arrived.lock().unwrap());
    for secret in ["canary", "sim_wire", "rmcp", "hyper", "opentelemetry", "src/"] {
        assert!(!everything.contains(secret), "{secret}: {everything}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_over_http_shows_its_metrics_and_sends_them() {
    let (collector, arrived) = collector(Answer::Taken).await;
    let home = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Pdfco::new(home.path()).args(&["serve", "--simulate", "--http", &free.to_string()]);
    let server = server.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector).env("OTEL_METRIC_EXPORT_INTERVAL", "1000");
    let _running = server.start();
    let deadline = Instant::now() + Duration::from_secs(15);
    let is_late = || Instant::now() > deadline;
    while std::net::TcpStream::connect(free).is_err() {
        assert!(!is_late(), "it does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello("2025-11-25")});
    let asked = client.post(format!("http://{free}/mcp")).header("accept", "application/json, text/event-stream");
    asked.json(&hello).send().await.unwrap().error_for_status().unwrap();
    let shown = async || client.get(format!("http://{free}/metrics")).send().await.unwrap().text().await.unwrap();
    while !shown().await.contains("mcp_server_operation_duration_seconds_count{mcp_method_name=\"initialize\"") {
        assert!(!is_late(), "{}", shown().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let names = ["resourceMetrics", "scopeMetrics", "metrics"];
    let is_sent = |metric: &Value| metric["name"] == "mcp.server.operation.duration";
    while !below(&arrived, "/otlp/v1/metrics", names).iter().any(is_sent) {
        assert!(!is_late(), "{:?}", arrived.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_costs_a_warning_and_no_more() {
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut wire = Wire::ready(service.url(), &[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{closed}"))]);
    assert_eq!(wire.call("list_jobs", json!({}))["status"], "success");
    let said = wire.finish();
    assert!(said.contains("the collector did not take them") && !said.contains("panicked"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_delays_nothing() {
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let (address, arrived) = collector(Answer::Never).await;
    let named = [("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("OTEL_METRIC_EXPORT_INTERVAL", "1000")];
    let mut wire = Wire::ready(service.url(), &named);
    wire.call("list_jobs", json!({}));
    let deadline = Instant::now() + Duration::from_secs(15);
    let waits_for = |path: &str| arrived.lock().unwrap().iter().any(|(at, ..)| at == path);
    while !(waits_for("/otlp/v1/traces") && waits_for("/otlp/v1/metrics")) {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(wire.call("list_jobs", json!({}))["status"], "success");
    }
    // The client gives a collector up after ten seconds.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    wire.terminate();
    assert!(wire.exit_within(Duration::from_secs(4)).is_some(), "the end waits for a collector");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_a_collector_are_bounded() {
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    for status in [200, 500] {
        let (address, arrived) = collector(Answer::Endless(status)).await;
        let named = [("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("OTEL_METRIC_EXPORT_INTERVAL", "1000")];
        let mut wire = Wire::ready(service.url(), &named);
        wire.call("list_jobs", json!({}));
        let (before, deadline) = (wire.resident(), Instant::now() + Duration::from_secs(15));
        while arrived.lock().unwrap().iter().filter(|(at, ..)| at == "/otlp/v1/metrics").count() < 3 {
            assert!(Instant::now() < deadline, "{status}: an export does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let grown = wire.resident().zip(before).map_or(0, |(after, before)| after.saturating_sub(before));
        assert!(grown < 16 * 1024, "{status}: {grown} KiB");
        let said = wire.finish();
        assert_eq!(said.matches("the collector did not take them").count(), usize::from(status == 500), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_variable_nothing_is_sent_or_started() {
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let (address, arrived) = collector(Answer::Taken).await;
    // The crates would read these themselves.
    let named = ["TRACES", "METRICS", "LOGS"].map(|signal| format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"));
    let named: Vec<(&str, &str)> = named.iter().map(|name| (name.as_str(), address.as_str())).collect();
    let mut wire = Wire::ready(service.url(), &named);
    wire.call("list_jobs", json!({}));
    if let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", wire.process_id())) {
        let names = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
        assert!(names.into_iter().all(|name| !name.starts_with("OpenTele")));
    }
    assert_eq!(wire.finish(), "");
    assert!(arrived.lock().unwrap().is_empty());
}
