//! JSON with comments: proposals for `edit.rs`, made from the positions that the parser reports.
//!
//! The library's own editing keeps comments and order, but rewrites the white space around what it adds and removes: of
//! the texts in `edit.rs` that have to come back byte by byte, 11 of 28 did.

use jsonc_parser::ast::{Object, Value as Node};
use jsonc_parser::common::Ranged;
use jsonc_parser::tokens::{Token, TokenAndRange};
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, ParseResult, parse_to_ast};
use serde_json::{Map, Value};

use super::splice::{Edited, Problem, Splice, line_end, part, shown, spliced};

/// JSON as editors write it: comments and trailing commas, and no other freedom.
const JSONC: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

fn parse(text: &str) -> Edited<ParseResult<'_>> {
    let collect = CollectOptions { comments: CommentCollectionStrategy::Off, tokens: true };
    parse_to_ast(text, &collect, &JSONC).map_err(|error| Problem::Broken {
        line: error.line_display(),
        column: error.column_display(),
        what: error.kind().to_string(),
    })
}

/// What the text says.
pub fn read(text: &str) -> Edited<Value> {
    Ok(parse(text)?.value.map_or_else(|| Value::Object(Map::new()), |node| meaning(&node)))
}

/// Numbers are compared as they are written: two that look alike are, and no digit is lost on the way.
fn meaning(node: &Node<'_>) -> Value {
    match node {
        Node::StringLit(text) => Value::String(text.value.clone().into_owned()),
        Node::NumberLit(number) => {
            serde_json::from_str(number.value).unwrap_or_else(|_| Value::String(number.value.to_owned()))
        }
        Node::BooleanLit(truth) => Value::Bool(truth.value),
        Node::Object(object) => {
            let field = |property: &jsonc_parser::ast::ObjectProp<'_>| {
                (property.name.as_str().to_owned(), meaning(&property.value))
            };
            Value::Object(object.properties.iter().map(field).collect())
        }
        Node::Array(array) => Value::Array(array.elements.iter().map(meaning).collect()),
        Node::NullKeyword(_) => Value::Null,
    }
}

/// The text with `value` at `path`.
pub fn add(text: &str, path: &[&str], value: &Value) -> Edited<Vec<String>> {
    let parsed = parse(text)?;
    let tokens = parsed.tokens.unwrap_or_default();
    let Some(root) = parsed.value else {
        let alone = alone(path, value).replace('\n', line_end(text));
        let gap = if text.trim().is_empty() || text.ends_with('\n') { "" } else { line_end(text) };
        let alone = if text.contains('\n') && text.trim().is_empty() { alone.trim_end() } else { &alone };
        return Ok(vec![if text.trim().is_empty() { format!("{alone}{text}") } else { format!("{text}{gap}{alone}") }]);
    };
    let (mut object, mut rest) = (as_object(&root, &[])?, path);
    while let Some((step, deeper)) = rest.split_first()
        && let Some(found) = only(object, step)?
        && !deeper.is_empty()
    {
        (object, rest) = (as_object(&found.value, path)?, deeper);
    }
    let Some((name, inner)) = rest.split_first() else { return Err(Problem::unclear("there is nothing to add")) };
    Ok(vec![spliced(text, &insertion(text, object, &tokens, name, &nested(inner, value)))])
}

/// The text with `value` at `path`, where another value is.
pub fn set(text: &str, path: &[&str], value: &Value) -> Edited<Vec<String>> {
    let parsed = parse(text)?;
    let mut node = parsed.value.as_ref();
    for step in path {
        node = match node {
            Some(Node::Array(array)) => step.parse::<usize>().ok().and_then(|index| array.elements.get(index)),
            Some(Node::Object(object)) => only(object, step)?.map(|property| &property.value),
            _ => None,
        };
    }
    match node {
        Some(node) => {
            let (start, end) = (node.range().start, node.range().end);
            Ok(vec![spliced(text, &[Splice { start, end, text: value.to_string() }])])
        }
        None => add(text, path, value),
    }
}

/// The texts without what stands at `path`.
pub fn remove(text: &str, path: &[&str]) -> Edited<Vec<String>> {
    let parsed = parse(text)?;
    let tokens = parsed.tokens.unwrap_or_default();
    let Some(root) = parsed.value else { return Ok(Vec::new()) };
    let Some((name, sections)) = path.split_last() else { return Ok(Vec::new()) };
    let mut object = as_object(&root, &[])?;
    for step in sections {
        let Some(found) = only(object, step)? else { return Ok(Vec::new()) };
        object = as_object(&found.value, path)?;
    }
    let Some(index) = object.properties.iter().position(|property| property.name.as_str() == *name) else {
        return Ok(Vec::new());
    };
    only(object, name)?;
    let mut left: Vec<String> =
        cuts(text, object, &tokens, index).iter().map(|splices| spliced(text, splices)).collect();
    if object.properties.len() == 1 && !has_comments(text, object) {
        if sections.is_empty() {
            let outside = spliced(text, &[Splice::cut(object.range.start, object.range.end)]);
            left.push(outside.strip_suffix(line_end(text)).unwrap_or(&outside).to_owned());
            left.push(outside);
        } else {
            left.extend(remove(text, sections)?);
        }
    }
    Ok(left)
}

/// The text with `element` at the end of the array at `path`; `None` where there is no such array.
pub fn add_element(text: &str, path: &[&str], element: &Value) -> Edited<Option<String>> {
    let parsed = parse(text)?;
    let tokens = parsed.tokens.unwrap_or_default();
    let list =
        parsed.value.as_ref().and_then(Node::as_object).map(|root| only(root, &shown(path))).transpose()?.flatten();
    let Some(list) = list else { return Ok(None) };
    let Node::Array(array) = &list.value else {
        return Err(Problem::unclear(format!("`{}` is not a list", shown(path))));
    };
    let elements: Vec<(usize, usize)> =
        array.elements.iter().map(|element| (element.range().start, element.range().end)).collect();
    let container = Container { start: array.range.start, end: array.range.end, members: &elements };
    let splices = container.insertion(text, &tokens, |style, indent| written(element, style, indent));
    proven(text, spliced(text, &splices), path, |elements| elements.push(element.clone())).map(Some)
}

/// The texts without the element number `index` of the array at `path`, and whether it was the only one.
pub fn remove_element(text: &str, path: &[&str], index: usize) -> Edited<(Vec<String>, bool)> {
    let parsed = parse(text)?;
    let tokens = parsed.tokens.unwrap_or_default();
    let list =
        parsed.value.as_ref().and_then(Node::as_object).map(|root| only(root, &shown(path))).transpose()?.flatten();
    let Some(Node::Array(array)) = list.map(|list| &list.value) else { return Ok((Vec::new(), false)) };
    let elements: Vec<(usize, usize)> =
        array.elements.iter().map(|element| (element.range().start, element.range().end)).collect();
    let container = Container { start: array.range.start, end: array.range.end, members: &elements };
    let mut left: Vec<String> = Vec::new();
    for splices in container.cuts(text, &tokens, index) {
        let take = |elements: &mut Vec<Value>| {
            if index < elements.len() {
                elements.remove(index);
            }
        };
        left.extend(proven(text, spliced(text, &splices), path, take));
    }
    Ok((left, elements.len() == 1))
}

/// `after`, if it is `before` with the array at `path` changed in this way.
fn proven(before: &str, after: String, path: &[&str], change: impl Fn(&mut Vec<Value>)) -> Edited<String> {
    let mut expected = read(before)?;
    let list = path.iter().try_fold(&mut expected, |value, step| value.get_mut(*step));
    if let Some(Value::Array(elements)) = list {
        change(elements);
    }
    if read(&after).is_ok_and(|after| after == expected) {
        return Ok(after);
    }
    Err(Problem::unclear(format!("`{}` is written in a way that is not edited here", shown(path))))
}

/// A file that says `value` at `path` and nothing else.
pub fn alone(path: &[&str], value: &Value) -> String {
    format!("{}\n", written(&nested(path, value), &Style::Lines { unit: "  ".to_owned(), end: "\n" }, ""))
}

fn nested(path: &[&str], value: &Value) -> Value {
    path.iter().rev().fold(value.clone(), |inner, step| Value::Object(Map::from_iter([((*step).to_owned(), inner)])))
}

fn as_object<'a, 'b>(node: &'b Node<'a>, path: &[&str]) -> Edited<&'b Object<'a>> {
    node.as_object().ok_or_else(|| {
        Problem::unclear(match path.split_last() {
            Some((_, sections)) if !sections.is_empty() => format!("`{}` is not an object", shown(sections)),
            _ => "it is not an object".to_owned(),
        })
    })
}

/// The property of this name; two of them are a riddle, because readers disagree about which one counts.
fn only<'a, 'b>(object: &'b Object<'a>, name: &str) -> Edited<Option<&'b jsonc_parser::ast::ObjectProp<'a>>> {
    let mut found = object.properties.iter().filter(|property| property.name.as_str() == name);
    let first = found.next();
    match found.next() {
        Some(_) => Err(Problem::unclear(format!("`{name}` stands there twice"))),
        None => Ok(first),
    }
}

fn members(object: &Object<'_>) -> Vec<(usize, usize)> {
    object.properties.iter().map(|property| (property.range.start, property.range.end)).collect()
}

fn insertion(text: &str, object: &Object<'_>, tokens: &[TokenAndRange<'_>], name: &str, value: &Value) -> Vec<Splice> {
    let members = members(object);
    let container = Container { start: object.range.start, end: object.range.end, members: &members };
    let name = Value::from(name);
    container.insertion(text, tokens, |style, indent| match style {
        Style::Tight => format!("{name}:{}", written(value, style, indent)),
        _ => format!("{name}: {}", written(value, style, indent)),
    })
}

fn cuts(text: &str, object: &Object<'_>, tokens: &[TokenAndRange<'_>], index: usize) -> Vec<Vec<Splice>> {
    let members = members(object);
    Container { start: object.range.start, end: object.range.end, members: &members }.cuts(text, tokens, index)
}

/// Whether comments stand between the braces, outside of the members.
fn has_comments(text: &str, object: &Object<'_>) -> bool {
    let mut from = object.range.start + 1;
    let mut bare = String::new();
    for (start, end) in members(object) {
        bare.push_str(part(text, from, start));
        from = end;
    }
    bare.push_str(part(text, from, object.range.end.saturating_sub(1)));
    bare.chars().any(|c| !c.is_whitespace() && c != ',')
}

/// A pair of brackets with its members.
struct Container<'a> {
    start: usize,
    end: usize,
    members: &'a [(usize, usize)],
}

impl Container<'_> {
    /// Puts a member at the end, in the manner of those before it.
    fn insertion(
        &self,
        text: &str,
        tokens: &[TokenAndRange<'_>],
        member: impl Fn(&Style, &str) -> String,
    ) -> Vec<Splice> {
        let end_of_line = line_end(text);
        let lines = |unit: String| Style::Lines { unit, end: end_of_line };
        let closing = self.end.saturating_sub(1);
        let Some((last_start, last_end)) = self.members.last().copied() else {
            let inside = part(text, self.start + 1, closing);
            let outer = indent_at(text, self.start);
            if !text.trim().contains('\n') && text.trim().len() > 2 {
                let style = if text.contains(": ") { Style::Line } else { Style::Tight };
                let at = self.start + 1 + inside.trim_end().len();
                let gap = if inside.trim().is_empty() { "" } else { " " };
                return vec![Splice::insert(at, format!("{gap}{}", member(&style, "")))];
            }
            let indent = format!("{outer}{}", unit_of(text));
            let new = format!("{end_of_line}{indent}{}", member(&lines(unit_of(text)), &indent));
            let at = self.start + 1 + inside.trim_end().len();
            return match part(text, at, closing) {
                rest if rest.contains('\n') => vec![Splice::insert(at, new)],
                "" | " " => vec![Splice { start: at, end: closing, text: format!("{new}{end_of_line}{outer}") }],
                _ => vec![Splice::insert(at, format!("{new}{end_of_line}{outer}"))],
            };
        };
        let before_last = match self.members.len().checked_sub(2).and_then(|index| self.members.get(index)) {
            Some((_, end)) => *end,
            None => self.start + 1,
        };
        let comma = comma_between(tokens, last_end, self.end);
        let is_in_lines = part(text, before_last, last_start).contains('\n');
        let after = comma.unwrap_or(last_end);
        let rest = rest_of_line(text, after, closing);
        if is_in_lines || rest.needs_a_new_line {
            let indent = indent_at(text, last_start);
            let tail = if comma.is_some() { "," } else { "" };
            let style = lines(unit_of(text));
            let new = format!("{end_of_line}{indent}{}{tail}", member(&style, &indent));
            let at = if part(text, rest.end, closing).trim_start_matches([' ', '\t']).starts_with(['\n', '\r'])
                || rest.needs_a_new_line
            {
                rest.end
            } else {
                after
            };
            let mut splices = Vec::new();
            if comma.is_none() {
                splices.push(Splice::insert(last_end, ","));
            }
            splices.push(Splice::insert(at, new));
            return splices;
        }
        let style = if text.trim().contains('\n') || text.contains(": ") || text.contains(", ") {
            Style::Line
        } else {
            Style::Tight
        };
        let gap = if style == Style::Tight { "" } else { " " };
        let new = member(&style, "");
        match comma {
            Some(after) => vec![Splice::insert(after, format!("{gap}{new},"))],
            None => vec![Splice::insert(last_end, format!(",{gap}{new}"))],
        }
    }

    /// The ways to take a member out with its comma, and the white space that came with it.
    fn cuts(&self, text: &str, tokens: &[TokenAndRange<'_>], index: usize) -> Vec<Vec<Splice>> {
        let Some((start, end)) = self.members.get(index).copied() else { return Vec::new() };
        let next = self.members.get(index + 1).map_or(self.end, |(start, _)| *start);
        let behind = comma_between(tokens, end, next);
        let space = part(text, 0, start).trim_end().len();
        let after = behind.unwrap_or(end);
        let mut ways = Vec::new();
        if self.members.len() == 1 {
            let closing = self.end.saturating_sub(1);
            let inside = part(text, after, closing);
            let blank = after + (inside.len() - inside.trim_start().len());
            ways.push(vec![Splice::cut(space, blank)]);
            ways.push(vec![Splice::cut(space, after)]);
            let own_line = format!("{}{}", line_end(text), indent_at(text, self.start));
            if inside.starts_with(&own_line) {
                ways.push(vec![Splice::cut(space, after + own_line.len())]);
            }
            if blank == closing {
                ways.push(vec![Splice { start: space, end: blank, text: " ".to_owned() }]);
            }
        } else if behind.is_none() {
            let before = self.members.get(index.wrapping_sub(1)).map_or(self.start, |(_, end)| *end);
            let comma = comma_between(tokens, before, start).unwrap_or(start);
            ways.push(vec![Splice::cut(comma.saturating_sub(1), comma), Splice::cut(space.max(comma), end)]);
        } else {
            ways.push(vec![Splice::cut(space, after)]);
        }
        ways.push(vec![Splice::cut(start, after)]);
        ways
    }
}

/// The byte after the comma between two places.
fn comma_between(tokens: &[TokenAndRange<'_>], from: usize, to: usize) -> Option<usize> {
    let first = tokens.partition_point(|token| token.range.start < from);
    let token = tokens.get(first)?;
    (matches!(token.token, Token::Comma) && token.range.end <= to).then_some(token.range.end)
}

struct Rest {
    /// The byte after the last comment of the line.
    end: usize,
    /// A comment lasts to the end of the line, so nothing can follow on it.
    needs_a_new_line: bool,
}

/// The comments that follow on the same line.
fn rest_of_line(text: &str, from: usize, to: usize) -> Rest {
    let mut end = from;
    loop {
        let rest = part(text, end, to);
        let trimmed = rest.trim_start_matches([' ', '\t']);
        let at = end + (rest.len() - trimmed.len());
        if let Some(comment) = trimmed.strip_prefix("//") {
            let line = comment.split('\n').next().unwrap_or(comment);
            return Rest { end: at + 2 + line.trim_end_matches('\r').len(), needs_a_new_line: true };
        }
        match trimmed.strip_prefix("/*").and_then(|comment| comment.split_once("*/")) {
            Some((comment, _)) if !comment.contains('\n') => end = at + comment.len() + 4,
            _ => return Rest { end, needs_a_new_line: false },
        }
    }
}

/// The white space that the line of this byte begins with.
fn indent_at(text: &str, at: usize) -> String {
    let line = part(text, 0, at).rsplit('\n').next().unwrap_or_default();
    line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
}

/// What one step of indentation is: that of the first indented line.
fn unit_of(text: &str) -> String {
    let indent = |line: &str| line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect::<String>();
    let begins = |line: &&str| line.trim_start().starts_with(['"', '{', '[', '/']) && line.starts_with([' ', '\t']);
    text.lines().find(begins).map(indent).filter(|unit| unit.len() <= 8).unwrap_or_else(|| "  ".to_owned())
}

#[derive(PartialEq)]
enum Style {
    /// A member on each line.
    Lines { unit: String, end: &'static str },
    /// Everything on one line, with spaces.
    Line,
    /// Everything on one line, without.
    Tight,
}

fn written(value: &Value, style: &Style, indent: &str) -> String {
    let Style::Lines { unit, end } = style else {
        return match style {
            Style::Tight => value.to_string(),
            _ => on_one_line(value),
        };
    };
    let inner = format!("{indent}{unit}");
    let members: Vec<String> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| format!("{inner}{}: {}", Value::from(name.as_str()), written(field, style, &inner)))
            .collect(),
        Value::Array(elements) if elements.iter().any(|element| element.is_object() || element.is_array()) => {
            elements.iter().map(|element| format!("{inner}{}", written(element, style, &inner))).collect()
        }
        _ => return on_one_line(value),
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    if members.is_empty() {
        return format!("{open}{close}");
    }
    format!("{open}{end}{}{end}{indent}{close}", members.join(&format!(",{end}")))
}

fn on_one_line(value: &Value) -> String {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, field)| format!("{}: {}", Value::from(name.as_str()), on_one_line(field)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(on_one_line).collect();
            format!("[{}]", elements.join(", "))
        }
        value => value.to_string(),
    }
}
