//! Files of settings: one `NAME=value` a line, read as far as they are about us.
//!
//! A `.env` may have come with other people's documents, so none is read that was not asked for: see
//! [`load`](super::load). What cannot be read stops nothing.

use super::origin::Origin;
use super::setting::Setting;
use super::settings::SETTINGS;
use super::sources::{Values, nearest};

/// What a file of settings holds that is about us.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parsed {
    pub values: Values,
    /// Lines about us that cannot be used, named without their values.
    pub problems: Vec<String>,
}

/// The settings in `bytes`. Of a file that was allowed with its folder only names that begin with `PDFCO_` are read:
/// `X_API_KEY` may be another program's there.
///
/// Each line stands for itself: what other programs write, in whatever way, neither stops nor changes ours. Nothing is
/// filled in from the environment, so no file can carry a variable of ours to a place of its choice.
pub(super) fn parse(bytes: &[u8], origin: Origin) -> Parsed {
    let mut parsed = Parsed::default();
    let Some(text) = text_of(bytes) else {
        parsed.problems.push("is not text".to_owned());
        return parsed;
    };
    for (index, line) in text.lines().enumerate() {
        let Some((name, value)) = assignment(line) else { continue };
        let known = SETTINGS.iter().flat_map(Setting::names).any(|known| known == name);
        if !known {
            if name.starts_with("PDFCO_") {
                let hint = nearest(name).map(|nearest| format!(" (did you mean {nearest}?)")).unwrap_or_default();
                parsed.problems.push(format!("has {name} in line {}, which is no setting{hint}", index + 1));
            }
            continue;
        }
        if origin == Origin::AllowedEnvFile && !name.starts_with("PDFCO_") {
            parsed
                .problems
                .push(format!("has {name}, which is not read from a folder's file: other programs use that name too"));
            continue;
        }
        match value_of(value) {
            Some(value) => drop(parsed.values.insert(name.to_owned(), value)),
            None => parsed.problems.push(format!("has a value of {name} in line {} that cannot be read", index + 1)),
        }
    }
    parsed
}

/// UTF-8, or UTF-16 that says so, without the mark that says so.
fn text_of(bytes: &[u8]) -> Option<String> {
    let utf_16 = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units = pairs.iter().map(|pair| read(*pair));
        if rest.is_empty() { char::decode_utf16(units).collect::<Result<String, _>>().ok() } else { None }
    };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok()?,
        // One stray letter in another program's comment does not make the rest unreadable.
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    };
    (!text.contains('\0')).then_some(text)
}

/// The name before the first `=`, and what follows; nothing for comments and all that is no assignment.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some((name, value))
}

/// A value without its quotes, or without the comment that follows it. Between single quotes everything stands for
/// itself, between double ones `\"` and `\\` stand for one character. Nothing when a quote is left open.
fn value_of(text: &str) -> Option<String> {
    let text = text.trim();
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        let end = text.find(" #").or_else(|| text.find("\t#")).unwrap_or(text.len());
        let value = text.get(..end).unwrap_or_default();
        return Some(if value.starts_with('#') { String::new() } else { value.trim_end().to_owned() });
    };
    let mut value = String::new();
    let mut characters = text.chars();
    characters.next();
    while let Some(c) = characters.next() {
        match c {
            _ if c == quote => {
                let rest = characters.as_str().trim();
                return (rest.is_empty() || rest.starts_with('#')).then_some(value);
            }
            '\\' if quote == '"' => match characters.next()? {
                escaped @ ('"' | '\\') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        parse(text.as_bytes(), Origin::EnvFile).values.into_iter().collect()
    }

    #[test]
    fn values_are_read_as_shells_and_people_write_them() {
        for (line, expected) in [
            ("PDFCO_LOG=debug", "debug"),
            ("  export PDFCO_LOG = debug  ", "debug"),
            ("PDFCO_LOG=debug # why", "debug"),
            ("PDFCO_LOG=a#b", "a#b"),
            ("PDFCO_LOG=", ""),
            ("PDFCO_LOG= # nothing", ""),
            ("PDFCO_LOG=\"a b # c\" # why", "a b # c"),
            (r#"PDFCO_LOG="a\"b\\c\d""#, r#"a"b\c\d"#),
            (r"PDFCO_LOG='C:\a\b'", r"C:\a\b"),
            (r"PDFCO_LOG=C:\a\b", r"C:\a\b"),
            ("PDFCO_LOG=it's", "it's"),
            ("PDFCO_LOG=${HOME}/x$PATH", "${HOME}/x$PATH"),
            ("PDFCO_LOG=\"${AWS_SECRET_ACCESS_KEY}\"", "${AWS_SECRET_ACCESS_KEY}"),
            ("PDFCO_LOG=1\r", "1"),
            ("PDFCO_LOG=1\nPDFCO_LOG=2", "2"),
        ] {
            assert_eq!(values(line), [("PDFCO_LOG".to_owned(), expected.to_owned())], "{line:?}");
        }
    }

    #[test]
    fn lines_of_other_programs_neither_stop_nor_change_ours() {
        for other in [
            "APP_NAME=My Great App",
            "DB_PASSWORD=it's",
            "KEY: value",
            "FOO",
            "if [ -f x ]; then",
            "my-key=1",
            r"P=C:\PROGRA~1\x",
            "CFG={\"a\": 1}",
            "OPEN=\"never closed",
            "# PDFCO_LOG=debug",
            "=",
            "\u{1}\u{2}",
        ] {
            let text = format!("{other}\nPDFCO_READ_ONLY=true\n{other}\n");
            let parsed = parse(text.as_bytes(), Origin::EnvFile);
            assert_eq!(parsed.values.len(), 1, "{other}");
            assert!(parsed.problems.is_empty(), "{other}: {:?}", parsed.problems);
        }
        let latin = parse(b"NAME=caf\xe9\nPDFCO_LOG=info\n", Origin::EnvFile);
        assert_eq!(latin.values.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_of_ours_is_named_without_its_value() {
        for (text, expected) in [
            ("PDFCO_API_KEY=\"canary", "has a value of PDFCO_API_KEY in line 1 that cannot be read"),
            ("PDFCO_API_KEY='canary' x", "has a value of PDFCO_API_KEY in line 1 that cannot be read"),
            ("\nPDFCO_APIKEY=canary", "has PDFCO_APIKEY in line 2, which is no setting (did you mean PDFCO_API_KEY?)"),
            ("a\0b", "is not text"),
        ] {
            let parsed = parse(text.as_bytes(), Origin::EnvFile);
            assert_eq!((parsed.values.len(), parsed.problems), (0, vec![expected.to_owned()]), "{text:?}");
        }
    }

    #[test]
    fn byte_order_marks_are_dropped() {
        let utf_16 = |text: &str, write: fn(u16) -> [u8; 2]| -> Vec<u8> {
            [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(write).collect()
        };
        for bytes in [
            b"\xef\xbb\xbfPDFCO_LOG=info\r\n".to_vec(),
            utf_16("PDFCO_LOG=info\r\n", u16::to_le_bytes),
            utf_16("PDFCO_LOG=info\n", u16::to_be_bytes),
        ] {
            let parsed = parse(&bytes, Origin::EnvFile);
            assert_eq!(parsed.values.get("PDFCO_LOG").map(String::as_str), Some("info"), "{bytes:?}");
        }
    }

    #[test]
    fn generic_key_names_count_in_files_made_for_us_only() {
        let text = b"X_API_KEY=k\nPDFCO_LOG=info\n";
        assert_eq!(parse(text, Origin::EnvFile).values.len(), 2);
        assert_eq!(parse(text, Origin::OwnEnvFile).values.len(), 2);
        assert_eq!(parse(text, Origin::AllowedEnvFile).values.len(), 1);
    }
}
