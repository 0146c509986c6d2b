//! What past durations say about the next one.
//!
//! [`DurationStats`] are fading sums of `ln(seconds)` that the ledger keeps for each operation and size class; they become
//! a [`DurationEstimate`]. [`duration`] is what a finished job adds to them.

use super::schedule::{DurationEstimate, LogNormal};

/// About this many observations count; older ones fade.
const MEMORY: f64 = 50.0;
/// With nothing observed, each kind of the prior weighs as much as this many observations. It fades as they come,
/// because a wrong guess of the median costs more than a small sample does; and it is half of what a single guess for
/// all jobs should weigh, because which kind they are of is learned apart.
const PRIOR_WEIGHT: f64 = 1.5;
/// How much wider the estimate is than the sample while the sample is small.
const WIDENING: f64 = 0.15;
/// The sample counts as small up to about this many observations.
const FEW: f64 = 20.0;
/// Durations beyond these are measuring errors, in seconds.
const SECONDS_RANGE: (f64, f64) = (0.05, 4.0 * 3600.0);
/// Longest gap between two checks whose middle is taken for the end, in seconds: those that are planned or asked for are
/// 60 s at most, and a permit of the rate limit takes a while. Later in a job's life a gap may be as long as what was
/// before it.
const GAP_MAX: f64 = 90.0;

/// Fading sums of `ln(seconds)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DurationStats {
    /// Observations, faded.
    pub weight: f64,
    /// Their mean.
    pub mean: f64,
    /// Sum of squared deviations, faded.
    pub squares: f64,
}

impl DurationStats {
    /// The sums with one more duration in them.
    #[must_use]
    pub fn with(self, seconds: f64) -> DurationStats {
        if !seconds.is_finite() {
            return self;
        }
        let x = seconds.clamp(SECONDS_RANGE.0, SECONDS_RANGE.1).ln();
        let fade = 1.0 - 1.0 / MEMORY;
        let weight = self.weight * fade + 1.0;
        let deviation = x - self.mean;
        let mean = self.mean + deviation / weight;
        DurationStats { weight, mean, squares: self.squares * fade + deviation * (x - mean) }
    }

    /// The estimate that follows from them and the prior: which of its kinds these jobs are of, and how long that takes.
    /// After many durations both kinds say the same, which is what was observed.
    pub fn estimate(&self) -> DurationEstimate {
        let prior = DurationEstimate::PRIOR;
        let odds = prior.slow_share / (1.0 - prior.slow_share);
        let log_odds = odds.ln() + self.log_likelihood(prior.slow) - self.log_likelihood(prior.quick);
        DurationEstimate {
            quick: self.blended(prior.quick),
            slow: self.blended(prior.slow),
            slow_share: 1.0 / (1.0 + (-log_odds).exp()),
        }
    }

    /// How well a kind foresaw them.
    fn log_likelihood(&self, kind: LogNormal) -> f64 {
        let weight = self.weight.max(0.0);
        let off = self.mean - kind.mu;
        -weight * kind.sigma.ln() - (self.squares.max(0.0) + weight * off * off) / (2.0 * kind.sigma * kind.sigma)
    }

    /// A kind as they correct it.
    fn blended(&self, kind: LogNormal) -> LogNormal {
        let weight = self.weight.max(0.0);
        let prior_weight = PRIOR_WEIGHT * PRIOR_WEIGHT / (PRIOR_WEIGHT + weight);
        let total = prior_weight + weight;
        let mu = (prior_weight * kind.mu + weight * self.mean) / total;
        // The sample's own spread; one observation has none, which the prior's part makes up for.
        let squares = self.squares.max(0.0) + prior_weight * kind.sigma * kind.sigma;
        let freedom = prior_weight + (weight - 1.0).max(weight / 2.0);
        // The prior is as wide as it means to be; only what a small sample says is widened.
        let few = 1.0 + WIDENING * (1.0 - weight / FEW).max(0.0) * weight / total;
        LogNormal { mu, sigma: (squares / freedom).sqrt() * few }
    }
}

/// The size class of a document: 1, 2–5, 6–20, 21–100 pages, more; 0 when it is not known.
pub fn page_bucket(pages: Option<i64>) -> i64 {
    match pages {
        None | Some(..=0) => 0,
        Some(1) => 1,
        Some(2..=5) => 2,
        Some(6..=20) => 3,
        Some(21..=100) => 4,
        Some(_) => 5,
    }
}

/// A check that saw a job running later than this, in seconds since the submit, contradicts no report: it is more likely
/// that the clock jumped in between than that the job waited for so long before the service worked on it.
pub const CONTRADICTS_UNTIL: f64 = 600.0;

/// How long a job took, in seconds since its submit: as reported, between the check `before`, which saw it running, and the
/// time `at` which a check saw its end. The service may report its work without the wait for it: a time that the check
/// `before` contradicts counts as none. Without one it is `at` less half the gap between the two checks; without a check
/// `before` the service said when it ended, which is `at`. Nothing when that gap says more of us than of the job: the
/// machine slept, its clock jumped, or the job was not checked for long.
pub fn duration(reported_ms: Option<i64>, at: f64, before: Option<f64>) -> Option<f64> {
    let reported = reported_ms.filter(|ms| *ms > 0).map(|ms| ms as f64 / 1000.0);
    let running_at = before.filter(|before| *before <= at);
    let is_contradicted = reported
        .is_some_and(|seconds| running_at.is_some_and(|running| seconds < running && running <= CONTRADICTS_UNTIL));
    let before = before.unwrap_or(at);
    let is_sound = 0.0 < at && at <= SECONDS_RANGE.1 && before <= at;
    match reported.filter(|_| !is_contradicted) {
        // Never longer than until it was seen, by a clock that can be believed.
        Some(seconds) if is_sound => Some(seconds.min(at)),
        Some(seconds) => Some(seconds).filter(|seconds| *seconds <= SECONDS_RANGE.1),
        None => {
            let gap = at - before;
            let is_close = is_sound && gap <= GAP_MAX.max(before);
            // The job ran at least until the check before.
            if is_close { Some(at - gap / 2.0) } else { running_at.filter(|_| is_contradicted) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::polling::schedule::Schedule;
    use crate::jobs::polling::simulation::{TABLE, best_fixed, cost, learned, quantiles, with_median};

    #[test]
    fn nothing_learned_is_the_prior() {
        let (estimate, prior) = (DurationStats::default().estimate(), DurationEstimate::PRIOR);
        for (kind, meant) in [(estimate.quick, prior.quick), (estimate.slow, prior.slow)] {
            assert!((kind.mu - meant.mu).abs() < 1e-9 && (kind.sigma - meant.sigma).abs() < 1e-9, "{estimate:?}");
        }
        assert!((estimate.slow_share - prior.slow_share).abs() < 1e-9, "{estimate:?}");
    }

    #[test]
    fn the_kind_is_known_after_a_job_or_two() {
        let after = |seconds: f64| DurationStats::default().with(seconds).with(seconds).estimate().slow_share;
        assert!(after(2.0) < 0.1 && after(120.0) > 0.99, "{} {}", after(2.0), after(120.0));
    }

    /// What is promised: after 20 jobs of an operation J is within 10 % of the best possible. Five are enough
    /// for that, and three for less than any fixed schedule costs.
    #[test]
    fn twenty_jobs_bring_the_cost_within_ten_percent() {
        for (median, sigma, _) in TABLE {
            let truth = with_median(median, sigma);
            let jobs = quantiles(truth, 400);
            let best = Schedule::new(truth, 2.0);
            let best = cost(&jobs, 2.0, |t| best.next_check(t)).j;
            let fixed = best_fixed(&jobs, 2.0);
            let after = [0, 1, 3, 5, 20].map(|count| learned(count, truth, &jobs, 2.0).j);
            let table =
                format!("median {median}: after 0, 1, 3, 5, 20 jobs {after:.2?}, best {best:.2}, fixed {fixed:.2}");
            assert!(after[4] <= best * 1.05 && after[3] <= best * 1.10, "{table}");
            assert!(after[1] <= fixed * 1.03 && after[2..].iter().all(|j| *j < fixed), "{table}");
            assert!(after.windows(2).all(|pair| pair[1] <= pair[0] * 1.01), "no job makes it worse: {table}");
        }
    }

    #[test]
    fn old_durations_fade() {
        let old = (0..200).fold(DurationStats::default(), |sums, _| sums.with(100.0));
        let new = (0..150).fold(old, |sums, _| sums.with(1.0));
        assert!(old.weight <= MEMORY && new.mean.exp() < 1.5, "{new:?}");
    }

    #[test]
    fn durations_are_reported_or_half_a_gap_less() {
        for (reported, at, before, expected) in [
            (Some(1_500), 4.0, Some(1.0), Some(1.5)),
            // Never longer than until it was seen.
            (Some(9_000_000), 4.0, Some(1.0), Some(4.0)),
            (None, 4.0, Some(1.0), Some(2.5)),
            (Some(0), 4.0, Some(1.0), Some(2.5)),
            // The longest gaps that are planned or can be asked for, and what a line of others adds.
            (None, 60.0, Some(0.0), Some(30.0)),
            (None, 120.0, Some(40.0), Some(80.0)),
            // Not checked for hours, or the clock jumped.
            (None, 86_400.0, Some(5.0), None),
            (None, 600.0, Some(0.0), None),
            (Some(6_500), 86_400.0, Some(5.0), Some(6.5)),
            // A check saw it running for longer than it reports to have worked.
            (Some(7), 6.5, Some(5.5), Some(6.0)),
            (Some(1_500), 86_400.0, Some(5.0), Some(5.0)),
            // The clock jumped before the check before.
            (Some(4_000), 3_604.0, Some(3_603.0), Some(4.0)),
            // Late in a long life.
            (None, 1_000.0, Some(600.0), Some(800.0)),
            // By a callback.
            (None, 60.0, None, Some(60.0)),
            (Some(1_500), 60.0, None, Some(1.5)),
            (None, 1e6, None, None),
            // A clock that was set back.
            (None, 0.0, Some(5.0), None),
            (None, 3.0, Some(5.0), None),
            (None, 0.0, None, None),
            (Some(4_000), 0.0, Some(0.0), Some(4.0)),
            (Some(4_000), 3.0, Some(5.0), Some(4.0)),
            (Some(i64::MAX), 0.0, Some(0.0), None),
            (None, f64::NAN, Some(1.0), None),
        ] {
            assert_eq!(duration(reported, at, before), expected, "{reported:?} {at} {before:?}");
        }
        assert_eq!([None, Some(1), Some(5), Some(6), Some(100), Some(101)].map(page_bucket), [0, 1, 2, 3, 4, 5]);
    }

    /// The service may report milliseconds of work for jobs that waited for seconds.
    #[test]
    fn reports_of_work_alone_cost_few_checks() {
        for life in [1.5, 6.0, 20.0, 90.0] {
            let mut stats = DurationStats::default();
            let mut checks = Vec::new();
            for _ in 0..10 {
                let schedule = Schedule::new(stats.estimate(), 2.0);
                let (mut before, mut at, mut count) = (0.0, 0.0, 0);
                while at < life {
                    (before, at, count) = (at, schedule.next_check(at), count + 1);
                }
                stats = stats.with(duration(Some(7), at, Some(before)).unwrap());
                checks.push(count);
            }
            assert!(checks.last().is_some_and(|count| *count <= 4), "{life} s: {checks:?}");
        }
    }

    #[test]
    fn nonsense_teaches_nothing_bad() {
        let sums = DurationStats::default().with(f64::NAN).with(-5.0).with(f64::INFINITY).with(1e300);
        let estimate = sums.estimate();
        for kind in [estimate.quick, estimate.slow] {
            assert!(kind.mu.is_finite() && kind.sigma.is_finite() && kind.sigma > 0.0, "{estimate:?}");
        }
        assert!((0.0..=1.0).contains(&estimate.slow_share), "{estimate:?}");
    }
}
