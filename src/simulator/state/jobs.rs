//! The jobs that a simulator remembers, and what each of them is.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::simulator::input::Directive;
use crate::simulator::options::Failure;
use crate::simulator::price::PagePrice;
use crate::simulator::reply::Refusal;
use crate::simulator::state::outcome::Finished;

/// Jobs remembered; the oldest go.
const JOBS_MAX: usize = 100_000;

/// The work of a job: nothing until it is done.
pub(in crate::simulator) type Work = Option<Arc<Result<Finished, Refusal>>>;

/// All jobs.
#[derive(Default)]
pub(in crate::simulator) struct Jobs(Mutex<Book>);

/// The jobs by id, and what was counted.
#[derive(Default)]
pub(in crate::simulator) struct Book {
    jobs: HashMap<String, Job>,
    order: VecDeque<String>,
    submitted: u64,
    checks: u64,
}

/// One job.
pub(in crate::simulator) struct Job {
    pub(in crate::simulator) key: String,
    pub(in crate::simulator) directive: Directive,
    pub(in crate::simulator) price: PagePrice,
    pub(in crate::simulator) failure: Failure,
    pub(in crate::simulator) check_credits: i64,
    /// Checks that answer `working`.
    pub(in crate::simulator) checks_left: u32,
    /// The time before which it is working.
    pub(in crate::simulator) until: Option<Instant>,
    /// The time before which it is unknown.
    pub(in crate::simulator) known_from: Instant,
    pub(in crate::simulator) work: watch::Receiver<Work>,
    /// Whether its end was charged.
    pub(in crate::simulator) settled: bool,
}

impl Jobs {
    /// Jobs submitted and checks made.
    pub(in crate::simulator) fn counts(&self) -> (u64, u64) {
        let book = self.0.lock();
        (book.submitted, book.checks)
    }

    /// The book, for more than one step at once.
    pub(in crate::simulator) fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock()
    }
}

impl Book {
    /// Enters a job.
    pub(in crate::simulator) fn enter(&mut self, id: String, job: Job) {
        self.submitted = self.submitted.saturating_add(1);
        if self.order.len() >= JOBS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.jobs.remove(&oldest);
        }
        self.order.push_back(id.clone());
        self.jobs.insert(id, job);
    }

    /// Counts a check of any job.
    pub(in crate::simulator) fn count_check(&mut self) {
        self.checks = self.checks.saturating_add(1);
    }

    /// The job of this id.
    pub(in crate::simulator) fn job(&mut self, id: &str) -> Option<&mut Job> {
        self.jobs.get_mut(id)
    }
}

impl Job {
    /// Counts a check; the word for a job that is not known yet or still being worked on.
    pub(in crate::simulator) fn pass(&mut self) -> Option<String> {
        let now = Instant::now();
        if now < self.known_from {
            return Some("unknown".to_owned());
        }
        let waiting = self.checks_left > 0;
        self.checks_left = self.checks_left.saturating_sub(1);
        let early = self.until.is_some_and(|until| now < until);
        (waiting || early).then(|| self.directive.new_word().unwrap_or_else(|| "working".to_owned()))
    }
}
