//! Messages that come in as lines, ours because the SDK's transport drops malformed and oversized lines in silence and ends
//! the process on an early notification.

use std::collections::VecDeque;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorCode, ErrorData, GetMeta, JsonRpcMessage,
    ProtocolVersion, RequestId, ServerJsonRpcMessage, ServerResult,
};
use rmcp::transport::Transport;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::envelope::{self, Envelope, Unreadable};
use super::outbox::Outbox;
use super::{handshake, rpc, task_compat};

/// Longest message that is read, in bytes. Documents never travel inline; a text of HTML may.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a line that are kept to find its id, once it is too long.
const HEAD_BYTES: usize = 64 * 1024;
/// Lines without an id that are answered in a row; then one more each [`ANSWER_EVERY`]. A peer that sends back what it
/// does not understand must not start a storm.
const ANSWERS_MAX: u32 = 100;
/// How often one more line without an id is answered.
const ANSWER_EVERY: Duration = Duration::from_millis(100);

/// Messages as lines.
pub struct LineTransport<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    is_discarding: bool,
    is_begun: bool,
    answers: Answers,
    /// The revision that the handshake agreed on.
    revision: Option<ProtocolVersion>,
    /// Messages of a batch that were not handed out yet.
    batch: VecDeque<ClientJsonRpcMessage>,
    /// Answers to what could not be read, on their way to the writer.
    errors: VecDeque<ServerJsonRpcMessage>,
    outbox: Outbox,
    gone: CancellationToken,
}

impl<R: AsyncRead + Send + Unpin> LineTransport<R> {
    /// Reads from `input`; a task of its own writes to `output`. The end of either cancels `gone`, and cancelling it
    /// ends the reading: no client is left to wait for answers.
    pub fn new(input: R, output: impl AsyncWrite + Send + Unpin + 'static, gone: CancellationToken) -> Self {
        let broken = gone.clone();
        LineTransport {
            input: BufReader::with_capacity(64 * 1024, input),
            line: Vec::new(),
            is_discarding: false,
            is_begun: false,
            answers: Answers::default(),
            revision: None,
            batch: VecDeque::new(),
            errors: VecDeque::new(),
            outbox: Outbox::new(output, move || broken.cancel()),
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
                self.line.truncate(HEAD_BYTES);
                self.line.shrink_to_fit();
            }
            if newline.is_some() {
                return if std::mem::take(&mut self.is_discarding) { Line::TooLong } else { Line::Whole };
            }
        }
    }

    /// The message in `line`, or nothing after it was answered or dropped.
    fn read_line(&mut self) -> Option<ClientJsonRpcMessage> {
        let line = std::mem::take(&mut self.line);
        let line = crate::text::without_bom(&line);
        if line.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        if envelope::is_batch(line) {
            self.read_batch(line);
            return self.batch.pop_front();
        }
        self.read_message(line)
    }

    fn read_message(&mut self, bytes: &[u8]) -> Option<ClientJsonRpcMessage> {
        let envelope = match Envelope::read(bytes) {
            Ok(envelope) => envelope,
            Err(unreadable) => {
                self.refuse(unreadable);
                return None;
            }
        };
        let revision = self.revision.as_ref().map(ProtocolVersion::as_str);
        let renamed = task_compat::renamed(bytes, envelope.method(), revision);
        match serde_json::from_slice(renamed.as_deref().unwrap_or(bytes)) {
            Ok(message) => {
                if let Some(problem) = handshake_problem(&message, &envelope) {
                    self.answer(problem, envelope.id());
                    return None;
                }
                if let JsonRpcMessage::Notification(note) = &message
                    && let ClientNotification::CancelledNotification(cancelled) = &note.notification
                    && let Some(request) = &cancelled.params.request_id
                {
                    self.outbox.forget(request);
                }
                self.admit(message)
            }
            Err(error) => {
                let (code, what) = match error.is_data() {
                    true => (ErrorCode::INVALID_REQUEST, "This is not a JSON-RPC 2.0 message.".to_owned()),
                    false => (ErrorCode::PARSE_ERROR, format!("This is not JSON: {error}.")),
                };
                self.refuse(Unreadable::of(bytes, code, what));
                None
            }
        }
    }

    /// Takes the messages of a batch, which 2025-03-26 alone has.
    fn read_batch(&mut self, line: &[u8]) {
        let no_id = |what: String| Unreadable::of(b"", ErrorCode::INVALID_REQUEST, what);
        if self.revision != Some(ProtocolVersion::V_2025_03_26) {
            return self.refuse(no_id("Batches are of revision 2025-03-26 only; send one message a line.".into()));
        }
        let messages: Vec<&RawValue> = match serde_json::from_slice(line) {
            Ok(messages) if !envelope::has_too_many_values(line) => messages,
            Ok(_) => return self.refuse(no_id(format!("A batch holds at most {} values.", envelope::VALUES_MAX))),
            Err(error) => {
                let what = format!("This is not JSON: {error}.");
                return self.refuse(Unreadable::of(b"", ErrorCode::PARSE_ERROR, what));
            }
        };
        if messages.is_empty() || messages.len() > rpc::BATCH_MAX {
            return self.refuse(no_id(format!("A batch holds 1 to {} messages.", rpc::BATCH_MAX)));
        }
        let mut read = Vec::new();
        for message in messages {
            read.extend(self.read_message(message.get().as_bytes()));
        }
        let requests = read.iter().filter_map(|message| match message {
            JsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        });
        self.outbox.expect_batch(requests.collect());
        self.batch.extend(read);
    }

    /// Before the first request of a conversation, notifications and answers belong to nothing.
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

    /// Answers a message that cannot be read: always with the id that it had, without one as often as [`Answers`] allows.
    fn refuse(&mut self, unreadable: Unreadable) {
        let Unreadable { error, id, is_answer } = unreadable;
        if !is_answer && (id.is_some() || self.answers.allow()) {
            self.answer(*error, id);
        }
    }

    /// The message, whose answer is expected from now on.
    fn expected(&self, message: ClientJsonRpcMessage) -> ClientJsonRpcMessage {
        if let JsonRpcMessage::Request(request) = &message {
            self.outbox.expect_answer(request.id.clone());
        }
        message
    }

    fn answer(&mut self, error: ErrorData, id: Option<RequestId>) {
        self.errors.push_back(JsonRpcMessage::error(error, id));
    }
}

enum Line {
    Whole,
    TooLong,
    End,
}

/// What is wrong with an `initialize` that arrived as something else, because its parameters do not fit.
fn handshake_problem(message: &ClientJsonRpcMessage, envelope: &Envelope<'_>) -> Option<ErrorData> {
    let JsonRpcMessage::Request(request) = message else { return None };
    let is_read = matches!(request.request, ClientRequest::InitializeRequest(_));
    if is_read || envelope.method() != Some("initialize") {
        return None;
    }
    let params: Option<Value> = envelope.params_as();
    handshake::problem(params.as_ref())
}

/// How many lines without an id may still be answered.
#[derive(Default)]
struct Answers {
    given: u32,
    last: Option<Instant>,
}

impl Answers {
    fn allow(&mut self) -> bool {
        let now = Instant::now();
        if let Some(last) = self.last {
            let earned = now.duration_since(last).as_millis() / ANSWER_EVERY.as_millis().max(1);
            self.given = self.given.saturating_sub(u32::try_from(earned).unwrap_or(u32::MAX));
            if earned > 0 {
                self.last = Some(now);
            }
        } else {
            self.last = Some(now);
        }
        let is_allowed = self.given < ANSWERS_MAX;
        self.given += u32::from(is_allowed);
        is_allowed
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> Transport<RoleServer> for LineTransport<R> {
    type Error = std::io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        if let JsonRpcMessage::Response(response) = &message
            && let ServerResult::InitializeResult(result) = &response.result
        {
            self.revision = Some(result.protocol_version.clone());
        }
        self.outbox.send(message)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let gone = self.gone.clone();
        loop {
            if gone.is_cancelled() {
                return None;
            }
            let outbox = self.outbox.clone();
            while let Some(error) = self.errors.front() {
                outbox.enqueue(error).await;
                self.errors.pop_front();
            }
            if let Some(message) = self.batch.pop_front() {
                return Some(self.expected(message));
            }
            let line = tokio::select! {
                line = async {
                    outbox.has_room().await;
                    self.next_line().await
                } => line,
                () = gone.cancelled() => return None,
            };
            match line {
                Line::Whole => {
                    if let Some(message) = self.read_line() {
                        return Some(self.expected(message));
                    }
                }
                Line::TooLong => {
                    let head = std::mem::take(&mut self.line);
                    let what = format!("A message is limited to {LINE_BYTES_MAX} bytes.");
                    self.refuse(Unreadable::of(&head, ErrorCode::INVALID_REQUEST, what));
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
