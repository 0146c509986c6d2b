//! What a wait takes up, and what a large file takes up on its way.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use pdfco::api::{Client, Pace, Timeouts};
use pdfco::config::LedgerLocation;
use pdfco::files::{self, Hosts, Sandbox, Target};
use pdfco::jobs::{Jobs, Ledger};
use pdfco::secret::{ApiKey, PresignedUrl};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::checks::submit;
use crate::peer::{KEY, SIDES, Side, Stage, memory_of};
use crate::table::{Rule, Table, median};

/// Waits at once, each for a job of its own. A server has 1 024 calls under way at most.
const WAITS: usize = 1_000;
/// Processes of each side, alternating.
const SAMPLES: usize = 3;
/// Design: memory of one, in KiB.
const WAIT_MAX: f64 = 4.0;
/// Memory of one beyond a call of the bare server, in KiB.
const WAIT_BEYOND_MAX: f64 = 10.0;
/// Between the beginnings of two waits: assistants do not call in the same instant.
const APART: Duration = Duration::from_millis(4);
/// From the last call that begins until the memory is read.
const SETTLES: Duration = Duration::from_secs(4);
/// Design: a file of 2 GB.
const LARGE: u64 = 2_000_000_000;
/// A file that a constant peak is compared with.
const SMALL: u64 = LARGE / 32;
/// What two peaks of the same program differ by.
const CONSTANT: f64 = 1.25;
/// The piece of the service that sends and takes the files.
const PIECE: usize = 64 * 1024;

/// Memory of waits.
pub fn waits(stage: &Stage, table: &mut Table) {
    let mut first = stage.ready(Side::Product, &[]);
    let jobs: Vec<Value> = (0..WAITS).map(|number| submit(&mut first, number)).collect();
    first.finish();
    let sample = |side: Side| {
        // Others that submitted, and this one that waits: what submitting leaves behind does not hide what waits take.
        let mut peer = stage.ready(side, &[]);
        match side {
            // Everything that is opened on first use is open.
            Side::Product => drop(peer.call("get_job_check", json!({"job_id": jobs[0], "force": true}))),
            Side::Floor => drop(peer.call("forward", json!({"job_id": jobs[0]}))),
        }
        std::thread::sleep(SETTLES);
        let before = peer.memory("VmRSS");
        for id in &jobs {
            std::thread::sleep(APART);
            match side {
                Side::Product => peer.begin("wait_job_completion", &json!({"job_id": id, "timeout": 55})),
                Side::Floor => peer.begin("sleep", &json!({"seconds": 55})),
            }
        }
        std::thread::sleep(SETTLES);
        // It answers this and has answered nothing else: all of them wait.
        let ping = peer.request("ping", &json!({}));
        assert_eq!(peer.next()["id"], ping, "a call was answered that was to wait");
        (peer.memory("VmRSS") - before) / WAITS as f64
    };
    let mut samples = SIDES.map(|_| Vec::new());
    for _ in 0..SAMPLES {
        for (side, samples) in SIDES.into_iter().zip(&mut samples) {
            samples.push(sample(side));
        }
    }
    let [ours, floor] = samples.map(median);
    table.add(format!("memory of one wait, of {WAITS}, against its limit"), ours, WAIT_MAX, "KiB", Rule::Shown);
    table.add("memory of one wait, beside a call that sleeps", ours, floor, "KiB", Rule::Shown);
    table.add(
        "memory of one wait beyond the bare server's own",
        ours - floor,
        WAIT_BEYOND_MAX,
        "KiB",
        Rule::AtMost(1.0),
    );
}

/// Peaks of a download and an upload in processes of their own.
pub fn transfers(runtime: &Handle, home: &Path, table: &mut Table) {
    let base = runtime.block_on(storage());
    let peak = |side: &str, way: &str, bytes: u64| -> [f64; 2] {
        let folder = tempfile::tempdir_in(home).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["transfer", side, way, base.as_str(), &bytes.to_string()]).arg(folder.path());
        let output = child.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
        numbers.try_into().unwrap_or_else(|_| panic!("{side} did not come to its end: {text}"))
    };
    let [small_down, _] = peak("product", "down", SMALL);
    let [small_up, _] = peak("product", "up", SMALL);
    let [down, down_rate] = peak("product", "down", LARGE);
    let [floor_down, floor_down_rate] = peak("floor", "down", LARGE);
    let [up, up_rate] = peak("product", "up", LARGE);
    let [floor_up, floor_up_rate] = peak("floor", "up", LARGE);
    let mib = 1024.0;
    let constant = Rule::AtMost(CONSTANT);
    table.add("peak memory, 2 GB down, beside a 32nd of it", down / mib, small_down / mib, "MiB", constant);
    table.add("peak memory, 2 GB up, beside a 32nd of it", up / mib, small_up / mib, "MiB", constant);
    table.add("peak memory, 2 GB down, beside a reqwest loop", down / mib, floor_down / mib, "MiB", Rule::Shown);
    table.add("peak memory, 2 GB up, beside a reqwest stream", up / mib, floor_up / mib, "MiB", Rule::Shown);
    table.add(
        "2 GB down, with its hash, beside a reqwest loop",
        down_rate,
        floor_down_rate,
        "MB/s",
        Rule::AtLeast(0.8),
    );
    table.add("2 GB up, beside a reqwest stream", up_rate, floor_up_rate, "MB/s", Rule::Shown);
}

/// A service that has one file of any size and takes one.
async fn storage() -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let own = base.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answer(socket, own.clone()));
        }
    });
    base
}

async fn answer(mut socket: TcpStream, own: Url) {
    let mut head = vec![0; PIECE];
    let read = socket.read(&mut head).await.unwrap();
    let text = String::from_utf8_lossy(&head[..read]).into_owned();
    let path = text.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let with_body = |bytes: u64| format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n");
    if let Some(bytes) = path.strip_prefix("/get/") {
        let mut left: u64 = bytes.parse().unwrap();
        socket.write_all(with_body(left).as_bytes()).await.unwrap();
        let piece = vec![7; PIECE];
        while left > 0 {
            let part = left.min(PIECE as u64);
            socket.write_all(&piece[..part as usize]).await.unwrap();
            left -= part;
        }
    } else if text.starts_with("PUT") {
        let length = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<u64>().ok();
        let bytes = text.lines().find_map(length).unwrap();
        let mut left = bytes - (read - text.find("\r\n\r\n").unwrap() - 4) as u64;
        let mut piece = vec![0; PIECE];
        while left > 0 {
            left -= socket.read(&mut piece).await.unwrap() as u64;
        }
        socket.write_all(with_body(0).as_bytes()).await.unwrap();
    } else {
        let body = json!({"presignedUrl": format!("{own}put"), "url": format!("{own}get/1")}).to_string();
        socket.write_all(format!("{}{body}", with_body(body.len() as u64)).as_bytes()).await.unwrap();
    }
}

/// In a process of its own, because a peak is the process's: prints the peak in KiB, then the rate in MB/s.
pub async fn transfer(side: &str, way: &str, base: &str, bytes: u64, folder: &Path) {
    let base = Url::parse(base).unwrap();
    let folder = folder.canonicalize().unwrap();
    let file = folder.join("large.bin");
    if way == "up" {
        // Written and not only made long: holes would be filled with zeros while they are read.
        let mut made = std::fs::File::create(&file).unwrap();
        std::io::copy(&mut std::io::Read::take(std::io::repeat(7), bytes), &mut made).unwrap();
    }
    let began = std::time::Instant::now();
    match (side, way) {
        ("product", "down") => product_down(&base, bytes, &file).await,
        ("product", _) => product_up(&base, bytes, &file).await,
        (_, "down") => floor_down(&base, bytes, &file).await,
        _ => floor_up(&base, bytes, &file).await,
    }
    println!("{} {}", memory_of("self", "VmHWM"), bytes as f64 / 1e6 / began.elapsed().as_secs_f64());
}

async fn product_down(base: &Url, bytes: u64, file: &Path) {
    let client = Client::new(base.clone(), Pace::Off, Timeouts::default(), None).unwrap();
    let (hosts, link) = (Hosts::new(&[], base), PresignedUrl::new(format!("{base}get/{bytes}")));
    let never = CancellationToken::new();
    let file = Target::of_person(file, false).unwrap();
    let saved = files::download(&client, &hosts, &link, &file, false, bytes, &|_, _| (), &never).await;
    assert_eq!(saved.unwrap().bytes, bytes);
}

async fn product_up(base: &Url, bytes: u64, file: &Path) {
    let client = Client::new(base.clone(), Pace::Off, Timeouts::default(), None).unwrap();
    let folder = file.parent().unwrap().to_owned();
    let readable = Sandbox::person(folder).readable_blocking(file.to_str().unwrap()).unwrap();
    let ledger = Arc::new(Ledger::new(LedgerLocation::Memory, Duration::from_secs(86_400)));
    let config = Arc::new(pdfco::config::defaults().unwrap());
    let jobs = Jobs::new(client.clone(), ledger, config);
    let key = ApiKey::new(KEY).unwrap();
    files::upload(&jobs, &client, &Hosts::new(&[], base), &key.into(), &readable, None, bytes).await.unwrap();
}

fn bare_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn floor_down(base: &Url, bytes: u64, file: &Path) {
    let mut body = bare_client().get(format!("{base}get/{bytes}")).send().await.unwrap().bytes_stream();
    let mut file = tokio::fs::File::create(file).await.unwrap();
    while let Some(piece) = body.next().await {
        file.write_all(&piece.unwrap()).await.unwrap();
    }
    file.flush().await.unwrap();
}

async fn floor_up(base: &Url, bytes: u64, file: &Path) {
    let file = tokio::fs::File::open(file).await.unwrap();
    let body = reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::with_capacity(file, PIECE));
    let put = bare_client().put(format!("{base}put")).header("content-length", bytes).body(body);
    assert!(put.send().await.unwrap().status().is_success());
}
