//! The account: uploads to its storage, its balance and what was spent.

use serde_json::json;
use tracing::Instrument;

use super::{Answer, App, Caller, Event, or_cancelled};
use crate::error::{Error, Kind, Result};
use crate::files::upload;
use crate::hint;
use crate::jobs::Spending;
use crate::next_step::NextStep;

impl App {
    /// Uploads a local file to the service's temporary storage.
    ///
    /// # Errors
    /// `file_access`, `too_large`, and as `Client::send`.
    pub async fn upload(&self, caller: &Caller, file_path: &str, name: Option<&str>) -> Result<Answer> {
        let file = caller.sandbox.readable(file_path).await?;
        self.jobs.refuse_beyond_budget(&caller.owner, crate::catalog::find("file_upload_url")?).await?;
        caller.emit(Event::Uploading { name: file_path.to_owned(), bytes: file.bytes });
        let uploading =
            upload(&self.jobs, &self.client, &self.hosts, &caller.owner, &file, name, self.config.max_file_bytes);
        let span = tracing::info_span!("upload", operation = "file_upload", tenant = %caller.owner.tenant);
        let uploaded = or_cancelled(&caller.cancel, uploading.instrument(span)).await?;
        let tips = hint![
            "Pass ",
            NextStep::Field { name: "content.url".into(), meaning: "the link".into() },
            " as ",
            NextStep::Argument("url".into()),
            " of a call. The file is kept for an hour."
        ];
        Ok(self.finish(caller, Answer::success(uploaded.content, uploaded.charge).with_tips(tips)).await)
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
            self.note_balance(caller, balance);
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
