//! What was spent, by day, caller and operation.
//!
//! What lives here: [`Spending`] and the statements about it, except that a look is booked with what it saw
//! (`observations.rs`). What never does: the budget's rule.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Ledger, Millis, failed};
use crate::error::Result;
use crate::tenant::Tenant;

/// Spending of one operation on one day.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Spending {
    /// `2026-11-21`, UTC.
    pub day: String,
    /// Catalog name, or `job_check`.
    pub operation: String,
    /// Requests that reported credits.
    pub requests: i64,
    /// Credits they reported, refunds subtracted.
    pub credits: i64,
}

impl Ledger {
    /// Adds what a request cost to the day's spending. What a look cost is added by [`Ledger::observe`].
    pub async fn spent(&self, tenant: &Tenant, operation: &str, credits: i64, at: Millis) -> Result<()> {
        sqlx::query(
            "INSERT INTO spending (day, caller, operation, requests, credits) VALUES ($1, $2, $3, 1, $4)
             ON CONFLICT (day, caller, operation) DO UPDATE SET requests = spending.requests + 1, credits = spending.credits + excluded.credits",
        )
        .bind(day(at))
        .bind(tenant.as_str())
        .bind(operation)
        .bind(credits)
        .execute(self.pool().await?)
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// Credits spent on the day of `at` by all callers of this ledger: the budget is the ledger's.
    pub async fn spent_on_day(&self, at: Millis) -> Result<i64> {
        sqlx::query("SELECT COALESCE(SUM(credits), 0) FROM spending WHERE day = $1")
            .bind(day(at))
            .fetch_one(self.pool().await?)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(failed)
    }

    /// The caller's spending, newest day first, at most `limit` rows.
    pub async fn spending(&self, tenant: &Tenant, limit: u32) -> Result<Vec<Spending>> {
        let rows = sqlx::query("SELECT day, operation, requests, credits FROM spending WHERE caller = $1 ORDER BY day DESC, credits DESC LIMIT $2")
            .bind(tenant.as_str())
            .bind(i64::from(limit))
            .fetch_all(self.pool().await?)
            .await
            .map_err(failed)?;
        let read = |row: &SqliteRow| -> sqlx::Result<Spending> {
            Ok(Spending {
                day: row.try_get(0)?,
                operation: row.try_get(1)?,
                requests: row.try_get(2)?,
                credits: row.try_get(3)?,
            })
        };
        rows.iter().map(|row| read(row).map_err(failed)).collect()
    }

    /// The balance that was reported last beside a job of the tenant, and when.
    pub async fn last_balance(&self, tenant: &Tenant) -> Result<Option<(i64, Millis)>> {
        // Not every change of a row brings a balance, so a few of the latest are compared by when they were told one.
        let row = sqlx::query(
            "SELECT credits_remaining, told_at FROM (
                 SELECT credits_remaining, COALESCE(last_checked_at, submitted_at, created_at) AS told_at FROM jobs
                 WHERE caller = $1 AND credits_remaining IS NOT NULL ORDER BY changed_at DESC LIMIT 50) AS latest
             ORDER BY told_at DESC LIMIT 1",
        )
        .bind(tenant.as_str())
        .fetch_optional(self.pool().await?)
        .await
        .map_err(failed)?;
        let read = |row: SqliteRow| -> sqlx::Result<(i64, Millis)> { Ok((row.try_get(0)?, row.try_get(1)?)) };
        row.map(|row| read(row).map_err(failed)).transpose()
    }
}

/// The day of `at`, UTC.
pub(super) fn day(at: Millis) -> String {
    let stamp = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    stamp.to_string().split('T').next().unwrap_or_default().to_owned()
}
