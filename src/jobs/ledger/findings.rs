//! What was found out about the service with an account.

use serde_json::Value;

use super::Ledger;
use super::keyed::keyed;
use super::statement::statement;
use super::work::{Durability, Patience};
use crate::error::Result;
use crate::secret::Fingerprint;

impl Ledger {
    /// What was kept with [`Ledger::keep_findings`] for this account.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be read.
    pub async fn findings(&self, account: &Fingerprint) -> Result<Option<Value>> {
        let secret = self.database.secret().await?;
        let query = statement("SELECT value FROM meta WHERE name = $1").bind(name_of(&secret, account));
        let known: Option<(String,)> = self.database.read_first(query).await?;
        Ok(known.and_then(|(text,)| serde_json::from_str(&text).ok()))
    }

    /// Keeps what was found out about the service with this account, in place of what was kept before.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written.
    pub async fn keep_findings(&self, account: &Fingerprint, findings: &Value) -> Result<()> {
        let secret = self.writable_secret().await?;
        let query = statement(
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
