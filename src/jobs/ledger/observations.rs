//! Live answers on their way into the rows of their jobs: one transaction for all that wait for the writer.
//!
//! What lives here: [`Observations`], where answers stand in line, and the statement that writes them. A commit takes
//! longer than the rows in it, so whoever comes while one is under way goes in with the next (group commit). Each
//! answer is told of only when it is in the file. What never does: what an answer means for waiters.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqlSafeStr, SqlStr};
use tokio::sync::{Mutex as Turn, oneshot};

use super::store::Store;
use super::{day, failed, job};
use crate::error::{Error, Result};
use crate::jobs::job::{Job, Observation};

/// How many answers one transaction takes: the statement is prepared once for each of these sizes.
const SIZES: [usize; 3] = [1, 8, 32];
const SIZE_MAX: usize = 32;
/// Parameters of one answer.
const PARAMETERS: usize = 13;

/// The statements of [`SIZES`].
static STATEMENTS: LazyLock<[SqlStr; SIZES.len()]> =
    LazyLock::new(|| SIZES.map(|size| AssertSqlSafe(statement(size)).into_sql_str()));

/// See the head of this file.
#[derive(Default)]
pub(super) struct Observations {
    waiting: Mutex<Vec<Waiting>>,
    /// Whoever has the turn writes for all that wait.
    turn: Turn<()>,
}

/// An answer that stands in line.
struct Waiting {
    intent_id: String,
    seen: Observation,
    written: oneshot::Sender<Result<Job>>,
}

impl Observations {
    /// Puts an answer into its job's row, and the credits of a paid look onto the day's spending: both or neither. The
    /// row says afterwards what is true.
    ///
    /// Whoever calls this must not be dropped on the way: others may wait for what it writes.
    pub(super) async fn write(&self, store: &Store, intent_id: &str, seen: &Observation) -> Result<Job> {
        let (written, mut outcome) = oneshot::channel();
        self.lock().push(Waiting { intent_id: intent_id.to_owned(), seen: seen.clone(), written });
        loop {
            let turn = self.turn.lock().await;
            if let Ok(outcome) = outcome.try_recv() {
                return outcome;
            }
            let group = self.next_group();
            if group.is_empty() {
                return Err(Error::internal("An answer got lost on its way into the ledger."));
            }
            write_group(store, group).await;
            drop(turn);
        }
    }

    /// The next answers that go in together: of one job, one at a time, so that each is judged by what the one before
    /// left behind.
    fn next_group(&self) -> Vec<Waiting> {
        let mut waiting = self.lock();
        let mut jobs = HashSet::new();
        let mut taken = 0;
        let is_next = |one: &mut Waiting| {
            let fits = taken < SIZE_MAX && jobs.insert(one.intent_id.clone());
            taken += usize::from(fits);
            fits
        };
        waiting.extract_if(.., is_next).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write_group(store: &Store, group: Vec<Waiting>) {
    let size = SIZES.iter().position(|size| *size >= group.len()).unwrap_or(SIZES.len() - 1);
    let (Some(statement), Some(rows)) = (STATEMENTS.get(size), SIZES.get(size)) else { return };
    let mut query = sqlx::query(statement.clone());
    for one in &group {
        let seen = &one.seen;
        query = query
            .bind(&one.intent_id)
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
    match query.fetch_all(store).await {
        Ok(rows) => tell(group, &rows),
        Err(error) => {
            let error = failed(error);
            for one in group {
                let _ = one.written.send(Err(error.share()));
            }
        }
    }
}

/// Gives everybody the row of their job.
fn tell(group: Vec<Waiting>, rows: &[SqliteRow]) {
    for one in group {
        let is_its = |row: &&SqliteRow| row.try_get::<&str, _>("intent_id").is_ok_and(|id| id == one.intent_id);
        let outcome = match rows.iter().find(is_its) {
            Some(row) => job(row),
            None => Err(failed(sqlx::Error::RowNotFound)),
        };
        let _ = one.written.send(outcome);
    }
}

/// The text that writes `size` answers. The same rule as `JobStatus::may_become`, in one statement, so that it holds
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
             SELECT day, caller, 'job_check', COUNT(*), SUM(credits) FROM paid JOIN jobs ON jobs.intent_id = paid.id
             WHERE is_check = 1 AND credits IS NOT NULL GROUP BY day, caller
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
             started_at = COALESCE(started_at, CASE WHEN word <> 'unknown' THEN at END),
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
