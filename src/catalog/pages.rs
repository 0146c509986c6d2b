//! Lists of pages as the service writes them: `0,2-5,7-`, `!0`, `*`.
//!
//! Read here so that a list that cannot be meant is refused before anything is paid. What the service alone knows (the
//! number of pages, where it is not known here) stays its own business.

/// Longest list that is read, in bytes.
const LIST_BYTES_MAX: usize = 4_096;

/// A list of pages whose form is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageList {
    /// The number of the first page in this list: 0 or 1.
    first: u32,
    items: Vec<Item>,
}

/// One item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    /// `*`: each page in an item of its own.
    Each,
    /// From one page to another, both included; without an end, to the last page.
    Range(PageRef, Option<PageRef>),
}

/// Where a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageRef {
    /// So many pages after the first.
    FromStart(u32),
    /// So many pages before the last.
    FromEnd(u32),
}

/// Why a list cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadPages {
    /// This item is no page and no range.
    Syntax(String),
    /// Page 0 of a list that counts from 1.
    BeforeFirst,
    /// A range that ends before it begins.
    Reversed(String),
    /// A page that the document does not have.
    Outside {
        /// The page as it stands in the list.
        written: String,
        /// The page, counted from 1; none for one that is counted from the end.
        page: Option<u32>,
    },
}

impl PageList {
    /// Reads `text`, which counts its pages from `first`.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(text: &str, first: u32) -> Result<PageList, BadPages> {
        if text.len() > LIST_BYTES_MAX {
            return Err(BadPages::Syntax("a list of thousands of items".to_owned()));
        }
        let items = text.split(',').map(|item| Item::parse(item.trim(), first)).collect::<Result<_, _>>()?;
        Ok(PageList { first, items })
    }

    /// The pages that it names in a document of `count` pages, counted from 0, in the list's order.
    ///
    /// # Errors
    /// A page that the document does not have.
    pub fn resolve(&self, count: u32) -> Result<Vec<u32>, BadPages> {
        let mut pages = Vec::new();
        for item in &self.items {
            match item {
                Item::Each => pages.extend(0..count),
                Item::Range(from, to) => {
                    let from = self.index(*from, count)?;
                    let to = to.map_or(Ok(count.saturating_sub(1)), |to| self.index(to, count))?;
                    if to < from {
                        return Err(BadPages::Reversed(format!("{}-{}", from + self.first, to + self.first)));
                    }
                    pages.extend(from..=to);
                }
            }
        }
        Ok(pages)
    }

    /// The pages of a document of `count` pages as this list writes them.
    pub fn range_of(&self, count: u32) -> String {
        match count {
            0 | 1 => format!("{} here", self.first),
            count => format!("{} to {} here", self.first, count.saturating_sub(1).saturating_add(self.first)),
        }
    }

    /// The list in words, with the first page as 1: `1, 3–6, 8–last`, or `8–10` where there are `count` pages.
    pub fn words_from_one(&self, count: Option<u32>) -> String {
        let words: Vec<String> = self.items.iter().map(|item| item.words_from_one(count)).collect();
        words.join(", ")
    }

    fn index(&self, page_ref: PageRef, count: u32) -> Result<u32, BadPages> {
        let (index, mark) = match page_ref {
            PageRef::FromStart(index) => (Some(index), ""),
            PageRef::FromEnd(index) => (count.checked_sub(1).and_then(|last| last.checked_sub(index)), "!"),
        };
        let (PageRef::FromStart(after) | PageRef::FromEnd(after)) = page_ref;
        index.filter(|index| *index < count).ok_or_else(|| BadPages::Outside {
            written: format!("{mark}{}", after.saturating_add(self.first)),
            page: mark.is_empty().then(|| after.saturating_add(1)),
        })
    }
}

impl Item {
    fn parse(item: &str, first: u32) -> Result<Item, BadPages> {
        let wrong = || BadPages::Syntax(item.to_owned());
        if item == "*" {
            return Ok(Item::Each);
        }
        // The service's own pattern has no sign before a number: `!0` is its last page.
        if item.starts_with('-') {
            return Err(wrong());
        }
        let page_ref = |word: &str| PageRef::parse(word.trim(), first, item);
        match item.split_once('-') {
            None => page_ref(item).map(|page| Item::Range(page, Some(page))),
            Some((from, to)) if to.trim().is_empty() => Ok(Item::Range(page_ref(from)?, None)),
            Some((from, to)) => match (page_ref(from)?, page_ref(to)?) {
                (PageRef::FromStart(from), PageRef::FromStart(to)) if to < from => {
                    Err(BadPages::Reversed(item.to_owned()))
                }
                (from, to) => Ok(Item::Range(from, Some(to))),
            },
        }
    }
}

impl Item {
    fn words_from_one(self, count: Option<u32>) -> String {
        let page_ref = |page_ref: PageRef| match (page_ref, count) {
            (PageRef::FromStart(index), _) => index.saturating_add(1).to_string(),
            (PageRef::FromEnd(index), Some(count)) if index < count => (count - index).to_string(),
            (PageRef::FromEnd(0), _) => "last".to_owned(),
            (PageRef::FromEnd(index), _) => format!("last-{index}"),
        };
        match self {
            Item::Each => "each".to_owned(),
            Item::Range(from, Some(to)) if from == to => page_ref(from),
            Item::Range(from, Some(to)) => format!("{}–{}", page_ref(from), page_ref(to)),
            Item::Range(from, None) => {
                let (from, last) = (page_ref(from), page_ref(PageRef::FromEnd(0)));
                if from == last { last } else { format!("{from}–{last}") }
            }
        }
    }
}

impl PageRef {
    fn parse(word: &str, first: u32, item: &str) -> Result<PageRef, BadPages> {
        let from_end = word.strip_prefix('!');
        let written = number(from_end.unwrap_or(word).trim()).ok_or_else(|| BadPages::Syntax(item.to_owned()))?;
        let index = written.checked_sub(first).ok_or(BadPages::BeforeFirst)?;
        Ok(if from_end.is_some() { PageRef::FromEnd(index) } else { PageRef::FromStart(index) })
    }
}

fn number(digits: &str) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

impl BadPages {
    /// What is wrong, as a part of a sentence.
    pub fn words(&self) -> String {
        match self {
            BadPages::Syntax(item) => format!("`{}` is no page and no range", crate::text::shorten(item, 40)),
            BadPages::BeforeFirst => "there is no page 0 here: pages are counted from 1".to_owned(),
            BadPages::Reversed(item) => format!("`{}` ends before it begins", crate::text::shorten(item, 40)),
            BadPages::Outside { written, page: None } => format!("`{written}` is before the first page"),
            BadPages::Outside { written, page: Some(page) } if *written == page.to_string() => {
                format!("there is no page {page}")
            }
            BadPages::Outside { written, page: Some(page) } => {
                format!("pages are counted from 0 here, so that `{written}` is page {page}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_lists_name_the_documented_pages() {
        for (text, first, count, expected) in [
            ("0", 0, 3, vec![0]),
            ("0,2-5,7-", 0, 9, vec![0, 2, 3, 4, 5, 7, 8]),
            ("!0", 0, 3, vec![2]),
            ("!2-!0", 0, 4, vec![1, 2, 3]),
            ("1-!1", 1, 4, vec![0, 1, 2, 3]),
            (" 1 - 2 , 3- ", 1, 4, vec![0, 1, 2, 3]),
            ("*", 1, 3, vec![0, 1, 2]),
        ] {
            assert_eq!(PageList::parse(text, first).unwrap().resolve(count).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn impossible_page_lists_are_refused() {
        for (text, first) in [("a", 0), ("", 0), ("1,,2", 0), ("1-2-3", 0), ("+1", 0), ("0", 1), ("3-1", 0), ("!0", 1)]
        {
            assert!(PageList::parse(text, first).is_err(), "{text} from {first}");
        }
        let outside = PageList::parse("2-3", 1).unwrap().resolve(2);
        assert_eq!(outside.unwrap_err().words(), "there is no page 3");
        let of = |text: &str| PageList::parse(text, 0).unwrap().resolve(3).unwrap_err().words();
        assert_eq!(of("!3"), "`!3` is before the first page");
        assert_eq!(of("3"), "pages are counted from 0 here, so that `3` is page 4");
        assert!(PageList::parse(&"1,".repeat(5_000), 0).is_err());
    }
}
