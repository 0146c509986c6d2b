//! The wall clock. Durations inside one process are measured with `tokio::time::Instant` instead, which never jumps.

/// Milliseconds since 1970-01-01 UTC.
pub type Millis = i64;

/// The time now, UTC. May jump in either direction when the machine's clock is set.
pub fn now() -> Millis {
    jiff::Timestamp::now().as_millisecond()
}
