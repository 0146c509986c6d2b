//! The ledger in SQLite: one file that several processes share (WAL), or a database in memory.
//!
//! [`Database`] opens on first use, runs statements with a bound on how long they may wait, and keeps watch over the
//! file. Reads go on for as long as anything can be read; a write that cannot be done is an error, never a write to
//! somewhere else.

mod connection;
mod file;
mod group;
mod migrate;
mod problem;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use connection::Connections;
use file::FileIdentity;

use super::connection::Stored;
use super::health::{Problem, ProblemKind};
use super::statement::Statement;
use super::work::{Durability, Patience, READ_PATIENCE, RETRY_EVERY, USUAL_PATIENCE, Work};
use crate::error::{Error, Result};

/// How much later than its deadline a statement may say that it failed, before the disk is said not to answer.
const GRACE: Duration = Duration::from_millis(600);
/// Between two attempts at a lock that another process holds.
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// Where a database of SQLite is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// For the life of the process.
    Memory,
    /// In a file.
    File(PathBuf),
}

enum State {
    /// Nothing was opened yet, or it was closed.
    Closed,
    /// Open for reading and writing.
    Open(Arc<Connections>),
    /// Open for reading; writing fails with this problem until an attempt succeeds.
    Readable(Arc<Connections>, Instant),
    /// Cannot be opened at all.
    Unusable(Instant),
}

/// The open ledger.
pub(super) struct Database {
    place: Place,
    state: Mutex<State>,
    /// One attempt to open at a time.
    opening: AsyncMutex<()>,
    problem: Mutex<Option<Problem>>,
    /// When it was checked last that the file is still the one that was opened.
    compared: Mutex<Option<Instant>>,
}

impl Database {
    /// A database at `place`; nothing is opened yet.
    pub(super) fn new(place: Place) -> Database {
        Database {
            place,
            state: Mutex::new(State::Closed),
            opening: AsyncMutex::default(),
            problem: Mutex::default(),
            compared: Mutex::default(),
        }
    }

    /// Its file; none in memory.
    pub(super) fn path(&self) -> Option<&PathBuf> {
        match &self.place {
            Place::Memory => None,
            Place::File(path) => Some(path),
        }
    }

    /// Whether the file is open, for writing or for reading alone.
    pub(super) fn is_open(&self) -> bool {
        matches!(&*self.state.lock(), State::Open(_) | State::Readable(..))
    }

    /// What is wrong with it, as of the last attempt to use it.
    pub(super) fn problem(&self) -> Option<Problem> {
        *self.problem.lock()
    }

    /// The secret under which tenants and accounts are kept; opens the ledger when it is not open.
    pub(super) async fn secret(&self) -> Result<Arc<[u8]>> {
        Ok(Arc::clone(&self.for_reading().await?.secret))
    }

    /// Rows of a statement that changes nothing.
    pub(super) async fn read<T: Stored>(&self, statement: Statement) -> Result<Vec<T>> {
        let connections = self.for_reading().await?;
        match tokio::time::timeout(READ_PATIENCE, connections.read(statement)).await {
            Ok(Ok(rows)) => rows.iter().map(|row| T::from_row(row).map_err(Error::from)).collect(),
            Ok(Err(error)) => Err(self.note(&error, false)),
            Err(_) => Err(self.note_problem(Problem::new(ProblemKind::Stalled))),
        }
    }

    /// Runs `work` between `BEGIN IMMEDIATE` and `COMMIT`: all of it is kept or nothing. It runs to its end whether or
    /// not the caller waits for it; after its time it is rolled back.
    pub(super) async fn transaction<T: Send + 'static>(
        &self,
        patience: Patience,
        durability: Durability,
        work: Work<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + patience.timeout;
        let connections = self.for_writing(deadline, patience.is_paid).await?;
        let used = Arc::clone(&connections);
        // On its own: a caller that leaves must not leave half of it.
        let running = tokio::spawn(async move { connections.transact(durability, deadline, work).await });
        match tokio::time::timeout_at(deadline + GRACE, running).await {
            Ok(Ok(Ok(value))) => {
                self.note_success();
                Ok(value)
            }
            Ok(Ok(Err(error))) => Err(self.note(&error, true)),
            Ok(Err(_)) => Err(self.note(&sqlx::Error::WorkerCrashed, true)),
            Err(_) => Err(self.note_problem(Problem::new(used.late_because()))),
        }
    }

    /// Folds the journal into the file and closes it. It opens again when it is used again.
    pub(super) async fn close(&self) {
        let state = std::mem::replace(&mut *self.state.lock(), State::Closed);
        match state {
            State::Open(connections) | State::Readable(connections, _) => connections.close().await,
            State::Closed | State::Unusable(_) => {}
        }
    }

    async fn for_reading(&self) -> Result<Arc<Connections>> {
        if let State::Open(connections) | State::Readable(connections, _) = &*self.state.lock() {
            return Ok(Arc::clone(connections));
        }
        Box::pin(self.open(Instant::now() + USUAL_PATIENCE, false)).await
    }

    async fn for_writing(&self, deadline: Instant, is_paid: bool) -> Result<Arc<Connections>> {
        let open = match &*self.state.lock() {
            State::Open(connections) => Some(Arc::clone(connections)),
            _ => None,
        };
        let connections = match open {
            Some(connections) => connections,
            None => Box::pin(self.open(deadline, is_paid)).await?,
        };
        let is_due = self.compared.lock().is_none_or(|at| at.elapsed() >= RETRY_EVERY);
        if is_paid || is_due {
            *self.compared.lock() = None;
            self.refuse_if_replaced(&connections).await?;
            self.note_in_place();
            *self.compared.lock() = Some(Instant::now());
        }
        if connections.is_writable {
            return Ok(connections);
        }
        Err(self.problem_or(ProblemKind::ReadOnly))
    }

    /// Opens what is not open yet. Within a second after a failure only paid requests and the timer try again.
    async fn open(&self, deadline: Instant, is_paid: bool) -> Result<Arc<Connections>> {
        let Ok(_opening) = tokio::time::timeout_at(deadline, self.opening.lock()).await else {
            return Err(self.problem_or(ProblemKind::Stalled));
        };
        let is_too_soon = |tried: Instant| !is_paid && tried.elapsed() < RETRY_EVERY;
        let readable = match &*self.state.lock() {
            State::Open(connections) => return Ok(Arc::clone(connections)),
            State::Readable(connections, tried) if is_too_soon(*tried) => return Ok(Arc::clone(connections)),
            State::Unusable(tried) if is_too_soon(*tried) => None,
            State::Readable(connections, _) => Some(Some(Arc::clone(connections))),
            State::Closed | State::Unusable(_) => Some(None),
        };
        let Some(readable) = readable else { return Err(self.problem_or(ProblemKind::CannotOpen)) };
        let place = self.place.clone();
        let opening = tokio::spawn(async move { Connections::open(&place, deadline).await });
        let opened = match tokio::time::timeout_at(deadline + GRACE, opening).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(_)) => Err(Problem::new(ProblemKind::Io)),
            Err(_) => Err(Problem::new(ProblemKind::Stalled)),
        };
        match opened {
            Ok(connections) => {
                let connections = Arc::new(connections);
                *self.state.lock() = State::Open(Arc::clone(&connections));
                self.note_in_place();
                self.note_success();
                if let Some(readable) = readable {
                    readable.close().await;
                }
                Ok(connections)
            }
            Err(problem) => self.open_for_reading(problem, readable).await,
        }
    }

    /// What can be had of a file that cannot be written.
    async fn open_for_reading(&self, problem: Problem, known: Option<Arc<Connections>>) -> Result<Arc<Connections>> {
        let error = self.note_problem(problem);
        let readable = match (known, &self.place) {
            (Some(known), _) => Some(known),
            (None, Place::File(path)) => Connections::open_read_only(path).await.ok().map(Arc::new),
            (None, Place::Memory) => None,
        };
        let mut state = self.state.lock();
        match readable {
            Some(connections) => {
                *state = State::Readable(Arc::clone(&connections), Instant::now());
                Ok(connections)
            }
            None => {
                *state = State::Unusable(Instant::now());
                Err(error)
            }
        }
    }

    /// A file that was removed, moved or replaced since it was opened: what would be written to it is lost.
    async fn refuse_if_replaced(&self, connections: &Arc<Connections>) -> Result<()> {
        let (Place::File(path), Some(ours)) = (&self.place, &connections.identity) else { return Ok(()) };
        match FileIdentity::of(path.clone()).await {
            Ok(found) if found == *ours => Ok(()),
            Ok(_) if self.reopen_restored(path, connections).await => Ok(()),
            Ok(_) => Err(self.note_problem(Problem::new(ProblemKind::Replaced))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(self.note_problem(Problem::new(ProblemKind::Removed)))
            }
            Err(_) => Err(self.note_problem(Problem::new(ProblemKind::Io))),
        }
    }

    /// Another process may have restored the file that both had open: it has the same secret then.
    async fn reopen_restored(&self, path: &Path, ours: &Arc<Connections>) -> bool {
        // With our journal beside it, any file would be read as ours.
        let journal = FileIdentity::of(file::beside(path, "wal")).await.ok();
        if journal.is_some() && journal == ours.journal {
            return false;
        }
        let deadline = Instant::now() + USUAL_PATIENCE;
        let Ok(restored) = Connections::open(&self.place, deadline).await else { return false };
        if restored.secret != ours.secret {
            restored.close().await;
            return false;
        }
        *self.state.lock() = State::Open(Arc::new(restored));
        ours.close().await;
        true
    }

    /// Writes a file that is gone again, from what is still open. For the timer; a paid request is refused first.
    pub(super) async fn restore(&self) -> Result<()> {
        let open = match &*self.state.lock() {
            State::Open(connections) => Some(Arc::clone(connections)),
            _ => None,
        };
        let (Place::File(path), Some(connections)) = (&self.place, open) else { return Ok(()) };
        let path = path.clone();
        match FileIdentity::of(path.clone()).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            _ => return Ok(()),
        }
        connections.restore(&path).await.map_err(|problem| self.note_problem(problem))?;
        *self.state.lock() = State::Closed;
        connections.close().await;
        tracing::warn!(path = %path.display(), "the ledger's file was gone and has been written again");
        Ok(())
    }

    /// Counts a success: whatever was wrong is over, but that the file is another one. A transaction that began before
    /// that was seen goes to the former file.
    fn note_success(&self) {
        self.forget_problem(|kind| !is_about_the_file(kind));
    }

    /// Counts a comparison that found the file in its place.
    fn note_in_place(&self) {
        self.forget_problem(is_about_the_file);
    }

    fn forget_problem(&self, concerns: impl Fn(ProblemKind) -> bool) {
        let over = self.problem.lock().take_if(|problem| concerns(problem.kind));
        if over.is_some() {
            tracing::info!("the ledger can be written again");
        }
    }

    /// The error of a statement; a failure of the file is remembered as the ledger's problem.
    fn note(&self, error: &sqlx::Error, is_write: bool) -> Error {
        match ProblemKind::of(error) {
            Some(kind) if is_write || kind != ProblemKind::Locked => self.note_problem(Problem::new(kind)),
            _ => problem::unexpected(error),
        }
    }

    fn note_problem(&self, problem: Problem) -> Error {
        let mut known = self.problem.lock();
        let error = problem.error();
        match &mut *known {
            Some(known) if known.kind == problem.kind => {}
            // What becomes of work that began before goes on to be about the former file.
            Some(known) if is_about_the_file(known.kind) && !is_about_the_file(problem.kind) => {}
            // Waiting for those who wait for a lock says no more than that it is held.
            Some(known) if problem.kind == ProblemKind::Stalled => return known.error(),
            known => {
                let path = match &self.place {
                    Place::File(path) => path.clone(),
                    Place::Memory => PathBuf::from("memory"),
                };
                tracing::warn!(path = %path.display(), problem = %problem.kind, "{}", error.message());
                let since = known.as_ref().map_or(problem.since, |known| known.since);
                *known = Some(Problem { since, ..problem });
            }
        }
        error
    }

    fn problem_or(&self, kind: ProblemKind) -> Error {
        self.problem().unwrap_or_else(|| Problem::new(kind)).error()
    }
}

/// Whether a problem is that the file is not the one that is open.
fn is_about_the_file(kind: ProblemKind) -> bool {
    matches!(kind, ProblemKind::Replaced | ProblemKind::Removed)
}
