//! One pace for all processes that use the same account.

use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, Lock};
use super::keyed::keyed;
use super::prune::PACE_KEPT;
use super::statement::statement;
use super::work::{Durability, Patience, work};
use super::{Ledger, Millis};
use crate::error::Result;
use crate::secret::Fingerprint;

/// A slot that is further ahead than this was taken under a clock that has been set back since. Less than this can be
/// another process that had not to wait for the file as long as we had.
const PACE_AHEAD: Millis = 10_000;

impl Ledger {
    /// Takes one of the `limit` slots that an account has in `window`, over all processes. `Some` is how long to wait
    /// before asking again.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written: then the pace of other processes is not known.
    pub async fn reserve(
        &self,
        account: &Fingerprint,
        limit: u32,
        window: Duration,
        at: Millis,
    ) -> Result<Option<Duration>> {
        // Counted from here: opening the file takes time too.
        let asked = Instant::now();
        if let Some(problem) = self.database.problem() {
            return Err(problem.error());
        }
        let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        let stored = keyed(&self.writable_secret().await?, account.as_str());
        let work = work(move |mut connection| {
            Box::pin(async move {
                connection.lock(&[Lock::Pace(&stored)]).await?;
                // The ledger may have made us wait: the request leaves only now.
                let waited = i64::try_from(asked.elapsed().as_millis()).unwrap_or(i64::MAX);
                let at = connection.time(at.saturating_add(waited)).await?;
                take(&mut connection, &stored, limit, window, at).await
            })
        });
        let taken = self.database.transaction(Patience::USUAL, Durability::Relaxed, work).await;
        Ok(self.watched(taken)?.map(|wait| Duration::from_millis(wait.unsigned_abs())))
    }
}

async fn take(
    connection: &mut Connection<'_>,
    account: &str,
    limit: u32,
    window: Millis,
    at: Millis,
) -> sqlx::Result<Option<Millis>> {
    let query = statement(
        "INSERT INTO pace (account, at) SELECT $1, $2
         WHERE (SELECT COUNT(*) FROM pace WHERE account = $1 AND at > $2 - $3 AND at <= $5) < $4",
    )
    .bind(account)
    .bind(at)
    .bind(window)
    .bind(i64::from(limit))
    .bind(at.saturating_add(PACE_AHEAD));
    if connection.execute(query).await? == 1 {
        let query = statement("DELETE FROM pace WHERE account = $1 AND (at < $2 OR at > $3)")
            .bind(account)
            .bind(at.saturating_sub(PACE_KEPT))
            .bind(at.saturating_add(PACE_KEPT));
        return connection.execute(query).await.map(|_| None);
    }
    let query = statement(
        "SELECT MIN(at) FROM (SELECT at FROM pace WHERE account = $1 AND at <= $3 ORDER BY at DESC LIMIT $2) AS newest",
    )
    .bind(account)
    .bind(i64::from(limit))
    .bind(at.saturating_add(PACE_AHEAD));
    let oldest = connection.row::<(Option<i64>,)>(query).await?.and_then(|(oldest,)| oldest);
    Ok(Some(oldest.map_or(0, |oldest| oldest.saturating_add(window).saturating_sub(at)).clamp(1, window)))
}
