//! The environment of a process under test: a home of its own and nothing of this machine's.

use std::path::Path;
use std::process::Command;

/// Clears the environment of `command` and makes `home` the home of its user, as each system names it.
pub fn alone(command: &mut Command, home: &Path) {
    command.env_clear().env("HOME", home);
    if cfg!(windows) {
        // Where the network stack of Windows finds itself.
        command.envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)));
        command.env("USERPROFILE", home).env("APPDATA", home.join("AppData").join("Roaming"));
        // Folders that no variable moves there.
        command.env("PDFCO_LEDGER", home.join("data").join("ledger.sqlite"));
        command.env("PDFCO_DOWNLOAD_DIR", home.join("Downloads").join("pdfco"));
    }
}
