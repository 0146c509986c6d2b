//! Logs: to stderr, quiet by default, never with a key, a password or a signature in them.
//!
//! What lives here: [`init`]. What never does: deciding what is worth a line; rooms do, with `tracing`.

use tracing_subscriber::EnvFilter;

/// Starts logging to stderr with `filter` (`PDFCO_LOG`). A filter that cannot be parsed logs warnings and says so.
///
/// The protocol library logs arguments, and at `warn` whole addresses of requests that it refuses, so it is silent unless
/// it is named.
pub fn init(filter: &str) {
    let named = filter.contains("rmcp");
    let directives = if named { filter.to_owned() } else { format!("{filter},rmcp=off") };
    let (parsed, broken) = match EnvFilter::try_new(&directives) {
        Ok(parsed) => (parsed, false),
        Err(_) => (EnvFilter::new("warn,rmcp=off"), true),
    };
    let started =
        tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr).with_ansi(false).try_init();
    if broken && started.is_ok() {
        tracing::warn!("PDFCO_LOG cannot be parsed; logging warnings");
    }
}
