//! Traces and metrics for a collector: what arrives where one is named.

use std::sync::{Arc, Mutex};

use crate::support::wire::Wire;
use axum::Router;
use axum::extract::{Request, State};
use pdfco::simulator;
use serde_json::{Value, json};

type Arrived = Arc<Mutex<Vec<(String, String, Value)>>>;

/// A collector on this machine; what came to which path, with which authorization.
async fn collector() -> (String, Arrived) {
    async fn take(State(arrived): State<Arrived>, request: Request) {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        let authorization = head.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(head.headers["content-type"], "application/json");
        let arrival =
            (head.uri.path().to_owned(), authorization.unwrap_or_default(), serde_json::from_slice(&body).unwrap());
        arrived.lock().unwrap().push(arrival);
    }
    let arrived = Arrived::default();
    let router = Router::new().fallback(take).with_state(Arc::clone(&arrived));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/otlp/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, arrived)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_gets_the_spans_of_calls_and_no_text() {
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let (address, arrived) = collector().await;
    let named = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of-the-collector"),
        ("OTEL_SERVICE_NAME", "documents"),
    ];
    let mut wire = Wire::ready(service.url(), &named);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let arguments = json!({"operation": "html_to_pdf", "options": {"html": "<p>canary-of-a-text</p>"}, "wait": 20});
    let params = json!({"name": "submit_job", "arguments": arguments, "_meta": {"traceparent": format!("00-{trace}-b7ad6b7169203331-01")}});
    let answer = wire.ask("tools/call", params);
    let id = answer["result"]["structuredContent"]["job"]["job_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned();
    // What is left is sent at the end.
    assert_eq!(wire.finish(), "");

    let arrived = arrived.lock().unwrap();
    let of =
        |path: &str| arrived.iter().filter(|(at, ..)| at == path).map(|(_, _, body)| body.clone()).collect::<Vec<_>>();
    assert!(arrived.iter().all(|(_, authorization, _)| authorization == "Bearer of-the-collector"));
    let traces = of("/otlp/v1/traces");
    let spans: Vec<Value> = traces
        .iter()
        .flat_map(|body| body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone())
        .collect();
    let call = spans.iter().find(|span| span["name"] == "tools/call submit_job").unwrap_or_else(|| panic!("{spans:?}"));
    assert_eq!(
        (&call["traceId"], &call["parentSpanId"], &call["kind"]),
        (&json!(trace), &json!("b7ad6b7169203331"), &json!(2))
    );
    let submit = spans.iter().find(|span| span["name"] == "submit").unwrap();
    assert_eq!((&submit["traceId"], &submit["parentSpanId"]), (&json!(trace), &call["spanId"]), "a call has its parts");
    assert!(spans.iter().any(|span| span["attributes"].to_string().contains(&id)), "{id}: {spans:?}");
    let times = |span: &Value| {
        ["startTimeUnixNano", "endTimeUnixNano"].map(|name| span[name].as_str().unwrap().parse::<u64>().unwrap())
    };
    assert!(spans.iter().map(times).all(|[began, ended]| began <= ended && began > 1_700_000_000_000_000_000));
    assert!(traces[0]["resourceSpans"][0]["resource"].to_string().contains("documents"));

    let metrics = of("/otlp/v1/metrics");
    let names: Vec<&str> = metrics.last().unwrap()["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|metric| metric["name"].as_str().unwrap())
        .collect();
    assert!(
        ["mcp.server.operation.duration", "pdfco_tool_calls_total"].iter().all(|name| names.contains(name)),
        "{names:?}"
    );
    let everything = format!("{arrived:?}");
    for secret in ["canary", "sim_wire"] {
        assert!(!everything.contains(secret), "{secret}");
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
