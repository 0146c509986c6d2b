//! Every operation that is a job, in every shape of the service: where its result stands, how its pages are charged, and
//! how its end becomes known; through one MCP call and through one command each.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::support::product::Product;
use futures_util::{StreamExt, stream};
use pdfco::app::App;
use pdfco::catalog::{self, Operation, Output, ParamKind, Run};
use pdfco::config::{self, Folders, Values};
use pdfco::serve::http::{self, Running};
use pdfco::simulator::{self, Charging, Handle, Life, Options, Shape};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// What each account of the simulator starts with.
const CREDITS: i64 = 10_000;
/// Cells that run at once.
const AT_ONCE: usize = 20;

/// How a caller learns that a job has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Notice {
    Check,
    Callback,
}

/// A service that behaves in one way, and a product that uses it.
struct Setup {
    shape: Shape,
    charging: Charging,
    notice: Notice,
    service: Handle,
    server: Running,
    client: reqwest::Client,
    home: tempfile::TempDir,
    /// A document of five pages that the service has.
    link: String,
}

impl Setup {
    async fn new(shape: Shape, charging: Charging, notice: Notice) -> Setup {
        let life = match notice {
            Notice::Check => Life::Checks(0),
            // Long enough for a busy machine to have read the answer to the submit before the callback comes.
            Notice::Callback => Life::Time { median: Duration::from_secs(2), sigma: 0.0 },
        };
        let options = Options { shape, charging, life, credits: CREDITS, ..Options::default() };
        let service = simulator::spawn(options).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let mut settings: Values = settings(&service, home.path(), port, notice).into_iter().collect();
        settings.insert("PDFCO_MAX_WAIT_SECONDS".into(), "45".into());
        let config = config::merge(&settings, &Values::new(), &Values::new(), &Folders::default()).unwrap();
        let app = Arc::new(App::new(config).unwrap());
        let server = http::start(Arc::clone(&app), http::Options::at(port)).await.unwrap();
        let uploader = Product::new(service.url(), "sim_uploader");
        let uploaded = uploader.app.upload(&uploader.caller, "report.pdf", None).await.unwrap();
        let link = uploaded.content["url"].as_str().unwrap().to_owned();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Setup { shape, charging, notice, service, server, client, home, link }
    }

    /// The name of the account of one cell.
    fn key(&self, operation: &Operation, interface: &str) -> String {
        format!("sim_{interface}_{}", operation.name)
    }

    /// What a cell's account was charged, by the service's own book.
    fn charged(&self, key: &str) -> i64 {
        CREDITS - self.service.credits(key)
    }

    /// What a job is charged: by the catalog's price, under this way of charging; its checks and callbacks not counted.
    fn price(&self, operation: &Operation, pages: i64) -> i64 {
        let unit = i64::from(operation.price.credits().unwrap_or(10));
        let is_per_page = operation.price.basis() != Some(catalog::Basis::Call);
        if is_per_page && self.charging == Charging::PerPage { unit * pages } else { unit }
    }

    async fn by_mcp(&self, operation: &'static Operation) -> Result<(), String> {
        let key = self.key(operation, "mcp");
        let arguments = json!({"operation": operation.name, "url": Value::Null, "options": arguments(operation, &self.link), "wait": 40});
        let mut arguments = arguments.as_object().unwrap().clone();
        arguments.retain(|_, value| !value.is_null());
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "submit_job", "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "matrix", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        }});
        let request = self
            .client
            .post(format!("http://{}/mcp", self.server.address))
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "submit_job")
            .header("x-api-key", &key)
            .json(&body);
        let text = request.send().await.unwrap().text().await.unwrap();
        let message = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:").unwrap_or(line)).ok())
            .find(|message| message.get("result").is_some());
        let Some(message) = message else { return Err(format!("no result in {text}")) };
        let result = &message["result"];
        if result["isError"] == true {
            return Err(format!("isError: {result}"));
        }
        let mut answer = result["structuredContent"].clone();
        if !answer.is_object() {
            answer = serde_json::from_str(result["content"][0]["text"].as_str().unwrap_or_default())
                .map_err(|error| format!("{error}: {result}"))?;
            answer["output"]["text"] = result["content"][1]["text"].clone();
        }
        self.is_right(operation, &answer, &key)
    }

    async fn by_command(&self, operation: &'static Operation) -> Result<(), String> {
        let key = self.key(operation, "cli");
        let file = self.home.path().join(format!("{}.json", operation.name));
        let mut written = std::fs::File::create(&file).unwrap();
        write!(written, "{}", Value::Object(arguments(operation, &self.link))).unwrap();
        let folder = self.home.path().join(&key);
        let run = async |more: &[&str]| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pdfco"));
            crate::support::home::alone(&mut command, &folder);
            command.envs(settings(&self.service, self.home.path(), self.server.address, self.notice));
            command.env("PDFCO_API_KEY", &key).current_dir(self.home.path());
            let name = operation.name.replace('_', "-");
            command.args(["call", &name, "--args-file", file.to_str().unwrap()]).args(more);
            let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
            let (printed, logged) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
            match ended.status.success() {
                true => Ok(printed.into_owned()),
                false => Err(format!("{}: {printed}{logged}", ended.status)),
            }
        };
        let printed = run(&["--json"]).await?;
        let envelope: Value = serde_json::from_str(&printed).map_err(|error| format!("{error}: {printed}"))?;
        self.is_right(operation, &envelope["data"], &key)?;
        let urls = envelope["data"]["result"]["urls"].to_string();
        // Once more as a person sees it; how its end becomes known changes nothing of that.
        let shown = if self.notice == Notice::Check { run(&[]).await? } else { return Ok(()) };
        let is_shown = match operation.output {
            Output::Inline => serde_json::from_str::<Value>(&shown).is_ok_and(|facts| facts["url"].is_null()),
            Output::Many(_) => shown.contains("http") && !shown.contains(".json") && !urls.contains(".json"),
            Output::Text(_) | Output::Binary(_) => !shown.trim().is_empty(),
            Output::Nothing => true,
        };
        if is_shown { Ok(()) } else { Err(format!("not shown to a person: {shown} {urls}")) }
    }

    /// The answer hands over what the operation makes as what it is, and says what it cost.
    fn is_right(&self, operation: &Operation, answer: &Value, key: &str) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what}: {answer}"));
        if answer["status"] != "success" {
            return wrong("no success");
        }
        let content = &answer["content"];
        let shows_links = ["url", "urls"].iter().any(|name| !content[name].is_null());
        let outputs = answer["job"]["outputs"].as_array().cloned().unwrap_or_default();
        let is_file = |output: &Value, extension: &str| {
            output["name"].as_str().is_some_and(|name| name.to_ascii_lowercase().ends_with(extension))
        };
        match operation.output {
            Output::Inline => {
                let name = match operation.name {
                    "pdf_info_reader" | "read_pdf_forms_info" => "info",
                    "barcode_read" => "barcodes",
                    _ => "body",
                };
                let facts = &content[name];
                if facts.as_object().is_none_or(Map::is_empty) && facts.as_array().is_none_or(Vec::is_empty) {
                    return wrong("no facts in the answer");
                }
                if shows_links || answer["output"].is_object() {
                    return wrong("facts twice");
                }
            }
            Output::Text(_) => {
                if answer["output"]["text"].as_str().is_none_or(str::is_empty) {
                    return wrong("no text in the answer");
                }
                if shows_links || !content["body"].is_null() {
                    return wrong("the text twice");
                }
            }
            Output::Many(_) if outputs.is_empty() || outputs.iter().any(|output| is_file(output, ".json")) => {
                return wrong("a listing instead of the parts");
            }
            Output::Binary(_) if outputs.len() != 1 || is_file(&outputs[0], ".json") => {
                return wrong("not one file");
            }
            Output::Many(_) | Output::Binary(_) | Output::Nothing => {}
        }
        let charged = self.charged(key);
        if answer["job"]["credits_total"] != charged {
            return wrong(&format!("{charged} credits were charged for the job"));
        }
        // What a callback reports is no request of this call: its own price, and the pages where they are charged. An
        // answer to an assistant does not say how much that was.
        let least = self.price(operation, 1);
        let used = answer["credits_used"].as_i64().unwrap_or(-1);
        let is_accounted_for = match (self.notice, answer["job"]["check_credits"].as_i64()) {
            (Notice::Check, _) => used == charged,
            (Notice::Callback, Some(by_callback)) => used == charged - by_callback || used == charged,
            (Notice::Callback, None) => (least..=charged).contains(&used),
        };
        if !is_accounted_for {
            return wrong(&format!("{charged} credits were charged"));
        }
        if answer["credits_remaining"] != CREDITS - charged {
            return wrong(&format!("{} credits are left", CREDITS - charged));
        }
        let pages = content["pageCount"].as_i64().unwrap_or(1);
        if charged < least || (pages > 1 && self.charging == Charging::Flat && charged > least + 2 * 10) {
            return wrong(&format!("{charged} credits do not fit a price of {least}"));
        }
        match self.notice {
            Notice::Callback if answer["job"]["checks_made"] != 0 => wrong("no callback was taken"),
            Notice::Check if answer["job"]["checks_made"] == 0 => wrong("no check was made"),
            Notice::Callback | Notice::Check => Ok(()),
        }
    }
}

fn settings(service: &Handle, home: &Path, server: std::net::SocketAddr, notice: Notice) -> Vec<(String, String)> {
    let ledger = home.join("ledger.sqlite").display().to_string();
    let callback = match notice {
        Notice::Check => String::new(),
        Notice::Callback => format!("http://{server}"),
    };
    [
        ("PDFCO_BASE_URL", service.url().to_owned()),
        ("PDFCO_LEDGER", ledger),
        ("PDFCO_DOWNLOAD_DIR", home.join("out").display().to_string()),
        ("PDFCO_RATE_LIMIT", "off".to_owned()),
        ("PDFCO_CALLBACK_URL", callback),
        ("PDFCO_ALLOW", "email".to_owned()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// The arguments that the operation needs, and no more.
fn arguments(operation: &Operation, link: &str) -> Map<String, Value> {
    let file =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/operations").join(operation.name).join("request.json");
    let known: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let needed = operation.params().filter(|param| param.required || matches!(param.name, "html" | "pages"));
    let mut arguments = Map::new();
    for param in needed {
        let value = match param.kind {
            ParamKind::Source => json!(link),
            ParamKind::Sources => json!([link, link]),
            _ if param.name == "pages" && param.required => json!("1,2-3"),
            _ if param.name == "pages" => continue,
            _ => known["arguments"][param.name].clone(),
        };
        arguments.insert(param.name.to_owned(), value);
    }
    arguments
}

/// Every operation against a service that answers in `shape`, in each of its other ways.
async fn every_operation(shape: Shape) {
    let mut setups = Vec::new();
    for charging in [Charging::Flat, Charging::PerPage] {
        for notice in [Notice::Check, Notice::Callback] {
            setups.push(Setup::new(shape, charging, notice).await);
        }
    }
    let operations: Vec<&'static Operation> = catalog::all().filter(|operation| operation.run != Run::Direct).collect();
    assert!(operations.len() > 50);
    let cells = setups.iter().flat_map(|setup| {
        let both = |operation: &&'static Operation| [(setup, *operation, "mcp"), (setup, *operation, "command")];
        operations.iter().flat_map(both).collect::<Vec<_>>()
    });
    let outcomes = stream::iter(cells).map(async |(setup, operation, interface)| {
        let outcome = match interface {
            "mcp" => setup.by_mcp(operation).await,
            _ => setup.by_command(operation).await,
        };
        let Setup { shape, charging, notice, .. } = setup;
        outcome.err().map(|why| {
            let why: String = why.chars().take(1_500).collect();
            format!("{} × {shape:?} × {charging:?} × {notice:?} by {interface}: {why}", operation.name)
        })
    });
    let ended: Vec<Option<String>> = outcomes.buffer_unordered(AT_ONCE).collect().await;
    let failed: Vec<String> = ended.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{} cells failed:\n{}", failed.len(), failed.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_whose_result_is_inside_the_answer() {
    every_operation(Shape::Inline).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_whose_result_is_in_the_body() {
    every_operation(Shape::Body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_whose_result_is_behind_a_link() {
    every_operation(Shape::Link).await;
}
