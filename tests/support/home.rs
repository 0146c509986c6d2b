//! The environment of a process under test: a home of its own and nothing of this machine's.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "programs of their own take the part they need; a test fails by panicking"
)]

use std::path::Path;
use std::process::Command;

/// Clears the environment of `command` and makes `home` the home of its user, as each system names it. Its temporary
/// files are there too, in a folder that is made with the first: what a killed process leaves goes with the home.
pub fn alone(command: &mut Command, home: &Path) {
    let temporary = home.join("tmp");
    command.env_clear().env("HOME", home);
    for name in ["TMPDIR", "TMP", "TEMP"] {
        command.env(name, &temporary);
    }
    if cfg!(windows) {
        // Where the network stack of Windows finds itself.
        command.envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)));
        command.env("USERPROFILE", home).env("APPDATA", home.join("AppData").join("Roaming"));
        // Folders that no variable moves there.
        command.env("PDFCO_LEDGER", home.join("data").join("ledger.sqlite"));
        command.env("PDFCO_DOWNLOAD_DIR", home.join("Downloads").join("pdfco"));
    }
}
