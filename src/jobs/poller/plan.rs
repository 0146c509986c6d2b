//! When a job is checked next: a pure function of what its subscribers ask for and what has happened so far.

use std::time::Duration;

use tokio::time::Instant;

use crate::jobs::polling::error_policy::{AfterError, after_error};
use crate::jobs::polling::schedule::{Schedule, seconds};

use crate::error::Error;

/// What is known about the polling of one job.
#[derive(Clone, Copy, Debug)]
pub(super) struct PollState {
    /// When it was submitted, or first asked about here.
    pub(super) submitted: Instant,
    /// The last check, in seconds since `submitted`; 0 before the first.
    pub(super) last_check: f64,
    /// Checks that failed since the last one that did not.
    pub(super) failures: u32,
    /// No check before this.
    pub(super) not_before: Instant,
    /// A check is wanted no later than this.
    pub(super) no_later_than: Option<Instant>,
    /// The service was asked to call back when the job ends.
    pub(super) awaits_callback: bool,
    /// Nothing is known of the job but an id from elsewhere.
    pub(super) is_unknown_here: bool,
    /// Checks that this process made and that were answered.
    pub(super) checks_here: u32,
}

impl PollState {
    /// The next check: when one is wanted, by the shortest interval that a subscriber asked for, else by the schedule.
    pub(super) fn next_check(&self, intervals: impl Iterator<Item = Option<Duration>>, schedule: &Schedule) -> Instant {
        let (mut shortest, mut all_asked) = (None::<Duration>, true);
        for interval in intervals {
            all_asked &= interval.is_some();
            shortest = match (shortest, interval) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        let last = self.submitted + seconds(self.last_check);
        let by_schedule = self.submitted + seconds(self.by_schedule(schedule));
        let due = match shortest {
            Some(_) if self.is_unknown_here => by_schedule,
            Some(interval) if all_asked => last + interval,
            Some(interval) => by_schedule.min(last + interval),
            None => by_schedule,
        };
        let due = self.no_later_than.map_or(due, |wanted| due.min(wanted));
        // Nothing else: an overdue job stays overdue, so that subscribers who come and go do not cost it its priority.
        due.max(self.not_before)
    }

    /// In seconds since `submitted`.
    fn by_schedule(&self, schedule: &Schedule) -> f64 {
        if self.is_unknown_here {
            return 0.0;
        }
        let next = schedule.next_check(self.last_check);
        if self.last_check == 0.0 && self.awaits_callback {
            // The callback is the first answer; a check is the safety net.
            return next.max(schedule.safety_net());
        }
        next
    }

    /// Counts a check that was answered.
    pub(super) fn answered(&mut self, now: Instant) {
        (self.failures, self.no_later_than) = (0, None);
        self.checks_here = self.checks_here.saturating_add(1);
        self.last_check = now.duration_since(self.submitted).as_secs_f64();
    }

    /// Counts a check that was made elsewhere `at` seconds since the submit. It was made by now, whatever the wall clock
    /// said then.
    pub(super) fn answered_elsewhere(&mut self, at: f64, now: Instant) {
        (self.failures, self.no_later_than) = (0, None);
        self.last_check = self.last_check.max(at.min(now.duration_since(self.submitted).as_secs_f64()));
    }

    /// Counts a check that failed. Returns whether polling ends with it.
    pub(super) fn failed(&mut self, error: &Error, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.no_later_than = None;
        match after_error(error, self.failures) {
            AfterError::Stop => true,
            AfterError::Continue { after } => {
                self.not_before = now + after;
                false
            }
        }
    }

    /// Another check is wanted after exactly `pause`.
    pub(super) fn again_after(&mut self, pause: Duration, now: Instant) {
        self.not_before = now + pause;
        self.no_later_than = Some(now + pause);
    }
}
