//! Live answers on their way into the rows of their jobs: one transaction for all that wait for the writer.
//!
//! What lives here: [`Observations`], where answers stand in line, and the statement that writes them (group commit).
//! Each answer is told of only when it is in the file. What never does: what an answer means for waiters.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::LazyLock;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::group::{Group, Sized, Waiting};
use super::spending::day;
use super::store::Store;
use super::{failed, job};
use crate::error::{Error, Result};
use crate::jobs::job::{Job, Observation};

/// Parameters of one answer.
const PARAMETERS: usize = 13;

static STATEMENT: LazyLock<Sized> = LazyLock::new(|| Sized::new(statement));

/// A job's intention, and what was seen of it.
type Answer = (String, Observation);

/// See the head of this file.
#[derive(Default)]
pub(super) struct Observations(Group<Answer, Result<Job>>);

impl Observations {
    /// Puts an answer into its job's row, and the credits of a paid look onto the day's spending: both or neither. The
    /// row says afterwards what is true.
    ///
    /// Whoever calls this must not be dropped on the way: others may wait for what it writes.
    pub(super) async fn write(&self, store: &Store, intent_id: &str, seen: &Observation) -> Result<Job> {
        // Of one job, one at a time: each is judged by what the one before left behind.
        let one_of_each_job = || {
            let mut jobs = HashSet::new();
            move |(intent_id, _): &Answer| jobs.insert(intent_id.clone())
        };
        let written = self.0.ask((intent_id.to_owned(), seen.clone()), one_of_each_job, |group| write(store, group));
        let lost = || Err(Error::internal("An answer got lost on its way into the ledger."));
        written.await.unwrap_or_else(lost)
    }
}

async fn write(store: &Store, group: Vec<Waiting<Answer, Result<Job>>>) {
    let (text, rows) = STATEMENT.at_least(group.len());
    let mut query = sqlx::query(text);
    for one in &group {
        let (intent_id, seen) = &one.asked;
        query = query
            .bind(intent_id)
            .bind(seen.status.as_str())
            .bind(seen.status.unrecognized())
            .bind(seen.content.to_string())
            .bind(seen.links_expire_at())
            .bind(seen.at)
            .bind(seen.status.is_terminal())
            .bind(seen.job_duration_ms())
            .bind(seen.page_count())
            .bind(i64::from(seen.is_check))
            .bind(seen.credits)
            .bind(seen.credits_remaining)
            .bind(day(seen.at));
    }
    // The rest of the statement's rows belong to no job.
    for _ in group.len() * PARAMETERS..rows * PARAMETERS {
        query = query.bind(None::<i64>);
    }
    let written = query.fetch_all(store).await.map_err(failed);
    for one in group {
        let row = match &written {
            Ok(rows) => {
                let is_its = |row: &&SqliteRow| row.try_get::<&str, _>("intent_id").is_ok_and(|id| id == one.asked.0);
                rows.iter().find(is_its).ok_or_else(|| failed(sqlx::Error::RowNotFound))
            }
            Err(error) => Err(error.share()),
        };
        let job = row.and_then(job);
        one.answer(job);
    }
}

/// The text that writes `size` answers. A look at a job whose row is gone was paid for all the same: it counts for the
/// day, as nobody's. The same rule as `JobStatus::may_become`, in one statement, so that it holds
/// between processes. A repeated success refreshes the content: its links are newer.
fn statement(size: usize) -> String {
    let (mut seen, mut paid) = (String::new(), String::new());
    for row in 0..size {
        let comma = if row == 0 { "" } else { ", " };
        let at = |parameter: usize| format!("${}", row * PARAMETERS + parameter);
        let _ = write!(seen, "{comma}({})", (1..=12).map(at).collect::<Vec<_>>().join(", "));
        let _ = write!(paid, "{comma}({}, {}, {}, {})", at(1), at(13), at(10), at(11));
    }
    format!(
        "BEGIN IMMEDIATE;
         WITH paid (id, day, is_check, credits) AS (VALUES {paid})
         INSERT INTO spending (day, caller, operation, requests, credits)
             SELECT day, COALESCE(jobs.caller, '') AS whose, 'job_check', COUNT(*), SUM(credits)
             FROM paid LEFT JOIN jobs ON jobs.intent_id = paid.id
             WHERE is_check = 1 AND credits IS NOT NULL GROUP BY day, whose
         ON CONFLICT (day, caller, operation) DO UPDATE SET
             requests = spending.requests + excluded.requests, credits = spending.credits + excluded.credits;
         WITH seen (id, word, unrecognized, body, links_till, at, is_end, duration, pages, is_check, paid, remaining)
             AS (VALUES {seen}),
         rule AS (
             SELECT seen.*,
                    (jobs.status NOT IN ('success', 'failed', 'aborted', 'cancelled') AND word <> 'queued'
                     OR (jobs.status = 'cancelled' AND word IN ('success', 'failed', 'aborted'))) AS moves
             FROM seen JOIN jobs ON jobs.intent_id = seen.id)
         UPDATE jobs SET
             status = CASE WHEN moves THEN word ELSE status END,
             unrecognized_status = CASE WHEN moves THEN unrecognized ELSE unrecognized_status END,
             content = CASE WHEN moves OR status = word THEN body ELSE content END,
             links_expire_at = CASE WHEN (moves OR status = word) AND word = 'success' THEN links_till ELSE links_expire_at END,
             started_at = COALESCE(started_at, CASE WHEN word NOT IN ('unknown', 'queued') THEN at END),
             completed_at = CASE WHEN NOT moves THEN completed_at WHEN is_end THEN at END,
             job_duration_ms = COALESCE(duration, job_duration_ms),
             page_count = COALESCE(pages, page_count),
             last_checked_at = CASE WHEN last_checked_at IS NULL OR last_checked_at < at THEN at ELSE last_checked_at END,
             checks_made = checks_made + is_check,
             check_credits = CASE WHEN paid IS NULL OR (is_check = 0 AND NOT moves) THEN check_credits ELSE COALESCE(check_credits, 0) + paid END,
             credits_remaining = COALESCE(remaining, credits_remaining),
             problem = CASE WHEN moves THEN NULL ELSE problem END,
             changed_at = at, lease_holder = NULL, lease_until = NULL,
             told_by = CASE WHEN moves THEN CASE WHEN is_check = 0 THEN 'callback' ELSE 'check' END ELSE told_by END
         FROM rule WHERE jobs.intent_id = rule.id RETURNING *;
         COMMIT"
    )
}
