//! Crowds: many waits at once under a limit, and processes that are killed at random. For tests, where they are small,
//! and for the examples that run them at full size by hand.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "programs of their own take the part they need; a test fails by panicking"
)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pdfco::app::{Caller, ResponseMode};
use pdfco::config::{DatabaseUrl, LedgerLocation};
use pdfco::jobs::{JobStatus, Ledger};
use pdfco::secret::ApiKey;
use pdfco::simulator::{self, Handle};
use serde_json::json;

use super::product::{CHECK, Product, request};
use super::wire::{Wire, ledger_in};

/// Where the crowd's jobs are submitted.
pub const SUBMIT: &str = "/v1/pdf/convert/from/html";
/// The lease of `jobs/ledger/leases.rs`.
const LEASE: Duration = Duration::from_secs(30);
/// From the end of a lease until one has checked and all have been notified.
const SLACK: Duration = Duration::from_secs(5);

/// Many waits at once on as many jobs.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// Jobs, and waits.
    pub jobs: u32,
    /// The pace on both sides.
    pub per_second: u32,
    /// Looks that still say `working`.
    pub checks: u32,
}

/// What a crowd met. Times in seconds since all began to wait.
#[derive(Debug)]
pub struct Served {
    /// Jobs that ended.
    pub ended: usize,
    /// Requests refused for pace.
    pub refused: usize,
    /// Looks made.
    pub checks: usize,
    /// When a job was seen ended, on average.
    pub mean: f64,
    /// When the last was.
    pub last: f64,
    /// Longest time that one job was not checked.
    pub longest_gap: f64,
}

/// The ideal: all jobs in rounds, no pause between requests.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// Jobs.
    pub jobs: u32,
    /// Requests a second.
    pub per_second: u32,
    /// Looks that each job takes.
    pub checks: u32,
}

impl Rounds {
    /// One check at each.
    pub fn round(&self) -> f64 {
        f64::from(self.jobs) / f64::from(self.per_second)
    }

    /// When a job is seen ended, on average: in the middle of the last round.
    pub fn mean(&self) -> f64 {
        self.round() * (f64::from(self.checks) - 0.5)
    }

    /// When the last is.
    pub fn last(&self) -> f64 {
        self.round() * f64::from(self.checks)
    }
}

impl Crowd {
    /// Submits the jobs, then waits for all of them at once.
    pub async fn run(self) -> Served {
        let options = simulator::Options {
            requests_per_second: Some(self.per_second),
            credits: 1_000_000,
            ..simulator::Options::default()
        };
        let service = simulator::spawn(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (pace, ledger) = (self.per_second.to_string(), ledger_in(folder.path()));
        let product =
            Product::with(service.url(), "sim_crowd", &[("PDFCO_RATE_LIMIT", &pace), ("PDFCO_LEDGER", &ledger)]);
        let simulate = json!({"html": "<p>a</p>", "profiles": {"Simulate": {"checks": self.checks}}});
        let submits = (0..self.jobs).map(async |_| {
            let submit = request("html_to_pdf", simulate.clone(), Duration::ZERO);
            product.app.submit(&product.caller, submit).await.unwrap().job.unwrap().job_id
        });
        let ids = join_all(submits).await;
        let received = Arc::new(std::sync::Mutex::new(HashMap::<String, Vec<Instant>>::new()));
        let receiver = Arc::clone(&received);
        let caller = Caller {
            is_remote: false,
            max_wait: None,
            response_mode: ResponseMode::Inline,
            on_event: Arc::new(move |event| {
                if let pdfco::app::Event::Job { job_id, checks_made, .. } = event {
                    let mut received = receiver.lock().unwrap();
                    let checks = received.entry(job_id).or_default();
                    if checks_made as usize >= checks.len() {
                        checks.push(Instant::now());
                    }
                }
            }),
            ..product.caller.clone()
        };
        let budget = Some(Duration::from_secs(3_600));
        let began = Instant::now();
        let waits = ids.iter().map(async |id| {
            let answer = product.app.wait(&caller, id, budget, None).await.unwrap();
            (answer.status == "success", began.elapsed().as_secs_f64())
        });
        let seen = join_all(waits).await;
        let gaps = received.lock().unwrap();
        let gaps = gaps.values().flat_map(|checks| checks.windows(2).map(|two| two[1].duration_since(two[0])));
        Served {
            ended: seen.iter().filter(|(ended, _)| *ended).count(),
            refused: service.refused(),
            checks: service.count(CHECK),
            mean: seen.iter().map(|(_, at)| at).sum::<f64>() / f64::from(self.jobs),
            last: seen.iter().map(|(_, at)| *at).fold(0.0, f64::max),
            longest_gap: gaps.max().unwrap_or_default().as_secs_f64(),
        }
    }
}

/// Requests refused for pace.
pub fn refused(service: &Handle) -> usize {
    service.refused()
}

/// What many killings left.
#[derive(Debug, Default)]
pub struct Killed {
    /// Processes killed.
    pub rounds: u32,
    /// Submits that were asked for, each once before and once after a killing that met it.
    pub asked: usize,
    /// Submits that reached the service.
    pub arrived: usize,
    /// Submits that reached it more than once.
    pub repeated: Vec<String>,
    /// Submits that reached it and that the ledger does not know.
    pub lost: Vec<String>,
    /// Submits whose answer died with the process: kept as `queued`, with our own id.
    pub traces: usize,
    /// Jobs with an id that did not end in the ledger.
    pub unfinished: Vec<String>,
    /// Looks made.
    pub checks: usize,
    /// Longest time from a killing to the moment when a process that lives saw the end of a job, in seconds.
    pub slowest: f64,
    /// How many killings were met while a check was on its way, as far as the time shows.
    pub leases_left: u32,
}

impl Killed {
    /// Fails when anything was lost, repeated or left alone.
    pub fn assert_sound(&self) {
        assert!(self.repeated.is_empty(), "submitted twice: {self:?}");
        assert!(self.lost.is_empty(), "lost: {self:?}");
        assert!(self.unfinished.is_empty(), "left alone: {self:?}");
        let allowed = LEASE + SLACK;
        assert!(self.slowest <= allowed.as_secs_f64(), "unwatched for longer than a lease: {self:?}");
    }
}

/// Three processes on one ledger submit and wait; each round one of them is killed at a random moment, and another
/// takes its place and asks for the same again.
/// `ledger` is the value of `PDFCO_LEDGER`: a path or an address.
pub async fn kill_rounds(rounds: u32, seed: u64, ledger: &str) -> Killed {
    let options =
        simulator::Options { requests_per_second: Some(40), credits: 10_000_000, ..simulator::Options::default() };
    let service = simulator::spawn(options).await.unwrap();
    let start = || {
        let variables = [("PDFCO_LEDGER", ledger), ("PDFCO_RATE_LIMIT", "40"), ("PDFCO_CHECK_WORTH_SECONDS", "0.05")];
        Wire::ready(service.url(), &variables)
    };
    let mut processes = [start(), start(), start()];
    let mut random = seed | 1;
    let mut below = |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    let mut report = Killed { rounds, ..Killed::default() };
    let mut arrived = HashMap::<String, usize>::new();
    let mut names = Vec::new();
    for round in 0..rounds {
        let name = |process: usize, number: usize| format!("round-{round}-{process}-{number}");
        let submit = |process: usize, number: usize| {
            let name = name(process, number);
            let options = json!({"html": name, "profiles": {"Simulate": {"seconds": 1}}});
            json!({"name": "submit_job", "arguments": {"operation": "html_to_pdf", "options": options, "wait": 40, "client_request_id": name}})
        };
        let mut open: [Vec<i64>; 3] = Default::default();
        for (index, process) in processes.iter_mut().enumerate() {
            for number in 0..2 {
                open[index].push(process.request("tools/call", submit(index, number)));
                names.push(name(index, number));
            }
        }
        report.asked += 6;
        let victim = below(3) as usize;
        tokio::time::sleep(Duration::from_millis(below(2_000))).await;
        processes[victim].kill();
        let killed = Instant::now();
        processes[victim] = start();
        open[victim] = (0..2).map(|number| processes[victim].request("tools/call", submit(victim, number))).collect();
        // The others wait for the victim's jobs too, as soon as they know them.
        let jobs = jobs_of(ledger).await;
        for (index, process) in processes.iter_mut().enumerate().filter(|(index, _)| *index != victim) {
            for number in 0..2 {
                if let Some((id, _)) = jobs.get(&name(victim, number)) {
                    let arguments = json!({"job_id": id, "timeout": 40});
                    let call = json!({"name": "wait_job_completion", "arguments": arguments});
                    open[index].push(process.request("tools/call", call));
                }
            }
        }
        for (process, open) in processes.iter_mut().zip(&mut open) {
            while !open.is_empty() {
                let Some(message) = process.next_within(LEASE * 2) else { panic!("round {round}: no answer") };
                if message.get("method").is_some() {
                    // News, not an answer.
                    continue;
                }
                let answer = &message["result"]["structuredContent"];
                let is_trace = answer["status"] == "queued";
                assert!(is_trace || answer["status"] == "success", "round {round}: {message}");
                open.retain(|id| message["id"] != *id);
            }
        }
        let took = killed.elapsed().as_secs_f64();
        report.slowest = report.slowest.max(took);
        report.leases_left += u32::from(took > 10.0);
        for request in service.requests().iter().filter(|request| request.path == SUBMIT) {
            let name = request.body.as_ref().and_then(|body| body["html"].as_str()).unwrap().to_owned();
            if name.starts_with(&format!("round-{round}-")) {
                *arrived.entry(name).or_default() += 1;
            }
        }
    }
    for process in processes {
        process.finish();
    }
    let jobs = jobs_of(ledger).await;
    report.arrived = arrived.values().sum();
    report.repeated = arrived.iter().filter(|(_, times)| **times > 1).map(|(name, _)| name.clone()).collect();
    report.lost = arrived.keys().filter(|name| !jobs.contains_key(*name)).cloned().collect();
    for name in &names {
        match jobs.get(name) {
            Some((id, _)) if id.starts_with("local-") => report.traces += 1,
            Some((_, JobStatus::Success)) => {}
            Some(_) | None => report.unfinished.push(name.clone()),
        }
    }
    report.checks = service.count(CHECK);
    report
}

/// The ledger's jobs by `client_request_id`: id and state.
async fn jobs_of(ledger: &str) -> HashMap<String, (String, JobStatus)> {
    let location = match DatabaseUrl::parse(ledger) {
        Ok(url) => LedgerLocation::Postgres(url),
        Err(_) => LedgerLocation::File(ledger.into()),
    };
    let ledger = Ledger::new(location, LEASE * 2_880);
    let key = ApiKey::new("sim_wire").unwrap();
    let page = ledger.list(&pdfco::tenant::Tenant::of_account(key.fingerprint()), None, 10_000, None).await.unwrap();
    ledger.close().await;
    let named = page.jobs.into_iter().filter_map(|job| {
        let id = job.id().to_owned();
        Some((job.client_request_id?, (id, job.status)))
    });
    named.collect()
}
