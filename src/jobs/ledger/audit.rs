//! A call, as it is written down: one row, with neither arguments nor texts.

use super::Millis;
use super::connection::Connection;
use super::keyed::keyed;
use super::statement::statement;
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
