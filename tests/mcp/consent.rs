//! A price above the threshold needs a person's consent: asked for in both revisions, bound to the very call, and never
//! given by an argument.

use std::path::PathBuf;

use crate::support::product::{documents, service};
use crate::support::wire::{Wire, ledger_in};
use pdfco::simulator::Handle;
use serde_json::{Value, json};

const TEXT: &str = "/v1/pdf/convert/to/text";
const UPLOAD: &str = "/v1/file/upload/get-presigned-url";
const ELICITATION: &str = "elicitation/create";

/// A server that asks from 20 credits on, with a report of five pages in its folder.
struct Asking {
    service: Handle,
    wire: Wire,
    folder: PathBuf,
    files: tempfile::TempDir,
}

impl Asking {
    async fn new() -> Asking {
        let service = service().await;
        let files = tempfile::tempdir().unwrap();
        for name in ["report.pdf", "invoice.pdf"] {
            std::fs::copy(documents().join(name), files.path().join(name)).unwrap();
        }
        let folder = files.path().to_owned();
        let wire = Asking::wire(&service, &files);
        Asking { service, wire, folder, files }
    }

    fn wire(service: &Handle, files: &tempfile::TempDir) -> Wire {
        Asking::wire_on(service, files, &ledger_in(files.path()))
    }

    fn wire_on(service: &Handle, files: &tempfile::TempDir, ledger: &str) -> Wire {
        Wire::start(&[
            ("PDFCO_BASE_URL", service.url()),
            ("PDFCO_API_KEY", "sim_wire"),
            ("PDFCO_RATE_LIMIT", "off"),
            ("PDFCO_CHECK_WORTH_SECONDS", "0.05"),
            ("PDFCO_LEDGER", ledger),
            ("PDFCO_FILES", files.path().to_str().unwrap()),
            ("PDFCO_CONFIRM_CREDITS", "20"),
        ])
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn spent(&self) -> i64 {
        10_000 - self.service.credits("sim_wire")
    }

    /// Nothing was uploaded, submitted or charged.
    fn nothing_happened(&self) -> bool {
        self.service.count(TEXT) == 0 && self.service.count(UPLOAD) == 0 && self.spent() == 0
    }
}

/// A call of 2026-07-28 by a client that asks people, or does not.
fn modern(arguments: &Value, can_ask: bool, more: Value) -> Value {
    let capabilities = if can_ask { json!({"elicitation": {}}) } else { json!({}) };
    let mut params = json!({"name": "submit_job", "arguments": arguments, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    }});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

fn agreed(state: &Value) -> Value {
    json!({"requestState": state, "inputResponses": {"consent": {"action": "accept", "content": {}}}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_of_2026_07_28_holds_for_one_call() {
    let mut it = Asking::new().await;
    let arguments = json!({"operation": "pdf_to_text", "url": it.path("report.pdf")});
    let asks = |wire: &mut Wire, arguments: &Value, more: Value| {
        let answer = wire.ask("tools/call", modern(arguments, true, more));
        assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
        answer["result"].clone()
    };
    let asked = asks(&mut it.wire, &arguments, json!({}));
    let question = &asked["inputRequests"]["consent"];
    assert_eq!(question["method"], ELICITATION, "{asked}");
    let message = question["params"]["message"].as_str().unwrap();
    assert!(message.contains("report.pdf") && message.contains("28 to 112 credits"), "{message}");
    assert_eq!(question["params"]["requestedSchema"], json!({"type": "object", "properties": {}}), "{asked}");
    assert!(it.nothing_happened());
    let state = asked["requestState"].clone();

    // Another call, a forged state, no answer, and an argument that claims consent: all are asked anew.
    let other = json!({"operation": "pdf_to_text", "url": it.path("report.pdf"), "save_to": "a.txt"});
    asks(&mut it.wire, &other, agreed(&state));
    let mut forged = state.as_str().unwrap().to_owned();
    forged.replace_range(8..9, if &forged[8..9] == "A" { "B" } else { "A" });
    asks(&mut it.wire, &arguments, agreed(&json!(forged)));
    asks(&mut it.wire, &arguments, json!({"requestState": state}));
    asks(&mut it.wire, &arguments, json!({"inputResponses": {"consent": {"action": "accept"}}}));
    for claim in ["consent", "confirm", "yes"] {
        let mut claims = arguments.clone();
        claims[claim] = json!(true);
        let answer = it.wire.ask("tools/call", modern(&claims, true, json!({})));
        assert_eq!(answer["result"]["isError"], true, "{answer}");
    }
    assert!(it.nothing_happened());

    // A restart in between changes nothing: the state is sealed with the ledger's secret.
    it.wire = Asking::wire(&it.service, &it.files);
    let reordered = json!({"url": it.path("report.pdf"), "operation": "pdf_to_text"});
    let answer = it.wire.ask("tools/call", modern(&reordered, true, agreed(&state)));
    assert_eq!(answer["result"]["structuredContent"]["status"], "success", "{answer}");
    assert_eq!((it.service.count(TEXT), it.service.count(UPLOAD)), (1, 1));
    // A consent is good for one call.
    let spent = it.spent();
    asks(&mut it.wire, &arguments, agreed(&state));
    assert_eq!(it.spent(), spent);
    it.wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_holds_once_in_all_processes_on_one_file() {
    let it = Asking::new().await;
    let ledger = ledger_in(it.files.path());
    holds_for_one_call(&it, &ledger);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_holds_once_at_all_replicas_on_postgres() {
    let Some(database) = crate::support::postgres::database().await else { return };
    let it = Asking::new().await;
    holds_for_one_call(&it, &database.url);
}

/// A consent that one of two processes used counts for neither of them, nor after a restart.
fn holds_for_one_call(it: &Asking, ledger: &str) {
    let start = || Asking::wire_on(&it.service, &it.files, ledger);
    let mut processes = [start(), start()];
    let arguments = json!({"operation": "pdf_to_text", "url": it.path("report.pdf")});
    let asked = processes[0].ask("tools/call", modern(&arguments, true, json!({})));
    let state = asked["result"]["requestState"].clone();
    let answer = processes[1].ask("tools/call", modern(&arguments, true, agreed(&state)));
    assert_eq!(answer["result"]["structuredContent"]["status"], "success", "{answer}");
    let spent = it.spent();
    let is_asked_again = |process: &mut Wire| {
        let answer = process.ask("tools/call", modern(&arguments, true, agreed(&state)));
        assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    };
    processes.iter_mut().for_each(is_asked_again);
    for process in processes {
        assert_eq!(process.finish(), "");
    }
    let mut restarted = start();
    is_asked_again(&mut restarted);
    assert_eq!(restarted.finish(), "");
    assert_eq!(it.spent(), spent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_that_changed_meanwhile_is_asked_again() {
    let mut it = Asking::new().await;
    let arguments = json!({"operation": "pdf_to_text", "url": it.path("invoice.pdf"), "options": {"pages": ""}});
    let asked = it.wire.ask("tools/call", modern(&arguments, true, json!({})));
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    std::fs::copy(documents().join("report.pdf"), it.path("invoice.pdf")).unwrap();
    let again = it.wire.ask("tools/call", modern(&arguments, true, agreed(&asked["result"]["requestState"])));
    let message =
        again["result"]["inputRequests"]["consent"]["params"]["message"].as_str().unwrap_or_else(|| panic!("{again}"));
    assert!(message.contains("112 credits"), "{message}");
    assert!(it.nothing_happened());
    let answer = it.wire.ask("tools/call", modern(&arguments, true, agreed(&again["result"]["requestState"])));
    assert_eq!(answer["result"]["structuredContent"]["status"], "success", "{answer}");
    it.wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_declines_pays_nothing() {
    let mut it = Asking::new().await;
    let arguments = json!({"operation": "pdf_to_text", "url": it.path("report.pdf")});
    for action in ["decline", "cancel"] {
        let asked = it.wire.ask("tools/call", modern(&arguments, true, json!({})));
        let no =
            json!({"requestState": asked["result"]["requestState"], "inputResponses": {"consent": {"action": action}}});
        let answer = it.wire.ask("tools/call", modern(&arguments, true, no));
        let content = &answer["result"]["structuredContent"]["content"];
        assert_eq!((&answer["result"]["isError"], &content["kind"]), (&json!(true), &json!("cancelled")), "{answer}");
        // Nor can the same question be agreed to afterwards.
        let answer = it.wire.ask("tools/call", modern(&arguments, true, agreed(&asked["result"]["requestState"])));
        assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    }
    assert!(it.nothing_happened());
    it.wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_elicitation_the_estimate_is_the_answer() {
    let mut it = Asking::new().await;
    let arguments = json!({"operation": "pdf_to_text", "url": it.path("report.pdf")});
    let answer = it.wire.ask("tools/call", modern(&arguments, false, json!({})));
    let content = &answer["result"]["structuredContent"]["content"];
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert_eq!((&content["estimate"]["credits_min"], &content["estimate"]["credits_max"]), (&json!(28), &json!(112)));
    let hint = content["hint"].as_str().unwrap();
    assert!(hint.contains("PDFCO_CONFIRM_CREDITS") && hint.contains("pdf_to_text_simple"), "{hint}");
    assert!(it.nothing_happened());
    // Below the threshold no one is asked, nor for what is free.
    let cheap = json!({"operation": "pdf_to_text_simple", "url": it.path("report.pdf"), "options": {"pages": "0"}});
    let answer = it.wire.ask("tools/call", modern(&cheap, false, json!({})));
    assert_eq!(answer["result"]["structuredContent"]["status"], "success", "{answer}");
    it.wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_asked_within_the_call_once_for_all_documents() {
    let mut it = Asking::new().await;
    let mut hello = crate::support::wire::hello("2025-11-25");
    hello["capabilities"] = json!({"elicitation": {}});
    it.wire.ask("initialize", hello);
    it.wire.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let many = json!({"name": "submit_job", "arguments": {
        "operation": "pdf_to_text_simple", "url": [it.path("report.pdf"), it.path("invoice.pdf")],
    }});
    for (reply, status) in
        [(json!({"action": "decline"}), "error"), (json!({"action": "accept", "content": {}}), "success")]
    {
        let id = it.wire.request("tools/call", many.clone());
        let question = it.wire.next();
        assert_eq!(question["method"], ELICITATION, "{question}");
        let message = question["params"]["message"].as_str().unwrap();
        assert!(message.contains("report.pdf and 1 more") && message.contains("credits"), "{message}");
        assert!(it.nothing_happened());
        it.wire.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": reply}));
        let (answer, before) = it.wire.answer(id);
        assert!(before.iter().all(|message| message["method"] != ELICITATION), "asked once: {before:?}");
        assert_eq!(answer["result"]["structuredContent"]["status"], status, "{answer}");
    }
    assert_eq!(it.service.count(UPLOAD), 2);
    // A call as a task of that revision is asked about as well, before there is a task.
    let task = json!({"name": "submit_job", "arguments": {"operation": "pdf_to_text", "url": it.path("report.pdf")}, "task": {}});
    let id = it.wire.request("tools/call", task);
    let question = it.wire.next();
    assert_eq!(question["method"], ELICITATION, "{question}");
    it.wire.send(&json!({"jsonrpc": "2.0", "id": question["id"], "error": {"code": -32601, "message": "no"}}));
    let (answer, _) = it.wire.answer(id);
    assert!(answer["result"]["task"]["taskId"].is_string(), "{answer}");
    assert_eq!(it.service.count(TEXT), 0, "what is not answered is not agreed to");
    it.wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_sends_and_spends_nothing() {
    let service = service().await;
    let folder = documents();
    let mut wire = Wire::ready(service.url(), &[("PDFCO_LEDGER", "memory"), ("PDFCO_FILES", folder.to_str().unwrap())]);
    let report = folder.join("report.pdf");
    let one = wire.call("submit_job", json!({"operation": "pdf_to_text", "url": report, "estimate": true}));
    let content = &one["content"];
    assert_eq!(
        (&content["credits_min"], &content["credits_max"], &content["pages"]),
        (&json!(28), &json!(112), &json!(5)),
        "{one}"
    );
    assert!(one["tips"].as_str().unwrap().contains("pdf_to_text_simple"), "{one}");
    let named = wire.call("pdf_to_text", json!({"url": report, "pages": "0", "estimate": true}));
    assert_eq!(
        (&named["content"]["credits_min"], &named["content"]["credits_max"]),
        (&json!(28), &json!(28)),
        "{named}"
    );
    let many = wire.call(
        "submit_job",
        json!({"operation": "pdf_to_text_simple", "url": [report, folder.join("invoice.pdf")], "estimate": true}),
    );
    assert_eq!((&many["content"]["documents"], &many["content"]["uploads"]), (&json!(2), &json!(14)), "{many}");
    let link =
        wire.call("submit_job", json!({"operation": "pdf_to_text", "url": "https://h.test/a.pdf", "estimate": true}));
    assert!(link["content"].get("credits_max").is_none() && link["content"]["credits_min"] == 21, "{link}");
    let wrong = wire.call(
        "submit_job",
        json!({"operation": "pdf_to_text", "url": report, "options": {"pages": "9"}, "estimate": true}),
    );
    assert!(wrong["content"]["hint"].as_str().unwrap().contains("5 pages"), "{wrong}");
    assert_eq!(service.requests().len(), 0, "nothing was asked of the service");
    wire.finish();
}
