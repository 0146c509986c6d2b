//! Whether and when a request is sent again: decisions only, no sleeping. Pure but for the jitter of its delays.
//!
//! | the request… | safe to repeat | paid work |
//! |---|---|---|
//! | was surely not received (refused, DNS) | again | again |
//! | did not leave for a reason that lies here (no CA certificates) | stop | stop |
//! | was held back here (given up, a key that was just refused) | stop | stop |
//! | was refused with 429 | again, after `Retry-After` | again, after `Retry-After` |
//! | was answered with a passing 5xx | again | stop: it may have been worked on |
//! | got no answer | again | stop: it may have been charged |
//! | was sent elsewhere (redirect) | again | stop |
//! | was answered otherwise | stop | stop |

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use jiff::Timestamp;

/// A repeat begins within this time after the first attempt, or not at all.
pub(super) const REPEAT_BUDGET: Duration = Duration::from_secs(20);
/// How often one request is sent at most.
const ATTEMPTS_MAX: u32 = 4;

/// Whether a request may be sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing, or changes it to the same thing.
    Safe,
    /// It may cost credits each time.
    Paid,
}

/// How far a request that did not succeed came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The service surely never saw it.
    NotSent,
    /// It was held back here, and would be again.
    Withheld,
    /// The service refused it because of the pace (429) and did nothing.
    Refused,
    /// The service answered.
    Answered,
    /// The answer was a redirect, which is not followed: no work was done there.
    Elsewhere,
    /// It left, and no answer came.
    Lost,
}

/// One failed attempt, as far as the decision needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// Time since the first attempt began.
    pub elapsed: Duration,
    /// Whether a second execution would matter.
    pub repeat: Repeat,
    /// What became of it.
    pub delivery: Delivery,
    /// Whether the failure's kind can pass by itself.
    pub retryable: bool,
    /// What the service asked for.
    pub retry_after: Option<Duration>,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send it again after this delay.
    Again {
        /// How long to wait first.
        after: Duration,
    },
    /// Report the failure.
    Stop,
}

impl Attempt {
    /// See the table in the module's header.
    pub fn decide(&self) -> Decision {
        let repeatable = match (self.delivery, self.repeat) {
            (Delivery::Withheld, _) => false,
            (Delivery::Refused, _) => true,
            (Delivery::NotSent, _) | (Delivery::Answered | Delivery::Elsewhere | Delivery::Lost, Repeat::Safe) => {
                self.retryable
            }
            (Delivery::Answered | Delivery::Elsewhere | Delivery::Lost, Repeat::Paid) => false,
        };
        if !repeatable || self.number >= ATTEMPTS_MAX {
            return Decision::Stop;
        }
        // The larger of the two delays wins: the service may ask for more patience, never for less.
        let after = delay(self.number).max(self.retry_after.unwrap_or_default());
        if self.elapsed + after > REPEAT_BUDGET { Decision::Stop } else { Decision::Again { after } }
    }
}

/// About 0.4 s, 0.9 s, 2 s…, each spread by ±40 % so that callers who failed together do not return together.
pub fn delay(number: u32) -> Duration {
    let mut delays = ExponentialBackoff {
        current_interval: Duration::from_millis(400),
        initial_interval: Duration::from_millis(400),
        randomization_factor: 0.4,
        multiplier: 2.2,
        max_interval: Duration::from_secs(15),
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    let mut last = Duration::from_millis(400);
    for _ in 0..number.clamp(1, 16) {
        last = delays.next_backoff().unwrap_or(last);
    }
    last
}

/// Longest `Retry-After` that is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Reads `Retry-After`: seconds (also with a fraction, as some gateways send) or an HTTP date, relative to `now`.
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0)
            .then(|| Duration::from_secs_f64(seconds.min(RETRY_AFTER_MAX.as_secs_f64())));
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    let seconds = at.as_millisecond().saturating_sub(now.as_millisecond()).max(0);
    Some(Duration::from_millis(seconds.unsigned_abs()).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(repeat: Repeat, delivery: Delivery) -> Attempt {
        Attempt { number: 1, elapsed: Duration::ZERO, repeat, delivery, retryable: true, retry_after: None }
    }

    #[test]
    fn the_table_of_the_header_holds() {
        let again = |a: Attempt| matches!(a.decide(), Decision::Again { .. });
        for repeat in [Repeat::Safe, Repeat::Paid] {
            assert!(again(attempt(repeat, Delivery::NotSent)));
            assert!(again(attempt(repeat, Delivery::Refused)));
            assert!(!again(Attempt { retryable: false, ..attempt(repeat, Delivery::NotSent) }));
        }
        assert!(again(attempt(Repeat::Safe, Delivery::Answered)));
        assert!(again(attempt(Repeat::Safe, Delivery::Lost)));
        assert!(!again(attempt(Repeat::Paid, Delivery::Answered)));
        assert!(!again(attempt(Repeat::Paid, Delivery::Lost)));
        assert!(!again(attempt(Repeat::Paid, Delivery::Elsewhere)));
        assert!(!again(Attempt { retryable: false, ..attempt(Repeat::Safe, Delivery::Answered) }));
    }

    #[test]
    fn repeats_end_by_number_and_by_time() {
        let base = attempt(Repeat::Safe, Delivery::Lost);
        assert_eq!(Attempt { number: ATTEMPTS_MAX, ..base }.decide(), Decision::Stop);
        assert_eq!(Attempt { elapsed: REPEAT_BUDGET, ..base }.decide(), Decision::Stop);
    }

    #[test]
    fn a_longer_retry_after_wins_and_a_too_long_one_ends_the_call() {
        let base = attempt(Repeat::Paid, Delivery::Refused);
        let wish = Duration::from_secs(7);
        assert_eq!(Attempt { retry_after: Some(wish), ..base }.decide(), Decision::Again { after: wish });
        let longest = REPEAT_BUDGET - wish;
        let waited = Attempt { elapsed: wish, retry_after: Some(longest), ..base };
        assert_eq!(waited.decide(), Decision::Again { after: longest });
        let waited_longer = Attempt { elapsed: wish + Duration::from_millis(1), ..waited };
        assert_eq!(waited_longer.decide(), Decision::Stop);
        assert_eq!(Attempt { retry_after: Some(Duration::from_secs(60)), ..base }.decide(), Decision::Stop);
    }

    #[test]
    fn delays_grow_and_stay_within_their_spread() {
        for number in 1..=4_u32 {
            let middle = 0.4 * 2.2_f64.powi(number as i32 - 1);
            for _ in 0..50 {
                let seconds = delay(number).as_secs_f64();
                assert!((middle * 0.59..=middle * 1.41).contains(&seconds), "{number}: {seconds}");
            }
        }
        assert!(delay(u32::MAX) <= Duration::from_secs(21));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let cases: &[(&str, Option<u64>)] = &[
            ("3", Some(3_000)),
            (" 0 ", Some(0)),
            ("1.5", Some(1_500)),
            ("Sat, 21 Nov 2026 10:00:09 GMT", Some(9_000)),
            ("Sat, 21 Nov 2026 09:59:00 GMT", Some(0)),
            ("999999999", Some(3_600_000)),
            ("-1", None),
            ("NaN", None),
            ("soon", None),
            ("", None),
        ];
        for (value, expected) in cases {
            assert_eq!(parse_retry_after(value, now), expected.map(Duration::from_millis), "{value:?}");
        }
    }
}
