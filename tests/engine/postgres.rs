//! The ledger on PostgreSQL when the server fails: addresses that are wrong, databases that are not ours, a standby, a
//! restart, a failover, a full disk, and a connection that is cut in each of the statements of a submit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use super::ledger::{accepted, caller, checked, intent, known, seen};
use super::place::Place;
use crate::support::postgres::{Cluster, Database, PASSWORD, USER};
use crate::support::product::{Product, request};
use crate::support::wire::Wire;
use pdfco::clock::now;
use pdfco::config::{DatabaseUrl, LedgerLocation};
use pdfco::error::Kind;
use pdfco::jobs::ledger::ProblemKind;
use pdfco::jobs::{JobStatus, Ledger};
use pdfco::secret::ApiKey;
use pdfco::simulator::{self, Handle};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SUBMIT: &str = "/v1/pdf/convert/from/html";

fn at(url: &str) -> Ledger {
    Ledger::new(LedgerLocation::Postgres(DatabaseUrl::parse(url).unwrap()), Duration::from_secs(86_400))
}

/// `url` with another part in place of one.
fn with(url: &str, change: impl Fn(&mut url::Url)) -> String {
    let mut url = url::Url::parse(url).unwrap();
    change(&mut url);
    url.to_string()
}

fn html() -> Value {
    json!({"html": "<p>a</p>", "profiles": {"Simulate": {"checks": 0}}})
}

async fn refuses(url: &str, kind: ProblemKind) {
    let ledger = at(url);
    let began = Instant::now();
    let refused = ledger.insert_intent(&intent("A"), None).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::LedgerUnavailable, "{refused}");
    let problem = ledger.problem().unwrap();
    assert_eq!(problem.kind, kind, "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(7), "{kind}: {:?}", began.elapsed());
    let health = ledger.health().await.unwrap_err();
    assert_eq!(health.message(), problem.message());
    for text in [format!("{refused:?}"), format!("{health:?}"), format!("{:?}", ledger.report().await)] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

// What is found at the first use

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_that_cannot_be_used_is_named_and_nothing_is_sent() {
    let Some(Place::Postgres(database)) = Place::postgres().await else { return };
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let unreachable = with(&database.url, |url| url.set_port(Some(closed)).unwrap());
    refuses(&unreachable, ProblemKind::Unreachable).await;
    refuses("postgres://nobody.invalid/ledger", ProblemKind::Unreachable).await;
    let missing = with(&database.url, |url| url.set_path("pdfco_no_such_database"));
    refuses(&missing, ProblemKind::NoDatabase).await;
    if database.url.contains(PASSWORD) {
        let wrong = with(&database.url, |url| url.set_password(Some("wrong")).unwrap());
        refuses(&wrong, ProblemKind::AccessDenied).await;
        let insecure = format!("{}?sslmode=require", database.url);
        refuses(&insecure, ProblemKind::Insecure).await;
    }
    // And the product says so, with nothing sent.
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let product = Product::with(service.url(), "sim_wire", &[("PDFCO_LEDGER", &unreachable)]);
    let refused = product.app.submit(&product.caller, request("html_to_pdf", html(), Duration::ZERO)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), Kind::LedgerUnavailable, "{refused:?}");
    assert_eq!(service.count(SUBMIT), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_trusted_by_its_certificate() {
    let Some(mut cluster) = tokio::task::spawn_blocking(Cluster::start).await.unwrap() else { return };
    let Some(authorities) = cluster.with_tls() else { return };
    let database = cluster.database().await;
    let by = |host: &str, mode: &str, root: Option<&std::path::Path>| {
        let named = with(&database.url, |url| url.set_host(Some(host)).unwrap());
        let root = root.map(|path| format!("&sslrootcert={}", path.display())).unwrap_or_default();
        format!("{named}?sslmode={mode}{root}")
    };
    for (host, mode, root) in [
        ("localhost", "verify-full", Some(authorities.ours.as_path())),
        ("127.0.0.1", "verify-ca", Some(authorities.ours.as_path())),
        ("127.0.0.1", "require", None),
    ] {
        let ledger = at(&by(host, mode, root));
        accepted(&ledger, &format!("A-{mode}")).await;
        let mut beside = database.beside().await;
        let secured = "SELECT COUNT(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND datname = current_database() AND application_name = 'pdfco'";
        let secured: i64 = sqlx::query_scalar(secured).fetch_one(&mut beside).await.unwrap();
        assert!(secured > 0, "{host} {mode}");
        ledger.close().await;
    }
    // Another authority, another name, no authority, and a file that is none.
    for (host, mode, root) in [
        ("localhost", "verify-full", Some(authorities.other.as_path())),
        ("127.0.0.1", "verify-full", Some(authorities.ours.as_path())),
        ("localhost", "verify-full", None),
        ("localhost", "verify-full", Some(std::path::Path::new("/nowhere/ca.crt"))),
    ] {
        refuses(&by(host, mode, root), ProblemKind::Insecure).await;
    }
    let mut beside = database.beside().await;
    let jobs: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs").fetch_one(&mut beside).await.unwrap();
    assert_eq!(jobs, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_of_another_program_is_not_written() {
    let Some(Place::Postgres(database)) = Place::postgres().await else { return };
    let mut beside = database.beside().await;
    beside.execute("CREATE TABLE customers (name TEXT)").await.unwrap();
    refuses(&database.url, ProblemKind::Foreign).await;
    let count = "SELECT COUNT(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    let tables: i64 = sqlx::query_scalar(count).fetch_one(&mut beside).await.unwrap();
    assert_eq!(tables, 1);
    // A schema of its own in the same database will do.
    beside.execute(AssertSqlSafe(format!("CREATE SCHEMA ours; GRANT ALL ON SCHEMA ours TO {USER}"))).await.unwrap();
    let own = format!("{}?options=-csearch_path%3Dours", database.url);
    let ledger = at(&own);
    accepted(&ledger, "A").await;
    assert!(ledger.health().await.unwrap().ends_with(", 1 job"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_of_a_newer_version_is_left_alone() {
    let Some(Place::Postgres(database)) = Place::postgres().await else { return };
    let ledger = at(&database.url);
    accepted(&ledger, "A").await;
    let mut beside = database.beside().await;
    beside.execute("INSERT INTO pdfco_schema (version) VALUES (99)").await.unwrap();
    refuses(&database.url, ProblemKind::Newer).await;
    let jobs: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM jobs").fetch_one(&mut beside).await.unwrap();
    assert_eq!(jobs, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_of_an_older_version_is_brought_up_to_date() {
    let Some(Place::Postgres(database)) = Place::postgres().await else { return };
    let ledger = at(&database.url);
    let job = accepted(&ledger, "A").await;
    ledger.close().await;
    // As the first version left it.
    let mut beside = database.beside().await;
    let older = "DROP TABLE sessions; DROP TABLE audit; ALTER TABLE jobs DROP COLUMN check_times; DELETE FROM pdfco_schema WHERE version > 1";
    beside.execute(sqlx::raw_sql(older)).await.unwrap();
    let again: Vec<Ledger> = (0..3).map(|_| at(&database.url)).collect();
    let kept = futures_util::future::join_all(again.iter().map(|ledger| ledger.keep_session("s", None, "state"))).await;
    assert!(kept.iter().all(Result::is_ok), "{kept:?}");
    assert_eq!(known(&again[0], "A").await.intent_id, job.intent_id);

    // Where the step cannot be taken, nothing is sent and the reason is said.
    if database.url.contains(PASSWORD) {
        beside.execute(sqlx::raw_sql(older)).await.unwrap();
        let sql = format!(
            "ALTER TABLE pdfco_schema OWNER TO postgres; GRANT SELECT ON pdfco_schema TO {USER}; REVOKE CREATE ON SCHEMA public FROM PUBLIC; ALTER DATABASE {} OWNER TO postgres",
            database.name()
        );
        beside.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
        refuses(&database.url, ProblemKind::NotAllowed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_without_the_rights_says_which() {
    let Some(Place::Postgres(database)) = Place::postgres().await else { return };
    let mut beside = database.beside().await;
    if database.url.contains(PASSWORD) {
        let sql = format!("ALTER DATABASE {} OWNER TO postgres", database.name());
        beside.execute(AssertSqlSafe(sql)).await.unwrap();
        refuses(&database.url, ProblemKind::NotAllowed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_that_takes_no_writes_is_read() {
    let Some(Place::Postgres(database)) = Place::postgres().await else { return };
    let ledger = at(&database.url);
    let job = accepted(&ledger, "A").await;
    let mut beside = database.beside().await;
    let cut = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()",
        database.name()
    );
    let set = async |beside: &mut sqlx::PgConnection, value: &str| {
        let sql = format!("ALTER DATABASE {} SET default_transaction_read_only = {value}", database.name());
        beside.execute(AssertSqlSafe(sql)).await.unwrap();
        beside.execute(AssertSqlSafe(cut.clone())).await.unwrap();
    };
    set(&mut beside, "on").await;
    let refused = ledger.insert_intent(&intent("B"), None).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::LedgerUnavailable, "{refused:?}");
    assert_eq!(ledger.problem().unwrap().kind, ProblemKind::Standby);
    let job = checked(&ledger, &job, &seen(JobStatus::Success, now())).await;
    assert_eq!(job.status, JobStatus::Success);
    assert_eq!(known(&ledger, "A").await.status, JobStatus::Success, "read, with what waits to be written");
    assert_eq!(known(&at(&database.url), "A").await.status, JobStatus::Queued);
    set(&mut beside, "off").await;
    assert_eq!(ledger.flush(Duration::from_secs(15)).await, 0, "{:?}", ledger.report().await);
    assert_eq!(known(&at(&database.url), "A").await.status, JobStatus::Success);
    assert!(ledger.health().await.is_ok());
    assert_eq!(ledger.spending(&caller(), 10).await.unwrap().iter().map(|row| row.credits).sum::<i64>(), 23);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_rows_that_others_lock_are_waited_for_and_named() {
    let Some(Place::Postgres(database)) = Place::postgres().await else { return };
    let ledger = at(&database.url);
    let job = accepted(&ledger, "A").await;
    let mut beside = database.beside().await;
    beside.execute("BEGIN; LOCK TABLE jobs, meta IN SHARE MODE").await.unwrap();
    // More at once than there are connections: those that wait for one wait for the lock too.
    let submits = (0..15).map(|number| {
        let ledger = &ledger;
        async move { ledger.insert_intent(&intent(&format!("J{number}")), None).await.map(drop) }
    });
    for refused in futures_util::future::join_all(submits).await {
        assert_eq!(refused.unwrap_err().kind(), Kind::LedgerUnavailable);
    }
    assert_eq!(ledger.problem().unwrap().kind, ProblemKind::Busy);
    checked(&ledger, &job, &seen(JobStatus::Success, now())).await;
    assert_eq!(known(&ledger, "A").await.status, JobStatus::Success, "read, with what waits to be written");
    beside.execute("ROLLBACK").await.unwrap();
    assert_eq!(ledger.flush(Duration::from_secs(15)).await, 0, "{:?}", ledger.report().await);
    assert_eq!(known(&at(&database.url), "A").await.status, JobStatus::Success);
    assert!(ledger.insert_intent(&intent("B"), None).await.unwrap().is_none());
}

// Connections that are cut

/// A way to a server that can be cut in the middle of a message, and led to another server.
struct Way {
    port: u16,
    target: Arc<AtomicU16>,
    /// Messages of the client until the way is cut; negative: never.
    left: Arc<AtomicI64>,
    /// Whether the message is delivered before the way is cut.
    is_delivered: Arc<AtomicBool>,
}

impl Way {
    async fn to(port: u16) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = Way {
            port: listener.local_addr().unwrap().port(),
            target: Arc::new(AtomicU16::new(port)),
            left: Arc::new(AtomicI64::new(-1)),
            is_delivered: Arc::default(),
        };
        let (target, left, is_delivered) =
            (Arc::clone(&way.target), Arc::clone(&way.left), Arc::clone(&way.is_delivered));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (left, is_delivered) = (Arc::clone(&left), Arc::clone(&is_delivered));
                let Ok(server) = TcpStream::connect(("127.0.0.1", target.load(Ordering::SeqCst))).await else {
                    continue;
                };
                tokio::spawn(carry(client, server, left, is_delivered));
            }
        });
        way
    }

    fn url(&self, database: &Database) -> String {
        with(&database.url, |url| url.set_port(Some(self.port)).unwrap())
    }

    fn cut_after(&self, messages: i64, is_delivered: bool) {
        self.is_delivered.store(is_delivered, Ordering::SeqCst);
        self.left.store(messages, Ordering::SeqCst);
    }

    fn is_cut(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, left: Arc<AtomicI64>, is_delivered: Arc<AtomicBool>) {
    let (mut from_client, mut from_server) = ([0; 16_384], [0; 16_384]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(count @ 1..) = read else { return };
                let is_last = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| (left >= 0).then_some(left - 1)) == Ok(0);
                if is_last && !is_delivered.load(Ordering::SeqCst) {
                    return;
                }
                if server.write_all(&from_client[..count]).await.is_err() {
                    return;
                }
                if is_last {
                    // The server has done it and answers into nothing.
                    let _ = server.read(&mut from_server).await;
                    return;
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&from_server[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn port_of(url: &str) -> u16 {
    url::Url::parse(url).unwrap().port().unwrap_or(5432)
}

/// Messages of a whole submit and the check after it: more than it has, so that the last rounds are not cut.
const MESSAGES_MAX: i64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_connections_cut_in_a_submit_pay_nothing_twice() {
    let Some(Place::Postgres(database)) = Place::postgres().await else { return };
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let way = Way::to(port_of(&database.url)).await;
    let product = Product::with(service.url(), "sim_wire", &[("PDFCO_LEDGER", &way.url(&database))]);
    let submit = |id: &str| pdfco::app::SubmitRequest {
        client_request_id: Some(id.to_owned()),
        ..request("html_to_pdf", html(), Duration::ZERO)
    };
    product.app.submit(&product.caller, submit("warm")).await.unwrap();
    let (mut paid, mut rounds) = (1, 0);
    'rounds: for messages in 0..MESSAGES_MAX {
        for is_delivered in [false, true] {
            let id = format!("{messages}-{is_delivered}");
            way.cut_after(messages, is_delivered);
            let first = product.app.submit(&product.caller, submit(&id)).await;
            let sent = service.count(SUBMIT);
            match &first {
                Ok(_) => assert_eq!(sent, paid + 1, "{id}"),
                Err(error) => {
                    assert_eq!(error.kind(), Kind::LedgerUnavailable, "{id}: {error:?}");
                    assert_eq!(sent, paid, "{id}: refused with nothing sent");
                }
            }
            // The same again pays for what was refused, and for nothing else.
            let is_over = !way.is_cut();
            way.cut_after(-1, false);
            let deadline = Instant::now() + Duration::from_secs(20);
            let again = loop {
                match product.app.submit(&product.caller, submit(&id)).await {
                    Ok(answer) => break answer,
                    Err(error) => assert!(Instant::now() < deadline, "{id}: {error:?}"),
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            };
            paid += 1;
            assert_eq!(service.count(SUBMIT), paid, "{id}: paid once");
            if let Ok(first) = first {
                assert_eq!(first.job.unwrap().job_id, again.job.unwrap().job_id, "{id}");
            }
            // The next cut finds nothing that still waits to be written.
            assert_eq!(product.app.jobs().ledger().flush(Duration::from_secs(20)).await, 0, "{id}");
            rounds += 1;
            if is_over {
                break 'rounds;
            }
        }
    }
    println!("{rounds} cuts");
    assert!((20..MESSAGES_MAX * 2 - 1).contains(&rounds), "{rounds} cuts");
    let ledger = product.app.jobs().ledger();
    assert_eq!(ledger.flush(Duration::from_secs(10)).await, 0);
    let tenant = &product.caller.owner.tenant;
    let page = ledger.list(tenant, None, 1, None).await.unwrap();
    assert_eq!(page.total, paid as i64, "a row for each, and no other");
    let spent = ledger.spending(tenant, 100).await.unwrap();
    let submits = spent.iter().find(|row| row.operation == "html_to_pdf").unwrap();
    assert_eq!(submits.requests, paid as i64, "each is booked once: {spent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_answers_cut_in_any_statement_are_booked_once() {
    let Some(Place::Postgres(database)) = Place::postgres().await else { return };
    let way = Way::to(port_of(&database.url)).await;
    let ledger = at(&way.url(&database));
    let mut job = accepted(&ledger, "A").await;
    let mut booked = 0;
    'rounds: for messages in 0..MESSAGES_MAX {
        for is_delivered in [false, true] {
            way.cut_after(messages, is_delivered);
            job = checked(&ledger, &job, &seen(JobStatus::Working, now())).await;
            assert_eq!(ledger.flush(Duration::from_secs(20)).await, 0, "{messages} {is_delivered}");
            booked += 1;
            let spent = ledger.spending(&caller(), 10).await.unwrap();
            let checks = spent.iter().find(|row| row.operation == "job_check").unwrap();
            assert_eq!(
                (checks.requests, checks.credits),
                (booked, booked * 2),
                "after {messages} messages, delivered: {is_delivered}"
            );
            if !way.is_cut() {
                break 'rounds;
            }
        }
    }
    println!("{booked} cuts");
    assert!((14..MESSAGES_MAX * 2 - 1).contains(&booked), "{booked} cuts");
    assert_eq!(known(&at(&database.url), "A").await.checks_made, booked);
}

// Restarts and failovers

fn process(service: &Handle, ledger: &str) -> Wire {
    Wire::ready(service.url(), &[("PDFCO_LEDGER", ledger), ("PDFCO_CHECK_WORTH_SECONDS", "0.5")])
}

fn submit_of(seconds: u32, id: &str) -> Value {
    let options = json!({"html": "<p>a</p>", "profiles": {"Simulate": {"seconds": seconds}}});
    json!({"operation": "html_to_pdf", "options": options, "wait": 0, "client_request_id": id})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_restarts_end_no_wait_and_refuse_submits() {
    let Some(mut cluster) = tokio::task::spawn_blocking(Cluster::start).await.unwrap() else { return };
    let database = cluster.database().await;
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let mut replicas = [process(&service, &database.url), process(&service, &database.url)];
    let id = replicas[0].call("submit_job", submit_of(6, "one"))["job"]["job_id"].clone();
    let wait = json!({"name": "wait_job_completion", "arguments": {"job_id": id, "timeout": 40}});
    let waits = replicas.each_mut().map(|replica| replica.request("tools/call", wait.clone()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.stop();
    let began = Instant::now();
    let asked = replicas[0].request("tools/call", json!({"name": "submit_job", "arguments": submit_of(1, "two")}));
    let refused = answer_of(&mut replicas[0], asked, &[waits[0]]);
    assert_eq!(refused["content"]["kind"], "ledger_unavailable", "{refused}");
    assert_eq!(refused["content"]["retryable"], true);
    assert!(began.elapsed() < Duration::from_secs(18), "{:?}", began.elapsed());
    assert_eq!(service.count(SUBMIT), 1, "nothing was sent");
    cluster.resume();
    for (replica, asked) in replicas.iter_mut().zip(waits) {
        let answer = answer_of(replica, asked, &[]);
        assert_eq!(answer["status"], "success", "{answer}");
    }
    // It goes on by itself, and the refused id is free.
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let answer = replicas[1].call("submit_job", submit_of(1, "two"));
        if answer["status"] != "error" {
            break;
        }
        assert!(Instant::now() < deadline, "{answer}");
    }
    assert_eq!(service.count(SUBMIT), 2);
    let listed = replicas[0].call("list_jobs", json!({}));
    assert_eq!(listed["content"]["total"], 2, "{listed}");
}

/// The structured answer to `id`; answers to `others` may come before and are kept by failing.
fn answer_of(wire: &mut Wire, id: i64, others: &[i64]) -> Value {
    let (answer, before) = wire.answer(id);
    assert!(
        !before.iter().any(|message| others.iter().any(|other| message["id"] == *other)),
        "a wait ended: {before:?}"
    );
    answer["result"]["structuredContent"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_standbys_take_over_with_nothing_lost() {
    let Some(mut primary) = tokio::task::spawn_blocking(Cluster::start).await.unwrap() else { return };
    let database = primary.database().await;
    let ledger = at(&database.url);
    accepted(&ledger, "A").await;
    ledger.close().await;
    let standby = primary.standby();
    let way = Way::to(primary.port()).await;
    let ledger = at(&way.url(&database));
    let job = accepted(&ledger, "B").await;
    // The standby alone is read, and says what it is.
    let aside = at(&with(&database.url, |url| url.set_port(Some(standby.port())).unwrap()));
    let deadline = Instant::now() + Duration::from_secs(10);
    while aside.get(&caller(), "B").await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "the standby follows");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let refused = aside.insert_intent(&intent("C"), None).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::LedgerUnavailable);
    assert_eq!(aside.problem().unwrap().kind, ProblemKind::Standby, "{refused:?}");

    primary.stop();
    let job = checked(&ledger, &job, &seen(JobStatus::Success, now())).await;
    assert_eq!(job.status, JobStatus::Success, "known while there is no server");
    standby.promote().await;
    way.target.store(standby.port(), Ordering::SeqCst);
    assert_eq!(ledger.flush(Duration::from_secs(20)).await, 0, "{:?}", ledger.report().await);
    assert!(ledger.insert_intent(&intent("D"), None).await.unwrap().is_none());
    assert_eq!(known(&aside, "B").await.status, JobStatus::Success);
    assert!(aside.insert_intent(&intent("E"), None).await.unwrap().is_none(), "the same server takes writes now");
    assert_eq!(ledger.list(&caller(), None, 10, None).await.unwrap().total, 4);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_with_a_full_disk_loses_no_answer() {
    let Some(cluster) = tokio::task::spawn_blocking(Cluster::start).await.unwrap() else { return };
    // Only an administrator can give a folder a disk of its own.
    let Some(disk) = cluster.small_disk("24m") else { return };
    let database = cluster.database().await;
    let mut beside = database.beside().await;
    let space = format!("CREATE TABLESPACE small OWNER {USER} LOCATION '{}'", disk.path().display());
    beside.execute(AssertSqlSafe(space)).await.unwrap();
    drop(beside);
    let mut admin = cluster.admin("postgres").await;
    let moved = format!("ALTER DATABASE {} SET TABLESPACE small", database.name());
    admin.execute(AssertSqlSafe(moved)).await.unwrap();
    let ledger = at(&database.url);
    let job = accepted(&ledger, "A").await;
    let filler = disk.path().join("filler");
    let file = std::fs::File::create(&filler).unwrap();
    let mut refused = None;
    let _ = std::io::copy(&mut std::io::repeat(1), &mut &file);
    for number in 0..2_000 {
        let big = pdfco::jobs::ledger::Intent {
            arguments: json!({"text": (0..400).map(|_| uuid::Uuid::new_v4().to_string()).collect::<String>()}),
            ..intent(&format!("J{number}"))
        };
        if let Err(error) = ledger.insert_intent(&big, None).await {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.expect("the disk fills up");
    assert_eq!(refused.kind(), Kind::LedgerUnavailable, "{refused:?}");
    assert_eq!(ledger.problem().unwrap().kind, ProblemKind::DatabaseFull, "{refused:?}");
    // What is learned meanwhile needs no more room than a row; a long text does.
    let mut long = seen(JobStatus::Success, now());
    long.content = json!({"text": (0..4_000).map(|_| uuid::Uuid::new_v4().to_string()).collect::<String>()});
    checked(&ledger, &job, &long).await;
    assert_eq!(known(&ledger, "A").await.status, JobStatus::Success);
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(ledger.flush(Duration::from_secs(20)).await, 0, "{:?}", ledger.report().await);
    assert_eq!(known(&at(&database.url), "A").await.status, JobStatus::Success);
    assert!(ledger.insert_intent(&intent("B"), None).await.unwrap().is_none());
}

// Replicas

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_reports_what_other_replicas_changed() {
    let Some(place) = Place::postgres().await else { return };
    let (one, other) = (place.open(), place.open());
    let job = accepted(&one, "A").await;
    let often = Duration::from_secs(60);
    let mut changes = other.others(&caller()).await;
    // Until the server reports, the first reading comes by itself.
    tokio::time::timeout(Duration::from_secs(10), changes.next(Duration::from_millis(200))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let _ = tokio::time::timeout(Duration::from_millis(100), changes.next(often)).await;
    let began = Instant::now();
    let noticed = tokio::spawn(async move {
        changes.next(often).await;
        Instant::now()
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!noticed.is_finished(), "nothing happened yet");
    checked(&one, &job, &seen(JobStatus::Success, now())).await;
    let noticed = noticed.await.unwrap().duration_since(began);
    assert!(noticed < Duration::from_secs(2), "{noticed:?}");
    let changed = other.changed_since(&caller(), now() - 1_000).await.unwrap();
    assert_eq!(changed[0].status, JobStatus::Success);
    // By the server's clock: a replica whose clock is an hour late is noticed as well.
    let late = accepted(&one, "B").await;
    checked(&one, &late, &seen(JobStatus::Working, now() - 3_600_000)).await;
    let changed = other.changed_since(&caller(), now() - 1_000).await.unwrap();
    assert!(changed.iter().any(|job| job.id() == "B"), "{changed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_leases_and_pace_by_its_own_clock() {
    let Some(place) = Place::postgres().await else { return };
    let (one, other) = (place.open(), place.open());
    let job = accepted(&one, "A").await;
    let hour = 3_600_000;
    assert!(one.claim(&job, "one", None, now() - hour).await.unwrap().is_ok());
    assert!(other.claim(&job, "other", None, now() + hour).await.unwrap().is_err(), "an hour ahead is not later");
    one.release(&job.intent_id, "one");
    one.flush(Duration::from_secs(5)).await;
    assert!(other.claim(&job, "other", None, now()).await.unwrap().is_ok());

    let key = ApiKey::new("sim_ledger").unwrap();
    let window = Duration::from_secs(30);
    let reserve =
        async |ledger: &Ledger, skew: i64| ledger.reserve(key.fingerprint(), 3, window, now() + skew).await.unwrap();
    for (ledger, skew) in [(&one, 0), (&other, hour), (&one, -hour)] {
        assert_eq!(reserve(ledger, skew).await, None);
    }
    for (ledger, skew) in [(&one, 0), (&other, hour), (&one, -hour)] {
        let wait = reserve(ledger, skew).await.unwrap();
        assert!(wait > Duration::from_secs(20) && wait <= window, "{wait:?}");
    }
}
