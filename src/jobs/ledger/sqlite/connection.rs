//! The connections to one database: one that writes and, for a file, one that reads.
//!
//! No pool: it asks a connection whether it lives before and after each statement, which takes longer than the
//! statement; and writes of two connections sleep when they meet in the file, those that wait for one do not.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::sync::Mutex;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::Instant;

use super::super::health::{Problem, ProblemKind};
use super::super::statement::Statement;
use super::super::work::{Durability, Work};
use super::file::{self, FileIdentity};
use super::group::{Outcome, Queue, returned};
use super::{LOCK_RETRY, Place, migrate};

/// What a connection keeps of the file in memory, in SQLite's words: 256 KiB. The system keeps the rest anyway.
const CACHE_SIZE: &str = "-256";
/// How long SQLite itself waits for another process's lock; then others may try, and we try again.
const BUSY_TIMEOUT: Duration = Duration::from_millis(250);

struct Writer {
    connection: SqliteConnection,
    durability: Durability,
}

/// See the head of this file.
pub(super) struct Connections {
    writer: Mutex<Option<Writer>>,
    reader: Option<Mutex<Option<SqliteConnection>>>,
    /// Which file it is; none in memory, and where the system has no such thing.
    pub(super) identity: Option<FileIdentity>,
    /// Which file its journal is.
    pub(super) journal: Option<FileIdentity>,
    /// The secret of this ledger.
    pub(super) secret: Arc<[u8]>,
    /// Whether it was opened for writing.
    pub(super) is_writable: bool,
    /// Whether another process held the lock at the last attempt to begin a transaction.
    is_locked: AtomicBool,
    /// What waits for the connection that writes.
    queue: Queue,
}

impl Connections {
    /// Opens the database for reading and writing, makes it if there is none, and brings its schema up to date.
    pub(super) async fn open(place: &Place, deadline: Instant) -> Result<Connections, Problem> {
        match place {
            Place::Memory => Connections::open_memory().await,
            Place::File(path) => Connections::open_file(path, deadline).await,
        }
    }

    async fn open_memory() -> Result<Connections, Problem> {
        let options = SqliteConnectOptions::new().in_memory(true).disable_statement_logging();
        // The memory is the connection's: there is no second one.
        let mut connection = options.connect().await.map_err(|error| problem_of(&error))?;
        let secret = migrate::migrate(&mut connection, Instant::now()).await?;
        Ok(Connections {
            writer: Mutex::new(Some(Writer { connection, durability: Durability::Synced })),
            reader: None,
            identity: None,
            journal: None,
            secret,
            is_writable: true,
            is_locked: AtomicBool::new(false),
            queue: Queue::default(),
        })
    }

    async fn open_file(path: &Path, deadline: Instant) -> Result<Connections, Problem> {
        let owned = path.to_owned();
        tokio::task::spawn_blocking(move || file::create_private(&owned))
            .await
            .unwrap_or(Err(Problem::new(ProblemKind::Io)))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // On macOS a plain fsync does not reach the disk.
            .pragma("fullfsync", "on")
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("cache_size", CACHE_SIZE)
            .disable_statement_logging();
        let mut connection = connect(&options, deadline).await?;
        let secret = migrate::migrate(&mut connection, deadline).await?;
        let reader = connect(&options, deadline).await?;
        let identity = FileIdentity::of(path.to_owned()).await.ok();
        let journal = FileIdentity::of(file::beside(path, "wal")).await.ok();
        Ok(Connections {
            writer: Mutex::new(Some(Writer { connection, durability: Durability::Synced })),
            reader: Some(Mutex::new(Some(reader))),
            identity,
            journal,
            secret,
            is_writable: true,
            is_locked: AtomicBool::new(false),
            queue: Queue::default(),
        })
    }

    /// Opens a file that cannot be written, as it is.
    pub(super) async fn open_read_only(path: &Path) -> Result<Connections, Problem> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("cache_size", CACHE_SIZE)
            .disable_statement_logging();
        let mut connection = match readable(&options).await {
            Ok(connection) => connection,
            // In a folder that cannot be written there is nowhere to coordinate with writers; without a journal there
            // is nothing to coordinate.
            Err(_) if !file::has_journal(path) => {
                readable(&options.immutable(true)).await.map_err(|error| problem_of(&error))?
            }
            Err(error) => return Err(problem_of(&error)),
        };
        let secret = migrate::secret(&mut connection).await.map_err(|error| problem_of(&error))?;
        let secret = secret.ok_or_else(|| Problem::new(ProblemKind::ReadOnly))?;
        Ok(Connections {
            writer: Mutex::new(None),
            reader: Some(Mutex::new(Some(connection))),
            identity: FileIdentity::of(path.to_owned()).await.ok(),
            journal: None,
            secret,
            is_writable: false,
            is_locked: AtomicBool::new(false),
            queue: Queue::default(),
        })
    }

    /// Runs a statement that changes nothing.
    pub(super) async fn read(&self, statement: Statement) -> sqlx::Result<Vec<SqliteRow>> {
        let (text, arguments) = statement.for_sqlite()?;
        let query = sqlx::query_with(text, arguments);
        match &self.reader {
            Some(reader) => match &mut *reader.lock().await {
                Some(connection) => connection.fetch_all(query).await,
                None => Err(sqlx::Error::PoolClosed),
            },
            None => match &mut *self.writer.lock().await {
                Some(writer) => writer.connection.fetch_all(query).await,
                None => Err(sqlx::Error::PoolClosed),
            },
        }
    }

    /// Runs `work` in a transaction, together with what others wait for meanwhile. A lock that another process holds is
    /// tried again until the deadline, and nothing is begun or kept after it.
    pub(super) async fn transact<T: Send + 'static>(
        &self,
        durability: Durability,
        deadline: Instant,
        work: Work<T>,
    ) -> sqlx::Result<T> {
        let (number, mut outcome) = self.queue.push(durability, deadline, work);
        loop {
            let guard = tokio::select! {
                biased;
                // Others did it: there is nothing to wait for the connection for.
                done = &mut outcome => return returned(done.unwrap_or(Err(sqlx::Error::WorkerCrashed))),
                guard = tokio::time::timeout_at(deadline, self.writer.lock()) => guard,
            };
            let Ok(mut guard) = guard else { return self.give_up(number, outcome).await };
            match outcome.try_recv() {
                Ok(outcome) => return returned(outcome),
                Err(TryRecvError::Closed) => return Err(sqlx::Error::WorkerCrashed),
                Err(TryRecvError::Empty) => {}
            }
            let Some(writer) = guard.as_mut() else {
                self.queue.withdraw(number);
                return Err(sqlx::Error::PoolClosed);
            };
            let durability = self.queue.durability();
            match self.begin(writer, durability).await {
                Ok(()) => {
                    self.queue.take(durability).run(&mut writer.connection, &self.queue, || self.late()).await;
                }
                Err(error) if !self.is_locked.load(Ordering::Acquire) || Instant::now() >= deadline => {
                    self.queue.withdraw(number);
                    return Err(error);
                }
                Err(_) => {
                    drop(guard);
                    tokio::time::sleep(LOCK_RETRY).await;
                }
            }
        }
    }

    /// The outcome of work whose time is over: that others are doing it right now is waited for.
    async fn give_up<T: 'static>(&self, number: u64, mut outcome: Outcome) -> sqlx::Result<T> {
        while !self.queue.withdraw(number) {
            if let Ok(outcome) = tokio::time::timeout(LOCK_RETRY, &mut outcome).await {
                return returned(outcome.unwrap_or(Err(sqlx::Error::WorkerCrashed)));
            }
        }
        Err(self.late())
    }

    async fn begin(&self, writer: &mut Writer, durability: Durability) -> sqlx::Result<()> {
        let began = writer.begin(durability).await;
        let is_locked = matches!(&began, Err(error) if ProblemKind::of(error) == Some(ProblemKind::Locked));
        self.is_locked.store(is_locked, Ordering::Release);
        began
    }

    /// Why a transaction had no time left. One that waited for others of this process, while they waited for the lock,
    /// waited for the lock too.
    pub(super) fn late_because(&self) -> ProblemKind {
        if self.is_locked.load(Ordering::Acquire) { ProblemKind::Locked } else { ProblemKind::Stalled }
    }

    /// The error of a transaction that had no time left.
    fn late(&self) -> sqlx::Error {
        let kind = match self.late_because() {
            ProblemKind::Locked => std::io::ErrorKind::ResourceBusy,
            _ => std::io::ErrorKind::TimedOut,
        };
        sqlx::Error::Io(kind.into())
    }

    /// Writes all of it to `path`, where there is nothing.
    pub(super) async fn restore(&self, path: &Path) -> Result<(), Problem> {
        let beside = file::beside(path, "restored");
        let copied = match &self.reader {
            Some(reader) => match &mut *reader.lock().await {
                Some(connection) => {
                    let _ = std::fs::remove_file(&beside);
                    let target = beside.to_string_lossy().into_owned();
                    sqlx::query("VACUUM INTO $1").bind(target).execute(connection).await.map(drop)
                }
                None => Err(sqlx::Error::PoolClosed),
            },
            None => return Ok(()),
        };
        copied.map_err(|error| problem_of(&error))?;
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || file::put_back(&beside, &path))
            .await
            .unwrap_or(Err(Problem::new(ProblemKind::Io)))
    }

    /// Closes both connections, the reading one first: the last that writes folds the journal in.
    pub(super) async fn close(&self) {
        if let Some(reader) = &self.reader
            && let Some(connection) = reader.lock().await.take()
        {
            let _ = connection.close().await;
        }
        if let Some(writer) = self.writer.lock().await.take() {
            let _ = writer.connection.close().await;
        }
    }
}

impl Writer {
    async fn begin(&mut self, durability: Durability) -> sqlx::Result<()> {
        if self.durability != durability {
            let statement = match durability {
                Durability::Synced => "PRAGMA synchronous = FULL",
                Durability::Relaxed => "PRAGMA synchronous = NORMAL",
            };
            self.connection.execute(statement).await?;
            self.durability = durability;
        }
        self.connection.execute("BEGIN IMMEDIATE").await.map(drop)
    }
}

fn problem_of(error: &sqlx::Error) -> Problem {
    Problem::new(ProblemKind::of(error).unwrap_or(ProblemKind::CannotOpen))
}

async fn readable(options: &SqliteConnectOptions) -> sqlx::Result<SqliteConnection> {
    let mut connection = options.connect().await?;
    // Opening reads nothing yet.
    connection.execute("SELECT COUNT(*) FROM sqlite_master").await?;
    Ok(connection)
}

async fn connect(options: &SqliteConnectOptions, deadline: Instant) -> Result<SqliteConnection, Problem> {
    loop {
        match options.connect().await {
            Ok(connection) => return Ok(connection),
            // Turning the journal of a new file on does not wait for others who do the same.
            Err(error) if ProblemKind::of(&error) == Some(ProblemKind::Locked) && Instant::now() < deadline => {
                tokio::time::sleep(LOCK_RETRY).await;
            }
            Err(error) => return Err(problem_of(&error)),
        }
    }
}
