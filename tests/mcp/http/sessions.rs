//! Sessions of the older revisions, streams, and waits whose client went away.

use super::*;

#[tokio::test]
async fn only_sessions_of_2025_11_25_have_session_tasks() {
    let server = HttpServer::open(Life::Checks(0), None, &[("PDFCO_CHECK_WORTH_SECONDS", "0.05")]).await;
    let session = Session::open(&server, "sim_a", "2025-11-25").await;
    assert!(session.initialized["capabilities"]["tasks"]["list"].is_object(), "{}", session.initialized);
    let html = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}});
    let created = session.ask("tools/call", json!({"name": "submit_job", "arguments": html, "task": {}})).await;
    let id = created["result"]["task"]["taskId"].clone();
    let result = session.ask("tasks/result", json!({"taskId": id})).await;
    assert_eq!(result["result"]["structuredContent"]["status"], "success", "{result}");
    // Another key does not see it, in whatever revision it asks.
    let stranger = Session::open(&server, "sim_b", "2025-11-25").await;
    assert_eq!(stranger.ask("tasks/get", json!({"taskId": id})).await["error"]["code"], -32602);
    assert_eq!(stranger.ask("tasks/list", json!({})).await["result"], json!({"tasks": []}));
    let older = Session::open(&server, "sim_a", "2025-06-18").await;
    assert!(older.initialized["capabilities"].get("tasks").is_none(), "{}", older.initialized);
    assert_eq!(older.ask("tasks/list", json!({})).await["error"]["code"], -32601);
    server.running.stop().await;
}

#[tokio::test]
async fn a_session_that_is_ended_is_gone() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    let session = Session::open(&server, "sim_a", "2025-06-18").await;
    let end = |key: &'static str| {
        server.client.delete(server.url("/mcp")).header("x-api-key", key).header("mcp-session-id", &session.id).send()
    };
    assert_eq!(end("sim_b").await.unwrap().status(), 404, "a session of another key");
    let ended = end("sim_a").await.unwrap();
    assert_eq!(ended.status(), 204, "clients take 200 and 204 for done, and anything else for trouble");
    assert_eq!(ended.bytes().await.unwrap().len(), 0);
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    assert_eq!(session.post(&ping).send().await.unwrap().status(), 404);
    server.running.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_lets_waits_answer() {
    let server = HttpServer::open(Life::Checks(1_000), None, &[]).await;
    let submitted = server.submit("sim_a", "long", 0, json!({})).await;
    let job_id = submitted["job"]["job_id"].as_str().unwrap();
    let wait = |timeout: u32| {
        let arguments = json!({"job_id": job_id, "timeout": timeout, "interval": 0.5});
        let asked = server.request("sim_a", "wait_job_completion", arguments);
        tokio::spawn(async move { message_in(&asked.send().await.unwrap().text().await.unwrap()) })
    };
    let (short, long) = (wait(2), wait(40));
    while server.app.jobs().polled() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let url = server.url("/healthz");
    server.running.stop().await;
    let answer = short.await.unwrap();
    assert_eq!(answer["result"]["structuredContent"]["status"], "working", "{answer}");
    // One that would have gone on says so.
    let answer = long.await.unwrap();
    assert_eq!(answer["result"]["structuredContent"]["content"]["kind"], "cancelled", "{answer}");
    assert!(server.client.get(url).send().await.is_err(), "and no new client gets in");
}

#[tokio::test]
async fn a_client_that_disappears_leaves_no_polling_behind() {
    let server = HttpServer::open(Life::Checks(1_000), None, &[("PDFCO_CHECK_WORTH_SECONDS", "0.05")]).await;
    let submitted = server.submit("sim_a", "long", 0, json!({})).await;
    let job_id = submitted["job"]["job_id"].as_str().unwrap();
    let asked = server
        .request("sim_a", "wait_job_completion", json!({"job_id": job_id, "timeout": 40, "interval": 0.5}))
        .send();
    let gone = tokio::time::timeout(Duration::from_millis(1_300), asked).await;
    // The answer may have begun as a stream; dropping it is leaving.
    drop(gone);
    let deadline = Instant::now() + Duration::from_secs(2);
    while server.app.jobs().polled() > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.app.jobs().polled(), 0);
    server.running.stop().await;
}

#[tokio::test]
async fn only_revisions_that_know_it_get_a_first_event_without_data() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    for (revision, is_primed) in
        [("2024-11-05", false), ("2025-03-26", false), ("2025-06-18", false), ("2025-11-25", true)]
    {
        let session = Session::open(&server, "sim_a", revision).await;
        let text = session.post(&ping()).send().await.unwrap().text().await.unwrap();
        assert_eq!(text.contains("data: \n") || text.contains("data:\n"), is_primed, "{revision}: {text:?}");
        let initialize =
            json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize});
        let text = server.post(&initialize).send().await.unwrap().text().await.unwrap();
        assert!(text.starts_with("data: {"), "{revision}: {text:?}");
    }
    server.running.stop().await;
}

#[tokio::test]
async fn answer_for_an_absent_client_is_fetched_later() {
    use futures_util::StreamExt;
    let server = HttpServer::open(Life::Time { median: Duration::from_secs(2), sigma: 0.01 }, None, &[]).await;
    let session = Session::open(&server, "sim_a", "2025-11-25").await;
    let html = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}, "wait": 20});
    let call =
        json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "submit_job", "arguments": html}});
    let mut stream = session.post(&call).send().await.unwrap().bytes_stream();
    let first = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    let last = first.lines().rev().find_map(|line| line.strip_prefix("id:")).unwrap().trim().to_owned();
    drop(stream);
    tokio::time::sleep(Duration::from_secs(5)).await;

    let resume = |key: &'static str, last: &str| {
        let asked =
            server.client.get(server.url("/mcp")).header("accept", "text/event-stream").header("x-api-key", key);
        asked.header("mcp-session-id", &session.id).header("last-event-id", last)
    };
    let (status, error) = answered(resume("sim_b", &last)).await;
    assert_eq!(status, 404, "{error}");
    let stranger = server.client.get(server.url("/mcp")).header("mcp-session-id", &session.id);
    assert_eq!(answered(stranger.header("last-event-id", &last)).await.0, 404, "without a key");
    let answer = message_in(&resume("sim_a", &last).send().await.unwrap().text().await.unwrap());
    assert_eq!(
        (&answer["id"], &answer["result"]["structuredContent"]["status"]),
        (&json!(9), &json!("success")),
        "{answer}"
    );
    let (status, error) = answered(resume("sim_a", "5/99")).await;
    assert!(status == 400 && error["error"]["message"].as_str().unwrap().contains("Last-Event-ID"), "{error}");
    server.running.stop().await;
}

#[tokio::test]
async fn an_abandoned_wait_of_a_session_ends() {
    let server = HttpServer::open(Life::Checks(1_000), None, &[]).await;
    let session = Session::open(&server, "sim_a", "2025-06-18").await;
    let submitted = server.submit("sim_a", "long", 0, json!({})).await;
    let arguments = json!({"job_id": submitted["job"]["job_id"], "timeout": 45, "interval": 1});
    let call = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "wait_job_completion", "arguments": arguments}});
    let response = session.post(&call).send().await.unwrap();
    while server.app.jobs().polled() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let began = Instant::now();
    drop(response);
    while server.app.jobs().polled() > 0 && began.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!((Duration::from_secs(10)..Duration::from_secs(20)).contains(&began.elapsed()), "{:?}", began.elapsed());
    server.running.stop().await;
}

#[tokio::test]
async fn many_sessions_of_one_key_shut_no_other_out() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    let other = Session::open(&server, "sim_other", "2025-06-18").await;
    let mut flood = Vec::new();
    for _ in 0..60 {
        flood.push(Session::open(&server, "sim_flood", "2025-06-18").await);
    }
    assert_eq!(other.ask("ping", json!({})).await["result"], json!({}), "another key's session lives");
    assert_eq!(flood[59].ask("ping", json!({})).await["result"], json!({}));
    assert_eq!(flood[0].post(&ping()).send().await.unwrap().status(), 404, "the one idle longest gave way");
    let alive = futures_util::future::join_all(flood.iter().map(|session| session.post(&ping()).send())).await;
    let alive = alive.iter().filter(|answer| answer.as_ref().unwrap().status() == 200).count();
    assert_eq!(alive, 20);
    server.running.stop().await;
}
