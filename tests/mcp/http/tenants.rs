//! Whose jobs, files, key and settings a caller has.

use super::*;

#[tokio::test]
async fn two_keys_never_see_each_other() {
    let server = Arc::new(HttpServer::open(Life::Checks(0), None, &[]).await);
    let mut calls = tokio::task::JoinSet::new();
    for index in 0..400 {
        let server = Arc::clone(&server);
        calls.spawn(async move {
            let key = if index % 2 == 0 { "sim_a" } else { "sim_b" };
            let answer = server.submit(key, &format!("{key} {index}"), 45, json!({})).await;
            assert_eq!(answer["status"], "success", "{answer}");
            (key, answer["job"]["job_id"].as_str().unwrap().to_owned())
        });
    }
    let jobs = calls.join_all().await;
    for key in ["sim_a", "sim_b"] {
        let mut listed: Vec<String> = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let page = server.call(key, "list_jobs", json!({"limit": 100, "cursor": cursor})).await;
            let items = page["content"]["items"].as_array().unwrap();
            listed.extend(items.iter().map(|job| job["job_id"].as_str().unwrap().to_owned()));
            cursor = page["content"]["next_cursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        let mut own: Vec<String> = jobs.iter().filter(|(owner, _)| *owner == key).map(|(_, id)| id.clone()).collect();
        listed.sort_unstable();
        own.sort_unstable();
        assert_eq!(listed, own);
    }
    // Another's id and an id that no one has get the same answer.
    let (_, theirs) = jobs.iter().find(|(owner, _)| *owner == "sim_b").unwrap();
    for tool in ["read_result", "download_result", "cancel_job"] {
        let shape = |answer: Value, id: &str| answer.to_string().replace(id, "ID");
        let other = server.call("sim_a", tool, json!({"job_id": theirs})).await;
        let nobodys = server.call("sim_a", tool, json!({"job_id": "NOBODYS0NOBODYS0NOBODYS0NOBODYS0--151-300"})).await;
        let blank = |answer: Value, id: &str| {
            let mut answer = answer;
            answer["credits_remaining"] = Value::Null;
            shape(answer, id)
        };
        assert_eq!(blank(other, theirs), blank(nobodys, "NOBODYS0NOBODYS0NOBODYS0NOBODYS0--151-300"), "{tool}");
    }
    let balance_a = server.simulator.credits("sim_a");
    assert_eq!(server.call("sim_a", "get_credit_balance", json!({})).await["credits_remaining"], json!(balance_a));
}

#[tokio::test]
async fn the_servers_key_is_lent_only_where_that_was_said() {
    let html = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}, "wait": 0});
    for is_shared in [false, true] {
        let server = HttpServer::shared("sim_server", |options, _| options.shared_key = is_shared).await;
        let answer = server.call_as("", "submit_job", html.clone()).await;
        if is_shared {
            assert_eq!(answer["status"], "queued", "{answer}");
        } else {
            assert_eq!(answer["content"]["kind"], "auth", "{answer}");
            assert!(answer.to_string().contains("x-api-key"), "it says how to give a key: {answer}");
        }
        assert_eq!(server.simulator.count("/v1/pdf/convert/from/html"), usize::from(is_shared));
        // A key of one's own is always good, and sees nothing of the server's.
        let own = server.call_as("sim_own", "list_jobs", json!({})).await;
        assert_eq!(own["content"]["total"], 0, "{own}");
        server.running.stop().await;
    }
}

#[tokio::test]
async fn holders_of_the_token_use_no_file_of_the_server() {
    let server = HttpServer::shared("sim_server", |_, _| ()).await;
    let home = server._home.path().display().to_string();
    std::fs::write(server._home.path().join("report.pdf"), "%PDF-1.4 a report").unwrap();
    let made =
        server.call_as("sim_a", "submit_job", json!({"operation": "html_to_pdf", "options": {"html": "a"}, "wait": 5}));
    let made = made.await;
    assert_eq!(made["status"], "success", "{made}");
    for (tool, arguments) in [
        ("upload_file", json!({"file_path": format!("{home}/report.pdf")})),
        ("upload_file", json!({"file_path": "report.pdf"})),
        ("upload_file", json!({"file_path": "/etc/passwd"})),
        ("submit_job", json!({"operation": "pdf_to_text", "url": "report.pdf"})),
        ("download_result", json!({"job_id": made["job"]["job_id"], "save_to": "report.pdf", "overwrite": true})),
    ] {
        let answer = server.call_as("sim_a", tool, arguments.clone()).await;
        assert_eq!(answer["content"]["kind"], "file_access", "{tool} {arguments}: {answer}");
        let shown = answer.to_string().replace(&arguments.to_string(), "");
        assert!(!shown.contains(&format!("{home}/ledger")) && !shown.contains("Allowed:"), "{answer}");
    }
    assert_eq!(std::fs::read(server._home.path().join("report.pdf")).unwrap(), b"%PDF-1.4 a report");
    server.running.stop().await;
}

#[tokio::test]
async fn each_tenant_keeps_files_apart_and_within_its_quota() {
    let server =
        HttpServer::shared("sim_server", |options, home| options.files = Some((home.join("files"), 100_000))).await;
    let home = server._home.path().display().to_string();
    let html = |name: &str| json!({"operation": "html_to_pdf", "options": {"html": name}, "wait": 5});
    let mut jobs = Vec::new();
    for key in ["sim_a", "sim_b"] {
        let made = server.call_as(key, "submit_job", html(key)).await;
        assert_eq!(made["status"], "success", "{made}");
        jobs.push(made["job"]["job_id"].clone());
    }
    let save = |key: &'static str, job: &Value, name: &str| {
        server.call_as(key, "download_result", json!({"job_id": job, "save_to": name}))
    };
    let saved = save("sim_a", &jobs[0], "mine.pdf").await;
    assert_eq!(saved["status"], "success", "{saved}");
    assert!(!saved.to_string().contains(&home), "no path of the server: {saved}");
    // For the other tenant it does not exist, under whatever name.
    for path in ["mine.pdf", "../mine.pdf", &format!("{home}/files/mine.pdf")] {
        let answer = server.call_as("sim_b", "upload_file", json!({"file_path": path})).await;
        assert_eq!(answer["content"]["kind"], "file_access", "{path}: {answer}");
    }
    let saved = save("sim_b", &jobs[1], "mine.pdf").await;
    assert_eq!(saved["status"], "success", "the name is free: {saved}");
    let own = server.call_as("sim_a", "upload_file", json!({"file_path": "mine.pdf"})).await;
    assert_ne!(own["status"], "error", "{own}");
    // The quota is each tenant's own.
    let mut refused = None;
    for number in 0..200 {
        let answer = save("sim_a", &jobs[0], &format!("copy-{number}.pdf")).await;
        if answer["status"] == "error" {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a quota that is never reached");
    assert!(!refused.to_string().contains(&home), "{refused}");
    let saved = save("sim_b", &jobs[1], "another.pdf").await;
    assert_eq!(saved["status"], "success", "{saved}");
    server.running.stop().await;
}

/// The names of the tools that a connection is shown, over both revisions, at `path` and with `headers`.
async fn listed(server: &HttpServer, path: &str, headers: &[(&str, &str)]) -> Vec<Vec<String>> {
    let names = |message: &Value| -> Vec<String> {
        let tools = message["result"]["tools"].as_array().unwrap_or_else(|| panic!("{message}"));
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let post = |message: &Value| {
        let request = server.client.post(server.url(path)).header("accept", "application/json, text/event-stream");
        headers.iter().fold(request.header("x-api-key", "sim_a").json(message), |request, (name, value)| {
            request.header(*name, *value)
        })
    };
    let modern = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": stateless()}});
    let modern = post(&modern).header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/list");
    let modern = message_in(&modern.send().await.unwrap().text().await.unwrap());
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}});
    let opened = post(&initialize).send().await.unwrap();
    let session = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let initialize = message_in(&opened.text().await.unwrap());
    let instructions = initialize["result"]["instructions"].as_str().unwrap().to_owned();
    // Only the address and the headers of `initialize` say it: the session keeps it.
    let old = server.post(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
    let old = old.header("x-api-key", "sim_a").header("mcp-session-id", session).send().await.unwrap();
    let old = message_in(&old.text().await.unwrap());
    let shown = names(&old);
    assert_eq!(instructions.contains("submit_job"), shown.contains(&"submit_job".to_owned()), "{instructions}");
    vec![names(&modern), shown]
}

#[tokio::test]
async fn a_connection_narrows_what_the_server_offers() {
    let server = HttpServer::open(Life::Checks(0), None, &[("PDFCO_TOOLSETS", "extract,search")]).await;
    let all = listed(&server, "/mcp", &[]).await;
    let count = |lists: &[Vec<String>], name: &str| lists.iter().filter(|list| list.contains(&name.to_owned())).count();
    assert_eq!(
        (count(&all, "submit_job"), count(&all, "find_text"), count(&all, "ai_invoice_parser")),
        (2, 2, 2),
        "{all:?}"
    );
    for (path, headers) in [("/mcp?toolsets=search", &[][..]), ("/mcp", &[("x-mcp-toolsets", "search,forms")])] {
        let some = listed(&server, path, headers).await;
        let counted = ["submit_job", "find_text", "ai_invoice_parser", "fill_forms"].map(|name| count(&some, name));
        assert_eq!(counted, [2, 2, 0, 0], "{path}: {some:?}");
    }
    for (path, headers) in [("/mcp?read_only=true", &[][..]), ("/mcp", &[("x-mcp-readonly", "true")])] {
        let some = listed(&server, path, headers).await;
        let counted = ["submit_job", "download_result", "list_jobs", "read_result"].map(|name| count(&some, name));
        assert_eq!(counted, [0, 0, 2, 2], "{path}: {some:?}");
    }
    // What is hidden is refused as well, before anything is sent, and only for that connection.
    let submit = json!({"operation": "html_to_pdf", "options": {"html": "a"}, "wait": 0});
    let refused = server.request("sim_a", "submit_job", submit.clone()).header("x-mcp-readonly", "true").send();
    let refused = message_in(&refused.await.unwrap().text().await.unwrap());
    assert!(refused.to_string().contains("This connection is read-only"), "{refused}");
    assert!(server.simulator.requests().is_empty(), "{:?}", server.simulator.requests());
    assert_eq!(server.call("sim_a", "submit_job", submit).await["status"], "queued");
    server.running.stop().await;
}

#[tokio::test]
async fn unknown_settings_of_a_connection_are_refused() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    for (path, headers, named) in [
        ("/mcp?toolsets=extrakt", &[][..], "extrakt"),
        ("/mcp?read_only=maybe", &[], "maybe"),
        ("/mcp?readonly=true", &[], "Did you mean `read_only`"),
        ("/mcp", &[("x-mcp-readonly", "perhaps")], "X-MCP-Readonly"),
        ("/mcp", &[("x-mcp-toolsets", "")], "X-MCP-Toolsets"),
    ] {
        for revision in ["2025-06-18", "2026-07-28"] {
            let request = server.client.post(server.url(path)).header("accept", "application/json, text/event-stream");
            let request = request.header("mcp-protocol-version", revision).json(&ping());
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let (status, refused) = answered(request).await;
            assert_eq!(status, 400, "{path}: {refused}");
            assert!(refused["error"]["message"].as_str().unwrap().contains(named), "{refused}");
        }
    }
    let session = Session::open(&server, "sim_a", "2025-06-18").await;
    let other =
        session.post(&json!({"jsonrpc": "2.0", "id": 5, "method": "tools/list"})).header("x-mcp-readonly", "true");
    let (status, refused) = answered(other).await;
    assert_eq!(status, 400, "{refused}");
    server.running.stop().await;
}

#[tokio::test]
async fn files_of_remote_callers_travel_past_the_server() {
    let server = HttpServer::open(Life::Checks(0), Some(TOKEN), &[]).await;
    let call = async |tool: &str, arguments: Value| -> Value {
        let text =
            server.request("sim_a", tool, arguments).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
        message_in(&text)["result"]["structuredContent"].clone()
    };
    let modern = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": stateless()}});
    let listed = server.post(&modern).header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/list");
    let listed = listed.bearer_auth(TOKEN).header("x-api-key", "sim_a").send().await.unwrap().text().await.unwrap();
    let listed = message_in(&listed);
    let tool = |name: &str| {
        let tools = listed["result"]["tools"].as_array().unwrap();
        tools.iter().find(|tool| tool["name"] == name).unwrap().clone()
    };
    assert!(tool("upload_file")["inputSchema"]["properties"].get("file_path").is_none());
    assert!(tool("upload_file")["description"].as_str().unwrap().contains("upload ticket"));
    assert!(tool("download_result")["inputSchema"]["properties"].get("save_to").is_none());

    let ticket = call("upload_file", json!({"name": "it's.pdf"})).await;
    let upload = &ticket["content"]["upload"];
    assert_eq!((ticket["status"].as_str(), upload["method"].as_str()), (Some("success"), Some("PUT")), "{ticket}");
    assert_eq!(upload["headers"], json!({"Content-Type": "application/pdf"}));
    let command = upload["command"].as_str().unwrap();
    assert!(command.contains(upload["url"].as_str().unwrap()) && !command.contains("sim_a"), "{command}");
    let ends: jiff::Timestamp = upload["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(ends > jiff::Timestamp::now());
    assert!(ticket["credits_used"].as_i64().is_some_and(|credits| credits > 0), "{ticket}");

    let bytes = std::fs::read("fixtures/documents/report.pdf").unwrap();
    let put = server.client.put(upload["url"].as_str().unwrap()).header("content-type", "application/pdf").body(bytes);
    assert_eq!(put.send().await.unwrap().status(), 200);
    let job =
        call("submit_job", json!({"operation": "pdf_to_text", "url": ticket["content"]["url"], "wait": 20})).await;
    assert_eq!(job["status"], "success", "{job}");

    let job_id = job["job"]["job_id"].clone();
    let links = call("download_result", json!({"job_id": job_id})).await;
    let file = &links["content"]["files"][0];
    let fetched = server.client.get(file["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(fetched.status(), 200, "{links}");
    let ends: jiff::Timestamp = file["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(ends > jiff::Timestamp::now());
    // A path of the server is still no file of the caller.
    let refused = call("upload_file", json!({"file_path": "/etc/hostname"})).await;
    assert_eq!(refused["status"], "error", "{refused}");
    server.running.stop().await;
}

#[tokio::test]
async fn callers_of_this_machine_have_paths_and_tickets() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    let ticket = server.call("sim_a", "upload_file", json!({})).await;
    assert_eq!(ticket["content"]["upload"]["headers"]["Content-Type"], "application/pdf", "{ticket}");
    let job = server.submit("sim_a", "a", 20, Value::Null).await;
    let saved = server.call("sim_a", "download_result", json!({"job_id": job["job"]["job_id"]})).await;
    assert!(saved["job"]["outputs"][0]["saved_to"].is_string(), "{saved}");
    server.running.stop().await;
}
