//! `pdfco serve`: the MCP server, over stdio or over HTTP.

use std::sync::Arc;

use clap::Args;

use crate::app::App;
use crate::cli::exit_code::SUCCESS;
use crate::cli::output::Printer;
use crate::cli::session::signalled;
use crate::cli::simulators::with_simulator;
use crate::config::Config;
use crate::error::Result;
use crate::otlp::Exporter;
use crate::serve::{http, send_metrics, stdio};

/// Examples of `serve --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco serve\n  pdfco serve ~/Documents ~/Desktop\n  pdfco serve --simulate\n  claude mcp add pdfco -- pdfco serve";

/// Flags of `serve`.
#[derive(Clone, Debug, Default, Args)]
pub struct ServeArgs {
    /// Folders that assistants may read and write, together with those of --files
    #[arg(value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    pub folders: Vec<String>,
}

/// Serves until the client leaves or a signal comes, and returns the exit code. `exporter` sends meanwhile what is
/// measured, where there is one.
///
/// # Errors
/// When the transport cannot be opened.
pub async fn run(config: Config, exporter: Option<Exporter>, printer: &Printer) -> Result<u8> {
    if let Some(exporter) = &exporter {
        send_metrics(exporter.recorder(), config.http.is_some());
    }
    let outcome = serve(config, printer).await;
    if let Some(exporter) = exporter {
        exporter.stop().await;
    }
    outcome.map(|()| SUCCESS)
}

async fn serve(config: Config, printer: &Printer) -> Result<()> {
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
    Ok(())
}
