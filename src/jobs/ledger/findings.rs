//! What was found out about the service with an account.

use serde_json::Value;
use sqlx::Row;

use super::Ledger;
use super::keyed::keyed;
use super::sqlite::{Durability, Patience};
use crate::error::{Error, Result};
use crate::secret::Fingerprint;

impl Ledger {
    /// What was kept with [`Ledger::keep_findings`] for this account.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be read.
    pub async fn findings(&self, account: &Fingerprint) -> Result<Option<Value>> {
        let secret = self.database.secret().await?;
        let query = sqlx::query("SELECT value FROM meta WHERE name = $1").bind(name_of(&secret, account));
        let rows = self.database.read(query).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let text: String = row.try_get(0).map_err(Error::from)?;
        Ok(serde_json::from_str(&text).ok())
    }

    /// Keeps what was found out about the service with this account, in place of what was kept before.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written.
    pub async fn keep_findings(&self, account: &Fingerprint, findings: &Value) -> Result<()> {
        let secret = self.writable_secret().await?;
        let query = sqlx::query(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name_of(&secret, account))
        .bind(findings.to_string());
        self.database.write(Patience::USUAL, Durability::Relaxed, query).await.map(drop)
    }
}

fn name_of(secret: &[u8], account: &Fingerprint) -> String {
    format!("service:{}", keyed(secret, account.as_str()))
}
