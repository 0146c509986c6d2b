//! Texts with parts cut out and put in, and why a text cannot be edited. The editors of the formats are built on it.

/// Why a text was not edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It cannot be parsed. Lines and columns count from one.
    Broken {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
        /// What the parser says.
        what: String,
    },
    /// It can be parsed, but not edited without guessing.
    Unclear(String),
}

impl Problem {
    /// A problem at a byte of the text.
    pub fn at(text: &str, offset: usize, what: impl Into<String>) -> Problem {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Problem::Broken { line, column, what: what.into() }
    }

    /// Something that would have to be guessed.
    pub fn unclear(what: impl Into<String>) -> Problem {
        Problem::Unclear(what.into())
    }
}

/// What an editor says.
pub type Edited<T> = std::result::Result<T, Problem>;

/// A place in the text, and what shall stand there.
#[derive(Clone, Debug)]
pub struct Splice {
    /// First byte that goes.
    pub start: usize,
    /// First byte that stays.
    pub end: usize,
    /// What comes.
    pub text: String,
}

impl Splice {
    /// Puts `text` between two bytes.
    pub fn insert(at: usize, text: impl Into<String>) -> Splice {
        Splice { start: at, end: at, text: text.into() }
    }

    /// Takes bytes out.
    pub fn cut(start: usize, end: usize) -> Splice {
        Splice { start, end, text: String::new() }
    }
}

/// The text with all of these done. They are in order and do not overlap; one that does not fit is left out, and the
/// proof then fails.
pub fn spliced(text: &str, splices: &[Splice]) -> String {
    let (mut out, mut from) = (String::with_capacity(text.len() + 256), 0);
    for splice in splices {
        if let Some(kept) = text.get(from..splice.start)
            && splice.end >= splice.start
            && text.is_char_boundary(splice.end)
        {
            out.push_str(kept);
            out.push_str(&splice.text);
            from = splice.end;
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// A part of a text; nothing when there is no such part.
pub fn part(text: &str, start: usize, end: usize) -> &str {
    text.get(start..end).unwrap_or_default()
}

/// The line ending that the text uses.
pub fn line_end(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if part(text, 0, at).ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// The byte after the line ending that follows.
pub fn end_of_line(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |found| at + found + 1)
}

/// A path in words.
pub fn shown(path: &[&str]) -> String {
    path.join(".")
}
