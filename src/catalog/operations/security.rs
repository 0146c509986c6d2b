//! Passwords and permissions.

use super::params::{PASSWORD, RESULT, SOURCE};
use crate::catalog::{Operation, Param, ParamKind, Price, Toolset};

/// A job of this toolset.
const fn job(name: &'static str, path: &'static str) -> Operation {
    Operation::job(Toolset::Security, name, path)
}

/// Security.
pub static OPERATIONS: &[Operation] = &[
    job("pdf_add_password", "/v1/pdf/security/add")
        .aliases(&["pdf_security_add", "pdf_protect"])
        .title("Protect a PDF")
        .about(
            "Encrypt a PDF with passwords and set what readers may do with it; everything is forbidden unless \
                allowed. Without `user_password` anyone can open it, under these rules. pdf_remove_password undoes \
                it.",
        )
        .price(Price::PerPage(3))
        .keywords(&["encrypt", "protect", "lock", "secure", "permissions", "restrict", "owner"])
        .takes(&[
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
        ]),
    job("pdf_remove_password", "/v1/pdf/security/remove")
        .aliases(&["pdf_security_remove", "pdf_unprotect"])
        .title("Unprotect a PDF")
        .about(
            "Remove the passwords and restrictions of a PDF whose password is known; pdf_add_password sets \
                them. To read a protected PDF this is not needed: other operations take `password` themselves.",
        )
        .price(Price::PerPageSeen(3))
        .keywords(&["decrypt", "unlock", "unprotect", "open", "restrictions", "permissions", "owner"])
        .takes(&[
            SOURCE,
            &[Param::new("password", ParamKind::Text, "Owner or user password of the PDF.").required().secret()],
            RESULT,
        ]),
];
