//! Cancelling: tracking of a job stops, whatever the service goes on doing.

use super::{Job, JobId, Jobs};
use crate::clock::now;
use crate::error::Result;
use crate::tenant::Owner;

impl Jobs {
    /// Stops tracking a job. Returns it as it is now, and whether this call changed it. Waits for it end at once.
    ///
    /// # Errors
    /// `not_found` when the ledger does not know it.
    pub async fn cancel(&self, owner: &Owner, id: &JobId) -> Result<(Job, bool)> {
        let job = self.get(owner, id).await?;
        let (job, changed) = self.core.ledger.cancel(&job, now()).await?;
        self.poller.publish(&job);
        Ok((job, changed))
    }
}
