//! `cargo run --example evals`: scores of user tasks, see `docs/evals.md`.
//!
//! `--update` writes the table, `--task NAME` runs one task, `--driver 'command'` lets a program drive the tasks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::exit,
    reason = "a tool of ours, run by hand and by a test"
)]

use evals::{driver, report, session, task};

#[path = "mod.rs"]
mod evals;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).cloned()
    };
    let (only, command) = (after("--task"), after("--driver"));
    let mut scores = Vec::new();
    for task in task::all().iter().filter(|task| only.as_ref().is_none_or(|only| *only == task.name)) {
        let score = match &command {
            Some(command) => driver::run(task, command).await,
            None => session::run(task).await,
        };
        if let Some(failure) = &score.failure {
            println!("{}: {failure}\n", score.name);
        }
        scores.push(score);
    }
    let table = report::table(&scores);
    println!("{table}");
    if arguments.iter().any(|argument| argument == "--update") {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/evals.md"), table).expect("docs can be written");
    }
    if scores.iter().any(|score| score.failure.is_some()) {
        std::process::exit(1);
    }
}
