//! Messages on their way to a client over a stream: one a line, bounded.
//!
//! A client that does not read is not read from either: once too much is waiting to be written, [`Outbox::has_room`]
//! holds the reader back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rmcp::model::{JsonRpcMessage, RequestId, ServerJsonRpcMessage, ServerResult};
use serde_json::Value;
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::sync::{Notify, mpsc, oneshot};

use super::task_compat;

/// Lines in the queue to the writer.
const QUEUE_MAX: usize = 256;
/// Messages that wait to be written before reading stops.
const WAITING_MAX: usize = 256;
/// Bytes that wait to be written before reading stops.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Requests without an answer before reading slows down, so that their answers are made before more are read.
const UNANSWERED_MAX: usize = 512;
/// How long it slows down for each message: a request to cancel one of many waits is read all the same.
const SLOW_DOWN: Duration = Duration::from_millis(50);

type Line = (Vec<u8>, Option<oneshot::Sender<std::io::Result<()>>>);

/// Where messages go.
#[derive(Clone)]
pub struct Outbox {
    lines: mpsc::Sender<Line>,
    waiting: Arc<Waiting>,
    batches: Arc<Mutex<Batches>>,
}

/// What waits to be written.
#[derive(Default)]
struct Waiting {
    messages: AtomicUsize,
    bytes: AtomicUsize,
    /// How many requests of each id were read and not answered yet: of several with one id, one is answered.
    unanswered: Mutex<HashMap<RequestId, usize>>,
    changed: Notify,
}

impl Waiting {
    fn unanswered(&self) -> MutexGuard<'_, HashMap<RequestId, usize>> {
        self.unanswered.lock()
    }
}

/// A message waits to be written as long as this lives.
struct Ticket {
    waiting: Arc<Waiting>,
    bytes: usize,
}

impl Ticket {
    fn new(waiting: &Arc<Waiting>, bytes: usize) -> Ticket {
        waiting.messages.fetch_add(1, Ordering::Relaxed);
        waiting.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ticket { waiting: Arc::clone(waiting), bytes }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.waiting.messages.fetch_sub(1, Ordering::Relaxed);
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.waiting.changed.notify_one();
    }
}

impl Outbox {
    /// A task of its own writes to `output`; it calls `on_broken` once that cannot be written to any more.
    pub fn new(output: impl AsyncWrite + Send + Unpin + 'static, on_broken: impl FnOnce() + Send + 'static) -> Outbox {
        let (lines, queue) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(async move {
            if write_lines(BufWriter::new(output), queue).await.is_err() {
                on_broken();
            }
        });
        Outbox { lines, waiting: Arc::default(), batches: Arc::default() }
    }

    /// Returns once the client has read enough of what it was sent.
    pub async fn has_room(&self) {
        let is_full = || {
            self.waiting.messages.load(Ordering::Relaxed) >= WAITING_MAX
                || self.waiting.bytes.load(Ordering::Relaxed) >= WAITING_BYTES_MAX
        };
        while is_full() {
            self.waiting.changed.notified().await;
        }
        let unanswered: usize = self.waiting.unanswered().values().sum();
        if unanswered >= UNANSWERED_MAX {
            let _ = tokio::time::timeout(SLOW_DOWN, self.waiting.changed.notified()).await;
        }
    }

    /// A request was read.
    pub fn expect_answer(&self, request: RequestId) {
        *self.waiting.unanswered().entry(request).or_default() += 1;
    }

    /// Writes a message; an answer of a batch waits for the others of it. Returns once it is written.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn send(&self, message: ServerJsonRpcMessage) -> impl Future<Output = std::io::Result<()>> + Send + use<> {
        let outbox = self.clone();
        if let Some(request) = answered(&message) {
            self.waiting.unanswered().remove(request);
            self.waiting.changed.notify_one();
        }
        let line = outbox.batches().collect(&message).unwrap_or_else(|| line_of(&message).map(Some));
        async move {
            let Some(line) = line.map_err(std::io::Error::other)? else { return Ok(()) };
            let _ticket = Ticket::new(&outbox.waiting, line.len());
            let (written, is_written) = oneshot::channel();
            outbox.lines.send((line, Some(written))).await.map_err(|_| closed())?;
            is_written.await.map_err(|_| closed())?
        }
    }

    /// Hands a message to the writer, once there is room in its queue. Dropping the future before that hands over nothing.
    pub async fn enqueue(&self, message: &ServerJsonRpcMessage) {
        if let Ok(line) = line_of(message) {
            // Where the output is closed, no one reads this either.
            let _ = self.lines.send((line, None)).await;
        }
    }

    /// The answers to these requests go out together, in one array.
    pub fn expect_batch(&self, requests: Vec<RequestId>) {
        self.batches().expect(requests);
    }

    /// A request that was cancelled is not answered: its batch does not wait for it.
    pub fn forget(&self, request: &RequestId) {
        self.waiting.unanswered().remove(request);
        let completed = self.batches().forget(request);
        if let Some(Ok(Some(line))) = completed {
            let lines = self.lines.clone();
            tokio::spawn(async move {
                let _ = lines.send((line, None)).await;
            });
        }
    }

    fn batches(&self) -> MutexGuard<'_, Batches> {
        self.batches.lock()
    }
}

/// Answers that are collected until their batch is complete.
#[derive(Default)]
struct Batches {
    next: u64,
    of_request: HashMap<RequestId, u64>,
    open: HashMap<u64, Batch>,
}

#[derive(Default)]
struct Batch {
    missing: HashSet<RequestId>,
    answers: Vec<Value>,
}

type Collected = serde_json::Result<Option<Vec<u8>>>;

impl Batches {
    fn expect(&mut self, requests: Vec<RequestId>) {
        if requests.is_empty() {
            return;
        }
        self.next += 1;
        self.of_request.extend(requests.iter().map(|id| (id.clone(), self.next)));
        self.open.insert(self.next, Batch { missing: requests.into_iter().collect(), answers: Vec::new() });
    }

    /// `None` for a message that belongs to no batch; nothing to write while others of its batch are missing.
    fn collect(&mut self, message: &ServerJsonRpcMessage) -> Option<Collected> {
        let id = answered(message)?;
        let number = *self.of_request.get(id)?;
        match serde_json::to_value(message) {
            Ok(answer) => self.open.get_mut(&number)?.answers.push(answer),
            Err(error) => return Some(Err(error)),
        }
        self.forget(id)
    }

    /// No more is expected for this request; the line of its batch where that is complete.
    fn forget(&mut self, id: &RequestId) -> Option<Collected> {
        let number = self.of_request.remove(id)?;
        let batch = self.open.get_mut(&number)?;
        batch.missing.remove(id);
        if !batch.missing.is_empty() {
            return Some(Ok(None));
        }
        let batch = self.open.remove(&number)?;
        Some(if batch.answers.is_empty() { Ok(None) } else { serde_json::to_vec(&batch.answers).map(Some) })
    }
}

/// The request that a message answers.
fn answered(message: &ServerJsonRpcMessage) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Response(response) => Some(&response.id),
        JsonRpcMessage::Error(error) => error.id.as_ref(),
        _ => None,
    }
}

/// A message as one line, without its end.
fn line_of(message: &ServerJsonRpcMessage) -> serde_json::Result<Vec<u8>> {
    let is_handshake = matches!(message, JsonRpcMessage::Response(response) if matches!(response.result, ServerResult::InitializeResult(_)));
    let lacks_id = matches!(message, JsonRpcMessage::Error(error) if error.id.is_none());
    if !is_handshake && !lacks_id {
        return serde_json::to_vec(message);
    }
    let mut message = serde_json::to_value(message)?;
    task_compat::outgoing(&mut message);
    if let (true, Some(message)) = (lacks_id, message.as_object_mut()) {
        // The SDK leaves it out; JSON-RPC wants null.
        message.insert("id".into(), Value::Null);
    }
    serde_json::to_vec(&message)
}

fn closed() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::BrokenPipe, "the output is closed")
}

/// Writes what comes, and flushes when nothing more is waiting.
async fn write_lines(
    mut output: BufWriter<impl AsyncWrite + Send + Unpin>,
    mut queue: mpsc::Receiver<Line>,
) -> std::io::Result<()> {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, QUEUE_MAX).await > 0 {
        let mut acknowledgements = Vec::with_capacity(batch.len());
        let mut outcome = Ok(());
        for (mut line, written) in batch.drain(..) {
            if outcome.is_ok() {
                line.push(b'\n');
                outcome = output.write_all(&line).await;
            }
            acknowledgements.extend(written);
        }
        if outcome.is_ok() {
            outcome = output.flush().await;
        }
        for written in acknowledgements {
            let _ = written.send(if outcome.is_err() { Err(closed()) } else { Ok(()) });
        }
        outcome?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp::model::ErrorData;
    use tokio::io::{AsyncBufReadExt, BufReader, duplex};

    fn answer(id: Option<i64>) -> ServerJsonRpcMessage {
        JsonRpcMessage::error(ErrorData::internal_error("x", None), id.map(RequestId::Number))
    }

    #[tokio::test]
    async fn an_error_without_an_id_says_null() {
        let (client, server) = duplex(1 << 16);
        let outbox = Outbox::new(server, || ());
        outbox.enqueue(&answer(None)).await;
        let line = BufReader::new(client).lines().next_line().await.unwrap().unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line.get("id"), Some(&Value::Null), "{line}");
    }

    #[tokio::test]
    async fn the_answers_of_a_batch_come_in_one_array() {
        let (client, server) = duplex(1 << 16);
        let outbox = Outbox::new(server, || ());
        outbox.expect_batch(vec![RequestId::Number(1), RequestId::Number(2)]);
        for id in [2, 3, 1] {
            outbox.send(answer(Some(id))).await.unwrap();
        }
        let mut lines = BufReader::new(client).lines();
        let alone: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        assert_eq!(alone["id"], 3);
        let batch: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        assert_eq!((&batch[0]["id"], &batch[1]["id"]), (&Value::from(2), &Value::from(1)));
    }

    #[tokio::test]
    async fn a_batch_does_not_wait_for_a_cancelled_request() {
        let (client, server) = duplex(1 << 16);
        let outbox = Outbox::new(server, || ());
        outbox.expect_batch(vec![RequestId::Number(1), RequestId::Number(2)]);
        outbox.send(answer(Some(1))).await.unwrap();
        outbox.forget(&RequestId::Number(2));
        let line = BufReader::new(client).lines().next_line().await.unwrap().unwrap();
        let batch: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((batch.as_array().map(Vec::len), &batch[0]["id"]), (Some(1), &Value::from(1)));
    }

    #[tokio::test]
    async fn what_is_not_read_holds_the_reader_back() {
        let (client, server) = duplex(64);
        let outbox = Outbox::new(server, || ());
        let sending: Vec<_> = (0..1_000).map(|id| tokio::spawn(outbox.send(answer(Some(id))))).collect();
        while outbox.waiting.messages.load(Ordering::Relaxed) < WAITING_MAX {
            tokio::task::yield_now().await;
        }
        let held = tokio::time::timeout(std::time::Duration::from_millis(50), outbox.has_room()).await;
        assert!(held.is_err());
        let mut lines = BufReader::new(client).lines();
        for _ in 0..1_000 {
            lines.next_line().await.unwrap();
        }
        outbox.has_room().await;
        for sent in sending {
            sent.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_closed_output_is_noticed() {
        let (client, server) = duplex(64);
        let (broken, is_broken) = oneshot::channel();
        let outbox = Outbox::new(server, || broken.send(()).unwrap());
        drop(client);
        assert!(outbox.send(answer(Some(1))).await.is_err());
        is_broken.await.unwrap();
    }
}
