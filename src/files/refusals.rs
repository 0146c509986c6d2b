//! Why a file is not used: the errors of the sandbox that say nothing about folders.

use std::fs::FileType;
use std::path::Path;

use super::requested_path::RequestedPath;
use crate::error::{Error, Kind};

pub(super) fn hidden(requested: &RequestedPath) -> Error {
    Error::new(
        Kind::FileAccess,
        format!("`{requested}` is a hidden file or lies in a hidden folder."),
        "Names that begin with a dot hold settings of programs (.env, .git): choose another.",
    )
}

pub(super) fn not_a_file(requested: &RequestedPath, what: &str) -> Error {
    Error::new(
        Kind::FileAccess,
        format!("`{requested}` is {what}, not a file."),
        "Pass the path of one regular file; several go as a list.",
    )
}

pub(super) fn never_written(path: &Path, kind: FileType) -> Error {
    Error::new(
        Kind::FileAccess,
        format!("`{}` is {}, which is never written to.", path.display(), what_it_is(kind.is_dir(), kind.is_symlink())),
        "Name another file.",
    )
}

pub(super) fn quota_used_up() -> Error {
    Error::new(
        Kind::TooLarge,
        "The space for your files on this server is used up.",
        "Fetch results by their links instead.",
    )
}

pub(super) fn what_it_is(is_dir: bool, is_symlink: bool) -> &'static str {
    match (is_dir, is_symlink) {
        (true, _) => "a folder",
        (_, true) => "a symbolic link",
        _ => "a device, pipe or socket",
    }
}

/// Something is larger than is allowed.
pub(super) fn too_large(what: &str, bytes: u64, bytes_max: u64) -> Error {
    Error::new(
        Kind::TooLarge,
        format!("{what} is larger than is allowed: {bytes} bytes, at most {bytes_max}."),
        "PDFCO_MAX_FILE_BYTES sets the limit; the service takes up to 2 GB.",
    )
}
