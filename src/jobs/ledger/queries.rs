//! Jobs by their ids and in lists.

use super::rows::JobRow;
use super::statement::{Statement, statement};
use super::{Ledger, Millis};
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::jobs::job::Job;
use crate::tenant::Tenant;

/// Which jobs a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// One of the states, or `running`: not ended yet. Without one, ids from elsewhere that the service did not know
    /// are left out: they are mistyped ids, as a rule.
    pub status: Option<String>,
    /// Submitted at this time or later.
    pub since: Option<Millis>,
    /// Jobs of this operation, by its catalog name.
    pub operation: Option<String>,
    /// Part of what was asked: a document's name, a link.
    pub document: Option<String>,
}

impl Filter {
    /// Jobs in one state, or in any.
    pub fn status(status: Option<&str>) -> Filter {
        Filter { status: status.map(str::to_owned), ..Filter::default() }
    }
}

/// The word for jobs that have not ended.
pub const RUNNING: &str = "running";

/// The same as a condition on `jobs`.
pub(super) const HAS_NOT_ENDED: &str = "status IN ('queued', 'working')";

/// One page of jobs.
#[derive(Debug)]
pub struct Page {
    /// Newest first, in the order of their submits.
    pub jobs: Vec<Job>,
    /// How many there are in all that match.
    pub total: i64,
    /// Where the next page starts, if there is one.
    pub next_cursor: Option<String>,
}

impl Ledger {
    /// The tenant's job with this id: the service's or ours.
    ///
    /// # Errors
    /// `ledger_unavailable` when the ledger cannot be read and this process knows nothing of the job either.
    pub async fn get(&self, tenant: &Tenant, id: &str) -> Result<Option<Job>> {
        let found = match self.stored(tenant).await {
            Ok(stored) => self.lookups.find(&self.database, &stored, id).await,
            Err(error) => Err(error),
        };
        if let Ok(Some(row)) = found {
            return Ok(Some(self.pending.patch(row.job(tenant.clone()))));
        }
        let is_it = |job: &Job| job.tenant == *tenant && (job.id() == id || *job.intent_id == *id);
        match (self.pending.find(is_it), found) {
            (Some(job), _) => Ok(Some(job)),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Ok(None),
        }
    }

    /// The tenant's job under the caller's own id.
    ///
    /// # Errors
    /// As [`Ledger::get`].
    pub async fn by_client_request_id(&self, tenant: &Tenant, id: &str) -> Result<Option<Job>> {
        if let Some(job) =
            self.pending.find(|job| job.tenant == *tenant && job.client_request_id.as_deref() == Some(id))
        {
            return Ok(Some(job));
        }
        let query = statement("SELECT * FROM jobs WHERE tenant = $1 AND client_request_id = $2")
            .bind(self.stored(tenant).await?)
            .bind(id);
        Ok(self.jobs(tenant, query).await?.pop())
    }

    /// The job whose callback has this secret: the secret is the proof of whose it is.
    pub async fn by_callback(&self, callback_hash: &str) -> Result<Option<Job>> {
        let query = statement("SELECT * FROM jobs WHERE callback_hash = $1").bind(callback_hash);
        let row = self.database.read_first::<JobRow>(query).await?;
        Ok(row.map(|row| {
            let tenant = self.names.of(&row.tenant);
            self.pending.patch(row.job(tenant))
        }))
    }

    /// The tenant's jobs that changed at or after `since`, at most a thousand.
    pub async fn changed_since(&self, tenant: &Tenant, since: Millis) -> Result<Vec<Job>> {
        let stored = self.stored(tenant).await?;
        let query = self.changed("SELECT * FROM jobs WHERE tenant = $1", &stored, since);
        let query = query.push(" ORDER BY changed_at LIMIT 1000");
        self.jobs(tenant, query).await
    }

    /// The tenant's jobs in one state, or in any, newest first.
    ///
    /// # Errors
    /// As [`Ledger::search`].
    pub async fn list(&self, tenant: &Tenant, status: Option<&str>, limit: u32, cursor: Option<&str>) -> Result<Page> {
        self.search(tenant, &Filter::status(status), limit, cursor).await
    }

    /// The tenant's jobs that match, newest first.
    ///
    /// # Errors
    /// `invalid_argument` for a cursor that is none of ours, `ledger_unavailable` when the ledger cannot be read.
    pub async fn search(&self, tenant: &Tenant, filter: &Filter, limit: u32, cursor: Option<&str>) -> Result<Page> {
        let invalid =
            || Error::invalid("The cursor is not one of a list of jobs.", "Leave `cursor` out for the first page.");
        let before = cursor.map(|cursor| cursor.parse::<i64>().map_err(|_| invalid())).transpose()?;
        let stored = self.stored(tenant).await?;
        let query = matching("SELECT * FROM jobs", &stored, filter);
        let query = query.push(" AND seq < ").push_bind(before.unwrap_or(i64::MAX));
        let query = query.push(" ORDER BY seq DESC LIMIT ").push_bind(i64::from(limit) + 1);
        let mut rows = self.database.read::<JobRow>(query).await?;
        let count = matching("SELECT COUNT(*) FROM jobs", &stored, filter);
        let total = self.database.read_first(count).await?.map_or(0, |(total,)| total);
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next_cursor = rows.last().filter(|_| has_more).map(|last| last.seq.to_string());
        let jobs = rows.into_iter().map(|row| self.pending.patch(row.job(tenant.clone()))).collect();
        Ok(Page { jobs, total, next_cursor })
    }

    /// The tenant's newest job, of one operation or of any: the one that was submitted last, whatever the clock said.
    pub async fn latest(&self, tenant: &Tenant, operation: Option<&str>) -> Result<Option<Job>> {
        let query = statement(
            "SELECT * FROM jobs WHERE tenant = $1 AND ($2 IS NULL OR operation = $2) ORDER BY seq DESC LIMIT 1",
        )
        .bind(self.stored(tenant).await?)
        .bind(operation);
        Ok(self.jobs(tenant, query).await?.pop())
    }

    /// The tenant's jobs whose id starts with `prefix`, at most two: enough to know whether it is unique.
    pub async fn by_prefix(&self, tenant: &Tenant, prefix: &str) -> Result<Vec<Job>> {
        let query = statement(
            "SELECT * FROM jobs WHERE tenant = $1 AND (substr(job_id, 1, length($2)) = $2 OR substr(intent_id, 1, length($2)) = $2) LIMIT 2",
        )
        .bind(self.stored(tenant).await?)
        .bind(prefix);
        self.jobs(tenant, query).await
    }

    /// The same request by the same tenant since `since`, other than `intent_id`.
    pub async fn same_request(
        &self,
        tenant: &Tenant,
        request_hash: &str,
        intent_id: &str,
        since: Millis,
    ) -> Result<Option<Job>> {
        let query = statement(
            "SELECT * FROM jobs WHERE tenant = $1 AND request_hash = $2 AND intent_id <> $3 AND created_at >= $4 ORDER BY created_at DESC LIMIT 1",
        )
        .bind(self.stored(tenant).await?)
        .bind(request_hash)
        .bind(intent_id)
        .bind(since);
        Ok(self.jobs(tenant, query).await?.pop())
    }

    /// The jobs that a statement about one tenant finds, with what is known of them and not written yet.
    pub(super) async fn jobs(&self, tenant: &Tenant, query: Statement) -> Result<Vec<Job>> {
        let rows = self.database.read::<JobRow>(query).await?;
        Ok(rows.into_iter().map(|row| self.pending.patch(row.job(tenant.clone()))).collect())
    }
}

/// `select` with the conditions of a filter. The one about ids from elsewhere is worded as in the index `jobs_listed`.
fn matching(select: &'static str, tenant: &str, filter: &Filter) -> Statement {
    let query = statement(select).push(" WHERE tenant = ").push_bind(tenant);
    let query = match filter.status.as_deref() {
        None => query.push(" AND NOT (status = 'unknown' AND operation = '')"),
        Some(RUNNING) => query.push(" AND ").push(HAS_NOT_ENDED),
        Some(status) => query.push(" AND status = ").push_bind(status),
    };
    let query = match filter.since {
        Some(since) => query.push(" AND created_at >= ").push_bind(since),
        None => query,
    };
    let query = match &filter.operation {
        Some(operation) => query.push(" AND operation = ").push_bind(operation),
        None => query,
    };
    match &filter.document {
        // Something would be taken out: it is part of the text.
        Some(part) => query
            .push(" AND replace(lower(arguments), ")
            .push_bind(part.to_lowercase())
            .push(", '') <> lower(arguments)"),
        None => query,
    }
}

/// Whether a failure means that the ledger cannot be used, rather than that the call is wrong.
pub fn is_unavailable(error: &Error) -> bool {
    error.kind() == Kind::LedgerUnavailable
}

/// The error of a paid request that the ledger kept from being sent.
pub(in crate::jobs) fn nothing_sent(error: Error) -> Error {
    if !is_unavailable(&error) {
        return error;
    }
    let hint = error.hint().clone();
    error.with_hint(hint!["Nothing was sent or charged. ", hint])
}
