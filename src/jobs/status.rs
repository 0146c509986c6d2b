//! The states of a job, which may follow which, and the one reading of the service's word for them.

use serde_json::Value;

use crate::api::response_errors;
use crate::error::{Error, Kind, Result};
use crate::json_ext::{field, whole_number};
use crate::text::shorten;

/// Longest word for a state that is kept.
const WORD_CHARS_MAX: usize = 60;

/// A job's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// Accepted, or meant to be, and never checked.
    Queued,
    /// At work.
    Working,
    /// Done.
    Success,
    /// The work failed.
    Failed,
    /// The service gave it up.
    Aborted,
    /// The service does not know it.
    Unknown,
    /// We stopped tracking it.
    Cancelled,
    /// A word never seen before, kept verbatim. Not terminal.
    Other(String),
}

impl JobStatus {
    /// The word of every state that can be named.
    pub const WORDS: [&str; 7] = ["queued", "working", "success", "failed", "aborted", "unknown", "cancelled"];

    /// The state as it is shown. A new word shows as `working`, beside `unrecognized_status`.
    pub fn as_str(&self) -> &str {
        match self {
            JobStatus::Queued => "queued",
            JobStatus::Working | JobStatus::Other(_) => "working",
            JobStatus::Success => "success",
            JobStatus::Failed => "failed",
            JobStatus::Aborted => "aborted",
            JobStatus::Unknown => "unknown",
            JobStatus::Cancelled => "cancelled",
        }
    }

    /// The service's own word, when it is a new one.
    pub fn unrecognized(&self) -> Option<&str> {
        match self {
            JobStatus::Other(word) => Some(word),
            _ => None,
        }
    }

    /// The state from the two columns of the ledger.
    pub fn from_stored(status: &str, unrecognized: Option<String>) -> JobStatus {
        match (status, unrecognized) {
            ("working", Some(word)) => JobStatus::Other(word),
            ("queued", _) => JobStatus::Queued,
            ("success", _) => JobStatus::Success,
            ("failed", _) => JobStatus::Failed,
            ("aborted", _) => JobStatus::Aborted,
            ("unknown", _) => JobStatus::Unknown,
            ("cancelled", _) => JobStatus::Cancelled,
            _ => JobStatus::Working,
        }
    }

    /// Whether a caller who asked for the outcome of the job did not get what was asked for.
    pub fn is_failure(&self) -> bool {
        match self {
            JobStatus::Failed | JobStatus::Aborted | JobStatus::Unknown => true,
            JobStatus::Queued
            | JobStatus::Working
            | JobStatus::Other(_)
            | JobStatus::Success
            | JobStatus::Cancelled => false,
        }
    }

    /// Whether nothing more is expected. A positive list: a new word is never terminal.
    pub fn is_terminal(&self) -> bool {
        match self {
            JobStatus::Success | JobStatus::Failed | JobStatus::Aborted | JobStatus::Unknown | JobStatus::Cancelled => {
                true
            }
            JobStatus::Queued | JobStatus::Working | JobStatus::Other(_) => false,
        }
    }

    /// Whether a live answer of the service may move a job from this state to `next`.
    ///
    /// What succeeded, failed or was aborted stays so. `unknown` is corrected by any state; `cancelled`, our own word,
    /// only by an end, because "working" does not contradict that we stopped tracking.
    pub fn may_become(&self, next: &JobStatus) -> bool {
        match self {
            JobStatus::Success | JobStatus::Failed | JobStatus::Aborted => false,
            JobStatus::Cancelled => matches!(next, JobStatus::Success | JobStatus::Failed | JobStatus::Aborted),
            JobStatus::Unknown => *next != JobStatus::Queued,
            JobStatus::Queued | JobStatus::Working | JobStatus::Other(_) => *next != JobStatus::Queued,
        }
    }
}

impl serde::Serialize for JobStatus {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl std::fmt::Display for JobStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads the state out of an answer to a check. Letter case and white space do not matter. An error about the document
/// in the service's error shape is `failed`.
///
/// A number in `status` is kept verbatim as a new word, because a check is not documented to answer one: calling it
/// success could hand out a link that is not there yet.
///
/// # Errors
/// `upstream` when there is no state in it at all.
pub fn read_check(body: &Value) -> Result<JobStatus> {
    if response_errors::is_failed_job(body) {
        return Ok(JobStatus::Failed);
    }
    let word = match field(body, "status") {
        Some(Value::String(word)) => word.trim().to_owned(),
        Some(number @ Value::Number(_)) => {
            whole_number(number).map_or_else(|| number.to_string(), |whole| whole.to_string())
        }
        _ => String::new(),
    };
    if word.is_empty() {
        return Err(Error::new(
            Kind::Upstream,
            "The service answered a check without a state in it.",
            "Check again in a few seconds; the job itself is not touched by this.",
        )
        .with_upstream(body.clone()));
    }
    Ok(match word.to_ascii_lowercase().as_str() {
        "working" => JobStatus::Working,
        "success" => JobStatus::Success,
        "failed" => JobStatus::Failed,
        "aborted" => JobStatus::Aborted,
        "unknown" => JobStatus::Unknown,
        _ => JobStatus::Other(shorten(&word, WORD_CHARS_MAX)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn stored_words_read_back_as_themselves() {
        for word in JobStatus::WORDS {
            let status = JobStatus::from_stored(word, None);
            assert_eq!((status.as_str(), status.unrecognized()), (word, None));
        }
    }

    #[test]
    fn status_words_ignore_case_and_whitespace() {
        for (body, expected) in [
            (json!({"status": "working"}), JobStatus::Working),
            (json!({"status": " Success "}), JobStatus::Success),
            (json!({"Status": "FAILED", "error": true}), JobStatus::Failed),
            (json!({"status": "aborted"}), JobStatus::Aborted),
            (json!({"status": "unknown"}), JobStatus::Unknown),
            (json!({"status": "paused"}), JobStatus::Other("paused".into())),
            (json!({"status": "cancelled"}), JobStatus::Other("cancelled".into())),
            (json!({"status": 200, "url": "https://x"}), JobStatus::Other("200".into())),
            (json!({"status": 2.0}), JobStatus::Other("2".into())),
            (json!({"status": "error", "errorCode": 441, "error": true, "message": "m"}), JobStatus::Failed),
            (json!({"status": "success", "errorCode": 441, "error": true, "message": "m"}), JobStatus::Failed),
            (json!({"error": true, "message": "Object reference not set"}), JobStatus::Failed),
            (json!({"status": "working", "error": true, "message": "odd"}), JobStatus::Working),
        ] {
            assert_eq!(read_check(&body).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn no_state_at_all_is_an_upstream_error() {
        for body in [
            json!({}),
            json!({"status": null}),
            json!({"status": ""}),
            json!({"status": {}}),
            json!({"status": true}),
            json!([]),
        ] {
            assert_eq!(read_check(&body).unwrap_err().kind(), Kind::Upstream, "{body}");
        }
    }

    #[test]
    fn stored_states_come_back() {
        for status in [
            JobStatus::Queued,
            JobStatus::Working,
            JobStatus::Success,
            JobStatus::Failed,
            JobStatus::Aborted,
            JobStatus::Unknown,
            JobStatus::Cancelled,
            JobStatus::Other("paused".into()),
        ] {
            assert_eq!(JobStatus::from_stored(status.as_str(), status.unrecognized().map(str::to_owned)), status);
        }
    }

    #[test]
    fn words_of_a_later_version_are_not_terminal() {
        let strange = JobStatus::from_stored("postponed", None);
        assert!(!strange.is_terminal() && strange.may_become(&JobStatus::Success));
        assert_eq!(JobStatus::from_stored("success", Some("paused".into())), JobStatus::Success);
    }

    fn any_status() -> impl Strategy<Value = JobStatus> {
        prop_oneof![
            Just(JobStatus::Queued),
            Just(JobStatus::Working),
            Just(JobStatus::Success),
            Just(JobStatus::Failed),
            Just(JobStatus::Aborted),
            Just(JobStatus::Unknown),
            Just(JobStatus::Cancelled),
            "[a-z]{1,9}".prop_map(JobStatus::Other),
        ]
    }

    proptest! {
        #[test]
        fn no_answers_leave_a_final_state(answers in proptest::collection::vec(any_status(), 0..20)) {
            let mut status = JobStatus::Queued;
            let mut settled: Option<JobStatus> = None;
            for next in answers {
                if status.may_become(&next) {
                    status = next;
                }
                if let Some(settled) = &settled {
                    prop_assert_eq!(settled, &status);
                } else if matches!(status, JobStatus::Success | JobStatus::Failed | JobStatus::Aborted) {
                    settled = Some(status.clone());
                }
            }
        }

        #[test]
        fn any_body_is_a_state_or_an_error_never_a_panic(text in "\\PC{0,80}") {
            let _ = read_check(&json!({"status": text}));
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let _ = read_check(&value);
            }
        }
    }
}
