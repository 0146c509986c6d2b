//! What happens after submit: the jobs engine.
//!
//! [`Jobs`] records the intent before the request leaves, checks jobs as rarely as pays, waits for them on behalf of many
//! callers, and remembers them. Start at `submit.rs`, then [`Jobs::wait`].

mod booking;
mod callback;
mod cancel;
mod check;
mod check_service;
mod engine;
pub mod job;
pub mod job_id;
pub mod ledger;
pub mod poller;
pub mod polling;
mod results;
mod secrets;
mod singleflight;
mod source;
pub mod status;
pub mod submit;
pub mod task;
pub mod wait;

pub use check::Checked;
pub use engine::{Jobs, unknown_job};
pub use job::{Job, Millis, Observation};
pub use job_id::{IntentId, JobId, JobResource};
pub use ledger::{Ledger, Page, Spending};
pub use polling::schedule::{DurationEstimate, LogNormal, Schedule};
pub use results::Results;
pub use source::Source;
pub use status::JobStatus;
pub use submit::{Outgoing, Preparation, Prepared, Submitted, call_for, hash_of_request};
pub use task::{Task, TaskStatus};
pub use wait::{WaitEnd, WaitOptions, Waited};
