//! Hours in minutes: a thousand jobs through two servers on one ledger, one of which is killed again and again, while the
//! service has faults of all kinds. Every line tells memory, file descriptors and the ledger's soundness; something that
//! grows beyond its bound, is lost, done twice or does not add up ends it with an error.
//!
//! `cargo build --release && cargo run --release --example soak [minutes] [jobs] [seconds a line] [seconds between kills]`;
//! 60 1000 60 120 by default.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the report is the result"
)]

#[path = "../tests/support/wire.rs"]
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use pdfco::simulator::{self, Fault, FaultKind, Handle, Life, Options};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use tokio::runtime::Handle as Runtime;
use wire::{Wire, ledger_in};

/// How much the memory of the server that lives through it all may grow after its first quarter.
const GROWTH_KIB: u64 = 24 * 1024;
/// The same for its file descriptors.
const GROWTH_DESCRIPTORS: usize = 12;
/// Credits that a request may have cost whose answer was lost: a page, and the look that saw it.
const LOST_COSTS: i64 = 40;
/// Calls on the way at once, over both servers.
const OPEN_MAX: usize = 32;
/// What the account starts with.
const CREDITS: i64 = 100_000_000;
const SUBMIT: &str = "/v1/pdf/convert/from/html";
const KEY: &str = "sim_soak";

/// A call on its way.
#[derive(Clone, Debug)]
enum Asked {
    Submit(u32),
    Wait(u32, String),
    Read(String),
}

/// Everything about the run.
struct Soak {
    service: Handle,
    runtime: Runtime,
    ledger: String,
    servers: [Wire; 2],
    open: [HashMap<i64, Asked>; 2],
    /// To be asked when there is room: a restart or a refusal brought them back.
    again: Vec<Asked>,
    ended: BTreeMap<String, u32>,
    /// Submits whose fate nobody knows: in the ledger they stay as they are.
    unclear: u32,
    kills: u32,
    faults: BTreeMap<&'static str, u32>,
    /// Answers that were paid for and never came, at most.
    lost: u32,
    random: u64,
    /// End states that were seen in the ledger.
    settled: HashMap<String, String>,
}

impl Soak {
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 8) % limit
    }

    fn start(service: &Handle, ledger: &str) -> Wire {
        let variables = [
            ("PDFCO_LEDGER", ledger),
            ("PDFCO_API_KEY", KEY),
            ("PDFCO_RATE_LIMIT", "40"),
            ("PDFCO_CHECK_WORTH_SECONDS", "0.5"),
        ];
        Wire::ready(service.url(), &variables)
    }

    /// Sends a call to one of the servers.
    fn ask(&mut self, server: usize, asked: Asked) {
        let (tool, arguments) = match &asked {
            Asked::Submit(number) => {
                let options = json!({"html": format!("<p>job {number}</p>")});
                let arguments = json!({"operation": "html_to_pdf", "options": options, "wait": 0, "client_request_id": name_of(*number)});
                ("submit_job", arguments)
            }
            Asked::Wait(_, id) => ("wait_job_completion", json!({"job_id": id, "timeout": 20})),
            Asked::Read(id) => ("download_result", json!({"job_id": id, "overwrite": true})),
        };
        let id = self.servers[server].request("tools/call", json!({"name": tool, "arguments": arguments}));
        self.open[server].insert(id, asked);
    }

    /// Takes the answers that are there.
    fn listen(&mut self) {
        for server in 0..2 {
            while let Some(message) = self.servers[server].next_within(Duration::ZERO) {
                let Some(asked) = message["id"].as_i64().and_then(|id| self.open[server].remove(&id)) else { continue };
                self.answered(asked, &message["result"]["structuredContent"]);
            }
        }
    }

    fn answered(&mut self, asked: Asked, answer: &Value) {
        let status = answer["status"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let id = answer["job"]["job_id"].as_str().unwrap_or_default().to_owned();
        let kind = answer["content"]["kind"].as_str().unwrap_or_default();
        match (asked, status) {
            (Asked::Submit(_), "error") if answer.to_string().contains("charged") => self.unclear += 1,
            // Its submit died with a server, or its answer was lost: a trace.
            (Asked::Submit(_), "queued" | "working") if id.starts_with("local-") => self.unclear += 1,
            (Asked::Submit(number), "queued" | "working") => self.again.push(Asked::Wait(number, id)),
            (Asked::Submit(_) | Asked::Wait(..), "success") => self.again.push(Asked::Read(id)),
            (Asked::Wait(number, _), "queued" | "working") => self.again.push(Asked::Wait(number, id)),
            (Asked::Read(..), "success") => *self.ended.entry("read".to_owned()).or_default() += 1,
            (Asked::Read(..), "error") if kind == "link_expired" => {
                *self.ended.entry("expired".to_owned()).or_default() += 1;
            }
            // What could not be done now is done later.
            (asked, "error") if matches!(kind, "network" | "upstream" | "rate_limited" | "too_large") => {
                self.again.push(asked);
            }
            (asked, _) => panic!("{asked:?}: {answer}"),
        }
    }

    /// Lets one of a few requests go wrong.
    fn fault(&mut self) {
        let (name, kind) = match self.below(13) {
            0 => ("500", FaultKind::Status { code: 500, retry_after: None, body: None }),
            1 => ("503", FaultKind::Status { code: 503, retry_after: Some("1".to_owned()), body: None }),
            2 => ("429", FaultKind::Status { code: 429, retry_after: Some("1".to_owned()), body: None }),
            3 => ("reset", FaultKind::Reset),
            4 => ("lost answer", FaultKind::LoseAnswer),
            5 => ("truncated", FaultKind::Truncate),
            6 => ("invalid JSON", FaultKind::InvalidJson),
            7 => ("page", FaultKind::Html { code: 502 }),
            8 => ("huge", FaultKind::HugeBody { bytes: 50_000_000 }),
            9 => ("bad chunks", FaultKind::BadChunks),
            10 => ("stall", FaultKind::StallHeaders(Duration::from_secs(4))),
            11 => ("gzip bomb", FaultKind::GzipBomb { bytes: 50_000_000 }),
            _ => ("slow", FaultKind::Slow(Duration::from_secs(2))),
        };
        let paths = ["/v1/job/check", "/v1/job/check", SUBMIT, "*.pdf"];
        let path_prefix = paths[self.below(4) as usize].to_owned();
        let times = 1 + self.below(2) as u32;
        if matches!(name, "lost answer" | "truncated") && path_prefix != "*.pdf" {
            self.lost += times;
        }
        *self.faults.entry(name).or_default() += times;
        self.service.fault(Fault { path_prefix, times, kind });
    }

    /// Kills the second server in the middle of whatever it does; another takes its place, and is asked the same.
    fn kill(&mut self) {
        self.servers[1].kill();
        self.kills += 1;
        // Whatever was on its way was perhaps paid for.
        self.lost += self.open[1].len() as u32;
        self.servers[1] = Soak::start(&self.service, &self.ledger);
        let open: Vec<Asked> = self.open[1].drain().map(|(_, asked)| asked).collect();
        self.again.extend(open);
    }

    fn on_the_way(&self) -> usize {
        self.open.iter().map(HashMap::len).sum()
    }

    /// Looks at the ledger's file from outside. Gives the number of its jobs, and of those that have not ended.
    fn inspect(&mut self) -> (i64, i64) {
        let (path, runtime) = (self.ledger.clone(), self.runtime.clone());
        let rows: Vec<(String, String, Option<String>)> = runtime.block_on(async {
            let mut file = open(Path::new(&path)).await;
            let sound: String = sqlx::query("PRAGMA integrity_check").fetch_one(&mut file).await.unwrap().get(0);
            assert_eq!(sound, "ok", "the ledger is damaged");
            let rows = sqlx::query("SELECT client_request_id, status, job_id FROM jobs").fetch_all(&mut file).await;
            let spent: i64 = sqlx::query("SELECT COALESCE(SUM(credits), 0) FROM spending")
                .fetch_one(&mut file)
                .await
                .unwrap()
                .get(0);
            let by_job: i64 = sqlx::query(
                "SELECT COALESCE(SUM(COALESCE(submit_credits, 0) + COALESCE(check_credits, 0)), 0) FROM jobs",
            )
            .fetch_one(&mut file)
            .await
            .unwrap()
            .get(0);
            let charged = CREDITS - self.service.credits(KEY);
            let unseen = i64::from(self.lost) * LOST_COSTS;
            // What is on its way right now is charged a moment before it is counted.
            let moving = self.on_the_way() as i64 * LOST_COSTS;
            assert!(by_job <= spent, "jobs cost {by_job}, {spent} were counted");
            assert!(spent <= charged + moving, "{spent} counted, {charged} charged");
            assert!(charged - spent <= unseen + moving, "{charged} charged, {spent} counted, {unseen} perhaps unseen");
            assert!(spent - by_job <= unseen + moving, "{spent} counted, {by_job} found with jobs");
            file.close().await.unwrap();
            rows.unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
        });
        let mut open = 0;
        for (name, status, job_id) in &rows {
            let is_end = matches!(status.as_str(), "success" | "failed" | "aborted");
            if let Some(before) = self.settled.get(name) {
                assert_eq!(before, status, "{name} moved out of its end");
            } else if is_end {
                self.settled.insert(name.clone(), status.clone());
            }
            open += i64::from(!is_end && job_id.is_some());
        }
        // No job was made twice: each is one that the ledger has by its id, or one whose fate is unknown.
        let named = rows.iter().filter(|(_, _, job_id)| job_id.is_some()).count();
        let (made, traces) = (self.service.jobs(), rows.len() - named);
        assert!(made <= named + traces, "{made} jobs were made; {named} have an id, {traces} have none");
        // Whatever reached the service is in the ledger.
        let mut arrived = HashMap::<String, u32>::new();
        for request in self.service.requests().iter().filter(|request| request.path == SUBMIT) {
            let html = request.body.as_ref().and_then(|body| body["html"].as_str()).unwrap_or_default();
            *arrived.entry(html.to_owned()).or_default() += 1;
        }
        for number in 0..u32::MAX {
            let Some(_) = arrived.remove(&format!("<p>job {number}</p>")) else {
                if arrived.is_empty() {
                    break;
                }
                continue;
            };
            let name = name_of(number);
            let is_being_submitted = self
                .open
                .iter()
                .flat_map(HashMap::values)
                .chain(&self.again)
                .any(|asked| matches!(asked, Asked::Submit(other) if *other == number));
            assert!(is_being_submitted || rows.iter().any(|(known, _, _)| *known == name), "{name} is lost");
        }
        (rows.len() as i64, open)
    }
}

fn name_of(number: u32) -> String {
    format!("soak-{number}")
}

async fn open(path: &Path) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(10));
    options.connect().await.unwrap()
}

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>().unwrap());
    let mut next = |usual| numbers.next().unwrap_or(usual);
    let (minutes, jobs, line, between_kills) = (next(60), next(1_000) as u32, next(60), next(120));
    let length = Duration::from_secs(minutes * 60);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let life = Life::Time { median: Duration::from_secs(6), sigma: 0.8 };
    let options = Options { credits: CREDITS, life, requests_per_second: Some(60), ..Options::default() };
    let service = runtime.block_on(simulator::spawn(options)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger_in(folder.path());
    let servers = [Soak::start(&service, &ledger), Soak::start(&service, &ledger)];
    let mut soak = Soak {
        service,
        runtime: runtime.handle().clone(),
        ledger,
        servers,
        open: Default::default(),
        again: Vec::new(),
        ended: BTreeMap::new(),
        unclear: 0,
        kills: 0,
        faults: BTreeMap::new(),
        lost: 0,
        random: 0x2545_f491_4f6c_dd1d,
        settled: HashMap::new(),
    };
    println!("{minutes} minutes, {jobs} jobs, a kill every {between_kills} s, a fault about every 2 s");
    println!(
        "{:>7} {:>6} {:>6} {:>6} {:>7} {:>6} {:>9} {:>4} {:>6}",
        "seconds", "rows", "open", "read", "unclear", "kills", "VmRSS KiB", "fds", "faults"
    );
    let began = Instant::now();
    let mut submitted = 0_u32;
    let (mut next_line, mut next_kill, mut next_fault) = (line, between_kills, 2);
    let mut settled_memory: Option<(u64, usize)> = None;
    // The last tenth is for what is left to do, and for it alone.
    let submits_end = length.mul_f64(0.8);
    loop {
        let elapsed = began.elapsed();
        let is_calm = elapsed >= length.mul_f64(0.9);
        soak.listen();
        if !is_calm && elapsed.as_secs() >= next_fault {
            next_fault += 1 + soak.below(3);
            soak.fault();
        }
        if !is_calm && elapsed.as_secs() >= next_kill {
            next_kill += between_kills;
            soak.kill();
        }
        if is_calm {
            soak.service.heal();
        }
        let due = (f64::from(jobs) * (elapsed.as_secs_f64() / submits_end.as_secs_f64()).min(1.0)) as u32;
        while soak.on_the_way() < OPEN_MAX {
            let asked = if let Some(asked) = soak.again.pop() {
                asked
            } else if submitted < due {
                submitted += 1;
                Asked::Submit(submitted - 1)
            } else {
                break;
            };
            let server = usize::from(soak.open[1].len() < soak.open[0].len());
            soak.ask(server, asked);
        }
        let is_over = elapsed >= length;
        if elapsed.as_secs() >= next_line || is_over {
            next_line += line;
            let (rows, open) = soak.inspect();
            let (memory, descriptors) =
                (soak.servers[0].resident().unwrap_or(0), soak.servers[0].descriptors().unwrap_or(0));
            let read = soak.ended.get("read").copied().unwrap_or(0);
            let faults: u32 = soak.faults.values().sum();
            println!(
                "{:>7} {rows:>6} {open:>6} {read:>6} {:>7} {:>6} {memory:>9} {descriptors:>4} {faults:>6}",
                elapsed.as_secs(),
                soak.unclear,
                soak.kills,
            );
            if elapsed >= length.mul_f64(0.25) {
                let (memory_then, descriptors_then) = *settled_memory.get_or_insert((memory, descriptors));
                assert!(memory <= memory_then + GROWTH_KIB, "memory grew from {memory_then} to {memory} KiB");
                assert!(
                    descriptors <= descriptors_then + GROWTH_DESCRIPTORS,
                    "{descriptors_then} became {descriptors}"
                );
            }
        }
        if is_over {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // Whatever is still on its way may end.
    let patience = Instant::now() + Duration::from_secs(120);
    while (soak.on_the_way() > 0 || !soak.again.is_empty()) && Instant::now() < patience {
        soak.listen();
        while let Some(asked) = soak.again.pop() {
            soak.ask(0, asked);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let (rows, open) = soak.inspect();
    let ended: u32 = soak.ended.values().sum();
    println!("faults: {:?}", soak.faults);
    println!(
        "{rows} rows, {open} without an end; {ended} jobs ended ({:?}), {} of unknown fate, {} kills",
        soak.ended, soak.unclear, soak.kills
    );
    println!("credits: {} charged by the service", CREDITS - soak.service.credits(KEY));
    assert_eq!(submitted, jobs, "not all were submitted");
    assert_eq!((open, soak.on_the_way()), (0, 0), "something did not end");
    assert_eq!(ended + soak.unclear, jobs, "a job is unaccounted for");
    let Soak { servers, .. } = soak;
    for server in servers {
        let said = server.finish();
        assert!(!said.contains("panicked"), "{said}");
    }
    println!("sound");
}
