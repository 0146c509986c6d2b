//! Reads of one kind that wait for the connection go to it together: a trip to the database's thread takes longer than
//! the rows that it brings back.

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Mutex as AsyncMutex, oneshot};

/// How many go together: a statement is prepared once for each of these sizes.
const SIZES: [usize; 3] = [1, 8, SIZE_MAX];
/// Most that go together.
const SIZE_MAX: usize = 32;

/// A statement in each of the sizes: its text for one to `SIZE_MAX` rows of parameters.
pub(super) struct BatchSql([String; SIZES.len()]);

impl BatchSql {
    /// Makes the texts: `text` gets the number of rows.
    pub(super) fn new(text: impl Fn(usize) -> String) -> BatchSql {
        BatchSql(SIZES.map(text))
    }

    /// The smallest that takes `rows`, and how many rows it has: those that are too many are bound to null.
    pub(super) fn at_least(&self, rows: usize) -> (&str, usize) {
        let ([few, some, most], [few_rows, some_rows, most_rows]) = (&self.0, SIZES);
        let (text, size) = match rows {
            rows if rows <= few_rows => (few, few_rows),
            rows if rows <= some_rows => (some, some_rows),
            _ => (most, most_rows),
        };
        (text, size)
    }
}

/// A request of the batch, and the way back to its caller.
pub(super) struct Waiting<A, R> {
    /// What is asked.
    pub(super) asked: A,
    answer: oneshot::Sender<R>,
}

impl<A, R> Waiting<A, R> {
    /// Answers it. The caller may be gone.
    pub(super) fn answer(self, answer: R) {
        let _ = self.answer.send(answer);
    }
}

/// Requests that wait, and the lock under which one caller serves them all.
pub(super) struct Batcher<A, R> {
    waiting: Mutex<Vec<Waiting<A, R>>>,
    serving: AsyncMutex<()>,
}

impl<A, R> Default for Batcher<A, R> {
    fn default() -> Self {
        Batcher { waiting: Mutex::default(), serving: AsyncMutex::default() }
    }
}

impl<A, R> Batcher<A, R> {
    /// The answer to `asked`. `serve` answers a whole batch; it may be another caller's that answers this request.
    /// Nothing when that caller was dropped meanwhile.
    pub(super) async fn submit<S: Future<Output = ()>>(
        &self,
        asked: A,
        serve: impl Fn(Vec<Waiting<A, R>>) -> S,
    ) -> Option<R> {
        let (answer, mut outcome) = oneshot::channel();
        self.lock().push(Waiting { asked, answer });
        loop {
            let serving = self.serving.lock().await;
            // Checked before and after serving: another caller may have served this request, and serving answers it.
            for has_served in [false, true] {
                match outcome.try_recv() {
                    Ok(outcome) => return Some(outcome),
                    Err(oneshot::error::TryRecvError::Closed) => return None,
                    Err(oneshot::error::TryRecvError::Empty) if has_served => {}
                    Err(oneshot::error::TryRecvError::Empty) => serve(self.next()).await,
                }
            }
            drop(serving);
        }
    }

    fn next(&self) -> Vec<Waiting<A, R>> {
        let mut waiting = self.lock();
        let count = waiting.len().min(SIZE_MAX);
        waiting.drain(..count).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting<A, R>>> {
        self.waiting.lock()
    }
}
