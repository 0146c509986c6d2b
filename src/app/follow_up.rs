//! What is left to do once a job has ended, and when a call becomes a task.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::jobs::Task;

/// How long a client that takes tasks is kept waiting before a call becomes one.
pub(super) const GRACE: Duration = Duration::from_secs(8);

/// What is left to do once the job of a task has ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct FollowUp {
    /// Characters of text to include.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<u64>,
    /// Where to save the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_to: Option<String>,
    /// Whether saving may replace files.
    pub overwrite: bool,
    /// Time between checks, in seconds, instead of the schedule.
    #[serde(with = "seconds", skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
}

impl FollowUp {
    /// The follow-up of `task`. One that cannot be read asks for nothing.
    pub(super) fn of(task: &Task) -> FollowUp {
        FollowUp::deserialize(&task.follow_up).unwrap_or_default()
    }
}

/// A duration as seconds with fractions, as rows of earlier versions have it.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|value| value.as_secs_f64()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }
}
