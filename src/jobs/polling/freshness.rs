//! Whether a recorded state is new enough to be answered without asking the service.

use std::time::Duration;

use crate::clock::Millis;

/// A check within this time after the last one is answered from the ledger.
pub const FRESH: Duration = Duration::from_secs(3);

/// How much longer the state of a check at `last_checked_at` counts as fresh; nothing when it does not. A check in the
/// future was made under a clock that has been set back since: it proves nothing.
pub fn fresh_for(last_checked_at: Option<Millis>, now: Millis) -> Option<Duration> {
    let age = u64::try_from(now.saturating_sub(last_checked_at?)).ok()?;
    FRESH.checked_sub(Duration::from_millis(age)).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_fresh_for_three_seconds() {
        let now = 1_000_000;
        for (at, expected) in [
            (None, None),
            (Some(now), Some(3_000)),
            (Some(now - 1_000), Some(2_000)),
            (Some(now - 3_000), None),
            (Some(now + 1), None),
            (Some(i64::MAX), None),
            (Some(i64::MIN), None),
        ] {
            assert_eq!(fresh_for(at, now), expected.map(Duration::from_millis), "{at:?}");
        }
    }
}
