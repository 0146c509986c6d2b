//! Data out of documents: properties, invoices, parser templates, classes, barcodes, e-mails, attachments; and the two
//! counterparts that go the other way, drawing a barcode and sending an e-mail.

use super::params::{CALLBACK, DATA, NAMED_DATA, PAGES, PASSWORD, PROFILES, RESULT, RESULT_INLINE, SOURCE, URL};
use crate::catalog::{Effect, Method, Operation, Output, Param, ParamKind, Price, Run, Toolset};

/// The file formats of the document parser.
const PARSER_FORMATS: &[&str] = &["JSON", "CSV", "XML", "YAML"];

/// The barcodes that can be drawn.
const BARCODE_TYPES: &[&str] = &[
    "QRCode",
    "Code128",
    "Code39",
    "Code93",
    "DataMatrix",
    "PDF417",
    "PDF417Truncated",
    "Aztec",
    "EAN13",
    "EAN8",
    "EAN14",
    "EAN2",
    "EAN5",
    "EAN128",
    "UPCA",
    "UPCE",
    "ISBN",
    "Bookland",
    "JAN13",
    "Codabar",
    "I2of5",
    "ITF14",
    "GTIN8",
    "GTIN12",
    "GTIN13",
    "GTIN14",
    "GS1_128",
    "GS1_QRCode",
    "GS1_DataMatrix",
    "GS1_DataBar_Omnidirectional",
    "GS1_DataBar_Truncated",
    "GS1_DataBar_Stacked",
    "GS1_DataBar_Stacked_Omnidirectional",
    "GS1_DataBar_Limited",
    "GS1_DataBar_Expanded",
    "GS1_DataBar_Expanded_Stacked",
    "MacroPDF417",
    "MicroPDF417",
    "MaxiCode",
    "Postnet",
    "Planet",
    "IntelligentMail",
    "USPSSackLabel",
    "USPSTrayLabel",
    "DeutschePostIdentcode",
    "DeutschePostLeitcode",
    "SwissPostParcel",
    "RoyalMail",
    "DutchKix",
    "SingaporePostalCode",
    "Numly",
    "PZN",
    "OpticalProduct",
    "PharmaCode",
    "Plessey",
    "MSI",
    "Telepen",
];

/// Ids of templates.
const TEMPLATE_ID: ParamKind = ParamKind::Integer { min: 1, max: 2_147_483_647 };

/// A job of this toolset.
const fn job(name: &'static str, path: &'static str) -> Operation {
    Operation::job(Toolset::Extract, name, path)
}

/// An operation of this toolset that answers at once.
const fn direct(method: Method, name: &'static str, path: &'static str) -> Operation {
    Operation::direct(Toolset::Extract, method, name, path)
}

/// Extraction.
pub static OPERATIONS: &[Operation] = &[
    job("pdf_info_reader", "/v1/pdf/info")
        .aliases(&["pdf_info"])
        .title("Read PDF properties")
        .about(
            "Read the properties of a PDF: page count, title, author, dates, page size, encryption, \
                permissions. For its form fields use read_pdf_forms_info, for its contents pdf_to_text.",
        )
        .output(Output::Inline)
        .price(Price::PerPageSeen(7))
        .keywords(&[
            "metadata",
            "properties",
            "pages",
            "count",
            "many",
            "number",
            "author",
            "title",
            "size",
            "encrypted",
            "permissions",
        ])
        .takes(&[SOURCE, PASSWORD, DATA]),
    job("ai_invoice_parser", "/v1/ai-invoice-parser")
        .run(Run::AlwaysJob)
        .title("Parse an invoice by AI")
        .about(
            "Read an invoice by AI, without a template: vendor, customer, number, dates, totals, line items. \
                One invoice per file, at most 100 pages. For other documents, or rules of your own, use \
                document_parser.",
        )
        .output(Output::Inline)
        .price(Price::PerPage(100))
        .keywords(&["bill", "receipt", "total", "vendor", "amount", "extract", "line", "items", "ai"])
        .takes(&[&[
            URL,
            Param::new(
                "custom_field",
                ParamKind::Text,
                "More fields to find, in camel case: `storeNumber,deliveryDate`.",
            )
            .wire("customfield")
            .aliases(&["custom_fields"]),
            Param::new(
                "line_item_structure",
                ParamKind::Object(&[
                    Param::new("description", ParamKind::Text, "`string` or `number`."),
                    Param::new("quantity", ParamKind::Text, "`string` or `number`."),
                ]),
                "Fields of a line item, each with `string` or `number`.",
            )
            .wire("lineItemStructure")
            .advanced(),
            CALLBACK,
            PROFILES,
        ]]),
    job("document_parser", "/v1/pdf/documentparser")
        .aliases(&["pdf_document_parser"])
        .title("Parse a document by template")
        .about(
            "Extract fields and tables from a document (PDF, JPG, PNG) by a stored or given template. Without \
                one the service may find a template that fits. For invoices without a template use \
                ai_invoice_parser.",
        )
        .output(Output::Text("application/json"))
        .price(Price::PerPage(42))
        .keywords(&["template", "invoice", "extract", "fields", "data", "bill", "receipt"])
        .takes(&[
            SOURCE,
            &[
                Param::new(
                    "template_id",
                    TEMPLATE_ID,
                    "Stored template, from document_parser_templates; 1 is the built-in Invoice Parser.",
                )
                .wire("templateId"),
                Param::new(
                    "template",
                    ParamKind::JsonText,
                    "Template of your own instead of `template_id`: JSON or YAML text.",
                )
                .aliases(&["template_code"]),
                Param::new("output_format", ParamKind::Choice(PARSER_FORMATS), "Format of the result.")
                    .wire("outputFormat")
                    .default("JSON"),
                Param::new(
                    "store_result",
                    ParamKind::Boolean,
                    "Keep the result with the service, for document_parser_results.",
                )
                .wire("storeResult")
                .advanced(),
                Param::new("generate_csv_headers", ParamKind::Boolean, "Put column names into a CSV result.")
                    .wire("generateCsvHeaders"),
            ],
            PAGES,
            PASSWORD,
            RESULT_INLINE,
        ]),
    direct(Method::Get, "document_parser_templates", "/v1/pdf/documentparser/templates")
        .aliases(&["list_document_parser_templates"])
        .title("List parser templates")
        .about(
            "List the templates of the document parser, own and built-in, with id and title, for `template_id` \
                of document_parser. One with its text comes from document_parser_template.",
        )
        .price(Price::PerCall(2))
        .keywords(&["list", "template"]),
    direct(Method::Get, "document_parser_template", "/v1/pdf/documentparser/templates/{id}")
        .aliases(&["get_document_parser_template"])
        .title("Read a parser template")
        .about("Read one template of the document parser with its text. document_parser_templates has the ids.")
        .price(Price::PerCall(2))
        .keywords(&["template", "show"])
        .takes(&[&[Param::new("id", TEMPLATE_ID, "Id of the template, from document_parser_templates.")
            .aliases(&["template_id"])
            .required()]]),
    direct(Method::Post, "document_parser_results", "/v1/pdf/documentparser/results")
        .title("Save a parser result")
        .about(
            "Save a result of the document parser with the service. To parse a document use document_parser; \
                its result needs no saving.",
        )
        .price(Price::PerCall(11))
        .effect(Effect::StoresFile)
        .samples_only()
        .keywords(&["store", "save", "parsed"])
        .takes(&[&[
            Param::new("file_url", ParamKind::Source, "The parsed document: a link, or a local path (uploaded first).")
                .wire("fileUrl")
                .aliases(&["url", "input", "file_path"])
                .required(),
            Param::new("template_id", TEMPLATE_ID, "Template that it was parsed with.").wire("templateId").required(),
            Param::new("format_type", ParamKind::Choice(PARSER_FORMATS), "Format of `result`.").wire("formatType"),
            Param::new("result", ParamKind::JsonText, "The parsed text to save."),
        ]]),
    job("document_classifier", "/v1/pdf/classifier")
        .aliases(&["pdf_classifier"])
        .title("Classify a document")
        .about(
            "Classify a PDF, such as invoice or statement, by built-in AI or by rules of your own. Use it to \
                choose a template before document_parser.",
        )
        .output(Output::Inline)
        .price(Price::PerPage(42))
        .keywords(&["classify", "sort", "type", "category", "kind", "detect"])
        .takes(&[
            SOURCE,
            &[
                Param::new(
                    "rules_csv",
                    ParamKind::Text,
                    "Rules, one per line: class, `AND` or `OR`, keywords or `/regex/i`, such as \
                        `Medical,OR,patient,/ward \\d+/i`.",
                )
                .wire("rulescsv"),
                Param::new("rules_csv_url", ParamKind::Text, "Link of a CSV file with such rules.").wire("rulescsvurl"),
                Param::new("case_sensitive", ParamKind::Boolean, "Distinguish upper and lower case in keywords.")
                    .wire("caseSensitive")
                    .default("true"),
            ],
            PASSWORD,
            NAMED_DATA,
        ]),
    job("extract_attachments", "/v1/pdf/attachments/extract")
        .aliases(&["pdf_attachments_extract", "pdf_extract_attachments"])
        .title("Extract PDF attachments")
        .about(
            "Extract the files that are embedded in a PDF, such as the XML of an e-invoice. For the attachments \
                of an e-mail file use email_extract_attachments.",
        )
        .output(Output::Many("application/octet-stream"))
        .may_be_empty()
        .keywords(&["embedded", "files", "zugferd", "facturx", "einvoice", "xml", "attachment"])
        .takes(&[SOURCE, PASSWORD, RESULT_INLINE]),
    job("barcode_read", "/v1/barcode/read/from/url")
        .aliases(&["read_barcodes"])
        .title("Read barcodes")
        .about(
            "Read the barcodes and QR codes of a PDF or image, and marks such as ticked checkboxes: value, \
                type, page, position. To draw one use barcode_generate.",
        )
        .output(Output::Inline)
        .price(Price::PerPage(35))
        .keywords(&["qr", "code", "qrcode", "scan", "ean", "decode", "datamatrix", "checkbox"])
        .takes(&[
            SOURCE,
            &[Param::new(
                "types",
                ParamKind::Text,
                "What to look for, separated by commas: `QRCode`, `Code128`, `Code39`, `EAN13`, `UPCA`, \
                    `DataMatrix`, `PDF417`, `Interleaved2of5`, `Checkbox`.",
            )
            .aliases(&["type"])
            .sent_default("QRCode,Code128,Code39,EAN13,UPCA,DataMatrix,PDF417")],
            PAGES,
            NAMED_DATA,
        ]),
    job("barcode_generate", "/v1/barcode/generate")
        .aliases(&["generate_barcode"])
        .title("Draw a barcode")
        .about(
            "Draw a barcode or QR code as a PNG image. To read one use barcode_read; for one inside a PDF, \
                write `[[barcode: QRCode text]]` in the HTML of html_to_pdf.",
        )
        .output(Output::Binary("image/png"))
        .price(Price::PerCall(7))
        .keywords(&["qr", "code", "qrcode", "create", "make", "draw", "label", "ean"])
        .takes(&[
            &[
                Param::new("value", ParamKind::Text, "Text or number to encode.").required(),
                Param::new(
                    "type",
                    ParamKind::Suggested(BARCODE_TYPES),
                    "Kind of barcode: `QRCode`, `Code128`, `Code39`, `EAN13`, `UPCA`, `DataMatrix`, `PDF417`, \
                        `Aztec`, `GS1_128`…",
                )
                .default("QRCode"),
                Param::new("decoration_image", ParamKind::Text, "Link of a logo for the middle; QRCode only.")
                    .wire("decorationImage"),
            ],
            RESULT_INLINE,
        ]),
    job("email_decode", "/v1/email/decode")
        .aliases(&["decode_email"])
        .title("Decode an e-mail")
        .about(
            "Read a saved e-mail (MSG, EML) as data: sender, recipients, subject, dates, body. For its \
                attachments use email_extract_attachments, for a document email_to_pdf.",
        )
        .output(Output::Text("application/json"))
        .price(Price::PerPage(35))
        .keywords(&["mail", "eml", "msg", "outlook", "parse", "message", "read"])
        .takes(&[SOURCE, RESULT_INLINE]),
    job("email_extract_attachments", "/v1/email/extract-attachments")
        .title("Extract e-mail attachments")
        .about(
            "Extract the attachments of a saved e-mail (MSG, EML): name, size and link of each. For files \
                inside a PDF use extract_attachments.",
        )
        .output(Output::Text("application/json"))
        .may_be_empty()
        .price(Price::PerPage(35))
        .keywords(&["mail", "eml", "msg", "outlook", "attachment", "files"])
        .takes(&[SOURCE, RESULT_INLINE]),
    job("email_send", "/v1/email/send")
        .aliases(&["send_email"])
        .title("Send an e-mail")
        .about(
            "Send an e-mail with a document attached, through an SMTP server of your own. It reaches people and \
                cannot be undone, so confirm it with the user first. To make the document first use html_to_pdf or \
                another operation, and pass its link.",
        )
        .output(Output::Nothing)
        .price(Price::PerPage(21))
        .effect(Effect::SendsMail)
        .keywords(&["mail", "smtp", "message", "deliver", "attach"])
        .takes(&[
            SOURCE,
            &[
                Param::new("from", ParamKind::Text, "Sender: `Name <name@example.com>`.").required(),
                Param::new("to", ParamKind::Text, "Recipient address.").required(),
                Param::new("reply_to", ParamKind::Text, "Address for replies.").wire("replyto"),
                Param::new("cc", ParamKind::Text, "Address that gets a copy."),
                Param::new("bcc", ParamKind::Text, "Address that gets a hidden copy."),
                Param::new("subject", ParamKind::Text, "Subject line.").required(),
                Param::new("body_text", ParamKind::Text, "Body as plain text.").wire("bodytext"),
                Param::new("body_html", ParamKind::Text, "Body as HTML.").wire("bodyhtml"),
                Param::new("smtp_server", ParamKind::Text, "SMTP host, such as `smtp.example.com`.")
                    .wire("smtpserver")
                    .required(),
                Param::new("smtp_port", ParamKind::Text, "SMTP port.").wire("smtpport").sent_default("587"),
                Param::new("smtp_username", ParamKind::Text, "SMTP user.").wire("smtpusername").required(),
                Param::new("smtp_password", ParamKind::Text, "SMTP password.").wire("smtppassword").required().secret(),
            ],
            RESULT,
        ]),
];
