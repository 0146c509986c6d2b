//! Who gets in: tokens, hosts, origins, settings that do not start, and what strangers learn.

use super::*;

#[tokio::test]
async fn without_the_token_only_health_answers() {
    let server = HttpServer::open(Life::Checks(0), Some(TOKEN), &[]).await;
    let status = |request: reqwest::RequestBuilder| async { request.send().await.unwrap().status().as_u16() };
    let asked = || server.request("sim_a", "list_jobs", json!({}));
    assert_eq!(status(asked()).await, 401);
    assert_eq!(status(asked().bearer_auth(&TOKEN[1..])).await, 401);
    // Clients show the message of a refusal in the protocol's words, and of other bodies nothing.
    let refused = asked().bearer_auth(&TOKEN[1..]).send().await.unwrap();
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    let refused: Value = refused.json().await.unwrap();
    assert!(refused["error"]["message"].as_str().unwrap().contains("Authorization: Bearer"), "{refused}");
    assert_eq!(status(asked().bearer_auth(TOKEN)).await, 200);
    assert_eq!(status(server.client.get(server.url("/metrics"))).await, 401);
    assert_eq!(status(server.client.get(server.url("/metrics")).bearer_auth(TOKEN)).await, 200);
    assert_eq!(status(server.client.get(server.url("/healthz"))).await, 200);
    assert_eq!(status(server.client.get(server.url("/readyz"))).await, 200);
    // A collector finds a replica by its address; a name that is not ours is refused, and so is an address elsewhere.
    let scrape = |host: &str| server.client.get(server.url("/metrics")).header("host", host);
    for (host, expected) in
        [("10.0.0.7:8911", 200), ("[fd00::7]:8911", 200), ("evil.test", 403), ("10.0.0.7.evil.test", 403)]
    {
        assert_eq!(status(scrape(host).bearer_auth(TOKEN)).await, expected, "{host}");
    }
    assert_eq!(status(scrape("10.0.0.7:8911").bearer_auth(&TOKEN[1..])).await, 401);
    assert_eq!(status(scrape("10.0.0.7:8911")).await, 403);
    assert_eq!(status(scrape("10.0.0.7:8911").bearer_auth(TOKEN).header("origin", "http://10.0.0.7:8911")).await, 403);
    assert_eq!(status(asked().bearer_auth(TOKEN).header("host", "10.0.0.7:8911")).await, 403);
    server.running.stop().await;
}

#[tokio::test]
async fn an_address_that_others_reach_needs_a_token() {
    let simulator = simulator::spawn(simulator::Options::default()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let app = Arc::new(App::new(settings(&simulator, home.path(), &[])).unwrap());
    let options = Options::at("0.0.0.0:0".parse().unwrap());
    let error = http::start(app, options).await.err().unwrap();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(
        error.hint().text(pdfco::next_step::Audience::Agent).contains("PDFCO_HTTP_TOKEN"),
        "{}",
        error.hint().text(pdfco::next_step::Audience::Agent)
    );
}

#[tokio::test]
async fn foreign_hosts_and_origins_and_large_bodies_are_refused() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    let status = |request: reqwest::RequestBuilder| async { request.send().await.unwrap().status().as_u16() };
    let asked = || server.request("sim_a", "list_jobs", json!({}));
    assert_eq!(status(asked()).await, 200);
    assert_eq!(status(asked().header("host", "evil.test")).await, 403);
    assert_eq!(status(asked().header("origin", "https://evil.test")).await, 403);
    assert_eq!(status(asked().header("origin", "http://localhost:3000")).await, 200);
    let large = json!({"cursor": "x".repeat(5 * 1024 * 1024)});
    let refused = server.request("sim_a", "list_jobs", large).send().await.unwrap();
    assert_eq!(refused.status(), 413);
    let refused: Value = refused.json().await.unwrap();
    assert!(refused["error"]["message"].as_str().unwrap().contains("1048576"), "{refused}");
    server.running.stop().await;
}

#[tokio::test]
async fn heads_that_are_too_large_and_foreign_names_get_nowhere() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    let status =
        |request: reqwest::RequestBuilder| async { request.send().await.map(|answer| answer.status().as_u16()) };
    let metrics = || server.client.get(server.url("/metrics"));
    assert_eq!(status(metrics()).await.unwrap(), 200);
    assert_eq!(status(metrics().header("host", "localhost:1")).await.unwrap(), 200);
    for foreign in ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test:80"] {
        assert_eq!(status(metrics().header("host", foreign)).await.unwrap(), 403, "{foreign}");
    }
    let many = (0..200).fold(metrics(), |request, number| request.header(format!("x-{number}"), "a"));
    assert!(status(many).await.is_ok_and(|status| status == 431));
    let long = status(metrics().header("x-long", "a".repeat(200_000))).await;
    assert!(long.as_ref().map_or(true, |status| *status == 431), "{long:?}");
    assert_eq!(status(metrics()).await.unwrap(), 200, "and the others are served");
    server.running.stop().await;
}

#[tokio::test]
async fn a_browser_client_is_let_in_by_the_same_list_as_its_host() {
    let simulator = simulator::spawn(simulator::Options::default()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let app = Arc::new(App::new(settings(&simulator, home.path(), &[])).unwrap());
    let mut options = Options::at("127.0.0.1:0".parse().unwrap());
    options.token = Some(SecretString::from(TOKEN));
    options.origins = vec!["https://app.test".to_owned()];
    let running = http::start(Arc::clone(&app), options).await.unwrap();
    let server = HttpServer { simulator, running, app, client: client(), _home: home };
    for (origin, is_allowed) in [
        ("http://localhost:6274", true),
        ("http://[::1]:1", true),
        ("https://app.test", true),
        ("https://evil.test", false),
        ("null", false),
    ] {
        let asked = server.client.request(reqwest::Method::OPTIONS, server.url("/mcp"));
        let asked = asked.header("origin", origin).header("access-control-request-method", "POST");
        let answer = asked.send().await.unwrap();
        let expected = if is_allowed { 204 } else { 403 };
        assert_eq!(answer.status(), expected, "{origin}");
        let allowed = answer.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap());
        assert_eq!(allowed, is_allowed.then_some(origin));
        if !is_allowed {
            continue;
        }
        let sent = answer.headers()["access-control-allow-headers"].to_str().unwrap();
        for name in ["authorization", "x-api-key", "mcp-session-id", "mcp-protocol-version", "last-event-id"] {
            assert!(sent.contains(name), "{sent}");
        }
        // A page can read that a token is missing, and the id of its session.
        let refused = server.post(&ping()).header("origin", origin).send().await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["www-authenticate"]),
            (401, &"Bearer".parse().unwrap())
        );
        assert!(refused.headers()["access-control-expose-headers"].to_str().unwrap().contains("mcp-session-id"));
    }
    server.running.stop().await;
}

#[tokio::test]
async fn request_for_two_hosts_or_a_foreign_one_is_refused() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    for (head, status) in [
        ("GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: evil.test\r\n", "400"),
        ("GET http://evil.test/healthz HTTP/1.1\r\nhost: localhost\r\n", "400"),
        ("GET http://localhost/healthz HTTP/1.1\r\nhost: localhost\r\n", "200"),
        ("GET /healthz HTTP/1.0\r\n", "200"),
        ("POST /mcp HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\ncontent-length: 0\r\n", "400"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(server.running.address).await.unwrap();
        stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}: {answer}");
    }
    let (status, error) = answered(server.post(&ping()).header("host", "jobs.test")).await;
    let what = error["error"]["message"].as_str().unwrap();
    assert!(status == 403 && what.contains("PDFCO_HTTP_HOSTS") && what.contains("jobs.test"), "{error}");
    server.running.stop().await;
}

#[tokio::test]
async fn invalid_hosts_and_guessable_tokens_do_not_start() {
    let simulator = simulator::spawn(simulator::Options::default()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let app = Arc::new(App::new(settings(&simulator, home.path(), &[])).unwrap());
    let start = |change: fn(&mut Options)| {
        let mut options = Options::at("127.0.0.1:0".parse().unwrap());
        change(&mut options);
        http::start(Arc::clone(&app), options)
    };
    type Change = fn(&mut Options);
    let changes: [(Change, &str); 3] = [
        (|options| options.token = Some(SecretString::from("short")), "PDFCO_HTTP_TOKEN"),
        (|options| options.hosts = vec!["https://jobs.test".to_owned()], "PDFCO_HTTP_HOSTS"),
        (|options| options.origins = vec!["jobs.test".to_owned()], "PDFCO_HTTP_ORIGINS"),
    ];
    for (change, named) in changes {
        let error = start(change).await.err().unwrap();
        assert!(error.kind() == Kind::InvalidArgument && error.message().contains(named), "{error}");
    }
}

#[tokio::test]
async fn strangers_learn_from_health_checks_only_yes_or_no() {
    let server = HttpServer::open(Life::Checks(0), Some(TOKEN), &[]).await;
    server.app.jobs().ledger().health().await.unwrap();
    for (path, words) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = server.client.get(server.url(path)).header("host", "10.1.2.3").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, words), "{path}");
    }
    // A callback exists only where its address is set.
    let answer = server.client.post(server.url("/callbacks/x")).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(answer.text().await.unwrap().is_empty());
    server.running.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_kept_as_long_as_the_setting_says() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for (keep_alive, stays) in [(Duration::from_millis(400), false), (Duration::from_secs(75), true)] {
        let server = HttpServer::shared("sim_server", |options, _| options.keep_alive = keep_alive).await;
        let mut stream = tokio::net::TcpStream::connect(server.running.address).await.unwrap();
        let mut answer = [0; 1_024];
        for _ in 0..2 {
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
            assert!(stream.read(&mut answer).await.unwrap() > 0);
        }
        let ended = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut answer)).await;
        assert_eq!(ended.is_err(), stays, "{keep_alive:?}: {ended:?}");
        drop(stream);
        server.running.stop().await;
    }
}

#[tokio::test]
async fn operations_are_counted_under_the_conventional_names() {
    let server = HttpServer::open(Life::Checks(0), None, &[]).await;
    server.call("sim_a", "list_jobs", json!({})).await;
    let session = Session::open(&server, "sim_a", "2025-06-18").await;
    session.ask("tools/call", json!({"name": "read_result", "arguments": {}})).await;
    session.ask("made/up", json!({})).await;
    let ended =
        server.client.delete(server.url("/mcp")).header("mcp-session-id", &session.id).header("x-api-key", "sim_a");
    assert_eq!(ended.send().await.unwrap().status(), 204);
    let text = server.client.get(server.url("/metrics")).send().await.unwrap().text().await.unwrap();
    let has = |labels: &[&str]| {
        let mut lines = text.lines().filter(|line| line.starts_with("mcp_server_operation_duration_seconds_count{"));
        lines.any(|line| labels.iter().all(|label| line.contains(label)))
    };
    let modern = ["mcp_protocol_version=\"2026-07-28\"", "network_transport=\"tcp\""];
    assert!(
        has(&[&modern[..], &["mcp_method_name=\"tools/call\"", "gen_ai_tool_name=\"list_jobs\"", "error_type=\"\""]]
            .concat()),
        "{text}"
    );
    assert!(
        has(&[
            "gen_ai_tool_name=\"read_result\"",
            "error_type=\"invalid_argument\"",
            "mcp_protocol_version=\"2025-06-18\""
        ]),
        "{text}"
    );
    assert!(has(&["mcp_method_name=\"initialize\""]) && has(&["mcp_method_name=\"other\""]), "{text}");
    assert!(!text.contains("made/up"));
    assert!(text.contains("mcp_server_session_duration_seconds_count{"), "{text}");
    server.running.stop().await;
}
