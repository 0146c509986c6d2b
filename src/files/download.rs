//! A result, saved: complete and in place, or not there at all.

use std::io::SeekFrom;
use std::path::PathBuf;

use tokio::io::{AsyncSeekExt, AsyncWriteExt, BufWriter};
use tokio_util::bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::blocking::off_runtime;
use super::digest::RunningDigest;
use super::follow::{Limits, OnBytes, Sink, follow};
use super::hosts::Hosts;
use super::refusals::too_large;
use super::target::{Part, Target, exists};
use super::text::Text;
use crate::api::Client;
use crate::catalog::media_types::mime_of_name;
use crate::error::{Error, Kind, Result};
use crate::secret::PresignedUrl;

/// Cuts that one download survives.
const CUTS_MAX: u32 = 5;
/// Bytes gathered before they go to the disk.
const WRITE_BYTES: usize = 256 * 1024;

/// A result on this disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Where it is, as the caller may know it.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// MIME type: the storage's, or by its name when the storage does not know.
    pub mime_type: String,
    /// How often the transfer was cut and went on.
    pub resumed: u32,
}

/// Saves what is behind `link` as `target`, which [`super::Sandbox::target`] gave. The file appears under its name
/// only when it is complete; without `overwrite` it never takes the place of another. Missing folders are created.
///
/// # Errors
/// `file_access` when the disk refuses or a file is in the way, `too_large`, `cancelled`, `link_expired`, `network`,
/// `upstream`, `invalid_argument` for a host that is not allowed. Nothing is left behind then, but for created folders.
#[expect(clippy::too_many_arguments, reason = "each is one plain fact of a transfer")]
pub async fn download(
    client: &Client,
    hosts: &Hosts,
    link: &PresignedUrl,
    target: &Target,
    overwrite: bool,
    max_bytes: u64,
    on_bytes: OnBytes<'_>,
    cancel: &CancellationToken,
) -> Result<Saved> {
    hosts.check(link)?;
    if cancel.is_cancelled() {
        return Err(cancelled());
    }
    let mut sink = Disk::create(target, overwrite).await?;
    let bytes = max_bytes.min(sink.bytes_left.unwrap_or(u64::MAX));
    let limits = Limits { bytes, cuts: CUTS_MAX };
    let followed = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(cancelled()),
        followed = follow(client, hosts, link, limits, &mut sink, on_bytes) => followed?,
    };
    let Some(followed) = followed else { return Err(Error::internal("A download ended early without a reason.")) };
    let sha256 = sink.finish(overwrite).await?;
    let mime_type = followed
        .mime_type
        .filter(|mime| !matches!(mime.as_str(), "" | "application/octet-stream" | "binary/octet-stream"))
        .unwrap_or_else(|| mime_of_name(&target.path().to_string_lossy()).to_owned());
    Ok(Saved { path: target.path().to_owned(), bytes: followed.bytes, sha256, mime_type, resumed: followed.resumed })
}

/// Saves a text that is here already, under the same promises as [`download()`].
///
/// # Errors
/// `file_access` when the disk refuses or a file is in the way, `too_large` beyond a quota.
pub async fn save_text(text: &Text, target: &Target, overwrite: bool) -> Result<Saved> {
    let bytes = text.text.len() as u64;
    let mut sink = Disk::create(target, overwrite).await?;
    if let Some(left) = sink.bytes_left.filter(|left| bytes > *left) {
        return Err(too_large("The result", bytes, left));
    }
    sink.take(Bytes::copy_from_slice(text.text.as_bytes())).await?;
    let sha256 = sink.finish(overwrite).await?;
    Ok(Saved { path: target.path().to_owned(), bytes, sha256, mime_type: text.mime_type.clone(), resumed: 0 })
}

/// The SHA-256 of what is behind `link`, in hex, where that is at most `max_bytes` long. Nothing is written.
///
/// # Errors
/// As [`download()`], but for those of the disk.
pub async fn digest_of(client: &Client, hosts: &Hosts, link: &PresignedUrl, max_bytes: u64) -> Result<String> {
    hosts.check(link)?;
    let mut sink = HashOnly(RunningDigest::new());
    let limits = Limits { bytes: max_bytes, cuts: CUTS_MAX };
    follow(client, hosts, link, limits, &mut sink, &|_, _| ()).await?;
    sink.0.finish().await
}

struct HashOnly(RunningDigest);

impl Sink for HashOnly {
    async fn restart(&mut self) -> Result<()> {
        self.0 = RunningDigest::new();
        Ok(())
    }

    async fn take(&mut self, bytes: Bytes) -> Result<bool> {
        self.0.update(bytes).await.map(|()| true)
    }
}

fn cancelled() -> Error {
    Error::new(
        Kind::Cancelled,
        "The download was cancelled; nothing was saved.",
        "Start it again while its link is valid.",
    )
}

/// The temporary file, its hash, and where it belongs.
struct Disk {
    file: BufWriter<tokio::fs::File>,
    hash: RunningDigest,
    part: Part,
    target: Target,
    bytes_left: Option<u64>,
}

impl Disk {
    async fn create(target: &Target, overwrite: bool) -> Result<Self> {
        let target = target.clone();
        off_runtime(move || {
            if !overwrite && target.exists() {
                return Err(exists(target.path()));
            }
            let bytes_left = target.bytes_left();
            let (file, part) = target.create_part()?;
            let file = BufWriter::with_capacity(WRITE_BYTES, tokio::fs::File::from_std(file));
            Ok(Disk { file, hash: RunningDigest::new(), part, target, bytes_left })
        })
        .await
    }

    /// Puts the file in its place and returns its hash.
    async fn finish(self, overwrite: bool) -> Result<String> {
        let Disk { mut file, hash, part, target, .. } = self;
        file.flush().await.map_err(|error| target.unwritable(&error))?;
        let sha256 = hash.finish().await?;
        let file = file.into_inner().into_std().await;
        // The part goes along: when the caller gives up meanwhile, this step still ends cleanly.
        off_runtime(move || {
            let synced = file.sync_all();
            // Closed before it is renamed: not every system moves open files.
            drop(file);
            synced.map_err(|error| target.unwritable(&error))?;
            target.publish(&part, overwrite)
        })
        .await?;
        Ok(sha256)
    }
}

impl Sink for Disk {
    async fn restart(&mut self) -> Result<()> {
        self.hash = RunningDigest::new();
        let emptied = async {
            self.file.flush().await?;
            self.file.get_mut().set_len(0).await?;
            self.file.get_mut().seek(SeekFrom::Start(0)).await
        };
        emptied.await.map(|_| ()).map_err(|error| self.target.unwritable(&error))
    }

    async fn take(&mut self, bytes: Bytes) -> Result<bool> {
        self.hash.update(bytes.clone()).await?;
        self.file.write_all(&bytes).await.map_err(|error| self.target.unwritable(&error))?;
        Ok(true)
    }
}
