//! Five hundred waits at once under two requests a second, against the simulator, as the issue has them.
//!
//! `cargo run --release --example fairness [jobs] [requests per second] [checks that still say working]`; 500 2 1 by
//! default, which takes thirteen minutes: four for the submits, nine for two checks at each job.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "the table is the result")]

#[path = "../tests/support/crowd.rs"]
mod crowd;
#[path = "../tests/support/home.rs"]
mod home;
#[path = "../tests/support/product.rs"]
mod product;
#[path = "../tests/support/wire.rs"]
mod wire;

use crowd::{Crowd, Rounds};

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u32>().unwrap());
    let mut next = |default| numbers.next().unwrap_or(default);
    let crowd = Crowd { jobs: next(500), per_second: next(2), checks: next(1) };
    let ideal = Rounds { jobs: crowd.jobs, per_second: crowd.per_second, checks: crowd.checks + 1 };
    println!("{} waits at once, {} requests a second, {} checks each", crowd.jobs, crowd.per_second, ideal.checks);
    let served = crowd.run().await;
    println!("{:<34}{:>10}{:>10}{:>8}", "", "seen", "ideal", "ratio");
    for (name, seen, ideal) in [
        ("mean delay of being seen, s", served.mean, ideal.mean()),
        ("the last one, s", served.last, ideal.last()),
        ("longest time between two checks, s", served.longest_gap, ideal.round()),
        ("checks", served.checks as f64, f64::from(crowd.jobs * ideal.checks)),
    ] {
        println!("{name:<34}{seen:>10.1}{ideal:>10.1}{:>8.2}", seen / ideal);
    }
    println!("ended: {} of {}; refused for pace: {}", served.ended, crowd.jobs, served.refused);
}
