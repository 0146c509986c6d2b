//! Which forms a message may have, and what is answered to one that cannot be read.

use super::*;

#[tokio::test]
async fn icon_is_the_same_address_everywhere() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    let session = Session::open(&server, "sim_a", "2025-11-25").await;
    let icon = session.initialized["serverInfo"]["icons"][0]["src"].as_str().unwrap();
    // The characters of RFC 3986: clients that check the format refuse the whole handshake for another.
    let foreign = icon.chars().find(|c| !c.is_ascii_alphanumeric() && !"-._~:/?#[]@!$&'()*+,;=%".contains(*c));
    assert_eq!(foreign, None, "{icon}");
    // It is the drawing that the page shows, with white space and quotation marks of its own.
    let drawing = server.client.get(server.url("/page/icon.svg")).send().await.unwrap().text().await.unwrap();
    let carried = percent_encoding::percent_decode_str(icon.strip_prefix("data:image/svg+xml,").unwrap());
    let bare = |text: &str| text.replace(|c: char| c.is_whitespace() || "\"'".contains(c), "");
    assert_eq!(bare(&carried.decode_utf8().unwrap()), bare(&drawing));
    assert!(drawing.starts_with("<svg "), "{drawing}");
    server.running.stop().await;
}

#[tokio::test]
async fn what_is_no_message_is_answered_in_the_words_of_the_protocol() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    let table = [
        ("{", json!(null), -32700),
        ("", json!(null), -32700),
        ("\u{1}", json!(null), -32700),
        ("[]", json!(null), -32600),
        ("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", json!(null), -32600),
        ("{}", json!(null), -32600),
        ("5", json!(null), -32600),
        ("{\"id\":9,\"method\":\"ping\"}", json!(9), -32600),
        ("{\"jsonrpc\":\"1.0\",\"id\":\"a\",\"method\":\"ping\"}", json!("a"), -32600),
    ];
    for (body, id, code) in table {
        let asked = server.client.post(server.url("/mcp")).header("accept", "application/json, text/event-stream");
        let answer = asked.header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{body}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{body}: {answer}");
    }
    server.running.stop().await;
}

#[tokio::test]
async fn routing_header_names_the_job_of_the_call() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    let answer =
        |request: reqwest::RequestBuilder| async { message_in(&request.send().await.unwrap().text().await.unwrap()) };
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": stateless()}});
    let asked = server.post(&message).header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/list");
    let listed = answer(asked).await;
    for tool in listed["result"]["tools"].as_array().unwrap_or_else(|| panic!("{listed}")) {
        let job_id = &tool["inputSchema"]["properties"]["job_id"];
        let named = (!job_id.is_null()).then(|| json!("JobId"));
        assert_eq!(job_id.get("x-mcp-header"), named.as_ref(), "{}", tool["name"]);
    }
    for (header, is_taken) in [(None, true), (Some("A"), true), (Some("B"), false), (Some(""), false)] {
        let asked = server.request("sim_a", "cancel_job", json!({"job_id": "A"}));
        let answer = answer(header.iter().fold(asked, |asked, header| asked.header("mcp-param-jobid", *header))).await;
        match is_taken {
            true => assert_eq!(answer["result"]["structuredContent"]["status"], "unknown", "{header:?}: {answer}"),
            false => assert_eq!(answer["error"]["code"], -32020, "{header:?}: {answer}"),
        }
    }
    server.running.stop().await;
}

#[tokio::test]
async fn what_the_newest_revision_no_longer_has_is_unknown_to_it() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    let ask = async |method: &str| {
        let asked = server.client.post(server.url("/mcp")).header("accept", "application/json, text/event-stream");
        let asked = asked.header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
        let params = json!({"_meta": stateless()});
        let reply = asked.json(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).send().await;
        let reply = reply.unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    };
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"] {
        let (status, text) = ask(method).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status, &answer["error"]["code"], &answer["id"]), (404, &json!(-32601), &json!(1)), "{text}");
    }
    // What it has is known without the parameters that it needs, too.
    let (_, text) = ask("completion/complete").await;
    assert!(text.contains("-32602"), "{text}");
    server.running.stop().await;
}

#[tokio::test]
async fn every_accept_header_that_http_allows_is_answered() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    let session = Session::open(&server, "sim_a", "2025-06-18").await;
    let asked = |accept: Option<&'static str>| {
        let request = server.client.post(server.url("/mcp")).header("content-type", "application/json");
        let request = request.header("x-api-key", "sim_a").header("mcp-session-id", &session.id);
        // The client sends `*/*` by itself where nothing is said.
        request.header("accept", accept.unwrap_or("*/*")).body(ping().to_string()).send()
    };
    for accept in [None, Some("application/json"), Some("application/*"), Some("application/json;q=0.5, text/plain")] {
        let answer = asked(accept).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json", "{accept:?}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!((&answer["id"], &answer["result"]), (&json!(2), &json!({})), "{accept:?}");
    }
    let stream = asked(Some("text/event-stream")).await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let refused = asked(Some("text/html")).await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["content-type"]),
        (406, &"application/json".parse().unwrap())
    );
    let error: Value = refused.json().await.unwrap();
    assert_eq!(error["jsonrpc"], "2.0", "{error}");
    // Other refusals speak the protocol, too.
    for (request, status) in [
        (server.client.post(server.url("/mcp")).body("x"), 415),
        (server.client.put(server.url("/mcp")), 405),
        (server.client.get(server.url("/mcp")).header("accept", "text/html"), 406),
        (server.client.get(server.url("/mcp")).header("mcp-session-id", "none"), 404),
        (server.post(&ping()).header("mcp-session-id", "none"), 404),
        (server.post(&ping()), 400),
    ] {
        let (answered, error) = answered(request).await;
        assert_eq!((answered, &error["jsonrpc"]), (status, &json!("2.0")), "{error}");
    }
    server.running.stop().await;
}

#[tokio::test]
async fn a_batch_is_answered_in_one_array_where_the_revision_has_them() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    let batch = json!([ping(), {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77}},
        {"jsonrpc": "2.0", "id": "b", "method": "tools/list"}, {"id": 4}]);
    let session = Session::open(&server, "sim_a", "2025-03-26").await;
    // Clients of this revision do not send it in a header.
    let asked =
        |message: &Value| server.post(message).header("x-api-key", "sim_a").header("mcp-session-id", &session.id);
    let (status, answers) = answered(asked(&batch)).await;
    let ids: Vec<&Value> = answers.as_array().unwrap().iter().map(|answer| &answer["id"]).collect();
    assert_eq!((status, ids), (200, vec![&json!(2), &json!("b"), &json!(4)]), "{answers}");
    assert!(answers[1]["result"]["tools"].is_array() && answers[2]["error"]["code"] == -32600, "{answers}");
    let notes = json!([{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77}}]);
    assert_eq!(asked(&notes).send().await.unwrap().status(), 202);
    for wrong in [json!([]), json!(vec![ping(); 51])] {
        assert_eq!(answered(asked(&wrong)).await.1["error"]["code"], -32600);
    }
    let newer = Session::open(&server, "sim_a", "2025-06-18").await;
    let (status, error) = answered(newer.post(&batch)).await;
    assert!(status == 400 && error["error"]["message"].as_str().unwrap().contains("2025-03-26"), "{error}");
    server.running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_with_the_id_it_had() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    let session = Session::open(&server, "sim_a", "2025-06-18").await;
    let asked = |body: Vec<u8>| {
        let request = session.post(&ping()).header("content-type", "application/json");
        answered(request.body(body))
    };
    let mut marked = b"\xef\xbb\xbf".to_vec();
    marked.extend(ping().to_string().into_bytes());
    let (status, answer) = asked(marked).await;
    assert_eq!(status, 200, "a byte order mark: {answer}");
    let values = format!(r#"{{"jsonrpc":"2.0","id":6,"method":"x","params":[{}0]}}"#, "0,".repeat(100_000));
    for (body, id) in [
        (br#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"t\ud800"}}"#.to_vec(), json!(3)),
        (b"{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"x\",\"params\":{\"a\":\"\xff\"}}".to_vec(), json!("a")),
        (values.into_bytes(), json!(6)),
        (b"{\"id\":".to_vec(), Value::Null),
    ] {
        let (status, error) = asked(body).await;
        assert!((400..500).contains(&status), "{error}");
        assert_eq!((error.get("id"), error["error"]["code"].is_i64()), (Some(&id), true), "{error}");
    }
    let params =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": null}});
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let (_, error) = answered(server.post(&initialize)).await;
    assert!(error["error"]["message"].as_str().unwrap().contains("clientInfo.version"), "{error}");
    server.running.stop().await;
}
