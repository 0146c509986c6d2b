//! Every operation against the simulator, in every way and shape that a result comes back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use pdfco::answer::Answer;
use pdfco::app::{App, Caller, ReadRequest, SubmitRequest};
use pdfco::catalog::{self, Operation, Output, ParamKind, Run};
use pdfco::files::Sandbox;
use pdfco::jobs::Results;
use pdfco::secret::ApiKey;
use pdfco::simulator::{self, Callbacks, Charging, Handle, Life, Options, Request, Shape};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::command::Pdfco;

use super::catalog::{caller, config, fixture, full_arguments};

/// Operations that are run at once.
pub(super) const AT_ONCE: usize = 16;

// What comes back.

/// The product over a simulator whose jobs are done at the first look.
pub(super) struct Bench {
    pub(super) simulator: Handle,
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    pub(super) home: tempfile::TempDir,
}

impl Bench {
    pub(super) async fn new(flags: &[(&str, &str)]) -> Bench {
        let life = Life::Time { median: Duration::ZERO, sigma: 0.0 };
        Bench::with(flags, Options { life, ..Options::default() }).await
    }

    /// Over a simulator that behaves so.
    pub(super) async fn with(flags: &[(&str, &str)], options: Options) -> Bench {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("scan.png"), b"\x89PNG\r\n\x1a\nnot much of a picture").unwrap();
        std::fs::write(home.path().join("mail.eml"), b"From: a@example.com\r\nSubject: hello\r\n\r\nText\r\n").unwrap();
        let options = Options { directory: home.path().to_owned(), credits: 1_000_000, ..options };
        let simulator = simulator::spawn(options).await.unwrap();
        let documents = fixture("documents");
        let folders = [
            ("PDFCO_FILES", documents.to_str().unwrap()),
            ("PDFCO_DOWNLOAD_DIR", home.path().to_str().unwrap()),
            ("PDFCO_CHECK_WORTH_SECONDS", "0.01"),
            ("PDFCO_ALLOW", "email,delete"),
        ];
        let config = config(&[flags, &folders].concat()).simulated(simulator.url(), "sim_bench", None).unwrap();
        let caller = caller("sim_bench", Sandbox::folders(vec![documents], home.path().to_owned()));
        Bench { simulator, app: Arc::new(App::new(config).unwrap()), caller, home }
    }

    /// A document that the operation works on.
    pub(super) async fn source(&self, operation: &Operation) -> String {
        let of = |part: &str| operation.path.contains(part);
        match operation.path {
            "/v1/file/upload/url" | "/v1/file/delete" | "/v1/file/hash" => {
                // A file of its own: uploads of one file at once are one, and this may delete it.
                let name = format!("{}.pdf", operation.name);
                let uploaded = self.app.upload(&self.caller, "invoice.pdf", Some(&name)).await.unwrap();
                uploaded.content["url"].as_str().unwrap().to_owned()
            }
            "/v1/pdf/merge" => "report.pdf,invoice.pdf".to_owned(),
            "/v1/pdf/merge2" => "report.pdf,notes.txt,scan.png".to_owned(),
            _ if of("/from/url") && !of("/barcode/") || of("/url/convert/") => "https://example.com/".to_owned(),
            _ if of("/xls/") || of("/from/csv") => "data.csv".to_owned(),
            _ if of("/from/doc") => "notes.txt".to_owned(),
            _ if of("/from/image") => "scan.png".to_owned(),
            _ if of("/email/") || of("/from/email") => "mail.eml".to_owned(),
            _ => "report.pdf".to_owned(),
        }
    }

    /// `names` of the operation's fixture, about a document that is there.
    pub(super) async fn arguments(&self, operation: &'static Operation, names: &[&str]) -> Map<String, Value> {
        let full = full_arguments(operation);
        let mut arguments = Map::new();
        for name in names {
            let param = operation.param(name).unwrap_or_else(|| panic!("{} does not take {name}", operation.name));
            let is_source = matches!(param.kind, ParamKind::Source | ParamKind::Sources) || param.wire == "url";
            let value = if is_source { json!(self.source(operation).await) } else { full[param.name].clone() };
            arguments.insert((*name).to_owned(), value);
        }
        arguments
    }

    /// Every file below the home that was saved for `operation` has something in it.
    pub(super) async fn assert_saved(&self, operation: &Operation, job_id: &str) {
        let folder = format!("{}/{}/", self.home.path().display(), operation.name);
        let answer = self.app.download(&self.caller, job_id, Some(&folder), false).await;
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", operation.name));
        let outputs = &answer.job.as_ref().unwrap().outputs;
        assert!(!outputs.is_empty(), "{}", operation.name);
        for output in outputs {
            let bytes = std::fs::read(output.saved_to.as_ref().unwrap()).unwrap();
            assert!(!bytes.is_empty(), "{}: {}", operation.name, output.name);
            if output.mime_type == "application/pdf" {
                assert!(bytes.starts_with(b"%PDF"), "{}: {}", operation.name, output.name);
            }
        }
    }

    /// What the operation's job answers to the fewest arguments.
    pub(super) async fn submit(&self, operation: &'static Operation) -> Answer {
        let name = operation.name;
        let mut names: Vec<&str> = operation.params().filter(|param| param.required).map(|param| param.name).collect();
        // One of several is needed, which a declaration cannot say.
        names.extend(match name {
            "html_to_pdf" => &["html"][..],
            "pdf_replace_text" => &["search_string", "replace_string"],
            "pdf_delete_text" => &["search_string"],
            _ => &[],
        });
        let request = SubmitRequest {
            operation: name.to_owned(),
            arguments: self.arguments(operation, &names).await,
            wait: Some(Duration::from_secs(20)),
            ..SubmitRequest::default()
        };
        let answer = self.app.submit(&self.caller, request).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let shown = serde_json::to_string(&answer).unwrap();
        assert!(answer.status == "success" && !answer.is_error, "{name}: {shown}");
        answer
    }

    /// One call hands over what the operation makes, in whatever shape the service answered.
    pub(super) async fn comes_back(&self, operation: &'static Operation) {
        let name = operation.name;
        let answer = self.submit(operation).await;
        let job = answer.job.as_ref().unwrap();
        let shown = serde_json::to_string(&answer).unwrap();
        if operation.gives_text() {
            let is_read = answer.output.as_ref().is_some_and(|output| !output.text.trim().is_empty());
            assert!(is_read || Results::read(&answer.content).inline.is_some(), "{name}: {shown}");
            self.assert_readable(operation, &job.job_id).await;
        }
        if operation.run != Run::Direct && operation.output != Output::Nothing {
            self.assert_saved(operation, &job.job_id).await;
        }
    }

    pub(super) async fn round_trip(&self, operation: &'static Operation) {
        let name = operation.name;
        let answer = self.submit(operation).await;
        let shown = serde_json::to_string(&answer).unwrap();
        let job = answer.job.as_ref().unwrap();
        // Every file has its link, and once: links are long.
        let links = Results::read(&answer.content).links;
        // What this call read or handed over needs no link.
        let is_handed_over = answer.output.as_ref().is_some_and(|output| !output.truncated)
            || (operation.output == Output::Inline && links.is_empty());
        assert_eq!(links.len(), if is_handed_over { 0 } else { job.outputs.len() }, "{name}: {shown}");
        for link in links {
            assert_eq!(shown.matches(link.expose()).count(), 1, "{name}: {shown}");
        }
        // The next step that the answer names can be taken.
        let tips = answer.tips.clone().unwrap_or_default().text(pdfco::next_step::Audience::Agent);
        let (says_read, says_save) = (tips.contains("read_result"), tips.contains("download_result"));
        match operation.output {
            Output::Text(_) => {
                let output = answer.output.as_ref().unwrap_or_else(|| panic!("{name}: no text in {shown}"));
                assert!(!output.text.trim().is_empty() && output.untrusted, "{name}: {shown}");
            }
            Output::Binary(_) | Output::Many(_) => {
                assert!(answer.output.is_none() && says_save && !says_read, "{name}: {shown}");
            }
            Output::Inline => {
                let envelope = ["status", "error", "credits", "remainingCredits", "duration", "jobId", "message"];
                let fields = answer.content.as_object().unwrap();
                let is_balance = operation.path == "/v1/account/credit/balance";
                assert!(
                    is_balance || fields.keys().any(|field| !envelope.contains(&field.as_str())),
                    "{name}: {shown}"
                );
            }
            Output::Nothing => assert!(job.outputs.is_empty() && tips.is_empty(), "{name}: {shown}"),
        }
        let is_job = operation.run != Run::Direct;
        if says_read || is_job && matches!(operation.output, Output::Text(_) | Output::Inline) {
            self.assert_readable(operation, &job.job_id).await;
        }
        if says_save || is_job && operation.output != Output::Nothing {
            self.assert_saved(operation, &job.job_id).await;
        }
    }

    pub(super) async fn assert_readable(&self, operation: &Operation, job_id: &str) {
        let read = self.app.read(&self.caller, &ReadRequest::of(job_id)).await;
        let read = read.unwrap_or_else(|error| panic!("{}: {error}", operation.name));
        assert!(!read.output.unwrap().text.trim().is_empty(), "{}", operation.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_comes_back_with_something_to_read_or_to_save() {
    let bench = &Bench::new(&[]).await;
    let trips = catalog::all().map(|operation| bench.round_trip(operation));
    let done = futures_util::stream::iter(trips).buffer_unordered(AT_ONCE).count().await;
    assert_eq!(done, catalog::all().count());
}

/// Takes what the simulator posts, and hands it to the app as the HTTP transport does.
async fn callback_receiver(app: Arc<App>, listener: TcpListener) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            let mut request = Vec::new();
            let (head, body) = loop {
                stream.read_buf(&mut request).await.unwrap();
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
                if body.len() >= length.parse::<usize>().unwrap() {
                    break (head.to_owned(), body.to_owned());
                }
            };
            let path = head.split(' ').nth(1).unwrap();
            let taken = app.jobs().called_back(path.rsplit('/').next().unwrap(), body.as_bytes()).await;
            let status = if taken.is_ok() { "204 No Content" } else { "404 Not Found" };
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n").as_bytes()).await;
        });
    }
}

/// Every operation in every shape that the service may answer in, by check and by callback, under either price.
#[tokio::test(flavor = "multi_thread")]
async fn every_operation_comes_back_in_every_shape() {
    for shape in [Shape::Inline, Shape::Body, Shape::Link] {
        for (charging, is_called_back) in
            [(Charging::Flat, false), (Charging::PerPage, false), (Charging::Flat, true), (Charging::PerPage, true)]
        {
            let case = format!("{shape:?}, {charging:?}, called back: {is_called_back}");
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            let flags = [("PDFCO_CALLBACK_URL", address.as_str())];
            let life = Life::Time { median: Duration::from_millis(if is_called_back { 300 } else { 0 }), sigma: 0.0 };
            let content_type = if charging == Charging::Flat { "text/plain" } else { "" };
            let callbacks = Callbacks { content_type: content_type.to_owned(), ..Callbacks::default() };
            let options = Options { shape, charging, life, callbacks, ..Options::default() };
            let bench = &Bench::with(if is_called_back { &flags } else { &[] }, options).await;
            let receiver = tokio::spawn(callback_receiver(Arc::clone(&bench.app), listener));
            let trips = catalog::all().map(|operation| bench.comes_back(operation));
            let done = futures_util::stream::iter(trips).buffer_unordered(AT_ONCE).count().await;
            assert_eq!(done, catalog::all().count(), "{case}");
            receiver.abort();
            let jobs = bench.simulator.jobs();
            let checks = bench.simulator.count("/v1/job/check");
            assert!(!is_called_back || checks * 2 < jobs, "{case}: {checks} checks of {jobs} jobs");
            let before = bench.simulator.credits("sim_bench");
            bench.submit(catalog::find("pdf_to_text").unwrap()).await;
            let spent = before - bench.simulator.credits("sim_bench");
            assert_eq!(charging == Charging::PerPage, spent >= 5 * 21, "{case}: {spent}");
        }
    }
}

/// One run of the command reads data and saves parts, in every shape.
#[tokio::test(flavor = "multi_thread")]
async fn one_command_reads_data_in_every_shape() {
    for shape in [Shape::AsAsked, Shape::Inline, Shape::Body, Shape::Link] {
        let simulator = simulator::spawn(Options { shape, ..Options::default() }).await.unwrap();
        let url = simulator.url().to_owned();
        let run = move || {
            let home = tempfile::tempdir().unwrap();
            let report = fixture("documents/report.pdf");
            let parts = home.path().join("parts");
            let pdfco = || {
                Pdfco::new(home.path()).env("PDFCO_BASE_URL", &url).env("PDFCO_API_KEY", "sim_shape").args(&["call"])
            };
            let source = ["--url", report.to_str().unwrap()];
            let info = pdfco().args(&["pdf-info-reader"]).args(&source).run().code(0);
            assert!(info.stdout.contains("PageCount"), "{shape:?}: {info:#?}");
            let target = format!("{}/", parts.display());
            let split = ["pdf-split", "--pages", "1-2,3-", "--save-to", &target];
            pdfco().args(&split).args(&source).run().code(0);
            let saved = std::fs::read_dir(&parts).unwrap();
            let names: Vec<_> = saved.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            assert!(names.len() == 2 && names.iter().all(|name| name.ends_with(".pdf")), "{shape:?}: {names:?}");
        };
        tokio::task::spawn_blocking(run).await.unwrap();
    }
}

/// The request that came with `key` for `operation`.
pub(super) fn request_with(bench: &Bench, key: &str, operation: &Operation) -> Request {
    let fingerprint = ApiKey::new(key).unwrap().fingerprint().clone();
    let stem = operation.path.split('{').next().unwrap();
    let requests = bench.simulator.requests();
    let mut with_key = requests.into_iter().filter(|request| request.key.as_ref() == Some(&fingerprint));
    with_key.find(|request| request.path.starts_with(stem)).unwrap_or_else(|| panic!("{key}: nothing came"))
}

/// Tokens of an answer to a submit beside the text and the data of the result.
const BESIDE_TEXT_TOKENS_MAX: usize = 250;

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_a_submit_are_light_in_every_shape() {
    let tokenizer = tiktoken_rs::o200k_base().unwrap();
    for shape in [Shape::AsAsked, Shape::Inline, Shape::Body, Shape::Link] {
        let life = Life::Time { median: Duration::ZERO, sigma: 0.0 };
        let bench = Bench::with(&[], Options { shape, life, ..Options::default() }).await;
        for (operation, more, save_to) in [
            ("pdf_to_text_simple", json!({}), None),
            ("pdf_to_text_simple", json!({}), Some("text.txt")),
            ("pdf_split", json!({"pages": "1-2,3-5"}), Some("parts/")),
            ("pdf_merge", json!({"url": "report.pdf,invoice.pdf"}), Some("merged.pdf")),
            ("pdf_info_reader", json!({}), None),
            ("barcode_read", json!({}), None),
            ("pdf_info_reader", json!({}), Some("facts/")),
        ] {
            let mut arguments = json!({"url": "report.pdf"}).as_object().unwrap().clone();
            arguments.extend(more.as_object().unwrap().clone());
            let request = SubmitRequest {
                operation: operation.to_owned(),
                arguments,
                save_to: save_to.map(|name: &str| format!("{}/{name}", bench.home.path().display())),
                ..SubmitRequest::default()
            };
            let answer = bench.app.submit(&bench.caller, request).await.unwrap();
            let mut answer = pdfco::app::bounded(&answer).into_owned();
            if let Some(output) = &mut answer.output {
                output.text.clear();
            }
            let mut shown = serde_json::to_value(&answer).unwrap();
            if let Some(content) = shown["content"].as_object_mut() {
                content.retain(|name, _| !["info", "barcodes"].contains(&name.as_str()));
            }
            let tokens = tokenizer.encode_ordinary(&shown.to_string()).len();
            println!("{shape:?} {operation} {save_to:?}: {tokens}");
            assert!(tokens <= BESIDE_TEXT_TOKENS_MAX, "{shape:?} {operation} {save_to:?}: {tokens} {shown}");
        }
    }
}
