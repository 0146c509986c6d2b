//! How long jobs take, by checks or by time, the same in every run. Only tokio's clock is used, so that tests can pause it.

use std::time::Duration;

use tokio::time::Instant;

use super::input::Directive;
use super::options::Life;

/// Longest life that a directive can ask for.
const SECONDS_MAX: f64 = 86_400.0;
/// Makes the n-th life the same in every run.
const SEED: u64 = 0x5eed_0f70_1d1d_5eed;

/// How many checks, and until when, the job of this number is working.
pub(super) fn life(usual: Life, number: u64, directive: &Directive, now: Instant) -> (u32, Option<Instant>) {
    let asked = directive.seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.min(SECONDS_MAX)).ok());
    match (directive.checks, asked, usual) {
        (None, None, Life::Checks(checks)) => (checks, None),
        (None, None, Life::Time { median, sigma }) => (0, Some(now + log_normal(median, sigma, number))),
        (checks, seconds, _) => (checks.unwrap_or(0), seconds.map(|seconds| now + seconds)),
    }
}

/// A log-normal time by Box and Muller, from two numbers that depend on the job's number alone.
fn log_normal(median: Duration, sigma: f64, number: u64) -> Duration {
    let uniform = |salt: u64| {
        let mut bits = SEED ^ number.wrapping_mul(2).wrapping_add(salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let normal = (-2.0 * uniform(0).max(f64::MIN_POSITIVE).ln()).sqrt() * (std::f64::consts::TAU * uniform(1)).cos();
    let seconds = (median.as_secs_f64() * (sigma * normal).exp()).min(SECONDS_MAX);
    Duration::try_from_secs_f64(seconds).unwrap_or(median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_jobs_end_by_the_median_reproducibly() {
        let median = Duration::from_secs(10);
        let lives: Vec<Duration> = (0..2_000).map(|number| log_normal(median, 0.7, number)).collect();
        let early = lives.iter().filter(|life| **life <= median).count();
        assert!((900..1_100).contains(&early), "{early}");
        assert_eq!(lives.first(), Some(&log_normal(median, 0.7, 0)));
        assert_eq!(log_normal(median, 0.0, 7), median);
        assert_eq!(log_normal(Duration::ZERO, 0.7, 7), Duration::ZERO);
    }
}
