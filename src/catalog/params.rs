//! Parameters that many operations share, each declared once.
//!
//! What lives here: groups and single rows that are the same wherever they occur. What never does: a parameter of one
//! operation, which stands beside that operation. Source: `pdfco-api.md` §1.3, §1.4 and §3.1.

use super::{Param, ParamKind};

/// The source document.
pub const URL: Param = Param::new("url", ParamKind::Source, "Document: URL, `filetoken://…` or local path (uploaded).")
    .aliases(&["input", "file_path"])
    .required();

/// The source document and how to fetch it.
pub const SOURCE: &[Param] = &[URL, HTTP_USERNAME, HTTP_PASSWORD];

/// Several source documents and how to fetch them.
pub const SOURCES: &[Param] = &[
    Param::new(
        "url",
        ParamKind::Sources,
        "Documents in order, separated by commas: URLs, `filetoken://…` or local paths (uploaded).",
    )
    .aliases(&["urls", "inputs"])
    .required(),
    HTTP_USERNAME,
    HTTP_PASSWORD,
];

/// How to fetch a source that asks who is there.
pub const HTTP_AUTH: &[Param] = &[HTTP_USERNAME, HTTP_PASSWORD];

/// User of the source link.
pub const HTTP_USERNAME: Param = Param::new("httpusername", ParamKind::Text, "Link's HTTP user.");

/// Password of the source link.
pub const HTTP_PASSWORD: Param = Param::new("httppassword", ParamKind::Text, "Link's HTTP password.").secret();

/// Pages counted from 0.
pub const PAGES: &[Param] =
    &[Param::new("pages", ParamKind::Text, "Pages from 0: `0,2-5,7-`; `!0` is last. Default: all.")];

/// The password that opens the source.
pub const PASSWORD: &[Param] = &[Param::new("password", ParamKind::Text, "PDF's password.").secret()];

/// Where results go, how they are named and how long their links live.
pub const RESULT: &[Param] = &[NAME, EXPIRATION, CALLBACK, PROFILES];

/// As [`RESULT`], for operations whose result can stand in the answer itself.
pub const RESULT_INLINE: &[Param] = &[INLINE, NAME, EXPIRATION, CALLBACK, PROFILES];

/// As [`RESULT`], for operations that make no file: data in the answer only.
pub const ANSWER: &[Param] = &[EXPIRATION, CALLBACK, PROFILES];

/// Result in the answer instead of behind a link.
pub const INLINE: Param = Param::new(
    "inline",
    ParamKind::Boolean,
    "Put the result into the service's answer instead of behind a link. Rarely needed: results are read either way.",
)
.advanced();

/// Name of the output file.
pub const NAME: Param = Param::new("name", ParamKind::Text, "Output file name.");

/// Life of the result link.
pub const EXPIRATION: Param = Param::new(
    "expiration",
    ParamKind::Integer { min: 1, max: 1440 },
    "Minutes that the result link stays valid; over 60 only on larger plans.",
)
.default("60")
.advanced();

/// Webhook.
pub const CALLBACK: Param =
    Param::new("callback", ParamKind::Text, "Public link that the service calls with a POST when the job ends.")
        .advanced();

/// Extra options of the service.
pub const PROFILES: Param =
    Param::new("profiles", ParamKind::JsonText, "Extra options as JSON: `{\"TrimSpaces\": true}`.");

/// Recognition of scanned text.
pub const OCR_LANGUAGE: Param =
    Param::new("lang", ParamKind::Text, "Language of scans, Tesseract codes: `deu+fra`, `chi_sim`.")
        .aliases(&["language"])
        .default("eng");

/// The part of the page to read.
pub const RECTANGLE: Param =
    Param::new("rect", ParamKind::Text, "Part of each page, points from the top left: `x y width height`.");

/// Lines of table cells.
pub const UNWRAP: Param =
    Param::new("unwrap", ParamKind::Boolean, "Join lines in table cells; needs `line_grouping`.").default("false");

/// Page size of printed spreadsheets.
pub const AUTOSIZE: Param =
    Param::new("autosize", ParamKind::Boolean, "Fit the page to the content, not to the sheet's page setup.")
        .default("false");

/// Grouping of lines in table cells.
pub const LINE_GROUPING: Param =
    Param::new("line_grouping", ParamKind::Text, "Group lines in table cells: mode `1`, `2` or `3`; `0` off.")
        .wire("lineGrouping");

/// Layout of text and table cells.
pub const TABLE_LAYOUT: &[Param] = &[UNWRAP, RECTANGLE, OCR_LANGUAGE, LINE_GROUPING];

/// Where something is put on a page.
pub const X: Param = Param::new("x", ParamKind::Number, "Points from the left.").required();

/// See [`X`].
pub const Y: Param = Param::new("y", ParamKind::Number, "Points from the top.").required();

/// How large it is there.
pub const WIDTH: Param = Param::new("width", ParamKind::Number, "In points.");

/// See [`WIDTH`].
pub const HEIGHT: Param = Param::new("height", ParamKind::Number, "In points.");
