//! Answers about jobs on their way into the ledger.

use super::Ledger;
use super::budget::Reservation;
use super::changes::{Change, Owners, Seen};
use crate::jobs::job::{Job, Observation};
use crate::secret::Fingerprint;

impl Ledger {
    /// Keeps a live answer about `job`, and what the check cost; settles what was set aside for it. The job as it is
    /// afterwards.
    ///
    /// A change of state and a charge are on the disk when this returns; what learned nothing is written a moment later.
    /// Where the file cannot be written, the answer is kept until it can be, and the job is returned all the same.
    pub async fn observe(
        &self,
        account: Option<&Fingerprint>,
        job: &Job,
        seen: &Observation,
        reservation: Option<Reservation>,
    ) -> Job {
        let expected = job.seeing(seen);
        let has_learned = job.is_unknown_here()
            || !seen.is_check
            || reservation.is_some()
            || seen.credits.is_some_and(|credits| credits != 0)
            || expected.status != job.status
            // Under a clock that was set back, its time does not give its position among the others.
            || job.last_checked_at.is_some_and(|at| at >= seen.at);
        let change = Change::Seen(Box::new(Seen {
            job: job.clone(),
            owner: Owners { tenant: job.tenant.clone(), account: account.cloned() },
            seen: seen.clone(),
            checks: 1,
            reservation: reservation.map(|reservation| reservation.id),
        }));
        if !has_learned {
            self.pending.behind(change);
            return expected;
        }
        match self.through(change).await {
            Some(row) => row.job(job.tenant.clone()),
            None => expected,
        }
    }
}
