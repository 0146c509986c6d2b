//! The account: uploads to its storage, its balance and what was spent.

use serde_json::json;
use tokio::time::Instant;
use tracing::Instrument;

use super::sources::named;
use super::uploads::Uploading;
use super::{Answer, App, Caller, or_cancelled};
use crate::charge::Charge;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::jobs::{JobStatus, Spending};
use crate::next_step::NextStep;

impl App {
    /// Uploads a local file to the service's temporary storage.
    ///
    /// # Errors
    /// `file_access`, `too_large`, and as `Client::send`.
    pub async fn upload(&self, caller: &Caller, file_path: &str, name: Option<&str>) -> Result<Answer> {
        let began = Instant::now();
        let file = caller.sandbox.readable(file_path).await?;
        let operation = crate::catalog::find("file_upload_url")?;
        let estimate = self.estimate_of_upload(caller).await;
        let hash = json!([file_path, name, file.bytes]).to_string();
        let document = named([file_path].into_iter());
        if let Some(answer) = self.without_consent(caller, operation, &estimate, &hash, document) {
            return Ok(answer);
        }
        self.jobs.refuse_beyond_budget(&caller.owner, operation).await?;
        let until = caller.max_wait.map(|max| began + max);
        let span = tracing::info_span!("upload", operation = "file_upload", tenant = %caller.owner.tenant);
        let (uploaded, charge) = match self.upload_once(caller, &file, name, true, until).instrument(span).await? {
            Uploading::Done(uploaded, charge) => (uploaded, charge),
            Uploading::GoesOn => {
                let content = json!({"upload": "in progress"});
                let answer = Answer::new(JobStatus::Queued, content, Charge::NONE).with_tips(hint![
                    "The upload takes longer than a call may, and goes on here. Call ",
                    NextStep::Upload,
                    " again with the same arguments: it takes the upload up, which is paid for once."
                ]);
                return Ok(self.finish(caller, answer).await);
            }
        };
        let tips = hint![
            "Pass ",
            NextStep::Field { name: "content.url".into(), meaning: "the link".into() },
            " as ",
            NextStep::Argument("url".into()),
            " of a call. The file is kept for an hour."
        ];
        Ok(self.finish(caller, Answer::success(uploaded.content, charge).with_tips(tips)).await)
    }

    /// The account's balance.
    ///
    /// # Errors
    /// As `Client::send`; `upstream` for an answer without a balance.
    pub async fn balance(&self, caller: &Caller) -> Result<Answer> {
        let operation = crate::catalog::find("account_balance")?;
        let call = crate::jobs::call_for(operation, json!({}), Vec::new());
        let (content, charge) =
            or_cancelled(&caller.cancel, self.jobs.direct(&caller.owner, &call, operation.name)).await?;
        if charge.remaining.is_none() {
            return Err(Error::new(
                Kind::Upstream,
                "The service answered without a balance.",
                "Try again later. If it stays so, check PDFCO_BASE_URL: a proxy or another server may be answering.",
            ));
        }
        if let Some(balance) = charge.remaining {
            self.note_balance(&caller.owner, charge, balance);
        }
        Ok(Answer::success(content, charge))
    }

    /// What the caller spent, by day and operation, newest first, at most `limit` rows.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn spending(&self, caller: &Caller, limit: u32) -> Result<Vec<Spending>> {
        self.jobs.ledger().spending(&caller.owner.tenant, limit).await
    }
}
