//! The ledger's open database: its file, or a refuge in memory for as long as the file fails.
//!
//! What lives here: [`Store`], on which the ledger's statements run. A statement that the file refuses (full disk, a
//! lock that nobody lets go, a file that was damaged or made read-only) is run again in memory, on a copy of what the
//! file still gives to read, so that no answer of the service is lost. Every so often the file is tried again, and what
//! happened meanwhile is written home. What never does: the statements themselves.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteQueryResult, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Either, Execute, Executor, SqlStr};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::Millis;
use super::file::{open_file, open_memory};
use crate::clock::now;
use crate::error::Result;

/// A file that failed is tried again after this long.
const HOME_EVERY: Duration = Duration::from_secs(30);
/// How long a try waits for another process's lock: somebody's statement waits for the try.
const HOME_PATIENCE: Duration = Duration::from_millis(200);
/// How often one statement moves on to another database before it gives up.
const MOVES_MAX: u32 = 4;
/// The time in a statement can be so much older than the move: it waited for the file first. In milliseconds.
const SET_OUT_WITHIN: Millis = 60_000;
/// Newest jobs that are taken along.
const JOBS_TAKEN_ALONG: i64 = 10_000;

/// SQLite's primary result codes that speak of the file rather than of the statement: busy, locked, read-only, I/O,
/// corrupt, full, cannot open, not a database.
const FILE_FAILS: [i32; 8] = [5, 6, 8, 10, 11, 13, 14, 26];

/// How statements begin that are given as one text, because they count together or not at all. The last is `COMMIT`.
pub(super) const TOGETHER: &str = "BEGIN IMMEDIATE;";

type Step = Either<SqliteQueryResult, SqliteRow>;

/// See the head of this file.
pub(super) struct Store {
    path: Option<PathBuf>,
    place: RwLock<Place>,
    /// One move at a time.
    moving: Mutex<()>,
}

struct Place {
    database: Arc<Database>,
    refuge: Option<Refuge>,
}

/// An open database: a connection for writing and, where there can be another, one for reading.
///
/// No pool of them: it asks a connection whether it lives before and after each statement, which takes longer than the
/// statement; and writes of two connections sleep when they meet in the file, those that wait here do not.
pub(super) struct Database {
    writes: Mutex<Option<SqliteConnection>>,
    reads: Option<Mutex<Option<SqliteConnection>>>,
    /// Whoever stands in line here is to go where the store is now.
    is_left: AtomicBool,
}

impl Database {
    pub(super) fn new(writes: SqliteConnection, reads: Option<SqliteConnection>) -> Database {
        Database {
            writes: Mutex::new(Some(writes)),
            reads: reads.map(|reads| Mutex::new(Some(reads))),
            is_left: AtomicBool::new(false),
        }
    }

    /// Waits for a connection that can do this; nothing when the store has left.
    async fn connection(&self, sql: &str) -> Option<MutexGuard<'_, Option<SqliteConnection>>> {
        let reads = self.reads.as_ref().filter(|_| sql.starts_with("SELECT"));
        let connection = reads.unwrap_or(&self.writes).lock().await;
        (!self.is_left.load(Ordering::Acquire)).then_some(connection)
    }

    async fn run(&self, sql: SqlStr, arguments: SqliteArguments, persistent: bool) -> sqlx::Result<Vec<Step>> {
        let mut connection = self.connection(sql.as_str()).await;
        let Some(connection) = connection.as_deref_mut().and_then(Option::as_mut) else {
            return Err(sqlx::Error::PoolClosed);
        };
        let is_together = sql.as_str().starts_with(TOGETHER);
        let steps = steps(connection, sql, arguments, persistent).await;
        if is_together && steps.is_err() {
            let _ = connection.execute("ROLLBACK").await;
        }
        steps
    }

    /// Sends whoever stands in line away, without waiting for them.
    fn leave(&self) {
        self.is_left.store(true, Ordering::Release);
    }

    async fn close(&self) {
        self.leave();
        // Reading first: who writes folds the journal in, if it is the last.
        if let Some(reads) = &self.reads {
            close(reads).await;
        }
        close(&self.writes).await;
    }
}

#[derive(Clone, Copy)]
struct Refuge {
    since: Millis,
    try_home_at: Instant,
}

impl Refuge {
    fn new() -> Refuge {
        Refuge { since: now().saturating_sub(SET_OUT_WITHIN), try_home_at: Instant::now() + HOME_EVERY }
    }
}

impl Store {
    /// The database in memory that was asked for.
    pub(super) async fn memory() -> Result<Store> {
        Ok(Store::at(None, open_memory().await?, None))
    }

    /// The database in this file; a refuge when it cannot be opened.
    pub(super) async fn file(path: &Path) -> Result<Store> {
        match open_file(path).await {
            Ok(pool) => Ok(Store::at(Some(path), pool, None)),
            Err(error) => {
                warn(path, &error);
                Ok(Store::at(Some(path), open_memory().await?, Some(Refuge::new())))
            }
        }
    }

    fn at(path: Option<&Path>, database: Database, refuge: Option<Refuge>) -> Store {
        let place = RwLock::new(Place { database: Arc::new(database), refuge });
        Store { path: path.map(Path::to_owned), place, moving: Mutex::new(()) }
    }

    /// Whether it is in memory although a file was asked for.
    pub(super) fn is_in_refuge(&self) -> bool {
        self.refuge().is_some()
    }

    /// Whether the file that failed is to be tried again.
    pub(super) fn is_time_to_go_home(&self) -> bool {
        self.refuge().is_some_and(|refuge| refuge.try_home_at <= Instant::now())
    }

    /// Closes the file, so that its journal is folded in. A last try to bring home what is in the refuge.
    pub(super) async fn close(&self) {
        if self.is_in_refuge() {
            self.go_home().await;
        }
        self.database().close().await;
    }

    fn database(&self) -> Arc<Database> {
        Arc::clone(&self.place.read().unwrap_or_else(PoisonError::into_inner).database)
    }

    fn refuge(&self) -> Option<Refuge> {
        self.place.read().unwrap_or_else(PoisonError::into_inner).refuge
    }

    fn move_to(&self, database: Database, refuge: Option<Refuge>) {
        let left = {
            let mut place = self.place.write().unwrap_or_else(PoisonError::into_inner);
            place.refuge = refuge;
            std::mem::replace(&mut place.database, Arc::new(database))
        };
        left.leave();
        tokio::spawn(async move { left.close().await });
    }

    async fn run(&self, sql: SqlStr, arguments: SqliteArguments, persistent: bool) -> sqlx::Result<Vec<Step>> {
        let mut moves = 0;
        loop {
            let (database, sql, arguments) = (self.database(), sql.clone(), arguments.clone());
            let outcome = if sql.as_str().starts_with(TOGETHER) {
                // On its own: whoever asked for it may leave, and must not leave it half done.
                let whole = tokio::spawn(async move { database.run(sql, arguments, persistent).await });
                whole.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
            } else {
                database.run(sql, arguments, persistent).await
            };
            let error = match outcome {
                Ok(steps) => return Ok(steps),
                Err(error) => error,
            };
            let has_moved = matches!(error, sqlx::Error::PoolClosed);
            moves += 1;
            if moves > MOVES_MAX || !(has_moved || is_of_the_file(&error)) {
                return Err(error);
            }
            if !has_moved && !Box::pin(self.take_refuge(&error)).await {
                return Err(error);
            }
        }
    }

    /// Moves into memory with what can be read of the file. False when there is no file to flee from.
    async fn take_refuge(&self, why: &sqlx::Error) -> bool {
        let Some(path) = &self.path else { return false };
        let _moving = self.moving.lock().await;
        if self.is_in_refuge() {
            // Somebody else moved meanwhile.
            return true;
        }
        let Ok(memory) = open_memory().await else { return false };
        warn(path, why);
        if let Err(error) = take_along(&memory, path).await {
            tracing::debug!(%error, "the ledger's file cannot be read either");
        }
        self.move_to(memory, Some(Refuge::new()));
        true
    }

    /// Goes back to the file, if it can be used again.
    pub(super) async fn go_home(&self) {
        let Ok(_moving) = self.moving.try_lock() else { return };
        let (Some(path), Some(refuge)) = (&self.path, self.refuge()) else { return };
        if let Some(refuge) = &mut self.place.write().unwrap_or_else(PoisonError::into_inner).refuge {
            refuge.try_home_at = Instant::now() + HOME_EVERY;
        }
        match self.bring_home(path, refuge.since).await {
            Ok(()) => tracing::info!(path = %path.display(), "the ledger's file can be used again"),
            Err(error) => tracing::debug!(%error, "the ledger's file still cannot be used"),
        }
    }

    async fn bring_home(&self, path: &Path, since: Millis) -> sqlx::Result<()> {
        let probe = SqliteConnectOptions::new().filename(path).busy_timeout(HOME_PATIENCE);
        if path.exists() {
            let mut probe = SqliteConnection::connect_with(&probe).await?;
            probe.execute("BEGIN IMMEDIATE").await?;
            probe.execute("ROLLBACK").await?;
            probe.close().await?;
        }
        let home = open_file(path).await.map_err(sqlx::Error::config)?;
        // The only connection of the refuge: held until everybody is sent home, so that nothing is written in between.
        let refuge = self.database();
        let mut held = refuge.connection("").await;
        let Some(connection) = held.as_deref_mut().and_then(Option::as_mut) else {
            return Err(sqlx::Error::PoolClosed);
        };
        attach(connection, path).await?;
        connection.execute("BEGIN IMMEDIATE").await?;
        let mut written = Ok(());
        for statement in HOMECOMING {
            if written.is_ok() {
                written = sqlx::query(statement).bind(since).execute(&mut *connection).await.map(drop);
            }
        }
        let ended = connection.execute(if written.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
        let _ = connection.execute("DETACH DATABASE disk").await;
        written?;
        ended?;
        self.move_to(home, None);
        Ok(())
    }
}

async fn close(connection: &Mutex<Option<SqliteConnection>>) {
    let connection = connection.lock().await.take();
    if let Some(connection) = connection {
        let _ = connection.close().await;
    }
}

fn steps(
    connection: &mut SqliteConnection,
    sql: SqlStr,
    arguments: SqliteArguments,
    persistent: bool,
) -> BoxFuture<'_, sqlx::Result<Vec<Step>>> {
    connection.fetch_many(sqlx::query_with(sql, arguments).persistent(persistent)).try_collect().boxed()
}

/// What was taken along, so that only what is new goes home.
const LEAVING: [&str; 4] = [
    "INSERT INTO main.jobs SELECT * FROM disk.jobs ORDER BY created_at DESC LIMIT $1",
    "INSERT INTO main.spending SELECT * FROM disk.spending",
    "INSERT INTO main.durations SELECT * FROM disk.durations",
    "INSERT INTO main.spending_before SELECT * FROM disk.spending",
];

/// Jobs that changed in the refuge replace those of the file, unless these are at an end or newer. Nothing of another
/// process is overwritten: a `client_request_id` that the file got meanwhile stays with the job that has it there.
const HOMECOMING: [&str; 6] = [
    "CREATE TEMP TABLE newer AS SELECT intent_id FROM main.jobs AS ours
         WHERE (created_at >= $1 OR changed_at >= $1)
             AND NOT EXISTS (SELECT 1 FROM disk.jobs AS theirs WHERE theirs.intent_id = ours.intent_id
                 AND (theirs.status IN ('success', 'failed', 'aborted') OR theirs.changed_at > ours.changed_at))",
    "UPDATE main.jobs SET client_request_id = NULL
         WHERE EXISTS (SELECT 1 FROM disk.jobs AS theirs WHERE theirs.caller = jobs.caller
             AND theirs.client_request_id = jobs.client_request_id AND theirs.intent_id <> jobs.intent_id)",
    "DELETE FROM disk.jobs WHERE intent_id IN (SELECT intent_id FROM newer)",
    "INSERT OR IGNORE INTO disk.jobs SELECT * FROM main.jobs WHERE intent_id IN (SELECT intent_id FROM newer)",
    "INSERT INTO disk.spending (day, caller, operation, requests, credits)
         SELECT ours.day, ours.caller, ours.operation, ours.requests - COALESCE(before.requests, 0), ours.credits - COALESCE(before.credits, 0)
         FROM main.spending AS ours LEFT JOIN main.spending_before AS before
             ON before.day = ours.day AND before.caller = ours.caller AND before.operation = ours.operation
         WHERE ours.requests > COALESCE(before.requests, 0)
     ON CONFLICT (day, caller, operation) DO UPDATE SET requests = requests + excluded.requests, credits = credits + excluded.credits",
    "INSERT INTO disk.durations SELECT * FROM main.durations WHERE true
     ON CONFLICT (operation, bucket) DO UPDATE SET weight = excluded.weight, mean = excluded.mean, squares = excluded.squares
         WHERE excluded.weight > weight",
];

async fn take_along(memory: &Database, path: &Path) -> sqlx::Result<()> {
    let mut held = memory.connection("").await;
    let Some(connection) = held.as_deref_mut().and_then(Option::as_mut) else {
        return Err(sqlx::Error::PoolClosed);
    };
    attach(connection, path).await?;
    let mut taken = Ok(());
    for statement in LEAVING {
        if taken.is_ok() {
            taken = sqlx::query(statement).bind(JOBS_TAKEN_ALONG).execute(&mut *connection).await.map(drop);
        }
    }
    let _ = connection.execute("DETACH DATABASE disk").await;
    taken
}

async fn attach(connection: &mut SqliteConnection, path: &Path) -> sqlx::Result<()> {
    let patience = format!("PRAGMA busy_timeout = {}", HOME_PATIENCE.as_millis());
    connection.execute(AssertSqlSafe(patience)).await?;
    connection
        .execute("CREATE TABLE IF NOT EXISTS main.spending_before AS SELECT * FROM main.spending LIMIT 0")
        .await?;
    connection.execute("DROP TABLE IF EXISTS temp.newer").await?;
    let absolute = std::path::absolute(path).map_err(sqlx::Error::Io)?;
    let mut address =
        url::Url::from_file_path(absolute).map_err(|()| sqlx::Error::Protocol("the path is no address".into()))?;
    // A bare path would be opened as this connection is: in memory.
    address.set_query(Some("mode=rw&cache=private"));
    sqlx::query("ATTACH DATABASE $1 AS disk").bind(address.as_str()).execute(connection).await?;
    Ok(())
}

fn is_of_the_file(error: &sqlx::Error) -> bool {
    match error {
        // A connection whose thread is gone is of no use any more.
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error
            .code()
            .and_then(|code| code.parse::<i32>().ok())
            .is_some_and(|code| FILE_FAILS.contains(&(code & 0xff))),
        _ => false,
    }
}

fn warn(path: &Path, error: &(dyn std::error::Error + Send + Sync)) {
    tracing::warn!(path = %path.display(), %error, "the ledger cannot be used; jobs are remembered in memory only");
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<'c> Executor<'c> for &'c Store {
    type Database = Sqlite;

    fn fetch_many<'e, 'q: 'e, E>(self, mut query: E) -> BoxStream<'e, sqlx::Result<Step>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let (arguments, persistent) = (query.take_arguments(), query.persistent());
        let sql = query.sql();
        let steps = async move {
            let arguments = arguments.map_err(sqlx::Error::Encode)?.unwrap_or_default();
            let steps = self.run(sql, arguments, persistent).await?;
            Ok::<_, sqlx::Error>(stream::iter(steps.into_iter().map(Ok)))
        };
        stream::once(steps).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<SqliteRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let mut rows = self.fetch(query);
        Box::pin(async move { rows.try_next().await })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [sqlx::sqlite::SqliteTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<sqlx::sqlite::SqliteStatement>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let database = self.database();
            let mut held = database.connection("").await;
            match held.as_deref_mut().and_then(Option::as_mut) {
                Some(connection) => connection.prepare_with(sql, parameters).await,
                None => Err(sqlx::Error::PoolClosed),
            }
        })
    }
}
