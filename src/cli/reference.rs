//! What the command line says about itself to shells and to `man`.
//!
//! What lives here: `completions` (the script; its answers are in `complete.rs`) and `man`, made from the same tree that
//! parses. What never does: words of its own.

use clap_complete::Shell;

use super::output::{Printer, SUCCESS};
use super::{complete, tree};
use crate::error::{Error, Result};

/// Prints the completion script of `shell`: it asks this program what could come next.
///
/// # Errors
/// `internal` for a shell that there is no script for; all that can be named have one.
pub fn completions(shell: Shell, printer: &Printer) -> Result<u8> {
    let script = complete::script(complete::shell_word(shell));
    let script = script.ok_or_else(|| Error::internal("There is no completion script for this shell."))?;
    printer.say(String::from_utf8_lossy(&script).trim());
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
