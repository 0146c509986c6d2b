//! `pdfco jobs list`: the jobs of this key, newest first.

use clap::Args;
use serde_json::json;

use crate::app::{Caller, JobSummary, ListRequest};
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::table::{Table, listed};
use crate::clock::{Millis, now};
use crate::error::Result;

/// Examples of `jobs list --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco jobs list\n  pdfco jobs list --status failed --json | jq .data.items";

/// Flags of `jobs list`.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Only jobs in this state: queued, working, success, failed, aborted, unknown, cancelled
    #[arg(long, value_name = "STATE")]
    status: Option<String>,
    /// Most jobs to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Where a longer list goes on
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

/// Lists jobs from the ledger; the service is not asked.
///
/// # Errors
/// As `App::list`.
pub async fn run(session: &CliSession, caller: &Caller, args: &ListArgs) -> Result<Report> {
    let request = ListRequest {
        status: args.status.clone(),
        limit: args.limit,
        cursor: args.cursor.clone(),
        ..ListRequest::default()
    };
    let page = session.app.list(caller, &request).await?;
    let row = |item: &JobSummary| {
        vec![
            item.job_id.clone(),
            item.status.to_string(),
            item.operation.clone().unwrap_or_else(|| "-".to_owned()),
            age(item.created_at),
            item.credits_total.map_or_else(|| "-".to_owned(), |credits| credits.to_string()),
        ]
    };
    let rows: Vec<Vec<String>> = page.items.iter().map(row).collect();
    let total = usize::try_from(page.total).unwrap_or(rows.len());
    let shown = rows.len();
    let table =
        Table { header: vec!["job_id", "status", "operation", "age", "credits"], rows, spare: &["credits", "age"] };
    let mut report = listed(page.items, total, table, "no jobs recorded", "job");
    if let Some(cursor) = &page.next_cursor {
        report.notes.push(format!("{shown} of {total}; --cursor {cursor} shows more."));
    }
    if let Some(data) = report.data.as_object_mut() {
        data.insert("next_cursor".to_owned(), json!(page.next_cursor));
    }
    Ok(report)
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
    fn ages_are_one_word() {
        let ago = |seconds: i64| age(now() - seconds * 1_000);
        assert!(ago(5).ends_with('s') && ago(300) == "5m" && ago(8_000) == "2h" && ago(400_000) == "4d");
    }
}
