//! Catalog, packages, README and module boundaries.

mod catalog;
mod evals;
mod modules;
mod packaging;
mod readme;
