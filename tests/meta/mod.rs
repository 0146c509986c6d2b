//! Catalog, packages, README and module boundaries.

mod catalog;
mod evals;
#[cfg(unix)]
mod install;
mod modules;
mod official;
mod packaging;
mod polling;
mod readme;
mod results;
mod tools_list;
