//! Whether a file that the storage does not have yet is waited for.
//!
//! Right after a job has succeeded its file can take some seconds to appear. Trying again costs nothing; asking the
//! service for a fresh link is a paid check, and comes after that.

use std::time::Duration;

/// How long after its success a result counts as new.
const NEW: Duration = Duration::from_secs(60);
/// The pauses between tries: 20 s together.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_millis(3_500),
    Duration::from_secs(5),
    Duration::from_secs(8),
];

/// How long to wait before the file of a job that succeeded `age` ago is tried again, after `tries` in vain; nothing when
/// it will not appear any more.
pub fn next_try(age: Duration, tries: usize) -> Option<Duration> {
    // What was new at the first try may take all its tries.
    let is_new = age <= NEW + PAUSES.iter().take(tries).sum::<Duration>();
    PAUSES.get(tries.checked_sub(1)?).copied().filter(|_| is_new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_files_are_tried_for_twenty_seconds_and_old_ones_are_not() {
        let (mut age, mut tries, mut waited) = (Duration::from_secs(1), 1, Duration::ZERO);
        while let Some(pause) = next_try(age, tries) {
            (age, tries, waited) = (age + pause, tries + 1, waited + pause);
        }
        assert_eq!((tries, waited), (PAUSES.len() + 1, Duration::from_secs(20)));
        assert_eq!(next_try(Duration::from_secs(3_600), 1), None);
        assert_eq!(next_try(Duration::ZERO, 0), None);
    }
}
