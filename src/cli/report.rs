//! What a command has to say, and the JSON envelope of it.

use serde::Serialize;
use serde_json::{Value, json};

use super::exit_code::{SUCCESS, of_error};
use super::names::counted;
use super::table::Table;
use crate::error::{Error, Kind};
use crate::next_step::Audience;

/// The outcome of a command, before it is printed in one of the formats.
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
    /// Remarks for stderr, which `--quiet` suppresses.
    pub notes: Vec<String>,
    /// Why the outcome is not what was asked for.
    pub problem: Option<Problem>,
    /// Exit code.
    pub code: u8,
    /// The outcome was already printed, line by line.
    pub already_printed: bool,
}

/// Why an outcome is not what was asked for, and what to do. Printed to stderr even with `--quiet`.
#[derive(Clone, Debug, Default)]
pub struct Problem {
    /// What happened.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Report {
    /// A success whose outcome is one line of words.
    pub fn line(line: impl Into<String>, data: Value) -> Report {
        let line = line.into();
        Report { summary: line.clone(), lines: vec![line], data, code: SUCCESS, ..Report::default() }
    }

    /// A list: rows on a terminal, plain lines elsewhere, `data.items` and `data.total` for programs. `none` is said where
    /// there are no rows; `noun` is what one row is, such as "job".
    pub fn list(items: impl Serialize, total: usize, table: Table, none: &str, noun: &str) -> Report {
        let (lines, summary) = match table.rows.is_empty() {
            true => (vec![none.to_owned()], none.to_owned()),
            false => (table.lines(), counted(i64::try_from(total).unwrap_or(i64::MAX), noun)),
        };
        Report {
            summary,
            lines,
            data: json!({"status": "success", "items": items, "total": total}),
            table: Some(table),
            ..Report::default()
        }
    }

    /// The one JSON object of `command`: `{app_id, command, summary, lines, data}`.
    pub fn envelope(&self, command: &str) -> Value {
        json!({"app_id": "pdfco", "command": command, "summary": self.summary, "lines": self.lines, "data": self.data})
    }
}

/// The message of an error; where the credits do not suffice, with what is left of them.
pub fn with_balance(message: &str, kind: Kind, remaining: Option<i64>) -> String {
    match remaining.filter(|left| kind == Kind::InsufficientCredits && !message.contains(&left.to_string())) {
        Some(left) => format!("{message} The account has {}.", counted(left, "credit")),
        None => message.to_owned(),
    }
}

impl From<&Error> for Report {
    fn from(error: &Error) -> Report {
        let charge = error.charge();
        Report {
            summary: format!("error: {}", error.message()),
            data: json!({"status": "error", "error": error.to_json(Audience::Shell), "credits_used": charge.credits, "credits_remaining": charge.remaining}),
            problem: Some(Problem {
                message: with_balance(error.message(), error.kind(), charge.remaining),
                hint: error.hint().text(Audience::Shell),
            }),
            code: of_error(error.kind()),
            ..Report::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charge::Charge;
    use crate::hint;
    use crate::next_step::NextStep;

    #[test]
    fn an_error_is_the_same_envelope() {
        let error =
            Error::new(Kind::NotFound, "There is no such thing.", hint![NextStep::ListJobs, " shows what there is."])
                .with_charge(Charge::new(Some(2), None));
        assert_eq!(
            Report::from(&error).envelope("jobs show"),
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
}
