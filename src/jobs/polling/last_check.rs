//! Whether one more check is worth its price when a wait has reached its deadline.

use super::schedule::Schedule;

/// A wait at its deadline.
#[derive(Clone, Copy, Debug)]
pub struct AtDeadline {
    /// The caller chose an interval, which is kept as it is.
    pub has_interval: bool,
    /// The last check failed: another one would too.
    pub has_failed: bool,
    /// The last check, in seconds since the submit; 0 before the first.
    pub last_check: f64,
    /// Now, in seconds since the submit.
    pub elapsed: f64,
}

/// Returns true if the job has a fair chance to have ended since its last check.
pub fn is_worth_it(at: AtDeadline, schedule: &Schedule) -> bool {
    !at.has_interval && !at.has_failed && schedule.is_worth_a_last_check(at.last_check, at.elapsed)
}
