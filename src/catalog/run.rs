//! How the service does the work of an operation: at once or as a job.

/// How the service does an operation's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// As a background job when the request says `async: true`, which ours always does.
    Job,
    /// As a background job whatever the request says.
    AlwaysJob,
    /// At once: the answer is the result, and there is no job.
    Direct,
}
