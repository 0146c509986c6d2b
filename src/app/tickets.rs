//! Files that travel past the server: a place to send one to, and links to fetch results from.

use std::time::Duration;

use serde_json::{Value, json};

use super::job_view::mime_type;
use super::results::names_of;
use super::{Answer, App, Caller, or_cancelled, rfc3339};
use crate::clock::now;
use crate::error::{Error, Kind, Result};
use crate::files::upload_ticket;
use crate::hint;
use crate::jobs::Source;
use crate::next_step::NextStep;
use crate::text::in_quotes;

/// The name of a file whose sender gives none.
const NAME_DEFAULT: &str = "document.pdf";
/// Links that end within this are asked for anew: time enough to pass them on and to fetch what is behind them.
const FRESH_FOR: Duration = Duration::from_secs(600);
/// Most links that one answer lists.
const LINKS_SHOWN_MAX: usize = 50;

impl App {
    /// A place in the service's temporary storage for a file of the caller's own machine, called `name`: where to send
    /// it, how, until when, and the link to use afterwards.
    ///
    /// # Errors
    /// As [`upload_ticket`].
    pub async fn upload_ticket(&self, caller: &Caller, name: Option<&str>) -> Result<Answer> {
        let name = name.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(NAME_DEFAULT);
        let operation = crate::catalog::find("file_upload_url")?;
        let estimate = self.estimate_of_upload(caller).await;
        let hash = json!(["upload ticket", name]).to_string();
        if let Some(answer) = self.without_consent(caller, operation, &estimate, &hash, Some(name.to_owned())) {
            return Ok(answer);
        }
        self.jobs.refuse_beyond_budget(&caller.owner, operation).await?;
        let asking = upload_ticket(&self.jobs, &self.hosts, &caller.owner, name);
        let ticket = or_cancelled(&caller.cancel, asking).await?;
        let ends = now().saturating_add(i64::try_from(ticket.lifetime.as_millis()).unwrap_or(i64::MAX));
        let (link, kind) = (ticket.upload.expose(), &ticket.content_type);
        let command = format!(
            "curl --fail --upload-file {} --header {} {}",
            in_quotes(&ticket.name),
            in_quotes(&format!("Content-Type: {kind}")),
            in_quotes(link)
        );
        let content = json!({
            "name": ticket.name,
            "url": ticket.link.expose(),
            "upload": {
                "method": "PUT",
                "url": link,
                "headers": {"Content-Type": kind},
                "command": command,
                "expires_at": rfc3339(ends),
                "max_bytes": self.config.max_file_bytes,
            },
        });
        let tips = hint![
            "Send the file's bytes to ",
            NextStep::Field { name: "content.upload.url".into(), meaning: "the upload link".into() },
            " (the command does it; put the path of the file in place of the name), then pass ",
            NextStep::Field { name: "content.url".into(), meaning: "the link".into() },
            " as ",
            NextStep::Argument("url".into()),
            " of a call. The file is kept for an hour."
        ];
        Ok(self.with_balance(caller, Answer::success(content, ticket.charge).with_tips(tips)).await)
    }

    /// Links to the files of a finished job that live for a while yet: those that are known, else fresh ones, which cost
    /// a check.
    ///
    /// # Errors
    /// As for a result that is saved; `link_expired` where the service gives no fresh links.
    pub async fn result_links(&self, caller: &Caller, job_id: &str) -> Result<Answer> {
        let (mut job, mut charge) = self.finished_job(caller, job_id).await?;
        let soon = now().saturating_add(i64::try_from(FRESH_FOR.as_millis()).unwrap_or(i64::MAX));
        if job.links_expired(soon) {
            let why = Error::new(
                Kind::LinkExpired,
                format!("The links of job {} have expired.", job.id()),
                "Run the operation again.",
            );
            match self.with_fresh_links(caller, &job, &mut charge, why).await {
                Ok(fresh) => job = fresh,
                // What is left of the old ones is better than nothing.
                Err(_) if !job.links_expired(now()) => {}
                Err(error) => return Err(error.with_charge(charge)),
            }
        }
        let links = self.links_of(&job).await.map_err(|error| error.with_charge(charge))?;
        if links.is_empty() {
            return Err(Error::invalid(
                format!("Job {} has no file; its result stands in the answer itself.", job.id()),
                hint![NextStep::Show(job.id().to_owned()), " shows it."],
            )
            .with_charge(charge));
        }
        let declared = job.operation().map(|operation| operation.output);
        let ends = job.links_expire_at.map(rfc3339);
        let files: Vec<Value> = names_of(&links)
            .iter()
            .zip(&links)
            .take(LINKS_SHOWN_MAX)
            .map(|(name, link)| {
                let kind = mime_type(name, declared, false);
                json!({"name": name, "mime_type": kind, "url": link.expose(), "expires_at": ends})
            })
            .collect();
        let mut answer = self.job_answer(&job, Source::Cache, charge);
        answer.content = json!({"files": files, "files_total": links.len()});
        // A link that was cut short would open nothing: their number is bounded instead.
        answer.tips = Some("Each link works for all who have it, until it expires; no key is needed.".into());
        Ok(self.with_balance(caller, answer).await)
    }
}
