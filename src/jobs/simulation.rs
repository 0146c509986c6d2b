//! Jobs that never ran, and what waiting for them would have cost: the tool of the tests of this room and of
//! `benches/numbers/waiting.rs`.
//!
//! What lives here: durations drawn from a log-normal without surprises (quantiles, or a generator whose state is the
//! caller's), the schedules of other clients, and [`cost`]. What never does: a clock, I/O, or anything that the product
//! needs at run time.

use super::schedule::{Belief, normal_below};

/// The five distributions of `waiting-cost.md`, as median, σ, and J of its row "best possible when the distribution is
/// known".
pub const TABLE: [(f64, f64, f64); 5] =
    [(2.0, 0.4, 3.5), (4.0, 0.6, 5.0), (10.0, 0.5, 6.6), (30.0, 0.7, 12.3), (120.0, 0.5, 20.4)];

/// When a schedule looks next, in seconds since the submit, for a job not done at the given second.
pub type Next = fn(f64) -> f64;

/// The fixed schedules of `waiting-cost.md`.
pub const FIXED: [(&str, Next); 4] = [
    ("every 1 s (the official server)", |t| t + 1.0),
    ("every 3 s (n8n, official samples)", |t| t + 3.0),
    ("at 2, 5, 10, 18, 28, 43, then every 15 s", |t| {
        [2.0, 5.0, 10.0, 18.0, 28.0, 43.0].into_iter().find(|step| *step > t).unwrap_or(t + 15.0)
    }),
    ("geometric, x1.5 from 1 s, at most 15 s", |t| t + (t / 2.0).clamp(1.0, 15.0)),
];

/// What a check costs, in credits.
pub const CHECK_CREDITS: f64 = 2.0;

/// What waiting cost, averaged over jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// `J = w n + o`.
    pub j: f64,
    /// Looks, `n`.
    pub looks: f64,
    /// Seconds between the end of a job and the look that saw it, `o`.
    pub delay: f64,
}

impl Cost {
    /// Credits for the looks.
    pub fn credits(&self) -> f64 {
        self.looks * CHECK_CREDITS
    }
}

/// A log-normal by its median in seconds.
pub fn with_median(median: f64, sigma: f64) -> Belief {
    Belief { mu: median.ln(), sigma }
}

/// Evenly spread quantiles of a log-normal: jobs without a random number.
pub fn quantiles(belief: Belief, count: u32) -> Vec<f64> {
    let at = |index: u32| (f64::from(index) + 0.5) / f64::from(count);
    (0..count).map(|index| (belief.mu + belief.sigma * normal_quantile(at(index))).exp()).collect()
}

/// One duration; the state of the generator (xorshift) is the caller's.
pub fn lognormal(belief: Belief, state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    let uniform = ((*state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    (belief.mu + belief.sigma * normal_quantile(uniform)).exp()
}

fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if normal_below(middle) < p { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// What waiting for jobs of these durations costs when `next` says when to look.
pub fn cost(durations: &[f64], worth: f64, next: impl Fn(f64) -> f64) -> Cost {
    let mut sum = Cost::default();
    for duration in durations {
        let (mut looked, mut looks) = (0.0, 0.0);
        while looked < *duration {
            looked = next(looked);
            looks += 1.0;
        }
        sum.looks += looks;
        sum.delay += looked - duration;
    }
    let count = durations.len().max(1) as f64;
    let (looks, delay) = (sum.looks / count, sum.delay / count);
    Cost { j: worth * looks + delay, looks, delay }
}
