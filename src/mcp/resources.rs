//! Jobs as resources: `job://{job_id}` is the record, `job://{job_id}/result` its text.
//!
//! Few clients read resources, so a tool can do everything that they offer.

use std::time::Duration;

use const_format::{concatcp, formatcp};
use rmcp::ErrorData;
use rmcp::model::{
    ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};
use serde_json::json;

use super::present::untrusted;
use crate::app::{App, Caller, PAGE_DEFAULT, ReadRequest, bounded_record};
use crate::error::{Error, Kind, Result};
use crate::jobs::JobResource;
use crate::jobs::job_id::{self, RESULT_PATH, URI_SCHEME};

/// Longest time that reading a result may take: several clients give a request up after a minute.
const READ_TIMEOUT: Duration = Duration::from_secs(45);

/// The address of a job's record.
const RECORD: &str = concatcp!(URI_SCHEME, "{job_id}");
/// The address of its text.
const TEXT: &str = concatcp!(RECORD, RESULT_PATH);

/// Jobs on one page.
const PAGE: u32 = 50;

/// The caller's newest jobs.
///
/// # Errors
/// `invalid_argument` for a cursor that is none of ours.
pub async fn list(app: &App, caller: &Caller, cursor: Option<&str>) -> Result<ListResourcesResult> {
    let page = app.jobs().ledger().list(&caller.owner.tenant, None, PAGE, cursor).await?;
    let resources = page
        .jobs
        .iter()
        .map(|job| {
            let title = if job.operation.is_empty() { "job" } else { &job.operation };
            Resource::new(job_id::uri(job.id()), job.id())
                .with_title(format!("{title}, {}", job.status.as_str()))
                .with_mime_type("application/json")
        })
        .collect();
    let mut result = ListResourcesResult::with_all_items(resources);
    result.next_cursor = page.next_cursor;
    Ok(result)
}

/// The two forms of a job's address.
pub fn templates() -> ListResourceTemplatesResult {
    ListResourceTemplatesResult::with_all_items(vec![
        ResourceTemplate::new(RECORD, "job")
            .with_title("A job's record")
            .with_description("State, times, credits and outputs of a job, from memory.")
            .with_mime_type("application/json"),
        ResourceTemplate::new(TEXT, "job result")
            .with_title("A job's text")
            .with_description(formatcp!("The first {PAGE_DEFAULT} characters of a finished job's text."))
            .with_mime_type("text/plain"),
    ])
}

/// Whether there is such a resource for this caller.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn exists(app: &App, caller: &Caller, uri: &str) -> Result<bool> {
    let Some(JobResource { job_id, .. }) = JobResource::parse(uri) else { return Ok(false) };
    match app.jobs().get(&caller.owner, &job_id).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// One of them.
///
/// # Errors
/// `not_found` for an address that is none; what reading says.
pub async fn read(app: &App, caller: &Caller, uri: &str) -> Result<ReadResourceResult> {
    let not_ours = || {
        Error::new(
            Kind::NotFound,
            "There is no such resource.",
            concatcp!("Addresses are ", RECORD, " and ", TEXT, "."),
        )
    };
    let JobResource { job_id, is_result } = JobResource::parse(uri).ok_or_else(not_ours)?;
    if is_result {
        let request = ReadRequest::of(job_id.as_str());
        let reading = tokio::time::timeout(READ_TIMEOUT, app.read(caller, &request));
        let answer = reading.await.unwrap_or_else(|_| Err(too_slow()))?;
        let text = answer.output.map(|output| output.text).unwrap_or_default();
        return Ok(one(ResourceContents::text(text, uri).with_mime_type("text/plain")));
    }
    let job = app.jobs().get(&caller.owner, &job_id).await?;
    let view = app.job_view(&job);
    let record = json!({"status": job.status.as_str(), "arguments": job.arguments, "job": view});
    let record = bounded_record(record, job.id());
    Ok(one(ResourceContents::text(record.to_string(), uri).with_mime_type("application/json")))
}

/// A result with one content, marked: texts, names and messages in it come from a document or from the service.
fn one(content: ResourceContents) -> ReadResourceResult {
    ReadResourceResult::new(vec![content.with_meta(untrusted())])
}

/// The result did not come in time.
fn too_slow() -> Error {
    Error::new(Kind::Network, "The result could not be read in time.", "Try again.")
}

/// There is no such resource, or none that this caller may know of.
pub fn unknown(uri: &str) -> ErrorData {
    ErrorData::resource_not_found("There is no such resource.", Some(json!({"uri": uri})))
}
