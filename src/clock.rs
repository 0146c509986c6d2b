//! The wall clock. Durations inside one process are measured with `tokio::time::Instant` instead, which never jumps.

/// Milliseconds since 1970-01-01 UTC.
pub type Millis = i64;

/// The time now, UTC. May jump in either direction when the machine's clock is set.
pub fn now() -> Millis {
    jiff::Timestamp::now().as_millisecond()
}

/// A time as text, RFC 3339, to the second.
pub fn rfc3339(at: Millis) -> String {
    let stamp = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{stamp:.0}")
}

/// One day, in milliseconds.
const DAY: Millis = 86_400_000;

/// The day of `at`, UTC.
pub fn day(at: Millis) -> String {
    let stamp = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    stamp.to_string().split('T').next().unwrap_or_default().to_owned()
}

/// When the day of `at` began, UTC.
pub fn start_of_day(at: Millis) -> Millis {
    at.saturating_sub(at.rem_euclid(DAY))
}
