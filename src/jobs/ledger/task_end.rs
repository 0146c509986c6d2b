//! The end of a task, by whichever call or change reaches it first.

use serde_json::Value;
use sqlx::Executor;
use sqlx::sqlite::SqliteConnection;

use super::Millis;
use crate::jobs::task::TaskStatus;

/// Moves a task that has not ended.
pub(super) async fn end(
    connection: &mut SqliteConnection,
    task_id: &str,
    status: TaskStatus,
    message: Option<&str>,
    payload: Option<&Value>,
    at: Millis,
) -> sqlx::Result<bool> {
    let query = sqlx::query(
        "UPDATE tasks SET status = $2, message = COALESCE($3, message), payload = $4, changed_at = $5
         WHERE task_id = $1 AND status IN ('working', 'input_required')",
    )
    .bind(task_id)
    .bind(status.as_str())
    .bind(message)
    .bind(payload.map(Value::to_string))
    .bind(at);
    Ok(connection.execute(query).await?.rows_affected() == 1)
}
