//! `pdfco doctor`: what is set up, what works, and what to do about the rest.
//!
//! The checks run in the order in which a failure explains those after it. Nothing is repaired.

mod questions;
mod service;
mod shape;

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::setup;
use crate::cli::exit_code::{SUCCESS, USAGE, of_error};
use crate::cli::names::counted;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::table::Table;
use crate::config::{AllowedFolders, Config, EnvDecision, Folders, LedgerLocation, Machine, Pace};
use crate::error::{Error, Result};
use crate::next_step::Audience;
use crate::serve::oauth::admit;

/// Examples of `doctor --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco doctor\n  pdfco doctor --simulate\n  pdfco doctor --service          asks the service itself, for a price that is said first\n  pdfco doctor --json | jq '.data.items[] | select(.ok | not)'";

/// Flags of `doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Ask the service a handful of questions that only a real key can answer; says first what they cost
    #[arg(long)]
    service: bool,
    /// Agree to the price of --service without being asked
    #[arg(long, requires = "service")]
    yes: bool,
    /// Agree to at most so many credits; questions that may cost more are left out
    #[arg(long, value_name = "N", requires = "service", value_parser = clap::value_parser!(i64).range(0..))]
    max_credits: Option<i64>,
}

/// One line of the diagnosis.
struct Finding {
    what: &'static str,
    ok: bool,
    /// Worth reading, though nothing fails for it.
    is_remark: bool,
    detail: String,
    hint: String,
    code: u8,
}

impl Finding {
    fn fine(what: &'static str, detail: impl Into<String>) -> Finding {
        Finding { what, ok: true, is_remark: false, detail: detail.into(), hint: String::new(), code: SUCCESS }
    }

    fn remark(what: &'static str, detail: impl Into<String>) -> Finding {
        Finding { is_remark: true, ..Finding::fine(what, detail) }
    }

    fn wrong(what: &'static str, error: &Error) -> Finding {
        let hint = error.hint().text(Audience::Shell);
        Finding {
            what,
            ok: false,
            is_remark: false,
            detail: error.message().to_owned(),
            hint,
            code: of_error(error.kind()),
        }
    }

    fn line(&self) -> String {
        let mark = match (self.ok, self.is_remark) {
            (false, _) => "FAIL",
            (true, true) => "note",
            (true, false) => "ok  ",
        };
        let hint = if self.hint.is_empty() { String::new() } else { format!("\n      {}", self.hint) };
        format!("{mark}  {}: {}{hint}", self.what, self.detail)
    }
}

/// Checks everything once. The exit code is that of the first check that failed.
///
/// # Errors
/// None: what is wrong is in the report. With `--service` as `service::run`.
pub async fn run(session: &CliSession, args: &DoctorArgs) -> Result<Report> {
    if args.service {
        return service::run(session, args.yes, args.max_credits).await;
    }
    let config = &session.app.config;
    let mut findings = vec![Finding::fine("version", env!("CARGO_PKG_VERSION")), key(config)];
    findings.extend(env_file_of_folder());
    findings.extend(config.notes().map(|note| Finding::remark("settings", note)));
    findings.push(service_answers(session).await);
    findings.push(match session.app.jobs().ledger().health().await {
        Ok(detail) => Finding::fine("ledger", detail),
        Err(error) => Finding::wrong("ledger", &error),
    });
    findings.extend(callbacks(session).await);
    findings.extend(sign_in(config).await);
    if let LedgerLocation::Memory = config.ledger {
        findings.push(Finding::fine("memory", "jobs are forgotten when the process ends"));
    }
    let folders = config.files.iter().flatten().chain([&config.download_dir]);
    let folders: Vec<String> = folders.map(|folder| folder.display().to_string()).collect();
    findings.push(Finding::fine("assistants may use", folders.join(", ")));
    findings.push(Finding::fine(
        "rate limit",
        match config.pace {
            Pace::PerSecond(limit) => format!("{limit} requests a second; the free plan allows 2, paid ones 10"),
            Pace::Off => "off".to_owned(),
        },
    ));
    findings.extend(clients());

    let settings: Vec<Value> = config
        .shown()
        .map(|(variable, origin, value)| json!({"variable": variable, "origin": origin.to_string(), "value": value}))
        .collect();
    let items: Vec<Value> = findings
        .iter()
        .map(|finding| json!({"check": finding.what, "ok": finding.ok, "remark": finding.is_remark, "detail": finding.detail, "hint": finding.hint}))
        .collect();
    let wrong = findings.iter().filter(|finding| !finding.ok).count();
    let remarks = findings.iter().filter(|finding| finding.is_remark).count();
    let summary = match (wrong, remarks) {
        (0, 0) => "everything works".to_owned(),
        (0, remarks) => format!("everything works; {}", counted(remarks as i64, "remark")),
        (wrong, _) => format!("{wrong} of {} checks failed", findings.len()),
    };
    let mut lines: Vec<String> = findings.iter().map(Finding::line).collect();
    lines.push(String::new());
    let set = config.shown().filter(|(_, _, value)| !value.is_empty());
    let rows =
        set.map(|(variable, _, value)| vec![variable.to_owned(), config.source(variable), value.to_owned()]).collect();
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

/// Whether there is a key, and where it came from.
fn key(config: &Config) -> Finding {
    match config.key() {
        Ok(key) => {
            let source = config.source("PDFCO_API_KEY");
            Finding::fine("key", format!("set by {source}, fingerprint {}", key.fingerprint()))
        }
        Err(error) => Finding::wrong("key", &error),
    }
}

/// A `.env` of the current folder that would give settings and is not read.
fn env_file_of_folder() -> Option<Finding> {
    let found = AllowedFolders::of(&Folders::this_user())?.look_up(Path::new("."))?;
    if found.names.is_empty() {
        return None;
    }
    let names = found.names.join(", ");
    let path = found.path.display();
    match found.decision {
        EnvDecision::Allowed | EnvDecision::Denied => None,
        EnvDecision::Unknown => {
            Some((format!("{path} holds {names} and is not read"), "`pdfco env allow` reads it from now on."))
        }
        EnvDecision::Changed => Some((
            format!("{path} has changed since it was decided upon, and is not read"),
            "Look at it, then `pdfco env allow`.",
        )),
    }
    .map(|(detail, hint)| Finding { hint: hint.to_owned(), ..Finding::remark(".env", detail) })
}

/// Whether the service answers and takes the key: the balance is free to ask for.
async fn service_answers(session: &CliSession) -> Finding {
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

/// Whether callbacks that are asked for by the settings are known not to come.
async fn callbacks(session: &CliSession) -> Option<Finding> {
    session.app.config.callback_url.as_ref()?;
    let found = session.app.findings(&session.caller().ok()?).await;
    if found.may_call_back() {
        return None;
    }
    let detail = format!(
        "none came when `doctor --service` asked for one on {}: jobs are checked, and no callback is asked for",
        crate::clock::day(found.at)
    );
    let hint = "Make PDFCO_CALLBACK_URL an address that the service can call; `pdfco doctor --service` asks again.";
    Some(Finding { hint: hint.to_owned(), ..Finding::remark("callbacks", detail) })
}

/// Whether people can sign in, where they are to: what the authorization server says of itself, and who pays.
async fn sign_in(config: &Config) -> Option<Finding> {
    Some(match admit::diagnosis(config).await? {
        Ok(detail) => Finding::fine("sign-in", detail),
        Err(error) => Finding::wrong("sign-in", &error),
    })
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
                    hint: problem.hint().text(Audience::Shell),
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
