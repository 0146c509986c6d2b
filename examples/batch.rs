//! Two hundred files through the simulator at two requests a second, killed with SIGKILL in the middle and resumed, as
//! the issue has them: each converted and paid for once.
//!
//! `cargo build --release && cargo run --release --example batch [files] [requests per second] [at once]`; 200 2 8 by
//! default, which takes about seven minutes: each file takes an upload's link, a submit and at least one check.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, reason = "the report is the result")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use pdfco::simulator::{self, Handle};
use serde_json::Value;

const KEY: &str = "sim_batch";
const SUBMIT: &str = "/v1/pdf/convert/to/text";
const REPORT: &[u8] = include_bytes!("../fixtures/documents/report.pdf");

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u32>().unwrap());
    let mut next = |default| numbers.next().unwrap_or(default);
    let (files, rate, at_once) = (next(200), next(2), next(8));
    let options = simulator::Options {
        requests_per_second: Some(rate),
        life: simulator::Life::Time { median: std::time::Duration::from_secs(4), sigma: 0.8 },
        credits: 1_000_000,
        ..simulator::Options::default()
    };
    let service = simulator::spawn(options).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("scans")).unwrap();
    for number in 0..files {
        let name = format!("{number:03}.pdf");
        let bytes = [REPORT, format!("%% {name}\n").as_bytes()].concat();
        std::fs::write(home.path().join("scans").join(name), bytes).unwrap();
    }
    println!("{files} files, {at_once} at once, {rate} requests a second");

    let began = Instant::now();
    let mut first = call(&service, home.path(), rate, at_once, "ndjson", &[]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(first.stdout.take().unwrap()).lines().map_while(Result::ok);
    let ended = |line: &String| line.contains(r#""phase":"ended""#);
    let done = lines.filter(ended).take(files as usize / 2).count();
    first.kill().unwrap();
    first.wait().unwrap();
    println!(
        "killed after {:.0} s with {done} done and {} submitted",
        began.elapsed().as_secs_f64(),
        submits(&service).values().sum::<usize>()
    );

    let second = call(&service, home.path(), rate, at_once, "json", &["--resume"]).output().unwrap();
    let envelope: Value = serde_json::from_slice(&second.stdout).unwrap();
    println!("resumed: {} (exit {})", envelope["summary"], second.status.code().unwrap());
    println!("in all: {:.0} s", began.elapsed().as_secs_f64());

    let submits = submits(&service);
    let saved = std::fs::read_dir(home.path().join("out")).unwrap().count();
    let texts = (0..files).filter(|number| is_text(&home.path().join(format!("out/{number:03}.txt")))).count();
    println!(
        "files submitted: {}; submits: {}; most for one file: {}",
        submits.len(),
        submits.values().sum::<usize>(),
        submits.values().max().unwrap()
    );
    println!("results: {saved}, of which {texts} hold the text");
    println!(
        "checks: {}; uploads: {}; refused for pace: {}",
        service.count("/v1/job/check"),
        service.count("/v1/file/upload/get-presigned-url"),
        service.refused()
    );
    println!("credits: {}", 1_000_000 - service.credits(KEY));
    assert!(submits.values().all(|times| *times == 1), "paid twice");
}

fn call(service: &Handle, home: &Path, rate: u32, at_once: u32, output: &str, more: &[&str]) -> Command {
    let binary: PathBuf = std::env::current_exe().unwrap().parent().and_then(Path::parent).unwrap().join("pdfco");
    let mut command = Command::new(binary);
    command
        .env_clear()
        .current_dir(home)
        .env("HOME", home)
        .env("PDFCO_BASE_URL", service.url())
        .env("PDFCO_API_KEY", KEY)
        .env("PDFCO_LEDGER", home.join("ledger.sqlite"))
        .env("PDFCO_RATE_LIMIT", rate.to_string())
        .args(["call", "pdf-to-text", "--url", "scans/*.pdf", "--save-to", "out", "--timeout", "0"])
        .args(["--jobs", &at_once.to_string(), "--output", output])
        .args(more);
    command
}

/// How often each file was submitted, by the name in its link.
fn submits(service: &Handle) -> HashMap<String, usize> {
    let mut submits = HashMap::new();
    for request in service.requests().iter().filter(|request| request.path == SUBMIT) {
        let link = request.body.as_ref().unwrap()["url"].as_str().unwrap().to_owned();
        *submits.entry(link.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned()).or_default() += 1;
    }
    submits
}

fn is_text(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.contains("Report"))
}
