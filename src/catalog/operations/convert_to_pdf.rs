//! Something else to PDF: documents, spreadsheets, images, web pages, HTML and e-mails; and pictures of web pages. The
//! official Python server decides the case of `paperSize`.

use super::params::{AUTOSIZE, HTTP_AUTH, HTTP_PASSWORD, HTTP_USERNAME, PAGES, RESULT, SOURCE, SOURCES};
use crate::catalog::{Operation, Output, Param, ParamKind, Price, Toolset};

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
    "HTML for the top of each page; elements of class `pageNumber`, `totalPages`, `date`, `title` or `url` are \
        filled in.",
);

/// What stands at the bottom of every page.
const FOOTER: Param = Param::new("footer", ParamKind::Text, "HTML for the bottom of each page, as `header`.");

/// How the browser renders.
const RENDERING: &[Param] = &[
    Param::new("printBackground", ParamKind::Boolean, "Print background colors and images.").default("true"),
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

/// A job of this toolset.
const fn job(name: &'static str, path: &'static str) -> Operation {
    Operation::job(Toolset::ConvertToPdf, name, path)
}

/// X to PDF.
pub static OPERATIONS: &[Operation] = &[
    job("document_to_pdf", "/v1/pdf/convert/from/doc")
        .aliases(&["pdf_from_doc"])
        .title("Document to PDF")
        .about(
            "Convert a text document (DOC, DOCX, RTF, TXT, XPS) to PDF. For spreadsheets use csv_to_pdf or \
                excel_to_pdf, for images image_to_pdf, for e-mails email_to_pdf.",
        )
        .price(Price::PerPage(21))
        .keywords(&["word", "docx", "doc", "rtf", "txt", "odt", "office", "letter", "powerpoint", "pptx", "ppt"])
        .takes(&[SOURCE, PAGES, &[AUTOSIZE.advanced()], RESULT]),
    job("csv_to_pdf", "/v1/pdf/convert/from/csv")
        .aliases(&["pdf_from_csv"])
        .title("CSV to PDF")
        .about("Print a CSV file or a whole workbook (XLS, XLSX) to PDF. For one sheet of a workbook use excel_to_pdf.")
        .price(Price::PerPage(21))
        .keywords(&["table", "spreadsheet", "excel", "xlsx", "xls", "print", "workbook"])
        .takes(&[SOURCE, PAGES, &[AUTOSIZE], RESULT]),
    job("image_to_pdf", "/v1/pdf/convert/from/image")
        .aliases(&["pdf_from_image"])
        .title("Images to PDF")
        .about(
            "Put images (JPG, PNG, TIFF) into one PDF, in the order given. The text in them stays a picture: \
                run pdf_make_searchable afterwards to recognize it.",
        )
        .price(Price::PerPage(9))
        .keywords(&["picture", "photo", "scan", "jpg", "jpeg", "png", "tiff"])
        .takes(&[SOURCES, PAGES, RESULT]),
    job("webpage_to_pdf", "/v1/pdf/convert/from/url")
        .aliases(&["pdf_from_url", "url_to_pdf"])
        .title("Web page to PDF")
        .about(
            "Print a public web page to PDF; its scripts run first. Takes a local .html file as well. For HTML \
                text use html_to_pdf.",
        )
        .price(Price::PerPageSeen(9))
        .keywords(&["website", "url", "link", "html", "browser", "print", "archive", "page"])
        .takes(&[PAGE_URL, PAPER, RENDERING, &[HEADER, FOOTER], HTTP_AUTH, RESULT]),
    job("html_to_pdf", "/v1/pdf/convert/from/html")
        .aliases(&["pdf_from_html"])
        .title("HTML to PDF")
        .about(
            "Make a PDF from HTML text (`html`), or from a stored template (`template_id`) filled with data. \
                For a link or a local .html file use webpage_to_pdf. `[[barcode: QRCode text]]` in the HTML draws \
                a barcode. At most 4 MB of HTML.",
        )
        .price(Price::PerPage(9))
        .keywords(&["template", "invoice", "report", "markup", "print", "generate", "create"])
        .takes(&[
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
        ]),
    job("email_to_pdf", "/v1/pdf/convert/from/email")
        .aliases(&["pdf_from_email"])
        .title("E-mail to PDF")
        .about(
            "Convert a saved e-mail (MSG, EML) to PDF, with its attachments. For its fields as data use \
                email_decode, for the attachments alone email_extract_attachments.",
        )
        .price(Price::PerPage(56))
        .keywords(&["mail", "eml", "msg", "outlook", "message", "print"])
        .takes(&[
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
        ]),
    job("url_to_jpg", "/v1/url/convert/to/jpg")
        .aliases(&["webpage_to_jpg"])
        .title("Web page to JPG")
        .about(
            "Take a JPG screenshot of a public web page; for sharp text use url_to_png. For a document with \
                pages use webpage_to_pdf.",
        )
        .output(Output::Binary("image/jpeg"))
        .samples_only()
        .keywords(&["screenshot", "website", "capture", "picture", "image", "page"])
        .takes(&[PAGE_URL, RESULT]),
    job("url_to_png", "/v1/url/convert/to/png")
        .aliases(&["webpage_to_png"])
        .title("Web page to PNG")
        .about(
            "Take a PNG screenshot of a public web page, without loss; url_to_jpg makes smaller files. For a \
                document with pages use webpage_to_pdf.",
        )
        .output(Output::Binary("image/png"))
        .samples_only()
        .keywords(&["screenshot", "website", "capture", "picture", "image", "page"])
        .takes(&[PAGE_URL, RESULT]),
];
