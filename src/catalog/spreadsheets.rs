//! Spreadsheets to something else.
//!
//! What lives here: the rows of `/v1/xls/convert/to/*`. What never does: PDF tables to spreadsheets, which are in
//! `convert_from_pdf.rs`. Source: `pdfco-api.md` §3.2 "Spreadsheet to X"; names from the official Python server.

use super::params::{AUTOSIZE, RESULT, SOURCE};
use super::{Confidence, Effect, Method, Operation, Output, Param, ParamKind, Price, Run, Toolset};

/// Which sheet. The base is not settled: the OpenAPI file counts from 1, two connectors count from 0.
const WORKSHEET: Param =
    Param::new("worksheetIndex", ParamKind::Text, "Sheet number; the first is `1` (some sources say `0`).");

/// Spreadsheet to X.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "excel_to_csv",
        aliases: &["xls_to_csv"],
        title: "Spreadsheet to CSV",
        description: "Convert one sheet of a workbook (XLS, XLSX) to CSV. Use excel_to_json for objects, pdf_to_csv for \
            tables in a PDF.",
        method: Method::Post,
        path: "/v1/xls/convert/to/csv",
        toolset: Toolset::Spreadsheets,
        run: Run::Job,
        output: Output::Text("text/csv"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[
                WORKSHEET,
                Param::new("separator_symbol", ParamKind::Text, "Character between values, such as `;`.")
                    .wire("separatorSymbol")
                    .advanced(),
                Param::new("quotation_symbol", ParamKind::Text, "Character around values, such as `\"`.")
                    .wire("quotationSymbol")
                    .advanced(),
            ],
            RESULT,
        ],
    },
    Operation {
        name: "excel_to_json",
        aliases: &["xls_to_json"],
        title: "Spreadsheet to JSON",
        description: "Convert one sheet of a spreadsheet (XLS, XLSX, CSV) to JSON. Use excel_to_csv when plain rows are \
            enough.",
        method: Method::Post,
        path: "/v1/xls/convert/to/json",
        toolset: Toolset::Spreadsheets,
        run: Run::Job,
        output: Output::Text("application/json"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, &[WORKSHEET], RESULT],
    },
    Operation {
        name: "excel_to_html",
        aliases: &["xls_to_html"],
        title: "Spreadsheet to HTML",
        description: "Convert one sheet of a spreadsheet (XLS, XLSX, CSV) to an HTML table for display. Use excel_to_csv \
            or excel_to_json for the values.",
        method: Method::Post,
        path: "/v1/xls/convert/to/html",
        toolset: Toolset::Spreadsheets,
        run: Run::Job,
        output: Output::Text("text/html"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, &[WORKSHEET], RESULT],
    },
    Operation {
        name: "excel_to_txt",
        aliases: &["xls_to_txt", "excel_to_text"],
        title: "Spreadsheet to text",
        description: "Convert one sheet of a spreadsheet (XLS, XLSX, CSV) to plain text for reading. Use excel_to_csv to \
            keep the columns apart.",
        method: Method::Post,
        path: "/v1/xls/convert/to/txt",
        toolset: Toolset::Spreadsheets,
        run: Run::Job,
        output: Output::Text("text/plain"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, &[WORKSHEET], RESULT],
    },
    Operation {
        name: "excel_to_xml",
        aliases: &["xls_to_xml"],
        title: "Spreadsheet to XML",
        description: "Convert one sheet of a spreadsheet (XLS, XLSX, CSV) to XML. excel_to_json has the same values as \
            JSON.",
        method: Method::Post,
        path: "/v1/xls/convert/to/xml",
        toolset: Toolset::Spreadsheets,
        run: Run::Job,
        output: Output::Text("application/xml"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, &[WORKSHEET], RESULT],
    },
    Operation {
        name: "excel_to_pdf",
        aliases: &["xls_to_pdf"],
        title: "Spreadsheet to PDF",
        description: "Print a sheet of a spreadsheet (XLS, XLSX, CSV) to PDF. To choose pages rather than a sheet use \
            csv_to_pdf.",
        method: Method::Post,
        path: "/v1/xls/convert/to/pdf",
        toolset: Toolset::Spreadsheets,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, &[WORKSHEET, AUTOSIZE], RESULT],
    },
];
