//! File extensions and MIME types, in one table: of results, uploads and names, of what is text and what is a document.

/// A type of file.
#[derive(Debug, PartialEq, Eq)]
pub struct MediaType {
    /// Extensions, the usual one first, in lower case and without a dot.
    pub extensions: &'static [&'static str],
    /// MIME type of results and local files.
    pub mime: &'static str,
    /// MIME type that the service documents for uploads, where it is another one.
    pub upload_mime: Option<&'static str>,
    /// Whether its content is text.
    pub is_text: bool,
}

impl MediaType {
    const fn text(extensions: &'static [&'static str], mime: &'static str) -> MediaType {
        MediaType { extensions, mime, upload_mime: None, is_text: true }
    }

    const fn binary(extensions: &'static [&'static str], mime: &'static str) -> MediaType {
        MediaType { extensions, mime, upload_mime: None, is_text: false }
    }

    const fn uploaded_as(mut self, mime: &'static str) -> MediaType {
        self.upload_mime = Some(mime);
        self
    }

    /// The usual extension, without a dot.
    pub fn extension(&self) -> &'static str {
        self.extensions.first().copied().unwrap_or("bin")
    }
}

/// The type of bytes of which nothing is known.
pub const UNKNOWN: &str = "application/octet-stream";

/// Every type that results, uploads or tests of the service meet.
pub static ALL: &[MediaType] = &[
    MediaType::binary(&["pdf"], "application/pdf"),
    MediaType::text(&["txt", "text", "log"], "text/plain"),
    MediaType::text(&["csv"], "text/csv").uploaded_as("text/plain"),
    MediaType::text(&["csv"], "application/csv").uploaded_as("text/plain"),
    MediaType::text(&["tsv"], "text/tab-separated-values").uploaded_as("text/plain"),
    MediaType::text(&["md", "markdown"], "text/markdown").uploaded_as("text/plain"),
    MediaType::text(&["html", "htm"], "text/html"),
    MediaType::text(&["json"], "application/json").uploaded_as("text/plain"),
    MediaType::text(&["jsonl"], "application/jsonl").uploaded_as("text/plain"),
    MediaType::text(&["jsonl"], "application/x-ndjson").uploaded_as("text/plain"),
    MediaType::text(&["xml"], "application/xml").uploaded_as("text/plain"),
    MediaType::text(&["xml"], "text/xml").uploaded_as("text/plain"),
    MediaType::text(&["yaml", "yml"], "application/yaml"),
    MediaType::text(&["yaml", "yml"], "application/x-yaml"),
    MediaType::text(&["txt"], "application/javascript"),
    MediaType::text(&["txt"], "application/sql"),
    MediaType::text(&["rtf"], "application/rtf"),
    MediaType::text(&["svg"], "image/svg+xml"),
    MediaType::binary(&["doc", "dot"], "application/msword"),
    MediaType::binary(&["docx"], "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    MediaType::binary(&["odt"], "application/vnd.oasis.opendocument.text"),
    MediaType::binary(&["xls"], "application/vnd.ms-excel"),
    MediaType::binary(&["xlsx"], "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    MediaType::binary(&["xlsm"], "application/vnd.ms-excel.sheet.macroEnabled.12"),
    MediaType::binary(&["xlsb"], "application/vnd.ms-excel.sheet.binary.macroEnabled.12"),
    MediaType::binary(&["ods"], "application/vnd.oasis.opendocument.spreadsheet"),
    MediaType::binary(&["ppt"], "application/vnd.ms-powerpoint"),
    MediaType::binary(&["pptx"], "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    MediaType::binary(&["odp"], "application/vnd.oasis.opendocument.presentation"),
    MediaType::binary(&["xps"], "application/vnd.ms-xpsdocument"),
    MediaType::binary(&["msg"], "application/vnd.ms-outlook"),
    MediaType::text(&["eml"], "message/rfc822").uploaded_as("application/vnd.ms-outlook"),
    MediaType::binary(&["png"], "image/png"),
    MediaType::binary(&["jpg", "jpeg", "jpe"], "image/jpeg"),
    MediaType::binary(&["webp"], "image/webp"),
    MediaType::binary(&["tiff", "tif"], "image/tiff"),
    MediaType::binary(&["gif"], "image/gif"),
    MediaType::binary(&["bmp"], "image/bmp"),
    MediaType::binary(&["heic"], "image/heic"),
    MediaType::binary(&["zip"], "application/zip"),
    MediaType::binary(&["7z"], "application/x-7z-compressed"),
    MediaType::binary(&["rar"], "application/vnd.rar"),
    MediaType::binary(&["bin"], UNKNOWN),
];

/// The type that the extension of a file name or path promises; `None` for no extension and for one that is not listed.
pub fn of_name(name: &str) -> Option<&'static MediaType> {
    let file = name.rsplit(['/', '\\']).next()?;
    let (_, extension) = file.rsplit_once('.')?;
    of_extension(extension)
}

/// The MIME type that a file name or path promises; [`UNKNOWN`] where it promises none that is listed.
pub fn mime_of_name(name: &str) -> &'static str {
    of_name(name).map_or(UNKNOWN, |known| known.mime)
}

/// The type that an extension promises, without its dot. Those of the table are what the service makes and takes; others
/// may start programs, or change how they behave.
pub fn of_extension(extension: &str) -> Option<&'static MediaType> {
    ALL.iter().find(|known| known.extensions.iter().any(|one| one.eq_ignore_ascii_case(extension)))
}

/// The listed type of a MIME type, its parameters left aside.
pub fn of_mime(mime: &str) -> Option<&'static MediaType> {
    let essence = essence(mime);
    ALL.iter().find(|known| known.mime.eq_ignore_ascii_case(essence))
}

/// The usual extension of files of this MIME type, without a dot.
pub fn extension_of(mime: &str) -> Option<&'static str> {
    of_mime(mime).map(MediaType::extension)
}

/// What a MIME type says of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// It is text.
    Text,
    /// It is none.
    Binary,
    /// Nothing: it is a type for bytes of any kind, or none at all.
    Unsaid,
}

/// What is behind this MIME type: text for `text/*`, anything in JSON, XML or YAML, and what the table says.
pub fn content_of(mime: &str) -> Content {
    let essence = essence(mime).to_ascii_lowercase();
    let Some((kind, sub)) = essence.split_once('/') else { return Content::Unsaid };
    let is_text = kind == "text" || ["json", "xml", "yaml"].contains(&sub.rsplit('+').next().unwrap_or_default());
    match sub {
        _ if is_text || of_mime(&essence).is_some_and(|known| known.is_text) => Content::Text,
        "octet-stream" | "unknown" | "x-download" | "force-download" => Content::Unsaid,
        _ => Content::Binary,
    }
}

fn essence(mime: &str) -> &str {
    mime.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Output, all};

    #[test]
    fn names_and_types_find_each_other() {
        for (name, mime) in [
            ("a.pdf", "application/pdf"),
            ("dir.d/A.TIF", "image/tiff"),
            ("b.XML", "application/xml"),
            ("mail.eml", "message/rfc822"),
        ] {
            assert_eq!(of_name(name).map(|known| known.mime), Some(mime), "{name}");
        }
        for name in ["a", "a.", "dir.pdf/a", "a.pdf2", ""] {
            assert_eq!(of_name(name), None, "{name}");
        }
        assert_eq!(extension_of("Text/CSV; charset=utf-8"), Some("csv"));
        assert_eq!(extension_of("text/xml"), Some("xml"));
    }

    #[test]
    fn text_is_what_can_be_read() {
        for (mime, expected) in [
            ("text/plain", Content::Text),
            ("text/csv; charset=windows-1252", Content::Text),
            ("application/csv", Content::Text),
            ("application/json", Content::Text),
            ("application/ld+json", Content::Text),
            ("image/svg+xml", Content::Text),
            ("message/rfc822", Content::Text),
            ("application/pdf", Content::Binary),
            ("image/png", Content::Binary),
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Content::Binary),
            (UNKNOWN, Content::Unsaid),
            ("binary/octet-stream", Content::Unsaid),
            ("", Content::Unsaid),
        ] {
            assert_eq!(content_of(mime), expected, "{mime}");
        }
    }

    #[test]
    fn every_result_has_a_type_in_the_table() {
        for operation in all() {
            let known = of_mime(operation.result_mime()).unwrap_or_else(|| panic!("{}", operation.name));
            assert!(known.is_text || !matches!(operation.output, Output::Text(_)), "{}", operation.name);
        }
    }
}
