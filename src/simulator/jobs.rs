//! A job's life: submitted, checked, ended, paid.
//!
//! What lives here: the submit answer, job/check, and when which credits fall due (`pdfco-api.md` §2 and §6). What
//! never does: the work itself (`work.rs`), or any word of the client's about job states.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::response::Response;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::callback;
use super::door::Call;
use super::input::Directive;
use super::life::life;
use super::reply::{Refusal, json_reply};
use super::work::{self, Finished, Place};
use super::world::{World, lock, random_name};
use crate::catalog::{Operation, Price, Run};

/// Jobs remembered; the oldest go.
const JOBS_MAX: usize = 100_000;
/// What a check costs.
const CHECK_CREDITS: i64 = 2;
/// What a page costs where nobody said.
const UNKNOWN_PRICE: u32 = 10;
/// How long a check waits for work that should be done by now.
const WORK_PATIENCE: Duration = Duration::from_secs(20);
/// All jobs.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Book>);

#[derive(Default)]
struct Book {
    jobs: HashMap<String, Job>,
    order: VecDeque<String>,
    submitted: u64,
    checks: u64,
}

struct Job {
    key: String,
    directive: Directive,
    price: PagePrice,
    check_credits: i64,
    /// Checks that answer `working`.
    checks_left: u32,
    /// The time before which it is working.
    until: Option<Instant>,
    work: watch::Receiver<Option<Arc<Result<Finished, Refusal>>>>,
    settled: bool,
}

/// What the pages of an operation cost.
#[derive(Clone, Copy)]
pub(super) struct PagePrice {
    first: i64,
    other: i64,
}

impl PagePrice {
    pub(super) fn of(operation: &Operation) -> PagePrice {
        match operation.price {
            Price::PerPage(price) | Price::PerPageSeen(price) => PagePrice { first: price.into(), other: price.into() },
            Price::PerCall(price) | Price::PerCallSeen(price) => PagePrice { first: price.into(), other: 0 },
            Price::Unknown => PagePrice { first: UNKNOWN_PRICE.into(), other: UNKNOWN_PRICE.into() },
        }
    }

    /// What all but the first of `pages` cost.
    fn others(self, pages: u32) -> i64 {
        self.other.saturating_mul(i64::from(pages.saturating_sub(1)))
    }

    /// What `pages` cost.
    pub(super) fn all(self, pages: u32) -> i64 {
        self.first.saturating_add(self.others(pages))
    }
}

impl Jobs {
    /// Jobs submitted and checks made.
    pub(super) fn counts(&self) -> (u64, u64) {
        let book = lock(&self.0);
        (book.submitted, book.checks)
    }
}

/// ResponseMode an operation: as a job when the request wants one, at once otherwise.
pub(super) async fn submit(world: &Arc<World>, operation: &'static Operation, call: Call) -> Result<Response, Refusal> {
    let price = PagePrice::of(operation);
    let in_background = match operation.run {
        Run::AlwaysJob => true,
        Run::Job => call.input.flag("async"),
        Run::Direct => false,
    };
    if !in_background {
        return at_once(world, operation, call, price).await;
    }
    let remaining = world.accounts.charge(&call.key, price.first)?;
    let place = Place::reserve(world, operation, &call.input)?;
    let always = operation.run == Run::AlwaysJob;
    let id = if always { Uuid::new_v4().to_string() } else { format!("{}--151-300", random_name()) };
    let mut answer = Map::new();
    if always {
        answer.insert("error".into(), json!(false));
        answer.insert("status".into(), json!("created"));
    } else {
        place.describe(&mut answer);
        answer.insert("error".into(), json!(false));
        answer.insert("status".into(), json!(200));
    }
    answer.insert("jobId".into(), json!(id));
    answer.insert("credits".into(), json!(price.first));
    answer.insert("remainingCredits".into(), json!(remaining));
    answer.insert("duration".into(), json!(call.duration()));
    start(world, operation, call, place, price, id);
    Ok(json_reply(200, &Value::Object(answer)))
}

/// Without `async`: the answer is the result.
async fn at_once(
    world: &Arc<World>,
    operation: &'static Operation,
    call: Call,
    price: PagePrice,
) -> Result<Response, Refusal> {
    world.accounts.afford(&call.key, price.first)?;
    if matches!(call.input.directive.outcome.as_deref(), Some("failed" | "aborted")) {
        return Err(wished_failure(&call.input.directive));
    }
    let place = Place::reserve(world, operation, &call.input)?;
    let mut finished = work::run(world, operation, &call.input, &place, call.input.flag("inline")).await?;
    let credits = price.all(finished.pages);
    let remaining = world.accounts.charge(&call.key, credits)?;
    finished.open(world);
    let mut answer = std::mem::take(&mut finished.answer);
    if finished.many {
        // A synchronous answer names the files themselves, not the list of them.
        let links = answer.remove("body").unwrap_or_default();
        answer.remove("url");
        answer.insert("urls".into(), links);
        answer.insert("name".into(), json!(format!("{}.{}", place.stem, finished.ending)));
    }
    answer.insert("pageCount".into(), json!(finished.page_count));
    answer.insert("error".into(), json!(false));
    answer.insert("status".into(), json!(200));
    answer.insert("credits".into(), json!(credits));
    answer.insert("remainingCredits".into(), json!(remaining));
    answer.insert("duration".into(), json!(call.duration()));
    Ok(json_reply(200, &Value::Object(answer)))
}

/// Enters the job into the book and starts its work.
fn start(world: &Arc<World>, operation: &'static Operation, call: Call, place: Place, price: PagePrice, id: String) {
    let (done, work) = watch::channel(None);
    let (checks_left, until) = life(world, &call.input.directive, call.started);
    let job = Job {
        key: call.key.clone(),
        directive: call.input.directive.clone(),
        price,
        check_credits: if operation.run == Run::AlwaysJob { 0 } else { CHECK_CREDITS },
        checks_left,
        until,
        work,
        settled: false,
    };
    {
        let mut book = lock(&world.jobs.0);
        book.submitted = book.submitted.saturating_add(1);
        if book.order.len() >= JOBS_MAX
            && let Some(oldest) = book.order.pop_front()
        {
            book.jobs.remove(&oldest);
        }
        book.order.push_back(id.clone());
        book.jobs.insert(id.clone(), job);
    }
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let began = Instant::now();
        let finished = work::run(&world, operation, &call.input, &place, false).await.map(|mut finished| {
            finished.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            finished
        });
        let _ = done.send(Some(Arc::new(finished)));
        if let (Some(until), Some(target)) = (until, call.input.text("callback")) {
            world.pause(until.saturating_duration_since(Instant::now())).await;
            if let Ok(body) = end(&world, &id, 0).await {
                callback::post(&world, &target, &body).await;
            }
        }
    });
}

/// `job/check`.
pub(super) async fn check(world: &Arc<World>, call: &Call) -> Result<Response, Refusal> {
    let id = call.input.text("jobid").ok_or_else(|| Refusal::input("The parameter `jobid` is required."))?;
    let word = {
        let mut book = lock(&world.jobs.0);
        book.checks = book.checks.saturating_add(1);
        match book.jobs.get_mut(&id).filter(|job| job.key == call.key) {
            // The service says `working` for what it never heard of, unless it is forced to be honest.
            None => Some((if call.input.flag("force") { "unknown" } else { "working" }.to_owned(), CHECK_CREDITS)),
            Some(job) => job.pass().map(|word| (word, job.check_credits)),
        }
    };
    let mut body = match word {
        Some((word, credits)) => running(world, call, &word, credits)?,
        None => match end(world, &id, CHECK_CREDITS).await {
            Ok(body) => body,
            Err(Some(refusal)) => return Err(refusal),
            Err(None) => running(world, call, "working", CHECK_CREDITS)?,
        },
    };
    body.insert("duration".into(), json!(call.duration()));
    Ok(json_reply(200, &Value::Object(body)))
}

impl Job {
    /// Counts a check; the word for a job that is still being worked on.
    fn pass(&mut self) -> Option<String> {
        let waiting = self.checks_left > 0;
        self.checks_left = self.checks_left.saturating_sub(1);
        let early = self.until.is_some_and(|until| Instant::now() < until);
        (waiting || early).then(|| self.directive.new_word().unwrap_or_else(|| "working".to_owned()))
    }
}

impl Directive {
    /// The wished outcome, when it is none that the documentation knows.
    fn new_word(&self) -> Option<String> {
        self.outcome
            .clone()
            .filter(|word| !matches!(word.as_str(), "success" | "failed" | "aborted" | "unknown" | "working"))
    }
}

fn running(world: &World, call: &Call, word: &str, credits: i64) -> Result<Map<String, Value>, Refusal> {
    let remaining = world.accounts.charge(&call.key, credits)?;
    let mut body = Map::new();
    body.insert("status".into(), json!(word));
    body.insert("credits".into(), json!(credits));
    body.insert("remainingCredits".into(), json!(remaining));
    Ok(body)
}

/// The answer for a job whose life is over, and the settling of its account the first time. `check_credits` is 0 for
/// a callback. `Err(None)` when its work is not done after all.
async fn end(world: &World, id: &str, check_credits: i64) -> Result<Map<String, Value>, Option<Refusal>> {
    let mut work = lock(&world.jobs.0).jobs.get(id).map(|job| job.work.clone()).ok_or(None)?;
    // A closed channel is work that panicked, which `work::run` has turned into a failure already.
    let done = tokio::time::timeout(WORK_PATIENCE, work.wait_for(Option::is_some)).await;
    let finished = done.ok().and_then(Result::ok).and_then(|done| done.clone()).ok_or(None)?;
    let mut book = lock(&world.jobs.0);
    let job = book.jobs.get_mut(id).ok_or(None)?;
    let outcome = job.directive.outcome.as_deref().unwrap_or_default();
    let check = check_credits.min(job.check_credits);
    let mut body = Map::new();
    let credits = match (outcome, finished.as_ref()) {
        ("unknown", _) => {
            body.insert("status".into(), json!("unknown"));
            check
        }
        ("failed" | "aborted", _) | (_, Err(_)) => {
            let failure = match finished.as_ref() {
                Err(failure) if !matches!(outcome, "failed" | "aborted") => failure.clone(),
                _ => wished_failure(&job.directive),
            };
            body.insert("status".into(), json!(if outcome == "aborted" { "aborted" } else { "failed" }));
            body.insert("message".into(), json!(failure.message));
            body.insert("errorCode".into(), json!(failure.code));
            // The first page is given back, and the check that says so is free (fixture of §2.2).
            if job.settled { check } else { job.price.first.saturating_neg() }
        }
        (_, Ok(finished)) => {
            body.insert("status".into(), json!("success"));
            body.insert("message".into(), json!("Success"));
            body.insert("pageCount".into(), json!(finished.page_count));
            body.extend(finished.answer.clone());
            body.insert("jobDuration".into(), json!(finished.milliseconds));
            if job.settled { check } else { check.saturating_add(job.price.others(finished.pages)) }
        }
    };
    let remaining = world.accounts.charge(&job.key, credits).map_err(Some)?;
    job.settled = true;
    if let Ok(finished) = finished.as_ref()
        && body.get("status").and_then(Value::as_str) == Some("success")
    {
        finished.open(world);
    }
    body.insert("jobId".into(), json!(id));
    body.insert("credits".into(), json!(credits));
    body.insert("remainingCredits".into(), json!(remaining));
    Ok(body)
}

fn wished_failure(directive: &Directive) -> Refusal {
    let message =
        directive.message.clone().unwrap_or_else(|| "The simulator was asked to let this job fail.".to_owned());
    Refusal::new(directive.error_code.unwrap_or(500), message)
}
