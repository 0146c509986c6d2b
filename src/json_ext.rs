//! Readers of JSON whose types change from one writer to the next.
//!
//! [`field`], [`whole_number`] and [`truth`], pure and shared by all who read what others wrote: the
//! service's answers and callers' arguments.

use serde_json::Value;

/// The field of an object whose name is `name` in any letter case; the exact spelling wins.
pub fn field<'a>(body: &'a Value, name: &str) -> Option<&'a Value> {
    let object = body.as_object()?;
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// A number that may come as integer, float or text, rounded; nothing for null, nonsense and what does not fit.
pub fn whole_number(value: &Value) -> Option<i64> {
    let from_float = |number: f64| {
        let rounded = number.round();
        // Beyond 2^53 a float no longer stands for one whole number.
        (rounded.is_finite() && rounded.abs() < 9_007_199_254_740_992.0).then_some(rounded as i64)
    };
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(from_float)),
        Value::String(text) => {
            let text = text.trim();
            text.parse::<i64>().ok().or_else(|| text.parse::<f64>().ok().and_then(from_float))
        }
        _ => None,
    }
}

/// A truth value that may come as a boolean or as text.
pub fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_come_in_all_clothes() {
        for (value, expected) in [
            (json!(21), Some(21)),
            (json!(-21), Some(-21)),
            (json!("2"), Some(2)),
            (json!(" 2.0 "), Some(2)),
            (json!(2.4), Some(2)),
            (json!(1e300), None),
            (json!("NaN"), None),
            (json!("two"), None),
            (json!(null), None),
            (json!(true), None),
            (json!([2]), None),
        ] {
            assert_eq!(whole_number(&value), expected, "{value}");
        }
    }

    #[test]
    fn the_exact_spelling_of_a_field_wins() {
        assert_eq!(field(&json!({"jobid": 1, "jobId": 2}), "jobId"), Some(&json!(2)));
        assert_eq!(field(&json!({"JOBID": 1}), "jobId"), Some(&json!(1)));
        assert_eq!(field(&json!([1]), "jobId"), None);
    }
}
