//! One operation on many inputs, resumable: which request an input is, and what the ledger knows of it.
//!
//! An input is the same when the operation, its arguments, where it lies and (for a file) what is in it are the same.
//! The link that an upload gave is not part of it: it is another one each time. Each time that the work is to be done
//! anew is a generation with a number of its own, so that the guard of `client_request_id` holds within one, and a
//! job that was paid for is found again.

use std::io::Read;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{App, Caller, SubmitRequest};
use crate::catalog::{Operation, arguments};
use crate::error::{Error, Kind, Result};
use crate::files::{LocalFile, is_local};
use crate::jobs::{Job, JobStatus};

/// Bytes that are hashed in one go.
const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes of the digest by which documents of one call differ.
const DOCUMENT_BYTES: usize = 6;

/// One input of a batch.
#[derive(Clone, Debug)]
pub struct Input {
    operation: &'static Operation,
    arguments: Map<String, Value>,
    base: String,
    /// A digest of where its document lies and, for a file, of what is in it.
    document: String,
}

/// What became of an input before.
#[derive(Clone, Debug)]
pub enum Prior {
    /// Nothing that was paid for.
    Nothing,
    /// It succeeded.
    Done(Box<Job>),
    /// It is under way, or its fate is not known.
    Open(Box<Job>),
    /// It ended otherwise.
    Ended(Box<Job>),
}

impl Input {
    /// The request of its `generation`, counted from 1.
    pub fn request(&self, generation: usize) -> SubmitRequest {
        SubmitRequest {
            operation: self.operation.name.to_owned(),
            arguments: self.arguments.clone(),
            client_request_id: Some(format!("{}-{generation}", self.base)),
            ..SubmitRequest::default()
        }
    }

    /// The `client_request_id` of this input within a call that the caller named `id`: the same for the same document, so
    /// that it is refused with other arguments.
    pub(super) fn id_within(&self, id: &str) -> String {
        format!("{id}-{}", self.document)
    }

    /// Whether `client_request_id` is one of [`Input::id_within`] for a call that the caller named `id`.
    fn is_id_within(client_request_id: &str, id: &str) -> bool {
        let document = client_request_id.strip_prefix(id).and_then(|rest| rest.strip_prefix('-'));
        document.is_some_and(|document| {
            document.len() == 2 * DOCUMENT_BYTES && document.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }

    /// The request that `job` was, to take it up: it is not sent again.
    pub fn same(&self, job: &Job) -> SubmitRequest {
        SubmitRequest { client_request_id: job.client_request_id.clone(), ..self.request(1) }
    }
}

impl App {
    /// The input `source` of `operation`, with the other `arguments` under their own names. A file is read once for its
    /// hash.
    ///
    /// # Errors
    /// `invalid_argument` for arguments that cannot be used, `file_access` for a file that cannot be read.
    pub async fn input(
        &self,
        caller: &Caller,
        operation: &'static Operation,
        source: (&str, &str),
        mut arguments: Map<String, Value>,
    ) -> Result<Input> {
        let (param, source) = source;
        let mut content = None;
        let mut located = source.to_owned();
        if is_local(source) && !self.names_a_job(caller, source).await {
            let file = caller.sandbox.readable(source).await?;
            located = file.path.to_str().map(str::to_owned).ok_or_else(|| {
                Error::new(
                    Kind::FileAccess,
                    format!("The path of `{source}` is not UTF-8 text."),
                    "Rename the file, or its folder.",
                )
            })?;
            let hashed = tokio::task::spawn_blocking(move || hash_of_file(&file)).await;
            content = Some(hashed.unwrap_or_else(|_| Err(Error::internal("A file could not be hashed.")))?);
        }
        let content = content.unwrap_or_default();
        let document = Sha256::new().chain_update(&located).chain_update([0]).chain_update(&content).finalize();
        let document = hex::encode(document.get(..DOCUMENT_BYTES).unwrap_or_default());
        arguments.insert(param.to_owned(), json!(located));
        let identity = arguments::read(operation, arguments.clone())?.identity();
        let digest = Sha256::new()
            .chain_update(b"pdfco batch v1\0")
            .chain_update(operation.name)
            .chain_update([0])
            .chain_update(identity.to_string())
            .chain_update([0])
            .chain_update(content)
            .finalize();
        let name = hex::encode(digest.get(..16).unwrap_or_default());
        Ok(Input { operation, arguments, base: format!("batch-{name}"), document })
    }

    /// Refuses a `client_request_id` that names a call of the other form: a list of documents where there is one now, or the
    /// other way round. The same request cannot be meant, and it would be paid for again.
    ///
    /// # Errors
    /// `invalid_argument`; when the ledger cannot be read.
    pub(super) async fn refuse_id_of_other_form(&self, caller: &Caller, id: &str, is_list: bool) -> Result<()> {
        let (ledger, tenant) = (self.jobs.ledger(), &caller.owner.tenant);
        let (other, what) = if is_list {
            (ledger.by_client_request_id(tenant, id).await?, "a request for one document")
        } else {
            let is_part = |job: &Job| job.client_request_id.as_deref().is_some_and(|own| Input::is_id_within(own, id));
            (ledger.generations(tenant, id).await?.into_iter().find(is_part), "a list of documents")
        };
        let Some(job) = other else { return Ok(()) };
        Err(Error::invalid(
            format!("The request id `{id}` belongs to {what}: job {} ({}).", job.id(), job.operation),
            "Give each request an id of its own. Nothing was submitted.",
        ))
    }

    /// What the ledger knows of an input, and the number of its next generation. With `resume` an intent
    /// that was never sent is withdrawn: it was not charged. A success counts however many generations came after it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn prior(&self, caller: &Caller, input: &Input, resume: bool) -> Result<(Prior, usize)> {
        let ledger = self.jobs.ledger();
        let mut jobs = ledger.generations(&caller.owner.tenant, &input.base).await?;
        if let Some(last) = jobs.last()
            && resume
            && last.job_id.is_none()
            && !last.status.is_terminal()
            && ledger.withdraw(&last.intent_id).await?
        {
            jobs.pop();
        }
        let next = jobs.iter().filter_map(generation).max().unwrap_or(0).saturating_add(1);
        let done = jobs.iter().rposition(|job| job.status == JobStatus::Success);
        let found = match done {
            Some(index) => Some(jobs.swap_remove(index)),
            None => jobs.pop(),
        };
        let Some(job) = found else { return Ok((Prior::Nothing, next)) };
        let job = Box::new(job);
        let prior = match &job.status {
            JobStatus::Success => Prior::Done(job),
            JobStatus::Queued | JobStatus::Working | JobStatus::Other(_) => Prior::Open(job),
            JobStatus::Failed | JobStatus::Aborted | JobStatus::Unknown | JobStatus::Cancelled => Prior::Ended(job),
        };
        Ok((prior, next))
    }
}

/// The number of a job's generation.
fn generation(job: &Job) -> Option<usize> {
    job.client_request_id.as_deref()?.rsplit('-').next()?.parse().ok()
}

fn hash_of_file(file: &LocalFile) -> Result<Vec<u8>> {
    let unreadable = |error: std::io::Error| {
        Error::new(
            Kind::FileAccess,
            format!("`{}` cannot be read: {}.", file.path.display(), error.kind()),
            "Check the file and its folder.",
        )
    };
    let mut opened = file.open()?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    // A file that grows while it is read ends at the size that it had when it was judged, and a little.
    let mut left = file.bytes.saturating_add(1);
    while left > 0 {
        let count = opened.read(&mut chunk).map_err(unreadable)?;
        if count == 0 {
            break;
        }
        hash.update(chunk.get(..count).unwrap_or_default());
        left = left.saturating_sub(count as u64);
    }
    Ok(hash.finalize().to_vec())
}
