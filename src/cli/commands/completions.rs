//! `pdfco completions`: the script by which a shell asks this program what could come next.

use clap::Args;
use clap_complete::env::Shells;

use crate::cli::report::Report;
use crate::error::{Error, Result};

/// Examples of `completions --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco completions bash > ~/.local/share/bash-completion/completions/pdfco\n  pdfco completions zsh > ~/.zfunc/_pdfco";

/// The variable by which the shell's script asks this program.
pub const VARIABLE: &str = "PDFCO_COMPLETE";

/// How the function of bash's script ends.
const BASH_END: &str = "        compopt -o nospace\n    fi\n}\n";
/// Lets bash quote names of files as it does for every other program. What is offered as a folder ends with a slash; a
/// command that happens to be called like one does not.
const BASH_END_WITH_QUOTES: &str = "        compopt -o nospace
    fi
    if [[ -e \"${COMPREPLY-}\" && ( \"${COMPREPLY-}\" == */ || ! -d \"${COMPREPLY-}\" ) ]]; then
        compopt -o filenames 2> /dev/null
    fi
}
";

/// Flags of `completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// The completion script of a shell. What it offers is decided in `cli/complete.rs`.
///
/// # Errors
/// `internal` for a shell that there is no script for; all that can be named have one.
pub fn run(args: &CompletionsArgs) -> Result<Report> {
    let script = script(args.shell).ok_or_else(|| Error::internal("There is no completion script for this shell."))?;
    let script = String::from_utf8_lossy(&script).trim().to_owned();
    Ok(Report {
        summary: format!("completion script for {}", args.shell),
        data: script.clone().into(),
        text: Some(script),
        ..Report::default()
    })
}

/// The script by which `shell` asks, if there is one for it.
fn script(shell: clap_complete::Shell) -> Option<Vec<u8>> {
    let shells = Shells::builtins();
    let mut script = Vec::new();
    let completer = shells.completer(&shell.to_string())?;
    completer.write_registration(VARIABLE, "pdfco", "pdfco", "pdfco", &mut script).ok()?;
    let script = String::from_utf8(script).ok()?;
    // Where nothing is offered, bash goes on to complete file names, as it does for every other program.
    let script = script.replace("-o bashdefault", "-o bashdefault -o default");
    Some(script.replace(BASH_END, BASH_END_WITH_QUOTES).into_bytes())
}
