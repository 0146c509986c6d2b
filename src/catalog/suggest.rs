//! What was probably meant: names in any spelling, and the nearest ones to a wrong one.

use super::all;
use crate::error::{Error, Kind, Reason};
use crate::hint;
use crate::next_step::{Hint, NextStep};

/// Longest word that is taken for a misspelt name, in bytes.
const TYPED_BYTES_MAX: usize = 64;
/// Least similarity of a name that is suggested.
const SIMILARITY_MIN: f64 = 0.8;
/// Similarity of a name that contains what was typed.
const CONTAINED: f64 = 0.9;
/// What the similarity to one word of a name counts of that to the whole name.
const WORD_PART: f64 = 0.95;
/// Shortest word of a name that is compared by itself, in bytes.
const WORD_BYTES_MIN: usize = 4;
/// From this similarity on a name was misspelt; below, its words say more.
const MISSPELT: f64 = 0.93;

/// Wishes that no operation fulfills, by words of a wrong name, with what comes nearest.
const NOT_OFFERED: &[(&[&str], &str, &[&str])] = &[
    (
        &["word", "docx", "doc", "rtf", "odt"],
        "The service does not turn a PDF into a word processor's file.",
        &["pdf_to_html", "pdf_to_text", "document_to_pdf"],
    ),
    (&["powerpoint", "pptx", "ppt", "slides"], "The service does not make slides.", &["pdf_to_png", "pdf_to_text"]),
    (&["markdown", "md"], "The service does not write Markdown.", &["pdf_to_html", "pdf_to_text"]),
    (
        &["esign", "signature", "sign"],
        "The service does not sign electronically; it can put the image of a signature onto a page.",
        &["pdf_replace_text_with_image", "pdf_add_annotations_images_fields"],
    ),
    (&["pdfa"], "The service does not make PDF/A.", &["pdf_compress_v2", "pdf_info_reader"]),
];

/// The error for an operation that there is none of, with what comes nearest.
pub(super) fn unknown_operation(name: &str) -> Error {
    let error = Error::new(
        Kind::NotFound,
        format!("There is no operation named `{}`.", super::shorten(name, 60)),
        hint_for(name),
    );
    error.with_reason(Reason::UnknownOperation)
}

fn hint_for(name: &str) -> Hint {
    let words: Vec<String> = words(name).collect();
    let wish = NOT_OFFERED.iter().find(|(wanted, ..)| words.iter().any(|word| wanted.contains(&word.as_str())));
    // A direction matters: "word to pdf" is offered, "pdf to word" is not.
    let to_pdf = super::search::Direction::of(&words) == super::search::Direction::ToPdf;
    if let Some((_, why, near)) = wish.filter(|_| !to_pdf) {
        return hint![*why, " Nearest are ", near.join(", "), ". ", NextStep::ListOperations, " lists all."];
    }
    let ranked = ranked(name, all().map(|operation| operation.name));
    let found = super::search::search(name);
    let is_misspelt = ranked.first().is_some_and(|(score, _)| *score >= MISSPELT);
    let near: Vec<&str> = if is_misspelt || !found.is_match {
        ranked.into_iter().take(3).map(|(_, name)| name).collect()
    } else {
        found.operations.iter().take(3).map(|operation| operation.name).collect()
    };
    if near.is_empty() {
        hint![NextStep::ListOperations, " lists what there is."]
    } else {
        hint!["Did you mean ", near.join(" or "), "? ", NextStep::ListOperations, " lists all."]
    }
}

/// The words of a name or a question, in lower case.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// The names nearest to what was typed, best first, at most `limit`; none when nothing is near.
pub fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>, limit: usize) -> Vec<&'a str> {
    ranked(typed, names).into_iter().take(limit).map(|(_, name)| name).collect()
}

/// The names that are near to what was typed, with their similarity, best first.
fn ranked<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Vec<(f64, &'a str)> {
    // Comparing costs the product of both lengths, and nothing that long is a misspelt name.
    if typed.len() > TYPED_BYTES_MAX {
        return Vec::new();
    }
    let typed = fold(typed);
    let mut scored: Vec<(f64, &str)> = names
        .map(|name| {
            let folded = fold(name);
            let contains = typed.len() >= 3 && (folded.contains(&typed) || typed.contains(&folded));
            let words = name.split('_').filter(|word| word.len() >= WORD_BYTES_MIN);
            let of_words = words.map(|word| WORD_PART * strsim::jaro_winkler(&typed, word));
            let least = if contains { CONTAINED } else { 0.0 };
            (of_words.fold(strsim::jaro_winkler(&typed, &folded).max(least), f64::max), name)
        })
        .filter(|(score, _)| *score >= SIMILARITY_MIN)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored
}

/// Equal but for case, underscores and dashes.
pub(super) fn same_name(a: &str, b: &str) -> bool {
    b.len() <= TYPED_BYTES_MAX && folded(a).eq(folded(b))
}

fn folded(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars().filter(|c| *c != '_' && *c != '-').flat_map(char::to_lowercase)
}

/// A name without case, underscores and dashes.
pub(super) fn fold(name: &str) -> String {
    folded(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::find;
    use crate::next_step::Audience;

    fn hint_of(name: &str) -> String {
        find(name).unwrap_err().hint().text(Audience::Agent)
    }

    #[test]
    fn unknown_operation_gets_nearest_names() {
        let error = find("pdf-to-txt").unwrap_err();
        assert_eq!((error.kind(), error.reason()), (Kind::NotFound, Some(Reason::UnknownOperation)));
        assert!(hint_of("pdf-to-txt").contains("pdf_to_text"), "{}", hint_of("pdf-to-txt"));
        assert!(find("PDF-To-Text").is_ok());
    }

    #[test]
    fn wishes_without_operation_say_what_there_is() {
        for (name, there) in [
            ("pdf_to_word", "pdf_to_html"),
            ("convert-pdf-to-docx", "pdf_to_text"),
            ("word_to_pdf", "document_to_pdf"),
            ("unlock", "pdf_remove_password"),
            ("watermark", "pdf_add_annotations_images_fields"),
            ("sign_pdf", "pdf_add_annotations_images_fields"),
            ("merge", "pdf_merge"),
            ("compress", "pdf_compress_v2"),
        ] {
            assert!(hint_of(name).contains(there), "{name}: {}", hint_of(name));
        }
        assert!(!hint_of("pdf_to_word").contains("pdf_to_webp"));
    }
}
