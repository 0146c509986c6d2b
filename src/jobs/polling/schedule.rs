//! When to check next: a pure function of what is estimated about a job's duration.
//!
//! [`DurationEstimate`] is the guess of how long a job takes, a mixture of two [`LogNormal`]s; [`Schedule`] has the checks
//! that cost least under it. Its objective: a check at `u` seconds costs `w`, the worth of one check in seconds, and a job
//! that was done before `u` has waited for it. From a state "not done at `t`" the cheapest next check minimizes
//! `w + E[(u - T)+ | T > t] + P(T > u | T > t) * V(u)`, with `V` the cost to go, solved once from the far end.

use std::time::Duration;

/// Earliest check after the submit, in seconds.
const FIRST_CHECK: f64 = 0.5;
/// Shortest gap between two checks that the schedule chooses by itself, in seconds.
const GAP_MIN: f64 = 0.5;
/// Longest gap while the estimate speaks of seconds.
const GAP_MAX_SHORT: f64 = 15.0;
/// Longest gap when the estimate speaks of minutes.
const GAP_MAX_LONG: f64 = 60.0;
/// From here on a duration counts as minutes, in seconds.
const MINUTES_FROM: f64 = 60.0;
/// Grid points of the dynamic program; the checks are found to within 4 %.
const GRID_POINTS: usize = 300;
/// The service works at most 45 minutes on a job; the grid reaches well beyond.
const GRID_END: f64 = 4.0 * 3600.0;
/// Below this share of jobs still running, the formulas drown in rounding.
const TAIL: f64 = 1e-7;
/// In that tail the next check is this much later than the last.
const TAIL_GROWTH: f64 = 1.25;
/// Nearly all jobs are done: when polling begins for one that awaits a callback.
const NEARLY_ALL: f64 = 0.95;
/// A job from elsewhere is checked early if it ends within a second with at least this chance.
const EARLY_END_CHANCE: f64 = 0.05;
/// Then its second check is no later than this, in seconds since the first.
const EARLY_CHECK: f64 = 0.9;
/// And each further one no later than this many times the time of the one before.
const EARLY_GROWTH: f64 = 2.4;
/// Where medians and the like are searched: `ln(seconds)`.
const LN_SECONDS_RANGE: (f64, f64) = (-4.0, 16.0);
/// One last check at a deadline is worth its price from this chance on.
const LAST_CHECK_CHANCE: f64 = 0.2;

/// A duration whose logarithm is normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogNormal {
    /// Mean of `ln(seconds)`.
    pub mu: f64,
    /// Deviation of `ln(seconds)`, above 0.
    pub sigma: f64,
}

impl LogNormal {
    /// The share of jobs done after `seconds`.
    fn done_by(&self, seconds: f64) -> f64 {
        if seconds <= 0.0 { 0.0 } else { normal_below((seconds.ln() - self.mu) / self.sigma) }
    }

    /// The share of jobs still running after `seconds`; exact far out, where `1 - done_by` is not.
    fn running_at(&self, seconds: f64) -> f64 {
        if seconds <= 0.0 { 1.0 } else { normal_below((self.mu - seconds.ln()) / self.sigma) }
    }

    /// `∫ done_by` from 0 to `seconds`, in closed form.
    fn done_integral(&self, seconds: f64) -> f64 {
        if seconds <= 0.0 {
            return 0.0;
        }
        let mean = (self.mu + self.sigma * self.sigma / 2.0).exp();
        let partial = mean * normal_below((seconds.ln() - self.mu - self.sigma * self.sigma) / self.sigma);
        (seconds * self.done_by(seconds) - partial).max(0.0)
    }

    /// Within what the formulas can bear.
    fn clamped(&self) -> LogNormal {
        LogNormal { mu: self.mu.clamp(-3.0, 9.0), sigma: self.sigma.clamp(0.05, 4.0) }
    }
}

/// What is believed about a duration: the job is of a quick kind or of a slow one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DurationEstimate {
    /// How long it takes if it is of the quick kind.
    pub quick: LogNormal,
    /// How long it takes if it is of the slow kind.
    pub slow: LogNormal,
    /// The chance that it is of the slow kind.
    pub slow_share: f64,
}

impl From<LogNormal> for DurationEstimate {
    /// A distribution that is known: there is only one kind.
    fn from(known: LogNormal) -> Self {
        DurationEstimate { quick: known, slow: known, slow_share: 0.0 }
    }
}

impl DurationEstimate {
    /// With nothing known: three jobs of four are quick, half of them within 2.5 s (σ 0.8); the fourth may take any
    /// time, half of those within 20 s (σ 1.4).
    ///
    /// Round numbers out of a search over such pairs: among the cheapest on the whole, and at 2 s, of those that cost
    /// less than every fixed schedule at the medians 4, 10, 30 and 120 s of `docs/polling.md` and at no median from
    /// 1 s to 5 min more than 15 % (mean over σ) above one log-normal of 6 s, σ 1.2. It is not made for those five
    /// distributions: what it costs for others, and why no guess can win at all five, is in `docs/PERFORMANCE.md`;
    /// the tests below and in `simulation.rs` recompute it.
    pub const PRIOR: DurationEstimate = DurationEstimate {
        quick: LogNormal { mu: 0.916_290_731_874_155, sigma: 0.8 },
        slow: LogNormal { mu: 2.995_732_273_553_991, sigma: 1.4 },
        slow_share: 0.25,
    };

    /// Something that both kinds have, weighed.
    fn weighed(&self, of: impl Fn(&LogNormal) -> f64) -> f64 {
        (1.0 - self.slow_share) * of(&self.quick) + self.slow_share * of(&self.slow)
    }

    /// The share of jobs done after `seconds`.
    pub fn done_by(&self, seconds: f64) -> f64 {
        self.weighed(|kind| kind.done_by(seconds))
    }

    /// The share of jobs still running after `seconds`.
    fn running_at(&self, seconds: f64) -> f64 {
        self.weighed(|kind| kind.running_at(seconds))
    }

    /// `∫ done_by` from 0 to `seconds`.
    fn done_integral(&self, seconds: f64) -> f64 {
        self.weighed(|kind| kind.done_integral(seconds))
    }

    /// When this share of jobs is done, in seconds.
    fn seconds_until(&self, share: f64) -> f64 {
        let (mut low, mut high) = (LN_SECONDS_RANGE.0, LN_SECONDS_RANGE.1);
        for _ in 0..40 {
            let middle = (low + high) / 2.0;
            if self.done_by(middle.exp()) < share { low = middle } else { high = middle }
        }
        high.exp()
    }

    /// The chance that a job not done at `from` is done at `to`.
    pub fn chance(&self, from: f64, to: f64) -> f64 {
        let running = self.running_at(from);
        if running <= f64::MIN_POSITIVE { 1.0 } else { (1.0 - self.running_at(to) / running).clamp(0.0, 1.0) }
    }
}

/// The checks that cost least under an estimate.
#[derive(Clone, Debug)]
pub struct Schedule {
    made_from: DurationEstimate,
    estimate: DurationEstimate,
    median: f64,
    worth: f64,
    grid: Vec<Point>,
    /// See [`Schedule::from_elsewhere`].
    starts_early: bool,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    at: f64,
    integral: f64,
    running: f64,
    to_go: f64,
}

impl Schedule {
    /// The schedule for `estimate`, when a check is worth `worth` seconds of waiting.
    pub fn new(estimate: impl Into<DurationEstimate>, worth: f64) -> Self {
        let made_from = estimate.into();
        let estimate = DurationEstimate {
            quick: made_from.quick.clamped(),
            slow: made_from.slow.clamped(),
            slow_share: made_from.slow_share.clamp(0.0, 1.0),
        };
        let worth = worth.clamp(0.01, 3_600.0);
        let step = (GRID_END / FIRST_CHECK).ln() / (GRID_POINTS - 1) as f64;
        let mut grid: Vec<Point> = (0..GRID_POINTS)
            .map(|index| {
                let at = FIRST_CHECK * (step * index as f64).exp();
                Point { at, integral: estimate.done_integral(at), running: estimate.running_at(at), to_go: worth }
            })
            .collect();
        for index in (0..GRID_POINTS).rev() {
            let (before, later) = grid.split_at_mut(index + 1);
            if let Some(point) = before.last_mut() {
                let best = best_check(&estimate, worth, point.at, point.integral, point.running, later);
                point.to_go = best.map_or(worth, |(_, cost)| cost);
            }
        }
        Schedule { made_from, estimate, median: estimate.seconds_until(0.5), worth, grid, starts_early: false }
    }

    /// The schedule for a job that was submitted elsewhere, counted from its first check here, at which it still ran. How
    /// long it had run by then is not known: unless the estimate makes it unlikely that it ends within a second, the
    /// checks begin early and their gaps grow.
    pub fn from_elsewhere(estimate: impl Into<DurationEstimate>, worth: f64) -> Self {
        let schedule = Schedule::new(estimate, worth);
        let starts_early = schedule.estimate.done_by(1.0) >= EARLY_END_CHANCE;
        Schedule { starts_early, ..schedule }
    }

    /// The estimate that it was made from.
    pub fn made_from(&self) -> DurationEstimate {
        self.made_from
    }

    /// When to check next, in seconds since the submit, for a job not done at `elapsed` seconds.
    pub fn next_check(&self, elapsed: f64) -> f64 {
        let elapsed = if elapsed.is_finite() { elapsed.max(0.0) } else { 0.0 };
        let running = self.estimate.running_at(elapsed);
        let start = self.grid.partition_point(|point| point.at < elapsed + GAP_MIN);
        let later = self.grid.get(start..).unwrap_or_default();
        let cheapest = if running < TAIL {
            None
        } else {
            best_check(&self.estimate, self.worth, elapsed, self.estimate.done_integral(elapsed), running, later)
        };
        let at = cheapest.map_or(elapsed * TAIL_GROWTH, |(at, _)| at);
        let at = if self.starts_early { at.min((elapsed * EARLY_GROWTH).max(EARLY_CHECK)) } else { at };
        at.clamp(elapsed + GAP_MIN, elapsed + self.gap_max(elapsed)).max(FIRST_CHECK)
    }

    /// When to check first for a job that awaits a callback: only when nearly all such jobs are done, in seconds since
    /// the submit.
    pub fn safety_net(&self) -> f64 {
        self.estimate.seconds_until(NEARLY_ALL)
    }

    /// Whether one more check at `deadline` is worth its price for a job not done at `last_check`.
    pub fn is_worth_a_last_check(&self, last_check: f64, deadline: f64) -> bool {
        deadline - last_check >= GAP_MIN && self.estimate.chance(last_check.max(0.0), deadline) >= LAST_CHECK_CHANCE
    }

    /// An estimate of progress between 0 and 1 for a job that runs: the share of such jobs that are done by now.
    pub fn progress(&self, elapsed: f64) -> f64 {
        self.estimate.done_by(elapsed).clamp(0.0, 0.99)
    }

    /// 15 s while jobs take seconds, 60 s once they take minutes: by estimate, or because this one already does.
    fn gap_max(&self, elapsed: f64) -> f64 {
        if self.median.max(elapsed) < MINUTES_FROM { GAP_MAX_SHORT } else { GAP_MAX_LONG }
    }
}

/// The cheapest of the `later` points for a job not done at `from`: when, and what it costs in all.
fn best_check(
    estimate: &DurationEstimate,
    worth: f64,
    from: f64,
    integral: f64,
    running: f64,
    later: &[Point],
) -> Option<(f64, f64)> {
    if running < TAIL {
        return None;
    }
    let done = estimate.done_by(from);
    let mut best: Option<(f64, f64)> = None;
    for point in later {
        let delay = ((point.integral - integral - done * (point.at - from)) / running).max(0.0);
        let cost = worth + delay + point.running / running * point.to_go;
        if best.is_none_or(|(_, cheapest)| cost < cheapest) {
            best = Some((point.at, cost));
        }
        if best.is_some_and(|(_, cheapest)| worth + delay > cheapest) {
            // Later points only wait longer.
            break;
        }
    }
    best
}

/// The standard normal distribution function, exact in both tails.
pub(super) fn normal_below(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// Seconds as a duration, for callers that sleep.
pub fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::from_secs(3_600))
}

#[cfg(test)]
mod tests {
    use super::super::duration_model::DurationStats;
    use super::super::simulation::{FIXED, TABLE, best_fixed, cost, quantiles, with_median};
    use super::*;

    #[test]
    fn known_distributions_cost_what_the_table_says() {
        for (median, sigma, best) in TABLE {
            let truth = with_median(median, sigma);
            let schedule = Schedule::new(truth, 2.0);
            let j = cost(&quantiles(truth, 4_000), 2.0, |t| schedule.next_check(t)).j;
            assert!(j <= best * 1.05, "median {median}: J {j:.2}, best {best}");
        }
    }

    /// `simulation.rs` shows that nothing could win at all five.
    #[test]
    fn the_prior_beats_fixed_schedules_from_4_s_on() {
        let schedule = Schedule::new(DurationEstimate::PRIOR, 2.0);
        for (median, sigma, _) in TABLE.into_iter().filter(|row| row.0 > 2.0) {
            let jobs = quantiles(with_median(median, sigma), 4_000);
            let ours = cost(&jobs, 2.0, |t| schedule.next_check(t)).j;
            for (name, next) in FIXED {
                let theirs = cost(&jobs, 2.0, next).j;
                assert!(ours < theirs, "median {median}: ours {ours:.2}, {name} {theirs:.2}");
            }
        }
    }

    #[test]
    fn the_prior_costs_little_more_for_jobs_of_2_s() {
        let schedule = Schedule::new(DurationEstimate::PRIOR, 2.0);
        let jobs = quantiles(with_median(2.0, 0.4), 4_000);
        let ours = cost(&jobs, 2.0, |t| schedule.next_check(t)).j;
        assert!(ours <= best_fixed(&jobs, 2.0) * 1.15, "{ours}");
    }

    /// The prior is not made for five distributions only.
    #[test]
    fn the_prior_never_costs_twice_the_best() {
        let unlearned = Schedule::new(DurationEstimate::PRIOR, 2.0);
        let (mut sum, mut count) = (0.0, 0.0);
        for median in [1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0] {
            for sigma in [0.3, 0.5, 0.7, 1.0] {
                let truth = with_median(median, sigma);
                let jobs = quantiles(truth, 500);
                let best = Schedule::new(truth, 2.0);
                let best = cost(&jobs, 2.0, |t| best.next_check(t)).j;
                let ours = cost(&jobs, 2.0, |t| unlearned.next_check(t)).j;
                assert!(ours <= best * 2.0, "median {median}, σ {sigma}: {ours:.2}, best {best:.2}");
                (sum, count) = (sum + ours / best, count + 1.0);
            }
        }
        assert!(sum / count <= 1.4, "{}", sum / count);
    }

    /// Beside the check that shows whether there is such a job at all, which both make.
    #[test]
    fn ids_from_elsewhere_cost_less_than_checks_every_second() {
        let every_second = |seconds: f64| 2.0 + cost(&[seconds], 2.0, |t| t + 1.0).j;
        let j_of = |schedule: &Schedule, seconds: f64| 2.0 + cost(&[seconds], 2.0, |t| schedule.next_check(t)).j;
        let unlearned = Schedule::from_elsewhere(DurationEstimate::PRIOR, 2.0);
        for seconds in [0.5, 2.02, 10.02] {
            let (ours, theirs) = (j_of(&unlearned, seconds), every_second(seconds));
            assert!(ours <= theirs, "{seconds} s, nothing known: {ours:.2}, every second {theirs:.2}");
            let history = (0..5).fold(DurationStats::default(), |sums, _| sums.with(seconds));
            let learned = Schedule::from_elsewhere(history.estimate(), 2.0);
            let learned = j_of(&learned, seconds);
            assert!(learned <= theirs, "{seconds} s, learned: {learned:.2}, every second {theirs:.2}");
        }
        let all = [0.5, 2.0, 10.0].into_iter().cycle().take(30);
        let mixed = all.fold(DurationStats::default(), DurationStats::with);
        let mixed = Schedule::from_elsewhere(mixed.estimate(), 2.0);
        for seconds in [0.5, 2.02, 10.02] {
            assert!(j_of(&mixed, seconds) <= every_second(seconds), "{seconds} s among others");
        }
    }

    #[test]
    fn the_safety_net_begins_when_nearly_all_are_done() {
        let known = Schedule::new(with_median(10.0, 0.5), 2.0);
        assert!((known.safety_net() - 10.0 * f64::exp(0.5 * 1.644_853_627)).abs() < 1e-3, "{}", known.safety_net());
        let unknown = Schedule::new(DurationEstimate::PRIOR, 2.0).safety_net();
        assert!((DurationEstimate::PRIOR.done_by(unknown) - 0.95).abs() < 1e-6, "{unknown}");
    }

    #[test]
    fn the_limits_hold_whatever_is_believed() {
        for median in [0.1, 1.0, 6.0, 600.0, 100_000.0] {
            for sigma in [0.01, 0.5, 3.0] {
                for worth in [0.01, 2.0, 1_000.0] {
                    let schedule = Schedule::new(with_median(median, sigma), worth);
                    let mut t = 0.0;
                    for _ in 0..200 {
                        let next = schedule.next_check(t);
                        assert!(
                            next >= FIRST_CHECK && next >= t + GAP_MIN - 1e-9 && next - t <= GAP_MAX_LONG + 1e-9,
                            "{median} {sigma} {worth}: {t} {next}"
                        );
                        t = next;
                    }
                }
            }
        }
    }

    #[test]
    fn patience_buys_fewer_checks() {
        let checks = |worth: f64| {
            let schedule = Schedule::new(DurationEstimate::PRIOR, worth);
            let (mut t, mut checks) = (0.0, 0);
            while t < 60.0 {
                t = schedule.next_check(t);
                checks += 1;
            }
            checks
        };
        assert!(
            checks(0.2) > checks(2.0) && checks(2.0) > checks(10.0),
            "{} {} {}",
            checks(0.2),
            checks(2.0),
            checks(10.0)
        );
    }

    #[test]
    fn a_last_check_is_made_when_it_has_a_chance() {
        let schedule = Schedule::new(with_median(10.0, 0.5), 2.0);
        assert!(schedule.is_worth_a_last_check(6.0, 10.0));
        assert!(!schedule.is_worth_a_last_check(2.0, 3.0));
        assert!(!schedule.is_worth_a_last_check(9.9, 10.0));
    }
}
