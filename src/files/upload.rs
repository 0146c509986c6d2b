//! A local file, sent to the service's storage: one small paid request, then a stream of any size. What the service
//! says about uploads is in `docs/service.md`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::blocking::off_runtime;
use super::follow::STANDSTILL_MAX;
use super::hosts::Hosts;
use super::local_file::LocalFile;
use super::names::safe_file_name;
use super::refusals::too_large;
use super::sandbox::FILE_BYTES_MAX;
use crate::api::retry_policy::delay;
use crate::api::transfer::Unsent;
use crate::api::{Call, Client, Repeat, ResponseContext};
use crate::catalog::{Method, media_types};
use crate::charge::Charge;
use crate::error::{Error, Kind, Result};
use crate::jobs::Jobs;
use crate::json_ext::field;
use crate::secret::PresignedUrl;
use crate::tenant::Owner;

/// Most times the bytes are sent. The link is paid for, and sending the same bytes again does no harm.
const SENDS_MAX: u32 = 3;
/// Life of an upload link, less a margin.
const LINK_LIFE: Duration = Duration::from_secs(14 * 60);
/// Longest life of an upload link that is believed.
const LINK_LIFE_MAX: Duration = Duration::from_secs(3_600);

/// A file in the service's storage.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// The link to use as a source.
    pub link: PresignedUrl,
    /// Its name there.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The service's own JSON, without the link for uploading.
    pub content: Value,
    /// What it cost.
    pub charge: Charge,
}

/// A place in the service's storage that a file elsewhere can be sent to.
#[derive(Clone, Debug)]
pub struct UploadTicket {
    /// Where the bytes go, by PUT. It needs no key.
    pub upload: PresignedUrl,
    /// The content type that was signed: the PUT has to say it.
    pub content_type: String,
    /// How long `upload` works from now.
    pub lifetime: Duration,
    /// The link to use as a source afterwards.
    pub link: PresignedUrl,
    /// The name in the storage.
    pub name: String,
    /// The service's own JSON, without the link for uploading.
    pub content: Value,
    /// What it cost.
    pub charge: Charge,
}

/// Asks for a place for a file that is called `name`.
///
/// # Errors
/// As `Client::send`; `upstream` where the answer lacks a link, `invalid_argument` for a link to a host that is not allowed.
pub async fn upload_ticket(jobs: &Jobs, hosts: &Hosts, owner: &Owner, name: &str) -> Result<UploadTicket> {
    let name = safe_file_name(name);
    ask_for_link(jobs, hosts, owner, &name, content_type(&name, &name)).await
}

/// Sends `file` to the service's storage, as `name` if one is given, in constant memory.
///
/// # Errors
/// `invalid_argument` when the file is empty, `too_large` beyond `max_bytes` or 2 GB, `file_access` when the file changed
/// since it was judged; else as `Client::send` and `Client::put_file`. Each says what the link cost, once there is one.
pub async fn upload(
    jobs: &Jobs,
    client: &Client,
    hosts: &Hosts,
    owner: &Owner,
    file: &LocalFile,
    name: Option<&str>,
    max_bytes: u64,
) -> Result<Uploaded> {
    let shown = || format!("`{}`", file.path.display());
    if file.bytes == 0 {
        return Err(Error::invalid(format!("{} is empty.", shown()), "Pass a file with something in it."));
    }
    let bytes_max = max_bytes.min(FILE_BYTES_MAX);
    if file.bytes > bytes_max {
        return Err(too_large(&shown(), file.bytes, bytes_max));
    }
    let own_name = file.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let name = safe_file_name(name.filter(|name| !name.trim().is_empty()).unwrap_or(&own_name));
    let content_type = content_type(&name, &own_name);
    // Opened before anything is paid for.
    let mut opened = Some(open(file).await?);

    let started = tokio::time::Instant::now();
    let ticket = ask_for_link(jobs, hosts, owner, &name, content_type).await?;
    let UploadTicket { upload: upload_link, content_type, link, name, content, charge, .. } = ticket;
    let mut sends = 0;
    let mut stood = Duration::ZERO;
    loop {
        let body = match opened.take() {
            Some(body) => body,
            None => open(file).await.map_err(|error| error.with_charge(charge))?,
        };
        sends += 1;
        // A file that grows meanwhile is sent as it was announced.
        let sent = client.put_file(&upload_link, &content_type, file.bytes, body.take(file.bytes)).await;
        let Err(Unsent { error, silent }) = sent else { break };
        let pause = delay(sends);
        stood += silent + pause;
        let is_too_late = stood > STANDSTILL_MAX || started.elapsed() + pause > LINK_LIFE;
        if !error.is_retryable() || sends >= SENDS_MAX || is_too_late {
            return Err(error.with_charge(charge));
        }
        tracing::debug!(sends, ?pause, kind = %error.kind(), "upload repeated");
        tokio::time::sleep(pause).await;
    }
    // What was sent is a mixture if it was written to meanwhile, and the job on it would be paid for.
    let sent = file.clone();
    off_runtime(move || sent.check_unchanged()).await.map_err(|error| error.with_charge(charge))?;
    Ok(Uploaded { link, name, bytes: file.bytes, content, charge })
}

/// Pays for a link to send a file to.
async fn ask_for_link(
    jobs: &Jobs,
    hosts: &Hosts,
    owner: &Owner,
    name: &str,
    content_type: String,
) -> Result<UploadTicket> {
    let call = Call {
        method: Method::Get,
        path: "/v1/file/upload/get-presigned-url".to_owned(),
        params: json!({"name": name, "contenttype": content_type}),
        // A link asked for twice costs a little twice and harms nothing.
        repeat: Repeat::Safe,
        context: ResponseContext::Account,
        secrets: Vec::new(),
        cancel: CancellationToken::new(),
        before_send: None,
    };
    let (mut content, charge) = jobs.direct(owner, &call, "file_upload").await?;
    let link_in = |name: &str| {
        field(&content, name).and_then(Value::as_str).filter(|link| !link.is_empty()).map(PresignedUrl::new)
    };
    let (Some(upload), Some(link)) = (link_in("presignedUrl"), link_in("url")) else {
        let error = Error::new(Kind::Upstream, "The service gave no link for uploading.", "Try again later.");
        return Err(error.with_charge(charge));
    };
    let name = field(&content, "name").and_then(Value::as_str).map_or_else(|| name.to_owned(), str::to_owned);
    if let Some(content) = content.as_object_mut() {
        content.retain(|field, _| !field.eq_ignore_ascii_case("presignedUrl"));
    }
    hosts.check(&upload).map_err(|error| error.with_charge(charge))?;
    let lifetime = lifetime(&upload);
    Ok(UploadTicket { upload, content_type, lifetime, link, name, content, charge })
}

/// How long a link works from now, as it says itself; else what such links usually have.
fn lifetime(link: &PresignedUrl) -> Duration {
    let url = url::Url::parse(link.expose()).ok();
    let said = url.as_ref().and_then(|url| {
        let seconds = url.query_pairs().find(|(name, _)| name.eq_ignore_ascii_case("x-amz-expires"))?.1;
        seconds.parse::<u64>().ok()
    });
    said.map_or(LINK_LIFE, Duration::from_secs).min(LINK_LIFE_MAX)
}

/// Opens the file anew; one that changed since it was judged is not sent, and one that changed under a broken upload is
/// named as the cause.
async fn open(file: &LocalFile) -> Result<tokio::fs::File> {
    let file = file.clone();
    off_runtime(move || file.open()).await.map(tokio::fs::File::from_std)
}

/// The content type that is signed and sent: by the name it gets, else by the name it has.
fn content_type(name: &str, own_name: &str) -> String {
    by_extension(name).or_else(|| by_extension(own_name)).unwrap_or_else(|| media_types::UNKNOWN.to_owned())
}

fn by_extension(name: &str) -> Option<String> {
    let known = media_types::of_name(name)?;
    Some(known.upload_mime.unwrap_or(known.mime).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_the_documented_ones_first() {
        for (name, own_name, expected) in [
            ("a.pdf", "", "application/pdf"),
            ("A.PDF", "", "application/pdf"),
            ("a.csv", "", "text/plain"),
            ("mail.eml", "", "application/vnd.ms-outlook"),
            ("a.doc", "", "application/msword"),
            ("a.docx", "", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            ("page.html", "", "text/html"),
            ("a.png", "", "image/png"),
            ("a.tar.pdf", "", "application/pdf"),
            ("a", "b.pdf", "application/pdf"),
            ("a.strange", "b", "application/octet-stream"),
            ("pdf", "", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name, own_name), expected, "{name} {own_name}");
        }
    }
}
