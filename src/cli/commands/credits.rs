//! `pdfco credits`: the balance, or what was spent.

use clap::Args;

use crate::cli::job_report::fields_of;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::table::Table;
use crate::error::Result;

/// Examples of `credits --help`.
pub const EXAMPLES: &str =
    "Examples:\n  pdfco credits\n  pdfco credits --history\n  pdfco credits --json | jq .data.credits_remaining";

/// Most rows of a history.
const HISTORY_ROWS: u32 = 1_000;

/// Flags of `credits`.
#[derive(Clone, Debug, Args)]
pub struct CreditsArgs {
    /// What this machine's ledger counted, by day and operation; sends no request
    #[arg(long)]
    history: bool,
}

/// The balance as the service reports it, or the spending as the ledger counted it.
///
/// # Errors
/// As `App::balance` and `App::spending`.
pub async fn run(session: &CliSession, args: &CreditsArgs) -> Result<Report> {
    let caller = session.caller()?;
    if !args.history {
        let answer = session.app.balance(&caller).await?;
        let left = answer.charge.remaining.map_or_else(|| "unknown".to_owned(), |credits| credits.to_string());
        return Ok(Report::line(format!("credits: {left}"), fields_of(&answer)));
    }
    let items = session.app.spending(&caller, HISTORY_ROWS).await?;
    let columns = ["day", "operation", "requests", "credits"];
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|row| vec![row.day.clone(), row.operation.clone(), row.requests.to_string(), row.credits.to_string()])
        .collect();
    let total = rows.len();
    let table = Table { header: columns.to_vec(), rows, spare: &[] };
    Ok(Report::list(items, total, table, "no credits recorded", "row"))
}
