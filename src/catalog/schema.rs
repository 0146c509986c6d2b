//! From declarations to JSON Schema, in the subset that every client can take: flat objects without `$ref`, `anyOf`,
//! `null`, lists of types or `format`, with a description on every property.

use serde_json::{Map, Value, json};

use super::{Param, ParamKind};

/// Which parameters a schema shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// All of them.
    Full,
    /// Without the advanced ones, which are accepted all the same.
    Brief,
    /// Without the shared ones, which one line names ([`shared`]), and without saying the same block twice. For a reader,
    /// not for validation.
    Described,
}

impl Detail {
    fn shows(self, param: &Param) -> bool {
        match self {
            Detail::Full => true,
            Detail::Brief => param.required || !param.advanced,
            Detail::Described => param.required || !param.shared,
        }
    }
}

/// The names of the optional arguments of `params` that mean the same everywhere, in one line; what JSON they take is said
/// with it. `None` where there are none.
pub fn shared(params: impl Iterator<Item = &'static Param>) -> Option<String> {
    let named: Vec<String> = params
        .filter(|param| param.shared && !param.required)
        .map(|param| match param.kind {
            ParamKind::JsonText => {
                format!("{} ({})", param.name, lower_first(param.description.trim_end_matches('.')))
            }
            _ => param.name.to_owned(),
        })
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        // `HTTP user` stays, `Output file name` does not.
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

/// The schema of an object with these properties, in their order.
pub fn of_params(params: impl Iterator<Item = &'static Param>, detail: Detail) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut shown: Vec<&'static Param> = Vec::new();
    for param in params.filter(|param| detail.shows(param)) {
        let twin = shown.iter().find(|other| detail == Detail::Described && is_same_block(other, param));
        let property = match twin {
            Some(twin) => json!({
                "type": "object",
                "description": format!("{} As `{}`.", param.description, twin.name),
            }),
            None => of_param(param, detail),
        };
        properties.insert(param.name.to_owned(), property);
        shown.push(param);
        if param.required {
            required.push(param.name);
        }
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if let Some(schema) = schema.as_object_mut() {
        if !required.is_empty() {
            schema.insert("required".into(), json!(required));
        }
        schema.insert("additionalProperties".into(), json!(false));
    }
    schema
}

/// Two objects of the same fields.
fn is_same_block(a: &Param, b: &Param) -> bool {
    match (a.kind, b.kind) {
        (ParamKind::Object(a), ParamKind::Object(b)) => a == b,
        _ => false,
    }
}

fn of_param(param: &'static Param, detail: Detail) -> Value {
    let mut schema = match param.kind {
        ParamKind::Source
        | ParamKind::Sources
        | ParamKind::Text
        | ParamKind::Pages { .. }
        | ParamKind::JsonText
        | ParamKind::Suggested(_) => json!({"type": "string"}),
        ParamKind::Integer { min, max } => {
            let mut schema = json!({"type": "integer", "minimum": min});
            if max != i64::MAX
                && let Some(schema) = schema.as_object_mut()
            {
                schema.insert("maximum".into(), json!(max));
            }
            schema
        }
        ParamKind::Number => json!({"type": "number"}),
        ParamKind::Boolean => json!({"type": "boolean"}),
        ParamKind::Choice(words) => json!({"type": "string", "enum": words}),
        ParamKind::Strings => json!({"type": "array", "items": {"type": "string"}}),
        ParamKind::Objects(fields) => json!({"type": "array", "items": nested(fields, detail)}),
        ParamKind::Object(fields) => nested(fields, detail),
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".into(), json!(param.description));
        if let Some(default) =
            param.default.and_then(|default| super::arguments::coerce(&param.kind, &json!(default)).ok())
        {
            schema.insert("default".into(), default);
        }
    }
    schema
}

/// Objects inside an object stay open: the service knows more fields than its documentation lists.
fn nested(fields: &'static [Param], detail: Detail) -> Value {
    let mut schema = of_params(fields.iter(), detail);
    if let Some(schema) = schema.as_object_mut() {
        schema.shift_remove("additionalProperties");
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::all;

    /// What breaks at least one client.
    fn lint(at: &str, schema: &Value) {
        let object = schema.as_object().unwrap_or_else(|| panic!("{at}: a schema is an object"));
        for banned in ["$ref", "$schema", "anyOf", "oneOf", "allOf", "format", "const", "not"] {
            assert!(!object.contains_key(banned), "{at}: {banned}");
        }
        let kind = object.get("type").and_then(Value::as_str).unwrap_or_else(|| panic!("{at}: no single type"));
        if let Some(words) = object.get("enum") {
            assert!(
                kind == "string"
                    && words.as_array().is_some_and(|words| !words.is_empty()
                        && words.iter().all(|word| word.as_str().is_some_and(|word| !word.is_empty()))),
                "{at}: enum"
            );
        }
        if kind == "object" {
            let properties = object["properties"].as_object().unwrap();
            for (name, property) in properties {
                assert!(
                    name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)),
                    "{at}.{name}"
                );
                assert!(
                    property["description"].as_str().is_some_and(|text| !text.is_empty()),
                    "{at}.{name}: no description"
                );
                lint(&format!("{at}.{name}"), property);
            }
        }
        if kind == "array" {
            lint(&format!("{at}[]"), &object["items"]);
        }
    }

    #[test]
    fn every_client_can_take_every_schema() {
        for operation in all() {
            for detail in [Detail::Full, Detail::Brief] {
                let schema = of_params(operation.params(), detail);
                lint(operation.name, &schema);
                assert_eq!(schema["additionalProperties"], json!(false));
                assert!(schema.to_string().len() < 14_000, "{}", operation.name);
            }
        }
    }

    #[test]
    fn description_states_each_block_once() {
        let compress = crate::catalog::find("pdf_compress_v2").unwrap();
        let schema = of_params(compress.params(), Detail::Described);
        let images = &schema["properties"]["config"]["properties"]["images"]["properties"];
        assert!(images["color"]["properties"].is_object());
        assert_eq!(images["grayscale"]["description"], "Gray images. As `color`.");
        assert!(schema["properties"].get("callback").is_none(), "{schema}");
        let line = shared(compress.params()).unwrap();
        for name in ["name, ", "callback, ", "profiles (", "expiration, "] {
            assert!(line.contains(name), "{line}");
        }
    }

    #[test]
    fn objects_inside_have_at_least_one_property() {
        fn walk(at: &str, params: &'static [Param]) {
            for param in params {
                if let ParamKind::Object(fields) | ParamKind::Objects(fields) = param.kind {
                    assert!(!fields.is_empty(), "{at}.{}", param.name);
                    walk(param.name, fields);
                }
            }
        }
        for operation in all() {
            operation.params.iter().for_each(|group| walk(operation.name, group));
        }
    }
}
