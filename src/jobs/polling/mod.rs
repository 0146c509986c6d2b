//! When to check a job: pure functions of what is known about durations and of what a check is worth.

pub mod duration_model;
pub mod schedule;
pub mod simulation;
