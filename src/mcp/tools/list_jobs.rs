//! `list_jobs`: lists the jobs of the record. Free.

use std::sync::Arc;

use const_format::concatcp;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::declaration::{Handler, JobTool, LOCAL, Shape, parse};
use crate::answer::Answer;
use crate::app::{ANSWER_CHARS_MAX, App, Caller, JobList, LIST_DEFAULT, ListRequest};
use crate::catalog::{Param, ParamKind};
use crate::clock::{Millis, now, start_of_day};
use crate::error::{Error, Result};
#[cfg(test)]
use crate::jobs::JobStatus;
use crate::text::shorten;

const JOBS_MAX: u32 = 100;
/// Longest list of jobs in an answer, in characters of JSON.
const LIST_CHARS_MAX: usize = ANSWER_CHARS_MAX * 4 / 5;

const STATUS: Param = Param::new(
    "status",
    ParamKind::Choice(&["running", "queued", "working", "success", "failed", "aborted", "unknown", "cancelled"]),
    "`running`: all that have not ended.",
);
const SINCE: Param = Param::new(
    "since",
    ParamKind::Text,
    "Only jobs submitted since, e.g. `2026-11-30` or an age such as `2h` or `7 days`.",
);
const LIMIT: Param = Param::new("limit", ParamKind::Integer { min: 1, max: JOBS_MAX as i64 }, "Jobs on a page.")
    .default(concatcp!(LIST_DEFAULT));
const CURSOR: Param = Param::new("cursor", ParamKind::Text, "next_cursor of the previous page.");

/// The tool.
pub static TOOL: JobTool = JobTool {
    name: "list_jobs",
    aliases: &["jobs_list"],
    title: "List jobs",
    description: "List your jobs, newest first, with document, state, times and credits. Use it to find a job_id \
        again, also after a restart. Free: it reads the server's own record, so a job listed as `working` may have \
        ended since its last check; get_job_check asks PDF.co. content has items, total, spent_today (UTC) and \
        next_cursor (null on the last page).",
    params: &[STATUS, SINCE, LIMIT, CURSOR],
    not_read_only: &[],
    hints: LOCAL,
    spends_or_writes: false,
    submits: false,
    takes_tasks: false,
    shape: Shape::Structured,
    handler: Handler::Keyed(run),
};

#[derive(Deserialize)]
struct Arguments {
    status: Option<String>,
    since: Option<String>,
    limit: u32,
    cursor: Option<String>,
}

fn run<'a>(app: &'a Arc<App>, caller: &'a Caller, given: Map<String, Value>) -> BoxFuture<'a, Result<Answer>> {
    async move {
        let Arguments { status, since, limit, cursor } = parse(TOOL.name, TOOL.params.iter(), given)?;
        let since = since.map(|text| instant(&text, now())).transpose()?;
        let request = ListRequest { status, since, limit, cursor };
        page_that_fits(app, caller, request).await.map(Answer::from)
    }
    .boxed()
}

/// The page that was asked for, or a shorter one where that is too long for an answer: its cursor leads on from there.
async fn page_that_fits(app: &App, caller: &Caller, mut request: ListRequest) -> Result<JobList> {
    loop {
        let list = app.list(caller, &request).await?;
        let chars = serde_json::to_string(&list.items).map_or(0, |text| text.chars().count());
        if chars <= LIST_CHARS_MAX || request.limit == 1 {
            return Ok(list);
        }
        let fitting = (request.limit as usize).min(list.items.len()) * LIST_CHARS_MAX / chars;
        request.limit = u32::try_from(fitting).unwrap_or(1).clamp(1, request.limit - 1);
    }
}

/// The time that a caller means, in milliseconds: a time, a day in UTC, or an age before `now`.
fn instant(text: &str, now: Millis) -> Result<Millis> {
    let text = text.trim();
    let today = start_of_day(now);
    match text.to_ascii_lowercase().as_str() {
        "today" => return Ok(today),
        "yesterday" => return Ok(start_of_day(today.saturating_sub(1))),
        _ => {}
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let day = text.parse::<jiff::civil::Date>().and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC));
    if let Ok(day) = day {
        return Ok(day.timestamp().as_millisecond());
    }
    let age = text
        .parse::<jiff::Span>()
        .and_then(|age| age.total((jiff::Unit::Millisecond, jiff::SpanRelativeTo::days_are_24_hours())));
    match age {
        Ok(age) => Ok(now.saturating_sub(age.abs() as Millis)),
        Err(_) => Err(Error::invalid(
            format!("`since` cannot be `{}`.", shorten(text, 40)),
            "It takes a day or time in UTC such as 2026-11-30 or 2026-11-30T08:00:00Z, or an age such as 2h or 7 days.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_takes_times_days_and_ages() {
        const NOW: Millis = 1_764_500_000_000;
        for (text, expected) in [
            ("1970-01-02", Some(86_400_000)),
            ("1970-01-01T00:00:01Z", Some(1_000)),
            (" 2h ", Some(NOW - 7_200_000)),
            ("7 days", Some(NOW - 7 * 86_400_000)),
            ("90 min", Some(NOW - 5_400_000)),
            ("today", Some(NOW - NOW % 86_400_000)),
            ("Yesterday", Some(NOW - NOW % 86_400_000 - 86_400_000)),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(instant(text, NOW).ok(), expected, "{text}");
        }
    }

    #[test]
    fn every_state_can_be_asked_for() {
        let ParamKind::Choice(words) = STATUS.kind else { panic!("a choice") };
        assert!(JobStatus::WORDS.iter().all(|word| words.contains(word)));
    }
}
