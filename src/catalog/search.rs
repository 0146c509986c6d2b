//! Finding an operation by any words that a person may use, best match first.

use std::collections::HashSet;

use super::names::{nearest, words};
use super::{Operation, all};

/// Longest question that is read, in characters; what is beyond it is not searched for.
pub const QUERY_CHARS_MAX: usize = 200;
/// Most words of a question that count.
const QUERY_WORDS_MAX: usize = 24;
/// Names that come in place of a match when no word is found.
const NEAREST_MAX: usize = 5;
/// Shortest beginning of a word that finds the word.
const PREFIX_CHARS_MIN: usize = 3;
/// Shortest word whose spelling is corrected.
const SPELT_CHARS_MIN: usize = 4;
/// Least likeness of a word to the one that was meant by it: of six letters one may be wrong.
const SPELT_LIKENESS_MIN: f64 = 0.75;
/// Words that say nothing about which operation is meant.
const FILLERS: &[&str] = &[
    "a", "an", "and", "as", "by", "can", "do", "file", "files", "for", "from", "get", "how", "i", "in", "into", "is",
    "it", "make", "my", "need", "of", "on", "or", "please", "some", "that", "the", "this", "to", "want", "with",
];

/// How much a word counts by where it is found.
const NAME: f64 = 10.0;
const KEYWORD: f64 = 8.0;
const TITLE: f64 = 6.0;
const PROSE: f64 = 2.0;
/// What part of it the same word with another ending counts.
const STEM_PART: f64 = 0.95;
/// What part of it a beginning of a word counts.
const PREFIX_PART: f64 = 0.6;

/// What a search found.
#[derive(Debug)]
pub struct Found {
    /// The operations, best first.
    pub operations: Vec<&'static Operation>,
    /// Returns false if no word was found and these are the operations with the nearest names instead.
    pub is_match: bool,
}

/// The operations that `query` means, best first; all of them, in the order of the documentation, for an empty one.
pub fn search(query: &str) -> Found {
    let query: String = query.chars().take(QUERY_CHARS_MAX).collect();
    let asked = significant(&query);
    if asked.is_empty() {
        return Found { operations: all().collect(), is_match: true };
    }
    let entries: Vec<(&'static Operation, Entry)> = all().map(|operation| (operation, Entry::of(operation))).collect();
    let asked: Vec<String> = asked.into_iter().map(|word| spelt(word, &entries)).collect();
    let direction = Direction::of(&words(&query).collect::<Vec<_>>());
    let weights: Vec<f64> = asked.iter().map(|word| rarity(word, &entries)).collect();
    let mut scored: Vec<(f64, &'static Operation)> = entries
        .iter()
        .map(|(operation, entry)| {
            let score: f64 = asked.iter().zip(&weights).map(|(word, weight)| weight * entry.score(word)).sum();
            (score * direction.part(operation.name), *operation)
        })
        .filter(|(score, _)| *score > 0.0)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    // What matches the commonest word alone is no answer where a rarer word was found.
    let least = scored.first().map_or(0.0, |(best, _)| best / 3.0);
    let operations: Vec<_> =
        scored.into_iter().filter(|(score, _)| *score >= least).map(|(_, operation)| operation).collect();
    if operations.is_empty() {
        let near = nearest(&query, all().map(|operation| operation.name), NEAREST_MAX);
        let operations = all().filter(|operation| near.contains(&operation.name)).collect();
        return Found { operations, is_match: false };
    }
    Found { operations, is_match: true }
}

/// Which way a conversion goes, where a question says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From a PDF to something else.
    FromPdf,
    /// From something else to a PDF.
    ToPdf,
    /// Not said.
    Unsaid,
}

impl Direction {
    /// The direction of these words, which a `to` between them shows.
    pub(super) fn of(words: &[String]) -> Direction {
        let is = |word: Option<&String>, one: &str| word.is_some_and(|word| word == one);
        let place = words.iter().position(|word| matches!(word.as_str(), "to" | "into" | "as" | "2"));
        match place {
            Some(at) if words.iter().skip(at).any(|word| word == "pdf") => Direction::ToPdf,
            Some(at) if is(at.checked_sub(1).and_then(|before| words.get(before)), "pdf") => Direction::FromPdf,
            _ => Direction::Unsaid,
        }
    }

    /// What part of its score an operation of this name keeps: less if it converts the other way.
    fn part(self, name: &str) -> f64 {
        let is_other_way = name.split_once("_to_").is_some_and(|(from, to)| match self {
            Direction::FromPdf => from != "pdf",
            Direction::ToPdf => to != "pdf",
            Direction::Unsaid => false,
        });
        if is_other_way { 0.4 } else { 1.0 }
    }
}

/// The words of a question that say something; all of them if none does.
fn significant(query: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let all: Vec<String> = words(query).filter(|word| seen.insert(word.clone())).take(QUERY_WORDS_MAX).collect();
    let telling: Vec<String> = all.iter().filter(|word| !FILLERS.contains(&word.as_str())).cloned().collect();
    if telling.is_empty() { all } else { telling }
}

/// A word that no operation has, as the nearest of those that some have; itself where none is near.
fn spelt(word: String, entries: &[(&'static Operation, Entry)]) -> String {
    let is_known = || entries.iter().any(|(_, entry)| entry.score(&word) > 0.0);
    if word.chars().count() < SPELT_CHARS_MIN || is_known() {
        return word;
    }
    let known = entries.iter().flat_map(|(_, entry)| entry.name.iter().chain(&entry.keywords).chain(&entry.title));
    let near = known
        .map(|own| (strsim::normalized_damerau_levenshtein(own, &word), own))
        .filter(|(likeness, _)| *likeness >= SPELT_LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    near.map_or(word, |(_, own)| own.clone())
}

/// The rarer a word, the more it counts; close to nothing for one that every operation has.
fn rarity(word: &str, entries: &[(&'static Operation, Entry)]) -> f64 {
    let found = entries.iter().filter(|(_, entry)| entry.score(word) > 0.0).count();
    let (total, found) = (entries.len() as f64, found as f64);
    (1.0 + total / (1.0 + found)).ln()
}

/// The words of an operation, by where they occur.
struct Entry {
    name: Vec<String>,
    keywords: Vec<String>,
    title: Vec<String>,
    prose: Vec<String>,
}

impl Entry {
    fn of(operation: &Operation) -> Entry {
        let names = std::iter::once(&operation.name).chain(operation.aliases);
        Entry {
            name: names.flat_map(|name| words(name)).collect(),
            keywords: operation.keywords.iter().flat_map(|keyword| words(keyword)).collect(),
            title: words(operation.title).chain(words(operation.toolset.as_str())).collect(),
            prose: words(operation.summary()).collect(),
        }
    }

    fn score(&self, word: &str) -> f64 {
        let part =
            |words: &[String], worth: f64| words.iter().map(|own| worth * likeness(own, word)).fold(0.0, f64::max);
        let parts =
            [part(&self.name, NAME), part(&self.keywords, KEYWORD), part(&self.title, TITLE), part(&self.prose, PROSE)];
        parts.into_iter().fold(0.0, f64::max)
    }
}

/// 1 for the same word, less with another ending, least for a beginning of it.
fn likeness(own: &str, asked: &str) -> f64 {
    if own == asked {
        1.0
    } else if stem(own) == stem(asked) {
        STEM_PART
    } else if asked.chars().count() >= PREFIX_CHARS_MIN && own.starts_with(asked) {
        PREFIX_PART
    } else {
        0.0
    }
}

/// A word without the endings of plurals and verbs.
fn stem(word: &str) -> &str {
    let stem = ["ions", "ing", "ion", "ers", "ies", "ed", "er", "es", "s", "e", "y"]
        .iter()
        .find_map(|ending| word.strip_suffix(ending))
        .unwrap_or(word);
    if stem.chars().count() >= PREFIX_CHARS_MIN { stem } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(query: &str) -> &'static str {
        search(query).operations.first().map_or("", |operation| operation.name)
    }

    fn assert_among_the_best(query: &str, expected: &str) {
        let found = search(query);
        let best: Vec<&str> = found.operations.iter().take(3).map(|operation| operation.name).collect();
        assert!(found.is_match && best.contains(&expected), "{query}: {best:?}");
    }

    #[test]
    fn everyday_words_find_the_operation() {
        for (query, expected) in [
            ("watermark", "pdf_add_annotations_images_fields"),
            ("add a DRAFT watermark", "pdf_add_annotations_images_fields"),
            ("stamp", "pdf_add_annotations_images_fields"),
            ("overlay", "pdf_add_annotations_images_fields"),
            ("unlock", "pdf_remove_password"),
            ("decrypt a pdf", "pdf_remove_password"),
            ("word to pdf", "document_to_pdf"),
            ("docx", "document_to_pdf"),
            ("compress", "pdf_compress_v2"),
            ("shrink my file", "pdf_compress_v2"),
            ("metadata", "pdf_info_reader"),
            ("encrypt with a password", "pdf_add_password"),
            ("redact", "pdf_delete_text"),
            ("ocr", "pdf_make_searchable"),
            ("invoice", "ai_invoice_parser"),
            ("invoices total", "ai_invoice_parser"),
            ("qr code", "barcode_read"),
            ("tables", "find_table"),
            ("form fields", "read_pdf_forms_info"),
            ("send mail", "email_send"),
            ("screenshot of a website", "url_to_png"),
            ("combine", "pdf_merge_simple"),
            ("translate", "pdf_translate"),
            ("checksum", "file_hash"),
        ] {
            assert_among_the_best(query, expected);
            let count = search(query).operations.len();
            assert!(count <= 30, "{query}: {count}");
        }
        for (query, expected) in [
            ("encrypt", "pdf_add_password"),
            ("combine", "pdf_merge"),
            ("jpg to pdf", "image_to_pdf"),
            ("convert jpg to pdf", "image_to_pdf"),
            ("pdf to jpg", "pdf_to_jpg"),
            ("how many pages", "pdf_info_reader"),
            ("page count", "pdf_info_reader"),
            ("number of pages", "pdf_info_reader"),
            ("page numbers", "pdf_add_annotations_images_fields"),
            ("bates numbering", "pdf_add_annotations_images_fields"),
            ("extract images", "pdf_to_image"),
            ("extract pages", "pdf_split"),
            ("extract text", "pdf_to_text"),
            ("powerpoint", "document_to_pdf"),
            ("ppt to pdf", "document_to_pdf"),
            ("split", "pdf_split"),
            ("remove password", "pdf_remove_password"),
        ] {
            assert_eq!(first(query), expected, "{query}");
        }
        assert_eq!(first("watermark"), "pdf_add_annotations_images_fields");
        assert_eq!(first("pdf_to_text"), "pdf_to_text");
        assert_eq!(first("pdf to csv"), "pdf_to_csv");
    }

    #[test]
    fn any_word_is_enough() {
        for query in ["table extraction", "spreadsheet from pdf", "sign", "stamp zzzz"] {
            assert!(search(query).is_match, "{query}");
        }
        assert_eq!(search("").operations.len(), all().count());
        assert!(first("mrege").starts_with("pdf_merge"), "{}", first("mrege"));
        assert!(search("zzzzqqq").operations.is_empty());
        for (misspelt, expected) in [
            ("watermrk", "pdf_add_annotations_images_fields"),
            ("unlok", "pdf_remove_password"),
            ("metdata", "pdf_info_reader"),
            ("comprss", "pdf_compress_v2"),
            ("invoise", "ai_invoice_parser"),
        ] {
            assert_among_the_best(misspelt, expected);
        }
    }

    #[test]
    fn a_huge_question_costs_little() {
        let started = std::time::Instant::now();
        search(&"watermark ".repeat(1_000_000));
        search(&(0..1_000_000).map(|n| format!("w{n} ")).collect::<String>());
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
    }
}
