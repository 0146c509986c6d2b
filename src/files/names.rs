//! File names that are safe to create, whatever the service or a document called them. Pure functions.

use std::collections::{HashMap, HashSet};

use crate::catalog::media_types::of_extension;

/// Longest name in bytes. File systems allow 255; the rest is room for the numbers of [`numbered`] and for the random
/// part of a temporary name.
const NAME_BYTES_MAX: usize = 180;
/// Longest extension, with its dot, that is kept when a name is cut.
const EXTENSION_BYTES_MAX: usize = 20;
/// The name of what has none.
const NAMELESS: &str = "result";
/// Names that Windows takes for devices, in any case and with any extension.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"];

/// A name that stays in its folder, on every system: the last component of `raw` (percent-decoded by the caller)
/// without what any file system, shell or eye would trip over. Never empty.
pub fn safe_file_name(raw: &str) -> String {
    let last = raw.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !is_unwanted(*c)).collect();
    let name = trimmed_end(plain.trim_start_matches(is_edge));
    if name.is_empty() {
        return NAMELESS.to_owned();
    }
    let name = if is_device(name) { format!("_{name}") } else { name.to_owned() };
    let (stem, extension) = split(&name);
    format!("{}{extension}", cut(stem, NAME_BYTES_MAX.saturating_sub(extension.len())))
}

/// The safe form of `raw` with the extension of a document: its own, or where it has none that of `suggested`.
///
/// # Errors
/// Its extension, when that is not one of a document.
pub(super) fn document_name(raw: &str, suggested: &str) -> Result<String, String> {
    let is_document = |extension: &str| of_extension(extension).is_some();
    let name = safe_file_name(raw);
    let own = split(&name).1.trim_start_matches('.').to_owned();
    if is_document(&own) {
        return Ok(name);
    }
    if !own.is_empty() {
        return Err(own);
    }
    let suggested = split(suggested).1.trim_start_matches('.');
    Ok(format!("{name}.{}", if is_document(suggested) { suggested } else { "bin" }))
}

/// The same names, made unique without regard to case: the second `page.png` is `page-2.png`.
pub fn numbered(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let names: Vec<String> = names.into_iter().collect();
    let given: HashSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let mut used = HashSet::with_capacity(names.len());
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut unique = Vec::with_capacity(names.len());
    for name in names {
        let folded = name.to_lowercase();
        if used.insert(folded.clone()) {
            unique.push(name);
            continue;
        }
        let (stem, extension) = split(&name);
        let count = counts.entry(folded).or_insert(1);
        loop {
            *count += 1;
            let number = format!("-{count}");
            let room = NAME_BYTES_MAX.saturating_sub(extension.len() + number.len());
            let candidate = format!("{}{number}{extension}", cut(stem, room));
            let folded = candidate.to_lowercase();
            // Names that were given keep their owners. Finitely many are taken, so this ends.
            if !given.contains(&folded) && used.insert(folded) {
                unique.push(candidate);
                break;
            }
        }
    }
    unique
}

/// Whether Windows would open a device under this name.
pub(super) fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim().to_lowercase();
    let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    // The superscript digits count as digits there.
    let is_port =
        port.is_some_and(|number| matches!(number.chars().collect::<Vec<_>>()[..], ['0'..='9' | '¹' | '²' | '³']));
    is_port || DEVICES.contains(&stem.as_str())
}

/// Characters without a place in a name: controls, what file systems forbid, and what turns or hides text, so that
/// `fdp.exe` cannot pose as `exe.pdf`.
fn is_unwanted(c: char) -> bool {
    c.is_control()
        || matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*' | '/' | '\\')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn is_edge(c: char) -> bool {
    c == '.' || c.is_whitespace()
}

fn trimmed_end(name: &str) -> &str {
    name.trim_end_matches(is_edge)
}

/// Stem and extension; the extension has its dot, or is empty.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= EXTENSION_BYTES_MAX => name.split_at(dot),
        _ => (name, ""),
    }
}

/// At most `bytes` bytes of a stem, whole characters only.
fn cut(stem: &str, bytes: usize) -> &str {
    if stem.len() <= bytes {
        return stem;
    }
    let end = stem.floor_char_boundary(bytes);
    trimmed_end(stem.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_safe() {
        for (raw, safe) in [
            ("report.pdf", "report.pdf"),
            ("résumé 2024.pdf", "résumé 2024.pdf"),
            ("日本語.txt", "日本語.txt"),
            ("../../etc/passwd", "passwd"),
            (r"..\..\windows\system.ini", "system.ini"),
            ("/absolute/path.pdf", "path.pdf"),
            (r"C:\temp\a.pdf", "a.pdf"),
            ("C:a.pdf", "Ca.pdf"),
            ("notes.txt:stream", "notes.txtstream"),
            (".bashrc", "bashrc"),
            ("...hidden", "hidden"),
            (". . .x", "x"),
            ("trailing. . ", "trailing"),
            ("a\0b\n\x1b[31m.pdf", "ab[31m.pdf"),
            ("a<b>c:d\"e|f?g*.pdf", "abcdefg.pdf"),
            ("exe.\u{202e}fdp", "exe.fdp"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("Com1.tar.gz", "_Com1.tar.gz"),
            ("LPT¹.pdf", "_LPT¹.pdf"),
            ("COM10.pdf", "COM10.pdf"),
            ("console.pdf", "console.pdf"),
            ("", "result"),
            ("folder/", "result"),
            ("..", "result"),
            ("???", "result"),
            (" ", "result"),
        ] {
            assert_eq!(safe_file_name(raw), safe, "{raw:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension_and_whole_characters() {
        let long = safe_file_name(&format!("{}.pdf", "ü".repeat(400)));
        assert!(long.len() <= NAME_BYTES_MAX && long.len() > NAME_BYTES_MAX - 3, "{}", long.len());
        assert!(long.ends_with("ü.pdf"));
        let no_extension = safe_file_name(&format!("a.{}", "x".repeat(400)));
        assert_eq!(no_extension.len(), NAME_BYTES_MAX);
    }

    #[test]
    fn several_outputs_do_not_collide() {
        let given = ["p.png", "P.PNG", "p.png", "p-2.png", "q", "q"].map(str::to_owned);
        assert_eq!(numbered(given), ["p.png", "P-3.PNG", "p-4.png", "p-2.png", "q", "q-2"]);
        let many = numbered(std::iter::repeat_n("x".repeat(176) + ".pdf", 2_000));
        assert!(many.iter().all(|name| name.len() <= NAME_BYTES_MAX && name.ends_with(".pdf")));
        assert_eq!(many.iter().collect::<HashSet<_>>().len(), 2_000);
    }

    #[test]
    fn names_of_assistants_have_the_extension_of_a_document() {
        for (raw, suggested, expected) in [
            ("a.pdf", "b.txt", Ok("a.pdf")),
            ("A.PDF", "b.txt", Ok("A.PDF")),
            ("Makefile", "b.txt", Ok("Makefile.txt")),
            ("x", "Makefile", Ok("x.bin")),
            ("CON", "b.pdf", Ok("_CON.pdf")),
            ("w5\u{202e}fdp.exe", "b.pdf", Err("exe")),
            ("evil.desktop", "b.pdf", Err("desktop")),
            ("a.pdf.sh", "b.pdf", Err("sh")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(document_name(raw, suggested), expected, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_name_it_is_one_component_and_safe_already(raw in "\\PC{0,300}|[./\\\\a: \u{202e}]{0,40}") {
            let safe = safe_file_name(&raw);
            prop_assert!(!safe.is_empty() && safe.len() <= NAME_BYTES_MAX);
            prop_assert_eq!(std::path::Path::new(&safe).components().count(), 1);
            prop_assert!(!safe.starts_with('.') && !safe.ends_with(['.', ' ']));
            prop_assert_eq!(safe_file_name(&safe), safe.clone());
        }

        #[test]
        fn numbers_make_any_list_unique(names in prop::collection::vec("[aAbB](-[23])?(\\.[xX])?", 0..30)) {
            let unique = numbered(names.clone());
            prop_assert_eq!(unique.len(), names.len());
            prop_assert_eq!(unique.iter().map(|name| name.to_lowercase()).collect::<HashSet<_>>().len(), names.len());
        }
    }
}
