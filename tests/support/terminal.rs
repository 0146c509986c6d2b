//! A terminal of a given width, and what is the same each time in what stands on it.

use std::io::{Read, Seek, Write};
use std::path::Path;

use pty_process::Size;
use pty_process::blocking::{Command, open};
use serde_json::Value;

/// What a person sees.
#[derive(Debug)]
pub struct Screen {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

/// Runs the binary with stdout on a terminal so many columns wide, at home in `home`, and stderr beside it: bars would
/// draw over what is read.
pub fn on_terminal(columns: u16, home: &Path, variables: &[(&str, &str)], args: &[&str]) -> Screen {
    let mut talk = tempfile::tempfile().unwrap();
    let command = pdfco(home, variables, args).stderr(talk.try_clone().unwrap());
    let (stdout, code) = run(columns, command);
    let mut stderr = String::new();
    talk.rewind().unwrap();
    talk.read_to_string(&mut stderr).unwrap();
    Screen { stdout, stderr, code }
}

/// Runs the binary with stdout and stderr on one terminal, and returns what it wrote to it, bars and all.
pub fn with_bars(columns: u16, home: &Path, variables: &[(&str, &str)], args: &[&str]) -> String {
    run(columns, pdfco(home, variables, args)).0
}

fn pdfco(home: &Path, variables: &[(&str, &str)], args: &[&str]) -> Command {
    Command::new(env!("CARGO_BIN_EXE_pdfco"))
        .env_clear()
        .env("HOME", home)
        .env("TMPDIR", home)
        .env("TERM", "xterm-256color")
        .env("PDFCO_CHECK_WORTH_SECONDS", "0.05")
        .envs(variables.iter().copied())
        .current_dir(home)
        .args(args)
}

/// What a command wrote to its terminal, and its exit code.
fn run(columns: u16, command: Command) -> (String, Option<i32>) {
    let (mut terminal, end) = open().unwrap();
    terminal.resize(Size::new(50, columns)).unwrap();
    let mut child = command.spawn(end).unwrap();
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    // The read fails when the other end is closed.
    while let Ok(count) = terminal.read(&mut chunk) {
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
    let code = child.wait().unwrap().code();
    (String::from_utf8(bytes).unwrap().replace("\r\n", "\n"), code)
}

/// What an interactive bash at home in `home` writes while lines are typed into it, each at its prompt.
pub fn typed_into_bash(home: &Path, first: &str, lines: &[String]) -> String {
    const PROMPT: &[u8] = b"READY>";
    let (mut terminal, end) = open().unwrap();
    terminal.resize(Size::new(50, 200)).unwrap();
    let folder = Path::new(env!("CARGO_BIN_EXE_pdfco")).parent().unwrap();
    let command = Command::new("bash")
        .args(["--norc", "--noprofile", "-i"])
        .env_clear()
        .env("HOME", home)
        .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
        .env("TERM", "dumb")
        .env("PS1", "READY>")
        .current_dir(home);
    let mut child = command.spawn(end).unwrap();
    let (mut bytes, mut chunk, mut seen) = (Vec::new(), [0; 4096], 0);
    for line in [first].into_iter().chain(lines.iter().map(String::as_str)).chain(["exit\r"]) {
        while !bytes[seen..].windows(PROMPT.len()).any(|part| part == PROMPT) {
            let count = terminal.read(&mut chunk).unwrap();
            bytes.extend_from_slice(&chunk[..count]);
        }
        seen = bytes.len();
        terminal.write_all(line.as_bytes()).unwrap();
    }
    while let Ok(count) = terminal.read(&mut chunk) {
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
    child.wait().unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The lines that stand on a terminal after `written`, as far as bars and words move its cursor.
pub fn standing(written: &str) -> Vec<String> {
    let (mut lines, mut row, mut column) = (vec![Vec::new()], 0_usize, 0_usize);
    let mut rest = written.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' => (row, column) = (row + 1, 0),
            '\r' => column = 0,
            '\u{1b}' => {
                rest.next_if_eq(&'[');
                let mut code = String::new();
                while let Some(digit) = rest.next_if(|c| !c.is_ascii_alphabetic()) {
                    code.push(digit);
                }
                let count = code.parse().unwrap_or(1);
                match rest.next() {
                    Some('A') => row = row.saturating_sub(count),
                    Some('B') => row += count,
                    Some('K') if count == 2 => lines[row].clear(),
                    Some('K') => lines[row].truncate(column),
                    _ => {}
                }
            }
            c => {
                let line: &mut Vec<char> = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    lines.into_iter().map(|line| line.into_iter().collect::<String>().trim_end().to_owned()).collect()
}

/// The text with ids, times and places as they are nowhere, each as long as it was where that can be.
pub fn normalized(text: &str, home: &Path) -> String {
    let text = text.replace(home.to_str().unwrap(), "/home/you");
    let mut out = String::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | '_' | '+');
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        out.push_str(&word_for(word, after));
        let mut next = after.chars();
        out.extend(next.next());
        rest = next.as_str();
    }
    out
}

fn word_for(word: &str, after: &str) -> String {
    let trimmed = word.trim_end_matches(['.', ':']);
    let end = &word[trimmed.len()..];
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_name = |text: &str| text.len() == 32 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let same = if let Some(name) = trimmed.strip_suffix("--151-300").filter(|name| is_name(name)) {
        format!("{}--151-300", "J".repeat(name.len()))
    } else if is_name(trimmed) {
        "L".repeat(32)
    } else if trimmed.len() == 8 && trimmed.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
        "JJJJJJJJ".to_owned()
    } else if let Some(id) = trimmed.strip_prefix("local-").filter(|id| id.len() == 32 && is_hex(id)) {
        format!("local-{}", "0".repeat(id.len()))
    } else if trimmed.strip_prefix("batch-").is_some_and(|id| id.get(..32).is_some_and(is_hex)) {
        format!("batch-{}{}", "0".repeat(32), &trimmed["batch-".len() + 32..])
    } else if trimmed.split_once(".local-").is_some_and(|(at, id)| is_number(at) && is_hex(id)) {
        "1795262400000.local-00000000000000000000000000000000".to_owned()
    } else if trimmed.len() == 16 && trimmed.ends_with('Z') && trimmed.parse::<jiff::Timestamp>().is_ok() {
        "20261121T120000Z".to_owned()
    } else if trimmed.strip_prefix("2F").is_some_and(|day| day.len() == 8 && is_number(day)) {
        "2F20261121".to_owned()
    } else if trimmed.len() == 64 && is_hex(trimmed) {
        "f".repeat(64)
    } else if trimmed.len() >= 19 && trimmed.parse::<jiff::Timestamp>().is_ok() {
        "2026-11-21T12:00:00Z".to_owned()
    } else if trimmed.len() == 10 && trimmed.parse::<jiff::civil::Date>().is_ok() {
        "2026-11-21".to_owned()
    } else if trimmed.starts_with("127.0.0.1:") {
        "127.0.0.1:40000".to_owned()
    } else if is_number(trimmed) && trimmed.contains('.') && after.starts_with(" s") {
        "0.0".to_owned()
    } else if trimmed.strip_suffix('s').is_some_and(is_number) && trimmed.len() <= 3 {
        "0s".to_owned()
    } else {
        trimmed.to_owned()
    };
    format!("{same}{end}")
}

/// The envelope with numbers that depend on the machine as zero.
pub fn normalized_json(envelope: &str, home: &Path) -> String {
    fn still(value: &mut Value) {
        const MOVING: &[&str] =
            &["elapsed_seconds", "retry_after_seconds", "progress", "duration", "jobDuration", "job_duration"];
        match value {
            Value::Object(fields) => {
                for (name, value) in fields.iter_mut() {
                    if MOVING.contains(&name.as_str()) && value.is_number() {
                        *value = 0.into();
                    }
                    still(value);
                }
            }
            Value::Array(list) => list.iter_mut().for_each(still),
            _ => {}
        }
    }
    let lines = envelope.lines().map(|line| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        still(&mut value);
        format!("{value:#}\n")
    });
    normalized(&lines.collect::<String>(), home)
}
