//! The account and what it can do: `credits`, `operations`, `files`.
//!
//! What lives here: these commands' flags and words. What never does: anything about jobs (`jobs.rs`).

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Session;
use super::call::flag_name;
use super::output::{Report, Table};
use super::progress_bar::counted;
use super::record::fields_of;
use crate::answer::Answer;
use crate::app::SubmitRequest;
use crate::catalog::shorten;
use crate::error::{Error, Kind, Result};
use crate::files::is_local;

/// Examples of `credits --help`.
pub const CREDITS_EXAMPLES: &str =
    "Examples:\n  pdfco credits\n  pdfco credits --history\n  pdfco credits --json | jq .data.credits_remaining";
/// Examples of `operations --help`.
pub const OPERATIONS_EXAMPLES: &str = "Examples:\n  pdfco operations\n  pdfco operations merge\n  pdfco call pdf-merge --help     what one operation takes";
/// Examples of `files --help`.
pub const FILES_EXAMPLES: &str = "Examples:\n  pdfco files upload report.pdf\n  pdfco files upload scan.pdf --name 2026-11.pdf --json | jq -r .data.content.url\n  pdfco files delete \"$LINK\"";

/// Most rows of a history.
const HISTORY_ROWS: u32 = 1_000;

/// Flags of `credits`.
#[derive(Debug, Args)]
pub struct CreditsArgs {
    /// What this machine's ledger counted, by day and operation; asks nobody
    #[arg(long)]
    history: bool,
}

/// Flags of `operations`.
#[derive(Debug, Args)]
pub struct OperationsArgs {
    /// Words to look for; all of them have to occur
    query: Vec<String>,
}

/// Commands of `files`.
#[derive(Debug, Subcommand)]
pub enum FilesCommand {
    /// Upload a file; prints the link that operations take. It is kept for an hour
    #[command(after_help = FILES_EXAMPLES)]
    Upload {
        /// The file
        path: String,
        /// Its name there
        #[arg(long)]
        name: Option<String>,
    },
    /// Delete a stored file or a result before it expires by itself
    #[command(after_help = FILES_EXAMPLES)]
    Delete {
        /// Its link
        link: String,
    },
    /// Print the hash of a stored file
    #[command(after_help = FILES_EXAMPLES)]
    Hash {
        /// Its link
        link: String,
    },
}

impl FilesCommand {
    /// What the envelope calls it.
    pub fn name(&self) -> &'static str {
        match self {
            FilesCommand::Upload { .. } => "files upload",
            FilesCommand::Delete { .. } => "files delete",
            FilesCommand::Hash { .. } => "files hash",
        }
    }
}

/// `pdfco credits`.
///
/// # Errors
/// As `App::balance` and `App::spending`.
pub async fn credits(session: &Session, args: &CreditsArgs) -> Result<Report> {
    let caller = session.caller()?;
    if !args.history {
        let answer = session.app.balance(&caller).await?;
        let left = answer.charge.remaining.map_or_else(|| "unknown".to_owned(), |credits| credits.to_string());
        let line = format!("credits: {left}");
        return Ok(Report { summary: line.clone(), lines: vec![line], data: fields_of(&answer), ..Report::default() });
    }
    let items = session.app.spending(&caller, HISTORY_ROWS).await?;
    let rows: Vec<Vec<String>> = items
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| ["day", "operation", "requests", "credits"].map(|name| cell(row, name)).to_vec())
        .collect();
    let total = rows.len();
    Ok(listed(items, total, vec!["day", "operation", "requests", "credits"], rows, "no credits recorded", "row"))
}

/// `pdfco operations`.
///
/// # Errors
/// `not_found` when nothing matches.
pub fn operations(session: &Session, args: &OperationsArgs) -> Result<Report> {
    let query = args.query.join(" ");
    let answer = session.app.operations(Some(&query).filter(|query| !query.is_empty()).map(String::as_str));
    let items = answer.content.get("items").cloned().unwrap_or_default();
    let rows: Vec<Vec<String>> = items
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| vec![flag_name(&cell(row, "name")), cell(row, "group"), cell(row, "title")])
        .collect();
    if rows.is_empty() {
        return Err(Error::new(
            Kind::NotFound,
            format!("No operation matches `{}`.", shorten(&query, 60)),
            "`pdfco operations` lists all.",
        ));
    }
    let total = rows.len();
    let mut report = listed(items, total, vec!["operation", "group", "what it does"], rows, "", "operation");
    report.notes = vec!["Run: pdfco call <operation> --help".to_owned()];
    Ok(report)
}

/// `pdfco files …`.
///
/// # Errors
/// As `App::upload` and `App::submit`.
pub async fn files(session: &Session, command: FilesCommand) -> Result<Report> {
    match command {
        FilesCommand::Upload { path, name } => upload(session, path, name).await,
        FilesCommand::Delete { link } => {
            let answer = stored(session, "file_delete", &link).await?;
            let line = "deleted".to_owned();
            Ok(Report { summary: line.clone(), lines: vec![line], data: fields_of(&answer), ..Report::default() })
        }
        FilesCommand::Hash { link } => {
            let answer = stored(session, "file_hash", &link).await?;
            let hash = cell(&answer.content, "hash");
            Ok(Report {
                summary: format!("hash {hash}"),
                lines: vec![hash],
                data: fields_of(&answer),
                ..Report::default()
            })
        }
    }
}

/// An operation on a stored file. A local path would be uploaded first, which is not what either is for.
async fn stored(session: &Session, operation: &str, link: &str) -> Result<Answer> {
    if is_local(link) {
        return Err(Error::invalid(
            format!("`{}` is no link.", shorten(link, 60)),
            "Pass the link that an upload or a result gave. For files on this disk there are rm and sha256sum.",
        ));
    }
    let arguments = [("url".to_owned(), json!(link))].into_iter().collect();
    let request = SubmitRequest { operation: operation.to_owned(), arguments, ..SubmitRequest::default() };
    session.app.submit(&session.caller()?, request).await
}

async fn upload(session: &Session, path: String, name: Option<String>) -> Result<Report> {
    let answer = session.app.upload(&session.caller()?, &path, name.as_deref()).await?;
    let link = answer.content.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Report {
        summary: format!("uploaded {path}"),
        lines: vec![link],
        data: fields_of(&answer),
        notes: vec!["The file is kept for an hour.".to_owned()],
        ..Report::default()
    })
}

/// A list: rows on a terminal, plain lines elsewhere, `data.items` and `data.total` for programs.
pub fn listed(
    items: Value,
    total: usize,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    none: &str,
    noun: &str,
) -> Report {
    let table = Table { header, rows, spare: &["credits", "age"] };
    let lines = if table.rows.is_empty() { vec![none.to_owned()] } else { table.lines() };
    let summary =
        if table.rows.is_empty() { none.to_owned() } else { counted(i64::try_from(total).unwrap_or(i64::MAX), noun) };
    Report {
        summary,
        lines,
        data: json!({"status": "success", "items": items, "total": total}),
        table: Some(table),
        ..Report::default()
    }
}

/// A field of a row in words.
pub fn cell(row: &Value, name: &str) -> String {
    match row.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
