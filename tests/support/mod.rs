//! The vocabulary of the tests.
#![allow(dead_code, reason = "programs of their own take the part they need")]

pub mod command;
pub mod crowd;
pub mod home;
pub mod malformed;
pub mod postgres;
pub mod product;
#[cfg(unix)]
pub mod terminal;
pub mod wire;
