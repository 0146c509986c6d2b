//! `pdfco files`: the service's temporary storage.

use clap::Subcommand;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::answer::Answer;
use crate::app::{Caller, Consent, SubmitRequest};
use crate::cli::consent;
use crate::cli::job_report::fields_of;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::stdin;
use crate::cli::table::cell;
use crate::cli::targets::scratch_folder;
use crate::error::{Error, Result};
use crate::files::is_local;
use crate::text::shorten;

/// Examples of `files --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco files upload report.pdf\n  pdfco files upload scan.pdf --name 2026-11.pdf --json | jq -r .data.content.url\n  pdfco files delete \"$LINK\"";

/// Commands of `files`.
#[derive(Clone, Debug, Subcommand)]
pub enum FilesCommand {
    /// Upload a file; prints the link that operations take. It is kept for an hour
    #[command(after_help = EXAMPLES)]
    Upload {
        /// The file, or - for stdin
        #[arg(value_hint = clap::ValueHint::FilePath)]
        path: String,
        /// Its name there
        #[arg(long)]
        name: Option<String>,
    },
    /// Delete a stored file or a result before it expires by itself
    #[command(after_help = EXAMPLES)]
    Delete {
        /// Its link
        link: String,
    },
    /// Print the hash of a stored file
    #[command(after_help = EXAMPLES)]
    Hash {
        /// Its link
        link: String,
    },
}

impl FilesCommand {
    /// Its word on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            FilesCommand::Upload { .. } => "upload",
            FilesCommand::Delete { .. } => "delete",
            FilesCommand::Hash { .. } => "hash",
        }
    }
}

/// `pdfco files …`.
///
/// # Errors
/// As `App::upload` and `App::submit`.
pub async fn run(session: &CliSession, command: FilesCommand) -> Result<Report> {
    match command {
        FilesCommand::Upload { path, name } => upload(session, path, name).await,
        FilesCommand::Delete { link } => {
            let answer = on_stored_file(session, "file_delete", &link).await?;
            Ok(Report::line("deleted", fields_of(&answer)))
        }
        FilesCommand::Hash { link } => {
            let answer = on_stored_file(session, "file_hash", &link).await?;
            let hash = cell(&answer.content, "hash");
            Ok(Report { summary: format!("hash {hash}"), ..Report::line(hash, fields_of(&answer)) })
        }
    }
}

/// Runs an operation on a stored file. A local path would be uploaded first, which neither operation is for.
async fn on_stored_file(session: &CliSession, operation: &str, link: &str) -> Result<Answer> {
    if is_local(link) {
        return Err(Error::invalid(
            format!("`{}` is no link.", shorten(link, 60)),
            "Pass the link that an upload or a result gave. For files on this disk there are rm and sha256sum.",
        ));
    }
    let arguments = [("url".to_owned(), json!(link))].into_iter().collect();
    let request = SubmitRequest { operation: operation.to_owned(), arguments, ..SubmitRequest::default() };
    consent::submit(session, &session.caller()?, request).await
}

async fn upload(session: &CliSession, path: String, name: Option<String>) -> Result<Report> {
    let piped = (path == "-").then(scratch_folder).transpose()?;
    let path = match &piped {
        Some(folder) => stdin::document(folder.path(), session.app.config.max_file_bytes)?.display().to_string(),
        None => path,
    };
    let caller = session.caller_with_folder(piped.as_ref().map(TempDir::path))?;
    let mut answer = session.app.upload(&caller, &path, name.as_deref()).await?;
    if let Some(quote) = &answer.consent {
        let agreed = Caller { consent: Consent::ToAll, ..consent::agree(session, &caller, quote)? };
        answer = session.app.upload(&agreed, &path, name.as_deref()).await?;
    }
    let link = answer.content.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Report {
        summary: format!("uploaded {}", if piped.is_some() { "stdin" } else { &path }),
        notes: vec!["The file is kept for an hour.".to_owned()],
        ..Report::line(link, fields_of(&answer))
    })
}
