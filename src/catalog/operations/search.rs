//! Finding text and tables, and making scans searchable.

use super::params::{OCR_LANGUAGE, PAGES, PASSWORD, RECTANGLE, RESULT, RESULT_INLINE, SOURCE};
use crate::catalog::{Operation, Output, Param, ParamKind, Price, Toolset};

/// A job of this toolset.
const fn job(name: &'static str, path: &'static str) -> Operation {
    Operation::job(Toolset::Search, name, path)
}

/// Search.
pub static OPERATIONS: &[Operation] = &[
    job("find_text", "/v1/pdf/find")
        .aliases(&["pdf_find"])
        .title("Find text in a PDF")
        .about(
            "Find where a text or regular expression occurs in a PDF: page, position, size. To read the whole \
                text use pdf_to_text, to change it pdf_replace_text.",
        )
        .output(Output::Text("application/json"))
        .price(Price::PerPageSeen(35))
        .keywords(&["search", "grep", "locate", "position", "regex", "occurrence", "phrase", "where"])
        .takes(&[
            SOURCE,
            &[
                Param::new("searchString", ParamKind::Text, "Text to find, or a pattern with `regexSearch`.")
                    .required(),
                Param::new("regexSearch", ParamKind::Boolean, "Read `searchString` as a regular expression.")
                    .default("false"),
                Param::new(
                    "wordMatchingMode",
                    ParamKind::Choice(&["SmartMatch", "ExactMatch", "None"]),
                    "How words must match.",
                ),
                Param::new("case_sensitive", ParamKind::Boolean, "Distinguish upper and lower case.")
                    .wire("caseSensitive")
                    .advanced(),
            ],
            PAGES,
            PASSWORD,
            RESULT_INLINE,
        ]),
    job("find_table", "/v1/pdf/find/table")
        .aliases(&["pdf_find_table", "find_tables"])
        .title("Find tables in a PDF")
        .about(
            "Find the tables of a PDF: page, position, columns and `rect` of each. Give that `rect` to \
                pdf_to_csv or pdf_to_xlsx to read one table.",
        )
        .output(Output::Text("application/json"))
        .keywords(&["tables", "detect", "locate", "position", "search"])
        .takes(&[SOURCE, PAGES, PASSWORD, RESULT_INLINE]),
    job("pdf_make_searchable", "/v1/pdf/makesearchable")
        .title("Make a scan searchable")
        .about(
            "Add an invisible text layer to a scan (PDF, JPG, PNG) by recognizing its text; returns a PDF. To \
                get the text itself use pdf_to_text.",
        )
        .price(Price::PerPageSeen(35))
        .keywords(&["ocr", "scan", "recognize", "recognition", "text", "layer"])
        .takes(&[SOURCE, PAGES, &[OCR_LANGUAGE, RECTANGLE], PASSWORD, RESULT]),
    job("pdf_make_unsearchable", "/v1/pdf/makeunsearchable")
        .title("Make a PDF unsearchable")
        .about(
            "Remove the text layer of a PDF, so that its text can no longer be searched or copied. The opposite \
                of pdf_make_searchable; to forbid copying only, use pdf_add_password.",
        )
        .keywords(&["flatten", "rasterize", "text", "layer", "remove", "protect"])
        .takes(&[SOURCE, PAGES, PASSWORD, RESULT]),
];
