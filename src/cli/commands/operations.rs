//! `pdfco operations`: the catalog.

use clap::Args;

use crate::cli::names::flag_name;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::table::Table;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::next_step::NextStep;
use crate::text::shorten;

/// Examples of `operations --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco operations\n  pdfco operations merge\n  pdfco call pdf-merge --help     what one operation takes";

/// Flags of `operations`.
#[derive(Clone, Debug, Args)]
pub struct OperationsArgs {
    /// Words to look for, such as `watermark` or `unlock`
    query: Vec<String>,
}

/// The operations that match.
///
/// # Errors
/// `not_found` when none does, `invalid_argument` for a question that is too long.
pub fn run(session: &CliSession, args: &OperationsArgs) -> Result<Report> {
    let query = args.query.join(" ");
    let list = session.app.operations(Some(&query).filter(|query| !query.is_empty()).map(String::as_str))?;
    let items = list.items;
    let rows: Vec<Vec<String>> =
        items.iter().map(|row| vec![flag_name(row.name), row.group.to_owned(), row.title.to_owned()]).collect();
    if rows.is_empty() {
        return Err(Error::new(
            Kind::NotFound,
            format!("No operation matches `{}`.", shorten(&query, 60)),
            hint![NextStep::ListOperations, " lists all."],
        ));
    }
    let total = rows.len();
    let table = Table { header: vec!["operation", "group", "what it does"], rows, spare: &[] };
    let mut report = Report::list(items, total, table, "", "operation");
    report.notes =
        list.not_offered.into_iter().chain(["Run: pdfco call <operation> --help"]).map(str::to_owned).collect();
    Ok(report)
}
