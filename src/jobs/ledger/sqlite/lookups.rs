//! Jobs by their ids, many lookups in one statement.

use std::fmt::Write;
use std::sync::LazyLock;

use sqlx::{FromRow, Row};

use super::super::rows::JobRow;
use super::Database;
use super::batcher::{BatchSql, Batcher, Waiting};
use crate::error::{Error, Result};

/// Parameters of one lookup.
const PARAMETERS: usize = 3;

static STATEMENT: LazyLock<BatchSql> = LazyLock::new(|| BatchSql::new(statement));

/// A stored tenant, and an id: the service's or ours.
type Lookup = (String, String);

/// See the head of this file.
#[derive(Default)]
pub(in super::super) struct Lookups(Batcher<Lookup, Result<Option<JobRow>>>);

impl Lookups {
    /// The tenant's job with this id.
    pub(in super::super) async fn find(&self, database: &Database, tenant: &str, id: &str) -> Result<Option<JobRow>> {
        loop {
            let lookup = (tenant.to_owned(), id.to_owned());
            // The caller that served the batch may have been dropped. Reads are idempotent: ask again.
            if let Some(found) = self.0.submit(lookup, |batch| find(database, batch)).await {
                return found;
            }
        }
    }
}

async fn find(database: &Database, batch: Vec<Waiting<Lookup, Result<Option<JobRow>>>>) {
    let (text, rows) = STATEMENT.at_least(batch.len());
    let mut query = sqlx::query(text);
    for (number, one) in (0i64..).zip(&batch) {
        let (tenant, id) = &one.asked;
        query = query.bind(number).bind(tenant).bind(id);
    }
    // The rest of the statement's rows ask for nothing.
    for _ in batch.len() * PARAMETERS..rows * PARAMETERS {
        query = query.bind(None::<i64>);
    }
    let found = database.read(query).await;
    for (number, one) in (0i64..).zip(batch) {
        let answer = match &found {
            Ok(rows) => {
                let row = rows.iter().find(|row| row.try_get::<i64, _>("number").is_ok_and(|its| its == number));
                row.map(|row| JobRow::from_row(row).map_err(Error::from)).transpose()
            }
            Err(error) => Err(error.share()),
        };
        one.answer(answer);
    }
}

/// The text of `size` lookups.
fn statement(size: usize) -> String {
    let mut asked = String::new();
    for row in 0..size {
        let comma = if row == 0 { "" } else { ", " };
        let at = |parameter: usize| row * PARAMETERS + parameter;
        let _ = write!(asked, "{comma}(${}, ${}, ${})", at(1), at(2), at(3));
    }
    format!(
        "SELECT asked.number, jobs.* FROM (SELECT column1 AS number, column2 AS whose, column3 AS id FROM (VALUES {asked}) AS given) AS asked
             JOIN jobs ON jobs.tenant = asked.whose AND (jobs.job_id = asked.id OR jobs.intent_id = asked.id)"
    )
}
