//! What the service said and what was done with it, on its way into the ledger.
//!
//! A [`Change`] is learned once and cannot be asked for again without paying. It is applied to the file in the order in
//! which it came, in [`Change::write`], and to a job that is read meanwhile in [`Change::apply`].

use serde_json::Value;

use super::Millis;
use super::audit::AuditEntry;
use super::connection::Connection;
pub(super) use super::learned::{Accepted, Owners, Seen};
use super::learned::{CHECK_TIMES_CHARS_MAX, taken_id};
use super::rows::JobRow;
use super::statement::statement;
use super::task_end::end;
use crate::charge::Charge;
use crate::clock::{day, start_of_day};
use crate::error::ErrorView;
use crate::jobs::job::Job;
use crate::jobs::job_id::{IntentId, JobId};
use crate::jobs::task::TaskStatus;

/// See the head of this file. Printed, it is its kind and its job: what the service said has links in it, which are secrets.
pub(super) enum Change {
    /// The service accepted a submit, or did its work at once.
    Accepted(Box<Accepted>),
    /// A submit was refused (no problem), or its fate is unknown.
    NotAccepted {
        intent_id: IntentId,
        problem: Option<ErrorView>,
        charge: Charge,
        owner: Owners,
        operation: String,
        at: Millis,
    },
    /// The service's id of a job that had none yet.
    Named { intent_id: IntentId, job_id: JobId },
    /// A check or a callback was answered.
    Seen(Box<Seen>),
    /// A job's results were saved to these files.
    Saved { intent_id: IntentId, files: Vec<String> },
    /// A request that is no job was answered, or failed, with this charge.
    Charged { reservation: Option<String>, owner: Owners, operation: String, charge: Charge, at: Millis },
    /// A task ended.
    TaskEnded { task_id: String, status: TaskStatus, message: Option<String>, payload: Option<Value>, at: Millis },
    /// A lease is given back.
    Released { intent_id: IntentId, holder: String },
    /// An intent that was never sent is withdrawn.
    Withdrawn { intent_id: IntentId },
    /// What was set aside for a request that was not sent is free again.
    Unreserved { reservation: String },
    /// A call is written down.
    Audited(Box<AuditEntry>),
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct(self.kind()).field("intent_id", &self.intent_id()).finish_non_exhaustive()
    }
}

impl Change {
    fn kind(&self) -> &'static str {
        match self {
            Change::Accepted(_) => "Accepted",
            Change::NotAccepted { .. } => "NotAccepted",
            Change::Named { .. } => "Named",
            Change::Seen(_) => "Seen",
            Change::Saved { .. } => "Saved",
            Change::Charged { .. } => "Charged",
            Change::TaskEnded { .. } => "TaskEnded",
            Change::Released { .. } => "Released",
            Change::Withdrawn { .. } => "Withdrawn",
            Change::Unreserved { .. } => "Unreserved",
            Change::Audited(_) => "Audited",
        }
    }

    /// The job that this is about; none for what is about no job.
    pub(super) fn intent_id(&self) -> Option<&str> {
        match self {
            Change::Accepted(accepted) => Some(&accepted.intent.intent_id),
            Change::Seen(seen) => Some(&seen.job.intent_id),
            Change::NotAccepted { intent_id, .. }
            | Change::Named { intent_id, .. }
            | Change::Saved { intent_id, .. }
            | Change::Released { intent_id, .. }
            | Change::Withdrawn { intent_id } => Some(intent_id),
            Change::Charged { .. } | Change::TaskEnded { .. } | Change::Unreserved { .. } | Change::Audited(_) => None,
        }
    }

    /// The tenant whose spending or whose order of jobs it changes, as the ledger keeps it.
    pub(super) fn locked_tenant(&self, secret: &[u8]) -> Option<String> {
        match self {
            Change::Accepted(accepted) => Some(accepted.owner.tenant(secret)),
            Change::Seen(seen) => Some(seen.owner.tenant(secret)),
            Change::NotAccepted { owner, .. } | Change::Charged { owner, .. } => Some(owner.tenant(secret)),
            Change::Named { .. }
            | Change::Saved { .. }
            | Change::TaskEnded { .. }
            | Change::Released { .. }
            | Change::Unreserved { .. }
            | Change::Audited(_)
            | Change::Withdrawn { .. } => None,
        }
    }

    /// The whole job, where the change knows it.
    pub(super) fn job(&self) -> Option<Job> {
        match self {
            Change::Accepted(accepted) => Some(accepted.job()),
            Change::Seen(seen) if seen.job.is_unknown_here() => Some(seen.job.clone()),
            _ => None,
        }
    }

    /// `job` as it is after this change; the same again where it has it already.
    pub(super) fn apply(&self, job: Job) -> Job {
        match self {
            Change::Accepted(accepted) if job.job_id.is_none() => Job { saved_to: job.saved_to, ..accepted.job() },
            Change::Seen(seen) if job.last_checked_at.is_none_or(|at| at < seen.seen.at) => {
                let checks = job.checks_made.saturating_add(if seen.seen.is_check { seen.checks } else { 0 });
                Job { checks_made: checks, ..job.seeing(&seen.seen) }
            }
            Change::Named { job_id, .. } => Job { job_id: job.job_id.or(Some(job_id.clone())), ..job },
            Change::Saved { files, .. } => Job { saved_to: files.clone(), ..job },
            Change::NotAccepted { problem: Some(problem), .. } if job.job_id.is_none() => {
                Job { problem: Some(problem.clone()), ..job }
            }
            _ => job,
        }
    }

    /// Writes it. The job's row afterwards, where there is one.
    pub(super) async fn write(&self, connection: &mut Connection<'_>, secret: &[u8]) -> sqlx::Result<Option<JobRow>> {
        match self {
            Change::Accepted(accepted) => write_accepted(connection, secret, accepted).await,
            Change::Seen(seen) => write_seen(connection, secret, seen).await,
            Change::NotAccepted { intent_id, problem, charge, owner, operation, at } => {
                write_charge(connection, secret, (Some(intent_id), false), owner, operation, *charge, *at).await?;
                let query = match problem {
                    Some(problem) => statement("UPDATE jobs SET problem = $2 WHERE intent_id = $1 AND job_id IS NULL")
                        .bind(intent_id)
                        .bind(serde_json::to_string(problem).unwrap_or_default()),
                    None => statement(
                        "DELETE FROM jobs WHERE intent_id = $1 AND job_id IS NULL AND status = 'queued';
                         DELETE FROM reservations WHERE id = $1",
                    )
                    .bind(intent_id),
                };
                connection.execute(query).await.map(|_| None)
            }
            Change::Named { intent_id, job_id } => {
                let query =
                    statement(
                    "UPDATE jobs SET job_id = $2 WHERE intent_id = $1 AND job_id IS NULL
                         AND NOT EXISTS (SELECT 1 FROM jobs AS other WHERE other.tenant = jobs.tenant AND other.job_id = $2)",
                );
                connection.execute(query.bind(intent_id).bind(job_id)).await.map(|_| None)
            }
            Change::Saved { intent_id, files } => {
                let query = statement("UPDATE jobs SET saved_to = $2 WHERE intent_id = $1");
                let files = serde_json::json!(files).to_string();
                connection.execute(query.bind(intent_id).bind(files)).await.map(|_| None)
            }
            Change::Charged { reservation, owner, operation, charge, at } => {
                write_charge(connection, secret, (reservation.as_deref(), false), owner, operation, *charge, *at)
                    .await
                    .map(|()| None)
            }
            Change::TaskEnded { task_id, status, message, payload, at } => {
                end(connection, task_id, *status, message.as_deref(), payload.as_ref(), *at).await.map(|_| None)
            }
            Change::Released { intent_id, holder } => {
                let query = statement(
                    "UPDATE jobs SET lease_holder = NULL, lease_until = NULL WHERE intent_id = $1 AND lease_holder = $2",
                );
                connection.execute(query.bind(intent_id).bind(holder)).await.map(|_| None)
            }
            Change::Audited(entry) => entry.write(connection, secret).await.map(|()| None),
            Change::Unreserved { reservation } => {
                let query = statement("DELETE FROM reservations WHERE id = $1");
                connection.execute(query.bind(reservation)).await.map(|_| None)
            }
            Change::Withdrawn { intent_id } => {
                let query = statement(
                    "DELETE FROM jobs WHERE intent_id = $1 AND job_id IS NULL AND problem IS NULL AND status = 'queued';
                     DELETE FROM reservations WHERE id = $1",
                );
                connection.execute(query.bind(intent_id)).await.map(|_| None)
            }
        }
    }
}

/// The id, the charge and the rest in one transaction. A row that is gone is written anew: what was paid for stays
/// known. A job under this id that was met as one from elsewhere is this job; one that was submitted is another, and
/// then this one has failed and stays without an id.
async fn write_accepted(
    connection: &mut Connection<'_>,
    secret: &[u8],
    accepted: &Accepted,
) -> sqlx::Result<Option<JobRow>> {
    let Accepted { intent, owner, charge, at, .. } = accepted;
    let job = accepted.job();
    if is_anothers(connection, secret, accepted).await? {
        let query = statement(
            "UPDATE jobs SET status = 'failed', submitted_at = $2, changed_at = $2, completed_at = $2, submit_credits = $3,
                 credits_remaining = $4, problem = $5
             WHERE intent_id = $1 AND job_id IS NULL RETURNING *",
        );
        let query = query.bind(intent.intent_id.as_str()).bind(*at).bind(charge.credits).bind(charge.remaining);
        let problem = taken_id(job.job_id.as_deref().unwrap_or_default()).view();
        let row = connection.row(query.bind(serde_json::to_string(&problem).unwrap_or_default())).await?;
        let settled = (Some(intent.intent_id.as_str()), false);
        write_charge(connection, secret, settled, owner, &intent.operation, *charge, *at).await?;
        return Ok(row);
    }
    let query = statement(
        "DELETE FROM jobs WHERE tenant = $2 AND job_id = $12 AND operation = '' AND intent_id <> $1;
         INSERT INTO jobs (intent_id, tenant, account, operation, arguments, request_hash, client_request_id, callback_hash, status,
                 created_at, changed_at, job_id, submitted_at, submit_credits, credits_remaining, content, links_expire_at, started_at,
                 completed_at, seq)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $11, $13, $14, $15, $16, $17, $17,
                 (SELECT COALESCE(MAX(seq), 0) + 1 FROM jobs WHERE tenant = $2))
         ON CONFLICT (intent_id) DO UPDATE SET
             job_id = excluded.job_id, submitted_at = excluded.submitted_at, changed_at = excluded.changed_at,
             submit_credits = excluded.submit_credits, credits_remaining = excluded.credits_remaining, problem = NULL,
             status = CASE WHEN jobs.status = 'queued' THEN excluded.status ELSE jobs.status END,
             content = CASE WHEN jobs.status = 'queued' THEN excluded.content ELSE jobs.content END,
             links_expire_at = COALESCE(excluded.links_expire_at, jobs.links_expire_at),
             started_at = COALESCE(jobs.started_at, excluded.started_at),
             completed_at = COALESCE(jobs.completed_at, excluded.completed_at)
         RETURNING *",
    )
    .bind(intent.intent_id.as_str())
    .bind(owner.tenant(secret))
    .bind(owner.account(secret))
    .bind(&intent.operation)
    .bind(intent.arguments.to_string())
    .bind(&intent.request_hash)
    .bind(&intent.client_request_id)
    .bind(&intent.callback_hash)
    .bind(job.status.as_str().to_owned())
    .bind(intent.at)
    .bind(*at)
    .bind(job.job_id.as_deref())
    .bind(charge.credits)
    .bind(charge.remaining)
    .bind(job.content.as_ref().map(Value::to_string))
    .bind(job.links_expire_at)
    .bind(job.completed_at);
    let row = connection.row(query).await?;
    write_charge(
        connection,
        secret,
        (Some(&intent.intent_id), job.job_id.is_some()),
        owner,
        &intent.operation,
        *charge,
        *at,
    )
    .await?;
    Ok(row)
}

/// Whether the id that the service gave a job is that of another job that was submitted here.
async fn is_anothers(connection: &mut Connection<'_>, secret: &[u8], accepted: &Accepted) -> sqlx::Result<bool> {
    let Some(job_id) = &accepted.job_id else { return Ok(false) };
    let query = statement(
        "SELECT intent_id FROM jobs WHERE tenant = $1 AND job_id = $2 AND intent_id <> $3 AND operation <> ''",
    );
    let query = query.bind(accepted.owner.tenant(secret)).bind(job_id).bind(accepted.intent.intent_id.as_str());
    let found: Option<(String,)> = connection.row(query).await?;
    Ok(found.is_some())
}

/// Books what a request cost, keeps the balance, learns the tariff, and gives back what was set aside: all of it, or
/// with `keeps_rest` what is not expected to be charged later.
async fn write_charge(
    connection: &mut Connection<'_>,
    secret: &[u8],
    (reservation, keeps_rest): (Option<&str>, bool),
    owner: &Owners,
    operation: &str,
    charge: Charge,
    at: Millis,
) -> sqlx::Result<()> {
    let query = statement(
        "INSERT INTO spending (day, tenant, operation, requests, credits, counted)
             SELECT $1, $2, $3, 1, $4, CASE WHEN $4 > 0 THEN $4 ELSE 0 END WHERE $4 IS NOT NULL
         ON CONFLICT (day, tenant, operation) DO UPDATE SET requests = spending.requests + 1,
             credits = spending.credits + excluded.credits, counted = spending.counted + excluded.counted;
         INSERT INTO tariffs (account, operation, highest, latest, at) SELECT $5, $3, $4, $4, $6 WHERE $4 > 0
         ON CONFLICT (account, operation) DO UPDATE SET highest = CASE WHEN excluded.highest > tariffs.highest THEN excluded.highest ELSE tariffs.highest END,
             latest = excluded.latest, at = excluded.at;
         INSERT INTO balances (account, credits, told_at) SELECT $5, $7, $10 WHERE $7 IS NOT NULL
         ON CONFLICT (account) DO UPDATE SET credits = excluded.credits, told_at = excluded.told_at
             WHERE excluded.told_at >= balances.told_at OR balances.told_at > $6;
         UPDATE reservations SET credits = CASE WHEN $9 = 1 AND expected > $4 THEN expected - $4 ELSE 0 END WHERE id = $8 AND $4 IS NOT NULL;
         DELETE FROM reservations WHERE id = $8 AND credits <= 0",
    )
    .bind(day(at))
    .bind(owner.tenant(secret))
    .bind(operation)
    .bind(charge.credits)
    .bind(owner.account(secret))
    .bind(at)
    .bind(charge.remaining)
    .bind(reservation)
    .bind(keeps_rest)
    .bind(charge.balance_at.unwrap_or(at));
    connection.execute(query).await.map(drop)
}

/// Puts a live answer into the job's row, and what the check cost onto the day's spending; the row says afterwards what
/// is true. The same rule as `JobStatus::may_become`, so that it holds between processes. A repeated success refreshes
/// the content: its links are newer. A refund counts for the budget up to what the job was charged on the same day.
async fn write_seen(connection: &mut Connection<'_>, secret: &[u8], change: &Seen) -> sqlx::Result<Option<JobRow>> {
    let Seen { job, owner, seen, checks, reservation } = change;
    let mut intent_id = job.intent_id.clone();
    if job.is_unknown_here() {
        intent_id = adopt(connection, secret, job, owner, seen.at).await?;
    }
    connection.lock_job(&intent_id).await?;
    let operation = if seen.is_check { "job_check" } else { job.operation.as_str() };
    let is_terminal = seen.status.is_terminal();
    let query = statement(
        "INSERT INTO spending (day, tenant, operation, requests, credits, counted)
             SELECT $13, COALESCE((SELECT tenant FROM jobs WHERE intent_id = $1), $14), $15, $10, $11,
                 CASE WHEN $11 < -charged THEN -charged ELSE $11 END
             FROM (SELECT COALESCE((SELECT COALESCE(submit_credits, 0) + COALESCE(check_credits, 0) FROM jobs
                 WHERE intent_id = $1 AND submitted_at >= $16 AND COALESCE(submit_credits, 0) + COALESCE(check_credits, 0) > 0), 0) AS charged) AS known
             WHERE $11 IS NOT NULL AND ($17 = 1 OR EXISTS (SELECT 1 FROM jobs WHERE intent_id = $1 AND (
                 status NOT IN ('success', 'failed', 'aborted', 'cancelled') AND $2 <> 'queued'
                 OR (status = 'cancelled' AND $2 IN ('success', 'failed', 'aborted')))))
         ON CONFLICT (day, tenant, operation) DO UPDATE SET requests = spending.requests + excluded.requests,
             credits = spending.credits + excluded.credits, counted = spending.counted + excluded.counted;
         INSERT INTO tariffs (account, operation, highest, latest, at)
             SELECT COALESCE((SELECT account FROM jobs WHERE intent_id = $1), $18), $15, $11, $11, $6 WHERE $11 > 0 AND $7 = 0
         ON CONFLICT (account, operation) DO UPDATE SET highest = CASE WHEN excluded.highest > tariffs.highest THEN excluded.highest ELSE tariffs.highest END,
             latest = excluded.latest, at = excluded.at;
         INSERT INTO balances (account, credits, told_at)
             SELECT COALESCE((SELECT account FROM jobs WHERE intent_id = $1), $18), $12, $20 WHERE $12 IS NOT NULL
         ON CONFLICT (account) DO UPDATE SET credits = excluded.credits, told_at = excluded.told_at
             WHERE excluded.told_at >= balances.told_at OR balances.told_at > $6;
         DELETE FROM reservations WHERE id = $19 OR (id = $1 AND $7 = 1);
         WITH rule AS (SELECT (status NOT IN ('success', 'failed', 'aborted', 'cancelled') AND $2 <> 'queued'
                 OR (status = 'cancelled' AND $2 IN ('success', 'failed', 'aborted'))) AS moves FROM jobs WHERE intent_id = $1)
         UPDATE jobs SET
             status = CASE WHEN moves THEN $2 ELSE status END,
             unrecognized_status = CASE WHEN moves THEN $3 ELSE unrecognized_status END,
             content = CASE WHEN moves OR status = $2 THEN $4 ELSE content END,
             links_expire_at = CASE WHEN (moves OR status = $2) AND $2 = 'success' THEN $5 ELSE links_expire_at END,
             started_at = COALESCE(started_at, CASE WHEN $2 NOT IN ('unknown', 'queued') THEN $6 END),
             completed_at = CASE WHEN NOT moves THEN completed_at WHEN $7 = 1 THEN $6 END,
             job_duration_ms = COALESCE($8, job_duration_ms),
             page_count = COALESCE($9, page_count),
             last_checked_at = CASE WHEN last_checked_at IS NULL OR last_checked_at < $6 THEN $6 ELSE last_checked_at END,
             checks_made = checks_made + CASE WHEN $17 = 1 THEN $10 ELSE 0 END,
             check_times = CASE WHEN $17 = 1 AND LENGTH(COALESCE(check_times, '')) < $21
                 THEN COALESCE(check_times || ' ', '') || CAST($6 AS TEXT) ELSE check_times END,
             check_credits = CASE WHEN $11 IS NULL OR ($17 = 0 AND NOT moves) THEN check_credits ELSE COALESCE(check_credits, 0) + $11 END,
             credits_remaining = COALESCE($12, credits_remaining),
             problem = CASE WHEN moves THEN NULL ELSE problem END,
             changed_at = $6, lease_holder = NULL, lease_until = NULL,
             told_by = CASE WHEN moves THEN CASE WHEN $17 = 0 THEN 'callback' ELSE 'check' END ELSE told_by END
         FROM rule WHERE jobs.intent_id = $1 RETURNING *",
    )
    .bind(&intent_id)
    .bind(seen.status.as_str().to_owned())
    .bind(seen.status.unrecognized().map(str::to_owned))
    .bind(seen.content.to_string())
    .bind(seen.links_expire_at())
    .bind(seen.at)
    .bind(is_terminal)
    .bind(seen.job_duration_ms())
    .bind(seen.page_count())
    .bind(*checks)
    .bind(seen.credits)
    .bind(seen.credits_remaining)
    .bind(day(seen.at))
    .bind(owner.tenant(secret))
    .bind(operation)
    .bind(start_of_day(seen.at))
    .bind(seen.is_check)
    .bind(owner.account(secret))
    .bind(reservation)
    .bind(seen.balance_at)
    .bind(CHECK_TIMES_CHARS_MAX);
    connection.row(query).await
}

/// The row of a job that this ledger did not submit: made with the first answer about it. Gives its intent id, which is
/// another's where two met it at once.
async fn adopt(
    connection: &mut Connection<'_>,
    secret: &[u8],
    job: &Job,
    owner: &Owners,
    at: Millis,
) -> sqlx::Result<IntentId> {
    let query = statement(
        "INSERT INTO jobs (intent_id, job_id, tenant, account, operation, arguments, request_hash, status, created_at, changed_at, seq)
             VALUES ($1, $2, $3, $4, '', '{}', '', 'working', $5, $6,
                 (SELECT COALESCE(MAX(seq), 0) + 1 FROM jobs WHERE tenant = $3))
         ON CONFLICT DO NOTHING",
    );
    let (tenant, job_id) = (owner.tenant(secret), job.job_id.as_deref());
    let query = query.bind(job.intent_id.as_str()).bind(job_id).bind(tenant.clone()).bind(owner.account(secret));
    connection.execute(query.bind(job.created_at).bind(at)).await?;
    let found = statement("SELECT intent_id FROM jobs WHERE tenant = $1 AND job_id = $2").bind(tenant);
    let found = connection.row(found.bind(job_id)).await?;
    Ok(found.map_or_else(|| job.intent_id.clone(), |(found,): (String,)| IntentId::from_stored(found)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jobs::job::Observation;
    use crate::jobs::ledger::Intent;
    use crate::jobs::status::JobStatus;
    use crate::secret::ApiKey;

    #[test]
    fn a_printed_change_shows_nothing_of_what_was_said() {
        let link = json!({"url": "https://h.test/a.pdf?X-Amz-Signature=canary", "message": "canary"});
        let owner = crate::tenant::Owner::from(ApiKey::new("canary-key").unwrap());
        let intent = Intent { arguments: link.clone(), ..Intent::new(&owner, "pdf_to_text", 0) };
        let owners = Owners { tenant: intent.tenant.clone(), account: Some(intent.account.clone()) };
        let content = link.clone();
        let accepted = Accepted { intent, owner: owners.clone(), job_id: None, content, charge: Charge::NONE, at: 0 };
        let job = Job { content: Some(link.clone()), arguments: link.clone(), ..Job::fixture("J1") };
        let seen = Observation::of(JobStatus::Success, &crate::api::Response::of(link.clone()), 0);
        let printed = format!("{job:?} {seen:?} {:?}", crate::api::Response::of(link.clone()));
        let intent_id = job.intent_id.clone();
        let seen = Seen { job, owner: owners.clone(), seen, checks: 1, reservation: None };
        let problem = Some(crate::error::Error::internal("canary").view());
        let (operation, charge) = (String::new(), Charge::NONE);
        let refused = Change::NotAccepted { intent_id, problem, charge, owner: owners, operation, at: 0 };
        let (task_id, message) = ("T1".to_owned(), Some("canary".to_owned()));
        let ended = Change::TaskEnded { task_id, status: TaskStatus::Completed, message, payload: Some(link), at: 0 };
        let changes = [Change::Accepted(Box::new(accepted)), Change::Seen(Box::new(seen)), refused, ended];
        assert!(!format!("{printed} {changes:?}").contains("canary"), "{printed} {changes:?}");
        assert!(format!("{changes:?}").contains("local-J1"), "{changes:?}");
    }
}
