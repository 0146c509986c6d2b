//! The protocol over standard input and output, one JSON message a line. Nothing else is written to standard output.

use std::sync::Arc;
use std::time::Duration;

use rmcp::serve_server;
use rmcp::transport::io::stdio_pipes;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::lines::LineTransport;
use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::mcp::Server;
use crate::signals::asked_to_stop;

/// How long the end of the process waits for submits that have left.
pub const SUBMITS_PATIENCE: Duration = Duration::from_secs(15);
/// When the watch over standard output begins.
const WATCH_AFTER: Duration = Duration::from_millis(100);
/// Size of the stream to a client within this process, in bytes.
const STREAM_BYTES: usize = 64 * 1024;

/// Serves one client on this process's standard streams until it leaves, or until the program is asked to stop. The client
/// has left when it closed either end: what reads no answers must not cause costs.
///
/// # Errors
/// `internal` when the conversation could not be set up.
pub async fn run(app: Arc<App>) -> Result<()> {
    // Pipes are read and written without threads of their own, where the system lets us.
    let (input, output) = stdio_pipes();
    let gone = CancellationToken::new();
    let watched = gone.clone();
    tokio::spawn(async move {
        // Not while the client waits for the first answer: an output that closes earlier is noticed then.
        tokio::time::sleep(WATCH_AFTER).await;
        watch_output(&watched);
    });
    converse(app, input, output, gone, async {
        asked_to_stop().await;
    })
    .await
}

/// Serves one client on any pair of streams until it leaves or `stop` happens.
///
/// # Errors
/// As [`run`].
pub async fn serve(
    app: Arc<App>,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    converse(app, input, output, CancellationToken::new(), stop).await
}

async fn converse(
    app: Arc<App>,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    gone: CancellationToken,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let transport = LineTransport::new(input, output, gone.clone());
    let conversation = async {
        match serve_server(Server::new(Arc::clone(&app)).until(gone), transport).await {
            Ok(running) => running
                .waiting()
                .await
                .map(|_| ())
                .map_err(|error| Error::internal("The conversation ended badly.").with_source(error)),
            // The client left before it began.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => Err(Error::new(
                Kind::Internal,
                "The conversation could not be set up.",
                "The client's first messages were not those of the protocol.",
            )
            .with_source(error)),
        }
    };
    let outcome = tokio::select! {
        outcome = conversation => outcome,
        () = stop => Ok(()),
    };
    app.jobs().settle(SUBMITS_PATIENCE).await;
    app.jobs().ledger().close().await;
    outcome
}

/// Serves one client within this process; gives its end of the stream, and the server to wait for.
pub fn in_process(app: Arc<App>) -> (DuplexStream, JoinHandle<Result<()>>) {
    let (client, server) = tokio::io::duplex(STREAM_BYTES);
    let (input, output) = tokio::io::split(server);
    (client, tokio::spawn(serve(app, input, output, std::future::pending())))
}

/// Cancels `gone` once no one can read standard output any more, which a write would notice only when there is something
/// to write.
#[cfg(unix)]
fn watch_output(gone: &CancellationToken) {
    use rustix::event::{PollFd, PollFlags, poll};
    let gone = gone.clone();
    // A thread, because a poll without events returns for nothing but the end of the other side.
    let watching = std::thread::Builder::new().name("stdout".into()).stack_size(64 * 1024).spawn(move || {
        let stdout = std::io::stdout();
        loop {
            let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
            match poll(&mut watched, None) {
                Ok(_) => {
                    let is_closed = watched.iter().any(|fd| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP));
                    if is_closed {
                        gone.cancel();
                    }
                    return;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    });
    if let Err(error) = watching {
        tracing::warn!(%error, "the end of standard output cannot be watched");
    }
}

#[cfg(not(unix))]
fn watch_output(_: &CancellationToken) {}
