//! Whether `unknown` is believed.
//!
//! Under load the service can answer `unknown` about a job that it accepted a moment ago. The job may be running and is
//! paid for, so a single such answer about a young job of our own does not end it.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Millis;

/// So many answers are needed for a young job.
pub const ANSWERS: u32 = 3;
/// Answers count when they are at least this far apart.
pub const APART: Duration = Duration::from_secs(2);
/// A job is young for so long after its submit.
pub const YOUNG: Duration = Duration::from_secs(120);

/// What an answer `unknown` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The service does not know the job.
    Believed,
    /// It may know it in a moment.
    CheckAgain {
        /// When the next answer counts.
        after: Duration,
    },
}

/// The answers `unknown` about one young job so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnknownAnswers {
    count: u32,
    last: Option<Instant>,
}

impl UnknownAnswers {
    /// Counts an answer at `now`, unless it is too close to the last one.
    pub fn count(&mut self, now: Instant) -> Verdict {
        if let Some(left) = self.last.and_then(|last| APART.checked_sub(now.duration_since(last)))
            && !left.is_zero()
        {
            return Verdict::CheckAgain { after: left };
        }
        self.count += 1;
        self.last = Some(now);
        if self.count >= ANSWERS { Verdict::Believed } else { Verdict::CheckAgain { after: APART } }
    }

    /// Returns true if these answers are so old that they are of no use.
    pub fn is_stale(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.duration_since(last) > YOUNG)
    }
}

/// Whether a job that this ledger submitted at `submitted_at` is young. A submit in the future was recorded under a clock
/// that has been set back since: it counts as young.
pub fn is_young(submitted_at: Millis, now: Millis) -> bool {
    now.saturating_sub(submitted_at) < YOUNG.as_millis() as Millis
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_answers_two_seconds_apart_are_believed() {
        let (start, mut answers) = (Instant::now(), UnknownAnswers::default());
        let again = |seconds| Verdict::CheckAgain { after: Duration::from_secs(seconds) };
        for (at, expected) in [(0, again(2)), (1, again(1)), (2, again(2)), (3, again(1)), (4, Verdict::Believed)] {
            assert_eq!(answers.count(start + Duration::from_secs(at)), expected, "at {at} s");
        }
    }

    #[test]
    fn a_job_is_young_for_two_minutes() {
        assert!(is_young(0, 119_999) && !is_young(0, 120_000) && is_young(1_000_000, 0));
    }
}
