//! Names in any spelling: their words, and which names are nearest to one that was typed.

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

/// The words of a name or a question, in lower case.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// The names nearest to what was typed, best first, at most `limit`; none when nothing is near.
pub fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>, limit: usize) -> Vec<&'a str> {
    ranked(typed, names).into_iter().take(limit).map(|(_, name)| name).collect()
}

/// The names that are near to what was typed, with their similarity, best first.
pub(super) fn ranked<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Vec<(f64, &'a str)> {
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
