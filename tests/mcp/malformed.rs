//! Ten thousand malformed messages each to the real binary over stdio and to the HTTP server: nothing crashes, memory stays
//! bounded, and the same process then serves a good client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::support::malformed::{Random, message};
use crate::support::wire::{Wire, hello};
use futures_util::{StreamExt, stream};
use pdfco::app::App;
use pdfco::config::{Folders, Values, merge};
use pdfco::serve::http::{self, Options};
use pdfco::simulator;
use serde_json::{Value, json};

/// Messages of one run.
const MESSAGES: usize = 10_000;
/// Lines beyond any limit among them, and their size.
const HUGE_LINES: usize = 4;
const HUGE_BYTES: usize = 17 * 1024 * 1024;
/// Memory that a run may cost a process: the largest line with what is made of it, and room for an allocator.
const GROWTH_KIB: u64 = 160 * 1024;

/// Writes all of them and reads what comes; whatever is on stdout must be JSON-RPC ([`Wire`] sees to that).
fn flood(wire: &mut Wire, seed: u64) {
    let mut random = Random(seed);
    for number in 0..MESSAGES {
        let mut line = message(&mut random);
        if number % (MESSAGES / HUGE_LINES) == 1 {
            line = vec![random.pick(b"x[\xff\""); HUGE_BYTES];
        }
        line.push(b'\n');
        wire.write(&line);
        while wire.next_within(Duration::ZERO).is_some() {}
    }
}

/// Its messages until it has said all that it had to say.
fn quiet(wire: &mut Wire) {
    while wire.next_within(Duration::from_secs(2)).is_some() {}
}

fn has_tools(wire: &mut Wire) {
    let list = wire.ask("tools/list", json!({}));
    assert!(list["result"]["tools"].as_array().is_some_and(|tools| tools.len() >= 8), "{list}");
}

fn grew_little(before: Option<u64>, after: Option<u64>) {
    if let (Some(before), Some(after)) = (before, after) {
        println!("resident: {before} KiB before, {after} KiB after");
        assert!(after < before + GROWTH_KIB, "{before} KiB became {after} KiB");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_stdio_before_the_handshake() {
    let service = simulator::spawn(simulator::Options { credits: 1 << 40, ..Default::default() }).await.unwrap();
    let mut wire = Wire::start(&[
        ("PDFCO_BASE_URL", service.url()),
        ("PDFCO_API_KEY", "sim_flood"),
        ("PDFCO_RATE_LIMIT", "off"),
        ("PDFCO_LEDGER", "memory"),
        ("PDFCO_MAX_WAIT_SECONDS", "1"),
    ]);
    let before = wire.resident();
    flood(&mut wire, 0x5eed_0001);
    quiet(&mut wire);
    assert_eq!(wire.initialize("2025-11-25")["protocolVersion"], "2025-11-25");
    has_tools(&mut wire);
    grew_little(before, wire.resident());
    let said = wire.finish();
    assert!(!said.contains("panicked"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_stdio_after_the_handshake() {
    let service = simulator::spawn(simulator::Options { credits: 1 << 40, ..Default::default() }).await.unwrap();
    let variables = [("PDFCO_LEDGER", "memory"), ("PDFCO_MAX_WAIT_SECONDS", "1")];
    let mut wire = Wire::ready(service.url(), &variables);
    has_tools(&mut wire);
    let before = wire.resident();
    flood(&mut wire, 0x5eed_0002);
    quiet(&mut wire);
    assert!(wire.is_alive());
    has_tools(&mut wire);
    assert_eq!(wire.call("list_operations", json!({"query": "excel"}))["status"], "success");
    grew_little(before, wire.resident());
    let said = wire.finish();
    assert!(!said.contains("panicked"), "{said}");
}

/// Headers as careless and hostile clients send them.
fn request(random: &mut Random, client: &reqwest::Client, url: &str) -> reqwest::RequestBuilder {
    let path = random.pick(&[
        "/mcp",
        "/mcp",
        "/mcp",
        "/mcp",
        "/mcp/",
        "/",
        "/callbacks/x",
        "/healthz",
        "/metrics",
        "/mcp/../x",
    ]);
    let verb =
        random.pick(&["POST", "POST", "POST", "POST", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "HEAD", "BREW"]);
    let mut request = client.request(reqwest::Method::from_bytes(verb.as_bytes()).unwrap(), format!("{url}{path}"));
    let headers: [(&str, &[&str]); 9] = [
        (
            "content-type",
            &[
                "application/json",
                "application/json",
                "application/json",
                "text/plain",
                "application/xml",
                "",
                "application/json; charset=utf-16",
                "a",
            ],
        ),
        (
            "accept",
            &[
                "application/json, text/event-stream",
                "application/json, text/event-stream",
                "*/*",
                "text/html",
                "",
                ";;;",
            ],
        ),
        ("mcp-protocol-version", &["2025-11-25", "2026-07-28", "1999-01-01", "", "nonsense"]),
        ("mcp-session-id", &["", "no-such-session", "../../x", "00000000-0000-0000-0000-000000000000"]),
        ("mcp-method", &["tools/call", "tools/list", "", "x"]),
        ("mcp-name", &["list_jobs", "", "\u{7f}"]),
        ("x-api-key", &["sim_flood", "", "a b", "'; DROP TABLE jobs; --"]),
        ("origin", &["http://localhost:1", "https://evil.test", "null", ""]),
        ("authorization", &["Bearer x", "Basic eDp5", "Bearer", ""]),
    ];
    for (name, values) in headers {
        if random.below(5) > 1 {
            let value = reqwest::header::HeaderValue::from_bytes(random.pick(values).as_bytes());
            if let Ok(value) = value {
                request = request.header(name, value);
            }
        }
    }
    if random.below(200) == 0 {
        request = request.header("x-long", "x".repeat(20_000));
    }
    let body = if random.below(400) == 0 { vec![b'['; 5 * 1024 * 1024] } else { message(random) };
    request.body(body)
}

/// Bytes that are no HTTP, or hardly.
fn raw(random: &mut Random, address: SocketAddr) {
    const HEADS: &[&[u8]] = &[
        b"",
        b"\x16\x03\x01\x02\0\x01\0",
        b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999\r\n\r\n{",
        b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /mcp HTTP/9.9\r\n\r\n",
        b"GET /mcp HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
    let _ = stream.write_all(random.pick(HEADS));
    let _ = stream.write_all(&message(random));
    let _ = stream.read(&mut [0; 1_024]);
}

fn own_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches("kB").trim().parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_with_headers_and_methods_to_match() {
    let service = simulator::spawn(simulator::Options { credits: 1 << 40, ..Default::default() }).await.unwrap();
    let settings: Values = [
        ("PDFCO_BASE_URL", service.url()),
        ("PDFCO_LEDGER", "memory"),
        ("PDFCO_RATE_LIMIT", "off"),
        ("PDFCO_MAX_WAIT_SECONDS", "1"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    let config = merge(&settings, &Values::new(), &Values::new(), &Folders::default()).unwrap();
    let app = Arc::new(App::new(config).unwrap());
    let options = Options::at("127.0.0.1:0".parse().unwrap());
    let running = http::start(app, options).await.unwrap();
    let (address, url) = (running.address, format!("http://{}", running.address));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();

    let before = own_memory();
    let mut random = Random(0x5eed_0003);
    let requests: Vec<_> = (0..MESSAGES).map(|_| random.next() | 1).collect();
    let counts: Vec<u16> = stream::iter(requests)
        .map(|seed| {
            let (client, url) = (client.clone(), url.clone());
            async move {
                let mut random = Random(seed);
                match request(&mut random, &client, &url).send().await {
                    Ok(response) => response.status().as_u16(),
                    // A body that is refused while it is sent may end as a broken connection.
                    Err(error) => {
                        assert!(!error.is_timeout(), "no answer: {error:?}");
                        0
                    }
                }
            }
        })
        .buffer_unordered(16)
        .collect()
        .await;
    let strange: Vec<u16> = counts.iter().copied().filter(|status| *status >= 500 && *status != 501).collect();
    assert!(strange.is_empty(), "{strange:?}");
    let broken = counts.iter().filter(|status| **status == 0).count();
    assert!(broken < MESSAGES / 50, "{broken} without an answer");
    let refused = counts.iter().filter(|status| (400..500).contains(*status)).count();
    println!("{refused} of {MESSAGES} refused, {broken} broken off");
    assert!(refused > MESSAGES / 2, "{refused}");
    tokio::task::spawn_blocking(move || {
        let mut random = Random(0x5eed_0004);
        (0..300).for_each(|_| raw(&mut random, address));
    })
    .await
    .unwrap();
    grew_little(before, own_memory());

    // A good client, on the same process.
    let post = |session: Option<String>, body: Value| {
        let request =
            client.post(format!("{url}/mcp")).header("accept", "application/json, text/event-stream").json(&body);
        let request = match session {
            Some(session) => request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25"),
            None => request,
        };
        async move { request.send().await.unwrap() }
    };
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello("2025-11-25")});
    let answer = post(None, hello).await;
    let session = answer.headers().get("mcp-session-id").unwrap().to_str().unwrap().to_owned();
    assert!(answer.text().await.unwrap().contains("\"serverInfo\""));
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(post(Some(session.clone()), ready).await.status(), 202);
    let list = post(Some(session), json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})).await;
    assert!(list.text().await.unwrap().contains("get_job_check"));
    running.stop().await;
}
