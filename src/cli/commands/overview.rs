//! `pdfco` alone: where things stand, and what comes next. Asks the ledger, never the service.

use serde_json::{Value, json};

use crate::cli::commands::list;
use crate::cli::names::counted;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::error::{Kind, Result};
use crate::jobs::JobStatus;

/// Jobs that are shown.
const JOBS_SHOWN: u32 = 5;

/// Key, newest jobs, and the next step.
///
/// # Errors
/// None: what cannot be known is a line of the report.
pub async fn run(session: &CliSession) -> Result<Report> {
    let config = &session.app.config;
    let mut lines = vec![format!("pdfco {}: PDF.co document jobs", env!("CARGO_PKG_VERSION")), String::new()];
    let caller = match session.caller() {
        Ok(caller) => caller,
        Err(error) if error.kind() == Kind::Auth => {
            lines.push("key    none is set".to_owned());
            lines.extend(["", "Next:"].map(str::to_owned));
            lines.extend(steps_without_key());
            let data = json!({"status": "success", "key": Value::Null, "jobs": [], "total": 0});
            return Ok(Report { summary: "no key is set".to_owned(), lines, data, ..Report::default() });
        }
        Err(error) => return Err(error),
    };
    let fingerprint = caller.owner.key.fingerprint().to_string();
    let key = caller.owner.key.ending().map_or_else(|| fingerprint.clone(), |ending| format!("ends in {ending}"));
    lines.push(format!("key    {key}, from {}", config.source("PDFCO_API_KEY")));
    let (table, jobs, total) = match list::newest(session, &caller, JOBS_SHOWN).await {
        Ok(found) => found,
        Err(error) => {
            lines.push(format!("jobs   cannot be listed: {}", error.message()));
            lines.extend(["", "Next:", "  pdfco doctor"].map(str::to_owned));
            let data = json!({"status": "error", "key": fingerprint, "error": error.message()});
            return Ok(Report { summary: error.message().to_owned(), lines, data, ..Report::default() });
        }
    };
    lines.push(format!("jobs   {total}"));
    lines.extend(table.aligned().into_iter().map(|line| format!("  {line}")));
    lines.extend(["", "Next:"].map(str::to_owned));
    let id = table.rows.first().and_then(|row| row.first());
    lines.extend(steps(session, jobs.first().map(|job| &job.status).zip(id.map(String::as_str))));
    Ok(Report {
        summary: counted(total, "job"),
        lines,
        data: json!({"status": "success", "key": fingerprint, "jobs": jobs, "total": total}),
        ..Report::default()
    })
}

fn steps_without_key() -> Vec<String> {
    [
        "  pdfco demo                        the whole story offline, in a minute",
        "  pdfco call pdf-to-text --url FILE.pdf --simulate",
        "  pdfco key set                     store your key, from https://app.pdf.co",
        "  pdfco setup                       add pdfco to an assistant",
        "  pdfco --help",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// What suits the newest job.
fn steps(session: &CliSession, latest: Option<(&JobStatus, &str)>) -> Vec<String> {
    let first = match latest {
        Some((JobStatus::Queued | JobStatus::Working, id)) => format!("pdfco jobs wait {id}"),
        Some((JobStatus::Success, id)) => format!("pdfco jobs download {id}"),
        Some((_, id)) => format!("pdfco jobs show {id}"),
        None => "pdfco call pdf-to-text --url FILE.pdf".to_owned(),
    };
    vec![
        format!("  {}", session.again(&first)),
        "  pdfco operations                  what there is".to_owned(),
        "  pdfco --help".to_owned(),
    ]
}
