//! Stored files: copies of links, small uploads, deletion, hashes.
//!
//! What lives here: the rows of `/v1/file/*` whose parameters are ordinary JSON. What never does: presigned and multipart
//! uploads of local files, which are the `files/` room's (`upload_file`). Source: `pdfco-api.md` §3.2 "Files" and §5.

use super::params::{HTTP_AUTH, NAME, SOURCE};
use super::{Confidence, Effect, Method, Operation, Output, Param, ParamKind, Price, Run, Toolset};

/// Files.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "file_upload_url",
        aliases: &["upload_from_url"],
        title: "Store a copy of a link",
        description: "Copy a small file from a link into the service's temporary storage, for links that may vanish. \
            Hardly ever needed: operations take links and local paths themselves, and upload_file takes large files. \
            11 credits a call; under 500 KB advised; kept for one hour.",
        method: Method::Post,
        path: "/v1/file/upload/url",
        toolset: Toolset::Account,
        run: Run::Direct,
        output: Output::Inline,
        price: Price::PerCall(11),
        effect: Effect::StoresFile,
        confidence: Confidence::Documented,
        params: &[&[Param::new("url", ParamKind::Text, "Link of the file.").required()], HTTP_AUTH, &[NAME]],
    },
    Operation {
        name: "file_upload_base64",
        aliases: &["upload_base64"],
        title: "Store base64 content",
        description: "Store a small file given as base64 in the service's temporary storage. For a file on this machine \
            use upload_file, which takes less context and up to 2 GB. 21 credits a call; at most 4 MB; kept for one \
            hour.",
        method: Method::Post,
        path: "/v1/file/upload/base64",
        toolset: Toolset::Account,
        run: Run::Direct,
        output: Output::Inline,
        price: Price::PerCall(21),
        effect: Effect::StoresFile,
        confidence: Confidence::Documented,
        params: &[&[
            Param::new("file", ParamKind::Text, "The content as a data URI, such as `data:image/gif;base64,R0lGOD…`.")
                .required(),
            NAME,
        ]],
    },
    Operation {
        name: "file_delete",
        aliases: &["delete_file"],
        title: "Delete a stored file",
        description: "Delete a file of upload_file, or a job's result, from the service's temporary storage before it \
            expires by itself. This cannot be undone; cancel_job stops tracking a job and deletes nothing. 7 credits a \
            call.",
        method: Method::Post,
        path: "/v1/file/delete",
        toolset: Toolset::Account,
        run: Run::Direct,
        output: Output::Nothing,
        price: Price::PerCall(7),
        effect: Effect::DeletesFile,
        confidence: Confidence::Documented,
        params: &[&[
            Param::new("url", ParamKind::Text, "Link of the stored file, as an upload or a result gave it.").required()
        ]],
    },
    Operation {
        name: "file_hash",
        aliases: &["hash_file"],
        title: "Hash a file",
        description: "Compute the hash of a file, to see whether two links lead to the same content. Results saved by \
            download_result already come with their SHA-256. The service calls it MD5; it has 64 hex digits.",
        method: Method::Post,
        path: "/v1/file/hash",
        toolset: Toolset::Account,
        run: Run::Direct,
        output: Output::Inline,
        price: Price::Unknown,
        effect: Effect::MakesDocument,
        confidence: Confidence::Documented,
        params: &[SOURCE],
    },
];
