//! The use cases: what both doors offer, each in the order of its walkthrough.
//!
//! What lives here: [`App`], which joins catalog, files and jobs into calls that end in an [`Answer`], and
//! [`Caller`], who is asking. What never does: protocol, terminal, HTTP or SQL.
//!
//! Start at [`App::submit`]. What becomes of a result is in `app/results.rs`, a call whose outcome is fetched later in
//! `app/tasks.rs`, one operation on many inputs in `app/batch.rs`, what a page of jobs shows in `app/overview.rs`.

mod batch;
mod overview;
mod results;
mod tasks;

pub use batch::{Input, Prior};
pub use overview::{FileGlance, Glance, Overview};
pub use results::{PAGE_DEFAULT, PAGE_MAX, READ_DEFAULT};
pub use tasks::HEARD_WITHIN;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::answer::{Answer, JobView, rfc3339, tips};
use crate::api::{CALL_PATIENCE, Client, SharedPace, Timeouts};
use crate::catalog::arguments::{self, Sources};
use crate::catalog::{self, Operation};
use crate::charge::Charge;
use crate::clock::now;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::files::{Hosts, Sandbox, Text, is_local, is_private, upload};
use crate::jobs::{Job, JobStatus, Jobs, Ledger, Outgoing, Preparation, Settings, WaitEnd, WaitOptions};
use crate::next_step::{Audience, Hint};
use crate::tenant::Owner;

/// How long a job is waited for when a call says nothing.
pub const WAIT_DEFAULT: Duration = Duration::from_secs(30);
/// How long a submit waits when it says nothing.
pub const SUBMIT_WAIT_DEFAULT: Duration = Duration::from_secs(20);

/// What reading and saving get after the longest wait of a call.
const FOLLOW_UP: Duration = Duration::from_secs(10);
/// What they get in any case, when even that is over.
const FOLLOW_UP_MIN: Duration = Duration::from_secs(5);

/// Who is asking, and how to reach them.
#[derive(Clone)]
pub struct Caller {
    /// Whose jobs, and the key that pays.
    pub owner: Owner,
    /// Which of this machine's files they may use.
    pub sandbox: Arc<Sandbox>,
    /// Longest wait in one call; `None` is no limit.
    pub max_wait: Option<Duration>,
    /// What they take for a call that would wait.
    pub response_mode: ResponseMode,
    /// They gave up.
    pub cancel: CancellationToken,
    /// Hears what happens meanwhile.
    pub on_event: Arc<dyn Fn(Event) + Send + Sync>,
}

/// What a caller takes for a call that would wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// The answer, however long it takes.
    #[default]
    Inline,
    /// A task where the call would wait, the answer where it would not.
    PreferTask,
    /// Nothing but a task, because they asked for one.
    TaskOnly {
        /// How long they want it to be kept.
        ttl: Option<Duration>,
    },
}

/// What happens while a call runs.
#[derive(Clone, Debug)]
pub enum Event {
    /// A file goes up.
    Uploading {
        /// Its name.
        name: String,
        /// Its size.
        bytes: u64,
    },
    /// The service accepted a job, or it was looked at.
    Job {
        /// Its id.
        job_id: String,
        /// Its state.
        status: String,
        /// Seconds since the submit.
        elapsed_seconds: f64,
        /// 0 to 1, estimated.
        progress: f64,
        /// Paid looks so far.
        checks_made: i64,
    },
    /// A file comes down.
    Downloading {
        /// Its name.
        name: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all, when known.
        total: Option<u64>,
    },
}

/// What to submit.
#[derive(Clone, Debug, Default)]
pub struct SubmitRequest {
    /// Catalog name.
    pub operation: String,
    /// Arguments in any accepted spelling.
    pub arguments: Map<String, Value>,
    /// How long to wait; zero returns at once.
    pub wait: Option<Duration>,
    /// Characters of text to include; zero includes none.
    pub read: Option<u64>,
    /// Where to save the result once it is there.
    pub save_to: Option<String>,
    /// The caller's own id for "never twice".
    pub client_request_id: Option<String>,
}

/// The product: one per process.
pub struct App {
    /// The settings it was made from.
    pub config: Config,
    client: Client,
    jobs: Jobs,
    hosts: Hosts,
    texts: Mutex<VecDeque<(String, Arc<Text>)>>,
    attended: Mutex<tasks::Attended>,
}

impl App {
    /// The product under these settings. Opens nothing: no network, no ledger, no TLS roots.
    ///
    /// # Errors
    /// `invalid_argument` when the base URL cannot be used.
    pub fn new(config: Config) -> Result<App> {
        App::with_timeouts(config, Timeouts::default())
    }

    /// The product under other time limits of requests than its own: for tests, which cannot wait for those.
    ///
    /// # Errors
    /// As [`App::new`].
    pub fn with_timeouts(config: Config, timeouts: Timeouts) -> Result<App> {
        catalog::toolsets(&config.toolsets)?;
        let ledger = Arc::new(Ledger::new(config.ledger.clone(), config.ledger_keep));
        let client = Client::new(config.base_url.clone(), config.pace, timeouts, shared_pace(&ledger))?;
        let settings = Settings {
            check_worth_seconds: config.check_worth_seconds,
            credit_budget: config.credit_budget,
            callback_url: config.callback_url.clone(),
        };
        let hosts = Hosts::new(&config.download_hosts, &config.base_url);
        Ok(App {
            jobs: Jobs::new(client.clone(), ledger, settings),
            client,
            hosts,
            config,
            texts: Mutex::default(),
            attended: Mutex::default(),
        })
    }

    /// The jobs engine, for doors that list and look up.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Runs an operation: uploads local sources, writes the intention, submits, and if asked waits, reads and saves.
    ///
    /// # Errors
    /// Everything that ends the call before there is a job; from then on the answer tells what happened.
    pub async fn submit(&self, caller: &Caller, mut request: SubmitRequest) -> Result<Answer> {
        let began = Instant::now();
        let operation = catalog::find(&request.operation)?;
        let arguments = arguments::read(operation, std::mem::take(&mut request.arguments))?;
        let (public, identity) = (arguments.public(), arguments.identity());
        let client_request_id = request.client_request_id.clone();
        let preparing = self.jobs.prepare(&caller.owner, operation, &identity, client_request_id.as_deref());
        // Whatever can be refused is refused before anything is paid for.
        let prepared = match or_cancelled(&caller.cancel, preparing).await? {
            Preparation::Prepared(prepared) => prepared,
            Preparation::Repeat(job) => {
                let note =
                    "This client_request_id was used before: here is its job; nothing was submitted or charged again.";
                return self.after_submit(caller, &request, began, *job, Charge::NONE, Some(note.to_owned())).await;
            }
        };
        if let Some(save_to) = &request.save_to {
            caller.sandbox.target(Some(save_to), operation.name, false)?;
        }
        let (body, charge) =
            Box::pin(self.with_sources_uploaded(caller, operation, arguments.body, arguments.sources)).await?;
        let outgoing = Outgoing {
            body: Value::Object(body),
            secrets: arguments.secrets,
            public_arguments: public,
            cancel: caller.cancel.clone(),
        };
        let submitted = Box::pin(prepared.send(outgoing)).await.map_err(|error| error.with_charge(charge))?;
        let mut charge = charge;
        charge.add(submitted.charge);
        let note = match (&submitted.twin, submitted.is_repeat) {
            (_, true) => {
                Some("This client_request_id was used before: here is its job; nothing was charged again.".to_owned())
            }
            (Some(twin), _) => Some(format!(
                "The same request was submitted less than a minute ago as job {}; both are charged. The same client_request_id on both would have made them one.",
                twin.id()
            )),
            _ => None,
        };
        self.tell(caller, &submitted.job);
        self.after_submit(caller, &request, began, submitted.job, charge, note).await
    }

    /// The rest of a submit once there is a job: waits, reads and saves as `request` says.
    async fn after_submit(
        &self,
        caller: &Caller,
        request: &SubmitRequest,
        began: Instant,
        job: Job,
        mut charge: Charge,
        note: Option<String>,
    ) -> Result<Answer> {
        let asked = request.wait.unwrap_or(SUBMIT_WAIT_DEFAULT);
        let takes_a_task = match caller.response_mode {
            ResponseMode::Inline => false,
            ResponseMode::PreferTask => !asked.is_zero(),
            ResponseMode::TaskOnly { .. } => true,
        };
        if takes_a_task && job.job_id.is_some() && !job.status.is_terminal() {
            let follow_up = tasks::after_submit(request.read, request.save_to.as_deref());
            match self.promise(caller, &job.operation, &job, follow_up, charge).await {
                Ok(promised) => return Ok(promised),
                // From here on there is a job: whatever happens, the answer names it.
                Err(error) => tracing::warn!(%error, "a task could not be written down; the call waits instead"),
            }
        }
        let (mut answer, job) = if asked.is_zero() || job.status.is_terminal() {
            let source = if charge == Charge::NONE { "cache" } else { "live" };
            (self.job_answer(&job, source, charge), job)
        } else {
            // From here on there is a job: whatever happens, the answer names it.
            let left = caller.max_wait.map(|max| max.saturating_sub(began.elapsed()));
            let waited = match left {
                // The upload took all the time there was. A look a moment after the submit would only cost.
                Some(Duration::ZERO) => Ok((self.not_waited_for(&job), job.clone())),
                _ => self.waited(caller, job.id(), asked, left, None).await,
            };
            match waited {
                Ok((answer, job)) => {
                    charge.add(answer.charge);
                    (Answer { charge, ..answer }, job)
                }
                Err(error) if error.kind() == Kind::Cancelled => return Err(error),
                Err(error) => {
                    let mut answer = self.job_answer(&job, "live", charge);
                    if let Some(view) = &mut answer.job {
                        view.last_check_error = Some(error.to_json(Audience::Agent));
                    }
                    (answer, job)
                }
            }
        };
        answer.is_error = matches!(job.status, JobStatus::Failed | JobStatus::Aborted) && !asked.is_zero();
        if job.status == JobStatus::Success {
            // Whoever is cut off after a minute, or a little after the longest wait that they allow, is answered before:
            // with the job, and what to call for the rest.
            let until = caller.max_wait.map(|max| {
                (began + CALL_PATIENCE.max(max.saturating_add(FOLLOW_UP))).max(Instant::now() + FOLLOW_UP_MIN)
            });
            Box::pin(self.include_text(&job, request.read, until, &mut answer)).await;
            if let Some(save_to) = &request.save_to {
                Box::pin(self.include_files(caller, &job, save_to, until, &mut answer)).await;
            }
        }
        if let Some(save_to) = request.save_to.as_ref().filter(|_| !job.status.is_terminal()) {
            let reminder =
                format!("Nothing was saved yet: when it has ended, call download_result with save_to `{save_to}`.");
            answer.tips = Some(answer.tips.unwrap_or_default().and(format!(" {reminder}")));
        }
        if let Some(note) = note {
            answer.tips = Some(match answer.tips {
                Some(tips) => Hint::from(format!("{note} ")).and(tips),
                None => note.into(),
            });
        }
        Ok(answer)
    }

    /// The answer about a job that there was no time to wait for.
    fn not_waited_for(&self, job: &Job) -> Answer {
        let retry_after = round_seconds(self.jobs.next_check_in(job));
        let mut answer = self.job_answer(job, "live", Charge::NONE);
        answer.tips = tips(job, Some(retry_after));
        if let Some(view) = &mut answer.job {
            view.retry_after_seconds = Some(retry_after);
            view.timeout_applied = Some(0.0);
            view.wait_capped = Some(true);
        }
        answer
    }

    /// Uploads what is local and puts the links into the body. Everything is looked at before anything is paid for.
    async fn with_sources_uploaded(
        &self,
        caller: &Caller,
        operation: &Operation,
        mut body: Map<String, Value>,
        sources: Option<Sources>,
    ) -> Result<(Map<String, Value>, Charge)> {
        let mut charge = Charge::NONE;
        let Some(sources) = sources else { return Ok((body, charge)) };
        let mut files = Vec::new();
        for item in &sources.items {
            if is_private(item) && !self.client.is_local() {
                return Err(Error::invalid(
                    format!(
                        "`{}` leads into a private network, where the service cannot go.",
                        crate::secret::without_query(item)
                    ),
                    "Save the file on this machine and pass its path: it is uploaded first.",
                ));
            }
            files.push(if is_local(item) { Some(caller.sandbox.readable(item)?) } else { None });
        }
        let mut links = Vec::new();
        for (item, file) in sources.items.iter().zip(files) {
            links.push(match file {
                None => item.clone(),
                Some(file) => {
                    let name = file
                        .path
                        .file_name()
                        .map_or_else(|| operation.name.to_owned(), |name| name.to_string_lossy().into_owned());
                    (caller.on_event)(Event::Uploading { name, bytes: file.bytes });
                    let uploading = upload(
                        &self.jobs,
                        &self.client,
                        &self.hosts,
                        &caller.owner,
                        &file,
                        None,
                        self.config.max_file_bytes,
                    );
                    let uploaded =
                        or_cancelled(&caller.cancel, uploading).await.map_err(|error| error.with_charge(charge))?;
                    charge.add(uploaded.charge);
                    uploaded.link.expose().to_owned()
                }
            });
        }
        body.insert(sources.wire.to_owned(), json!(Sources::joined(&links)));
        Ok((body, charge))
    }

    /// Looks at a job once.
    ///
    /// # Errors
    /// As `Jobs::check`.
    pub async fn check(&self, caller: &Caller, job_id: &str, force: bool) -> Result<Answer> {
        let checked = or_cancelled(&caller.cancel, self.jobs.check(&caller.owner, job_id, force)).await?;
        let mut answer = self.job_answer(&checked.job, checked.source.as_str(), checked.charge);
        let retry_after = checked.retry_after.map(round_seconds);
        if let Some(view) = &mut answer.job {
            view.retry_after_seconds = retry_after;
        }
        answer.tips = tips(&checked.job, retry_after);
        if checked.is_first_sight && checked.job.status == JobStatus::Working {
            doubt_the_id(&mut answer);
        }
        Ok(answer)
    }

    /// Waits for a job. Running out of time is a normal answer; a failed job is an answer with `is_error`.
    ///
    /// # Errors
    /// As `Jobs::wait`.
    pub async fn wait(
        &self,
        caller: &Caller,
        job_id: &str,
        timeout: Option<Duration>,
        interval: Option<Duration>,
    ) -> Result<Answer> {
        let asked = timeout.unwrap_or(WAIT_DEFAULT);
        if caller.response_mode != ResponseMode::Inline
            && !asked.is_zero()
            && let Some(promised) = Box::pin(self.promised(caller, job_id, interval)).await?
        {
            return Ok(promised);
        }
        Ok(self.waited(caller, job_id, asked, caller.max_wait, interval).await?.0)
    }

    /// A task instead of a wait, unless the job has ended or does not exist.
    async fn promised(&self, caller: &Caller, job_id: &str, interval: Option<Duration>) -> Result<Option<Answer>> {
        let ledger = self.jobs.ledger();
        let mut charge = Charge::NONE;
        if ledger.get(&caller.owner.tenant, job_id).await?.is_none() {
            // An id from elsewhere: one look tells whether there is such a job at all.
            let (answer, job) = Box::pin(self.waited(caller, job_id, Duration::ZERO, None, None)).await?;
            if job.status.is_terminal() {
                return Ok(Some(answer));
            }
            charge.add(answer.charge);
        }
        match ledger.get(&caller.owner.tenant, job_id).await? {
            Some(job) if job.job_id.is_some() && !job.status.is_terminal() => {
                let follow_up = tasks::after_wait(interval);
                self.promise(caller, "wait_job_completion", &job, follow_up, charge).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn waited(
        &self,
        caller: &Caller,
        job_id: &str,
        asked: Duration,
        max: Option<Duration>,
        interval: Option<Duration>,
    ) -> Result<(Answer, Job)> {
        let budget = max.map_or(asked, |max| asked.min(max));
        let options = WaitOptions { budget, interval, cancel: caller.cancel.clone() };
        let waited = self.jobs.wait(&caller.owner, job_id, &options, |job| self.tell(caller, job)).await?;
        let mut answer = self.job_answer(&waited.job, waited.source.as_str(), waited.charge);
        let retry_after = match waited.end {
            WaitEnd::Finished => None,
            WaitEnd::Pending { retry_after } => Some(round_seconds(retry_after)),
        };
        answer.tips = tips(&waited.job, retry_after);
        answer.is_error = matches!(waited.job.status, JobStatus::Failed | JobStatus::Aborted);
        if waited.is_first_sight && !waited.job.status.is_terminal() {
            doubt_the_id(&mut answer);
        }
        if let Some(view) = &mut answer.job {
            view.retry_after_seconds = retry_after;
            view.timeout_applied = Some(budget.as_secs_f64());
            view.wait_capped = (budget < asked).then_some(true);
            view.last_check_error = waited.last_error.map(|error| error.to_json(Audience::Agent));
        }
        Ok((answer, waited.job))
    }

    /// The caller's jobs, newest first.
    ///
    /// # Errors
    /// `invalid_argument` for a state that is none, or a cursor that is none of ours.
    pub async fn list(
        &self,
        caller: &Caller,
        status: Option<&str>,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<Answer> {
        if let Some(status) = status
            && !JobStatus::WORDS.contains(&status)
        {
            return Err(Error::invalid(
                format!("`status` cannot be `{}`.", catalog::shorten(status, 40)),
                format!("It is one of {}.", JobStatus::WORDS.join(", ")),
            ));
        }
        let page = self.jobs.ledger().list(&caller.owner.tenant, status, limit, cursor).await?;
        let items: Vec<Value> = page.jobs.iter().map(job_line).collect();
        let content = json!({"items": items, "total": page.total, "next_cursor": page.next_cursor});
        Ok(Answer::new("success", content, Charge::NONE))
    }

    /// Stops tracking a job: `cancelled`, `already_terminal` or `not_found`, all of them answers.
    ///
    /// # Errors
    /// `invalid_argument` for an id that cannot be one.
    pub async fn cancel(&self, caller: &Caller, job_id: &str) -> Result<Answer> {
        let not_found = || {
            let hint = crate::jobs::unknown_job(job_id).hint().clone();
            Ok(Answer::new("unknown", json!({"outcome": "not_found"}), Charge::NONE).with_tips(hint))
        };
        let (job, changed) = match self.jobs.cancel(&caller.owner, job_id).await {
            Ok((job, _)) if job.status == JobStatus::Unknown && job.operation.is_empty() => return not_found(),
            Ok(outcome) => outcome,
            Err(error) if error.kind() == Kind::NotFound => return not_found(),
            Err(error) => return Err(error),
        };
        let outcome = if changed { "cancelled" } else { "already_terminal" };
        let mut answer = self.job_answer(&job, "cache", Charge::NONE);
        answer.content = json!({"outcome": outcome});
        Ok(answer)
    }

    /// Uploads a local file to the service's temporary storage.
    ///
    /// # Errors
    /// `file_access`, `too_large`, and as `Client::send`.
    pub async fn upload(&self, caller: &Caller, file_path: &str, name: Option<&str>) -> Result<Answer> {
        let file = caller.sandbox.readable(file_path)?;
        self.jobs.refuse_beyond_budget(catalog::find("file_upload_url")?).await?;
        (caller.on_event)(Event::Uploading { name: file_path.to_owned(), bytes: file.bytes });
        let uploading =
            upload(&self.jobs, &self.client, &self.hosts, &caller.owner, &file, name, self.config.max_file_bytes);
        let uploaded = or_cancelled(&caller.cancel, uploading).await?;
        let tips = "Pass content.url as `url` of a call. The file is kept for an hour.";
        Ok(Answer::new("success", uploaded.content, uploaded.charge).with_tips(tips))
    }

    /// The account's balance.
    ///
    /// # Errors
    /// As `Client::send`.
    pub async fn balance(&self, caller: &Caller) -> Result<Answer> {
        let operation = catalog::find("account_balance")?;
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
        Ok(Answer::new("success", content, charge))
    }

    /// What the caller spent, by day and operation, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn spending(&self, caller: &Caller, limit: u32) -> Result<Value> {
        let rows = self.jobs.ledger().spending(&caller.owner.tenant, limit).await?;
        Ok(json!(rows.iter().map(|row| json!({"day": row.day, "operation": row.operation, "requests": row.requests, "credits": row.credits})).collect::<Vec<_>>()))
    }

    /// The catalog, or the part of it that `query` finds.
    pub fn operations(&self, query: Option<&str>) -> Answer {
        let words: Vec<String> =
            query.unwrap_or_default().split_whitespace().map(|word| word.to_lowercase().replace('-', "_")).collect();
        let matches = |operation: &Operation| {
            let text = format!(
                "{} {} {} {} {}",
                operation.name,
                operation.aliases.join(" "),
                operation.title,
                operation.description,
                operation.toolset.as_str()
            )
            .to_lowercase();
            words.iter().all(|word| text.contains(word.as_str()))
        };
        let mut found: Vec<&Operation> = catalog::all().filter(|operation| matches(operation)).collect();
        if found.is_empty() {
            let names = catalog::all().map(|operation| operation.name);
            let near = catalog::nearest(query.unwrap_or_default(), names, 5);
            found = catalog::all().filter(|operation| near.contains(&operation.name)).collect();
        }
        let items: Vec<Value> = found.iter().map(|operation| json!({"name": operation.name, "group": operation.toolset.as_str(), "title": operation.title})).collect();
        let content = json!({"items": items, "total": found.len()});
        Answer::new("success", content, Charge::NONE)
            .with_tips("describe_operation shows the arguments of one; submit_job runs it.")
    }

    /// One operation: what it does, costs, takes and returns.
    ///
    /// # Errors
    /// `not_found` with the nearest names.
    pub fn describe(&self, name: &str) -> Result<Answer> {
        let operation = catalog::find(name)?;
        let content = json!({
            "name": operation.name,
            "aliases": operation.aliases,
            "group": operation.toolset.as_str(),
            "description": operation.description,
            "cost": operation.price.words(),
            "documented": operation.confidence == catalog::Confidence::Documented,
            "arguments": catalog::schema::of_params(operation.params(), catalog::schema::Detail::Full),
        });
        Ok(Answer::new("success", content, Charge::NONE).with_tips(format!(
            "Run it with submit_job: operation {}, `url` and the rest in `options`.",
            operation.name
        )))
    }

    fn job_answer(&self, job: &Job, source: &'static str, charge: Charge) -> Answer {
        let content = job.content.clone().or_else(|| job.problem.clone()).unwrap_or_else(|| json!({}));
        let mut answer = Answer::new(job.status.as_str(), content, charge);
        answer.charge.remaining = charge.remaining.or(job.credits_remaining);
        answer.job = Some(JobView::new(job, source, self.jobs.progress(job), now()));
        answer.tips = tips(job, None);
        answer
    }

    fn tell(&self, caller: &Caller, job: &Job) {
        (caller.on_event)(Event::Job {
            job_id: job.id().to_owned(),
            status: job.status.as_str().to_owned(),
            elapsed_seconds: job.elapsed_seconds(now()),
            progress: self.jobs.progress(job),
            checks_made: job.checks_made,
        });
    }
}

/// What is to be said of a job that is at work and was never heard of here.
fn doubt_the_id(answer: &mut Answer) {
    let doubt = " This id was not submitted from here; the service also says `working` for ids that do not exist.";
    answer.tips = Some(answer.tips.take().unwrap_or_default().and(doubt));
}

/// One pace for all processes on a ledger. A ledger that cannot be asked holds nobody up.
fn shared_pace(ledger: &Arc<Ledger>) -> Option<SharedPace> {
    if !ledger.is_shared() {
        return None;
    }
    let ledger = Arc::clone(ledger);
    Some(Arc::new(move |caller, limit, window| {
        let ledger = Arc::clone(&ledger);
        Box::pin(async move {
            ledger.reserve(&caller, limit, window, now()).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the pace of other processes is not known");
                None
            })
        })
    }))
}

/// A job in a list.
pub fn job_line(job: &Job) -> Value {
    json!({
        "job_id": job.id(),
        "status": job.status.as_str(),
        "operation": if job.operation.is_empty() { Value::Null } else { json!(job.operation) },
        "submitted_at": job.submitted_at.or(Some(job.created_at)).map(rfc3339),
        "completed_at": job.completed_at.map(rfc3339),
        "credits_total": job.credits_total(),
    })
}

fn round_seconds(delay: Duration) -> f64 {
    (delay.as_secs_f64() * 10.0).ceil() / 10.0
}

async fn or_cancelled<T>(cancel: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        outcome = work => outcome,
        () = cancel.cancelled() => Err(Error::new(Kind::Cancelled, "The call was given up.", "Jobs that were submitted go on; list_jobs shows them.")),
    }
}
