//! Which job an id means: one question for all ids that are asked about at the same moment.
//!
//! What lives here: [`Lookups`]. What never does: any other way to find jobs.

use std::fmt::Write;
use std::sync::LazyLock;

use sqlx::Row;

use super::group::{Group, Sized, Waiting};
use super::store::Store;
use super::{failed, job};
use crate::error::Result;
use crate::jobs::job::Job;
use crate::tenant::Tenant;

/// Parameters of one question.
const PARAMETERS: usize = 3;

static STATEMENT: LazyLock<Sized> = LazyLock::new(|| Sized::new(statement));

/// Whose job, and its id: the service's or ours.
type Question = (Tenant, String);

/// See the head of this file.
#[derive(Default)]
pub(super) struct Lookups(Group<Question, Result<Option<Job>>>);

impl Lookups {
    /// The caller's job with this id.
    pub(super) async fn find(&self, store: &Store, tenant: &Tenant, id: &str) -> Result<Option<Job>> {
        loop {
            let question = (tenant.clone(), id.to_owned());
            // Whoever asked for all of us may have left in the middle: reading again harms nobody.
            if let Some(found) = self.0.ask(question, || |_: &Question| true, |group| find(store, group)).await {
                return found;
            }
        }
    }
}

async fn find(store: &Store, group: Vec<Waiting<Question, Result<Option<Job>>>>) {
    let (text, rows) = STATEMENT.at_least(group.len());
    let mut query = sqlx::query(text);
    for (number, one) in (0i64..).zip(&group) {
        let (tenant, id) = &one.asked;
        query = query.bind(number).bind(tenant.as_str()).bind(id);
    }
    // The rest of the statement's rows ask for nothing.
    for _ in group.len() * PARAMETERS..rows * PARAMETERS {
        query = query.bind(None::<i64>);
    }
    let found = query.fetch_all(store).await.map_err(failed);
    for (number, one) in (0i64..).zip(group) {
        let answer = match &found {
            Ok(rows) => {
                let row = rows.iter().find(|row| row.try_get::<i64, _>("number").is_ok_and(|its| its == number));
                row.map(job).transpose()
            }
            Err(error) => Err(error.share()),
        };
        one.answer(answer);
    }
}

/// The text that answers `size` questions.
fn statement(size: usize) -> String {
    let mut asked = String::new();
    for row in 0..size {
        let comma = if row == 0 { "" } else { ", " };
        let at = |parameter: usize| row * PARAMETERS + parameter;
        let _ = write!(asked, "{comma}(${}, ${}, ${})", at(1), at(2), at(3));
    }
    format!(
        "SELECT asked.number, jobs.* FROM (SELECT column1 AS number, column2 AS whose, column3 AS id FROM (VALUES {asked}) AS given) AS asked
             JOIN jobs ON jobs.caller = asked.whose AND (jobs.job_id = asked.id OR jobs.intent_id = asked.id)"
    )
}
