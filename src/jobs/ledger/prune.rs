//! Tidying up: what is too old goes, links that have expired are taken out of answers.
//!
//! What lives here: [`prune`]. What never does: when it is time for it.

use std::time::Duration;

use serde_json::Value;
use sqlx::Row;

use super::pace::PACE_KEPT;
use super::spending::day;
use super::store::Store;
use super::{Millis, failed};
use crate::error::Result;
use crate::jobs::job::without_links;

/// Rows that are tidied up in one go.
const PRUNE_BATCH: usize = 1_000;

/// Spending older than this is forgotten: two years, in milliseconds.
const SPENDING_KEPT: Millis = 730 * 86_400_000;

/// Removes jobs and tasks that are older than `keep`, and everything else that is too old by its own rule.
pub(super) async fn prune(store: &Store, now: Millis, keep: Duration) -> Result<()> {
    let oldest = now.saturating_sub(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
    sqlx::query("DELETE FROM jobs WHERE created_at < $1").bind(oldest).execute(store).await.map_err(failed)?;
    sqlx::query(
        "DELETE FROM tasks WHERE created_at < $1 OR (status NOT IN ('working', 'input_required') AND changed_at + ttl <= $2)",
    )
    .bind(oldest)
    .bind(now)
    .execute(store)
    .await
    .map_err(failed)?;
    sqlx::query("DELETE FROM spending WHERE day < $1")
        .bind(day(now.saturating_sub(SPENDING_KEPT)))
        .execute(store)
        .await
        .map_err(failed)?;
    sqlx::query("DELETE FROM pace WHERE at < $1")
        .bind(now.saturating_sub(PACE_KEPT))
        .execute(store)
        .await
        .map_err(failed)?;
    loop {
        let expired = sqlx::query("SELECT intent_id, content FROM jobs WHERE links_expire_at > 0 AND links_expire_at < $1 AND content IS NOT NULL LIMIT $2")
            .bind(now)
            .bind(PRUNE_BATCH as i64)
            .fetch_all(store)
            .await
            .map_err(failed)?;
        for row in &expired {
            let (intent_id, content): (String, String) =
                (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
            let clean = serde_json::from_str::<Value>(&content)
                .map(|content| without_links(&content, "expired").to_string())
                .unwrap_or_default();
            // Another look may have brought new links a moment ago: those stay.
            sqlx::query(
                "UPDATE jobs SET content = $2, links_expire_at = 0 WHERE intent_id = $1 AND links_expire_at < $3",
            )
            .bind(intent_id)
            .bind(clean)
            .bind(now)
            .execute(store)
            .await
            .map_err(failed)?;
        }
        if expired.len() < PRUNE_BATCH {
            return Ok(());
        }
    }
}
