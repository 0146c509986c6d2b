//! Callbacks: the service calls when a job ends, which is sooner than a check would see it. By its documentation a
//! callback costs as much as a check.
//!
//! Neither the content type nor the shape for every operation is documented, so a callback is taken as it comes. What can
//! be read ends the job; whatever cannot, of a secret that was given out, means that the job is checked now. The service
//! repeats a callback that is not answered, so taking one twice changes nothing.

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::check_service::EndSeen;
use super::job::lacks_result;
use super::job_id::JobId;
use super::{Job, JobStatus, Jobs, Observation, Results};
use crate::api::body::json_of;
use crate::api::response::job_id_in;
use crate::api::shape::{nested_error, unwrapped};
use crate::api::{Response, response_errors};
use crate::catalog::{Operation, Run};
use crate::charge::Charge;
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::json_ext::{field, whole_number};

/// Where the service calls back, and what proves that it is the service.
pub(super) struct Callback {
    pub(super) url: String,
    pub(super) secret: String,
    /// The ledger keeps the hash only; comparing hashes says nothing about the secret by how long it takes.
    pub(super) hash: String,
}

impl Jobs {
    /// The address for the service to call when the job ends, with a secret of its own; none when the caller named another
    /// one, or when this server cannot be reached.
    pub(super) fn callback_for(&self, operation: &Operation, body: &Value) -> Option<Callback> {
        let base = self.core.config.callback_url.as_ref()?;
        let can_call = operation.run != Run::Direct && operation.param("callback").is_some();
        if !can_call || body.get("callback").is_some() {
            return None;
        }
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let url = format!("{}/callbacks/{secret}", base.as_str().trim_end_matches('/'));
        Some(Callback { hash: callback_hash(&secret), url, secret })
    }

    /// Whether `secret` is one that was given out: worth knowing before the body of a callback is read.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn knows_callback(&self, secret: &str) -> Result<bool> {
        Ok(self.core.ledger.by_callback(&callback_hash(secret)).await?.is_some())
    }

    /// Takes what the service sent to a callback, whatever its content type. A repeated callback changes nothing; a body
    /// whose state cannot be read makes the job's next check due now.
    ///
    /// # Errors
    /// `not_found` for a secret that was not given out; `internal` when the ledger cannot be used, so that the service may
    /// call again.
    pub async fn called_back(&self, secret: &str, body: &[u8]) -> Result<()> {
        let unknown =
            || Error::new(Kind::NotFound, "There is no such callback.", "It is spent or was never given out.");
        let job = self.core.ledger.by_callback(&callback_hash(secret)).await?.ok_or_else(unknown)?;
        let body = json_of(body).map(unwrapped).map(|body| self.core.secrets.redactor(&job.intent_id).json(body));
        let about_this_job = |body: &Value| match (&job.job_id, job_id_in(body)) {
            (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(&theirs),
            _ => true,
        };
        let Some(body) = body.filter(about_this_job) else {
            self.check_now(&job);
            return Ok(());
        };
        if let (None, Some(id)) = (&job.job_id, job_id_in(&body))
            && let Ok(id) = JobId::parse(&id)
        {
            // The callback overtook the answer to the submit, or that answer was lost.
            self.core.ledger.named(&job.intent_id, &id).await;
        }
        match read(&body).filter(|end| end.status != JobStatus::Success || !lacks_result(job.operation(), &body)) {
            Some(end) => self.end_by_callback(job, body, end).await,
            None => {
                self.check_now(&job);
                Ok(())
            }
        }
    }

    /// Records the terminal state that a callback reports, in a task of its own: the caller may hang up in the middle.
    async fn end_by_callback(&self, job: Job, body: Value, end: End) -> Result<()> {
        let response = Response::of(body);
        let seen = Observation {
            credits: if end.has_price { response.credits() } else { None },
            is_check: false,
            ..Observation::of(end.status, &response, now())
        };
        let (core, poller) = (Arc::clone(&self.core), self.poller.clone());
        let previous = job.last_checked_at.map(|_| job.last_check_seconds());
        let recorded = tokio::spawn(async move {
            let job = core.ledger.observe(None, &job, &seen, None).await;
            if job.completed_at == Some(seen.at) {
                Charge::new(seen.credits, None).counted();
                if seen.status == JobStatus::Success {
                    core.learn(&job, EndSeen::ByCallback { previous }).await;
                }
            }
            poller.publish(&job);
            Ok(())
        });
        recorded.await.unwrap_or_else(|_| Err(Error::internal("A callback stopped in the middle.")))
    }

    /// Makes the next check of a job due now: at once where it is waited for, else when it is asked about next.
    fn check_now(&self, job: &Job) {
        if job.status.is_terminal() {
            return;
        }
        tracing::info!(job_id = job.id(), "a callback without a state: the job is checked next");
        if !self.poller.check_now(job) {
            self.core.want_check(job);
        }
    }
}

/// The end of a job, by a callback.
struct End {
    status: JobStatus,
    /// Its credits are the price of the callback, rather than of the whole job once more.
    has_price: bool,
}

/// The terminal state that a callback's body reports, if any: the answer to a check, the answer of a synchronous call, or the
/// documented error.
fn read(body: &Value) -> Option<End> {
    match super::status::read_check(body).ok()? {
        JobStatus::Success if nested_error(body).is_some() => None,
        status @ (JobStatus::Success | JobStatus::Failed | JobStatus::Aborted) => Some(End { status, has_price: true }),
        JobStatus::Other(_) if is_synchronous_result(body) => {
            Some(End { status: JobStatus::Success, has_price: false })
        }
        // A job that ended does not work, and `unknown` is the answer to a question.
        _ => None,
    }
}

/// The answer of a synchronous call: `status: 200` and a result.
fn is_synchronous_result(body: &Value) -> bool {
    let results = Results::read(body);
    field(body, "status").and_then(whole_number) == Some(200)
        && !response_errors::is_error(body)
        && nested_error(body).is_none()
        && (!results.links.is_empty() || results.inline.is_some())
}

fn callback_hash(secret: &str) -> String {
    let digest = Sha256::new().chain_update(b"pdfco callback v1\0").chain_update(secret).finalize();
    hex::encode(digest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_callback_tells_an_end_in_every_known_shape() {
        for (body, expected) in [
            (json!({"status": "success", "url": "https://h.test/a", "credits": 2}), Some((JobStatus::Success, true))),
            (json!({"status": "failed"}), Some((JobStatus::Failed, true))),
            (json!({"status": "ABORTED"}), Some((JobStatus::Aborted, true))),
            (
                json!({"status": "error", "errorCode": 441, "error": true, "message": "Invalid Password"}),
                Some((JobStatus::Failed, true)),
            ),
            (
                json!({"status": 200, "error": false, "url": "https://h.test/a", "credits": 21}),
                Some((JobStatus::Success, false)),
            ),
            (json!({"status": "200", "url": "https://h.test/a"}), Some((JobStatus::Success, false))),
            (json!({"status": 200, "error": true, "url": "https://h.test/a"}), None),
            (json!({"status": 200, "body": {"error": true, "errorCode": 402, "message": "m"}}), None),
            (json!({"status": "success", "body": {"error": true, "errorCode": 402, "message": "m"}}), None),
            (json!({"status": 200}), None),
            (json!({"status": "working"}), None),
            (json!({"status": "unknown"}), None),
            (json!({"status": "rescheduled", "url": "https://h.test/a"}), None),
            (json!({"url": "https://h.test/a"}), None),
            (json!([]), None),
        ] {
            let end = read(&body).map(|end| (end.status, end.has_price));
            assert_eq!(end, expected, "{body}");
        }
    }
}
