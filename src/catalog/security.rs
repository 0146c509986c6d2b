//! Passwords and permissions.
//!
//! What lives here: the rows of `/v1/pdf/security/*`. Source: `pdfco-api.md` §3.2 "Size & security"; names from the
//! official Python server.

use super::params::{PASSWORD, RESULT, SOURCE};
use super::{Confidence, Effect, Method, Operation, Output, Param, ParamKind, Price, Run, Toolset};

/// Security.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "pdf_add_password",
        aliases: &["pdf_security_add", "pdf_protect"],
        title: "Protect a PDF",
        description: "Encrypt a PDF with passwords and say what readers may do with it; all is forbidden unless allowed. \
            Without `user_password` anybody can open it, under these rules. pdf_remove_password undoes it. About 3 \
            credits a page.",
        method: Method::Post,
        path: "/v1/pdf/security/add",
        toolset: Toolset::Security,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPage(3),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[
                Param::new("owner_password", ParamKind::Text, "Password that lifts the restrictions.")
                    .wire("ownerPassword")
                    .required()
                    .secret(),
                Param::new("user_password", ParamKind::Text, "Password for opening the result.")
                    .wire("userPassword")
                    .secret(),
                Param::new(
                    "encryption_algorithm",
                    ParamKind::Choice(&["RC4_40bit", "RC4_128bit", "AES_128bit", "AES_256bit"]),
                    "Cipher; RC4 is weak.",
                )
                .wire("encryptionAlgorithm")
                .default("AES_128bit"),
                Param::new("allow_accessibility_support", ParamKind::Boolean, "Allow screen readers.")
                    .wire("allowAccessibilitySupport"),
                Param::new("allow_assembly_document", ParamKind::Boolean, "Allow inserting, deleting, rotating pages.")
                    .wire("allowAssemblyDocument"),
                Param::new("allow_print_document", ParamKind::Boolean, "Allow printing.").wire("allowPrintDocument"),
                Param::new("allow_fill_forms", ParamKind::Boolean, "Allow filling form fields.").wire("allowFillForms"),
                Param::new("allow_modify_document", ParamKind::Boolean, "Allow changing contents.")
                    .wire("allowModifyDocument"),
                Param::new("allow_content_extraction", ParamKind::Boolean, "Allow copying text and images.")
                    .wire("allowContentExtraction"),
                Param::new("allow_modify_annotations", ParamKind::Boolean, "Allow changing comments.")
                    .wire("allowModifyAnnotations"),
                Param::new(
                    "print_quality",
                    ParamKind::Choice(&["HighResolution", "LowResolution"]),
                    "Best quality that may be printed.",
                )
                .wire("printQuality"),
            ],
            PASSWORD,
            RESULT,
        ],
    },
    Operation {
        name: "pdf_remove_password",
        aliases: &["pdf_security_remove", "pdf_unprotect"],
        title: "Unprotect a PDF",
        description: "Remove the passwords and restrictions of a PDF whose password is known; pdf_add_password sets \
            them. Reading needs no removal: other tools take `password` themselves. About 3 credits a page.",
        method: Method::Post,
        path: "/v1/pdf/security/remove",
        toolset: Toolset::Security,
        run: Run::Job,
        output: Output::Binary("application/pdf"),
        price: Price::PerPageSeen(3),
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[
            SOURCE,
            &[Param::new("password", ParamKind::Text, "Owner or user password of the PDF.").required().secret()],
            RESULT,
        ],
    },
];
