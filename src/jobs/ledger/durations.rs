//! What ended jobs taught about how long such jobs take.

use sqlx::Row;

use super::Ledger;
use super::sqlite::{Durability, Patience};
use crate::error::{Error, Result};
use crate::jobs::polling::duration_model::DurationStats;

impl Ledger {
    /// What durations taught about an operation and a size class.
    pub async fn duration_stats(&self, operation: &str, bucket: i64) -> Result<DurationStats> {
        let query = sqlx::query("SELECT weight, mean, squares FROM durations WHERE operation = $1 AND bucket = $2")
            .bind(operation)
            .bind(bucket);
        let rows = self.database.read(query).await?;
        let Some(row) = rows.first() else { return Ok(DurationStats::default()) };
        let read = || -> sqlx::Result<DurationStats> {
            Ok(DurationStats { weight: row.try_get(0)?, mean: row.try_get(1)?, squares: row.try_get(2)? })
        };
        read().map_err(Error::from)
    }

    /// Remembers what durations taught.
    pub async fn learn(&self, operation: &str, bucket: i64, learned: DurationStats) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO durations (operation, bucket, weight, mean, squares) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (operation, bucket) DO UPDATE SET weight = excluded.weight, mean = excluded.mean, squares = excluded.squares",
        )
        .bind(operation)
        .bind(bucket)
        .bind(learned.weight)
        .bind(learned.mean)
        .bind(learned.squares);
        if let Some(problem) = self.database.problem() {
            return Err(problem.error());
        }
        self.database.write(Patience::USUAL, Durability::Relaxed, query).await.map(drop)
    }
}
