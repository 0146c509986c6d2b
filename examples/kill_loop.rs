//! Three servers on one ledger, one of them killed with SIGKILL at a random moment, again and again: no job lost, no
//! submit repeated, no job unwatched for longer than a lease.
//!
//! `cargo build --release && cargo run --release --example kill_loop [rounds] [seed]`; 100 rounds by default, about
//! five minutes. `PDFCO_LEDGER=postgres://…` has them share that empty database; a file otherwise.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "the report is the result")]

#[path = "../tests/support/crowd.rs"]
mod crowd;
#[path = "../tests/support/home.rs"]
mod home;
#[path = "../tests/support/product.rs"]
mod product;
#[path = "../tests/support/wire.rs"]
mod wire;

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>().unwrap());
    let rounds = u32::try_from(numbers.next().unwrap_or(100)).unwrap();
    let seed = numbers.next().unwrap_or(0x2545_f491_4f6c_dd1d);
    let folder = tempfile::tempdir().unwrap();
    let ledger = std::env::var("PDFCO_LEDGER").unwrap_or_else(|_| wire::ledger_in(folder.path()));
    let report = crowd::kill_rounds(rounds, seed, &ledger).await;
    println!("{report:#?}");
    report.assert_sound();
}
