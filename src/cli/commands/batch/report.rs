//! What a batch adds up to.

use std::path::Path;

use serde_json::json;

use super::outcome::{Before, Outcome, Verdict};
use crate::charge::Charge;
use crate::cli::exit_code::{ACCOUNT, JOB_FAILED, STILL_RUNNING, SUCCESS};
use crate::cli::names::counted;
use crate::cli::report::{Problem, Report};
use crate::cli::table::Table;
use crate::cli::text::with_reasons;
use crate::files::resolved;

/// The outcomes of a batch, counted.
pub struct BatchReport<'a> {
    outcomes: &'a [Outcome],
    /// Whether it only submits.
    is_background: bool,
    /// The exit code of a signal that ended it.
    interrupted: Option<u8>,
    /// Why nothing more was submitted.
    stopped: Option<String>,
    charge: Charge,
    done: usize,
    skipped: usize,
    failed: usize,
    running: usize,
    not_started: usize,
}

impl<'a> BatchReport<'a> {
    /// Counts `outcomes`, which are in the order of the inputs.
    pub fn new(outcomes: &'a [Outcome], is_background: bool, interrupted: Option<u8>) -> BatchReport<'a> {
        let count = |verdict| outcomes.iter().filter(|outcome| outcome.verdict() == verdict).count();
        let mut charge = Charge::NONE;
        outcomes.iter().for_each(|outcome| charge.add(Charge::new(outcome.charge.credits, None)));
        // Balances come in any order; the lowest is the last.
        charge.remaining = outcomes.iter().filter_map(|outcome| outcome.charge.remaining).min();
        BatchReport {
            is_background,
            interrupted,
            stopped: outcomes.iter().find_map(Outcome::stops_batch),
            charge,
            done: count(Verdict::Done),
            skipped: count(Verdict::Skipped),
            failed: count(Verdict::Failed),
            running: count(Verdict::Running),
            not_started: count(Verdict::NotStarted),
            outcomes,
        }
    }

    /// The report; `hint` says how to go on where not all succeeded.
    pub fn into_report(self, hint: String) -> Report {
        let summary = self.summary();
        let code = self.code();
        let here = resolved(Path::new(".")).ok();
        let table = Table {
            header: vec!["status", "input", "result", "job_id"],
            rows: self.outcomes.iter().map(|outcome| outcome.row(here.as_deref())).collect(),
            spare: &["job_id"],
        };
        let problem =
            (code != SUCCESS).then(|| Problem { message: with_reasons(&self.headline(), &self.reasons()), hint });
        Report {
            lines: table.lines(),
            data: json!({
                "status": match code { SUCCESS => "success", STILL_RUNNING => "working", _ => "failed" },
                "items": self.outcomes.iter().map(Outcome::item).collect::<Vec<_>>(),
                "total": self.outcomes.len(),
                "counts": {"success": self.done, "skipped": self.skipped, "failed": self.failed, "running": self.running, "not_started": self.not_started},
                "credits_used": self.charge.credits,
                "credits_remaining": self.charge.remaining,
            }),
            table: Some(table),
            problem,
            notes: if code == SUCCESS { vec![summary.clone()] } else { Vec::new() },
            summary,
            code,
            ..Report::default()
        }
    }

    fn summary(&self) -> String {
        let counts = [
            (self.done, "done"),
            (self.skipped, Before::Done.as_str()),
            (self.failed, "failed"),
            (self.running, if self.is_background { "submitted" } else { "still running" }),
            (self.not_started, "not started"),
        ];
        let parts: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}")).collect();
        let mut summary = format!("{}: {}", counted(self.outcomes.len() as i64, "input"), parts.join(", "));
        if let Some(used) = self.charge.credits {
            summary.push_str(&format!("; {}", counted(used, "credit")));
        }
        if let Some(left) = self.charge.remaining {
            summary.push_str(&format!(", {left} left"));
        }
        summary
    }

    fn headline(&self) -> String {
        match (&self.stopped, self.interrupted) {
            (_, Some(_)) => format!("interrupted; {}", self.summary()),
            (Some(why), None) => format!("stopped, nothing more is submitted: {why} {}", self.summary()),
            (None, None) => self.summary(),
        }
    }

    fn reasons(&self) -> Vec<String> {
        let failed = self.outcomes.iter().filter(|outcome| outcome.verdict() == Verdict::Failed);
        failed.filter_map(|outcome| Some(format!("{}: {}", outcome.input, outcome.reason()?))).collect()
    }

    fn code(&self) -> u8 {
        match (&self.stopped, self.interrupted) {
            (_, Some(code)) => code,
            (Some(_), _) => ACCOUNT,
            (None, None) if self.failed > 0 => JOB_FAILED,
            (None, None) if self.running > 0 && !self.is_background => STILL_RUNNING,
            (None, None) => SUCCESS,
        }
    }
}
