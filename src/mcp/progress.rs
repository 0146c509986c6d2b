//! Progress notifications while a call runs: about every three seconds, strictly increasing, never after the result.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::Peer;
use tokio::time::Instant;

use crate::app::Event;

/// The first notification comes early, so that a person sees something move.
const FIRST: Duration = Duration::from_secs(1);
/// Time between notifications.
const EVERY: Duration = Duration::from_secs(3);

/// What happened last, for notifications.
#[derive(Clone, Default)]
pub struct Progress {
    last: Arc<Mutex<Option<(Instant, Event)>>>,
}

impl Progress {
    /// Records what happened last.
    pub fn record(&self, event: Event) {
        *self.last.lock() = Some((Instant::now(), event));
    }

    /// The last event in words, with the time since the submit as of now.
    fn words(&self) -> Option<String> {
        let last = self.last.lock();
        let (recorded, event) = last.as_ref()?;
        Some(match event {
            Event::Uploading { name, bytes } => format!("uploading {name} ({bytes} bytes)"),
            Event::Job { status, elapsed_seconds, checks_made, .. } => {
                let elapsed = elapsed_seconds + recorded.elapsed().as_secs_f64();
                let times = if *checks_made == 1 { "once".to_owned() } else { format!("{checks_made} times") };
                format!("{status}, {elapsed:.0} s since the submit, checked {times}")
            }
            Event::Downloading { name, done, total: Some(total) } => {
                format!("downloading {name}, {done} of {total} bytes")
            }
            Event::Downloading { name, done, total: None } => format!("downloading {name}, {done} bytes"),
        })
    }

    /// Runs `work`, and notifies the peer of its progress meanwhile. Without a token nothing is sent.
    ///
    /// Sending is awaited in the task that returns the result, so no notification comes after it.
    pub async fn beside<T>(
        &self,
        peer: Peer<RoleServer>,
        token: Option<ProgressToken>,
        work: impl Future<Output = T>,
    ) -> T {
        let Some(token) = token else { return work.await };
        let started = Instant::now();
        let mut ticks = tokio::time::interval_at(started + FIRST, EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = ticks.tick() => {
                    let seconds = (started.elapsed().as_secs_f64() * 10.0).round() / 10.0;
                    let mut note = ProgressNotificationParam::new(token.clone(), seconds);
                    if let Some(words) = self.words() {
                        note = note.with_message(words);
                    }
                    // A peer that is gone is noticed by the transport, not here.
                    let _ = Box::pin(peer.notify_progress(note)).await;
                }
            }
        }
    }
}
