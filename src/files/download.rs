//! A result, saved: complete and in place, or not there at all.
//!
//! What lives here: [`download()`], and the temporary file that it cleans up whatever happens. What never does: choosing
//! or judging the target (`sandbox.rs`), resuming (`follow.rs`).

use std::fs;
use std::io::{self, ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncSeekExt, AsyncWriteExt, BufWriter};
use tokio_util::sync::CancellationToken;

use super::follow::{Limits, Sink, Told, follow};
use super::hosts::Hosts;
use super::sandbox::{exists, plain, resolved};
use super::text::Text;
use crate::api::Client;
use crate::error::{Error, Kind, Result};
use crate::secret::PresignedUrl;

/// Cuts that one download survives.
const CUTS_MAX: u32 = 5;
/// Bytes gathered before they go to the disk.
const WRITE_BYTES: usize = 256 * 1024;
/// Longest part of the target's name in the temporary one: with the random part it stays within 255 bytes.
const PART_STEM_BYTES_MAX: usize = 180;

/// A result on this disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Where it is.
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

/// Saves what is behind `link` as `target`, a path that [`super::Sandbox::target`] gave. The file appears under its name
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
    target: &Path,
    overwrite: bool,
    max_bytes: u64,
    told: Told<'_>,
    cancel: &CancellationToken,
) -> Result<Saved> {
    hosts.check(link)?;
    if cancel.is_cancelled() {
        return Err(cancelled());
    }
    if !overwrite && fs::symlink_metadata(target).is_ok() {
        return Err(exists(target));
    }
    let mut sink = Disk::create(target).await?;
    let limits = Limits { bytes: max_bytes, cuts: CUTS_MAX };
    let followed = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(cancelled()),
        followed = follow(client, hosts, link, limits, &mut sink, told) => followed?,
    };
    let Some(followed) = followed else { return Err(Error::internal("A download ended early without a reason.")) };
    let sha256 = sink.finish(overwrite).await?;
    let mime_type = followed
        .mime_type
        .filter(|mime| !matches!(mime.as_str(), "" | "application/octet-stream" | "binary/octet-stream"))
        .unwrap_or_else(|| mime_guess::from_path(target).first_or_octet_stream().essence_str().to_owned());
    Ok(Saved { path: target.to_owned(), bytes: followed.bytes, sha256, mime_type, resumed: followed.resumed })
}

/// Saves a text that is here already, under the same promises as [`download()`].
///
/// # Errors
/// `file_access` when the disk refuses or a file is in the way.
pub async fn save_text(text: &Text, target: &Path, overwrite: bool) -> Result<Saved> {
    if !overwrite && fs::symlink_metadata(target).is_ok() {
        return Err(exists(target));
    }
    let mut sink = Disk::create(target).await?;
    sink.take(text.text.as_bytes()).await?;
    let sha256 = sink.finish(overwrite).await?;
    let bytes = text.text.len() as u64;
    Ok(Saved { path: target.to_owned(), bytes, sha256, mime_type: text.mime_type.clone(), resumed: 0 })
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
    hash: Sha256,
    part: Part,
    target: PathBuf,
}

/// A temporary file that goes when this does.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already when it was put in place.
        let _ = fs::remove_file(&self.0);
    }
}

impl Disk {
    async fn create(target: &Path) -> Result<Self> {
        let target = target.to_owned();
        let made =
            tokio::task::spawn_blocking(move || create_part(&target).map(|(file, part)| (file, part, target))).await;
        let (file, part, target) = made.map_err(|_| Error::internal("A temporary file could not be created."))??;
        let file = BufWriter::with_capacity(WRITE_BYTES, tokio::fs::File::from_std(file));
        Ok(Disk { file, hash: Sha256::new(), part, target })
    }

    /// Puts the file in its place and tells its hash.
    async fn finish(self, overwrite: bool) -> Result<String> {
        let Disk { mut file, hash, part, target } = self;
        file.flush().await.map_err(|error| unwritable(&target, &error))?;
        let file = file.into_inner().into_std().await;
        // The guard goes along: whoever gives up meanwhile, this step ends cleanly.
        let placing = move || {
            let synced = file.sync_all();
            // Closed before it is renamed: not every system moves open files.
            drop(file);
            synced.and_then(|()| place(&part.0, &target, overwrite)).map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists if !overwrite => exists(&target),
                _ => unwritable(&target, &error),
            })
        };
        tokio::task::spawn_blocking(placing)
            .await
            .map_err(|_| Error::internal("A download could not be put in place."))??;
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Sink for Disk {
    async fn restart(&mut self) -> Result<()> {
        self.hash = Sha256::new();
        let emptied = async {
            self.file.flush().await?;
            self.file.get_mut().set_len(0).await?;
            self.file.get_mut().seek(SeekFrom::Start(0)).await
        };
        emptied.await.map(|_| ()).map_err(|error| unwritable(&self.target, &error))
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<bool> {
        self.hash.update(bytes);
        self.file.write_all(bytes).await.map_err(|error| unwritable(&self.target, &error))?;
        Ok(true)
    }
}

/// A new file beside the target, for this user alone.
fn create_part(target: &Path) -> Result<(fs::File, Part)> {
    let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(Error::invalid(
            format!("`{}` does not name a file.", target.display()),
            "Name a file in a folder.",
        ));
    };
    fs::create_dir_all(folder).map_err(|error| unwritable(target, &error))?;
    // The sandbox gave a path without symlinks; one that came since leads out of it.
    if !resolved(folder).is_ok_and(|resolved| resolved == plain(folder)) {
        return Err(Error::new(
            Kind::FileAccess,
            format!("The folder of `{}` leads elsewhere.", target.display()),
            "Name a file in a folder without symbolic links.",
        ));
    }
    let name = name.to_string_lossy();
    let stem = name.get(..name.floor_char_boundary(PART_STEM_BYTES_MAX)).unwrap_or_default();
    let path = folder.join(format!(".{stem}.{}.part", uuid::Uuid::new_v4().simple()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path).map_err(|error| unwritable(target, &error))?;
    Ok((file, Part(path)))
}

/// Gives the finished file its name in one step.
fn place(part: &Path, target: &Path, overwrite: bool) -> io::Result<()> {
    if overwrite {
        fs::rename(part, target)?;
    } else {
        match fs::hard_link(part, target) {
            // The second name is the right one; the guard takes the first away.
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
            // No hard links on this file system: take the name first, which fails when it is taken.
            Err(_) => {
                fs::OpenOptions::new().write(true).create_new(true).open(target)?;
                fs::rename(part, target).inspect_err(|_| drop(fs::remove_file(target)))?;
            }
        }
    }
    // So that the name survives a crash too. Not every system can, and the bytes are safe already.
    if cfg!(unix)
        && let Some(folder) = target.parent()
    {
        let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

fn unwritable(target: &Path, error: &io::Error) -> Error {
    Error::new(
        Kind::FileAccess,
        format!("`{}` cannot be written: {}.", target.display(), error.kind()),
        "Check the folder's permissions and free space, or pass another `save_to`. PDFCO_FILES names the folders that may be used.",
    )
}
