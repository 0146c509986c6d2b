//! Who did what: one row for each call that spent or wrote something, and for each that was refused, with neither
//! arguments nor texts.
//!
//! Rows are written behind, in order with what the service said, and kept while the ledger cannot be written. They go when
//! they are as old as jobs may get.

use serde::Serialize;
use sqlx::FromRow;

use super::connection::Connection;
use super::keyed::keyed;
use super::statement::statement;
use super::{Ledger, Millis};
use crate::error::Result;
use crate::secret::Fingerprint;
use crate::tenant::Tenant;
use crate::text::shorten;

/// Longest name of a client, in characters: clients name themselves.
const CLIENT_CHARS_MAX: usize = 80;

/// A call, as it is written down.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// When it ended.
    pub at: Millis,
    /// Whose call.
    pub tenant: Tenant,
    /// Whose credits; none where no key was found.
    pub account: Option<Fingerprint>,
    /// What the client calls itself.
    pub client: String,
    /// The tool, or the command.
    pub tool: String,
    /// The job's operation.
    pub operation: Option<String>,
    /// The job.
    pub job_id: Option<String>,
    /// `success`, or the kind of the error.
    pub outcome: String,
    /// What the call was charged, as far as that was reported.
    pub credits: Option<i64>,
}

impl AuditEntry {
    pub(super) async fn write(&self, connection: &mut Connection<'_>, secret: &[u8]) -> sqlx::Result<()> {
        let account = self.account.as_ref().map_or_else(String::new, |account| keyed(secret, account.as_str()));
        let query = statement(
            "INSERT INTO audit (id, at, tenant, account, client, tool, operation, job_id, outcome, credits)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(uuid::Uuid::new_v4().simple().to_string())
        .bind(self.at)
        .bind(keyed(secret, self.tenant.as_str()))
        .bind(account)
        .bind(shorten(&self.client, CLIENT_CHARS_MAX))
        .bind(&self.tool)
        .bind(&self.operation)
        .bind(&self.job_id)
        .bind(&self.outcome)
        .bind(self.credits);
        connection.execute(query).await.map(drop)
    }
}

/// A row of the audit. Tenant and account are as the ledger keeps them.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize)]
pub struct AuditRow {
    /// When the call ended.
    pub at: Millis,
    /// Whose call.
    pub tenant: String,
    /// Whose credits.
    pub account: String,
    /// What the client calls itself.
    pub client: String,
    /// The tool, or the command.
    pub tool: String,
    /// The job's operation.
    pub operation: Option<String>,
    /// The job.
    pub job_id: Option<String>,
    /// `success`, or the kind of the error.
    pub outcome: String,
    /// What the call was charged.
    pub credits: Option<i64>,
}

/// Which rows are shown; all conditions hold.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Since this time.
    pub since: Option<Millis>,
    /// Of this tenant, as the ledger keeps it.
    pub tenant: Option<String>,
    /// Of this tool.
    pub tool: Option<String>,
    /// About this job.
    pub job_id: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// Whatever did not succeed.
    pub is_refused: bool,
}

impl Ledger {
    /// The newest calls that match, at most `limit`.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn audited(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditRow>> {
        let mut query = statement(
            "SELECT at, tenant, account, client, tool, operation, job_id, outcome, credits FROM audit WHERE at >= ",
        )
        .push_bind(filter.since.unwrap_or(Millis::MIN));
        for (column, value) in [
            ("tenant", &filter.tenant),
            ("tool", &filter.tool),
            ("job_id", &filter.job_id),
            ("outcome", &filter.outcome),
        ] {
            if let Some(value) = value {
                query = query.push(" AND ").push(column).push(" = ").push_bind(value);
            }
        }
        if filter.is_refused {
            query = query.push(" AND outcome <> 'success'");
        }
        self.database.read(query.push(" ORDER BY at DESC, id LIMIT ").push_bind(i64::from(limit))).await
    }
}
