//! Which errors of a check end the polling of a job, and how long the others postpone the next check.

use std::time::Duration;

use crate::api::retry_policy;
use crate::error::{Error, Kind};

/// What follows a check that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterError {
    /// The job is checked again, no sooner than after this.
    Continue {
        /// The pause.
        after: Duration,
    },
    /// All further checks would fail too.
    Stop,
}

/// What follows `error`, the last of `failures` in a row: passing errors postpone the next check, by `Retry-After` where
/// the service named it.
pub fn after_error(error: &Error, failures: u32) -> AfterError {
    if ends_polling(error) {
        return AfterError::Stop;
    }
    AfterError::Continue { after: retry_policy::delay(failures).max(error.retry_after().unwrap_or_default()) }
}

fn ends_polling(error: &Error) -> bool {
    match error.kind() {
        Kind::RateLimited | Kind::Upstream => false,
        // A machine without certificates will not have them in a moment.
        Kind::Network => !error.is_retryable(),
        Kind::InvalidArgument
        | Kind::Auth
        | Kind::InsufficientCredits
        | Kind::NotFound
        | Kind::JobFailed
        | Kind::JobAborted
        | Kind::LinkExpired
        | Kind::FileAccess
        | Kind::TooLarge
        | Kind::Cancelled
        | Kind::LedgerUnavailable
        | Kind::Internal => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_errors_postpone_and_others_end_the_polling() {
        for (kind, goes_on) in [
            (Kind::RateLimited, true),
            (Kind::Upstream, true),
            (Kind::Network, true),
            (Kind::Auth, false),
            (Kind::InsufficientCredits, false),
            (Kind::NotFound, false),
            (Kind::Internal, false),
        ] {
            let after = after_error(&Error::new(kind, "m", "h"), 1);
            assert_eq!(matches!(after, AfterError::Continue { .. }), goes_on, "{kind}");
        }
        let lasting = Error::new(Kind::Network, "m", "h").with_retryable(false);
        assert_eq!(after_error(&lasting, 1), AfterError::Stop);
    }

    #[test]
    fn the_longer_of_backoff_and_retry_after_is_kept() {
        let wish = Duration::from_secs(20);
        let error = Error::new(Kind::RateLimited, "m", "h").with_retry_after(Some(wish));
        assert_eq!(after_error(&error, 1), AfterError::Continue { after: wish });
        let AfterError::Continue { after } = after_error(&Error::new(Kind::Upstream, "m", "h"), 3) else {
            unreachable!("upstream errors pass");
        };
        assert!(after > Duration::from_secs(1), "{after:?}");
    }
}
