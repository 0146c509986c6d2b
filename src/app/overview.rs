//! A caller's jobs at a glance, from the ledger alone.
//!
//! [`App::overview`] never asks the service, so that a page may read it again and again for free, and holds no links,
//! which are secrets.

use super::{App, JobView, rfc3339};
use crate::clock::now;
use crate::error::Result;
use crate::jobs::{IntentId, Job, Source};
use crate::tenant::Tenant;

/// Rows of the spending summary that are read to find those of today: more than there are operations.
const SPENDING_ROWS: u32 = 500;

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
}

/// One job at a glance.
#[derive(Clone, Debug)]
pub struct Glance {
    /// Our own id: it never changes.
    pub intent_id: IntentId,
    /// The id to use.
    pub job_id: String,
    /// Catalog name; none for a job first seen by its id.
    pub operation: Option<String>,
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
#[derive(Clone, Debug)]
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
    pub async fn overview(&self, tenant: &Tenant, limit: u32, cursor: Option<&str>) -> Result<Overview> {
        let ledger = self.jobs.ledger();
        let at = now();
        let page = ledger.list(tenant, None, limit, cursor).await?;
        let balance = ledger.last_balance(tenant).await?;
        let spent_today = self.spent_today(tenant).await?;
        Ok(Overview {
            jobs: page.jobs.iter().map(|job| Glance::new(job, at)).collect(),
            total: page.total,
            next_cursor: page.next_cursor,
            balance: balance.map(|(credits, reported_at)| (credits, rfc3339(reported_at))),
            spent_today,
        })
    }
}

impl App {
    /// Credits that this ledger saw the tenant spend today (UTC).
    pub(super) async fn spent_today(&self, tenant: &Tenant) -> Result<i64> {
        let time = rfc3339(now());
        let today = time.split('T').next().unwrap_or_default();
        let spending = self.jobs.ledger().spending(tenant, SPENDING_ROWS).await?;
        Ok(spending.iter().filter(|row| row.day == today).map(|row| row.credits).sum())
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
