//! What the command line prints: every command at 80 and at 200 columns and as JSON, compared with `fixtures/cli/`.
//! `UPDATE_FIXTURES=1` writes them anew; then they are read as a person would, before they are committed.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};

use crate::support::command::{Pdfco, Running};
use crate::support::terminal::{Screen, normalized, normalized_json, on_terminal};

const FIXTURES: &str = "fixtures/cli";

/// A simulator, a home, and the variables that lead to both.
struct Desk {
    home: tempfile::TempDir,
    _simulator: Running,
    variables: Vec<(&'static str, String)>,
}

impl Desk {
    fn new() -> Desk {
        // A place whose name is equally long everywhere: tables are laid out around it.
        let home = tempfile::Builder::new().prefix("pdfco-").rand_bytes(6).tempdir_in("/tmp").unwrap();
        let mut simulator = Pdfco::new(home.path()).args(&["simulate", "--json", "--checks", "0"]).start();
        let said: serde_json::Value = serde_json::from_str(&simulator.first_line()).unwrap();
        let word = |name: &str| said[name].as_str().unwrap().to_owned();
        let variables = vec![
            ("PDFCO_BASE_URL", word("url")),
            ("PDFCO_API_KEY", word("key")),
            ("PDFCO_RATE_LIMIT", "off".to_owned()),
            ("PDFCO_LEDGER", home.path().join("ledger.sqlite").display().to_string()),
        ];
        for (name, of) in [("report.pdf", "report.pdf"), ("scans/a.pdf", "report.pdf"), ("scans/b.pdf", "invoice.pdf")]
        {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::copy(Path::new("fixtures/documents").join(of), path).unwrap();
        }
        std::fs::write(home.path().join("scans/c.pdf"), "no document").unwrap();
        Desk { home, _simulator: simulator, variables }
    }

    fn run(&self, columns: u16, args: &[&str]) -> Screen {
        let variables: Vec<(&str, &str)> =
            self.variables.iter().map(|(name, value)| (*name, value.as_str())).chain([("NO_COLOR", "1")]).collect();
        on_terminal(columns, self.home.path(), &variables, args)
    }

    /// What a person sees, or a program reads, as it is kept.
    fn shown(&self, form: &str, args: &[&str]) -> String {
        let is_json = form == "json";
        let more: &[&str] = if is_json { &["--json"] } else { &[] };
        let columns = if is_json { 80 } else { form.parse().unwrap() };
        let screen = self.run(columns, &[args, more].concat());
        let stdout = match is_json && screen.stdout.starts_with('{') {
            // On a terminal the envelope is laid out; here its own line is wanted.
            true => {
                let value: serde_json::Value = serde_json::from_str(&screen.stdout).unwrap();
                normalized_json(&value.to_string(), self.home.path())
            }
            false => normalized(&screen.stdout, self.home.path()),
        };
        let line = normalized(&format!("$ pdfco {}", [args, more].concat().join(" ")), self.home.path());
        let stderr = normalized(&screen.stderr, self.home.path());
        if !is_json {
            self.fits(&screen.stdout, columns, args);
        }
        format!("{line}\n{stdout}--- stderr\n{stderr}--- exit {}\n", screen.code.unwrap())
    }

    /// No line is longer than the terminal, unless one word of it is: ids, links and digests are not broken.
    fn fits(&self, stdout: &str, columns: u16, args: &[&str]) {
        for line in stdout.lines() {
            let longest = line.split_whitespace().map(|word| word.chars().count()).max().unwrap_or_default();
            let fits = line.chars().count() <= usize::from(columns) || longest > usize::from(columns) / 2 - 10;
            assert!(fits, "{args:?} at {columns} columns: {line:?}");
        }
    }
}

fn compared(name: &str, form: &str, shown: &str) -> Option<String> {
    let path = PathBuf::from(FIXTURES).join(format!("{name}.{form}.txt"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::create_dir_all(FIXTURES).unwrap();
        std::fs::write(&path, shown).unwrap();
        return None;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    (kept != shown).then(|| format!("{}:\n--- kept\n{kept}\n--- shown\n{shown}", path.display()))
}

/// In this order: later lines speak of the jobs of earlier ones.
const SESSION: &[(&str, &[&str])] = &[
    ("help", &["-h"]),
    ("jobs-help", &["jobs", "-h"]),
    ("jobs-wait-help", &["jobs", "wait", "-h"]),
    ("jobs-watch-help", &["jobs", "watch", "-h"]),
    ("call-help", &["call", "pdf-to-text", "-h"]),
    ("operations", &["operations", "merge"]),
    ("credits", &["credits"]),
    ("jobs-list-empty", &["jobs", "list"]),
    ("jobs-watch-nothing", &["jobs", "watch"]),
    ("call", &["call", "pdf-info-reader", "--url", "report.pdf"]),
    ("call-text", &["call", "pdf-to-text", "--url", "report.pdf", "--read", "60"]),
    ("call-saved", &["call", "pdf-to-text", "--url", "report.pdf", "--save-to", "report.txt", "--overwrite"]),
    ("call-background", &["call", "pdf-to-text", "--url", "report.pdf", "--background"]),
    ("jobs-show", &["jobs", "show", "--latest"]),
    ("jobs-wait", &["jobs", "wait", "--latest"]),
    ("jobs-read", &["jobs", "read", "--latest", "--limit", "60"]),
    ("jobs-download", &["jobs", "download", "--latest", "--save-to", "again.txt", "--overwrite"]),
    ("jobs-watch", &["jobs", "watch", "--latest"]),
    ("call-failed", &["call", "pdf-to-text", "--url", "scans/c.pdf"]),
    ("jobs-show-failed", &["jobs", "show", "--latest"]),
    (
        "batch",
        &[
            "call",
            "pdf-to-text",
            "--url",
            "scans/a.pdf",
            "scans/b.pdf",
            "--save-to",
            "out",
            "--overwrite",
            "--jobs",
            "1",
        ],
    ),
    (
        "batch-resumed",
        &["call", "pdf-to-text", "--url", "scans/*.pdf", "--save-to", "out", "--overwrite", "--resume", "--jobs", "1"],
    ),
    ("jobs-list", &["jobs", "list", "--limit", "5"]),
    ("jobs-cancel", &["jobs", "cancel", "--latest"]),
    ("jobs-not-found", &["jobs", "show", "NOSUCHJOB"]),
    ("credits-history", &["credits", "--history"]),
    ("files-upload", &["files", "upload", "report.pdf"]),
    ("files-delete-path", &["files", "delete", "report.pdf"]),
    ("files-hash-path", &["files", "hash", "report.pdf"]),
    ("doctor", &["doctor"]),
    ("mistyped-command", &["jbos", "list"]),
    ("mistyped-operation", &["call", "pdf-to-txt"]),
    ("mistyped-flag", &["call", "pdf-to-text", "--pagse", "1"]),
    ("mistyped-argument", &["jobs", "list", "--limit", "0"]),
];

#[test]
fn every_command_shows_what_its_snapshot_shows() {
    let mut differences = Vec::new();
    for form in ["80", "200", "json"] {
        let desk = Desk::new();
        for (name, args) in SESSION {
            let is_help = args.iter().any(|arg| matches!(*arg, "--help" | "-h"));
            if !(is_help && form == "json") {
                differences.extend(compared(name, form, &desk.shown(form, args)));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[test]
fn table_of_several_waits_keeps_ids_whole() {
    let mut differences = Vec::new();
    for form in ["80", "200", "json"] {
        let desk = Desk::new();
        let ids: Vec<String> = (0..2)
            .map(|_| {
                let screen = desk.run(80, &["call", "pdf-to-text", "--url", "report.pdf", "--background", "--json"]);
                let envelope: serde_json::Value = serde_json::from_str(&screen.stdout).unwrap();
                envelope["data"]["job_id"].as_str().unwrap().to_owned()
            })
            .collect();
        let shown = desk.shown(form, &["jobs", "wait", &ids[0], &ids[1]]);
        differences.extend(compared("jobs-wait-several", form, &shown));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[test]
fn colors_are_an_extra() {
    let desk = Desk::new();
    let variables: Vec<(&str, &str)> = desk.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    desk.run(80, &["call", "pdf-to-text", "--url", "report.pdf", "--read", "1"]);
    let colorful = on_terminal(80, desk.home.path(), &variables, &["jobs", "list"]);
    let plain = desk.run(80, &["jobs", "list"]);
    assert!(colorful.stdout.contains("\u{1b}["), "{colorful:?}");
    assert!(!plain.stdout.contains('\u{1b}'), "{plain:?}");
    assert!(plain.stdout.contains("success") && colorful.stdout.contains("success"));
}

#[test]
fn what_is_no_terminal_gets_whole_lines() {
    let desk = Desk::new();
    let piped = |args: &[&str]| {
        let mut call = Pdfco::new(desk.home.path()).folder(desk.home.path()).env("COLUMNS", "20");
        for (name, value) in &desk.variables {
            call = call.env(name, value);
        }
        call.args(args).run()
    };
    piped(&["call", "pdf-to-text", "--url", "report.pdf", "--background"]).code(0);
    let list = piped(&["jobs", "list"]).code(0);
    let cells: Vec<&str> = list.stdout.trim_end().split("  ").collect();
    assert_eq!((cells.len(), cells[0].len(), cells[2]), (5, 41, "pdf_to_text"), "{list:?}");
}
