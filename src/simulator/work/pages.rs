//! Page lists: `0,2-5,7-,!0`. One parser of the documented syntax for both bases; it shares no code with the client's.

use crate::simulator::reply::Refusal;

/// Items of one list; a list of more is a mistake.
const ITEMS_MAX: usize = 2_000;
/// Pages that one list may name altogether, repetitions included.
const PAGES_MAX: usize = 50_000;

/// The pages that each item of `text` names, counted from 0. `base` is the number of the first page in `text`, and of
/// the last one after a `!`. An empty text names all pages in one item; `*` names each page in an item of its own.
///
/// # Errors
/// 450 for what is no list of pages, 449 for a page that the document does not have.
pub(in crate::simulator) fn parse(text: &str, base: u32, count: u32) -> Result<Vec<Vec<u32>>, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(vec![(0..count).collect()]);
    }
    let mut items = Vec::new();
    let mut total = 0usize;
    for item in text.split(',') {
        let item = item.trim();
        if item == "*" {
            items.extend((0..count).map(|page| vec![page]));
        } else {
            items.push(item_pages(item, base, count)?);
        }
        total = total.saturating_add(items.last().map_or(0, Vec::len));
        if items.len() > ITEMS_MAX || total > PAGES_MAX {
            return Err(Refusal::new(450, "Invalid page range: it names too many pages."));
        }
    }
    Ok(items)
}

/// All pages of a list, in its order.
///
/// # Errors
/// As [`parse`].
pub(in crate::simulator) fn flat(text: &str, base: u32, count: u32) -> Result<Vec<u32>, Refusal> {
    Ok(parse(text, base, count)?.into_iter().flatten().collect())
}

fn item_pages(item: &str, base: u32, count: u32) -> Result<Vec<u32>, Refusal> {
    let (first, last) = match item.split_once('-') {
        None => {
            let page = page(item, base, count)?;
            (page, page)
        }
        Some((first, last)) => {
            let first = page(first, base, count)?;
            let last = if last.trim().is_empty() { count.saturating_sub(1) } else { page(last, base, count)? };
            (first, last)
        }
    };
    if first > last {
        return Err(invalid(item));
    }
    Ok((first..=last).collect())
}

fn page(word: &str, base: u32, count: u32) -> Result<u32, Refusal> {
    let word = word.trim();
    let (from_the_end, digits) = match word.strip_prefix('!') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid(word));
    }
    let outside = || {
        Refusal::new(449, format!("Page index is out of range: `{word}` of {count} pages (the first page is {base})."))
    };
    let offset = digits.parse::<u32>().ok().and_then(|number| number.checked_sub(base)).ok_or_else(outside)?;
    if offset >= count {
        return Err(outside());
    }
    Ok(if from_the_end { count.saturating_sub(1).saturating_sub(offset) } else { offset })
}

fn invalid(item: &str) -> Refusal {
    Refusal::new(450, format!("Invalid page range: `{}`.", crate::text::shorten(item, 40)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_pages_mean_what_the_documentation_says() {
        for (text, base, count, expected) in [
            ("", 0, 3, vec![vec![0, 1, 2]]),
            ("0", 0, 3, vec![vec![0]]),
            ("0,2-5,7-", 0, 9, vec![vec![0], vec![2, 3, 4, 5], vec![7, 8]]),
            ("!0", 0, 3, vec![vec![2]]),
            ("!2-!0", 0, 4, vec![vec![1, 2, 3]]),
            ("1-!1", 0, 4, vec![vec![1, 2]]),
            ("1-!1", 1, 4, vec![vec![0, 1, 2, 3]]),
            (" 1 - 2 , 3- ", 1, 4, vec![vec![0, 1], vec![2, 3]]),
            ("*", 1, 3, vec![vec![0], vec![1], vec![2]]),
            ("!1-", 1, 5, vec![vec![4]]),
        ] {
            assert_eq!(parse(text, base, count).unwrap(), expected, "{text:?} from {base} of {count}");
        }
    }

    #[test]
    fn what_is_no_page_is_refused_with_the_number_of_the_service() {
        for (text, base, code) in [
            ("3", 0, 449),
            ("0", 1, 449),
            ("1-4", 1, 449),
            ("!3", 0, 449),
            ("99999999999", 0, 449),
            ("2-1", 0, 450),
            ("a", 0, 450),
            ("1,,2", 0, 450),
            ("-1", 0, 450),
            ("1-2-3", 0, 450),
            ("+1", 0, 450),
        ] {
            assert_eq!(parse(text, base, 3).unwrap_err().code, code, "{text:?} from {base}");
        }
    }
}
