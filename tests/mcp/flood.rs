//! An attacker against the real server over HTTP, which may use 256 MiB and 1 024 descriptors: floods, probes and races of
//! every kind, one after the other and all at once. Meanwhile a client with a key of its own and newcomers on fresh
//! connections are answered within a second, nothing dies, and of all the made-up callers no row is left.
//!
//! Short here; `FLOOD_SECONDS=20 cargo test --test integration floods -- --nocapture` prints the figures of
//! SECURITY.md. Connections come from this machine only.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use pdfco::simulator::{self, Handle};
use serde_json::{Value, json};
use sqlx::{Connection, Row};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::home;
use crate::support::wire::binary;

const TOKEN: &str = "a-token-that-is-long-enough-for-the-server";
/// Whose calls are measured.
const BYSTANDER: &str = "sim_bystander";
/// KiB of writable memory, and descriptors.
const LIMITS: &str = "ulimit -d 262144; ulimit -n 1024";
const MEMORY_MAX_KIB: u64 = 256 * 1024;
const DESCRIPTORS_MAX: usize = 1_024;
/// Attackers of one kind at once.
const ATTACKERS: u32 = 16;
/// Connections that a flood of connections holds open.
const HELD_MAX: usize = 1_200;
/// Within this all others are answered; unoptimized, on a machine that runs other tests, it may take longer.
const OTHERS_WITHIN: Duration = Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 1 });

/// The real server, limited.
struct Server {
    child: Mutex<Child>,
    id: u32,
    address: SocketAddr,
    service: Handle,
    home: TempDir,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Server {
        let service =
            simulator::spawn(simulator::Options { credits: 100_000_000, ..Default::default() }).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new("/bin/sh");
        home::alone(&mut command, home.path());
        command.args(["-c", &format!("{LIMITS}; exec \"$0\" serve --http 127.0.0.1:0")]).arg(binary());
        command.current_dir(home.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.envs([
            ("PDFCO_BASE_URL", service.url()),
            ("PDFCO_LEDGER", home.path().join("ledger.sqlite").to_str().unwrap()),
            ("PDFCO_HTTP_TOKEN", TOKEN),
            ("PDFCO_HTTP_FILES", home.path().join("files").to_str().unwrap()),
            ("PDFCO_CALLBACK_URL", "https://jobs.example.test"),
            ("PDFCO_RATE_LIMIT", "off"),
        ]);
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (sender, listening) = std::sync::mpsc::channel();
        let (lines, errors) = (Arc::clone(&log), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("Listening on http://") {
                    let _ = sender.send(rest.split('/').next().unwrap().parse::<SocketAddr>().unwrap());
                }
                lines.lock().unwrap().push(line);
            }
        });
        let address = listening.recv_timeout(Duration::from_secs(20)).expect("it does not listen");
        Server { id: child.id(), child: Mutex::new(child), address, service, home, log }
    }

    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id)).map_or(0, Iterator::count)
    }

    fn has_ended(&self) -> bool {
        self.child.lock().unwrap().try_wait().unwrap().is_some()
    }

    /// A connection from one of this machine's addresses.
    async fn connect(&self, from: u8) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, from], 0)))?;
        // Small, so that what is not read stays with the server.
        socket.set_recv_buffer_size(4_096)?;
        tokio::time::timeout(Duration::from_secs(5), socket.connect(self.address)).await?
    }

    /// Sends bytes on a connection of their own; gives what came back within a while.
    async fn send(&self, from: u8, bytes: &[u8]) -> String {
        let Ok(mut stream) = self.connect(from).await else { return String::new() };
        let exchange = async {
            // An answer may come before all is sent.
            let (mut reads, mut writes) = stream.split();
            let mut answer = vec![0; 16 * 1024];
            let send = async {
                let _ = writes.write_all(bytes).await;
                std::future::pending::<usize>().await
            };
            let read = tokio::select! {
                read = reads.read(&mut answer) => read.unwrap_or(0),
                read = send => read,
            };
            answer.truncate(read);
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::time::timeout(Duration::from_secs(8), exchange).await.unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A request with a token and a key, each unless it is empty.
fn post(path: &str, token: &str, key: &str, more: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
    head += "accept: application/json, text/event-stream\r\n";
    for (name, value) in [("authorization", &*format!("Bearer {token}")), ("x-api-key", key)] {
        if !value.is_empty() && value != "Bearer " {
            head += &format!("{name}: {value}\r\n");
        }
    }
    more.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    head += &format!("content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body.as_bytes()].concat()
}

/// A call of revision 2026-07-28, with its arguments as text.
fn call(key: &str, tool: &str, arguments: &str) -> Vec<u8> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "flood", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{meta}}}}}"#
    );
    let head = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", tool)];
    post("/mcp", TOKEN, key, &head, &body)
}

/// What attackers share while one kind of attack goes on.
struct Attack {
    server: Arc<Server>,
    is_over: AtomicBool,
    tried: AtomicU64,
}

impl Attack {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    fn count(&self) -> u64 {
        self.tried.fetch_add(1, Ordering::Relaxed)
    }
}

/// One kind of attack: each attacker runs it once, with its number, until the attack is over.
type Kind = fn(Arc<Attack>, u32) -> BoxFuture<'static, ()>;

/// Sends the same bytes again and again; each must be refused with one of these.
fn repeat(attack: Arc<Attack>, from: u8, bytes: Vec<u8>, refusals: &'static [&'static str]) -> BoxFuture<'static, ()> {
    async move {
        while attack.goes_on() {
            attack.count();
            let answer = attack.server.send(from, &bytes).await;
            // A connection that had to give way was not answered.
            let is_right = answer.is_empty() || refusals.iter().any(|refusal| answer.contains(refusal));
            assert!(is_right || answer.contains("shutting down"), "expected {refusals:?}: {answer}");
        }
    }
    .boxed()
}

fn source(number: u32) -> u8 {
    u8::try_from(number % 4).unwrap() + 1
}

const ATTACKS: &[(&str, Kind)] = &[
    ("a search of a million words", |attack, number| {
        let words = "pdf ".repeat(if number.is_multiple_of(2) { 1_000_000 } else { 250_000 });
        let bytes = call("sim_attacker", "list_operations", &json!({"query": words}).to_string());
        repeat(attack, source(number), bytes, &["413", "isError\":true"])
    }),
    ("200 000 sources", |attack, number| {
        let sources = vec!["a"; 200_000];
        let arguments = json!({"operation": "pdf_merge", "url": sources, "wait": 0});
        repeat(
            attack,
            source(number),
            call("sim_attacker", "submit_job", &arguments.to_string()),
            &["isError\":true", "413", "400"],
        )
    }),
    ("a path of megabytes", |attack, number| {
        let path = "a/".repeat(if number.is_multiple_of(2) { 1_500_000 } else { 500_000 });
        let bytes = call("sim_attacker", "upload_file", &json!({"file_path": path}).to_string());
        repeat(attack, source(number), bytes, &["413", "isError\":true"])
    }),
    ("JSON of a million values", |attack, number| {
        let list = format!("{{\"a\":[{}0]}}", "0,".repeat(500_000));
        let bytes = call("sim_attacker", "list_jobs", &list);
        repeat(attack, source(number), bytes, &["400", "413", "isError\":true"])
    }),
    ("JSON of a million levels", |attack, number| {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(500_000), "]".repeat(500_000));
        repeat(attack, source(number), call("sim_attacker", "list_jobs", &deep), &["400", "413", "isError\":true"])
    }),
    ("bodies at routes without a token", |attack, number| {
        let list = format!("[{}0]", "0,".repeat(2_000_000));
        let path = ["/callbacks/guess", "/session", "/mcp", "/metrics"][number as usize % 4];
        repeat(attack, source(number), post(path, "", "", &[], &list), &["HTTP/1.1 4", "HTTP/1.1 503"])
    }),
    ("wrong tokens", |attack, number| {
        let path = ["/mcp", "/metrics", "/session"][number as usize % 3];
        repeat(
            attack,
            source(number),
            post(path, "wrong-token-wrong-token-wrong-token", "", &[], "{}"),
            &["HTTP/1.1 4"],
        )
    }),
    ("forged callbacks", |attack, number| {
        let body = json!({"jobId": "job-000001", "status": "success", "url": "https://evil.test/a.pdf"}).to_string();
        repeat(
            attack,
            source(number),
            post(&format!("/callbacks/{:032x}", number), "", "", &[], &body),
            &["404", "503"],
        )
    }),
    ("requests that are no requests", |attack, number| {
        let requests: [&[u8]; 8] = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            b"GET http://evil.test/mcp HTTP/1.1\r\nhost: localhost\r\n\r\n",
            b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST /mcp HTTP/1.1\r\nhost: evil.test\r\ncontent-length: 2\r\n\r\n{}",
            b"GET /../../etc/passwd HTTP/1.1\r\nhost: localhost\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"DELETE /mcp HTTP/1.1\r\nhost: localhost\r\nmcp-session-id: x\r\n\r\n",
        ];
        repeat(attack, source(number), requests[number as usize % 8].to_vec(), &["HTTP/1.1 4", "HTTP/1.0 4"])
    }),
    ("heads without an end", |attack, number| {
        let head = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(200_000));
        repeat(attack, source(number), head.into_bytes(), &["HTTP/1.1 4"])
    }),
    ("keys that were made up", |attack, number| {
        async move {
            let mut tried = 0_u32;
            while attack.goes_on() {
                attack.count();
                tried += 1;
                let bytes =
                    call(&format!("made-up-{number}-{tried}"), "get_job_check", r#"{"job_id":"job-1","force":true}"#);
                let answer = attack.server.send(source(number), &bytes).await;
                assert!(!answer.contains("\"isError\":false"), "{answer}");
            }
        }
        .boxed()
    }),
    ("sessions that are never ended", |attack, number| {
        async move {
            let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "f", "version": "1"}});
            let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string();
            while attack.goes_on() {
                let tried = attack.count();
                let key = if number.is_multiple_of(2) { "sim_attacker".to_owned() } else { format!("sim_made-up-{tried}") };
                attack.server.send(source(number), &post("/mcp", TOKEN, &key, &[], &hello)).await;
            }
        }
        .boxed()
    }),
    ("connections that say nothing, or half of it", |attack, number| {
        async move {
            let mut held: std::collections::VecDeque<TcpStream> = Default::default();
            let halves: [&[u8]; 4] = [
                b"",
                b"GET /healthz HTTP/1.1\r\nhost: loc",
                b"POST /callbacks/guess HTTP/1.1\r\nhost: localhost\r\ncontent-length: 60000\r\n\r\n[",
                b"POST /session HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4000\r\n\r\na",
            ];
            while attack.goes_on() {
                if let Ok(mut stream) = attack.server.connect(source(number)).await {
                    attack.count();
                    let _ = stream.write_all(halves[held.len() % 4]).await;
                    held.push_back(stream);
                }
                while held.len() > HELD_MAX / ATTACKERS as usize {
                    held.pop_front();
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        .boxed()
    }),
    ("bodies that come a byte at a time", |attack, number| {
        async move {
            while attack.goes_on() {
                let mut drips = Vec::new();
                for _ in 0..20 {
                    let Ok(mut stream) = attack.server.connect(source(number)).await else { continue };
                    attack.count();
                    let whole = call("sim_attacker", "list_jobs", "{}");
                    let _ = stream.write_all(&whole[..whole.len() - 40]).await;
                    drips.push(stream);
                }
                for _ in 0..10 {
                    for stream in &mut drips {
                        let _ = stream.write_all(b" ").await;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        .boxed()
    }),
    ("clients that read nothing", |attack, number| {
        async move {
            let mut held = Vec::new();
            let key = format!("sim_deaf_{}", number % 3);
            let bytes = call(&key, "list_operations", "{}").repeat(100);
            while attack.goes_on() {
                if held.len() < HELD_MAX / ATTACKERS as usize
                    && let Ok(mut stream) = attack.server.connect(source(number)).await
                {
                    attack.count();
                    let _ = tokio::time::timeout(Duration::from_millis(50), stream.write_all(&bytes)).await;
                    held.push(stream);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        .boxed()
    }),
    ("waits that are left alone", |attack, number| {
        async move {
            while attack.goes_on() {
                attack.count();
                let arguments = json!({"job_id": format!("job-{number}"), "timeout": 40}).to_string();
                if let Ok(mut stream) = attack.server.connect(source(number)).await {
                    let _ = stream.write_all(&call("sim_attacker", "wait_job_completion", &arguments)).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        .boxed()
    }),
    ("races under one client_request_id", |attack, number| {
        async move {
            let mut round = 0;
            while attack.goes_on() {
                round += 1;
                let name = format!("race-{number}-{round}");
                let options = json!({"html": name, "profiles": {"Simulate": {"checks": 0}}});
                let arguments =
                    json!({"operation": "html_to_pdf", "options": options, "wait": 0, "client_request_id": name});
                let bytes = call("sim_racer", "submit_job", &arguments.to_string());
                let answers = join_all((0..6).map(|_| {
                    attack.count();
                    attack.server.send(source(number), &bytes)
                }));
                answers.await;
            }
        }
        .boxed()
    }),
    ("probes of the jobs of others", |attack, number| {
        async move {
            while attack.goes_on() {
                let tried = attack.count();
                let tool = ["read_result", "download_result", "cancel_job"][tried as usize % 3];
                let arguments = json!({"job_id": format!("job-{:06}", tried % 40)}).to_string();
                let answer = attack.server.send(source(number), &call("sim_prober", tool, &arguments)).await;
                assert!(!answer.contains("bystander"), "{answer}");
            }
        }
        .boxed()
    }),
];

/// How long the others waited.
#[derive(Default)]
struct Waited(Mutex<Vec<Duration>>);

impl Waited {
    fn note(&self, took: Duration) {
        self.0.lock().unwrap().push(took);
    }

    /// How many there were, the 99th of a hundred, and the longest.
    fn figures(&self) -> (usize, Duration, Duration) {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap());
        all.sort();
        let at = (all.len() * 99).div_ceil(100).saturating_sub(1);
        (all.len(), all.get(at).copied().unwrap_or_default(), all.last().copied().unwrap_or_default())
    }
}

/// Others: one on a kept connection, and newcomers on fresh ones, with their own key or with none.
async fn others(server: Arc<Server>, is_over: Arc<AtomicBool>, waited: Arc<Waited>) {
    let kept = client();
    let ask = |client: &reqwest::Client| {
        let bytes = call(BYSTANDER, "list_jobs", r#"{"limit":1}"#);
        let body = String::from_utf8(bytes).unwrap().split_once("\r\n\r\n").unwrap().1.to_owned();
        let request = client.post(format!("http://{}/mcp", server.address)).bearer_auth(TOKEN);
        let request = request.header("x-api-key", BYSTANDER).header("content-type", "application/json");
        let request = request.header("accept", "application/json, text/event-stream");
        let request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/call");
        request.header("mcp-name", "list_jobs").body(body)
    };
    let answered = |request: reqwest::RequestBuilder, expected: &'static str| {
        let waited = Arc::clone(&waited);
        async move {
            let began = Instant::now();
            // A kept connection may be closed while it is idle; clients ask again on a fresh one.
            let again = request.try_clone();
            let answer = tokio::time::timeout(Duration::from_secs(20), request.send()).await;
            let answer = match (answer, again) {
                (Ok(Err(_)), Some(again)) => tokio::time::timeout(Duration::from_secs(20), again.send()).await,
                (answer, _) => answer,
            };
            let text = match answer {
                Ok(Ok(answer)) => answer.text().await.unwrap_or_default(),
                Ok(Err(error)) => format!("{error:?}"),
                Err(_) => "no answer within 20 s".to_owned(),
            };
            assert!(text.contains(expected), "another caller was not answered: {text}");
            waited.note(began.elapsed());
        }
    };
    while !is_over.load(Ordering::Relaxed) {
        answered(ask(&kept), r#""total":1,"#).await;
        answered(ask(&client()), r#""total":1,"#).await;
        answered(client().get(format!("http://{}/healthz", server.address)), "ok").await;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// One line of the table of figures.
async fn withstands(server: &Arc<Server>, name: &str, kinds: &[Kind], lasting: Duration) -> u64 {
    let attack =
        Arc::new(Attack { server: Arc::clone(server), is_over: AtomicBool::new(false), tried: AtomicU64::new(0) });
    let (is_over, waited) = (Arc::new(AtomicBool::new(false)), Arc::new(Waited::default()));
    let watching = tokio::spawn(others(Arc::clone(server), Arc::clone(&is_over), Arc::clone(&waited)));
    let attackers: Vec<_> = (0..ATTACKERS)
        .map(|number| tokio::spawn(kinds[number as usize % kinds.len()](Arc::clone(&attack), number)))
        .collect();
    let (began, mut descriptors) = (Instant::now(), 0);
    while began.elapsed() < lasting {
        descriptors = descriptors.max(server.descriptors());
        assert!(!server.has_ended(), "{name}: the server has died: {:?}", server.log.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    watching.await.unwrap();
    attack.is_over.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.await.unwrap();
    }
    let (answers, p99, longest) = waited.figures();
    let (tried, memory) = (attack.tried.load(Ordering::Relaxed), server.memory("VmHWM:") / 1_024);
    println!(
        "| {name} | {tried} | {answers} | {} | {} | {memory} | {descriptors} |",
        p99.as_millis(),
        longest.as_millis()
    );
    assert!(p99 < OTHERS_WITHIN, "{name}: others waited {p99:?}, at most {longest:?}");
    assert!(descriptors <= DESCRIPTORS_MAX, "{name}: {descriptors} descriptors");
    tried
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_kill_nothing_and_others_are_answered() {
    let seconds = std::env::var("FLOOD_SECONDS").ok().and_then(|text| text.parse().ok());
    let lasting = Duration::from_secs_f64(seconds.unwrap_or(1.0));
    let server = Arc::new(Server::start().await);
    // The bystander's own job.
    let options =
        json!({"html": "the job of a bystander", "name": "bystander.pdf", "profiles": {"Simulate": {"checks": 0}}});
    let submit = json!({"operation": "html_to_pdf", "options": options, "wait": 5, "client_request_id": "bystander"});
    let answer = server.send(1, &call(BYSTANDER, "submit_job", &submit.to_string())).await;
    assert!(answer.contains("\"isError\":false"), "{answer}");

    println!("| flood | bad inputs | others' calls | p99 ms | longest ms | memory MiB | descriptors |");
    let mut tried = 0;
    for (name, kind) in ATTACKS {
        tried += withstands(&server, name, &[*kind], lasting).await;
    }
    let all: Vec<Kind> = ATTACKS.iter().map(|(_, kind)| *kind).collect();
    tried += withstands(&server, "all of them at once", &all, lasting * 3).await;

    let peak = server.memory("VmHWM:");
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
    // What was paid for once is there once, and of those who had no key nothing is there.
    let races: Vec<String> = server.service.requests().iter().filter_map(race_in).collect();
    let mut once = races.clone();
    once.sort();
    once.dedup();
    assert_eq!(races.len(), once.len(), "a submit was sent twice");
    let path = server.home.path().join("ledger.sqlite");
    let mut ledger = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let row = sqlx::query("SELECT COUNT(*), COUNT(client_request_id) FROM jobs").fetch_one(&mut ledger).await.unwrap();
    let (rows, named): (i64, i64) = (row.get(0), row.get(1));
    println!("{tried} bad inputs; peak {} MiB; {rows} rows, {named} of them submits", peak / 1_024);
    // Ids that holders of an accepted key asked about are kept with the service's answer: forty of the probes, and one of
    // each attacker's waits. Refused keys leave none.
    assert!(rows - named <= 40 + i64::from(ATTACKERS), "{rows} rows, {named} of them submits");
    let log = server.log.lock().unwrap().join("\n");
    assert!(!log.contains("panicked") && !log.contains(TOKEN), "{log}");
    assert!(log.contains("wrong token"), "guesses are logged: {log}");
}

/// Connections of the burst, and calls that each of them sends at once.
const BURST: (usize, usize) = (100, 6);
/// How each answer begins.
const HEAD: &[u8] = b"HTTP/1.1 200";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_one_tenant_lets_the_calls_of_others_in_between() {
    let server = Arc::new(Server::start().await);
    let greeting = call(BYSTANDER, "get_credit_balance", "{}");
    assert!(server.send(1, &greeting).await.contains("\"isError\":false"));
    let mut bystander = server.connect(1).await.unwrap();
    let mut burst = join_all((0..BURST.0).map(|_| server.connect(2))).await.into_iter().map(Result::unwrap);
    let (calls, answers) = (call("sim_burst", "list_operations", "{}").repeat(BURST.1), Arc::new(AtomicU64::new(0)));
    let reading: Vec<_> = burst
        .by_ref()
        .map(|mut stream| {
            let (calls, answers) = (calls.clone(), Arc::clone(&answers));
            tokio::spawn(async move {
                stream.write_all(&calls).await.unwrap();
                let (mut tail, mut buffer) = (Vec::new(), vec![0; 64 * 1_024]);
                let mut left = BURST.1;
                while left > 0 {
                    let read = stream.read(&mut buffer).await.unwrap();
                    assert!(read > 0, "the connection was closed");
                    tail.extend_from_slice(&buffer[..read]);
                    let heads = tail.windows(HEAD.len()).filter(|part| *part == HEAD).count();
                    answers.fetch_add(heads as u64, Ordering::SeqCst);
                    left -= heads.min(left);
                    // The start of a head may be at the end.
                    tail.drain(..tail.len().saturating_sub(HEAD.len() - 1));
                }
            })
        })
        .collect();
    // All of the burst is there.
    while answers.load(Ordering::SeqCst) < BURST.0 as u64 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let before = answers.load(Ordering::SeqCst);
    bystander.write_all(&call(BYSTANDER, "list_jobs", r#"{"limit":1}"#)).await.unwrap();
    let mut answer = vec![0; 1_024];
    let read = bystander.read(&mut answer).await.unwrap();
    let between = answers.load(Ordering::SeqCst) - before;
    assert!(String::from_utf8_lossy(&answer[..read]).starts_with("HTTP/1.1 200"));
    let all = (BURST.0 * BURST.1) as u64;
    println!("{between} of {all} answers of the burst came before that of another caller");
    assert!(between < BURST.0 as u64 / 2, "{between} of {all} came first");
    for reader in reading {
        reader.await.unwrap();
    }
    assert_eq!(answers.load(Ordering::SeqCst), all);
}

fn race_in(request: &simulator::Request) -> Option<String> {
    let html = request.body.as_ref()?.get("html").and_then(Value::as_str)?;
    html.starts_with("race-").then(|| html.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_a_server_that_is_flooded() {
    let server = Arc::new(Server::start().await);
    let attack =
        Arc::new(Attack { server: Arc::clone(&server), is_over: AtomicBool::new(false), tried: AtomicU64::new(0) });
    let attackers: Vec<_> = (0..ATTACKERS)
        .map(|number| tokio::spawn(ATTACKS[number as usize % ATTACKS.len()].1(Arc::clone(&attack), number)))
        .collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let id = server.id.to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let asked = Instant::now();
    while !server.has_ended() {
        assert!(asked.elapsed() < Duration::from_secs(12), "SIGTERM was not obeyed: {:?}", server.log.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    attack.is_over.store(true, Ordering::Relaxed);
    join_all(attackers).await;
}
