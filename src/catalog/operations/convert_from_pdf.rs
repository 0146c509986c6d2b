//! PDF to something else: text, JSON, tables, spreadsheets, markup and images. All of them read scans as well, by
//! recognition of text, except `pdf_to_text_simple`.

use super::params::{
    LINE_GROUPING, OCR_LANGUAGE, PAGES, PASSWORD, RECTANGLE, RESULT, RESULT_INLINE, SOURCE, TABLE_LAYOUT, UNWRAP,
};
use crate::catalog::{Operation, Output, Param, ParamKind, Price, Toolset};

/// The format words of the paths `/v1/pdf/convert/to/{type}` that make images.
const IMAGE_TYPE: Param = Param::new(
    "type",
    ParamKind::Choice(&["jpg", "png", "webp", "tiff"]),
    "Image format. TIFF gives one file for all pages.",
)
.sent_default("jpg");

/// What the official Python server also takes for formats that have no table cells.
const CELL_LAYOUT_UNUSED: &[Param] = &[UNWRAP.advanced(), LINE_GROUPING.advanced()];

/// Plain and column layout of HTML.
const HTML_LAYOUT: &[Param] = &[
    Param::new("simple", ParamKind::Boolean, "Plain HTML without exact positions.").default("false").advanced(),
    Param::new("columns", ParamKind::Boolean, "Keep newspaper-style columns.").default("false").advanced(),
];

/// A job of this toolset.
const fn job(name: &'static str, path: &'static str) -> Operation {
    Operation::job(Toolset::ConvertFromPdf, name, path)
}

/// PDF to X.
pub static OPERATIONS: &[Operation] = &[
    job("pdf_to_text", "/v1/pdf/convert/to/text")
        .title("PDF to text")
        .about(
            "Extract the text of a PDF or scan, with layout kept and scanned pages recognized. For plain text \
                of a digital PDF, pdf_to_text_simple is cheaper; for tables use pdf_to_csv.",
        )
        .output(Output::Text("text/plain"))
        .price(Price::PerPage(21))
        .cheaper("pdf_to_text_simple", "where the PDF holds text, not scans, and its layout does not matter")
        .keywords(&[
            "read",
            "extract",
            "ocr",
            "scan",
            "content",
            "transcribe",
            "summarize",
            "summary",
            "recognize",
            "handwriting",
        ])
        .takes(&[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT_INLINE]),
    job("pdf_to_text_simple", "/v1/pdf/convert/to/text-simple")
        .title("PDF to plain text")
        .about(
            "Extract the embedded text of a digital PDF, fast and without layout. Enough for most digital PDFs, \
                and the cheapest way to read one. Scanned pages return nothing: use pdf_to_text for those, or to \
                keep the layout.",
        )
        .output(Output::Text("text/plain"))
        .price(Price::PerPage(4))
        .keywords(&["read", "extract", "content", "fast", "cheap", "summarize"])
        .takes(&[SOURCE, PAGES, PASSWORD, RESULT_INLINE]),
    job("pdf_to_json", "/v1/pdf/convert/to/json2")
        .aliases(&["pdf_to_json2"])
        .title("PDF to JSON")
        .about(
            "Convert a PDF or scan to JSON with every text, its position and its font. For words alone use \
                pdf_to_text; for named invoice fields use ai_invoice_parser.",
        )
        .output(Output::Text("application/json"))
        .price(Price::PerPage(28))
        .keywords(&["structure", "position", "font", "coordinates", "data"])
        .takes(&[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT_INLINE]),
    job("pdf_to_json_meta", "/v1/pdf/convert/to/json-meta")
        .aliases(&["pdf_to_json_ai"])
        .title("PDF to JSON with AI labels")
        .about(
            "Convert a PDF or scan to JSON that also classifies each text by AI: heading level, kind of value \
                (date, currency, number) and entity (company, person). Slower than pdf_to_json, which is enough \
                for text and positions.",
        )
        .output(Output::Text("application/json"))
        .keywords(&["ai", "heading", "classify", "entity", "semantic", "structure"])
        .takes(&[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT_INLINE]),
    job("pdf_to_json_legacy", "/v1/pdf/convert/to/json")
        .aliases(&["pdf_to_json1"])
        .title("PDF to JSON, old format")
        .about(
            "Convert a PDF or scan to the service's first JSON format, for programs that already read it. \
                Otherwise use pdf_to_json.",
        )
        .output(Output::Text("application/json"))
        .price(Price::PerPage(28))
        .samples_only()
        .keywords(&["structure", "position"])
        .takes(&[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT_INLINE]),
    job("pdf_to_csv", "/v1/pdf/convert/to/csv")
        .title("PDF to CSV")
        .about(
            "Extract the tables of a PDF or scan as CSV rows and columns. For a spreadsheet file use \
                pdf_to_xlsx; to read one table only, take its `rect` from find_table first.",
        )
        .output(Output::Text("text/csv"))
        .price(Price::PerPage(28))
        .keywords(&["table", "tables", "rows", "columns", "spreadsheet", "excel", "statement"])
        .takes(&[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT_INLINE]),
    job("pdf_to_xls", "/v1/pdf/convert/to/xls")
        .title("PDF to XLS")
        .about(
            "Convert the tables of a PDF or scan to an old Excel workbook (XLS, Excel 97-2003). Prefer \
                pdf_to_xlsx unless the old format is asked for.",
        )
        .output(Output::Binary("application/vnd.ms-excel"))
        .keywords(&["excel", "table", "tables", "spreadsheet", "workbook"])
        .takes(&[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT]),
    job("pdf_to_xlsx", "/v1/pdf/convert/to/xlsx")
        .title("PDF to XLSX")
        .about(
            "Convert the tables of a PDF or scan to an Excel workbook (XLSX). For values to read here use \
                pdf_to_csv.",
        )
        .output(Output::Binary("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))
        .keywords(&["excel", "table", "tables", "spreadsheet", "workbook", "sheet"])
        .takes(&[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT]),
    job("pdf_to_xml", "/v1/pdf/convert/to/xml")
        .title("PDF to XML")
        .about(
            "Convert a PDF or scan to XML with rows, columns, texts and their positions. pdf_to_json has the \
                same content as JSON.",
        )
        .output(Output::Text("application/xml"))
        .price(Price::PerPage(35))
        .keywords(&["structure", "position"])
        .takes(&[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT_INLINE]),
    job("pdf_to_html", "/v1/pdf/convert/to/html")
        .title("PDF to HTML")
        .about(
            "Convert a PDF or scan to an HTML page that looks like it. For text to read or summarize use \
                pdf_to_text.",
        )
        .output(Output::Text("text/html"))
        .price(Price::PerPage(21))
        .keywords(&["web", "page", "layout", "markup", "word", "docx"])
        .takes(&[SOURCE, PAGES, &[RECTANGLE, OCR_LANGUAGE], CELL_LAYOUT_UNUSED, HTML_LAYOUT, PASSWORD, RESULT_INLINE]),
    job("pdf_to_image", "/v1/pdf/convert/to/{type}")
        .title("PDF to images")
        .about(
            "Render the pages of a PDF as images in the format of `type`: one JPG, PNG or WebP per page, or one \
                TIFF. To make a PDF from images use image_to_pdf.",
        )
        .output(Output::Many("image/jpeg"))
        .samples_only()
        .keywords(&["picture", "render", "page", "thumbnail", "preview", "screenshot", "jpeg", "extract"])
        .takes(&[
            SOURCE,
            &[IMAGE_TYPE],
            PAGES,
            &[RECTANGLE, OCR_LANGUAGE.advanced()],
            CELL_LAYOUT_UNUSED,
            PASSWORD,
            RESULT,
        ]),
    job("pdf_to_jpg", "/v1/pdf/convert/to/jpg")
        .aliases(&["pdf_to_jpeg"])
        .title("PDF to JPG")
        .about(
            "Render each page of a PDF as a JPG image. Smallest files for scans and photos; for sharp text use \
                pdf_to_png, for one file pdf_to_tiff.",
        )
        .output(Output::Many("image/jpeg"))
        .price(Price::PerPageSeen(12))
        .keywords(&["picture", "image", "jpeg", "render", "page", "thumbnail", "preview", "photo"])
        .takes(&[SOURCE, PAGES, &[RECTANGLE], PASSWORD, RESULT_INLINE]),
    job("pdf_to_png", "/v1/pdf/convert/to/png")
        .title("PDF to PNG")
        .about(
            "Render each page of a PDF as a PNG image without loss. Best for text and drawings; for photos \
                pdf_to_jpg makes smaller files.",
        )
        .output(Output::Many("image/png"))
        .price(Price::PerPageSeen(15))
        .keywords(&["picture", "image", "render", "page", "thumbnail", "preview", "screenshot"])
        .takes(&[SOURCE, PAGES, &[RECTANGLE], PASSWORD, RESULT_INLINE]),
    job("pdf_to_webp", "/v1/pdf/convert/to/webp")
        .title("PDF to WebP")
        .about(
            "Render each page of a PDF as a WebP image for the web. For images that every program opens use \
                pdf_to_png or pdf_to_jpg.",
        )
        .output(Output::Many("image/webp"))
        .price(Price::PerPageSeen(18))
        .keywords(&["picture", "image", "render", "page", "web"])
        .takes(&[SOURCE, PAGES, &[RECTANGLE], PASSWORD, RESULT_INLINE]),
    job("pdf_to_tiff", "/v1/pdf/convert/to/tiff")
        .aliases(&["pdf_to_tif"])
        .title("PDF to TIFF")
        .about(
            "Render the pages of a PDF into one multi-page TIFF, as fax and archive systems expect it. For one \
                image per page use pdf_to_png. The compression is set with `profiles`: `{\"TIFFCompression\": \
                \"CCITT4\"}`.",
        )
        .output(Output::Binary("image/tiff"))
        .price(Price::PerPageSeen(28))
        .keywords(&["picture", "image", "tif", "fax", "archive", "render"])
        .takes(&[SOURCE, PAGES, &[RECTANGLE, UNWRAP], PASSWORD, RESULT]),
];
