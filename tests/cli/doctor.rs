//! `pdfco doctor --service` against the simulator in every shape: what it finds, keeps and uses, and what it leaves.

use std::path::Path;
use std::time::Duration;

use pdfco::app::Estimate;
use serde_json::{Value, json};

use crate::support::command::{Pdfco, Shared};
use crate::support::product::{Product, request};

const REPORT: &str = "fixtures/documents/report.pdf";

/// A simulator, and a folder to be asked in.
fn asked(options: &[&str]) -> (Shared, Value) {
    let shared = Shared::start(&[&["--checks", "0"][..], options].concat());
    let folder = shared.path("");
    let doctor = shared.call(&["doctor", "--service", "--yes", "--json"]).folder(Path::new(&folder));
    let data = doctor.run().code(0).envelope()["data"].clone();
    (shared, data)
}

#[test]
fn what_the_service_does_is_found_in_every_shape() {
    let place = |shape: &str, with_inline: bool| match (shape, with_inline) {
        ("inline", _) => "field",
        ("body", _) | ("as-asked", true) => "body_and_link",
        _ => "link",
    };
    let mut runs = Vec::new();
    for shape in ["as-asked", "inline", "body", "link"] {
        for (charge, failure, sheet) in [("flat", "word", "0"), ("per-page", "error", "1")] {
            runs.push(std::thread::spawn(move || {
                let options = ["--shape", shape, "--charge", charge, "--failure", failure, "--first-sheet", sheet];
                let (shared, data) = asked(&options);
                let why = format!("{shape} {charge} {failure}: {data:#}");
                let found = &data["findings"];
                assert_eq!(found["charging"], if charge == "flat" { "once" } else { "per_page" }, "{why}");
                assert_eq!(found["facts_with_inline"], place(shape, true), "{why}");
                assert_eq!(found["facts_without_inline"], place(shape, false), "{why}");
                assert_eq!(found["wrong_password"], "failed", "{why}");
                assert_eq!(found["first_sheet"].to_string(), sheet, "{why}");
                assert_eq!(found["callbacks"], Value::Null, "{why}");
                assert_eq!((&data["calls"], &data["total"]), (&json!(10), &json!(7)), "{why}");
                let balance = shared.call(&["credits", "--json"]).run().code(0).envelope();
                assert_eq!(balance["data"]["credits_remaining"], data["credits_remaining"], "{why}");
                is_used(&shared, charge, shape);
            }));
        }
    }
    runs.into_iter().for_each(|run| run.join().unwrap());
}

#[test]
fn the_simulator_as_it_comes_answers_every_question() {
    let shared = Shared::as_it_comes(&[]);
    let folder = shared.path("");
    let args = ["doctor", "--service", "--max-credits", "200", "--json"];
    let data = shared.call(&args).folder(Path::new(&folder)).run().code(0).envelope()["data"].clone();
    for name in ["charging", "facts_with_inline", "facts_without_inline", "wrong_password", "first_sheet"] {
        assert!(!data["findings"][name].is_null(), "{name}: {data:#}");
    }
}

/// What a call will cost, by another process on the same ledger.
fn estimate(shared: &Shared) -> Estimate {
    let ledger = shared.ledger().display().to_string();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let product = Product::with(shared.url(), shared.key(), &[("PDFCO_LEDGER", &ledger)]);
        let request = request("pdf_to_text", json!({"url": "report.pdf"}), Duration::ZERO);
        product.app.estimate(&product.caller, &request).await.unwrap()
    })
}

/// Estimates and requests of this account follow what was found.
fn is_used(shared: &Shared, charge: &str, shape: &str) {
    let estimate = estimate(shared);
    assert!(estimate.basis.contains("as another operation of this account was charged"), "{estimate:?}");
    let credits = if charge == "flat" { 7 + 21 } else { 7 + 5 * 21 };
    assert_eq!((estimate.credits_min, estimate.credits_max), (Some(credits), Some(credits)), "{estimate:?}");
    // The default `inline` is left out where it brings nothing; the facts are handed over as ever.
    let info = ["call", "pdf-info-reader", "--url", REPORT, "--json"];
    let data = shared.call(&info).run().code(0).envelope()["data"].clone();
    assert_eq!(data["content"]["info"]["PageCount"], 5, "{shape}: {data:#}");
}

#[test]
fn what_would_cost_more_than_was_agreed_is_left_out() {
    let shared = Shared::start(&["--checks", "0"]);
    let folder = shared.path("");
    let doctor = |credits: &str| {
        let args = ["doctor", "--service", "--yes", "--max-credits", credits, "--json"];
        shared.call(&args).folder(Path::new(&folder)).run().code(0).envelope()["data"].clone()
    };
    for credits in [0, 30, 60, 90] {
        let data = doctor(&credits.to_string());
        let items = data["items"].as_array().unwrap();
        let left_out = items.iter().filter(|item| item["found"].as_str().unwrap().starts_with("left out")).count();
        assert!(data["credits_used"].as_i64().unwrap_or(0) <= credits, "{credits}: {data:#}");
        assert!(left_out > 0 && items.len() == 7, "{credits}: {data:#}");
        assert_eq!(left_out == 7, credits == 0, "{credits}: {data:#}");
    }
}

/// Repeats count, and so does whatever else is asked on the way.
#[test]
fn no_more_calls_are_made_than_were_agreed_to() {
    let stats = |shared: &Shared| -> Value {
        let url = format!("{}/simulator/stats", shared.url());
        serde_json::from_str(&shared.call(&[]).by("curl", &["-sf", &url]).run().code(0).stdout).unwrap()
    };
    let calls = |stats: &Value| -> u64 {
        let counted = stats["paths"].as_object().unwrap().iter();
        counted.filter(|(path, _)| path.starts_with("/v1/")).map(|(_, count)| count.as_u64().unwrap()).sum()
    };
    let runs = [("/v1/job/check", "503"), ("/v1/file/upload", "503"), ("/v1/pdf", "400"), ("none", "500")].map(
        |(prefix, code)| {
            std::thread::spawn(move || {
                let shared =
                    Shared::start(&["--checks", "0", "--result-delay", if prefix == "none" { "90" } else { "0" }]);
                let fault = format!(r#"{{"path_prefix": "{prefix}", "times": 2, "kind": "status", "code": {code}}}"#);
                let url = format!("{}/simulator/faults", shared.url());
                let post = ["-sf", "-H", "content-type: application/json", "-d", &fault, &url];
                shared.call(&[]).by("curl", &post).run().code(0);
                let doctor =
                    shared.call(&["doctor", "--service", "--yes", "--json"]).folder(Path::new(&shared.path("")));
                let ended = doctor.run();
                assert!(ended.stderr.contains("with at most 10 calls, which cost at most"), "{ended:#?}");
                let data = ended.envelope()["data"].clone();
                let made = calls(&stats(&shared));
                assert!(made <= 10, "{prefix}: {made} {data:#}");
                assert_eq!(data["calls"], made, "{prefix}: {data:#}");
            })
        },
    );
    runs.into_iter().for_each(|run| run.join().unwrap());
}

#[test]
fn the_report_to_send_holds_no_secret() {
    let (shared, data) = asked(&[]);
    let folder = shared.path("");
    let written = std::fs::read_to_string(Path::new(&folder).join("pdfco-service-report.json")).unwrap();
    let jobs: Vec<&str> = data["items"].as_array().unwrap().iter().filter_map(|item| item["job_id"].as_str()).collect();
    assert!(!jobs.is_empty() && jobs.iter().all(|id| !written.contains(id)), "{written}");
    for secret in ["sim_", "X-Amz", "http", "letmein", "This page needs", &folder] {
        assert!(!written.contains(secret), "{secret}: {written}");
    }
    let report: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(report["findings"], data["findings"], "{written}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_leaves_nothing_but_its_jobs() {
    use std::io::Read;

    let shared = Shared::start(&["--checks", "0"]);
    let folder = tempfile::tempdir().unwrap();
    let before = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    // The simulator's own folder is there as well.
    let temporary = || before(&Path::new(&shared.path("")).join("tmp"));
    let at_first = temporary();
    let mut running = shared.call(&["doctor", "--service", "--yes"]).folder(folder.path()).start();
    // Until the first job is there.
    let listed = || shared.call(&["jobs", "list", "--json"]).run().code(0).envelope()["data"]["total"].clone();
    while listed() == 0 {}
    let mut said = running.stderr();
    assert_eq!(running.signalled("-INT"), Some(130));
    let mut text = String::new();
    said.read_to_string(&mut text).unwrap();
    assert_eq!(before(folder.path()), 0, "{text}");
    assert!(listed().as_u64().unwrap() >= 1);
    assert_eq!(temporary(), at_first, "a document is left");
    let ledger = shared.ledger().display().to_string();
    let product = Product::with(shared.url(), shared.key(), &[("PDFCO_LEDGER", &ledger)]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let kept = runtime.block_on(product.app.findings(&product.caller));
    assert_eq!(kept.charging, None, "nothing is kept of it");
}

#[test]
fn a_callback_is_found_where_a_server_can_take_it() {
    let shared = Shared::start(&["--seconds", "0.1"]);
    let folder = shared.path("");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (address, url) = (free.to_string(), format!("http://{free}"));
    let server = |args: &[&str]| -> Pdfco { shared.call(args).env("PDFCO_CALLBACK_URL", &url) };
    let _running = server(&["serve", "--http", &address]).start();
    while std::net::TcpStream::connect(free).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let doctor = server(&["doctor", "--service", "--yes", "--json"]).folder(Path::new(&folder));
    let data = doctor.run().code(0).envelope()["data"].clone();
    assert_eq!(data["findings"]["callbacks"], true, "{data:#}");
}

#[test]
fn callbacks_that_do_not_come_are_said_and_not_asked_for() {
    let shared = Shared::start(&["--seconds", "0.1", "--first-sheet", "1"]);
    let folder = shared.path("");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Nothing listens there.
    let url = format!("http://{free}");
    let doctor = |args: &[&str]| {
        let run = shared.call(&[&["doctor"], args].concat()).env("PDFCO_CALLBACK_URL", &url);
        run.folder(Path::new(&folder)).run().code(0).envelope()["data"].clone()
    };
    let of_callbacks = |data: &Value| {
        let items = data["items"].as_array().unwrap();
        items.iter().find(|item| item["check"] == "callbacks").cloned()
    };
    assert_eq!(of_callbacks(&doctor(&["--json"])), None, "nothing is known");
    for _ in 0..2 {
        let found = doctor(&["--service", "--yes", "--json"])["findings"].clone();
        assert_eq!((&found["callbacks"], &found["callbacks_of_failures"]), (&json!(false), &json!(false)), "{found}");
    }
    let remark = of_callbacks(&doctor(&["--json"])).unwrap();
    assert!(remark["remark"] == true && remark["detail"].as_str().unwrap().starts_with("none came"), "{remark}");

    // Sheets are counted as the service was found to: the wrong number costs nothing, the right one is explained.
    let balance = || shared.call(&["credits", "--json"]).run().code(0).envelope()["data"]["credits_remaining"].clone();
    let before = balance();
    let sheet = |number: &str| {
        let book = "fixtures/documents/questions.xlsx";
        shared.call(&["call", "excel-to-csv", "--url", book, "--worksheet-index", number, "--json"]).run()
    };
    let refused = sheet("0").code(2).envelope();
    assert!(refused.to_string().contains("counts sheets from 1"), "{refused}");
    assert_eq!(balance(), before);
    let done = sheet("1").code(0).envelope();
    assert!(done.to_string().contains("`1` is sheet 1"), "{done}");
}
