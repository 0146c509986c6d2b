//! From a value in any form to the type that a parameter takes. One function a kind.

use serde_json::{Map, Number, Value, json};

use crate::catalog::names::same_name;
use crate::catalog::pages::PageList;
use crate::catalog::{Param, ParamKind};
use crate::json_ext::{truth, whole_number};
use crate::text::without_mark;

/// The value as its kind, or what the kind takes, as the object of "It takes …".
///
/// # Errors
/// What the kind takes, when the value cannot be meant as that.
pub fn coerce(kind: &ParamKind, value: &Value) -> Result<Value, String> {
    match *kind {
        ParamKind::Source | ParamKind::Sources | ParamKind::Text => text(value),
        ParamKind::Pages { first } => pages(value, first),
        ParamKind::JsonText => Ok(json_text(value)),
        ParamKind::Integer { min, max } => integer(value, min, max),
        ParamKind::Number => number(value),
        ParamKind::Boolean => boolean(value),
        ParamKind::Choice(words) => choice(value, words),
        ParamKind::Suggested(words) => suggested(value, words),
        ParamKind::Strings => strings(value),
        ParamKind::Objects(fields) => objects(value, fields),
        ParamKind::Object(fields) => object(&parsed(value), fields),
    }
}

/// The text of a text, number or boolean.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn text(value: &Value) -> Result<Value, String> {
    plain(value).map(Value::String).ok_or_else(|| "text".to_owned())
}

/// A list of pages as text; a list of numbers is taken as well, also as its JSON text.
fn pages(value: &Value, first: u32) -> Result<Value, String> {
    let takes = |why: &str| format!("pages counted from {first}, such as `{first},{}-{}`{why}", first + 2, first + 5);
    // A number is read as it was written: JSON would take `1e2` for one.
    let is_list = value.as_str().is_some_and(|text| text.trim_start().starts_with('['));
    let given = if is_list { parsed(value) } else { value.clone() };
    let text = match &given {
        Value::Array(list) => list.iter().map(plain).collect::<Option<Vec<_>>>().map(|pages| pages.join(",")),
        one => plain(one),
    };
    let text = text.ok_or_else(|| takes(""))?;
    match PageList::parse(&text, first) {
        Ok(_) => Ok(json!(text)),
        Err(bad) => Err(takes(&format!(" ({})", bad.words()))),
    }
}

fn json_text(value: &Value) -> Value {
    let text = plain(value).unwrap_or_else(|| value.to_string());
    // A file may begin with a byte order mark, and a shell hands it on.
    Value::String(without_mark(&text).to_owned())
}

fn integer(value: &Value, min: i64, max: i64) -> Result<Value, String> {
    let is_whole = match value {
        Value::Number(number) => number.as_f64().is_none_or(|float| float.fract() == 0.0),
        Value::String(text) => text.trim().parse::<f64>().is_ok_and(|float| float.fract() == 0.0),
        _ => false,
    };
    let number = whole_number(value).filter(|number| is_whole && (min..=max).contains(number));
    number.map(Value::from).ok_or_else(|| match (min, max) {
        (i64::MIN, i64::MAX) => "a whole number".to_owned(),
        (min, i64::MAX) => format!("a whole number from {min}"),
        (min, max) => format!("a whole number from {min} to {max}"),
    })
}

fn number(value: &Value) -> Result<Value, String> {
    let number = match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => text.trim().parse::<f64>().ok().and_then(Number::from_f64),
        _ => None,
    };
    number.map(Value::Number).ok_or_else(|| "a number".to_owned())
}

fn boolean(value: &Value) -> Result<Value, String> {
    let flag = match value {
        Value::Number(number) if number.as_i64() == Some(1) => Some(true),
        Value::Number(number) if number.as_i64() == Some(0) => Some(false),
        Value::String(text) if matches!(text.trim(), "1" | "yes" | "on") => Some(true),
        Value::String(text) if matches!(text.trim(), "0" | "no" | "off") => Some(false),
        other => truth(other),
    };
    flag.map(Value::Bool).ok_or_else(|| "true or false".to_owned())
}

fn choice(value: &Value, words: &[&str]) -> Result<Value, String> {
    let given = plain(value).unwrap_or_default();
    let word = words.iter().find(|word| same_name(word, given.trim()));
    word.map(|word| json!(word)).ok_or_else(|| format!("one of {}", words.join(", ")))
}

fn suggested(value: &Value, words: &[&str]) -> Result<Value, String> {
    let given = plain(value)
        .ok_or_else(|| format!("a word such as {}", words.iter().take(3).copied().collect::<Vec<_>>().join(", ")))?;
    Ok(json!(words.iter().find(|word| same_name(word, given.trim())).map_or(given.as_str(), |word| word)))
}

fn strings(value: &Value) -> Result<Value, String> {
    let list = match value {
        Value::Array(list) => list.iter().map(plain).collect::<Option<Vec<_>>>(),
        Value::String(given) => match serde_json::from_str::<Vec<String>>(given) {
            Ok(list) => Some(list),
            Err(_) => Some(given.split(',').map(|word| word.trim().to_owned()).collect()),
        },
        _ => None,
    };
    list.map(|list| json!(list)).ok_or_else(|| "a list of words".to_owned())
}

fn objects(value: &Value, fields: &'static [Param]) -> Result<Value, String> {
    let list = match parsed(value) {
        Value::Array(list) => list,
        one @ Value::Object(_) => vec![one],
        _ => return Err("a list of objects".to_owned()),
    };
    list.iter().map(|item| object(item, fields)).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

/// A value that may have been sent as its JSON text.
fn parsed(value: &Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    }
}

/// An object: declared fields in any spelling and typed, others as they are, because lists of fields are not complete.
fn object(value: &Value, fields: &'static [Param]) -> Result<Value, String> {
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
    use super::*;

    #[test]
    fn values_are_taken_in_every_form() {
        let whole = ParamKind::Integer { min: 1, max: 5 };
        let pages = ParamKind::Pages { first: 0 };
        for (kind, value, expected) in [
            (whole, json!("3"), Some(json!(3))),
            (whole, json!(3.0), Some(json!(3))),
            (whole, json!(3.5), None),
            (whole, json!(6), None),
            (whole, json!("three"), None),
            (whole, json!(1e300), None),
            (pages, json!(3), Some(json!("3"))),
            (pages, json!([0, "2-5"]), Some(json!("0,2-5"))),
            (pages, json!("[0, 2]"), Some(json!("0,2"))),
            (pages, json!("1e2"), None),
            (pages, json!("all"), None),
            (ParamKind::Pages { first: 1 }, json!("0"), None),
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
}
