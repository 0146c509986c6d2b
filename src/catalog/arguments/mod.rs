//! From what a caller wrote to what goes out: names, types, sources and secrets, checked in one place.
//!
//! Assistants send numbers and objects as strings, scripts send everything as strings, and both misspell. What can only
//! mean one thing is accepted; what cannot is refused with the nearest name. Neither the disk nor the network is used:
//! local paths come out as sources, which the caller uploads.

mod coerce;
mod public;
mod sources;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

pub use self::coerce::coerce;
pub use self::sources::{Sources, documents, split};
use super::names::{nearest, same_name};
use super::{Operation, Param, ParamKind};
use crate::error::{Error, Reason, Result};
use crate::hint;
use crate::next_step::{Hint, NextStep};
use crate::text::shorten;

/// Arguments that old clients send and that mean nothing any more.
const IGNORED: &[&str] = &["async", "encrypt"];
/// Most documents of one call.
const SOURCES_MAX: usize = 1_000;
/// Longest link or path, in bytes.
const SOURCE_BYTES_MAX: usize = 8 * 1024;
/// Names that an unknown argument is compared with, at most so many in the error.
const SUGGESTED_MAX: usize = 2;

/// Arguments, understood.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// Values under their wire names, without the sources.
    pub body: Map<String, Value>,
    /// The documents named, in order, with the wire name under which they go out.
    pub sources: Option<Sources>,
    /// Values that must not be kept or quoted.
    pub secrets: Vec<String>,
}

impl Arguments {
    /// What may be kept of a call: no passwords, no signatures, no long texts.
    pub fn public(&self) -> Value {
        public::public(self)
    }

    /// Everything that makes this call what it is, for comparing it with another. Never stored.
    pub fn identity(&self) -> Value {
        json!([self.sources.as_ref().map(|sources| &sources.items), self.body])
    }
}

/// The arguments of an operation, with the defaults that have to be sent.
///
/// # Errors
/// `invalid_argument` that names the argument and what it takes; with [`Reason::UnknownArgument`] where the operation
/// has no such argument.
pub fn read(operation: &'static Operation, given: Map<String, Value>) -> Result<Arguments> {
    let mut arguments = read_params(operation.name, operation.params(), given)?;
    for param in operation.params().filter(|param| param.sends_default) {
        if let Some(default) = param.default
            && !arguments.body.contains_key(param.wire)
            && let Ok(value) = coerce(&param.kind, &json!(default))
        {
            arguments.body.insert(param.wire.to_owned(), value);
        }
    }
    Ok(arguments)
}

/// The arguments of anything that is declared with [`Param`]s.
///
/// # Errors
/// As [`read`].
pub fn read_params(
    of: &str,
    params: impl Iterator<Item = &'static Param> + Clone,
    given: Map<String, Value>,
) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    let mut seen: Vec<&'static str> = Vec::new();
    for (name, value) in given {
        let Some(param) = params.clone().find(|param| param.answers_to(&name)) else {
            if IGNORED.iter().any(|ignored| same_name(ignored, &name)) {
                continue;
            }
            return Err(unknown(of, &name, params));
        };
        if is_left_out(param, &value) {
            continue;
        }
        if seen.contains(&param.wire) {
            return Err(Error::invalid(
                format!("`{}` of {of} is given twice.", param.name),
                "Give it once, under one spelling.",
            ));
        }
        seen.push(param.wire);
        take(of, param, value, &mut arguments)?;
    }
    let missing = params.clone().find(|param| param.required && !param.sends_default && !seen.contains(&param.wire));
    match missing {
        Some(missing) => Err(Error::invalid(format!("`{}` of {of} is missing.", missing.name), missing.description)),
        None => Ok(arguments),
    }
}

fn is_left_out(param: &Param, value: &Value) -> bool {
    match value {
        Value::Null => true,
        // The official server's defaults are empty strings.
        Value::String(text) => text.is_empty() && (!param.required || param.sends_default),
        Value::Array(list) => list.is_empty() && !param.required,
        _ => false,
    }
}

/// Arguments that another operation takes: the operation that does not, the argument, and when to use which other.
const TAKEN_ELSEWHERE: &[(&str, &str, &str, &str)] =
    &[("html_to_pdf", "url", "For a page behind a link use ", "webpage_to_pdf")];

fn unknown(of: &str, name: &str, params: impl Iterator<Item = &'static Param> + Clone) -> Error {
    let near = nearest(name, params.clone().map(|param| param.name), SUGGESTED_MAX);
    let near: Vec<Hint> =
        near.into_iter().map(|name| Hint::from(NextStep::Argument(std::borrow::Cow::Borrowed(name)))).collect();
    let elsewhere = TAKEN_ELSEWHERE.iter().find(|(operation, argument, ..)| *operation == of && *argument == name);
    let hint = match near.as_slice() {
        _ if let Some((_, _, when, instead)) = elsewhere => hint![*when, NextStep::Operation((*instead).into()), "."],
        [] => match params.map(|param| param.name).collect::<Vec<_>>() {
            names if names.is_empty() => "It takes none.".into(),
            names => format!("It takes: {}.", names.join(", ")).into(),
        },
        [one] => hint!["Did you mean ", one.clone(), "?"],
        [one, other, ..] => hint!["Did you mean ", one.clone(), " or ", other.clone(), "?"],
    };
    let message = format!("{of} has no argument `{}`.", shorten(name, 60));
    Error::invalid(message, hint).with_reason(Reason::UnknownArgument)
}

fn take(of: &str, param: &'static Param, value: Value, arguments: &mut Arguments) -> Result<()> {
    if matches!(param.kind, ParamKind::Source | ParamKind::Sources) {
        arguments.sources = Some(take_sources(of, param, &value)?);
        return Ok(());
    }
    let typed = coerce(&param.kind, &value).map_err(|takes| refused(of, param, &value, &takes))?;
    if param.secret
        && let Some(secret) = typed.as_str()
    {
        arguments.secrets.push(secret.to_owned());
    }
    arguments.body.insert(param.wire.to_owned(), typed);
    Ok(())
}

fn take_sources(of: &str, param: &'static Param, value: &Value) -> Result<Sources> {
    let takes_many = param.kind == ParamKind::Sources;
    let items = documents(value, takes_many).ok_or_else(|| refused(of, param, value, "a link or a path"))?;
    if items.len() > SOURCES_MAX || items.iter().any(|item| item.len() > SOURCE_BYTES_MAX) {
        return Err(Error::invalid(
            format!("`{}` of {of} is more than a call takes.", param.name),
            format!("It takes at most {SOURCES_MAX} documents, each named in at most {SOURCE_BYTES_MAX} bytes."),
        ));
    }
    // A text that reads as several documents is several even here: no such name is worth paying for.
    let several: Vec<&str> = match (takes_many, items.as_slice(), value) {
        (false, [one], Value::String(text)) if text.trim() == one.trim() => split(one),
        _ => items.iter().map(String::as_str).collect(),
    };
    if !takes_many && several.len() > 1 {
        return Err(Error::invalid(
            format!("`{}` of {of} is one document, and these are {} documents.", param.name, several.len()),
            hint![
                "Give them as a list for one job each: ",
                NextStep::Argument(std::borrow::Cow::Borrowed(param.name)),
                format!(" {}. A name that has a comma in it is a list of one.", sources::as_list(&several)),
            ],
        ));
    }
    Ok(Sources { wire: param.wire, items, takes_many })
}

/// The error for a value that cannot be meant. What holds other values may hold a password among them, and is not shown.
fn refused(of: &str, param: &Param, value: &Value, takes: &str) -> Error {
    let is_plain = matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
        && !matches!(param.kind, ParamKind::Object(_) | ParamKind::Objects(_) | ParamKind::JsonText);
    let shown = if param.secret || !is_plain { "what was given".to_owned() } else { shorten(&value.to_string(), 60) };
    Error::invalid(
        format!("`{}` of {of} cannot be {shown}.", param.name),
        format!("It takes {takes}. {}", param.description),
    )
}
