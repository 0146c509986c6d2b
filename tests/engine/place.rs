//! Where a ledger is kept in a test: a file, or a database of PostgreSQL. A test in [`on_both`] runs once on each.

use std::time::Duration;

use pdfco::config::{DatabaseUrl, LedgerLocation};
use pdfco::jobs::Ledger;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, Row, SqliteConnection};
use tempfile::TempDir;

use crate::support::postgres::{self, Database};
use crate::support::wire::ledger_in;

const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// See the head of this file.
pub enum Place {
    File(TempDir),
    Postgres(Database),
}

impl Place {
    pub fn file() -> Place {
        Place::File(tempfile::tempdir().unwrap())
    }

    /// A new database; none where there is no PostgreSQL.
    pub async fn postgres() -> Option<Place> {
        postgres::database().await.map(Place::Postgres)
    }

    /// As the value of `PDFCO_LEDGER`.
    pub fn value(&self) -> String {
        match self {
            Place::File(folder) => ledger_in(folder.path()),
            Place::Postgres(database) => database.url.clone(),
        }
    }

    pub fn location(&self) -> LedgerLocation {
        match self {
            Place::File(_) => LedgerLocation::File(self.value().into()),
            Place::Postgres(_) => LedgerLocation::Postgres(DatabaseUrl::parse(&self.value()).unwrap()),
        }
    }

    /// A process on this ledger.
    pub fn open(&self) -> Ledger {
        self.keeping(KEPT)
    }

    pub fn keeping(&self, keep: Duration) -> Ledger {
        Ledger::new(self.location(), keep)
    }

    /// A connection of another program to the same ledger.
    pub async fn beside(&self) -> Beside {
        match self {
            Place::File(_) => {
                let options = SqliteConnectOptions::new().filename(self.value()).create_if_missing(true);
                Beside::Sqlite(SqliteConnection::connect_with(&options).await.unwrap())
            }
            Place::Postgres(database) => Beside::Postgres(database.beside().await),
        }
    }
}

/// See [`Place::beside`].
pub enum Beside {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Beside {
    /// Runs one statement or several.
    pub async fn execute(&mut self, sql: impl Into<String>) {
        let sql = AssertSqlSafe(sql.into());
        match self {
            Beside::Sqlite(connection) => connection.execute(sqlx::raw_sql(sql)).await.map(drop).unwrap(),
            Beside::Postgres(connection) => connection.execute(sqlx::raw_sql(sql)).await.map(drop).unwrap(),
        }
    }

    /// The first column of a query, as texts.
    pub async fn texts(&mut self, sql: impl Into<String>) -> Vec<String> {
        let sql = AssertSqlSafe(sql.into());
        match self {
            Beside::Sqlite(connection) => {
                connection.fetch_all(sqlx::query(sql)).await.unwrap().iter().map(|row| row.get(0)).collect()
            }
            Beside::Postgres(connection) => {
                connection.fetch_all(sqlx::query(sql)).await.unwrap().iter().map(|row| row.get(0)).collect()
            }
        }
    }
}

/// A test that runs on a file and on PostgreSQL.
macro_rules! on_both {
    ($($(#[$about:meta])* async fn $name:ident($place:ident: &Place) $body:block)+) => {$(
        $(#[$about])*
        mod $name {
            use super::*;

            async fn run($place: &Place) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                run(&Place::file()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                if let Some(place) = Place::postgres().await {
                    run(&place).await;
                }
            }
        }
    )+};
}

pub(crate) use on_both;
