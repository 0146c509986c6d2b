//! `pdfco serve`: the MCP server, over stdio or over HTTP.

use std::sync::Arc;

use clap::Args;

use crate::app::App;
use crate::cli::exit_code::SUCCESS;
use crate::cli::output::Printer;
use crate::cli::session::signalled;
use crate::cli::simulators::with_simulator;
use crate::config::{Config, Otlp};
use crate::error::Result;
use crate::otlp::{Exporter, Spans};
use crate::serve::{http, metrics_text, stdio};

/// Examples of `serve --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco serve\n  pdfco serve ~/Documents ~/Desktop\n  pdfco serve --simulate\n  claude mcp add pdfco -- pdfco serve";

/// Flags of `serve`.
#[derive(Clone, Debug, Default, Args)]
pub struct ServeArgs {
    /// Folders that assistants may read and write, together with those of --files
    #[arg(value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    pub folders: Vec<String>,
}

/// Serves until the client leaves or a signal comes, and returns the exit code.
///
/// # Errors
/// When the transport cannot be opened.
pub async fn run(config: Config, printer: &Printer) -> Result<u8> {
    let exporter = match Otlp::from_env()? {
        Some(collector) => {
            // They are kept from now on.
            let _ = metrics_text();
            Some(Exporter::start(&collector, Spans::shared(), metrics_text)?)
        }
        None => None,
    };
    let (config, simulator) = with_simulator(config, printer).await?;
    let app = Arc::new(App::new(config)?);
    match app.config.http {
        None => stdio::run(app).await?,
        Some(address) => {
            let options = http::Options::of(&app.config, address);
            let running = http::start(Arc::clone(&app), options).await?;
            let address = running.address;
            if let Some(resource) = &running.signed_in_at {
                printer.note(&format!("Listening on http://{address}/mcp-oauth, where people sign in for {resource}."));
            }
            if running.serves_unsigned {
                printer.note(&format!(
                    "Listening on http://{address}/mcp; jobs are shown at http://{address}/. Ctrl-C ends it."
                ));
            }
            signalled().await;
            running.stop().await;
            app.jobs().settle(stdio::SUBMITS_PATIENCE).await;
            app.jobs().ledger().close().await;
        }
    }
    if let Some(simulator) = simulator {
        simulator.stop().await;
    }
    if let Some(exporter) = exporter {
        exporter.stop().await;
    }
    Ok(SUCCESS)
}
