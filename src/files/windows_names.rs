//! What Windows reads in the text of a path that other systems do not: pure functions from text to a verdict, so that
//! their tables are proven on every system.

use super::names::is_device;

/// Why Windows would not open a plain file under this text, and what to write instead; nothing when it would.
///
/// It opens devices under names such as `NUL` in any folder, and second contents of a file behind a colon; it drops dots
/// and spaces at the end of a name, so that two texts mean one file.
pub(super) fn refused(path: &str) -> Option<(&'static str, &'static str)> {
    let (start, rest) = parts(path);
    match start {
        Start::Device => return Some(DEVICE),
        Start::DriveAlone => {
            return Some(("leaves open which folder of the drive is meant.", r"Write the whole path: C:\folder\name."));
        }
        Start::Here | Start::Drive | Start::Share(..) => {}
    }
    rest.split(SEPARATORS).filter(|name| !matches!(*name, "" | "." | "..")).find_map(|name| {
        if is_device(name) {
            Some(DEVICE)
        } else if name.contains(':') {
            Some(("names an alternate stream of a file.", "Pass the path of the file itself, without a colon."))
        } else if name.ends_with(['.', ' ']) {
            Some((
                "has a part that ends with a dot or a space, which Windows drops.",
                "Write every name as its folder shows it.",
            ))
        } else if name.contains(|c: char| c.is_ascii_control() || matches!(c, '<' | '>' | '"' | '|' | '?' | '*')) {
            Some((
                "holds a character that no name has on Windows.",
                "Leave out < > \" | ? * and control characters; several files go as a list.",
            ))
        } else {
            None
        }
    })
}

/// The machine and the share that a path leads to, in lower case; nothing when it stays on this machine's drives. Asking
/// a server whether a file exists already shows it who asks.
pub(super) fn share(path: &str) -> Option<(String, String)> {
    match parts(path).0 {
        Start::Share(machine, share) => Some((machine.to_lowercase(), share.to_lowercase())),
        Start::Here | Start::Drive | Start::DriveAlone | Start::Device => None,
    }
}

const DEVICE: (&str, &str) = ("names a device.", r"Pass the path of a regular file: C:\folder\name.");

const SEPARATORS: [char; 2] = ['/', '\\'];

/// Shares that are no folders: named pipes, mailslots and the way to a machine's services.
const SERVICES: [&str; 3] = ["pipe", "mailslot", "ipc$"];

/// How a path begins.
enum Start<'a> {
    /// `name` or `\name`: in the current folder or drive, or in the one that it is joined to.
    Here,
    /// `C:\`, or the same without limits of length: `\\?\C:\`.
    Drive,
    /// `C:name`: in whichever folder of that drive was the last.
    DriveAlone,
    /// `\\machine\share\`, or `\\?\UNC\machine\share\`.
    Share(&'a str, &'a str),
    /// `\\.\name`, and whatever else is no folder.
    Device,
}

/// How a path begins, and what follows.
fn parts(path: &str) -> (Start<'_>, &str) {
    if let Some(rest) = path.strip_prefix(r"\\?\") {
        return match rest.split_once('\\') {
            Some((drive, rest)) if is_drive(drive) => (Start::Drive, rest),
            Some((word, rest)) if word.eq_ignore_ascii_case("UNC") => share_and_rest(rest),
            _ => (Start::Device, ""),
        };
    }
    let mut characters = path.chars();
    match (characters.next(), characters.next(), characters.next()) {
        (Some('/' | '\\'), Some('/' | '\\'), _) => share_and_rest(characters_after(path, 2)),
        (Some('a'..='z' | 'A'..='Z'), Some(':'), Some('/' | '\\')) => (Start::Drive, characters_after(path, 3)),
        (Some('a'..='z' | 'A'..='Z'), Some(':'), _) => (Start::DriveAlone, ""),
        _ => (Start::Here, path),
    }
}

/// What follows two separators: also `?` and `.` in the place of a machine, which lead past the file system.
fn share_and_rest(text: &str) -> (Start<'_>, &str) {
    let (machine, rest) = text.split_once(SEPARATORS).unwrap_or((text, ""));
    let (share, rest) = rest.split_once(SEPARATORS).unwrap_or((rest, ""));
    let is_service = SERVICES.iter().any(|service| share.eq_ignore_ascii_case(service));
    if matches!(machine, "" | "." | "?") || share.is_empty() || is_service {
        (Start::Device, "")
    } else {
        (Start::Share(machine, share), rest)
    }
}

fn is_drive(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic())
}

/// What is left after so many one-byte characters.
fn characters_after(text: &str, count: usize) -> &str {
    text.get(count..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_windows_opens_as_devices_are_recognized() {
        const STREAM: &str = "alternate stream";
        const DEVICE: &str = "a device";
        const END: &str = "a dot or a space";
        const CHARACTER: &str = "no name has";
        const DRIVE: &str = "which folder of the drive";
        for (path, word) in [
            // Plain ones, in every way to write them.
            ("report.pdf", ""),
            (r"scans\2024\report.pdf", ""),
            ("scans/2024/report.pdf", ""),
            (r".\a.pdf", ""),
            (r"..\a.pdf", ""),
            (r"a\..\..\b.pdf", ""),
            (r"C:\Users\me\a file (2).pdf", ""),
            ("c:/Users/me/a.pdf", ""),
            (r"C:/Users\me/résumé 日本語.pdf", ""),
            (r"C:\", ""),
            (r"\folder\a.pdf", ""),
            ("/folder/a.pdf", ""),
            (r"\\server\share\folder\a.pdf", ""),
            ("//server/share/a.pdf", ""),
            (r"\\?\C:\very\long\a.pdf", ""),
            (r"\\?\UNC\server\share\a.pdf", ""),
            (r"C:\.git\config", ""),
            ("console.pdf", ""),
            ("com10.pdf", ""),
            ("nullity/auxiliary.pdf", ""),
            ("", ""),
            // Devices, whatever the folder, case and extension.
            ("NUL", DEVICE),
            ("nul.pdf", DEVICE),
            (r"C:\docs\con", DEVICE),
            (r"C:\docs\Aux.tar.gz", DEVICE),
            ("prn .txt", DEVICE),
            ("docs/COM1", DEVICE),
            ("lpt9.pdf", DEVICE),
            ("COM¹.pdf", DEVICE),
            ("CONIN$", DEVICE),
            (r"nul\a.pdf", DEVICE),
            ("CON:", STREAM),
            (r"\\.\C:\a.pdf", DEVICE),
            (r"\\.\PhysicalDrive0", DEVICE),
            (r"\\.\pipe\name", DEVICE),
            ("//./COM20", DEVICE),
            ("//?/C:/a.pdf", DEVICE),
            (r"\\?\GLOBALROOT\Device\HarddiskVolume1\a.pdf", DEVICE),
            (r"\\?\Volume{b75e2c83-0000-0000-0000-602f00000000}\a.pdf", DEVICE),
            (r"\\?\C:", DEVICE),
            (r"\\?\UNC\server", DEVICE),
            (r"\\server\pipe\name", DEVICE),
            (r"\\server\IPC$\name", DEVICE),
            (r"\\server", DEVICE),
            (r"\\server\", DEVICE),
            (r"\\\server\share\a.pdf", DEVICE),
            (r"\??\C:\a.pdf", CHARACTER),
            // Second contents.
            ("a.txt:stream", STREAM),
            (r"C:\docs\a.txt::$DATA", STREAM),
            (r"C:\docs:$INDEX_ALLOCATION\a.txt", STREAM),
            (r"\\?\C:\docs\a.txt:x", STREAM),
            (r"\\server\share\a.txt:x", STREAM),
            // A drive without its folder; a stream of a file with a short name is written alike.
            ("C:", DRIVE),
            ("C:a.pdf", DRIVE),
            (r"c:..\a.pdf", DRIVE),
            // Two texts, one file.
            ("a.pdf.", END),
            ("a.pdf ", END),
            (r"docs.\a.pdf", END),
            (r"docs \a.pdf", END),
            (r"C:\docs\...\a.pdf", END),
            (r".. \a.pdf", END),
            (r"\\server\share\.. \a.pdf", END),
            // What is no name.
            ("a?.pdf", CHARACTER),
            ("*.pdf", CHARACTER),
            ("a|b.pdf", CHARACTER),
            ("a<b>.pdf", CHARACTER),
            ("\"a.pdf\"", CHARACTER),
            ("a\tb.pdf", CHARACTER),
        ] {
            let why = refused(path).map_or("", |(why, _)| why);
            assert_eq!(why.is_empty(), word.is_empty(), "{path}: {why}");
            assert!(why.contains(word), "{path}: {why}");
        }
    }

    #[test]
    fn paths_that_lead_to_another_machine_are_known_by_their_text() {
        for (path, expected) in [
            (r"\\Server\Share\a.pdf", Some(("server", "share"))),
            (r"\\server\share", Some(("server", "share"))),
            ("//server/share/a.pdf", Some(("server", "share"))),
            (r"\/server/share\a.pdf", Some(("server", "share"))),
            (r"\\?\UNC\server\share\a.pdf", Some(("server", "share"))),
            (r"\\?\unc\server\share\a.pdf", Some(("server", "share"))),
            (r"\\10.0.0.1\C$\a.pdf", Some(("10.0.0.1", "c$"))),
            (r"\\server@SSL@8443\DavWWWRoot\a.pdf", Some(("server@ssl@8443", "davwwwroot"))),
            (r"C:\a.pdf", None),
            (r"\\?\C:\a.pdf", None),
            (r"\a.pdf", None),
            ("a.pdf", None),
            (r"a\\server\share", None),
        ] {
            let found = share(path);
            let found = found.as_ref().map(|(machine, share)| (machine.as_str(), share.as_str()));
            assert_eq!(found, expected, "{path}");
        }
    }
}
