//! What ended jobs taught about how long such jobs take.

use super::Ledger;
use super::statement::statement;
use super::work::{Durability, Patience};
use crate::error::Result;
use crate::jobs::polling::duration_model::DurationStats;

impl Ledger {
    /// What durations taught about an operation and a size class.
    pub async fn duration_stats(&self, operation: &str, bucket: i64) -> Result<DurationStats> {
        let query = statement("SELECT weight, mean, squares FROM durations WHERE operation = $1 AND bucket = $2")
            .bind(operation)
            .bind(bucket);
        let known = self.database.read_first(query).await?;
        Ok(known.map_or_else(DurationStats::default, |(weight, mean, squares)| DurationStats { weight, mean, squares }))
    }

    /// Remembers what durations taught.
    pub async fn learn(&self, operation: &str, bucket: i64, learned: DurationStats) -> Result<()> {
        let query = statement(
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
