//! `pdfco doctor`: what is set up, what works, and what to do about the rest.
//!
//! The checks run in the order in which a failure explains those after it. Nothing is repaired.

use clap::Args;
use serde_json::{Value, json};

use super::setup;
use crate::api::Pace;
use crate::cli::exit_code::{SUCCESS, USAGE, of_error};
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::shell_words::in_shell_words;
use crate::cli::table::Table;
use crate::config::{LedgerLocation, Machine};
use crate::error::{Error, Result};

/// Examples of `doctor --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco doctor\n  pdfco doctor --simulate\n  pdfco doctor --json | jq '.data.items[] | select(.ok | not)'";

/// Flags of `doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {}

/// One line of the diagnosis.
struct Finding {
    what: &'static str,
    ok: bool,
    detail: String,
    hint: String,
    code: u8,
}

impl Finding {
    fn fine(what: &'static str, detail: impl Into<String>) -> Finding {
        Finding { what, ok: true, detail: detail.into(), hint: String::new(), code: SUCCESS }
    }

    fn wrong(what: &'static str, error: &Error) -> Finding {
        let hint = in_shell_words(error.hint());
        Finding { what, ok: false, detail: error.message().to_owned(), hint, code: of_error(error.kind()) }
    }

    fn line(&self) -> String {
        let mark = if self.ok { "ok  " } else { "FAIL" };
        let hint = if self.hint.is_empty() { String::new() } else { format!("\n      {}", self.hint) };
        format!("{mark}  {}: {}{hint}", self.what, self.detail)
    }
}

/// Checks everything once. The exit code is that of the first check that failed.
///
/// # Errors
/// None: what is wrong is in the report.
pub async fn run(session: &CliSession, _args: &DoctorArgs) -> Result<Report> {
    let config = &session.app.config;
    let mut findings = vec![Finding::fine("version", env!("CARGO_PKG_VERSION"))];
    findings.push(match config.key() {
        Ok(key) => Finding::fine(
            "key",
            format!("set by {}, fingerprint {}", config.origin("PDFCO_API_KEY"), key.fingerprint()),
        ),
        Err(error) => Finding::wrong("key", &error),
    });
    findings.push(service(session).await);
    findings.push(match session.app.jobs().ledger().health().await {
        Ok(detail) => Finding::fine("ledger", detail),
        Err(error) => Finding::wrong("ledger", &error),
    });
    if let LedgerLocation::Memory = config.ledger {
        findings.push(Finding::fine("memory", "jobs are forgotten when the process ends"));
    }
    let folders = config.files.iter().flatten().chain([&config.download_dir]);
    let folders: Vec<String> = folders.map(|folder| folder.display().to_string()).collect();
    findings.push(Finding::fine("assistants may use", folders.join(", ")));
    findings.push(Finding::fine(
        "pace",
        match config.pace {
            Pace::PerSecond(limit) => format!("{limit} requests a second; the free plan allows 2, paid ones 10"),
            Pace::Off => "no limit of ours".to_owned(),
        },
    ));
    findings.extend(clients());

    let settings: Vec<Value> = config
        .shown()
        .map(|(variable, origin, value)| json!({"variable": variable, "origin": origin.to_string(), "value": value}))
        .collect();
    let items: Vec<Value> = findings
        .iter()
        .map(|finding| json!({"check": finding.what, "ok": finding.ok, "detail": finding.detail, "hint": finding.hint}))
        .collect();
    let wrong = findings.iter().filter(|finding| !finding.ok).count();
    let summary =
        if wrong == 0 { "everything works".to_owned() } else { format!("{wrong} of {} checks failed", findings.len()) };
    let mut lines: Vec<String> = findings.iter().map(Finding::line).collect();
    lines.push(String::new());
    let set = config.shown().filter(|(_, _, value)| !value.is_empty());
    let rows =
        set.map(|(variable, origin, value)| vec![variable.to_owned(), origin.to_string(), value.to_owned()]).collect();
    lines.extend(Table { header: vec![], rows, spare: &[] }.lines());
    Ok(Report {
        summary: summary.clone(),
        lines,
        data: json!({"status": if wrong == 0 { "success" } else { "error" }, "items": items, "total": findings.len(), "settings": settings}),
        notes: vec![summary],
        code: findings.iter().find(|finding| !finding.ok).map_or(SUCCESS, |finding| finding.code),
        ..Report::default()
    })
}

/// Whether the service answers and takes the key: the balance is free to ask for.
async fn service(session: &CliSession) -> Finding {
    let address = crate::secret::without_query(session.app.config.base_url.as_str());
    let asked = match session.caller() {
        Ok(caller) => session.app.balance(&caller).await,
        Err(_) => {
            return Finding {
                ok: false,
                ..Finding::fine("service", format!("{address} was not asked: there is no key to ask with"))
            };
        }
    };
    match asked {
        Ok(answer) => {
            let left = answer
                .charge
                .remaining
                .map_or_else(|| "an unknown number of".to_owned(), |credits| credits.to_string());
            Finding::fine("service", format!("{address} takes the key; {left} credits are left"))
        }
        Err(error) => Finding::wrong("service", &error),
    }
}

/// Which assistants of this machine have pdfco. One that does not have it is no failure, one that cannot start it is.
fn clients() -> Vec<Finding> {
    let Ok(machine) = Machine::this() else { return Vec::new() };
    let installed = setup::status::statuses(&machine).into_iter().filter(|status| status.is_installed);
    installed
        .map(|status| {
            let run = format!("run `pdfco setup {}`", status.client.id);
            let path = status.path.display();
            match (&status.problem, &status.command) {
                (Some(problem), _) => Finding {
                    hint: in_shell_words(problem.hint()),
                    ..Finding::fine(status.client.title, problem.message())
                },
                (None, Some(command)) if status.is_stale() => Finding {
                    ok: false,
                    hint: run,
                    code: USAGE,
                    ..Finding::fine(status.client.title, format!("has pdfco in {path}, but {command} is gone"))
                },
                (None, Some(_)) => Finding::fine(status.client.title, format!("has pdfco in {path}")),
                (None, None) => Finding { hint: run, ..Finding::fine(status.client.title, "does not have pdfco") },
            }
        })
        .collect()
}
