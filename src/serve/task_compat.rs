//! What the SDK cannot read, renamed before it gets there.
//!
//! The SDK knows no tasks of 2025-11-25 and no tasks in a subscription of 2026-07-28: the former's methods get a prefix,
//! the latter's parameter another name, and both end in `Server::on_custom_request`. The rest of the code does not know
//! this layer. Both directions are pure.

use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};

use crate::mcp::{subscriptions, tasks_2025_11_25};

/// The message in `body` under other names; `None` when it keeps its own. Few messages need other names, and the others
/// are not parsed here.
pub fn renamed(body: &[u8], method: Option<&str>, revision: Option<&str>) -> Option<Vec<u8>> {
    let holds = |word: &[u8]| body.windows(word.len()).any(|part| part == word);
    let is_candidate = match method? {
        "subscriptions/listen" => holds(b"\"taskIds\""),
        "tools/call" => revision == Some(ProtocolVersion::V_2025_11_25.as_str()) && holds(b"\"task\""),
        "tools/list" | "tasks/get" | "tasks/result" | "tasks/list" | "tasks/cancel" => {
            revision == Some(ProtocolVersion::V_2025_11_25.as_str())
        }
        _ => false,
    };
    let mut message: Value = is_candidate.then(|| serde_json::from_slice(body).ok()).flatten()?;
    incoming(&mut message, revision).then(|| serde_json::to_vec(&message).ok()).flatten()
}

/// Renames what a client of `revision` sends; `None` when none was negotiated yet. True when anything was renamed.
pub fn incoming(message: &mut Value, revision: Option<&str>) -> bool {
    let Some(method) = message.get("method").and_then(Value::as_str) else { return false };
    let is_stateless = message.pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion").is_some();
    if is_stateless {
        let has_tasks = method == "subscriptions/listen" && message.pointer("/params/notifications/taskIds").is_some();
        return has_tasks && rename_filter(message);
    }
    if revision != Some(ProtocolVersion::V_2025_11_25.as_str()) {
        return false;
    }
    let is_tasks = match method {
        "tools/list" | "tasks/get" | "tasks/result" | "tasks/list" | "tasks/cancel" => true,
        "tools/call" => message.pointer("/params/task").is_some_and(|task| !task.is_null()),
        _ => false,
    };
    let renamed = format!("{}{method}", tasks_2025_11_25::PREFIX);
    match message.as_object_mut() {
        Some(message) if is_tasks => message.insert("method".into(), Value::String(renamed)).is_some(),
        _ => false,
    }
}

/// Removes the newer tasks from a handshake, which leads to a session that has none of them, and adds those of 2025-11-25
/// for its clients.
pub fn outgoing(message: &mut Value) {
    let Some(result) = message.get_mut("result") else { return };
    let Some(revision) = result.get("protocolVersion").and_then(Value::as_str) else { return };
    let has_tasks = revision == ProtocolVersion::V_2025_11_25.as_str();
    if result.get("serverInfo").is_none() {
        return;
    }
    let Some(capabilities) = result.get_mut("capabilities").and_then(Value::as_object_mut) else { return };
    if let Some(extensions) = capabilities.get_mut("extensions").and_then(Value::as_object_mut) {
        extensions.shift_remove("io.modelcontextprotocol/tasks");
        if extensions.is_empty() {
            capabilities.shift_remove("extensions");
        }
    }
    if has_tasks {
        capabilities.insert("tasks".into(), json!({"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}));
    }
}

fn rename_filter(message: &mut Value) -> bool {
    let Some(params) = message.get_mut("params").and_then(Value::as_object_mut) else { return false };
    let Some(filter) = params.shift_remove("notifications") else { return false };
    params.insert(subscriptions::RENAMED.into(), filter);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(mut message: Value, revision: Option<&str>) -> Value {
        let before = message.clone();
        assert_eq!(incoming(&mut message, revision), message != before);
        message
    }

    #[test]
    fn only_task_messages_of_2025_11_25_are_renamed() {
        let call = |method: &str, params: Value| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let table = [
            ("tools/list", json!({}), true),
            ("tools/call", json!({"name": "x", "task": {}}), true),
            ("tools/call", json!({"name": "x", "task": null}), false),
            ("tools/call", json!({"name": "x"}), false),
            ("tasks/get", json!({"taskId": "a"}), true),
            ("tasks/result", json!({"taskId": "a"}), true),
            ("tasks/list", json!({}), true),
            ("tasks/cancel", json!({"taskId": "a"}), true),
            ("tasks/update", json!({"taskId": "a"}), false),
            ("resources/list", json!({}), false),
        ];
        for (method, params, is_renamed) in table {
            let before = call(method, params);
            let after = through(before.clone(), Some("2025-11-25"));
            let expected = if is_renamed { format!("{}{method}", tasks_2025_11_25::PREFIX) } else { method.to_owned() };
            assert_eq!(after["method"], expected, "{before}");
            assert_eq!(after["params"], before["params"]);
            for revision in [None, Some("2024-11-05"), Some("2025-03-26"), Some("2025-06-18"), Some("2026-07-28")] {
                assert_eq!(through(before.clone(), revision), before, "{revision:?}");
            }
        }
    }

    #[test]
    fn a_stateless_request_is_never_taken_for_an_older_one() {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
        for method in ["tools/list", "tools/call", "tasks/get", "tasks/cancel"] {
            let message = json!({"id": 1, "method": method, "params": {"task": {}, "_meta": meta}});
            assert_eq!(through(message.clone(), Some("2025-11-25")), message);
        }
    }

    #[test]
    fn a_subscription_with_tasks_is_renamed_and_one_without_is_not() {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
        let listen = |filter: Value| json!({"id": 1, "method": "subscriptions/listen", "params": {"notifications": filter, "_meta": meta}});
        let plain = listen(json!({"resourcesListChanged": true}));
        assert_eq!(through(plain.clone(), None), plain);
        let after = through(listen(json!({"taskIds": ["a"], "resourcesListChanged": true})), None);
        assert_eq!(after["method"], "subscriptions/listen");
        assert_eq!(after["params"][subscriptions::RENAMED], json!({"taskIds": ["a"], "resourcesListChanged": true}));
        assert!(after["params"].get("notifications").is_none());
    }

    #[test]
    fn only_the_handshake_of_2025_11_25_declares_its_tasks() {
        let hello = |revision: &str| json!({"id": 1, "result": {"protocolVersion": revision, "capabilities": {"tools": {}}, "serverInfo": {"name": "pdfco"}}});
        let mut message = hello("2025-11-25");
        outgoing(&mut message);
        assert_eq!(message["result"]["capabilities"]["tasks"]["requests"], json!({"tools": {"call": {}}}));
        for revision in ["2024-11-05", "2025-11-25"] {
            let mut message = hello(revision);
            message["result"]["capabilities"]["extensions"] = json!({"io.modelcontextprotocol/tasks": {}, "a/b": {}});
            outgoing(&mut message);
            assert_eq!(message["result"]["capabilities"]["extensions"], json!({"a/b": {}}), "{revision}");
            message["result"]["capabilities"]["extensions"] = json!({"io.modelcontextprotocol/tasks": {}});
            outgoing(&mut message);
            assert!(message["result"]["capabilities"].get("extensions").is_none(), "{revision}");
        }
        for other in [
            hello("2025-06-18"),
            hello("2024-11-05"),
            json!({"id": 1, "result": {"protocolVersion": "2025-11-25"}}),
            json!([]),
            json!({"id": 1, "error": {}}),
        ] {
            let mut message = other.clone();
            outgoing(&mut message);
            assert_eq!(message, other);
        }
    }

    #[test]
    fn bytes_are_renamed_as_values_are() {
        let old = Some("2025-11-25");
        let list = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let after: Value = serde_json::from_slice(&renamed(list, Some("tools/list"), old).unwrap()).unwrap();
        assert_eq!(after["method"], format!("{}tools/list", tasks_2025_11_25::PREFIX));
        for (body, method, revision) in [
            (&list[..], "tools/list", None),
            (br#"{"id":1,"method":"tools/call","params":{"name":"x"}}"#, "tools/call", old),
            (br#"{"id":1,"method":"ping"}"#, "ping", old),
            (b"{", "tools/list", old),
        ] {
            assert_eq!(renamed(body, Some(method), revision), None, "{method}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_passes_through(text in r#"[\{\}\[\]":,a-z0-9/_]{0,80}"#, method in "(tools/(list|call)|tasks/[a-z]{1,8}|subscriptions/listen|x)", params in r#"(\{"task":[0-9]\}|\[1\]|"s"|null|\{"notifications":\{"taskIds":5\},"_meta":\{"io.modelcontextprotocol/protocolVersion":1\}\})"#) {
            let texts = [text, format!(r#"{{"method":"{method}","params":{params}}}"#)];
            for mut value in texts.iter().filter_map(|text| serde_json::from_str::<Value>(text).ok()) {
                incoming(&mut value, Some("2025-11-25"));
                incoming(&mut value, None);
                outgoing(&mut value);
            }
        }
    }
}
