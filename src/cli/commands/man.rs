//! `pdfco man`: the manual page, from the tree that parses.

use crate::cli::report::Report;
use crate::error::{Error, Result};

/// Examples of `man --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco man | man -l -\n  pdfco man > pdfco.1";

/// The manual page of the commands in `tree`.
///
/// # Errors
/// `internal` when the page cannot be made.
pub fn run(tree: clap::Command) -> Result<Report> {
    let mut page = Vec::new();
    clap_mangen::Man::new(tree)
        .render(&mut page)
        .map_err(|error| Error::internal("The manual page cannot be made.").with_source(error))?;
    let page = String::from_utf8_lossy(&page).trim_end().to_owned();
    Ok(Report { summary: "manual page".to_owned(), data: page.clone().into(), text: Some(page), ..Report::default() })
}
