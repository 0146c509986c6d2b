//! Pruning: ended jobs that are too old are forgotten, and links that have expired are taken out of answers.
//!
//! It runs in a task of its own, in small transactions. Only what has ended is forgotten, and never because a clock
//! jumped: after a jump forward nothing is pruned until the clock has stayed there for a day.

use std::time::Duration;

use super::Millis;
use super::backend::Backend;
use super::connection::Lock;
use super::statement::{Statement, statement};
use super::work::{Durability, Patience, work};
use crate::clock::day;
use crate::error::Result;
use crate::jobs::job::without_links;
use serde_json::Value;

/// Rows that are pruned in one transaction.
const BATCH: i64 = 500;
/// Between two transactions: others may want to write.
const PAUSE: Duration = Duration::from_millis(5);
/// Slots of the shared pace older than this are forgotten.
pub(super) const PACE_KEPT: Millis = 60_000;
/// Spending older than this is forgotten: two years, in milliseconds.
const SPENDING_KEPT: Millis = 730 * DAY;
/// What was set aside for a request counts for its day only.
const RESERVATIONS_KEPT: Millis = 3 * DAY;
/// Prices older than this are forgotten.
const PRICES_KEPT: Millis = 180 * DAY;
/// Rows of the audit that are kept at most.
const AUDIT_MAX: i64 = 1_000_000;
/// No session lasts this long without being used.
const SESSIONS_KEPT: Millis = DAY;
/// A clock that is further ahead of the last time than this has jumped, or the ledger was not used for so long.
const JUMP: Millis = 2 * DAY;
/// So long nothing is pruned after a jump.
const SUSPECTED: Millis = DAY;
const DAY: Millis = 86_400_000;

/// Forgets what ended longer than `keep` ago, and everything else that is too old by its own rule.
pub(super) async fn prune(database: &Backend, now: Millis, keep: Duration) -> Result<()> {
    if !is_clock_trusted(database, now).await? {
        tracing::info!("the clock is far ahead of the ledger's last use: nothing is forgotten for a day");
        return Ok(());
    }
    let oldest = now.saturating_sub(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
    let ended = "DELETE FROM jobs WHERE intent_id IN (SELECT intent_id FROM jobs
             WHERE status IN ('success', 'failed', 'aborted', 'unknown', 'cancelled') AND changed_at < $1 AND created_at < $1 LIMIT $2)";
    while delete(database, ended, oldest).await? >= BATCH as usize {
        tokio::time::sleep(PAUSE).await;
    }
    let tasks = "DELETE FROM tasks WHERE task_id IN (SELECT task_id FROM tasks
             WHERE status NOT IN ('working', 'input_required') AND changed_at + ttl <= $1 LIMIT $2)";
    while delete(database, tasks, now).await? >= BATCH as usize {
        tokio::time::sleep(PAUSE).await;
    }
    // A task that is still open goes with its job, or when it is as old as jobs may get.
    let open = "DELETE FROM tasks WHERE task_id IN (SELECT task_id FROM tasks WHERE created_at < $1
             AND (intent_id IS NULL OR NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.intent_id = tasks.intent_id)) LIMIT $2)";
    delete(database, open, oldest).await?;
    let audit = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 LIMIT $2)";
    while delete(database, audit, oldest).await? >= BATCH as usize {
        tokio::time::sleep(PAUSE).await;
    }
    let surplus = "DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY at DESC LIMIT $2 OFFSET $1)";
    while delete(database, surplus, AUDIT_MAX).await? >= BATCH as usize {
        tokio::time::sleep(PAUSE).await;
    }
    for (sql, before) in [
        ("DELETE FROM pace WHERE at < $1", now.saturating_sub(PACE_KEPT)),
        ("DELETE FROM reservations WHERE at < $1", now.saturating_sub(RESERVATIONS_KEPT)),
        ("DELETE FROM prices WHERE at < $1", now.saturating_sub(PRICES_KEPT)),
        ("DELETE FROM sessions WHERE used < $1", now.saturating_sub(SESSIONS_KEPT)),
    ] {
        write(database, statement(sql).bind(before)).await?;
    }
    write(database, statement("DELETE FROM spending WHERE day < $1").bind(day(now.saturating_sub(SPENDING_KEPT))))
        .await?;
    while expire_links(database, now).await? >= BATCH as usize {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn delete(database: &Backend, sql: &'static str, before: Millis) -> Result<usize> {
    write(database, statement(sql).bind(before).bind(BATCH)).await
}

/// Changes rows while no other process writes what was learned: rows of many jobs are locked at once.
async fn write(database: &Backend, query: Statement) -> Result<usize> {
    let work = work(move |mut connection| {
        Box::pin(async move {
            connection.lock(&[Lock::Changes]).await?;
            connection.execute(query).await
        })
    });
    let changed = database.transaction(Patience::USUAL, Durability::Relaxed, work).await?;
    Ok(usize::try_from(changed).unwrap_or(usize::MAX))
}

/// Takes the links out of answers whose links have expired. How many there were.
async fn expire_links(database: &Backend, now: Millis) -> Result<usize> {
    let query =
        statement("SELECT intent_id, content FROM jobs WHERE links_expire_at > 0 AND links_expire_at < $1 LIMIT $2")
            .bind(now)
            .bind(BATCH);
    let expired: Vec<(String, Option<String>)> = database.read(query).await?;
    if expired.is_empty() {
        return Ok(0);
    }
    let mut query = statement("WITH clean (id, body) AS (VALUES ");
    for (position, (id, content)) in expired.iter().enumerate() {
        let clean = content.as_ref().and_then(|content| serde_json::from_str::<Value>(content).ok());
        let clean = clean.map(|content| without_links(&content, "expired").to_string());
        query = query.push(if position == 0 { "(" } else { ", (" });
        query = query.push_bind(id).push(", ").push_bind(clean).push(")");
    }
    // Another check may have brought new links a moment ago: those stay.
    let query = query.push(
        ") UPDATE jobs SET content = clean.body, links_expire_at = 0 FROM clean
           WHERE jobs.intent_id = clean.id AND jobs.links_expire_at > 0 AND jobs.links_expire_at < ",
    );
    write(database, query.push_bind(now)).await?;
    Ok(expired.len())
}

/// Whether the clock can be believed: it did not jump forward since the ledger was last used, or it has stayed there for
/// a day since.
async fn is_clock_trusted(database: &Backend, now: Millis) -> Result<bool> {
    let work = work(move |mut connection| {
        Box::pin(async move {
            let read = "SELECT (SELECT value FROM meta WHERE name = 'clock_seen'), (SELECT value FROM meta WHERE name = 'clock_jumped')";
            let known: Option<(Option<String>, Option<String>)> = connection.row(statement(read)).await?;
            let time = |text: Option<String>| -> Option<Millis> { text?.parse().ok() };
            let (seen, jumped) = known.map_or((None, None), |(seen, jumped)| (time(seen), time(jumped)));
            let newest = statement("SELECT MAX(changed_at) FROM jobs WHERE changed_at <= $1").bind(now);
            let newest = connection.row::<(Option<Millis>,)>(newest).await?.and_then(|(newest,)| newest);
            let (jumped, is_trusted) = judge(now, seen.or(newest), jumped);
            let write = "INSERT INTO meta (name, value) VALUES ('clock_seen', $1), ('clock_jumped', $2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            let jumped = jumped.map(|at| at.to_string()).unwrap_or_default();
            connection.execute(statement(write).bind(now.to_string()).bind(jumped)).await?;
            Ok(is_trusted)
        })
    });
    database.transaction(Patience::USUAL, Durability::Relaxed, work).await
}

/// The jump that is still suspected, and whether to prune.
fn judge(now: Millis, seen: Option<Millis>, jumped: Option<Millis>) -> (Option<Millis>, bool) {
    match (seen, jumped) {
        // Set back: whatever was suspected is over, and what is old by this clock is old.
        (Some(seen), _) if now < seen => (None, true),
        (_, Some(jumped)) if now.saturating_sub(jumped) >= SUSPECTED => (None, true),
        (_, Some(jumped)) => (Some(jumped), false),
        (Some(seen), None) if now.saturating_sub(seen) > JUMP => (Some(now), false),
        (_, None) => (None, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumped_is_trusted_after_a_day() {
        let now = 1_000 * DAY;
        assert_eq!(judge(now, None, None), (None, true), "a new ledger");
        assert_eq!(judge(now, Some(now - DAY), None), (None, true));
        assert_eq!(judge(now, Some(now - 40 * DAY), None), (Some(now), false), "forty days ahead");
        assert_eq!(judge(now + DAY / 2, Some(now), Some(now)), (Some(now), false));
        assert_eq!(judge(now + DAY, Some(now), Some(now)), (None, true));
        assert_eq!(judge(now - 40 * DAY, Some(now), Some(now)), (None, true), "set back again");
        assert_eq!(judge(now + 7 * DAY, Some(now), Some(now)), (None, true), "used once a week");
    }
}
