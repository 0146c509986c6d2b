//! What a crash leaves behind: the real binary, its ledger in a file or on PostgreSQL, killed and started again.

use std::time::Duration;

use super::place::{Place, on_both};
use crate::support::product::CHECK;
use crate::support::wire::Wire;
use pdfco::catalog;
use pdfco::clock::now;
use pdfco::jobs::hash_of_request;
use pdfco::jobs::ledger::Intent;
use pdfco::secret::ApiKey;
use pdfco::simulator::{self, Fault, FaultKind, Handle};
use pdfco::tenant::Owner;
use serde_json::{Value, json};

const SUBMIT: &str = "/v1/pdf/convert/from/html";

/// A service, and a ledger that outlives the processes that use it.
struct Scene<'p> {
    service: Handle,
    ledger: &'p Place,
}

impl Scene<'_> {
    async fn new(ledger: &Place) -> Scene<'_> {
        Scene { service: simulator::spawn(simulator::Options::default()).await.unwrap(), ledger }
    }

    fn process(&self) -> Wire {
        Wire::ready(self.service.url(), &[("PDFCO_LEDGER", &self.ledger.value())])
    }
}

fn html(simulate: Value) -> Value {
    json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>", "profiles": {"Simulate": simulate}}, "wait": 0})
}

fn id_of(answer: &Value) -> String {
    answer["job"]["job_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn wait(wire: &mut Wire, id: &str) -> Value {
    wire.call("wait_job_completion", json!({"job_id": id, "timeout": 30, "interval": 0.5}))
}

on_both! {
    async fn a_killed_server_loses_no_job(ledger: &Place) {
        let place = Scene::new(ledger).await;
        let mut first = place.process();
        let id = id_of(&first.call("submit_job", html(json!({"checks": 1}))));
        first.kill();

        let mut second = place.process();
        let jobs = second.call("list_jobs", json!({}));
        assert_eq!((&jobs["content"]["total"], &jobs["content"]["items"][0]["job_id"]), (&json!(1), &json!(id)));
        let answer = wait(&mut second, &id);
        assert_eq!(
            (answer["status"].as_str(), answer["job"]["operation"].as_str()),
            (Some("success"), Some("html_to_pdf"))
        );
        let checks = place.service.count(CHECK);
        second.kill();

        let mut third = place.process();
        let answer = wait(&mut third, &id);
        assert_eq!((answer["status"].as_str(), answer["job"]["source"].as_str()), (Some("success"), Some("cache")));
        assert_eq!(
            (place.service.count(CHECK), place.service.count(SUBMIT)),
            (checks, 1),
            "an end is remembered for nothing"
        );
        assert_eq!(third.finish(), "");
    }

    async fn a_wait_cut_by_a_kill_is_taken_up_by_the_next_server(ledger: &Place) {
        let place = Scene::new(ledger).await;
        let mut first = place.process();
        let id = id_of(&first.call("submit_job", html(json!({"seconds": 3}))));
        first.request(
            "tools/call",
            json!({"name": "wait_job_completion", "arguments": {"job_id": id, "timeout": 30, "interval": 0.5}}),
        );
        while place.service.count(CHECK) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        first.kill();
        let answer = wait(&mut place.process(), &id);
        assert_eq!(answer["status"], "success", "{answer}");
        assert_eq!(place.service.count(SUBMIT), 1);
    }

    async fn a_submit_without_an_answer_stays_queued_and_is_not_resent(ledger: &Place) {
        let place = Scene::new(ledger).await;
        place.service.fault(Fault { path_prefix: SUBMIT.into(), times: 1, kind: FaultKind::LoseAnswer });
        let mut first = place.process();
        let error = first.call("submit_job", html(json!({})));
        assert_eq!((&error["status"], &error["content"]["retryable"]), (&json!("error"), &json!(false)));
        assert!(error["content"]["message"].as_str().unwrap().contains("charged"), "{error}");
        first.kill();

        let mut second = place.process();
        let jobs = second.call("list_jobs", json!({"status": "queued"}));
        let id = jobs["content"]["items"][0]["job_id"].as_str().unwrap_or_else(|| panic!("{jobs}")).to_owned();
        let check = second.call("get_job_check", json!({"job_id": id}));
        assert_eq!((&check["status"], &check["job"]["source"]), (&json!("queued"), &json!("cache")));
        assert!(check["tips"].as_str().unwrap().contains("get_credit_balance"), "{check}");
        assert_eq!((place.service.count(SUBMIT), place.service.count(CHECK)), (1, 0));
        let cancelled = second.call("cancel_job", json!({"job_id": id}));
        assert_eq!(cancelled["content"]["outcome"], "cancelled", "it can be put aside");
        second.finish();
    }

    async fn an_intent_left_by_a_crash_is_shown_and_never_sent(ledger: &Place) {
        let place = Scene::new(ledger).await;
        let ledger = ledger.keeping(Duration::from_secs(86_400));
        let key = ApiKey::new("sim_wire").unwrap();
        let mut again = html(json!({}));
        let operation = catalog::find("html_to_pdf").unwrap();
        let arguments = catalog::arguments::read(operation, again["options"].as_object().unwrap().clone()).unwrap();
        let request_hash = hash_of_request(operation, &arguments.identity());
        let intent = Intent {
            intent_id: pdfco::jobs::IntentId::from_stored("local-0123456789abcdef"),
            arguments: json!({"html": "<p>a</p>"}),
            request_hash,
            client_request_id: Some("mine".into()),
            ..Intent::new(&Owner::from(key), "html_to_pdf", now())
        };
        assert!(ledger.insert_intent(&intent, None).await.unwrap().is_none());
        ledger.close().await;

        let mut wire = place.process();
        let jobs = wire.call("list_jobs", json!({}));
        let item = &jobs["content"]["items"][0];
        assert_eq!((&item["job_id"], &item["status"]), (&json!(intent.intent_id), &json!("queued")), "{jobs}");
        let answer = wait(&mut wire, &intent.intent_id);
        assert_eq!((&answer["status"], &answer["job"]["is_terminal"]), (&json!("queued"), &json!(false)));
        again["client_request_id"] = json!("mine");
        assert_eq!(id_of(&wire.call("submit_job", again)), *intent.intent_id, "the same id is the same job");
        let mut other = html(json!({"checks": 1}));
        other["client_request_id"] = json!("mine");
        let refused = wire.call("submit_job", other);
        assert_eq!(refused["content"]["kind"], "invalid_argument", "another request needs an id of its own: {refused}");
        assert!(place.service.requests().is_empty(), "nothing is sent by itself");
        wire.finish();
    }

    async fn servers_on_one_ledger_share_jobs_and_checks(ledger: &Place) {
        let place = Scene::new(ledger).await;
        let (mut one, mut other) = (place.process(), place.process());
        let id = id_of(&one.call("submit_job", html(json!({"seconds": 3}))));
        assert_eq!(other.call("list_jobs", json!({}))["content"]["items"][0]["job_id"], json!(id));
        let arguments = json!({"job_id": id, "timeout": 30, "interval": 1});
        let asked = one.request("tools/call", json!({"name": "wait_job_completion", "arguments": arguments}));
        let theirs = other.call("wait_job_completion", arguments);
        let (ours, _) = one.answer(asked);
        assert_eq!(ours["result"]["structuredContent"]["status"], "success", "{ours}");
        assert_eq!(theirs["status"], "success", "{theirs}");
        let checks = place.service.count(CHECK);
        assert!(checks <= 5, "{checks} checks in 3 s, one a second, for both together");
        one.finish();
        other.finish();
    }
}

/// Nothing is sent, and the answer says why; what is known goes on to be reported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unusable_ledger_refuses_submits_and_sends_nothing() {
    let (service, folder) =
        (simulator::spawn(simulator::Options::default()).await.unwrap(), tempfile::tempdir().unwrap());
    let file = folder.path().join("a-file");
    std::fs::write(&file, "in the way").unwrap();
    let damaged = folder.path().join("damaged.sqlite");
    std::fs::write(&damaged, "this is no database, and it is long enough to be taken for one. ".repeat(100)).unwrap();
    for ledger in [file.join("ledger.sqlite"), damaged] {
        let mut wire = Wire::ready(service.url(), &[("PDFCO_LEDGER", ledger.to_str().unwrap())]);
        let refused = wire.call("submit_job", html(json!({"checks": 0})));
        assert_eq!(refused["content"]["kind"], "ledger_unavailable", "{refused}");
        assert!(refused["content"]["hint"].as_str().unwrap().contains("Nothing was sent"), "{refused}");
        let listed = wire.call("list_jobs", json!({}));
        assert_eq!(listed["content"]["kind"], "ledger_unavailable", "no empty list is shown: {listed}");
        let balance = wire.call("get_credit_balance", json!({}));
        assert_eq!(balance["status"], "success", "what is free goes on: {balance}");
        wire.finish();
    }
    assert_eq!(service.count(SUBMIT), 0);
}
