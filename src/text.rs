//! Text of others in our own sentences, and words as a sentence, a command line or a shell needs them.

use std::borrow::Cow;

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

/// `1 check`, `2 checks`.
pub fn counted(count: i64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The name of a flag or command of the command line for a name of the catalog: dashes, lower case.
pub fn flag_name(name: &str) -> String {
    let mut kebab = String::with_capacity(name.len() + 4);
    let mut after_lower_case = false;
    for letter in name.chars() {
        if letter.is_uppercase() && after_lower_case {
            kebab.push('-');
        }
        after_lower_case = letter.is_lowercase() || letter.is_numeric();
        kebab.push(if letter == '_' { '-' } else { letter.to_ascii_lowercase() });
    }
    kebab
}

/// A word as a shell takes it, letter by letter: as it is, or in quotes.
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '\\' | ':' | ',' | '+' | '=' | '@' | '%');
    if !word.is_empty() && word.chars().all(is_plain) && (cfg!(windows) || !word.contains('\\')) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(in_quotes(word))
}

/// Bytes without the byte order mark that text in UTF-8 may begin with.
pub fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// The same of what is text already.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A word between the quotes of a shell, letter by letter.
pub fn in_quotes(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The longest start of `text` that takes at most `limit` characters between the quotes of JSON.
pub fn json_start(text: &str, limit: usize) -> &str {
    let mut left = limit;
    let end = text.char_indices().find(|(_, c)| {
        let cost = match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..'\u{20}' => 6,
            _ => 1,
        };
        let is_over = cost > left;
        left = left.saturating_sub(cost);
        is_over
    });
    end.and_then(|(at, _)| text.get(..at)).unwrap_or(text)
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

    #[test]
    fn a_command_holds_every_name_as_it_is() {
        for (word, expected) in [("a b.pdf", "'a b.pdf'"), ("it's; rm", r"'it'\''s; rm'"), ("$(x)", "'$(x)'")] {
            assert_eq!((in_quotes(word).as_str(), &*shell_word(word)), (expected, expected));
        }
        assert_eq!(
            (&*shell_word("out/ä-1.pdf"), &*shell_word(""), &*shell_word("~/x")),
            ("out/ä-1.pdf", "''", "'~/x'")
        );
    }

    #[test]
    fn a_start_takes_what_json_escapes_into_account() {
        let text = "a\u{1}\"\u{8}é\u{7f}\n";
        let size = |text: &str| serde_json::to_string(text).unwrap().chars().count() - 2;
        for limit in 0..=size(text) {
            let start = json_start(text, limit);
            assert!(size(start) <= limit, "{limit}: {start:?}");
            let one_more: String = text.chars().take(start.chars().count() + 1).collect();
            assert!(start == text || size(&one_more) > limit, "{limit}: {start:?}");
        }
    }
}
