//! Every fault against every kind of operation, below the transports: a cell is [`cell`].

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use pdfco::answer::Answer;
use pdfco::api::Timeouts;
use pdfco::app::{App, Caller, ListRequest, ReadRequest, ResponseMode, SubmitRequest};
use pdfco::error::{Kind, Result};
use pdfco::files::Sandbox;
use pdfco::jobs::{JobId, JobStatus};
use pdfco::simulator::{self, FaultKind, Handle, Options};
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{MATRIX, Meets, Row, back_at, break_all, contains, failure, is_wanted, leak};
use crate::support::product::{config, documents, request};
use Kind::{InsufficientCredits, RateLimited};
use Meets::{Ends, Fine, Unclear, Waits};

/// Time limits of single requests where the service stalls; those of the product are several times as long, and hold
/// where it does not: a busy machine is no stall. `tools.rs` and `commands.rs` meet stalls under the product's own.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(2),
    safe: Duration::from_secs(5),
    paid: Duration::from_secs(5),
    idle: Duration::from_secs(2),
};
/// Cells that run at once: most of their time they wait.
const AT_ONCE: usize = 48;
/// The whole table.
const MATRIX_TIME: Duration = Duration::from_secs(120);
/// Budget of a wait.
const WAIT: Duration = Duration::from_secs(8);

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

    /// The bound that is promised: repeats begin within 20 s, and each takes 20 s at most; a download survives five cuts
    /// with growing pauses.
    fn bound(self) -> Duration {
        match self {
            Op::Wait => WAIT + Duration::from_secs(7),
            Op::Download => Duration::from_secs(45),
            _ => Duration::from_secs(42),
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
            is_remote: false,
            owner: app.config.key().unwrap().clone().into(),
            sandbox: Arc::new(Sandbox::folders(vec![documents(), folder.path().to_owned()], folder.path().join("out"))),
            policy: pdfco::app::Policy::person(),
            consent: pdfco::app::Consent::Needed,
            max_wait: None,
            response_mode: ResponseMode::Inline,
            cancel: CancellationToken::new(),
            on_event: Arc::new(|_| {}),
        };
        let mut cell = Cell { service, app, caller, folder, job: None };
        if row.is_clock() {
            break_all(&cell.service, "/", row);
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
            Op::Read => self.app.read(&self.caller, &ReadRequest::of(job)).await,
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

/// One fault, one operation, from the first byte to the recovery.
async fn cell(row: &Row, op: Op) {
    let mut cell = Cell::new(row, op).await;
    let expected = op.meets(row);
    let is_refused = row.is_refused();
    let address = cell.service.url().trim_start_matches("http://").parse().unwrap();
    if is_refused {
        // The port is closed; what the service knew is gone with it.
        let fresh = simulator::spawn(Options::default()).await.unwrap();
        std::mem::replace(&mut cell.service, fresh).stop().await;
    } else {
        break_all(&cell.service, op.path(), row);
    }

    let began = Instant::now();
    let outcome = tokio::time::timeout(op.bound(), cell.run(op)).await;
    let took = began.elapsed();
    let outcome = outcome.unwrap_or_else(|_| panic!("not over after {took:?}"));
    met(&cell, op, expected, &outcome).await;
    let key_was_refused = outcome.as_ref().is_err_and(|error| error.kind() == Kind::Auth);
    if !is_refused {
        // A clock was wrong from the beginning on, for everything; anything else for this one kind of request.
        let prefix = if row.is_clock() { "/" } else { op.path() };
        assert!(cell.service.faults_taken(prefix, None) > 0, "the fault met no request");
    }

    // The same process serves the same call once all is well again.
    cell.service.heal();
    if is_refused {
        cell.service = back_at(address).await;
        let good = tokio::time::timeout(Duration::from_secs(40), cell.app.balance(&cell.caller)).await;
        assert_eq!(good.expect("the recovery takes too long").unwrap().status, "success");
    } else {
        let is_hurried = matches!((row.fault)(), FaultKind::StallHeaders(_) | FaultKind::StallBody(_));
        if key_was_refused && cell.run(op).await.is_err_and(|error| error.kind() == Kind::Auth) {
            // A refused key that was never accepted is not sent again for a minute.
            cell.app.jobs().ledger().close().await;
            return;
        }
        let good = tokio::time::timeout(Duration::from_secs(60), once_allowed(&cell, op, is_hurried)).await;
        let good = good.expect("the recovery takes too long");
        assert!(!good.is_error && good.status != "error", "{good:?}");
        if op == Op::Read {
            assert!(good.output.is_some_and(|output| output.text.contains("Northwind") || expected == Fine));
        }
    }
    let is_without_links = matches!(op, Op::Submit | Op::Ask | Op::Put | Op::Balance | Op::Account);
    assert_eq!(leak(&cell.ledger_bytes(), is_without_links), None, "in the ledger");
    cell.app.jobs().ledger().close().await;
}

/// The call again, after the pause that the service asked for while it was ill.
async fn once_allowed(cell: &Cell, op: Op, is_hurried: bool) -> Answer {
    loop {
        match cell.run(op).await {
            Err(error) if error.kind() == RateLimited => {
                tokio::time::sleep(error.retry_after().unwrap()).await;
            }
            // Their time limits are short enough for a busy machine to seem a stall.
            Err(error) if error.kind() == Kind::Network && is_hurried => {}
            outcome => return outcome.unwrap(),
        }
    }
}

/// The call ended as the table says, and the ledger says the same.
async fn met(cell: &Cell, op: Op, expected: Meets, outcome: &Result<Answer>) {
    let jobs = cell.app.list(&cell.caller, &ListRequest { limit: 10, ..ListRequest::default() }).await.unwrap().items;
    let last_error = |answer: &Answer| answer.job.as_ref().and_then(|job| job.last_check_error.clone());
    match (expected, outcome) {
        (Fine, Ok(answer)) => assert!(answer.status != "error" && !answer.is_error, "{answer:?}"),
        (Waits(kind), Ok(answer)) => {
            assert!(matches!(answer.status.as_str(), "queued" | "working"), "{answer:?}");
            let error = last_error(answer).unwrap_or_else(|| panic!("no last error: {answer:?}"));
            assert_eq!(error.kind, kind, "{answer:?}");
            assert!(
                answer.tips.as_ref().is_some_and(|tips| tips
                    .text(pdfco::next_step::Audience::Agent)
                    .contains(cell.job.as_ref().unwrap())),
                "{answer:?}"
            );
        }
        (Ends(kind), Err(error)) => {
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(!error.message().contains("charged"), "{error:?}");
        }
        (Unclear(kind), Err(error)) => {
            assert_eq!(error.kind(), kind, "{error:?}");
            assert!(
                error.message().contains("charged")
                    && error.hint().text(pdfco::next_step::Audience::Agent).contains("get_credit_balance"),
                "{error:?}"
            );
            assert!(!error.is_retryable(), "an agent would repeat it: {error:?}");
        }
        (expected, outcome) => panic!("expected {expected:?}: {outcome:?}"),
    }
    // Nothing lost.
    match op {
        Op::Submit | Op::Direct | Op::Account => match expected {
            Ends(_) => assert!(jobs.is_empty(), "a refusal leaves no job: {jobs:?}"),
            Unclear(kind) => {
                assert_eq!((jobs.len(), &jobs[0].status), (1, &JobStatus::Queued), "{jobs:?}");
                let trace =
                    cell.app.jobs().get(&cell.caller.owner, &JobId::parse(&jobs[0].job_id).unwrap()).await.unwrap();
                assert_eq!(trace.problem.as_ref().map(|problem| problem.kind), Some(kind));
            }
            Fine | Waits(_) => assert_eq!(jobs.len(), 1),
        },
        Op::Check | Op::Wait | Op::Download | Op::Read => {
            let job = cell
                .app
                .jobs()
                .get(&cell.caller.owner, &JobId::parse(cell.job.as_ref().unwrap()).unwrap())
                .await
                .unwrap();
            let is_finished = matches!(op, Op::Download | Op::Read);
            assert!(!is_finished || job.status.as_str() == "success", "{job:?}");
            assert!(expected == Fine || is_finished || !job.status.is_terminal(), "{job:?}");
        }
        Op::Ask | Op::Put | Op::Balance => assert!(jobs.is_empty()),
    }
    if op == Op::Download {
        assert_eq!(cell.saved_files().len(), usize::from(expected == Fine), "{:?}", cell.saved_files());
    }
    // Nothing leaked: neither to the caller nor to the one who prints the error with its causes.
    let text = shown(outcome);
    assert_eq!(leak(text.as_bytes(), outcome.is_err()), None, "{text}");
}

/// All that a caller sees of an outcome.
fn shown(outcome: &Result<Answer>) -> String {
    match outcome {
        Ok(answer) => serde_json::to_string(answer).unwrap(),
        Err(error) => format!("{error:?}{}", serde_json::to_string(&Answer::from_error(error)).unwrap()),
    }
}

/// Log lines that hold what they must not; at most a few are kept.
#[derive(Clone, Default)]
struct Leaks(Arc<Mutex<Vec<String>>>);

impl Leaks {
    fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
        let writer = self.clone();
        tracing_subscriber::fmt()
            // The protocol library logs what goes through it, and is silent in the product too.
            .with_env_filter("trace,pdfco::simulator=off,rmcp=off")
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish()
    }
}

impl Write for Leaks {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut lines = self.0.lock().unwrap();
        if leak(line, true).is_some() && lines.len() < 5 {
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
    // Everything that the product and its libraries would ever log, in all tests of this program; the simulator plays
    // the service here.
    tracing::subscriber::set_global_default(leaks.subscriber()).unwrap();
    let began = Instant::now();
    let cells =
        MATRIX.iter().flat_map(|row| Op::ALL.iter().map(move |op| (row, *op, format!("{} × {op:?}", row.name))));
    let cells = cells.filter(|(_, _, name)| is_wanted(name));
    let failures: Vec<String> = stream::iter(cells)
        .map(|(row, op, name)| failure(name, cell(row, op)))
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(failures.is_empty(), "{} cells failed:\n{}", failures.len(), failures.join("\n"));
    let leaks = leaks.0.lock().unwrap().clone();
    assert!(leaks.is_empty(), "logged:\n{}", leaks.concat());
    super::no_connection_went_elsewhere();
    let took = began.elapsed();
    println!("{} cells in {took:?}", MATRIX.len() * Op::ALL.len());
    assert!(took < MATRIX_TIME, "{took:?}");
}

/// The same search as in every cell, at things that do leak: planted where a caller may put what they like.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_leak_is_found_in_the_answer_the_ledger_and_the_log() {
    let row = &MATRIX[0];
    let cell = Cell::new(row, Op::Balance).await;
    assert_eq!(leak(&cell.ledger_bytes(), true), None);
    for (canary, arguments) in [
        // No secret by its name: kept and shown.
        ("canary-password", json!({"html": "<p>a</p>", "name": "canary-password.pdf"})),
        ("canary-query", json!({"html": "<p>canary-query</p>"})),
    ] {
        let outcome = cell.app.submit(&cell.caller, request("html_to_pdf", arguments, Duration::ZERO)).await;
        let job = outcome.as_ref().unwrap().job.as_ref().unwrap().job_id.clone();
        let kept = cell.app.jobs().get(&cell.caller.owner, &JobId::parse(&job).unwrap()).await.unwrap();
        assert!(kept.arguments.to_string().contains(canary), "{kept:?}");
        assert!(contains(&cell.ledger_bytes(), canary), "the ledger's files are read wholly");
        assert!(leak(&cell.ledger_bytes(), true).is_some());
    }
    let refused = cell.app.submit(&cell.caller, request("canary-query", json!({}), Duration::ZERO)).await;
    assert_eq!(leak(shown(&refused).as_bytes(), true), Some("canary-query"), "an error quotes a name that is none");
    let leaks = Leaks::default();
    tracing::subscriber::with_default(leaks.subscriber(), || tracing::trace!(key = "sim_canary-key", "planted"));
    assert_eq!(leak(leaks.0.lock().unwrap().concat().as_bytes(), true), Some("canary-key"));
    cell.app.jobs().ledger().close().await;
}

#[tokio::test]
async fn exhausted_credits_end_a_batch_with_jobs_accounted_for() {
    let service = simulator::spawn(Options { credits: 70, ..Options::default() }).await.unwrap();
    let product = crate::support::product::Product::new(service.url(), "sim_batch");
    let submit = |number: u32| {
        let html = json!({"html": format!("<p>{number}</p>"), "profiles": {"Simulate": {"checks": 0}}});
        product.app.submit(&product.caller, request("html_to_pdf", html, Duration::ZERO))
    };
    let (mut accepted, mut refused, mut spent) = (Vec::new(), 0, 0);
    for number in 0..8 {
        match submit(number).await {
            Ok(answer) => {
                spent += answer.charge.credits.unwrap();
                accepted.push(answer.job.unwrap().job_id);
            }
            Err(error) => {
                assert_eq!(error.kind(), InsufficientCredits, "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(!accepted.is_empty() && refused > 0, "{accepted:?}");
    let listed = product.app.list(&product.caller, &ListRequest { limit: 50, ..ListRequest::default() }).await.unwrap();
    assert_eq!(listed.total, accepted.len() as i64, "what was refused left nothing, what was accepted is there");
    // Looking costs as well: once nothing is left a wait says so at once, and the job stays as it was.
    for id in &accepted {
        let began = Instant::now();
        match product.app.wait(&product.caller, id, Some(Duration::from_secs(5)), None).await {
            Ok(answer) => spent += answer.charge.credits.unwrap_or_default(),
            Err(error) => {
                assert_eq!(error.kind(), InsufficientCredits, "{error:?}");
                assert!(began.elapsed() < Duration::from_secs(2));
                assert!(
                    !product
                        .app
                        .jobs()
                        .get(&product.caller.owner, &JobId::parse(id).unwrap())
                        .await
                        .unwrap()
                        .status
                        .is_terminal()
                );
            }
        }
    }
    assert_eq!(70 - service.credits("sim_batch"), spent, "what was spent is what was reported");
    let by_day = product.app.spending(&product.caller, 10).await.unwrap();
    let counted: i64 = by_day.iter().map(|row| row.credits).sum();
    assert_eq!(counted, spent, "and what the ledger counted");
}
