//! The schema on a server: made where there is nothing, brought up to date where it is ours, and left alone otherwise.

use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor, Row};

use super::super::health::{Problem, ProblemKind};
use super::problem::problem_of;

/// A step of the schema and its number.
type Step = (i64, &'static str);

/// Schema steps in order; applied ones are never edited.
const STEPS: &[Step] = &[
    (1, include_str!("migrations/001_ledger.sql")),
    (2, include_str!("migrations/002_company.sql")),
    (3, include_str!("migrations/003_check_times.sql")),
];

/// Processes that start together take the steps one after the other. "pdfco" in ASCII, and a number.
const LOCK: i64 = 0x7064_6663_6f00_0001;

/// Tables of the schema that the connection writes to, those of extensions left out.
const TABLES: &str = "SELECT relname::text FROM pg_class
     WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p')
         AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')";

/// Brings the schema up to date and gives the ledger's secret. Nothing is written to a database of another program, nor
/// to one of a newer version.
pub(super) async fn migrate(connection: &mut PgConnection) -> Result<Arc<[u8]>, Problem> {
    migrate_by(connection, STEPS).await
}

/// The newest version that is known here.
pub(super) fn newest() -> i64 {
    STEPS.iter().map(|(version, _)| *version).max().unwrap_or_default()
}

async fn migrate_by(connection: &mut PgConnection, steps: &[Step]) -> Result<Arc<[u8]>, Problem> {
    let newest = steps.iter().map(|(version, _)| *version).max().unwrap_or_default();
    // Where all is as it should be nothing is written: a standby is opened as well.
    match version(connection).await? {
        Some(version) if version > newest => return Err(Problem::new(ProblemKind::Newer)),
        Some(version) if version == newest => {
            if let Some(secret) = secret(connection).await.map_err(|error| problem_of(&error))? {
                return Ok(secret);
            }
        }
        Some(_) | None => {}
    }
    take_steps(connection, steps, newest).await
}

/// The version of the schema; none where there is nothing.
async fn version(connection: &mut PgConnection) -> Result<Option<i64>, Problem> {
    let asked = connection.fetch_all(sqlx::query(TABLES)).await.map_err(|error| problem_of(&error))?;
    let tables: Vec<String> =
        asked.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<_>>().map_err(|error| problem_of(&error))?;
    if tables.iter().any(|table| table == "pdfco_schema") {
        let row = connection.fetch_one("SELECT COALESCE(MAX(version), 0) FROM pdfco_schema").await;
        return row.and_then(|row| row.try_get(0)).map(Some).map_err(|error| problem_of(&error));
    }
    if tables.is_empty() { Ok(None) } else { Err(Problem::new(ProblemKind::Foreign)) }
}

async fn take_steps(connection: &mut PgConnection, steps: &[Step], newest: i64) -> Result<Arc<[u8]>, Problem> {
    let failed = |error: sqlx::Error| problem_of(&error);
    let mut transaction = connection.begin().await.map_err(failed)?;
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK);
    transaction.execute(lock).await.map_err(failed)?;
    // Another process may have taken them while this one waited.
    let known = version(&mut transaction).await?;
    if known.is_some_and(|version| version > newest) {
        return Err(Problem::new(ProblemKind::Newer));
    }
    if known.is_none() {
        let table = "CREATE TABLE pdfco_schema (version BIGINT NOT NULL PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())";
        transaction.execute(table).await.map_err(failed)?;
    }
    for (number, step) in steps.iter().filter(|(number, _)| known.is_none_or(|known| *number > known)) {
        transaction.execute(sqlx::raw_sql(*step)).await.map_err(failed)?;
        let done = sqlx::query("INSERT INTO pdfco_schema (version) VALUES ($1)").bind(number);
        transaction.execute(done).await.map_err(failed)?;
    }
    let text = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let new = sqlx::query("INSERT INTO meta (name, value) VALUES ('secret', $1) ON CONFLICT DO NOTHING").bind(text);
    transaction.execute(new).await.map_err(failed)?;
    let secret = secret(&mut transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    secret.ok_or_else(|| Problem::new(ProblemKind::Foreign))
}

/// The secret of this ledger, if it has one.
async fn secret(connection: &mut PgConnection) -> sqlx::Result<Option<Arc<[u8]>>> {
    let row = connection.fetch_optional("SELECT value FROM meta WHERE name = 'secret'").await?;
    row.map(|row| row.try_get::<String, _>(0).map(|text| Arc::from(text.into_bytes()))).transpose()
}
