//! The poller under a paused clock, against a service that answers by a script.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::api::rate_limiter::{Outcome, RateLimiter};
use crate::config::Pace;
use crate::error::Kind;
use crate::jobs::{DurationEstimate, JobStatus};

/// Seconds since the start, job, and how often it was checked before: what the service answers.
type Script = Box<dyn Fn(f64, &str, usize) -> Result<JobStatus, Error> + Send + Sync>;

/// A service that answers by a script, and a limiter that grants a permit every so often.
struct Fake {
    start: Instant,
    script: Script,
    checks: Mutex<Vec<(f64, String)>>,
    takes: Duration,
    /// From the answer until the check is over.
    writes: Duration,
    pace: Duration,
    /// The product's own limiter instead of `pace`.
    limiter: Option<RateLimiter>,
    next_permit: tokio::sync::Mutex<Option<Instant>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    released: AtomicUsize,
}

impl Fake {
    fn new(script: impl Fn(f64, &str, usize) -> Result<JobStatus, Error> + Send + Sync + 'static) -> Fake {
        Fake {
            start: Instant::now(),
            script: Box::new(script),
            checks: Mutex::default(),
            takes: Duration::ZERO,
            writes: Duration::ZERO,
            pace: Duration::ZERO,
            limiter: None,
            next_permit: tokio::sync::Mutex::default(),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            released: AtomicUsize::new(0),
        }
    }

    /// Jobs that are done after so many seconds.
    fn done_after(seconds: f64) -> Fake {
        Fake::new(move |at, _, _| Ok(if at >= seconds { JobStatus::Success } else { JobStatus::Working }))
    }

    /// When which job was checked, to a tenth of a second.
    fn checks(&self) -> Vec<(f64, String)> {
        self.checks.lock().iter().map(|(at, id)| ((at * 10.0).round() / 10.0, id.clone())).collect()
    }

    fn times(&self) -> Vec<f64> {
        self.checks().into_iter().map(|(at, _)| at).collect()
    }
}

impl Service for Fake {
    type Permit = ();

    async fn acquire(&self, owner: &Owner) {
        if let Some(limiter) = &self.limiter {
            return limiter.acquire(owner.account(), &owner.tenant).await.complete(Outcome::Accepted);
        }
        let mut next = self.next_permit.lock().await;
        if let Some(at) = *next {
            tokio::time::sleep_until(at).await;
        }
        *next = Some(Instant::now() + self.pace);
    }

    fn release(&self, (): ()) {
        self.released.fetch_add(1, Ordering::Relaxed);
    }

    async fn check(
        &self,
        _: &Owner,
        (): (),
        job: &Job,
        _: &CancellationToken,
        on_charge: impl Fn(Charge) + Send + Sync,
    ) -> Result<CheckOutcome, Error> {
        let id = job.id().to_owned();
        let at = self.start.elapsed().as_secs_f64();
        let before = self.checks.lock().iter().filter(|(_, other)| *other == id).count();
        self.checks.lock().push((at, id.clone()));
        let now = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_at_once.fetch_max(now, Ordering::Relaxed);
        tokio::time::sleep(self.takes).await;
        self.at_once.fetch_sub(1, Ordering::Relaxed);
        let status = (self.script)(at, &id, before)?;
        let job = Job { status, checks_made: job.checks_made + 1, ..job.clone() };
        on_charge(Charge::new(Some(2), Some(100)));
        tokio::time::sleep(self.writes).await;
        Ok(CheckOutcome { job, charge: Charge::new(Some(2), Some(100)), by: CheckedBy::Here, doubt: None })
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn others(&self, _: &Owner) -> OtherChanges {
        OtherChanges::default()
    }

    async fn changed(&self, _: &Owner, _: Millis) -> Vec<Job> {
        Vec::new()
    }
}

fn owner() -> Owner {
    crate::secret::ApiKey::new("key").unwrap().into()
}

fn job(id: &str) -> Arc<Job> {
    Arc::new(Job::fixture(id))
}

fn poller(fake: Fake) -> (Arc<Fake>, Poller<Fake>) {
    let fake = Arc::new(fake);
    (Arc::clone(&fake), Poller::new(fake))
}

fn subscribe(poller: &Poller<Fake>, id: &str, interval: Option<u64>) -> Subscription {
    let schedule = Arc::new(Schedule::new(DurationEstimate::PRIOR, 2.0));
    poller.subscribe(&owner(), job(id), schedule, interval.map(Duration::from_secs), 0)
}

/// The update with which polling ended.
async fn end(subscription: &mut Subscription) -> JobUpdate {
    let over = subscription.updates.wait_for(|update| update.is_over);
    tokio::time::timeout(Duration::from_secs(3_600), over).await.unwrap().unwrap().clone()
}

async fn seconds_pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn checks_follow_the_schedule() {
    let (fake, poller) = poller(Fake::done_after(60.0));
    assert_eq!(end(&mut subscribe(&poller, "a", None)).await.job.status, JobStatus::Success);
    let schedule = Schedule::new(DurationEstimate::PRIOR, 2.0);
    let mut planned = vec![schedule.next_check(0.0)];
    while planned.last().is_some_and(|last| *last < 60.0) {
        planned.extend(planned.last().map(|last| schedule.next_check(*last)));
    }
    let planned: Vec<f64> = planned.iter().map(|at| (at * 10.0).round() / 10.0).collect();
    assert_eq!(fake.times(), planned);
    assert_eq!(fake.times(), [3.9, 8.1, 14.5, 24.2, 35.3, 48.1, 63.1]);
}

#[tokio::test(start_paused = true)]
async fn an_interval_replaces_the_schedule() {
    let (fake, poller) = poller(Fake::done_after(11.0));
    end(&mut subscribe(&poller, "a", Some(3))).await;
    assert_eq!(fake.times(), [3.0, 6.0, 9.0, 12.0]);
}

#[tokio::test(start_paused = true)]
async fn the_shortest_interval_rules_while_its_owner_stays() {
    let (fake, poller) = poller(Fake::done_after(16.0));
    let mut patient = subscribe(&poller, "a", Some(10));
    let hasty = subscribe(&poller, "a", Some(2));
    seconds_pass(5).await;
    drop(hasty);
    end(&mut patient).await;
    assert_eq!(fake.times(), [2.0, 4.0, 14.0, 24.0]);
}

#[tokio::test(start_paused = true)]
async fn ten_subscribers_share_checks_and_the_first_pays() {
    let (fake, poller) = poller(Fake::done_after(5.0));
    let mut subscriptions: Vec<Subscription> = (0..10).map(|_| subscribe(&poller, "a", Some(2))).collect();
    for subscription in &mut subscriptions {
        assert_eq!(end(subscription).await.job.status, JobStatus::Success);
    }
    assert_eq!(fake.times(), [2.0, 4.0, 6.0]);
    let bills: Vec<Option<i64>> = subscriptions.iter().map(|subscription| subscription.charge().credits).collect();
    assert_eq!(bills, [&[Some(6)][..], &[None; 9]].concat());
}

#[tokio::test(start_paused = true)]
async fn when_the_payer_leaves_the_next_pays() {
    let (_, poller) = poller(Fake::done_after(5.0));
    let first = subscribe(&poller, "a", Some(2));
    let mut second = subscribe(&poller, "a", Some(2));
    seconds_pass(3).await;
    assert_eq!(first.charge().credits, Some(2));
    drop(first);
    end(&mut second).await;
    assert_eq!(second.charge(), Charge::new(Some(4), Some(100)));
}

#[tokio::test(start_paused = true)]
async fn passing_errors_postpone_the_next_check() {
    let refusals = |_: f64, _: &str, before: usize| match before {
        0 => Err(Error::new(Kind::RateLimited, "slow", "down").with_retry_after(Some(Duration::from_secs(20)))),
        1 => Err(Error::new(Kind::Network, "lost", "wait")),
        2 => Err(Error::new(Kind::Upstream, "503", "wait")),
        3 => Ok(JobStatus::Working),
        _ => Ok(JobStatus::Success),
    };
    let (fake, poller) = poller(Fake::new(refusals));
    let mut subscription = subscribe(&poller, "a", Some(1));
    let refused = subscription.updates.wait_for(|update| update.last_error.is_some()).await.unwrap().clone();
    assert_eq!((refused.last_error.unwrap().kind(), refused.is_over), (Kind::RateLimited, false));
    let update = end(&mut subscription).await;
    assert_eq!((update.job.status.clone(), update.last_error.is_none()), (JobStatus::Success, true));
    let times = fake.times();
    assert_eq!((times[0], times[1], times.len()), (1.0, 21.0, 5), "{times:?}");
    assert!(times[2] - times[1] >= 0.5 && times[3] - times[2] >= 1.1, "the pauses grow: {times:?}");
    assert_eq!(times[4] - times[3], 1.0, "and are forgotten after a success: {times:?}");
}

#[tokio::test(start_paused = true)]
async fn lasting_errors_end_the_polling_for_all() {
    // The last is a machine without certificates of authorities.
    for kind in [Kind::Auth, Kind::InsufficientCredits, Kind::Network] {
        let no = move || Error::new(kind, "no", "no").with_retryable(false);
        let (fake, poller) = poller(Fake::new(move |_, _, _| Err(no())));
        let (mut one, mut other) = (subscribe(&poller, "a", Some(1)), subscribe(&poller, "a", None));
        for subscription in [&mut one, &mut other] {
            assert_eq!(end(subscription).await.last_error.unwrap().kind(), kind);
        }
        seconds_pass(100).await;
        assert_eq!((fake.times(), poller.polled()), (vec![1.0], 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_terminal_state_is_the_last_check() {
    let (fake, poller) = poller(Fake::done_after(0.0));
    let mut subscription = subscribe(&poller, "a", Some(1));
    end(&mut subscription).await;
    seconds_pass(100).await;
    assert_eq!((fake.times(), poller.polled()), (vec![1.0], 0));
}

#[tokio::test(start_paused = true)]
async fn polling_stops_with_the_last_subscription() {
    let (fake, poller) = poller(Fake::done_after(1_000.0));
    let (one, other) = (subscribe(&poller, "a", Some(1)), subscribe(&poller, "a", Some(1)));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    drop(one);
    seconds_pass(1).await;
    assert_eq!(fake.times(), [1.0, 2.0], "one still waits");
    drop(other);
    assert_eq!(poller.polled(), 0);
    seconds_pass(100).await;
    assert_eq!(fake.times(), [1.0, 2.0]);
}

#[tokio::test(start_paused = true)]
async fn leaving_during_a_check_makes_it_the_last() {
    let fake = Fake { takes: Duration::from_secs(5), ..Fake::done_after(1_000.0) };
    let (fake, poller) = poller(fake);
    let left = subscribe(&poller, "a", Some(1));
    seconds_pass(2).await;
    drop(left);
    seconds_pass(100).await;
    assert_eq!((fake.times(), poller.polled()), (vec![1.0], 0));
}

#[tokio::test(start_paused = true)]
async fn a_check_in_flight_is_shared_with_newcomers() {
    let fake = Fake { takes: Duration::from_secs(5), ..Fake::done_after(0.0) };
    let (fake, poller) = poller(fake);
    let early = subscribe(&poller, "a", Some(1));
    seconds_pass(2).await;
    let mut late = subscribe(&poller, "a", Some(1));
    drop(early);
    assert_eq!(end(&mut late).await.job.status, JobStatus::Success);
    assert_eq!(fake.times(), [1.0]);
}

#[tokio::test(start_paused = true)]
async fn the_earliest_due_job_is_next_and_none_starves() {
    let fake = Fake {
        pace: Duration::from_secs(1),
        ..Fake::new(|_, _, before| Ok(if before >= 2 { JobStatus::Success } else { JobStatus::Working }))
    };
    let (fake, poller) = poller(fake);
    let names: Vec<String> = (0..20).map(|number| format!("{number:02}")).collect();
    let mut subscriptions = Vec::new();
    for name in &names {
        subscriptions.push(subscribe(&poller, name, Some(2)));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for subscription in &mut subscriptions {
        assert_eq!(end(subscription).await.job.status, JobStatus::Success);
    }
    let checks = fake.checks();
    assert_eq!(checks.len(), 60, "three checks each");
    assert!(checks.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 0.9), "a permit a second: {checks:?}");
    for round in checks.chunks(20) {
        let seen: Vec<&String> = round.iter().map(|(_, id)| id).collect();
        assert_eq!(seen, names.iter().collect::<Vec<_>>(), "in the order in which they fell due");
    }
    assert!(checks[59].0 <= 2.0 + 60.0, "no permit is wasted: {checks:?}");
}

#[tokio::test(start_paused = true)]
async fn subscribers_who_come_and_go_cost_no_place() {
    let fake = Fake { pace: Duration::from_secs(1), ..Fake::done_after(1_000.0) };
    let (fake, poller) = poller(fake);
    let subscriptions: Vec<Subscription> =
        (0..10).map(|number| subscribe(&poller, &number.to_string(), Some(2))).collect();
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(subscribe(&poller, "9", Some(2)));
    }
    let checks = fake.checks();
    let nine = checks.iter().filter(|(_, id)| id == "9").count();
    assert!((1..=2).contains(&nine) && checks.len() >= 18, "{checks:?}");
    drop(subscriptions);
}

#[tokio::test(start_paused = true)]
async fn checks_in_flight_are_bounded() {
    let fake = Fake { takes: Duration::from_secs(10), ..Fake::done_after(0.0) };
    let (fake, poller) = poller(fake);
    let mut subscriptions: Vec<Subscription> =
        (0..10).map(|number| subscribe(&poller, &number.to_string(), Some(1))).collect();
    for subscription in &mut subscriptions {
        end(subscription).await;
    }
    assert_eq!(fake.most_at_once.load(Ordering::Relaxed), IN_FLIGHT_MAX);
    assert_eq!(fake.times().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn permits_without_a_due_job_are_released() {
    let fake = Fake { pace: Duration::from_secs(30), ..Fake::done_after(1_000.0) };
    let (fake, poller) = poller(fake);
    let waiter = subscribe(&poller, "a", Some(1));
    seconds_pass(5).await;
    assert_eq!(fake.times(), [1.0], "the second check waits for its permit");
    drop(waiter);
    seconds_pass(60).await;
    assert_eq!((fake.times(), fake.released.load(Ordering::Relaxed)), (vec![1.0], 1));
}

#[tokio::test(start_paused = true)]
async fn last_checks_of_all_subscribers_are_one() {
    let (fake, poller) = poller(Fake::done_after(1_000.0));
    let mut subscriptions: Vec<Subscription> = (0..10).map(|_| subscribe(&poller, "a", Some(50))).collect();
    seconds_pass(7).await;
    subscriptions.iter().for_each(Subscription::check_now);
    for subscription in &mut subscriptions {
        subscription.updates.changed().await.unwrap();
    }
    assert_eq!(fake.times(), [7.0]);
    seconds_pass(51).await;
    assert_eq!(fake.times(), [7.0, 57.0], "then things go their usual way");
}

#[tokio::test(start_paused = true)]
async fn an_idle_poller_ends_and_a_subscription_restarts_it() {
    let (fake, poller) = poller(Fake::done_after(0.0));
    end(&mut subscribe(&poller, "a", Some(1))).await;
    let is_running =
        || poller.shared.pollers.lock().values().flat_map(HashMap::values).any(|poller| poller.jobs.lock().is_running);
    assert!(is_running());
    seconds_pass(31).await;
    assert!(!is_running() && poller.shared.pollers.lock().is_empty(), "and its key is forgotten");
    end(&mut subscribe(&poller, "b", Some(1))).await;
    assert_eq!(fake.checks().last().unwrap().1, "b");
}

#[tokio::test(start_paused = true)]
async fn panicking_checks_free_their_slot() {
    let (fake, poller) = poller(Fake::new(|_, id, _| match id {
        "sound" => Ok(JobStatus::Success),
        _ => panic!("a defect"),
    }));
    for name in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(end(&mut subscribe(&poller, name, Some(1))).await.last_error.unwrap().kind(), Kind::Internal);
    }
    assert_eq!(end(&mut subscribe(&poller, "sound", Some(1))).await.job.status, JobStatus::Success);
    assert_eq!((fake.checks().len(), poller.polled()), (7, 0));
}

#[tokio::test(start_paused = true)]
async fn checks_dated_in_the_future_do_not_stop_polling() {
    let (fake, poller) = poller(Fake::done_after(20.0));
    let tomorrow = Job { last_checked_at: Some(86_400_000), ..Job::clone(&job("a")) };
    let schedule = Arc::new(Schedule::new(DurationEstimate::PRIOR, 2.0));
    let mut subscription = poller.subscribe(&owner(), Arc::new(tomorrow.clone()), schedule, None, 0);
    seconds_pass(1).await;
    poller.publish(&Job { last_checked_at: Some(86_400_001), ..tomorrow });
    assert_eq!(end(&mut subscription).await.job.status, JobStatus::Success);
    assert!(fake.times().last().is_some_and(|at| *at < 40.0), "{:?}", fake.times());
}

#[tokio::test(start_paused = true)]
async fn older_states_of_the_ledger_are_ignored() {
    let (_fake, poller) = poller(Fake::done_after(1_000.0));
    let known = Job { status: JobStatus::Working, last_checked_at: Some(9), ..Job::clone(&job("a")) };
    let schedule = Arc::new(Schedule::new(DurationEstimate::PRIOR, 2.0));
    let subscription = poller.subscribe(&owner(), Arc::new(known.clone()), schedule, None, 10_000);
    poller.publish(&Job { status: JobStatus::Queued, last_checked_at: None, ..known });
    assert_eq!(subscription.updates.borrow().job.status, JobStatus::Working);
}

#[tokio::test(start_paused = true)]
async fn external_completion_includes_the_inflight_charge() {
    let fake = Fake { writes: Duration::from_secs(5), ..Fake::done_after(0.0) };
    let (_fake, poller) = poller(fake);
    let mut subscription = subscribe(&poller, "a", Some(1));
    seconds_pass(2).await;
    // The ledger has it already, and the process's own reading of the ledger finds it there.
    poller.publish(&Job { status: JobStatus::Success, last_checked_at: Some(1_000), ..Job::clone(&job("a")) });
    assert_eq!(end(&mut subscription).await.job.status, JobStatus::Success);
    assert_eq!(subscription.charge().credits, Some(2));
    seconds_pass(10).await;
    assert_eq!(subscription.charge().credits, Some(2), "once");
    assert_eq!(poller.polled(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_job_ended_elsewhere_ends_the_polling() {
    let (fake, poller) = poller(Fake::done_after(1_000.0));
    let mut subscription = subscribe(&poller, "a", Some(5));
    seconds_pass(2).await;
    poller.publish(&Job { status: JobStatus::Cancelled, ..Job::clone(&job("a")) });
    assert_eq!(end(&mut subscription).await.job.status, JobStatus::Cancelled);
    seconds_pass(100).await;
    assert_eq!((fake.times(), poller.polled()), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn one_tenants_waits_do_not_starve_anothers() {
    let limiter = Some(RateLimiter::new(Pace::PerSecond(2)));
    let (fake, poller) = poller(Fake { limiter, ..Fake::done_after(0.0) });
    // Twenty people of one account: the first waits for five hundred jobs, each other one for one.
    let person = |number: usize| Owner::new(Tenant::of_person("https://idp.test", &number.to_string()), owner().key);
    let schedule = Arc::new(Schedule::new(DurationEstimate::PRIOR, 2.0));
    let wait = |number: usize, id: &str| {
        let owner = person(number);
        let job = Arc::new(Job { tenant: owner.tenant.clone(), ..(*job(id)).clone() });
        poller.subscribe(&owner, job, Arc::clone(&schedule), Some(Duration::from_secs(1)), 0)
    };
    let mut many: Vec<Subscription> = (0..500).map(|number| wait(0, &format!("many-{number}"))).collect();
    // Their jobs come when the first tenant's are all due.
    seconds_pass(10).await;
    let before = fake.checks().len();
    let mut few: Vec<Subscription> = (1..20).map(|number| wait(number, &format!("few-{number}"))).collect();
    for subscription in &mut few {
        end(subscription).await;
    }
    let since = fake.start.elapsed().as_secs_f64() - 10.0;
    assert!(before < 30, "{before} checks in ten seconds");
    // Each is due after a second, and then twenty tenants share two requests a second.
    assert!(since <= 1.0 + 20.0 / 2.0 * 1.05 + 1.0, "the last of nineteen waits was over after {since} s");
    for subscription in &mut many {
        end(subscription).await;
    }
    // No pace was lost to the round: 519 checks at two in 1.05 s.
    let all = fake.start.elapsed().as_secs_f64();
    assert!(all <= 519.0 / 2.0 * 1.05 + 3.0, "all were over after {all} s");
}
