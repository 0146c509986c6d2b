//! The ledger's file before its first statement: made for this user alone, opened, its schema brought up to date.
//!
//! What lives here: [`open_file`] and [`open_memory`], which several processes may race through. What never does:
//! statements about jobs, or what happens when the file fails later (`store.rs`).

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use tokio::time::Instant;

use super::failed;
use super::store::Database;
use crate::error::{Error, Kind, Result};

/// Schema steps in order; applied ones are never edited.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "jobs", include_str!("001_jobs.sql")),
    (2, "engine", include_str!("002_engine.sql")),
    (3, "tasks", include_str!("003_tasks.sql")),
];

/// How often the schema steps are tried while other processes take them too.
const MIGRATE_ATTEMPTS: u64 = 6;

/// What a connection keeps of the file in memory, in SQLite's words: 256 KiB. The system keeps the rest anyway.
const PAGES_KEPT: &str = "-256";

/// How long a statement waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a database that ends with its connection.
pub(super) async fn open_memory() -> Result<Database> {
    let options = SqliteConnectOptions::new().in_memory(true).disable_statement_logging();
    // The memory is the connection's: there is no second one.
    let mut connection = options.connect().await.map_err(failed)?;
    migrate(&mut connection).await?;
    Ok(Database::new(connection, None))
}

/// Opens the file at `path`, which need not be there yet.
pub(super) async fn open_file(path: &Path) -> Result<Database> {
    create_private(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // With WAL this survives the death of the process; only a power cut can take back the last moments.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("cache_size", PAGES_KEPT)
        // A statement that waited for a lock is no news to the user; one that failed is, and is told once.
        .disable_statement_logging();
    let mut writes = connect(&options).await?;
    migrate(&mut writes).await?;
    Ok(Database::new(writes, Some(connect(&options).await?)))
}

async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection> {
    let started = Instant::now();
    loop {
        match options.connect().await {
            Ok(connection) => return Ok(connection),
            // Whoever opens a new file turns its journal on, which does not wait for others who do the same.
            Err(error) if is_contended(&error) && started.elapsed() < BUSY_TIMEOUT => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Whether a statement failed only because another connection was at the file: SQLite's busy, locked and schema.
fn is_contended(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6 | 17))
}

/// Makes the folder and the file for this user alone: the ledger knows which documents were worked on.
fn create_private(path: &Path) -> Result<()> {
    let refused = |error: std::io::Error| {
        Error::new(
            Kind::FileAccess,
            format!("The ledger {} cannot be written.", path.display()),
            "Set PDFCO_LEDGER to a file in a folder of yours, or to `memory`.",
        )
        .with_source(error)
    };
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    let mut file = std::fs::OpenOptions::new();
    file.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        folder.mode(0o700);
        file.mode(0o600);
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        folder.create(parent).map_err(refused)?;
    }
    file.open(path).map_err(refused)?;
    Ok(())
}

async fn migrate(connection: &mut SqliteConnection) -> Result<()> {
    let steps = MIGRATIONS
        .iter()
        .map(|(version, name, sql)| {
            Migration::new(*version, (*name).into(), MigrationType::Simple, sqlx::SqlSafeStr::into_sql_str(*sql), false)
        })
        .collect();
    let migrator = Migrator::with_migrations(steps);
    let started = Instant::now();
    let mut attempt = 0;
    loop {
        attempt += 1;
        match migrator.run_direct(None, connection, false).await {
            Ok(()) => return Ok(()),
            // Another process may be taking the same steps at this moment; afterwards there is nothing left to do.
            Err(
                sqlx::migrate::MigrateError::Execute(error) | sqlx::migrate::MigrateError::ExecuteMigration(error, _),
            ) if (attempt < MIGRATE_ATTEMPTS || is_contended(&error)) && started.elapsed() < BUSY_TIMEOUT => {
                tokio::time::sleep(Duration::from_millis((50 * attempt).min(250))).await;
            }
            Err(error) => {
                return Err(Error::new(
                    Kind::FileAccess,
                    "The ledger's file is not one that this version can use.",
                    "It is damaged or was written by a newer pdfco. Move it away, or set PDFCO_LEDGER to another file.",
                )
                .with_source(error));
            }
        }
    }
}
