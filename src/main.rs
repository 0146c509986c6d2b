//! Parse, log, run, exit code. What the words mean is in [`pdfco::cli`].

use std::process::ExitCode;
use std::time::Duration;

use pdfco::{cli, telemetry};

/// How long work that cannot be interrupted may hold the process up: a read of stdin blocks its thread for ever.
const LEFTOVERS_PATIENCE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let invocation = match cli::parse(std::env::args_os().collect()) {
        Ok(invocation) => invocation,
        Err(code) => return ExitCode::from(code),
    };
    telemetry::init(invocation.log_filter());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ExitCode::from(cli::cannot_start(&error)),
    };
    let code = runtime.block_on(cli::run(invocation));
    runtime.shutdown_timeout(LEFTOVERS_PATIENCE);
    ExitCode::from(code)
}
