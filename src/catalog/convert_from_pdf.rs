//! PDF to something else: text, JSON, tables, spreadsheets, markup and images.
//!
//! What lives here: the rows of `/v1/pdf/convert/to/*`. All of them read scans as well, by recognition of text, except
//! `pdf_to_text_simple`. Source: `pdfco-api.md` §3.2 "PDF to X"; names from the official Python server.

use super::params::{
    LINE_GROUPING, OCR_LANGUAGE, PAGES, PASSWORD, RECTANGLE, RESULT, RESULT_INLINE, SOURCE, TABLE_LAYOUT, UNWRAP,
};
use super::{Confidence, Effect, Method, Operation, Output, Param, ParamKind, Price, Run, Toolset};

/// The format words of the paths `/v1/pdf/convert/to/{type}` that make images.
const IMAGE_TYPE: Param = Param::new(
    "type",
    ParamKind::Choice(&["jpg", "png", "webp", "tiff"]),
    "Image format. TIFF gives one file for all pages.",
)
.default("jpg");

/// What the official Python server also takes for formats that have no table cells.
const CELL_LAYOUT_UNUSED: &[Param] = &[UNWRAP.advanced(), LINE_GROUPING.advanced()];

/// Plain and column layout of HTML.
const HTML_LAYOUT: &[Param] = &[
    Param::new("simple", ParamKind::Boolean, "Plain HTML without exact positions.").default("false").advanced(),
    Param::new("columns", ParamKind::Boolean, "Keep newspaper-style columns.").default("false").advanced(),
];

/// PDF to X.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "pdf_to_text",
        aliases: &[],
        title: "PDF to text",
        description: "Extract the text of a PDF or scan, with layout kept and scanned pages recognised. For plain \
            text of a digital PDF, pdf_to_text_simple is cheaper; for tables use pdf_to_csv. About 21 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/text",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Text("text/plain"),
        price: Price::PerPage(21),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT_INLINE],
    },
    Operation {
        name: "pdf_to_text_simple",
        aliases: &[],
        title: "PDF to plain text",
        description: "Extract the embedded text of a digital PDF, fast and without layout. Scanned pages give \
            nothing: use pdf_to_text for those, or to keep the layout. About 4 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/text-simple",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Text("text/plain"),
        price: Price::PerPage(4),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, PASSWORD, RESULT_INLINE],
    },
    Operation {
        name: "pdf_to_json",
        aliases: &["pdf_to_json2"],
        title: "PDF to JSON",
        description: "Convert a PDF or scan to JSON with every text, its position and its font. For words alone use \
            pdf_to_text; for named invoice fields use ai_invoice_parser. About 28 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/json2",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Text("application/json"),
        price: Price::PerPage(28),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT_INLINE],
    },
    Operation {
        name: "pdf_to_json_meta",
        aliases: &["pdf_to_json_ai"],
        title: "PDF to JSON with meaning",
        description: "Convert a PDF or scan to JSON that also classifies each text by AI: heading level, kind of \
            value (date, currency, number) and entity (company, person). Slower and dearer than pdf_to_json, which \
            suffices for text and positions.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/json-meta",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Text("application/json"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT_INLINE],
    },
    Operation {
        name: "pdf_to_json_legacy",
        aliases: &["pdf_to_json1"],
        title: "PDF to JSON, old format",
        description: "Convert a PDF or scan to the service's first JSON format, for programs that already read it. \
            Otherwise use pdf_to_json. About 28 credits a page. Samples only; not in the current documentation.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/json",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Text("application/json"),
        price: Price::PerPage(28),
        effect: Effect::MakesDocument,
        confidence: Confidence::SampleOnly,
        params: &[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT_INLINE],
    },
    Operation {
        name: "pdf_to_csv",
        aliases: &[],
        title: "PDF to CSV",
        description: "Extract the tables of a PDF or scan as CSV rows and columns. For a spreadsheet file use \
            pdf_to_xlsx; to read one table only, take its `rect` from find_table first. About 28 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/csv",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Text("text/csv"),
        price: Price::PerPage(28),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT_INLINE],
    },
    Operation {
        name: "pdf_to_xls",
        aliases: &[],
        title: "PDF to XLS",
        description: "Convert the tables of a PDF or scan to an old Excel workbook (XLS, Excel 97-2003). Prefer \
            pdf_to_xlsx unless the old format is asked for.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/xls",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Binary("application/vnd.ms-excel"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT],
    },
    Operation {
        name: "pdf_to_xlsx",
        aliases: &[],
        title: "PDF to XLSX",
        description: "Convert the tables of a PDF or scan to an Excel workbook (XLSX). For values \
            to read here use pdf_to_csv.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/xlsx",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Binary("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT],
    },
    Operation {
        name: "pdf_to_xml",
        aliases: &[],
        title: "PDF to XML",
        description: "Convert a PDF or scan to XML with rows, columns, texts and their positions. pdf_to_json has the \
            same content as JSON. About 35 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/xml",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Text("application/xml"),
        price: Price::PerPage(35),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, TABLE_LAYOUT, PASSWORD, RESULT_INLINE],
    },
    Operation {
        name: "pdf_to_html",
        aliases: &[],
        title: "PDF to HTML",
        description: "Convert a PDF or scan to an HTML page that looks like it. For text to read or summarise use \
            pdf_to_text. About 21 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/html",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Text("text/html"),
        price: Price::PerPage(21),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, &[RECTANGLE, OCR_LANGUAGE], CELL_LAYOUT_UNUSED, HTML_LAYOUT, PASSWORD, RESULT_INLINE],
    },
    Operation {
        name: "pdf_to_image",
        aliases: &[],
        title: "PDF to images",
        description: "Render the pages of a PDF as images in the format of `type`: one JPG, PNG or WebP per page, or \
            one TIFF. To make a PDF from images use image_to_pdf.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/{type}",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Many("image/jpeg"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[IMAGE_TYPE],
            PAGES,
            &[RECTANGLE, OCR_LANGUAGE.advanced()],
            CELL_LAYOUT_UNUSED,
            PASSWORD,
            RESULT,
        ],
    },
    Operation {
        name: "pdf_to_jpg",
        aliases: &["pdf_to_jpeg"],
        title: "PDF to JPG",
        description: "Render each page of a PDF as a JPG image. Smallest files for scans and photos; for sharp text \
            use pdf_to_png, for one file pdf_to_tiff. About 12 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/jpg",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Many("image/jpeg"),
        price: Price::PerPageSeen(12),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, &[RECTANGLE], PASSWORD, RESULT_INLINE],
    },
    Operation {
        name: "pdf_to_png",
        aliases: &[],
        title: "PDF to PNG",
        description: "Render each page of a PDF as a PNG image without loss. Best for text and drawings; for photos \
            pdf_to_jpg makes smaller files. About 15 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/png",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Many("image/png"),
        price: Price::PerPageSeen(15),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, &[RECTANGLE], PASSWORD, RESULT_INLINE],
    },
    Operation {
        name: "pdf_to_webp",
        aliases: &[],
        title: "PDF to WebP",
        description: "Render each page of a PDF as a WebP image for the web. For images that every program opens use \
            pdf_to_png or pdf_to_jpg. About 18 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/webp",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Many("image/webp"),
        price: Price::PerPageSeen(18),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, &[RECTANGLE], PASSWORD, RESULT_INLINE],
    },
    Operation {
        name: "pdf_to_tiff",
        aliases: &["pdf_to_tif"],
        title: "PDF to TIFF",
        description: "Render the pages of a PDF into one multi-page TIFF, as fax and archive systems want it. For \
            one image per page use pdf_to_png. About 28 credits a page. The compression is set with `profiles`: \
            `{\"TIFFCompression\": \"CCITT4\"}`.",
        method: Method::Post,
        path: "/v1/pdf/convert/to/tiff",
        toolset: Toolset::ConvertFromPdf,
        run: Run::Job,
        output: Output::Binary("image/tiff"),
        price: Price::PerPageSeen(28),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, &[RECTANGLE, UNWRAP], PASSWORD, RESULT],
    },
];
