//! Work on a result that is given up when its storage falls silent.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::{Error, Kind, Result};

/// How long a transfer may be silent once the timeout of its call is over.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// `work`, given up when it is later than `until` and nothing has moved for a while, as far as `moved` says when
/// something did.
pub(super) async fn not_silent_beyond<T>(
    until: Option<Instant>,
    moved: Option<&Mutex<Option<Instant>>>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(until) = until else { return work.await };
    let began = Instant::now();
    let patience_over = async {
        let mut at = until;
        while at > Instant::now() {
            tokio::time::sleep_until(at).await;
            let moved = moved.and_then(|moved| *moved.lock());
            at = moved.map_or(until, |moved| until.max(moved + SILENCE_MAX));
        }
    };
    tokio::select! {
        outcome = work => outcome,
        () = patience_over => Err(Error::new(
            Kind::Network,
            if until <= began {
                "There was no time left for it in this call."
            } else {
                "The storage stopped answering, and the call ends before it is cut off."
            },
            "Nothing is lost: the result is where it was.",
        )),
    }
}
