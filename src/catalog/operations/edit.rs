//! Changing pages and their contents: merge, split, add, replace, delete, rotate, compress, translate. Form fields alone
//! are in `forms.rs`. The official Python server calls `/v1/pdf/merge2` by the name `pdf_merge`, so `/v1/pdf/merge` has
//! another one.

use super::compression::COMPRESS_CONFIG;
use super::forms::FIELD;
use super::params::{
    CALLBACK, EXPIRATION, HEIGHT, INLINE, NAME, OCR_LANGUAGE, PAGES, PASSWORD, PROFILES, RESULT, RESULT_INLINE, SOURCE,
    SOURCES, URL, WIDTH, X, Y,
};
use crate::catalog::{Operation, Output, Param, ParamKind, Price, Toolset};

/// One text, link or form field to add.
const ANNOTATION: &[Param] = &[
    Param::new("text", ParamKind::Text, "The text."),
    X,
    Y,
    WIDTH,
    HEIGHT,
    Param::new("pages", ParamKind::Pages { first: 0 }, "Pages counted from 0; `0-` is all."),
    Param::new("size", ParamKind::Number, "Font size.").default("12"),
    Param::new("color", ParamKind::Text, "`RRGGBB` or `AARRGGBB`."),
    Param::new("link", ParamKind::Text, "Link to open."),
    Param::new("fontName", ParamKind::Text, "Font.").default("Arial"),
    Param::new("fontBold", ParamKind::Boolean, "Bold."),
    Param::new("fontItalic", ParamKind::Boolean, "Italic."),
    Param::new("fontStrikeout", ParamKind::Boolean, "Struck out.").advanced(),
    Param::new("fontUnderline", ParamKind::Boolean, "Underlined.").advanced(),
    Param::new("alignment", ParamKind::Choice(&["left", "center", "right"]), "Alignment of the text.").advanced(),
    Param::new("transparent", ParamKind::Boolean, "No background.").default("true").advanced(),
    Param::new(
        "type",
        ParamKind::Suggested(&["text", "TextField", "TextFieldMultiline", "Checkbox", "CheckboxChecked"]),
        "Left out for text; for a form field `TextField`, `TextFieldMultiline`, `Checkbox`, `CheckboxChecked`.",
    ),
    Param::new("id", ParamKind::Text, "Form field name."),
];

/// One picture or PDF to add.
const IMAGE: &[Param] = &[
    Param::new("url", ParamKind::Text, "Link of image or PDF, or data URI.").required(),
    X,
    Y,
    WIDTH,
    HEIGHT,
    Param::new("pages", ParamKind::Pages { first: 0 }, "Pages counted from 0."),
    Param::new("link", ParamKind::Text, "Link to open."),
    Param::new("keepAspectRatio", ParamKind::Boolean, "Do not distort.").default("true"),
];

/// How texts are searched when they are replaced or deleted.
const MATCHING: &[Param] = &[
    Param::new("case_sensitive", ParamKind::Boolean, "Distinguish upper and lower case.")
        .wire("caseSensitive")
        .default("true"),
    Param::new("regex", ParamKind::Boolean, "Read the search texts as regular expressions.").default("false"),
    Param::new(
        "replacement_limit",
        ParamKind::Integer { min: 0, max: 1_000_000 },
        "At most so many places; 0 means all.",
    )
    .wire("replacementLimit")
    .default("0"),
];

/// Redaction that holds: text that is only covered can still be searched and copied.
const MAKE_UNSEARCHABLE: Param = Param::new(
    "make_unsearchable",
    ParamKind::Boolean,
    "Turn pages into images afterwards, so that removed text cannot be found or copied.",
)
.wire("makeunsearchable")
.default("false");

/// A job of this toolset.
const fn job(name: &'static str, path: &'static str) -> Operation {
    Operation::job(Toolset::Edit, name, path)
}

/// Editing.
pub static OPERATIONS: &[Operation] = &[
    job("pdf_merge", "/v1/pdf/merge2")
        .aliases(&["pdf_merge2", "pdf_to_merge"])
        .title("Merge documents")
        .about(
            "Merge PDFs, Office files, texts, images or ZIPs of these into one PDF, in the order given. When \
                all are PDFs, pdf_merge_simple is cheaper.",
        )
        .cheaper("pdf_merge_simple", "where all documents are PDFs")
        .keywords(&["combine", "join", "concatenate", "append", "unite", "bind", "docx", "word", "images", "zip"])
        .takes(&[SOURCES, RESULT]),
    job("pdf_merge_simple", "/v1/pdf/merge")
        .aliases(&["pdf_merge1"])
        .title("Merge PDFs")
        .about(
            "Merge PDFs, and only PDFs, into one PDF, in the order given. For other files among them use \
                pdf_merge, which costs more.",
        )
        .price(Price::PerPageSeen(2))
        .keywords(&["combine", "join", "concatenate", "append", "unite", "bind", "cheap"])
        .takes(&[SOURCES, RESULT]),
    job("pdf_split", "/v1/pdf/split")
        .title("Split a PDF by pages")
        .about(
            "Split a PDF into several by page numbers: one file per item of `pages`. To split where a text or \
                barcode occurs use pdf_split2; to drop pages pdf_delete_pages. Pages are counted from 1 here.",
        )
        .output(Output::Many("application/pdf"))
        .price(Price::PerPageSeen(2))
        .keywords(&["extract", "pages", "separate", "divide", "cut", "burst", "range"])
        .takes(&[
            SOURCE,
            &[
                Param::new(
                    "pages",
                    ParamKind::Pages { first: 1 },
                    "Pages counted from 1, a file per item: `1,3-5,7-` makes three files; `*` one per page.",
                ),
                Param::new("fixed_output_filename", ParamKind::Boolean, "Leave the page range out of the file names.")
                    .default("false")
                    .advanced(),
            ],
            PASSWORD,
            RESULT_INLINE,
        ]),
    job("pdf_split2", "/v1/pdf/split2")
        .aliases(&["pdf_split_by_text"])
        .title("Split a PDF by text")
        .about(
            "Split a PDF at every page on which a text or barcode occurs, such as the first page of each \
                invoice in a stack. To split by page numbers use pdf_split, which costs less.",
        )
        .output(Output::Many("application/pdf"))
        .price(Price::PerPageSeen(35))
        .keywords(&["separate", "divide", "cut", "barcode", "search", "batch", "stack", "invoices"])
        .takes(&[
            SOURCE,
            &[
                Param::new(
                    "search_string",
                    ParamKind::Text,
                    "Text that starts a new file, or a barcode: `[[barcode:qrcode,datamatrix /regex/]]`.",
                )
                .wire("searchString")
                .required(),
                Param::new("regex_search", ParamKind::Boolean, "Read `search_string` as a regular expression.")
                    .wire("regexSearch")
                    .default("false"),
                Param::new("exclude_key_pages", ParamKind::Boolean, "Leave out the pages on which it occurs.")
                    .wire("excludeKeyPages")
                    .default("false"),
                Param::new("case_sensitive", ParamKind::Boolean, "Distinguish upper and lower case.")
                    .wire("caseSensitive")
                    .default("false"),
                OCR_LANGUAGE,
            ],
            PASSWORD,
            RESULT_INLINE,
        ]),
    job("pdf_add_annotations_images_fields", "/v1/pdf/edit/add")
        .aliases(&["pdf_add", "pdf_edit_add"])
        .title("Add to a PDF")
        .about(
            "Add texts, links, images, other PDFs or form values to the pages of a PDF: a watermark, a stamp, a \
                signature image, page numbers. For forms alone use fill_forms or create_fillable_forms; to change \
                existing text pdf_replace_text. Pages are counted from 0.",
        )
        .price(Price::PerPage(21))
        .keywords(&[
            "watermark",
            "stamp",
            "overlay",
            "sign",
            "signature",
            "logo",
            "draft",
            "confidential",
            "header",
            "footer",
            "page",
            "numbers",
            "numbering",
            "bates",
            "text",
            "image",
            "picture",
            "annotate",
            "annotation",
            "comment",
            "letterhead",
            "background",
            "edit",
            "write",
            "flatten",
        ])
        .takes(&[
            SOURCE,
            &[
                Param::new("annotations", ParamKind::Objects(ANNOTATION), "Texts, links and form fields to add."),
                Param::new("images", ParamKind::Objects(IMAGE), "Images and PDFs to put onto pages."),
                Param::new("fields", ParamKind::Objects(FIELD), "Form fields to fill."),
                Param::new("flatten", ParamKind::Boolean, "Make fields and annotations uneditable page content.")
                    .default("false"),
                Param::new(
                    "annotations_string",
                    ParamKind::Text,
                    "Short form: `x;y;pages;text;size;font;color;link;transparent;width;height;alignment`, \
                        joined by `|`.",
                )
                .wire("annotationsString")
                .advanced(),
                Param::new(
                    "images_string",
                    ParamKind::Text,
                    "Short form: `x;y;pages;url;link;width;height`, joined by `|`.",
                )
                .wire("imagesString")
                .advanced(),
                Param::new("fields_string", ParamKind::Text, "Short form: `page;name;value`, joined by `|`.")
                    .wire("fieldsString")
                    .advanced(),
                INLINE,
            ],
            PASSWORD,
            &[NAME, EXPIRATION.shown(), CALLBACK, PROFILES],
        ]),
    job("pdf_replace_text", "/v1/pdf/edit/replace-text")
        .title("Replace text in a PDF")
        .about(
            "Replace texts of a PDF with others, wherever they occur. To put an image there use \
                pdf_replace_text_with_image, to remove them pdf_delete_text.",
        )
        .keywords(&["edit", "change", "substitute", "find", "rename", "correct"])
        .takes(&[
            SOURCE,
            &[
                Param::new(
                    "search_string",
                    ParamKind::Text,
                    "One text to replace; this or `search_strings` is needed.",
                )
                .wire("searchString"),
                Param::new("replace_string", ParamKind::Text, "What replaces it.").wire("replaceString"),
                Param::new("search_strings", ParamKind::Strings, "Several texts to replace.").wire("searchStrings"),
                Param::new(
                    "replace_strings",
                    ParamKind::Strings,
                    "What replaces them, one for each, in the same order.",
                )
                .wire("replaceStrings"),
            ],
            MATCHING,
            &[MAKE_UNSEARCHABLE],
            PAGES,
            PASSWORD,
            RESULT,
        ]),
    job("pdf_replace_text_with_image", "/v1/pdf/edit/replace-text-with-image")
        .title("Replace text with an image")
        .about(
            "Put an image wherever a text occurs in a PDF, such as a signature for a placeholder. To replace it \
                with text use pdf_replace_text; for a fixed position pdf_add_annotations_images_fields.",
        )
        .keywords(&["sign", "signature", "stamp", "logo", "placeholder", "substitute", "picture"])
        .takes(&[
            SOURCE,
            &[
                Param::new("search_string", ParamKind::Text, "Text that the image replaces.")
                    .wire("searchString")
                    .required(),
                Param::new("replace_image", ParamKind::Text, "The image: an http(s) link or a data URI.")
                    .wire("replaceImage")
                    .required(),
            ],
            MATCHING,
            &[MAKE_UNSEARCHABLE],
            PAGES,
            PASSWORD,
            RESULT,
        ]),
    job("pdf_delete_text", "/v1/pdf/edit/delete-text")
        .aliases(&["pdf_redact_text"])
        .title("Delete text from a PDF")
        .about(
            "Delete texts of a PDF wherever they occur. To redact, also set `make_unsearchable`. For black bars \
                in their place set `profiles` to `{\"UsePatch\": true, \"PatchColor\": \"#000000\"}`; to write \
                something else there use pdf_replace_text.",
        )
        .price(Price::PerPageSeen(21))
        .keywords(&["redact", "redaction", "erase", "remove", "black", "anonymize", "censor", "hide", "gdpr"])
        .takes(&[
            SOURCE,
            &[
                Param::new("search_string", ParamKind::Text, "One text to delete; this or `search_strings` is needed.")
                    .wire("searchString"),
                Param::new("search_strings", ParamKind::Strings, "Several texts to delete.").wire("searchStrings"),
            ],
            MATCHING,
            &[MAKE_UNSEARCHABLE],
            PAGES,
            PASSWORD,
            RESULT,
        ]),
    job("pdf_delete_pages", "/v1/pdf/edit/delete-pages")
        .aliases(&["delete_pages"])
        .title("Delete pages of a PDF")
        .about(
            "Delete pages of a PDF and keep the rest in one file. To keep parts as separate files use \
                pdf_split. Pages are counted from 1 here, unlike in most other operations.",
        )
        .price(Price::PerPageSeen(5))
        .keywords(&["remove", "drop", "cut", "page"])
        .takes(&[
            SOURCE,
            &[Param::new("pages", ParamKind::Pages { first: 1 }, "Pages to delete, counted from 1: `1,3-7,9-`.")
                .required()],
            PASSWORD,
            RESULT,
        ]),
    job("pdf_rotate", "/v1/pdf/edit/rotate")
        .aliases(&["pdf_rotate_pages"])
        .title("Rotate pages of a PDF")
        .about(
            "Rotate pages of a PDF clockwise by a given angle. When the right angle is not known, as in mixed \
                scans, use pdf_rotate_auto.",
        )
        .price(Price::PerPageSeen(7))
        .keywords(&["turn", "orientation", "landscape", "portrait", "upright", "angle"])
        .takes(&[
            SOURCE,
            &[Param::new("angle", ParamKind::Integer { min: 90, max: 270 }, "Degrees clockwise: 90, 180 or 270.")
                .default("90")],
            PAGES,
            PASSWORD,
            RESULT,
        ]),
    job("pdf_rotate_auto", "/v1/pdf/edit/rotate/auto")
        .aliases(&["pdf_auto_rotate"])
        .title("Turn pages of a PDF upright")
        .about(
            "Turn every page of a scanned PDF upright, by reading its text. To rotate by a known angle use \
                pdf_rotate.",
        )
        .keywords(&["turn", "orientation", "upright", "deskew", "scan", "fix"])
        .takes(&[SOURCE, &[OCR_LANGUAGE], PASSWORD, RESULT]),
    job("pdf_compress_v2", "/v2/pdf/compress")
        .aliases(&["pdf_compress"])
        .title("Compress a PDF")
        .about(
            "Make a PDF smaller by reducing its images and cleaning the file. Replaces pdf_optimize. Without \
                settings, color and gray images above 225 ppi go to 150 ppi, at JPEG quality 60.",
        )
        .price(Price::PerPageSeen(35))
        .keywords(&["shrink", "reduce", "smaller", "size", "optimize", "optimise", "squeeze"])
        .takes(&[
            SOURCE,
            &[
                Param::new("config", ParamKind::Object(COMPRESS_CONFIG), "What to do with each class of images."),
                Param::new(
                    "compression_level",
                    ParamKind::Suggested(&["low", "medium", "high", "aggressive"]),
                    "Short form instead of `config`: `low`, `medium`, `high`, `aggressive`; reported by users, \
                        not in the documentation.",
                )
                .wire("compressionLevel")
                .default("medium"),
                Param::new(
                    "color_quality",
                    ParamKind::Integer { min: 1, max: 100 },
                    "JPEG quality of color images, with `compression_level`; reported by users, not in the \
                        documentation.",
                )
                .wire("colorQuality"),
            ],
            PAGES,
            PASSWORD,
            RESULT,
        ]),
    job("pdf_optimize", "/v1/pdf/optimize")
        .title("Optimize a PDF, old method")
        .price(Price::PerPageSeen(21))
        .about(
            "Make a PDF smaller by the older method of the service. Deprecated: use pdf_compress_v2. Settings \
                go into `profiles`: `{\"JPEGQuality\": 25, \"ResamplingResolution\": 120, \"GrayscaleImages\": \
                false}`.",
        )
        .keywords(&["shrink", "reduce", "smaller", "size", "compress", "optimise"])
        .takes(&[SOURCE, PASSWORD, RESULT]),
    job("pdf_translate", "/v1/pdf/translate")
        .title("Translate a PDF")
        .about(
            "Translate the text of a PDF into another language and keep the layout. To translate text yourself, \
                read it with pdf_to_text.",
        )
        .samples_only()
        .keywords(&["language", "translation", "localize", "english", "german", "spanish"])
        .takes(&[
            &[
                URL,
                Param::new("lang_from", ParamKind::Text, "Language of the source, such as `en`.")
                    .wire("langFrom")
                    .required(),
                Param::new("lang_to", ParamKind::Text, "Language of the result, such as `de`.")
                    .wire("langTo")
                    .required(),
            ],
            RESULT,
        ]),
];
