//! The ledger's upkeep: old files, damaged and locked ones, full disks, clocks that jump, and transitions that hold
//! whatever comes in whatever order.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::product::Product;
use crate::support::wire::{Wire, ledger_in};
use futures_util::future::join_all;
use pdfco::catalog;
use pdfco::charge::Charge;
use pdfco::clock::now;
use pdfco::config::LedgerLocation;
use pdfco::error::Kind;
use pdfco::jobs::ledger::{Admission, Filter, Intent, ProblemKind};
use pdfco::jobs::{IntentId, Job, JobId, JobStatus, Ledger, Observation, Outgoing, Preparation, Task, TaskStatus};
use pdfco::secret::ApiKey;
use pdfco::simulator::{self, Fault, FaultKind};
use pdfco::tenant::{Owner, Tenant};
use proptest::prelude::*;
use serde_json::json;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, Row, SqliteConnection};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const DAY: u64 = 86_400;
/// Long enough for the rows of the fixture.
const FOR_EVER: Duration = Duration::from_secs(36_500 * DAY);
/// 2100-01-01, in milliseconds.
const FAR_AWAY: i64 = 4_102_444_800_000;

fn owner() -> Owner {
    Owner::from(ApiKey::new("sim_ledger").unwrap())
}

fn caller() -> Tenant {
    owner().tenant
}

fn open(path: &Path) -> Ledger {
    Ledger::new(LedgerLocation::File(path.to_owned()), Duration::from_secs(30 * DAY))
}

/// A new ledger file and a folder that goes with it.
fn new_place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    (folder, path)
}

/// A connection of somebody else to the same file.
async fn beside(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// An intent whose job will be `id`.
fn intent(id: &str) -> Intent {
    Intent {
        intent_id: IntentId::from_stored(format!("local-{id}")),
        request_hash: id.to_owned(),
        ..Intent::new(&owner(), "pdf_to_text", now())
    }
}

/// A job that was accepted as `id` just now.
async fn accepted(ledger: &Ledger, id: &str) -> Job {
    let intent = intent(id);
    assert!(ledger.insert_intent(&intent, None).await.unwrap().is_none());
    ledger
        .accepted(&intent, JobId::parse(id).unwrap(), &json!({"jobId": id}), Charge::new(Some(21), Some(979)), now())
        .await
}

/// A check of `job` that was answered.
async fn checked(ledger: &Ledger, job: &Job, seen: &Observation) -> Job {
    ledger.observe(Some(owner().account()), job, seen, None).await
}

/// A job of which only the id is known.
fn foreign(id: &str) -> Job {
    Job::from_elsewhere(caller(), &JobId::parse(id).unwrap(), now())
}

async fn known(ledger: &Ledger, id: &str) -> Job {
    ledger.get(&caller(), id).await.unwrap().unwrap()
}

fn seen(status: JobStatus, at: i64) -> Observation {
    let content = json!({"status": status.as_str(), "url": "https://h.test/a.txt?signature=canary"});
    Observation { status, content, credits: Some(2), credits_remaining: Some(977), is_check: true, at }
}

fn states() -> [JobStatus; 8] {
    let other = JobStatus::Other("paused".into());
    use JobStatus::{Aborted, Cancelled, Failed, Queued, Success, Unknown, Working};
    [Queued, Working, other, Success, Failed, Aborted, Unknown, Cancelled]
}

// Old files

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ledgers/v1.sqlite")
}

/// The file as the first version left it: its schema alone, and rows of every state.
async fn write_fixture() {
    let _ = std::fs::remove_file(fixture());
    std::fs::create_dir_all(fixture().parent().unwrap()).unwrap();
    let mut file = beside(&fixture()).await;
    let first = include_str!("../../src/jobs/ledger/sqlite/migrations/001_jobs.sql");
    let step = Migration::new(1, "jobs".into(), MigrationType::Simple, sqlx::SqlSafeStr::into_sql_str(first), false);
    Migrator::with_migrations(vec![step]).run(&mut file).await.unwrap();
    let caller = caller();
    for (index, status) in states().iter().enumerate() {
        let at = 1_767_225_600_000 + index as i64 * 1_000;
        let is_end = status.is_terminal();
        sqlx::query(
            "INSERT INTO jobs (intent_id, job_id, caller, operation, arguments, request_hash, client_request_id, status,
                 unrecognized_status, created_at, submitted_at, started_at, completed_at, last_checked_at, job_duration_ms,
                 page_count, checks_made, check_credits, submit_credits, credits_remaining, content, links_expire_at, problem, saved_to)
             VALUES ($1, $2, $3, 'pdf_to_text', '{\"url\":\"a.pdf\"}', $4, $5, $6, $7, $8, $8, $9, $10, $9, $11, 3, $12, $13, 21, 900, $14, $15, $16, $17)",
        )
        .bind(format!("local-{index}"))
        .bind((*status != JobStatus::Queued).then(|| format!("JOB{index}")))
        .bind(caller.as_str())
        .bind(format!("hash-{index}"))
        .bind((index % 2 == 0).then(|| format!("mine-{index}")))
        .bind(status.as_str())
        .bind(status.unrecognized())
        .bind(at)
        .bind((*status != JobStatus::Queued).then_some(at + 400))
        .bind(is_end.then_some(at + 900))
        .bind((*status == JobStatus::Success).then_some(850))
        .bind(i64::from(*status != JobStatus::Queued))
        .bind((index % 3 != 0).then_some(2))
        .bind(json!({"status": status.as_str(), "url": "https://h.test/a.txt?x=1"}).to_string())
        .bind((*status == JobStatus::Success).then_some(FAR_AWAY))
        .bind((*status == JobStatus::Queued).then(|| json!({"kind": "network"}).to_string()))
        .bind((*status == JobStatus::Success).then(|| json!(["/tmp/a.txt"]).to_string()))
        .execute(&mut file)
        .await
        .unwrap();
    }
    sqlx::query("INSERT INTO spending VALUES ('2026-01-01', $1, 'pdf_to_text', 8, 168)")
        .bind(caller.as_str())
        .execute(&mut file)
        .await
        .unwrap();
    file.execute("VACUUM").await.unwrap();
    file.close().await.unwrap();
}

/// All rows of a table, in the given columns, as SQLite would write them.
async fn rows(file: &mut SqliteConnection, table: &str, columns: &[String]) -> Vec<String> {
    let quoted: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
    let sql = format!("SELECT {} FROM {table} ORDER BY 1", quoted.join(" || ',' || "));
    let rows = file.fetch_all(AssertSqlSafe(sql)).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn columns(file: &mut SqliteConnection, table: &str) -> Vec<String> {
    let sql = format!("SELECT name FROM pragma_table_info('{table}')");
    let rows = file.fetch_all(AssertSqlSafe(sql)).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn the_first_version_is_migrated_with_all_its_rows() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        write_fixture().await;
    }
    let (_folder, path) = new_place();
    std::fs::copy(fixture(), &path).expect("run `UPDATE_FIXTURES=1 cargo test --test integration ledger`");
    let mut old = beside(&path).await;
    let mut before = Vec::new();
    for table in ["jobs", "spending"] {
        let columns = columns(&mut old, table).await;
        // Whose a row is, is kept under another name and as an HMAC from the fourth step on.
        let columns: Vec<String> = columns.into_iter().filter(|column| column != "caller").collect();
        before.push((table, rows(&mut old, table, &columns).await, columns));
    }
    old.close().await.unwrap();

    let ledger = Ledger::new(LedgerLocation::File(path.clone()), FOR_EVER);
    let page = ledger.list(&caller(), None, 100, None).await.unwrap();
    let mut found: Vec<JobStatus> = page.jobs.iter().map(|job| job.status.clone()).collect();
    found.reverse();
    assert_eq!(found, states());
    let success = ledger.get(&caller(), "JOB3").await.unwrap().unwrap();
    assert_eq!((success.job_duration_ms, success.page_count, success.checks_made), (Some(850), Some(3), 1));
    assert_eq!((success.saved_to.len(), success.results().links.len()), (1, 1));
    assert_eq!(ledger.spending(&caller(), 10).await.unwrap()[0].credits, 168);

    let mut new = beside(&path).await;
    for (table, rows_before, columns) in before {
        assert_eq!(rows(&mut new, table, &columns).await, rows_before, "{table}");
    }
    let kept = rows(&mut new, "jobs", &["tenant".into()]).await;
    assert!(!kept.iter().any(|tenant| tenant.contains(caller().as_str())), "{kept:?}");
    // And it lives: old rows are claimed, checked and cancelled like new ones.
    let (one, two) = (known(&ledger, "local-1").await, known(&ledger, "local-2").await);
    assert!(ledger.claim(&one, "us", Some(now()), now()).await.unwrap().is_ok());
    let ended = checked(&ledger, &one, &seen(JobStatus::Success, now())).await;
    assert_eq!((ended.status, ended.checks_made), (JobStatus::Success, 2));
    assert!(ledger.cancel(&two, now()).await.unwrap().1);
}

#[tokio::test]
async fn a_ledger_of_a_newer_version_is_read_and_not_written() {
    let (_folder, path) = new_place();
    let ledger = open(&path);
    let job = accepted(&ledger, "A").await;
    ledger.close().await;
    let mut newer = beside(&path).await;
    newer
        .execute("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', 1, x'00', 0)")
        .await
        .unwrap();
    let ledger = open(&path);
    let refused = ledger.insert_intent(&intent("B"), None).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::LedgerUnavailable);
    assert!(refused.message().contains("newer"), "{refused}");
    assert_eq!(known(&ledger, "A").await.intent_id, job.intent_id);
    assert_eq!(ledger.problem().unwrap().kind, ProblemKind::Newer);
    ledger.close().await;
    assert_eq!(rows(&mut newer, "jobs", &["job_id".into()]).await, ["'A'"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_is_opened_by_many_at_the_same_moment() {
    let (_folder, path) = new_place();
    let ledgers: Vec<Ledger> = (0..8).map(|_| open(&path)).collect();
    join_all(ledgers.iter().enumerate().map(async |(index, ledger)| accepted(ledger, &format!("J{index}")).await))
        .await;
    for ledger in &ledgers {
        assert_eq!(ledger.list(&caller(), None, 100, None).await.unwrap().total, 8);
        assert!(ledger.health().await.unwrap().starts_with(path.to_str().unwrap()), "in the file");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_on_a_new_file_all_use_it() {
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let (folder, _) = new_place();
    let place = ledger_in(folder.path());
    let mut wires: Vec<Wire> = (0..3).map(|_| Wire::ready(service.url(), &[("PDFCO_LEDGER", &place)])).collect();
    let submit = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}, "wait": 0});
    let asked: Vec<i64> = wires
        .iter_mut()
        .map(|wire| wire.request("tools/call", json!({"name": "submit_job", "arguments": submit})))
        .collect();
    for (wire, id) in wires.iter_mut().zip(asked) {
        assert_eq!(wire.answer(id).0["result"]["structuredContent"]["status"], "queued");
    }
    for mut wire in wires {
        assert_eq!(wire.call("list_jobs", json!({}))["content"]["total"], 3);
        assert_eq!(wire.finish(), "");
    }
}

// Files that cannot be used

#[tokio::test]
async fn an_unusable_file_refuses_intents_and_keeps_answers() {
    let (folder, _) = new_place();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("a-folder")).unwrap();
    std::fs::write(at("a-file"), "in the way").unwrap();
    std::fs::write(at("text"), "this is no database, but long enough to be taken for one. ".repeat(200)).unwrap();
    let ledger = open(&at("damaged"));
    accepted(&ledger, "A").await;
    ledger.close().await;
    let mut bytes = std::fs::read(at("damaged")).unwrap();
    bytes.iter_mut().skip(100).for_each(|byte| *byte = 0xa5);
    std::fs::write(at("damaged"), bytes).unwrap();
    let mut unusable = vec![at("a-folder"), at("a-file").join("ledger.sqlite"), at("text"), at("damaged")];
    if cfg!(target_os = "linux") {
        unusable.push("/proc/self/ledger.sqlite".into());
    }
    for path in unusable {
        let ledger = open(&path);
        let began = Instant::now();
        let refused = ledger.insert_intent(&intent("A"), None).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::LedgerUnavailable, "{}", path.display());
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "what will not pass is not waited for: {:?}",
            began.elapsed()
        );
        // A job from elsewhere can be checked all the same, and what was said of it is known.
        let job = foreign("FOREIGN");
        let job = checked(&ledger, &job, &seen(JobStatus::Success, now())).await;
        assert_eq!((job.status, job.checks_made), (JobStatus::Success, 1), "{}", path.display());
        assert_eq!(known(&ledger, "FOREIGN").await.status, JobStatus::Success);
        assert!(ledger.health().await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_waited_for_and_then_refuses() {
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let (folder, path) = new_place();
    let mut wire = impatient(service.url(), folder.path());
    let submit = |id: &str| {
        let options = json!({"html": "<p>a</p>", "profiles": {"Simulate": {"checks": 0}}});
        json!({"operation": "html_to_pdf", "options": options, "wait": 0, "client_request_id": id})
    };
    let first = wire.call("submit_job", submit("one"))["job"]["job_id"].clone();
    let mut other = beside(&path).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();

    let check = wire.call("get_job_check", json!({"job_id": first}));
    assert_eq!((&check["status"], &check["job"]["source"]), (&json!("success"), &json!("live")), "{check}");
    assert_eq!(wire.call("get_job_check", json!({"job_id": first}))["job"]["source"], "cache", "it is known");
    let repeat = wire.call("submit_job", submit("one"));
    assert_eq!(repeat["job"]["job_id"], first, "a known id is answered from what can be read: {repeat}");
    let began = Instant::now();
    let refused = wire.call("submit_job", submit("two"));
    assert_eq!(refused["content"]["kind"], "ledger_unavailable", "{refused}");
    assert_eq!(refused["content"]["retryable"], true);
    assert!((14.0..18.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    assert_eq!(service.count("/v1/pdf/convert/from/html"), 1, "nothing was sent");

    // The lock goes while a submit waits for it.
    let asked = wire.request("tools/call", json!({"name": "submit_job", "arguments": submit("two")}));
    tokio::time::sleep(Duration::from_secs(2)).await;
    other.execute("COMMIT").await.unwrap();
    let answer = wire.answer(asked).0;
    assert_eq!(answer["result"]["structuredContent"]["status"], "queued", "{answer}");
    // What was learned under the lock is in the file, by the timer alone.
    let deadline = Instant::now() + Duration::from_secs(8);
    loop {
        let states = rows(&mut other, "jobs", &["status".into()]).await;
        if states.iter().any(|state| state == "'success'") {
            break;
        }
        assert!(Instant::now() < deadline, "{states:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    wire.finish();
    assert_eq!(service.count("/v1/pdf/convert/from/html"), 2);
}

/// A server for which looks cost nothing, on the ledger in this folder.
fn impatient(base: &str, folder: &Path) -> Wire {
    Wire::ready(base, &[("PDFCO_LEDGER", &ledger_in(folder)), ("PDFCO_CHECK_WORTH_SECONDS", "0.05")])
}

#[tokio::test]
async fn answers_under_a_lock_are_written_in_order_afterwards() {
    let (_folder, path) = new_place();
    let ledger = open(&path);
    let (one, two) = (accepted(&ledger, "A").await, accepted(&ledger, "B").await);
    let mut other = beside(&path).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let at = now();
    let job = checked(&ledger, &one, &seen(JobStatus::Working, at)).await;
    let job = checked(&ledger, &job, &seen(JobStatus::Success, at + 10)).await;
    assert_eq!((&job.status, job.submit_credits, job.check_credits), (&JobStatus::Success, Some(21), Some(4)));
    assert_eq!(known(&ledger, "A").await.status, JobStatus::Success, "seen by readers of this process");
    assert_eq!(ledger.problem().unwrap().kind, ProblemKind::Locked);
    // Meanwhile another process, the one with the lock, ends the second job.
    other.execute("UPDATE jobs SET status = 'failed', changed_at = changed_at + 1 WHERE job_id = 'B'").await.unwrap();
    checked(&ledger, &two, &seen(JobStatus::Working, now())).await;
    other.execute("COMMIT").await.unwrap();

    assert_eq!(ledger.flush(Duration::from_secs(8)).await, 0);
    assert!(ledger.health().await.unwrap().starts_with(path.to_str().unwrap()));
    let again = open(&path);
    for ledger in [&ledger, &again] {
        assert_eq!(
            (known(ledger, "A").await.status, known(ledger, "B").await.status),
            (JobStatus::Success, JobStatus::Failed)
        );
        assert_eq!(ledger.spending(&caller(), 10).await.unwrap().iter().map(|row| row.credits).sum::<i64>(), 48);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_submits_and_loses_no_answer() {
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let (folder, path) = new_place();
    // The file is made before the limit, so that it opens; then no file may grow beyond 256 blocks.
    let ledger = open(&path);
    accepted(&ledger, "A").await;
    ledger.close().await;
    let mut wire =
        Wire::limited("trap '' XFSZ; ulimit -f 256", service.url(), &[("PDFCO_LEDGER", &ledger_in(folder.path()))]);
    let big = "x".repeat(20_000);
    let submit = |number: usize| {
        let options = json!({"html": format!("<p>{number}{big}</p>"), "profiles": {"Simulate": {"checks": 0}}});
        json!({"operation": "html_to_pdf", "options": options, "wait": 0})
    };
    let (mut ids, mut refused) = (Vec::new(), 0);
    for number in 0..60 {
        let answer = wire.call("submit_job", submit(number));
        if answer["status"] == "error" {
            assert_eq!(answer["content"]["kind"], "ledger_unavailable", "{answer}");
            refused += 1;
        } else {
            ids.push(answer["job"]["job_id"].clone());
        }
        if refused == 2 {
            break;
        }
    }
    assert_eq!(refused, 2, "the disk fills up");
    assert_eq!(service.count("/v1/pdf/convert/from/html"), ids.len(), "what was refused was not sent");
    for id in &ids {
        let check = wire.call("get_job_check", json!({"job_id": id}));
        assert_eq!(check["status"], "success", "{check}");
    }
    wire.finish();
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_file_is_noticed_before_paid_work_and_restored() {
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let (folder, path) = new_place();
    let mut wire = impatient(service.url(), folder.path());
    let submit = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}, "wait": 0});
    let first = wire.call("submit_job", submit.clone())["job"]["job_id"].clone();
    for name in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = std::fs::remove_file(folder.path().join(name));
    }
    let refused = wire.call("submit_job", submit.clone());
    assert_eq!(refused["content"]["kind"], "ledger_unavailable", "{refused}");
    assert_eq!(service.count("/v1/pdf/convert/from/html"), 1, "nothing was sent");
    let deadline = Instant::now() + Duration::from_secs(8);
    while !path.exists() {
        assert!(Instant::now() < deadline, "it is written again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(wire.call("submit_job", submit)["status"], "queued");
    wire.kill();
    let ledger = open(&path);
    let owner = Owner::from(ApiKey::new("sim_wire").unwrap());
    let page = ledger.list(&owner.tenant, None, 10, None).await.unwrap();
    assert_eq!(page.total, 2, "nothing is lost");
    assert_eq!(json!(page.jobs[1].id()), first);
}

#[cfg(unix)]
#[tokio::test]
async fn another_file_in_its_place_is_never_written() {
    let (folder, path) = new_place();
    let ledger = open(&path);
    accepted(&ledger, "A").await;
    let theirs = folder.path().join("other.sqlite");
    let other = open(&theirs);
    accepted(&other, "THEIRS").await;
    other.close().await;
    std::fs::rename(&path, folder.path().join("moved.sqlite")).unwrap();
    std::fs::rename(&theirs, &path).unwrap();
    let refused = ledger.insert_intent(&intent("B"), None).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::LedgerUnavailable);
    assert_eq!(ledger.problem().unwrap().kind, ProblemKind::Replaced);
    assert_eq!(known(&ledger, "A").await.id(), "A", "what was known is known");
    // It recovers by itself when the file is back.
    std::fs::rename(folder.path().join("moved.sqlite"), &path).unwrap();
    assert!(ledger.insert_intent(&intent("B"), None).await.unwrap().is_none());
    assert!(ledger.health().await.is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_may_write_is_tightened() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = new_place();
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let ledger = open(&path);
    accepted(&ledger, "A").await;
    assert_eq!(mode(), 0o600);
    ledger.close().await;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let ledger = open(&path);
    accepted(&ledger, "B").await;
    assert_eq!(mode(), 0o600);
}

// The budget

fn limit(limit: i64, price: i64) -> Option<Admission> {
    Some(Admission::of(limit, price))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_holds_across_parallel_intents_and_processes() {
    let (_folder, path) = new_place();
    let ledgers = [open(&path), open(&path), open(&path)];
    let submits = (0..60).map(|number| {
        let ledger = &ledgers[number % 3];
        async move {
            let intent = intent(&format!("J{number}"));
            match ledger.insert_intent(&intent, limit(14, 7)).await {
                Ok(_) => {
                    ledger
                        .accepted(
                            &intent,
                            JobId::parse(&format!("J{number}")).unwrap(),
                            &json!({}),
                            Charge::new(Some(7), None),
                            now(),
                        )
                        .await;
                    true
                }
                Err(error) => {
                    assert_eq!(error.kind(), Kind::InsufficientCredits, "{error}");
                    false
                }
            }
        }
    });
    let admitted = join_all(submits).await.into_iter().filter(|admitted| *admitted).count();
    assert_eq!(admitted, 2);
    assert_eq!(ledgers[0].budget_used(&owner(), now()).await.unwrap(), 14);
    assert_eq!(ledgers[0].list(&caller(), None, 100, None).await.unwrap().total, 2, "a refused intent leaves no row");
    // Another tenant's budget is its own.
    let other = Owner::from(ApiKey::new("sim_other").unwrap());
    assert!(ledgers[0].insert_intent(&Intent::new(&other, "pdf_to_text", now()), limit(14, 7)).await.is_ok());
}

#[tokio::test]
async fn unknown_fates_count_and_refunds_raise_no_budget() {
    let ledger = Ledger::new(LedgerLocation::Memory, FOR_EVER);
    let used = async || ledger.budget_used(&owner(), now()).await.unwrap();
    let lost = intent("LOST");
    ledger.insert_intent(&lost, limit(100, 30)).await.unwrap();
    assert_eq!(used().await, 30, "set aside");
    let unknown = pdfco::error::Error::new(Kind::Network, "lost", "look").with_unknown_fate();
    ledger.not_accepted(&lost, &unknown, Charge::NONE, now()).await;
    assert_eq!(used().await, 30, "it may have been charged");
    let refused = intent("REFUSED");
    ledger.insert_intent(&refused, limit(100, 30)).await.unwrap();
    ledger.not_accepted(&refused, &pdfco::error::Error::invalid("no", "no"), Charge::NONE, now()).await;
    assert_eq!(used().await, 30, "a refusal is given back");

    let paid = intent("PAID");
    ledger.insert_intent(&paid, limit(100, 30)).await.unwrap();
    let job =
        ledger.accepted(&paid, JobId::parse("PAID").unwrap(), &json!({}), Charge::new(Some(20), None), now()).await;
    assert_eq!(used().await, 60, "ten more may come until it ends");
    let refund = Observation { credits: Some(-500), ..seen(JobStatus::Failed, now()) };
    checked(&ledger, &job, &refund).await;
    assert_eq!(used().await, 30, "no more is refunded than was charged");

    let check = ledger.admit_check(&owner(), Some(40), 2).await.unwrap();
    assert_eq!(used().await, 40, "a check of an unproven price sets aside what is left of its margin");
    let job = accepted(&ledger, "B").await;
    ledger.observe(Some(owner().account()), &job, &seen(JobStatus::Working, now()), check).await;
    assert_eq!(used().await, 53, "settled");
    let beyond = ledger.admit_check(&owner(), Some(54), 2).await.unwrap_err();
    assert_eq!(beyond.kind(), Kind::InsufficientCredits);
}

// Retention

#[tokio::test]
async fn only_old_ended_jobs_go_and_links_go_when_they_expire() {
    let (_folder, path) = new_place();
    let ledger = open(&path);
    let at = now();
    let (old, expiring, kept) =
        (accepted(&ledger, "OLD").await, accepted(&ledger, "EXPIRING").await, accepted(&ledger, "KEPT").await);
    accepted(&ledger, "OPEN").await;
    for job in [&old, &expiring, &kept] {
        checked(&ledger, job, &seen(JobStatus::Success, at)).await;
    }
    let mut file = beside(&path).await;
    let age = async |file: &mut SqliteConnection| {
        let day = 86_400_000;
        let sql = format!(
            "UPDATE jobs SET created_at = {0}, changed_at = {0} WHERE job_id IN ('OLD', 'OPEN');
             UPDATE jobs SET links_expire_at = {1} WHERE job_id = 'EXPIRING'",
            at - 31 * day,
            at - 1
        );
        file.execute(AssertSqlSafe(sql)).await.unwrap();
    };
    age(&mut file).await;
    ledger.prune().await.unwrap();
    let tidy = async |ledger: &Ledger| {
        assert_eq!(ledger.list(&caller(), None, 10, None).await.unwrap().total, 3);
        assert!(ledger.get(&caller(), "OPEN").await.unwrap().is_some(), "only what has ended is forgotten");
        assert!(ledger.get(&caller(), "OLD").await.unwrap().is_none());
        let content = |job: Option<Job>| job.unwrap().content.unwrap().to_string();
        let expired = content(ledger.get(&caller(), "EXPIRING").await.unwrap());
        assert!(!expired.contains("canary") && expired.contains("expired"), "{expired}");
        assert!(content(ledger.get(&caller(), "KEPT").await.unwrap()).contains("canary"));
    };
    tidy(&ledger).await;

    // A clock that is forty days ahead forgets nothing.
    file.execute(AssertSqlSafe(format!(
        "UPDATE meta SET value = '{}' WHERE name = 'clock_seen'",
        at - 40 * 86_400_000
    )))
    .await
    .unwrap();
    let old = accepted(&ledger, "OLD").await;
    checked(&ledger, &old, &seen(JobStatus::Success, at)).await;
    age(&mut file).await;
    ledger.prune().await.unwrap();
    assert!(ledger.get(&caller(), "OLD").await.unwrap().is_some());
}

#[tokio::test]
async fn old_tasks_and_old_spending_go_too() {
    let (_folder, path) = new_place();
    let (ledger, at) = (open(&path), now());
    let day = 86_400_000;
    let task = |status: TaskStatus, created_at: i64, ttl: u64| Task {
        status,
        ..Task::new(caller(), "submit_job", Duration::from_secs(ttl), created_at)
    };
    let (old, ended, open_long, kept) = (
        task(TaskStatus::Working, at - 31 * day, DAY),
        task(TaskStatus::Completed, at - 2 * day, DAY),
        task(TaskStatus::Working, at - 2 * day, DAY),
        task(TaskStatus::Completed, at, DAY),
    );
    for task in [&old, &ended, &open_long, &kept] {
        ledger.promise(task).await.unwrap();
    }
    ledger.charged(&owner(), "pdf_to_text", Charge::new(Some(5), None), at - 800 * day).await;
    ledger.charged(&owner(), "pdf_to_text", Charge::new(Some(7), None), at).await;
    // What is over is not found, tidied up or not; what is open is kept for as long as jobs are.
    assert!(ledger.task(&caller(), &ended.task_id, at).await.unwrap().is_none());
    assert_eq!(ledger.task(&caller(), &open_long.task_id, at).await.unwrap(), Some(open_long.clone()));
    ledger.prune().await.unwrap();
    assert_eq!(ledger.spending(&caller(), 10).await.unwrap().iter().map(|row| row.credits).sum::<i64>(), 7);
    let mut file = beside(&path).await;
    let left: Vec<String> = sqlx::query("SELECT task_id FROM tasks ORDER BY created_at")
        .fetch_all(&mut file)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(left, [open_long.task_id, kept.task_id]);
}

#[tokio::test]
async fn a_task_that_has_ended_is_never_moved_again() {
    use TaskStatus::{Cancelled, Completed, Failed, InputRequired, Working};
    let (_folder, path) = new_place();
    let (ledger, at) = (open(&path), now());
    for from in [Working, InputRequired, Completed, Failed, Cancelled] {
        for to in [Working, InputRequired, Completed, Failed, Cancelled] {
            let task = Task { status: from, ..Task::new(caller(), "submit_job", Duration::from_secs(DAY), at) };
            ledger.promise(&task).await.unwrap();
            let moved = ledger.move_task(&task.task_id, to, Some("m"), Some(&json!({"a": 1})), at + 1).await.unwrap();
            let after = ledger.task(&caller(), &task.task_id, at + 1).await.unwrap().unwrap();
            assert_eq!(moved, !from.is_terminal(), "{from:?} to {to:?}");
            assert_eq!(after.status, if moved { to } else { from });
            assert_eq!(after.payload.is_some(), moved);
        }
    }
    let other = ApiKey::new("sim_other").unwrap();
    let (tasks, _) = ledger.tasks(&caller(), 100, None, at).await.unwrap();
    assert_eq!(tasks.len(), 25);
    assert_eq!(
        ledger.tasks(&pdfco::tenant::Tenant::of_account(other.fingerprint()), 100, None, at).await.unwrap().0,
        []
    );
    assert!(
        ledger
            .task(&pdfco::tenant::Tenant::of_account(other.fingerprint()), &tasks[0].task_id, at)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn more_links_than_one_batch_are_all_taken_out() {
    let (_folder, path) = new_place();
    let ledger = open(&path);
    accepted(&ledger, "A").await;
    ledger.close().await;
    let mut file = beside(&path).await;
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
         INSERT INTO jobs (intent_id, job_id, tenant, operation, arguments, request_hash, status, created_at, changed_at, content, links_expire_at)
         SELECT 'local-n' || i, 'N' || i, '{0}', '', '{{}}', '', 'success', {1}, {1}, '{{\"url\":\"https://h.test/a?canary\"}}', 1 FROM n",
        caller().as_str(),
        now()
    );
    file.execute(AssertSqlSafe(sql)).await.unwrap();
    open(&path).prune().await.unwrap();
    assert_eq!(rows(&mut file, "jobs WHERE content LIKE '%canary%'", &["intent_id".into()]).await.len(), 0);
}

// One client_request_id, several submits at once

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_submits_under_one_id_never_share_a_job() {
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let product = Product::new(service.url(), "sim_race");
    let (jobs, key) = (product.app.jobs(), &product.caller.owner);
    let operation = catalog::find("html_to_pdf").unwrap();
    let prepare = async |text: &str| {
        let identity = json!({"html": text});
        let preparation = jobs.prepare(key, operation, &identity, Some("mine")).await.unwrap();
        let Preparation::Prepared(prepared) = preparation else { panic!("{preparation:?}") };
        let outgoing = Outgoing {
            body: identity.clone(),
            secrets: Vec::new(),
            public_arguments: identity,
            cancel: CancellationToken::new(),
        };
        (prepared, outgoing)
    };
    // All three are prepared before the first is sent, as when each uploads a file in between.
    let (first, same, other) = (prepare("a").await, prepare("a").await, prepare("b").await);
    let first = first.0.send(first.1).await.unwrap();
    let same = same.0.send(same.1).await.unwrap();
    assert_eq!((same.is_repeat, same.job.id()), (true, first.job.id()));
    let refused = other.0.send(other.1).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::InvalidArgument, "{refused}");
    assert!(refused.message().contains(first.job.id()), "{refused}");
    assert_eq!(service.count("/v1/pdf/convert/from/html"), 1);
}

// Leases

/// Six seconds is the lease: nobody else checks while the process that died might still get its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_process_keeps_a_job_no_longer_than_its_lease() {
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let (folder, _) = new_place();
    let check = "/v1/job/check";
    let never = FaultKind::StallHeaders(Duration::from_secs(120));
    service.fault(Fault { path_prefix: check.into(), times: 1, kind: never });
    let mut victim = impatient(service.url(), folder.path());
    let submit = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}, "wait": 40});
    victim.request("tools/call", json!({"name": "submit_job", "arguments": submit}));
    while service.count(check) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    victim.kill();
    let began = Instant::now();
    let mut survivor = impatient(service.url(), folder.path());
    let id = survivor.call("list_jobs", json!({}))["content"]["items"][0]["job_id"].clone();
    let wait = json!({"job_id": id, "timeout": 40, "interval": 0.5});
    survivor.request("tools/call", json!({"name": "wait_job_completion", "arguments": wait}));
    let answer = survivor.next_within(Duration::from_secs(40)).expect("the job was left alone");
    let took = began.elapsed().as_secs_f64();
    assert_eq!(answer["result"]["structuredContent"]["status"], "success", "{answer}");
    assert!((3.0..15.0).contains(&took), "seen after {took:.1} s");
    assert_eq!(service.count("/v1/pdf/convert/from/html"), 1);
}

// Clocks that jump

#[tokio::test]
async fn leases_and_slots_of_another_clock_block_no_process() {
    let (_folder, path) = new_place();
    let ledger = open(&path);
    let job = accepted(&ledger, "A").await;
    let (at, hour) = (now(), 3_600_000);
    let claim = async |holder: &str, at: i64| ledger.claim(&job, holder, None, at).await.unwrap().is_ok();
    assert!(claim("one", at).await && !claim("other", at).await);
    assert!(!claim("other", at - 3_000).await, "who waited for the file may be a little behind");
    assert!(!claim("other", at + 5_000).await, "a process that lives keeps its lease");
    assert!(claim("other", at + 6_000).await, "one that died loses it by time");
    assert!(claim("one", at - hour).await, "and the clock was set back");

    let window = Duration::from_secs(1);
    let reserve =
        async |at: i64| ledger.reserve(ApiKey::new("sim_ledger").unwrap().fingerprint(), 2, window, at).await.unwrap();
    assert_eq!((reserve(at + hour).await, reserve(at + hour).await), (None, None));
    assert!(reserve(at + hour).await.is_some());
    assert_eq!((reserve(at).await, reserve(at).await), (None, None), "the clock was set back");
    let wait = reserve(at).await.unwrap();
    assert!(wait <= window, "{wait:?}");
    assert!(reserve(at - 2_000).await.is_some(), "who waited for the file may be a little behind");
    // A place that was taken late, on a slow disk, counts from then; never by more than ten seconds.
    assert_eq!(reserve(at + 11_001).await, None);
}

// Transitions

async fn set(file: &mut SqliteConnection, intent_id: &str, status: &JobStatus) {
    sqlx::query("UPDATE jobs SET status = $2, unrecognized_status = $3 WHERE intent_id = $1")
        .bind(intent_id)
        .bind(status.as_str())
        .bind(status.unrecognized())
        .execute(file)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_rule_in_sql_is_the_rule_of_the_states() {
    let (_folder, path) = new_place();
    let ledger = open(&path);
    let job = accepted(&ledger, "A").await;
    let mut file = beside(&path).await;
    for from in states() {
        for to in states() {
            for is_check in [true, false] {
                set(&mut file, &job.intent_id, &from).await;
                let seen = Observation { is_check, ..seen(to.clone(), now()) };
                let before = known(&ledger, "A").await;
                let after = checked(&ledger, &before, &seen).await;
                let expected = if from.may_become(&to) { &to } else { &from };
                assert_eq!(after.status, *expected, "{from:?} saw {to:?}");
                assert_same(&before.seeing(&seen), &after);
            }
            set(&mut file, &job.intent_id, &from).await;
            let (after, changed) = ledger.cancel(&job, now()).await.unwrap();
            assert_eq!(changed, !from.is_terminal());
            assert_eq!(after.status, if changed { JobStatus::Cancelled } else { from.clone() });
        }
    }
}

/// What is said without a ledger is what the ledger would have said.
fn assert_same(one: &Job, other: &Job) {
    let plain = |job: &Job| format!("{job:?}");
    assert_eq!(plain(one), plain(other));
}

#[derive(Clone, Debug)]
enum Step {
    /// An answer of the service or a callback, so many milliseconds after the start, and the credits that it reports.
    Seen {
        status: JobStatus,
        after: i64,
        credits: Option<i64>,
        is_check: bool,
    },
    Cancel,
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    let status = prop_oneof![
        3 => Just(JobStatus::Working),
        1 => Just(JobStatus::Success),
        1 => Just(JobStatus::Failed),
        1 => Just(JobStatus::Aborted),
        1 => Just(JobStatus::Unknown),
        1 => "[a-z]{1,9}".prop_map(JobStatus::Other),
    ];
    let credits = prop_oneof![Just(None), (-50_i64..50).prop_map(Some)];
    prop_oneof![
        8 => (status, 0_i64..100_000, credits, any::<bool>())
            .prop_map(|(status, after, credits, is_check)| Step::Seen { status, after, credits, is_check }),
        1 => Just(Step::Cancel),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_moves_an_end_or_invents_credits(
        steps in proptest::collection::vec(any_step(), 1..16)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_folder, path) = new_place();
            let mut ledger = open(&path);
            let mut job = accepted(&ledger, "A").await;
            let (mut status, mut checks, mut credits, mut reported) = (JobStatus::Queued, 0, None::<i64>, 21_i64);
            let (start, mut end) = (now(), None::<JobStatus>);
            for step in steps {
                match step {
                    Step::Seen { status: word, after, credits: cost, is_check } => {
                        let moves = status.may_become(&word);
                        let seen = Observation { credits: cost, is_check, ..seen(word.clone(), start + after) };
                        let expected = job.seeing(&seen);
                        job = checked(&ledger, &job, &seen).await;
                        assert_same(&expected, &job);
                        if moves { status = word; }
                        checks += i64::from(is_check);
                        if let Some(cost) = cost.filter(|_| is_check || moves) {
                            credits = Some(credits.unwrap_or(0) + cost);
                            reported += cost;
                        }
                    }
                    Step::Cancel => {
                        let changed;
                        (job, changed) = ledger.cancel(&job, now()).await.unwrap();
                        prop_assert_eq!(changed, !status.is_terminal());
                        if changed { status = JobStatus::Cancelled; }
                    }
                    Step::Restart => {
                        ledger.close().await;
                        ledger = open(&path);
                        job = ledger.get(&caller(), "A").await.unwrap().unwrap();
                    }
                }
                prop_assert_eq!(&job.status, &status);
                prop_assert_eq!(job.status.is_terminal(), job.completed_at.is_some());
                prop_assert_eq!((job.checks_made, job.check_credits), (checks, credits));
                prop_assert_eq!(job.credits_total(), Some(reported));
                match &end {
                    Some(end) => prop_assert_eq!(end, &status),
                    None if matches!(status, JobStatus::Success | JobStatus::Failed | JobStatus::Aborted) => {
                        end = Some(status.clone());
                    }
                    None => {}
                }
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn answers_that_come_together_are_written_in_order() {
    let (_folder, path) = new_place();
    let ledger = open(&path);
    let jobs = join_all((0..50).map(|number| {
        let ledger = &ledger;
        async move { accepted(ledger, &format!("J{number}")).await }
    }))
    .await;
    let at = now();
    // Two looks at each job, a late answer that must not move it back, and a row that is gone, all at once.
    let checks = jobs.iter().flat_map(|job| {
        [JobStatus::Working, JobStatus::Success, JobStatus::Working].map(|status| (job.clone(), status))
    });
    let gone = Job { intent_id: IntentId::from_stored("local-gone"), ..jobs[0].clone() };
    let checks = checks.chain([(gone, JobStatus::Success)]);
    let outcomes = join_all(checks.map(|(job, status)| {
        let ledger = &ledger;
        async move { checked(ledger, &job, &seen(status, at)).await }
    }))
    .await;
    for (job, answers) in jobs.iter().zip(outcomes.chunks(3)) {
        let told: Vec<_> = answers.iter().collect();
        assert!(told.iter().all(|told| told.intent_id == job.intent_id), "everybody hears of their own job");
        assert_eq!(told.iter().map(|told| told.checks_made).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(told[0].status, JobStatus::Working);
        assert_eq!((&told[1].status, &told[2].status), (&JobStatus::Success, &JobStatus::Success));
        let kept = ledger.get(&caller(), job.id()).await.unwrap().unwrap();
        assert_eq!((kept.status, kept.checks_made, kept.check_credits), (JobStatus::Success, 3, Some(6)));
        assert_eq!(kept.content.unwrap()["status"], "success");
    }
    let spent = ledger.spending(&caller(), 10).await.unwrap();
    let checks = spent.iter().find(|row| row.operation == "job_check").unwrap();
    assert_eq!((checks.requests, checks.credits), (151, 302), "what was paid counts, also without a row");
}

#[tokio::test]
async fn credits_that_were_not_reported_are_not_zero() {
    let ledger = Ledger::new(LedgerLocation::Memory, FOR_EVER);
    let job = foreign("FOREIGN");
    let silent = Observation { credits: None, credits_remaining: None, ..seen(JobStatus::Working, now()) };
    let job = checked(&ledger, &job, &silent).await;
    assert_eq!((job.checks_made, job.check_credits, job.credits_total()), (1, None, None));
    assert_eq!(job.credits_remaining, None);
    let job = checked(&ledger, &job, &seen(JobStatus::Success, now() + 1)).await;
    assert_eq!((job.check_credits, job.credits_total(), job.credits_remaining), (Some(2), Some(2), Some(977)));
    assert_eq!(ledger.newest_balance(owner().account()).await.unwrap().unwrap().0, 977);
}

#[tokio::test]
async fn an_id_without_an_answer_leaves_no_row() {
    let (_folder, path) = new_place();
    let ledger = open(&path);
    let (one, met) = (foreign("MADE-UP"), foreign("MADE-UP"));
    assert_eq!(ledger.list(&caller(), None, 10, None).await.unwrap().total, 0);
    // Two processes meet it at the same moment: one row.
    let theirs = open(&path);
    checked(&ledger, &one, &seen(JobStatus::Working, now())).await;
    let met = checked(&theirs, &met, &seen(JobStatus::Success, now() + 5)).await;
    assert_eq!((&met.intent_id, met.checks_made), (&one.intent_id, 2));
    assert_eq!(ledger.list(&caller(), None, 10, None).await.unwrap().total, 1);
}

#[tokio::test]
async fn an_accepted_submit_takes_over_a_row_met_by_its_id() {
    let (_folder, path) = new_place();
    let (ours, theirs) = (open(&path), open(&path));
    let submit = Intent { client_request_id: Some("mine".into()), ..intent("A") };
    ours.insert_intent(&submit, None).await.unwrap();
    let met = foreign("A");
    checked(&theirs, &met, &seen(JobStatus::Working, now())).await;
    let job = ours.accepted(&submit, JobId::parse("A").unwrap(), &json!({}), Charge::new(Some(7), None), now()).await;
    assert_eq!((job.operation.as_str(), job.client_request_id.as_deref()), ("pdf_to_text", Some("mine")));
    assert_eq!(theirs.list(&caller(), None, 10, None).await.unwrap().total, 1);
    assert_eq!(known(&theirs, "A").await.submit_credits, Some(7));
}

#[tokio::test]
async fn the_latest_job_is_the_last_submitted_whatever_the_clock() {
    let ledger = Ledger::new(LedgerLocation::Memory, FOR_EVER);
    for (id, at) in [("A", now()), ("B", now() + 86_400_000), ("C", now())] {
        ledger.insert_intent(&Intent { at, ..intent(id) }, None).await.unwrap();
    }
    assert_eq!(ledger.latest(&caller(), None).await.unwrap().unwrap().id(), "local-C");
    let first = ledger.list(&caller(), None, 2, None).await.unwrap();
    let second = ledger.list(&caller(), None, 2, first.next_cursor.as_deref()).await.unwrap();
    let ids: Vec<&str> = first.jobs.iter().chain(&second.jobs).map(Job::id).collect();
    assert_eq!(ids, ["local-C", "local-B", "local-A"]);
    let running = Filter { status: Some("running".into()), ..Filter::default() };
    assert_eq!(ledger.search(&caller(), &running, 10, None).await.unwrap().total, 3);
}

#[tokio::test]
async fn two_hundred_thousand_rows_are_listed_quickly() {
    let (_folder, path) = new_place();
    let ledger = open(&path);
    accepted(&ledger, "A").await;
    let mut file = beside(&path).await;
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
         INSERT INTO jobs (intent_id, job_id, tenant, operation, arguments, request_hash, status, created_at, changed_at, seq)
         SELECT 'local-n' || i, 'N' || i, (SELECT tenant FROM jobs WHERE job_id = 'A'), 'pdf_to_text', '{}', '', 'success', 1, 1, i + 1 FROM n";
    file.execute(sql).await.unwrap();
    let began = Instant::now();
    assert_eq!(ledger.list(&caller(), None, 20, None).await.unwrap().total, 200_001);
    assert_eq!(ledger.list(&caller(), Some("success"), 20, None).await.unwrap().total, 200_000);
    let took = began.elapsed();
    println!("two lists of 200 000 rows: {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}
