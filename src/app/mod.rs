//! The use cases: [`App`] joins catalog, files and jobs into calls that end in an [`Answer`] or a typed list.
//!
//! Both interfaces call these methods with a [`Caller`] and put what they return into their own envelope. Start at
//! [`App::submit`] (`submit.rs`), then [`App::wait`] (`wait.rs`).

mod account;
pub mod answer;
mod batch;
mod bounded;
mod caller;
mod card;
mod catalog;
mod consent;
mod content;
mod estimate;
mod findings;
mod folders;
mod follow_up;
mod job_view;
mod jobs;
mod learned_price;
mod limits;
mod lines;
mod overview;
mod pages;
pub mod policy;
mod quote;
mod result_name;
mod results;
mod sources;
mod submit;
mod submit_many;
mod tasks;
mod tickets;
mod tips;
mod uploads;
mod wait;
mod wait_many;

pub use answer::{Answer, Status, TaskView, TextOutput, rfc3339, schema};
pub use batch::{Input, Prior};
pub use bounded::{bounded, bounded_record};
pub use caller::{Caller, Consent, Event, ResponseMode};
pub use card::{CARD_JOBS_MAX, Cards, JobCard};
pub use catalog::{OperationDetails, OperationList, OperationSummary};
pub use findings::{Charging, DataLocation, ServiceFindings};
pub use job_view::{JobView, OutputView};
pub use jobs::{JobList, JobSummary, LIST_DEFAULT, ListRequest};
pub use limits::{ANSWER_CHARS_MAX, DOCUMENTS_MAX, PAGE_DEFAULT, PAGE_MAX, READ_DEFAULT};
pub use overview::{FileGlance, Glance, JobDetails, Overview, OverviewRequest, Spending, states};
pub use policy::Policy;
pub use quote::{Estimate, Quote};
pub use result_name::expected_name;
pub use results::{Passage, ReadRequest, facts_field};
pub use submit::{SUBMIT_WAIT_DEFAULT, SubmitRequest};
pub use tasks::UPDATE_INTERVAL;
pub use tips::tips;
pub use wait::{Until, WAIT_DEFAULT, WaitRequest};

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::{Client, SharedPace, Timeouts};
use crate::charge::Charge;
use crate::clock::{Millis, now};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::files::Hosts;
use crate::hint;
use crate::jobs::{Job, JobStatus, Jobs, Ledger, Source};
use crate::next_step::{Audience, Hint, NextStep};
use crate::secret::Fingerprint;
use crate::tenant::{Owner, Tenant};

/// The product: one per process. Clones share everything.
#[derive(Clone)]
pub struct App {
    /// The settings it was made from.
    pub config: Arc<Config>,
    client: Client,
    jobs: Arc<Jobs>,
    hosts: Hosts,
    results: Arc<results::ResultCache>,
    pollers: Arc<Mutex<tasks::BackgroundPollers>>,
    uploads: Arc<uploads::Uploads>,
    /// The newest balance that is known of each account.
    balances: Arc<Mutex<HashMap<Fingerprint, Balance>>>,
}

impl App {
    /// The product under these settings. Opens nothing: no network, no ledger, no TLS roots.
    ///
    /// # Errors
    /// `invalid_argument` when the base URL cannot be used.
    pub fn new(config: Config) -> Result<App> {
        App::with_timeouts(config, Timeouts::default())
    }

    /// The product under other time limits of requests than its own: for tests, which cannot wait for those.
    ///
    /// # Errors
    /// As [`App::new`].
    pub fn with_timeouts(config: Config, timeouts: Timeouts) -> Result<App> {
        crate::catalog::toolsets(&config.toolsets)?;
        let ledger = Arc::new(Ledger::new(config.ledger.clone(), config.ledger_keep));
        let client = Client::new(config.base_url.clone(), config.pace, timeouts, shared_pace(&ledger))?;
        let config = Arc::new(config);
        let hosts = Hosts::new(&config.download_hosts, &config.base_url);
        Ok(App {
            jobs: Arc::new(Jobs::new(client.clone(), ledger, Arc::clone(&config))),
            client,
            hosts,
            config,
            results: Arc::default(),
            pollers: Arc::default(),
            uploads: Arc::default(),
            balances: Arc::default(),
        })
    }

    /// Makes at most `more` calls to the service from now on, repeats included.
    pub fn limit_calls(&self, more: u32) {
        self.client.limit_calls(more);
    }

    /// How many calls to the service were made, repeats included.
    pub fn calls_made(&self) -> u32 {
        self.client.calls_made()
    }

    /// The jobs engine, for interfaces that list jobs and find one by its id.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Whether the service has accepted the key that `tenant` is, since this process began.
    pub fn has_accepted_key_of(&self, tenant: &Tenant) -> bool {
        self.client.has_accepted(tenant.as_str())
    }

    /// The view of `job` for records that are read from the ledger.
    pub fn job_view(&self, job: &Job) -> JobView {
        JobView::new(job, Source::Cache, self.jobs.progress(job), now())
    }

    /// The answer about `job`, known from `source`, after a call that cost `charge`.
    fn job_answer(&self, job: &Job, source: Source, charge: Charge) -> Answer {
        let problem = job.problem.as_ref().filter(|_| job.content.is_none());
        let shown = problem.map(|problem| problem.to_json(Audience::Agent));
        let content = job.content.clone().or(shown).unwrap_or_else(|| serde_json::json!({}));
        let mut answer = Answer::new(job.status.clone(), content, charge);
        answer.error = problem.cloned().map(Box::new);
        answer.untrusted = true;
        let mut view = JobView::new(job, source, self.jobs.progress(job), now());
        view.bound_outputs();
        answer.job = Some(view);
        answer.tips = self.tips_about(job, None);
        answer
    }

    /// The next step about `job`: as [`tips`], knowing what this process saw of its result.
    fn tips_about(&self, job: &Job, retry_after_seconds: Option<f64>) -> Option<Hint> {
        if job.status == JobStatus::Success && self.results.is_known_as_binary(&job.intent_id) {
            let save = NextStep::Download { job_id: job.id().to_owned(), save_to: None };
            return Some(hint![save, " saves the result."]);
        }
        tips(job, retry_after_seconds)
    }

    /// The last step of every call about jobs: the newest balance of the account.
    async fn finish(&self, caller: &Caller, answer: Answer) -> Answer {
        self.with_balance(caller, answer).await
    }

    /// The answer with the newest balance of the account.
    async fn with_balance(&self, caller: &Caller, mut answer: Answer) -> Answer {
        // A callback may have reported a newer balance than the requests of this call.
        if self.config.callback_url.is_some()
            && let Ok(Some((balance, at))) = self.jobs.ledger().newest_balance(caller.owner.account()).await
        {
            answer.charge.add(Charge::new(None, Some(balance)).asked_at(at));
        }
        match answer.charge.remaining {
            Some(balance) => answer.charge.remaining = Some(self.note_balance(&caller.owner, answer.charge, balance)),
            None => answer.charge.remaining = self.newest_balance(&caller.owner).await,
        }
        answer
    }

    /// `error` with the newest balance of the account, unless its own requests reported one.
    pub async fn error_with_balance(&self, owner: &Owner, error: Error) -> Error {
        if let Some(balance) = error.charge().remaining {
            self.note_balance(owner, error.charge(), balance);
            return error;
        }
        // A ledger that has just failed, or was not needed so far, is not asked for it.
        let is_over = matches!(error.kind(), Kind::LedgerUnavailable | Kind::Cancelled);
        if is_over || !self.jobs.ledger().is_open() {
            return error;
        }
        let balance = self.newest_balance(owner).await;
        error.with_charge(Charge::new(None, balance))
    }

    /// Remembers a balance that the account has reported, unless a newer one is known. Returns the newest.
    fn note_balance(&self, owner: &Owner, charge: Charge, credits: i64) -> i64 {
        let asked_at = charge.balance_at.unwrap_or_default();
        let mut balances = self.balances.lock();
        if balances.len() >= BALANCES_KEPT {
            balances.clear();
        }
        let balance = Balance { credits, asked_at, read_at: Instant::now() };
        let known = balances.entry(owner.account().clone()).or_insert(balance);
        // One from the future was dated by a clock that was wrong.
        if asked_at >= known.asked_at || known.asked_at > now() {
            *known = balance;
        }
        known.credits
    }

    /// The newest balance that the account reported to any process on this ledger.
    async fn newest_balance(&self, owner: &Owner) -> Option<i64> {
        let account = owner.account();
        let known = self.balances.lock().get(account).copied();
        match known {
            Some(known) if known.read_at.elapsed() < BALANCE_FRESH => Some(known.credits),
            // Other processes may know a newer one.
            known => match self.jobs.ledger().newest_balance(account).await.ok().flatten() {
                Some((credits, at)) => {
                    let charge = Charge::new(None, Some(credits)).asked_at(at);
                    Some(self.note_balance(owner, charge, credits))
                }
                None => known.map(|known| known.credits),
            },
        }
    }

    /// Reports the state of `job` to the caller.
    fn emit_job(&self, caller: &Caller, job: &Job) {
        caller.emit(Event::Job {
            job_id: job.id().to_owned(),
            status: job.status.clone(),
            elapsed_seconds: job.elapsed_seconds(now()),
            progress: self.jobs.progress(job),
            checks_made: job.checks_made,
        });
    }
}

/// A balance that an account reported.
#[derive(Clone, Copy)]
struct Balance {
    credits: i64,
    /// When the request was sent that it answers.
    asked_at: Millis,
    /// When it was read last.
    read_at: Instant,
}

/// How long a balance is not read from the ledger again.
const BALANCE_FRESH: Duration = Duration::from_secs(1);
/// Accounts whose balance is remembered.
const BALANCES_KEPT: usize = 10_000;

/// One pace for all processes on a ledger. A ledger that cannot be asked delays no request.
fn shared_pace(ledger: &Arc<Ledger>) -> Option<SharedPace> {
    if !ledger.is_shared() {
        return None;
    }
    let ledger = Arc::clone(ledger);
    Some(Arc::new(move |caller, limit, window| {
        let ledger = Arc::clone(&ledger);
        Box::pin(async move {
            ledger.reserve(&caller, limit, window, now()).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "failed to reserve a slot in the shared rate limit");
                None
            })
        })
    }))
}

/// Seconds to one decimal, rounded up: a pause that is too short costs a check.
fn round_seconds(delay: Duration) -> f64 {
    (delay.as_secs_f64() * 10.0).ceil() / 10.0
}

/// `work`, given up when the caller gives up.
async fn or_cancelled<T>(cancel: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        outcome = work => outcome,
        () = cancel.cancelled() => Err(Error::new(
            Kind::Cancelled,
            "The call was given up.",
            hint!["Jobs that were submitted go on; ", NextStep::ListJobs, " shows them."],
        )),
    }
}
