//! Parse, log, run, exit code. What the words mean is in [`pdfco::cli`].

use std::process::ExitCode;
use std::time::Duration;

use pdfco::{cli, hardening, signals, telemetry};

/// How long work that cannot be interrupted may hold the process up: a read of stdin blocks its thread for ever.
const LEFTOVERS_TIMEOUT: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    hardening::keep_memory_private();
    let mut invocation = match cli::parse(std::env::args_os().collect()) {
        Ok(invocation) => invocation,
        Err(code) => return ExitCode::from(code),
    };
    // Many clients share a server over HTTP; everything else serves one caller, and starts faster on one thread.
    let mut runtime = match invocation.is_http_server() {
        true => tokio::runtime::Builder::new_multi_thread(),
        false => tokio::runtime::Builder::new_current_thread(),
    };
    // One thread finds out whose work is next while the others do it (`mcp/slices.rs`).
    runtime.worker_threads(std::thread::available_parallelism().map_or(2, |cores| cores.get() + 1));
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ExitCode::from(cli::cannot_start(&error)),
    };
    let exported = invocation.exported(runtime.handle());
    telemetry::init(invocation.log_filter(), invocation.log_format(), exported);
    if invocation.is_server() {
        signals::force_end(end_now);
    }
    let code = runtime.block_on(cli::run(invocation));
    runtime.shutdown_timeout(LEFTOVERS_TIMEOUT);
    telemetry::flush();
    ExitCode::from(code)
}

/// Ends a server that was asked to stop and did not.
#[expect(clippy::exit, reason = "what blocks the program cannot be unwound")]
fn end_now(stop: signals::Stop) {
    telemetry::flush();
    std::process::exit(i32::from(cli::exit_code::of_stop(stop)))
}
