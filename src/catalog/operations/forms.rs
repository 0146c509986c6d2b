//! Form fields: reading, filling and making them. The last two are halves of `/v1/pdf/edit/add`, because the official
//! Python server has them as tools of their own; the whole of that path is in `edit.rs`.

use super::params::{DATA, HEIGHT, PASSWORD, RESULT, SOURCE, WIDTH, X, Y};
use crate::catalog::{Operation, Output, Param, ParamKind, Price, Toolset};

/// One field to fill.
pub(super) const FIELD: &[Param] = &[
    Param::new("fieldName", ParamKind::Text, "Name, from read_pdf_forms_info.").required(),
    Param::new("text", ParamKind::Text, "Value; checkbox `true`, list item its index.").required(),
    Param::new("pages", ParamKind::Pages { first: 0 }, "Pages counted from 0."),
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
    Param::new("pages", ParamKind::Pages { first: 0 }, "Pages counted from 0; `0-` is all."),
    Param::new("text", ParamKind::Text, "Text to start with."),
    Param::new("size", ParamKind::Number, "Font size.").default("12"),
    Param::new("fontName", ParamKind::Text, "Font.").default("Arial"),
    Param::new("color", ParamKind::Text, "Such as `#000000`."),
];

/// A job of this toolset.
const fn job(name: &'static str, path: &'static str) -> Operation {
    Operation::job(Toolset::Forms, name, path)
}

/// Forms.
pub static OPERATIONS: &[Operation] = &[
    job("read_pdf_forms_info", "/v1/pdf/info/fields")
        .aliases(&["pdf_info_fields"])
        .title("Read form fields")
        .about(
            "List the form fields of a PDF: name, type, page, position and current value, besides the \
                properties that pdf_info_reader returns. Do this before fill_forms.",
        )
        .output(Output::Inline)
        .price(Price::PerCallSeen(8))
        .keywords(&["fields", "form", "acroform", "list", "names", "values"])
        .takes(&[SOURCE, PASSWORD, DATA]),
    job("fill_forms", "/v1/pdf/edit/add")
        .aliases(&["fill_pdf_forms", "pdf_fill_forms"])
        .title("Fill a form")
        .about(
            "Fill existing form fields of a PDF. Get the names with read_pdf_forms_info first; make new fields \
                with create_fillable_forms.",
        )
        .price(Price::PerPage(21))
        .keywords(&["form", "field", "fill", "complete", "acroform", "populate", "enter"])
        .takes(&[
            SOURCE,
            &[Param::new("fields", ParamKind::Objects(FIELD), "The fields and their values.").required()],
            PASSWORD,
            RESULT,
        ]),
    job("create_fillable_forms", "/v1/pdf/edit/add")
        .aliases(&["create_pdf_forms"])
        .title("Create form fields")
        .about(
            "Add new form fields (text fields, checkboxes) to a PDF, so that people can fill it. To fill \
                existing fields use fill_forms; for text that is not a field, pdf_add_annotations_images_fields.",
        )
        .price(Price::PerPage(21))
        .keywords(&["form", "field", "acroform", "checkbox", "textbox", "make", "interactive"])
        .takes(&[
            SOURCE,
            &[Param::new("annotations", ParamKind::Objects(ELEMENT), "The fields to make.").required()],
            PASSWORD,
            RESULT,
        ]),
];
