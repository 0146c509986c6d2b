//! What comes from stdin or from a small text file: arguments, and a document named `-`.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use crate::error::{Error, Kind, Result};

/// Most bytes of a file given as `@file` or to --args-file.
const TEXT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes that are copied at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The text of a file, or of stdin for `-`, without a byte order mark. Text in UTF-16 is recognized by its mark.
///
/// # Errors
/// `file_access` for what cannot be read or is no text; `too_large`.
pub fn read_text(path: &Path) -> Result<String> {
    let shown = if path == Path::new("-") { "stdin".to_owned() } else { format!("`{}`", path.display()) };
    let unusable = |what: &str| {
        Error::new(
            Kind::FileAccess,
            format!("{shown} cannot be read: {what}."),
            "Check the path; it holds JSON as UTF-8 text.",
        )
    };
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| unusable(&error.kind().to_string()))?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(Error::new(
            Kind::TooLarge,
            format!("{shown} has more than {} MiB, which is more than arguments may have.", TEXT_BYTES_MAX >> 20),
            "Pass documents as --url instead.",
        ));
    }
    decoded(bytes).ok_or_else(|| unusable("it is not text"))
}

fn decoded(bytes: Vec<u8>) -> Option<String> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).filter_map(|pair| Some(unit(pair.try_into().ok()?))).collect();
        String::from_utf16(&units).ok()
    };
    match bytes.as_slice() {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => String::from_utf8(bytes).ok(),
    }
}

/// Copies the document on stdin into `folder` and returns its path; at most `max_bytes` are taken.
///
/// # Errors
/// `file_access` when stdin is a terminal, is empty, or cannot be copied; `too_large`.
pub fn document(folder: &Path, max_bytes: u64) -> Result<std::path::PathBuf> {
    use std::io::IsTerminal;
    let mut stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        return Err(Error::new(
            Kind::FileAccess,
            "`-` is the document on stdin, and stdin is a terminal.",
            "Pipe a document in, as in: curl -s LINK | pdfco call pdf-to-text --url -. A file named `-` is ./-",
        ));
    }
    let failed = |error: std::io::Error| {
        Error::new(
            Kind::FileAccess,
            format!("The document on stdin cannot be copied: {}.", error.kind()),
            "Make room among the temporary files (TMPDIR), or pass the path of a file.",
        )
    };
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut count = stdin.read(&mut chunk).map_err(failed)?;
    if count == 0 {
        return Err(Error::new(Kind::FileAccess, "Nothing came on stdin.", "Pipe a document in, or pass its path."));
    }
    let is_pdf = chunk.starts_with(b"%PDF");
    let path = folder.join(if is_pdf { "stdin.pdf" } else { "stdin" });
    let mut file = File::create(&path).map_err(failed)?;
    let mut copied = 0_u64;
    while count > 0 {
        copied = copied.saturating_add(count as u64);
        if copied > max_bytes {
            return Err(Error::new(
                Kind::TooLarge,
                format!("The document on stdin has more than {max_bytes} bytes."),
                "PDFCO_MAX_FILE_BYTES is the limit.",
            ));
        }
        file.write_all(chunk.get(..count).unwrap_or_default()).map_err(failed)?;
        count = stdin.read(&mut chunk).map_err(failed)?;
    }
    Ok(path)
}
