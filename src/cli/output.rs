//! What leaves through stdout and stderr: words for a person, or one JSON envelope. stdout is data, stderr is talk.
//!
//! A stdout that cannot be written (a full disk, `/dev/full`) is remembered, wherever it happened, and turns the exit
//! code into a failure. A reader that left (a closed pipe) is none.

use std::ffi::OsString;
use std::io::{BufRead, ErrorKind, IsTerminal, Read, Write};
use std::sync::OnceLock;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde_json::Value;

use super::exit_code::{SUCCESS, USAGE};
use super::report::Report;
use super::table::grid;
use super::text::{tame, wrapped};
use crate::error::Error;

/// Most bytes of an answer to a question.
const ANSWER_BYTES_MAX: u64 = 1_024;
/// Bytes that are copied to stdout at once.
const COPY_BYTES: usize = 256 * 1024;

/// Why stdout could not be written, set by the first write that failed. There is one stdout in a process.
static STDOUT_FAILURE: OnceLock<ErrorKind> = OnceLock::new();

/// How a command's outcome is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Words for a person.
    Human,
    /// One JSON envelope.
    Json,
    /// One JSON line for each event, then the envelope.
    Ndjson,
}

/// Prints reports and errors in one format.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    /// The format.
    pub format: Format,
    /// No talk but errors.
    pub quiet: bool,
    /// More talk.
    pub verbose: bool,
}

impl Printer {
    /// For a person, neither quiet nor verbose.
    pub const PLAIN: Printer = Printer { format: Format::Human, quiet: false, verbose: false };

    /// The printer for a command line that cannot be parsed, with the format guessed from its words.
    pub fn guessed(args: &[OsString]) -> Printer {
        let words: Vec<&str> = args.iter().take_while(|word| *word != "--").filter_map(|word| word.to_str()).collect();
        let output = |name: &str| {
            words.iter().any(|word| *word == format!("--output={name}"))
                || words.windows(2).any(|pair| pair == ["--output", name])
        };
        let format = match () {
            () if output("ndjson") => Format::Ndjson,
            () if output("json") || words.contains(&"--json") => Format::Json,
            () => Format::Human,
        };
        Printer { format, ..Printer::PLAIN }
    }

    /// Whether a person reads.
    pub fn is_human(&self) -> bool {
        self.format == Format::Human
    }

    /// Whether remarks beside the outcome are printed.
    pub fn talks(&self) -> bool {
        self.is_human() && !self.quiet
    }

    /// Whether a progress bar may be drawn.
    pub fn draws(&self) -> bool {
        self.talks() && std::io::stderr().is_terminal()
    }

    /// Whether a person can be asked a question: both ends of the conversation are a terminal.
    pub fn can_ask(&self) -> bool {
        self.is_human() && std::io::stderr().is_terminal() && std::io::stdin().is_terminal()
    }

    /// Prints how `command` ended and returns its exit code.
    pub fn finish(&self, command: &str, outcome: Result<Report, Error>) -> u8 {
        let report = outcome.unwrap_or_else(|error| Report::from(&error));
        match self.format {
            _ if report.already_printed && self.format != Format::Json => {}
            Format::Human => self.words(&report),
            Format::Json | Format::Ndjson => self.say(&self.rendered(&report.envelope(command))),
        }
        if self.talks() {
            report.notes.iter().for_each(|note| self.err(note));
        }
        if let Some(problem) = &report.problem {
            self.err_under("error:", ERROR, &problem.message);
            if !problem.hint.is_empty() {
                self.err_under("hint:", HINT, &problem.hint);
            }
        }
        self.exit_code(report.code)
    }

    /// Prints help or the version, or what is wrong with a command line, whose `command` is known as far as it goes.
    pub fn clap(&self, command: &str, error: &clap::Error) -> u8 {
        if !error.use_stderr() {
            remember(error.print());
            return self.exit_code(SUCCESS);
        }
        if self.is_human() {
            let _ = error.print();
            return USAGE;
        }
        let words = error.render().to_string();
        let (message, rest) = words.trim_start_matches("error: ").split_once("\n\n").unwrap_or((&words, ""));
        let hint = rest.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        self.finish(command, Err(Error::invalid(message.trim(), hint)))
    }

    /// `code`, or the code for a stdout that could not be written.
    pub fn exit_code(&self, code: u8) -> u8 {
        match STDOUT_FAILURE.get() {
            None | Some(ErrorKind::BrokenPipe) => code,
            Some(kind) => {
                self.err_under("error:", ERROR, &format!("stdout cannot be written: {kind}"));
                if code == SUCCESS { USAGE } else { code }
            }
        }
    }

    /// Whether what was printed was lost: stdout could not be written, and its reader has not simply left.
    pub fn lost_output(&self) -> bool {
        STDOUT_FAILURE.get().is_some_and(|kind| *kind != ErrorKind::BrokenPipe)
    }

    /// One remark on stderr, when remarks are printed.
    pub fn note(&self, line: &str) {
        if self.talks() {
            self.err(line);
        }
    }

    /// One JSON line on stdout, at once, for programs that read while a command runs.
    pub fn line(&self, value: &Value) {
        self.say(&value.to_string());
    }

    /// A line on stderr that even `--quiet` does not suppress: what a command cannot go on without.
    pub fn insist(&self, line: &str) {
        self.err(line);
    }

    /// Whether stderr is a terminal, and words are read there.
    pub fn is_on_terminal(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// What a person types at a prompt without seeing it.
    ///
    /// # Errors
    /// When there is no terminal.
    pub fn secret(&self, prompt: &str) -> std::io::Result<String> {
        self.err_open(prompt);
        let typed = rpassword::read_password();
        // Enter was not shown either.
        self.err("");
        typed
    }

    /// Words on stdout, at once.
    pub fn say(&self, words: &str) {
        self.raw(words.as_bytes(), true);
    }

    /// Copies a file to stdout as it is: a result that was asked for with `--save-to -`.
    ///
    /// # Errors
    /// When the file cannot be read. A stdout that cannot be written is remembered.
    pub fn copy(&self, file: &mut std::fs::File) -> std::io::Result<()> {
        let mut chunk = vec![0; COPY_BYTES];
        loop {
            let count = file.read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            self.raw(chunk.get(..count).unwrap_or_default(), false);
        }
    }

    /// `text` wrapped between words where stdout is a terminal.
    pub fn fitted(&self, text: &str) -> String {
        match terminal_size::terminal_size_of(std::io::stdout()) {
            Some((width, _)) => wrapped(text, usize::from(width.0)),
            None => text.to_owned(),
        }
    }

    /// Prints the help of a line that lacks a command, and returns the exit code.
    pub fn usage(&self, help: &str) -> u8 {
        self.err(help);
        USAGE
    }

    /// Asks a person a question that yes or no answers; anything but yes is no. `None` where no person can be asked.
    pub fn confirm(&self, question: &str) -> Option<bool> {
        if !self.can_ask() {
            return None;
        }
        let mut stderr = std::io::stderr().lock();
        write!(stderr, "{} [y/N] ", tame(question)).and_then(|()| stderr.flush()).ok()?;
        let mut answer = String::new();
        std::io::stdin().lock().take(ANSWER_BYTES_MAX).read_line(&mut answer).ok()?;
        Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    fn words(&self, report: &Report) {
        let on_terminal = std::io::stdout().is_terminal();
        match (&report.text, &report.table) {
            (Some(text), _) if on_terminal => self.say(&tame(text)),
            (Some(text), _) => self.say(text.strip_suffix('\n').unwrap_or(text)),
            (None, Some(table)) if on_terminal && !table.rows.is_empty() => self.say(&grid(table)),
            (None, _) if report.lines.is_empty() => {}
            (None, _) if on_terminal => self.say(&tame(&report.lines.join("\n"))),
            (None, _) => self.say(&report.lines.join("\n")),
        }
    }

    fn rendered(&self, envelope: &Value) -> String {
        let pretty = self.format == Format::Json && std::io::stdout().is_terminal();
        if pretty { format!("{envelope:#}") } else { envelope.to_string() }
    }

    fn raw(&self, bytes: &[u8], with_line_end: bool) {
        if STDOUT_FAILURE.get().is_some() {
            return;
        }
        let mut stdout = std::io::stdout().lock();
        let written = stdout
            .write_all(bytes)
            .and_then(|()| if with_line_end { stdout.write_all(b"\n") } else { Ok(()) })
            .and_then(|()| stdout.flush());
        remember(written);
    }

    fn err(&self, line: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", for_stderr(line));
    }

    fn err_open(&self, words: &str) {
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{}", tame(words)).and_then(|()| stderr.flush());
    }

    /// A line under a label, which has a color where colors are shown (a terminal, and no `NO_COLOR`).
    fn err_under(&self, label: &str, style: Style, line: &str) {
        let _ = writeln!(anstream::stderr().lock(), "{style}{label}{style:#} {}", labelled(label, line));
    }
}

/// A line for stderr: safe, and wrapped between words on a terminal.
fn for_stderr(line: &str) -> String {
    let line = tame(line);
    match terminal_size::terminal_size_of(std::io::stderr()) {
        Some((width, _)) => wrapped(&line, usize::from(width.0)),
        None => line,
    }
}

/// The same behind a label, which takes room in the first line.
fn labelled(label: &str, line: &str) -> String {
    let whole = for_stderr(&format!("{label} {}", tame(line)));
    whole.strip_prefix(&format!("{label} ")).or_else(|| whole.strip_prefix(label)).unwrap_or(&whole).to_owned()
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

/// Keeps the first reason why stdout could not be written.
fn remember(written: std::io::Result<()>) {
    if let Err(error) = written {
        STDOUT_FAILURE.get_or_init(|| error.kind());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_of_a_broken_command_line_is_guessed() {
        for (line, format) in [
            ("pdfco jobs list", Format::Human),
            ("pdfco jobs lst --json", Format::Json),
            ("pdfco --output json lst", Format::Json),
            ("pdfco lst --output=ndjson", Format::Ndjson),
            ("pdfco lst -- --json", Format::Human),
        ] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(Printer::guessed(&args).format, format, "{line}");
        }
    }
}
