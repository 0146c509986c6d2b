//! YAML: lines under a section, as far as they can be distinguished.
//!
//! Proposals for `edit.rs`. No kept library edits YAML in place, so this does the least there is:
//! whole lines are put in or taken out where the parser says that a section begins and an entry ends. Sections in braces
//! and files of several documents are refused.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde_json::{Map, Value};

use super::splice::{Edited, Problem, Splice, end_of_line, line_end, part, shown, spliced};

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 128;

struct Node {
    start: usize,
    end: usize,
    body: Body,
}

enum Body {
    Leaf(Value),
    Map(Vec<(Node, Node)>),
    List(Vec<Node>),
}

impl Node {
    fn get(&self, name: &str) -> Option<&(Node, Node)> {
        let Body::Map(pairs) = &self.body else { return None };
        pairs.iter().find(|(key, _)| matches!(&key.body, Body::Leaf(Value::String(text)) if text == name))
    }

    /// The byte after the last character that belongs to this.
    fn last_byte(&self) -> usize {
        let inner = match &self.body {
            Body::Leaf(_) => None,
            Body::Map(pairs) => pairs.iter().map(|(key, value)| key.last_byte().max(value.last_byte())).max(),
            Body::List(elements) => elements.iter().map(Node::last_byte).max(),
        };
        inner.unwrap_or_default().max(self.end)
    }

    fn meaning(&self) -> Value {
        match &self.body {
            Body::Leaf(value) => value.clone(),
            Body::List(elements) => Value::Array(elements.iter().map(Node::meaning).collect()),
            Body::Map(pairs) => {
                let name = |key: &Node| match key.meaning() {
                    Value::String(text) => text,
                    other => format!("{other}\u{0}"),
                };
                Value::Object(pairs.iter().map(|(key, value)| (name(key), value.meaning())).collect())
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    events: Parser<'a, StrInput<'a>>,
    /// Where each character begins; the parser counts characters.
    characters: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Edited<(Event<'a>, Span)> {
        match self.events.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(broken(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn byte(&self, character: usize) -> usize {
        self.characters.get(character).copied().unwrap_or(self.text.len())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Edited<Node> {
        let start = self.byte(span.start.index());
        let mut end = self.byte(span.end.index());
        if depth == 0 {
            return Err(Problem::at(self.text, start, "nested too deeply"));
        }
        let body = match event {
            Event::Scalar(text, style, _, tag) => {
                end = start + part(self.text, start, end).trim_end().len();
                let value = plain(&text, style);
                Body::Leaf(match tag {
                    Some(tag) => Value::Object(Map::from_iter([(format!("tag {tag}"), value)])),
                    None => value,
                })
            }
            Event::Alias(anchor) => Body::Leaf(Value::Object(Map::from_iter([("alias".to_owned(), anchor.into())]))),
            Event::SequenceStart(..) => {
                let mut elements = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, span) => break end = self.closing(start, span),
                        (event, span) => elements.push(self.node(event, span, depth - 1)?),
                    }
                }
                Body::List(elements)
            }
            Event::MappingStart(..) => {
                let mut pairs: Vec<(Node, Node)> = Vec::new();
                let mut names = std::collections::HashSet::new();
                loop {
                    let (event, at) = match self.next()? {
                        (Event::MappingEnd, span) => break end = self.closing(start, span),
                        found => found,
                    };
                    let key = self.node(event, at, depth - 1)?;
                    if !names.insert(key.meaning().to_string()) {
                        return Err(Problem::at(self.text, key.start, "the same name stands there twice"));
                    }
                    let (event, span) = self.next()?;
                    pairs.push((key, self.node(event, span, depth - 1)?));
                }
                Body::Map(pairs)
            }
            _ => return Err(Problem::unclear("it is not one document")),
        };
        Ok(Node { start, end, body })
    }

    /// Brackets have an end of their own; indentation ends with its last member.
    fn closing(&self, start: usize, span: Span) -> usize {
        match part(self.text, start, self.text.len()).starts_with(['[', '{']) {
            true => self.byte(span.end.index()),
            false => start,
        }
    }
}

fn broken(error: &ScanError) -> Problem {
    let at = error.marker();
    Problem::Broken { line: at.line(), column: at.col() + 1, what: error.info().to_owned() }
}

/// What a word without quotes means, by the core schema as far as it matters for comparing.
fn plain(text: &str, style: ScalarStyle) -> Value {
    match (style, text) {
        (ScalarStyle::Plain, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
        (ScalarStyle::Plain, "true" | "True" | "TRUE") => Value::Bool(true),
        (ScalarStyle::Plain, "false" | "False" | "FALSE") => Value::Bool(false),
        (ScalarStyle::Plain, text) if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            serde_json::from_str::<serde_json::Number>(text).map_or_else(|_| Value::from(text), Value::Number)
        }
        (_, text) => Value::from(text),
    }
}

/// The one document; nothing when the text is empty.
fn parse(text: &str) -> Edited<Option<Node>> {
    let characters = text.char_indices().map(|(at, _)| at).collect();
    let mut reader = Reader { text, events: Parser::new_from_str(text), characters };
    let mut root = None;
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => break,
            (Event::Nothing | Event::StreamStart | Event::DocumentEnd, _) => {}
            (Event::DocumentStart(_), _) if root.is_some() => {
                return Err(Problem::unclear("it holds several documents"));
            }
            (Event::DocumentStart(_), _) => {
                let (event, span) = reader.next()?;
                root = Some(reader.node(event, span, DEPTH_MAX)?);
            }
            _ => return Err(Problem::unclear("it is not one document")),
        }
    }
    Ok(root.filter(|root| !matches!(root.body, Body::Leaf(Value::Null))))
}

/// What the text says.
pub fn read(text: &str) -> Edited<Value> {
    Ok(parse(text)?.map_or_else(|| Value::Object(Map::new()), |root| root.meaning()))
}

/// The text with `value` at `path`: as the first entry of its section, or as a new section at the end.
pub fn add(text: &str, path: &[&str], value: &Value) -> Edited<Vec<String>> {
    let root = parse(text)?;
    let mut section: Option<&(Node, Node)> = None;
    let mut rest = path;
    while let Some((step, deeper)) = rest.split_first()
        && !deeper.is_empty()
        && let Some(found) = section.map_or(root.as_ref(), |(_, value)| Some(value)).and_then(|node| node.get(step))
    {
        (section, rest) = (Some(found), deeper);
    }
    let Some((name, inner)) = rest.split_first() else { return Ok(Vec::new()) };
    let value = inner
        .iter()
        .rev()
        .fold(value.clone(), |inner, step| Value::Object(Map::from_iter([((*step).to_owned(), inner)])));
    let Some((key, held)) = section else {
        return Ok(vec![with_lines(text, text.len(), &lines(name, &value, "", "  "))]);
    };
    let outer = indent_at(text, key.start);
    let colon = colon_after(text, key.end);
    match &held.body {
        Body::Map(pairs) if !pairs.is_empty() => {
            let first = pairs.first().map_or(held.start, |(key, _)| key.start);
            let indent = indent_at(text, first);
            let unit = indent.strip_prefix(&outer).filter(|unit| !unit.is_empty()).unwrap_or("  ").to_owned();
            Ok(vec![with_lines(text, end_of_line(text, colon), &lines(name, &value, &indent, &unit))])
        }
        Body::Map(_) | Body::Leaf(Value::Null) => {
            let after = held.end.max(colon);
            let bare = if matches!(held.body, Body::Map(_)) {
                spliced(text, &[Splice::cut(colon, after)])
            } else {
                text.to_owned()
            };
            let indent = format!("{outer}  ");
            Ok(vec![with_lines(&bare, end_of_line(&bare, colon), &lines(name, &value, &indent, "  "))])
        }
        _ => Err(Problem::unclear(format!("`{}` does not hold named entries", shown(path)))),
    }
}

/// The text with `value` at `path`, where another value is.
pub fn set(text: &str, path: &[&str], value: &Value) -> Edited<Vec<String>> {
    let root = parse(text)?;
    let found = path.iter().try_fold(root.as_ref(), |node, step| Some(node?.get(step).map(|(_, value)| value)));
    match found.flatten() {
        Some(node) if node.end > node.start => {
            Ok(vec![spliced(text, &[Splice { start: node.start, end: node.end, text: inline(value) }])])
        }
        _ => add(text, path, value),
    }
}

/// The texts without the lines of what stands at `path`.
pub fn remove(text: &str, path: &[&str]) -> Edited<Vec<String>> {
    let root = parse(text)?;
    let Some((name, sections)) = path.split_last() else { return Ok(Vec::new()) };
    let mut section: Option<&(Node, Node)> = None;
    for step in sections {
        section = section.map_or(root.as_ref(), |(_, value)| Some(value)).and_then(|node| node.get(step));
    }
    let holder = section.map_or(root.as_ref(), |(_, value)| Some(value));
    let Some((key, value)) = holder.and_then(|node| node.get(name)) else { return Ok(Vec::new()) };
    if part(text, 0, key.start).rsplit('\n').next().is_some_and(|before| !before.trim().is_empty()) {
        return Err(Problem::unclear(format!("`{}` does not stand on lines of its own", shown(path))));
    }
    let start = part(text, 0, key.start).rfind('\n').map_or(0, |at| at + 1);
    let end = end_of_line(text, key.last_byte().max(value.last_byte()));
    let start = match part(text, start, end) {
        // The last line has no end, so the one before it must not have one either.
        lines if !lines.ends_with('\n') => part(text, 0, start).trim_end_matches(['\n', '\r']).len(),
        _ => start,
    };
    let alone = holder.is_some_and(|node| matches!(&node.body, Body::Map(pairs) if pairs.len() == 1));
    let mut ways = Vec::new();
    if alone && let Some((section, _)) = section {
        let colon = colon_after(text, section.end);
        ways.push(spliced(text, &[Splice::insert(colon, " {}"), Splice::cut(start, end)]));
    }
    ways.push(spliced(text, &[Splice::cut(start, end)]));
    if alone && !sections.is_empty() {
        ways.extend(remove(text, sections)?);
    }
    Ok(ways)
}

/// A file that says `value` at `path` and nothing else.
pub fn alone(path: &[&str], value: &Value) -> String {
    let Some((name, inner)) = path.split_first() else { return String::new() };
    let value = inner
        .iter()
        .rev()
        .fold(value.clone(), |inner, step| Value::Object(Map::from_iter([((*step).to_owned(), inner)])));
    lines(name, &value, "", "  ").iter().map(|line| format!("{line}\n")).collect()
}

fn with_lines(text: &str, at: usize, lines: &[String]) -> String {
    let end = line_end(text);
    let new = lines.join(end);
    let new = match part(text, 0, at) {
        "" => format!("{new}{end}"),
        before if before.ends_with('\n') => format!("{new}{end}"),
        _ => format!("{end}{new}"),
    };
    spliced(text, &[Splice::insert(at, new)])
}

fn lines(name: &str, value: &Value, indent: &str, unit: &str) -> Vec<String> {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let inner = format!("{indent}{unit}");
            let below = fields.iter().flat_map(|(name, field)| lines(name, field, &inner, unit));
            std::iter::once(format!("{indent}{}:", word(name))).chain(below).collect()
        }
        value => vec![format!("{indent}{}: {}", word(name), inline(value))],
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => word(text),
        Value::Array(elements) => format!("[{}]", elements.iter().map(inline).collect::<Vec<_>>().join(", ")),
        value => value.to_string(),
    }
}

/// Without quotes where nothing could be misread; JSON's strings are YAML's, too.
fn word(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '-' | ' '));
    let is_taken = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&&*text.to_lowercase());
    if is_plain && !is_taken { text.to_owned() } else { Value::from(text).to_string() }
}

fn indent_at(text: &str, at: usize) -> String {
    let line = part(text, 0, at).rsplit('\n').next().unwrap_or_default();
    line.chars().take_while(|c| *c == ' ').collect()
}

/// The byte after the colon that follows a name.
fn colon_after(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find(':')).map_or(at, |found| at + found + 1)
}
