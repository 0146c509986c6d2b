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
