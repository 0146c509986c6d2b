//! Stored files: uploads and results. Their bytes are on disk, in a folder that goes with the simulator, and never whole in
//! memory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::{Error, Kind, Result};
use crate::simulator::link::{self, Bad, Signer};
use crate::simulator::names::random_name;
use crate::simulator::reply::Refusal;

/// Files kept at once.
const FILES_MAX: usize = 200_000;
/// Expired files are removed each time so many new ones were made.
const SWEEP_EVERY: u64 = 512;
/// How long a file outlives its links, so that a download under way can end.
const GRACE: Duration = Duration::from_secs(120);
/// Uploads live for an hour.
pub(in crate::simulator) const UPLOAD_SECONDS: u64 = 3_600;

/// All stored files.
pub(in crate::simulator) struct Files {
    folder: PathBuf,
    pub(in crate::simulator) signer: Signer,
    known: Mutex<HashMap<String, Entry>>,
    made: AtomicU64,
}

/// What is known of one file.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct Entry {
    pub(in crate::simulator) name: String,
    pub(in crate::simulator) mime: String,
    pub(in crate::simulator) bytes: u64,
    pub(in crate::simulator) sha256: String,
    /// Nothing was stored yet, or it is the result of a job that has not been seen to succeed: not to be had.
    pub(in crate::simulator) closed: bool,
    /// Before this time it answers as if it were not there yet.
    pub(in crate::simulator) not_before: Option<Instant>,
    expires: Instant,
}

impl Entry {
    /// Returns true if the file can be had now.
    pub(in crate::simulator) fn is_there(&self) -> bool {
        !self.closed && self.not_before.is_none_or(|time| time <= Instant::now())
    }
}

impl Files {
    pub(in crate::simulator) fn new(parent: &Path, base: String) -> Result<Files> {
        let folder = parent.join(format!("pdfco-simulator-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).map_err(|cause| {
            Error::new(
                Kind::FileAccess,
                format!("The simulator cannot make the folder {}.", folder.display()),
                "Give it a folder that can be written to.",
            )
            .with_source(cause)
        })?;
        Ok(Files { folder, signer: Signer::new(base), known: Mutex::default(), made: AtomicU64::new(0) })
    }

    /// Makes room for a file; it stays closed until [`Files::open`].
    ///
    /// # Errors
    /// 500 when there are too many.
    pub(in crate::simulator) fn reserve(
        &self,
        name: &str,
        mime: &str,
        seconds: u64,
    ) -> std::result::Result<String, Refusal> {
        let id = random_name();
        let life = Duration::from_secs(seconds.min(link::SECONDS_MAX)).saturating_add(GRACE);
        let entry = Entry {
            name: name.to_owned(),
            mime: mime.to_owned(),
            bytes: 0,
            sha256: String::new(),
            closed: true,
            not_before: None,
            expires: Instant::now() + life,
        };
        if self.made.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.sweep();
        }
        let mut known = self.known.lock();
        if known.len() >= FILES_MAX {
            return Err(Refusal::new(500, "The simulator's storage is full."));
        }
        known.insert(id.clone(), entry);
        Ok(id)
    }

    /// Stores the bytes of a reserved file. It is not opened.
    ///
    /// # Errors
    /// 500 when the disk refuses.
    pub(in crate::simulator) async fn fill(&self, id: &str, bytes: Vec<u8>) -> std::result::Result<(), Refusal> {
        let (length, sha256) = (bytes.len() as u64, hex::encode(Sha256::digest(&bytes)));
        tokio::fs::write(self.path(id), bytes).await.map_err(|cause| {
            tracing::warn!(%cause, "the simulator cannot store a file");
            Refusal::new(500, "The simulator cannot store the file.")
        })?;
        self.set_content(id, length, sha256);
        Ok(())
    }

    /// Notes what was stored.
    pub(in crate::simulator) fn set_content(&self, id: &str, bytes: u64, sha256: String) {
        if let Some(entry) = self.known.lock().get_mut(id) {
            entry.bytes = bytes;
            entry.sha256 = sha256;
        }
    }

    /// Takes over the content type that an upload came with.
    pub(in crate::simulator) fn set_mime(&self, id: &str, mime: Option<&str>) {
        if let (Some(entry), Some(mime)) = (self.known.lock().get_mut(id), mime) {
            entry.mime = mime.to_owned();
        }
    }

    /// Lets a file be downloaded.
    pub(in crate::simulator) fn open(&self, id: &str) {
        if let Some(entry) = self.known.lock().get_mut(id) {
            entry.closed = false;
        }
    }

    /// Lets a file be downloaded after `delay`; until then it is not there yet.
    pub(in crate::simulator) fn open_after(&self, id: &str, delay: Duration) {
        if let Some(entry) = self.known.lock().get_mut(id) {
            if entry.closed && !delay.is_zero() {
                entry.not_before = Some(Instant::now() + delay);
            }
            entry.closed = false;
        }
    }

    /// What is known of a file, open or not.
    pub(in crate::simulator) fn entry(&self, id: &str) -> Option<Entry> {
        self.known.lock().get(id).cloned()
    }

    /// Where its bytes are.
    pub(in crate::simulator) fn path(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }

    /// Forgets a file; whether there was one.
    pub(in crate::simulator) fn remove(&self, id: &str) -> bool {
        let known = self.known.lock().remove(id).is_some();
        let _ = std::fs::remove_file(self.path(id));
        known
    }

    /// A link to download a file.
    pub(in crate::simulator) fn link(&self, id: &str, name: &str, seconds: u64) -> String {
        self.signer.link("GET", id, name, seconds, None)
    }

    /// The file behind a link, if it is one of this simulator's and can be downloaded. `None` for other links.
    ///
    /// # Errors
    /// 403 for one of ours that is expired, forged or not open.
    pub(in crate::simulator) fn by_link(&self, link: &str) -> std::result::Result<Option<(String, Entry)>, Refusal> {
        let Some((path, query)) = self.signer.own(link) else { return Ok(None) };
        let denied = |why: &str| Refusal::new(403, format!("Access forbidden for the input URL: {why}"));
        self.signer.judge("GET", path, query, None).map_err(|bad| match bad {
            Bad::Expired => denied("the link has expired."),
            Bad::Unsigned | Bad::Signature => denied("its signature is wrong."),
        })?;
        let found = link::parts(path).and_then(|(id, _)| Some((id.to_owned(), self.entry(id)?)));
        match found {
            Some((id, entry)) if !entry.closed => Ok(Some((id, entry))),
            Some(_) | None => Err(denied("there is no such file, or nothing was uploaded to it.")),
        }
    }

    /// How many files there are.
    pub(in crate::simulator) fn len(&self) -> usize {
        self.known.lock().len()
    }

    fn sweep(&self) {
        let now = Instant::now();
        let mut over = Vec::new();
        self.known.lock().retain(|id, entry| {
            let keep = entry.expires > now;
            if !keep {
                over.push(id.clone());
            }
            keep
        });
        for id in over {
            let _ = std::fs::remove_file(self.path(&id));
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
