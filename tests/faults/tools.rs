//! Every row of the table against every tool of the real server, with the product's own time limits: over stdio with the
//! tasks of 2025-11-25, and over HTTP with those of 2026-07-28. All calls of a conversation are on the way at once.
//!
//! What each call meets follows from the row and from the request that goes wrong for it; see [`calls`].

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, future, stream};
use pdfco::app::App;
use pdfco::error::Kind;
use pdfco::serve::http::{self, Running};
use pdfco::simulator::{self, Handle, Options};
use serde_json::{Value, json};

use super::{MATRIX, Meets, Row, back_at, break_all, failure, is_wanted, leak};
use crate::support::product::config;
use crate::support::wire::{Wire, ledger_in};
use Kind::{LinkExpired, RateLimited};
use Meets::{Ends, Fine, Unclear, Waits};

/// Several assistants cut a call after this time.
const ASSISTANTS_CUT: Duration = Duration::from_secs(60);
/// Conversations at once: most of their time they wait.
const AT_ONCE: usize = 9;
/// What goes wrong: everything that the conversation asks for, but for the making of a document from HTML.
const ILL: [&str; 6] =
    ["/v1/job/check", "/v1/pdf/convert/to/text", "/v1/file/", "/v1/account/", "/v1/templates/", "*/story.txt"];

/// How a call is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Judge {
    /// An answer or an error of the kind.
    Meets(Meets),
    /// A job was made, and its wait met this.
    Waited(Meets),
    /// The job is done, and the answer says so; its text and its file came if this says so.
    Follow(Meets),
    /// A resource, or an error of the protocol.
    Resource(Meets),
    /// A task that goes on.
    Promised,
}

struct Ask {
    method: &'static str,
    tool: &'static str,
    params: Value,
    judge: Judge,
}

/// Jobs that were made before things went wrong.
struct Jobs {
    /// They never end.
    slow: String,
    cancelled: String,
    /// For a task, and ends once it can be read.
    promised: String,
    done: String,
}

/// Arguments of a job that ends after so many checks.
fn document(checks: u32, wait: u32) -> Value {
    let options = json!({"html": "<p>a</p>", "profiles": {"Simulate": {"checks": checks}}});
    json!({"operation": "html_to_pdf", "options": options, "wait": wait})
}

/// Arguments of the one that is done before things go wrong, and of the same one again.
fn story(report: &str, read: u32) -> Value {
    let options = json!({"name": "story.txt", "profiles": {"Simulate": {"checks": 0}}});
    json!({"operation": "pdf_to_text", "url": report, "options": options, "wait": 20, "read": read, "client_request_id": "done"})
}

/// What a tool meets where its links have died: the check for fresh ones meets the same fault.
fn with_fresh_check(met: Meets, row: &Row) -> Meets {
    if met == Ends(LinkExpired) { row.check } else { met }
}

fn calls(row: &Row, jobs: &Jobs, transport: &Transport) -> Vec<Ask> {
    let source = json!({"url": "https://files.example.test/a.pdf?sig=canary-query", "password": "canary-password"});
    let mut again = story(&transport.report(), 100);
    again["save_to"] = json!(transport.folder().join("by submit").join("story.txt").display().to_string());
    let call = |tool: &'static str, arguments: Value, judge: Judge| Ask {
        method: "tools/call",
        tool,
        params: json!({"name": tool, "arguments": arguments}),
        judge,
    };
    let met = |meets: Meets| Judge::Meets(meets);
    // Never uploaded before: what was is used again without asking the service.
    let fresh = transport.folder().join("fresh.pdf").display().to_string();
    let mut calls = vec![
        call("submit_job", json!({"operation": "pdf_to_text", "options": source, "wait": 0}), met(row.submit)),
        call("submit_job", json!({"operation": "pdf_to_text", "url": fresh, "wait": 0}), met(row.ask)),
        call("submit_job", document(9_999, 9), Judge::Waited(row.wait)),
        call("submit_job", again, Judge::Follow(row.download)),
        call("get_job_check", json!({"job_id": jobs.slow, "force": true}), met(row.check)),
        call("wait_job_completion", json!({"job_id": jobs.slow, "timeout": 9, "interval": 0.5}), met(row.wait)),
        call("upload_file", json!({"file_path": fresh}), met(row.ask)),
        call("download_result", json!({"job_id": jobs.done}), met(with_fresh_check(row.download, row))),
        call("read_result", json!({"job_id": jobs.done}), met(with_fresh_check(row.read, row))),
        call("get_credit_balance", json!({}), met(row.balance)),
        call("html_templates_list", json!({}), met(row.account)),
        // What our own memory knows.
        call("list_jobs", json!({}), met(Fine)),
        call("cancel_job", json!({"job_id": jobs.cancelled}), met(Fine)),
        call("list_operations", json!({"query": "merge"}), met(Fine)),
        call("describe_operation", json!({"operation": "pdf_merge"}), met(Fine)),
    ];
    let uri = format!("job://{}", jobs.done);
    calls.push(Ask {
        method: "resources/read",
        tool: "job",
        params: json!({"uri": uri}),
        judge: Judge::Resource(Fine),
    });
    calls.push(Ask {
        method: "resources/read",
        tool: "job result",
        params: json!({"uri": format!("{uri}/result")}),
        judge: Judge::Resource(with_fresh_check(row.read, row)),
    });
    let mut promised = call("wait_job_completion", json!({"job_id": jobs.promised, "timeout": 5}), Judge::Promised);
    transport.wants_a_task(&mut promised.params);
    calls.push(promised);
    calls
}

/// The way in.
enum Transport {
    /// The real binary; boxed, because the other one is small.
    Stdio(Box<Wire>, std::path::PathBuf),
    Http {
        running: Running,
        client: reqwest::Client,
        key: String,
        folder: std::path::PathBuf,
        app: Arc<App>,
    },
}

impl Transport {
    fn folder(&self) -> &Path {
        match self {
            Transport::Stdio(_, folder) | Transport::Http { folder, .. } => folder,
        }
    }

    fn report(&self) -> String {
        self.folder().join("report.pdf").display().to_string()
    }

    /// Makes a call one that its client takes a task for.
    fn wants_a_task(&self, params: &mut Value) {
        match self {
            Transport::Stdio(..) => params["task"] = json!({}),
            Transport::Http { .. } => {
                params["_meta"] = json!({"io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}});
            }
        }
    }

    async fn open(is_http: bool, row: &Row, service: &Handle, folder: &Path) -> Transport {
        let key = format!("sim_canary-key-{}", row.name.len());
        let (ledger, shown) = (ledger_in(folder), folder.display().to_string());
        let variables = [
            ("PDFCO_LEDGER", ledger.as_str()),
            ("PDFCO_API_KEY", &key),
            ("PDFCO_FILES", &shown),
            ("PDFCO_DOWNLOAD_DIR", &shown),
            ("PDFCO_MAX_FILE_BYTES", "1000000"),
        ];
        if is_http {
            let app = Arc::new(App::new(config(service.url(), &key, &variables)).unwrap());
            let options = http::Options::at("127.0.0.1:0".parse().unwrap());
            let running = http::start(Arc::clone(&app), options).await.unwrap();
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            return Transport::Http { running, client, key, folder: folder.to_owned(), app };
        }
        let variables = [&variables[..], &[("PDFCO_LOG", "debug"), ("PDFCO_CHECK_WORTH_SECONDS", "0.05")]].concat();
        let wire = tokio::task::block_in_place(|| Wire::ready(service.url(), &variables));
        Transport::Stdio(Box::new(wire), folder.to_owned())
    }

    /// Asks everything at once; gives the answers in the order of the questions, and how long each took.
    async fn ask(&mut self, asks: &[(&str, Value)]) -> Vec<(Value, Duration)> {
        let began = Instant::now();
        match self {
            Transport::Stdio(wire, _) => tokio::task::block_in_place(|| {
                let ids: Vec<i64> = asks.iter().map(|(method, params)| wire.request(method, params.clone())).collect();
                let mut answers: Vec<Option<(Value, Duration)>> = vec![None; ids.len()];
                while answers.iter().any(Option::is_none) {
                    let message = wire.next_within(ASSISTANTS_CUT);
                    let message = message.unwrap_or_else(|| panic!("no answer: {:?}", missing(asks, &answers)));
                    let at = ids.iter().position(|id| message["id"] == *id && message.get("method").is_none());
                    if let Some(at) = at {
                        answers[at] = Some((message, began.elapsed()));
                    }
                }
                answers.into_iter().flatten().collect()
            }),
            Transport::Http { running, client, key, .. } => {
                let url = format!("http://{}/mcp", running.address);
                let asked = asks.iter().map(|(method, params)| {
                    let mut params = params.clone();
                    let name = params.get("name").or_else(|| params.get("uri")).or_else(|| params.get("taskId"));
                    let name = name.and_then(Value::as_str).unwrap_or_default().to_owned();
                    let meta = &mut params["_meta"];
                    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
                    meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "faults", "version": "1"});
                    if meta["io.modelcontextprotocol/clientCapabilities"].is_null() {
                        meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
                    }
                    let request = client
                        .post(&url)
                        .header("accept", "application/json, text/event-stream")
                        .header("mcp-protocol-version", "2026-07-28")
                        .header("mcp-method", *method)
                        .header("mcp-name", name)
                        .header("x-api-key", key.as_str())
                        .json(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
                    async move {
                        let answered = async { request.send().await.unwrap().text().await.unwrap() };
                        let text = tokio::time::timeout(ASSISTANTS_CUT, answered).await;
                        let text = text.unwrap_or_else(|_| panic!("no answer within {ASSISTANTS_CUT:?}: {params}"));
                        let read =
                            |line: &str| serde_json::from_str::<Value>(line.strip_prefix("data:").unwrap_or(line));
                        let answer = text.lines().filter_map(|line| read(line).ok()).find(|message| message["id"] == 1);
                        (answer.unwrap_or_else(|| panic!("no answer in {text}")), began.elapsed())
                    }
                });
                future::join_all(asked).await
            }
        }
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let asked = self.ask(&[("tools/call", json!({"name": tool, "arguments": arguments}))]).await;
        let structured = asked[0].0["result"]["structuredContent"].clone();
        assert!(structured.is_object(), "{asked:?}");
        structured
    }

    /// Ends in good order; gives what was logged.
    async fn close(self) -> String {
        match self {
            Transport::Stdio(mut wire, _) => tokio::task::block_in_place(|| {
                // What was sent without being asked: the list of resources, a task's state.
                while wire.next_within(Duration::from_millis(300)).is_some() {}
                wire.finish()
            }),
            Transport::Http { running, app, .. } => {
                running.stop().await;
                app.jobs().ledger().close().await;
                String::new()
            }
        }
    }
}

fn missing<'a>(asks: &'a [(&str, Value)], answers: &[Option<(Value, Duration)>]) -> Vec<&'a Value> {
    asks.iter().zip(answers).filter(|(_, answer)| answer.is_none()).map(|((_, params), _)| params).collect()
}

/// A call's answer is what the row says.
fn judge(row: &Row, ask: &Ask, message: &Value) {
    let text = message.to_string();
    let is_without_links = message["result"]["isError"] == true || message["error"].is_object();
    assert_eq!(leak(text.as_bytes(), is_without_links), None, "{}: {text}", ask.tool);
    let result = &message["result"];
    let answer = &result["structuredContent"];
    let error = &answer["job"]["last_check_error"];
    let is_wait = ask.tool == "wait_job_completion";
    // While the whole key is asked to slow down a wait may not get to check at all, and may be over before a check is; so
    // may one that begins in the pause after a failed check.
    let is_checked = |kind: Kind| {
        error["kind"] == kind.as_str() || ((kind == RateLimited || row.is_slow() || is_wait) && error.is_null())
    };
    let is_right = match ask.judge {
        Judge::Meets(Fine) => result["isError"] == false && answer["status"] != "error",
        Judge::Meets(Waits(kind)) => result["isError"] == false && is_checked(kind),
        Judge::Meets(Ends(_)) if is_wait && row.is_slow() && result["isError"] == false => error.is_null(),
        Judge::Meets(Ends(kind)) => {
            result["isError"] == true
                && answer["content"]["kind"] == kind.as_str()
                && !text.contains("and charged for it")
        }
        Judge::Meets(Unclear(kind)) => {
            let content = &answer["content"];
            // An answer that says nothing about a paid request has words of its own.
            let says_so = text.contains("charged for");
            result["isError"] == true && content["kind"] == kind.as_str() && says_so && content["retryable"] == false
        }
        Judge::Waited(met) => {
            let is_open = matches!(answer["status"].as_str(), Some("queued" | "working"));
            let kind = match met {
                Fine => None,
                Ends(kind) | Waits(kind) | Unclear(kind) => Some(kind),
            };
            let is_refused = result["isError"] == true
                && answer["job"]["job_id"].is_string()
                && kind.is_some_and(|kind| answer["content"]["kind"] == kind.as_str());
            match met {
                // The job is there; without credits nothing can be learned of it.
                Ends(Kind::InsufficientCredits) => is_refused,
                _ => result["isError"] == false && is_open && kind.is_none_or(is_checked),
            }
        }
        Judge::Follow(met) => {
            let is_saved = answer["job"]["outputs"][0]["saved_to"].is_string();
            let is_told = answer["tips"].as_str().is_some_and(|tips| tips.contains("was not saved"));
            let is_read = answer["output"]["text"].is_string();
            let is_well = met == Fine;
            answer["status"] == "success"
                && result["isError"] == false
                && (is_saved, is_read, is_told) == (is_well, is_well, !is_well)
        }
        Judge::Resource(Fine) => result["contents"].is_array(),
        Judge::Resource(_) => message["error"]["message"].as_str().is_some_and(|words| !words.is_empty()),
        Judge::Promised => {
            let status = result["task"]["status"].as_str().or(result["status"].as_str());
            // With the extension, what ends within the grace is answered by itself.
            let is_inline = result["structuredContent"]["status"].is_string();
            is_inline || matches!(status, Some("working" | "completed"))
        }
    };
    assert!(is_right, "{}, {}, expected {:?}: {text}", row.name, ask.tool, ask.judge);
}

async fn conversation(row: &Row, is_http: bool) {
    let mut service = simulator::spawn(Options::default()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().canonicalize().unwrap();
    std::fs::copy(crate::support::product::documents().join("report.pdf"), folder.join("report.pdf")).unwrap();
    std::fs::copy(crate::support::product::documents().join("report.pdf"), folder.join("fresh.pdf")).unwrap();
    let mut transport = Transport::open(is_http, row, &service, &folder).await;
    if row.is_clock() {
        break_all(&service, "/", row);
    }
    let mut ids = Vec::new();
    for arguments in [document(9_999, 0), document(9_999, 0), document(2, 0), story(&transport.report(), 0)] {
        let is_waited = arguments["wait"] != 0;
        let made = transport.call("submit_job", arguments).await;
        assert_eq!(made["status"] == "success", is_waited, "{made}");
        ids.push(made["job"]["job_id"].as_str().unwrap().to_owned());
    }
    let [slow, cancelled, promised, done] = <[String; 4]>::try_from(ids).unwrap();
    let jobs = Jobs { slow, cancelled, promised, done };
    let address = service.url().trim_start_matches("http://").parse().unwrap();
    if row.is_refused() {
        let fresh = simulator::spawn(Options::default()).await.unwrap();
        std::mem::replace(&mut service, fresh).stop().await;
    } else if !row.is_clock() {
        for prefix in ILL {
            break_all(&service, prefix, row);
        }
    }

    let mut asks = calls(row, &jobs, &transport);
    // Where no server is there, or the whole key has to pause, no job can be made either.
    // A key that was refused and never accepted is not sent again for a minute.
    let is_key_refused = row.balance == Ends(Kind::Auth);
    let can_make = !row.is_refused() && !is_key_refused && row.balance != Ends(RateLimited);
    if !can_make {
        asks.retain(|ask| !matches!(ask.judge, Judge::Waited(_)));
    }
    let questions: Vec<(&str, Value)> = asks.iter().map(|ask| (ask.method, ask.params.clone())).collect();
    let answers = transport.ask(&questions).await;
    for (ask, (message, took)) in asks.iter().zip(&answers) {
        judge(row, ask, message);
        assert!(*took < ASSISTANTS_CUT, "{}, {}: {took:?}", row.name, ask.tool);
    }
    if !row.is_refused() {
        for prefix in if row.is_clock() { &["/"][..] } else { &ILL[..] } {
            // A key that is asked to pause, or refused, does not ask again at once: one of its requests met the fault.
            let is_held_back = matches!(row.balance, Ends(RateLimited | Kind::Auth));
            assert!(is_held_back || service.faults_taken(prefix, None) > 0, "{}: {prefix} met no fault", row.name);
        }
        assert!(ILL.iter().chain(&["/"]).any(|prefix| service.faults_taken(prefix, None) > 0));
    }

    service.heal();
    if row.is_refused() {
        drop(std::mem::replace(&mut service, back_at(address).await));
    }
    // The last refusal may have asked for a pause of its own.
    let mut balance = transport.call("get_credit_balance", json!({})).await;
    if balance["content"]["kind"] == "rate_limited" {
        tokio::time::sleep(Duration::from_secs_f64(balance["content"]["retry_after_seconds"].as_f64().unwrap())).await;
        balance = transport.call("get_credit_balance", json!({})).await;
    }
    let is_remembered = is_key_refused && balance["content"]["kind"] == "auth";
    assert!(balance["credits_remaining"].is_i64() || is_remembered, "{}: {balance}", row.name);
    let promised = answers.iter().zip(&asks).find(|(_, ask)| ask.judge == Judge::Promised).unwrap().0;
    let is_task = promised.0["result"]["task"].is_object() || promised.0["result"]["taskId"].is_string();
    if !row.is_refused() && !is_key_refused && is_task {
        task_ends_well(&mut transport, &promised.0).await;
    }
    // Nothing is lost, and nothing is there that was refused.
    let is_kept = |met: Meets| matches!(met, Fine | Unclear(_));
    let made = [row.submit, row.ask, row.account].into_iter().filter(|met| is_kept(*met)).count();
    let expected = 4 + made + usize::from(can_make);
    let listed = transport.call("list_jobs", json!({"limit": 20})).await;
    assert_eq!(listed["content"]["total"], expected, "{}: {listed}", row.name);
    let ledger: Vec<u8> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("ledger.sqlite"))
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect();
    assert!(!ledger.is_empty());
    assert_eq!(leak(&ledger, false), None, "{}: in the ledger", row.name);
    let log = transport.close().await;
    assert_eq!(leak(log.as_bytes(), true), None, "{}: {log}", row.name);
    assert!(!log.contains("panicked"), "{}: {log}", row.name);
    assert!(is_http || log.contains("DEBUG"), "there is a log to read");
}

/// The task that was promised while things were ill has its result once they are well.
async fn task_ends_well(transport: &mut Transport, promised: &Value) {
    let result = &promised["result"];
    let id = result["task"]["taskId"].as_str().or(result["taskId"].as_str()).unwrap().to_owned();
    let began = Instant::now();
    let task = loop {
        let mut params = json!({"taskId": id});
        if matches!(transport, Transport::Http { .. }) {
            transport.wants_a_task(&mut params);
        }
        let task = transport.ask(&[("tasks/get", params)]).await.remove(0).0;
        match task["result"]["status"].as_str() {
            Some("working") => assert!(began.elapsed() < Duration::from_secs(50), "{task}"),
            Some("completed") => break task,
            _ => panic!("{task}"),
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    let result = match transport {
        Transport::Stdio(..) => {
            transport.ask(&[("tasks/result", json!({"taskId": id}))]).await.remove(0).0["result"].clone()
        }
        Transport::Http { .. } => task["result"]["result"].clone(),
    };
    assert_eq!(result["structuredContent"]["status"], "success", "{result}");
    assert_eq!(leak(result.to_string().as_bytes(), false), None, "{result}");
}

/// Every row over stdio or over HTTP; gives what failed.
pub async fn conversations(is_http: bool) -> Vec<String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let began = Instant::now();
    let transport = if is_http { "HTTP" } else { "stdio" };
    let rows = super::slowest_first().into_iter().filter(|row| is_wanted(&format!("{} over {transport}", row.name)));
    let failures = stream::iter(rows)
        .map(|row| tokio::spawn(failure(format!("{} over {transport}", row.name), conversation(row, is_http))))
        .buffer_unordered(AT_ONCE)
        .filter_map(|ended| future::ready(ended.unwrap()))
        .collect()
        .await;
    println!("over {transport}: {} rows in {:?}", MATRIX.len(), began.elapsed());
    failures
}
