//! Spreadsheets to something else. PDF tables to spreadsheets are in `convert_from_pdf.rs`.

use super::params::{AUTOSIZE, RESULT_INLINE, SOURCE};
use crate::catalog::{Operation, Output, Param, ParamKind, Toolset};

/// Which sheet. The base is not settled: the OpenAPI file counts from 1, three connectors count from 0.
const WORKSHEET: Param =
    Param::new("worksheetIndex", ParamKind::Text, "Sheet; leave empty for all, try `0` for the first.");

/// A job of this toolset.
const fn job(name: &'static str, path: &'static str) -> Operation {
    Operation::job(Toolset::Spreadsheets, name, path)
}

/// Spreadsheet to X.
pub static OPERATIONS: &[Operation] = &[
    job("excel_to_csv", "/v1/xls/convert/to/csv")
        .aliases(&["xls_to_csv"])
        .title("Spreadsheet to CSV")
        .about(
            "Convert the sheets of a workbook (XLS, XLSX) to CSV. Use excel_to_json for objects, pdf_to_csv for \
                tables in a PDF.",
        )
        .output(Output::Text("text/csv"))
        .keywords(&["xls", "xlsx", "table", "sheet", "workbook", "rows"])
        .takes(&[
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
            RESULT_INLINE,
        ]),
    job("excel_to_json", "/v1/xls/convert/to/json")
        .aliases(&["xls_to_json"])
        .title("Spreadsheet to JSON")
        .about(
            "Convert the sheets of a spreadsheet (XLS, XLSX, CSV) to JSON. Use excel_to_csv when plain rows are \
                enough.",
        )
        .output(Output::Text("application/json"))
        .keywords(&["xls", "xlsx", "csv", "table", "sheet", "workbook", "data"])
        .takes(&[SOURCE, &[WORKSHEET], RESULT_INLINE]),
    job("excel_to_html", "/v1/xls/convert/to/html")
        .aliases(&["xls_to_html"])
        .title("Spreadsheet to HTML")
        .about(
            "Convert the sheets of a spreadsheet (XLS, XLSX, CSV) to an HTML table for display. Use \
                excel_to_csv or excel_to_json for the values.",
        )
        .output(Output::Text("text/html"))
        .keywords(&["xls", "xlsx", "csv", "table", "sheet", "workbook", "web"])
        .takes(&[SOURCE, &[WORKSHEET], RESULT_INLINE]),
    job("excel_to_txt", "/v1/xls/convert/to/txt")
        .aliases(&["xls_to_txt", "excel_to_text"])
        .title("Spreadsheet to text")
        .about(
            "Convert the sheets of a spreadsheet (XLS, XLSX, CSV) to plain text for reading. Use excel_to_csv \
                to keep the columns apart.",
        )
        .output(Output::Text("text/plain"))
        .keywords(&["xls", "xlsx", "csv", "table", "sheet", "workbook", "text"])
        .takes(&[SOURCE, &[WORKSHEET], RESULT_INLINE]),
    job("excel_to_xml", "/v1/xls/convert/to/xml")
        .aliases(&["xls_to_xml"])
        .title("Spreadsheet to XML")
        .about(
            "Convert the sheets of a spreadsheet (XLS, XLSX, CSV) to XML. excel_to_json has the same values as JSON.",
        )
        .output(Output::Text("application/xml"))
        .keywords(&["xls", "xlsx", "csv", "table", "sheet", "workbook", "data"])
        .takes(&[SOURCE, &[WORKSHEET], RESULT_INLINE]),
    job("excel_to_pdf", "/v1/xls/convert/to/pdf")
        .aliases(&["xls_to_pdf"])
        .title("Spreadsheet to PDF")
        .about(
            "Print the sheets of a spreadsheet (XLS, XLSX, CSV) to PDF. To choose pages rather than a sheet use \
                csv_to_pdf.",
        )
        .keywords(&["xls", "xlsx", "csv", "table", "sheet", "workbook", "print"])
        .takes(&[SOURCE, &[WORKSHEET, AUTOSIZE], RESULT_INLINE]),
];
