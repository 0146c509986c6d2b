//! All decisions about time while a job is waited for, one file each: pure functions without a clock or I/O.
//!
//! | question | file |
//! |---|---|
//! | When is the next check? | `schedule.rs` |
//! | How long do such jobs take? | `duration_model.rs` |
//! | Which errors end a wait, and how long do the others postpone it? | `error_policy.rs` |
//! | Is one more check worth its price at the deadline? | `last_check.rs` |
//! | Is the recorded state new enough to be answered? | `freshness.rs` |
//! | Is `unknown` believed? | `unknown_answers.rs` |
//! | Is a missing file of a new result waited for? | `new_results.rs` |
//!
//! `simulation.rs` computes what a schedule costs.

pub mod duration_model;
pub mod error_policy;
pub mod freshness;
pub mod last_check;
pub mod new_results;
pub mod schedule;
pub mod simulation;
pub mod unknown_answers;
