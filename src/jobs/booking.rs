//! What checks and requests that are no jobs cost: set aside before they are sent, booked when they are answered.

use super::check_service::CheckService;
use super::ledger::{Reservation, nothing_sent};
use crate::catalog::{self, Operation};
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::tenant::Owner;

/// What a check costs, in credits, until this account's own checks say otherwise.
const CHECK_PRICE: i64 = 2;

impl CheckService {
    /// Admits a request that is no job, unless it is free: nothing is paid for without a durable row.
    pub(super) async fn admit_direct(&self, owner: &Owner, operation: &str) -> Result<Option<Reservation>> {
        // An upload is booked under a name of its own.
        let name = if operation == "file_upload" { "file_upload_url" } else { operation };
        let Some(price) = catalog::find(name).ok().and_then(Operation::least_credits) else { return Ok(None) };
        let admission = self.ledger.admission(owner, operation, self.config.credit_budget, price).await;
        self.ledger.admit(owner, admission).await.map(Some).map_err(nothing_sent)
    }

    /// Sets aside what a check may cost, if there is a budget.
    pub(super) async fn admit_check(&self, owner: &Owner) -> Result<Option<Reservation>> {
        self.ledger.admit_check(owner, self.config.credit_budget, CHECK_PRICE).await
    }

    /// Books what a refusal says that it cost, and the balance in it; gives back what was set aside for a request that was
    /// surely not charged.
    pub(super) async fn not_answered(
        &self,
        owner: &Owner,
        operation: &str,
        reservation: Option<Reservation>,
        error: Error,
    ) -> Error {
        let charge = error.charge();
        if let Some(reservation) = reservation.as_ref().filter(|_| charge.credits.is_some()) {
            self.ledger.settle(owner, reservation.clone(), operation, charge.counted()).await;
            return error;
        }
        self.book(owner, operation, charge).await;
        if let Some(reservation) = reservation
            && !error.is_fate_unknown()
            && !matches!(error.kind(), Kind::Network | Kind::Upstream)
        {
            self.ledger.give_back(reservation);
        }
        error
    }

    /// Books what a request cost. A ledger that cannot be written does not turn a success into a failure.
    pub(super) async fn book(&self, owner: &Owner, operation: &str, charge: Charge) -> Charge {
        if charge != Charge::NONE {
            self.ledger.charged(owner, operation, charge, now()).await;
        }
        charge.counted()
    }
}
