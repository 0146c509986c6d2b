//! `pdfco jobs report`: the jobs as one HTML file that needs no other, for mail and for what a pipeline keeps.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::app::{Caller, OverviewRequest};
use crate::catalog;
use crate::cli::names::counted;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::value_parsers::{path, since};
use crate::clock::{Millis, now, rfc3339};
use crate::error::{Error, Kind, Result};
use crate::serve::page;

/// Examples of `jobs report --help`.
pub const EXAMPLES: &str = "Examples:
  pdfco jobs report --html jobs.html --since 7d
  pdfco jobs report --html - --status failed | mail -a 'Content-Type: text/html' -s 'Failed jobs' me@example.com";

/// Jobs of which the report has more than a line.
const DETAILS_MAX: usize = 100;

/// Flags of `jobs report`.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// File to write; `-` is stdout
    #[arg(long, value_name = "FILE", required = true, value_parser = path(), value_hint = clap::ValueHint::FilePath)]
    html: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    overwrite: bool,
    /// Only jobs in this state: running, queued, working, success, failed, aborted, unknown, cancelled
    #[arg(long, value_name = "STATE")]
    status: Option<String>,
    /// Only jobs of this operation
    #[arg(long, value_name = "OPERATION")]
    operation: Option<String>,
    /// Only jobs since this time: a date, a time (RFC 3339), or an age such as 90m, 12h or 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Millis>,
    /// Only jobs whose request holds this text, such as part of a document's name
    #[arg(long, value_name = "TEXT")]
    document: Option<String>,
    /// Most jobs to show
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
}

/// Writes the report; the service is not asked.
///
/// # Errors
/// `invalid_argument` for a state or an operation that is none; `file_access` when the file is there or cannot be
/// written.
pub async fn run(session: &CliSession, caller: &Caller, args: &ReportArgs) -> Result<Report> {
    let operation = args.operation.as_deref().map(catalog::find).transpose()?.map(|found| found.name.to_owned());
    let request = OverviewRequest {
        status: args.status.clone(),
        operation,
        since: args.since,
        document: args.document.clone(),
        limit: args.limit,
        cursor: None,
    };
    let is_stdout = args.html == Path::new("-");
    let path = &args.html;
    if !is_stdout && !args.overwrite && path.exists() {
        return Err(Error::new(
            Kind::FileAccess,
            format!("{} exists already.", path.display()),
            "Choose another name, or pass --overwrite.",
        ));
    }
    let overview = session.app.overview(&caller.owner.tenant, &request).await?;
    let about = if request.is_filtered() { "a selection of the jobs recorded here" } else { "the jobs recorded here" };
    let newest = overview.jobs.get(..DETAILS_MAX).unwrap_or(&overview.jobs);
    let details = session.app.recorded_details(&caller.owner.tenant, newest).await?;
    let html = page::report(&overview, &details, about, &rfc3339(now()));
    let shown = overview.jobs.len();
    let data = json!({"status": "success", "path": (!is_stdout).then(|| path.display().to_string()), "items": overview.jobs, "total": overview.total});
    if is_stdout {
        return Ok(Report { summary: counted(shown as i64, "job"), text: Some(html), data, ..Report::default() });
    }
    write(path, &html).map_err(|error| {
        Error::new(
            Kind::FileAccess,
            format!("{} cannot be written: {}.", path.display(), error.kind()),
            "Choose another place.",
        )
    })?;
    Ok(Report::line(format!("{} in {}", counted(shown as i64, "job"), path.display()), data))
}

/// Writes a file beside the one that is asked for and puts it in its place, so that no reader sees half of it.
fn write(path: &Path, html: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    beside.write_all(html.as_bytes())?;
    beside.as_file().sync_all()?;
    beside.persist(path).map(drop).map_err(|error| error.error)
}
