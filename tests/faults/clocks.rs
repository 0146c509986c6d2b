//! Our own wall clock jumps: while a wait is under way, between a result and its reading, over the end of a day and of a
//! ledger's memory. The real binary runs under `clock.c`, which moves what it takes for the time; the service keeps the
//! right one.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use pdfco::simulator::{self, Handle, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::wire::{Wire, ledger_in};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const TEN_YEARS: i64 = 3_650 * DAY;

/// The shim, compiled once.
fn shim() -> &'static Path {
    static SHIM: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_folder, path) = SHIM.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clock.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/clock.c");
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&path).arg(source).status();
        assert!(compiled.unwrap().success());
        (folder, path)
    });
    path
}

/// A place with a clock and a disk of its own.
pub struct Place {
    pub folder: TempDir,
    ahead: std::fs::File,
}

impl Place {
    pub fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let ahead = std::fs::File::create_new(folder.path().join("ahead")).unwrap();
        let place = Place { folder, ahead };
        place.jump_to(0);
        place.disk_is(0);
        place
    }

    /// From now on the clock is so many seconds ahead of the right one.
    pub fn jump_to(&self, seconds: i64) {
        self.ahead.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    /// From now on the disk under the ledger is so: 0 fine, 1 does not answer, 2 full, 3 broken.
    pub fn disk_is(&self, state: i64) {
        self.ahead.write_all_at(&state.to_ne_bytes(), 8).unwrap();
    }

    pub fn server(&self, service: &Handle, more: &[(&str, &str)]) -> Wire {
        let (ahead, ledger) = (self.folder.path().join("ahead"), ledger_in(self.folder.path()));
        let folder = self.folder.path().display().to_string();
        let variables = [
            ("LD_PRELOAD", shim().to_str().unwrap()),
            ("CLOCK_AHEAD", ahead.to_str().unwrap()),
            ("PDFCO_LEDGER", &ledger),
            ("PDFCO_FILES", &folder),
            ("PDFCO_DOWNLOAD_DIR", &folder),
            ("PDFCO_CHECK_WORTH_SECONDS", "0.05"),
        ];
        Wire::ready(service.url(), &[&variables[..], more].concat())
    }
}

async fn service() -> Handle {
    simulator::spawn(Options::default()).await.unwrap()
}

/// Arguments of a job that takes so many seconds of the right time.
fn document(seconds: u32, wait: u32) -> Value {
    let options = json!({"html": "<p>Northwind</p>", "profiles": {"Simulate": {"seconds": seconds}}});
    json!({"operation": "html_to_pdf", "options": options, "wait": wait})
}

fn text(wait: u32) -> Value {
    let file = crate::support::product::documents().join("report.pdf");
    json!({"operation": "pdf_to_text", "url": file, "options": {"profiles": {"Simulate": {"checks": 0}}}, "wait": wait, "read": 0})
}

/// The year in which the process says that the job was submitted.
fn year_of(listed: &Value, job: &Value) -> i64 {
    let items = listed["content"]["items"].as_array().unwrap_or_else(|| panic!("{listed}"));
    let item = items.iter().find(|item| item["job_id"] == *job).unwrap_or_else(|| panic!("{listed}"));
    item["submitted_at"].as_str().unwrap_or_else(|| panic!("{listed}"))[..4].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_ends_with_job_or_timeout_under_any_clock() {
    let service = service().await;
    std::thread::scope(|scope| {
        for ahead in [HOUR, DAY, TEN_YEARS, -HOUR, -DAY, -TEN_YEARS] {
            let service = &service;
            scope.spawn(move || {
                let place = Place::new();
                let mut wire = place.server(service, &[]);
                let job = wire.call("submit_job", document(4, 0))["job"]["job_id"].clone();
                let endless = wire.call("submit_job", document(600, 0))["job"]["job_id"].clone();
                let began = Instant::now();
                let call = |job: &Value, timeout: u32| {
                    json!({"name": "wait_job_completion", "arguments": {"job_id": job, "timeout": timeout}})
                };
                let ended = wire.request("tools/call", call(&job, 30));
                let given_up = wire.request("tools/call", call(&endless, 5));
                // In the middle of both.
                assert!(wire.next_within(Duration::from_secs(2)).is_none());
                place.jump_to(ahead);
                let mut answers = Vec::new();
                while answers.len() < 2 {
                    let message = wire.next_within(Duration::from_secs(20)).expect("a wait did not end");
                    answers.push((message, began.elapsed()));
                }
                let answer = |id: i64| {
                    let (message, took) = answers.iter().find(|(message, _)| message["id"] == id).unwrap();
                    (&message["result"]["structuredContent"], took.as_secs_f64())
                };
                let (done, took) = answer(ended);
                assert_eq!(done["status"], "success", "{ahead}: {done}");
                assert!((3.0..15.0).contains(&took), "{ahead}: {took}");
                assert!(done["job"]["elapsed_seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0), "{done}");
                let (open, took) = answer(given_up);
                assert!(matches!(open["status"].as_str(), Some("queued" | "working")), "{ahead}: {open}");
                assert!((4.9..12.0).contains(&took), "{ahead}: {took}");
                let pause = open["job"]["retry_after_seconds"].as_f64().unwrap();
                assert!((0.0..=300.0).contains(&pause), "{ahead}: asked to come back after {pause} s");
                // The clock did jump: a job that is made now says so.
                let later = wire.call("submit_job", document(0, 20));
                assert_eq!(later["status"], "success", "{ahead}: {later}");
                let listed = wire.call("list_jobs", json!({}));
                let years = year_of(&listed, &later["job"]["job_id"]) - year_of(&listed, &job);
                assert_eq!(years.abs() >= 9, ahead.abs() == TEN_YEARS, "{ahead}: {later}");
                assert_eq!(listed["content"]["total"], 3, "{ahead}: what is under way stays: {listed}");
                assert!(!wire.finish().contains("panicked"));
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn result_is_read_and_saved_under_any_clock() {
    let service = service().await;
    std::thread::scope(|scope| {
        for ahead in [2 * HOUR, 3 * DAY, TEN_YEARS, -2 * HOUR, -TEN_YEARS] {
            let service = &service;
            scope.spawn(move || {
                let place = Place::new();
                let files = crate::support::product::documents().display().to_string();
                let allowed = format!("{}:{files}", place.folder.path().display());
                let mut wire = place.server(service, &[("PDFCO_FILES", &allowed)]);
                let made = wire.call("submit_job", text(20));
                assert_eq!(made["status"], "success", "{made}");
                let job = made["job"]["job_id"].clone();
                for (ahead, name) in [(ahead, "after.txt"), (0, "again.txt")] {
                    place.jump_to(ahead);
                    let saved = wire.call("download_result", json!({"job_id": job, "save_to": name}));
                    assert_eq!(saved["status"], "success", "{ahead}: {saved}");
                    let read = wire.call("read_result", json!({"job_id": job, "limit": 100}));
                    assert!(read["output"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{ahead}: {read}");
                }
                // Another process, for which the jump was before its time.
                drop(wire);
                let mut wire = place.server(service, &[("PDFCO_FILES", &allowed)]);
                place.jump_to(ahead.min(0));
                let read = wire.call("read_result", json!({"job_id": job, "limit": 100}));
                assert!(read["output"]["text"].is_string(), "{ahead}: {read}");
                wire.finish();
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_days_budget_is_that_of_the_day_that_the_clock_shows() {
    let (service, place) = (service().await, Place::new());
    let wire = &mut place.server(&service, &[("PDFCO_CREDIT_BUDGET", "15")]);
    let submit = |wire: &mut Wire| wire.call("submit_job", document(0, 0));
    let kind = |answer: &Value| answer["content"]["kind"].as_str().map(str::to_owned);
    assert_eq!(kind(&submit(wire)), None, "nothing is spent yet");
    let spent = submit(wire);
    assert_eq!(kind(&spent).as_deref(), Some("insufficient_credits"), "{spent}");
    place.jump_to(DAY);
    assert_eq!(kind(&submit(wire)), None, "a new day");
    assert_eq!(kind(&submit(wire)).as_deref(), Some("insufficient_credits"));
    // Set back, the old day is spent as it was.
    place.jump_to(0);
    assert_eq!(kind(&submit(wire)).as_deref(), Some("insufficient_credits"));
    assert_eq!(service.count("/v1/pdf/convert/from/html"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_forgets_no_running_job() {
    let (service, place) = (service().await, Place::new());
    let total = |ahead: i64| {
        place.jump_to(ahead);
        let mut wire = place.server(&service, &[("PDFCO_LEDGER_KEEP_DAYS", "30")]);
        let total = wire.call("list_jobs", json!({}))["content"]["total"].as_u64().unwrap();
        wire.finish();
        total
    };
    let mut wire = place.server(&service, &[]);
    wire.call("submit_job", document(600, 0));
    wire.finish();
    assert_eq!([total(29 * DAY), total(-TEN_YEARS), total(0)], [1, 1, 1]);
    assert_eq!([total(31 * DAY), total(0)], [1, 1]);
}
