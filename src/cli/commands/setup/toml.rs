//! TOML: a table at the end of the file, and a line in it. Proposals for `edit.rs`, made from the positions that the parser
//! reports.
//!
//! The library's own editing keeps comments and order, but writes line endings and the mark in front of the text anew: of
//! the texts in `edit.rs` that have to come back byte by byte, 8 of 12 did.

use serde_json::{Map, Value};
use toml_edit::{Document, Item, Table, Value as Written};

use super::splice::{Edited, Problem, Splice, end_of_line, line_end, part, shown, spliced};

fn parse(text: &str) -> Edited<Document<&str>> {
    Document::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Problem::at(text, at, error.message().lines().collect::<Vec<_>>().join(", "))
    })
}

/// What the text says.
pub fn read(text: &str) -> Edited<Value> {
    Ok(of_item(parse(text)?.as_item()))
}

fn of_item(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => of_value(value),
        Item::Table(table) => of_table(table),
        Item::ArrayOfTables(tables) => Value::Array(tables.iter().map(of_table).collect()),
    }
}

fn of_table(table: &Table) -> Value {
    Value::Object(table.iter().map(|(name, item)| (name.to_owned(), of_item(item))).collect())
}

fn of_value(value: &Written) -> Value {
    match value {
        Written::String(text) => Value::from(text.value().as_str()),
        Written::Integer(number) => Value::from(*number.value()),
        Written::Boolean(truth) => Value::from(*truth.value()),
        // Only compared with themselves, and an object is no value that a float or a date could be mistaken for.
        Written::Float(number) => {
            Value::Object(Map::from_iter([("float".to_owned(), number.value().to_string().into())]))
        }
        Written::Datetime(time) => {
            Value::Object(Map::from_iter([("time".to_owned(), time.value().to_string().into())]))
        }
        Written::Array(elements) => Value::Array(elements.iter().map(of_value).collect()),
        Written::InlineTable(table) => {
            Value::Object(table.iter().map(|(name, value)| (name.to_owned(), of_value(value))).collect())
        }
    }
}

/// The text with a table of its own for `value` at the end.
pub fn add(text: &str, path: &[&str], value: &Value) -> Edited<Vec<String>> {
    let end = line_end(text);
    let gap = match text {
        text if text.trim().is_empty() || text.ends_with(&end.repeat(2)) => String::new(),
        text if text.ends_with('\n') => end.to_owned(),
        _ => end.repeat(2),
    };
    Ok(vec![format!("{text}{gap}{}", alone(path, value).replace('\n', end))])
}

/// The text with `value` at `path`, where another value is, or as a new line of its table.
pub fn set(text: &str, path: &[&str], value: &Value) -> Edited<Vec<String>> {
    let document = parse(text)?;
    let (mut item, mut rest) = (document.as_item(), path);
    while let Some((step, deeper)) = rest.split_first()
        && let Some(found) = item.get(*step)
    {
        (item, rest) = (found, deeper);
    }
    if rest.is_empty() {
        let Some(span) = item.span() else { return Ok(Vec::new()) };
        return Ok(vec![spliced(text, &[Splice { start: span.start, end: span.end, text: inline(value) }])]);
    }
    let (Some(table), Some((name, deeper))) = (item.as_table(), rest.split_first()) else {
        return Err(Problem::unclear(format!("`{}` is not a table of its own", shown(path))));
    };
    let new = deeper.iter().rev().fold(inline(value), |inner, step| format!("{{ {} = {inner} }}", key(step)));
    let header = table.span().map(|span| span.start).unwrap_or_default();
    let own = table.iter().filter_map(|(_, item)| item.as_value()?.span()).map(|span| span.end);
    let at = end_of_line(text, own.max().unwrap_or(header));
    let gap = if part(text, 0, at).ends_with('\n') { "" } else { line_end(text) };
    Ok(vec![spliced(text, &[Splice::insert(at, format!("{gap}{} = {new}{}", key(name), line_end(text)))])])
}

/// The texts without the table or the line at `path`.
pub fn remove(text: &str, path: &[&str]) -> Edited<Vec<String>> {
    let document = parse(text)?;
    let Some((name, sections)) = path.split_last() else { return Ok(Vec::new()) };
    let section = sections.iter().try_fold(document.as_item(), |item, step| item.get(*step));
    let Some((name, item)) = section.and_then(Item::as_table).and_then(|section| section.get_key_value(name)) else {
        return Err(Problem::unclear(format!("`{}` is not a table of its own", shown(path))));
    };
    let start = match item {
        Item::Table(table) => table.span(),
        _ => name.span(),
    };
    let (Some(start), Some(last)) = (start, last_byte(item)) else {
        return Err(Problem::unclear(format!("`{}` is not a table of its own", shown(path))));
    };
    let start = part(text, 0, start.start).rfind('\n').map_or(0, |at| at + 1);
    let left = spliced(text, &[Splice::cut(start, end_of_line(text, last))]);
    let (before, after) = (part(&left, 0, start), left.get(start..).unwrap_or_default());
    let mut ways = vec![left.clone()];
    let mut shorter = before;
    for _ in 0..2 {
        let Some(line) = shorter.strip_suffix('\n') else { break };
        shorter = line.strip_suffix('\r').unwrap_or(line);
        ways.push(format!("{shorter}{after}"));
    }
    // The empty line above goes with the table when something else stood there before.
    if ways.len() == 3 && after.is_empty() {
        ways.swap(0, 1);
    }
    Ok(ways)
}

/// A file that says `value` at `path` and nothing else.
pub fn alone(path: &[&str], value: &Value) -> String {
    let header = path.iter().map(|step| key(step)).collect::<Vec<_>>().join(".");
    let mut out = format!("[{header}]\n");
    for (name, field) in value.as_object().into_iter().flatten() {
        out += &format!("{} = {}\n", key(name), inline(field));
    }
    out
}

/// The byte after the last value that belongs to this.
fn last_byte(item: &Item) -> Option<usize> {
    let own = item.as_value().and_then(Written::span).or_else(|| item.as_table().and_then(Table::span));
    let inner = item.as_table().into_iter().flat_map(Table::iter).filter_map(|(_, item)| last_byte(item));
    inner.chain(own.map(|span| span.end)).max()
}

fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if is_bare { name.to_owned() } else { Value::from(name).to_string() }
}

/// JSON's strings are TOML's, too.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, field)| format!("{} = {}", key(name), inline(field))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(elements) => format!("[{}]", elements.iter().map(inline).collect::<Vec<_>>().join(", ")),
        value => value.to_string(),
    }
}
