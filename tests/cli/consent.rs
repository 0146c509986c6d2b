//! Prices on the command line: `--dry-run` shows them, PDFCO_CONFIRM_CREDITS asks about them, `--yes` agrees.

use crate::support::command::Pdfco;
use pdfco::simulator::{self, Handle};
use serde_json::json;
use tempfile::TempDir;

const UPLOAD: &str = "/v1/file/upload/get-presigned-url";
const TEXT: &str = "/v1/pdf/convert/to/text";
const REPORT: &str = "fixtures/documents/report.pdf";
const INVOICE: &str = "fixtures/documents/invoice.pdf";

struct Desk {
    service: Handle,
    home: TempDir,
}

impl Desk {
    async fn new() -> Desk {
        let service = simulator::spawn(simulator::Options::default()).await.unwrap();
        Desk { service, home: tempfile::tempdir().unwrap() }
    }

    /// A call that is asked about from 20 credits on.
    fn call(&self, args: &[&str]) -> Pdfco {
        Pdfco::new(self.home.path())
            .args(&["call"])
            .args(args)
            .env("PDFCO_BASE_URL", self.service.url())
            .env("PDFCO_API_KEY", "sim_desk")
            .env("PDFCO_RATE_LIMIT", "off")
            .env("PDFCO_CONFIRM_CREDITS", "20")
    }

    fn nothing_happened(&self) -> bool {
        self.service.count(UPLOAD) == 0 && self.service.count(TEXT) == 0 && self.service.credits("sim_desk") == 10_000
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_says_the_price_and_sends_nothing() {
    let desk = Desk::new().await;
    desk.call(&["pdf-to-text", "--url", REPORT, "--dry-run"])
        .run()
        .code(0)
        .says("pdf_to_text would cost 28 to 112 credits")
        .complains("pages counted: 5")
        .complains("pdf-to-text-simple does the same for less");
    let envelope =
        desk.call(&["pdf-to-text", "--url", REPORT, INVOICE, "--dry-run", "--json"]).run().code(0).envelope();
    let estimate = &envelope["data"]["estimate"];
    assert_eq!((&estimate["documents"], &estimate["uploads"]), (&json!(2), &json!(14)), "{envelope}");
    desk.call(&["pdf-to-text", "--url", REPORT, "--pages", "9", "--dry-run"]).run().code(2).complains("5 pages");
    assert!(desk.nothing_happened());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_terminal_a_price_needs_yes() {
    let desk = Desk::new().await;
    let (one, many) = (["pdf-to-text", "--url", REPORT], ["pdf-to-text", "--url", REPORT, INVOICE]);
    for line in [&one[..], &many[..]] {
        desk.call(line).run().code(3).prints_nothing().complains("PDFCO_CONFIRM_CREDITS").complains("--yes");
    }
    assert!(desk.nothing_happened());
    for line in [&one[..], &many[..]] {
        desk.call(line).args(&["--yes"]).run().code(0);
    }
    assert_eq!(desk.service.count(TEXT), 3);
    // What is below the threshold, or free, is not asked about.
    desk.call(&["pdf-to-text-simple", "--url", INVOICE]).run().code(0);
    desk.call(&["account-balance"]).run().code(0);
    // A batch that was paid for is not asked about again.
    desk.call(&many).args(&["--resume"]).run().code(0);
    assert_eq!(desk.service.count(TEXT), 3);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_terminal_the_person_is_asked() {
    use std::io::{Read, Write};
    let desk = Desk::new().await;
    for (answer, code, submits) in [("n", 130, 0), ("", 130, 0), ("y", 0, 1)] {
        let (mut terminal, end) = pty_process::blocking::open().unwrap();
        terminal.resize(pty_process::Size::new(50, 200)).unwrap();
        let command = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_pdfco"))
            .env_clear()
            .env("HOME", desk.home.path())
            .env("TERM", "xterm")
            .env("PDFCO_BASE_URL", desk.service.url())
            .env("PDFCO_API_KEY", "sim_desk")
            .env("PDFCO_RATE_LIMIT", "off")
            .env("PDFCO_CONFIRM_CREDITS", "20")
            .env("PDFCO_CHECK_WORTH_SECONDS", "0.05")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["call", "pdf-to-text", "--url", REPORT]);
        let mut child = command.spawn(end).unwrap();
        let (mut seen, mut chunk, mut has_answered) = (String::new(), [0; 4096], false);
        while let Ok(count) = terminal.read(&mut chunk) {
            if count == 0 {
                break;
            }
            seen.push_str(&String::from_utf8_lossy(&chunk[..count]));
            if !has_answered && seen.contains("[y/N]") {
                assert_eq!(desk.service.count(UPLOAD), 0, "the question comes first");
                terminal.write_all(format!("{answer}\n").as_bytes()).unwrap();
                has_answered = true;
            }
        }
        let ended = child.wait().unwrap().code();
        assert_eq!((ended, desk.service.count(TEXT)), (Some(code), submits), "{seen}");
        assert!(seen.contains("pdf_to_text on report.pdf will cost 28 to 112 credits"), "{seen}");
    }
}
