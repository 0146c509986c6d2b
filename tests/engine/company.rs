//! What a ledger keeps for a deployment of many people, on a file and on PostgreSQL: sessions for other replicas, and who
//! did what.

use std::time::Duration;

use super::ledger::{accepted, caller, checked, owner, seen};
use super::place::{Place, on_both};
use crate::support::command::Pdfco;
use crate::support::wire::Wire;
use pdfco::clock::now;
use pdfco::jobs::ledger::{AuditEntry, AuditFilter, Intent, KeptSession};
use pdfco::jobs::{JobStatus, Task};
use pdfco::secret::ApiKey;
use pdfco::simulator;
use pdfco::tenant::{Owner, Tenant};
use serde_json::json;

const IDLE: Duration = Duration::from_secs(1_800);

on_both! {
    async fn a_session_is_kept_for_its_tenant_until_it_ends(place: &Place) {
        let (one, other) = (place.open(), place.open());
        let stranger = Owner::from(ApiKey::new("sim_stranger").unwrap()).tenant;
        one.keep_session("canary-of-a-session", Some(&caller()), "a state").await.unwrap();
        one.keep_session("canary-of-a-session", Some(&caller()), "another").await.unwrap();
        let kept = other.kept_session("canary-of-a-session", Some(&caller()), IDLE).await.unwrap();
        assert!(matches!(kept, Some(KeptSession { ref state, .. }) if state == "a state"), "{kept:?}");
        for (id, tenant) in [("canary-of-a-session", Some(&stranger)), ("canary-of-a-session", None), ("x", Some(&caller()))] {
            assert_eq!(other.kept_session(id, tenant, IDLE).await.unwrap(), None, "{id} {tenant:?}");
        }
        let mut beside = place.beside().await;
        let rows = beside.texts("SELECT id || tenant || state FROM sessions").await;
        assert!(rows.len() == 1 && !rows[0].contains("canary") && !rows[0].contains(caller().as_str()), "{rows:?}");

        // Use keeps it; a session that is idle is over.
        beside.execute("UPDATE sessions SET used = used - 3600000").await;
        assert_eq!(other.kept_session("canary-of-a-session", Some(&caller()), IDLE).await.unwrap(), None);
        other.session_used("canary-of-a-session").await.unwrap();
        assert!(one.kept_session("canary-of-a-session", Some(&caller()), IDLE).await.unwrap().is_some());
        beside.execute("UPDATE sessions SET used = used - 2 * 86400000").await;
        one.prune().await.unwrap();
        assert!(beside.texts("SELECT id FROM sessions").await.is_empty());

        one.keep_session("s", None, "a state").await.unwrap();
        other.end_session("s").await.unwrap();
        assert_eq!(one.kept_session("s", None, IDLE).await.unwrap(), None);
        one.keep_session("s", None, &"x".repeat(70_000)).await.unwrap();
        assert_eq!(one.kept_session("s", None, IDLE).await.unwrap(), None, "a state has a bound");
    }

    async fn a_name_is_used_once_by_all_processes(place: &Place) {
        let (one, other) = (place.open(), place.open());
        let (first, second) = tokio::join!(one.use_once("a"), other.use_once("a"));
        assert_ne!(first.unwrap(), second.unwrap());
        assert!(!one.use_once("a").await.unwrap() && one.use_once("b").await.unwrap());
    }

    async fn calls_that_spend_or_are_refused_are_written_down(place: &Place) {
        let service = simulator::spawn(simulator::Options::default()).await.unwrap();
        let mut wire = Wire::ready(service.url(), &[("PDFCO_LEDGER", &place.value()), ("PDFCO_CREDIT_BUDGET", "10")]);
        let html = |text: &str| json!({"operation": "html_to_pdf", "options": {"html": text, "profiles": {"Simulate": {"checks": 1}}}, "wait": 20});
        let job = wire.call("submit_job", html("<p>canary-of-a-text</p>"));
        let id = job["job"]["job_id"].as_str().unwrap_or_else(|| panic!("{job}")).to_owned();
        // The job is there and charged; the budget left no check of it.
        assert_eq!(job["content"]["kind"], "insufficient_credits", "{job}");
        wire.call("list_jobs", json!({}));
        wire.call("submit_job", json!({"operation": "no_such_operation"}));
        let refused = wire.call("submit_job", html("<p>b</p>"));
        assert_eq!(refused["content"]["kind"], "insufficient_credits", "{refused}");
        wire.finish();

        let ledger = place.open();
        let rows = ledger.audited(&AuditFilter::default(), 10).await.unwrap();
        let short: Vec<_> = rows.iter().map(|row| (row.tool.as_str(), row.outcome.as_str(), row.job_id.as_deref())).collect();
        assert_eq!(short, [("submit_job", "insufficient_credits", None), ("submit_job", "insufficient_credits", Some(id.as_str()))]);
        assert_eq!((rows[1].operation.as_deref(), rows[1].credits), (Some("html_to_pdf"), job["credits_used"].as_i64()));
        assert!(rows[0].client.starts_with("wire "), "{rows:?}");
        assert_eq!(rows[0].tenant, rows[1].tenant);
        let key = Owner::from(ApiKey::new("sim_wire").unwrap());
        assert_eq!(rows[0].tenant, ledger.stored_name_of(&key.tenant).await.unwrap());
        assert!(!format!("{rows:?}").contains(key.tenant.as_str()));
        let texts = place.beside().await.texts("SELECT client || tool || outcome || COALESCE(operation, '') FROM audit").await;
        assert!(!texts.concat().contains("canary"), "{texts:?}");

        let of = async |filter: AuditFilter| ledger.audited(&filter, 10).await.unwrap().len();
        for (filter, expected) in [
            (AuditFilter { is_refused: true, ..AuditFilter::default() }, 2),
            (AuditFilter { outcome: Some("success".into()), ..AuditFilter::default() }, 0),
            (AuditFilter { job_id: Some(id), ..AuditFilter::default() }, 1),
            (AuditFilter { tool: Some("submit_job' OR 1 = 1 --".into()), ..AuditFilter::default() }, 0),
            (AuditFilter { tenant: Some(rows[0].tenant.clone()), ..AuditFilter::default() }, 2),
            (AuditFilter { tenant: Some("0".repeat(32)), ..AuditFilter::default() }, 0),
            (AuditFilter { since: Some(now() + 60_000), ..AuditFilter::default() }, 0),
        ] {
            assert_eq!(of(filter.clone()).await, expected, "{filter:?}");
        }
        assert_eq!(ledger.audited(&AuditFilter::default(), 1).await.unwrap().len(), 1);

        // The command shows the same, and needs no key.
        let home = tempfile::tempdir().unwrap();
        let command = |args: &[&str]| Pdfco::new(home.path()).args(args).env("PDFCO_LEDGER", &place.value()).run();
        let shown = command(&["audit", "--refused", "--json"]).code(0).envelope();
        assert_eq!((&shown["data"]["total"], &shown["data"]["has_more"]), (&json!(2), &json!(false)), "{shown}");
        assert_eq!(shown["data"]["items"][0]["outcome"], "insufficient_credits", "{shown}");
        let shown = command(&["audit", "--limit", "1", "--json"]).code(0).envelope();
        assert_eq!((&shown["data"]["total"], &shown["data"]["has_more"]), (&json!(1), &json!(true)), "{shown}");
        let none = command(&["audit", "--subject", "nobody", "--issuer", "https://login.test", "--json"]).code(0).envelope();
        assert_eq!(none["data"]["total"], 0, "{none}");
        command(&["audit", "--tenant", "me"]).code(2);
        command(&["audit", "--subject", "x"]).code(2).complains("PDFCO_OAUTH_ISSUER");
        command(&["audit"]).code(0).says("insufficient_credits");
    }

    async fn old_rows_of_the_audit_go_with_the_jobs_of_their_time(place: &Place) {
        let ledger = place.keeping(Duration::from_secs(10 * 86_400));
        for days in [1, 9, 11] {
            ledger.audit(entry(&caller(), now() - days * 86_400_000));
        }
        ledger.flush(Duration::from_secs(10)).await;
        ledger.prune().await.unwrap();
        assert_eq!(ledger.audited(&AuditFilter::default(), 10).await.unwrap().len(), 2);
    }

    async fn a_tenant_is_forgotten_with_all_that_is_kept_of_it(place: &Place) {
        let ledger = place.open();
        let person = Tenant::of_person("https://login.test", "alice");
        let key = ApiKey::new("sim_ledger").unwrap();
        for tenant in [caller(), person.clone()] {
            let owner = Owner::new(tenant.clone(), key.clone());
            let intent = Intent { client_request_id: Some("a".into()), ..Intent::new(&owner, "pdf_to_text", now()) };
            assert!(ledger.insert_intent(&intent, None).await.unwrap().is_none());
            ledger.promise(&Task::new(tenant.clone(), "submit_job", Duration::from_secs(60), now())).await.unwrap();
            ledger.keep_session(tenant.as_str(), Some(&tenant), "a state").await.unwrap();
            ledger.audit(entry(&tenant, now()));
        }
        let job = accepted(&ledger, "A").await;
        checked(&ledger, &job, &seen(JobStatus::Success, now())).await;
        ledger.close().await;

        let home = tempfile::tempdir().unwrap();
        let files = home.path().join("files");
        let command = |more: &[&str]| {
            let who = ["ledger", "forget-tenant", "--subject", "alice", "--issuer", "https://login.test", "--json"];
            let args: Vec<&str> = who.iter().chain(more).copied().collect();
            let command = Pdfco::new(home.path()).args(&args).env("PDFCO_LEDGER", &place.value());
            command.env("PDFCO_HTTP_FILES", files.to_str().unwrap()).run()
        };
        let own = files.join(person.as_str());
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("a.pdf"), "text").unwrap();
        std::fs::create_dir_all(files.join("another-tenant")).unwrap();
        let refused = command(&["--yes"]).code(2).envelope();
        assert!(refused["summary"].as_str().unwrap().contains("1 job of tenant"), "{refused}");
        let shown = command(&["--running"]).code(0).envelope();
        assert_eq!(shown["data"]["status"], "unchanged", "{shown}");
        let (before, stored) = (count(place, "").await, shown["data"]["tenant"].as_str().unwrap().to_owned());
        assert_eq!(stored, ledger.stored_name_of(&person).await.unwrap());
        let done = command(&["--running", "--yes"]).code(0).envelope();
        assert_eq!(done["data"]["rows"], json!(4), "a job, a task, a session, a call: {done}");
        assert!(!own.exists() && files.join("another-tenant").exists());
        assert_eq!(count(place, &stored).await, 0);
        assert_eq!(count(place, "").await, before - 4, "of others nothing is gone");
        assert_eq!(ledger.list(&caller(), None, 10, None).await.unwrap().total, 2);
        assert_eq!(command(&["--yes"]).code(0).envelope()["data"]["rows"], json!(0));
        let unnamed = Pdfco::new(home.path()).args(&["ledger", "forget-tenant", "--yes"]).env("PDFCO_LEDGER", &place.value());
        unnamed.run().code(2).complains("--subject");
    }
}

fn entry(tenant: &Tenant, at: i64) -> AuditEntry {
    AuditEntry {
        at,
        tenant: tenant.clone(),
        account: Some(owner().account().clone()),
        client: "a client".to_owned(),
        tool: "submit_job".to_owned(),
        operation: None,
        job_id: None,
        outcome: "success".to_owned(),
        credits: Some(7),
    }
}

/// Rows of a tenant, or of all.
async fn count(place: &Place, stored: &str) -> usize {
    let mut beside = place.beside().await;
    let mut rows = 0;
    for table in ["jobs", "tasks", "spending", "reservations", "sessions", "audit"] {
        rows += beside.texts(format!("SELECT tenant FROM {table} WHERE tenant LIKE '{stored}%'")).await.len();
    }
    rows
}
