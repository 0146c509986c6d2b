//! Text from outside, made safe for a terminal.

/// The text without control characters that could move a terminal's cursor, and without one line end at its end.
pub fn tame(text: &str) -> String {
    let tamed: String =
        text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect();
    tamed.strip_suffix('\n').map(str::to_owned).unwrap_or(tamed)
}

/// `text` with lines of at most `width` characters, broken between words. Lines after a break are indented as the first.
pub fn wrapped(text: &str, width: usize) -> String {
    text.lines().map(|line| wrapped_line(line, width)).collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    let indent: String = line.chars().take_while(|c| *c == ' ').collect();
    if line.chars().count() <= width || indent.len() * 2 > width {
        return line.to_owned();
    }
    let (mut lines, mut current) = (Vec::new(), String::new());
    for word in line.trim_start().split(' ') {
        let longer = current.chars().count() + 1 + word.chars().count() + indent.len();
        if !current.is_empty() && longer > width {
            lines.push(format!("{indent}{current}"));
            current.clear();
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    lines.push(format!("{indent}{current}"));
    lines.join("\n")
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
    fn lines_are_broken_between_words_alone() {
        assert_eq!(wrapped("one two three", 9), "one two\nthree");
        assert_eq!(wrapped("  one two three\nfour", 9), "  one two\n  three\nfour");
        assert_eq!(wrapped("averylongword and", 5), "averylongword\nand");
        assert_eq!(wrapped("short", 80), "short");
        assert_eq!(wrapped("", 80), "");
    }

    #[test]
    fn escape_sequences_become_visible() {
        assert_eq!(tame("a\u{1b}[2Jb\tc\n"), "a\u{fffd}[2Jb\tc");
    }
}
