//! Names of stored files.

use uuid::Uuid;

/// Longest file name, in characters.
const NAME_CHARS_MAX: usize = 150;

/// 32 characters `A–Z0–9`, as the service names things.
pub(in crate::simulator) fn random_name() -> String {
    const SIGNS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
    let bytes = a.as_bytes().iter().chain(b.as_bytes());
    bytes.map(|byte| char::from(*SIGNS.get(usize::from(*byte) % SIGNS.len()).unwrap_or(&b'A'))).collect()
}

/// A name that is one part of a path, of a modest length.
pub(in crate::simulator) fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|sign| !sign.is_control()).take(NAME_CHARS_MAX).collect();
    let clean = clean.trim().trim_start_matches('.').to_owned();
    if clean.is_empty() { "file".to_owned() } else { clean }
}
