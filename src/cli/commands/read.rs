//! `pdfco jobs read`: prints the text of a result.

use clap::Args;

use crate::app::{Caller, PAGE_MAX, ReadRequest};
use crate::cli::job_report::{self, job_of};
use crate::cli::job_selector::JobArg;
use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::error::Result;

/// Examples of `jobs read --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco jobs read --latest\n  pdfco jobs read 7F3A --offset 20000 --limit 20000\n  pdfco jobs read 7F3A --tail-lines 20";

/// Flags of `jobs read`.
#[derive(Clone, Debug, Args)]
pub struct ReadArgs {
    #[command(flatten)]
    job: JobArg,
    /// First character to print
    #[arg(long, value_name = "CHARS", default_value_t = 0)]
    offset: u64,
    /// Most characters to print. Default: all, or 20000 with --json
    #[arg(long, value_name = "CHARS", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Print the last lines instead
    #[arg(long, value_name = "N", conflicts_with = "offset")]
    tail_lines: Option<u64>,
    /// Which of several outputs, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    index: usize,
}

/// Prints all of the text, or the part that was asked for.
///
/// # Errors
/// As `App::read`.
pub async fn run(session: &CliSession, caller: &Caller, args: &ReadArgs) -> Result<Report> {
    let found = args.job.find(session, caller).await?;
    let id = found.id();
    if session.printer.is_human() && args.tail_lines.is_none() {
        let (text, next) = text_from(session, caller, id, args.offset, args.limit, args.index).await?;
        let notes =
            next.map(|next| session.how(&format!("pdfco jobs read {id} --offset {next}"))).into_iter().collect();
        return Ok(Report { text: Some(text), notes, ..Report::default() });
    }
    let limit = args.limit.or(args.tail_lines.map(|_| PAGE_MAX));
    let request = ReadRequest {
        offset: args.offset,
        limit,
        tail_lines: args.tail_lines,
        index: args.index,
        ..ReadRequest::of(id)
    };
    let answer = session.app.read(caller, &request).await?;
    let job = job_of(session, caller, &answer).await?;
    let text = answer.output.as_ref().map(|output| output.text.clone());
    let summary = format!("text of job {id}");
    Ok(Report { summary, data: job_report::data(&answer, &job), text, ..Report::default() })
}

/// The text of a result from character `offset`, at most `limit` characters, and the offset where it goes on, if it does.
///
/// # Errors
/// As `App::read`.
pub async fn text_from(
    session: &CliSession,
    caller: &Caller,
    id: &str,
    offset: u64,
    limit: Option<u64>,
    index: usize,
) -> Result<(String, Option<u64>)> {
    let (mut text, mut at, mut left) = (String::new(), offset, limit.unwrap_or(u64::MAX));
    while left > 0 {
        let page = ReadRequest { offset: at, limit: Some(left.min(PAGE_MAX)), index, ..ReadRequest::of(id) };
        let answer = session.app.read(caller, &page).await?;
        let Some(page) = answer.output else { return Ok((text, None)) };
        text.push_str(&page.text);
        match page.next_offset {
            Some(next) if next > at => (left, at) = (left.saturating_sub(next - at), next),
            _ => return Ok((text, None)),
        }
    }
    Ok((text, Some(at)))
}
