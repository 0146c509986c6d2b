//! What the past says about a job's duration.
//!
//! What lives here: [`Learned`], the fading sums of `ln(seconds)` that the ledger keeps for each operation and size,
//! how an observation enters them, and how they become a [`Belief`]. What never does: I/O, or the schedule made from it.
//! Source: `waiting-cost.md`, "Belief".

use super::schedule::Belief;

/// About this many observations count; older ones fade.
const MEMORY: f64 = 50.0;
/// With nothing observed, the prior weighs as much as this many observations. It fades as they come, because a wrong
/// guess of the median costs more than a small sample does.
const PRIOR_WEIGHT: f64 = 3.0;
/// How much wider the belief is than the sample while the sample is small.
const WIDENING: f64 = 0.15;
/// The sample counts as small up to about this many observations.
const FEW: f64 = 20.0;
/// Durations beyond these are measuring errors, in seconds.
const SECONDS_RANGE: (f64, f64) = (0.05, 4.0 * 3600.0);

/// Fading sums of `ln(seconds)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Learned {
    /// Observations, faded.
    pub weight: f64,
    /// Their mean.
    pub mean: f64,
    /// Sum of squared deviations, faded.
    pub squares: f64,
}

impl Learned {
    /// The sums with one more duration in them.
    #[must_use]
    pub fn with(self, seconds: f64) -> Learned {
        if !seconds.is_finite() {
            return self;
        }
        let x = seconds.clamp(SECONDS_RANGE.0, SECONDS_RANGE.1).ln();
        let fade = 1.0 - 1.0 / MEMORY;
        let weight = self.weight * fade + 1.0;
        let deviation = x - self.mean;
        let mean = self.mean + deviation / weight;
        Learned { weight, mean, squares: self.squares * fade + deviation * (x - mean) }
    }

    /// What they make one believe.
    pub fn belief(&self) -> Belief {
        let prior = Belief::PRIOR;
        let weight = self.weight.max(0.0);
        let prior_weight = PRIOR_WEIGHT * PRIOR_WEIGHT / (PRIOR_WEIGHT + weight);
        let total = prior_weight + weight;
        let mu = (prior_weight * prior.mu + weight * self.mean) / total;
        // The sample's own spread; one observation has none, which the prior's part makes up for.
        let squares = self.squares.max(0.0) + prior_weight * prior.sigma * prior.sigma;
        let freedom = prior_weight + (weight - 1.0).max(weight / 2.0);
        // The prior is as wide as it means to be; only what a small sample says is widened.
        let few = 1.0 + WIDENING * (1.0 - weight / FEW).max(0.0) * weight / total;
        Belief { mu, sigma: (squares / freedom).sqrt() * few }
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

/// How long a job took, in seconds since its submit: as reported, else the time of the look that saw it done less half
/// the gap before that look.
pub fn duration(reported_ms: Option<i64>, seen_after: f64, last_look_before: f64) -> f64 {
    let gap = (seen_after - last_look_before).max(0.0);
    match reported_ms {
        Some(ms) if ms > 0 => (ms as f64 / 1000.0).min(seen_after.max(SECONDS_RANGE.0)),
        _ => seen_after - gap / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::schedule::Schedule;
    use crate::jobs::simulation::{TABLE, cost, lognormal, quantiles};

    #[test]
    fn nothing_learned_is_the_prior() {
        let belief = Learned::default().belief();
        assert!((belief.mu - Belief::PRIOR.mu).abs() < 1e-9);
        assert!((belief.sigma - Belief::PRIOR.sigma).abs() < 1e-9, "{belief:?}");
    }

    /// The demand of DESIGN §9: after 20 jobs of an operation J is within 10 % of the best possible, on average over
    /// many histories of 20.
    #[test]
    fn after_twenty_jobs_the_cost_is_within_ten_percent_of_the_best() {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        for (median, sigma, _) in TABLE {
            let truth = Belief { mu: f64::ln(median), sigma };
            let jobs = quantiles(truth, 400);
            let best = Schedule::new(truth, 2.0);
            let best = cost(&jobs, 2.0, |t| best.next_look(t)).j;
            let histories = 60;
            let learned = (0..histories)
                .map(|_| {
                    let history = (0..20).fold(Learned::default(), |sums, _| sums.with(lognormal(truth, &mut random)));
                    let schedule = Schedule::new(history.belief(), 2.0);
                    cost(&jobs, 2.0, |t| schedule.next_look(t)).j
                })
                .sum::<f64>()
                / f64::from(histories);
            assert!(learned <= best * 1.10, "median {median}: learned {learned:.2}, best {best:.2}");
        }
    }

    #[test]
    fn old_durations_fade() {
        let old = (0..200).fold(Learned::default(), |sums, _| sums.with(100.0));
        let new = (0..150).fold(old, |sums, _| sums.with(1.0));
        assert!(old.weight <= MEMORY && new.mean.exp() < 1.5, "{new:?}");
    }

    #[test]
    fn the_time_of_a_job_is_what_was_reported_or_half_a_gap_less() {
        assert!((duration(Some(1_500), 4.0, 1.0) - 1.5).abs() < 1e-9);
        assert!((duration(Some(9_000_000), 4.0, 1.0) - 4.0).abs() < 1e-9, "never longer than until it was seen");
        assert!((duration(None, 4.0, 1.0) - 2.5).abs() < 1e-9);
        assert_eq!([None, Some(1), Some(5), Some(6), Some(100), Some(101)].map(page_bucket), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn nonsense_teaches_nothing_bad() {
        let sums = Learned::default().with(f64::NAN).with(-5.0).with(f64::INFINITY).with(1e300);
        let belief = sums.belief();
        assert!(belief.mu.is_finite() && belief.sigma.is_finite() && belief.sigma > 0.0);
    }
}
