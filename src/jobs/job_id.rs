//! Ids of jobs: the one that callers use, and the one that we give before the service has given any.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::hint;
use crate::next_step::NextStep;

/// Longest id, in bytes.
pub const ID_BYTES_MAX: usize = 200;
/// Prefix of ids that we gave.
const INTENT_PREFIX: &str = "local-";
/// Scheme of the resources that stand for jobs.
pub const URI_SCHEME: &str = "job://";
/// What follows the id in the address of a job's text.
pub const RESULT_PATH: &str = "/result";

/// An id by which a job can be found: the service's, or ours where the service has given none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct JobId(String);

impl JobId {
    /// Reads an id that a caller or the service wrote; white space around it is dropped.
    ///
    /// # Errors
    /// `invalid_argument` unless it is 1 to [`ID_BYTES_MAX`] visible ASCII characters.
    pub fn parse(id: &str) -> Result<JobId> {
        JobId::parse_as(id, "job_id")
    }

    /// An id that was parsed before it was stored.
    pub fn from_stored(id: impl Into<String>) -> JobId {
        JobId(id.into())
    }

    /// As [`JobId::parse`], for an id that the caller knows by another name.
    pub fn parse_as(id: &str, name: &str) -> Result<JobId> {
        valid_id(id, name).map(|id| JobId(id.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one of ours.
    pub fn is_intent(&self) -> bool {
        self.0.starts_with(INTENT_PREFIX)
    }

    /// The URI of the resource that stands for this job.
    pub fn uri(&self) -> String {
        uri(&self.0)
    }
}

impl From<&IntentId> for JobId {
    fn from(id: &IntentId) -> JobId {
        JobId(id.0.clone())
    }
}

impl Deref for JobId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The URI of the resource that stands for the job `id`.
pub fn uri(id: &str) -> String {
    format!("{URI_SCHEME}{id}")
}

/// What a resource's URI names: the record of a job, or the text of its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobResource {
    /// The job.
    pub job_id: JobId,
    /// Whether it is the text.
    pub is_result: bool,
}

impl JobResource {
    /// Reads the URI of a job or of its result; `None` for every other.
    pub fn parse(uri: &str) -> Option<JobResource> {
        let id = uri.strip_prefix(URI_SCHEME)?;
        let (id, is_result) = id.strip_suffix(RESULT_PATH).map_or((id, false), |id| (id, true));
        Some(JobResource { job_id: JobId::parse(id).ok()?, is_result })
    }
}

/// An id that can be stored, sent and shown; `name` is what its writer calls it.
pub(super) fn valid_id<'a>(id: &'a str, name: &str) -> Result<&'a str> {
    let id = id.trim();
    let is_fine = !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if is_fine {
        return Ok(id);
    }
    Err(Error::invalid(
        format!("`{name}` cannot be `{}`.", crate::text::shorten(id, 40)),
        hint![
            format!("An id is 1 to {ID_BYTES_MAX} visible ASCII characters without spaces; "),
            NextStep::ListJobs,
            " shows the ids of jobs."
        ],
    ))
}

/// Our own id of a job: given before its request leaves, and never changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct IntentId(String);

impl IntentId {
    /// A new id: random and unguessable.
    pub fn random() -> IntentId {
        IntentId(format!("{INTENT_PREFIX}{}", uuid::Uuid::new_v4().simple()))
    }

    /// An id as it was stored.
    pub fn from_stored(id: impl Into<String>) -> IntentId {
        IntentId(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for IntentId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for IntentId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_visible_ascii_within_a_bound() {
        for (id, fine) in [
            ("AAAA--151-300", true),
            ("  padded \n", true),
            ("12345", true),
            (&"x".repeat(ID_BYTES_MAX), true),
            (&"x".repeat(ID_BYTES_MAX + 1), false),
            ("", false),
            ("a b", false),
            ("a\u{202e}b", false),
            ("a\0b", false),
        ] {
            assert_eq!(JobId::parse(id).is_ok(), fine, "{id:?}");
        }
        assert!(JobId::parse(&IntentId::random()).is_ok_and(|id| id.is_intent()));
    }

    #[test]
    fn a_uri_gives_its_id_back() {
        let id = JobId::parse("AAAA--151-300").unwrap();
        let result = format!("{}/result", id.uri());
        assert_eq!(JobResource::parse(&result), Some(JobResource { job_id: id.clone(), is_result: true }));
        assert_eq!(JobResource::parse(&id.uri()), Some(JobResource { job_id: id, is_result: false }));
        for uri in ["file:///etc/passwd", "job://", "job:///result", "job://a b"] {
            assert_eq!(JobResource::parse(uri), None, "{uri}");
        }
    }
}
