//! How many pages a local PDF has.

use std::io::Read;
use std::time::Duration;

use super::blocking::off_runtime;
use super::local_file::LocalFile;

/// Largest PDF whose pages are counted.
const COUNTED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long counting may take.
const COUNT_TIMEOUT: Duration = Duration::from_secs(5);

/// The pages of a local PDF, counted off the runtime; none where it is no PDF, too large or too slow to read, or not
/// the file any more that was judged.
pub async fn pdf_pages(file: &LocalFile) -> Option<u32> {
    let is_pdf = file.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pdf"));
    if !is_pdf || file.bytes > COUNTED_BYTES_MAX {
        return None;
    }
    let file = file.clone();
    let counting = off_runtime(move || {
        let opened = file.open()?.take(COUNTED_BYTES_MAX);
        let document = lopdf::Document::load_from(opened).ok();
        let pages = document.and_then(|document| u32::try_from(document.get_pages().len()).ok());
        Ok(pages.filter(|pages| *pages > 0))
    });
    tokio::time::timeout(COUNT_TIMEOUT, counting).await.ok()?.ok()?
}
