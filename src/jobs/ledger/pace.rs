//! One pace for all processes that use the same key.
//!
//! What lives here: the places of a key in a window of time, in the file. What never does: waiting for one
//! (`api/rate_limit.rs`).

use std::time::Duration;

use sqlx::Row;

use super::{Ledger, Millis, failed};
use crate::clock::now;
use crate::error::Result;
use crate::secret::Fingerprint;

/// Places of the pace older than this are forgotten.
pub(super) const PACE_KEPT: Millis = 60_000;

/// A place that was taken this much later than asked for is put right.
const PACE_LATE: Millis = 10;

/// A place of the pace that is further ahead than this was taken under a clock that has been set back since. Less than
/// this can be another process that had not to wait for the file as long as we had.
const PACE_AHEAD: Millis = 10_000;

impl Ledger {
    /// ResponseMode one of the `limit` places that a key has in `window`, over all processes. `Some` is how long to wait
    /// before asking again.
    pub async fn reserve(
        &self,
        caller: &Fingerprint,
        limit: u32,
        window: Duration,
        at: Millis,
    ) -> Result<Option<Duration>> {
        let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        let pool = self.pool().await?;
        let taken = sqlx::query(
            "INSERT INTO pace (caller, at) SELECT $1, $2
             WHERE (SELECT COUNT(*) FROM pace WHERE caller = $1 AND at > $2 - $3 AND at <= $5) < $4",
        )
        .bind(caller.as_str())
        .bind(at)
        .bind(window)
        .bind(i64::from(limit))
        .bind(at.saturating_add(PACE_AHEAD))
        .execute(pool)
        .await
        .map_err(failed)?;
        if taken.rows_affected() == 1 {
            let late = now().saturating_sub(at);
            if (PACE_LATE..PACE_AHEAD).contains(&late) {
                // The file made us wait: the request leaves only now.
                sqlx::query("UPDATE pace SET at = $2 WHERE rowid = $1")
                    .bind(taken.last_insert_rowid())
                    .bind(at.saturating_add(late))
                    .execute(pool)
                    .await
                    .map_err(failed)?;
            }
            sqlx::query("DELETE FROM pace WHERE caller = $1 AND (at < $2 OR at > $3)")
                .bind(caller.as_str())
                .bind(at.saturating_sub(PACE_KEPT))
                .bind(at.saturating_add(PACE_KEPT))
                .execute(pool)
                .await
                .map_err(failed)?;
            return Ok(None);
        }
        let oldest: Option<i64> = sqlx::query(
            "SELECT MIN(at) FROM (SELECT at FROM pace WHERE caller = $1 AND at <= $3 ORDER BY at DESC LIMIT $2) AS newest",
        )
        .bind(caller.as_str())
        .bind(i64::from(limit))
        .bind(at.saturating_add(PACE_AHEAD))
        .fetch_one(pool)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
        let wait = oldest.map_or(0, |oldest| oldest.saturating_add(window).saturating_sub(at)).clamp(1, window);
        Ok(Some(Duration::from_millis(wait.unsigned_abs())))
    }
}
