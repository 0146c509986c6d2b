//! What was probably meant by the name of an operation that there is none of.

use super::all;
use super::names::{ranked, words};
use super::search::{Direction, search};
use crate::error::{Error, Kind, Reason};
use crate::hint;
use crate::next_step::{Hint, NextStep};

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
        format!("There is no operation named `{}`.", crate::text::shorten(name, 60)),
        hint_for(name),
    );
    error.with_reason(Reason::UnknownOperation)
}

fn hint_for(name: &str) -> Hint {
    let words: Vec<String> = words(name).collect();
    let wish = NOT_OFFERED.iter().find(|(wanted, ..)| words.iter().any(|word| wanted.contains(&word.as_str())));
    // A direction matters: "word to pdf" is offered, "pdf to word" is not.
    let to_pdf = Direction::of(&words) == Direction::ToPdf;
    if let Some((_, why, near)) = wish.filter(|_| !to_pdf) {
        return hint![*why, " Nearest are ", listed(near, ", "), ". ", NextStep::ListOperations, " lists all."];
    }
    let ranked = ranked(name, all().map(|operation| operation.name));
    let found = search(name);
    let is_misspelt = ranked.first().is_some_and(|(score, _)| *score >= MISSPELT);
    let near: Vec<&str> = if is_misspelt || !found.is_match {
        ranked.into_iter().take(3).map(|(_, name)| name).collect()
    } else {
        found.operations.iter().take(3).map(|operation| operation.name).collect()
    };
    if near.is_empty() {
        hint![NextStep::ListOperations, " lists what there is."]
    } else {
        hint!["Did you mean ", listed(&near, " or "), "? ", NextStep::ListOperations, " lists all."]
    }
}

/// These operations, as each interface writes their names.
fn listed(names: &[&'static str], between: &'static str) -> Hint {
    names.iter().enumerate().fold(Hint::empty(), |hint, (at, name)| {
        let hint = if at == 0 { hint } else { hint.and(between) };
        hint.and(NextStep::Field { name: (*name).into(), meaning: name.replace('_', "-").into() })
    })
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
        let typed = find("pdf_to_word").unwrap_err().hint().text(Audience::Shell);
        assert!(typed.contains("Nearest are pdf-to-html, pdf-to-text, "), "{typed}");
    }
}
