//! Statements in the SQL that both databases understand, and their arguments.
//!
//! Arguments are `$1`, `$2` and so on; a text may be several statements, separated by `;`, that share them. Switches are
//! the integers 0 and 1.

use std::borrow::Cow;
use std::fmt::Write;

use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::jobs::job_id::{IntentId, JobId};

/// One argument of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Argument {
    /// A text, or null in its place.
    Text(Option<String>),
    /// An integer, or null in its place.
    Integer(Option<i64>),
    /// A number.
    Float(f64),
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Argument::Text(Some(text.to_owned()))
    }
}

impl From<String> for Argument {
    fn from(text: String) -> Self {
        Argument::Text(Some(text))
    }
}

impl From<&String> for Argument {
    fn from(text: &String) -> Self {
        Argument::Text(Some(text.clone()))
    }
}

impl From<&IntentId> for Argument {
    fn from(id: &IntentId) -> Self {
        id.as_str().into()
    }
}

impl From<&JobId> for Argument {
    fn from(id: &JobId) -> Self {
        id.as_str().into()
    }
}

impl From<Option<&str>> for Argument {
    fn from(text: Option<&str>) -> Self {
        Argument::Text(text.map(str::to_owned))
    }
}

impl From<Option<String>> for Argument {
    fn from(text: Option<String>) -> Self {
        Argument::Text(text)
    }
}

impl From<&Option<String>> for Argument {
    fn from(text: &Option<String>) -> Self {
        Argument::Text(text.clone())
    }
}

impl From<i64> for Argument {
    fn from(number: i64) -> Self {
        Argument::Integer(Some(number))
    }
}

impl From<Option<i64>> for Argument {
    fn from(number: Option<i64>) -> Self {
        Argument::Integer(number)
    }
}

impl From<bool> for Argument {
    fn from(switch: bool) -> Self {
        Argument::Integer(Some(i64::from(switch)))
    }
}

impl From<f64> for Argument {
    fn from(number: f64) -> Self {
        Argument::Float(number)
    }
}

/// A statement, or several that share arguments.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    text: Cow<'static, str>,
    arguments: Vec<Argument>,
}

/// The statement with this text, without arguments yet.
pub(super) fn statement(text: impl Into<Cow<'static, str>>) -> Statement {
    Statement { text: text.into(), arguments: Vec::new() }
}

impl Statement {
    /// Gives the next argument.
    #[must_use]
    pub(super) fn bind(mut self, argument: impl Into<Argument>) -> Statement {
        self.arguments.push(argument.into());
        self
    }

    /// Adds text.
    #[must_use]
    pub(super) fn push(mut self, text: &str) -> Statement {
        self.text.to_mut().push_str(text);
        self
    }

    /// Adds the place of an argument, and the argument.
    #[must_use]
    pub(super) fn push_bind(mut self, argument: impl Into<Argument>) -> Statement {
        self.arguments.push(argument.into());
        let _ = write!(self.text.to_mut(), "${}", self.arguments.len());
        self
    }

    /// All of it, as SQLite takes it.
    ///
    /// # Errors
    /// When an argument cannot be encoded.
    pub(super) fn for_sqlite(self) -> sqlx::Result<(SqlStr, SqliteArguments)> {
        let mut arguments = SqliteArguments::default();
        for argument in self.arguments {
            match argument {
                Argument::Text(text) => arguments.add(text),
                Argument::Integer(number) => arguments.add(number),
                Argument::Float(number) => arguments.add(number),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok((sql(self.text), arguments))
    }

    /// One by one, each with the arguments that it uses, as PostgreSQL takes them.
    ///
    /// # Errors
    /// When an argument cannot be encoded.
    pub(super) fn for_postgres(self) -> sqlx::Result<Vec<(SqlStr, PgArguments)>> {
        let parts = match self.text.contains(';') {
            false => vec![self.text],
            true => self
                .text
                .split(';')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| Cow::Owned(part.to_owned()))
                .collect(),
        };
        parts.into_iter().map(|part| with_own_arguments(part, &self.arguments)).collect()
    }
}

fn sql(text: Cow<'static, str>) -> SqlStr {
    match text {
        Cow::Borrowed(text) => text.into_sql_str(),
        // Texts are made of constants and of the numbers of arguments.
        Cow::Owned(text) => AssertSqlSafe(text).into_sql_str(),
    }
}

/// `text` with its arguments numbered from one, and those arguments alone.
fn with_own_arguments(text: Cow<'static, str>, all: &[Argument]) -> sqlx::Result<(SqlStr, PgArguments)> {
    let (text, used) = renumbered(text);
    let mut arguments = PgArguments::default();
    for number in used {
        let argument = all.get(number.saturating_sub(1));
        match argument.cloned().unwrap_or(Argument::Text(None)) {
            Argument::Text(text) => arguments.add(text),
            Argument::Integer(number) => arguments.add(number),
            Argument::Float(number) => arguments.add(number),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok((sql(text), arguments))
}

/// `text` with `$n` numbered in the order in which they are met first, and the numbers that they had.
fn renumbered(text: Cow<'static, str>) -> (Cow<'static, str>, Vec<usize>) {
    let mut used: Vec<usize> = Vec::new();
    let mut renumbered = String::with_capacity(text.len());
    let mut is_changed = false;
    let mut pieces = text.split('$');
    renumbered.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let digits = piece.len() - piece.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = piece.split_at(digits);
        let Ok(number) = number.parse::<usize>() else {
            renumbered.push('$');
            renumbered.push_str(piece);
            continue;
        };
        let position = used.iter().position(|known| *known == number).unwrap_or_else(|| {
            used.push(number);
            used.len() - 1
        });
        is_changed |= position + 1 != number;
        let _ = write!(renumbered, "${}{rest}", position + 1);
    }
    (if is_changed { Cow::Owned(renumbered) } else { text }, used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_share_arguments_get_their_own() {
        for (text, expected, used) in [
            ("SELECT 1", "SELECT 1", vec![]),
            ("a = $1 AND b = $2 OR c = $1", "a = $1 AND b = $2 OR c = $1", vec![1, 2]),
            ("a = $12 AND b = $2 OR c = $12", "a = $1 AND b = $2 OR c = $1", vec![12, 2]),
            ("x($3, $1, $2)", "x($1, $2, $3)", vec![3, 1, 2]),
            ("'$' || $2", "'$' || $1", vec![2]),
        ] {
            let (text, numbers) = renumbered(text.into());
            assert_eq!((text.as_ref(), numbers), (expected, used));
        }
        let two = statement("DELETE FROM a WHERE b = $2;\n DELETE FROM c WHERE d = $1").bind("one").bind(2);
        let parts = two.for_postgres().unwrap();
        let texts: Vec<&str> = parts.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["DELETE FROM a WHERE b = $1", "DELETE FROM c WHERE d = $1"]);
        assert!(parts.iter().all(|(_, arguments)| arguments.len() == 1));
    }
}
