//! Simulated jobs, and what waiting for them would have cost: the tool of this module's tests and of
//! `benches/numbers/waiting.rs`. Deterministic.

use super::duration_model::DurationStats;
use super::schedule::{DurationEstimate, LogNormal, Schedule, normal_below};
use crate::catalog::CHECK_CREDITS;

/// The five distributions of `docs/polling.md`: median, σ, and the lowest J that was found for a known distribution by
/// drawing jobs at random, before there was a schedule.
pub const TABLE: [(f64, f64, f64); 5] =
    [(2.0, 0.4, 3.5), (4.0, 0.6, 5.0), (10.0, 0.5, 6.6), (30.0, 0.7, 12.3), (120.0, 0.5, 20.4)];

/// When a schedule checks next, in seconds since the submit, for a job not done at the given second.
pub type Next = fn(f64) -> f64;

/// The fixed schedules of `docs/polling.md`.
pub const FIXED: [(&str, Next); 4] = [
    ("every 1 s (the official server)", |t| t + 1.0),
    ("every 3 s (n8n, official samples)", |t| t + 3.0),
    ("at 2, 5, 10, 18, 28, 43, then every 15 s", |t| {
        [2.0, 5.0, 10.0, 18.0, 28.0, 43.0].into_iter().find(|step| *step > t).unwrap_or(t + 15.0)
    }),
    ("geometric, x1.5 from 1 s, at most 15 s", |t| t + (t / 2.0).clamp(1.0, 15.0)),
];

/// Jobs of each distribution in [`costs`].
pub const JOBS: u32 = 1_000;
/// Histories over which [`learned`] takes the average.
const HISTORIES: u32 = 40;
/// Where the generator of random durations begins; anything but zero.
const SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// What waiting cost, averaged over jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// `J = w n + o`.
    pub j: f64,
    /// Checks, `n`.
    pub checks: f64,
    /// Seconds between the end of a job and the check that saw it, `o`.
    pub delay: f64,
}

impl Cost {
    /// Credits for the checks.
    pub fn credits(&self) -> f64 {
        self.checks * CHECK_CREDITS as f64
    }
}

/// A log-normal by its median in seconds.
pub fn with_median(median: f64, sigma: f64) -> LogNormal {
    LogNormal { mu: median.ln(), sigma }
}

/// Evenly spread quantiles of a log-normal: jobs without a random number.
pub fn quantiles(truth: LogNormal, count: u32) -> Vec<f64> {
    let at = |index: u32| (f64::from(index) + 0.5) / f64::from(count);
    (0..count).map(|index| (truth.mu + truth.sigma * normal_quantile(at(index))).exp()).collect()
}

/// One duration; the state of the generator (xorshift) is the caller's.
fn lognormal(truth: LogNormal, state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    let uniform = ((*state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    (truth.mu + truth.sigma * normal_quantile(uniform)).exp()
}

fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if normal_below(middle) < p { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// What waiting for jobs of these durations costs when `next` says when to check.
pub fn cost(durations: &[f64], worth: f64, next: impl Fn(f64) -> f64) -> Cost {
    let mut sum = Cost::default();
    for duration in durations {
        let (mut last, mut checks) = (0.0, 0.0);
        while last < *duration {
            last = next(last);
            checks += 1.0;
        }
        sum.checks += checks;
        sum.delay += last - duration;
    }
    let count = durations.len().max(1) as f64;
    let (checks, delay) = (sum.checks / count, sum.delay / count);
    Cost { j: worth * checks + delay, checks, delay }
}

/// What waiting costs after `count` jobs whose durations are known, on average over many such histories.
pub fn learned(count: u32, truth: LogNormal, durations: &[f64], worth: f64) -> Cost {
    let mut random = SEED;
    let mut sum = Cost::default();
    for _ in 0..HISTORIES {
        let history = (0..count).fold(DurationStats::default(), |sums, _| sums.with(lognormal(truth, &mut random)));
        let schedule = Schedule::new(history.estimate(), worth);
        let one = cost(durations, worth, |t| schedule.next_check(t));
        sum = Cost { j: sum.j + one.j, checks: sum.checks + one.checks, delay: sum.delay + one.delay };
    }
    let count = f64::from(HISTORIES);
    Cost { j: sum.j / count, checks: sum.checks / count, delay: sum.delay / count }
}

/// What each schedule costs for each distribution of [`TABLE`], by its name: the fixed ones, ours when the distribution
/// is known, ours when nothing is, and ours after so many jobs.
pub fn costs(worth: f64, jobs_seen: &[u32]) -> Vec<(String, [Cost; TABLE.len()])> {
    let jobs = TABLE.map(|(median, sigma, _)| {
        let truth = with_median(median, sigma);
        (truth, quantiles(truth, JOBS))
    });
    let ours = |estimate: DurationEstimate, durations: &[f64]| {
        let schedule = Schedule::new(estimate, worth);
        cost(durations, worth, |t| schedule.next_check(t))
    };
    let row = |name: &str, of: &dyn Fn(LogNormal, &[f64]) -> Cost| {
        (name.to_owned(), jobs.each_ref().map(|(truth, durations)| of(*truth, durations)))
    };
    let mut rows: Vec<_> =
        FIXED.iter().map(|(name, next)| row(name, &|_, durations| cost(durations, worth, next))).collect();
    rows.push(row("best possible, distribution known", &|truth, durations| ours(truth.into(), durations)));
    rows.push(row("ours, nothing known", &|_, durations| ours(DurationEstimate::PRIOR, durations)));
    rows.extend(jobs_seen.iter().map(|count| {
        row(&format!("ours, jobs seen before: {count}"), &|truth, durations| learned(*count, truth, durations, worth))
    }));
    rows
}

/// What the best of the fixed schedules costs for these durations: another one for each distribution.
pub fn best_fixed(durations: &[f64], worth: f64) -> f64 {
    FIXED.map(|(_, next)| cost(durations, worth, next).j).into_iter().fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much each distribution of [`TABLE`] counts in the mixture that is hardest to win against.
    const LEAST_FAVORABLE: [f64; 5] = [0.449, 0.237, 0.082, 0.114, 0.118];
    /// Moments at which one may check, spread by the logarithm from half a second to the last.
    const MOMENTS: u32 = 700;
    const LAST_MOMENT: f64 = 1_200.0;

    /// Whatever a schedule does, it does not cost less than the best fixed schedule of each distribution at all five
    /// at once: even the one that is best for a weighed mean of the five ratios has a mean above 1, so one ratio is.
    /// (The best is 1.005 at all five, with checks at 3.26, 6.05, 10.5, 16.9, 26.4, 39.2, 54 s and so on.)
    #[test]
    fn no_schedule_beats_the_best_fixed_one_everywhere() {
        let worth = 2.0;
        let counts: Vec<(f64, Vec<f64>)> = TABLE
            .iter()
            .zip(LEAST_FAVORABLE)
            .map(|((median, sigma, _), counts)| {
                let jobs = quantiles(with_median(*median, *sigma), 4_000);
                (counts / best_fixed(&jobs, worth) / jobs.len() as f64, jobs)
            })
            .collect();
        // For each moment: how much is done by then, and the seconds that has waited since the beginning.
        let step = (LAST_MOMENT / 0.5).ln() / f64::from(MOMENTS - 1);
        let times = (0..MOMENTS).map(|index| 0.5 * (step * f64::from(index)).exp());
        let moments: Vec<(f64, f64, f64)> = std::iter::once(0.0)
            .chain(times)
            .map(|at| {
                let done =
                    |jobs: &Vec<f64>| jobs.iter().filter(|job| **job <= at).map(|job| at - job).collect::<Vec<_>>();
                counts.iter().fold((at, 0.0, 0.0), |(at, share, waited), (count, jobs)| {
                    let done = done(jobs);
                    (at, share + count * done.len() as f64, waited + count * done.iter().sum::<f64>())
                })
            })
            .collect();
        let all: f64 = counts.iter().map(|(count, jobs)| count * jobs.len() as f64).sum();
        // The cheapest way on from each moment, from the last one back; no limit but the half second between checks.
        let mut to_go = vec![0.0; moments.len()];
        for from in (0..moments.len() - 1).rev() {
            let (at, share, waited) = moments[from];
            to_go[from] = (from + 1..moments.len())
                .filter(|to| moments[*to].0 - at >= 0.5 - 1e-9)
                .map(|to| {
                    let (next, _, waited_then) = moments[to];
                    worth * (all - share) + waited_then - waited - share * (next - at) + to_go[to]
                })
                .fold(f64::INFINITY, f64::min);
            if to_go[from].is_infinite() {
                to_go[from] = 0.0;
            }
        }
        assert!(to_go[0] > 1.0 && to_go[0] < 1.01, "{}", to_go[0]);
    }
}
