//! How many bytes may lie below one tenant's folder.

use std::path::PathBuf;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

/// Most entries that are counted; a folder with more is full.
const ENTRIES_MAX: usize = 100_000;

/// The bytes of a folder, those of unfinished files included.
#[derive(Debug)]
pub(super) struct Quota {
    pub folder: PathBuf,
    pub bytes: u64,
}

impl Quota {
    /// Bytes that may still be written. Touches the disk.
    pub fn left(&self) -> u64 {
        let Ok(dir) = Dir::open_ambient_dir(&self.folder, ambient_authority()) else { return self.bytes };
        let mut open = vec![dir];
        let (mut used, mut entries) = (0_u64, 0);
        while let Some(dir) = open.pop() {
            for entry in dir.entries().into_iter().flatten().filter_map(std::io::Result::ok) {
                entries += 1;
                if entries > ENTRIES_MAX {
                    return 0;
                }
                // Not those of what a link leads to.
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => open.extend(entry.open_dir().ok()),
                    Ok(metadata) => used = used.saturating_add(metadata.len()),
                    Err(_) => {}
                }
            }
        }
        self.bytes.saturating_sub(used)
    }
}
