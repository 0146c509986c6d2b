//! Disasters while money is on the way: a server is killed, its ledger locked, stalled, full, broken or removed, or its
//! clock jumps, or its PostgreSQL cuts connections, goes away or becomes a standby, in the middle of submits, a batch, a wait and a task. Then all is well again, everything is asked for once
//! more under the same ids, and the service's own journal says what arrived.
//!
//! Short here; `ROUNDS=300 cargo test --test faults disasters -- --nocapture` gives the figures of SECURITY.md.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pdfco::config::{DatabaseUrl, LedgerLocation};
use pdfco::jobs::{Job, Ledger};
use pdfco::secret::ApiKey;
use pdfco::simulator::{self, Handle, Options};
use pdfco::tenant::Tenant;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::clocks::Place;
use crate::support::postgres::{self, Database};
use crate::support::wire::Wire;

const DAY: i64 = 86_400;
/// Rounds at once.
const WORKERS: u32 = 4;
/// An answer comes within this, whatever is wrong: a paid call waits fifteen seconds for the ledger.
const PATIENCE: Duration = Duration::from_secs(80);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Disaster {
    Kill,
    Lock,
    Stall,
    FullDisk,
    BrokenDisk,
    RemovedFile,
    Clock(i64),
    /// Every connection is cut.
    Cut,
    /// No connection is let in, as while the server restarts.
    Away,
    /// The server takes no writes, as one that has become a standby.
    Standby,
}

use Disaster::{Away, BrokenDisk, Clock, Cut, FullDisk, Kill, Lock, RemovedFile, Stall, Standby};

const DISASTERS: [Disaster; 10] =
    [Kill, Lock, Stall, FullDisk, BrokenDisk, RemovedFile, Clock(-40 * DAY), Kill, Clock(40 * DAY), Clock(-3_600)];

const ON_POSTGRES: [Disaster; 10] =
    [Kill, Lock, Cut, Away, Standby, Clock(-40 * DAY), Kill, Cut, Clock(40 * DAY), Clock(-3_600)];

/// What an answer to a submit claims.
#[derive(Clone, Debug, PartialEq)]
enum Claim {
    /// The job runs, or has ended, under this id.
    Accepted(String),
    NotSent,
    /// It may have been charged.
    Unclear,
}

fn claim(answer: &Value) -> Claim {
    let id = answer["job"]["job_id"].as_str();
    let words = answer.to_string();
    match id {
        Some(id) if !id.starts_with("local-") => Claim::Accepted(id.to_owned()),
        Some(_) => Claim::Unclear,
        None if words.contains("charged for") || words.contains("may have been charged") => Claim::Unclear,
        None => Claim::NotSent,
    }
}

/// The answer to a request, however long a paid call waits for the ledger.
fn ask(wire: &mut Wire, method: &str, params: &Value) -> Value {
    let id = wire.request(method, params.clone());
    let began = Instant::now();
    while let Some(message) = wire.next_within(PATIENCE.saturating_sub(began.elapsed())) {
        if message["id"] == id && message.get("method").is_none() {
            return message;
        }
    }
    panic!("no answer within {PATIENCE:?}: {params}");
}

/// Ends a server in good order; gives what it logged. Notifications may have been on their way.
fn ended(mut wire: Wire) -> String {
    wire.close_input();
    let status = wire.exit_within(Duration::from_secs(20));
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    wire.said()
}

fn call_tool(wire: &mut Wire, tool: &str, arguments: Value) -> Value {
    let answer = ask(wire, "tools/call", &json!({"name": tool, "arguments": arguments}));
    answer["result"]["structuredContent"].clone()
}

/// What all rounds came to.
#[derive(Debug, Default)]
struct Tally {
    rounds: HashMap<String, u32>,
    submits: usize,
    charged: usize,
    refused: usize,
    /// Charged or not, as the answer said, because the process died in between.
    unclear: usize,
    tasks: usize,
    slowest_recovery: Duration,
    lost: Vec<String>,
    twice: Vec<String>,
    false_claims: Vec<String>,
    unfinished: Vec<String>,
}

/// One round: its own ledger, clock and disk; names of its own.
struct Round<'a> {
    name: String,
    disaster: Disaster,
    service: &'a Handle,
    place: Place,
    /// Where the ledger is not a file.
    database: Option<Database>,
    runtime: tokio::runtime::Handle,
    random: u64,
}

const SUBMITS: usize = 4;
const DOCUMENTS: usize = 3;

impl Round<'_> {
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit
    }

    fn submit(&self, number: usize) -> Value {
        let name = format!("{}-{number}", self.name);
        let options = json!({"html": name, "profiles": {"Simulate": {"seconds": 1}}});
        let wait = if number.is_multiple_of(2) { 0 } else { 20 };
        json!({"operation": "html_to_pdf", "options": options, "wait": wait, "client_request_id": name})
    }

    /// One call for several documents: one job each.
    fn batch(&self) -> Value {
        let links: Vec<String> = (0..DOCUMENTS).map(|number| self.document(number)).collect();
        json!({"operation": "pdf_to_text", "url": links, "wait": 0, "client_request_id": format!("{}-batch", self.name)})
    }

    fn document(&self, number: usize) -> String {
        format!("https://files.example.test/{}-{number}.pdf", self.name)
    }

    /// How often each of this round's requests arrived.
    fn arrived(&self) -> HashMap<String, usize> {
        let mut arrived = HashMap::new();
        for request in self.service.requests() {
            let Some(body) = request.body else { continue };
            let named = body["html"].as_str().or(body["url"].as_str()).filter(|named| named.contains(&self.name));
            if let Some(named) = named {
                *arrived.entry(named.to_owned()).or_default() += 1;
            }
        }
        arrived
    }

    fn server(&self) -> Wire {
        match &self.database {
            Some(database) => self.place.server(self.service, &[("PDFCO_LEDGER", &database.url)]),
            None => self.place.server(self.service, &[]),
        }
    }

    fn rows(&self) -> Vec<Job> {
        let location = match &self.database {
            Some(database) => LedgerLocation::Postgres(DatabaseUrl::parse(&database.url).unwrap()),
            None => LedgerLocation::File(self.place.folder.path().join("ledger.sqlite")),
        };
        self.runtime.block_on(async {
            let ledger = Ledger::new(location, Duration::from_secs(86_400 * 36_500));
            let tenant = Tenant::of_account(ApiKey::new("sim_wire").unwrap().fingerprint());
            let page = ledger.list(&tenant, None, 1_000, None).await.unwrap();
            ledger.close().await;
            page.jobs
        })
    }

    /// Lets it happen, and ends it.
    fn strike(&mut self, server: &mut Wire) {
        let lasting = Duration::from_millis(300 + self.below(1_500));
        match self.disaster {
            Kill => server.kill(),
            Lock | Cut | Away | Standby if self.database.is_some() => self.strike_postgres(lasting),
            Cut | Away | Standby => unreachable!("disasters of a server"),
            Lock => {
                // Now and then longer than a paid call is patient.
                let lasting = if self.below(4) == 0 { Duration::from_secs(17) } else { lasting };
                let path = self.place.folder.path().join("ledger.sqlite");
                self.runtime.block_on(async {
                    let mut other = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
                    while other.execute("BEGIN IMMEDIATE").await.is_err() {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    tokio::time::sleep(lasting).await;
                    other.execute("ROLLBACK").await.unwrap();
                });
            }
            Stall | FullDisk | BrokenDisk => {
                let lasting = if self.below(4) == 0 { Duration::from_secs(17) } else { lasting };
                self.place.disk_is(match self.disaster {
                    Stall => 1,
                    FullDisk => 2,
                    _ => 3,
                });
                std::thread::sleep(lasting);
                self.place.disk_is(0);
            }
            RemovedFile => {
                for end in ["", "-wal", "-shm"] {
                    let _ = std::fs::remove_file(self.place.folder.path().join(format!("ledger.sqlite{end}")));
                }
            }
            Clock(ahead) => self.place.jump_to(ahead),
        }
    }

    fn strike_postgres(&mut self, lasting: Duration) {
        let lasting = if self.below(4) == 0 { Duration::from_secs(17) } else { lasting };
        let (database, disaster) = (self.database.as_ref().unwrap(), self.disaster);
        let name = database.name();
        let cut = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        );
        let (begin, end) = match disaster {
            Lock => ("BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE".to_owned(), "ROLLBACK".to_owned()),
            Away => (
                format!("ALTER DATABASE {name} CONNECTION LIMIT 0; {cut}"),
                format!("ALTER DATABASE {name} CONNECTION LIMIT -1"),
            ),
            Standby => (
                format!("ALTER DATABASE {name} SET default_transaction_read_only = on; {cut}"),
                format!("ALTER DATABASE {name} RESET default_transaction_read_only; {cut}"),
            ),
            _ => (cut, String::new()),
        };
        self.runtime.block_on(async {
            let mut beside = database.beside().await;
            beside.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await.unwrap();
            if disaster != Cut {
                tokio::time::sleep(lasting).await;
                beside.execute(sqlx::raw_sql(AssertSqlSafe(end))).await.unwrap();
            }
        });
    }

    fn run(mut self, tally: &Mutex<Tally>) {
        let (mut server, mut other) = (self.server(), self.server());
        let earlier = json!({"operation": "html_to_pdf", "options": {"html": "earlier", "profiles": {"Simulate": {"seconds": 2}}}, "wait": 0});
        let earlier = call_tool(&mut server, "submit_job", earlier)["job"]["job_id"].as_str().unwrap().to_owned();
        // All at once.
        let call = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
        let mut open: HashMap<i64, String> = HashMap::new();
        for number in 0..SUBMITS {
            let id = server.request("tools/call", call("submit_job", self.submit(number)));
            open.insert(id, format!("{}-{number}", self.name));
        }
        let batch = server.request("tools/call", call("submit_job", self.batch()));
        let mut task = call("submit_job", self.submit(SUBMITS));
        task["task"] = json!({});
        let task = server.request("tools/call", task);
        let wait = server.request("tools/call", call("wait_job_completion", json!({"job_id": earlier, "timeout": 20})));
        std::thread::sleep(Duration::from_millis(self.below(700)));
        let disaster = self.disaster;
        self.strike(&mut server);

        // What the answers claim, as far as any came.
        let mut claims: HashMap<String, Claim> = HashMap::new();
        let mut promised = None;
        let mut awaited: Vec<i64> = open.keys().copied().chain([batch, task, wait]).collect();
        while !awaited.is_empty() {
            let Some(message) =
                server.next_within(if disaster == Kill { Duration::from_millis(200) } else { PATIENCE })
            else {
                assert_eq!(disaster, Kill, "{}: no answer to {awaited:?}", self.name);
                break;
            };
            let Some(id) = message["id"].as_i64().filter(|_| message.get("method").is_none()) else { continue };
            awaited.retain(|open| *open != id);
            let answer = &message["result"]["structuredContent"];
            if let Some(name) = open.get(&id) {
                claims.insert(name.clone(), claim(answer));
            } else if id == task {
                promised = message["result"]["task"]["taskId"].as_str().map(str::to_owned);
            } else if id == wait {
                assert!(
                    matches!(answer["status"].as_str(), Some("success" | "working" | "queued")),
                    "{disaster:?}: {message}"
                );
            }
        }
        let mut found = Tally::default();
        let arrived = self.arrived();
        let count = |arrived: &HashMap<String, usize>, name: &str| arrived.get(name).copied().unwrap_or_default();
        for (name, claim) in &claims {
            let is_true = match claim {
                Claim::Accepted(_) => count(&arrived, name) == 1,
                Claim::NotSent => count(&arrived, name) == 0,
                Claim::Unclear => true,
            };
            if !is_true {
                found.false_claims.push(format!("{disaster:?} {name} {claim:?}"));
            }
            found.refused += usize::from(*claim == Claim::NotSent);
        }
        if disaster == Kill {
            server = self.server();
        }

        // All is well again, by itself.
        let began = Instant::now();
        let probe = |server: &mut Wire, number: u32| {
            let options = json!({"html": "probe", "profiles": {"Simulate": {"checks": 0}}});
            let arguments = json!({"operation": "html_to_pdf", "options": options, "wait": 0, "client_request_id": format!("probe-{number}")});
            call_tool(server, "submit_job", arguments)["status"] != "error"
        };
        for (number, server) in [&mut server, &mut other].into_iter().enumerate() {
            let mut tries = 0;
            while !probe(server, tries * 2 + u32::try_from(number).unwrap()) {
                tries += 1;
                assert!(began.elapsed() < Duration::from_secs(60), "{disaster:?}: it does not recover");
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        found.slowest_recovery = began.elapsed();

        // A task ends with what became of its call, and says so truly.
        if let Some(task) = promised {
            found.tasks = 1;
            let name = format!("{}-{SUBMITS}", self.name);
            let kept = ask(&mut other, "tasks/result", &json!({"taskId": task}));
            let answer = &kept["result"]["structuredContent"];
            let is_true = match (claim(answer), count(&self.arrived(), &name)) {
                (Claim::Accepted(_), 1) => answer["status"] == "success",
                (Claim::NotSent, 0) => answer["content"]["kind"] == "ledger_unavailable",
                (Claim::Unclear, _) => true,
                _ => false,
            };
            if !is_true {
                found.false_claims.push(format!("{disaster:?} task {task}: {kept}"));
            }
        }

        // Everything once more, half of it elsewhere.
        for number in 0..=SUBMITS {
            let process = if number.is_multiple_of(2) { &mut other } else { &mut server };
            let answer = call_tool(process, "submit_job", self.submit(number));
            let name = format!("{}-{number}", self.name);
            let now = claim(&answer);
            if let (Some(Claim::Accepted(before)), Claim::Accepted(after)) = (claims.get(&name), &now)
                && before != after
            {
                found.false_claims.push(format!("{disaster:?} {name}: {before}, then {after}"));
            }
            if let Claim::Accepted(id) = &now {
                let ended = call_tool(process, "wait_job_completion", json!({"job_id": id, "timeout": 30}));
                if ended["status"] != "success" {
                    found.unfinished.push(format!("{disaster:?} {name}: {ended}"));
                }
            }
            found.unclear += usize::from(now == Claim::Unclear);
            if now == Claim::NotSent {
                found.unfinished.push(format!("{disaster:?} {name}: {answer}"));
            }
        }
        call_tool(&mut other, "submit_job", self.batch());
        let log = [ended(server), ended(other)].concat();
        assert!(!log.contains("panicked"), "{log}");

        let (arrived, rows) = (self.arrived(), self.rows());
        let names = (0..=SUBMITS).map(|number| format!("{}-{number}", self.name));
        for name in names {
            let row = rows.iter().find(|row| row.client_request_id.as_deref() == Some(&*name));
            self.judge(&name, count(&arrived, &name), row.is_some(), &mut found);
        }
        for number in 0..DOCUMENTS {
            let link = self.document(number);
            let row = rows.iter().find(|row| row.arguments.to_string().contains(&link));
            self.judge(&link, count(&arrived, &link), row.is_some(), &mut found);
        }
        tally.lock().unwrap().add(disaster, found);
    }

    fn judge(&self, name: &str, times: usize, is_known: bool, found: &mut Tally) {
        found.submits += 1;
        found.charged += times;
        if times > 1 {
            found.twice.push(format!("{:?} {name}", self.disaster));
        }
        if times > 0 && !is_known {
            found.lost.push(format!("{:?} {name}", self.disaster));
        }
    }
}

impl Tally {
    fn add(&mut self, disaster: Disaster, round: Tally) {
        let kind = format!("{disaster:?}").split('(').next().unwrap().to_owned();
        *self.rounds.entry(kind).or_default() += 1;
        self.submits += round.submits;
        self.charged += round.charged;
        self.refused += round.refused;
        self.unclear += round.unclear;
        self.tasks += round.tasks;
        self.slowest_recovery = self.slowest_recovery.max(round.slowest_recovery);
        self.lost.extend(round.lost);
        self.twice.extend(round.twice);
        self.false_claims.extend(round.false_claims);
        self.unfinished.extend(round.unfinished);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn disasters_lose_nothing_and_make_no_answer_false() {
    disasters(&DISASTERS, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn disasters_on_postgres_lose_nothing_and_keep_answers_true() {
    if postgres::database().await.is_some() {
        disasters(&ON_POSTGRES, true).await;
    }
}

async fn disasters(disasters: &[Disaster], is_on_postgres: bool) {
    let rounds = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_u32);
    let options = Options { credits: i64::MAX / 4, ..Options::default() };
    let service = simulator::spawn(options).await.unwrap();
    let (tally, next, runtime) = (Mutex::new(Tally::default()), AtomicU32::new(0), tokio::runtime::Handle::current());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= rounds {
                        return;
                    }
                    let database = is_on_postgres.then(|| runtime.block_on(postgres::database()).unwrap());
                    let round = Round {
                        name: format!("round-{number:05}"),
                        disaster: disasters[number as usize % disasters.len()],
                        database,
                        service: &service,
                        place: Place::new(),
                        runtime: runtime.clone(),
                        random: (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
                    };
                    round.run(&tally);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!("{tally:#?}");
    assert_eq!(tally.rounds.values().sum::<u32>(), rounds);
    for (what, which) in [
        ("lost", &tally.lost),
        ("paid twice", &tally.twice),
        ("claimed but not so", &tally.false_claims),
        ("left alone", &tally.unfinished),
    ] {
        assert!(which.is_empty(), "{what}: {which:#?}");
    }
    assert!(tally.charged > 0 && (rounds < 10 || tally.refused + tally.unclear > 0), "no disaster struck: {tally:?}");
}
