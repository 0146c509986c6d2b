//! One check of a job: the request, what its answer means, and where that is recorded.
//!
//! [`CheckService`] is shared by single checks (`check.rs`) and by the poller. It decides neither when to check nor for
//! whom.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::ledger::{OtherChanges, Reservation};
use super::poller::{CheckOutcome, CheckedBy, Service};
use super::polling::duration_model::{self, DurationStats};
use super::polling::unknown_answers::{self, UnknownAnswers, Verdict};
use super::secrets::JobSecrets;
use super::{DurationEstimate, IntentId, Job, JobStatus, Ledger, Millis, Observation, Schedule};
use crate::api::{self, Call, Client, ResponseContext};
use crate::catalog::pages::PageList;
use crate::catalog::{Method, ParamKind};
use crate::charge::Charge;
use crate::clock::now;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::tenant::Owner;

/// How often the lease of a job is renewed while its check is on the way: a process that dies in the middle keeps others
/// from checking for no longer than a lease lives without.
const LEASE_RENEWAL: Duration = Duration::from_secs(2);
/// From this many jobs on, old answers `unknown` are forgotten.
const UNKNOWN_ANSWERS_KEPT: usize = 1_024;
/// From this many jobs on, callbacks that could not be read are forgotten.
const WANTED_MAX: usize = 1_024;

/// What checks need: shared with the poller's tasks.
pub(super) struct CheckService {
    pub(super) client: Client,
    pub(super) ledger: Arc<Ledger>,
    pub(super) config: Arc<Config>,
    /// Secrets of the requests that submitted jobs, so that answers about them can be redacted.
    pub(super) secrets: JobSecrets,
    /// Schedules by operation and size class: as many as the catalog has, no more.
    schedules: Mutex<HashMap<(String, i64), Arc<Schedule>>>,
    /// Answers `unknown` about young jobs, by intent.
    unknown_answers: Mutex<HashMap<IntentId, UnknownAnswers>>,
    /// Jobs of which something is known to have happened, but not what: their next check is due now.
    wanted: Mutex<std::collections::HashSet<IntentId>>,
    /// This process, in leases.
    holder: String,
}

/// How the end of a job was seen.
#[derive(Clone, Copy, Debug)]
pub(super) enum EndSeen {
    /// By a check.
    ByCheck {
        /// The check before, in seconds since the submit, if there was one.
        previous: Option<f64>,
    },
    /// The service called back as it ended.
    ByCallback {
        /// The last check before it, in seconds since the submit, if there was one.
        previous: Option<f64>,
    },
}

/// Whose check of a job is next.
enum Lease {
    /// This process's.
    Ours,
    /// Another one's, which left the job so.
    Theirs(Box<Job>),
}

impl CheckService {
    pub(super) fn new(client: Client, ledger: Arc<Ledger>, config: Arc<Config>) -> CheckService {
        let holder = uuid::Uuid::new_v4().simple().to_string();
        CheckService {
            client,
            ledger,
            config,
            secrets: JobSecrets::default(),
            schedules: Mutex::default(),
            unknown_answers: Mutex::default(),
            wanted: Mutex::default(),
            holder,
        }
    }

    /// Checks a job for a caller who wants this very answer, and records it.
    pub(super) async fn ask(
        &self,
        owner: &Owner,
        job: &Job,
        force: bool,
        cancel: CancellationToken,
    ) -> Result<CheckOutcome> {
        let call = Call { cancel, ..self.check_call(job, force) };
        let reservation = self.admit_check(owner).await?;
        match self.client.send(owner, &call).await {
            Ok(response) => self.record(owner, job, &response, reservation, |_| {}).await,
            Err(error) => Err(self.not_answered(owner, "job_check", reservation, error).await),
        }
    }

    /// Records the answer to a check.
    async fn record(
        &self,
        owner: &Owner,
        job: &Job,
        response: &api::Response,
        reservation: Option<Reservation>,
        on_charge: impl Fn(Charge),
    ) -> Result<CheckOutcome> {
        let charge = response.charge();
        metrics::counter!("pdfco_checks_total").increment(1);
        let seen = match read(job, response) {
            Ok(seen) => seen,
            Err(error) => {
                // Such an answer still says what it cost, which goes along with the error.
                match reservation {
                    Some(reservation) => self.ledger.settle(owner, reservation, "job_check", charge.counted()).await,
                    None => drop(self.book(owner, "job_check", charge).await),
                }
                return Err(error);
            }
        };
        on_charge(charge.counted());
        self.wanted.lock().remove(&job.intent_id);
        let (seen, doubt) = self.doubted(job, seen);
        let previous = job.last_checked_at.map(|_| job.last_check_seconds());
        let recorded = self.ledger.observe(Some(owner.account()), job, &seen, reservation).await;
        if seen.status == JobStatus::Success && recorded.completed_at == Some(seen.at) {
            self.learn(&recorded, EndSeen::ByCheck { previous }).await;
        }
        Ok(CheckOutcome { job: recorded, charge, by: CheckedBy::Here, doubt })
    }

    /// `seen` as it is recorded. `unknown` about a young job of our own is believed after several answers only; until then
    /// the job keeps its state, and the second value says why and when to ask again.
    fn doubted(&self, job: &Job, seen: Observation) -> (Observation, Option<(Arc<Error>, Duration)>) {
        let submitted_at = job.submitted_at.filter(|_| !job.operation.is_empty() && !job.status.is_terminal());
        let Some(submitted_at) =
            submitted_at.filter(|at| seen.status == JobStatus::Unknown && unknown_answers::is_young(*at, seen.at))
        else {
            self.unknown_answers.lock().remove(&job.intent_id);
            return (seen, None);
        };
        let mut answers = self.unknown_answers.lock();
        let instant = Instant::now();
        if answers.len() >= UNKNOWN_ANSWERS_KEPT {
            answers.retain(|_, answers| !answers.is_stale(instant));
        }
        match answers.entry(job.intent_id.clone()).or_default().count(instant) {
            Verdict::Believed => {
                answers.remove(&job.intent_id);
                (seen, None)
            }
            Verdict::CheckAgain { after } => {
                let age = seen.at.saturating_sub(submitted_at).max(0) / 1_000;
                let message = format!(
                    "The service answered `unknown` about a job that it accepted {age} s ago. Under load it does so by mistake."
                );
                let doubt = Error::new(Kind::Upstream, message, "It is asked again before that is believed.");
                (Observation { status: job.status.clone(), ..seen }, Some((Arc::new(doubt), after)))
            }
        }
    }

    /// Lets a finished job teach what such jobs are charged. Knowing less about prices harms nothing.
    async fn learn_price(&self, job: &Job) {
        if job.operation.is_empty() {
            return;
        }
        let job = Job { page_count: pages_worked_on(job), content: None, ..job.clone() };
        if let Err(error) = self.ledger.learn_price(&job).await {
            tracing::debug!(%error, job_id = job.id(), "what a job was charged could not be recorded");
        }
    }

    /// Lets a finished job teach what such jobs are charged and how long they take: in its size class and in general.
    pub(super) async fn learn(&self, job: &Job, seen: EndSeen) {
        self.learn_price(job).await;
        let at = job.elapsed_seconds(now());
        let seconds = match seen {
            // Of an id from elsewhere only what was left of its time when it was first asked about can be known, and that
            // only if it was still running then.
            EndSeen::ByCheck { previous } if job.operation.is_empty() => {
                previous.and_then(|previous| duration_model::duration(None, at, Some(previous)))
            }
            _ if job.operation.is_empty() || job.submitted_at.is_none() => None,
            EndSeen::ByCheck { previous } => {
                duration_model::duration(job.job_duration_ms, at, Some(previous.unwrap_or_default()))
            }
            EndSeen::ByCallback { previous } => {
                let is_believed = |previous: &f64| *previous <= at.min(duration_model::CONTRADICTS_UNTIL);
                let running_at = previous.filter(is_believed).unwrap_or_default();
                duration_model::duration(job.job_duration_ms, at, None).map(|seconds| seconds.max(running_at))
            }
        };
        let Some(seconds) = seconds else { return };
        let mut buckets = vec![0, duration_model::page_bucket(job.page_count)];
        buckets.dedup();
        for bucket in buckets {
            let learned = match self.ledger.duration_stats(&job.operation, bucket).await {
                Ok(stats) => self.ledger.learn(&job.operation, bucket, stats.with(seconds)).await,
                Err(error) => Err(error),
            };
            if let Err(error) = learned {
                tracing::warn!(%error, job_id = job.id(), "the duration of a job could not be recorded");
            }
        }
    }

    /// The schedule for a job: from the durations of its operation, in its size class where there are any.
    pub(super) async fn schedule_for(&self, job: &Job) -> Arc<Schedule> {
        let mut stats = DurationStats::default();
        for bucket in [duration_model::page_bucket(job.page_count), 0] {
            if stats.weight == 0.0 {
                // Without recorded durations the prior will do.
                stats = self.ledger.duration_stats(&job.operation, bucket).await.unwrap_or_default();
            }
        }
        let estimate = stats.estimate();
        let mut schedules = self.schedules.lock();
        let known = schedules.entry(schedule_key(job)).or_insert_with(|| self.schedule(job, estimate));
        if known.made_from() != estimate {
            *known = self.schedule(job, estimate);
        }
        Arc::clone(known)
    }

    /// The schedule that was last used for such a job; the prior's when there was none yet.
    pub(super) fn known_schedule(&self, job: &Job) -> Arc<Schedule> {
        let mut schedules = self.schedules.lock();
        Arc::clone(schedules.entry(schedule_key(job)).or_insert_with(|| self.schedule(job, DurationEstimate::PRIOR)))
    }

    /// Something has happened to a job, and it is not known what: its recorded state is not fresh any more.
    pub(super) fn want_check(&self, job: &Job) {
        let mut wanted = self.wanted.lock();
        if wanted.len() >= WANTED_MAX {
            wanted.clear();
        }
        wanted.insert(job.intent_id.clone());
    }

    /// Whether [`CheckService::want_check`] was called since the last answer about the job.
    pub(super) fn is_check_wanted(&self, job: &Job) -> bool {
        self.wanted.lock().contains(&job.intent_id)
    }

    fn schedule(&self, job: &Job, estimate: DurationEstimate) -> Arc<Schedule> {
        let worth = self.config.check_worth_seconds;
        Arc::new(match job.operation.is_empty() {
            true => Schedule::from_elsewhere(estimate, worth),
            false => Schedule::new(estimate, worth),
        })
    }

    fn check_call(&self, job: &Job, force: bool) -> Call {
        let mut params = json!({"jobId": job.id()});
        if (force || job.is_unknown_here())
            && let Some(params) = params.as_object_mut()
        {
            params.insert("force".into(), json!(true));
        }
        let secrets = self.secrets.of(&job.intent_id);
        let context = if job.operation.is_empty() { ResponseContext::Job } else { ResponseContext::OwnJob };
        Call { context, secrets, ..Call::safe(Method::Post, "/v1/job/check", params) }
    }

    /// Takes the lease of a job, where other processes may check it too.
    async fn lease(&self, job: &Job) -> Lease {
        // A job without a row has none to lease.
        if !self.ledger.is_shared() || job.is_unknown_here() {
            return Lease::Ours;
        }
        match self.ledger.claim(job, &self.holder, job.last_checked_at, now()).await {
            Ok(Err(theirs)) => Lease::Theirs(Box::new(theirs)),
            // A ledger that cannot be asked does not stop the polling.
            Ok(Ok(())) | Err(_) => Lease::Ours,
        }
    }

    /// Keeps the lease of a job. Never returns.
    async fn keep_lease(&self, job: &Job) {
        if !self.ledger.is_shared() || job.is_unknown_here() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(LEASE_RENEWAL).await;
            let _ = self.ledger.claim(job, &self.holder, job.last_checked_at, now()).await;
        }
    }

    fn release_lease(&self, job: &Job) {
        if self.ledger.is_shared() && !job.is_unknown_here() {
            self.ledger.release(&job.intent_id, &self.holder);
        }
    }

    async fn check_leased(
        &self,
        owner: &Owner,
        permit: api::Permit,
        job: &Job,
        cancel: &CancellationToken,
        on_charge: impl Fn(Charge) + Send + Sync,
    ) -> Result<CheckOutcome> {
        if let Lease::Theirs(theirs) = self.lease(job).await {
            permit.release();
            let is_news = theirs.status.is_terminal() || theirs.last_checked_at > job.last_checked_at;
            let by = if is_news { CheckedBy::Elsewhere } else { CheckedBy::LeaseHolder };
            return Ok(CheckOutcome { job: *theirs, charge: Charge::NONE, by, doubt: None });
        }
        let reservation = match self.admit_check(owner).await {
            Ok(reservation) => reservation,
            Err(error) => {
                permit.release();
                self.release_lease(job);
                return Err(error);
            }
        };
        let call = Call { cancel: cancel.clone(), ..self.check_call(job, false) };
        let response = tokio::select! {
            response = self.client.send_with_permit(&owner.key, &call, permit) => response,
            () = self.keep_lease(job) => unreachable_end(),
        };
        let outcome = match response {
            Ok(response) => self.record(owner, job, &response, reservation, on_charge).await,
            Err(error) => Err(self.not_answered(owner, "job_check", reservation, error).await),
        };
        if outcome.is_err() {
            self.release_lease(job);
        }
        outcome
    }
}

/// The pages that a job worked on: those that it selected of the document's, as far as both are known.
fn pages_worked_on(job: &Job) -> Option<i64> {
    let total = job.page_count?;
    let selected = || {
        let ParamKind::Pages { first } = job.operation()?.param("pages")?.kind else { return None };
        let text = job.arguments.get("pages")?.as_str().filter(|text| !text.trim().is_empty())?;
        let pages = PageList::parse(text, first).ok()?.resolve(u32::try_from(total).ok()?).ok()?;
        i64::try_from(pages.len()).ok()
    };
    Some(selected().map_or(total, |selected| selected.min(total)))
}

/// What stands for the end of a loop that has none.
fn unreachable_end<T>() -> Result<T> {
    Err(Error::internal("A lease that is kept for ever ended."))
}

/// Reads the answer to a check of `job`.
fn read(job: &Job, response: &api::Response) -> Result<Observation> {
    if response.job_id().is_some_and(|id| !id.eq_ignore_ascii_case(job.id())) {
        // What it says about the other job may be another tenant's.
        let message = "The service answered about another job than the one that was asked about.";
        return Err(Error::new(Kind::Upstream, message, "Check again in a few seconds.").with_charge(response.charge()));
    }
    Observation::read(response, now())
}

fn schedule_key(job: &Job) -> (String, i64) {
    (job.operation.clone(), duration_model::page_bucket(job.page_count))
}

impl Service for CheckService {
    type Permit = api::Permit;

    async fn acquire(&self, owner: &Owner) -> Self::Permit {
        self.client.acquire(owner).await
    }

    fn release(&self, permit: Self::Permit) {
        permit.release();
    }

    async fn check(
        &self,
        owner: &Owner,
        permit: Self::Permit,
        job: &Job,
        cancel: &CancellationToken,
        on_charge: impl Fn(Charge) + Send + Sync,
    ) -> Result<CheckOutcome> {
        let span = job.span("poll", owner);
        self.check_leased(owner, permit, job, cancel, on_charge).instrument(span).await
    }

    fn is_shared(&self) -> bool {
        self.ledger.is_shared()
    }

    async fn others(&self, owner: &Owner) -> OtherChanges {
        self.ledger.others(&owner.tenant).await
    }

    async fn changed(&self, owner: &Owner, since: Millis) -> Vec<Job> {
        self.ledger.changed_since(&owner.tenant, since).await.unwrap_or_else(|error| {
            tracing::warn!(%error, tenant = %owner.tenant, "changes by other processes could not be read");
            Vec::new()
        })
    }
}
