//! The protocol over standard input and output, one JSON message a line.
//!
//! What lives here: [`run`], and [`LineTransport`], ours because the SDK's drops malformed and oversized lines in
//! silence and ends the process on an early notification. What never does: logging to stdout; nothing but the protocol
//! goes there.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorCode, ErrorData, GetMeta, JsonRpcMessage, ProtocolVersion, RequestId,
    ServerJsonRpcMessage, ServerResult,
};
use rmcp::transport::Transport;
use rmcp::transport::io::stdio_pipes;
use rmcp::{RoleServer, serve_server};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, BufWriter, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::dialect;
use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::mcp::Server;
use crate::signals::asked_to_stop;

/// Longest message that is read. Documents never travel inline, so this is generous.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long the end of the process waits for submits that have left.
pub const SUBMITS_PATIENCE: Duration = Duration::from_secs(15);
/// Size of the stream to a client within this process, in bytes.
const STREAM_BYTES: usize = 64 * 1024;
/// Messages waiting to be written.
const OUTGOING_MAX: usize = 256;
/// What a line holds that asks to hear of tasks.
const WISHES: &[u8] = b"\"taskIds\"";
/// A peer that echoes errors back must not start a storm: lines that are no JSON are answered this often at most.
const PARSE_ERROR_EVERY: Duration = Duration::from_secs(1);

/// Serves one client on this process's standard streams until it leaves, or until somebody asks the program to stop.
///
/// # Errors
/// `internal` when the conversation could not be set up.
pub async fn run(app: Arc<App>) -> Result<()> {
    // Pipes are read and written without threads of their own, where the system lets us.
    let (input, output) = stdio_pipes();
    serve(app, input, output, async {
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
    let gone = CancellationToken::new();
    let transport = LineTransport::new(input, output, gone.clone());
    let conversation = async {
        match serve_server(Server::new(Arc::clone(&app)).until(gone), transport).await {
            Ok(running) => running
                .waiting()
                .await
                .map(|_| ())
                .map_err(|error| Error::internal("The conversation ended badly.").with_source(error)),
            // The client left before it began: that is its right.
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

type Outgoing = (ServerJsonRpcMessage, Option<oneshot::Sender<std::io::Result<()>>>);

/// Messages as lines.
pub struct LineTransport<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    is_discarding: bool,
    is_begun: bool,
    parse_error_at: Option<Instant>,
    /// The handshake agreed on the revision whose tasks the SDK does not know.
    has_old_tasks: bool,
    outgoing: mpsc::Sender<Outgoing>,
    gone: CancellationToken,
}

impl<R: AsyncRead + Send + Unpin> LineTransport<R> {
    /// Reads from `input`; a task of its own writes to `output`. The end of the input cancels `gone`: nobody is left to
    /// wait for answers.
    pub fn new(input: R, output: impl AsyncWrite + Send + Unpin + 'static, gone: CancellationToken) -> Self {
        let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
        tokio::spawn(write_lines(BufWriter::new(output), queue));
        LineTransport {
            input: BufReader::with_capacity(64 * 1024, input),
            line: Vec::new(),
            is_discarding: false,
            is_begun: false,
            parse_error_at: None,
            has_old_tasks: false,
            outgoing,
            gone,
        }
    }

    /// The next line, at most [`LINE_BYTES_MAX`] long. Dropping the future loses nothing: what was read stays in `line`.
    async fn next_line(&mut self) -> Line {
        loop {
            let available = match self.input.fill_buf().await {
                Ok(available) => available,
                Err(_) => return Line::End,
            };
            if available.is_empty() {
                // A last line without its newline still counts.
                let has_rest = !self.line.is_empty() && !self.is_discarding;
                return if has_rest { Line::Whole } else { Line::End };
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let taken = newline.map_or(available.len(), |at| at + 1);
            let is_too_long = self.line.len() + taken > LINE_BYTES_MAX;
            if !self.is_discarding && !is_too_long {
                self.line.extend_from_slice(available.get(..taken).unwrap_or_default());
            }
            self.input.consume(taken);
            if is_too_long && !self.is_discarding {
                self.is_discarding = true;
                self.line.clear();
            }
            if newline.is_some() {
                return if std::mem::take(&mut self.is_discarding) { Line::TooLong } else { Line::Whole };
            }
        }
    }

    /// The message in `line`, or nothing after it was answered or dropped.
    fn read_message(&mut self) -> Option<ClientJsonRpcMessage> {
        let line = std::mem::take(&mut self.line);
        if line.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        if let Ok(message) = self.parse(&line) {
            return self.admit(message);
        }
        match serde_json::from_slice::<Value>(&line) {
            Err(_) => self.answer_parse_error(),
            Ok(value) => {
                // Whoever sends an error back is not to be sent another.
                if value.get("method").is_some() || !value.is_object() {
                    let id = value.get("id").and_then(|id| serde_json::from_value::<RequestId>(id.clone()).ok());
                    let what = if value.is_array() {
                        "Batches are not supported; send one message a line."
                    } else {
                        "This is not a JSON-RPC 2.0 message."
                    };
                    self.answer(ErrorData::new(ErrorCode::INVALID_REQUEST, what, None), id);
                }
            }
        }
        None
    }

    fn parse(&self, line: &[u8]) -> serde_json::Result<ClientJsonRpcMessage> {
        // Few messages need another name; the others are not read twice.
        let may_be_renamed = self.has_old_tasks || line.windows(WISHES.len()).any(|part| part == WISHES);
        if may_be_renamed && let Ok(mut message) = serde_json::from_slice::<Value>(line) {
            let revision = self.has_old_tasks.then_some(ProtocolVersion::V_2025_11_25);
            if dialect::incoming(&mut message, revision.as_ref().map(|revision| revision.as_str())) {
                return serde_json::from_value(message);
            }
        }
        serde_json::from_slice(line)
    }

    /// Before the first request of a conversation, notifications and responses have nobody to go to.
    fn admit(&mut self, message: ClientJsonRpcMessage) -> Option<ClientJsonRpcMessage> {
        if !self.is_begun {
            match &message {
                JsonRpcMessage::Request(request) => {
                    self.is_begun = match &request.request {
                        ClientRequest::InitializeRequest(_) => true,
                        ClientRequest::DiscoverRequest(_) | ClientRequest::PingRequest(_) => false,
                        other => other.get_meta().protocol_version().is_some(),
                    };
                }
                _ => return None,
            }
        }
        Some(message)
    }

    fn answer_parse_error(&mut self) {
        let now = Instant::now();
        if self.parse_error_at.is_some_and(|at| now.duration_since(at) < PARSE_ERROR_EVERY) {
            return;
        }
        self.parse_error_at = Some(now);
        self.answer(ErrorData::new(ErrorCode::PARSE_ERROR, "This line is not JSON.", None), None);
    }

    fn answer(&self, error: ErrorData, id: Option<RequestId>) {
        // A full queue means that the peer does not read; it will not miss this.
        let _ = self.outgoing.try_send((JsonRpcMessage::error(error, id), None));
    }
}

enum Line {
    Whole,
    TooLong,
    End,
}

impl<R: AsyncRead + Send + Unpin + 'static> Transport<RoleServer> for LineTransport<R> {
    type Error = std::io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        if let Some(revision) = agreed_revision(&message) {
            self.has_old_tasks = *revision == ProtocolVersion::V_2025_11_25;
        }
        let outgoing = self.outgoing.clone();
        async move {
            let (written, is_written) = oneshot::channel();
            outgoing.send((message, Some(written))).await.map_err(|_| closed())?;
            is_written.await.map_err(|_| closed())?
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            match self.next_line().await {
                Line::Whole => {
                    if let Some(message) = self.read_message() {
                        return Some(message);
                    }
                }
                Line::TooLong => {
                    let what = format!("A message is limited to {LINE_BYTES_MAX} bytes.");
                    self.answer(ErrorData::new(ErrorCode::INVALID_REQUEST, what, None), None);
                }
                Line::End => {
                    self.gone.cancel();
                    return None;
                }
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// The revision that an answer to a handshake agrees on.
fn agreed_revision(message: &ServerJsonRpcMessage) -> Option<&ProtocolVersion> {
    match message {
        JsonRpcMessage::Response(response) => match &response.result {
            ServerResult::InitializeResult(result) => Some(&result.protocol_version),
            _ => None,
        },
        _ => None,
    }
}

fn line_of(message: &ServerJsonRpcMessage) -> serde_json::Result<Vec<u8>> {
    if agreed_revision(message).is_none() {
        return serde_json::to_vec(message);
    }
    let mut message = serde_json::to_value(message)?;
    dialect::outgoing(&mut message);
    serde_json::to_vec(&message)
}

fn closed() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::BrokenPipe, "the output is closed")
}

/// Writes whatever comes, and flushes when nothing more is waiting.
async fn write_lines(mut output: BufWriter<impl AsyncWrite + Send + Unpin>, mut queue: mpsc::Receiver<Outgoing>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, OUTGOING_MAX).await > 0 {
        let mut acknowledgements = Vec::with_capacity(batch.len());
        let mut outcome = Ok(());
        for (message, written) in batch.drain(..) {
            let line = line_of(&message).map_err(std::io::Error::other);
            if outcome.is_ok() {
                outcome = match line {
                    Ok(mut line) => {
                        line.push(b'\n');
                        output.write_all(&line).await
                    }
                    Err(error) => Err(error),
                };
            }
            acknowledgements.extend(written);
        }
        if outcome.is_ok() {
            outcome = output.flush().await;
        }
        let is_broken = outcome.is_err();
        for written in acknowledgements {
            let _ = written.send(if is_broken { Err(closed()) } else { Ok(()) });
        }
        if is_broken {
            return;
        }
    }
}
