//! Whose work runs next: requests over HTTP are polled in slices, so many at once, and of those that are ready the tenants
//! get a slice one after the other.
//!
//! The runtime polls tasks in the order in which they became ready, so hundreds of requests of one tenant would all come
//! before the next one of another. Here each of them only queues, which costs next to nothing, and a request that waits
//! for a job, for the service or for the ledger is not polled and holds nothing.
//!
//! There is one slice less than the runtime has threads: the other thread finds out who is ready.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use parking_lot::Mutex;
use rmcp::model::Extensions;

use crate::tenant::Tenant;

thread_local! {
    /// Whether this thread polls within a slice: work within work needs no other.
    static IS_IN_SLICE: Cell<bool> = const { Cell::new(false) };
}

/// The slices of all requests.
#[derive(Debug)]
pub struct Slices {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// The tenants whose requests are ready, the next one first. None has an empty lane.
    lanes: VecDeque<(Option<Tenant>, VecDeque<Arc<Ticket>>)>,
}

impl Slices {
    /// As many slices as this runtime can serve.
    pub fn of_this_runtime() -> Arc<Slices> {
        Slices::new(tokio::runtime::Handle::current().metrics().num_workers().saturating_sub(1))
    }

    /// So many slices, but at least one.
    pub fn new(at_once: usize) -> Arc<Slices> {
        Arc::new(Slices { state: Mutex::new(State { free: at_once.max(1), lanes: VecDeque::new() }) })
    }

    /// The share of `tenant`; `None` is that of all callers whose key the service has not accepted yet, who may have
    /// made it up.
    pub fn share(self: &Arc<Self>, tenant: Option<Tenant>) -> Share {
        Share { slices: Arc::clone(self), tenant }
    }

    /// Gives a slice that was used to the next request that is ready.
    fn pass_on(&self) {
        let waker = loop {
            let mut state = self.state.lock();
            let Some(next) = state.next() else {
                state.free += 1;
                return;
            };
            drop(state);
            if let Some(waker) = next.grant() {
                break waker;
            }
        };
        waker.wake();
    }
}

impl State {
    fn enqueue(&mut self, tenant: &Option<Tenant>, ticket: Arc<Ticket>) {
        match self.lanes.iter_mut().find(|(known, _)| known == tenant) {
            Some((_, lane)) => lane.push_back(ticket),
            None => self.lanes.push_back((tenant.clone(), VecDeque::from([ticket]))),
        }
    }

    /// The first request of the next tenant, who goes to the end.
    fn next(&mut self) -> Option<Arc<Ticket>> {
        let (tenant, mut lane) = self.lanes.pop_front()?;
        let next = lane.pop_front();
        if !lane.is_empty() {
            self.lanes.push_back((tenant, lane));
        }
        next
    }
}

/// The position of one request in the queue.
#[derive(Debug)]
struct Ticket(Mutex<Stage>);

#[derive(Debug)]
enum Stage {
    Queued(Waker),
    Granted,
    GivenUp,
}

impl Ticket {
    /// Grants the slice, and returns whom to wake; `None` when the request was given up.
    fn grant(&self) -> Option<Waker> {
        let mut stage = self.0.lock();
        match std::mem::replace(&mut *stage, Stage::Granted) {
            Stage::Queued(waker) => Some(waker),
            given_up => {
                *stage = given_up;
                None
            }
        }
    }
}

/// What one tenant's requests run in. Cheap to clone; travels with the request.
#[derive(Clone, Debug)]
pub struct Share {
    slices: Arc<Slices>,
    tenant: Option<Tenant>,
}

impl Share {
    /// That of a request which came over HTTP.
    pub fn of(extensions: &Extensions) -> Option<Share> {
        extensions.get::<http::request::Parts>()?.extensions.get::<Share>().cloned()
    }

    /// Runs `work` in slices of `share`, where there is one.
    pub async fn run_in<T>(share: Option<Share>, work: impl Future<Output = T>) -> T {
        match share {
            Some(share) => share.run(work).await,
            None => work.await,
        }
    }

    /// Claims slices for one piece of work.
    pub fn claim(self) -> Claim {
        Claim { share: self, ticket: None }
    }

    /// Runs `work` in slices.
    pub async fn run<T>(self, work: impl Future<Output = T>) -> T {
        let (mut work, mut claim) = (pin!(work), self.claim());
        poll_fn(move |context| {
            let _slice = ready!(claim.poll_slice(context));
            work.as_mut().poll(context)
        })
        .await
    }
}

/// A claim to slices, one after the other.
#[derive(Debug)]
pub struct Claim {
    share: Share,
    ticket: Option<Arc<Ticket>>,
}

impl Claim {
    /// A slice for one poll, once there is one.
    pub fn poll_slice(&mut self, context: &Context<'_>) -> Poll<Slice> {
        if IS_IN_SLICE.get() {
            return Poll::Ready(Slice(None));
        }
        if let Some(ticket) = &self.ticket {
            let mut stage = ticket.0.lock();
            if let Stage::Queued(waker) = &mut *stage {
                waker.clone_from(context.waker());
                return Poll::Pending;
            }
        } else {
            let mut state = self.share.slices.state.lock();
            if state.free == 0 {
                let ticket = Arc::new(Ticket(Mutex::new(Stage::Queued(context.waker().clone()))));
                state.enqueue(&self.share.tenant, Arc::clone(&ticket));
                self.ticket = Some(ticket);
                return Poll::Pending;
            }
            state.free -= 1;
        }
        self.ticket = None;
        IS_IN_SLICE.set(true);
        Poll::Ready(Slice(Some(Arc::clone(&self.share.slices))))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let stage = std::mem::replace(&mut *ticket.0.lock(), Stage::GivenUp);
        if matches!(stage, Stage::Granted) {
            self.share.slices.pass_on();
        }
    }
}

/// One poll may run until this is dropped, on the thread that has it.
#[derive(Debug)]
pub struct Slice(Option<Arc<Slices>>);

impl Drop for Slice {
    fn drop(&mut self) {
        if let Some(slices) = self.0.take() {
            IS_IN_SLICE.set(false);
            slices.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::panic::AssertUnwindSafe;

    fn tenant(name: &str) -> Option<Tenant> {
        Some(Tenant::stored(name))
    }

    fn context() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    /// Queues requests of these tenants behind one that runs, and returns in which order they run.
    fn served(order: &[&'static str]) -> Vec<&'static str> {
        let slices = Slices::new(1);
        let mut first = slices.share(tenant("first")).claim();
        let Poll::Ready(running) = first.poll_slice(&context()) else { panic!("it has to wait") };
        IS_IN_SLICE.set(false);
        let mut queued: Vec<_> = order.iter().map(|name| (*name, slices.share(tenant(name)).claim())).collect();
        assert!(queued.iter_mut().all(|(_, claim)| claim.poll_slice(&context()).is_pending()));
        drop(running);
        let mut served = Vec::new();
        while !queued.is_empty() {
            let ready = queued.iter_mut().position(|(_, claim)| claim.poll_slice(&context()).is_ready());
            served.push(queued.remove(ready.expect("none has a slice")).0);
        }
        assert!(slices.state.lock().free == 1 && slices.state.lock().lanes.is_empty());
        served
    }

    #[test]
    fn tenants_run_one_after_the_other() {
        assert_eq!(served(&["a", "a", "a", "b", "b", "c"]), ["a", "b", "c", "a", "b", "a"]);
        assert_eq!(served(&["a"; 5]), ["a"; 5]);
    }

    #[tokio::test]
    async fn a_request_that_waits_holds_no_slice() {
        let slices = Slices::new(1);
        let mut waiting = Box::pin(slices.share(tenant("a")).run(std::future::pending::<()>()));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(slices.share(tenant("b")).run(async { 7 }).now_or_never(), Some(7));
    }

    #[test]
    fn a_request_that_is_given_up_keeps_no_slice() {
        let slices = Slices::new(1);
        let Poll::Ready(running) = slices.share(None).claim().poll_slice(&context()) else { panic!() };
        IS_IN_SLICE.set(false);
        let [mut queued, mut granted, mut last] = ["a", "b", "c"].map(|name| slices.share(tenant(name)).claim());
        for claim in [&mut queued, &mut granted, &mut last] {
            assert!(claim.poll_slice(&context()).is_pending());
        }
        drop(queued);
        drop(running);
        // It was granted to the second, which never polls it.
        assert!(last.poll_slice(&context()).is_pending());
        drop(granted);
        assert!(last.poll_slice(&context()).is_ready());
        assert_eq!(slices.state.lock().free, 1);
    }

    #[tokio::test]
    async fn a_panic_gives_the_slice_back() {
        let slices = Slices::new(1);
        let panicking = slices.share(tenant("a")).run(async { panic!("on purpose") });
        assert!(AssertUnwindSafe(panicking).catch_unwind().await.is_err());
        assert_eq!(slices.share(tenant("b")).run(async { 7 }).now_or_never(), Some(7));
    }

    #[test]
    fn work_within_work_does_not_wait_for_itself() {
        let slices = Slices::new(1);
        let inner = slices.share(tenant("a")).run(async { 7 });
        assert_eq!(slices.share(tenant("a")).run(inner).now_or_never(), Some(7));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_more_run_at_once_and_all_end() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let slices = Slices::of_this_runtime();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..400)
            .map(|number| {
                let (running, most) = (Arc::clone(&running), Arc::clone(&most));
                let work = async move {
                    for _ in 0..5 {
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_micros(50));
                        running.fetch_sub(1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                    }
                };
                tokio::spawn(slices.share(tenant(&format!("{}", number % 7))).run(work))
            })
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            match number % 5 {
                0 => task.abort(),
                _ => task.await.unwrap(),
            }
        }
        assert!(most.load(Ordering::SeqCst) <= 3, "{most:?}");
        while slices.state.lock().free < 3 {
            tokio::task::yield_now().await;
        }
        assert!(slices.state.lock().lanes.is_empty());
    }
}
