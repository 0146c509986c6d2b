//! A hostile service: every fault against every kind of operation. Each cell ends in time with the right kind; nothing is
//! lost, nothing leaks, and the same process serves the same call well once the service has recovered. A cell whose fault
//! never met a request is no proof and fails.
//!
//! | where | what |
//! |---|---|
//! | here | the table, [`MATRIX`], and the search for leaks |
//! | `matrix.rs` | every row against every kind of operation, below the transports |
//! | `tools.rs` | every row against every tool of the real server over stdio, and over HTTP, tasks included |
//! | `commands.rs` | every row against every command of the real binary |
//! | `clocks.rs` | our own clock jumps while things are under way |
//! | `disasters.rs` | kills, locks, stalls, full and broken disks, removed files and clocks, while money is on the way |
//! | `memory.rs` | what answers that are too large leave behind |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod clocks;
mod commands;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod disasters;
mod matrix;
#[cfg(target_os = "linux")]
mod memory;
#[path = "../support/mod.rs"]
mod support;
mod tools;

use std::net::TcpListener;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::FutureExt;
use pdfco::error::Kind;
use pdfco::simulator::{self, Fault, FaultKind, Handle, Options};

/// What no answer, no log line and no byte of a ledger may hold.
const CANARIES: [&str; 3] = ["canary-key", "canary-password", "canary-query"];
/// The mark of a presigned link.
const SIGNATURE: &str = "X-Amz-Signature=";
/// For as long as the fault is there.
const ALWAYS: u32 = u32::MAX;
/// Stalls are longer than any time limit.
const STALL: Duration = Duration::from_secs(120);
/// What a call meets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meets {
    /// Success: the fault does not touch it, or it cannot be distinguished from a good answer.
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

/// No one notices.
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

/// A date a little later than any patience.
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
        // What names a document is warned about its link.
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
        ..all("a redirect to another host", Upstream, || FaultKind::RedirectTo(elsewhere().1.clone()))
    },
    Row {
        // What a list of templates should contain is nowhere written; it is handed on as it came.
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

/// Where redirects lead, and its address.
fn elsewhere() -> &'static (TcpListener, String) {
    static ELSEWHERE: OnceLock<(TcpListener, String)> = OnceLock::new();
    ELSEWHERE.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("http://{}/take", listener.local_addr().unwrap());
        (listener, address)
    })
}

fn no_connection_went_elsewhere() {
    let came = elsewhere().0.accept().map(|(_, from)| from);
    assert_eq!(came.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "a redirect was followed");
}

impl Row {
    /// The service is not there at all: no fault of a service that is.
    fn is_refused(&self) -> bool {
        self.name == "refused"
    }

    /// An answer takes longer than a short wait: no one can say yet what is wrong with it.
    fn is_slow(&self) -> bool {
        use FaultKind::{GzipBomb, HugeBody, StallBody, StallHeaders};
        matches!((self.fault)(), StallHeaders(_) | StallBody(_) | HugeBody { .. } | GzipBomb { .. })
    }

    fn is_clock(&self) -> bool {
        matches!((self.fault)(), FaultKind::Clock { .. })
    }
}

/// The table in the order in which it takes the least time to work off.
fn slowest_first() -> Vec<&'static Row> {
    let mut rows: Vec<&Row> = MATRIX.iter().collect();
    rows.sort_by_key(|row| !row.is_slow());
    rows
}

/// Lets everything below `prefix` go wrong.
fn break_all(service: &Handle, prefix: &str, row: &Row) {
    service.fault(Fault { path_prefix: prefix.to_owned(), times: ALWAYS, kind: (row.fault)() });
}

/// A service at `address` again, after the one there was stopped. Its port may be held for a moment by what was closed.
async fn back_at(address: std::net::SocketAddr) -> Handle {
    simulator::spawn(Options { address, ..Options::default() }).await.unwrap()
}

fn contains(bytes: &[u8], part: &str) -> bool {
    // The standard library's search is quick even where nothing else is optimized.
    String::from_utf8_lossy(bytes).contains(part)
}

/// What stands in `bytes` and must not. `SIGNATURE` is asked for where no link belongs at all.
fn leak(bytes: &[u8], is_without_links: bool) -> Option<&'static str> {
    let signature = is_without_links.then_some(&SIGNATURE);
    CANARIES.iter().chain(signature).find(|canary| contains(bytes, canary)).copied()
}

/// Runs `work`; gives what it panicked with, under its name.
async fn failure(name: String, work: impl Future<Output = ()>) -> Option<String> {
    let ended = std::panic::AssertUnwindSafe(work).catch_unwind().await;
    ended.err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("{name}: {}", text.unwrap_or_default())
    })
}

/// Whether a row or a cell is wanted: `FAULT=part-of-its-name` chooses.
fn is_wanted(name: &str) -> bool {
    name.contains(&std::env::var("FAULT").unwrap_or_default())
}

/// Both transports of the real binary, and the third, at once: most of the time they wait for what stalls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_and_commands_tell_the_kind_in_time_and_serve_on() {
    let (stdio, http, shell) =
        tokio::join!(tools::conversations(false), tools::conversations(true), commands::in_a_shell());
    let failures = [stdio, http, shell].concat();
    assert!(failures.is_empty(), "{} rows failed:\n{}", failures.len(), failures.join("\n"));
    no_connection_went_elsewhere();
}

// The search for leaks sees what leaks

#[test]
fn what_leaks_is_seen_wherever_it_stands() {
    for canary in CANARIES {
        for text in
            [canary.to_owned(), format!("a{canary}b"), format!("{{\"a\":\"{canary}\"}}\n"), format!("\0\u{1}{canary}")]
        {
            assert_eq!(leak(text.as_bytes(), false), Some(canary));
        }
        assert_eq!(leak(&canary.as_bytes()[1..], true), None);
    }
    let link = format!("https://h.test/a?X-Amz-Expires=1&{SIGNATURE}0");
    assert_eq!((leak(link.as_bytes(), true), leak(link.as_bytes(), false)), (Some(SIGNATURE), None));
}
