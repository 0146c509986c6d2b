//! Single checks: one question about a job, answered from the ledger where that is free and as good.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::job_id::JobId;
use super::polling::freshness::{FRESH, fresh_for};
use super::{Job, Jobs, Source};
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::tenant::Owner;

/// One check.
#[derive(Debug)]
pub struct Checked {
    /// The job as it is known now.
    pub job: Job,
    /// Where that came from.
    pub source: Source,
    /// What it cost.
    pub charge: Charge,
    /// When a new check makes sense.
    pub retry_after: Option<Duration>,
    /// This ledger sees the id for the first time.
    pub is_first_sight: bool,
    /// Why the answer is not believed yet, if it is not.
    pub doubt: Option<Arc<Error>>,
}

impl Jobs {
    /// Checks a job once. A terminal state comes from the ledger for nothing, unless `force`; so does a state that is less
    /// than three seconds old. An id that the ledger never saw is asked about with `force`, because the service says
    /// `working` for jobs that do not exist; it is recorded once the service has answered.
    ///
    /// # Errors
    /// As `Client::send`; `not_found` for one of our own ids that is not in the ledger.
    pub async fn check(&self, owner: &Owner, id: &JobId, force: bool) -> Result<Checked> {
        let asked = Instant::now();
        let (mut job, is_first_sight) = self.find(owner, id).await?;
        if let Some(answer) = self.recorded(&job, force, is_first_sight) {
            return Ok(answer);
        }
        let guard = self.checks.guard(owner, job.id());
        let mut checked_at = guard.lock().await;
        if checked_at.is_some_and(|began| began >= asked) {
            // Another caller's check began after we asked: its answer is as new as ours would be.
            job = Box::pin(self.core.ledger.get(&owner.tenant, job.id())).await?.unwrap_or(job);
            if let Some(answer) = self.recorded(&job, false, is_first_sight) {
                return Ok(answer);
            }
        }
        let began = Instant::now();
        let outcome = self.check_detached(owner, &job, force).await;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return Err(explained(&job, error)),
        };
        *checked_at = Some(began);
        drop(checked_at);
        // Those who wait for the same job need not pay for what is known now.
        self.poller.publish(&outcome.job);
        let doubt = outcome.doubt.map(|(why, _)| why);
        let retry_after = (!outcome.job.status.is_terminal()).then(|| self.next_check_in(&outcome.job));
        Ok(Checked {
            job: outcome.job,
            source: Source::Live,
            charge: outcome.charge,
            retry_after,
            is_first_sight,
            doubt,
        })
    }

    /// Checks in a task of its own: an answer that has come is recorded even if its caller has left. A request that was
    /// not answered is dropped a moment after that.
    async fn check_detached(&self, owner: &Owner, job: &Job, force: bool) -> Result<super::poller::CheckOutcome> {
        let cancel = CancellationToken::new();
        let _cancelled_with_the_caller = cancel.clone().drop_guard();
        let (core, owner, job) = (Arc::clone(&self.core), owner.clone(), job.clone());
        let span = job.span("check", &owner);
        let check = tokio::spawn(async move { core.ask(&owner, &job, force, cancel).await }.instrument(span));
        check.await.unwrap_or_else(|_| Err(Error::internal("A check of a job stopped in the middle.")))
    }

    /// The job with this id, and whether this ledger sees it for the first time. An id from elsewhere gets a job that is
    /// not recorded yet.
    pub(super) async fn find(&self, owner: &Owner, id: &JobId) -> Result<(Job, bool)> {
        let known = match self.core.ledger.get(&owner.tenant, id.as_str()).await {
            // A ledger that cannot be read does not stop a check of a job whose id is known.
            Err(error) if super::ledger::is_unavailable(&error) && !id.is_intent() => None,
            known => known?,
        };
        match known {
            Some(job) => Ok((job, false)),
            None if id.is_intent() => Err(super::unknown_job(id.as_str())),
            None => match self.core.client.refusal(&owner.key) {
                Some(error) => Err(error),
                None => Ok((Job::from_elsewhere(owner.tenant.clone(), id, now()), true)),
            },
        }
    }

    /// The answer that costs nothing, when there is one.
    fn recorded(&self, job: &Job, force: bool, is_first_sight: bool) -> Option<Checked> {
        let answer = |retry_after| Checked {
            job: job.clone(),
            source: Source::Cache,
            charge: Charge::NONE,
            retry_after,
            is_first_sight,
            doubt: None,
        };
        if job.job_id.is_none() {
            // The service never gave an id: there is nothing to ask about.
            return Some(answer(None));
        }
        if force || job.is_unknown_here() {
            return None;
        }
        if job.status.is_terminal() {
            return Some(answer(None));
        }
        if self.core.is_check_wanted(job) {
            return None;
        }
        fresh_for(job.last_checked_at, now()).map(|left| answer(Some(left.min(FRESH))))
    }
}

/// `error` of a check, with the job's last known state where the error passes.
fn explained(job: &Job, error: Error) -> Error {
    let passes = matches!(error.kind(), Kind::Network | Kind::RateLimited | Kind::Upstream);
    if !passes || job.is_unknown_here() {
        return error;
    }
    let state = job.status.as_str();
    let known = match job.last_checked_at.or(job.submitted_at) {
        Some(at) => format!(" Its last known state is `{state}`, as of {}.", crate::clock::rfc3339(at)),
        None => format!(" Its last known state is `{state}`."),
    };
    let hint = hint![error.hint().clone(), known];
    error.with_hint(hint)
}
