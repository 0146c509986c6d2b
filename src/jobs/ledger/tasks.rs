//! Rows about tasks: writing, moving, finding and listing them, each by the tenant that it was promised to.
//!
//! The state of the job behind a task stays in the job's own row.

use std::time::Duration;

use serde_json::Value;
use sqlx::FromRow;

use super::changes::Change;
use super::statement::statement;
use super::task_end::end;
use super::work::{Durability, Patience, work};
use super::{Ledger, Millis};
use crate::error::{Error, Result};
use crate::jobs::job_id::IntentId;
use crate::jobs::task::{Task, TaskStatus};
use crate::tenant::Tenant;

/// Rows that are expired are not found, whether they were pruned or not.
const ALIVE: &str = "(status IN ('working', 'input_required') OR changed_at + ttl > $2)";

#[derive(FromRow)]
struct TaskRow {
    task_id: String,
    tool: String,
    intent_id: Option<String>,
    follow_up: String,
    credits_before: i64,
    status: String,
    message: Option<String>,
    payload: Option<String>,
    created_at: Millis,
    changed_at: Millis,
    ttl: i64,
}

impl TaskRow {
    fn task(self, tenant: Tenant) -> Task {
        let json = |text: Option<String>| -> Option<Value> { serde_json::from_str(&text?).ok() };
        Task {
            task_id: self.task_id,
            tenant,
            tool: self.tool,
            intent_id: self.intent_id.map(IntentId::from_stored),
            follow_up: json(Some(self.follow_up)).unwrap_or_default(),
            credits_before: self.credits_before,
            status: TaskStatus::from_stored(&self.status),
            message: self.message,
            payload: json(self.payload),
            created_at: self.created_at,
            changed_at: self.changed_at,
            ttl: Duration::from_millis(self.ttl.unsigned_abs()),
        }
    }
}

impl Ledger {
    /// Writes a task down, before the client learns of it.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written: then there is no task.
    pub async fn promise(&self, task: &Task) -> Result<()> {
        let query = statement(
            "INSERT INTO tasks (task_id, tenant, tool, intent_id, follow_up, credits_before, status, message, payload, created_at, changed_at, ttl)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(&task.task_id)
        .bind(self.stored_for_writing(&task.tenant).await?)
        .bind(&task.tool)
        .bind(task.intent_id.as_deref())
        .bind(task.follow_up.to_string())
        .bind(task.credits_before)
        .bind(task.status.as_str())
        .bind(&task.message)
        .bind(task.payload.as_ref().map(Value::to_string))
        .bind(task.created_at)
        .bind(task.changed_at)
        .bind(i64::try_from(task.ttl.as_millis()).unwrap_or(i64::MAX));
        let written = self.database.write(Patience::USUAL, Durability::Synced, query).await;
        self.watched(written).map(drop)
    }

    /// The tenant's task with this id, unless its time is over at `at`.
    pub async fn task(&self, tenant: &Tenant, task_id: &str, at: Millis) -> Result<Option<Task>> {
        let sql = format!("SELECT * FROM tasks WHERE tenant = $1 AND {ALIVE} AND task_id = $3");
        let query = statement(sql).bind(self.stored(tenant).await?).bind(at).bind(task_id);
        let row = self.database.read_first::<TaskRow>(query).await?;
        Ok(row.map(|row| row.task(tenant.clone())))
    }

    /// Moves a task that has not ended; one that has stays as it is. Says whether it moved. A file that cannot be
    /// written gets it later.
    ///
    /// # Errors
    /// When the ledger refuses the statement.
    pub async fn move_task(
        &self,
        task_id: &str,
        status: TaskStatus,
        message: Option<&str>,
        payload: Option<&Value>,
        at: Millis,
    ) -> Result<bool> {
        let (id, message, payload) = (task_id.to_owned(), message.map(str::to_owned), payload.cloned());
        let (own_id, own_message, own_payload) = (id.clone(), message.clone(), payload.clone());
        let work = work(move |mut connection| {
            Box::pin(async move {
                end(&mut connection, &own_id, status, own_message.as_deref(), own_payload.as_ref(), at).await
            })
        });
        let moved = self.database.transaction(Patience::USUAL, Durability::Synced, work).await;
        match self.watched(moved) {
            Err(error) if super::is_unavailable(&error) => {
                self.pending.behind(Change::TaskEnded { task_id: id, status, message, payload, at });
                Ok(true)
            }
            moved => moved,
        }
    }

    /// A page of the tenant's tasks, newest first, and where the next one starts.
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
        let sql = format!(
            "SELECT * FROM tasks WHERE tenant = $1 AND {ALIVE} AND (created_at < $3 OR (created_at = $3 AND task_id < $4))
             ORDER BY created_at DESC, task_id DESC LIMIT $5"
        );
        let query = statement(sql)
            .bind(self.stored(tenant).await?)
            .bind(at)
            .bind(before_at)
            .bind(before_id)
            .bind(i64::from(limit) + 1);
        let rows = self.database.read::<TaskRow>(query).await?;
        let mut tasks: Vec<Task> = rows.into_iter().map(|row| row.task(tenant.clone())).collect();
        let has_more = tasks.len() > limit as usize;
        tasks.truncate(limit as usize);
        let next = tasks.last().filter(|_| has_more).map(|last| format!("{}.{}", last.created_at, last.task_id));
        Ok((tasks, next))
    }

    /// Whether any task of the tenant changed by itself at or after `since`.
    pub async fn tasks_changed_since(&self, tenant: &Tenant, since: Millis) -> Result<bool> {
        let stored = self.stored(tenant).await?;
        let query = self.changed("SELECT task_id FROM tasks WHERE tenant = $1", &stored, since).push(" LIMIT 1");
        Ok(self.database.read_first::<(String,)>(query).await?.is_some())
    }
}
