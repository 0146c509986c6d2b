//! The jobs that a person means: ids, beginnings of ids, `--latest`, or all that run.

use clap::Args;
use serde_json::{Value, json};

use super::session::CliSession;
use crate::app::{Caller, JobSummary};
use crate::catalog;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::jobs::Job;
use crate::next_step::NextStep;
use crate::text::shorten;

/// Most jobs of one command.
const JOBS_MAX: u32 = 1_000;
/// An id at least this long may be the service's own and of another machine; a shorter one is a beginning.
const WHOLE_ID_CHARS: usize = 20;

/// One job.
#[derive(Clone, Debug, Args)]
pub struct JobArg {
    /// Id of the job, or its beginning
    #[arg(required_unless_present = "latest", conflicts_with_all = ["latest", "operation"])]
    job_id: Option<String>,
    /// The newest job
    #[arg(long)]
    latest: bool,
    /// The newest job of this operation
    #[arg(long, value_name = "NAME", requires = "latest")]
    operation: Option<String>,
}

/// One job or several.
#[derive(Clone, Debug, Args)]
pub struct JobArgs {
    /// Ids of jobs, or their beginnings
    #[arg(value_name = "JOB_ID", required_unless_present = "latest", conflicts_with_all = ["latest", "operation"])]
    job_ids: Vec<String>,
    /// The newest job
    #[arg(long)]
    latest: bool,
    /// The newest job of this operation
    #[arg(long, value_name = "NAME", requires = "latest")]
    operation: Option<String>,
}

/// Some jobs: all that run, unless something is said.
#[derive(Clone, Debug, Args)]
pub struct RunningJobArgs {
    /// Ids of jobs, or their beginnings. Default: all jobs that run
    #[arg(value_name = "JOB_ID", conflicts_with_all = ["latest", "operation"])]
    job_ids: Vec<String>,
    /// The newest job
    #[arg(long)]
    latest: bool,
    /// Only jobs of this operation
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
}

/// A job that was found.
pub enum FoundJob {
    /// In the ledger.
    Known(Box<Job>),
    /// Not in the ledger; the service may know it.
    Foreign(String),
}

impl FoundJob {
    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            FoundJob::Known(job) => job.id(),
            FoundJob::Foreign(id) => id,
        }
    }

    /// Whether it is known to have ended before this command.
    pub fn has_ended(&self) -> bool {
        matches!(self, FoundJob::Known(job) if job.status.is_terminal())
    }

    /// Its operation, or `job` where that is not known.
    pub fn operation(&self) -> &str {
        match self {
            FoundJob::Known(job) if !job.operation.is_empty() => &job.operation,
            FoundJob::Known(_) | FoundJob::Foreign(_) => "job",
        }
    }

    /// A row of a list, for programs.
    pub fn item(&self) -> Value {
        match self {
            FoundJob::Known(job) => json!(JobSummary::from(job.as_ref())),
            FoundJob::Foreign(id) => json!(JobSummary::unknown_here(id.clone())),
        }
    }
}

impl JobArg {
    /// The job that is meant.
    ///
    /// # Errors
    /// `not_found`; `invalid_argument` where a beginning fits several.
    pub async fn find(&self, session: &CliSession, caller: &Caller) -> Result<FoundJob> {
        match self.job_id.as_deref() {
            Some(id) => find_by_id(session, caller, id).await,
            None => find_latest(session, caller, self.operation.as_deref()).await,
        }
    }
}

impl JobArgs {
    /// The jobs that are meant, each once.
    ///
    /// # Errors
    /// As [`JobArg::find`]; `invalid_argument` for more than a thousand.
    pub async fn find(&self, session: &CliSession, caller: &Caller) -> Result<Vec<FoundJob>> {
        if self.job_ids.is_empty() {
            return Ok(vec![find_latest(session, caller, self.operation.as_deref()).await?]);
        }
        find_all(session, caller, &self.job_ids).await
    }
}

impl RunningJobArgs {
    /// The jobs that are meant, each once; those that run, oldest first, when nothing is said.
    ///
    /// # Errors
    /// As [`JobArgs::find`].
    pub async fn find(&self, session: &CliSession, caller: &Caller) -> Result<Vec<FoundJob>> {
        match (self.job_ids.as_slice(), self.latest) {
            ([], true) => Ok(vec![find_latest(session, caller, self.operation.as_deref()).await?]),
            ([], false) => find_running(session, caller, self.operation.as_deref()).await,
            (ids, _) => find_all(session, caller, ids).await,
        }
    }
}

async fn find_latest(session: &CliSession, caller: &Caller, operation: Option<&str>) -> Result<FoundJob> {
    let operation = operation.map(catalog::find).transpose()?.map(|operation| operation.name);
    let latest = session.app.jobs().ledger().latest(&caller.owner.tenant, operation).await?;
    latest.map(|job| FoundJob::Known(Box::new(job))).ok_or_else(|| match operation {
        Some(operation) => Error::new(
            Kind::NotFound,
            format!("no jobs found for command '{operation}'"),
            hint![NextStep::ListJobs, " shows the jobs of this key."],
        ),
        None => Error::new(
            Kind::NotFound,
            "no jobs found; run a background command first or pass an explicit job id",
            if session.is_simulated() {
                session.how("")
            } else {
                "`pdfco call <operation> --background` makes one. Each key and each ledger has its own jobs.".to_owned()
            },
        ),
    })
}

async fn find_all(session: &CliSession, caller: &Caller, ids: &[String]) -> Result<Vec<FoundJob>> {
    if ids.len() > JOBS_MAX as usize {
        return Err(Error::invalid(
            format!("{} jobs are more than {JOBS_MAX}.", ids.len()),
            "Wait for some of them first.",
        ));
    }
    let mut all: Vec<FoundJob> = Vec::new();
    for id in ids {
        let found = find_by_id(session, caller, id).await?;
        if !all.iter().any(|other| other.id() == found.id()) {
            all.push(found);
        }
    }
    Ok(all)
}

async fn find_running(session: &CliSession, caller: &Caller, operation: Option<&str>) -> Result<Vec<FoundJob>> {
    let operation = operation.map(catalog::find).transpose()?.map(|operation| operation.name);
    let mut running = Vec::new();
    for status in ["queued", "working"] {
        let page = session.app.jobs().ledger().list(&caller.owner.tenant, Some(status), JOBS_MAX, None).await?;
        // A request that the service never confirmed has no id to check.
        running.extend(page.jobs.into_iter().filter(|job| job.job_id.is_some()));
    }
    running.retain(|job| operation.is_none_or(|operation| job.operation == operation));
    running.sort_by_key(|job| job.created_at);
    Ok(running.into_iter().map(|job| FoundJob::Known(Box::new(job))).collect())
}

async fn find_by_id(session: &CliSession, caller: &Caller, id: &str) -> Result<FoundJob> {
    let (ledger, tenant) = (session.app.jobs().ledger(), &caller.owner.tenant);
    let id = id.trim();
    if id.is_empty() {
        return Err(Error::invalid(
            "The job id is empty.",
            hint!["Pass an id or the beginning of one; ", NextStep::ListJobs, " shows them."],
        ));
    }
    if let Some(job) = ledger.get(tenant, id).await? {
        return Ok(FoundJob::Known(Box::new(job)));
    }
    let mut jobs = ledger.by_prefix(tenant, id).await?;
    match (jobs.len(), jobs.pop()) {
        (1, Some(job)) => Ok(FoundJob::Known(Box::new(job))),
        (0, _) if id.chars().count() >= WHOLE_ID_CHARS => Ok(FoundJob::Foreign(id.to_owned())),
        (0, _) => {
            let hint =
                hint![NextStep::ListJobs, " shows the jobs of this ledger. Of other jobs the whole id is needed."];
            Err(not_found(id).with_hint(hint))
        }
        _ => Err(Error::invalid(
            format!("Several jobs' ids begin with '{}'.", shorten(id, 60)),
            hint!["Give more of the id; ", NextStep::ListJobs, " shows them whole."],
        )),
    }
}

/// The error for a job that neither the ledger nor the service knows.
pub fn not_found(id: &str) -> Error {
    Error::new(
        Kind::NotFound,
        format!("job '{}' was not found", shorten(id, 60)),
        hint![NextStep::ListJobs, " shows the jobs of this key."],
    )
}
