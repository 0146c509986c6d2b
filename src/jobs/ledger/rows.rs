//! A row of `jobs` as it is stored.

use serde_json::Value;
use sqlx::FromRow;

use super::Millis;
use crate::error::ErrorView;
use crate::jobs::job::Job;
use crate::jobs::job_id::{IntentId, JobId};
use crate::jobs::status::JobStatus;
use crate::tenant::Tenant;

/// See the head of this file; `Job` says what the columns mean.
#[derive(Clone, Debug, FromRow)]
pub(super) struct JobRow {
    pub(super) intent_id: String,
    job_id: Option<String>,
    pub(super) tenant: String,
    operation: String,
    arguments: String,
    request_hash: String,
    client_request_id: Option<String>,
    callback_hash: Option<String>,
    status: String,
    unrecognized_status: Option<String>,
    created_at: Millis,
    submitted_at: Option<Millis>,
    started_at: Option<Millis>,
    completed_at: Option<Millis>,
    last_checked_at: Option<Millis>,
    job_duration_ms: Option<i64>,
    page_count: Option<i64>,
    checks_made: i64,
    check_credits: Option<i64>,
    submit_credits: Option<i64>,
    credits_remaining: Option<i64>,
    content: Option<String>,
    links_expire_at: Option<Millis>,
    problem: Option<String>,
    saved_to: Option<String>,
    told_by: Option<String>,
    check_times: Option<String>,
    pub(super) seq: i64,
}

impl JobRow {
    /// The job of this row, which is `tenant`'s.
    pub(super) fn job(self, tenant: Tenant) -> Job {
        let json = |text: Option<String>| -> Option<Value> { serde_json::from_str(&text?).ok() };
        Job {
            intent_id: IntentId::from_stored(self.intent_id),
            job_id: self.job_id.map(JobId::from_stored),
            tenant,
            operation: self.operation,
            arguments: json(Some(self.arguments)).unwrap_or_default(),
            request_hash: self.request_hash,
            client_request_id: self.client_request_id,
            status: JobStatus::from_stored(&self.status, self.unrecognized_status),
            created_at: self.created_at,
            submitted_at: self.submitted_at,
            started_at: self.started_at,
            completed_at: self.completed_at,
            last_checked_at: self.last_checked_at,
            job_duration_ms: self.job_duration_ms,
            page_count: self.page_count,
            checks_made: self.checks_made,
            check_credits: self.check_credits,
            submit_credits: self.submit_credits,
            credits_remaining: self.credits_remaining,
            content: json(self.content),
            links_expire_at: self.links_expire_at,
            problem: self.problem.as_deref().map(ErrorView::from_stored),
            saved_to: json(self.saved_to).and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default(),
            has_callback: self.callback_hash.is_some(),
            is_from_callback: self.told_by.as_deref() == Some("callback"),
            check_times: self.check_times.iter().flat_map(|times| times.split(' ')).flat_map(str::parse).collect(),
        }
    }
}
