//! The pages that a call selects, in the documents that it names.

use std::collections::HashSet;

use crate::catalog::pages::PageList;
use crate::catalog::{Operation, ParamKind};
use crate::error::{Error, Result};
use crate::text::counted;

/// The name of the argument that selects pages.
const PAGES: &str = "pages";
/// The operation that takes away what it selects.
const DELETES_PAGES: &str = "pdf_delete_pages";

/// The pages that `text` selects for `operation`; none where the operation selects no pages, or the text cannot be read,
/// which its arguments refuse by themselves.
pub(super) fn selection(operation: &Operation, text: &str) -> Option<PageList> {
    match operation.param(PAGES)?.kind {
        ParamKind::Pages { first } if !text.trim().is_empty() => PageList::parse(text, first).ok(),
        _ => None,
    }
}

/// How many of the `total` pages of `document` are selected.
///
/// # Errors
/// `invalid_argument` for a page that the document does not have.
pub(super) fn selected(pages: Option<&PageList>, total: u32, document: &str) -> Result<u32> {
    let Some(pages) = pages else { return Ok(total) };
    let found = pages.resolve(total).map_err(|bad| {
        Error::invalid(
            format!("`{PAGES}` selects what `{document}` does not have: {}.", bad.words()),
            format!(
                "It has {}: {}. Nothing was sent or charged.",
                counted(i64::from(total), "page"),
                pages.range_of(total)
            ),
        )
    })?;
    Ok(u32::try_from(found.len()).unwrap_or(u32::MAX))
}

/// Refuses to delete every page of a document, of which nothing would be left.
///
/// # Errors
/// `invalid_argument`.
pub(super) fn refuse_to_delete_all(
    operation: &Operation,
    pages: Option<&PageList>,
    total: u32,
    document: &str,
) -> Result<()> {
    let Some(pages) = pages.filter(|_| operation.name == DELETES_PAGES) else { return Ok(()) };
    // A page may be named twice.
    let deleted: HashSet<u32> = pages.resolve(total).unwrap_or_default().into_iter().collect();
    if deleted.len() < total as usize {
        return Ok(());
    }
    Err(Error::invalid(
        format!("`{PAGES}` selects every page of `{document}`, which has {}.", counted(i64::from(total), "page")),
        "Leave at least one page. Nothing was sent or charged.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::find;

    #[test]
    fn pages_beyond_the_document_are_refused() {
        let text = find("pdf_to_text").unwrap();
        let pages = selection(text, "0,2-").unwrap();
        assert_eq!(selected(Some(&pages), 10, "a.pdf").unwrap(), 9);
        assert_eq!(selected(None, 10, "a.pdf").unwrap(), 10);
        let beyond = selection(text, "10").unwrap();
        let error = selected(Some(&beyond), 10, "a.pdf").unwrap_err();
        assert_eq!(
            error.message(),
            "`pages` selects what `a.pdf` does not have: pages are counted from 0 here, so that `10` is page 11."
        );
        let hint = error.hint().text(crate::next_step::Audience::Agent);
        assert!(hint.starts_with("It has 10 pages: 0 to 9 here."), "{hint}");
        let hint = selected(Some(&beyond), 1, "a.pdf").unwrap_err().hint().text(crate::next_step::Audience::Agent);
        assert!(hint.starts_with("It has 1 page: 0 here."), "{hint}");
        assert_eq!(selection(text, " "), None);
    }

    #[test]
    fn something_is_left_of_every_document() {
        let delete = find(DELETES_PAGES).unwrap();
        let refused = |operation, pages: &str| {
            let pages = selection(operation, pages).unwrap();
            refuse_to_delete_all(operation, Some(&pages), 3, "a.pdf").err()
        };
        assert!(refused(delete, "1-").unwrap().message().contains("which has 3 pages"));
        assert!(refused(delete, "1,1,2").is_none() && refused(delete, "2-3").is_none());
        assert!(refused(find("pdf_to_text").unwrap(), "0-").is_none());
    }
}
