//! Many at once: what waits for a connection goes to it together.
//!
//! What lives here: [`Group`], a line in which statements of one kind stand. A trip to the database's thread, and a
//! commit even more, takes longer than the rows in it; so whoever has the turn takes along those who stand behind. What
//! never does: statements.

use std::sync::{Mutex, PoisonError};

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use tokio::sync::{Mutex as Turn, oneshot};

/// How many go together: a statement is prepared once for each of these sizes.
const SIZES: [usize; 3] = [1, 8, SIZE_MAX];
/// Most that go together.
const SIZE_MAX: usize = 32;

/// A statement in each of the sizes: its text for one to `SIZE_MAX` rows of parameters.
pub(super) struct Sized([SqlStr; SIZES.len()]);

impl Sized {
    /// Makes the texts: `text` gets the number of rows.
    pub(super) fn new(text: impl Fn(usize) -> String) -> Sized {
        Sized(SIZES.map(|size| AssertSqlSafe(text(size)).into_sql_str()))
    }

    /// The smallest that takes `rows`, and how many rows it has: those that are too many are bound to null.
    pub(super) fn at_least(&self, rows: usize) -> (SqlStr, usize) {
        let ([few, some, most], [few_rows, some_rows, most_rows]) = (&self.0, SIZES);
        let (text, size) = match rows {
            rows if rows <= few_rows => (few, few_rows),
            rows if rows <= some_rows => (some, some_rows),
            _ => (most, most_rows),
        };
        (text.clone(), size)
    }
}

/// One that stands in line, and the way back to it.
pub(super) struct Waiting<A, R> {
    /// What it wants.
    pub(super) asked: A,
    answer: oneshot::Sender<R>,
}

impl<A, R> Waiting<A, R> {
    /// Gives it what it wanted. It may have left.
    pub(super) fn answer(self, answer: R) {
        let _ = self.answer.send(answer);
    }
}

/// See the head of this file.
pub(super) struct Group<A, R> {
    waiting: Mutex<Vec<Waiting<A, R>>>,
    turn: Turn<()>,
}

impl<A, R> Default for Group<A, R> {
    fn default() -> Self {
        Group { waiting: Mutex::default(), turn: Turn::default() }
    }
}

impl<A, R> Group<A, R> {
    /// Stands in line until `serve` has answered, which may be in somebody else's turn. `takes` says of each that
    /// stands there, in order, whether it may go with those before. Nothing when whoever had the turn was dropped on
    /// the way.
    pub(super) async fn ask<T, S>(
        &self,
        asked: A,
        takes: impl Fn() -> T,
        serve: impl Fn(Vec<Waiting<A, R>>) -> S,
    ) -> Option<R>
    where
        T: FnMut(&A) -> bool,
        S: Future<Output = ()>,
    {
        let (answer, mut outcome) = oneshot::channel();
        self.lock().push(Waiting { asked, answer });
        loop {
            let turn = self.turn.lock().await;
            // Twice: somebody else may have served us, and whoever serves need not stand in line again for what it got.
            for has_served in [false, true] {
                match outcome.try_recv() {
                    Ok(outcome) => return Some(outcome),
                    Err(oneshot::error::TryRecvError::Closed) => return None,
                    Err(oneshot::error::TryRecvError::Empty) if has_served => {}
                    Err(oneshot::error::TryRecvError::Empty) => serve(self.next(takes())).await,
                }
            }
            drop(turn);
        }
    }

    fn next(&self, mut takes: impl FnMut(&A) -> bool) -> Vec<Waiting<A, R>> {
        let mut taken = 0;
        let is_next = |one: &mut Waiting<A, R>| {
            let goes = taken < SIZE_MAX && takes(&one.asked);
            taken += usize::from(goes);
            goes
        };
        let mut waiting = self.lock();
        waiting.extract_if(.., is_next).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waiting<A, R>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
