//! What an answer of the service taught, as it waits to be written.

use serde_json::Value;

use super::Millis;
use super::intent::Intent;
use super::keyed::keyed;
use crate::charge::Charge;
use crate::error::{Error, Kind};
use crate::hint;
use crate::jobs::job::{Job, Observation, links_expire_at, without_links};
use crate::jobs::job_id::JobId;
use crate::jobs::status::JobStatus;
use crate::next_step::NextStep;
use crate::secret::Fingerprint;
use crate::tenant::Tenant;

/// Longest list of the times of a job's checks, in characters; later ones are only counted.
pub(super) const CHECK_TIMES_CHARS_MAX: i64 = 900;

/// Whose a charge is.
#[derive(Clone, Debug)]
pub(super) struct Owners {
    pub(super) tenant: Tenant,
    /// None where only the job's row knows it.
    pub(super) account: Option<Fingerprint>,
}

impl Owners {
    pub(super) fn tenant(&self, secret: &[u8]) -> String {
        keyed(secret, self.tenant.as_str())
    }

    pub(super) fn account(&self, secret: &[u8]) -> String {
        self.account.as_ref().map_or_else(String::new, |account| keyed(secret, account.as_str()))
    }
}

/// An answer to a submit.
pub(super) struct Accepted {
    pub(super) intent: Intent,
    pub(super) owner: Owners,
    /// None when the answer is the result.
    pub(super) job_id: Option<JobId>,
    pub(super) content: Value,
    pub(super) charge: Charge,
    pub(super) at: Millis,
}

/// An answer about a job.
pub(super) struct Seen {
    /// The job as it was known when it was asked about; a job from elsewhere gets its row with this.
    pub(super) job: Job,
    pub(super) owner: Owners,
    pub(super) seen: Observation,
    /// How many checks this stands for: answers that learned nothing are written together.
    pub(super) checks: i64,
    /// What was set aside for the check.
    pub(super) reservation: Option<String>,
}

impl Accepted {
    /// The job as the ledger will have it.
    pub(super) fn job(&self) -> Job {
        let job = self.intent.job();
        let Charge { credits, remaining, .. } = self.charge;
        let job = Job {
            job_id: self.job_id.clone(),
            submitted_at: Some(self.at),
            submit_credits: credits,
            credits_remaining: remaining,
            content: Some(self.kept_content()),
            ..job
        };
        if self.job_id.is_some() {
            return job;
        }
        Job {
            status: JobStatus::Success,
            started_at: Some(self.at),
            completed_at: Some(self.at),
            links_expire_at: Some(links_expire_at(&self.content, self.at)),
            ..job
        }
    }

    /// The links of a submit answer are dead until the job is done: they are not kept.
    fn kept_content(&self) -> Value {
        if self.job_id.is_some() { without_links(&self.content, "not ready") } else { self.content.clone() }
    }
}

/// Why a job has failed to which the service gave `job_id`, the id of an earlier one: an answer about that id is about the
/// earlier job.
pub fn taken_id(job_id: &str) -> Error {
    Error::new(
        Kind::Upstream,
        format!("The service answered with the id of an earlier job, {job_id}. Its result would be that job's."),
        hint![
            NextStep::Show(job_id.to_owned()),
            " shows the earlier job. Compare ",
            NextStep::Balance,
            " before sending the request again."
        ],
    )
    .with_unknown_fate()
}
