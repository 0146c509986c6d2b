//! Single checks of jobs, their list, and the end of tracking.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Answer, App, Caller, or_cancelled, rfc3339, round_seconds};
use crate::catalog::arguments::documents;
use crate::catalog::{Operation, Param, ParamKind};
use crate::charge::Charge;
use crate::clock::Millis;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::jobs::ledger::{Filter, RUNNING};
use crate::jobs::{Job, JobId, JobStatus, Source};
use crate::next_step::NextStep;

/// Jobs of one page of a list when a call says nothing.
pub const LIST_DEFAULT: u32 = 20;

/// Longest document name in a list, in characters.
const DOCUMENT_CHARS_MAX: usize = 200;

/// Which jobs to list.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// Only jobs in this state; `running` for all that are not terminal.
    pub status: Option<String>,
    /// Only jobs submitted at or after this time, in milliseconds.
    pub since: Option<i64>,
    /// Most jobs on the page.
    pub limit: u32,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Default for ListRequest {
    fn default() -> ListRequest {
        ListRequest { status: None, since: None, limit: LIST_DEFAULT, cursor: None }
    }
}

/// One page of the caller's jobs.
#[derive(Clone, Debug, Serialize)]
pub struct JobList {
    /// Newest first.
    pub items: Vec<JobSummary>,
    /// Jobs in all that match.
    pub total: i64,
    /// Where the next page starts, if there is one.
    pub next_cursor: Option<String>,
    /// Credits that this ledger saw spent today (UTC), uploads and checks included.
    pub spent_today: i64,
    /// The newest balance that the account reported.
    #[serde(skip)]
    pub credits_remaining: Option<i64>,
}

/// One job in a list.
#[derive(Clone, Debug, Serialize)]
pub struct JobSummary {
    /// The id to use.
    pub job_id: String,
    /// Its state.
    pub status: JobStatus,
    /// Catalog name; none for a job first seen by its id.
    pub operation: Option<String>,
    /// Name of the document that it works on, and how many more there are: `a.pdf`, `a.pdf +2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// RFC 3339.
    pub submitted_at: Option<String>,
    /// RFC 3339.
    pub completed_at: Option<String>,
    /// All credits reported for it.
    pub credits_total: Option<i64>,
    /// When the intent was recorded.
    #[serde(skip)]
    pub created_at: Millis,
}

impl From<&Job> for JobSummary {
    fn from(job: &Job) -> JobSummary {
        JobSummary {
            job_id: job.id().to_owned(),
            status: job.status.clone(),
            operation: (!job.operation.is_empty()).then(|| job.operation.clone()),
            document: document_of(job).map(|name| crate::text::shorten(&name, DOCUMENT_CHARS_MAX)),
            submitted_at: job.submitted_at.or(Some(job.created_at)).map(rfc3339),
            completed_at: job.completed_at.map(rfc3339),
            credits_total: job.credits_total(),
            created_at: job.created_at,
        }
    }
}

impl JobSummary {
    /// A job of which nothing but its id is known.
    pub fn unknown_here(job_id: String) -> JobSummary {
        JobSummary {
            job_id,
            status: JobStatus::Working,
            operation: None,
            document: None,
            submitted_at: None,
            completed_at: None,
            credits_total: None,
            created_at: crate::clock::now(),
        }
    }
}

/// The last part of the first document's path or link, and the number of further documents.
pub(super) fn document_of(job: &Job) -> Option<String> {
    source_name(job.operation()?, &job.arguments)
}

/// The same of an operation's arguments, as the ledger keeps them.
pub(super) fn source_name(operation: &Operation, arguments: &Value) -> Option<String> {
    let is_source = |param: &&Param| matches!(param.kind, ParamKind::Source | ParamKind::Sources);
    let source = operation.params().find(is_source)?;
    // A comma is a part of the link where an operation takes one document.
    let named = documents(arguments.get(source.wire)?, source.kind == ParamKind::Sources)?;
    let first = named.first()?;
    let path = first.split(['?', '#']).next().unwrap_or(first).trim_end_matches('/');
    let last = path.rsplit(['/', '\\']).next().filter(|last| !last.is_empty())?;
    let name = percent_encoding::percent_decode_str(last).decode_utf8_lossy();
    Some(match named.len() {
        1 => name.into_owned(),
        count => format!("{name} +{}", count.saturating_sub(1)),
    })
}

impl From<JobList> for Answer {
    fn from(list: JobList) -> Answer {
        let is_empty = list.items.is_empty();
        let charge = Charge::new(None, list.credits_remaining);
        let mut answer = Answer::success(list, charge);
        answer.untrusted = !is_empty;
        if is_empty {
            answer.tips = Some(hint![
                "No job matches. Jobs of other keys and of other ledgers are not listed; ",
                NextStep::Submit,
                " starts one."
            ]);
        }
        answer
    }
}

impl App {
    /// Checks a job once.
    ///
    /// # Errors
    /// As `Jobs::check`.
    pub async fn check(&self, caller: &Caller, job_id: &str, force: bool) -> Result<Answer> {
        let job_id = JobId::parse(job_id)?;
        let checked = or_cancelled(&caller.cancel, self.jobs.check(&caller.owner, &job_id, force)).await?;
        let mut answer = self.job_answer(&checked.job, checked.source, checked.charge);
        let retry_after = checked.retry_after.map(round_seconds);
        if let Some(view) = &mut answer.job {
            view.retry_after_seconds = retry_after;
        }
        answer.tips = self.tips_about(&checked.job, retry_after);
        self.show_result(&checked.job, &mut answer).await;
        if checked.is_first_sight && checked.job.status == JobStatus::Working {
            doubt_the_id(&mut answer);
        }
        Ok(self.finish(caller, answer).await)
    }

    /// The caller's jobs, newest first.
    ///
    /// # Errors
    /// `invalid_argument` for a state that is none, or a cursor that is none of ours.
    pub async fn list(&self, caller: &Caller, request: &ListRequest) -> Result<JobList> {
        let status = request.status.as_deref();
        if let Some(status) = status
            && status != RUNNING
            && !JobStatus::WORDS.contains(&status)
        {
            return Err(Error::invalid(
                format!("`status` cannot be `{}`.", crate::text::shorten(status, 40)),
                format!("Use {RUNNING}, {}.", JobStatus::WORDS.join(", ")),
            ));
        }
        let (ledger, tenant) = (self.jobs.ledger(), &caller.owner.tenant);
        let filter = Filter { status: request.status.clone(), since: request.since, ..Filter::default() };
        let page = ledger.search(tenant, &filter, request.limit, request.cursor.as_deref()).await?;
        let items = page.jobs.iter().map(JobSummary::from).collect();
        let spent_today = self.spent_today(tenant).await?;
        let credits_remaining = self.newest_balance(&caller.owner).await;
        Ok(JobList { items, total: page.total, next_cursor: page.next_cursor, spent_today, credits_remaining })
    }

    /// Stops tracking a job: `cancelled`, `already_terminal` or `not_found`, all of them answers.
    ///
    /// # Errors
    /// `invalid_argument` for an id that cannot be one.
    pub async fn cancel(&self, caller: &Caller, job_id: &str) -> Result<Answer> {
        let not_found = async || {
            let hint = crate::jobs::unknown_job(job_id).hint().clone();
            let answer = Answer::new(JobStatus::Unknown, json!({"outcome": "not_found"}), Charge::NONE);
            Ok(self.finish(caller, answer.with_tips(hint)).await)
        };
        let (job, changed) = match self.jobs.cancel(&caller.owner, &JobId::parse(job_id)?).await {
            Ok((job, _)) if job.status == JobStatus::Unknown && job.operation.is_empty() => return not_found().await,
            Ok(outcome) => outcome,
            Err(error) if error.kind() == Kind::NotFound => return not_found().await,
            Err(error) => return Err(error),
        };
        let outcome = if changed { "cancelled" } else { "already_terminal" };
        let mut answer = self.job_answer(&job, Source::Cache, Charge::NONE);
        answer.content = json!({"outcome": outcome});
        Ok(self.finish(caller, answer).await)
    }
}

/// Says of a job of unknown origin that `working` proves nothing.
pub(super) fn doubt_the_id(answer: &mut Answer) {
    answer.add_tip("This id was not submitted from here; the service also says `working` for ids that do not exist.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::find;

    #[test]
    fn commas_separate_documents_only_where_several_are_taken() {
        for (operation, url, expected) in [
            ("pdf_to_text", json!("https://h.test/a.pdf"), Some("a.pdf")),
            ("pdf_to_text", json!("https://h.test/a, b.pdf?sig=1"), Some("a, b.pdf")),
            ("pdf_to_text", json!("https://h.test/x,https://h.test/y.pdf"), Some("y.pdf")),
            ("pdf_to_text", json!("/srv/in/a.pdf, b.pdf"), Some("a.pdf, b.pdf")),
            ("pdf_merge", json!("https://h.test/a.pdf"), Some("a.pdf")),
            ("pdf_merge", json!("https://h.test/a.pdf, https://h.test/b.pdf"), Some("a.pdf +1")),
            ("pdf_merge", json!(["https://h.test/a%20b.pdf", "/srv/c.pdf", "d.pdf"]), Some("a b.pdf +2")),
            ("pdf_merge", json!([]), None),
            ("account_balance", json!("a.pdf"), None),
        ] {
            let named = source_name(find(operation).unwrap(), &json!({"url": url}));
            assert_eq!(named.as_deref(), expected, "{operation} {url}");
        }
    }
}
