//! Text of others in our own sentences.

/// At most `chars` characters of `text`, for messages that quote what a caller wrote.
pub fn shorten(text: &str, chars: usize) -> String {
    // Neither what a terminal obeys nor what turns text around, so that a quotation cannot pose as something else.
    let is_shown = |c: char| {
        !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut clean: String = text.chars().take(chars).map(|c| if is_shown(c) { c } else { '\u{fffd}' }).collect();
    if text.chars().nth(chars).is_some() {
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_short_and_cannot_steer_a_terminal() {
        assert_eq!(shorten("plain", 5), "plain");
        assert_eq!(shorten("a longer text", 8), "a longer…");
        assert_eq!(shorten("a\u{1b}[2Jb\u{202e}c", 40), "a\u{fffd}[2Jb\u{fffd}c");
    }
}
