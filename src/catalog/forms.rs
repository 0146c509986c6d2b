//! Form fields: reading, filling and making them.
//!
//! What lives here: `/v1/pdf/info/fields`, and the two halves of `/v1/pdf/edit/add` that concern forms, because the
//! official Python server has them as tools of their own. The whole of that path is in `edit.rs`. Source: `pdfco-api.md`
//! §3.2 "Edit" and "Info, forms, search".

use super::params::{ANSWER, HEIGHT, PASSWORD, RESULT, SOURCE, WIDTH, X, Y};
use super::{Confidence, Effect, Method, Operation, Output, Param, ParamKind, Price, Run, Toolset};

/// One field to fill.
pub(super) const FIELD: &[Param] = &[
    Param::new("fieldName", ParamKind::Text, "Name, from read_pdf_forms_info.").required(),
    Param::new("text", ParamKind::Text, "Value; checkbox `true`, list item its index.").required(),
    Param::new("pages", ParamKind::Text, "Pages counted from 0."),
    Param::new("size", ParamKind::Number, "Font size."),
    Param::new("fontName", ParamKind::Text, "Such as `Arial`."),
    Param::new("fontBold", ParamKind::Boolean, "Bold."),
    Param::new("fontItalic", ParamKind::Boolean, "Italic."),
    Param::new("fontStrikeout", ParamKind::Boolean, "Struck out.").advanced(),
    Param::new("fontUnderline", ParamKind::Boolean, "Underlined.").advanced(),
];

/// One field to make.
const ELEMENT: &[Param] = &[
    Param::new(
        "type",
        ParamKind::Suggested(&["TextField", "TextFieldMultiline", "Checkbox", "CheckboxChecked"]),
        "`TextField`, `TextFieldMultiline`, `Checkbox` or `CheckboxChecked`.",
    )
    .required(),
    Param::new("id", ParamKind::Text, "Its name, unique in the form.").required(),
    X,
    Y,
    WIDTH,
    HEIGHT,
    Param::new("pages", ParamKind::Text, "Pages counted from 0; `0-` is all."),
    Param::new("text", ParamKind::Text, "Text to start with."),
    Param::new("size", ParamKind::Number, "Font size.").default("12"),
    Param::new("fontName", ParamKind::Text, "Font.").default("Arial"),
    Param::new("color", ParamKind::Text, "Such as `#000000`."),
];

/// Forms.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "read_pdf_forms_info",
        aliases: &["pdf_info_fields"],
        title: "Read form fields",
        description: "List the form fields of a PDF: name, type, page, position and present value, besides what \
            pdf_info_reader tells. Do this before fill_forms. About 8 credits a call.",
        method: Method::Post,
        path: "/v1/pdf/info/fields",
        toolset: Toolset::Forms,
        run: Run::Job,
        output: Output::Inline,
        price: Price::PerCallSeen(8),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE, PASSWORD, ANSWER],
    },
    Operation {
        name: "fill_forms",
        aliases: &["fill_pdf_forms", "pdf_fill_forms"],
        title: "Fill a form",
        description: "Fill existing form fields of a PDF. Get the names with read_pdf_forms_info first; make new fields \
            with create_fillable_forms. About 21 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/edit/add",
        toolset: Toolset::Forms,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPage(21),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[Param::new("fields", ParamKind::Objects(FIELD), "The fields and their values.").required()],
            PASSWORD,
            RESULT,
        ],
    },
    Operation {
        name: "create_fillable_forms",
        aliases: &["create_pdf_forms"],
        title: "Create form fields",
        description: "Add new form fields (text fields, checkboxes) to a PDF, so that people can fill it. To fill fields \
            that exist use fill_forms; for text that is no field, pdf_add_annotations_images_fields. About 21 credits a \
            page.",
        method: Method::Post,
        path: "/v1/pdf/edit/add",
        toolset: Toolset::Forms,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPage(21),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[Param::new("annotations", ParamKind::Objects(ELEMENT), "The fields to make.").required()],
            PASSWORD,
            RESULT,
        ],
    },
];
