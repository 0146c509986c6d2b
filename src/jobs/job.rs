//! One job as the ledger knows it, and a live answer about it on its way into the ledger.

use serde_json::Value;

use super::job_id::{IntentId, JobId};
use super::results::{Results, is_link};
use super::status::JobStatus;
use crate::api::{Response, response_errors};
use crate::catalog::{self, Operation, Output, Run};
pub use crate::clock::Millis;
use crate::error::ErrorView;
use crate::json_ext::{field, whole_number};
use crate::secret::without_link_secrets;
use crate::tenant::{Owner, Tenant};
use crate::text::shorten;

/// Longest reason that is shown, in characters.
const REASON_CHARS_MAX: usize = 600;

/// A job: what was asked, what is known, what it cost. Printed for a log, it shows no content: links in it are secrets.
#[derive(Clone)]
pub struct Job {
    /// Our own id, given before the request left.
    pub intent_id: IntentId,
    /// The service's id, once it accepted the job.
    pub job_id: Option<JobId>,
    /// Whose job it is.
    pub tenant: Tenant,
    /// Catalog name; empty for a job seen first by its id.
    pub operation: String,
    /// What was asked, without secrets.
    pub arguments: Value,
    /// Digest of its request, for comparing it with others.
    pub request_hash: String,
    /// The caller's own id for "never twice".
    pub client_request_id: Option<String>,
    /// Where it stands.
    pub status: JobStatus,
    /// When the intent was recorded.
    pub created_at: Millis,
    /// When the request left, then when the service accepted it.
    pub submitted_at: Option<Millis>,
    /// When it was first seen at work.
    pub started_at: Option<Millis>,
    /// When it was seen in an end state.
    pub completed_at: Option<Millis>,
    /// When it was last checked.
    pub last_checked_at: Option<Millis>,
    /// How long it ran, as reported by the service, in milliseconds.
    pub job_duration_ms: Option<i64>,
    /// Pages, as reported by the service.
    pub page_count: Option<i64>,
    /// Paid checks so far.
    pub checks_made: i64,
    /// Credits reported for checks; `None` when none were ever reported.
    pub check_credits: Option<i64>,
    /// Credits reported for the submit; `None` when none were reported.
    pub submit_credits: Option<i64>,
    /// The last balance reported beside this job.
    pub credits_remaining: Option<i64>,
    /// The service's last JSON about it.
    pub content: Option<Value>,
    /// When the links in `content` stop working; 0 once they have been taken out.
    pub links_expire_at: Option<Millis>,
    /// An error that left it uncertain.
    pub problem: Option<ErrorView>,
    /// Files that results were saved to.
    pub saved_to: Vec<String>,
    /// Whether the service was asked to call back when it ends.
    pub has_callback: bool,
    /// Whether its last state came by a callback.
    pub is_from_callback: bool,
    /// When its first checks were answered, some sixty of them.
    pub check_times: Vec<Millis>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Job");
        shown.field("id", &self.id()).field("operation", &self.operation).field("status", &self.status);
        shown.finish_non_exhaustive()
    }
}

impl Job {
    /// The span of work on this job: what is logged within it names the job.
    pub(crate) fn span(&self, what: &'static str, owner: &Owner) -> tracing::Span {
        tracing::info_span!("job", what, job_id = self.id(), operation = self.operation, tenant = %owner.tenant)
    }

    /// The id that callers use: the service's, or ours while there is none.
    pub fn id(&self) -> &str {
        self.job_id.as_deref().unwrap_or(&self.intent_id)
    }

    /// [`Job::id`], to ask for the job with.
    pub fn known_id(&self) -> JobId {
        self.job_id.clone().unwrap_or_else(|| JobId::from(&self.intent_id))
    }

    /// The catalog row, when the operation is known.
    pub fn operation(&self) -> Option<&'static Operation> {
        catalog::all().find(|operation| operation.name == self.operation)
    }

    /// Seconds from the submit to the end, or to `now` while there is none.
    pub fn elapsed_seconds(&self, now: Millis) -> f64 {
        let end = self.completed_at.unwrap_or(now);
        (end.saturating_sub(self.submitted_at.unwrap_or(self.created_at)).max(0)) as f64 / 1000.0
    }

    /// A job that is about to be submitted: nothing has been sent, seen or charged.
    pub fn intended(tenant: Tenant, intent_id: IntentId, created_at: Millis) -> Job {
        Job {
            intent_id,
            job_id: None,
            tenant,
            operation: String::new(),
            arguments: Value::Null,
            request_hash: String::new(),
            client_request_id: None,
            status: JobStatus::Queued,
            created_at,
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
            has_callback: false,
            is_from_callback: false,
            check_times: Vec::new(),
        }
    }

    /// A job of which nothing is known but its id. It is not recorded until the service has answered about it.
    pub fn from_elsewhere(tenant: Tenant, id: &JobId, now: Millis) -> Job {
        Job { job_id: Some(id.clone()), ..Job::intended(tenant, IntentId::random(), now) }
    }

    /// A job of the key "key" that the service accepted as `id` at the beginning of time.
    #[cfg(test)]
    pub fn fixture(id: &str) -> Job {
        let key = crate::secret::ApiKey::new("key").unwrap();
        let intent_id = IntentId::from_stored(format!("local-{id}"));
        Job {
            job_id: Some(JobId::from_stored(id.to_owned())),
            operation: "pdf_to_text".to_owned(),
            arguments: serde_json::json!({}),
            submitted_at: Some(0),
            content: Some(Value::Null),
            ..Job::intended(Tenant::of_account(key.fingerprint()), intent_id, 0)
        }
    }

    /// Whether all that is known of it is an id from elsewhere. It is asked about with `force`, because the service says
    /// `working` for ids that do not exist.
    pub fn is_unknown_here(&self) -> bool {
        self.operation.is_empty() && self.last_checked_at.is_none()
    }

    /// Whether its request was sent and failed in a way that leaves it open whether the service took it.
    pub fn is_unconfirmed(&self) -> bool {
        self.job_id.is_none() && self.problem.is_some() && !self.status.is_terminal()
    }

    /// When it was last checked, in seconds since the submit; 0 when never.
    pub fn last_check_seconds(&self) -> f64 {
        let start = self.submitted_at.unwrap_or(self.created_at);
        self.last_checked_at.map_or(0.0, |at| at.saturating_sub(start).max(0) as f64 / 1000.0)
    }

    /// All credits reported for it; `None` when none were ever reported.
    pub fn credits_total(&self) -> Option<i64> {
        match (self.submit_credits, self.check_credits) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        }
    }

    /// Why it did not succeed, as far as the service said; links in it lose their secrets.
    pub fn reason(&self) -> Option<String> {
        let by_service = || response_errors::message_of(self.content.as_ref()?);
        let by_us = || self.problem.as_ref().map(|problem| problem.message.clone());
        let said = match self.status {
            JobStatus::Failed | JobStatus::Aborted => by_service().or_else(by_us),
            _ => by_us(),
        };
        said.map(|text| shorten(&without_link_secrets(text.trim()), REASON_CHARS_MAX))
    }

    /// This job after an observation, as the ledger would have it: for when the ledger cannot say.
    #[must_use]
    pub fn seeing(&self, seen: &Observation) -> Job {
        let mut job = self.clone();
        let moves = self.status.may_become(&seen.status);
        if moves || self.status == seen.status {
            job.content = Some(seen.content.clone());
            if seen.status == JobStatus::Success {
                job.links_expire_at = Some(seen.links_expire_at());
            }
        }
        if !matches!(seen.status, JobStatus::Unknown | JobStatus::Queued) {
            job.started_at = job.started_at.or(Some(seen.at));
        }
        if moves {
            job.status = seen.status.clone();
            job.is_from_callback = !seen.is_check;
            job.completed_at = seen.status.is_terminal().then_some(seen.at);
            job.problem = None;
        }
        job.job_duration_ms = seen.job_duration_ms().or(job.job_duration_ms);
        job.page_count = seen.page_count().or(job.page_count);
        job.last_checked_at = job.last_checked_at.max(Some(seen.at));
        job.checks_made = job.checks_made.saturating_add(i64::from(seen.is_check));
        // A callback that comes late or twice repeats what was counted before.
        if let Some(credits) = seen.credits.filter(|_| seen.is_check || moves) {
            job.check_credits = Some(job.check_credits.unwrap_or(0).saturating_add(credits));
        }
        job.credits_remaining = seen.credits_remaining.or(job.credits_remaining);
        job
    }

    /// As much of it as has to be known while it is waited for, many at once: neither what was asked nor what the
    /// service said last. The ledger has those.
    #[must_use]
    pub fn while_waiting(self) -> Job {
        Job {
            arguments: Value::Null,
            content: None,
            problem: None,
            saved_to: Vec::new(),
            check_times: Vec::new(),
            ..self
        }
    }

    /// Whether its links have stopped working by `now`.
    pub fn links_expired(&self, now: Millis) -> bool {
        self.links_expire_at.is_some_and(|at| at <= now)
    }

    /// Whether the service said `success` and named no result, though the operation gives one.
    pub fn lacks_result(&self) -> bool {
        let is_kept = self.links_expire_at != Some(0) && self.saved_to.is_empty();
        self.status == JobStatus::Success
            && is_kept
            && self.content.as_ref().is_some_and(|content| lacks_result(self.operation(), content))
    }

    /// What it handed over; only a success hands over anything.
    pub fn results(&self) -> Results {
        match (&self.status, &self.content) {
            (JobStatus::Success, Some(content)) => Results::read(content),
            _ => Results::default(),
        }
    }
}

/// Whether an answer that says `success` names no result where `operation` gives one. Of an unknown operation it is not
/// known whether it does.
pub(super) fn lacks_result(operation: Option<&Operation>, content: &Value) -> bool {
    let Some(operation) = operation else { return false };
    let gives_one = operation.run != Run::Direct && operation.output != Output::Nothing;
    let results = Results::read(content);
    let is_empty = |value: &Value| match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    // Data may be empty, such as a list of barcodes; a split into no files is no result.
    let may_be_empty = operation.output == Output::Inline || operation.may_be_empty;
    let is_list = |name| field(content, name).is_some_and(Value::is_array);
    let has_data =
        results.inline.is_some_and(|data| may_be_empty || !is_empty(&data)) || may_be_empty && is_list("urls");
    gives_one && results.links.is_empty() && !has_data
}

/// A live answer about a job, on its way into the ledger. Printed for a log, it shows no content.
#[derive(Clone)]
pub struct Observation {
    /// The state that it reports.
    pub status: JobStatus,
    /// The whole answer.
    pub content: Value,
    /// Credits that this check cost, if reported.
    pub credits: Option<i64>,
    /// Balance, if reported.
    pub credits_remaining: Option<i64>,
    /// When the balance is from: a check reports the one of when it was sent, a callback that of when it came.
    pub balance_at: Millis,
    /// Whether it was a check, rather than a callback.
    pub is_check: bool,
    /// When.
    pub at: Millis,
}

impl std::fmt::Debug for Observation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observation").field("status", &self.status).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Observation {
    /// Reads an answer to a check.
    ///
    /// # Errors
    /// `upstream` when there is no state in it.
    pub fn read(response: &Response, at: Millis) -> crate::error::Result<Observation> {
        let status = super::status::read_check(&response.body).map_err(|error| error.with_charge(response.charge()))?;
        Ok(Observation::of(status, response, at))
    }

    /// An answer to a check that reports `status`.
    pub(super) fn of(status: JobStatus, response: &Response, at: Millis) -> Observation {
        Observation {
            status,
            content: response.body.clone(),
            credits: response.credits(),
            credits_remaining: response.credits_remaining(),
            balance_at: response.charge().balance_at.unwrap_or(at),
            is_check: true,
            at,
        }
    }

    /// How long the job ran, if reported.
    pub fn job_duration_ms(&self) -> Option<i64> {
        field(&self.content, "jobDuration").and_then(whole_number).filter(|ms| *ms >= 0)
    }

    /// Pages, if reported.
    pub fn page_count(&self) -> Option<i64> {
        field(&self.content, "pageCount").and_then(whole_number).filter(|pages| *pages >= 0)
    }

    /// When the links in it stop working: as stated, or an hour from now, which is the service's default.
    pub fn links_expire_at(&self) -> Millis {
        links_expire_at(&self.content, self.at)
    }
}

/// A presigned link lives for a week at most.
const LINK_LIFE_MAX: Millis = 7 * 86_400_000;

/// When the links in an answer stop working: as stated, or an hour after `at`, which is the service's default. An answer
/// that is just in and calls its links dead was written under another clock: whether they are, the storage will say.
pub fn links_expire_at(content: &Value, at: Millis) -> Millis {
    field(content, "outputLinkValidTill")
        .and_then(Value::as_str)
        .and_then(|text| text.parse::<jiff::Timestamp>().ok())
        .map(jiff::Timestamp::as_millisecond)
        .filter(|till| *till > at)
        .map_or(at.saturating_add(3_600_000), |till| till.min(at.saturating_add(LINK_LIFE_MAX)))
}

/// `content` with every link taken out and `why` in its place, for rows whose links do not work yet or no longer.
pub fn without_links(content: &Value, why: &str) -> Value {
    match content {
        Value::String(text) if is_link(text) => {
            Value::String(format!("({why}) {}", crate::secret::without_query(text)))
        }
        Value::Array(list) => Value::Array(list.iter().map(|value| without_links(value, why)).collect()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(name, value)| (name.clone(), without_links(value, why))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stated_times_of_links_are_read_and_missing_ones_are_an_hour() {
        let stated = json!({"outputLinkValidTill": "2025-08-11T17:09:13.263623+00:00"});
        assert_eq!(links_expire_at(&stated, 1_754_930_000_000), 1_754_932_153_263);
        assert_eq!(links_expire_at(&stated, 0), LINK_LIFE_MAX, "a clock far ahead keeps no link for ever");
        assert_eq!(links_expire_at(&stated, 1_754_932_200_000), 1_754_935_800_000, "nor does one behind kill it");
        assert_eq!(links_expire_at(&json!({"outputLinkValidTill": "soon"}), 1_000), 3_601_000);
    }

    #[test]
    fn a_success_without_a_result_differs_from_one_with() {
        let job = |operation: &str, content: Value| Job {
            operation: operation.to_owned(),
            status: JobStatus::Success,
            content: Some(content),
            ..Job::fixture("J1")
        };
        for (operation, content, lacks) in [
            ("pdf_to_text", json!({"status": "success"}), true),
            ("pdf_to_text", json!({"status": "success", "url": null}), true),
            ("pdf_to_text", json!({"status": "success", "url": "", "body": []}), true),
            ("pdf_split", json!({"status": "success", "urls": []}), true),
            ("pdf_to_text", json!({"status": "success", "url": "ftp://h.test/a"}), true),
            ("pdf_to_text", json!({"status": "success", "url": "https://h.test/a.txt"}), false),
            ("pdf_to_text", json!({"status": "success", "body": "text"}), false),
            ("barcode_read", json!({"status": "success", "body": []}), false),
            ("barcode_read", json!({"status": "success"}), true),
            ("email_extract_attachments", json!({"status": "success", "urls": []}), false),
            ("email_extract_attachments", json!({"status": "success"}), true),
            ("", json!({"status": "success"}), false),
        ] {
            assert_eq!(job(operation, content.clone()).lacks_result(), lacks, "{operation} {content}");
        }
        let mail = catalog::all().find(|operation| operation.output == Output::Nothing).unwrap();
        assert!(!job(mail.name, json!({"status": "success"})).lacks_result(), "{}", mail.name);
        let pruned = without_links(&json!({"url": "https://h.test/a.txt"}), "expired");
        let forgotten = Job { links_expire_at: Some(0), ..job("pdf_to_text", pruned) };
        assert!(!forgotten.lacks_result(), "there was one");
    }

    #[test]
    fn expired_links_leave_nothing_to_use() {
        let clean = without_links(
            &json!({"url": "https://h.test/a?sig=canary", "body": ["https://h.test/b?sig=canary"], "name": "a"}),
            "expired",
        );
        assert!(!clean.to_string().contains("canary"));
        assert_eq!(clean["name"], "a");
        assert!(clean["url"].as_str().is_some_and(|text| text.starts_with("(expired)")), "{clean}");
        assert!(Results::read(&clean).links.is_empty(), "what is left is no link");
    }
}
