//! What is about to be submitted, as it is written down before the request is sent.

use serde_json::Value;

use super::Millis;
use crate::jobs::job::Job;
use crate::jobs::job_id::IntentId;
use crate::secret::Fingerprint;
use crate::tenant::{Owner, Tenant};

/// A job that is about to be submitted.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Ours, random.
    pub intent_id: IntentId,
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
            intent_id: IntentId::random(),
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
            operation: self.operation.clone(),
            arguments: self.arguments.clone(),
            request_hash: self.request_hash.clone(),
            client_request_id: self.client_request_id.clone(),
            has_callback: self.callback_hash.is_some(),
            ..Job::intended(self.tenant.clone(), self.intent_id.clone(), self.at)
        }
    }
}
