//! A lock that goes round: of those who wait, the tenants take it one after the other, and each tenant's own in the order
//! in which they came. Five hundred who wait for one tenant delay another tenant's one by no more than one holder.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::tenant::Tenant;

/// The lock.
#[derive(Default)]
pub(super) struct FairQueue {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_held: bool,
    /// The tenants that wait, the next one first; none without someone who waits.
    lanes: VecDeque<(Tenant, VecDeque<oneshot::Sender<Held>>)>,
}

/// The lock is held until this is dropped.
pub(super) struct Held {
    state: Arc<Mutex<State>>,
    /// Another one holds the lock by now.
    is_passed_on: bool,
}

impl FairQueue {
    /// Waits for the lock. Dropping the future gives the place in the queue up.
    pub(super) async fn lock(&self, tenant: &Tenant) -> Held {
        let granted = {
            let mut state = self.state.lock();
            if !std::mem::replace(&mut state.is_held, true) {
                return Held { state: Arc::clone(&self.state), is_passed_on: false };
            }
            let (grant, granted) = oneshot::channel();
            match state.lanes.iter_mut().find(|(known, _)| known == tenant) {
                Some((_, lane)) => lane.push_back(grant),
                None => state.lanes.push_back((tenant.clone(), VecDeque::from([grant]))),
            }
            granted
        };
        match granted.await {
            Ok(held) => held,
            // Every holder passes the lock on: this one does not hold it.
            Err(_) => Held { state: Arc::clone(&self.state), is_passed_on: true },
        }
    }
}

impl State {
    /// The one who is next: the first of the next tenant, who goes to the end.
    fn next(&mut self) -> Option<oneshot::Sender<Held>> {
        loop {
            let (tenant, mut lane) = self.lanes.pop_front()?;
            // Those who gave up neither take their tenant's place in the round nor keep it there.
            lane.retain(|grant| !grant.is_closed());
            if let Some(next) = lane.pop_front() {
                if !lane.is_empty() {
                    self.lanes.push_back((tenant, lane));
                }
                return Some(next);
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_passed_on {
            return;
        }
        loop {
            let next = {
                let mut state = self.state.lock();
                match state.next() {
                    Some(next) => next,
                    None => {
                        state.is_held = false;
                        return;
                    }
                }
            };
            // Outside of the lock: what is sent may be dropped at once, and passes it on then.
            match next.send(Held { state: Arc::clone(&self.state), is_passed_on: false }) {
                Ok(()) => return,
                Err(mut back) => back.is_passed_on = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn tenant(name: &str) -> Tenant {
        Tenant::stored(name)
    }

    /// Lets `order` wait while the lock is held, and returns who gets it in which order.
    async fn served(order: &[&'static str]) -> Vec<&'static str> {
        let queue = Arc::new(FairQueue::default());
        let (seen, first) = (Arc::new(Mutex::new(Vec::new())), queue.lock(&tenant("first")).await);
        let mut waiting = Vec::new();
        for name in order {
            let (queue, seen, name) = (Arc::clone(&queue), Arc::clone(&seen), *name);
            waiting.push(tokio::spawn(async move {
                let _held = queue.lock(&tenant(name)).await;
                seen.lock().push(name);
            }));
            tokio::task::yield_now().await;
        }
        drop(first);
        for task in waiting {
            task.await.unwrap();
        }
        assert!(!queue.state.lock().is_held && queue.state.lock().lanes.is_empty());
        seen.lock().clone()
    }

    #[tokio::test]
    async fn the_lock_goes_round_the_tenants() {
        assert_eq!(served(&["a", "a", "a", "b", "b", "c"]).await, ["a", "b", "c", "a", "b", "a"]);
        assert_eq!(served(&["a"; 5]).await, ["a"; 5]);
    }

    #[tokio::test]
    async fn one_that_gives_up_blocks_no_other() {
        let queue = FairQueue::default();
        let (b, c) = (tenant("b"), tenant("c"));
        let held = queue.lock(&tenant("a")).await;
        let (mut given_up, mut patient) = (Box::pin(queue.lock(&b)), Box::pin(queue.lock(&b)));
        assert!(given_up.as_mut().now_or_never().is_none() && patient.as_mut().now_or_never().is_none());
        drop(given_up);
        drop(held);
        let held = patient.as_mut().now_or_never().expect("the next one has it");
        // Granted, and dropped before it was polled.
        let mut never_polled = Box::pin(queue.lock(&c));
        assert!(never_polled.as_mut().now_or_never().is_none());
        drop(held);
        drop(never_polled);
        assert!(queue.lock(&tenant("d")).now_or_never().is_some());
    }
}
