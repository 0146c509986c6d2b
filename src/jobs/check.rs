//! What a look needs: the client, the ledger, and what durations taught. Shared with the poller's tasks.
//!
//! What lives here: [`CheckService`], which asks about a job once and puts the answer into the ledger, books what it cost and
//! learns from it. What never does: deciding when to look, or who waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::poller::{By, CheckOutcome, Service};
use super::{DurationEstimate, Job, JobStatus, Ledger, Millis, Observation, Schedule, Settings};
use crate::api::{self, About, Call, Client};
use crate::catalog::Method;
use crate::charge::Charge;
use crate::clock::now;
use crate::error::Result;
use crate::jobs::polling::duration_model::{self, DurationStats};
use crate::tenant::{Owner, Tenant};

/// What checks need: shared with the poller's tasks.
pub(super) struct CheckService {
    pub(super) client: Client,
    pub(super) ledger: Arc<Ledger>,
    pub(super) settings: Settings,
    /// Schedules by operation and size class: as many as the catalog has, no more.
    pub(super) schedules: Mutex<HashMap<(String, i64), Arc<Schedule>>>,
    /// This process, in leases.
    pub(super) holder: String,
}

impl CheckService {
    /// Asks the service about a job, for somebody who wants this very answer, and puts it into the ledger.
    pub(super) async fn ask(&self, owner: &Owner, job: &Job, force: bool) -> Result<CheckOutcome> {
        let reply = self.client.send(&owner.key, &check_call(job, force || job.is_unknown_here())).await?;
        self.looked(owner, job, &reply, |_| {}).await
    }

    async fn looked(
        &self,
        owner: &Owner,
        job: &Job,
        reply: &api::Reply,
        paid: impl Fn(Charge),
    ) -> Result<CheckOutcome> {
        let charge = reply.charge();
        metrics::counter!("pdfco_checks_total").increment(1);
        let seen = match Observation::read(reply, now()) {
            Ok(seen) => seen,
            Err(error) => {
                // An answer without a state still says what it cost: it goes along with the error.
                self.book(&owner.tenant, "job_check", charge).await;
                return Err(error);
            }
        };
        paid(counted(charge));
        let before = job.last_check_seconds();
        let job = self.ledger.observe(&job.intent_id, &seen).await.unwrap_or_else(|error| {
            // What the service said, and was paid for, is told even when it cannot be kept.
            tracing::warn!(%error, "the answer to a check could not be recorded");
            job.seeing(&seen)
        });
        if seen.status == JobStatus::Success && job.completed_at == Some(seen.at) {
            self.learn(&job, Some(before)).await;
        }
        Ok(CheckOutcome { job, charge, by: By::Us })
    }

    /// Lets a finished job teach how long such jobs take: in its size class and in general. `before` is when it was
    /// looked at before its end was seen, in seconds since the submit; nothing when its end was told by the service.
    pub(super) async fn learn(&self, job: &Job, before: Option<f64>) {
        if job.operation.is_empty() || job.submitted_at.is_none() {
            return;
        }
        let at = job.elapsed_seconds(now());
        let Some(seconds) = duration_model::duration(job.job_duration_ms, at, before) else { return };
        let mut buckets = vec![0, duration_model::page_bucket(job.page_count)];
        buckets.dedup();
        for bucket in buckets {
            let learnt = match self.ledger.duration_stats(&job.operation, bucket).await {
                Ok(learned) => self.ledger.learn(&job.operation, bucket, learned.with(seconds)).await,
                Err(error) => Err(error),
            };
            if let Err(error) = learnt {
                tracing::warn!(%error, "a duration could not be kept");
            }
        }
    }

    /// The schedule for a job: from the durations of its operation, in its size class where there are any.
    pub(super) async fn schedule_for(&self, job: &Job) -> Arc<Schedule> {
        let mut learned = DurationStats::default();
        for bucket in [duration_model::page_bucket(job.page_count), 0] {
            if learned.weight == 0.0 && !job.operation.is_empty() {
                // Without the past the prior will do.
                learned = self.ledger.duration_stats(&job.operation, bucket).await.unwrap_or_default();
            }
        }
        let estimate = learned.estimate();
        let mut schedules = self.schedules.lock().unwrap_or_else(PoisonError::into_inner);
        let known = schedules.entry(schedule_key(job)).or_insert_with(|| self.schedule(estimate));
        if known.made_from() != estimate {
            *known = self.schedule(estimate);
        }
        Arc::clone(known)
    }

    /// The schedule that was last used for such a job; the prior's when there was none yet.
    pub(super) fn known_schedule(&self, job: &Job) -> Arc<Schedule> {
        let mut schedules = self.schedules.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            schedules.entry(schedule_key(job)).or_insert_with(|| self.schedule(DurationStats::default().estimate())),
        )
    }

    /// Books what a request cost. A ledger that cannot be written does not turn a success into a failure.
    pub(super) async fn book(&self, tenant: &Tenant, operation: &str, charge: Charge) -> Charge {
        if let Some(credits) = charge.credits
            && let Err(error) = self.ledger.spent(tenant, operation, credits, now()).await
        {
            tracing::warn!(%error, "spending could not be booked");
        }
        counted(charge)
    }

    fn schedule(&self, estimate: DurationEstimate) -> Arc<Schedule> {
        Arc::new(Schedule::new(estimate, self.settings.check_worth_seconds))
    }
}

/// Counts what a request cost, for `/metrics` and for whoever pays.
fn counted(charge: Charge) -> Charge {
    if let Some(credits) = charge.credits {
        // Refunds make this fall, so it is no counter.
        metrics::gauge!("pdfco_credits_spent").increment(credits as f64);
    }
    charge
}

fn schedule_key(job: &Job) -> (String, i64) {
    (job.operation.clone(), duration_model::page_bucket(job.page_count))
}

impl Service for CheckService {
    type Turn = api::rate_limit::Permit;

    async fn turn(&self, owner: &Owner) -> Self::Turn {
        self.client.turn(&owner.key).await
    }

    fn give_back(&self, turn: Self::Turn) {
        turn.give_back();
    }

    async fn check(
        &self,
        owner: &Owner,
        turn: Self::Turn,
        job: &Job,
        paid: impl Fn(Charge) + Send + Sync,
    ) -> Result<CheckOutcome> {
        let is_shared = self.ledger.is_shared();
        let claimed = match is_shared {
            true => self.ledger.claim(&job.intent_id, &self.holder, job.last_checked_at, now()).await,
            false => Ok(Ok(())),
        };
        // A ledger that cannot be asked does not stop the looking.
        if let Ok(Err(theirs)) = claimed {
            turn.give_back();
            let is_news = theirs.status.is_terminal() || theirs.last_checked_at > job.last_checked_at;
            let by = if is_news { By::Others } else { By::OthersSoon };
            return Ok(CheckOutcome { job: theirs, charge: Charge::NONE, by });
        }
        let reply = self.client.send_in_turn(&owner.key, &check_call(job, job.is_unknown_here()), turn).await;
        let looked = match reply {
            Ok(reply) => self.looked(owner, job, &reply, paid).await,
            Err(error) => Err(error),
        };
        if is_shared
            && looked.is_err()
            && let Err(error) = self.ledger.release(&job.intent_id, &self.holder).await
        {
            tracing::debug!(%error, "a lease could not be given back; it ends by time");
        }
        looked
    }

    fn is_shared(&self) -> bool {
        self.ledger.is_shared()
    }

    async fn changed(&self, owner: &Owner, since: Millis) -> Vec<Job> {
        self.ledger.changed_since(&owner.tenant, since).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "other processes' news could not be read");
            Vec::new()
        })
    }
}

fn check_call(job: &Job, force: bool) -> Call {
    let mut params = json!({"jobId": job.id()});
    if force && let Some(params) = params.as_object_mut() {
        params.insert("force".into(), json!(true));
    }
    Call { about: About::Job, ..Call::safe(Method::Post, "/v1/job/check", params) }
}
