//! The end of a task, by whichever call or change reaches it first.

use serde_json::Value;

use super::Millis;
use super::connection::Connection;
use super::statement::statement;
use crate::jobs::task::TaskStatus;

/// Moves a task that has not ended.
pub(super) async fn end(
    connection: &mut Connection<'_>,
    task_id: &str,
    status: TaskStatus,
    message: Option<&str>,
    payload: Option<&Value>,
    at: Millis,
) -> sqlx::Result<bool> {
    let query = statement(
        "UPDATE tasks SET status = $2, message = COALESCE($3, message), payload = $4, changed_at = $5
         WHERE task_id = $1 AND status IN ('working', 'input_required')",
    )
    .bind(task_id)
    .bind(status.as_str())
    .bind(message)
    .bind(payload.map(Value::to_string))
    .bind(at);
    Ok(connection.execute(query).await? == 1)
}
