//! Times, durations, numbers and states as the pages write them.

use maud::{Markup, html};

/// A time in UTC, which the script shows in the reader's own zone.
pub fn time(rfc3339: &str) -> Markup {
    let words = rfc3339.replace('T', " ").replace('Z', " UTC");
    html! { time datetime=(rfc3339) { (words) } }
}

/// The state as the style sheet names it; `other` for one that it does not know.
pub fn known_state(status: &str) -> &'static str {
    ["queued", "working", "success", "failed", "aborted", "unknown", "cancelled"]
        .into_iter()
        .find(|known| *known == status)
        .unwrap_or("other")
}

/// `12345678` as `12 345 678`, with spaces that do not break.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    if number < 0 {
        text.push('−');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A duration in the two units that matter. `script.js` spells the seconds of running jobs the same way.
pub fn spelled(seconds: f64) -> String {
    let whole = seconds.max(0.0).floor() as u64;
    match whole {
        _ if whole < 10 && seconds >= 0.05 && seconds.fract() != 0.0 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {:02} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {:02} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_numbers_are_spelled_for_people() {
        for (seconds, expected) in [
            (0.0, "0 s"),
            (0.04, "0 s"),
            (0.44, "0.4 s"),
            (9.96, "10.0 s"),
            (12.7, "12 s"),
            (61.0, "1 min 01 s"),
            (3_725.0, "1 h 02 min"),
            (190_000.0, "2 d 04 h"),
            (-1.0, "0 s"),
        ] {
            assert_eq!(spelled(seconds), expected);
        }
        for (number, expected) in
            [(0, "0"), (999, "999"), (1_000, "1\u{202f}000"), (-1_234_567, "−1\u{202f}234\u{202f}567")]
        {
            assert_eq!(grouped(number), expected);
        }
    }
}
