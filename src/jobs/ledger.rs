//! What we know about jobs, kept: the only room that knows SQL.
//!
//! What lives here: [`Ledger`], a narrow set of statements over one file that several processes share (WAL), opened on
//! first use. Transitions are monotonic in SQL, so that no order of answers, from whatever process, moves a job out of
//! an end. What never does: keys (fingerprints only), passwords, or links beyond their time. The SQL is portable
//! (`$1`, `RETURNING`, `ON CONFLICT`, times as integers).
//!
//! Here are the statements about jobs. Rooms of their own have: opening the file (`file.rs`) and what happens when it
//! fails (`store.rs`), tidying up (`prune.rs`), statements that wait and go together (`group.rs`, `lookups.rs`,
//! `observations.rs`), departures of requests, tasks, the pace, spending.
//!
//! A ledger whose file cannot be used, from the start or later, does not end the server: it is kept in memory, with one
//! warning (`ledger/store.rs`).

mod departures;
mod file;
mod group;
mod lookups;
mod observations;
mod pace;
mod prune;
mod spending;
mod store;
mod tasks;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use lookups::Lookups;
use observations::Observations;
use store::Store;

use super::job::{Job, Millis, Observation, without_links};
use super::status::JobStatus;
use crate::clock::now;
use crate::config::LedgerLocation;
use crate::error::{Error, Kind, Result};
use crate::jobs::polling::duration_model::DurationStats;
use crate::next_step::Audience;
use crate::tenant::Tenant;

pub use spending::Spending;

/// How long a process that checks a job holds its lease without renewing it (`check_service.rs` renews every 2 s): a
/// process that died keeps the others from checking for no longer than this.
const LEASE: Duration = Duration::from_secs(6);

/// A server that runs for days tidies up this often.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

/// A job that is about to be submitted.
#[derive(Debug)]
pub struct Intent<'a> {
    /// Ours, random.
    pub intent_id: &'a str,
    /// Whose job.
    pub tenant: &'a Tenant,
    /// Catalog name.
    pub operation: &'a str,
    /// Arguments without secrets.
    pub arguments: &'a Value,
    /// Hash of the whole request.
    pub request_hash: &'a str,
    /// The caller's own id, if any.
    pub client_request_id: Option<&'a str>,
    /// Hash of the callback's secret, if the service is asked to call back.
    pub callback_hash: Option<&'a str>,
    /// Now.
    pub at: Millis,
}

/// One page of jobs.
#[derive(Debug)]
pub struct Page {
    /// Newest first.
    pub jobs: Vec<Job>,
    /// How many there are in all that match.
    pub total: i64,
    /// Where the next page starts, if there is one.
    pub next_cursor: Option<String>,
}

/// The ledger: jobs of every tenant, in one file or in memory.
pub struct Ledger {
    place: LedgerLocation,
    keep: Duration,
    store: OnceCell<Store>,
    pruned_at: Mutex<Option<Instant>>,
    observations: Observations,
    lookups: Lookups,
}

impl Ledger {
    /// A ledger at `place` that forgets jobs older than `keep`. Nothing is opened yet.
    pub fn new(place: LedgerLocation, keep: Duration) -> Self {
        Ledger {
            place,
            keep,
            store: OnceCell::new(),
            pruned_at: Mutex::default(),
            observations: Observations::default(),
            lookups: Lookups::default(),
        }
    }

    async fn pool(&self) -> Result<&Store> {
        // What happens seldom is in a place of its own: this is part of every statement's future.
        let store = match self.store.get() {
            Some(store) => store,
            None => Box::pin(self.store.get_or_try_init(|| self.open())).await?,
        };
        if store.is_time_to_go_home() {
            Box::pin(store.go_home()).await;
        }
        if self.is_time_to_prune()
            && let Err(error) = Box::pin(prune::prune(store, now(), self.keep)).await
        {
            tracing::warn!(%error, "old jobs could not be removed from the ledger");
        }
        Ok(store)
    }

    async fn open(&self) -> Result<Store> {
        match &self.place {
            LedgerLocation::Memory => Store::memory().await,
            LedgerLocation::File(path) => Store::file(path).await,
        }
    }

    fn is_time_to_prune(&self) -> bool {
        let mut pruned_at = self.pruned_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = pruned_at.is_none_or(|at| at.elapsed() >= PRUNE_EVERY);
        if is_time {
            *pruned_at = Some(Instant::now());
        }
        is_time
    }

    /// Writes an intention, before the request leaves. Gives back the caller's earlier job when `client_request_id`
    /// was used before; then nothing is written.
    pub async fn intend(&self, intent: &Intent<'_>) -> Result<Option<Job>> {
        let written = sqlx::query(
            "INSERT INTO jobs (intent_id, caller, operation, arguments, request_hash, client_request_id, callback_hash, status, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', $8)
             ON CONFLICT DO NOTHING",
        )
        .bind(intent.intent_id)
        .bind(intent.tenant.as_str())
        .bind(intent.operation)
        .bind(intent.arguments.to_string())
        .bind(intent.request_hash)
        .bind(intent.client_request_id)
        .bind(intent.callback_hash)
        .bind(intent.at)
        .execute(self.pool().await?)
        .await
        .map_err(failed)?;
        if written.rows_affected() == 1 {
            return Ok(None);
        }
        let earlier = match intent.client_request_id {
            Some(id) => self.by_client_request_id(intent.tenant, id).await?,
            None => None,
        };
        match earlier {
            Some(job) => Ok(Some(job)),
            None => Err(Error::internal("The ledger refused a new job for no reason it would give.")),
        }
    }

    /// The service accepted the job as `job_id`.
    pub async fn accepted(
        &self,
        intent_id: &str,
        job_id: &str,
        content: &Value,
        credits: Option<i64>,
        remaining: Option<i64>,
        at: Millis,
    ) -> Result<Job> {
        let row = sqlx::query(
            "UPDATE jobs SET job_id = $2, submitted_at = $3, changed_at = $3, submit_credits = $4, credits_remaining = $5, problem = NULL,
                 content = CASE WHEN status = 'queued' THEN $6 ELSE content END
             WHERE intent_id = $1 RETURNING *",
        )
        .bind(intent_id)
        .bind(job_id)
        .bind(at)
        .bind(credits)
        .bind(remaining)
        // The links of a submit answer are dead until the job is done (pdfco-api.md §2.1): they are not kept.
        .bind(without_links(content, "not ready").to_string())
        .fetch_one(self.pool().await?)
        .await
        .map_err(failed)?;
        job(&row)
    }

    /// The service's id of a job that had none yet.
    pub async fn named(&self, intent_id: &str, job_id: &str) -> Result<()> {
        sqlx::query("UPDATE jobs SET job_id = $2 WHERE intent_id = $1 AND job_id IS NULL")
            .bind(intent_id)
            .bind(job_id)
            .execute(self.pool().await?)
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// The service did the work at once: the answer is the result.
    pub async fn finished_at_once(
        &self,
        intent_id: &str,
        content: &Value,
        credits: Option<i64>,
        remaining: Option<i64>,
        at: Millis,
    ) -> Result<Job> {
        let row = sqlx::query(
            "UPDATE jobs SET status = 'success', submitted_at = $2, changed_at = $2, started_at = $2, completed_at = $2, submit_credits = $3,
                 credits_remaining = $4, content = $5, links_expire_at = $6, problem = NULL
             WHERE intent_id = $1 RETURNING *",
        )
        .bind(intent_id)
        .bind(at)
        .bind(credits)
        .bind(remaining)
        .bind(content.to_string())
        .bind(super::job::links_expire_at(content, at))
        .fetch_one(self.pool().await?)
        .await
        .map_err(failed)?;
        job(&row)
    }

    /// The request failed. A refusal leaves no job behind; an unknown fate stays as a trace that can be looked at.
    pub async fn not_accepted(&self, intent_id: &str, problem: &Error, fate_is_unknown: bool) -> Result<()> {
        let statement = if fate_is_unknown {
            sqlx::query("UPDATE jobs SET problem = $2 WHERE intent_id = $1 AND job_id IS NULL")
                .bind(intent_id)
                .bind(problem.to_json(Audience::Agent).to_string())
        } else {
            sqlx::query("DELETE FROM jobs WHERE intent_id = $1 AND job_id IS NULL").bind(intent_id)
        };
        statement.execute(self.pool().await?).await.map_err(failed)?;
        Ok(())
    }

    /// The caller's job with this id: the service's or ours.
    pub async fn get(&self, tenant: &Tenant, id: &str) -> Result<Option<Job>> {
        self.lookups.find(self.pool().await?, tenant, id).await
    }

    /// The caller's job under the caller's own id.
    pub async fn by_client_request_id(&self, tenant: &Tenant, id: &str) -> Result<Option<Job>> {
        let row = sqlx::query("SELECT * FROM jobs WHERE caller = $1 AND client_request_id = $2")
            .bind(tenant.as_str())
            .bind(id)
            .fetch_optional(self.pool().await?)
            .await
            .map_err(failed)?;
        row.as_ref().map(job).transpose()
    }

    /// The job whose callback has this secret, whoever's it is: the secret is the proof.
    pub async fn by_callback(&self, callback_hash: &str) -> Result<Option<Job>> {
        let row = sqlx::query("SELECT * FROM jobs WHERE callback_hash = $1")
            .bind(callback_hash)
            .fetch_optional(self.pool().await?)
            .await
            .map_err(failed)?;
        row.as_ref().map(job).transpose()
    }

    /// ResponseMode note of a job that this ledger did not submit.
    pub async fn adopt(&self, tenant: &Tenant, job_id: &str, intent_id: &str, at: Millis) -> Result<Job> {
        sqlx::query(
            "INSERT INTO jobs (intent_id, job_id, caller, operation, arguments, request_hash, status, created_at)
             VALUES ($1, $2, $3, '', '{}', '', 'working', $4)
             ON CONFLICT DO NOTHING",
        )
        .bind(intent_id)
        .bind(job_id)
        .bind(tenant.as_str())
        .bind(at)
        .execute(self.pool().await?)
        .await
        .map_err(failed)?;
        self.get(tenant, job_id).await?.ok_or_else(|| Error::internal("An adopted job is not in the ledger."))
    }

    /// Puts a live answer into the job's row, and what a look cost onto the day's spending; the row says afterwards what
    /// is true. Not to be dropped on the way: other answers may go in with this one.
    pub async fn observe(&self, intent_id: &str, seen: &Observation) -> Result<Job> {
        self.observations.write(self.pool().await?, intent_id, seen).await
    }

    /// ResponseMode the right to look at a job for a short time, unless another process has it or has looked since
    /// `last_seen`. `Err` holds the job as that other process left it. A lease that ends much later than one taken now
    /// was taken under a clock that has been set back since: it does not count.
    pub async fn claim(
        &self,
        intent_id: &str,
        holder: &str,
        last_seen: Option<Millis>,
        at: Millis,
    ) -> Result<Result<(), Job>> {
        let claimed = sqlx::query(
            "UPDATE jobs SET lease_holder = $2, lease_until = $3
             WHERE intent_id = $1 AND status NOT IN ('success', 'failed', 'aborted', 'unknown', 'cancelled')
                 AND (lease_until IS NULL OR lease_until <= $4 OR lease_until > $6 OR lease_holder = $2)
                 AND COALESCE(last_checked_at, 0) <= $5",
        )
        .bind(intent_id)
        .bind(holder)
        .bind(at.saturating_add(LEASE.as_millis() as i64))
        .bind(at)
        .bind(last_seen.unwrap_or_default())
        .bind(at.saturating_add(2 * LEASE.as_millis() as i64))
        .execute(self.pool().await?)
        .await
        .map_err(failed)?;
        if claimed.rows_affected() == 1 {
            return Ok(Ok(()));
        }
        Ok(Err(self.by_intent(intent_id).await?))
    }

    /// Gives the right to look back, when the look failed.
    pub async fn release(&self, intent_id: &str, holder: &str) -> Result<()> {
        sqlx::query(
            "UPDATE jobs SET lease_holder = NULL, lease_until = NULL WHERE intent_id = $1 AND lease_holder = $2",
        )
        .bind(intent_id)
        .bind(holder)
        .execute(self.pool().await?)
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// The caller's jobs that changed at or after `since`, at most a thousand.
    pub async fn changed_since(&self, tenant: &Tenant, since: Millis) -> Result<Vec<Job>> {
        let rows =
            sqlx::query("SELECT * FROM jobs WHERE caller = $1 AND changed_at >= $2 ORDER BY changed_at LIMIT 1000")
                .bind(tenant.as_str())
                .bind(since)
                .fetch_all(self.pool().await?)
                .await
                .map_err(failed)?;
        rows.iter().map(job).collect()
    }

    /// Whether other processes may be using the same ledger.
    pub fn is_shared(&self) -> bool {
        matches!(self.place, LedgerLocation::File(_))
    }

    /// What durations taught about an operation and a size class.
    pub async fn duration_stats(&self, operation: &str, bucket: i64) -> Result<DurationStats> {
        let row = sqlx::query("SELECT weight, mean, squares FROM durations WHERE operation = $1 AND bucket = $2")
            .bind(operation)
            .bind(bucket)
            .fetch_optional(self.pool().await?)
            .await
            .map_err(failed)?;
        let read = |row: SqliteRow| -> sqlx::Result<DurationStats> {
            Ok(DurationStats { weight: row.try_get(0)?, mean: row.try_get(1)?, squares: row.try_get(2)? })
        };
        row.map_or(Ok(DurationStats::default()), |row| read(row).map_err(failed))
    }

    /// Remembers what durations taught.
    pub async fn learn(&self, operation: &str, bucket: i64, learned: DurationStats) -> Result<()> {
        sqlx::query(
            "INSERT INTO durations (operation, bucket, weight, mean, squares) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (operation, bucket) DO UPDATE SET weight = excluded.weight, mean = excluded.mean, squares = excluded.squares",
        )
        .bind(operation)
        .bind(bucket)
        .bind(learned.weight)
        .bind(learned.mean)
        .bind(learned.squares)
        .execute(self.pool().await?)
        .await
        .map_err(failed)?;
        Ok(())
    }

    async fn by_intent(&self, intent_id: &str) -> Result<Job> {
        let row = sqlx::query("SELECT * FROM jobs WHERE intent_id = $1")
            .bind(intent_id)
            .fetch_one(self.pool().await?)
            .await
            .map_err(failed)?;
        job(&row)
    }

    /// Stops tracking. Gives the job back as it is afterwards, and whether this call changed it.
    pub async fn cancel(&self, intent_id: &str, at: Millis) -> Result<(Job, bool)> {
        let changed = sqlx::query(
            "UPDATE jobs SET status = 'cancelled', unrecognized_status = NULL, completed_at = $2, changed_at = $2
             WHERE intent_id = $1 AND status IN ('queued', 'working') RETURNING *",
        )
        .bind(intent_id)
        .bind(at)
        .fetch_optional(self.pool().await?)
        .await
        .map_err(failed)?;
        if let Some(row) = changed {
            return Ok((job(&row)?, true));
        }
        Ok((self.by_intent(intent_id).await?, false))
    }

    /// Remembers where a result was saved.
    pub async fn saved(&self, intent_id: &str, files: &[String]) -> Result<()> {
        sqlx::query("UPDATE jobs SET saved_to = $2 WHERE intent_id = $1")
            .bind(intent_id)
            .bind(serde_json::json!(files).to_string())
            .execute(self.pool().await?)
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// The caller's jobs, newest first. Ids from elsewhere that the service did not know are shown only when asked for
    /// by their state: they are mistyped ids, as a rule.
    ///
    /// # Errors
    /// `invalid_argument` for a cursor that is none of ours.
    pub async fn list(&self, tenant: &Tenant, status: Option<&str>, limit: u32, cursor: Option<&str>) -> Result<Page> {
        let (before_at, before_id) = match cursor {
            // After every time and every id.
            None => (i64::MAX, char::MAX.to_string()),
            Some(cursor) => {
                cursor.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned()))).ok_or_else(
                    || Error::invalid("The cursor is not one of list_jobs.", "Leave `cursor` out for the first page."),
                )?
            }
        };
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE caller = $1 AND (status = $2 OR $2 IS NULL AND NOT (status = 'unknown' AND operation = ''))
                 AND (created_at < $3 OR (created_at = $3 AND intent_id < $4))
             ORDER BY created_at DESC, intent_id DESC LIMIT $5",
        )
        .bind(tenant.as_str())
        .bind(status)
        .bind(before_at)
        .bind(&before_id)
        .bind(i64::from(limit) + 1)
        .fetch_all(self.pool().await?)
        .await
        .map_err(failed)?;
        let total: i64 = sqlx::query("SELECT COUNT(*) FROM jobs WHERE caller = $1 AND (status = $2 OR $2 IS NULL AND NOT (status = 'unknown' AND operation = ''))")
            .bind(tenant.as_str())
            .bind(status)
            .fetch_one(self.pool().await?)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(failed)?;
        let mut jobs = rows.iter().map(job).collect::<Result<Vec<_>>>()?;
        let more = jobs.len() > limit as usize;
        jobs.truncate(limit as usize);
        let next_cursor = jobs.last().filter(|_| more).map(|last| format!("{}.{}", last.created_at, last.intent_id));
        Ok(Page { jobs, total, next_cursor })
    }

    /// The caller's newest job, of one operation or of any.
    pub async fn latest(&self, tenant: &Tenant, operation: Option<&str>) -> Result<Option<Job>> {
        let row = sqlx::query("SELECT * FROM jobs WHERE caller = $1 AND ($2 IS NULL OR operation = $2) ORDER BY created_at DESC, rowid DESC LIMIT 1")
            .bind(tenant.as_str())
            .bind(operation)
            .fetch_optional(self.pool().await?)
            .await
            .map_err(failed)?;
        row.as_ref().map(job).transpose()
    }

    /// The caller's jobs whose id starts with `prefix`, at most two: enough to know whether it is unique.
    pub async fn by_prefix(&self, tenant: &Tenant, prefix: &str) -> Result<Vec<Job>> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE caller = $1 AND (substr(job_id, 1, length($2)) = $2 OR substr(intent_id, 1, length($2)) = $2) LIMIT 2",
        )
        .bind(tenant.as_str())
        .bind(prefix)
        .fetch_all(self.pool().await?)
        .await
        .map_err(failed)?;
        rows.iter().map(job).collect()
    }

    /// The same request by the same caller since `since`, other than `intent_id`.
    pub async fn same_request(
        &self,
        tenant: &Tenant,
        request_hash: &str,
        intent_id: &str,
        since: Millis,
    ) -> Result<Option<Job>> {
        let row = sqlx::query(
            "SELECT * FROM jobs WHERE caller = $1 AND request_hash = $2 AND intent_id <> $3 AND created_at >= $4 ORDER BY created_at DESC LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(request_hash)
        .bind(intent_id)
        .bind(since)
        .fetch_optional(self.pool().await?)
        .await
        .map_err(failed)?;
        row.as_ref().map(job).transpose()
    }

    /// Whether it answers, and where it is kept.
    pub async fn health(&self) -> Result<String> {
        let jobs: i64 = sqlx::query("SELECT COUNT(*) FROM jobs")
            .fetch_one(self.pool().await?)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(failed)?;
        Ok(match &self.place {
            LedgerLocation::File(path) if self.store.get().is_some_and(Store::is_in_refuge) => {
                format!("in memory, because {} cannot be used, {jobs} jobs", path.display())
            }
            LedgerLocation::Memory => format!("in memory, {jobs} jobs"),
            LedgerLocation::File(path) => format!("{}, {jobs} jobs", path.display()),
        })
    }

    /// Closes the file, so that its journal is folded in.
    pub async fn close(&self) {
        if let Some(store) = self.store.get() {
            store.close().await;
        }
    }
}

fn job(row: &SqliteRow) -> Result<Job> {
    read_job(row).map_err(failed)
}

fn read_job(row: &SqliteRow) -> sqlx::Result<Job> {
    let json = |column: &str| -> sqlx::Result<Option<Value>> {
        Ok(row.try_get::<Option<String>, _>(column)?.and_then(|text| serde_json::from_str(&text).ok()))
    };
    let status: String = row.try_get("status")?;
    let saved_to = json("saved_to")?.and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default();
    Ok(Job {
        intent_id: row.try_get("intent_id")?,
        job_id: row.try_get("job_id")?,
        request_hash: row.try_get("request_hash")?,
        tenant: Tenant::stored(row.try_get::<String, _>("caller")?),
        operation: row.try_get("operation")?,
        arguments: json("arguments")?.unwrap_or_default(),
        client_request_id: row.try_get("client_request_id")?,
        status: JobStatus::from_stored(&status, row.try_get("unrecognized_status")?),
        created_at: row.try_get("created_at")?,
        submitted_at: row.try_get("submitted_at")?,
        started_at: row.try_get("started_at")?,
        completed_at: row.try_get("completed_at")?,
        last_checked_at: row.try_get("last_checked_at")?,
        job_duration_ms: row.try_get("job_duration_ms")?,
        page_count: row.try_get("page_count")?,
        checks_made: row.try_get("checks_made")?,
        check_credits: row.try_get("check_credits")?,
        submit_credits: row.try_get("submit_credits")?,
        credits_remaining: row.try_get("credits_remaining")?,
        content: json("content")?,
        links_expire_at: row.try_get("links_expire_at")?,
        problem: json("problem")?,
        saved_to,
        has_callback: row.try_get::<Option<String>, _>("callback_hash")?.is_some(),
        is_told_by_callback: row.try_get::<Option<String>, _>("told_by")?.as_deref() == Some("callback"),
    })
}

fn failed(error: sqlx::Error) -> Error {
    Error::new(
        Kind::Internal,
        "The ledger could not be read or written.",
        "Check the disk's free space and PDFCO_LEDGER; `memory` works without a file.",
    )
    .with_source(error)
}
