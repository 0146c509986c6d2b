//! The ledger in a file: old files, damaged and locked ones, full disks, clocks that jump. What it promises wherever it is
//! kept is in `contract`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::wire::{Wire, ledger_in};
use pdfco::charge::Charge;
use pdfco::clock::now;
use pdfco::config::LedgerLocation;
use pdfco::error::Kind;
use pdfco::jobs::ledger::{Intent, ProblemKind};
use pdfco::jobs::{IntentId, Job, JobId, JobStatus, Ledger, Observation};
use pdfco::secret::ApiKey;
use pdfco::simulator;
use pdfco::tenant::{Owner, Tenant};
use serde_json::json;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, Row, SqliteConnection};
use tempfile::TempDir;

const DAY: u64 = 86_400;
/// Long enough for the rows of the fixture.
const FOR_EVER: Duration = Duration::from_secs(36_500 * DAY);
/// 2100-01-01, in milliseconds.
const FAR_AWAY: i64 = 4_102_444_800_000;

pub fn owner() -> Owner {
    Owner::from(ApiKey::new("sim_ledger").unwrap())
}

pub fn caller() -> Tenant {
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

/// A connection of another program to the same file.
async fn beside(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// An intent whose job will be `id`.
pub fn intent(id: &str) -> Intent {
    Intent {
        intent_id: IntentId::from_stored(format!("local-{id}")),
        request_hash: id.to_owned(),
        ..Intent::new(&owner(), "pdf_to_text", now())
    }
}

/// A job that was accepted as `id` just now.
pub async fn accepted(ledger: &Ledger, id: &str) -> Job {
    let intent = intent(id);
    assert!(ledger.insert_intent(&intent, None).await.unwrap().is_none());
    ledger
        .accepted(&intent, JobId::parse(id).unwrap(), &json!({"jobId": id}), Charge::new(Some(21), Some(979)), now())
        .await
}

/// A check of `job` that was answered.
pub async fn checked(ledger: &Ledger, job: &Job, seen: &Observation) -> Job {
    ledger.observe(Some(owner().account()), job, seen, None).await
}

/// A job of which only the id is known.
pub fn foreign(id: &str) -> Job {
    Job::from_elsewhere(caller(), &JobId::parse(id).unwrap(), now())
}

pub async fn known(ledger: &Ledger, id: &str) -> Job {
    ledger.get(&caller(), id).await.unwrap().unwrap()
}

pub fn seen(status: JobStatus, at: i64) -> Observation {
    let content = json!({"status": status.as_str(), "url": "https://h.test/a.txt?signature=canary"});
    Observation { status, content, credits: Some(2), credits_remaining: Some(977), balance_at: at, is_check: true, at }
}

pub fn states() -> [JobStatus; 8] {
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
            began.elapsed() < Duration::from_secs(7),
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
    let mut wire = impatient(service.url(), &ledger_in(folder.path()));
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

#[tokio::test]
async fn a_lock_that_many_wait_for_is_named_as_a_lock() {
    let (_folder, path) = new_place();
    let ledger = open(&path);
    accepted(&ledger, "A").await;
    let mut other = beside(&path).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    // The last of them never come to try the lock themselves.
    let submits = (0..40).map(|number| {
        let ledger = &ledger;
        async move { ledger.insert_intent(&intent(&format!("J{number}")), None).await.map(drop) }
    });
    for refused in futures_util::future::join_all(submits).await {
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), Kind::LedgerUnavailable, "{refused}");
        assert_eq!(refused.message(), "The ledger is locked by another program.");
    }
    assert_eq!(ledger.problem().unwrap().kind, ProblemKind::Locked);
    other.execute("ROLLBACK").await.unwrap();
    assert!(ledger.insert_intent(&intent("B"), None).await.unwrap().is_none());
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
    let mut wire = impatient(service.url(), &ledger_in(folder.path()));
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

/// A server for which checks cost nothing, on this ledger.
fn impatient(base: &str, ledger: &str) -> Wire {
    Wire::ready(base, &[("PDFCO_LEDGER", ledger), ("PDFCO_CHECK_WORTH_SECONDS", "0.05")])
}
