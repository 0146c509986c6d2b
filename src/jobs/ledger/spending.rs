//! What was spent, by day, tenant and operation; balances and prices by account.

use sqlx::FromRow;

use super::changes::{Change, Owners};
use super::keyed::keyed;
use super::statement::statement;
use super::work::{Durability, Patience};
use super::{Ledger, Millis};
use crate::charge::Charge;
use crate::error::Result;
use crate::jobs::job::Job;
use crate::secret::Fingerprint;
use crate::tenant::{Owner, Tenant};

/// Spending of one operation on one day.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, serde::Serialize)]
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

/// What an ended job was charged.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PriceObservation {
    /// Catalog name.
    pub operation: String,
    /// Pages, as reported by the service.
    pub pages: Option<i64>,
    /// Credits of the submit, if reported.
    pub submit_credits: Option<i64>,
    /// Credits of its checks together, if reported.
    pub check_credits: Option<i64>,
    /// How many checks those were.
    pub checks: i64,
    /// When it ended.
    pub at: Millis,
}

impl Ledger {
    /// Adds what a request cost to the day's spending. What a check cost is added by [`Ledger::observe`], what a submit
    /// cost with its acceptance.
    pub async fn charged(&self, owner: &Owner, operation: &str, charge: Charge, at: Millis) {
        let owner = Owners { tenant: owner.tenant.clone(), account: Some(owner.account().clone()) };
        let operation = operation.to_owned();
        self.through(Change::Charged { reservation: None, owner, operation, charge, at }).await;
    }

    /// The tenant's spending, newest day first, at most `limit` rows.
    pub async fn spending(&self, tenant: &Tenant, limit: u32) -> Result<Vec<Spending>> {
        let query = statement(
            "SELECT day, operation, requests, credits FROM spending WHERE tenant = $1 ORDER BY day DESC, credits DESC LIMIT $2",
        )
        .bind(self.stored(tenant).await?)
        .bind(i64::from(limit));
        self.database.read(query).await
    }

    /// The newest balance that the service reported for this account, and when its request was sent.
    pub async fn newest_balance(&self, account: &Fingerprint) -> Result<Option<(i64, Millis)>> {
        let secret = self.database.secret().await?;
        let query = statement("SELECT credits, told_at FROM balances WHERE account = $1")
            .bind(keyed(&secret, account.as_str()));
        self.database.read_first(query).await
    }

    /// The newest balance of the account that the tenant used last, and when it was reported.
    pub async fn last_balance(&self, tenant: &Tenant) -> Result<Option<(i64, Millis)>> {
        let query = statement(
            "SELECT credits, told_at FROM balances
             WHERE account = (SELECT account FROM jobs WHERE tenant = $1 ORDER BY seq DESC LIMIT 1)",
        )
        .bind(self.stored(tenant).await?);
        self.database.read_first(query).await
    }

    /// Learns what an ended job was charged.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written.
    pub async fn learn_price(&self, job: &Job) -> Result<()> {
        let query = statement(
            "INSERT INTO prices (intent_id, account, operation, pages, submit_credits, check_credits, checks, at)
             VALUES ($1, (SELECT account FROM jobs WHERE intent_id = $1), $2, $3, $4, $5, $6, $7)
             ON CONFLICT (intent_id) DO NOTHING",
        )
        .bind(job.intent_id.as_str())
        .bind(&job.operation)
        .bind(job.page_count)
        .bind(job.submit_credits)
        .bind(job.check_credits)
        .bind(job.checks_made)
        .bind(job.completed_at.unwrap_or_default());
        self.database.write(Patience::USUAL, Durability::Relaxed, query).await.map(drop)
    }

    /// What the newest jobs of an operation were charged on this account, newest first, at most `limit`.
    pub async fn price_observations(
        &self,
        account: &Fingerprint,
        operation: &str,
        limit: u32,
    ) -> Result<Vec<PriceObservation>> {
        let secret = self.database.secret().await?;
        let query = statement(
            "SELECT operation, pages, submit_credits, check_credits, checks, at FROM prices
             WHERE account = $1 AND operation = $2 ORDER BY at DESC LIMIT $3",
        )
        .bind(keyed(&secret, account.as_str()))
        .bind(operation)
        .bind(i64::from(limit));
        self.database.read(query).await
    }

    /// What the newest jobs of several pages were charged on this account, newest first, at most `limit`.
    pub async fn prices_of_several_pages(&self, account: &Fingerprint, limit: u32) -> Result<Vec<PriceObservation>> {
        let secret = self.database.secret().await?;
        let query = statement(
            "SELECT operation, pages, submit_credits, check_credits, checks, at FROM prices
             WHERE account = $1 AND pages > 1 ORDER BY at DESC LIMIT $2",
        )
        .bind(keyed(&secret, account.as_str()))
        .bind(i64::from(limit));
        self.database.read(query).await
    }

    /// The most that one request of an operation was charged on this account; none when none was seen.
    pub async fn tariff(&self, account: &Fingerprint, operation: &str) -> Result<Option<i64>> {
        let secret = self.database.secret().await?;
        let query = statement("SELECT highest FROM tariffs WHERE account = $1 AND operation = $2")
            .bind(keyed(&secret, account.as_str()))
            .bind(operation);
        Ok(self.database.read_first(query).await?.map(|(highest,)| highest))
    }
}
