//! What is about to be submitted, as it is written down before the request is sent.

use serde_json::Value;

use super::Millis;
use crate::jobs::job::Job;
use crate::jobs::status::JobStatus;
use crate::secret::Fingerprint;
use crate::tenant::{Owner, Tenant};

/// A job that is about to be submitted.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Ours, random.
    pub intent_id: String,
    /// Whose job.
    pub tenant: Tenant,
    /// Whose credits.
    pub account: Fingerprint,
    /// Catalog name.
    pub operation: String,
    /// Arguments without secrets.
    pub arguments: Value,
    /// Hash of the whole request.
    pub request_hash: String,
    /// The caller's own id, if any.
    pub client_request_id: Option<String>,
    /// Hash of the callback's secret, if the service is asked to call back.
    pub callback_hash: Option<String>,
    /// Now.
    pub at: Millis,
}

impl Intent {
    /// An intent of `owner` to run `operation`, with an id of its own.
    pub fn new(owner: &Owner, operation: &str, at: Millis) -> Intent {
        Intent {
            intent_id: crate::jobs::job_id::new_intent_id(),
            tenant: owner.tenant.clone(),
            account: owner.account().clone(),
            operation: operation.to_owned(),
            arguments: serde_json::json!({}),
            request_hash: String::new(),
            client_request_id: None,
            callback_hash: None,
            at,
        }
    }

    /// The job of which nothing but this is known.
    pub(super) fn job(&self) -> Job {
        Job {
            intent_id: self.intent_id.clone(),
            job_id: None,
            tenant: self.tenant.clone(),
            operation: self.operation.clone(),
            arguments: self.arguments.clone(),
            request_hash: self.request_hash.clone(),
            client_request_id: self.client_request_id.clone(),
            status: JobStatus::Queued,
            created_at: self.at,
            submitted_at: None,
            started_at: None,
            completed_at: None,
            last_checked_at: None,
            job_duration_ms: None,
            page_count: None,
            checks_made: 0,
            check_credits: None,
            submit_credits: None,
            credits_remaining: None,
            content: None,
            links_expire_at: None,
            problem: None,
            saved_to: Vec::new(),
            has_callback: self.callback_hash.is_some(),
            is_told_by_callback: false,
        }
    }
}
