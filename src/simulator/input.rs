//! What a request says: its parameters in any spelling and type that the service takes, and the `Simulate` directive inside
//! `profiles`. What a parameter means to an operation is decided elsewhere.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::options::{Charging, Failure, Shape};
use super::reply::Refusal;

/// Longest `profiles` text.
const PROFILES_BYTES_MAX: usize = 256 * 1024;

/// The parameters of one request, by lower-case name.
#[derive(Clone, Debug, Default)]
pub(in crate::simulator) struct Input {
    values: BTreeMap<String, Value>,
    pub(in crate::simulator) directive: Directive,
}

/// What a test or a demonstration asks of this one job: `{"Simulate": {…}}` in `profiles`.
#[derive(Clone, Debug, Default)]
pub(in crate::simulator) struct Directive {
    /// `success`, `failed`, `aborted`, `unknown`, or a word that no client has seen.
    pub(in crate::simulator) outcome: Option<String>,
    /// Checks that still answer that the job is being worked on.
    pub(in crate::simulator) checks: Option<u32>,
    /// Seconds that it takes.
    pub(in crate::simulator) seconds: Option<f64>,
    /// The message of a failure.
    pub(in crate::simulator) message: Option<String>,
    /// The number of a failure.
    pub(in crate::simulator) error_code: Option<u16>,
    /// Where the result stands.
    pub(in crate::simulator) shape: Option<Shape>,
    /// What pages cost.
    pub(in crate::simulator) charging: Option<Charging>,
    /// How a check says that the job failed.
    pub(in crate::simulator) failure: Option<Failure>,
}

impl Input {
    /// Reads a request; what stands later wins: query, body, placeholders of the path, `std_params` of `profiles`.
    ///
    /// # Errors
    /// 400 when the body is no object or `profiles` is no string, 444 when `profiles` cannot be read.
    pub(in crate::simulator) fn read(
        query: &str,
        body: Option<Value>,
        path: Vec<(String, String)>,
    ) -> Result<Input, Refusal> {
        let mut input = Input::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            input.set(&name, Value::String(value.into_owned()));
        }
        match body {
            None | Some(Value::Null) => {}
            Some(Value::Object(map)) => map.into_iter().for_each(|(name, value)| input.set(&name, value)),
            Some(_) => return Err(Refusal::input("The body has to be a JSON object.")),
        }
        for (name, value) in path {
            input.set(&name, Value::String(value));
        }
        match input.values.get("profiles").cloned() {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => input.apply_profiles(&text)?,
            // Other clients met exactly these words in this situation.
            Some(_) => return Err(Refusal::new(400, "Incorrect input parameters, please check and try again.")),
        }
        Ok(input)
    }

    fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_lowercase(), value);
    }

    fn apply_profiles(&mut self, text: &str) -> Result<(), Refusal> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let broken = || Refusal::new(444, "Profiles parse error. The profiles text is not valid JSON.");
        let text = if text.len() <= PROFILES_BYTES_MAX { relaxed(text) } else { return Err(broken()) };
        let profiles = serde_json::from_str::<Map<String, Value>>(&text).map_err(|_| broken())?;
        for (name, value) in profiles {
            match (name.to_lowercase().as_str(), value) {
                ("std_params", Value::Object(params)) => {
                    params.into_iter().for_each(|(name, value)| self.set(&name, value))
                }
                ("simulate", Value::Object(wish)) => self.directive = Directive::read(&wish),
                _ => {}
            }
        }
        Ok(())
    }

    /// The parameter as text; numbers and booleans become text, an empty text counts as left out.
    pub(in crate::simulator) fn text(&self, name: &str) -> Option<String> {
        let text = match self.values.get(name)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        (!text.trim().is_empty()).then_some(text)
    }

    /// Whether the parameter says yes.
    pub(in crate::simulator) fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| matches!(text.trim().to_lowercase().as_str(), "true" | "1" | "yes"))
    }

    /// The parameter as a whole number.
    pub(in crate::simulator) fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.trim().parse().ok()
    }

    /// Whether the parameter is there with any value that is not empty.
    pub(in crate::simulator) fn has(&self, name: &str) -> bool {
        match self.values.get(&name.to_lowercase()) {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) => !text.trim().is_empty(),
            Some(Value::Array(list)) => !list.is_empty(),
            Some(_) => true,
        }
    }
}

impl Directive {
    fn read(wish: &Map<String, Value>) -> Directive {
        let get = |name: &str| wish.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let text = |name: &str| get(name).and_then(Value::as_str).map(str::to_owned);
        let whole = |name: &str| get(name).and_then(Value::as_u64);
        Directive {
            outcome: text("outcome"),
            checks: whole("checks").and_then(|checks| u32::try_from(checks).ok()),
            seconds: get("seconds").and_then(Value::as_f64),
            message: text("message"),
            error_code: whole("errorCode").and_then(|code| u16::try_from(code).ok()),
            shape: text("shape").and_then(|word| word.parse().ok()),
            charging: text("charge").and_then(|word| word.parse().ok()),
            failure: text("failure").and_then(|word| word.parse().ok()),
        }
    }
}

impl Directive {
    /// The wished outcome, when it is none that the documentation knows.
    pub(in crate::simulator) fn new_word(&self) -> Option<String> {
        self.outcome
            .clone()
            .filter(|word| !matches!(word.as_str(), "success" | "failed" | "aborted" | "unknown" | "working"))
    }

    /// The failure that was wished for.
    pub(in crate::simulator) fn failure(&self) -> Refusal {
        let message =
            self.message.clone().unwrap_or_else(|| "The simulator was asked to let this job fail.".to_owned());
        Refusal::new(self.error_code.unwrap_or(500), message)
    }
}

/// JSON from the relaxed form that the service takes: single quotes allowed, the outer braces optional.
fn relaxed(text: &str) -> String {
    let text = text.trim();
    let mut out = String::with_capacity(text.len().saturating_add(2));
    let bare = !text.starts_with('{');
    if bare {
        out.push('{');
    }
    let mut open: Option<char> = None;
    let mut escaped = false;
    for sign in text.chars() {
        match open {
            Some(_) if escaped => {
                // JSON has no `\'`.
                if sign != '\'' {
                    out.push('\\');
                }
                out.push(sign);
                escaped = false;
            }
            Some(_) if sign == '\\' => escaped = true,
            Some(quote) if sign == quote => {
                out.push('"');
                open = None;
            }
            Some(_) if sign == '"' => out.push_str("\\\""),
            None if sign == '"' || sign == '\'' => {
                out.push('"');
                open = Some(sign);
            }
            Some(_) | None => out.push(sign),
        }
    }
    if bare {
        out.push('}');
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_types_and_quotes_do_not_matter() {
        let profiles = r#"'Simulate': {'outcome': 'failed', 'checks': 2}, 'std_params': {'Name': "it's.txt"}"#;
        let input =
            Input::read("INLINE=true", Some(json!({"Async": "True", "angle": 90, "profiles": profiles})), vec![]);
        let input = input.unwrap();
        assert!(input.flag("async") && input.flag("inline") && input.has("ANGLE"));
        assert_eq!(input.number("angle"), Some(90));
        assert_eq!(input.text("name").unwrap(), "it's.txt");
        assert_eq!((input.directive.outcome.as_deref(), input.directive.checks), (Some("failed"), Some(2)));
    }

    #[test]
    fn profiles_that_are_no_text_or_no_json_are_refused() {
        assert_eq!(Input::read("", Some(json!({"profiles": {}})), vec![]).unwrap_err().code, 400);
        assert_eq!(Input::read("", Some(json!({"profiles": "{ oops"})), vec![]).unwrap_err().code, 444);
    }
}
