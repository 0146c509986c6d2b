//! Parameters that many operations share, each declared once.

use crate::catalog::{Param, ParamKind};

/// The source document.
pub const URL: Param = Param::new("url", ParamKind::Source, "URL, `filetoken://…` or local path (uploaded).")
    .aliases(&["input", "file_path"])
    .required();

/// The source document and how to fetch it.
pub const SOURCE: &[Param] = &[URL, HTTP_USERNAME, HTTP_PASSWORD];

/// Several source documents and how to fetch them.
pub const SOURCES: &[Param] = &[
    Param::new(
        "url",
        ParamKind::Sources,
        "Documents in order, as a list or separated by commas: URLs, `filetoken://…` or local paths (uploaded).",
    )
    .aliases(&["urls", "inputs"])
    .required(),
    HTTP_USERNAME,
    HTTP_PASSWORD,
];

/// How to fetch a source behind HTTP authentication.
pub const HTTP_AUTH: &[Param] = &[HTTP_USERNAME, HTTP_PASSWORD];

/// User of the source link.
pub const HTTP_USERNAME: Param = Param::new("httpusername", ParamKind::Text, "Link's HTTP user.").shared();

/// Password of the source link.
pub const HTTP_PASSWORD: Param = Param::new("httppassword", ParamKind::Text, "Link's HTTP password.").secret().shared();

/// Pages counted from 0.
pub const PAGES: &[Param] =
    &[Param::new("pages", ParamKind::Pages { first: 0 }, "Pages counted from 0: `0,2-5,7-`; `!0` is the last.")];

/// The password that opens the source.
pub const PASSWORD: &[Param] = &[Param::new("password", ParamKind::Text, "PDF's password.").secret().shared()];

/// Where results go, how they are named and how long their links live.
pub const RESULT: &[Param] = &[NAME, EXPIRATION, CALLBACK, PROFILES];

/// As [`RESULT`], for operations whose result can stand in the answer itself.
pub const RESULT_INLINE: &[Param] = &[INLINE, NAME, EXPIRATION, CALLBACK, PROFILES];

/// As [`RESULT`], for operations whose result is data: JSON in the answer, or behind a link.
pub const DATA: &[Param] = &[INLINE_DATA, EXPIRATION, CALLBACK, PROFILES];

/// As [`DATA`], with a name for the file.
pub const NAMED_DATA: &[Param] = &[INLINE_DATA, NAME, EXPIRATION, CALLBACK, PROFILES];

/// Result in the answer instead of behind a link.
pub const INLINE: Param = Param::new(
    "inline",
    ParamKind::Boolean,
    "Put the result into the service's answer instead of behind a link. Rarely needed: results are read either way.",
)
.advanced()
.shared();

/// As [`INLINE`], for operations whose data the service leaves out of a job's answer unless it is asked for.
pub const INLINE_DATA: Param = Param::new(
    "inline",
    ParamKind::Boolean,
    "Ask for the data in the service's answer besides a link to a JSON file. Results are read either way.",
)
.sent_default("true")
.advanced()
.shared();

/// Name of the output file.
pub const NAME: Param = Param::new("name", ParamKind::Text, "Output file name.").shared();

/// Life of the result link.
pub const EXPIRATION: Param = Param::new(
    "expiration",
    ParamKind::Integer { min: 1, max: i64::MAX },
    "Minutes that the link stays valid; how many are possible depends on the plan.",
)
.default("60")
.advanced()
.shared();

/// Webhook.
pub const CALLBACK: Param =
    Param::new("callback", ParamKind::Text, "Public link that the service calls with a POST when the job ends.")
        .advanced()
        .shared();

/// Extra options of the service.
pub const PROFILES: Param =
    Param::new("profiles", ParamKind::JsonText, "Extra options as JSON: `{\"TrimSpaces\": true}`.").shared();

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
