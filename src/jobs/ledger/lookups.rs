//! Jobs by their ids, many lookups in one statement.

use std::fmt::Write;
use std::sync::LazyLock;

use sqlx::FromRow;

use super::backend::Backend;
use super::batcher::{BatchSql, Batcher, Waiting};
use super::rows::JobRow;
use super::statement::statement;
use crate::error::Result;

/// Parameters of one lookup.
const PARAMETERS: usize = 3;

static STATEMENT: LazyLock<BatchSql> = LazyLock::new(|| BatchSql::new(text_of));

/// A stored tenant, and an id: the service's or ours.
type Lookup = (String, String);

/// A row that answers the lookup with this number.
#[derive(FromRow)]
struct Found {
    number: i64,
    #[sqlx(flatten)]
    job: JobRow,
}

/// See the head of this file.
#[derive(Default)]
pub(super) struct Lookups(Batcher<Lookup, Result<Option<JobRow>>>);

impl Lookups {
    /// The tenant's job with this id.
    pub(super) async fn find(&self, database: &Backend, tenant: &str, id: &str) -> Result<Option<JobRow>> {
        loop {
            let lookup = (tenant.to_owned(), id.to_owned());
            // The caller that served the batch may have been dropped. Reads are idempotent: ask again.
            if let Some(found) = self.0.submit(lookup, |batch| find(database, batch)).await {
                return found;
            }
        }
    }
}

async fn find(database: &Backend, batch: Vec<Waiting<Lookup, Result<Option<JobRow>>>>) {
    let (text, rows) = STATEMENT.at_least(batch.len());
    let mut query = statement(text);
    for (number, one) in (0i64..).zip(&batch) {
        let (tenant, id) = &one.asked;
        query = query.bind(number).bind(tenant).bind(id);
    }
    // The rest of the statement's rows ask for nothing.
    for _ in batch.len()..rows {
        query = query.bind(None::<i64>).bind(None::<&str>).bind(None::<&str>);
    }
    let mut found = database.read::<Found>(query).await;
    for (number, one) in (0i64..).zip(batch) {
        let answer = match &mut found {
            Ok(rows) => {
                let position = rows.iter().position(|row| row.number == number);
                Ok(position.map(|position| rows.swap_remove(position).job))
            }
            Err(error) => Err(error.share()),
        };
        one.answer(answer);
    }
}

/// The text of `size` lookups.
fn text_of(size: usize) -> String {
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
