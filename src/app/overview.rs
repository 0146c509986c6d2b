//! A caller's jobs at a glance, from the ledger alone.
//!
//! [`App::overview`] never asks the service, so that a page may read it again and again for free, and holds no links,
//! which are secrets.

use serde::Serialize;
use serde_json::Value;

use super::jobs::document_of;
use super::{App, JobView, rfc3339};
use crate::clock::{Millis, now};
use crate::error::{Error, Result};
use crate::files::TextPage;
pub use crate::jobs::ledger::Spending;
use crate::jobs::ledger::{Filter, RUNNING};
use crate::jobs::{IntentId, Job, JobStatus, Source};
use crate::next_step::Audience;
use crate::tenant::Tenant;

/// Rows of the spending summary that are read to find those of today: more than there are operations.
const SPENDING_ROWS: u32 = 500;
/// Characters of a result's text on the page of a job.
const PREVIEW_CHARS: u64 = 4_000;
/// Longest part of a document's name that is searched for, in characters.
const DOCUMENT_CHARS_MAX: usize = 200;

/// Which jobs an overview shows.
#[derive(Clone, Debug, Default)]
pub struct OverviewRequest {
    /// Only jobs in this state; `running` for all that are not terminal.
    pub status: Option<String>,
    /// Only jobs of this operation, by its catalog name.
    pub operation: Option<String>,
    /// Only jobs submitted at or after this time.
    pub since: Option<Millis>,
    /// Only jobs whose request holds this text, such as the name of a document.
    pub document: Option<String>,
    /// Most jobs.
    pub limit: u32,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// The words that [`OverviewRequest::status`] takes.
pub fn states() -> impl Iterator<Item = &'static str> {
    std::iter::once(RUNNING).chain(JobStatus::WORDS)
}

impl OverviewRequest {
    /// Whether it leaves anything out.
    pub fn is_filtered(&self) -> bool {
        self.status.is_some() || self.operation.is_some() || self.since.is_some() || self.document.is_some()
    }

    fn filter(&self) -> Result<Filter> {
        if let Some(status) = self.status.as_deref().filter(|word| *word != RUNNING && !JobStatus::WORDS.contains(word))
        {
            return Err(Error::invalid(
                format!("There is no state `{}`.", crate::text::shorten(status, 40)),
                format!("It is {RUNNING}, or one of {}.", JobStatus::WORDS.join(", ")),
            ));
        }
        if self.document.as_ref().is_some_and(|text| text.chars().count() > DOCUMENT_CHARS_MAX) {
            return Err(Error::invalid(
                "The text to search for is too long.",
                format!("It has at most {DOCUMENT_CHARS_MAX} characters."),
            ));
        }
        Ok(Filter {
            status: self.status.clone(),
            since: self.since,
            operation: self.operation.clone(),
            document: self.document.clone(),
        })
    }
}

/// One page of a caller's jobs, and what is known of the account.
#[derive(Clone, Debug)]
pub struct Overview {
    /// Newest first.
    pub jobs: Vec<Glance>,
    /// Jobs in all.
    pub total: i64,
    /// Where the next page starts, if there is one.
    pub next_cursor: Option<String>,
    /// The balance that was reported last, and when (RFC 3339).
    pub balance: Option<(i64, String)>,
    /// Credits that this ledger saw the caller spend today (UTC).
    pub spent_today: i64,
    /// What was spent, by day and operation, newest day first.
    pub spending: Vec<Spending>,
    /// Why nothing can be paid for now, and what to do: the ledger cannot be written.
    pub problem: Option<(String, String)>,
}

/// One job with all that is recorded of it.
#[derive(Clone, Debug)]
pub struct JobDetails {
    /// What a list shows of it.
    pub glance: Glance,
    /// What was asked, without secrets.
    pub arguments: Value,
    /// What happened and when (RFC 3339), in order.
    pub timeline: Vec<(String, String)>,
    /// Credits reported for the submit.
    pub submit_credits: Option<i64>,
    /// Credits reported for its checks together.
    pub check_credits: Option<i64>,
    /// The balance that was reported beside it last.
    pub balance: Option<i64>,
    /// Pages, as reported by the service.
    pub page_count: Option<i64>,
    /// The caller's own id for the request.
    pub client_request_id: Option<String>,
    /// The start of its text, where it is text that can be read for nothing.
    pub preview: Option<TextPage>,
    /// Whether its files can be fetched still.
    pub has_links: bool,
}

/// One job at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct Glance {
    /// Our own id: it never changes.
    pub intent_id: IntentId,
    /// The id to use.
    pub job_id: String,
    /// Catalog name; none for a job first seen by its id.
    pub operation: Option<String>,
    /// Name of the document that it works on.
    pub document: Option<String>,
    /// Its state.
    pub status: String,
    /// The service's own word, when it is one never seen before.
    pub unrecognized_status: Option<String>,
    /// Whether nothing more is expected.
    pub is_terminal: bool,
    /// RFC 3339.
    pub submitted_at: String,
    /// Since the submit, until the end or now.
    pub elapsed_seconds: f64,
    /// RFC 3339; none when it was never checked.
    pub last_checked_at: Option<String>,
    /// Paid checks so far.
    pub checks_made: i64,
    /// All credits reported for it.
    pub credits_total: Option<i64>,
    /// Why it did not succeed, or why that is uncertain.
    pub reason: Option<String>,
    /// Files of its result.
    pub files: Vec<FileGlance>,
}

/// One file of a result: no link.
#[derive(Clone, Debug, Serialize)]
pub struct FileGlance {
    /// File name.
    pub name: String,
    /// Where it was saved.
    pub saved_to: Option<String>,
}

impl App {
    /// One page of the caller's jobs as the ledger has them.
    ///
    /// # Errors
    /// `invalid_argument` for a cursor that is none of ours; `internal` when the ledger cannot be read.
    pub async fn overview(&self, tenant: &Tenant, request: &OverviewRequest) -> Result<Overview> {
        let ledger = self.jobs.ledger();
        let at = now();
        let page = ledger.search(tenant, &request.filter()?, request.limit, request.cursor.as_deref()).await?;
        let balance = ledger.last_balance(tenant).await?;
        let spending = ledger.spending(tenant, SPENDING_ROWS).await?;
        Ok(Overview {
            jobs: page.jobs.iter().map(|job| Glance::new(job, at)).collect(),
            total: page.total,
            next_cursor: page.next_cursor,
            balance: balance.map(|(credits, reported_at)| (credits, rfc3339(reported_at))),
            spent_today: of_today(&spending),
            spending,
            problem: ledger
                .problem()
                .map(|problem| (problem.message().to_owned(), problem.hint().text(Audience::Page))),
        })
    }

    /// All that is recorded of one job, and the start of its text; nothing when the tenant has no such job. Makes no
    /// check and costs nothing.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn job_details(&self, tenant: &Tenant, job_id: &str) -> Result<Option<JobDetails>> {
        let Some(job) = self.jobs.ledger().get(tenant, job_id).await? else { return Ok(None) };
        let preview = self.preview(&job, PREVIEW_CHARS).await;
        Ok(Some(JobDetails { preview, ..JobDetails::recorded(job) }))
    }

    /// All that is recorded of these jobs, without their texts. Nothing is asked for anywhere else.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn recorded_details(&self, tenant: &Tenant, jobs: &[Glance]) -> Result<Vec<JobDetails>> {
        let mut found = Vec::with_capacity(jobs.len());
        for job in jobs {
            let row = self.jobs.ledger().get(tenant, job.intent_id.as_str()).await?;
            found.extend(row.map(JobDetails::recorded));
        }
        Ok(found)
    }
}

impl JobDetails {
    fn recorded(job: Job) -> JobDetails {
        let at = now();
        JobDetails {
            glance: Glance::new(&job, at),
            timeline: timeline(&job),
            submit_credits: job.submit_credits,
            check_credits: job.check_credits,
            balance: job.credits_remaining,
            page_count: job.page_count,
            client_request_id: job.client_request_id.clone(),
            preview: None,
            has_links: job.status == JobStatus::Success && !job.links_expired(at),
            arguments: job.arguments,
        }
    }
}

/// What happened to a job and when, as far as it is recorded.
fn timeline(job: &Job) -> Vec<(String, String)> {
    let by_whom = if job.is_from_callback { ", reported by the service" } else { "" };
    let steps = [
        (Some(job.created_at), "written down".to_owned()),
        (job.submitted_at, "sent to the service".to_owned()),
        // A job whose first answer was its end was never seen at work.
        (job.started_at.filter(|at| Some(*at) != job.completed_at), "first seen at work".to_owned()),
        (job.completed_at, format!("ended: {}{by_whom}", job.status.as_str())),
    ];
    let mut events: Vec<(Millis, String)> = steps.into_iter().filter_map(|(at, what)| Some((at?, what))).collect();
    let recorded = job.check_times.len();
    // Of a job that an earlier version checked first, and of one that was checked very often, not every time is known.
    let unrecorded = job.checks_made.saturating_sub(i64::try_from(recorded).unwrap_or(i64::MAX)).max(0);
    let are_first = job.check_times.last().is_some_and(|last| job.last_checked_at == Some(*last));
    let before = if are_first { unrecorded } else { 0 };
    let numbered = job.check_times.iter().zip(before.saturating_add(1)..);
    events.extend(numbered.map(|(at, number)| (*at, format!("check {number} was answered"))));
    if let Some(at) = job.last_checked_at.filter(|_| unrecorded > 0 && !are_first) {
        let what = match (recorded, job.checks_made) {
            (0, 1) => "the only check was answered".to_owned(),
            (_, made) => format!("the last of {made} checks was answered"),
        };
        events.push((at, what));
    }
    // Of what happened at once, the end comes last.
    events.sort_by_key(|(at, what)| (*at, what.starts_with("ended")));
    events.into_iter().map(|(at, what)| (rfc3339(at), what)).collect()
}

/// Credits of the rows of today (UTC).
fn of_today(spending: &[Spending]) -> i64 {
    let time = rfc3339(now());
    let today = time.split('T').next().unwrap_or_default();
    spending.iter().filter(|row| row.day == today).map(|row| row.credits).sum()
}

impl App {
    /// Credits that this ledger saw the tenant spend today (UTC).
    pub(super) async fn spent_today(&self, tenant: &Tenant) -> Result<i64> {
        Ok(of_today(&self.jobs.ledger().spending(tenant, SPENDING_ROWS).await?))
    }
}

impl Glance {
    fn new(job: &Job, at: i64) -> Glance {
        let view = JobView::new(job, Source::Cache, 0.0, at);
        // Where a result was saved is known for longer than the links live.
        let files = if view.outputs.is_empty() {
            job.saved_to.iter().map(|path| FileGlance { name: last_part(path), saved_to: Some(path.clone()) }).collect()
        } else {
            view.outputs.into_iter().map(|file| FileGlance { name: file.name, saved_to: file.saved_to }).collect()
        };
        Glance {
            intent_id: job.intent_id.clone(),
            job_id: view.job_id,
            operation: view.operation,
            document: document_of(job),
            status: job.status.as_str().to_owned(),
            unrecognized_status: view.unrecognized_status,
            is_terminal: view.is_terminal,
            submitted_at: rfc3339(job.submitted_at.unwrap_or(job.created_at)),
            elapsed_seconds: job.elapsed_seconds(at),
            last_checked_at: job.last_checked_at.map(rfc3339),
            checks_made: view.checks_made,
            credits_total: view.credits_total,
            reason: job.reason(),
            files,
        }
    }
}

fn last_part(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}
