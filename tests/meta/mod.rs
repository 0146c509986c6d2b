//! Catalog, packages, README and module boundaries.

mod catalog;
mod evals;
mod imports;
#[cfg(unix)]
mod install;
mod modules;
mod official;
mod packaging;
mod paths;
mod polling;
mod readme;
mod results;
mod sources;
mod tools_list;
