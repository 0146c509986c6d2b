//! Durations as flags take them.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::TypedValueParser;

use crate::clock::{Millis, now};
use crate::config::paths;

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

/// A path, in which the home folder is filled in where no shell did it: `--config=~/a` and quoted words.
pub fn path() -> impl clap::builder::TypedValueParser<Value = PathBuf> {
    clap::builder::PathBufValueParser::new().map(|path| {
        let filled_in = path.to_str().and_then(|text| paths::below_home(text, paths::home().as_deref()));
        filled_in.unwrap_or(path)
    })
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

/// A time as people write it: a date, RFC 3339, or how long ago (`90m`, `12h`, `7d`). In milliseconds.
///
/// # Errors
/// What the flag accepts.
pub fn since(text: &str) -> Result<Millis, String> {
    let ago = |text: &str| {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        let ago = number.parse::<u32>().ok().map(i64::from)?.checked_mul(seconds * 1_000)?;
        now().checked_sub(ago)
    };
    let date = |text: &str| {
        let date = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10)?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
    };
    let time = |text: &str| Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond());
    ago(text)
        .or_else(|| date(text))
        .or_else(|| time(text))
        .ok_or_else(|| "a date such as 2026-11-21, a time such as 2026-11-21T12:00:00Z, or 90m, 12h, 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_times_or_ages() {
        assert_eq!(since("2026-11-21").ok(), since("2026-11-21T00:00:00Z").ok());
        let hour = now() - since("1h").unwrap();
        assert!((3_599_000..3_700_000).contains(&hour), "{hour}");
        for text in ["", "h", "1x", "-1h", "soon", "99999999999d", "é"] {
            assert!(since(text).is_err(), "{text}");
        }
    }

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
