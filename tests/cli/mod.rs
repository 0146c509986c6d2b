//! The real binary as a shell and a script run it.

mod batch;
mod before_paying;
mod commands;
mod consent;
mod doctor;
mod habits;
mod key;
mod setup;
#[cfg(target_os = "linux")]
mod snapshots;
