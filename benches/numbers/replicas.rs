//! Three replicas on one PostgreSQL beside one server on a file: twenty tenants with fifty waits each, under a limit. Then
//! the same with a replica killed every twenty seconds.
//!
//! Requests go round the replicas, as behind a balancer; one that fails is sent to the next.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pdfco::simulator::{self, Handle};
use serde_json::{Value, json};

use crate::crowd::Rounds;
use crate::home;
use crate::postgres::Cluster;
use crate::table::{Rule, Table};

const TENANTS: usize = 20;
/// Of each tenant, as many jobs as waits.
const JOBS: u32 = 50;
/// Requests a second of each tenant.
const PER_SECOND: u32 = 2;
/// Checks that each job takes, the last one included.
const CHECKS: u32 = 2;
const KILL_EVERY: Duration = Duration::from_secs(20);
/// Between two calls beside the waits.
const PROBE_EVERY: Duration = Duration::from_millis(25);

/// Servers, and who asks them.
struct Deployment {
    binary: PathBuf,
    home: tempfile::TempDir,
    ledger: String,
    service: Handle,
    ports: Vec<u16>,
    servers: Mutex<Vec<Child>>,
    client: reqwest::Client,
    next: AtomicUsize,
}

/// What they came to.
struct Served {
    ended: usize,
    refused: usize,
    checks_a_job: f64,
    last: f64,
    mean: f64,
    /// Of calls beside the waits, in milliseconds.
    p99: f64,
    /// The largest that a server was, in MiB.
    memory: f64,
    kills: usize,
}

/// Adds the rows.
pub fn measure(binary: &Path, runtime: &tokio::runtime::Runtime, table: &mut Table) {
    let file = runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.sqlite").display().to_string();
        Deployment::of(binary, 1, ledger).await.run(false).await
    });
    let Some(cluster) = Cluster::start() else {
        eprintln!("  left out: PostgreSQL is not installed");
        return;
    };
    let on_postgres = |kills: bool| {
        runtime.block_on(async {
            let database = cluster.database().await;
            Deployment::of(binary, 3, database.url.clone()).await.run(kills).await
        })
    };
    let (three, killed) = (on_postgres(false), on_postgres(true));
    let ideal = Rounds { jobs: JOBS, per_second: PER_SECOND, checks: CHECKS };
    let all = (TENANTS as f64) * f64::from(JOBS);
    let crowd = format!("{TENANTS} tenants, {all} waits");
    let killing = format!("3 replicas on PostgreSQL, {} kills", killed.kills);
    for (what, served) in
        [("one server on a file", &file), ("3 replicas on PostgreSQL", &three), (killing.as_str(), &killed)]
    {
        let name = format!("{crowd}, {what}");
        table.add(format!("{name}: ended"), served.ended as f64, all, "", Rule::AtLeast(1.0));
        table.add(format!("{name}: refused (429)"), served.refused as f64, 0.0, "", Rule::AtMost(1.0));
        table.add(format!("{name}: checks a job"), served.checks_a_job, f64::from(CHECKS), "", Rule::AtMost(1.2));
        table.add(
            format!("{name}: the last is seen, beside ideal rounds"),
            served.last,
            ideal.last(),
            "s",
            Rule::Shown,
        );
        table.add(format!("{name}: seen on the average"), served.mean, ideal.mean(), "s", Rule::Shown);
        table.add(format!("{name}: p99 of other calls, beside the file's"), served.p99, file.p99, "ms", Rule::Shown);
        table.add(
            format!("{name}: memory of a server, beside the file's"),
            served.memory,
            file.memory,
            "MiB",
            Rule::Shown,
        );
    }
}

impl Deployment {
    async fn of(binary: &Path, count: usize, ledger: String) -> Deployment {
        let options = simulator::Options {
            requests_per_second: Some(PER_SECOND),
            credits: 10_000_000,
            ..simulator::Options::default()
        };
        let service = simulator::spawn(options).await.unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Below those that the system gives to connections: a server that is started anew finds its port free.
        let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let ports = (21_000..32_000).filter(is_free).take(count).collect();
        let deployment = Deployment {
            binary: binary.to_owned(),
            home: tempfile::tempdir().unwrap(),
            ledger,
            service,
            ports,
            servers: Mutex::default(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            next: AtomicUsize::new(0),
        };
        for number in 0..count {
            let server = deployment.start(number).await;
            deployment.servers.lock().unwrap().push(server);
        }
        deployment
    }

    async fn start(&self, number: usize) -> Child {
        let mut command = Command::new(&self.binary);
        home::alone(&mut command, self.home.path());
        let port = self.ports[number];
        command.args(["serve", "--http", &format!("127.0.0.1:{port}")]);
        command.env("PDFCO_BASE_URL", self.service.url()).env("PDFCO_LEDGER", &self.ledger);
        command.env("PDFCO_RATE_LIMIT", PER_SECOND.to_string()).stdin(Stdio::null());
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.ready(port).await;
        server
    }

    async fn ready(&self, port: u16) {
        let began = Instant::now();
        loop {
            let ready = self.client.get(format!("http://127.0.0.1:{port}/readyz")).send().await;
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "a server does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The structured answer of the next replica that gives one.
    async fn call(&self, tenant: usize, tool: &str, arguments: &Value) -> Value {
        loop {
            let port = self.ports[self.next.fetch_add(1, Ordering::Relaxed) % self.ports.len()];
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
            let mut request = self
                .client
                .post(format!("http://127.0.0.1:{port}/mcp"))
                .header("accept", "application/json")
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/call")
                .header("mcp-name", tool)
                .header("x-api-key", format!("sim_tenant_{tenant}"));
            if let Some(id) = arguments["job_id"].as_str() {
                request = request.header("mcp-param-jobid", id);
            }
            let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
            let answered = async { request.json(&message).send().await?.error_for_status()?.json::<Value>().await };
            match answered.await {
                Ok(answer) if answer.get("result").is_some() => return answer["result"]["structuredContent"].clone(),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn run(self, kills: bool) -> Served {
        let simulate = json!({"html": "<p>a</p>", "profiles": {"Simulate": {"checks": CHECKS - 1}}});
        let submit = |tenant: usize, number: u32| {
            let name = format!("{tenant}-{number}");
            json!({"operation": "html_to_pdf", "options": simulate, "wait": 0, "client_request_id": name})
        };
        let submits = (0..TENANTS).flat_map(|tenant| (0..JOBS).map(move |number| (tenant, number)));
        let jobs = join_all(submits.map(async |(tenant, number)| {
            let answer = self.call(tenant, "submit_job", &submit(tenant, number)).await;
            (tenant, answer["job"]["job_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned())
        }))
        .await;
        let (over, deployment) = (Arc::new(AtomicBool::new(false)), Arc::new(self));
        let probing = tokio::spawn(probe(Arc::clone(&deployment), Arc::clone(&over)));
        let killer = kills.then(|| tokio::spawn(kill(Arc::clone(&deployment), Arc::clone(&over))));
        let began = Instant::now();
        let seen = join_all(jobs.iter().map(async |(tenant, id)| {
            let arguments = json!({"job_id": id, "timeout": 40});
            while deployment.call(*tenant, "wait_job_completion", &arguments).await["status"] != "success" {
                assert!(began.elapsed() < Duration::from_secs(600), "{id} does not end");
            }
            began.elapsed().as_secs_f64()
        }))
        .await;
        over.store(true, Ordering::Relaxed);
        let mut latencies = probing.await.unwrap();
        latencies.sort_by(f64::total_cmp);
        let kills = match killer {
            Some(killer) => killer.await.unwrap(),
            None => 0,
        };
        let mut servers = std::mem::take(&mut *deployment.servers.lock().unwrap());
        let memory = servers.iter().map(|server| peak(server.id())).fold(0.0, f64::max);
        for server in &mut servers {
            server.kill().unwrap();
            server.wait().unwrap();
        }
        Served {
            ended: seen.len(),
            refused: deployment.service.refused(),
            checks_a_job: deployment.service.count("/v1/job/check") as f64 / seen.len() as f64,
            last: seen.iter().copied().fold(0.0, f64::max),
            mean: seen.iter().sum::<f64>() / seen.len() as f64,
            p99: latencies[(latencies.len() * 99 / 100).min(latencies.len() - 1)],
            memory,
            kills,
        }
    }
}

/// How long a call that waits for no job takes, in milliseconds.
async fn probe(deployment: Arc<Deployment>, over: Arc<AtomicBool>) -> Vec<f64> {
    let mut latencies = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        deployment.call(latencies.len() % TENANTS, "list_jobs", &json!({"limit": 5})).await;
        latencies.push(began.elapsed().as_secs_f64() * 1_000.0);
        tokio::time::sleep(PROBE_EVERY).await;
    }
    latencies
}

/// Kills one server after the other and starts it anew.
async fn kill(deployment: Arc<Deployment>, over: Arc<AtomicBool>) -> usize {
    let (mut kills, mut last) = (0, Instant::now());
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if last.elapsed() < KILL_EVERY {
            continue;
        }
        let victim = kills % deployment.ports.len();
        {
            let mut servers = deployment.servers.lock().unwrap();
            servers[victim].kill().unwrap();
            servers[victim].wait().unwrap();
        }
        let server = deployment.start(victim).await;
        deployment.servers.lock().unwrap()[victim] = server;
        (kills, last) = (kills + 1, Instant::now());
    }
    kills
}

/// The largest that a process was, in MiB.
fn peak(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}
