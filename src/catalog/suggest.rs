//! What was probably meant by the name of an operation that there is none of.

use super::all;
use super::names::{ranked, words};
use super::search::{Direction, search};
use crate::error::{Error, Kind, Reason};
use crate::hint;
use crate::next_step::{Hint, NextStep};

/// From this similarity on a name was misspelt; below, its words say more.
const MISSPELT: f64 = 0.93;

/// A wish that no operation fulfills.
pub(super) struct NotOffered {
    /// Words of a name or a question that show it.
    words: &'static [&'static str],
    /// A sentence that says so.
    pub(super) why: &'static str,
    /// What comes nearest.
    pub(super) nearest: &'static [&'static str],
}

impl NotOffered {
    /// Whether a question asks for this and for nothing else: the rest of its words says no more than that it is about a
    /// PDF.
    pub(super) fn is_all_of(&self, question: &str) -> bool {
        let says_more = |word: &String| !self.words.contains(&word.as_str()) && !NO_WISH.contains(&word.as_str());
        !words(question).any(|word| says_more(&word))
    }
}

/// Words beside a wish that change nothing about it.
const NO_WISH: &[&str] =
    &["pdf", "pdfs", "a", "an", "the", "to", "into", "as", "file", "files", "convert", "page", "pages", "my"];

const NOT_OFFERED: &[NotOffered] = &[
    NotOffered {
        words: &["word", "docx", "doc", "rtf", "odt"],
        why: "The service does not turn a PDF into a word processor's file.",
        nearest: &["pdf_to_html", "pdf_to_text", "document_to_pdf"],
    },
    NotOffered {
        words: &["powerpoint", "pptx", "ppt", "slides"],
        why: "The service does not make slides.",
        nearest: &["pdf_to_png", "pdf_to_text"],
    },
    NotOffered {
        words: &["markdown", "md"],
        why: "The service does not write Markdown.",
        nearest: &["pdf_to_html", "pdf_to_text"],
    },
    NotOffered {
        words: &["esign", "signature", "sign"],
        why: "The service does not sign electronically; it can put the image of a signature onto a page.",
        nearest: &["pdf_replace_text_with_image", "pdf_add_annotations_images_fields"],
    },
    NotOffered {
        words: &["pdfa", "pdf/a", "pdf-a"],
        why: "The service does not make PDF/A.",
        nearest: &["pdf_compress_v2", "pdf_info_reader"],
    },
    NotOffered {
        words: &["crop", "cropping", "trim"],
        why: "The service does not crop pages; as images, it renders a part of a page.",
        nearest: &["pdf_to_png", "pdf_to_jpg"],
    },
    NotOffered {
        words: &["bookmark", "bookmarks", "outline", "toc"],
        why: "The service does not make bookmarks or split by them.",
        nearest: &["pdf_info_reader", "pdf_split2"],
    },
    NotOffered {
        words: &["repair", "broken", "corrupt", "corrupted", "damaged"],
        why: "The service does not repair damaged files.",
        nearest: &["pdf_info_reader", "pdf_compress_v2"],
    },
    NotOffered {
        words: &["epub", "ebook", "mobi"],
        why: "The service does not read or write e-books.",
        nearest: &["pdf_to_html", "pdf_to_text"],
    },
    NotOffered {
        words: &["resize", "n-up", "nup", "booklet", "imposition"],
        why: "The service does not change the size of pages or put several onto one.",
        nearest: &["pdf_compress_v2", "pdf_to_image"],
    },
    NotOffered {
        words: &["reorder", "rearrange"],
        why: "The service has no operation that reorders pages; split them and merge the parts in another order.",
        nearest: &["pdf_split", "pdf_merge_simple"],
    },
];

/// What the words of a name or a question wish for in vain, if they do. A direction matters: "word to pdf" is offered,
/// "pdf to word" is not.
pub(super) fn not_offered(question: &str) -> Option<&'static NotOffered> {
    let separate: Vec<String> = words(question).collect();
    // Names of which a sign is part, such as PDF/A.
    let whole = question.split_whitespace().map(|word| word.trim_matches([',', '.', '?', '"', '\'']).to_lowercase());
    let asked: Vec<String> = separate.iter().cloned().chain(whole).collect();
    let wished = NOT_OFFERED.iter().find(|wish| asked.iter().any(|word| wish.words.contains(&word.as_str())));
    wished.filter(|_| Direction::of(&separate) != Direction::ToPdf)
}

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
    if let Some(NotOffered { why, nearest, .. }) = not_offered(name) {
        return hint![*why, " Nearest are ", listed(nearest, ", "), ". ", NextStep::ListOperations, " lists all."];
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
        hint.and(NextStep::Operation((*name).into()))
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
