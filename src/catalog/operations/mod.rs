//! What the service can do: one row an operation, one file a toolset (stored files have their own).
//!
//! The facts come from the service's documentation, its samples and its price table; see `docs/service.md`. Where
//! sources spell a parameter differently, both spellings are accepted and the documented one is sent. Names are those of
//! the official Python server where it has the operation.

mod account;
mod compression;
mod convert_from_pdf;
mod convert_to_pdf;
mod edit;
mod extract;
mod files;
mod forms;
mod params;
mod search;
mod security;
mod spreadsheets;

use super::Operation;

/// Every operation by group, in the order of the documentation.
pub(super) static ALL: &[&[Operation]] = &[
    convert_from_pdf::OPERATIONS,
    convert_to_pdf::OPERATIONS,
    spreadsheets::OPERATIONS,
    edit::OPERATIONS,
    forms::OPERATIONS,
    search::OPERATIONS,
    extract::OPERATIONS,
    security::OPERATIONS,
    files::OPERATIONS,
    account::OPERATIONS,
];
