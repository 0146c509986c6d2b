//! `get_job_check`, beside a server that only sends the same request on: with `force`, so that every call asks the
//! service, and without, so that most are answered from the ledger because the last check is less than 3 s old.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::peer::{Calls, KEY, Peer, SIDES, Side, Stage};
use crate::table::{Rule, Table, median};

/// How long each side is asked before the other goes on.
const ROUND: Duration = Duration::from_millis(1_000);
/// Rounds of each side.
const ROUNDS: usize = 9;
/// Calls under way at once.
const AT_ONCE: [usize; 2] = [1, 64];
/// "No slower", less what two runs of the same program differ by here: calls that are answered from the ledger.
const NO_SLOWER: f64 = 0.97;

/// Calls a second of those that ask the service, beside the bare forwarder.
fn asking(at_once: usize) -> Rule {
    Rule::AtLeast(if at_once == 1 { 0.7 } else { 0.6 })
}

/// Throughput and latency over pipes and over HTTP.
pub fn measure(stage: &Stage, runtime: &Handle, table: &mut Table) {
    let mut peers = SIDES.map(|side| stage.ready(side, &[]));
    let [product, _] = &mut peers;
    let jobs: Vec<Value> = (0..AT_ONCE[1]).map(|number| submit(product, number)).collect();
    let tool = |side| if side == Side::Product { "get_job_check" } else { "forward" };
    for at_once in AT_ONCE {
        for (how, force) in [("with `force`, ", true), ("", false)] {
            let arguments: Vec<Value> =
                jobs.iter().take(at_once).map(|id| json!({"job_id": id, "force": force})).collect();
            let run = |side: Side| {
                let peer = &mut peers[usize::from(side == Side::Floor)];
                peer.calls(tool(side), &arguments, ROUND)
            };
            let rule = if force { asking(at_once) } else { Rule::AtLeast(NO_SLOWER) };
            add(&format!("{how}over stdio"), at_once, rounds(run), rule, table);
        }
    }
    drop(peers);
    let connections = SIDES.map(|side| Connection::open(stage, side));
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap();
    for at_once in AT_ONCE {
        let run = |side: Side| {
            let url = &connections[usize::from(side == Side::Floor)].url;
            runtime.block_on(over_http(&client, url, tool(side), jobs.iter().take(at_once).cloned().collect()))
        };
        add("with `force`, over HTTP", at_once, rounds(run), asking(at_once), table);
    }
}

/// A job that is never done.
pub fn submit(product: &mut Peer, number: usize) -> Value {
    let options = json!({"html": format!("<p>{number}</p>"), "profiles": {"Simulate": {"checks": u32::MAX}}});
    let answer = product.call("submit_job", json!({"operation": "html_to_pdf", "options": options, "wait": 0}));
    let id = answer["job"]["job_id"].clone();
    assert!(id.is_string(), "{answer}");
    id
}

/// Both sides alternately, the first round of each for warming up.
fn rounds(mut run: impl FnMut(Side) -> Calls) -> [Vec<Calls>; 2] {
    let mut all: [Vec<Calls>; 2] = Default::default();
    for round in 0..=ROUNDS {
        for side in SIDES {
            let calls = run(side);
            if round > 0 {
                all[usize::from(side == Side::Floor)].push(calls);
            }
        }
    }
    all
}

fn add(how: &str, at_once: usize, all: [Vec<Calls>; 2], rule: Rule, table: &mut Table) {
    let middle = |of: fn(&Calls) -> f64| all.each_ref().map(|calls| median(calls.iter().map(of).collect()));
    let name = format!("`get_job_check` {how}, {at_once} at once");
    let [ours, floor] = middle(|calls| calls.per_second);
    table.add(format!("{name}: calls per second"), ours, floor, "", rule);
    for (what, of) in [("p50", (|calls| calls.p50) as fn(&Calls) -> f64), ("p99", |calls| calls.p99)] {
        let [ours, floor] = middle(of);
        table.add(format!("{name}: {what}"), ours, floor, "µs", Rule::Shown);
    }
}

/// A server on a port. Dropping it kills it.
struct Connection {
    child: Child,
    url: String,
}

impl Connection {
    fn open(stage: &Stage, side: Side) -> Connection {
        let mut command = match side {
            Side::Product => stage.command(side, &[("PDFCO_HTTP", "127.0.0.1:0")]),
            Side::Floor => {
                let mut floor = std::process::Command::new(&stage.floor);
                floor.env_clear().env("FLOOR_BASE", &stage.base).env("FLOOR_KEY", KEY).arg("http");
                floor
            }
        };
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        match side {
            Side::Product => BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap(),
            Side::Floor => BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap(),
        };
        let from = line.find("http://").unwrap_or_else(|| panic!("no address: {line}"));
        let url = line[from..].split_whitespace().next().unwrap_or_default().trim_end_matches([';', '.', ',']);
        Connection { child, url: url.to_owned() }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One call at a time for each job, in the revision without sessions.
async fn over_http(client: &reqwest::Client, url: &str, tool: &'static str, jobs: Vec<Value>) -> Calls {
    let began = Instant::now();
    let url: Arc<str> = url.into();
    let callers: Vec<_> = jobs
        .into_iter()
        .map(|id| {
            let (client, url) = (client.clone(), Arc::clone(&url));
            tokio::spawn(async move {
                let meta = json!({
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientInfo": {"name": "numbers", "version": "1"},
                    "io.modelcontextprotocol/clientCapabilities": {},
                });
                let params = json!({"name": tool, "arguments": {"job_id": id, "force": true}, "_meta": meta});
                let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
                let mut took = Vec::new();
                while began.elapsed() < ROUND {
                    let since = Instant::now();
                    let request = client
                        .post(&*url)
                        .header("accept", "application/json, text/event-stream")
                        .header("content-type", "application/json")
                        .header("mcp-protocol-version", "2026-07-28")
                        .header("mcp-method", "tools/call")
                        .header("mcp-name", tool);
                    let text = request.body(body.clone()).send().await.unwrap().text().await.unwrap();
                    assert!(text.contains("\"structuredContent\"") && !text.contains("\"isError\":true"), "{text}");
                    took.push(since.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for caller in callers {
        took.extend(caller.await.unwrap());
    }
    Calls::from_times(took, began.elapsed())
}
