//! Changing pages and their contents: merge, split, add, replace, delete, rotate, compress, translate.
//!
//! What lives here: the rows of `/v1/pdf/merge*`, `/v1/pdf/split*`, `/v1/pdf/edit/*` and of making files smaller. What
//! never does: form fields alone (`forms.rs`). Source: `pdfco-api.md` §3.2 "Edit", "Merge & split", "Size & security".
//! The official Python server calls `/v1/pdf/merge2` by the name `pdf_merge`, so `/v1/pdf/merge` needs another one.

use super::forms::FIELD;
use super::params::{
    CALLBACK, EXPIRATION, HEIGHT, INLINE, NAME, OCR_LANGUAGE, PAGES, PASSWORD, PROFILES, RESULT, RESULT_INLINE, SOURCE,
    SOURCES, URL, WIDTH, X, Y,
};
use super::{Confidence, Effect, Method, Operation, Output, Param, ParamKind, Price, Run, Toolset};

/// One text, link or form field to add.
const ANNOTATION: &[Param] = &[
    Param::new("text", ParamKind::Text, "The text."),
    X,
    Y,
    WIDTH,
    HEIGHT,
    Param::new("pages", ParamKind::Text, "Pages counted from 0; `0-` is all."),
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
    Param::new("pages", ParamKind::Text, "Pages counted from 0."),
    Param::new("link", ParamKind::Text, "Link to open."),
    Param::new("keepAspectRatio", ParamKind::Boolean, "Do not distort.").default("true"),
];

/// How texts are searched when they are replaced or deleted.
const MATCHING: &[Param] = &[
    Param::new("case_sensitive", ParamKind::Boolean, "Tell upper from lower case.")
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

/// Resolution of one class of images.
const DOWNSAMPLE: &[Param] = &[
    Param::new("skip", ParamKind::Boolean, "Leave the resolution as it is.").default("false"),
    Param::new(
        "downsample_ppi",
        ParamKind::Integer { min: 1, max: 10_000 },
        "Resolution to reduce to; 150, monochrome 300.",
    ),
    Param::new(
        "threshold_ppi",
        ParamKind::Integer { min: 1, max: 10_000 },
        "Reduce only above this; 225, monochrome 450.",
    ),
];

/// Compression of one class of images.
const COMPRESSION: &[Param] = &[
    Param::new("skip", ParamKind::Boolean, "Leave the compression as it is.").default("false"),
    Param::new("compression_format", ParamKind::Suggested(&["jpeg", "ccitt_g4"]), "`jpeg`; monochrome `ccitt_g4`."),
    Param::new(
        "compression_params",
        ParamKind::Object(&[
            Param::new("quality", ParamKind::Integer { min: 1, max: 100 }, "JPEG quality.").default("60")
        ]),
        "Settings of the format.",
    ),
];

/// What happens to one class of images.
const IMAGE_CLASS: &[Param] = &[
    Param::new("skip", ParamKind::Boolean, "Leave these images alone.").default("false"),
    Param::new("downsample", ParamKind::Object(DOWNSAMPLE), "Resolution."),
    Param::new("compression", ParamKind::Object(COMPRESSION), "Compression."),
];

/// The `config` object of `/v2/pdf/compress`.
const COMPRESS_CONFIG: &[Param] = &[
    Param::new(
        "images",
        ParamKind::Object(&[
            Param::new("color", ParamKind::Object(IMAGE_CLASS), "Colour images."),
            Param::new("grayscale", ParamKind::Object(IMAGE_CLASS), "Grey images."),
            Param::new("monochrome", ParamKind::Object(IMAGE_CLASS), "Black and white images."),
        ]),
        "Images by class.",
    ),
    Param::new(
        "save",
        ParamKind::Object(&[Param::new(
            "garbage",
            ParamKind::Integer { min: 0, max: 4 },
            "Level of removing unused objects.",
        )
        .default("4")]),
        "Clean-up of the file.",
    ),
];

/// Editing.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "pdf_merge",
        aliases: &["pdf_merge2", "pdf_to_merge"],
        title: "Merge documents",
        description: "Merge PDFs, Office files, texts, images or ZIPs of these into one PDF, in the order given. When all \
            are PDFs, pdf_merge_simple is cheaper.",
        method: Method::Post,
        path: "/v1/pdf/merge2",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCES, RESULT],
    },
    Operation {
        name: "pdf_merge_simple",
        aliases: &["pdf_merge1"],
        title: "Merge PDFs",
        description: "Merge PDFs, and only PDFs, into one PDF, in the order given. For other files among them use \
            pdf_merge, which costs more. About 2 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/merge",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPageSeen(2),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCES, RESULT],
    },
    Operation {
        name: "pdf_split",
        aliases: &[],
        title: "Split a PDF by pages",
        description: "Split a PDF into several by page numbers: one file per item of `pages`. To split where a text or \
            barcode stands use pdf_split2; to drop pages pdf_delete_pages. Pages count from 1. About 2 credits a \
            page.",
        method: Method::Post,
        path: "/v1/pdf/split",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Many("application/pdf"),
        price: Price::PerPageSeen(2),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[
                Param::new(
                    "pages",
                    ParamKind::Text,
                    "Pages counted from 1, a file per item: `1,3-5,7-` makes three files; `*` one per page.",
                ),
                Param::new("fixed_output_filename", ParamKind::Boolean, "Leave the page range out of the file names.")
                    .default("false").advanced(),
            ],
            PASSWORD,
            RESULT_INLINE,
        ],
    },
    Operation {
        name: "pdf_split2",
        aliases: &["pdf_split_by_text"],
        title: "Split a PDF by text",
        description: "Split a PDF at every page on which a text or barcode stands, such as the first page of each \
            invoice in a stack. To split by page numbers use pdf_split, which costs less. About 35 credits \
            a page.",
        method: Method::Post,
        path: "/v1/pdf/split2",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Many("application/pdf"),
        price: Price::PerPageSeen(35),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
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
                Param::new("exclude_key_pages", ParamKind::Boolean, "Leave out the pages on which it stands.")
                    .wire("excludeKeyPages")
                    .default("false"),
                Param::new("case_sensitive", ParamKind::Boolean, "Tell upper from lower case.")
                    .wire("caseSensitive")
                    .default("false"),
                OCR_LANGUAGE,
            ],
            PASSWORD,
            RESULT_INLINE,
        ],
    },
    Operation {
        name: "pdf_add_annotations_images_fields",
        aliases: &["pdf_add", "pdf_edit_add"],
        title: "Add to a PDF",
        description: "Add texts, links, images, other PDFs or form values to the pages of a PDF. For forms alone use \
            fill_forms or create_fillable_forms; to change existing text pdf_replace_text. Pages count from 0. About 21 \
            credits a page.",
        method: Method::Post,
        path: "/v1/pdf/edit/add",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPage(21),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
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
                    "Short form: `x;y;pages;text;size;font;color;link;transparent;width;height;alignment`, joined by `|`.",
                )
                .wire("annotationsString").advanced(),
                Param::new(
                    "images_string",
                    ParamKind::Text,
                    "Short form: `x;y;pages;url;link;width;height`, joined by `|`.",
                )
                .wire("imagesString").advanced(),
                Param::new("fields_string", ParamKind::Text, "Short form: `page;name;value`, joined by `|`.")
                    .wire("fieldsString").advanced(),
                INLINE,
            ],
            PASSWORD,
            &[NAME, EXPIRATION.shown(), CALLBACK, PROFILES],
        ],
    },
    Operation {
        name: "pdf_replace_text",
        aliases: &[],
        title: "Replace text in a PDF",
        description: "Replace texts of a PDF by others, wherever they stand. To put an image there use \
            pdf_replace_text_with_image, to remove them pdf_delete_text.",
        method: Method::Post,
        path: "/v1/pdf/edit/replace-text",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[
                Param::new("search_string", ParamKind::Text, "One text to replace; this or `search_strings` is needed.")
                    .wire("searchString"),
                Param::new("replace_string", ParamKind::Text, "What replaces it.").wire("replaceString"),
                Param::new("search_strings", ParamKind::Strings, "Several texts to replace.").wire("searchStrings"),
                Param::new("replace_strings", ParamKind::Strings, "What replaces them, one for each, in the same order.")
                    .wire("replaceStrings"),
            ],
            MATCHING,
            PAGES,
            PASSWORD,
            RESULT,
        ],
    },
    Operation {
        name: "pdf_replace_text_with_image",
        aliases: &[],
        title: "Replace text by an image",
        description: "Put an image wherever a text stands in a PDF, such as a signature for a placeholder. To replace \
            it by text use pdf_replace_text; for a fixed position pdf_add_annotations_images_fields.",
        method: Method::Post,
        path: "/v1/pdf/edit/replace-text-with-image",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[
                Param::new("search_string", ParamKind::Text, "Text that the image replaces.").wire("searchString").required(),
                Param::new("replace_image", ParamKind::Text, "The image: an http(s) link or a data URI.")
                    .wire("replaceImage")
                    .required(),
            ],
            MATCHING,
            PAGES,
            PASSWORD,
            RESULT,
        ],
    },
    Operation {
        name: "pdf_delete_text",
        aliases: &["pdf_redact_text"],
        title: "Delete text from a PDF",
        description: "Delete texts of a PDF wherever they stand. For black bars in their place set `profiles` to \
            `{\"UsePatch\": true, \"PatchColor\": \"#000000\"}`; to write something else there use pdf_replace_text. \
            About 21 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/edit/delete-text",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPageSeen(21),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[
                Param::new("search_string", ParamKind::Text, "One text to delete; this or `search_strings` is needed.")
                    .wire("searchString"),
                Param::new("search_strings", ParamKind::Strings, "Several texts to delete.").wire("searchStrings"),
            ],
            MATCHING,
            PAGES,
            PASSWORD,
            RESULT,
        ],
    },
    Operation {
        name: "pdf_delete_pages",
        aliases: &["delete_pages"],
        title: "Delete pages of a PDF",
        description: "Delete pages of a PDF and keep the rest in one file. To keep parts as separate files use \
            pdf_split. Pages count from 1, unlike in most other operations. About 5 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/edit/delete-pages",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPageSeen(5),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[Param::new("pages", ParamKind::Text, "Pages to delete, counted from 1, such as `1,3-7,9-`.").required()],
            PASSWORD,
            RESULT,
        ],
    },
    Operation {
        name: "pdf_rotate",
        aliases: &["pdf_rotate_pages"],
        title: "Rotate pages of a PDF",
        description: "Rotate pages of a PDF clockwise by a given angle. When the right angle is not known, as in \
            mixed scans, use pdf_rotate_auto. About 7 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/edit/rotate",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPageSeen(7),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[Param::new("angle", ParamKind::Integer { min: 90, max: 270 }, "Degrees clockwise: 90, 180 or 270.")
                .default("90")],
            PAGES,
            PASSWORD,
            RESULT,
        ],
    },
    Operation {
        name: "pdf_rotate_auto",
        aliases: &["pdf_auto_rotate"],
        title: "Straighten pages of a PDF",
        description: "Turn every page of a scanned PDF upright, by reading its text. To rotate by a known angle use \
            pdf_rotate.",
        method: Method::Post,
        path: "/v1/pdf/edit/rotate/auto",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, &[OCR_LANGUAGE], PASSWORD, RESULT],
    },
    Operation {
        name: "pdf_compress_v2",
        aliases: &["pdf_compress"],
        title: "Compress a PDF",
        description: "Make a PDF smaller by reducing its images and cleaning the file. ResponseMode the place of \
            pdf_optimize. Without settings, colour and grey images above 225 ppi go to 150 ppi, at JPEG quality 60. \
            About 35 credits a page.",
        method: Method::Post,
        path: "/v2/pdf/compress",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPageSeen(35),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[
                Param::new("config", ParamKind::Object(COMPRESS_CONFIG), "What to do with each class of images."),
                Param::new(
                    "compression_level",
                    ParamKind::Suggested(&["low", "medium", "high", "aggressive"]),
                    "Short form instead of `config`: `low`, `medium`, `high`, `aggressive`; not in the documentation.",
                )
                .wire("compressionLevel")
                .default("medium"),
                Param::new(
                    "color_quality",
                    ParamKind::Integer { min: 1, max: 100 },
                    "JPEG quality of colour images, with `compression_level`; not in the documentation.",
                )
                .wire("colorQuality"),
            ],
            PAGES,
            PASSWORD,
            RESULT,
        ],
    },
    Operation {
        name: "pdf_optimize",
        aliases: &[],
        title: "Optimize a PDF, old method",
        description: "Make a PDF smaller by the older method of the service. Deprecated: use pdf_compress_v2. Settings go \
            into `profiles`: `{\"JPEGQuality\": 25, \"ResamplingResolution\": 120, \"GrayscaleImages\": false}`.",
        method: Method::Post,
        path: "/v1/pdf/optimize",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PASSWORD, RESULT],
    },
    Operation {
        name: "pdf_translate",
        aliases: &[],
        title: "Translate a PDF",
        description: "Translate the text of a PDF into another language and keep the layout. To translate text yourself, \
            read it with pdf_to_text. Samples only; not in the current documentation.",
        method: Method::Post,
        path: "/v1/pdf/translate",
        toolset: Toolset::Edit,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::SampleOnly,
        params: &[
            &[
                URL,
                Param::new("lang_from", ParamKind::Text, "Language of the source, such as `en`.").wire("langFrom").required(),
                Param::new("lang_to", ParamKind::Text, "Language of the result, such as `de`.").wire("langTo").required(),
            ],
            RESULT,
        ],
    },
];
