//! Finding text and tables, and making scans searchable.
//!
//! What lives here: the rows of `/v1/pdf/find*` and `/v1/pdf/make*searchable`. Source: `pdfco-api.md` §3.2 "Info,
//! forms, search"; names from the official Python server.

use super::params::{OCR_LANGUAGE, PAGES, PASSWORD, RECTANGLE, RESULT, RESULT_INLINE, SOURCE};
use super::{Confidence, Effect, Method, Operation, Output, Param, ParamKind, Price, Run, Toolset};

/// Search.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "find_text",
        aliases: &["pdf_find"],
        title: "Find text in a PDF",
        description: "Find where a text or regular expression stands in a PDF: page, position, size. To read the \
            whole text use pdf_to_text, to change it pdf_replace_text. About 35 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/find",
        toolset: Toolset::Search,
        run: Run::Job,
        output: Output::Text("application/json"),
        price: Price::PerPageSeen(35),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
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
                Param::new("case_sensitive", ParamKind::Boolean, "Tell upper from lower case.")
                    .wire("caseSensitive")
                    .advanced(),
            ],
            PAGES,
            PASSWORD,
            RESULT_INLINE,
        ],
    },
    Operation {
        name: "find_table",
        aliases: &["pdf_find_table", "find_tables"],
        title: "Find tables in a PDF",
        description: "Find the tables of a PDF: page, position, columns and `rect` of each. Give that `rect` to \
            pdf_to_csv or pdf_to_xlsx to read one table.",
        method: Method::Post,
        path: "/v1/pdf/find/table",
        toolset: Toolset::Search,
        run: Run::Job,
        output: Output::Text("application/json"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, PASSWORD, RESULT_INLINE],
    },
    Operation {
        name: "pdf_make_searchable",
        aliases: &[],
        title: "Make a scan searchable",
        description: "Add an invisible text layer to a scan (PDF, JPG, PNG) by recognising its text; gives a PDF. To \
            get the text itself use pdf_to_text. About 35 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/makesearchable",
        toolset: Toolset::Search,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPageSeen(35),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, &[OCR_LANGUAGE, RECTANGLE], PASSWORD, RESULT],
    },
    Operation {
        name: "pdf_make_unsearchable",
        aliases: &[],
        title: "Make a PDF unsearchable",
        description: "Remove the text layer of a PDF, so that its text can no longer be searched or copied. The \
            opposite of pdf_make_searchable; to forbid copying only, use pdf_add_password.",
        method: Method::Post,
        path: "/v1/pdf/makeunsearchable",
        toolset: Toolset::Search,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, PASSWORD, RESULT],
    },
];
