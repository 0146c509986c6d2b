//! Transactions of several callers in one: each is kept or taken back on its own, and all reach the disk together. A file
//! takes some milliseconds to be synced, whether it is for one of them or for many.

use std::any::Any;
use std::collections::VecDeque;

use parking_lot::Mutex;
use sqlx::Executor;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::connection::Connection;
use super::super::health::ProblemKind;
use super::super::work::{Durability, PAID_PATIENCE, Work, work};

/// Most callers that are served by one transaction.
const GROUP_MAX: usize = 64;

/// What a caller's work returned.
type Returned = Box<dyn Any + Send>;
/// The way back to a caller.
pub(super) type Outcome = oneshot::Receiver<sqlx::Result<Returned>>;

/// The work of one caller.
struct Queued {
    number: u64,
    durability: Durability,
    deadline: Instant,
    work: Work<Returned>,
    done: oneshot::Sender<sqlx::Result<Returned>>,
}

/// Work that waits for the connection that writes, in order.
#[derive(Default)]
pub(super) struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    next: u64,
    waiting: VecDeque<Queued>,
}

/// Work that was taken from the queue and is done in one transaction.
pub(super) struct Group(VecDeque<Queued>);

/// Work that was done, and is kept if the transaction is.
struct Done {
    deadline: Instant,
    returned: Returned,
    done: oneshot::Sender<sqlx::Result<Returned>>,
}

impl Queue {
    /// Adds work that has to be done before `deadline`. Gives its number and the way by which its outcome comes.
    pub(super) fn push<T: Send + 'static>(
        &self,
        durability: Durability,
        deadline: Instant,
        run: Work<T>,
    ) -> (u64, Outcome) {
        let (done, outcome) = oneshot::channel();
        let work = work(move |connection| {
            Box::pin(async move { run(connection).await.map(|value| Box::new(value) as Returned) })
        });
        let mut state = self.0.lock();
        state.next += 1;
        let number = state.next;
        state.waiting.push_back(Queued { number, durability, deadline, work, done });
        (number, outcome)
    }

    /// Takes work back. `false` when it is being done, or was.
    pub(super) fn withdraw(&self, number: u64) -> bool {
        let mut state = self.0.lock();
        let before = state.waiting.len();
        state.waiting.retain(|queued| queued.number != number);
        state.waiting.len() < before
    }

    /// What the next transaction has to be.
    pub(super) fn durability(&self) -> Durability {
        let state = self.0.lock();
        let is_synced = state.waiting.iter().take(GROUP_MAX).any(|queued| queued.durability == Durability::Synced);
        if is_synced { Durability::Synced } else { Durability::Relaxed }
    }

    /// The next work for a transaction of this durability. Its deadlines lie near each other: one that has passed ends
    /// the transaction for all.
    pub(super) fn take(&self, durability: Durability) -> Group {
        let mut state = self.0.lock();
        // Work whose time is over already is not begun, and ends nothing.
        let is_over = |deadline: Instant| deadline <= Instant::now();
        let first = state.waiting.iter().map(|queued| queued.deadline).find(|deadline| !is_over(*deadline));
        let is_near = |deadline: Instant| {
            let apart = |first: Instant| deadline.max(first).duration_since(deadline.min(first));
            is_over(deadline) || first.is_none_or(|first| apart(first) <= PAID_PATIENCE)
        };
        let can_have = |queued: &Queued| {
            is_near(queued.deadline) && (durability == Durability::Synced || queued.durability == Durability::Relaxed)
        };
        let count = state.waiting.iter().take(GROUP_MAX).take_while(|queued| can_have(queued)).count();
        Group(state.waiting.drain(..count).collect())
    }

    fn put_back(&self, group: Group) {
        let mut state = self.0.lock();
        for queued in group.0.into_iter().rev() {
            state.waiting.push_front(queued);
        }
    }
}

impl Group {
    /// Does all of it on `connection`, which is inside a transaction, and ends that. Work whose time is over is not begun;
    /// the transaction is not kept when the time of any of it is over. `late` makes the error of those. What was not
    /// begun when the file failed goes back to `queue`.
    pub(super) async fn run(
        mut self,
        connection: &mut SqliteConnection,
        queue: &Queue,
        late: impl Fn() -> sqlx::Error,
    ) {
        let is_several = self.0.len() > 1;
        let mut kept: Vec<Done> = Vec::with_capacity(self.0.len());
        let mut failed = None;
        while let Some(Queued { deadline, work, done, .. }) = self.0.pop_front() {
            if Instant::now() >= deadline {
                let _ = done.send(Err(late()));
                continue;
            }
            let did = match is_several {
                true => one_of_several(connection, work).await,
                false => work(Connection::Sqlite(&mut *connection)).await,
            };
            match did {
                Ok(returned) => kept.push(Done { deadline, returned, done }),
                // The statement is at fault, and it was taken back: the others go on.
                Err(error) if ProblemKind::of(&error).is_none() => drop(done.send(Err(error))),
                Err(error) => {
                    failed = ProblemKind::of(&error);
                    let _ = done.send(Err(error));
                    break;
                }
            }
        }
        if !self.0.is_empty() {
            queue.put_back(self);
        }
        let error = if failed.is_some() {
            again(failed)
        } else if kept.iter().any(|work| Instant::now() >= work.deadline) {
            late()
        } else if kept.is_empty() {
            // All of it failed, and was taken back.
            let _ = connection.execute("ROLLBACK").await;
            return;
        } else {
            match connection.execute("COMMIT").await {
                Ok(_) => {
                    for Done { returned, done, .. } in kept {
                        let _ = done.send(Ok(returned));
                    }
                    return;
                }
                Err(error) => error,
            }
        };
        // Most failures of the file have rolled back by themselves; then there is nothing left to do.
        let _ = connection.execute("ROLLBACK").await;
        let kind = ProblemKind::of(&error);
        let mut first = Some(error);
        for Done { done, .. } in kept {
            let _ = done.send(Err(first.take().unwrap_or_else(|| again(kind))));
        }
    }
}

/// Work that is taken back alone when it fails.
async fn one_of_several(connection: &mut SqliteConnection, work: Work<Returned>) -> sqlx::Result<Returned> {
    connection.execute("SAVEPOINT one").await?;
    let outcome = work(Connection::Sqlite(&mut *connection)).await;
    match &outcome {
        Ok(_) => connection.execute("RELEASE one").await?,
        // A file that failed may have taken back the whole transaction.
        Err(error) if ProblemKind::of(error).is_some() => return outcome,
        Err(_) => connection.execute("ROLLBACK TO one; RELEASE one").await?,
    };
    outcome
}

/// An error that speaks of the same problem as one that another caller got.
fn again(kind: Option<ProblemKind>) -> sqlx::Error {
    use std::io::ErrorKind;
    let kind = match kind {
        Some(ProblemKind::Locked) => ErrorKind::ResourceBusy,
        Some(ProblemKind::Full) => ErrorKind::StorageFull,
        Some(ProblemKind::ReadOnly) => ErrorKind::ReadOnlyFilesystem,
        Some(ProblemKind::Stalled) => ErrorKind::TimedOut,
        Some(ProblemKind::Damaged) => ErrorKind::InvalidData,
        Some(ProblemKind::CannotOpen) => return sqlx::Error::PoolClosed,
        _ => ErrorKind::Other,
    };
    sqlx::Error::Io(kind.into())
}

/// What a caller gets of its outcome; an error when those who did its work are gone.
pub(super) fn returned<T: 'static>(outcome: sqlx::Result<Returned>) -> sqlx::Result<T> {
    outcome?.downcast().map(|value| *value).map_err(|_| sqlx::Error::WorkerCrashed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Row};

    use super::super::super::statement::statement;
    use super::*;

    /// Work that inserts `id` and then fails as said.
    fn inserting(id: i64, failure: Option<fn() -> sqlx::Error>) -> Work<i64> {
        work(move |mut connection| {
            Box::pin(async move {
                connection.execute(statement("INSERT INTO t (id) VALUES ($1)").bind(id)).await?;
                failure.map_or(Ok(id), |failure| Err(failure()))
            })
        })
    }

    struct Place {
        connection: SqliteConnection,
        queue: Queue,
    }

    impl Place {
        async fn new() -> Place {
            let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
            connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)").await.unwrap();
            Place { connection, queue: Queue::default() }
        }

        fn push(&self, work: Work<i64>, seconds: u64) -> Outcome {
            let deadline = Instant::now() + Duration::from_secs(seconds);
            self.queue.push(Durability::Synced, deadline, work).1
        }

        async fn run(&mut self) -> Vec<i64> {
            self.connection.execute("BEGIN IMMEDIATE").await.unwrap();
            let late = || sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
            self.queue.take(Durability::Synced).run(&mut self.connection, &self.queue, late).await;
            let rows = self.connection.fetch_all("SELECT id FROM t ORDER BY id").await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
    }

    fn outcome_of(mut outcome: Outcome) -> Result<i64, String> {
        returned(outcome.try_recv().unwrap()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn each_is_kept_or_taken_back_on_its_own() {
        let mut place = Place::new().await;
        let one = place.push(inserting(1, None), 60);
        let wrong = place.push(inserting(2, Some(|| sqlx::Error::RowNotFound)), 60);
        let taken = place.push(inserting(1, None), 60);
        let late = place.push(inserting(4, None), 0);
        let five = place.push(inserting(5, None), 60);
        assert_eq!(place.run().await, [1, 5]);
        assert_eq!((outcome_of(one), outcome_of(five)), (Ok(1), Ok(5)));
        assert!(outcome_of(wrong).unwrap_err().contains("no rows"));
        assert!(outcome_of(taken).unwrap_err().contains("UNIQUE"));
        assert!(outcome_of(late).unwrap_err().contains("timed out"));
        // And one alone.
        let wrong = place.push(inserting(6, Some(|| sqlx::Error::RowNotFound)), 60);
        assert_eq!(place.run().await, [1, 5]);
        assert!(outcome_of(wrong).is_err());
    }

    #[tokio::test]
    async fn a_file_that_fails_keeps_none_and_the_rest_waits() {
        let mut place = Place::new().await;
        let full: fn() -> sqlx::Error = || sqlx::Error::Io(std::io::ErrorKind::StorageFull.into());
        let before = place.push(inserting(1, None), 60);
        let failing = place.push(inserting(2, Some(full)), 60);
        let mut after = place.push(inserting(3, None), 60);
        assert_eq!(place.run().await, Vec::<i64>::new());
        for outcome in [before, failing] {
            let error = returned::<i64>(outcome.await.unwrap()).unwrap_err();
            assert_eq!(ProblemKind::of(&error), Some(ProblemKind::Full), "{error}");
        }
        assert!(after.try_recv().is_err(), "not begun");
        assert_eq!(place.run().await, [3]);
        assert_eq!(outcome_of(after), Ok(3));
    }

    #[tokio::test]
    async fn work_with_far_deadlines_has_a_transaction_of_its_own() {
        let mut place = Place::new().await;
        let soon = place.push(inserting(1, None), 1);
        let much_later = place.push(inserting(2, None), 3_600);
        assert_eq!(place.run().await, [1]);
        assert_eq!(outcome_of(soon), Ok(1));
        assert_eq!(place.run().await, [1, 2]);
        assert_eq!(outcome_of(much_later), Ok(2));
    }

    #[test]
    fn every_caller_gets_the_same_problem() {
        use ProblemKind::{CannotOpen, Damaged, Full, Io, Locked, ReadOnly, Stalled};
        for kind in [CannotOpen, Damaged, Full, Io, Locked, ReadOnly, Stalled] {
            assert_eq!(ProblemKind::of(&again(Some(kind))), Some(kind));
        }
    }

    #[tokio::test]
    async fn work_is_withdrawn_only_while_it_waits() {
        let mut place = Place::new().await;
        let deadline = Instant::now() + Duration::from_secs(60);
        let (one, _) = place.queue.push(Durability::Synced, deadline, inserting(1, None));
        let (two, _) = place.queue.push(Durability::Relaxed, deadline, inserting(2, None));
        assert!(place.queue.withdraw(two) && !place.queue.withdraw(two));
        assert_eq!(place.queue.take(Durability::Relaxed).0.len(), 0, "it has to be synced");
        assert_eq!(place.run().await, [1]);
        assert!(!place.queue.withdraw(one));
    }
}
