//! One entry in a file that belongs to another program: added, changed or taken out, with every other byte left as it is.
//!
//! Each edit is proven: the file is parsed before and after, and the difference must be the entry alone. The editors of
//! the formats only propose texts; a proposal that fails the proof is dropped, and if none is left, the file is not
//! touched.

use serde_json::{Map, Value};

use super::splice::{Edited, Problem, shown};
use super::{json, toml, yaml};

/// How a client writes its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, with comments and trailing commas where there are some.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

/// A mark that some editors put before the first character.
const BYTE_ORDER_MARK: char = '\u{feff}';

impl Format {
    /// What the text says. An empty text says an empty object.
    ///
    /// # Errors
    /// [`Problem::Broken`].
    pub fn read(self, text: &str) -> Edited<Value> {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        match self {
            Format::Json => json::read(text),
            Format::Toml => toml::read(text),
            Format::Yaml => yaml::read(text),
        }
    }

    /// The text with `value` at `path`, where nothing was.
    ///
    /// # Errors
    /// [`Problem`], also when the result would not be the text's meaning plus the value.
    pub fn add(self, text: &str, path: &[&str], value: &Value) -> Edited<String> {
        let expected = with(&self.read(text)?, path, value)
            .ok_or_else(|| Problem::unclear(format!("`{}` does not hold what it should", shown(path))))?;
        let propose = |text: &str| match self {
            Format::Json => json::add(text, path, value),
            Format::Toml => toml::add(text, path, value),
            Format::Yaml => yaml::add(text, path, value),
        };
        self.proven(text, path, propose, &[expected]).and_then(first)
    }

    /// The text with another `value` at `path`, where one is, or where only the last step is missing.
    ///
    /// # Errors
    /// As [`Format::add`].
    pub fn set(self, text: &str, path: &[&str], value: &Value) -> Edited<String> {
        let expected = with(&self.read(text)?, path, value)
            .ok_or_else(|| Problem::unclear(format!("`{}` does not hold what it should", shown(path))))?;
        let propose = |text: &str| match self {
            Format::Json => json::set(text, path, value),
            Format::Toml => toml::set(text, path, value),
            Format::Yaml => yaml::set(text, path, value),
        };
        self.proven(text, path, propose, &[expected]).and_then(first)
    }

    /// The texts without what stands at `path`: every text that adding it could have started from. The first one leaves
    /// a section that is empty now where it was.
    ///
    /// # Errors
    /// As [`Format::add`].
    pub fn remove(self, text: &str, path: &[&str]) -> Edited<Vec<String>> {
        let expected = without(&self.read(text)?, path);
        let propose = |text: &str| match self {
            Format::Json => json::remove(text, path),
            Format::Toml => toml::remove(text, path),
            Format::Yaml => yaml::remove(text, path),
        };
        self.proven(text, path, propose, &expected)
    }

    /// A file that says `value` at `path` and nothing else.
    pub fn alone(self, path: &[&str], value: &Value) -> String {
        match self {
            Format::Json => json::alone(path, value),
            Format::Toml => toml::alone(path, value),
            Format::Yaml => yaml::alone(path, value),
        }
    }

    /// Those proposals that mean what is expected, with the mark in front that the text had.
    fn proven(
        self,
        text: &str,
        path: &[&str],
        propose: impl Fn(&str) -> Edited<Vec<String>>,
        expected: &[Value],
    ) -> Edited<Vec<String>> {
        let (mark, bare) = match text.strip_prefix(BYTE_ORDER_MARK) {
            Some(bare) => (BYTE_ORDER_MARK.to_string(), bare),
            None => (String::new(), text),
        };
        let means_it = |proposal: &String| self.read(proposal).is_ok_and(|after| expected.contains(&after));
        let mut proven: Vec<String> = Vec::new();
        for proposal in propose(bare)?.into_iter().filter(means_it) {
            let whole = format!("{mark}{proposal}");
            if !proven.contains(&whole) {
                proven.push(whole);
            }
        }
        if proven.is_empty() {
            return Err(Problem::unclear(format!("`{}` is written in a way that is not edited here", shown(path))));
        }
        Ok(proven)
    }
}

/// The JSON text with `element` at the end of the array at `path`, or in a new one.
///
/// # Errors
/// As [`Format::add`].
pub fn add_json_element(text: &str, path: &[&str], element: &Value) -> Edited<String> {
    match json::add_element(text, path, element)? {
        Some(text) => Ok(text),
        None => Format::Json.add(text, path, &Value::Array(vec![element.clone()])),
    }
}

/// The JSON texts without the element number `index` of the array at `path`; also without the array, if it was the only
/// one.
///
/// # Errors
/// As [`Format::add`].
pub fn remove_json_element(text: &str, path: &[&str], index: usize) -> Edited<Vec<String>> {
    let (mut left, was_only) = json::remove_element(text, path, index)?;
    if was_only {
        left.extend(Format::Json.remove(text, path)?);
    }
    Ok(left)
}

fn first(texts: Vec<String>) -> Edited<String> {
    texts.into_iter().next().ok_or_else(|| Problem::unclear("there is nothing to write"))
}

/// What stands at `path`. A number is an element of an array.
pub fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Array(elements) => elements.get(step.parse::<usize>().ok()?),
        value => value.get(step),
    })
}

fn with(value: &Value, path: &[&str], new: &Value) -> Option<Value> {
    let Some((step, rest)) = path.split_first() else { return Some(new.clone()) };
    match value {
        Value::Array(elements) => {
            let index: usize = step.parse().ok()?;
            let mut elements = elements.clone();
            let element = elements.get_mut(index)?;
            *element = with(element, rest, new)?;
            Some(Value::Array(elements))
        }
        Value::Object(fields) => {
            let mut fields = fields.clone();
            let inner = with(fields.get(*step).unwrap_or(&Value::Null), rest, new)?;
            fields.insert((*step).to_owned(), inner);
            Some(Value::Object(fields))
        }
        // Nothing, or in YAML a name with nothing behind it.
        Value::Null => Some(Value::Object(Map::from_iter([((*step).to_owned(), with(&Value::Null, rest, new)?)]))),
        _ => None,
    }
}

/// What may be left: the value alone taken out, and each section that is empty then as nothing, or gone.
fn without(value: &Value, path: &[&str]) -> Vec<Value> {
    let (Value::Object(fields), Some((step, rest))) = (value, path.split_first()) else { return Vec::new() };
    let replaced = |inner: Option<Value>| {
        let mut fields = fields.clone();
        match inner {
            Some(inner) => drop(fields.insert((*step).to_owned(), inner)),
            None => drop(fields.shift_remove(*step)),
        }
        Value::Object(fields)
    };
    if rest.is_empty() {
        return vec![replaced(None)];
    }
    let inner = fields.get(*step).map(|inner| without(inner, rest)).unwrap_or_default();
    let is_empty = inner.iter().any(|inner| inner.as_object().is_some_and(Map::is_empty));
    let mut left: Vec<Value> = inner.into_iter().map(|inner| replaced(Some(inner))).collect();
    if is_empty {
        left.extend([replaced(Some(Value::Null)), replaced(None)]);
    }
    left
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn entry() -> Value {
        json!({"command": "/opt/pdf \"co\"/pdfco", "args": ["serve"], "enabled": true, "timeout": 300, "env": {"PDFCO_API_KEY": "$K"}})
    }

    const PATH: [&str; 2] = ["servers", "pdfco"];

    fn comes_back(format: Format, text: &str) {
        let added = format.add(text, &PATH, &entry()).unwrap_or_else(|problem| panic!("{text:?}: {problem:?}"));
        assert_eq!(at(&format.read(&added).unwrap(), &PATH), Some(&entry()), "{added}");
        let left = format.remove(&added, &PATH).unwrap_or_else(|problem| panic!("{added:?}: {problem:?}"));
        assert!(left.iter().any(|left| left == text), "{text:?}\nbecame {added:?}\nand went back to {left:#?}");
    }

    #[test]
    fn what_was_added_goes_without_a_trace() {
        for text in [
            "",
            "{}",
            "{ }",
            "{\n}",
            "{}\n",
            "\n",
            "{\"servers\": {\t}\n}",
            "{\"servers\":{}}",
            "{\"servers\":{\"a\":{}}}\n",
            "{ \"servers\": { } }",
            "{ \"servers\": { \"a\": {} } }\n",
            "{\n  \"servers\": {}\n}\n",
            "{\n  \"servers\": {\n  }\n}\n",
            "{\n  \"servers\": {\n    \"a\": {}\n  }\n}\n",
            "{\n  \"servers\": {\n    \"a\": {},\n  },\n}\n",
            "{\r\n\t\"servers\": {\r\n\t\t\"a\": {}\r\n\t}\r\n}\r\n",
            "\u{feff}{\n  \"x\": 1\n}",
            "// head\n{\n  // first\n  \"servers\": {\n    \"a\": {} // its end\n    // last\n  } /* after */\n}\n// foot\n",
            "{\n  \"servers\": {\n    \"a\": {}, // its end\n    /* block\n    */\n  }\n}",
            "{\n  \"servers\": {\n    // none yet\n  }\n}\n",
            "{ \"servers\": { /* none */ } }",
            "{\n  \"x\": [1, 2], // c\n}\n",
            "{\"a\":1}",
            "// only a comment\n",
            "{\"a\": \"}, // \\\" {\"}",
            "{\n  \"servers\": { \"a\": {\n    \"x\": 1\n  } }\n}\n",
            "{\n  \"a\": 1\n\n}\n",
            "{\"über\": \"ß\", \"servers\": {\"ö\": {}}}",
        ] {
            comes_back(Format::Json, text);
        }
        for text in [
            "",
            "\n",
            "a = 1",
            "a = 1\n",
            "a = 1\n\n",
            "a = 1\r\n[b]\r\nc = 2\r\n",
            "[servers.a]\ncommand = \"x\"\n",
            "\u{feff}a = 1\n",
            "# head\n[servers]\n# none\n",
            "[servers.a]\nx = 1\n\n[other]\ny = 2 # note",
            "[servers]\na = { x = 1 }\n",
            "servers.a.x = 1\n",
        ] {
            comes_back(Format::Toml, text);
        }
        for text in [
            "",
            "a: 1",
            "a: 1\n",
            "# only a comment\n",
            "servers:\n  a:\n    x: 1\n",
            "servers:\n    a:\n        x: 1\nb: 2\n",
            "servers: {}\n",
            "servers:\n",
            "servers:",
            "servers: # none yet\nb: 1\n",
            "a: 1\r\nservers:\r\n  # first\r\n  a:\r\n    x: 1\r\n",
            "servers: {}\nb: |\n  text\n",
            "---\na: 1\nservers:\n  a: {x: 1}\n",
            "\u{feff}a: 1\n",
            "ä: ö\nservers:\n  ü: {}\n",
            "servers:\n\n  a: 1\n\n",
        ] {
            comes_back(Format::Yaml, text);
        }
    }

    #[test]
    fn what_cannot_be_edited_without_guessing_is_left_alone() {
        for (format, text) in [
            (Format::Json, "{\"servers\": []}"),
            (Format::Json, "{\"servers\": null}"),
            (Format::Json, "[]"),
            (Format::Json, "{\"servers\": {}, \"servers\": {}}"),
            (Format::Toml, "servers = 1\n"),
            (Format::Toml, "servers = { a = 1 }\n"),
            (Format::Toml, "[[servers]]\na = 1\n"),
            (Format::Yaml, "servers: {a: 1}\n"),
            (Format::Yaml, "servers: 1\n"),
            (Format::Yaml, "- 1\n"),
            (Format::Yaml, "a: 1\n---\nb: 2\n"),
            (Format::Yaml, "a: 1\n...\n"),
        ] {
            let said = format.add(text, &PATH, &entry());
            assert!(matches!(said, Err(Problem::Unclear(_))), "{text:?}: {said:?}");
        }
    }

    #[test]
    fn what_is_broken_is_refused_with_its_place() {
        for (format, text, line) in [
            (Format::Json, "{\n  \"a\": 1\n  \"b\": 2\n}", 2),
            (Format::Json, "{\n  \"a\": \n", 3),
            (Format::Json, "{\"a\": 'x'}", 1),
            (Format::Toml, "a = 1\nb = \n", 2),
            (Format::Toml, "a = 1\na = 2\n", 2),
            (Format::Yaml, "a: 1\nb: [1\nc: 2\n", 3),
            (Format::Yaml, "a: 1\na: 2\n", 2),
        ] {
            match format.read(text) {
                Err(Problem::Broken { line: found, column, what }) => {
                    assert!(found == line && column > 0 && !what.is_empty(), "{text:?}: {found}:{column} {what}");
                }
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = 100_000;
        for (format, text) in [
            (Format::Json, "[".repeat(deep)),
            (Format::Json, "{\"a\":".repeat(deep)),
            (Format::Toml, format!("a = {}", "[".repeat(deep))),
            (Format::Toml, format!("a{} = 1", ".a".repeat(deep))),
            (Format::Yaml, format!("a: {}", "[".repeat(deep))),
            (Format::Yaml, "- ".repeat(deep)),
        ] {
            assert!(matches!(format.read(&text), Err(Problem::Broken { .. })), "{:?}", &text[..20]);
        }
    }

    #[test]
    fn a_value_is_changed_and_nothing_else() {
        for (format, text, path, after) in [
            (Format::Json, "{\"a\": {\"c\": \"old\" /* x */}}", "a.c", "{\"a\": {\"c\": \"new\" /* x */}}"),
            (Format::Json, "{\"a\": {\"c\": [ \"old\",\n \"b\" ]}}", "a.c.0", "{\"a\": {\"c\": [ \"new\",\n \"b\" ]}}"),
            (
                Format::Json,
                "{\n  \"a\": {\n    \"x\": 1\n  }\n}",
                "a.c",
                "{\n  \"a\": {\n    \"x\": 1,\n    \"c\": \"new\"\n  }\n}",
            ),
            (Format::Toml, "[a]\nc = 'old' # x\nd = 1\n", "a.c", "[a]\nc = \"new\" # x\nd = 1\n"),
            (Format::Toml, "[a]\nd = 1 # x\n", "a.c", "[a]\nd = 1 # x\nc = \"new\"\n"),
            (Format::Toml, "[a]\n[b]\nd = 1\n", "a.c", "[a]\nc = \"new\"\n[b]\nd = 1\n"),
            (Format::Yaml, "a:\n  c: old # x\n  d: 1\n", "a.c", "a:\n  c: new # x\n  d: 1\n"),
            (Format::Yaml, "a:\n  ü: ö\n  c: \"o\\\"ld\"\n", "a.c", "a:\n  ü: ö\n  c: new\n"),
            (Format::Yaml, "a:\n  d: 1\nb: 1\n", "a.c", "a:\n  c: new\n  d: 1\nb: 1\n"),
        ] {
            let path: Vec<&str> = path.split('.').collect();
            assert_eq!(format.set(text, &path, &json!("new")).as_deref(), Ok(after), "{text:?}");
        }
    }

    /// JSON in all the shapes that people leave it in.
    fn blank() -> impl Strategy<Value = String> {
        let bits = ["", " ", "\n", "\r\n", "\t", "  ", "/* c */", "// c\n", "\n  // , } {\n  "];
        prop::collection::vec(prop::sample::select(bits.to_vec()), 0..3).prop_map(|bits| bits.concat())
    }

    fn scalar() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "1",
            "-2.5e3",
            "true",
            "null",
            "\"x\"",
            "\"// }, \\\" \"",
            "[1, 2,]",
            "{}",
            "[]",
            "\"é\"",
        ])
        .prop_map(str::to_owned)
    }

    fn object(values: BoxedStrategy<String>) -> impl Strategy<Value = String> {
        let property = (blank(), 0..100u8, blank(), blank(), values, blank());
        (prop::collection::vec(property, 0..4), any::<bool>(), blank()).prop_map(|(properties, trailing, end)| {
            let last = properties.len();
            let mut out = String::from("{");
            for (index, (before, name, colon, gap, value, after)) in properties.into_iter().enumerate() {
                let comma = if index + 1 < last || trailing { "," } else { "" };
                out += &format!("{before}\"k{index}{name}\"{colon}:{gap}{value}{after}{comma}");
            }
            out + &end + "}"
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn any_json_keeps_its_bytes(
            head in blank(), foot in blank(), servers in prop::option::of(object(scalar().boxed())), other in object(scalar().boxed()),
        ) {
            let body = match servers {
                Some(servers) => other.replacen('{', &format!("{{\"servers\": {servers}{}", if other.contains(':') { "," } else { "" }), 1),
                None => other,
            };
            let text = format!("{head}{body}{foot}");
            prop_assume!(Format::Json.read(&text).is_ok());
            let added = Format::Json.add(&text, &PATH, &entry()).unwrap();
            let left = Format::Json.remove(&added, &PATH).unwrap();
            prop_assert!(left.contains(&text), "{text:?}\nbecame {added:?}\nand went back to {left:#?}");
        }

        #[test]
        fn any_text_is_answered(text in "[{}\\[\\]\",:/*a1 \n\r\t#=.|&*!-]{0,60}") {
            for format in [Format::Json, Format::Toml, Format::Yaml] {
                if let Ok(added) = format.add(&text, &PATH, &entry()) {
                    let after = format.read(&added).unwrap();
                    prop_assert_eq!(at(&after, &PATH), Some(&entry()));
                    prop_assert!(format.remove(&added, &PATH).is_ok(), "{:?}", added);
                }
            }
        }
    }
}
