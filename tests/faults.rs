//! A hostile service: every fault against every kind of operation. Each cell ends in time with the right kind; nothing is
//! lost, nothing leaks, and the same process serves the same call well once the service has recovered.
//!
//! The table is [`MATRIX`]; a cell is [`cell`]. The command line and the protocol have smaller tables further down.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/mod.rs"]
mod process;
#[path = "support/product.rs"]
mod product;
#[path = "support/wire.rs"]
mod wire;

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt, stream};
use pdfco::answer::Answer;
use pdfco::api::Timeouts;
use pdfco::app::{App, Caller, SubmitRequest, Takes};
use pdfco::error::{Kind, Result};
use pdfco::files::Sandbox;
use pdfco::simulator::{self, Fault, FaultKind, Handle, Options};
use process::Pdfco;
use product::{config, documents, request};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use wire::{Wire, ledger_in};

/// What no answer, no log line and no byte of a ledger may hold.
const CANARIES: [&str; 3] = ["canary-key", "canary-password", "canary-query"];
/// The mark of a presigned link.
const SIGNATURE: &str = "X-Amz-Signature=";
/// For as long as the fault is there.
const ALWAYS: u32 = u32::MAX;
/// Time limits of single requests where the service stalls; those of the product are many times as long, and hold where
/// it does not: a busy machine is no stall.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(2), exchange: Duration::from_secs(5), idle: Duration::from_secs(1) };
/// Stalls are longer than any time limit.
const STALL: Duration = Duration::from_secs(90);
/// Cells that run at once: most of their time they wait.
const AT_ONCE: usize = 72;
/// The whole table.
const MATRIX_TIME: Duration = Duration::from_secs(120);
/// Budget of a wait.
const WAIT: Duration = Duration::from_secs(8);

/// What a call meets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meets {
    /// Success: the fault does not touch it, or it cannot be told from a good answer.
    Fine,
    /// An error of this kind; nothing was done, and nothing is left behind.
    Ends(Kind),
    /// An error of this kind after a request that may have been charged: it says so, is not called retryable, and the
    /// job stays in the ledger.
    Unclear(Kind),
    /// A wait that goes on to the end of its budget: `working`, with this kind as its last error.
    Waits(Kind),
}

use Kind::{Auth, InsufficientCredits, InvalidArgument, LinkExpired, Network, RateLimited, TooLarge, Upstream};
use Meets::{Ends, Fine, Unclear, Waits};

/// One row: a fault, and what each kind of operation meets.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    fault: fn() -> FaultKind,
    /// A paid job.
    submit: Meets,
    /// Paid work that is answered at once.
    direct: Meets,
    check: Meets,
    wait: Meets,
    /// Asking for an upload link.
    ask: Meets,
    /// The upload itself.
    put: Meets,
    download: Meets,
    read: Meets,
    balance: Meets,
    /// Reading the account otherwise.
    account: Meets,
}

/// The same for everything, in each operation's own way.
const fn all(name: &'static str, kind: Kind, fault: fn() -> FaultKind) -> Row {
    Row {
        name,
        fault,
        submit: Unclear(kind),
        direct: Unclear(kind),
        check: Ends(kind),
        wait: Waits(kind),
        ask: Ends(kind),
        put: Ends(kind),
        download: Ends(kind),
        read: Ends(kind),
        balance: Ends(kind),
        account: Ends(kind),
    }
}

/// A refusal: nothing was done, so nothing is unclear.
const fn refusal(name: &'static str, kind: Kind, fault: fn() -> FaultKind) -> Row {
    Row { submit: Ends(kind), direct: Ends(kind), wait: Ends(kind), ..all(name, kind, fault) }
}

/// Nobody notices.
const fn harmless(name: &'static str, fault: fn() -> FaultKind) -> Row {
    Row {
        name,
        fault,
        submit: Fine,
        direct: Fine,
        check: Fine,
        wait: Fine,
        ask: Fine,
        put: Fine,
        download: Fine,
        read: Fine,
        balance: Fine,
        account: Fine,
    }
}

fn status(code: u16) -> FaultKind {
    FaultKind::Status { code, retry_after: None, body: None }
}

fn slow_down(retry_after: Option<String>) -> FaultKind {
    FaultKind::Status { code: 429, retry_after, body: Some(r#"{"message":"Too many requests"}"#.to_owned()) }
}

/// A date a little later than anybody's patience.
fn later() -> String {
    let at = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_secs(23)).unwrap();
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap()
}

fn access_denied() -> FaultKind {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/replies/errors/storage_access_denied.xml");
    FaultKind::Status { code: 403, retry_after: None, body: Some(std::fs::read_to_string(file).unwrap()) }
}

/// Larger than any answer that is read, and than any text.
const HUGE: u64 = 70_000_000;
const TEN_YEARS: i64 = 315_360_000;

/// The storage's 2xx to an upload has no content that could be wrong, and the bytes of a file could be anything.
const MATRIX: &[Row] = &[
    all("500", Upstream, || status(500)),
    all("502", Upstream, || status(502)),
    all("503", Upstream, || status(503)),
    all("a page for people with 502", Upstream, || FaultKind::Html { code: 502 }),
    all("a page for people with 200", Upstream, || FaultKind::Html { code: 200 }),
    Row { wait: Waits(RateLimited), ..refusal("429, one second", RateLimited, || slow_down(Some("1".to_owned()))) },
    Row { wait: Waits(RateLimited), ..refusal("429, a date", RateLimited, || slow_down(Some(later()))) },
    Row { wait: Waits(RateLimited), ..refusal("429, no time", RateLimited, || slow_down(None)) },
    Row { put: Ends(Upstream), download: Ends(Upstream), read: Ends(Upstream), ..refusal("401", Auth, || status(401)) },
    Row {
        put: Ends(Upstream),
        download: Ends(Upstream),
        read: Ends(Upstream),
        ..refusal("402, no credits", InsufficientCredits, || status(402))
    },
    Row {
        // What names a document is told about its link.
        submit: Ends(InvalidArgument),
        put: Ends(LinkExpired),
        download: Ends(LinkExpired),
        read: Ends(LinkExpired),
        ..refusal("403 in XML, an expired link", Auth, access_denied)
    },
    all("reset", Network, || FaultKind::Reset),
    all("the work is done and the answer lost", Network, || FaultKind::LoseAnswer),
    Row { wait: Waits(Network), ..refusal("refused", Network, || FaultKind::Reset) },
    all("a stall before the head", Network, || FaultKind::StallHeaders(STALL)),
    Row { put: Fine, ..all("a stall inside the body", Network, || FaultKind::StallBody(STALL)) },
    Row { put: Fine, ..all("cut inside the body", Network, || FaultKind::Truncate) },
    Row { put: Fine, download: Fine, read: Fine, ..all("JSON that ends early", Upstream, || FaultKind::InvalidJson) },
    Row { put: Fine, wait: Ends(TooLarge), ..all("70 MB", TooLarge, || FaultKind::HugeBody { bytes: HUGE }) },
    Row { put: Fine, wait: Ends(TooLarge), ..all("a gzip bomb", TooLarge, || FaultKind::GzipBomb { bytes: HUGE }) },
    Row {
        submit: Ends(Upstream),
        direct: Ends(Upstream),
        ..all("a redirect to another host", Upstream, || FaultKind::RedirectTo(ELSEWHERE.get().unwrap().clone()))
    },
    Row {
        // What a list of templates should look like is nowhere written; it is handed on as it came.
        account: Fine,
        direct: Fine,
        put: Fine,
        download: Fine,
        read: Fine,
        ..all("wrong types everywhere", Upstream, || FaultKind::WrongTypes)
    },
    Row {
        put: Fine,
        download: Fine,
        read: Fine,
        ..all("nothing", Upstream, || FaultKind::Status { code: 200, retry_after: None, body: Some(String::new()) })
    },
    Row { put: Fine, ..all("chunks that are none", Network, || FaultKind::BadChunks) },
    all("no HTTP", Network, || FaultKind::Garbage),
    harmless("a clock ten years behind", || FaultKind::Clock { seconds: -TEN_YEARS }),
    harmless("a clock ten years ahead", || FaultKind::Clock { seconds: TEN_YEARS }),
];

/// Where redirects lead: nobody may come there.
static ELSEWHERE: OnceLock<String> = OnceLock::new();

fn elsewhere() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    ELSEWHERE.set(format!("http://{}/take", listener.local_addr().unwrap())).unwrap();
    listener
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Submit,
    Direct,
    Check,
    Wait,
    Ask,
    Put,
    Download,
    Read,
    Balance,
    Account,
}

impl Op {
    const ALL: [Op; 10] = [
        Op::Submit,
        Op::Direct,
        Op::Check,
        Op::Wait,
        Op::Ask,
        Op::Put,
        Op::Download,
        Op::Read,
        Op::Balance,
        Op::Account,
    ];

    /// The requests that go wrong.
    fn path(self) -> &'static str {
        match self {
            Op::Submit => "/v1/pdf/convert/to/text",
            Op::Direct => "/v1/file/upload/base64",
            Op::Check | Op::Wait => "/v1/job/check",
            Op::Ask => "/v1/file/upload/get-presigned-url",
            Op::Put => "*/up.txt",
            Op::Download | Op::Read => "*/invoice.txt",
            Op::Balance => "/v1/account/credit/balance",
            Op::Account => "/v1/templates/html",
        }
    }

    fn meets(self, row: &Row) -> Meets {
        match self {
            Op::Submit => row.submit,
            Op::Direct => row.direct,
            Op::Check => row.check,
            Op::Wait => row.wait,
            Op::Ask => row.ask,
            Op::Put => row.put,
            Op::Download => row.download,
            Op::Read => row.read,
            Op::Balance => row.balance,
            Op::Account => row.account,
        }
    }

    /// The bound that is promised: repeats end after 20 s, a download survives five cuts with growing pauses.
    fn bound(self) -> Duration {
        match self {
            Op::Wait => WAIT + Duration::from_secs(7),
            Op::Download => Duration::from_secs(45),
            _ => Duration::from_secs(28),
        }
    }
}

/// One service, one product with a ledger in a file, and a job that the operation is about.
struct Cell {
    service: Handle,
    app: App,
    caller: Caller,
    folder: TempDir,
    job: Option<String>,
}

impl Cell {
    async fn new(row: &Row, op: Op) -> Cell {
        let service = simulator::spawn(Options::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        for name in ["ledger", "out"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("up.txt"), "some text").unwrap();
        let ledger = folder.path().join("ledger/l.sqlite").display().to_string();
        let more = [("PDFCO_LEDGER", ledger.as_str()), ("PDFCO_MAX_FILE_BYTES", "1000000")];
        let stalls = matches!((row.fault)(), FaultKind::StallHeaders(_) | FaultKind::StallBody(_));
        let timeouts = if stalls { TIMEOUTS } else { Timeouts::default() };
        let app = App::with_timeouts(config(service.url(), "sim_canary-key", &more), timeouts).unwrap();
        let caller = Caller {
            key: app.config.key().unwrap().clone(),
            sandbox: Arc::new(Sandbox::folders(vec![documents(), folder.path().to_owned()], folder.path().join("out"))),
            max_wait: None,
            takes: Takes::Answers,
            cancel: CancellationToken::new(),
            told: Arc::new(|_| {}),
        };
        let mut cell = Cell { service, app, caller, folder, job: None };
        if matches!((row.fault)(), FaultKind::Clock { .. }) {
            cell.service.fault(Fault { path_prefix: "/".to_owned(), times: ALWAYS, kind: (row.fault)() });
        }
        // What the operation is about goes well.
        if matches!(op, Op::Check | Op::Wait | Op::Download | Op::Read) {
            let is_finished = matches!(op, Op::Download | Op::Read);
            let wait = if is_finished { Duration::from_secs(30) } else { Duration::ZERO };
            let text = request("pdf_to_text", json!({"url": "invoice.pdf"}), wait);
            let answer = cell.app.submit(&cell.caller, SubmitRequest { read: Some(0), ..text }).await.unwrap();
            assert_eq!(answer.status, if is_finished { "success" } else { "queued" }, "{answer:?}");
            cell.job = Some(answer.job.unwrap().job_id);
        }
        cell
    }

    async fn run(&self, op: Op) -> Result<Answer> {
        let job = self.job.clone().unwrap_or_default();
        match op {
            Op::Submit => {
                let source = "https://files.example.test/a.pdf?sig=canary-query";
                let arguments = json!({"url": source, "password": "canary-password"});
                self.app.submit(&self.caller, request("pdf_to_text", arguments, Duration::ZERO)).await
            }
            Op::Direct => {
                let arguments = json!({"file": "data:text/plain;base64,aGVsbG8=", "name": "b.txt"});
                self.app.submit(&self.caller, request("file_upload_base64", arguments, Duration::ZERO)).await
            }
            Op::Check => self.app.check(&self.caller, &job, true).await,
            Op::Wait => self.app.wait(&self.caller, &job, Some(WAIT), Some(Duration::from_millis(500))).await,
            Op::Ask | Op::Put => self.app.upload(&self.caller, "up.txt", None).await,
            Op::Download => self.app.download(&self.caller, &job, None, true).await,
            Op::Read => self.app.read(&self.caller, &job, 0, None, None, 0).await,
            Op::Balance => self.app.balance(&self.caller).await,
            Op::Account => {
                self.app.submit(&self.caller, request("html_templates_list", json!({}), Duration::ZERO)).await
            }
        }
    }

    /// Everything in the ledger's files.
    fn ledger_bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path().join("ledger")).unwrap();
        files.flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
    }

    fn saved_files(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.folder.path().join("out")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

/// One fault, one operation, from the first byte to the recovery.
async fn cell(row: &Row, op: Op) {
    let mut cell = Cell::new(row, op).await;
    let expected = op.meets(row);
    let is_refused = row.name == "refused";
    let address = cell.service.url().trim_start_matches("http://").parse().unwrap();
    if is_refused {
        // Nobody listens; what the service knew is gone with it.
        let fresh = simulator::spawn(Options::default()).await.unwrap();
        std::mem::replace(&mut cell.service, fresh).stop().await;
    } else {
        cell.service.fault(Fault { path_prefix: op.path().to_owned(), times: ALWAYS, kind: (row.fault)() });
    }

    let began = Instant::now();
    let outcome = tokio::time::timeout(op.bound(), cell.run(op)).await;
    let took = began.elapsed();
    let outcome = outcome.unwrap_or_else(|_| panic!("not over after {took:?}"));
    met(&cell, op, expected, &outcome).await;

    // The same process serves the same call once all is well again.
    cell.service.heal();
    if is_refused {
        cell.service = simulator::spawn(Options { address, ..Options::default() }).await.unwrap();
        let good = tokio::time::timeout(Duration::from_secs(40), cell.app.balance(&cell.caller)).await;
        assert_eq!(good.expect("the recovery takes too long").unwrap().status, "success");
    } else {
        let good = tokio::time::timeout(Duration::from_secs(60), once_allowed(&cell, op)).await;
        let good = good.expect("the recovery takes too long");
        assert!(!good.is_error && good.status != "error", "{good:?}");
        if op == Op::Read {
            assert!(good.output.is_some_and(|output| output.text.contains("Northwind") || expected == Fine));
        }
    }
    let text = cell.ledger_bytes();
    for canary in CANARIES {
        assert!(!contains(&text, canary), "{canary} is in the ledger");
    }
    if matches!(op, Op::Submit | Op::Ask | Op::Put | Op::Balance | Op::Account) {
        assert!(!contains(&text, SIGNATURE), "a presigned link is in the ledger");
    }
    cell.app.jobs().ledger().close().await;
}

/// The call again, after the pause that the service asked for while it was ill.
async fn once_allowed(cell: &Cell, op: Op) -> Answer {
    loop {
        match cell.run(op).await {
            Err(error) if error.kind() == RateLimited => {
                tokio::time::sleep(error.retry_after().unwrap()).await;
            }
            outcome => return outcome.unwrap(),
        }
    }
}

/// The call ended as the table says, and the ledger tells the same.
async fn met(cell: &Cell, op: Op, expected: Meets, outcome: &Result<Answer>) {
    let jobs = cell.app.list(&cell.caller, None, 10, None).await.unwrap().content;
    let jobs = jobs["items"].as_array().unwrap();
    let last_error = |answer: &Answer| answer.job.as_ref().and_then(|job| job.last_check_error.clone());
    match (expected, outcome) {
        (Fine, Ok(answer)) => assert!(answer.status != "error" && !answer.is_error, "{answer:?}"),
        (Waits(kind), Ok(answer)) => {
            assert!(matches!(answer.status.as_str(), "queued" | "working"), "{answer:?}");
            let error = last_error(answer).unwrap_or_else(|| panic!("no last error: {answer:?}"));
            assert_eq!(error["kind"], kind.as_str(), "{answer:?}");
            assert!(answer.tips.as_ref().is_some_and(|tips| tips.contains(cell.job.as_ref().unwrap())), "{answer:?}");
        }
        (Ends(kind), Err(error)) => {
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(!error.message().contains("charged"), "{error:?}");
        }
        (Unclear(kind), Err(error)) => {
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(error.message().contains("charged") && error.hint().contains("get_credit_balance"), "{error:?}");
            assert!(!error.is_retryable(), "an agent would repeat it: {error:?}");
        }
        (expected, outcome) => panic!("expected {expected:?}: {outcome:?}"),
    }
    // Nothing lost.
    match op {
        Op::Submit | Op::Direct | Op::Account => match expected {
            Ends(_) => assert!(jobs.is_empty(), "a refusal leaves no job: {jobs:?}"),
            Unclear(kind) => {
                assert_eq!((jobs.len(), &jobs[0]["status"]), (1, &json!("queued")), "{jobs:?}");
                let trace = cell.app.jobs().get(&cell.caller.key, jobs[0]["job_id"].as_str().unwrap()).await.unwrap();
                assert_eq!(trace.problem.as_ref().map(|problem| &problem["kind"]), Some(&json!(kind.as_str())));
            }
            Fine | Waits(_) => assert_eq!(jobs.len(), 1),
        },
        Op::Check | Op::Wait | Op::Download | Op::Read => {
            let job = cell.app.jobs().get(&cell.caller.key, cell.job.as_ref().unwrap()).await.unwrap();
            let is_finished = matches!(op, Op::Download | Op::Read);
            assert!(!is_finished || job.status.as_str() == "success", "{job:?}");
            assert!(expected == Fine || is_finished || !job.status.is_terminal(), "{job:?}");
        }
        Op::Ask | Op::Put | Op::Balance => assert!(jobs.is_empty()),
    }
    if op == Op::Download {
        assert_eq!(cell.saved_files().len(), usize::from(expected == Fine), "{:?}", cell.saved_files());
    }
    // Nothing leaked: neither to the caller nor to whoever prints the error with its causes.
    let shown = match outcome {
        Ok(answer) => serde_json::to_string(answer).unwrap(),
        Err(error) => {
            let text = format!("{error:?}{}", serde_json::to_string(&Answer::from_error(error)).unwrap());
            assert!(!text.contains(SIGNATURE), "{text}");
            text
        }
    };
    for canary in CANARIES {
        assert!(!shown.contains(canary), "{canary}: {shown}");
    }
}

/// Log lines that hold what they must not; at most a few are kept.
#[derive(Clone, Default)]
struct Leaks(Arc<Mutex<Vec<String>>>);

impl Write for Leaks {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let leaks = CANARIES.iter().chain([&SIGNATURE]).any(|canary| contains(line, canary));
        let mut lines = self.0.lock().unwrap();
        if leaks && lines.len() < 5 {
            lines.push(String::from_utf8_lossy(line).into_owned());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_meets_every_kind_of_operation() {
    let leaks = Leaks::default();
    let writer = leaks.clone();
    // Everything that the product and its libraries would ever log; the simulator plays the service here.
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("trace,pdfco::simulator=off")
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let elsewhere = elsewhere();
    let only = std::env::var("FAULT").unwrap_or_default();
    let began = Instant::now();
    let cells = MATRIX.iter().flat_map(|row| Op::ALL.iter().map(move |op| (row, *op)));
    let cells = cells.filter(|(row, op)| format!("{} × {op:?}", row.name).contains(&only));
    let failures: Vec<String> = stream::iter(cells)
        .map(async |(row, op)| {
            let name = format!("{} × {op:?}", row.name);
            let ended = std::panic::AssertUnwindSafe(cell(row, op)).catch_unwind().await;
            ended.err().map(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                format!("{name}: {}", text.unwrap_or_default())
            })
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(failures.is_empty(), "{} cells failed:\n{}", failures.len(), failures.join("\n"));
    let leaks = leaks.0.lock().unwrap();
    assert!(leaks.is_empty(), "logged:\n{}", leaks.concat());
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "a redirect was followed");
    let took = began.elapsed();
    println!("{} cells in {took:?}", MATRIX.len() * Op::ALL.len());
    assert!(took < MATRIX_TIME, "{took:?}");
}

/// A fault that the real binary meets, with its usual time limits.
struct Met {
    name: &'static str,
    fault: fn() -> FaultKind,
    /// What every tool answers.
    kind: Kind,
    /// Whether a paid submit is then told to have been charged, perhaps.
    is_unclear: bool,
    /// Whether a wait goes on.
    is_waited_out: bool,
}

const fn met_by_all(name: &'static str, kind: Kind, fault: fn() -> FaultKind) -> Met {
    Met { name, fault, kind, is_unclear: true, is_waited_out: true }
}

const OUTSIDE: &[Met] = &[
    met_by_all("500", Upstream, || status(500)),
    met_by_all("502 with a page", Upstream, || FaultKind::Html { code: 502 }),
    met_by_all("200 with a page", Upstream, || FaultKind::Html { code: 200 }),
    met_by_all("JSON that ends early", Upstream, || FaultKind::InvalidJson),
    met_by_all("reset", Network, || FaultKind::Reset),
    met_by_all("no HTTP", Network, || FaultKind::Garbage),
    Met { is_unclear: false, ..met_by_all("429", RateLimited, || slow_down(Some("23".to_owned()))) },
    Met { is_unclear: false, is_waited_out: false, ..met_by_all("401", Auth, || status(401)) },
    Met { is_unclear: false, is_waited_out: false, ..met_by_all("402", InsufficientCredits, || status(402)) },
];

/// Calls of one conversation, all on the way at once.
fn calls(job: &str) -> [(&'static str, Value); 7] {
    let source = json!({"url": "https://files.example.test/a.pdf?sig=canary-query", "password": "canary-password"});
    [
        ("submit_job", json!({"operation": "pdf_to_text", "options": source, "wait": 0})),
        ("get_job_check", json!({"job_id": job, "force": true})),
        ("wait_job_completion", json!({"job_id": job, "timeout": 2, "interval": 0.5})),
        ("upload_file", json!({"file_path": "up.txt"})),
        ("download_result", json!({"job_id": job})),
        ("get_credit_balance", json!({})),
        ("html_templates_list", json!({})),
    ]
}

fn over_the_protocol(met: &Met, service: &Handle, folder: &Path) {
    let key = format!("sim_canary-key-{}", met.kind.as_str());
    let ledger = ledger_in(folder);
    let folder = folder.display().to_string();
    let variables = [
        ("PDFCO_LEDGER", ledger.as_str()),
        ("PDFCO_API_KEY", &key),
        ("PDFCO_FILES", &folder),
        ("PDFCO_DOWNLOAD_DIR", &folder),
        ("PDFCO_LOG", "debug"),
    ];
    let mut wire = Wire::ready(service.url(), &variables);
    let good = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>", "profiles": {"Simulate": {"checks": 99}}}, "wait": 0});
    let job = wire.call("submit_job", good)["job"]["job_id"].as_str().unwrap().to_owned();
    service.fault(Fault { path_prefix: "/".to_owned(), times: ALWAYS, kind: (met.fault)() });
    let began = Instant::now();
    let asked: Vec<_> = calls(&job)
        .into_iter()
        .map(|(tool, arguments)| (tool, wire.request("tools/call", json!({"name": tool, "arguments": arguments}))))
        .collect();
    let mut open = asked.clone();
    while !open.is_empty() {
        let message = wire.next_within(Duration::from_secs(30)).unwrap_or_else(|| panic!("no answer: {open:?}"));
        let Some(at) = open.iter().position(|(_, id)| message["id"] == *id) else { continue };
        let (tool, _) = open.remove(at);
        let answer = &message["result"]["structuredContent"];
        let text = message.to_string();
        assert!(!text.contains("canary") && !text.contains(SIGNATURE), "{tool}: {text}");
        let kind = json!(met.kind.as_str());
        if tool == "wait_job_completion" && met.is_waited_out {
            // While the whole key is told to slow down a wait may not get to look at all.
            let error = &answer["job"]["last_check_error"];
            let is_held_back = met.kind == RateLimited && error.is_null();
            assert!(error["kind"] == kind || is_held_back, "{}, {tool}: {text}", met.name);
            assert_eq!(message["result"]["isError"], false, "{}, {tool}: {text}", met.name);
            continue;
        }
        assert_eq!(message["result"]["isError"], true, "{}, {tool}: {text}", met.name);
        assert_eq!(answer["content"]["kind"], kind, "{}, {tool}: {text}", met.name);
        if tool == "submit_job" {
            assert_eq!(text.contains("and charged for it"), met.is_unclear, "{}, {tool}: {text}", met.name);
        }
    }
    assert!(began.elapsed() < Duration::from_secs(28), "{}: {:?}", met.name, began.elapsed());
    service.heal();
    assert!(wire.is_alive());
    // The last refusal may have asked for a pause of its own.
    let mut balance = wire.call("get_credit_balance", json!({}));
    if balance["content"]["kind"] == "rate_limited" {
        std::thread::sleep(Duration::from_secs(balance["content"]["retry_after_seconds"].as_u64().unwrap()));
        balance = wire.call("get_credit_balance", json!({}));
    }
    assert!(balance["credits_remaining"].is_i64(), "{}: {balance}", met.name);
    let listed = wire.call("list_jobs", json!({}));
    assert_eq!(listed["content"]["total"], 1 + i32::from(met.is_unclear), "{}: {listed}", met.name);
    let log = wire.finish();
    assert!(!log.contains("canary") && !log.contains(SIGNATURE), "{}: {log}", met.name);
    assert!(!log.contains("panicked"), "{}: {log}", met.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_of_the_real_server_tell_the_kind_and_serve_on() {
    let conversations = OUTSIDE.iter().map(async |met| {
        let service = simulator::spawn(Options::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("up.txt"), "some text").unwrap();
        tokio::task::spawn_blocking(move || over_the_protocol(met, &service, folder.path())).await.unwrap();
    });
    futures_util::future::join_all(conversations).await;
}

/// The exit code that a shell sees.
fn code_of(kind: Kind) -> i32 {
    match kind {
        Auth | InsufficientCredits => 3,
        _ => 6,
    }
}

fn on_the_command_line(met: &Met, service: &Handle, home: &Path) {
    let run = |args: &[&str]| {
        Pdfco::new(home)
            .env("PDFCO_BASE_URL", service.url())
            .env("PDFCO_API_KEY", "sim_canary-key")
            .env("PDFCO_RATE_LIMIT", "off")
            .env("PDFCO_LEDGER", &ledger_in(home))
            .env("PDFCO_LOG", "debug")
            .args(args)
            .args(&["--json"])
            .run()
    };
    let slow = r#"{"Simulate": {"checks": 99}}"#;
    let job = run(&["call", "html-to-pdf", "--html", "<p>a</p>", "--profiles", slow, "--background"]).code(0);
    let job = job.envelope()["data"]["job"]["job_id"].as_str().unwrap().to_owned();
    service.fault(Fault { path_prefix: "/".to_owned(), times: ALWAYS, kind: (met.fault)() });
    let up = home.join("up.txt").display().to_string();
    let source = "https://files.example.test/a.pdf?sig=canary-query";
    let commands: [&[&str]; 6] = [
        &["credits"],
        &["call", "pdf-to-text", "--url", source, "--password", "canary-password", "--background"],
        &["jobs", "show", &job],
        &["jobs", "download", &job],
        &["files", "upload", &up],
        &["jobs", "wait", &job, "--timeout", "2", "--interval", "0.5"],
    ];
    std::thread::scope(|scope| {
        for command in commands {
            scope.spawn(move || {
                let began = Instant::now();
                let ended = run(command);
                assert!(began.elapsed() < Duration::from_secs(28), "{} {command:?}", met.name);
                for text in [&ended.stdout, &ended.stderr] {
                    assert!(!text.contains("canary") && !text.contains(SIGNATURE), "{} {command:?}: {text}", met.name);
                }
                let is_waited_out = command[1..].first() == Some(&"wait") && met.is_waited_out;
                ended.code(if is_waited_out { 5 } else { code_of(met.kind) });
            });
        }
    });
    service.heal();
    run(&["credits"]).code(0);
    let listed = run(&["jobs", "list"]).code(0).envelope();
    assert!(listed.to_string().contains(&job), "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_exit_with_the_code_of_the_kind() {
    let rows = stream::iter(OUTSIDE)
        .map(async |met| {
            let service = simulator::spawn(Options::default()).await.unwrap();
            let home = tempfile::tempdir().unwrap();
            std::fs::write(home.path().join("up.txt"), "some text").unwrap();
            tokio::task::spawn_blocking(move || on_the_command_line(met, &service, home.path())).await.unwrap();
        })
        .buffer_unordered(5);
    rows.collect::<Vec<()>>().await;
}

#[tokio::test]
async fn credits_that_run_out_in_the_middle_of_a_batch_end_it_with_every_job_accounted_for() {
    let service = simulator::spawn(Options { credits: 70, ..Options::default() }).await.unwrap();
    let product = product::Product::new(service.url(), "sim_batch");
    let submit = |number: u32| {
        let html = json!({"html": format!("<p>{number}</p>"), "profiles": {"Simulate": {"checks": 0}}});
        product.app.submit(&product.caller, request("html_to_pdf", html, Duration::ZERO))
    };
    let (mut accepted, mut refused, mut spent) = (Vec::new(), 0, 0);
    for number in 0..8 {
        match submit(number).await {
            Ok(answer) => {
                spent += answer.credits_used.unwrap();
                accepted.push(answer.job.unwrap().job_id);
            }
            Err(error) => {
                assert_eq!(error.kind(), InsufficientCredits, "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(!accepted.is_empty() && refused > 0, "{accepted:?}");
    let listed = product.app.list(&product.caller, None, 50, None).await.unwrap();
    assert_eq!(listed.content["total"], accepted.len(), "what was refused left nothing, what was accepted is there");
    // Looking costs as well: once nothing is left a wait says so at once, and the job stays as it was.
    for id in &accepted {
        let began = Instant::now();
        match product.app.wait(&product.caller, id, Some(Duration::from_secs(5)), None).await {
            Ok(answer) => spent += answer.credits_used.unwrap_or_default(),
            Err(error) => {
                assert_eq!(error.kind(), InsufficientCredits, "{error:?}");
                assert!(began.elapsed() < Duration::from_secs(2));
                assert!(!product.app.jobs().get(&product.caller.key, id).await.unwrap().status.is_terminal());
            }
        }
    }
    assert_eq!(70 - service.credits("sim_batch"), spent, "what was spent is what was told");
    let by_day = product.app.spending(&product.caller, 10).await.unwrap();
    let counted: i64 = by_day.as_array().unwrap().iter().map(|row| row["credits"].as_i64().unwrap()).sum();
    assert_eq!(counted, spent, "and what the ledger counted");
}
