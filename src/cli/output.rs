//! What leaves through stdout and stderr, and the exit code.
//!
//! What lives here: [`Report`] (what a command has to say), [`Printer`] (a person's words, or one JSON envelope), the
//! exit codes and the one `match` from a kind of error to its code. What never does: deciding what a command says.
//! stdout is data, stderr is talk. Only this file and `progress_bar.rs` write to either.

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table as Grid, presets};
use serde_json::{Value, json};

use crate::error::{Error, Kind};
use crate::jobs::JobStatus;
use crate::next_step::{Audience, Hint};

/// It worked.
pub const SUCCESS: u8 = 0;
/// The job failed or was aborted.
pub const JOB_FAILED: u8 = 1;
/// The command line, an argument or a local file cannot be used.
pub const USAGE: u8 = 2;
/// No key, a refused key, or no credits.
pub const ACCOUNT: u8 = 3;
/// No such job, operation or document.
pub const NOT_FOUND: u8 = 4;
/// The budget ended before the job did.
pub const STILL_RUNNING: u8 = 5;
/// The network or the service.
pub const SERVICE: u8 = 6;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;
/// SIGTERM.
pub const TERMINATED: u8 = 143;

/// The exit code of an error.
pub fn exit_code(kind: Kind) -> u8 {
    match kind {
        Kind::JobFailed | Kind::JobAborted => JOB_FAILED,
        Kind::InvalidArgument | Kind::FileAccess | Kind::TooLarge => USAGE,
        Kind::Auth | Kind::InsufficientCredits => ACCOUNT,
        Kind::NotFound => NOT_FOUND,
        Kind::RateLimited | Kind::LinkExpired | Kind::Network | Kind::Upstream | Kind::Internal => SERVICE,
        Kind::Cancelled => INTERRUPTED,
    }
}

/// The exit code of an error that is known by the word of its kind.
pub fn exit_code_of(word: &str) -> u8 {
    Kind::ALL.into_iter().find(|kind| kind.as_str() == word).map_or(SERVICE, exit_code)
}

/// The exit code of a job whose outcome was asked for.
pub fn outcome_code(status: &JobStatus) -> u8 {
    match status {
        JobStatus::Success => SUCCESS,
        JobStatus::Failed | JobStatus::Aborted | JobStatus::Cancelled => JOB_FAILED,
        JobStatus::Unknown => NOT_FOUND,
        JobStatus::Queued | JobStatus::Working | JobStatus::Other(_) => STILL_RUNNING,
    }
}

/// The exit code of several outcomes in one: what failed for good says more than what still runs.
pub fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    const RANK: &[u8] = &[SUCCESS, STILL_RUNNING, NOT_FOUND, USAGE, SERVICE, ACCOUNT, JOB_FAILED];
    let rank = |code: &u8| RANK.iter().position(|ranked| ranked == code).unwrap_or(RANK.len());
    codes.into_iter().max_by_key(rank).unwrap_or(SUCCESS)
}

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

/// Rows under column names.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Column names.
    pub header: Vec<&'static str>,
    /// Cells.
    pub rows: Vec<Vec<String>>,
    /// Columns that go first where a terminal is too narrow, the first to go first.
    pub spare: &'static [&'static str],
}

/// Columns whose values are copied, or are one word: they are shown whole or not at all.
const WHOLE: &[&str] =
    &["job_id", "status", "operation", "age", "credits", "requests", "day", "group", "input", "result"];
/// A column whose cells may be broken at words is no narrower than this.
const BROKEN_WIDTH_MIN: usize = 16;
/// Between two columns.
const GAP: usize = 2;

impl Table {
    /// One line a row, cells separated by two spaces.
    pub fn lines(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.join("  ")).collect()
    }
}

/// What a command has to say.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One sentence.
    pub summary: String,
    /// The outcome in words: what a person gets on stdout, unless there is `text` or a `table`.
    pub lines: Vec<String>,
    /// The outcome for programs.
    pub data: Value,
    /// The text of a document: printed as it is instead of the lines.
    pub text: Option<String>,
    /// Rows: printed on a terminal instead of the lines.
    pub table: Option<Table>,
    /// Talk beside the outcome.
    pub notes: Vec<String>,
    /// Why the outcome is not what was asked for, and what to do.
    pub problem: Option<(String, String)>,
    /// Exit code.
    pub code: u8,
    /// The outcome went out already, line by line.
    pub is_told: bool,
}

/// Shows reports and errors in one format.
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
    /// The printer for command lines that cannot be parsed: what they say about the format is looked for by hand.
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
        Printer { format, quiet: false, verbose: false }
    }

    /// Whether a person reads.
    pub fn is_human(&self) -> bool {
        self.format == Format::Human
    }

    /// Whether talk beside the outcome is welcome.
    pub fn talks(&self) -> bool {
        self.is_human() && !self.quiet
    }

    /// Whether something that moves may be drawn.
    pub fn draws(&self) -> bool {
        self.talks() && std::io::stderr().is_terminal()
    }

    /// Shows how `command` ended and gives its exit code. A reader who left is no failure.
    pub fn finish(&self, command: &str, outcome: Result<Report, Error>) -> u8 {
        let report = outcome.unwrap_or_else(|error| failure(&error));
        let written = match self.format {
            _ if report.is_told && self.format != Format::Json => Ok(()),
            Format::Human => self.words(&report),
            Format::Json | Format::Ndjson => self.out(&self.rendered(&envelope(command, &report))),
        };
        if self.talks() {
            report.notes.iter().for_each(|note| self.err(note));
        }
        if let Some((message, hint)) = &report.problem {
            self.err_under("error:", ERROR, message);
            if !hint.is_empty() {
                self.err_under("hint:", HINT, hint);
            }
        }
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => SUCCESS,
            Err(error) => {
                self.err(&format!("error: stdout cannot be written: {}", error.kind()));
                USAGE
            }
            Ok(()) => report.code,
        }
    }

    /// Shows help or the version, or what is wrong with a command line, whose `command` is known as far as it goes.
    pub fn clap(&self, command: &str, error: &clap::Error) -> u8 {
        if !error.use_stderr() {
            let _ = error.print();
            return SUCCESS;
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

    /// One line of talk, when talk is welcome.
    pub fn note(&self, line: &str) {
        if self.talks() {
            self.err(line);
        }
    }

    /// One JSON line on stdout, at once, for programs that read while a command runs.
    pub fn line(&self, value: &Value) {
        let _ = self.out(&value.to_string());
    }

    /// Words on stdout, at once.
    pub fn say(&self, words: &str) {
        let _ = self.out(words);
    }

    fn words(&self, report: &Report) -> std::io::Result<()> {
        let on_terminal = std::io::stdout().is_terminal();
        match (&report.text, &report.table) {
            (Some(text), _) if on_terminal => self.out(&tame(text)),
            (Some(text), _) => self.out(text.strip_suffix('\n').unwrap_or(text)),
            (None, Some(table)) if on_terminal && !table.rows.is_empty() => self.out(&grid(table)),
            (None, _) if report.lines.is_empty() => Ok(()),
            (None, _) => self.out(&report.lines.join("\n")),
        }
    }

    fn rendered(&self, envelope: &Value) -> String {
        let pretty = self.format == Format::Json && std::io::stdout().is_terminal();
        if pretty { format!("{envelope:#}") } else { envelope.to_string() }
    }

    fn out(&self, text: &str) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{text}")?;
        stdout.flush()
    }

    fn err(&self, line: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", tame(line));
    }

    /// A line under a label, which has a colour where colours are shown (a terminal, and no `NO_COLOR`).
    fn err_under(&self, label: &str, style: Style, line: &str) {
        let _ = writeln!(anstream::stderr().lock(), "{style}{label}{style:#} {}", tame(line));
    }
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

/// The one JSON object of a command.
pub fn envelope(command: &str, report: &Report) -> Value {
    json!({"app_id": "pdfco", "command": command, "summary": report.summary, "lines": report.lines, "data": report.data})
}

fn failure(error: &Error) -> Report {
    let charge = error.charge();
    Report {
        summary: format!("error: {}", error.message()),
        data: json!({"status": "error", "error": error_in_shell_words(error), "credits_used": charge.credits, "credits_remaining": charge.remaining}),
        problem: Some((error.message().to_owned(), in_shell_words(error.hint()))),
        code: exit_code(error.kind()),
        ..Report::default()
    }
}

/// An error for programs that call this one.
pub fn error_in_shell_words(error: &Error) -> Value {
    let mut public = error.to_json(Audience::Shell);
    if let Some(fields) = public.as_object_mut() {
        fields.insert("hint".to_owned(), json!(in_shell_words(error.hint())));
    }
    public
}

/// Hints are written for assistants, who have tools; a person has commands.
pub fn in_shell_words(hint: &Hint) -> String {
    const WORDS: &[(&str, &str)] = &[
        // The reason stands in the line above.
        ("The work failed; the reason is in `content`. ", ""),
        ("Its answer is in `content` of get_job_check.", "`pdfco jobs show --json` has its answer in data.content."),
        ("Pass content.url as `url` of a call.", "Pass the link as --url of a call."),
        ("`client_request_id`", "--client-request-id"),
        ("`expiration`", "--expiration"),
        ("list_operations (`pdfco operations`)", "`pdfco operations`"),
        ("`overwrite: true`", "--overwrite"),
        (" (or pass `api_key`)", ""),
        ("Call wait_job_completion with job_id ", "Run: pdfco jobs wait "),
        ("do not loop on get_job_check, each look costs credits", "each look costs credits"),
        (" with offset ", " --offset "),
        (" with force: true looks", " looks"),
        ("wait_job_completion", "pdfco jobs wait"),
        ("get_job_check", "pdfco jobs show"),
        ("download_result", "pdfco jobs download"),
        ("read_result", "pdfco jobs read"),
        ("list_jobs", "`pdfco jobs list`"),
        ("cancel_job", "pdfco jobs cancel"),
        ("get_credit_balance", "`pdfco credits`"),
        ("list_operations", "`pdfco operations`"),
        ("describe_operation", "`pdfco call <operation> --help`"),
        ("submit_job", "`pdfco call`"),
    ];
    WORDS.iter().fold(hint.text(Audience::Shell), |text, (tool, command)| text.replace(tool, command))
}

/// Text from outside must not move a terminal's cursor.
pub fn tame(text: &str) -> String {
    let tamed: String =
        text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect();
    tamed.strip_suffix('\n').map(str::to_owned).unwrap_or(tamed)
}

/// The table as a terminal shows it. What one copies is never broken; a column that has no room is left out.
fn grid(table: &Table) -> String {
    let mut grid = Grid::new();
    grid.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let width = grid.width().map_or(usize::MAX, usize::from);
    let (shown, fits) = columns_that_fit(table, width);
    let pick = |row: &[String]| shown.iter().filter_map(|index| row.get(*index).cloned()).collect::<Vec<String>>();
    let header: Vec<&str> = shown.iter().filter_map(|index| table.header.get(*index).copied()).collect();
    if !fits {
        // The terminal breaks these lines where it likes, and what is copied from it is still whole.
        let lines = table.rows.iter().map(|row| tame(&pick(row).join("  ").replace('\n', " ")));
        return lines.collect::<Vec<_>>().join("\n");
    }
    let is_coloured = AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
    for row in &table.rows {
        grid.add_row(pick(row).iter().map(|text| {
            let cell = Cell::new(tame(text));
            match colour(text).filter(|_| is_coloured) {
                Some(colour) => cell.fg(colour),
                None => cell,
            }
        }));
    }
    if table.header.iter().any(|name| !name.is_empty()) {
        grid.set_header(header.clone());
    }
    for (column, name) in grid.column_iter_mut().zip(&header) {
        column.set_padding((0, GAP as u16));
        if WHOLE.contains(name) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    grid.trim_fmt()
}

/// Colours say nothing that the word does not.
fn colour(word: &str) -> Option<Color> {
    match word {
        "success" | "skipped" => Some(Color::Green),
        "failed" | "aborted" | "error" | "unknown" => Some(Color::Red),
        "working" | "queued" => Some(Color::Cyan),
        _ => None,
    }
}

/// Which columns have room side by side, and whether those that must be shown have.
fn columns_that_fit(table: &Table, width: usize) -> (Vec<usize>, bool) {
    let needed = |index: usize| {
        let name = table.header.get(index).copied().unwrap_or_default();
        let cells = table.rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        let natural = cells.max().unwrap_or_default().max(name.len());
        let least = if WHOLE.contains(&name) { natural } else { natural.min(BROKEN_WIDTH_MIN) };
        least.saturating_add(GAP)
    };
    let fits = |shown: &[usize]| {
        shown.iter().map(|index| needed(*index)).fold(0, usize::saturating_add) <= width.saturating_add(GAP)
    };
    let mut shown: Vec<usize> = (0..table.header.len()).collect();
    for name in table.spare {
        if fits(&shown) {
            break;
        }
        shown.retain(|index| table.header.get(*index) != Some(name));
    }
    let has_room = fits(&shown);
    (shown, has_room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charge::Charge;

    #[test]
    fn every_kind_of_error_has_its_exit_code() {
        for (kind, code) in [
            (Kind::JobFailed, 1),
            (Kind::JobAborted, 1),
            (Kind::InvalidArgument, 2),
            (Kind::FileAccess, 2),
            (Kind::TooLarge, 2),
            (Kind::Auth, 3),
            (Kind::InsufficientCredits, 3),
            (Kind::NotFound, 4),
            (Kind::Network, 6),
            (Kind::Upstream, 6),
            (Kind::RateLimited, 6),
            (Kind::LinkExpired, 6),
            (Kind::Internal, 6),
            (Kind::Cancelled, 130),
        ] {
            assert_eq!(exit_code(kind), code, "{kind}");
        }
        for kind in Kind::ALL {
            assert_eq!(exit_code_of(kind.as_str()), exit_code(kind), "{kind}: known by its word");
        }
    }

    #[test]
    fn every_state_has_its_exit_code() {
        for (status, code) in [
            (JobStatus::Success, 0),
            (JobStatus::Failed, 1),
            (JobStatus::Aborted, 1),
            (JobStatus::Cancelled, 1),
            (JobStatus::Unknown, 4),
            (JobStatus::Queued, 5),
            (JobStatus::Working, 5),
            (JobStatus::Other("paused".into()), 5),
        ] {
            assert_eq!(outcome_code(&status), code, "{status:?}");
        }
    }

    #[test]
    fn of_several_exit_codes_the_worst_counts() {
        for (codes, worst_of_all) in [
            (&[][..], 0),
            (&[0, 0], 0),
            (&[0, 5], 5),
            (&[5, 1, 0], 1),
            (&[5, 4], 4),
            (&[6, 1], 1),
            (&[3, 6], 3),
            (&[1, 3], 1),
        ] {
            assert_eq!(worst(codes.iter().copied()), worst_of_all, "{codes:?}");
        }
    }

    #[test]
    fn an_error_is_the_same_envelope() {
        let error = Error::new(Kind::NotFound, "There is no such thing.", "list_jobs shows what there is.")
            .with_charge(Charge::new(Some(2), None));
        let envelope = envelope("jobs show", &failure(&error));
        assert_eq!(
            envelope,
            json!({
                "app_id": "pdfco", "command": "jobs show", "summary": "error: There is no such thing.", "lines": [],
                "data": {
                    "status": "error",
                    "error": {"kind": "not_found", "message": "There is no such thing.", "hint": "`pdfco jobs list` shows what there is.", "retryable": false},
                    "credits_used": 2, "credits_remaining": null,
                },
            })
        );
    }

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

    #[test]
    fn a_table_leaves_columns_out_before_it_breaks_what_one_copies() {
        let row = |id: &str| [id, "success", "pdf_to_text", "5s", "23"].map(str::to_owned).to_vec();
        let table = Table {
            header: vec!["job_id", "status", "operation", "age", "credits"],
            rows: vec![row(&"J".repeat(41))],
            spare: &["credits", "age"],
        };
        for (width, columns, fits) in [(200, 5, true), (77, 5, true), (76, 4, true), (67, 3, true), (20, 3, false)] {
            let (shown, has_room) = columns_that_fit(&table, width);
            assert_eq!((shown.len(), has_room), (columns, fits), "{width}");
        }
    }

    #[test]
    fn tools_become_commands_and_escapes_become_visible() {
        assert_eq!(
            in_shell_words(&"read_result J1 with offset 40 reads on.".into()),
            "pdfco jobs read J1 --offset 40 reads on."
        );
        assert_eq!(tame("a\u{1b}[2Jb\tc\n"), "a\u{fffd}[2Jb\tc");
    }
}
