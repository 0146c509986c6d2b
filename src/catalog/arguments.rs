//! From what a caller wrote to what goes out: names, types, sources and secrets, checked in one place.
//!
//! What lives here: [`read`], which takes arguments in any accepted spelling and type and gives back typed values under
//! their wire names. Assistants send numbers and objects as strings, scripts send everything as strings, and both
//! misspell; whatever can only mean one thing is accepted, whatever cannot is refused with the nearest name. What never
//! does: the disk or the network. Local paths come out as sources for `app.rs` to upload.

use serde_json::{Map, Number, Value, json};

use super::{Operation, Param, ParamKind, nearest, same_name, shorten};
use crate::error::{Error, Result};
use crate::json_ext::{truth, whole_number};
use crate::secret::without_link_secrets;

/// Arguments that old clients send and that mean nothing any more.
const IGNORED: &[&str] = &["async", "encrypt"];
/// Longest text that the ledger keeps of one argument.
const PUBLIC_CHARS_MAX: usize = 200;

/// Most items of a list or fields of an object that the ledger keeps.
const PUBLIC_ITEMS_MAX: usize = 50;
/// Deepest nesting that the ledger keeps.
const PUBLIC_DEPTH_MAX: usize = 16;
/// Fields whose names hold one of these are secrets, wherever they stand.
const SECRET_NAMES: &[&str] = &["password", "secret", "token", "encryptionkey", "decryptionkey", "apikey", "api_key"];

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

/// The documents that a call names.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Wire name.
    pub wire: &'static str,
    /// Links, tokens or local paths.
    pub items: Vec<String>,
}

impl Sources {
    /// How `links` travel: one string, separated by commas. A comma inside a link is percent-encoded.
    pub fn joined(links: &[String]) -> String {
        match links {
            [one] => one.clone(),
            many => many.iter().map(|link| link.replace(',', "%2C")).collect::<Vec<_>>().join(","),
        }
    }
}

impl Arguments {
    /// What may be kept of a call: no passwords, no signatures, no long texts.
    pub fn public(&self) -> Value {
        let mut kept = Map::new();
        if let Some(sources) = &self.sources {
            let shown = |item: &String| match &self.secrets {
                secrets if holds_secret(item, secrets) => "[hidden]".to_owned(),
                _ => shorten(&without_link_secrets(item), PUBLIC_CHARS_MAX),
            };
            kept.insert(sources.wire.to_owned(), json!(sources.items.iter().map(shown).collect::<Vec<_>>().join(", ")));
        }
        for (name, value) in &self.body {
            kept.insert(name.clone(), public_value(name, value, &self.secrets, PUBLIC_DEPTH_MAX));
        }
        Value::Object(kept)
    }

    /// Everything that makes this call what it is, for comparing it with another. Never stored.
    pub fn identity(&self) -> Value {
        json!([self.sources.as_ref().map(|sources| &sources.items), self.body])
    }
}

/// `depth` is how deep it goes: JSON as text in JSON as text may hold far more levels than a stack.
fn public_value(name: &str, value: &Value, secrets: &[String], depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return json!("[not kept]") };
    let is_named_secret = SECRET_NAMES.iter().any(|word| name.to_ascii_lowercase().contains(word));
    match value {
        Value::String(text) if is_named_secret || holds_secret(text, secrets) => json!("[hidden]"),
        // Options as text may hold secrets under names of their own: they are read for that, and kept as an object.
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inside @ (Value::Object(_) | Value::Array(_))) => public_value(name, &inside, secrets, depth),
            _ if name.eq_ignore_ascii_case("callback") => json!(origin_of(text)),
            // Relaxed JSON that cannot be read cannot be cleaned either.
            _ if name.eq_ignore_ascii_case("profiles") => json!("[not kept]"),
            _ => json!(shorten(&without_link_secrets(text), PUBLIC_CHARS_MAX)),
        },
        Value::Array(list) => Value::Array(
            list.iter().take(PUBLIC_ITEMS_MAX).map(|value| public_value(name, value, secrets, depth)).collect(),
        ),
        Value::Object(map) => {
            let kept = map.iter().filter(|(name, _)| !holds_secret(name, secrets)).take(PUBLIC_ITEMS_MAX);
            Value::Object(kept.map(|(name, value)| (name.clone(), public_value(name, value, secrets, depth))).collect())
        }
        _ if is_named_secret => json!("[hidden]"),
        other => other.clone(),
    }
}

fn holds_secret(text: &str, secrets: &[String]) -> bool {
    secrets.iter().any(|secret| !secret.is_empty() && text.contains(secret.as_str()))
}

/// Scheme, host and port of a link: the rest of a webhook's address is its secret.
fn origin_of(link: &str) -> String {
    url::Url::parse(link).map_or_else(|_| "[not kept]".to_owned(), |url| url.origin().ascii_serialization())
}

/// The arguments of an operation.
///
/// # Errors
/// `invalid_argument` that names the argument and what it takes.
pub fn read(operation: &'static Operation, given: Map<String, Value>) -> Result<Arguments> {
    let mut arguments = read_params(operation.name, operation.params(), given)?;
    for param in operation.params() {
        // A path needs every piece: what was left out there is sent as its default.
        if let Some(default) = param.default
            && operation.path.contains(&format!("{{{}}}", param.wire))
            && !arguments.body.contains_key(param.wire)
        {
            arguments.body.insert(param.wire.to_owned(), json!(default));
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
    if let Some(missing) = params.clone().find(|param| param.required && !seen.contains(&param.wire)) {
        return Err(Error::invalid(format!("`{}` of {of} is missing.", missing.name), missing.description));
    }
    Ok(arguments)
}

fn is_left_out(param: &Param, value: &Value) -> bool {
    match value {
        Value::Null => true,
        // The official server's defaults are empty strings.
        Value::String(text) => text.is_empty() && !param.required,
        Value::Array(list) => list.is_empty() && !param.required,
        _ => false,
    }
}

fn unknown(of: &str, name: &str, params: impl Iterator<Item = &'static Param> + Clone) -> Error {
    let near = nearest(name, params.clone().map(|param| param.name), 1);
    let hint = match near.first() {
        Some(near) => format!("Did you mean `{near}`?"),
        None => match params.map(|param| param.name).collect::<Vec<_>>() {
            names if names.is_empty() => "It takes none.".to_owned(),
            names => format!("It takes: {}.", names.join(", ")),
        },
    };
    Error::invalid(format!("{of} has no argument `{}`.", shorten(name, 60)), hint)
}

fn take(of: &str, param: &'static Param, value: Value, arguments: &mut Arguments) -> Result<()> {
    let refused = |takes: &str| {
        // What holds other values may hold a password among them.
        let is_plain = matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
            && !matches!(param.kind, ParamKind::Object(_) | ParamKind::Objects(_) | ParamKind::JsonText);
        let shown =
            if param.secret || !is_plain { "what was given".to_owned() } else { shorten(&value.to_string(), 60) };
        Error::invalid(
            format!("`{}` of {of} cannot be {shown}.", param.name),
            format!("It takes {takes}. {}", param.description),
        )
    };
    if matches!(param.kind, ParamKind::Source | ParamKind::Sources) {
        let items = source_items(param.kind, &value).ok_or_else(|| refused("a link or a path"))?;
        if param.kind == ParamKind::Source && items.len() > 1 {
            return Err(refused("one document a call"));
        }
        arguments.sources = Some(Sources { wire: param.wire, items });
        return Ok(());
    }
    let typed = coerce(&param.kind, &value).map_err(|takes| refused(&takes))?;
    if param.secret
        && let Some(secret) = typed.as_str()
    {
        arguments.secrets.push(secret.to_owned());
    }
    arguments.body.insert(param.wire.to_owned(), typed);
    Ok(())
}

fn source_items(kind: ParamKind, value: &Value) -> Option<Vec<String>> {
    let items: Vec<String> = match value {
        Value::Array(list) => {
            list.iter().map(|item| item.as_str().map(|text| text.trim().to_owned())).collect::<Option<_>>()?
        }
        Value::String(text) => match serde_json::from_str::<Vec<String>>(text) {
            Ok(list) => list,
            Err(_) if kind == ParamKind::Sources => text.split(',').map(|item| item.trim().to_owned()).collect(),
            Err(_) => vec![text.trim().to_owned()],
        },
        _ => return None,
    };
    let items: Vec<String> = items.into_iter().filter(|item| !item.is_empty()).collect();
    (!items.is_empty()).then_some(items)
}

/// The value as its kind, or what the kind takes.
pub fn coerce(kind: &ParamKind, value: &Value) -> Result<Value, String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    match kind {
        ParamKind::Source | ParamKind::Sources | ParamKind::Text => {
            text(value).map(Value::String).ok_or_else(|| "text".to_owned())
        }
        ParamKind::JsonText => Ok(Value::String(text(value).unwrap_or_else(|| value.to_string()))),
        ParamKind::Integer { min, max } => {
            let is_whole = match value {
                Value::Number(number) => number.as_f64().is_none_or(|float| float.fract() == 0.0),
                Value::String(text) => text.trim().parse::<f64>().is_ok_and(|float| float.fract() == 0.0),
                _ => false,
            };
            let number = whole_number(value).filter(|number| is_whole && (min..=max).contains(&number));
            number.map(Value::from).ok_or_else(|| match (*min, *max) {
                (i64::MIN, i64::MAX) => "a whole number".to_owned(),
                (min, i64::MAX) => format!("a whole number from {min}"),
                (min, max) => format!("a whole number from {min} to {max}"),
            })
        }
        ParamKind::Number => {
            let number = match value {
                Value::Number(number) => Some(number.clone()),
                Value::String(text) => text.trim().parse::<f64>().ok().and_then(Number::from_f64),
                _ => None,
            };
            number.map(Value::Number).ok_or_else(|| "a number".to_owned())
        }
        ParamKind::Boolean => {
            let json_ext = match value {
                Value::Number(number) if number.as_i64() == Some(1) => Some(true),
                Value::Number(number) if number.as_i64() == Some(0) => Some(false),
                Value::String(text) if matches!(text.trim(), "1" | "yes" | "on") => Some(true),
                Value::String(text) if matches!(text.trim(), "0" | "no" | "off") => Some(false),
                other => truth(other),
            };
            json_ext.map(Value::Bool).ok_or_else(|| "true or false".to_owned())
        }
        ParamKind::Choice(words) => {
            let said = text(value).unwrap_or_default();
            let word = words.iter().find(|word| same_name(word, said.trim()));
            word.map(|word| json!(word)).ok_or_else(|| format!("one of {}", words.join(", ")))
        }
        ParamKind::Suggested(words) => {
            let said = text(value).ok_or_else(|| {
                format!("a word such as {}", words.iter().take(3).copied().collect::<Vec<_>>().join(", "))
            })?;
            Ok(json!(words.iter().find(|word| same_name(word, said.trim())).map_or(said.as_str(), |word| word)))
        }
        ParamKind::Strings => match value {
            Value::Array(list) => {
                list.iter().map(|item| text(item).map(Value::String)).collect::<Option<Vec<_>>>().map(Value::Array)
            }
            Value::String(said) => match serde_json::from_str::<Vec<String>>(said) {
                Ok(list) => Some(json!(list)),
                Err(_) => Some(json!(said.split(',').map(str::trim).collect::<Vec<_>>())),
            },
            _ => None,
        }
        .ok_or_else(|| "a list of words".to_owned()),
        ParamKind::Objects(fields) => {
            let list = match parsed(value) {
                Value::Array(list) => list,
                one @ Value::Object(_) => vec![one],
                _ => return Err("a list of objects".to_owned()),
            };
            list.iter().map(|item| object(fields, item)).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        ParamKind::Object(fields) => object(fields, &parsed(value)),
    }
}

/// A value that may have been sent as its JSON text.
fn parsed(value: &Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    }
}

/// An object: declared fields in any spelling and typed, others as they are, because lists of fields are not complete.
fn object(fields: &'static [Param], value: &Value) -> Result<Value, String> {
    let given = value.as_object().ok_or("an object")?;
    let mut typed = Map::new();
    for (name, value) in given {
        match fields.iter().find(|field| field.answers_to(name)) {
            Some(field) => {
                let value = coerce(&field.kind, value)
                    .map_err(|takes| format!("an object whose `{}` is {takes}", field.name))?;
                typed.insert(field.wire.to_owned(), value);
            }
            None => {
                typed.insert(name.clone(), value.clone());
            }
        }
    }
    match fields.iter().find(|field| field.required && !typed.contains_key(field.wire)) {
        Some(missing) => Err(format!("an object with `{}`", missing.name)),
        None => Ok(Value::Object(typed)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::{all, find};
    use crate::error::Kind;

    fn of(operation: &str, given: Value) -> Result<Arguments> {
        read(find(operation).unwrap(), given.as_object().unwrap().clone())
    }

    #[test]
    fn names_in_any_spelling_go_out_as_the_wire_has_them() {
        for spelling in ["line_grouping", "lineGrouping", "linegrouping", "LINE-GROUPING"] {
            let arguments = of("pdf_to_csv", json!({"url": "https://h.test/a.pdf", spelling: 1})).unwrap();
            assert_eq!(arguments.body.get("lineGrouping"), Some(&json!("1")), "{spelling}");
        }
    }

    #[test]
    fn unknown_and_doubled_arguments_are_refused_with_advice() {
        let error = of("pdf_to_text", json!({"url": "u", "page": "1"})).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert!(
            error.hint().text(crate::next_step::Audience::Agent).contains("`pages`"),
            "{}",
            error.hint().text(crate::next_step::Audience::Agent)
        );
        assert!(of("pdf_to_text", json!({"url": "u", "pages": "1", "Pages": "2"})).is_err());
        assert!(of("pdf_to_text", json!({"pages": "1"})).unwrap_err().message().contains("`url`"));
        assert!(
            of("pdf_to_text", json!({"url": "u", "encrypt": true, "async": false, "name": ""}))
                .unwrap()
                .body
                .is_empty()
        );
    }

    #[test]
    fn profiles_leave_as_text_whatever_came_in() {
        for profiles in [json!({"TrimSpaces": true}), json!("{\"TrimSpaces\":true}")] {
            let arguments = of("pdf_to_text", json!({"url": "u", "profiles": profiles})).unwrap();
            assert_eq!(arguments.body["profiles"], json!("{\"TrimSpaces\":true}"));
        }
    }

    #[test]
    fn several_documents_come_as_a_list_or_with_commas() {
        for url in [json!(["a.pdf", "b.pdf"]), json!("a.pdf, b.pdf"), json!("[\"a.pdf\",\"b.pdf\"]")] {
            assert_eq!(of("pdf_merge", json!({"url": url})).unwrap().sources.unwrap().items, ["a.pdf", "b.pdf"]);
        }
        assert!(of("pdf_to_text", json!({"url": ["a.pdf", "b.pdf"]})).is_err());
        assert_eq!(of("pdf_to_text", json!({"url": "a,b.pdf"})).unwrap().sources.unwrap().items, ["a,b.pdf"]);
        assert_eq!(Sources::joined(&["https://h.test/a,b".into(), "c".into()]), "https://h.test/a%2Cb,c");
    }

    #[test]
    fn passwords_and_signatures_are_not_kept() {
        let arguments = of("pdf_to_text", json!({"url": "https://h.test/a.pdf?sig=canary1", "password": "canary2", "httppassword": "canary3", "profiles": {"Key": "canary2"}})).unwrap();
        let public = arguments.public().to_string();
        assert!(!public.contains("canary"), "{public}");
        assert_eq!(arguments.secrets.len(), 2);
        let twice = json!({"url": "https://h.test/canary2/a.pdf", "password": "canary2", "profiles": {"canary2": {"canary2": 1}}});
        assert!(!of("pdf_to_text", twice).unwrap().public().to_string().contains("canary"));
    }

    #[test]
    fn text_in_text_in_text_is_not_followed_for_ever() {
        // Some twenty layers of JSON as text, each a hundred lists deep: far more levels than a small stack has room for.
        let layer = |inside: &str| format!("{}{}{}", "[".repeat(100), json!(inside), "]".repeat(100));
        let deep = (0..14).fold("1".to_owned(), |inside, _| layer(&inside));
        let given = json!({"url": "u", "profiles": deep});
        let small = std::thread::Builder::new().stack_size(512 * 1024);
        let read = small.spawn(move || of("pdf_to_text", given).unwrap().public().to_string().len()).unwrap();
        assert!(read.join().unwrap() < 1_000);
    }

    #[test]
    fn values_come_in_all_clothes() {
        let integer = ParamKind::Integer { min: 1, max: 5 };
        for (kind, value, expected) in [
            (integer, json!("3"), Some(json!(3))),
            (integer, json!(3.0), Some(json!(3))),
            (integer, json!(3.5), None),
            (integer, json!(6), None),
            (integer, json!("three"), None),
            (integer, json!(1e300), None),
            (ParamKind::Boolean, json!("TRUE"), Some(json!(true))),
            (ParamKind::Boolean, json!(0), Some(json!(false))),
            (ParamKind::Boolean, json!("maybe"), None),
            (ParamKind::Choice(&["AES_128bit"]), json!("aes_128BIT"), Some(json!("AES_128bit"))),
            (ParamKind::Choice(&["a"]), json!("b"), None),
            (ParamKind::Suggested(&["QRCode"]), json!("qrcode"), Some(json!("QRCode"))),
            (ParamKind::Suggested(&["QRCode"]), json!("New1"), Some(json!("New1"))),
            (ParamKind::Strings, json!("a, b"), Some(json!(["a", "b"]))),
            (ParamKind::Strings, json!(["a", 1]), Some(json!(["a", "1"]))),
            (ParamKind::Strings, json!({"a": 1}), None),
            (ParamKind::Text, json!(5), Some(json!("5"))),
            (ParamKind::Text, json!([5]), None),
            (ParamKind::Number, json!("1.5"), Some(json!(1.5))),
            (ParamKind::Number, json!("NaN"), None),
            (ParamKind::Objects(&[]), json!("[{\"a\":1}]"), Some(json!([{"a": 1}]))),
            (ParamKind::Objects(&[]), json!({"a": 1}), Some(json!([{"a": 1}]))),
            (ParamKind::Object(&[]), json!("{"), None),
        ] {
            assert_eq!(coerce(&kind, &value).ok(), expected, "{kind:?} {value}");
        }
    }

    proptest! {
        #[test]
        fn no_argument_makes_the_reader_panic(name in "\\PC{0,20}", text in "\\PC{0,40}", pick in 0_usize..200) {
            let operations: Vec<_> = all().collect();
            let operation = operations[pick % operations.len()];
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            let mut given = Map::new();
            given.insert(name, value.clone());
            if let Some(param) = operation.params().nth(pick % 7) {
                given.insert(param.name.to_owned(), value);
            }
            let _ = read(operation, given);
        }
    }
}
