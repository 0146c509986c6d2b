//! Who makes a call, what they accept as its outcome, and the events that are reported while it runs.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::policy::Policy;
use crate::files::Sandbox;
use crate::jobs::JobStatus;
use crate::tenant::Owner;

/// Who makes a call, and how to reach them while it runs.
#[derive(Clone)]
pub struct Caller {
    /// Whose jobs these are, and the key that pays.
    pub owner: Owner,
    /// The files of this machine that the call may read and write.
    pub sandbox: Arc<Sandbox>,
    /// What the caller may have done.
    pub policy: Policy,
    /// Whether a person agreed to what the call costs.
    pub consent: Consent,
    /// Longest wait in one call; `None` is no limit.
    pub max_wait: Option<Duration>,
    /// What the caller accepts for a call that would wait.
    pub response_mode: ResponseMode,
    /// Whether the call came over the network: files of its sender are on another machine than this one, or may be.
    pub is_remote: bool,
    /// Cancelled when the caller gives up.
    pub cancel: CancellationToken,
    /// Called with progress events while the call runs.
    pub on_event: Arc<dyn Fn(Event) + Send + Sync>,
}

impl Caller {
    /// The same caller for work that outlives the call: no progress, and `cancel` ends it.
    #[must_use]
    pub(super) fn in_background(&self, cancel: CancellationToken) -> Caller {
        Caller { cancel, on_event: Arc::new(|_| {}), ..self.clone() }
    }

    /// Reports a progress event.
    pub(super) fn emit(&self, event: Event) {
        (self.on_event)(event);
    }
}

/// Whether a person agreed to what the calls of a caller cost. No argument of a tool says so: only the interface that
/// asked the person does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// Not yet: a call above the threshold is answered with its price.
    #[default]
    Needed,
    /// To the quote with this id.
    To(String),
    /// To everything that this caller does now.
    ToAll,
}

/// What a caller accepts for a call that would wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// The answer, however long it takes.
    #[default]
    Inline,
    /// The answer if it comes within the grace, else a task.
    PreferTask,
    /// Only a task, because the client asked for one.
    TaskOnly {
        /// How long the client wants the task to be kept.
        ttl: Option<Duration>,
    },
}

/// Progress of a call.
#[derive(Clone, Debug)]
pub enum Event {
    /// A local file is being uploaded.
    Uploading {
        /// Its name.
        name: String,
        /// Its size.
        bytes: u64,
    },
    /// The service accepted a job, or a check of it was answered.
    Job {
        /// Its id.
        job_id: String,
        /// Its state.
        status: JobStatus,
        /// Seconds since the submit.
        elapsed_seconds: f64,
        /// 0 to 1, estimated; 0 while nothing is known.
        progress: f64,
        /// Paid checks so far.
        checks_made: i64,
    },
    /// A file of a result is being saved.
    Downloading {
        /// Its name.
        name: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all, when known.
        total: Option<u64>,
    },
}
