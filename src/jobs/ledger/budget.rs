//! A bound on spending that holds: what a request may cost is set aside in the statement that admits it, and settled
//! when the service has said what it charged.
//!
//! What counts for a day and a tenant is what was charged, refunds of the same day's jobs subtracted, and what is set
//! aside. A request whose fate is unknown keeps what was set aside for it.

use super::changes::{Change, Owners};
use super::connection::{Connection, Lock};
use super::statement::statement;
use super::work::{Durability, Patience, work};
use super::{Ledger, Millis};
use crate::charge::Charge;
use crate::clock::{day, now};
use crate::error::{Error, Kind, Result};
use crate::tenant::Owner;

/// What one request asks of the day's budget, in credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The budget of the day.
    pub limit: i64,
    /// What the request will cost, as far as that is known: it is refused when this is not left.
    pub expected: i64,
    /// What it may cost: so much is set aside until the service has said what it charged, or what is left if that is
    /// less.
    pub at_most: i64,
}

impl Admission {
    /// A request of a known price.
    pub fn of(limit: i64, price: i64) -> Admission {
        Admission { limit, expected: price, at_most: price }
    }
}

/// Credits that are set aside for one request, to be settled once.
#[derive(Clone, Debug)]
#[must_use = "what is set aside counts as spent until it is settled"]
pub struct Reservation {
    pub(super) id: String,
}

impl Ledger {
    /// Admits a paid request that is no submit: writes it down, synced, before it is sent, and sets aside what it may
    /// cost. Without a budget it is written down all the same: no paid request without a durable row.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written within fifteen seconds, `insufficient_credits` beyond the budget.
    pub async fn admit(&self, owner: &Owner, admission: Option<Admission>) -> Result<Reservation> {
        let stored = self.stored_for_writing(&owner.tenant).await?;
        let reservation = Reservation { id: format!("request-{}", uuid::Uuid::new_v4().simple()) };
        let (id, at) = (reservation.id.clone(), now());
        let unlimited = Admission { limit: i64::MAX, expected: 0, at_most: 0 };
        let wanted = admission.unwrap_or(unlimited);
        let work = work(move |mut connection| {
            Box::pin(async move {
                if admit(&mut connection, &id, &stored, wanted, at).await? {
                    return Ok(None);
                }
                used(&mut connection, &stored, at).await.map(Some)
            })
        });
        let admitted = self.database.transaction(Patience::PAID, Durability::Synced, work).await;
        match self.watched(admitted)? {
            None => Ok(reservation),
            Some(used) => Err(refused(used, wanted.limit)),
        }
    }

    /// Admits a check. Without a budget nothing is set aside, so that checks go on where the ledger cannot be written.
    ///
    /// # Errors
    /// As [`Ledger::admit`].
    pub async fn admit_check(&self, owner: &Owner, limit: Option<i64>, price: i64) -> Result<Option<Reservation>> {
        let Some(limit) = limit else { return Ok(None) };
        let known = self.tariff(owner.account(), "job_check").await.ok().flatten();
        let expected = known.unwrap_or(price);
        let at_most = known.unwrap_or(price.saturating_mul(CHECK_MARGIN));
        self.admit(owner, Some(Admission { limit, expected, at_most })).await.map(Some)
    }

    /// What a request of `operation` asks of the budget: what such requests of this account were charged before, else
    /// `price`, the catalog's, with a margin.
    pub async fn admission(&self, owner: &Owner, operation: &str, limit: Option<i64>, price: i64) -> Option<Admission> {
        let limit = limit?;
        let known = self.tariff(owner.account(), operation).await.ok().flatten();
        let expected = known.unwrap_or(0).max(price).max(1);
        let at_most = if known.is_some() { expected } else { expected.max(UNPROVEN_MAX) };
        Some(Admission { limit, expected, at_most })
    }

    /// Settles what was set aside: books what the request was charged. Where the service reported nothing, what was set
    /// aside goes on to count.
    pub async fn settle(&self, owner: &Owner, reservation: Reservation, operation: &str, charge: Charge) {
        let change = Change::Charged {
            reservation: Some(reservation.id),
            owner: Owners { tenant: owner.tenant.clone(), account: Some(owner.account().clone()) },
            operation: operation.to_owned(),
            charge,
            at: now(),
        };
        self.through(change).await;
    }

    /// Gives back what was set aside for a request that was surely not charged.
    pub fn give_back(&self, reservation: Reservation) {
        self.pending.behind(Change::Unreserved { reservation: reservation.id });
    }

    /// Refuses what is not admitted now, without setting anything aside.
    ///
    /// # Errors
    /// As [`Ledger::admit`].
    pub async fn refuse_beyond(&self, owner: &Owner, admission: Admission) -> Result<()> {
        let used = self.budget_used(owner, now()).await?;
        if used.saturating_add(admission.expected) > admission.limit {
            return Err(refused(used, admission.limit));
        }
        Ok(())
    }

    /// What counts for the tenant's budget on the day of `at`: charged and set aside.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be read.
    pub async fn budget_used(&self, owner: &Owner, at: Millis) -> Result<i64> {
        let query = statement(USED).bind(self.stored(&owner.tenant).await?).bind(day(at));
        Ok(self.database.read_first(query).await?.map_or(0, |(used,)| used))
    }
}

/// Set aside for an operation of which no charge has been seen: how many pages it is charged for is not known.
const UNPROVEN_MAX: i64 = 50;
/// The same for checks, as a multiple of the price.
const CHECK_MARGIN: i64 = 5;

/// What counts for a tenant and a day. A refund raises no limit.
const USED: &str = "SELECT COALESCE((SELECT CAST(SUM(counted) AS BIGINT) FROM spending WHERE day = $2 AND tenant = $1 HAVING SUM(counted) > 0), 0)
         + COALESCE((SELECT CAST(SUM(credits) AS BIGINT) FROM reservations WHERE day = $2 AND tenant = $1), 0) AS used";

/// Sets aside what a request may cost, if what it is expected to cost is left.
pub(super) async fn admit(
    connection: &mut Connection<'_>,
    id: &str,
    tenant: &str,
    admission: Admission,
    at: Millis,
) -> sqlx::Result<bool> {
    // On any replica, one after the other: what the one before set aside is seen.
    connection.lock(&[Lock::Tenant(tenant)]).await?;
    let sql = format!(
        "INSERT INTO reservations (id, tenant, day, credits, expected, at)
         SELECT $3, $1, $2, CASE WHEN $5 < $6 - used THEN $5 ELSE $6 - used END, $4, $7 FROM ({USED}) AS known
         WHERE used + $4 <= $6"
    );
    let query = statement(sql)
        .bind(tenant)
        .bind(day(at))
        .bind(id)
        .bind(admission.expected.max(0))
        .bind(admission.at_most.max(admission.expected).max(0))
        .bind(admission.limit)
        .bind(at);
    Ok(connection.execute(query).await? == 1)
}

/// What counts now.
pub(super) async fn used(connection: &mut Connection<'_>, tenant: &str, at: Millis) -> sqlx::Result<i64> {
    let used = connection.row(statement(USED).bind(tenant).bind(day(at))).await?;
    Ok(used.map_or(0, |(used,)| used))
}

/// The error of a request beyond the budget.
pub(super) fn refused(used: i64, limit: i64) -> Error {
    Error::new(
        Kind::InsufficientCredits,
        format!("The day's budget of {limit} credits does not allow this: {used} are spent or set aside."),
        "It starts anew at midnight UTC. Raise PDFCO_CREDIT_BUDGET to go on today. Nothing was sent.",
    )
}
