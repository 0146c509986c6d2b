//! The pages that a call selects, in the documents that it names.

use crate::catalog::pages::PageList;
use crate::catalog::{Operation, ParamKind};
use crate::error::{Error, Result};
use crate::text::counted;

/// The name of the argument that selects pages.
const PAGES: &str = "pages";

/// The pages that `text` selects for `operation`; none where the operation selects no pages, or the text cannot be read,
/// which its arguments refuse by themselves.
pub(super) fn selection(operation: &Operation, text: &str) -> Option<PageList> {
    match operation.param(PAGES)?.kind {
        ParamKind::Pages { first } if !text.trim().is_empty() => PageList::parse(text, first).ok(),
        _ => None,
    }
}

/// How many of the `total` pages of a document are selected.
///
/// # Errors
/// `invalid_argument` for a page that the document does not have.
pub(super) fn selected(pages: Option<&PageList>, total: u32) -> Result<u32> {
    let Some(pages) = pages else { return Ok(total) };
    let found = pages.resolve(total).map_err(|bad| {
        Error::invalid(
            format!("`{PAGES}` selects what is not there: {}.", bad.words()),
            format!("The document has {}. Nothing was sent or charged.", counted(i64::from(total), "page")),
        )
    })?;
    Ok(u32::try_from(found.len()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::find;

    #[test]
    fn pages_beyond_the_document_are_refused() {
        let text = find("pdf_to_text").unwrap();
        let pages = selection(text, "0,2-").unwrap();
        assert_eq!(selected(Some(&pages), 10).unwrap(), 9);
        assert_eq!(selected(None, 10).unwrap(), 10);
        let beyond = selection(text, "10").unwrap();
        assert!(
            selected(Some(&beyond), 10)
                .unwrap_err()
                .hint()
                .text(crate::next_step::Audience::Agent)
                .contains("10 pages")
        );
        assert_eq!(selection(text, " "), None);
    }
}
