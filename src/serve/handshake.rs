//! What is wrong with an `initialize` that the protocol library cannot read: the field, by its name.

use rmcp::ErrorData;
use serde_json::Value;

/// Where a request of 2026-07-28 names its revision.
const STATELESS: &str = "/_meta/io.modelcontextprotocol~1protocolVersion";

/// The error for an `initialize` with these parameters; `None` when each field has the shape that the protocol asks for.
pub fn problem(params: Option<&Value>) -> Option<ErrorData> {
    let field = wrong_field(params)?;
    Some(ErrorData::invalid_params(format!("initialize: {field}."), None))
}

fn wrong_field(params: Option<&Value>) -> Option<String> {
    if params.is_some_and(|params| params.pointer(STATELESS).is_some()) {
        // The revision without handshakes: the method is unknown to it, whatever its parameters are.
        return None;
    }
    let Some(Value::Object(params)) = params else { return Some("`params` is missing or not an object".to_owned()) };
    if !params.get("protocolVersion").is_some_and(Value::is_string) {
        return Some(missing("protocolVersion", "a string"));
    }
    match params.get("capabilities") {
        Some(Value::Object(capabilities)) => {
            // Each capability is an object, and so is what an experimental or an extension's name stands for.
            for (name, value) in capabilities {
                if !value.is_object() {
                    return Some(wrong(&format!("capabilities.{name}"), "an object"));
                }
            }
            for group in ["experimental", "extensions"] {
                let entries = capabilities.get(group).and_then(Value::as_object).into_iter().flatten();
                if let Some((name, _)) = entries.into_iter().find(|(_, value)| !value.is_object()) {
                    return Some(wrong(&format!("capabilities.{group}.{name}"), "an object"));
                }
            }
        }
        _ => return Some(missing("capabilities", "an object")),
    }
    let Some(Value::Object(client)) = params.get("clientInfo") else {
        return Some(missing("clientInfo", "an object"));
    };
    for name in ["name", "version"] {
        if !client.get(name).is_some_and(Value::is_string) {
            return Some(missing(&format!("clientInfo.{name}"), "a string"));
        }
    }
    None
}

fn missing(field: &str, shape: &str) -> String {
    format!("`{field}` is missing or not {shape}")
}

fn wrong(field: &str, shape: &str) -> String {
    // Names of capabilities come from the client: as much of them as says which one.
    let field: String = field.chars().filter(|c| !c.is_control()).take(100).collect();
    format!("`{field}` is not {shape}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_field_that_is_wrong_is_named() {
        let good = json!({"protocolVersion": "2025-06-18", "capabilities": {"roots": {}}, "clientInfo": {"name": "a", "version": "1"}});
        assert_eq!(problem(Some(&good)), None);
        assert!(problem(None).unwrap().message.contains("`params`"));
        for (pointer, value, field) in [
            ("/protocolVersion", json!(1), "`protocolVersion`"),
            ("/capabilities", Value::Null, "`capabilities`"),
            ("/capabilities/roots", json!(true), "`capabilities.roots`"),
            ("/clientInfo", json!([]), "`clientInfo`"),
            ("/clientInfo/version", Value::Null, "`clientInfo.version`"),
            ("/clientInfo/name", json!({}), "`clientInfo.name`"),
        ] {
            let mut params = good.clone();
            *params.pointer_mut(pointer).unwrap() = value;
            let error = problem(Some(&params)).unwrap();
            assert!(error.message.contains(field), "{pointer}: {}", error.message);
        }
        let mut params = good.clone();
        params["capabilities"]["experimental"] = json!({"x": true});
        assert!(problem(Some(&params)).unwrap().message.contains("`capabilities.experimental.x`"));
    }
}
