//! The ledger's rows about tasks.
//!
//! What lives here: writing, moving, finding and listing them, each by the caller they were promised to. What never
//! does: the state of the job behind a task, which stays in the job's own row.

use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Ledger, Millis, failed};
use crate::error::{Error, Result};
use crate::jobs::task::{Task, TaskStatus};
use crate::tenant::Tenant;
use serde_json::Value;

/// Rows that are expired are not found, whether they were tidied up or not.
const ALIVE: &str = "(status IN ('working', 'input_required') OR changed_at + ttl > $2)";

impl Ledger {
    /// Writes a task down, before the client hears of it.
    pub async fn promise(&self, task: &Task) -> Result<()> {
        sqlx::query(
            "INSERT INTO tasks (task_id, caller, tool, intent_id, follow_up, credits_before, status, message, payload, created_at, changed_at, ttl)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(&task.task_id)
        .bind(task.tenant.as_str())
        .bind(&task.tool)
        .bind(&task.intent_id)
        .bind(task.follow_up.to_string())
        .bind(task.credits_before)
        .bind(task.status.as_str())
        .bind(&task.message)
        .bind(task.payload.as_ref().map(Value::to_string))
        .bind(task.created_at)
        .bind(task.changed_at)
        .bind(i64::try_from(task.ttl.as_millis()).unwrap_or(i64::MAX))
        .execute(self.pool().await?)
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// The caller's task with this id, unless its time is over at `at`.
    pub async fn task(&self, tenant: &Tenant, task_id: &str, at: Millis) -> Result<Option<Task>> {
        let statement = format!("SELECT * FROM tasks WHERE caller = $1 AND {ALIVE} AND task_id = $3");
        let row = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(tenant.as_str())
            .bind(at)
            .bind(task_id)
            .fetch_optional(self.pool().await?)
            .await
            .map_err(failed)?;
        row.as_ref().map(|row| read(row).map_err(failed)).transpose()
    }

    /// Moves a task that has not ended; one that has stays as it is. Says whether it moved.
    pub async fn move_task(
        &self,
        task_id: &str,
        status: TaskStatus,
        message: Option<&str>,
        payload: Option<&Value>,
        at: Millis,
    ) -> Result<bool> {
        let moved = sqlx::query(
            "UPDATE tasks SET status = $2, message = COALESCE($3, message), payload = $4, changed_at = $5
             WHERE task_id = $1 AND status IN ('working', 'input_required')",
        )
        .bind(task_id)
        .bind(status.as_str())
        .bind(message)
        .bind(payload.map(Value::to_string))
        .bind(at)
        .execute(self.pool().await?)
        .await
        .map_err(failed)?;
        Ok(moved.rows_affected() == 1)
    }

    /// A page of the caller's tasks, newest first, and where the next one starts.
    ///
    /// # Errors
    /// `invalid_argument` for a cursor that is none of ours.
    pub async fn tasks(
        &self,
        tenant: &Tenant,
        limit: u32,
        cursor: Option<&str>,
        at: Millis,
    ) -> Result<(Vec<Task>, Option<String>)> {
        let (before_at, before_id) = match cursor {
            None => (i64::MAX, ""),
            Some(cursor) => cursor
                .split_once('.')
                .and_then(|(at, id)| Some((at.parse().ok()?, id)))
                .ok_or_else(|| Error::invalid("Invalid cursor.", "Leave `cursor` out for the first page."))?,
        };
        let statement = format!(
            "SELECT * FROM tasks WHERE caller = $1 AND {ALIVE} AND (created_at < $3 OR (created_at = $3 AND task_id < $4))
             ORDER BY created_at DESC, task_id DESC LIMIT $5"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(tenant.as_str())
            .bind(at)
            .bind(before_at)
            .bind(before_id)
            .bind(i64::from(limit) + 1)
            .fetch_all(self.pool().await?)
            .await
            .map_err(failed)?;
        let mut tasks = rows.iter().map(|row| read(row).map_err(failed)).collect::<Result<Vec<_>>>()?;
        let more = tasks.len() > limit as usize;
        tasks.truncate(limit as usize);
        let next = tasks.last().filter(|_| more).map(|last| format!("{}.{}", last.created_at, last.task_id));
        Ok((tasks, next))
    }

    /// Whether any task of the caller changed by itself at or after `since`.
    pub async fn tasks_changed_since(&self, tenant: &Tenant, since: Millis) -> Result<bool> {
        let row = sqlx::query("SELECT 1 FROM tasks WHERE caller = $1 AND changed_at >= $2 LIMIT 1")
            .bind(tenant.as_str())
            .bind(since)
            .fetch_optional(self.pool().await?)
            .await
            .map_err(failed)?;
        Ok(row.is_some())
    }
}

fn read(row: &SqliteRow) -> sqlx::Result<Task> {
    let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
    let ttl: i64 = row.try_get("ttl")?;
    Ok(Task {
        task_id: row.try_get("task_id")?,
        tenant: Tenant::stored(row.try_get::<String, _>("caller")?),
        tool: row.try_get("tool")?,
        intent_id: row.try_get("intent_id")?,
        follow_up: json(row.try_get("follow_up")?).unwrap_or_default(),
        credits_before: row.try_get("credits_before")?,
        status: TaskStatus::from_stored(&row.try_get::<String, _>("status")?),
        message: row.try_get("message")?,
        payload: json(row.try_get("payload")?),
        created_at: row.try_get("created_at")?,
        changed_at: row.try_get("changed_at")?,
        ttl: Duration::from_millis(ttl.unsigned_abs()),
    })
}
