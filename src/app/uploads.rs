//! Uploads that outlive their call: a file is uploaded and paid for once, however often a call about it is repeated.
//!
//! A client that cuts a call after a minute would otherwise start a long upload from zero each time, and pay for a new
//! link. The upload runs on its own; the next call about the same unchanged file takes it up, or uses its link while it
//! lives.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::Instrument;

use super::{App, Caller, Event};
use crate::charge::Charge;
use crate::error::{Error, Kind, Result};
use crate::files::{LocalFile, Uploaded, off_runtime, upload};
use crate::secret::Fingerprint;
use crate::tenant::Tenant;

/// How long an uploaded file is used again: the service keeps it for an hour, and the job has to fetch it.
const LINK_USED_FOR: Duration = Duration::from_secs(40 * 60);
/// Uploads that are remembered.
const UPLOADS_KEPT: usize = 1_000;

type Upload = Shared<BoxFuture<'static, Arc<Result<Uploaded>>>>;

/// One state of one file of one tenant, uploaded with one key. Tenants of an account may name different files alike.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Version {
    tenant: Tenant,
    account: Fingerprint,
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
    /// The name that was asked for.
    name: Option<String>,
}

/// An upload that runs, or whose link can be used.
#[derive(Clone)]
struct Kept {
    began: Instant,
    upload: Upload,
    /// Whether an answer or an error said what it cost.
    is_reported: Arc<AtomicBool>,
}

/// The uploads of this process.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<Version, Kept>>);

impl Uploads {
    fn running_or_recent(&self, version: &Version) -> Option<Kept> {
        let mut uploads = self.0.lock();
        uploads.retain(|_, kept| {
            let has_failed = kept.upload.peek().is_some_and(|outcome| outcome.is_err());
            !has_failed && kept.began.elapsed() < LINK_USED_FOR
        });
        uploads.get(version).cloned()
    }

    fn keep(&self, version: Version, kept: &Kept) {
        let mut uploads = self.0.lock();
        if uploads.len() < UPLOADS_KEPT {
            uploads.insert(version, kept.clone());
        }
    }

    /// Forgets every upload of `account`: files were deleted from the storage.
    pub(super) fn forget(&self, account: &Fingerprint) {
        self.0.lock().retain(|version, _| version.account != *account);
    }
}

/// An upload as one call sees it.
pub(super) enum Uploading {
    /// The stored file, and what it cost if no earlier call said so.
    Done(Box<Uploaded>, Charge),
    /// It goes on after the call.
    GoesOn,
}

impl App {
    /// Whether `file`, as it is, was uploaded a while ago or is on its way: it is not paid for again.
    pub(super) fn is_uploaded(&self, caller: &Caller, file: &LocalFile) -> bool {
        self.uploads.running_or_recent(&version_of(caller, file, None)).is_some()
    }

    /// Uploads `file`, under `name` if one is given, or takes up the upload of it that another call began. At `until` it
    /// goes on without the call. With `is_new` an upload that an earlier call answered with is not used again.
    ///
    /// # Errors
    /// As [`upload`]; `file_access` when the file changed meanwhile, `cancelled` when the caller gave up. The first call
    /// that gets the error is charged.
    pub(super) async fn upload_once(
        &self,
        caller: &Caller,
        file: &LocalFile,
        name: Option<&str>,
        is_new: bool,
        until: Option<Instant>,
    ) -> Result<Uploading> {
        let version = version_of(caller, file, name);
        let earlier = self.uploads.running_or_recent(&version);
        let earlier = earlier.filter(|kept| !(is_new && kept.is_reported.load(Ordering::Relaxed)));
        let kept = earlier.unwrap_or_else(|| {
            let upload = self.start_upload(caller, file, name);
            let kept = Kept { began: Instant::now(), upload, is_reported: Arc::default() };
            self.uploads.keep(version, &kept);
            kept
        });
        let Kept { upload, is_reported, .. } = kept;
        if upload.peek().is_none() {
            let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            caller.emit(Event::Uploading { name, bytes: file.bytes });
        }
        let over = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let outcome = tokio::select! {
            biased;
            outcome = upload => outcome,
            () = over => return Ok(Uploading::GoesOn),
            () = caller.cancel.cancelled() => {
                return Err(Error::new(
                    Kind::Cancelled,
                    "The call was given up; its upload goes on.",
                    "The same call takes the upload up: it is paid for once. Nothing was submitted.",
                ));
            }
        };
        let was_reported = is_reported.swap(true, Ordering::Relaxed);
        let of_first = |charge: Charge| if was_reported { Charge::NONE } else { charge };
        match &*outcome {
            Ok(uploaded) => Ok(Uploading::Done(Box::new(uploaded.clone()), of_first(uploaded.charge))),
            Err(error) => Err(error.share().with_charge(of_first(error.charge()))),
        }
    }

    fn start_upload(&self, caller: &Caller, file: &LocalFile, name: Option<&str>) -> Upload {
        let (app, owner, file) = (self.clone(), caller.owner.clone(), file.clone());
        let name = name.map(str::to_owned);
        let uploading = async move {
            let max_bytes = app.config.max_file_bytes;
            let uploaded =
                upload(&app.jobs, &app.client, &app.hosts, &owner, &file, name.as_deref(), max_bytes).await?;
            let sent = file.clone();
            if off_runtime(move || sent.check_unchanged()).await.is_err() {
                return Err(Error::new(
                    Kind::FileAccess,
                    format!("`{}` changed while it was uploaded.", file.path.display()),
                    "Wait until nothing writes to it, then try again. Nothing was submitted.",
                )
                .with_charge(uploaded.charge));
            }
            Ok(uploaded)
        };
        let task = tokio::spawn(uploading.in_current_span());
        task.map(|outcome| {
            Arc::new(outcome.unwrap_or_else(|_| Err(Error::internal("An upload stopped unexpectedly."))))
        })
        .boxed()
        .shared()
    }
}

fn version_of(caller: &Caller, file: &LocalFile, name: Option<&str>) -> Version {
    Version {
        tenant: caller.owner.tenant.clone(),
        account: caller.owner.account().clone(),
        path: file.path.clone(),
        bytes: file.bytes,
        modified: file.modified(),
        name: name.map(str::to_owned),
    }
}
