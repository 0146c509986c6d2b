//! One file a command: its flags and its run.

pub mod batch;
pub mod call;
pub mod cancel;
pub mod completions;
pub mod credits;
pub mod demo;
pub mod doctor;
pub mod download;
pub mod env;
pub mod files;
pub mod jobs;
pub mod key;
pub mod ledger;
pub mod list;
pub mod login;
pub mod man;
pub mod operations;
pub mod overview;
pub mod read;
pub mod report;
pub mod serve;
pub mod setup;
pub mod show;
pub mod simulate;
pub mod wait;
pub mod watch;
