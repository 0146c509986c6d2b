//! The schema, step by step, and the secret that goes with the fourth.

use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor, Row};
use tokio::time::Instant;

use super::super::health::{Problem, ProblemKind};
use super::super::keyed::keyed;

/// Schema steps in order; applied ones are never edited.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "jobs", include_str!("migrations/001_jobs.sql")),
    (2, "engine", include_str!("migrations/002_engine.sql")),
    (3, "tasks", include_str!("migrations/003_tasks.sql")),
    (4, "tenants", include_str!("migrations/004_tenants.sql")),
    (5, "company", include_str!("migrations/005_company.sql")),
    (6, "check_times", include_str!("migrations/006_check_times.sql")),
];

/// How often the schema steps are tried while other processes take them too.
const ATTEMPTS: u64 = 6;

/// Columns that hold a tenant or an account, rewritten when the secret is made.
const KEYED_COLUMNS: [(&str, &str); 7] = [
    ("jobs", "tenant"),
    ("jobs", "account"),
    ("tasks", "tenant"),
    ("spending", "tenant"),
    ("pace", "account"),
    ("balances", "account"),
    ("prices", "account"),
];

/// Brings the schema up to date and gives the ledger's secret.
pub(super) async fn migrate(connection: &mut SqliteConnection, deadline: Instant) -> Result<Arc<[u8]>, Problem> {
    let steps = MIGRATIONS
        .iter()
        .map(|(version, name, sql)| {
            Migration::new(*version, (*name).into(), MigrationType::Simple, sqlx::SqlSafeStr::into_sql_str(*sql), false)
        })
        .collect();
    let migrator = Migrator::with_migrations(steps);
    let mut attempt = 0;
    loop {
        attempt += 1;
        match migrator.run_direct(None, connection, false).await {
            Ok(()) => break,
            // Another process may be taking the same steps at this moment; afterwards there is nothing left to do.
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _))
                if attempt < ATTEMPTS
                    || (ProblemKind::of(&error) == Some(ProblemKind::Locked) && Instant::now() < deadline) =>
            {
                tokio::time::sleep(Duration::from_millis((50 * attempt).min(250))).await;
            }
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                return Err(Problem::new(ProblemKind::of(&error).unwrap_or(ProblemKind::Damaged)));
            }
            Err(MigrateError::VersionMissing(version)) if version > newest() => {
                return Err(Problem::new(ProblemKind::Newer));
            }
            Err(_) => return Err(Problem::new(ProblemKind::Damaged)),
        }
    }
    loop {
        match make_secret(connection).await {
            Ok(secret) => return Ok(secret),
            Err(error) if ProblemKind::of(&error) == Some(ProblemKind::Locked) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(Problem::new(ProblemKind::of(&error).unwrap_or(ProblemKind::Damaged))),
        }
    }
}

fn newest() -> i64 {
    MIGRATIONS.iter().map(|(version, _, _)| *version).max().unwrap_or_default()
}

/// The secret of this ledger, if it has one.
pub(super) async fn secret(connection: &mut SqliteConnection) -> sqlx::Result<Option<Arc<[u8]>>> {
    let row = sqlx::query("SELECT value FROM meta WHERE name = 'secret'").fetch_optional(connection).await?;
    row.map(|row| row.try_get::<String, _>(0).map(|text| Arc::from(text.into_bytes()))).transpose()
}

/// The secret of this ledger; the first that asks makes it and rewrites what was kept without one.
async fn make_secret(connection: &mut SqliteConnection) -> sqlx::Result<Arc<[u8]>> {
    if let Some(secret) = secret(connection).await? {
        return Ok(secret);
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    if let Some(secret) = secret(&mut transaction).await? {
        return Ok(secret);
    }
    let text = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    for (table, column) in KEYED_COLUMNS {
        let found = format!("SELECT DISTINCT {column} FROM {table} WHERE {column} <> ''");
        let rows = transaction.fetch_all(sqlx::AssertSqlSafe(found)).await?;
        for row in rows {
            let plain: String = row.try_get(0)?;
            let rewrite = format!("UPDATE {table} SET {column} = $1 WHERE {column} = $2");
            let kept = keyed(text.as_bytes(), &plain);
            transaction.execute(sqlx::query(sqlx::AssertSqlSafe(rewrite)).bind(kept).bind(plain)).await?;
        }
    }
    sqlx::query("INSERT INTO meta (name, value) VALUES ('secret', $1)").bind(&text).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Arc::from(text.into_bytes()))
}
