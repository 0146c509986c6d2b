//! Something else to PDF: documents, spreadsheets, images, web pages, HTML and e-mails; and pictures of web pages.
//!
//! What lives here: the rows of `/v1/pdf/convert/from/*` and of the old `/v1/url/convert/to/*`. Source: `pdfco-api.md`
//! §3.2 "X to PDF" and "Legacy"; names from the official Python server, which also decides the case of `paperSize`.

use super::params::{AUTOSIZE, HTTP_AUTH, HTTP_PASSWORD, HTTP_USERNAME, PAGES, RESULT, SOURCE, SOURCES};
use super::{Confidence, Effect, Method, Operation, Output, Param, ParamKind, Price, Run, Toolset};

/// The paper.
const PAPER: &[Param] = &[
    Param::new(
        "margins",
        ParamKind::Text,
        "CSS margins, one value or top right bottom left: `10px`, `5mm 10mm 5mm 10mm`.",
    ),
    Param::new(
        "paperSize",
        ParamKind::Text,
        "`A0` to `A6`, `Letter`, `Legal`, `Tabloid`, `Ledger`, or width and height: `200mm 300mm`.",
    )
    .default("A4"),
    Param::new("orientation", ParamKind::Choice(&["Portrait", "Landscape"]), "Direction of the paper.")
        .default("Portrait"),
];

/// What stands at the top of every page.
const HEADER: Param = Param::new(
    "header",
    ParamKind::Text,
    "HTML for the top of each page; elements of class `pageNumber`, `totalPages`, `date`, `title` or `url` are filled in.",
);

/// What stands at the bottom of every page.
const FOOTER: Param = Param::new("footer", ParamKind::Text, "HTML for the bottom of each page, as `header`.");

/// How the browser renders.
const RENDERING: &[Param] = &[
    Param::new("printBackground", ParamKind::Boolean, "Print background colours and images.").default("true"),
    Param::new("mediaType", ParamKind::Choice(&["print", "screen", "none"]), "CSS media type.").default("print"),
    Param::new("DoNotWaitFullLoad", ParamKind::Boolean, "Do not wait for slow parts such as videos.").default("false"),
    Param::new("legacy_rendition", ParamKind::Boolean, "Use the old renderer.").wire("legacyRendition").advanced(),
    Param::new(
        "render_timeout",
        ParamKind::Integer { min: 0, max: 600_000 },
        "Extra milliseconds to wait before printing.",
    )
    .wire("renderTimeout")
    .advanced(),
];

/// A web page.
const PAGE_URL: &[Param] =
    &[Param::new("url", ParamKind::Source, "Link of the web page.").aliases(&["input", "file_path"]).required()];

/// X to PDF.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "document_to_pdf",
        aliases: &["pdf_from_doc"],
        title: "Document to PDF",
        description: "Convert a text document (DOC, DOCX, RTF, TXT, XPS) to PDF. For spreadsheets use csv_to_pdf or \
            excel_to_pdf, for images image_to_pdf, for e-mails email_to_pdf. About 21 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/from/doc",
        toolset: Toolset::ConvertToPdf,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPage(21),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, &[AUTOSIZE.advanced()], RESULT],
    },
    Operation {
        name: "csv_to_pdf",
        aliases: &["pdf_from_csv"],
        title: "CSV to PDF",
        description: "Print a CSV file or a whole workbook (XLS, XLSX) to PDF. For one sheet of a workbook use \
            excel_to_pdf. About 21 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/from/csv",
        toolset: Toolset::ConvertToPdf,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPage(21),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PAGES, &[AUTOSIZE], RESULT],
    },
    Operation {
        name: "image_to_pdf",
        aliases: &["pdf_from_image"],
        title: "Images to PDF",
        description: "Put images (JPG, PNG, TIFF) into one PDF, in the order given. The text in them stays a picture: \
            follow with pdf_make_searchable to recognise it. About 9 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/from/image",
        toolset: Toolset::ConvertToPdf,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPage(9),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCES, PAGES, RESULT],
    },
    Operation {
        name: "webpage_to_pdf",
        aliases: &["pdf_from_url", "url_to_pdf"],
        title: "Web page to PDF",
        description: "Print a public web page to PDF; its scripts run first. For HTML that you have as text use \
            html_to_pdf. About 9 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/from/url",
        toolset: Toolset::ConvertToPdf,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPageSeen(9),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[PAGE_URL, PAPER, RENDERING, &[HEADER, FOOTER], HTTP_AUTH, RESULT],
    },
    Operation {
        name: "html_to_pdf",
        aliases: &["pdf_from_html"],
        title: "HTML to PDF",
        description: "Make a PDF from HTML text, or from a stored template (`template_id`) filled with data. For a page \
            on the web use webpage_to_pdf. `[[barcode: QRCode text]]` in the HTML draws a barcode. About 9 credits a \
            page; at most 4 MB of HTML.",
        method: Method::Post,
        path: "/v1/pdf/convert/from/html",
        toolset: Toolset::ConvertToPdf,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPage(9),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            &[
                Param::new("html", ParamKind::Text, "The HTML text; this or `template_id` is needed."),
                Param::new(
                    "template_id",
                    ParamKind::Integer { min: 1, max: 2_147_483_647 },
                    "Stored HTML template; html_templates_list lists them.",
                )
                .wire("templateId"),
                Param::new("template_data", ParamKind::JsonText, "Values for the template: JSON, or CSV text.")
                    .wire("templateData"),
            ],
            PAPER,
            RENDERING,
            &[HEADER, FOOTER],
            &[HTTP_USERNAME.advanced(), HTTP_PASSWORD.advanced()],
            RESULT,
        ],
    },
    Operation {
        name: "email_to_pdf",
        aliases: &["pdf_from_email"],
        title: "E-mail to PDF",
        description: "Convert a saved e-mail (MSG, EML) to PDF, with its attachments. For its fields as data use \
            email_decode, for the attachments alone email_extract_attachments. About 56 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/convert/from/email",
        toolset: Toolset::ConvertToPdf,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPage(56),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[
                Param::new("embedAttachments", ParamKind::Boolean, "Embed the attachments as files.").default("true"),
                Param::new(
                    "convertAttachments",
                    ParamKind::Boolean,
                    "Convert known attachments to pages and append them.",
                )
                .default("true"),
            ],
            PAPER,
            &[HEADER.advanced(), FOOTER.advanced()],
            RESULT,
        ],
    },
    Operation {
        name: "url_to_jpg",
        aliases: &["webpage_to_jpg"],
        title: "Web page to JPG",
        description: "Take a JPG screenshot of a public web page; for sharp text use url_to_png. For a document with \
            pages use webpage_to_pdf. Samples only; not in the current documentation.",
        method: Method::Post,
        path: "/v1/url/convert/to/jpg",
        toolset: Toolset::ConvertToPdf,
        run: Run::Job,
        output: Output::Binary("image/jpeg"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::SampleOnly,
        params: &[PAGE_URL, RESULT],
    },
    Operation {
        name: "url_to_png",
        aliases: &["webpage_to_png"],
        title: "Web page to PNG",
        description: "Take a PNG screenshot of a public web page, without loss; url_to_jpg makes smaller files. For \
            a document with pages use webpage_to_pdf. Samples only; not in the current documentation.",
        method: Method::Post,
        path: "/v1/url/convert/to/png",
        toolset: Toolset::ConvertToPdf,
        run: Run::Job,
        output: Output::Binary("image/png"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::SampleOnly,
        params: &[PAGE_URL, RESULT],
    },
];
