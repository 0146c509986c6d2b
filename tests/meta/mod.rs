//! Catalog, packages, README and module boundaries.

mod catalog;
mod evals;
mod modules;
mod official;
mod packaging;
mod readme;
mod results;
mod tools_list;
