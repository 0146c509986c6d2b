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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_counts_every_file_and_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(outside.path(), [0; 500]).unwrap();
        let quota = Quota { folder: folder.path().join("own"), bytes: 1_000 };
        assert_eq!(quota.left(), 1_000, "there is no folder yet");
        std::fs::create_dir_all(quota.folder.join("a/b")).unwrap();
        for (name, bytes) in [("one", 100), ("a/.two.part", 30), ("a/b/three", 7)] {
            std::fs::write(quota.folder.join(name), vec![0; bytes]).unwrap();
        }
        assert_eq!(quota.left(), 863);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(outside.path(), quota.folder.join("link")).unwrap();
            assert!(quota.left() > 700, "what a link leads to is counted");
        }
        std::fs::write(quota.folder.join("four"), [0; 2_000]).unwrap();
        assert_eq!(quota.left(), 0);
    }
}
