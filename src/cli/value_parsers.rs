//! Durations as flags take them.

use std::time::Duration;

/// A timeout that stands for none, for timers that need an end.
pub const A_YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Seconds as written, at most a year.
///
/// # Errors
/// What the flag accepts.
pub fn plain_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=A_YEAR.as_secs_f64()).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "a number of seconds, such as 120 or 2.5".to_owned())
}

/// A timeout in seconds, where 0 means none.
///
/// # Errors
/// What the flag accepts.
pub fn timeout(text: &str) -> Result<Duration, String> {
    plain_seconds(text).map(|timeout| if timeout.is_zero() { A_YEAR } else { timeout })
}

/// A poll interval, 0.5 to 60 seconds.
///
/// # Errors
/// What the flag accepts.
pub fn interval(text: &str) -> Result<Duration, String> {
    plain_seconds(text)
        .ok()
        .filter(|seconds| (0.5..=60.0).contains(&seconds.as_secs_f64()))
        .ok_or_else(|| "a number of seconds from 0.5 to 60".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_seconds_and_zero_means_none() {
        for (text, expected) in
            [("120", Some(Duration::from_secs(120))), ("2.5", Some(Duration::from_millis(2_500))), ("0", Some(A_YEAR))]
        {
            assert_eq!(timeout(text).ok(), expected, "{text}");
        }
        for text in ["-1", "NaN", "inf", "1e300", "soon", ""] {
            assert!(timeout(text).is_err(), "{text}");
        }
        assert!(interval("0.4").is_err() && interval("61").is_err() && interval("0.5").is_ok());
    }
}
