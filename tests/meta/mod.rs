//! Catalog, packages, README and module boundaries.

mod catalog;
mod modules;
mod packaging;
mod readme;
