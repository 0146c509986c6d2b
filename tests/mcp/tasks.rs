//! Tasks in both dialects, spoken to the real binary: promised before paid for twice, kept through restarts, and free to
//! ask about.

use std::time::{Duration, Instant};

use crate::support::product::{CHECK, service};
use crate::support::wire::{Wire, ledger_in};
use pdfco::simulator::Handle;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

const SUBMIT: &str = "/v1/pdf/convert/from/html";
const RELATED: &str = "io.modelcontextprotocol/related-task";
const NEVER: &str = "00000000000000000000000000000000";

/// A document that takes so many seconds.
fn page(seconds: u32) -> Value {
    json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>", "profiles": {"Simulate": {"seconds": seconds}}}})
}

/// The parameters of a request of 2026-07-28 whose client declares the extension, or does not.
fn modern(mut params: Value, is_declared: bool) -> Value {
    let extensions = if is_declared { json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}) } else { json!({}) };
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": extensions,
    });
    params
}

/// A server that speaks 2026-07-28, on a ledger in `folder` or in memory.
fn newer(service: &Handle, folder: Option<&tempfile::TempDir>) -> Wire {
    let ledger = folder.map_or("memory".to_owned(), |folder| ledger_in(folder.path()));
    Wire::start(&[
        ("PDFCO_BASE_URL", service.url()),
        ("PDFCO_API_KEY", "sim_wire"),
        ("PDFCO_RATE_LIMIT", "off"),
        ("PDFCO_CHECK_WORTH_SECONDS", "0.05"),
        ("PDFCO_LEDGER", &ledger),
    ])
}

fn older(service: &Handle) -> Wire {
    Wire::ready(service.url(), &[("PDFCO_LEDGER", "memory"), ("PDFCO_CHECK_WORTH_SECONDS", "0.05")])
}

fn call(tool: &str, arguments: Value) -> Value {
    json!({"name": tool, "arguments": arguments})
}

/// Asks about a task until it has ended; gives the last answer.
fn ended(wire: &mut Wire, task_id: &str) -> Value {
    let began = Instant::now();
    loop {
        let answer = wire.ask("tasks/get", modern(json!({"taskId": task_id}), true));
        let status = answer["result"]["status"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        if status != "working" {
            return answer["result"].clone();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A job that outlasts the grace of 8 s, in seconds.
const LONG: u32 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_outlasts_the_grace_becomes_a_task_named_after_it() {
    let service = service().await;
    let mut wire = newer(&service, None);
    let began = Instant::now();
    let created = wire.ask("tools/call", modern(call("submit_job", page(LONG)), true));
    assert!(began.elapsed() < Duration::from_secs(10), "the grace is 8 s: {:?}", began.elapsed());
    let task = &created["result"];
    assert_eq!((&task["resultType"], &task["status"]), (&json!("task"), &json!("working")), "{created}");
    assert!(task.get("_meta").is_none_or(|meta| meta.as_object().unwrap().is_empty()), "{task}");
    let id = task["taskId"].as_str().unwrap().to_owned();
    let jobs = wire.ask("tools/call", modern(call("list_jobs", json!({})), true));
    let job_id = jobs["result"]["structuredContent"]["content"]["items"][0]["job_id"].as_str().unwrap().to_owned();
    let (job, random) = id.rsplit_once('.').unwrap();
    assert!(job == job_id && random.len() == 32, "{id}: {job_id}");
    assert!(task["ttlMs"].as_u64().is_some_and(|ttl| ttl >= 86_400_000), "{task}");
    assert!((1_000..=15_000).contains(&task["pollIntervalMs"].as_u64().unwrap()), "{task}");
    assert!(task["createdAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{task}");

    let done = ended(&mut wire, &id);
    assert_eq!((&done["resultType"], &done["status"]), (&json!("complete"), &json!("completed")), "{done}");
    let answer = &done["result"]["structuredContent"];
    assert_eq!((&answer["status"], &done["result"]["isError"]), (&json!("success"), &json!(false)), "{done}");
    assert_eq!(answer["credits_used"], answer["job"]["credits_total"], "the task's charge is the job's: {done}");
    // Asked again it is the same, and costs nothing.
    let checks = service.count(CHECK);
    assert_eq!(ended(&mut wire, &id)["result"], done["result"]);
    assert_eq!(service.count(CHECK), checks);
    assert_eq!(service.count(SUBMIT), 1);
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_none_is_answered_as_ever() {
    let service = service().await;
    let mut wire = newer(&service, None);
    let answer = wire.ask("tools/call", modern(call("submit_job", page(1)), false));
    assert_eq!(answer["result"]["structuredContent"]["status"], "success", "{answer}");
    // Nor does one that takes them and does not want to wait.
    let mut at_once = page(1);
    at_once["wait"] = json!(0);
    let answer = wire.ask("tools/call", modern(call("submit_job", at_once), true));
    assert_eq!(answer["result"]["structuredContent"]["status"], "queued", "{answer}");
    // What does not wait is no task either, nor is a call with a key of its own.
    let answer = wire.ask("tools/call", modern(call("list_operations", json!({})), true));
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    let mut own_key = page(0);
    own_key["api_key"] = json!("sim_other");
    let answer = wire.ask("tools/call", modern(call("submit_job", own_key), true));
    assert_eq!(answer["result"]["structuredContent"]["status"], "success", "{answer}");
    for method in ["tasks/get", "tasks/cancel"] {
        let refused = wire.ask(method, modern(json!({"taskId": NEVER}), false));
        assert_eq!(refused["error"]["code"], -32021, "{refused}");
    }
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_job_is_a_completed_task_whose_result_is_an_error() {
    let service = service().await;
    let mut wire = newer(&service, None);
    let wish = json!({"html": "<p>a</p>", "profiles": {"Simulate": {"seconds": LONG, "outcome": "failed"}}});
    let arguments = json!({"operation": "html_to_pdf", "options": wish});
    let created = wire.ask("tools/call", modern(call("submit_job", arguments), true));
    let done = ended(&mut wire, created["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{created}")));
    assert_eq!((&done["status"], &done["result"]["isError"]), (&json!("completed"), &json!(true)), "{done}");
    assert_eq!(done["result"]["structuredContent"]["status"], "failed");
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_outlives_the_process_that_promised_it() {
    let service = service().await;
    let folder = tempfile::tempdir().unwrap();
    let mut wire = newer(&service, Some(&folder));
    let mut saved = page(LONG);
    saved["save_to"] = json!("kept.pdf");
    let created = wire.ask("tools/call", modern(call("submit_job", saved), true));
    let id = created["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned();
    wire.kill();

    // Tasks of earlier versions have ids without the job's.
    let old_id = id.rsplit_once('.').unwrap().1.to_owned();
    let file = SqliteConnectOptions::new().filename(folder.path().join("ledger.sqlite"));
    let mut ledger = SqliteConnection::connect_with(&file).await.unwrap();
    sqlx::query("UPDATE tasks SET task_id = $1").bind(&old_id).execute(&mut ledger).await.unwrap();
    ledger.close().await.unwrap();

    let mut wire = newer(&service, Some(&folder));
    let done = ended(&mut wire, &old_id);
    assert_eq!(done["result"]["structuredContent"]["status"], "success", "{done}");
    let file = done["result"]["structuredContent"]["job"]["outputs"][0]["saved_to"]
        .as_str()
        .unwrap_or_else(|| panic!("{done}"));
    assert!(std::fs::metadata(file).is_ok_and(|file| file.len() > 100), "what was to be saved was saved");
    assert_eq!(service.count(SUBMIT), 1, "and nothing was submitted again");
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_task_and_one_of_another_key_are_the_same() {
    let service = service().await;
    let folder = tempfile::tempdir().unwrap();
    let mut wire = newer(&service, Some(&folder));
    let created = wire.ask("tools/call", modern(call("submit_job", page(30)), true));
    let theirs = created["result"]["taskId"].as_str().unwrap().to_owned();
    let mut other = Wire::start(&[
        ("PDFCO_BASE_URL", service.url()),
        ("PDFCO_API_KEY", "sim_other"),
        ("PDFCO_LEDGER", &ledger_in(folder.path())),
    ]);
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let ask = |wire: &mut Wire, id: &str| {
            let params = json!({"taskId": id, "inputResponses": {}});
            wire.ask(method, modern(params, true))["error"].clone()
        };
        let (theirs, never) = (ask(&mut other, &theirs), ask(&mut other, NEVER));
        assert_eq!(theirs["code"], -32602, "{method}: {theirs}");
        let shape = |error: &Value| error["message"].as_str().unwrap().split(':').next().unwrap().to_owned();
        assert_eq!(shape(&theirs), shape(&never), "{method}");
    }
    for params in [json!({}), json!({"taskId": 5}), json!({"taskId": null})] {
        assert_eq!(other.ask("tasks/get", modern(params, true))["error"]["code"], -32602);
    }
    wire.finish();
    other.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn task_is_forgotten_with_its_job_for_every_caller() {
    let service = service().await;
    let folder = tempfile::tempdir().unwrap();
    let mut wire = newer(&service, Some(&folder));
    let created = wire.ask("tools/call", modern(call("submit_job", page(600)), true));
    let id = created["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned();
    wire.finish();
    // Jobs go by their own age, and a task may be younger than the job that it waits for.
    let file = SqliteConnectOptions::new().filename(folder.path().join("ledger.sqlite"));
    let mut ledger = SqliteConnection::connect_with(&file).await.unwrap();
    assert_eq!(sqlx::query("DELETE FROM jobs").execute(&mut ledger).await.unwrap().rows_affected(), 1);
    ledger.close().await.unwrap();

    let mut wire = newer(&service, Some(&folder));
    let listening = wire.request("subscriptions/listen", modern(json!({"notifications": {"taskIds": [id]}}), true));
    assert_eq!(wire.next()["params"]["notifications"]["taskIds"], json!([]), "nothing is sent about it");
    wire.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": listening}}));
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let refused = wire.ask(method, modern(json!({"taskId": id, "inputResponses": {}}), true));
        assert_eq!(refused["error"]["code"], -32602, "{method}: {refused}");
        assert!(refused["error"]["message"].as_str().unwrap().starts_with("Task not found: "), "{method}: {refused}");
    }
    wire.finish();
    let mut wire = Wire::ready(service.url(), &[("PDFCO_LEDGER", &ledger_in(folder.path()))]);
    assert_eq!(wire.ask("tasks/get", json!({"taskId": id}))["error"]["code"], -32602);
    assert_eq!(wire.ask("tasks/list", json!({}))["result"]["tasks"], json!([]));
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_task_stays_cancelled_and_is_not_checked() {
    let service = service().await;
    let mut wire = newer(&service, None);
    let created = wire.ask("tools/call", modern(call("submit_job", page(600)), true));
    let id = created["result"]["taskId"].as_str().unwrap().to_owned();
    let acknowledged = wire.ask("tasks/cancel", modern(json!({"taskId": id}), true));
    assert_eq!(acknowledged["result"]["resultType"], "complete", "{acknowledged}");
    assert_eq!(ended(&mut wire, &id)["status"], "cancelled");
    assert!(wire.ask("tasks/cancel", modern(json!({"taskId": id}), true))["error"].is_null(), "twice is as once");
    let checks = service.count(CHECK);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(service.count(CHECK), checks);
    let jobs = wire.ask("tools/call", modern(call("list_jobs", json!({})), true));
    assert_eq!(jobs["result"]["structuredContent"]["content"]["items"][0]["status"], "cancelled", "{jobs}");
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_a_task_that_only_waits_leaves_its_job_alone() {
    let service = service().await;
    let mut wire = newer(&service, None);
    let mut at_once = page(LONG + 2);
    at_once["wait"] = json!(0);
    let submitted = wire.ask("tools/call", modern(call("submit_job", at_once), true));
    let job_id = submitted["result"]["structuredContent"]["job"]["job_id"].clone();
    let waits = wire.ask("tools/call", modern(call("wait_job_completion", json!({"job_id": job_id})), true));
    let id = waits["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{waits}")).to_owned();
    wire.ask("tasks/cancel", modern(json!({"taskId": id}), true));
    assert_eq!(ended(&mut wire, &id)["status"], "cancelled");
    let waited = wire.ask("tools/call", modern(call("wait_job_completion", json!({"job_id": job_id})), false));
    assert_eq!(waited["result"]["structuredContent"]["status"], "success", "{waited}");
    assert_eq!(ended(&mut wire, &id)["status"], "cancelled", "and the job's end does not bring the task back");
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_receives_a_task_until_its_end() {
    let service = service().await;
    let mut wire = newer(&service, None);
    let created = wire.ask("tools/call", modern(call("submit_job", page(LONG)), true));
    let id = created["result"]["taskId"].as_str().unwrap().to_owned();
    let wishes = json!({"taskIds": [id, NEVER], "resourcesListChanged": true});
    let listening = wire.request("subscriptions/listen", modern(json!({"notifications": wishes}), true));
    let first = wire.next();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
    assert_eq!(first["params"]["notifications"], json!({"taskIds": [id], "resourcesListChanged": true}));
    let mut states = Vec::new();
    while states.last().is_none_or(|state| state != "completed") {
        let note = wire.next();
        assert_eq!(note["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], listening, "{note}");
        assert_eq!((&note["method"], &note["params"]["taskId"]), (&json!("notifications/tasks"), &json!(id)), "{note}");
        states.push(note["params"]["status"].as_str().unwrap().to_owned());
        if note["params"]["status"] == "completed" {
            assert_eq!(note["params"]["result"]["structuredContent"]["status"], "success", "{note}");
        }
    }
    assert!(states.len() >= 2 && states[0] == "working", "{states:?}");
    // Another job is an update for those who subscribe to the list.
    let mut at_once = page(60);
    at_once["wait"] = json!(0);
    let asked = wire.request("tools/call", modern(call("submit_job", at_once), true));
    let (_, mut before) = wire.answer(asked);
    before.extend(wire.next_within(Duration::from_secs(3)));
    assert!(before.iter().any(|note| note["method"] == "notifications/resources/list_changed"), "{before:?}");
    wire.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": listening}}));
    let refused = wire.ask("subscriptions/listen", modern(json!({"notifications": {"taskIds": [id]}}), false));
    assert_eq!(refused["error"]["code"], -32021, "{refused}");
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abandoned_task_is_not_polled() {
    let service = service().await;
    let folder = tempfile::tempdir().unwrap();
    let mut wire = newer(&service, Some(&folder));
    wire.ask("tools/call", modern(call("submit_job", page(600)), true));
    wire.close_input();
    assert!(wire.exit_within(Duration::from_secs(5)).is_some());
    let checks = service.count(CHECK);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(service.count(CHECK), checks);
}

// The dialect of 2025-11-25.

/// Starts a task and gives its id.
fn task(wire: &mut Wire, tool: &str, arguments: Value, task: Value) -> Value {
    wire.ask("tools/call", json!({"name": tool, "arguments": arguments, "task": task}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_revision_of_2025_11_25_is_told_of_its_tasks() {
    let service = service().await;
    for (revision, has_tasks) in
        [("2024-11-05", false), ("2025-03-26", false), ("2025-06-18", false), ("2025-11-25", true)]
    {
        let mut wire = Wire::start(&[
            ("PDFCO_BASE_URL", service.url()),
            ("PDFCO_API_KEY", "sim_wire"),
            ("PDFCO_LEDGER", "memory"),
        ]);
        let hello = wire.initialize(revision);
        let tasks = json!({"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}});
        assert_eq!(hello["capabilities"].get("tasks"), has_tasks.then_some(&tasks), "{revision}");
        let extensions = &hello["capabilities"]["extensions"];
        assert!(extensions["io.modelcontextprotocol/tasks"].is_null(), "those of 2026-07-28 are not for a session");
        let list = wire.ask("tools/list", json!({}));
        for tool in list["result"]["tools"].as_array().unwrap() {
            let waits = ["submit_job", "wait_job_completion"].contains(&tool["name"].as_str().unwrap());
            let support = tool["execution"]["taskSupport"].as_str();
            assert_eq!(support, (has_tasks && waits).then_some("optional"), "{revision}: {tool}");
        }
        let listed = wire.ask("tasks/list", json!({}));
        match has_tasks {
            true => assert_eq!(listed["result"], json!({"tasks": []})),
            false => assert_eq!(listed["error"]["code"], -32601, "{revision}: {listed}"),
        }
        wire.finish();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_with_the_extension_is_answered_as_before() {
    let service = service().await;
    for revision in ["2025-06-18", "2025-11-25"] {
        let mut wire = newer(&service, None);
        let declared = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
        let info = json!({"name": "wire", "version": "1"});
        wire.ask("initialize", json!({"protocolVersion": revision, "capabilities": declared, "clientInfo": info}));
        wire.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        let answer = wire.ask("tools/call", call("submit_job", page(1)));
        assert_eq!(answer["result"]["structuredContent"]["status"], "success", "{revision}: {answer}");
        wire.finish();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requested_task_is_created_read_waited_for_and_listed() {
    let service = service().await;
    let mut wire = older(&service);
    let created = task(&mut wire, "submit_job", page(2), json!({"ttl": 60_000}));
    let shown = &created["result"]["task"];
    assert_eq!((&shown["status"], &shown["ttl"]), (&json!("working"), &json!(60_000)), "{created}");
    assert!(shown["pollInterval"].as_u64().is_some_and(|pause| pause >= 5_000), "{created}");
    let id = shown["taskId"].as_str().unwrap().to_owned();
    let meta = &created["result"]["_meta"];
    assert!(
        meta["io.modelcontextprotocol/model-immediate-response"].as_str().is_some_and(|text| text.contains("Job "))
    );
    let asked = wire.ask("tasks/get", json!({"taskId": id}));
    assert_eq!((&asked["result"]["taskId"], &asked["result"]["status"]), (&json!(id), &json!("working")), "{asked}");
    // The result waits for the end, and the session is notified of the state meanwhile.
    let waiting = wire.request("tasks/result", json!({"taskId": id}));
    let (result, before) = wire.answer(waiting);
    assert_eq!(result["result"]["structuredContent"]["status"], "success", "{result}");
    assert_eq!(result["result"]["_meta"][RELATED]["taskId"], json!(id));
    assert!(result["result"].get("resultType").is_none(), "{result}");
    let reported: Vec<&Value> = before.iter().filter(|note| note["method"] == "notifications/tasks/status").collect();
    assert!(reported.iter().all(|note| note["params"]["taskId"] == json!(id)), "{before:?}");
    assert!(before.iter().all(|note| note["method"] != "notifications/progress"), "{before:?}");
    let listed = wire.ask("tasks/list", json!({}));
    assert_eq!(listed["result"]["tasks"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["result"]["tasks"][0]["status"], "completed", "{listed}");
    // The session may be notified of the end a moment after the result was fetched.
    while let Some(note) = wire.next_within(Duration::from_millis(1_500)) {
        assert_eq!(note["method"], "notifications/tasks/status", "{note}");
    }
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_fails_at_once_is_a_task_that_has_ended() {
    let service = service().await;
    let mut wire = older(&service);
    let created = task(&mut wire, "submit_job", json!({"operation": "no_such_thing"}), json!({}));
    let shown = &created["result"]["task"];
    assert_eq!(shown["status"], "completed", "{created}");
    let result = wire.ask("tasks/result", json!({"taskId": shown["taskId"]}));
    assert_eq!(
        (&result["result"]["isError"], &result["result"]["structuredContent"]["status"]),
        (&json!(true), &json!("error"))
    );
    assert_eq!(service.requests().len(), 0);
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_in_the_words_that_clients_know() {
    let service = service().await;
    let mut wire = older(&service);
    let refusals = |answer: Value| {
        (answer["error"]["code"].as_i64().unwrap(), answer["error"]["message"].as_str().unwrap().to_owned())
    };
    let not_found = (-32602, format!("Task not found: {NEVER}"));
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        assert_eq!(refusals(wire.ask(method, json!({"taskId": NEVER}))), not_found, "{method}");
        assert_eq!(refusals(wire.ask(method, json!({}))).0, -32602, "{method}");
        assert_eq!(refusals(wire.ask(method, json!({"taskId": {"a": 1}}))).0, -32602, "{method}");
    }
    assert_eq!(refusals(wire.ask("tasks/list", json!({"cursor": "nonsense"}))), (-32602, "Invalid cursor".to_owned()));
    assert_eq!(refusals(task(&mut wire, "list_jobs", json!({}), json!({}))).0, -32601);
    assert_eq!(refusals(task(&mut wire, "no_such_tool", json!({}), json!({}))).0, -32602);
    let created = task(&mut wire, "submit_job", page(600), json!({}));
    let id = created["result"]["task"]["taskId"].clone();
    let cancelled = wire.ask("tasks/cancel", json!({"taskId": id}));
    assert_eq!(cancelled["result"]["status"], "cancelled", "{cancelled}");
    let again = (-32602, "Cannot cancel task in terminal state 'cancelled'".to_owned());
    assert_eq!(refusals(wire.ask("tasks/cancel", json!({"taskId": id}))), again);
    let result = wire.ask("tasks/result", json!({"taskId": id}));
    assert_eq!(result["result"]["structuredContent"]["content"]["kind"], "cancelled", "{result}");
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_list_comes_in_pages_and_an_old_end_is_forgotten() {
    let service = service().await;
    let mut wire = older(&service);
    let short = json!({"ttl": 1});
    let gone = task(&mut wire, "submit_job", json!({"operation": "no_such_thing"}), short);
    for _ in 0..25 {
        task(&mut wire, "submit_job", json!({"operation": "no_such_thing"}), json!({}));
    }
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = wire.ask("tasks/list", json!({"cursor": cursor}));
        let tasks = page["result"]["tasks"].as_array().unwrap_or_else(|| panic!("{page}"));
        assert!(tasks.len() <= 20);
        seen.extend(tasks.iter().map(|task| task["taskId"].as_str().unwrap().to_owned()));
        cursor = page["result"]["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let own: std::collections::HashSet<&String> = seen.iter().collect();
    assert_eq!((seen.len(), own.len()), (25, 25));
    let asked = wire.ask("tasks/get", json!({"taskId": gone["result"]["task"]["taskId"]}));
    assert_eq!(asked["error"]["code"], -32602, "{asked}");
    wire.finish();
}

// Resources that are subscribed to.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscribed_job_is_reported_and_never_paid_for() {
    let service = service().await;
    let mut wire = older(&service);
    let mut at_once = page(1);
    at_once["wait"] = json!(0);
    let asked = wire.request("tools/call", call("submit_job", at_once));
    let (submitted, before) = wire.answer(asked);
    assert!(before.iter().any(|note| note["method"] == "notifications/resources/list_changed"), "{before:?}");
    let job_id = submitted["result"]["structuredContent"]["job"]["job_id"].as_str().unwrap().to_owned();
    let uri = format!("job://{job_id}");
    assert_eq!(wire.ask("resources/subscribe", json!({"uri": "job://nobodys"}))["error"]["code"], -32002);
    assert_eq!(wire.ask("resources/subscribe", json!({"uri": uri}))["result"], json!({}));
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(service.count(CHECK), 0, "listening costs nothing");
    let waiting = wire.request("tools/call", call("wait_job_completion", json!({"job_id": job_id})));
    let (_, before) = wire.answer(waiting);
    let received = before.into_iter().chain(wire.next_within(Duration::from_secs(3)));
    let updated = json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}});
    assert!(received.into_iter().any(|note| note == updated));
    assert_eq!(wire.ask("resources/unsubscribe", json!({"uri": uri}))["result"], json!({}));
    wire.call("get_job_check", json!({"job_id": job_id, "force": true}));
    assert_eq!(wire.next_within(Duration::from_secs(2)), None, "and nothing more is sent");
    wire.finish();
}
