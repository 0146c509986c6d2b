//! Text from outside, made safe for a terminal.

/// The text without control characters that could move a terminal's cursor, and without one line end at its end.
pub fn tame(text: &str) -> String {
    let tamed: String =
        text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect();
    tamed.strip_suffix('\n').map(str::to_owned).unwrap_or(tamed)
}

/// A headline and its reasons, at most twenty of them, one a line.
pub fn with_reasons(headline: &str, reasons: &[String]) -> String {
    const REASONS_MAX: usize = 20;
    let mut words = headline.to_owned();
    for reason in reasons.iter().take(REASONS_MAX) {
        words.push_str(&format!("\n  {}", reason.replace('\n', " ")));
    }
    if reasons.len() > REASONS_MAX {
        words.push_str(&format!("\n  … and {} more", reasons.len() - REASONS_MAX));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_become_visible() {
        assert_eq!(tame("a\u{1b}[2Jb\tc\n"), "a\u{fffd}[2Jb\tc");
    }
}
