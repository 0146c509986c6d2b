//! When to look next: a pure function of what is believed about a job's duration, no clock and no I/O.
//!
//! What lives here: [`Belief`], the log-normal guess of how long a job takes, and [`Schedule`], the looks that cost
//! least under it. What never does: sleeping or asking. Source of objective, numbers and limits:
//! `waiting-cost.md`.
//!
//! A look at `u` seconds costs `w`, the worth of one check in seconds; a job that was done before `u` has waited for
//! it. From a state "not done at `t`" the cheapest next look minimises
//! `w + E[(u - T)+ | T > t] + P(T > u | T > t) * V(u)`, with `V` the cost to go, solved once from the far end.

use std::time::Duration;

/// Earliest look after the submit, in seconds.
const FIRST_LOOK: f64 = 0.5;
/// Shortest gap between two looks that the schedule chooses by itself, in seconds.
const GAP_MIN: f64 = 0.5;
/// Longest gap while the belief speaks of seconds.
const GAP_MAX_SHORT: f64 = 15.0;
/// Longest gap when the belief speaks of minutes.
const GAP_MAX_LONG: f64 = 60.0;
/// From here on a duration counts as minutes, in seconds.
const MINUTES_FROM: f64 = 60.0;
/// Grid points of the dynamic program; the looks are found to within 4 %.
const GRID_POINTS: usize = 300;
/// The service works at most 45 minutes on a job; the grid reaches well beyond.
const GRID_END: f64 = 4.0 * 3600.0;
/// Below this share of jobs still running, the formulas drown in rounding.
const TAIL: f64 = 1e-7;
/// In that tail the next look is this much later than the last.
const TAIL_GROWTH: f64 = 1.25;
/// The standard normal distribution reaches 95 % here.
const QUANTILE_95: f64 = 1.644_853_627;
/// One last look at a caller's deadline is worth its price from this chance on.
const LAST_LOOK_CHANCE: f64 = 0.2;

/// What is believed about a duration: its logarithm is normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Belief {
    /// Mean of `ln(seconds)`.
    pub mu: f64,
    /// Deviation of `ln(seconds)`, above 0.
    pub sigma: f64,
}

impl Belief {
    /// With nothing known: half of the jobs within 6 s, σ 1.2.
    pub const PRIOR: Belief = Belief { mu: 1.791_759_469_228_055, sigma: 1.2 };

    /// Median in seconds.
    pub fn median(&self) -> f64 {
        self.mu.exp()
    }

    /// The share of jobs done after `seconds`.
    pub fn done_by(&self, seconds: f64) -> f64 {
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

    /// The chance that a job not done at `from` is done at `to`.
    pub fn chance(&self, from: f64, to: f64) -> f64 {
        let running = self.running_at(from);
        if running <= f64::MIN_POSITIVE { 1.0 } else { (1.0 - self.running_at(to) / running).clamp(0.0, 1.0) }
    }
}

/// The looks that cost least under a belief.
#[derive(Clone, Debug)]
pub struct Schedule {
    made_from: Belief,
    belief: Belief,
    worth: f64,
    grid: Vec<Point>,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    at: f64,
    integral: f64,
    running: f64,
    to_go: f64,
}

impl Schedule {
    /// The schedule for `belief`, when a check is worth `worth` seconds of waiting.
    pub fn new(belief: Belief, worth: f64) -> Self {
        let made_from = belief;
        let belief = Belief { mu: belief.mu.clamp(-3.0, 9.0), sigma: belief.sigma.clamp(0.05, 4.0) };
        let worth = worth.clamp(0.01, 3_600.0);
        let step = (GRID_END / FIRST_LOOK).ln() / (GRID_POINTS - 1) as f64;
        let mut grid: Vec<Point> = (0..GRID_POINTS)
            .map(|index| {
                let at = FIRST_LOOK * (step * index as f64).exp();
                Point { at, integral: belief.done_integral(at), running: belief.running_at(at), to_go: worth }
            })
            .collect();
        for index in (0..GRID_POINTS).rev() {
            let (before, later) = grid.split_at_mut(index + 1);
            if let Some(point) = before.last_mut() {
                let best = best_look(&belief, worth, point.at, point.integral, point.running, later);
                point.to_go = best.map_or(worth, |(_, cost)| cost);
            }
        }
        Schedule { made_from, belief, worth, grid }
    }

    /// The belief that it was made from.
    pub fn made_from(&self) -> Belief {
        self.made_from
    }

    /// When to look next, in seconds since the submit, for a job not done at `elapsed` seconds.
    pub fn next_look(&self, elapsed: f64) -> f64 {
        let elapsed = if elapsed.is_finite() { elapsed.max(0.0) } else { 0.0 };
        let running = self.belief.running_at(elapsed);
        let start = self.grid.partition_point(|point| point.at < elapsed + GAP_MIN);
        let later = self.grid.get(start..).unwrap_or_default();
        let cheapest = if running < TAIL {
            None
        } else {
            best_look(&self.belief, self.worth, elapsed, self.belief.done_integral(elapsed), running, later)
        };
        let at = cheapest.map_or(elapsed * TAIL_GROWTH, |(at, _)| at);
        at.clamp(elapsed + GAP_MIN, elapsed + self.gap_max(elapsed)).max(FIRST_LOOK)
    }

    /// When to look first for a job whose end will be told: only when nearly all such jobs are done, in seconds since
    /// the submit.
    pub fn safety_net(&self) -> f64 {
        (self.belief.mu + QUANTILE_95 * self.belief.sigma).exp()
    }

    /// Whether one more look at `deadline` is worth its price for a job not done at `last_look`.
    pub fn is_worth_a_last_look(&self, last_look: f64, deadline: f64) -> bool {
        deadline - last_look >= GAP_MIN && self.belief.chance(last_look.max(0.0), deadline) >= LAST_LOOK_CHANCE
    }

    /// An estimate of progress between 0 and 1 for a job that runs: the share of such jobs that are done by now.
    pub fn progress(&self, elapsed: f64) -> f64 {
        self.belief.done_by(elapsed).clamp(0.0, 0.99)
    }

    /// 15 s while jobs take seconds, 60 s once they take minutes: by belief, or because this one already does.
    fn gap_max(&self, elapsed: f64) -> f64 {
        if self.belief.median().max(elapsed) < MINUTES_FROM { GAP_MAX_SHORT } else { GAP_MAX_LONG }
    }
}

/// The cheapest of the `later` points for a job not done at `from`: when, and what it costs in all.
fn best_look(
    belief: &Belief,
    worth: f64,
    from: f64,
    integral: f64,
    running: f64,
    later: &[Point],
) -> Option<(f64, f64)> {
    if running < TAIL {
        return None;
    }
    let done = belief.done_by(from);
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
    use super::super::simulation::{FIXED, TABLE, cost, quantiles};
    use super::*;

    fn belief(median: f64, sigma: f64) -> Belief {
        Belief { mu: median.ln(), sigma }
    }

    #[test]
    fn with_a_known_distribution_the_cost_is_the_tables_best() {
        for (median, sigma, best) in TABLE {
            let truth = belief(median, sigma);
            let schedule = Schedule::new(truth, 2.0);
            let j = cost(&quantiles(truth, 4_000), 2.0, |t| schedule.next_look(t)).j;
            assert!(j <= best * 1.05, "median {median}: J {j:.2}, best {best}");
        }
    }

    #[test]
    fn with_nothing_known_the_cost_is_below_every_fixed_schedule_up_to_medians_of_30_s() {
        let schedule = Schedule::new(Belief::PRIOR, 2.0);
        for (median, sigma, _) in TABLE.into_iter().filter(|row| row.0 > 2.0 && row.0 <= 30.0) {
            let jobs = quantiles(belief(median, sigma), 4_000);
            let ours = cost(&jobs, 2.0, |t| schedule.next_look(t)).j;
            for (name, next) in FIXED {
                let theirs = cost(&jobs, 2.0, next).j;
                assert!(ours <= theirs, "median {median}: ours {ours:.2}, {name} {theirs:.2}");
            }
        }
    }

    #[test]
    fn the_limits_hold_whatever_is_believed() {
        for median in [0.1, 1.0, 6.0, 600.0, 100_000.0] {
            for sigma in [0.01, 0.5, 3.0] {
                for worth in [0.01, 2.0, 1_000.0] {
                    let schedule = Schedule::new(belief(median, sigma), worth);
                    let mut t = 0.0;
                    for _ in 0..200 {
                        let next = schedule.next_look(t);
                        assert!(
                            next >= FIRST_LOOK && next >= t + GAP_MIN - 1e-9 && next - t <= GAP_MAX_LONG + 1e-9,
                            "{median} {sigma} {worth}: {t} {next}"
                        );
                        t = next;
                    }
                }
            }
        }
    }

    #[test]
    fn patience_buys_fewer_looks() {
        let looks = |worth: f64| {
            let schedule = Schedule::new(Belief::PRIOR, worth);
            let (mut t, mut looks) = (0.0, 0);
            while t < 60.0 {
                t = schedule.next_look(t);
                looks += 1;
            }
            looks
        };
        assert!(looks(0.2) > looks(2.0) && looks(2.0) > looks(10.0), "{} {} {}", looks(0.2), looks(2.0), looks(10.0));
    }

    #[test]
    fn a_last_look_is_taken_when_it_has_a_chance() {
        let schedule = Schedule::new(belief(10.0, 0.5), 2.0);
        assert!(schedule.is_worth_a_last_look(6.0, 10.0));
        assert!(!schedule.is_worth_a_last_look(2.0, 3.0));
        assert!(!schedule.is_worth_a_last_look(9.9, 10.0));
    }
}
