//! What waiting costs: our schedule beside every fixed one and the best possible (`docs/polling.md`).
//!
//! `cargo bench -- wait details` prints, for each patience (w) and each distribution of durations, J and the credits
//! that a job's checks cost. J = w · checks + seconds between a job's end and the check that saw it. Deterministic.

use std::hint::black_box;
use std::time::Instant;

use pdfco::jobs::polling::duration_model::DurationStats;
use pdfco::jobs::polling::simulation::{Cost, JOBS, TABLE, best_fixed, cost, costs, learned, quantiles, with_median};
use pdfco::jobs::{DurationEstimate, LogNormal, Schedule};

use crate::table::{Rule, Table};

/// Medians in seconds that [`TABLE`] does not have.
const OTHER_MEDIANS: [f64; 6] = [1.0, 3.0, 6.0, 20.0, 60.0, 300.0];

/// What a schedule costs after so many jobs, beside the best possible and beside the best of the fixed ones.
pub fn measure(table: &mut Table) {
    for (median, sigma, reference) in TABLE {
        let (truth, jobs) = jobs(median, sigma);
        let ours = learned(20, truth, &jobs, 2.0);
        let best = with(truth, &jobs, 2.0);
        let fixed = best_fixed(&jobs, 2.0);
        let unlearned = with(DurationStats::default().estimate(), &jobs, 2.0).j;
        let soon = learned(3, truth, &jobs, 2.0).j;
        let name = format!("checks of a job of {median} s (σ {sigma}), after 20 jobs, beside the best possible");
        table.add(name, ours.checks, best.checks, "", Rule::AtMost(1.1));
        let name = format!("J, jobs of {median} s (σ {sigma})");
        // The best possible as our own program finds it, or as the reference did, which simulated jobs: the lower.
        let best = best.j.min(reference);
        table.add(format!("{name}, after 20 jobs, beside the best possible"), ours.j, best, "", Rule::AtMost(1.1));
        table.add(format!("{name}, before the first, beside the best fixed"), unlearned, fixed, "", Rule::AtMost(1.0));
        table.add(format!("{name}, after 3 jobs, beside the best fixed"), soon, fixed, "", Rule::AtMost(1.0));
    }
    from_elsewhere(table);
}

/// Ids that were submitted elsewhere, beside a check every second: both check once at the beginning, to see whether there
/// is such a job.
fn from_elsewhere(table: &mut Table) {
    for seconds in [0.5, 2.0, 10.0] {
        // A job that ends at the very moment of a check is seen by it or not.
        let job = [seconds + 0.02];
        let every_second = 2.0 + cost(&job, 2.0, |t| t + 1.0).j;
        let schedule = Schedule::from_elsewhere(DurationEstimate::PRIOR, 2.0);
        let ours = 2.0 + cost(&job, 2.0, |t| schedule.next_check(t)).j;
        let name = format!("J, an id from elsewhere, {seconds} s, nothing known, beside a check every second");
        table.add(name, ours, every_second, "", Rule::AtMost(1.0));
        let learned = (0..5).fold(DurationStats::default(), |stats, _| stats.with(seconds)).estimate();
        let schedule = Schedule::from_elsewhere(learned, 2.0);
        let ours = 2.0 + cost(&job, 2.0, |t| schedule.next_check(t)).j;
        let name = format!("J, an id from elsewhere, {seconds} s, after 5 such jobs, beside a check every second");
        table.add(name, ours, every_second, "", Rule::AtMost(1.0));
    }
}

/// Every schedule, every distribution, every patience.
pub fn details() {
    let start = Instant::now();
    for worth in [2.0, 0.2, 10.0] {
        println!("\nw = {worth}: one check is worth {worth} s of waiting. J, credits per job\n");
        let heads = TABLE.map(|(median, sigma, _)| format!("{median} s, σ {sigma}"));
        row("schedule", heads.each_ref().map(String::as_str));
        for (name, costs) in costs(worth, &[1, 3, 5, 20, 50]) {
            let cells = costs.map(|cost| format!("{:.1}, {:.1}", cost.j, cost.credits()));
            row(&name, cells.each_ref().map(String::as_str));
        }
        if worth == 2.0 {
            row(
                "J after 20 jobs, beside the best",
                TABLE
                    .map(|(median, sigma, _)| {
                        let (truth, jobs) = jobs(median, sigma);
                        format!(
                            "{:+.1} %",
                            (learned(20, truth, &jobs, worth).j / with(truth, &jobs, worth).j - 1.0) * 100.0
                        )
                    })
                    .each_ref()
                    .map(String::as_str),
            );
        }
    }
    println!("\nnothing known, other jobs: J beside the best possible\n");
    let heads = OTHER_MEDIANS.map(|median| format!("{median} s"));
    for worth in [0.2, 0.5, 2.0, 5.0, 10.0] {
        println!("{:<42}{}", format!("w = {worth}"), heads.each_ref().map(|head| format!("{head:>8}")).concat());
        for sigma in [0.3, 0.6, 1.0] {
            let cells = OTHER_MEDIANS.map(|median| {
                let (truth, jobs) = jobs(median, sigma);
                let ours = with(DurationStats::default().estimate(), &jobs, worth).j;
                format!("{:>8.2}", ours / with(truth, &jobs, worth).j)
            });
            println!("{:<42}{}", format!("σ {sigma}"), cells.concat());
        }
    }
    let began = Instant::now();
    for index in 0..100 {
        black_box(Schedule::new(DurationStats::default().with(f64::from(index)).estimate(), 2.0));
    }
    println!("\none schedule is made in {:.0} µs", began.elapsed().as_secs_f64() * 1e4);
    println!("all of this took {:.1} s", start.elapsed().as_secs_f64());
}

fn jobs(median: f64, sigma: f64) -> (LogNormal, Vec<f64>) {
    let truth = with_median(median, sigma);
    (truth, quantiles(truth, JOBS))
}

fn with(belief: impl Into<DurationEstimate>, jobs: &[f64], worth: f64) -> Cost {
    let schedule = Schedule::new(belief, worth);
    cost(jobs, worth, |t| schedule.next_check(t))
}

fn row(name: &str, cells: [&str; 5]) {
    println!("{name:<42}{}", cells.map(|cell| format!("{cell:>15}")).concat());
}
