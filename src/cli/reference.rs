//! What the command line says about itself to shells and to `man`.
//!
//! What lives here: `completions` and `man`, made from the same tree that parses. What never does: words of its own.

use clap_complete::Shell;

use super::output::{Printer, SUCCESS};
use super::tree;
use crate::error::{Error, Result};

/// Prints the completion script of `shell`.
///
/// # Errors
/// None that a caller could meet: the tree is fixed.
pub fn completions(shell: Shell, printer: &Printer) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut tree(None), "pdfco", &mut script);
    printer.say(String::from_utf8_lossy(&script).trim_end());
    Ok(SUCCESS)
}

/// Prints the manual page.
///
/// # Errors
/// `internal` when the page cannot be made.
pub fn man(printer: &Printer) -> Result<u8> {
    let mut page = Vec::new();
    clap_mangen::Man::new(tree(None))
        .render(&mut page)
        .map_err(|error| Error::internal("The manual page cannot be made.").with_source(error))?;
    printer.say(String::from_utf8_lossy(&page).trim_end());
    Ok(SUCCESS)
}
