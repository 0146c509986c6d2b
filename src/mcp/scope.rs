//! What a message asks a token to allow: reading, or spending and writing as well. A tool's own file says which it is.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::tools;

/// As much of the parameters of a message as tells what it does.
#[derive(Debug, Deserialize)]
pub struct Call {
    name: Option<String>,
    arguments: Option<Map<String, Value>>,
}

/// What of a message spends or writes, in words for a refusal; `None` for one that reads.
pub fn spends_or_writes(method: &str, call: Option<Call>) -> Option<String> {
    match method {
        "tools/call" => {
            let call = call?;
            let found = tools::find(&call.name?)?;
            if found.spends_or_writes() {
                return Some(format!("`{}`", found.name()));
            }
            let argument = found.argument_that_spends_or_writes(&call.arguments.unwrap_or_default())?;
            Some(format!("`{argument}` of `{}`", found.name()))
        }
        "tasks/cancel" => Some("Cancelling a task".to_owned()),
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
            ("tools/call", json!({"name": "submit_job", "arguments": {}}), true),
            ("tools/call", json!({"name": "pdf_to_text"}), true),
            ("tools/call", json!({"name": "cancel_job", "arguments": {"job_id": "a"}}), true),
            ("tools/call", json!({"name": "wait_job_completion", "arguments": {"job_id": "a"}}), false),
            ("tools/call", json!({"name": "wait_job_completion", "arguments": {"save_to": "a"}}), true),
            ("tools/call", json!({"name": "get_job_check", "arguments": {"force": true}}), true),
            ("tools/call", json!({"name": "get_job_check", "arguments": {"force": false}}), false),
            ("tools/call", json!({"name": "list_jobs"}), false),
            ("tools/call", json!({"name": "no_such_tool"}), false),
            ("tools/call", json!({}), false),
            ("tools/list", json!({}), false),
            ("tasks/cancel", json!({"taskId": "a"}), true),
            ("tasks/get", json!({"taskId": "a"}), false),
            ("resources/read", json!({"uri": "job://a"}), false),
        ] {
            let call = serde_json::from_value(params.clone()).unwrap();
            assert_eq!(spends_or_writes(method, call).is_some(), expected, "{method} {params}");
        }
    }
}
