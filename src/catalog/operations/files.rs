//! Stored files: copies of links, small uploads, deletion, hashes. Presigned uploads of local files are in `files/upload`.

use super::params::{EXPIRATION, HTTP_AUTH, NAME, SOURCE};
use crate::catalog::{Effect, Method, Operation, Output, Param, ParamKind, Price, Toolset};

/// An operation of this toolset that answers at once.
const fn direct(method: Method, name: &'static str, path: &'static str) -> Operation {
    Operation::direct(Toolset::Account, method, name, path)
}

/// Files.
pub static OPERATIONS: &[Operation] = &[
    direct(Method::Post, "file_upload_url", "/v1/file/upload/url")
        .aliases(&["upload_from_url"])
        .title("Store a copy of a link")
        .about(
            "Copy a small file from a link into the service's temporary storage, for links that may disappear. \
                Rarely needed: operations take links and local paths themselves. For content without a link use \
                file_upload_base64. Under 500 KB advised; kept for one hour.",
        )
        .price(Price::PerCall(11))
        .effect(Effect::StoresFile)
        .keywords(&["store", "copy", "upload", "link"])
        .takes(&[
            &[Param::new("url", ParamKind::Text, "Link of the file.").required()],
            HTTP_AUTH,
            &[NAME, EXPIRATION],
        ]),
    direct(Method::Post, "file_upload_base64", "/v1/file/upload/base64")
        .aliases(&["upload_base64"])
        .title("Store base64 content")
        .about(
            "Store a small file given as base64 in the service's temporary storage. A file on this machine needs no \
                base64: operations take its path. For a file with a link use file_upload_url. At most 4 MB; kept \
                for one hour.",
        )
        .price(Price::PerCall(21))
        .effect(Effect::StoresFile)
        .keywords(&["store", "upload", "data", "content"])
        .takes(&[&[
            Param::new("file", ParamKind::Text, "The content as a data URI, such as `data:image/gif;base64,R0lGOD…`.")
                .required(),
            NAME,
            EXPIRATION,
        ]]),
    direct(Method::Post, "file_delete", "/v1/file/delete")
        .aliases(&["delete_file"])
        .title("Delete a stored file")
        .about(
            "Delete a stored file, such as one of file_upload_url or a job's result, from the service's temporary \
                storage before it expires by itself. This cannot be undone.",
        )
        .output(Output::Nothing)
        .price(Price::PerCall(7))
        .effect(Effect::DeletesFile)
        .keywords(&["remove", "erase", "storage", "privacy"])
        .takes(&[
            &[Param::new("url", ParamKind::Text, "Link of the stored file, from an upload or a result.").required()],
            HTTP_AUTH,
        ]),
    direct(Method::Post, "file_hash", "/v1/file/hash")
        .aliases(&["hash_file"])
        .title("Hash a file")
        .about(
            "Compute the hash of a file, for instance to check whether a copy of file_upload_url has the content of its \
                original. Results that were saved on this machine already have their SHA-256. The service calls it MD5, but it has 64 hex \
                digits, as SHA-256 has.",
        )
        .price(Price::PerCallSeen(1))
        .effect(Effect::MakesDocument)
        .keywords(&["checksum", "md5", "sha", "digest", "compare"])
        .takes(&[SOURCE]),
];
