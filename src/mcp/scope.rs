//! What a message asks a token to allow: reading, or spending and writing as well. A tool's own file says which it is.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::tools;

/// As much of the parameters of a message as says what it does.
#[derive(Debug, Deserialize)]
pub struct Call {
    name: Option<String>,
    arguments: Option<Map<String, Value>>,
}

/// What of a message spends or writes.
#[derive(Debug, PartialEq, Eq)]
pub struct Effect {
    /// The tool that is called, or the method.
    pub of: &'static str,
    /// The same in words for a refusal.
    pub what: String,
}

/// What of a message spends or writes; `None` for one that reads.
pub fn effect(method: &str, call: Option<Call>) -> Option<Effect> {
    match method {
        "tools/call" => {
            let call = call?;
            let found = tools::find(&call.name?)?;
            let of = found.name();
            if found.spends_or_writes() {
                return Some(Effect { of, what: format!("`{of}`") });
            }
            let argument = found.argument_that_spends_or_writes(&call.arguments.unwrap_or_default())?;
            Some(Effect { of, what: format!("`{argument}` of `{of}`") })
        }
        "tasks/cancel" => Some(Effect { of: "tasks/cancel", what: "Cancelling a task".to_owned() }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_spends_or_writes_is_said_by_the_tools() {
        for (method, params, expected) in [
            ("tools/call", json!({"name": "submit_job", "arguments": {}}), Some(("submit_job", "`submit_job`"))),
            ("tools/call", json!({"name": "pdf_to_text"}), Some(("pdf_to_text", "`pdf_to_text`"))),
            (
                "tools/call",
                json!({"name": "cancel_job", "arguments": {"job_id": "a"}}),
                Some(("cancel_job", "`cancel_job`")),
            ),
            ("tools/call", json!({"name": "wait_job_completion", "arguments": {"job_id": "a"}}), None),
            (
                "tools/call",
                json!({"name": "wait_job_completion", "arguments": {"save_to": "a"}}),
                Some(("wait_job_completion", "`save_to` of `wait_job_completion`")),
            ),
            (
                "tools/call",
                json!({"name": "get_job_check", "arguments": {"force": true}}),
                Some(("get_job_check", "`force` of `get_job_check`")),
            ),
            ("tools/call", json!({"name": "get_job_check", "arguments": {"force": false}}), None),
            ("tools/call", json!({"name": "list_jobs"}), None),
            ("tools/call", json!({"name": "no_such_tool"}), None),
            ("tools/call", json!({}), None),
            ("tools/list", json!({}), None),
            ("tasks/cancel", json!({"taskId": "a"}), Some(("tasks/cancel", "Cancelling a task"))),
            ("tasks/get", json!({"taskId": "a"}), None),
            ("resources/read", json!({"uri": "job://a"}), None),
        ] {
            let call = serde_json::from_value(params.clone()).unwrap();
            let expected = expected.map(|(of, what)| Effect { of, what: what.to_owned() });
            assert_eq!(effect(method, call), expected, "{method} {params}");
        }
    }
}
