//! `pdfco jobs list`: the jobs of this key, newest first.

use std::collections::HashSet;

use clap::Args;
use serde_json::json;

use crate::app::{Caller, JobSummary, LIST_DEFAULT, ListRequest};
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::table::Table;
use crate::cli::value_parsers::since;
use crate::clock::{Millis, now};
use crate::error::Result;
use crate::text::shorten;

/// Examples of `jobs list --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco jobs list\n  pdfco jobs list --status failed --json | jq .data.items";

/// Flags of `jobs list`.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Only jobs in this state: running, queued, working, success, failed, aborted, unknown, cancelled
    #[arg(long, value_name = "STATE")]
    status: Option<String>,
    /// Only jobs since this time: a date, a time (RFC 3339), or an age such as 90m, 12h or 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Millis>,
    /// Most jobs to list
    #[arg(long, value_name = "N", default_value_t = LIST_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Where a longer list goes on
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

/// Fewest characters of an id on a terminal. Commands take the beginning of an id.
const ID_CHARS_MIN: usize = 8;
/// Most characters of a document's name on a terminal.
const DOCUMENT_CHARS: usize = 28;

/// Lists jobs from the ledger; the service is not asked.
///
/// # Errors
/// As `App::list`.
pub async fn run(session: &CliSession, caller: &Caller, args: &ListArgs) -> Result<Report> {
    let request =
        ListRequest { status: args.status.clone(), since: args.since, limit: args.limit, cursor: args.cursor.clone() };
    let page = session.app.list(caller, &request).await?;
    let shown = page.items.len();
    let total = usize::try_from(page.total).unwrap_or(shown);
    let lines: Vec<String> = page.items.iter().map(|item| cells_of(item).join("  ")).collect();
    let table = table_of(&page.items);
    let mut report = Report::list(page.items, total, table, "no jobs recorded", "job");
    if shown > 0 {
        report.lines = lines;
    }
    if let Some(cursor) = &page.next_cursor {
        report.notes.push(format!("{shown} of {total}; --cursor {cursor} shows more."));
    }
    if let Some(data) = report.data.as_object_mut() {
        data.insert("next_cursor".to_owned(), json!(page.next_cursor));
        data.insert("credits_remaining".to_owned(), json!(page.credits_remaining));
    }
    Ok(report)
}

/// The newest jobs as a table for a terminal, with the jobs themselves, and how many there are in all.
///
/// # Errors
/// As `App::list`.
pub async fn newest(session: &CliSession, caller: &Caller, limit: u32) -> Result<(Table, Vec<JobSummary>, i64)> {
    let page = session.app.list(caller, &ListRequest { limit, ..ListRequest::default() }).await?;
    Ok((table_of(&page.items), page.items, page.total))
}

/// Cells for scripts: the whole id, status, operation, age, credits.
fn cells_of(job: &JobSummary) -> Vec<String> {
    vec![
        job.job_id.clone(),
        job.status.to_string(),
        job.operation.clone().unwrap_or_else(|| "-".to_owned()),
        age(job.created_at),
        job.credits_total.map_or_else(|| "-".to_owned(), |credits| credits.to_string()),
    ]
}

/// The table for a terminal, which fits 80 columns: ids are as long as it takes to keep them distinct.
fn table_of(jobs: &[JobSummary]) -> Table {
    let ids: Vec<&str> = jobs.iter().map(|job| job.job_id.as_str()).collect();
    let chars = distinct_length(&ids);
    let rows = jobs
        .iter()
        .map(|job| {
            let mut row = cells_of(job);
            if let Some(id) = row.first_mut() {
                *id = id.chars().take(chars).collect();
            }
            row.insert(3, shorten(job.document.as_deref().unwrap_or("-"), DOCUMENT_CHARS));
            row
        })
        .collect();
    Table {
        header: vec!["job_id", "status", "operation", "document", "age", "credits"],
        rows,
        spare: &["credits", "age"],
    }
}

/// How many characters keep these ids distinct.
fn distinct_length(ids: &[&str]) -> usize {
    let longest = ids.iter().map(|id| id.chars().count()).max().unwrap_or_default();
    let tells_apart = |chars: &usize| {
        let beginnings: HashSet<String> = ids.iter().map(|id| id.chars().take(*chars).collect()).collect();
        let different: HashSet<&&str> = ids.iter().collect();
        beginnings.len() == different.len()
    };
    // A local id says so before it says anything of its own.
    let least = if ids.iter().any(|id| id.starts_with("local-")) { ID_CHARS_MIN + 6 } else { ID_CHARS_MIN };
    (least..=longest).find(tells_apart).unwrap_or(longest)
}

/// How long ago a time was, in one short word.
fn age(at: Millis) -> String {
    match now().saturating_sub(at).max(0) / 1_000 {
        seconds @ 0..=119 => format!("{seconds}s"),
        seconds @ 120..=7_199 => format!("{}m", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_as_long_as_it_takes_to_tell_them_apart() {
        assert_eq!(distinct_length(&["ABCDEFGHIJKL", "BBCDEFGHIJKL"]), 8);
        assert_eq!(distinct_length(&["ABCDEFGHIJKL", "ABCDEFGHIJKM"]), 12);
        assert_eq!(distinct_length(&["J1", "J1"]), 2);
        assert_eq!(distinct_length(&[]), 0);
    }

    #[test]
    fn ages_are_one_word() {
        let ago = |seconds: i64| age(now() - seconds * 1_000);
        assert!(ago(5).ends_with('s') && ago(300) == "5m" && ago(8_000) == "2h" && ago(400_000) == "4d");
    }
}
