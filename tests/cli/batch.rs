//! Many inputs in one command: the real binary, killed in the middle and resumed. What it did is counted where it
//! arrived, at the simulator.

use std::collections::HashMap;
use std::path::{MAIN_SEPARATOR, PathBuf};
use std::time::Duration;

use crate::support::command::{Ended, Pdfco};
use crate::support::product::CHECK;
use pdfco::clock::now;
use pdfco::config::LedgerLocation;
use pdfco::jobs::ledger::Intent;
use pdfco::jobs::{IntentId, JobStatus, Ledger};
use pdfco::secret::ApiKey;
use pdfco::simulator::{self, Fault, FaultKind, Handle, Life};
use pdfco::tenant::Owner;
use serde_json::Value;
use tempfile::TempDir;

const REPORT: &str = "fixtures/documents/report.pdf";
const SUBMIT: &str = "/v1/pdf/convert/to/text";
const UPLOAD: &str = "/v1/file/upload/get-presigned-url";
const KEY: &str = "sim_batch";
/// What the simulator takes for a check and for an upload's link.
const CHECK_CREDITS: i64 = 2;
const UPLOAD_CREDITS: i64 = 7;

/// A service, a ledger and a folder of documents, which outlive the commands that use them.
struct Place {
    service: Handle,
    home: TempDir,
    rate: Option<u32>,
}

impl Place {
    async fn new(rate: Option<u32>, life: Life) -> Place {
        Place::with_credits(simulator::Options::default().credits, rate, life).await
    }

    async fn with_credits(credits: i64, rate: Option<u32>, life: Life) -> Place {
        let options = simulator::Options { credits, requests_per_second: rate, life, ..simulator::Options::default() };
        Place { service: simulator::spawn(options).await.unwrap(), home: tempfile::tempdir().unwrap(), rate }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Documents that differ in a comment at their end.
    fn documents(&self, names: &[&str]) {
        let report = std::fs::read(REPORT).unwrap();
        for name in names {
            let path = self.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, [&report[..], format!("%% {name}\n").as_bytes()].concat()).unwrap();
        }
    }

    /// `pdfco call pdf-to-text --url …`, run in the home.
    fn to_text(&self, args: &[&str]) -> Pdfco {
        self.pdfco(&[&["call", "pdf-to-text", "--url"], args].concat())
    }

    fn pdfco(&self, args: &[&str]) -> Pdfco {
        let rate = self.rate.map_or("off".to_owned(), |rate| rate.to_string());
        Pdfco::new(self.home.path())
            .folder(self.home.path())
            .env("PDFCO_BASE_URL", self.service.url())
            .env("PDFCO_API_KEY", KEY)
            .env("PDFCO_LEDGER", self.path("ledger.sqlite").to_str().unwrap())
            .env("PDFCO_RATE_LIMIT", &rate)
            .args(args)
    }

    /// How often each document was submitted, by the name in its link.
    fn submits(&self) -> HashMap<String, usize> {
        let mut submits = HashMap::new();
        for request in self.service.requests().iter().filter(|request| request.path == SUBMIT) {
            let link = request.body.as_ref().unwrap()["url"].as_str().unwrap().to_owned();
            let name = link.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
            *submits.entry(name).or_default() += 1;
        }
        submits
    }
}

fn items(ended: &Ended) -> HashMap<String, Value> {
    let data = ended.envelope()["data"].clone();
    let items = data["items"].as_array().unwrap().iter();
    // A pattern finds names as its system writes them.
    items.map(|item| (item["input"].as_str().unwrap().replace('\\', "/"), item.clone())).collect()
}

fn count(ended: &Ended, what: &str) -> u64 {
    ended.envelope()["data"]["counts"][what].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_batch_resumes_and_pays_for_each_file_once() {
    let place = Place::new(Some(20), Life::Checks(1)).await;
    // What one document costs, besides its upload and its checks.
    place.documents(&["one.pdf"]);
    let before = place.service.credits(KEY);
    place.to_text(&["one.pdf", "--jobs", "1", "--json"]).run().code(0);
    let spent = before - place.service.credits(KEY);
    let one = spent - UPLOAD_CREDITS - CHECK_CREDITS * place.service.count(CHECK) as i64;
    assert!(one > 0, "{spent}");

    let names: Vec<String> = (0..24).map(|number| format!("scans/{number:02}.pdf")).collect();
    place.documents(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let args = ["scans/*.pdf", "--save-to", "out", "--jobs", "8", "--timeout", "60"];
    let mut first = place.to_text(&[&args[..], &["--output", "ndjson"]].concat()).start();
    let ended = |line: &String| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["data"]["phase"] == "ended" && event["data"]["status"] == "success"
    };
    assert_eq!(first.lines().filter(ended).take(6).count(), 6, "it ended before it could be killed");
    first.kill();
    let at_the_kill: usize = place.submits().values().sum::<usize>() - 1;
    assert!((6..24).contains(&at_the_kill), "{at_the_kill} were submitted");

    let second = place.to_text(&[&args[..], &["--resume", "--json"]].concat()).run();
    let outcome = items(&second);
    assert_eq!(outcome.len(), 24);
    // A request that was on the wire at the very moment of the kill may have been charged: it is not sent again, and
    // said to be so. All others are there.
    let uncertain: Vec<&String> = names
        .iter()
        .filter(|name| outcome[*name]["reason"].as_str().is_some_and(|why| why.contains("never confirmed")))
        .collect();
    assert!(uncertain.len() <= 2, "{uncertain:?}");
    let second = second.code(if uncertain.is_empty() { 0 } else { 1 });
    let submits = place.submits();
    for name in &names {
        let file = name.trim_start_matches("scans/");
        let times = submits.get(file).copied().unwrap_or_default();
        let text = place.path("out").join(file.replace(".pdf", ".txt"));
        if uncertain.contains(&name) {
            assert!(times <= 1, "{name} was submitted {times} times");
        } else {
            assert_eq!(times, 1, "{name} was submitted {times} times: {second:#?}");
            assert!(std::fs::read_to_string(text).unwrap().contains("Report"), "{name}");
        }
    }
    assert!(count(&second, "skipped") >= 6, "{second:#?}");
    assert_eq!(count(&second, "skipped") + count(&second, "success"), 24 - uncertain.len() as u64);
    let spent = before - place.service.credits(KEY);
    let works = submits.values().sum::<usize>() as i64 * one;
    let uploads = place.service.count(UPLOAD) as i64 * UPLOAD_CREDITS;
    let checks = place.service.count(CHECK) as i64 * CHECK_CREDITS;
    assert!(spent <= works + uploads + checks, "{spent} > {works} + {uploads} + {checks}");
    assert!(submits.values().sum::<usize>() <= 25 && place.service.refused() == 0);

    // The storage is asked whether the files are whole; the service is not.
    let calls = || place.service.requests().iter().filter(|request| request.path.starts_with("/v1/")).count();
    let before = calls();
    let third = place.to_text(&[&args[..], &["--resume", "--json"]].concat()).run();
    assert_eq!(count(&third, "skipped"), 24 - uncertain.len() as u64, "{third:#?}");
    assert_eq!(calls(), before, "what is done costs nothing to ask about");
}

/// A result that was changed since is not taken for one; written again it costs nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_cut_is_not_skipped() {
    let place = Place::new(None, Life::Checks(0)).await;
    place.documents(&["in/a.pdf", "in/b.pdf"]);
    let args = ["in/*.pdf", "--save-to", "out/", "--json"];
    place.to_text(&args).run().code(0);
    let cut = place.path("out/a.txt");
    let whole = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &whole[..10]).unwrap();
    let before = place.service.credits(KEY);
    let resumed = place.to_text(&[&args[..], &["--resume"]].concat()).run();
    let item = &items(&resumed)["in/a.pdf"];
    assert!(item["error"]["message"].as_str().unwrap().contains("cut off"), "{resumed:#?}");
    place.to_text(&[&args[..], &["--resume", "--overwrite"]].concat()).run().code(0);
    assert_eq!((std::fs::read(&cut).unwrap(), place.service.credits(KEY)), (whole, before));

    // And one file is no folder for two results.
    place.to_text(&["in/a.pdf", "in/b.pdf", "--save-to", "one.txt"]).run().code(2).complains("several inputs");
    assert_eq!(place.service.credits(KEY), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_stops_no_other_and_names_do_not_collide() {
    let place = Place::new(None, Life::Checks(0)).await;
    place.documents(&["a/x.pdf", "b/x.pdf", "c.pdf"]);
    std::fs::write(place.path("broken.pdf"), "this is no document").unwrap();
    let args = ["a/x.pdf", "b/x.pdf", "missing.pdf", "broken.pdf", "c.pdf", "./c.pdf", "--save-to", "out/"];
    let ended = place.to_text(&args).run().code(1);
    for words in [
        "error: 5 inputs: 3 done, 2 failed; ",
        "\n  missing.pdf: ",
        "\n  broken.pdf: ",
        "hint: The same command with --resume",
    ] {
        assert!(ended.stderr.contains(words), "{words:?}: {ended:#?}");
    }
    assert_eq!(ended.stdout.lines().count(), 5, "nothing but data: {ended:#?}");
    for (name, says) in [("x.txt", "Report"), ("x-2.txt", "Report"), ("c.txt", "Report")] {
        assert!(std::fs::read_to_string(place.path("out").join(name)).unwrap().contains(says), "{name}");
    }
    assert_eq!(std::fs::read_dir(place.path("out")).unwrap().count(), 3);

    // Without --resume it is new work, and what is in the way is found before it is paid for.
    let submits = place.service.count(SUBMIT);
    let again = place.to_text(&args).args(&["--json"]).run().code(1);
    assert_eq!(count(&again, "failed"), 5, "{again:#?}");
    assert!(items(&again)["c.pdf"]["reason"].as_str().unwrap().contains("exists"), "{again:#?}");
    // `broken.pdf` has left nothing in the way.
    assert_eq!(place.service.count(SUBMIT), submits + 1);
    let again = place.to_text(&args).args(&["--json", "--overwrite"]).run().code(1);
    assert_eq!((count(&again, "success"), place.service.count(SUBMIT)), (3, submits + 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_resume_skips_fetches_takes_up_and_does_again() {
    let place = Place::new(None, Life::Checks(0)).await;
    place.documents(&["done.pdf", "lost.pdf", "aside.pdf", "changed.pdf", "new.pdf"]);
    place.to_text(&["done.pdf", "lost.pdf", "--save-to", "out"]).run().code(0);
    place.to_text(&["aside.pdf", "changed.pdf", "--background"]).run().code(0);
    let ids = place.pdfco(&["jobs", "list", "--status", "queued", "--json"]).run().code(0);
    let ids = ids.envelope()["data"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["job_id"].as_str().unwrap().to_owned())
        .collect::<Vec<_>>();
    assert_eq!(ids.len(), 2);
    let of = |name: &str| {
        let shown = place.to_text(&[name, "--background", "--resume", "--json"]).run().code(0);
        items(&shown)[name]["job_id"].as_str().unwrap().to_owned()
    };
    let (aside, changed) = (of("aside.pdf"), of("changed.pdf"));
    assert!(ids.contains(&aside) && ids.contains(&changed), "taken up, not submitted again");
    place.pdfco(&["jobs", "cancel", &aside]).run().code(0);
    std::fs::remove_file(place.path("out/lost.txt")).unwrap();
    std::fs::write(place.path("changed.pdf"), std::fs::read("fixtures/documents/invoice.pdf").unwrap()).unwrap();

    let submits = place.submits();
    let args =
        ["done.pdf", "lost.pdf", "aside.pdf", "changed.pdf", "new.pdf", "--save-to", "out", "--resume", "--json"];
    let resumed = place.to_text(&args).run().code(0);
    let outcome = items(&resumed);
    let reported = |name: &str| (outcome[name]["status"].as_str().unwrap(), outcome[name]["before"].as_str());
    assert_eq!(reported("done.pdf"), ("skipped", Some("done before")));
    assert_eq!(reported("lost.pdf"), ("skipped", Some("done before")));
    assert_eq!(reported("aside.pdf"), ("success", Some("done again")));
    assert_eq!(reported("changed.pdf"), ("success", None), "another content is another input");
    assert_eq!(reported("new.pdf"), ("success", None));
    let more = |name: &str| place.submits().get(name).copied().unwrap_or(0) - submits.get(name).copied().unwrap_or(0);
    assert_eq!(["done.pdf", "lost.pdf", "aside.pdf", "changed.pdf", "new.pdf"].map(more), [0, 0, 1, 1, 1]);
    for name in ["done", "lost", "aside", "changed", "new"] {
        assert!(place.path(&format!("out/{name}.txt")).is_file(), "{name}: {resumed:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credits_or_a_refused_key_stop_the_rest_at_once() {
    for (key, words) in [("sim_broke", "credits"), ("wrong", "key")] {
        let place = Place::new(None, Life::Checks(0)).await;
        let names: Vec<String> = (0..12).map(|number| format!("{number}.pdf")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        place.documents(&names);
        let args = [&names[..], &["--jobs", "2", "--api-key", key, "--json"]].concat();
        let ended = place.to_text(&args).run().code(3).complains("nothing more is submitted").complains(words);
        assert!(count(&ended, "not_started") >= 8, "{ended:#?}");
        assert!(place.service.requests().len() <= 4, "{:#?}", place.service.requests());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exhausted_credits_stop_the_batch_with_all_accounted_for() {
    let price = Place::new(None, Life::Checks(0)).await;
    price.documents(&["one.pdf"]);
    let before = price.service.credits(KEY);
    price.to_text(&["one.pdf", "--json"]).run().code(0);
    let one = before - price.service.credits(KEY);

    // Enough for six of twelve, and for an upload that then cannot be used.
    let given = 6 * one + UPLOAD_CREDITS + 1;
    let place = Place::with_credits(given, None, Life::Checks(0)).await;
    let names: Vec<String> = (0..12).map(|number| format!("{number:02}.pdf")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    place.documents(&names);
    let args = [&names[..], &["--jobs", "2", "--save-to", "out", "--json"]].concat();
    let ended = place.to_text(&args).run().code(3).complains("nothing more is submitted").complains("credits");
    let done = count(&ended, "success");
    assert!((4..=6).contains(&done), "{ended:#?}");
    assert!(count(&ended, "not_started") >= 3, "{ended:#?}");
    let all: u64 =
        ["success", "skipped", "failed", "running", "not_started"].map(|what| count(&ended, what)).iter().sum();
    assert_eq!(all, 12);
    assert_eq!(std::fs::read_dir(place.path("out")).unwrap().count() as u64, done);
    // Whatever the service accepted has its id in the report and in the ledger, once.
    let outcome = items(&ended);
    let jobs: Vec<&str> = outcome.values().filter_map(|item| item["job_id"].as_str()).collect();
    assert_eq!(jobs.len(), place.service.jobs(), "{ended:#?}");
    let listed = place.pdfco(&["jobs", "list", "--json"]).run().code(0).envelope();
    assert_eq!(listed["data"]["total"], jobs.len(), "{listed}");
    assert!(jobs.iter().all(|id| listed.to_string().contains(id)));
    // What the service took is what was reported, and what the ledger counted.
    let spent = given - place.service.credits(KEY);
    assert_eq!(ended.envelope()["data"]["credits_used"], spent, "{ended:#?}");
    let history = place.pdfco(&["credits", "--history", "--json"]).run().code(0).envelope();
    let counted: i64 =
        history["data"]["items"].as_array().unwrap().iter().map(|row| row["credits"].as_i64().unwrap()).sum();
    assert_eq!(counted, spent, "{history}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_a_batch_and_leaves_its_jobs_to_the_next() {
    let place = Place::new(None, Life::Checks(3)).await;
    let names: Vec<String> = (0..10).map(|number| format!("{number}.pdf")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    place.documents(&names);
    let args = [&names[..], &["--jobs", "2", "--save-to", "out"]].concat();
    let mut batch = place.to_text(&args).args(&["--output", "ndjson"]).start();
    let mut stderr = batch.stderr();
    let is_working = |line: &String| line.contains("\"working\"");
    let mut lines = batch.lines();
    assert!(lines.any(|line| is_working(&line)));
    assert_eq!(batch.signalled("-INT"), Some(130));
    let last: Value = serde_json::from_str(&lines.last().unwrap()).unwrap();
    assert!(last["data"]["counts"]["not_started"].as_u64().unwrap() >= 1, "{last:#}");
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    assert!(said.contains("error: interrupted; 10 inputs: ") && said.contains("--resume"), "{said}");

    place.to_text(&args).args(&["--resume"]).run().code(0);
    assert!(names.iter().all(|name| place.submits()[*name] == 1), "{:?}", place.submits());
    assert_eq!(std::fs::read_dir(place.path("out")).unwrap().count(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answer_is_paid_again_only_on_request() {
    let place = Place::new(None, Life::Checks(0)).await;
    place.documents(&["a.pdf", "b.pdf"]);
    place.service.fault(Fault { path_prefix: SUBMIT.into(), times: 1, kind: FaultKind::LoseAnswer });
    let args = ["a.pdf", "b.pdf", "--jobs", "1", "--json"];
    let first = place.to_text(&args).run().code(1);
    assert!(items(&first)["a.pdf"]["reason"].as_str().unwrap().contains("charged"), "{first:#?}");
    let second = place.to_text(&args).args(&["--resume"]).run().code(1);
    let reason = items(&second)["a.pdf"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("pdfco jobs cancel"), "{second:#?}");
    assert_eq!((place.submits()["a.pdf"], place.submits()["b.pdf"]), (1, 1));
    let id = items(&second)["a.pdf"]["local_id"].as_str().unwrap().to_owned();
    place.pdfco(&["jobs", "cancel", &id]).run().code(0);
    place.to_text(&args).args(&["--resume"]).run().code(0);
    assert_eq!((place.submits()["a.pdf"], place.submits()["b.pdf"]), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_kept_with_a_job_name_commands_on_a_terminal() {
    let place = Place::new(None, Life::Checks(3)).await;
    place.documents(&["a.pdf"]);
    let no_tools = |ended: &Ended| {
        for tool in ["list_jobs", "get_credit_balance", "get_job_check", "wait_job_completion", "submit_job"] {
            assert!(!ended.stdout.contains(tool) && !ended.stderr.contains(tool), "{tool}: {ended:#?}");
        }
    };
    // A request without an answer: its error is kept with the job.
    place.service.fault(Fault { path_prefix: SUBMIT.into(), times: 1, kind: FaultKind::LoseAnswer });
    let lost = place.to_text(&["a.pdf", "--json"]).run();
    no_tools(&lost);
    let listed = place.pdfco(&["jobs", "list", "--json"]).run().code(0);
    no_tools(&listed);
    let id = listed.envelope()["data"]["items"][0]["job_id"].as_str().unwrap().to_owned();
    for command in [["jobs", "show", &id], ["jobs", "wait", &id]] {
        for json in [&[][..], &["--json"]] {
            let ended = place.pdfco(&[&command[..], json].concat()).run();
            no_tools(&ended);
            assert!(!ended.stderr.contains("timed out"), "nothing was waited for: {ended:#?}");
        }
    }
    let shown = place.pdfco(&["jobs", "wait", &id, "--json"]).run().envelope()["data"].clone();
    for hint in [&shown["content"]["hint"], &shown["job"]["problem"]["hint"], &shown["tips"]] {
        assert!(hint.as_str().unwrap().contains("`pdfco credits`"), "{shown}");
    }
    assert_eq!(shown["job"].get("timeout_applied"), None, "{shown}");
    // A check that was refused: its error is the last one.
    for (code, words) in [(402, "Buy credits"), (404, "pdfco jobs list")] {
        let place = Place::new(None, Life::Checks(3)).await;
        place.documents(&["a.pdf"]);
        let kind = FaultKind::Status { code, retry_after: None, body: None };
        place.service.fault(Fault { path_prefix: CHECK.into(), times: 1_000, kind });
        let ended = place.to_text(&["a.pdf", "--json"]).run();
        no_tools(&ended);
        let said = ended.envelope()["data"]["job"]["last_check_error"].clone();
        assert!(said["hint"].as_str().is_some_and(|hint| hint.contains(words)), "{code}: {ended:#?}");
        assert!(ended.stderr.contains(words) || ended.stdout.contains(words), "{ended:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_batch_name_their_input_and_come_once() {
    let place = Place::new(None, Life::Checks(1)).await;
    place.documents(&["a.pdf", "b.pdf"]);
    let ended = place.to_text(&["*.pdf", "--save-to", "out", "--output", "ndjson"]).run().code(0);
    let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, events) = lines.split_last().unwrap();
    assert_eq!(last["data"]["counts"]["success"], 2);
    assert!(events.iter().all(|event| event["data"]["input"].is_string()), "{events:#?}");
    let reported = |name: &str, field: &str, word: &str| {
        events.iter().filter(|event| event["data"]["input"] == name && event["data"][field] == word).count()
    };
    for name in ["a.pdf", "b.pdf"] {
        assert_eq!((reported(name, "phase", "upload"), reported(name, "phase", "ended")), (1, 1), "{events:#?}");
        assert_eq!(reported(name, "phase", "download"), 1, "{events:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_ours_is_never_taken_for_a_result() {
    let place = Place::new(None, Life::Checks(0)).await;
    place.documents(&["a.pdf"]);
    place.to_text(&["a.pdf", "--jobs", "1"]).run().code(0);
    std::fs::create_dir(place.path("out")).unwrap();
    std::fs::write(place.path("out/a.txt"), "mine").unwrap();
    for _ in 0..2 {
        place.to_text(&["a.pdf", "--save-to", "out", "--resume"]).run().code(1).complains("exists already");
    }
    assert_eq!(std::fs::read_to_string(place.path("out/a.txt")).unwrap(), "mine");
    place.to_text(&["a.pdf", "--save-to", "out", "--resume", "--overwrite"]).run().code(0);
    assert!(std::fs::read_to_string(place.path("out/a.txt")).unwrap().contains("Report"));
    assert_eq!(place.submits()["a.pdf"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_of_one_batch_at_once_pay_once() {
    let place = Place::new(Some(8), Life::Checks(0)).await;
    let names: Vec<String> = (0..12).map(|number| format!("{number}.pdf")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    place.documents(&names);
    let args = [&names[..], &["--jobs", "8", "--resume"]].concat();
    let mut one = place.to_text(&args).args(&["--output", "ndjson"]).start();
    let mut lines = one.lines();
    assert!(lines.any(|line| line.contains("\"ended\"")), "the first run has begun");
    let other = place.to_text(&args).args(&["--json"]).run().code(0);
    assert_eq!(count(&other, "success") + count(&other, "skipped"), 12, "{other:#?}");
    let last: Value = serde_json::from_str(&lines.last().unwrap()).unwrap();
    let counts = &last["data"]["counts"];
    assert_eq!(counts["success"].as_u64().unwrap() + counts["skipped"].as_u64().unwrap(), 12, "{last:#}");
    assert!(names.iter().all(|name| place.submits()[*name] == 1), "{:?}", place.submits());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch_timeout_is_reported_and_background_does_not_wait() {
    let place = Place::new(None, Life::Time { median: Duration::from_secs(600), sigma: 0.0 }).await;
    place.documents(&["a.pdf", "b.pdf", "c.pdf"]);
    let started = place.to_text(&["a.pdf", "b.pdf", "--background", "--json"]).run().code(0);
    assert_eq!(count(&started, "running"), 2, "{started:#?}");
    let late = place.to_text(&["a.pdf", "b.pdf", "c.pdf", "--timeout", "1", "--resume"]).run().code(5);
    assert!(late.stderr.contains("error: 3 inputs: 3 still running; "), "{late:#?}");
    assert!(["a.pdf", "b.pdf", "c.pdf"].iter().all(|name| place.submits()[*name] == 1), "{:?}", place.submits());
    for refused in [&["--read", "5"][..], &["--client-request-id", "mine"], &["--jobs", "65"], &["--jobs", "0"]] {
        place.to_text(&[&["a.pdf", "b.pdf"], refused].concat()).run().code(2);
    }
    place.to_text(&["*.doc", "--save-to", "out"]).run().code(2).complains("matches no file");
    place.to_text(&["*.pdf", "--save-to", "a.pdf"]).run().code(2).complains("need a folder");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_on_many_documents_stay_one_job() {
    let place = Place::new(None, Life::Checks(0)).await;
    place.documents(&["in/b.pdf", "in/a.pdf"]);
    for sources in [&["in/*.pdf"][..], &[r#"["in/a.pdf","in/b.pdf"]"#]] {
        let args = [&["call", "pdf-merge", "--url"], sources, &["--json"]].concat();
        let merged = place.pdfco(&args).run().code(0).envelope();
        assert_eq!(merged["data"]["content"]["pageCount"], 10, "{merged:#}");
    }
    place
        .to_text(&[r#"["in/a.pdf", "in/b.pdf"]"#, "--save-to", "out"])
        .run()
        .code(0)
        .says(&format!("out{MAIN_SEPARATOR}a.txt"))
        .says(&format!("out{MAIN_SEPARATOR}b.txt"));
}

#[tokio::test]
async fn intent_withdrawal_races_with_send() {
    let home = tempfile::tempdir().unwrap();
    let place = LedgerLocation::File(home.path().join("ledger.sqlite"));
    let (ours, theirs) =
        (Ledger::new(place.clone(), Duration::from_secs(86_400)), Ledger::new(place, Duration::from_secs(86_400)));
    let owner = Owner::from(ApiKey::new("sim_batch").unwrap());
    let intend = async |intent_id: &str, client_request_id: &str| {
        let intent = Intent {
            intent_id: IntentId::from_stored(intent_id),
            client_request_id: Some(client_request_id.to_owned()),
            ..Intent::new(&owner, "pdf_to_text", now())
        };
        ours.insert_intent(&intent, None).await.unwrap().is_none()
    };
    assert!(intend("local-1", "batch-a-1").await);
    assert!(ours.mark_sent(&IntentId::from_stored("local-1"), now()).await.unwrap());
    assert!(!theirs.withdraw(&IntentId::from_stored("local-1")).await.unwrap(), "it has left");

    assert!(intend("local-2", "batch-b-1").await);
    assert!(theirs.withdraw(&IntentId::from_stored("local-2")).await.unwrap());
    assert!(!ours.mark_sent(&IntentId::from_stored("local-2"), now()).await.unwrap(), "it was taken back");
    assert!(intend("local-3", "batch-b-1").await, "its id is free again");

    let third = ours.get(&owner.tenant, "local-3").await.unwrap().unwrap();
    let (job, _) = ours.cancel(&third, now()).await.unwrap();
    assert_eq!(job.status, JobStatus::Cancelled);
    assert!(!ours.mark_sent(&IntentId::from_stored("local-3"), now()).await.unwrap(), "it was put aside");

    assert!(intend("local-4", "batch-b-2").await && intend("local-5", "batch-bb-1").await);
    let found = theirs.generations(&owner.tenant, "batch-b").await.unwrap();
    let ids: Vec<&str> = found.iter().map(|job| job.intent_id.as_str()).collect();
    assert_eq!(ids, ["local-3", "local-4"]);
}
