//! An hour's soak: a thousand jobs through two servers on one ledger, one of which is killed or asked to end again and
//! again, while the service has faults of all kinds. Something that grows, is lost, done twice or does not add up ends it
//! with an error; at the end stands a table.
//!
//! `cargo bench --bench soak -- MINUTES [jobs] [seconds a line] [seconds between restarts]`, such as `60` or `3 60 20 20`.
//! Without minutes, as in a plain `cargo bench`, it only says so.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the report is the result"
)]

#[path = "../tests/support/home.rs"]
mod home;
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

/// How much more memory the server that lives through it all may hold in the last part of the run than in an early one:
/// the medians of samples taken every second, so that neither a peak nor its lack says anything.
const GROWTH_KIB: i64 = 2 * 1024;
/// The same for its file descriptors.
const GROWTH_DESCRIPTORS: i64 = 2;
/// The parts that are compared, in shares of the run; in between it lies the longest.
const EARLY: [f64; 2] = [0.2, 0.4];
const LATE: [f64; 2] = [0.65, 0.85];
/// How much more memory and how many more descriptors a restarted server may hold than the one that was never restarted.
const RESTARTED_KIB: i64 = 4 * 1024;
const RESTARTED_DESCRIPTORS: i64 = 8;
/// What the simulator takes for a page from HTML and for a check.
const SUBMIT_COSTS: i64 = 9;
const LOOK_COSTS: i64 = 2;
/// Jobs of unknown fate are reported as such; if they were many, the run would show little. So submits get a fault for every
/// so many at most, and less than so large a part may be of unknown fate.
const SUBMITS_PER_FAULT: u32 = 8;
const UNCLEAR_SHARE: u32 = 4;
/// Shorter runs show memory and do not judge it: an allocator needs a while to have seen the largest of everything.
const MINUTES_TO_JUDGE: u64 = 30;
/// How long a server that was asked to end may take: submits that have left are waited for.
const END_PATIENCE: Duration = Duration::from_secs(20);
/// Calls on the way at once, over both servers.
const OPEN_MAX: usize = 32;
/// What the account starts with.
const CREDITS: i64 = 100_000_000;
const SUBMIT: &str = "/v1/pdf/convert/from/html";
const CHECK: &str = "/v1/job/check";
/// Paths that have faults, and how likely each is.
const PATHS: [&str; 4] = [CHECK, CHECK, SUBMIT, "*.pdf"];
/// Faults that come after the work was done and charged for.
const CHARGED: [&str; 2] = ["lose_answer", "truncate"];
const KEY: &str = "sim_soak";

/// A call on its way.
#[derive(Clone, Debug)]
enum Asked {
    Submit(u32),
    Wait(u32, String),
    Read(String),
}

/// One inspection of the processes.
#[derive(Clone, Copy)]
struct Sample {
    at: f64,
    server: usize,
    kib: i64,
    descriptors: i64,
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
    /// Submits whose fate is unknown: in the ledger they stay as they are.
    unclear: u32,
    kills: u32,
    ends: u32,
    /// Submits and waits that were on their way when a server was killed, or asked to end.
    cut_submits: i64,
    cut_waits: i64,
    /// Faults that were meant for submits.
    submit_faults: u32,
    /// Memory in KiB and descriptors of both servers, every second: when, and of which life of the second one.
    samples: Vec<Sample>,
    /// What was charged and not counted, and what was allowed, at the last inspection.
    unseen: (i64, i64),
    /// Rows without an id of the service, at the last inspection.
    traces: usize,
    inspections: u32,
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
            (Asked::Submit(_), "error") if answer.to_string().contains("may have") => self.unclear += 1,
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
            (asked, "error") if matches!(kind, "network" | "upstream" | "rate_limited" | "too_large" | "cancelled") => {
                self.again.push(asked);
            }
            (asked, _) => panic!("{asked:?}: {answer}"),
        }
    }

    /// Lets one of a few requests go wrong.
    fn fault(&mut self, submitted: u32) {
        let kind = match self.below(13) {
            0 => FaultKind::Status { code: 500, retry_after: None, body: None },
            1 => FaultKind::Status { code: 503, retry_after: Some("1".to_owned()), body: None },
            2 => FaultKind::Status { code: 429, retry_after: Some("1".to_owned()), body: None },
            3 => FaultKind::Reset,
            4 => FaultKind::LoseAnswer,
            5 => FaultKind::Truncate,
            6 => FaultKind::InvalidJson,
            7 => FaultKind::Html { code: 502 },
            8 => FaultKind::HugeBody { bytes: 50_000_000 },
            9 => FaultKind::BadChunks,
            10 => FaultKind::StallHeaders(Duration::from_secs(4)),
            11 => FaultKind::GzipBomb { bytes: 50_000_000 },
            _ => FaultKind::Slow(Duration::from_secs(2)),
        };
        let times = 1 + self.below(2) as u32;
        let path_prefix = match PATHS[self.below(4) as usize] {
            SUBMIT if (self.submit_faults + times) * SUBMITS_PER_FAULT > submitted => CHECK.to_owned(),
            SUBMIT => {
                self.submit_faults += times;
                SUBMIT.to_owned()
            }
            path => path.to_owned(),
        };
        self.service.fault(Fault { path_prefix, times, kind });
    }

    /// Credits that the service took for answers that never came: of faults that requests really met, and of what a
    /// server had on its way when it was ended, at most.
    fn unseen_at_most(&self) -> i64 {
        let charged =
            |path: &str| CHARGED.map(|word| self.service.faults_taken(path, Some(word)) as i64).iter().sum::<i64>();
        (charged(SUBMIT) + self.cut_submits) * SUBMIT_COSTS + (charged(CHECK) + self.cut_waits) * LOOK_COSTS
    }

    /// Submits whose fate may be unknown: their request met a fault that says nothing, or their server was ended.
    fn unclear_at_most(&self) -> u32 {
        let met = self.service.faults_taken(SUBMIT, None) - self.service.faults_taken(SUBMIT, Some("slow"));
        met as u32 + self.cut_submits as u32
    }

    fn faults_taken(&self) -> usize {
        [CHECK, SUBMIT, "*.pdf"].iter().map(|path| self.service.faults_taken(path, None)).sum()
    }

    /// Inspections of the processes.
    fn sample(&mut self, at: f64) {
        for (server, wire) in self.servers.iter().enumerate() {
            let kib = wire.resident().expect("memory cannot be read on this system") as i64;
            let descriptors = wire.descriptors().expect("descriptors cannot be read on this system") as i64;
            self.samples.push(Sample { at, server, kib, descriptors });
        }
    }

    /// The median of what the first server held in a part of the run.
    fn median(&self, part: [f64; 2], of: impl Fn(&Sample) -> i64) -> i64 {
        let within = |sample: &&Sample| sample.server == 0 && (part[0]..part[1]).contains(&sample.at);
        let mut values: Vec<i64> = self.samples.iter().filter(within).map(of).collect();
        assert!(values.len() >= 10, "too few samples: {}", values.len());
        values.sort_unstable();
        values[values.len() / 2]
    }

    /// The median of what a server held over the whole run, whichever life it was in.
    fn usual(&self, server: usize, of: impl Fn(&Sample) -> i64) -> i64 {
        let mut values: Vec<i64> = self.samples.iter().filter(|sample| sample.server == server).map(of).collect();
        values.sort_unstable();
        values[values.len() / 2]
    }

    /// Ends the second server in the middle of whatever it does, each time in the other way; another takes its place, and
    /// is asked the same.
    fn restart(&mut self) {
        self.listen();
        let is_kill = self.kills <= self.ends;
        if is_kill {
            self.servers[1].kill();
            self.kills += 1;
        } else {
            self.servers[1].terminate();
            let ended = self.servers[1].exit_within(END_PATIENCE).expect("it was asked to end and runs on");
            assert_eq!(ended.code(), Some(0));
            self.ends += 1;
        }
        // Whatever it had still written is there to be read.
        self.listen();
        for asked in self.open[1].values() {
            match asked {
                Asked::Submit(_) => self.cut_submits += 1,
                Asked::Wait(..) => self.cut_waits += 1,
                Asked::Read(_) => {}
            }
        }
        let said = self.servers[1].said();
        assert!(!said.contains("panicked") && !said.contains(KEY), "{said}");
        self.servers[1] = Soak::start(&self.service, &self.ledger);
        let open: Vec<Asked> = self.open[1].drain().map(|(_, asked)| asked).collect();
        self.again.extend(open);
    }

    fn on_the_way(&self) -> usize {
        self.open.iter().map(HashMap::len).sum()
    }

    /// Inspects the ledger's file from outside. Gives the number of its jobs, and of those that have not ended.
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
            let unseen = self.unseen_at_most();
            // What is on its way right now is charged a moment before it is counted.
            let costs = |asked: &Asked| match asked {
                Asked::Submit(_) => SUBMIT_COSTS,
                Asked::Wait(..) => LOOK_COSTS,
                Asked::Read(_) => 0,
            };
            let moving: i64 = self.open.iter().flat_map(HashMap::values).map(costs).sum();
            // A killed server may have counted what it could not yet write to a job.
            let cut = self.cut_submits * SUBMIT_COSTS + self.cut_waits * LOOK_COSTS;
            assert!(by_job <= spent + moving, "jobs cost {by_job}, {spent} were counted");
            assert!(spent <= charged, "{spent} counted, {charged} charged");
            assert!(charged - spent <= unseen + moving, "{charged} charged, {spent} counted, {unseen} perhaps unseen");
            assert!(spent - by_job <= cut + moving, "{spent} counted, {by_job} found with jobs");
            self.unseen = (charged - spent, unseen);
            self.inspections += 1;
            file.close().await.unwrap();
            rows.unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
        });
        let mut open = 0;
        for (name, status, job_id) in &rows {
            let is_end = matches!(status.as_str(), "success" | "failed" | "aborted" | "cancelled" | "unknown");
            match self.settled.get(name).cloned().as_deref() {
                // The service may correct what only meant that no one knew or asked.
                Some("cancelled" | "unknown") if is_end => drop(self.settled.insert(name.clone(), status.clone())),
                Some(before) => assert_eq!(before, status, "{name} moved out of its end"),
                None if is_end => drop(self.settled.insert(name.clone(), status.clone())),
                None => {}
            }
            open += i64::from(!is_end && job_id.is_some());
        }
        // No job was made twice: each is one that the ledger has by its id, or one whose fate is unknown.
        let named = rows.iter().filter(|(_, _, job_id)| job_id.is_some()).count();
        let (made, traces) = (self.service.jobs(), rows.len() - named);
        self.traces = traces;
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
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let mut numbers = words.iter().map_while(|word| word.parse::<u64>().ok());
    let Some(minutes) = numbers.next() else {
        println!("The soak runs only when asked to: cargo bench --bench soak -- MINUTES [jobs]");
        return;
    };
    let mut next = |usual| numbers.next().unwrap_or(usual);
    let (jobs, line, between) = (next(1_000) as u32, next(60), next(120));
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
        ends: 0,
        cut_submits: 0,
        cut_waits: 0,
        submit_faults: 0,
        samples: Vec::new(),
        unseen: (0, 0),
        traces: 0,
        inspections: 0,
        random: 0x2545_f491_4f6c_dd1d,
        settled: HashMap::new(),
    };
    println!("{minutes} minutes, {jobs} jobs, a restart every {between} s, a fault about every 2 s");
    println!(
        "{:>7} {:>6} {:>6} {:>6} {:>7} {:>8} {:>9} {:>4} {:>9} {:>4} {:>6}",
        "seconds", "rows", "open", "read", "unclear", "restarts", "KiB", "fds", "KiB (2nd)", "fds", "faults"
    );
    let began = Instant::now();
    let mut submitted = 0_u32;
    let (mut next_line, mut next_restart, mut next_fault, mut next_sample) = (line, between, 2, 1);
    // The last tenth is for what is left to do, and for it alone.
    let submits_end = length.mul_f64(0.85);
    loop {
        let elapsed = began.elapsed();
        let is_calm = elapsed >= length.mul_f64(0.9);
        soak.listen();
        if !is_calm && elapsed.as_secs() >= next_fault {
            next_fault += 1 + soak.below(3);
            soak.fault(submitted);
        }
        if !is_calm && elapsed.as_secs() >= next_restart {
            next_restart += between;
            soak.restart();
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
        if elapsed.as_secs() >= next_sample {
            next_sample = elapsed.as_secs() + 1;
            soak.sample(elapsed.as_secs_f64() / length.as_secs_f64());
        }
        let is_over = elapsed >= length;
        if elapsed.as_secs() >= next_line || is_over {
            next_line += line;
            let (rows, open) = soak.inspect();
            let last = |server: usize| soak.samples.iter().rev().find(|sample| sample.server == server).unwrap();
            let (first, second) = (last(0), last(1));
            println!(
                "{:>7} {rows:>6} {open:>6} {:>6} {:>7} {:>8} {:>9} {:>4} {:>9} {:>4} {:>6}",
                elapsed.as_secs(),
                soak.ended.get("read").copied().unwrap_or(0),
                soak.unclear,
                soak.kills + soak.ends,
                first.kib,
                first.descriptors,
                second.kib,
                second.descriptors,
                soak.faults_taken(),
            );
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
    assert_eq!(submitted, jobs, "not all were submitted");
    assert_eq!((open, soak.on_the_way()), (0, 0), "something did not end");
    soak.report(minutes, jobs, rows);
    let Soak { servers, .. } = soak;
    for server in servers {
        let said = server.finish();
        assert!(!said.contains("panicked") && !said.contains(KEY), "{said}");
    }
    println!("\nsound");
}

impl Soak {
    /// The table for `docs/PERFORMANCE.md`; what it does not hold ends the run with an error, after it was printed.
    fn report(&self, minutes: u64, jobs: u32, rows: i64) {
        let ended: u32 = self.ended.values().sum();
        let kib = |part| self.median(part, |sample| sample.kib);
        let descriptors = |part| self.median(part, |sample| sample.descriptors);
        let (memory, files) = ((kib(EARLY), kib(LATE)), (descriptors(EARLY), descriptors(LATE)));
        let usual = |server| (self.usual(server, |sample| sample.kib), self.usual(server, |sample| sample.descriptors));
        let (first, second) = (usual(0), usual(1));
        let taken: Vec<String> = [CHECK, SUBMIT, "*.pdf"]
            .iter()
            .map(|path| format!("{} at `{path}`", self.service.faults_taken(path, None)))
            .collect();
        let unclear_max = self.unclear_at_most().min(jobs / UNCLEAR_SHARE);
        let mib = |kib: i64| format!("{:.1} MiB", kib as f64 / 1024.0);
        let charged = CREDITS - self.service.credits(KEY);
        let lines = [
            (
                "jobs submitted; rows in the ledger",
                format!("{jobs}; {rows}"),
                "the same".to_owned(),
                i64::from(jobs) == rows,
            ),
            (
                "jobs read to their end, or reported as of unknown fate",
                format!("{ended} + {}", self.unclear),
                jobs.to_string(),
                ended + self.unclear == jobs,
            ),
            (
                "of unknown fate, as reported; as the ledger has it",
                format!("{}; {}", self.unclear, self.traces),
                format!("the same, ≤ {unclear_max}"),
                self.unclear <= unclear_max && self.unclear as usize == self.traces,
            ),
            (
                "results that had expired",
                self.ended.get("expired").copied().unwrap_or(0).to_string(),
                "0".to_owned(),
                !self.ended.contains_key("expired"),
            ),
            (
                "faults that requests met",
                taken.join(", "),
                "> 0 each".to_owned(),
                PATHS.iter().all(|path| self.service.faults_taken(path, None) > 0),
            ),
            (
                "servers killed; asked to end",
                format!("{}; {}", self.kills, self.ends),
                "> 0 each".to_owned(),
                self.kills > 0 && self.ends > 0,
            ),
            ("the ledger inspected from outside, sound each time", self.inspections.to_string(), String::new(), true),
            (
                "credits charged, and not counted because the answer never came",
                format!("{charged}, {}", self.unseen.0),
                format!("≤ {}", self.unseen.1),
                self.unseen.0 <= self.unseen.1,
            ),
            (
                "memory of the server that lived through it, early and late (medians)",
                format!("{}, {}", mib(memory.0), mib(memory.1)),
                format!("+ {} at most", mib(GROWTH_KIB)),
                minutes < MINUTES_TO_JUDGE || memory.1 - memory.0 <= GROWTH_KIB,
            ),
            (
                "its file descriptors, early and late (medians)",
                format!("{}, {}", files.0, files.1),
                format!("+ {GROWTH_DESCRIPTORS} at most"),
                files.1 - files.0 <= GROWTH_DESCRIPTORS,
            ),
            (
                "memory over the whole run (medians): that server, the restarted ones",
                format!("{}, {}", mib(first.0), mib(second.0)),
                format!("+ {} at most", mib(RESTARTED_KIB)),
                second.0 <= first.0 + RESTARTED_KIB,
            ),
            (
                "descriptors over the whole run (medians): that server, the restarted ones",
                format!("{}, {}", first.1, second.1),
                format!("+ {RESTARTED_DESCRIPTORS} at most"),
                second.1 <= first.1 + RESTARTED_DESCRIPTORS,
            ),
        ];
        println!("\n| {minutes} minutes | measured | hold | |\n|---|---|---|---|");
        for (what, measured, hold, holds) in &lines {
            let verdict = match holds {
                true if what.starts_with("memory") && minutes < MINUTES_TO_JUDGE => "too short to judge",
                true => "holds",
                false => "does not hold",
            };
            println!("| {what} | {measured} | {hold} | {verdict} |");
        }
        let broken: Vec<&str> = lines.iter().filter(|line| !line.3).map(|line| line.0).collect();
        assert!(broken.is_empty(), "does not hold: {broken:?}");
    }
}
