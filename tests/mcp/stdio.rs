//! The protocol over stdio, spoken to the real binary line by line.

use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

use crate::support::product::{CHECK, service};
use crate::support::wire::{Wire, hello, ledger_in};
use pdfco::simulator::Handle;
use serde_json::{Value, json};

/// A job that lives for `seconds`, and a server to ask about it.
fn with_job(service: &Handle, seconds: u32) -> (Wire, String) {
    let mut wire = Wire::ready(service.url(), &[("PDFCO_LEDGER", "memory")]);
    let wish = json!({"html": "<p>a</p>", "profiles": {"Simulate": {"seconds": seconds}}});
    let answer = wire.call("submit_job", json!({"operation": "html_to_pdf", "options": wish, "wait": 0}));
    assert_eq!(answer["status"], "queued", "{answer}");
    (wire, answer["job"]["job_id"].as_str().unwrap().to_owned())
}

#[test]
fn every_handshake_is_answered_in_its_own_revision() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut wire = Wire::start(&[]);
        let hello = wire.initialize(version);
        assert_eq!(hello["protocolVersion"], version);
        assert_eq!(hello["serverInfo"]["name"], "pdfco");
        assert!(hello["capabilities"]["tools"].is_object() && !hello["instructions"].as_str().unwrap().is_empty());
        assert!(wire.is_alive(), "{version}");
        assert_eq!(wire.finish(), "", "{version}: nothing to complain about");
    }
}

#[test]
fn revision_without_handshake_is_answered_at_once() {
    let mut wire = Wire::start(&[]);
    let meta = json!({"_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }});
    let found = wire.ask("server/discover", meta.clone());
    let versions = found["result"]["supportedVersions"].as_array().unwrap_or_else(|| panic!("{found}"));
    assert!(versions.contains(&json!("2026-07-28")), "{found}");
    let list = wire.ask("tools/list", meta);
    assert!(list["result"]["tools"].as_array().is_some_and(|tools| !tools.is_empty()), "{list}");
    wire.finish();
}

#[test]
fn the_list_of_tools_is_short_and_complete() {
    let mut wire = Wire::start(&[]);
    wire.initialize("2025-11-25");
    let list = wire.ask("tools/list", json!({}));
    let tools = list["result"]["tools"].as_array().unwrap();
    assert!((8..=12).contains(&tools.len()), "{}", tools.len());
    for tool in tools {
        let name = tool["name"].as_str().unwrap();
        assert!(tool["title"].is_string() && tool["description"].is_string(), "{name}");
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{name}: {hint}");
        }
        let is_described = ["submit_job", "wait_job_completion", "get_job_check"].contains(&name);
        assert_eq!(tool["outputSchema"]["type"] == "object", is_described, "{name}");
        assert_eq!(tool["inputSchema"]["type"], "object", "{name}");
        for (argument, schema) in tool["inputSchema"]["properties"].as_object().unwrap() {
            assert!(schema["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}: {argument}");
        }
    }
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_grows_and_ends_with_the_result() {
    let service = service().await;
    let (mut wire, id) = with_job(&service, 5);
    let call = |token: Value| json!({"name": "wait_job_completion", "arguments": {"job_id": id, "timeout": 20, "interval": 0.5}, "_meta": token});
    let asked = wire.request("tools/call", call(json!({"progressToken": "p-1"})));
    let (answer, before) = wire.answer(asked);
    assert_eq!(answer["result"]["structuredContent"]["status"], "success", "{answer}");
    assert_eq!(answer["result"]["isError"], false);
    let progress: Vec<f64> = before
        .iter()
        .map(|note| {
            assert_eq!(
                (note["method"].as_str(), &note["params"]["progressToken"]),
                (Some("notifications/progress"), &json!("p-1"))
            );
            note["params"]["progress"].as_f64().unwrap()
        })
        .collect();
    assert!(progress.len() >= 2 && progress.windows(2).all(|pair| pair[0] < pair[1]), "{progress:?}");
    assert!(wire.next_within(Duration::from_millis(3_300)).is_none(), "a notification after the result");
    let asked = wire.request("tools/call", call(json!({})));
    assert!(wire.answer(asked).1.is_empty(), "progress was not asked for");
    wire.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_wait_stops_looking_and_the_server_lives_on() {
    let service = service().await;
    let (mut wire, id) = with_job(&service, 60);
    let arguments = json!({"job_id": id, "timeout": 40, "interval": 0.5});
    let asked = wire.request("tools/call", json!({"name": "wait_job_completion", "arguments": arguments}));
    while service.count(CHECK) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    wire.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": asked, "reason": "changed my mind"}}));
    assert!(wire.is_alive());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let seen = service.count(CHECK);
    assert!(wire.next_within(Duration::from_millis(1_500)).is_none_or(|message| message["id"] == asked));
    assert_eq!(service.count(CHECK), seen, "no one waits, nothing is checked");
    assert_eq!(
        wire.call("list_jobs", json!({}))["content"]["items"][0]["status"],
        "working",
        "the job was not cancelled"
    );
    wire.finish();
}

#[test]
fn whatever_a_client_writes_the_next_ping_is_answered() {
    let mut wire = Wire::start(&[("PDFCO_API_KEY", "k-0123456789")]);
    // Before the handshake, too.
    wire.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    wire.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}));
    wire.initialize("2025-11-25");
    let error = |wire: &mut Wire| {
        let message = wire.next();
        (message["error"]["code"].as_i64().unwrap_or_else(|| panic!("{message}")), message["id"].clone())
    };

    wire.write(b"{\"jsonrpc\": \"2.0\", \"id\": 1, oops\n");
    assert_eq!(error(&mut wire), (-32_700, json!(1)));
    assert!(wire.is_alive());
    wire.write(b"\xff\xfe\x00 no text at all\n\n   \n\r\n");
    assert!(wire.is_alive());

    wire.write(b"[{\"jsonrpc\":\"2.0\",\"id\":70,\"method\":\"ping\"}]\n");
    assert_eq!(error(&mut wire).0, -32_600);
    assert!(wire.is_alive());

    let long = vec![b'x'; 17 * 1024 * 1024];
    wire.write(&long);
    wire.write(b"\n");
    assert_eq!(error(&mut wire).0, -32_600);
    assert!(wire.is_alive());

    wire.write(b"{\"jsonrpc\":\"2.0\",\"id\":{\"a\":1},\"method\":\"ping\"}\n");
    assert_eq!(error(&mut wire).0, -32_600);
    assert!(wire.is_alive());

    wire.send(&json!({"jsonrpc": "2.0", "method": "notifications/never_heard_of", "params": {"a": 1}}));
    wire.send(&json!({"jsonrpc": "2.0", "id": 4_711, "result": {}}));
    wire.send(&json!({"jsonrpc": "2.0", "id": 4_712, "error": {"code": 1, "message": "not asked for"}}));
    assert!(wire.is_alive());

    for (method, params, code) in [
        ("no/such/method", json!({}), -32_601),
        ("tools/call", json!({"name": "no_such_tool", "arguments": {}}), -32_602),
        ("tools/call", json!({"nome": "list_jobs"}), -32_602),
        ("tools/call", json!({"name": "list_jobs", "arguments": "all"}), -32_602),
        ("tools/call", json!({"name": 7}), -32_602),
        ("resources/read", json!({}), -32_602),
    ] {
        let answer = wire.ask(method, params.clone());
        assert_eq!(answer["error"]["code"], code, "{method} {params}: {answer}");
        assert!(wire.is_alive());
    }
    for (tool, arguments) in [
        ("get_job_check", json!({})),
        ("get_job_check", json!({"job_id": ["a"]})),
        ("get_job_check", json!({"job": "a"})),
        ("wait_job_completion", json!({"job_id": "a", "timeout": -1})),
        ("submit_job", json!({"operation": "pdf_to_txet", "url": "https://h.test/a.pdf"})),
    ] {
        let answer = wire.ask("tools/call", json!({"name": tool, "arguments": arguments}));
        assert_eq!(answer["result"]["isError"], true, "{tool} {arguments}: {answer}");
        assert_eq!(answer["result"]["structuredContent"]["status"], "error", "{tool} {arguments}");
    }
    assert!(wire.is_alive());
    wire.finish();
}

#[test]
fn an_unknown_tool_is_answered_with_the_nearest_name() {
    let mut wire = Wire::start(&[]);
    wire.initialize("2025-11-25");
    let answer = wire.ask("tools/call", json!({"name": "wait_job_completoin"}));
    assert!(answer["error"]["message"].as_str().unwrap().contains("wait_job_completion"), "{answer}");
    let answer = wire.ask("tools/call", json!({"name": "get_credit_balance"}));
    assert_eq!(
        answer["result"]["structuredContent"]["content"]["kind"], "auth",
        "no key, every way to give one: {answer}"
    );
    wire.finish();
}

#[test]
fn a_message_in_pieces_and_several_in_one_piece_are_messages() {
    let mut wire = Wire::start(&[]);
    wire.initialize("2025-11-25");
    wire.write(b"{\"jsonrpc\":\"2.0\",\"id\":51,");
    std::thread::sleep(Duration::from_millis(50));
    wire.write(b"\"method\":\"ping\"}\r\n{\"jsonrpc\":\"2.0\",\"id\":52,\"method\":\"ping\"}\n{\"jsonrpc\":\"2.0\",\"id\":\"53\",\"method\":\"ping\"}\n");
    let mut ids: Vec<String> = (0..3).map(|_| wire.next()["id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["\"53\"", "51", "52"]);
    wire.finish();
}

#[test]
fn nothing_is_opened_before_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, listener) = (ledger_in(folder.path()), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut wire = Wire::ready(&base, &[("PDFCO_LEDGER", &ledger)]);
    wire.ask("tools/list", json!({}));
    assert!(wire.is_alive());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no ledger");
    assert_eq!(std::fs::read_dir(wire.home.path()).unwrap().count(), 0, "nothing in the home");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "no network");
    wire.call("list_jobs", json!({}));
    assert!(std::path::Path::new(&ledger).exists());
    wire.finish();
}

#[test]
fn the_end_of_the_input_ends_the_server() {
    for speak in [false, true] {
        let mut wire = Wire::start(&[]);
        if speak {
            wire.initialize("2025-06-18");
        }
        wire.close_input();
        let ended = wire.exit_within(Duration::from_secs(2)).expect("it runs on");
        assert_eq!(ended.code(), Some(0), "spoken to before: {speak}");
    }
    let mut wire = Wire::start(&[]);
    wire.write(
        &serde_json::to_vec(&json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello("2025-06-18")}))
            .unwrap(),
    );
    wire.close_input();
    assert_eq!(wire.next()["result"]["protocolVersion"], "2025-06-18", "a last line without its newline counts");
    assert_eq!(wire.exit_within(Duration::from_secs(2)).and_then(|status| status.code()), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_input_ends_a_server_with_a_wait_running() {
    let service = service().await;
    let (mut wire, id) = with_job(&service, 60);
    wire.request("tools/call", json!({"name": "wait_job_completion", "arguments": {"job_id": id, "timeout": 40}}));
    assert!(wire.is_alive());
    wire.close_input();
    assert_eq!(wire.exit_within(Duration::from_secs(2)).and_then(|status| status.code()), Some(0));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signal_ends_the_server_within_a_second_during_a_wait() {
    let service = service().await;
    let (mut wire, id) = with_job(&service, 60);
    wire.request(
        "tools/call",
        json!({"name": "wait_job_completion", "arguments": {"job_id": id, "timeout": 40, "interval": 0.5}}),
    );
    while service.count(CHECK) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let began = Instant::now();
    wire.terminate();
    let ended = wire.exit_within(Duration::from_secs(3)).expect("it runs on");
    assert_eq!(ended.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[cfg(unix)]
#[test]
fn a_signal_before_the_first_message_ends_the_server_too() {
    let mut wire = Wire::start(&[]);
    wire.initialize("2025-11-25");
    wire.terminate();
    assert_eq!(wire.exit_within(Duration::from_secs(1)).and_then(|status| status.code()), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_resources_and_prompts_and_their_ids_are_completed() {
    let service = service().await;
    let (mut wire, job_id) = with_job(&service, 0);
    let done = wire.call("wait_job_completion", json!({"job_id": job_id}));
    assert_eq!(done["status"], "success", "{done}");

    let resources = wire.ask("resources/list", json!({}));
    let uri = format!("job://{job_id}");
    assert_eq!(resources["result"]["resources"][0]["uri"], json!(uri), "{resources}");
    let record = wire.ask("resources/read", json!({"uri": uri}));
    assert_eq!(record["result"]["contents"][0]["_meta"]["pdfco/untrusted"], true, "{record}");
    let record: Value = serde_json::from_str(record["result"]["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(record["status"], "success");
    let missing = wire.ask("resources/read", json!({"uri": "job://nobody"}));
    assert_eq!(missing["error"]["code"], -32002, "{missing}");

    let prompts = wire.ask("prompts/list", json!({}));
    let names: Vec<&str> = prompts["result"]["prompts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|prompt| prompt["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["jobs_postmortem", "process_document"]);
    let prompt = wire.ask("prompts/get", json!({"name": "jobs_postmortem", "arguments": {"job_id": job_id}}));
    let text = prompt["result"]["messages"][0]["content"]["text"].as_str().unwrap_or_else(|| panic!("{prompt}"));
    assert!(text.contains(&job_id) && text.contains("untrusted"), "{text}");
    let attached = &prompt["result"]["messages"][1]["content"]["resource"];
    assert!(attached["text"].as_str().unwrap().contains("html_to_pdf"), "{prompt}");
    assert_eq!(attached["_meta"]["pdfco/untrusted"], true, "{prompt}");
    let incomplete = wire.ask("prompts/get", json!({"name": "process_document", "arguments": {"url": "a.pdf"}}));
    assert_eq!(incomplete["error"]["code"], -32602, "{incomplete}");

    let reference = json!({"type": "ref/resource", "uri": "job://{job_id}"});
    let typed = job_id.get(..5).unwrap();
    let ids =
        wire.ask("completion/complete", json!({"ref": reference, "argument": {"name": "job_id", "value": typed}}));
    assert_eq!(ids["result"]["completion"]["values"], json!([job_id]), "{ids}");
    wire.finish();
}

#[test]
fn unreadable_messages_are_answered_with_their_id() {
    let mut wire = Wire::start(&[]);
    wire.initialize("2025-11-25");
    for (line, id) in [
        (
            &b"{\"jsonrpc\":\"2.0\",\"id\":21,\"method\":\"tools/call\",\"params\":{\"name\":\"t\\ud800\"}}\n"[..],
            json!(21),
        ),
        (b"{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"x\",\"params\":{\"a\":\"\xff\"}}\n", json!("a")),
        (b"{\"jsonrpc\":\"2.0\",\"id\":23,\"method\":\n", json!(23)),
        (b"nonsense\n", Value::Null),
        (b"more nonsense\n", Value::Null),
        (b"[]\n", Value::Null),
    ] {
        wire.write(line);
        let answer = wire.next();
        assert_eq!(answer.get("id"), Some(&id), "{answer}");
        assert!(answer["error"]["code"].is_i64(), "{answer}");
    }
    // An error is not answered with an error.
    wire.write(b"{\"jsonrpc\":\"2.0\",\"id\":5,\"error\":{\"code\":1,\n");
    assert!(wire.is_alive());
    let values = format!("{{\"jsonrpc\":\"2.0\",\"id\":24,\"method\":\"x\",\"params\":[{}0]}}\n", "0,".repeat(100_000));
    wire.write(values.as_bytes());
    assert_eq!(wire.next()["id"], 24);
    wire.finish();
}

#[test]
fn a_byte_order_mark_before_the_first_message_is_no_part_of_it() {
    let mut wire = Wire::start(&[]);
    wire.write(b"\xef\xbb\xbf");
    assert_eq!(wire.initialize("2025-06-18")["protocolVersion"], "2025-06-18");
    wire.finish();
}

#[test]
fn a_wrong_handshake_is_answered_with_the_field_at_fault() {
    let mut wire = Wire::start(&[]);
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {"roots": true}, "clientInfo": {"name": "a", "version": "1"}});
    let answer = wire.ask("initialize", params);
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("`capabilities.roots`"), "{answer}");
    assert_eq!(wire.initialize("2025-06-18")["protocolVersion"], "2025-06-18");
    wire.finish();
}

#[test]
fn a_batch_is_answered_in_one_array_where_the_revision_has_them() {
    let mut wire = Wire::start(&[]);
    wire.initialize("2025-03-26");
    wire.write(b"[{\"jsonrpc\":\"2.0\",\"id\":31,\"method\":\"ping\"},{\"jsonrpc\":\"2.0\",\"id\":32,\"method\":\"tools/list\"}]\n");
    let line = wire.next_line();
    let answers: Value = serde_json::from_str(&line).unwrap();
    let mut ids: Vec<i64> = answers.as_array().unwrap().iter().map(|answer| answer["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [31, 32], "{line}");
    assert!(wire.is_alive());
    wire.finish();
}

/// Writes a message to a process whose streams the test holds, and reads the answer.
#[cfg(unix)]
fn ask_bare(child: &mut std::process::Child, output: &mut impl std::io::BufRead, message: &Value) -> Value {
    use std::io::Write;
    child.stdin.as_mut().unwrap().write_all(format!("{message}\n").as_bytes()).unwrap();
    loop {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"));
        if answer.get("id").is_some() {
            return answer;
        }
    }
}

#[cfg(unix)]
fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello("2025-06-18")})
}

#[cfg(unix)]
fn call(id: i64, tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

#[cfg(unix)]
#[test]
fn client_that_stops_reading_ends_the_server() {
    use std::io::{BufReader, Write};
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(service());
    let (mut child, _home) = Wire::bare(service.url(), &[("PDFCO_LEDGER", "memory")]);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    assert!(ask_bare(&mut child, &mut output, &initialize())["result"].is_object());
    drop(output);
    let deadline = Instant::now() + Duration::from_secs(6);
    let html = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}});
    let ended = loop {
        std::thread::sleep(Duration::from_millis(200));
        // Its input stays open, and more requests come.
        let _ = writeln!(child.stdin.as_mut().unwrap(), "{}", call(1, "submit_job", html.clone()));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(Instant::now() < deadline, "it stays"),
        }
    };
    assert_eq!(ended.code(), Some(0));
    assert_eq!(service.count("/v1/pdf/convert/from/html"), 0);
}

#[cfg(unix)]
#[test]
fn a_log_that_cannot_be_written_or_is_not_read_stops_nothing() {
    use std::io::BufReader;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(service());
    for is_closed in [true, false] {
        let (mut child, _home) =
            Wire::bare(service.url(), &[("PDFCO_LEDGER", "memory"), ("PDFCO_LOG", "trace,rmcp=trace")]);
        // A pipe that no one reads holds 64 KiB.
        let stderr = child.stderr.take().filter(|_| !is_closed);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        ask_bare(&mut child, &mut output, &initialize());
        for id in 1..100 {
            let answer = ask_bare(&mut child, &mut output, &call(id, "list_jobs", json!({})));
            assert_eq!((&answer["id"], answer["result"].is_object()), (&json!(id), true), "{answer}");
        }
        let html = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}, "wait": 0});
        let answer = ask_bare(&mut child, &mut output, &call(100, "submit_job", html));
        assert_eq!(answer["id"], 100, "{answer}");
        drop((child.stdin.take(), stderr));
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[cfg(unix)]
#[test]
fn a_hangup_ends_the_server_as_a_termination_does() {
    for signal in ["-TERM", "-HUP", "-INT"] {
        let mut wire = Wire::start(&[]);
        wire.initialize("2025-06-18");
        wire.signal(signal);
        let ended = wire.exit_within(Duration::from_secs(5)).unwrap_or_else(|| panic!("{signal} does not end it"));
        assert_eq!(ended.code(), Some(0), "{signal}");
    }
}

#[test]
fn the_skill_is_listed_fetched_and_read() {
    let mut wire = Wire::start(&[]);
    let hello = wire.initialize("2025-11-25");
    assert!(hello["capabilities"]["extensions"]["io.modelcontextprotocol/skills"].is_object(), "{hello}");
    let listed = wire.ask("skills/list", json!({}));
    let skill = &listed["result"]["skills"][0];
    assert_eq!((&skill["uri"], &skill["frontmatter"]["name"]), (&json!("skill://pdfco/SKILL.md"), &json!("pdfco")));
    let got = wire.ask("skills/get", json!({"uri": skill["uri"]}));
    assert_eq!(&got["result"]["skill"], skill, "{got}");
    let read = wire.ask("resources/read", json!({"uri": skill["uri"]}));
    let text = read["result"]["contents"][0]["text"].as_str().unwrap();
    assert_eq!(skill["resources"][0]["size"], text.len(), "{read}");
    assert_eq!(wire.ask("skills/get", json!({"uri": "skill://other/SKILL.md"}))["error"]["code"], -32602);
    wire.finish();
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_does_not_read_costs_little_memory() {
    use std::io::{BufRead, BufReader, Write};
    const CALLS: i64 = 6_000;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(service());
    let (mut child, _home) = Wire::bare(service.url(), &[("PDFCO_LEDGER", "memory")]);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    ask_bare(&mut child, &mut output, &initialize());
    ask_bare(&mut child, &mut output, &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    let resident = |child: &std::process::Child| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap()
    };
    let before = resident(&child);
    let mut input = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || {
        for id in 2..2 + CALLS {
            writeln!(input, "{}", json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"})).unwrap();
        }
        input
    });
    // All their answers together are some 90 MiB.
    std::thread::sleep(Duration::from_secs(3));
    let taken = resident(&child).saturating_sub(before);
    assert!(taken < 30 * 1_024, "{taken} KiB of answers wait");
    let mut answered = std::collections::BTreeSet::new();
    for line in (&mut output).lines().take(usize::try_from(CALLS).unwrap()) {
        let answer: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert!(answer["result"]["tools"].is_array(), "{answer}");
        answered.insert(answer["id"].as_i64().unwrap());
    }
    assert_eq!(answered.len(), usize::try_from(CALLS).unwrap(), "each is answered once it is read");
    drop(writing.join().unwrap());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_leaves_no_core_file() {
    let mut wire = Wire::limited("ulimit -c unlimited 2>/dev/null || true", "http://127.0.0.1:9", &[]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", wire.process_id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    // Its memory is not its user's to read: the files that tell of it belong to root.
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(format!("/proc/{}/environ", wire.process_id())).unwrap().uid();
    assert_eq!(owner, 0, "other programs of the user may read its memory");
    assert!(wire.is_alive());
}

#[test]
fn a_log_of_json_has_one_object_a_line() {
    let variables = [("PDFCO_LOG", "debug"), ("PDFCO_LOG_FORMAT", "json"), ("PDFCO_LEDGER", "memory")];
    let mut wire = Wire::start(&variables);
    wire.initialize("2025-11-25");
    wire.call("get_job_check", json!({"job_id": "a"}));
    let log = wire.finish();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.iter().any(|line| line["level"].is_string()), "{log}");
}
