//! Small files that are read whole: settings, and stored keys.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest file that is read.
const BYTES_MAX: u64 = 64 * 1024;

/// The bytes of a file of settings, or of one with a key.
///
/// # Errors
/// Why it is not read, as the rest of a sentence: it is no regular file, too large, or not ours to read.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_up_to(path, BYTES_MAX)
}

/// The bytes of a regular file that has no more than `bytes_max`.
///
/// # Errors
/// As [`read`].
pub(super) fn read_up_to(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let reason = |error: std::io::Error| error.kind().to_string();
    // Asked before it is opened: opening a pipe would wait for its writer.
    let found = std::fs::metadata(path).map_err(reason)?;
    if !found.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(reason)?.take(bytes_max + 1).read_to_end(&mut bytes).map_err(reason)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        assert!(read(&path).is_err());
        std::fs::create_dir(&path).unwrap();
        assert_eq!(read(&path).unwrap_err(), "it is not a regular file");
        std::fs::remove_dir(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert_eq!(read(&path).unwrap_err(), "it is not a regular file");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, vec![b'#'; BYTES_MAX as usize + 1]).unwrap();
        assert!(read(&path).unwrap_err().contains("larger"));
    }
}
