//! The HTTP door over real sockets: who gets in, whose jobs one sees, and callbacks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pdfco::app::App;
use pdfco::config::{self, Config, Folders, Values};
use pdfco::error::Kind;
use pdfco::serve::http::{self, Options, Running};
use pdfco::simulator::{self, Handle, Life};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Long enough to be one.
const TOKEN: &str = "open-sesame-open-sesame-open-sesame";

/// A server over a simulator; `settings` come on top.
struct Door {
    simulator: Handle,
    running: Running,
    app: Arc<App>,
    client: reqwest::Client,
    _home: tempfile::TempDir,
}

fn settings(simulator: &Handle, home: &std::path::Path, more: &[(&str, &str)]) -> Config {
    let mut values: Values = [
        ("PDFCO_BASE_URL", simulator.url()),
        ("PDFCO_LEDGER", home.join("ledger.sqlite").to_str().unwrap()),
        ("PDFCO_DOWNLOAD_DIR", home.to_str().unwrap()),
        ("PDFCO_RATE_LIMIT", "off"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    values.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    config::merge(&values, &Values::new(), &Values::new(), &Folders::default()).unwrap()
}

fn client() -> reqwest::Client {
    // reqwest comes without a provider of its own; a second installation is refused, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Door {
    async fn open(life: Life, token: Option<&str>, more: &[(&str, &str)]) -> Door {
        let simulator = simulator::spawn(simulator::Options { life, ..Default::default() }).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let app = Arc::new(App::new(settings(&simulator, home.path(), more)).unwrap());
        Door::over(simulator, home, app, |options| options.token = token.map(SecretString::from)).await
    }

    async fn over(simulator: Handle, home: tempfile::TempDir, app: Arc<App>, set: impl FnOnce(&mut Options)) -> Door {
        let mut options = Options::at("127.0.0.1:0".parse().unwrap());
        set(&mut options);
        let running = http::start(Arc::clone(&app), options).await.unwrap();
        Door { simulator, running, app, client: client(), _home: home }
    }

    /// Behind a token, for many people.
    async fn shared(server_key: &str, set: impl FnOnce(&mut Options, &std::path::Path)) -> Door {
        let simulator =
            simulator::spawn(simulator::Options { life: Life::Checks(0), ..Default::default() }).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().to_owned();
        let app = Arc::new(App::new(settings(&simulator, &folder, &[("PDFCO_API_KEY", server_key)])).unwrap());
        let token = |options: &mut Options| {
            options.token = Some(SecretString::from(TOKEN));
            set(options, &folder);
        };
        Door::over(simulator, home, app, token).await
    }

    /// The whole answer to a call of a holder of the token.
    async fn call_as(&self, key: &str, tool: &str, arguments: Value) -> Value {
        let text = self.request(key, tool, arguments).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
        message_in(&text)["result"]["structuredContent"].clone()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address)
    }

    /// A message as it is.
    fn post(&self, message: &Value) -> reqwest::RequestBuilder {
        self.client.post(self.url("/mcp")).header("accept", "application/json, text/event-stream").json(message)
    }

    /// A request of revision 2026-07-28: everything it needs is in it.
    fn request(&self, key: &str, tool: &str, arguments: Value) -> reqwest::RequestBuilder {
        let meta = stateless();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments, "_meta": meta}});
        self.client
            .post(self.url("/mcp"))
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
            .header("x-api-key", key)
            .json(&body)
    }

    /// The structured content of a call.
    async fn call(&self, key: &str, tool: &str, arguments: Value) -> Value {
        let text = self.request(key, tool, arguments).send().await.unwrap().text().await.unwrap();
        let message = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:").unwrap_or(line)).ok())
            .find(|message| message.get("result").is_some())
            .unwrap_or_else(|| panic!("no result in {text}"));
        message["result"]["structuredContent"].clone()
    }

    async fn submit(&self, key: &str, name: &str, wait: u32, profiles: Value) -> Value {
        let options = json!({"html": format!("<p>{name}</p>"), "profiles": profiles});
        self.call(key, "submit_job", json!({"operation": "html_to_pdf", "options": options, "wait": wait})).await
    }
}

#[tokio::test]
async fn without_the_token_only_health_answers() {
    let door = Door::open(Life::Checks(0), Some(TOKEN), &[]).await;
    let status = |request: reqwest::RequestBuilder| async { request.send().await.unwrap().status().as_u16() };
    let asked = || door.request("sim_a", "list_jobs", json!({}));
    assert_eq!(status(asked()).await, 401);
    assert_eq!(status(asked().bearer_auth(&TOKEN[1..])).await, 401);
    // Clients show the message of a refusal in the protocol's words, and of other bodies nothing.
    let refused = asked().bearer_auth(&TOKEN[1..]).send().await.unwrap();
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    let refused: Value = refused.json().await.unwrap();
    assert!(refused["error"]["message"].as_str().unwrap().contains("Authorization: Bearer"), "{refused}");
    assert_eq!(status(asked().bearer_auth(TOKEN)).await, 200);
    assert_eq!(status(door.client.get(door.url("/metrics"))).await, 401);
    assert_eq!(status(door.client.get(door.url("/metrics")).bearer_auth(TOKEN)).await, 200);
    assert_eq!(status(door.client.get(door.url("/healthz"))).await, 200);
    assert_eq!(status(door.client.get(door.url("/readyz"))).await, 200);
    door.running.stop().await;
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
    let door = Door::open(Life::Checks(0), None, &[]).await;
    let status = |request: reqwest::RequestBuilder| async { request.send().await.unwrap().status().as_u16() };
    let asked = || door.request("sim_a", "list_jobs", json!({}));
    assert_eq!(status(asked()).await, 200);
    assert_eq!(status(asked().header("host", "evil.test")).await, 403);
    assert_eq!(status(asked().header("origin", "https://evil.test")).await, 403);
    assert_eq!(status(asked().header("origin", "http://localhost:3000")).await, 200);
    let large = json!({"cursor": "x".repeat(5 * 1024 * 1024)});
    let refused = door.request("sim_a", "list_jobs", large).send().await.unwrap();
    assert_eq!(refused.status(), 413);
    let refused: Value = refused.json().await.unwrap();
    assert!(refused["error"]["message"].as_str().unwrap().contains("1048576"), "{refused}");
    door.running.stop().await;
}

#[tokio::test]
async fn two_keys_never_see_each_other() {
    let door = Arc::new(Door::open(Life::Checks(0), None, &[]).await);
    let mut calls = tokio::task::JoinSet::new();
    for index in 0..400 {
        let door = Arc::clone(&door);
        calls.spawn(async move {
            let key = if index % 2 == 0 { "sim_a" } else { "sim_b" };
            let answer = door.submit(key, &format!("{key} {index}"), 20, json!({})).await;
            assert_eq!(answer["status"], "success", "{answer}");
            (key, answer["job"]["job_id"].as_str().unwrap().to_owned())
        });
    }
    let jobs = calls.join_all().await;
    for key in ["sim_a", "sim_b"] {
        let mut listed: Vec<String> = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let page = door.call(key, "list_jobs", json!({"limit": 100, "cursor": cursor})).await;
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
    // Another's id and an id that nobody has get the same answer.
    let (_, theirs) = jobs.iter().find(|(owner, _)| *owner == "sim_b").unwrap();
    for tool in ["read_result", "download_result", "cancel_job"] {
        let shape = |answer: Value, id: &str| answer.to_string().replace(id, "ID");
        let other = door.call("sim_a", tool, json!({"job_id": theirs})).await;
        let nobodys = door.call("sim_a", tool, json!({"job_id": "NOBODYS0NOBODYS0NOBODYS0NOBODYS0--151-300"})).await;
        let blank = |answer: Value, id: &str| {
            let mut answer = answer;
            answer["credits_remaining"] = Value::Null;
            shape(answer, id)
        };
        assert_eq!(blank(other, theirs), blank(nobodys, "NOBODYS0NOBODYS0NOBODYS0NOBODYS0--151-300"), "{tool}");
    }
    let balance_a = door.simulator.credits("sim_a");
    assert_eq!(door.call("sim_a", "get_credit_balance", json!({})).await["credits_remaining"], json!(balance_a));
}

/// What a request of 2026-07-28 says of its client.
fn stateless() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A session of an older revision: `initialize` first, an id on everything after.
struct Session<'a> {
    door: &'a Door,
    key: &'static str,
    id: String,
    hello: Value,
}

impl<'a> Session<'a> {
    async fn open(door: &'a Door, key: &'static str, revision: &str) -> Session<'a> {
        let params =
            json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let answer = door.post(&hello).header("x-api-key", key).send().await.unwrap();
        let id = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let hello = message_in(&answer.text().await.unwrap())["result"].clone();
        let session = Session { door, key, id, hello };
        let noted = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(session.post(&noted).send().await.unwrap().status(), 202);
        session
    }

    fn post(&self, message: &Value) -> reqwest::RequestBuilder {
        let revision = self.hello["protocolVersion"].as_str().unwrap();
        let asked = self.door.post(message).header("x-api-key", self.key);
        asked.header("mcp-session-id", &self.id).header("mcp-protocol-version", revision)
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        message_in(&self.post(&message).send().await.unwrap().text().await.unwrap())
    }
}

/// The answer in a body: one JSON object, or the last event of a stream.
fn message_in(text: &str) -> Value {
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:").unwrap_or(line)).ok())
        .rfind(|message| message.get("id").is_some())
        .unwrap_or_else(|| panic!("no answer in {text}"))
}

#[tokio::test]
async fn only_sessions_of_2025_11_25_have_session_tasks() {
    let door = Door::open(Life::Checks(0), None, &[("PDFCO_CHECK_WORTH_SECONDS", "0.05")]).await;
    let session = Session::open(&door, "sim_a", "2025-11-25").await;
    assert!(session.hello["capabilities"]["tasks"]["list"].is_object(), "{}", session.hello);
    let html = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}});
    let created = session.ask("tools/call", json!({"name": "submit_job", "arguments": html, "task": {}})).await;
    let id = created["result"]["task"]["taskId"].clone();
    let result = session.ask("tasks/result", json!({"taskId": id})).await;
    assert_eq!(result["result"]["structuredContent"]["status"], "success", "{result}");
    // Another key does not see it, in whatever revision it asks.
    let stranger = Session::open(&door, "sim_b", "2025-11-25").await;
    assert_eq!(stranger.ask("tasks/get", json!({"taskId": id})).await["error"]["code"], -32602);
    assert_eq!(stranger.ask("tasks/list", json!({})).await["result"], json!({"tasks": []}));
    let older = Session::open(&door, "sim_a", "2025-06-18").await;
    assert!(older.hello["capabilities"].get("tasks").is_none(), "{}", older.hello);
    assert_eq!(older.ask("tasks/list", json!({})).await["error"]["code"], -32601);
    door.running.stop().await;
}

#[tokio::test]
async fn icon_is_the_same_address_everywhere() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
    let session = Session::open(&door, "sim_a", "2025-11-25").await;
    let icon = session.hello["serverInfo"]["icons"][0]["src"].as_str().unwrap();
    // The characters of RFC 3986: clients that check the format refuse the whole handshake for another.
    let foreign = icon.chars().find(|c| !c.is_ascii_alphanumeric() && !"-._~:/?#[]@!$&'()*+,;=%".contains(*c));
    assert_eq!(foreign, None, "{icon}");
    // It is the drawing that the page shows, with white space and quotation marks of its own.
    let drawing = door.client.get(door.url("/page/icon.svg")).send().await.unwrap().text().await.unwrap();
    let carried = percent_encoding::percent_decode_str(icon.strip_prefix("data:image/svg+xml,").unwrap());
    let bare = |text: &str| text.replace(|c: char| c.is_whitespace() || "\"'".contains(c), "");
    assert_eq!(bare(&carried.decode_utf8().unwrap()), bare(&drawing));
    assert!(drawing.starts_with("<svg "), "{drawing}");
    door.running.stop().await;
}

#[tokio::test]
async fn a_session_that_is_ended_is_gone() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
    let session = Session::open(&door, "sim_a", "2025-06-18").await;
    let end = |key: &'static str| {
        door.client.delete(door.url("/mcp")).header("x-api-key", key).header("mcp-session-id", &session.id).send()
    };
    assert_eq!(end("sim_b").await.unwrap().status(), 404, "a session of another key");
    let ended = end("sim_a").await.unwrap();
    assert_eq!(ended.status(), 204, "clients take 200 and 204 for done, and anything else for trouble");
    assert_eq!(ended.bytes().await.unwrap().len(), 0);
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    assert_eq!(session.post(&ping).send().await.unwrap().status(), 404);
    door.running.stop().await;
}

#[tokio::test]
async fn what_is_no_message_is_answered_in_the_words_of_the_protocol() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
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
        let asked = door.client.post(door.url("/mcp")).header("accept", "application/json, text/event-stream");
        let answer = asked.header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{body}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{body}: {answer}");
    }
    door.running.stop().await;
}

#[tokio::test]
async fn routing_header_names_the_job_of_the_call() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
    let answer =
        |request: reqwest::RequestBuilder| async { message_in(&request.send().await.unwrap().text().await.unwrap()) };
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": stateless()}});
    let asked = door.post(&message).header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/list");
    let listed = answer(asked).await;
    for tool in listed["result"]["tools"].as_array().unwrap_or_else(|| panic!("{listed}")) {
        let job_id = &tool["inputSchema"]["properties"]["job_id"];
        let named = (!job_id.is_null()).then(|| json!("JobId"));
        assert_eq!(job_id.get("x-mcp-header"), named.as_ref(), "{}", tool["name"]);
    }
    for (header, is_taken) in [(None, true), (Some("A"), true), (Some("B"), false), (Some(""), false)] {
        let asked = door.request("sim_a", "cancel_job", json!({"job_id": "A"}));
        let answer = answer(header.iter().fold(asked, |asked, header| asked.header("mcp-param-jobid", *header))).await;
        match is_taken {
            true => assert_eq!(answer["result"]["structuredContent"]["status"], "unknown", "{header:?}: {answer}"),
            false => assert_eq!(answer["error"]["code"], -32020, "{header:?}: {answer}"),
        }
    }
    door.running.stop().await;
}

#[tokio::test]
async fn heads_that_are_too_large_and_foreign_names_get_nowhere() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
    let status =
        |request: reqwest::RequestBuilder| async { request.send().await.map(|answer| answer.status().as_u16()) };
    let metrics = || door.client.get(door.url("/metrics"));
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
    door.running.stop().await;
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_lets_waits_answer() {
    let door = Door::open(Life::Checks(1_000), None, &[]).await;
    let submitted = door.submit("sim_a", "long", 0, json!({})).await;
    let job_id = submitted["job"]["job_id"].as_str().unwrap();
    let wait = |timeout: u32| {
        let arguments = json!({"job_id": job_id, "timeout": timeout, "interval": 0.5});
        let asked = door.request("sim_a", "wait_job_completion", arguments);
        tokio::spawn(async move { message_in(&asked.send().await.unwrap().text().await.unwrap()) })
    };
    let (short, long) = (wait(2), wait(40));
    while door.app.jobs().polled() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let url = door.url("/healthz");
    door.running.stop().await;
    let answer = short.await.unwrap();
    assert_eq!(answer["result"]["structuredContent"]["status"], "working", "{answer}");
    // One that would have gone on says so.
    let answer = long.await.unwrap();
    assert_eq!(answer["result"]["structuredContent"]["content"]["kind"], "cancelled", "{answer}");
    assert!(door.client.get(url).send().await.is_err(), "and nobody new gets in");
}

#[tokio::test]
async fn a_client_that_disappears_leaves_no_looking_behind() {
    let door = Door::open(Life::Checks(1_000), None, &[("PDFCO_CHECK_WORTH_SECONDS", "0.05")]).await;
    let submitted = door.submit("sim_a", "long", 0, json!({})).await;
    let job_id = submitted["job"]["job_id"].as_str().unwrap();
    let asked =
        door.request("sim_a", "wait_job_completion", json!({"job_id": job_id, "timeout": 40, "interval": 0.5})).send();
    let gone = tokio::time::timeout(Duration::from_millis(1_300), asked).await;
    // The answer may have begun as a stream; dropping it is leaving.
    drop(gone);
    let deadline = Instant::now() + Duration::from_secs(2);
    while door.app.jobs().polled() > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(door.app.jobs().polled(), 0);
    door.running.stop().await;
}

#[tokio::test]
async fn a_callback_ends_a_wait_without_a_single_check() {
    // The address must be known before the server that has it starts.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let simulator = simulator::spawn(simulator::Options {
        life: Life::Time { median: Duration::from_secs(1), sigma: 0.01 },
        ..Default::default()
    })
    .await
    .unwrap();
    let home = tempfile::tempdir().unwrap();
    let callback = format!("http://127.0.0.1:{port}");
    let app = Arc::new(App::new(settings(&simulator, home.path(), &[("PDFCO_CALLBACK_URL", &callback)])).unwrap());
    let options = Options::at(format!("127.0.0.1:{port}").parse().unwrap());
    let running = http::start(Arc::clone(&app), options).await.unwrap();
    let door = Door { simulator, running, app, client: client(), _home: home };

    let answer = door.submit("sim_a", "called back", 20, json!({})).await;
    assert_eq!(answer["status"], "success", "{answer}");
    assert_eq!((&answer["job"]["source"], &answer["job"]["checks_made"]), (&json!("callback"), &json!(0)));
    assert_eq!(door.simulator.count("/v1/job/check"), 0);

    // The secret went out with the submit and with nothing else.
    let sent = door.simulator.requests();
    let submit = sent.iter().find(|request| request.path.starts_with("/v1/pdf/convert/from/html")).unwrap();
    let address = submit.body.as_ref().unwrap()["callback"].as_str().unwrap().to_owned();
    assert!(!answer.to_string().contains("/callbacks/"), "{answer}");

    let post = |url: String, body: &'static str| {
        let request = door.client.post(url).header("content-type", "application/json").body(body);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let job_id = answer["job"]["job_id"].as_str().unwrap();
    let before = door.call("sim_a", "get_job_check", json!({"job_id": job_id})).await;
    assert_eq!(
        post(address.clone(), r#"{"status":"failed","credits":50}"#).await,
        204,
        "a replay is taken and changes nothing"
    );
    let after = door.call("sim_a", "get_job_check", json!({"job_id": job_id})).await;
    assert_eq!(
        (&after["status"], &after["job"]["credits_total"]),
        (&before["status"], &before["job"]["credits_total"])
    );
    assert_eq!(post(address, "{}").await, 204, "a body without a state means a check");
    assert_eq!(post(format!("{callback}/callbacks/guess"), r#"{"status":"success"}"#).await, 404);
    assert_eq!(post(format!("{callback}/callbacks/guess"), "no json").await, 404);
    door.running.stop().await;
}

#[tokio::test]
async fn what_the_newest_revision_no_longer_has_is_unknown_to_it() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
    let ask = async |method: &str| {
        let asked = door.client.post(door.url("/mcp")).header("accept", "application/json, text/event-stream");
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
    door.running.stop().await;
}

/// An answer's status, and its body as JSON.
async fn answered(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn ping() -> Value {
    json!({"jsonrpc": "2.0", "id": 2, "method": "ping"})
}

#[tokio::test]
async fn every_accept_header_that_http_allows_is_answered() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
    let session = Session::open(&door, "sim_a", "2025-06-18").await;
    let asked = |accept: Option<&'static str>| {
        let request = door.client.post(door.url("/mcp")).header("content-type", "application/json");
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
        (door.client.post(door.url("/mcp")).body("x"), 415),
        (door.client.put(door.url("/mcp")), 405),
        (door.client.get(door.url("/mcp")).header("accept", "text/html"), 406),
        (door.client.get(door.url("/mcp")).header("mcp-session-id", "none"), 404),
        (door.post(&ping()).header("mcp-session-id", "none"), 404),
        (door.post(&ping()), 400),
    ] {
        let (answered, error) = answered(request).await;
        assert_eq!((answered, &error["jsonrpc"]), (status, &json!("2.0")), "{error}");
    }
    door.running.stop().await;
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
    let door = Door { simulator, running, app, client: client(), _home: home };
    for (origin, is_allowed) in [
        ("http://localhost:6274", true),
        ("http://[::1]:1", true),
        ("https://app.test", true),
        ("https://evil.test", false),
        ("null", false),
    ] {
        let asked = door.client.request(reqwest::Method::OPTIONS, door.url("/mcp"));
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
        let refused = door.post(&ping()).header("origin", origin).send().await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["www-authenticate"]),
            (401, &"Bearer".parse().unwrap())
        );
        assert!(refused.headers()["access-control-expose-headers"].to_str().unwrap().contains("mcp-session-id"));
    }
    door.running.stop().await;
}

#[tokio::test]
async fn request_for_two_hosts_or_a_foreign_one_is_refused() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let door = Door::open(Life::Checks(0), None, &[]).await;
    for (head, status) in [
        ("GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: evil.test\r\n", "400"),
        ("GET http://evil.test/healthz HTTP/1.1\r\nhost: localhost\r\n", "400"),
        ("GET http://localhost/healthz HTTP/1.1\r\nhost: localhost\r\n", "200"),
        ("GET /healthz HTTP/1.0\r\n", "200"),
        ("POST /mcp HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\ncontent-length: 0\r\n", "400"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(door.running.address).await.unwrap();
        stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}: {answer}");
    }
    let (status, error) = answered(door.post(&ping()).header("host", "jobs.test")).await;
    let what = error["error"]["message"].as_str().unwrap();
    assert!(status == 403 && what.contains("PDFCO_HTTP_HOSTS") && what.contains("jobs.test"), "{error}");
    door.running.stop().await;
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
    let door = Door::open(Life::Checks(0), Some(TOKEN), &[]).await;
    door.app.jobs().ledger().health().await.unwrap();
    for (path, words) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = door.client.get(door.url(path)).header("host", "10.1.2.3").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, words), "{path}");
    }
    // A callback exists only where its address is set.
    let answer = door.client.post(door.url("/callbacks/x")).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(answer.text().await.unwrap().is_empty());
    door.running.stop().await;
}

#[tokio::test]
async fn only_revisions_that_know_it_get_a_first_event_without_data() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
    for (revision, is_primed) in
        [("2024-11-05", false), ("2025-03-26", false), ("2025-06-18", false), ("2025-11-25", true)]
    {
        let session = Session::open(&door, "sim_a", revision).await;
        let text = session.post(&ping()).send().await.unwrap().text().await.unwrap();
        assert_eq!(text.contains("data: \n") || text.contains("data:\n"), is_primed, "{revision}: {text:?}");
        let hello =
            json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello});
        let text = door.post(&hello).send().await.unwrap().text().await.unwrap();
        assert!(text.starts_with("data: {"), "{revision}: {text:?}");
    }
    door.running.stop().await;
}

#[tokio::test]
async fn answer_for_an_absent_client_is_fetched_later() {
    use futures_util::StreamExt;
    let door = Door::open(Life::Time { median: Duration::from_secs(2), sigma: 0.01 }, None, &[]).await;
    let session = Session::open(&door, "sim_a", "2025-11-25").await;
    let html = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}, "wait": 20});
    let call =
        json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "submit_job", "arguments": html}});
    let mut stream = session.post(&call).send().await.unwrap().bytes_stream();
    let first = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    let last = first.lines().rev().find_map(|line| line.strip_prefix("id:")).unwrap().trim().to_owned();
    drop(stream);
    tokio::time::sleep(Duration::from_secs(5)).await;

    let resume = |key: &'static str, last: &str| {
        let asked = door.client.get(door.url("/mcp")).header("accept", "text/event-stream").header("x-api-key", key);
        asked.header("mcp-session-id", &session.id).header("last-event-id", last)
    };
    let (status, error) = answered(resume("sim_b", &last)).await;
    assert_eq!(status, 404, "{error}");
    let stranger = door.client.get(door.url("/mcp")).header("mcp-session-id", &session.id);
    assert_eq!(answered(stranger.header("last-event-id", &last)).await.0, 404, "without a key");
    let answer = message_in(&resume("sim_a", &last).send().await.unwrap().text().await.unwrap());
    assert_eq!(
        (&answer["id"], &answer["result"]["structuredContent"]["status"]),
        (&json!(9), &json!("success")),
        "{answer}"
    );
    let (status, error) = answered(resume("sim_a", "5/99")).await;
    assert!(status == 400 && error["error"]["message"].as_str().unwrap().contains("Last-Event-ID"), "{error}");
    door.running.stop().await;
}

#[tokio::test]
async fn an_abandoned_wait_of_a_session_ends() {
    let door = Door::open(Life::Checks(1_000), None, &[]).await;
    let session = Session::open(&door, "sim_a", "2025-06-18").await;
    let submitted = door.submit("sim_a", "long", 0, json!({})).await;
    let arguments = json!({"job_id": submitted["job"]["job_id"], "timeout": 45, "interval": 1});
    let call = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "wait_job_completion", "arguments": arguments}});
    let response = session.post(&call).send().await.unwrap();
    while door.app.jobs().polled() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let began = Instant::now();
    drop(response);
    while door.app.jobs().polled() > 0 && began.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!((Duration::from_secs(10)..Duration::from_secs(20)).contains(&began.elapsed()), "{:?}", began.elapsed());
    door.running.stop().await;
}

#[tokio::test]
async fn many_sessions_of_one_key_shut_nobody_out() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
    let other = Session::open(&door, "sim_other", "2025-06-18").await;
    let mut flood = Vec::new();
    for _ in 0..60 {
        flood.push(Session::open(&door, "sim_flood", "2025-06-18").await);
    }
    assert_eq!(other.ask("ping", json!({})).await["result"], json!({}), "another key's session lives");
    assert_eq!(flood[59].ask("ping", json!({})).await["result"], json!({}));
    assert_eq!(flood[0].post(&ping()).send().await.unwrap().status(), 404, "the one idle longest gave way");
    let alive = futures_util::future::join_all(flood.iter().map(|session| session.post(&ping()).send())).await;
    let alive = alive.iter().filter(|answer| answer.as_ref().unwrap().status() == 200).count();
    assert_eq!(alive, 20);
    door.running.stop().await;
}

#[tokio::test]
async fn a_batch_is_answered_in_one_array_where_the_revision_has_them() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
    let batch = json!([ping(), {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77}},
        {"jsonrpc": "2.0", "id": "b", "method": "tools/list"}, {"id": 4}]);
    let session = Session::open(&door, "sim_a", "2025-03-26").await;
    // Clients of this revision do not send it in a header.
    let asked = |message: &Value| door.post(message).header("x-api-key", "sim_a").header("mcp-session-id", &session.id);
    let (status, answers) = answered(asked(&batch)).await;
    let ids: Vec<&Value> = answers.as_array().unwrap().iter().map(|answer| &answer["id"]).collect();
    assert_eq!((status, ids), (200, vec![&json!(2), &json!("b"), &json!(4)]), "{answers}");
    assert!(answers[1]["result"]["tools"].is_array() && answers[2]["error"]["code"] == -32600, "{answers}");
    let notes = json!([{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77}}]);
    assert_eq!(asked(&notes).send().await.unwrap().status(), 202);
    for wrong in [json!([]), json!(vec![ping(); 51])] {
        assert_eq!(answered(asked(&wrong)).await.1["error"]["code"], -32600);
    }
    let newer = Session::open(&door, "sim_a", "2025-06-18").await;
    let (status, error) = answered(newer.post(&batch)).await;
    assert!(status == 400 && error["error"]["message"].as_str().unwrap().contains("2025-03-26"), "{error}");
    door.running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_with_the_id_it_had() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
    let session = Session::open(&door, "sim_a", "2025-06-18").await;
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
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let (_, error) = answered(door.post(&hello)).await;
    assert!(error["error"]["message"].as_str().unwrap().contains("clientInfo.version"), "{error}");
    door.running.stop().await;
}

#[tokio::test]
async fn callback_with_an_unreadable_body_means_check_now() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let life = Life::Time { median: Duration::from_secs(1), sigma: 0.01 };
    let simulator = simulator::spawn(simulator::Options { life, ..Default::default() }).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    // The simulator reaches the server below a path that no proxy cuts off.
    let callback = format!("http://127.0.0.1:{port}/prefix");
    let app = Arc::new(App::new(settings(&simulator, home.path(), &[("PDFCO_CALLBACK_URL", &callback)])).unwrap());
    let options = Options::at(format!("127.0.0.1:{port}").parse().unwrap());
    let running = http::start(Arc::clone(&app), options).await.unwrap();
    let door = Door { simulator, running, app, client: client(), _home: home };
    let answer = door.submit("sim_a", "called back", 20, json!({})).await;
    assert_eq!((&answer["status"], &answer["job"]["source"]), (&json!("success"), &json!("callback")), "{answer}");
    let sent = door.simulator.requests();
    let submit = sent.iter().find(|request| request.path.starts_with("/v1/pdf/convert/from/html")).unwrap();
    let address = submit.body.as_ref().unwrap()["callback"].as_str().unwrap().to_owned();
    for (kind, body) in [
        (Some("text/plain"), "{\"status\":\"success\"}"),
        (None, "\u{feff}{\"status\":\"success\"}"),
        (Some("application/xml"), "<status>success</status>"),
        (Some("application/json"), ""),
    ] {
        let request = door.client.post(&address).body(body);
        let request = kind.iter().fold(request, |request, kind| request.header("content-type", *kind));
        assert_eq!(request.send().await.unwrap().status(), 204, "{kind:?} {body}");
    }
    let large = door.client.post(&address).body("x".repeat(65 * 1024)).send().await.unwrap();
    assert_eq!(large.status(), 413);
    let guess = door.client.post(format!("{callback}/callbacks/guess")).body("x".repeat(65 * 1024)).send().await;
    assert!(guess.map_or(true, |answer| answer.status() == 404), "an unknown secret is answered before its body");
    door.running.stop().await;
}

#[tokio::test]
async fn the_servers_key_is_lent_only_where_that_was_said() {
    let html = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}, "wait": 0});
    for is_shared in [false, true] {
        let door = Door::shared("sim_server", |options, _| options.shared_key = is_shared).await;
        let answer = door.call_as("", "submit_job", html.clone()).await;
        if is_shared {
            assert_eq!(answer["status"], "queued", "{answer}");
        } else {
            assert_eq!(answer["content"]["kind"], "auth", "{answer}");
            assert!(answer.to_string().contains("x-api-key"), "it says how to give a key: {answer}");
        }
        assert_eq!(door.simulator.count("/v1/pdf/convert/from/html"), usize::from(is_shared));
        // A key of one's own is always good, and sees nothing of the server's.
        let own = door.call_as("sim_own", "list_jobs", json!({})).await;
        assert_eq!(own["content"]["total"], 0, "{own}");
        door.running.stop().await;
    }
}

#[tokio::test]
async fn holders_of_the_token_use_no_file_of_the_server() {
    let door = Door::shared("sim_server", |_, _| ()).await;
    let home = door._home.path().display().to_string();
    std::fs::write(door._home.path().join("report.pdf"), "%PDF-1.4 a report").unwrap();
    let made =
        door.call_as("sim_a", "submit_job", json!({"operation": "html_to_pdf", "options": {"html": "a"}, "wait": 5}));
    let made = made.await;
    assert_eq!(made["status"], "success", "{made}");
    for (tool, arguments) in [
        ("upload_file", json!({"file_path": format!("{home}/report.pdf")})),
        ("upload_file", json!({"file_path": "report.pdf"})),
        ("upload_file", json!({"file_path": "/etc/passwd"})),
        ("submit_job", json!({"operation": "pdf_to_text", "url": "report.pdf"})),
        ("download_result", json!({"job_id": made["job"]["job_id"], "save_to": "report.pdf", "overwrite": true})),
    ] {
        let answer = door.call_as("sim_a", tool, arguments.clone()).await;
        assert_eq!(answer["content"]["kind"], "file_access", "{tool} {arguments}: {answer}");
        let told = answer.to_string().replace(&arguments.to_string(), "");
        assert!(!told.contains(&format!("{home}/ledger")) && !told.contains("Allowed:"), "{answer}");
    }
    assert_eq!(std::fs::read(door._home.path().join("report.pdf")).unwrap(), b"%PDF-1.4 a report");
    door.running.stop().await;
}

#[tokio::test]
async fn each_tenant_keeps_files_apart_and_within_its_quota() {
    let door = Door::shared("sim_server", |options, home| options.files = Some((home.join("files"), 100_000))).await;
    let home = door._home.path().display().to_string();
    let html = |name: &str| json!({"operation": "html_to_pdf", "options": {"html": name}, "wait": 5});
    let mut jobs = Vec::new();
    for key in ["sim_a", "sim_b"] {
        let made = door.call_as(key, "submit_job", html(key)).await;
        assert_eq!(made["status"], "success", "{made}");
        jobs.push(made["job"]["job_id"].clone());
    }
    let save = |key: &'static str, job: &Value, name: &str| {
        door.call_as(key, "download_result", json!({"job_id": job, "save_to": name}))
    };
    let saved = save("sim_a", &jobs[0], "mine.pdf").await;
    assert_eq!(saved["status"], "success", "{saved}");
    assert!(!saved.to_string().contains(&home), "no path of the server: {saved}");
    // For the other tenant it does not exist, under whatever name.
    for path in ["mine.pdf", "../mine.pdf", &format!("{home}/files/mine.pdf")] {
        let answer = door.call_as("sim_b", "upload_file", json!({"file_path": path})).await;
        assert_eq!(answer["content"]["kind"], "file_access", "{path}: {answer}");
    }
    let saved = save("sim_b", &jobs[1], "mine.pdf").await;
    assert_eq!(saved["status"], "success", "the name is free: {saved}");
    let own = door.call_as("sim_a", "upload_file", json!({"file_path": "mine.pdf"})).await;
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
    door.running.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_kept_as_long_as_the_setting_says() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for (keep_alive, stays) in [(Duration::from_millis(400), false), (Duration::from_secs(75), true)] {
        let door = Door::shared("sim_server", |options, _| options.keep_alive = keep_alive).await;
        let mut stream = tokio::net::TcpStream::connect(door.running.address).await.unwrap();
        let mut answer = [0; 1_024];
        for _ in 0..2 {
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
            assert!(stream.read(&mut answer).await.unwrap() > 0);
        }
        let ended = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut answer)).await;
        assert_eq!(ended.is_err(), stays, "{keep_alive:?}: {ended:?}");
        drop(stream);
        door.running.stop().await;
    }
}

/// The names of the tools that a connection is shown, over both revisions, at `path` and with `headers`.
async fn listed(door: &Door, path: &str, headers: &[(&str, &str)]) -> Vec<Vec<String>> {
    let names = |message: &Value| -> Vec<String> {
        let tools = message["result"]["tools"].as_array().unwrap_or_else(|| panic!("{message}"));
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let post = |message: &Value| {
        let request = door.client.post(door.url(path)).header("accept", "application/json, text/event-stream");
        headers.iter().fold(request.header("x-api-key", "sim_a").json(message), |request, (name, value)| {
            request.header(*name, *value)
        })
    };
    let modern = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": stateless()}});
    let modern = post(&modern).header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/list");
    let modern = message_in(&modern.send().await.unwrap().text().await.unwrap());
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}});
    let opened = post(&hello).send().await.unwrap();
    let session = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let hello = message_in(&opened.text().await.unwrap());
    let instructions = hello["result"]["instructions"].as_str().unwrap().to_owned();
    // Only the address and the headers of `initialize` say it: the session keeps it.
    let old = door.post(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
    let old = old.header("x-api-key", "sim_a").header("mcp-session-id", session).send().await.unwrap();
    let old = message_in(&old.text().await.unwrap());
    let shown = names(&old);
    assert_eq!(instructions.contains("submit_job"), shown.contains(&"submit_job".to_owned()), "{instructions}");
    vec![names(&modern), shown]
}

#[tokio::test]
async fn a_connection_narrows_what_the_server_offers() {
    let door = Door::open(Life::Checks(0), None, &[("PDFCO_TOOLSETS", "extract,search")]).await;
    let all = listed(&door, "/mcp", &[]).await;
    let count = |lists: &[Vec<String>], name: &str| lists.iter().filter(|list| list.contains(&name.to_owned())).count();
    assert_eq!(
        (count(&all, "submit_job"), count(&all, "find_text"), count(&all, "ai_invoice_parser")),
        (2, 2, 2),
        "{all:?}"
    );
    for (path, headers) in [("/mcp?toolsets=search", &[][..]), ("/mcp", &[("x-mcp-toolsets", "search,forms")])] {
        let some = listed(&door, path, headers).await;
        let counted = ["submit_job", "find_text", "ai_invoice_parser", "fill_forms"].map(|name| count(&some, name));
        assert_eq!(counted, [2, 2, 0, 0], "{path}: {some:?}");
    }
    for (path, headers) in [("/mcp?read_only=true", &[][..]), ("/mcp", &[("x-mcp-readonly", "true")])] {
        let some = listed(&door, path, headers).await;
        let counted = ["submit_job", "download_result", "list_jobs", "read_result"].map(|name| count(&some, name));
        assert_eq!(counted, [0, 0, 2, 2], "{path}: {some:?}");
    }
    // What is hidden is refused as well, before anything is sent, and only for that connection.
    let submit = json!({"operation": "html_to_pdf", "options": {"html": "a"}, "wait": 0});
    let refused = door.request("sim_a", "submit_job", submit.clone()).header("x-mcp-readonly", "true").send();
    let refused = message_in(&refused.await.unwrap().text().await.unwrap());
    assert!(refused.to_string().contains("This connection is read-only"), "{refused}");
    assert!(door.simulator.requests().is_empty(), "{:?}", door.simulator.requests());
    assert_eq!(door.call("sim_a", "submit_job", submit).await["status"], "queued");
    door.running.stop().await;
}

#[tokio::test]
async fn unknown_settings_of_a_connection_are_refused() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
    for (path, headers, named) in [
        ("/mcp?toolsets=extrakt", &[][..], "extrakt"),
        ("/mcp?read_only=maybe", &[], "maybe"),
        ("/mcp?readonly=true", &[], "Did you mean `read_only`"),
        ("/mcp", &[("x-mcp-readonly", "perhaps")], "X-MCP-Readonly"),
        ("/mcp", &[("x-mcp-toolsets", "")], "X-MCP-Toolsets"),
    ] {
        for revision in ["2025-06-18", "2026-07-28"] {
            let request = door.client.post(door.url(path)).header("accept", "application/json, text/event-stream");
            let request = request.header("mcp-protocol-version", revision).json(&ping());
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let (status, refused) = answered(request).await;
            assert_eq!(status, 400, "{path}: {refused}");
            assert!(refused["error"]["message"].as_str().unwrap().contains(named), "{refused}");
        }
    }
    let session = Session::open(&door, "sim_a", "2025-06-18").await;
    let other =
        session.post(&json!({"jsonrpc": "2.0", "id": 5, "method": "tools/list"})).header("x-mcp-readonly", "true");
    let (status, refused) = answered(other).await;
    assert_eq!(status, 400, "{refused}");
    door.running.stop().await;
}

#[tokio::test]
async fn files_of_remote_callers_travel_past_the_server() {
    let door = Door::open(Life::Checks(0), Some(TOKEN), &[]).await;
    let call = async |tool: &str, arguments: Value| -> Value {
        let text =
            door.request("sim_a", tool, arguments).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
        message_in(&text)["result"]["structuredContent"].clone()
    };
    let modern = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": stateless()}});
    let listed = door.post(&modern).header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/list");
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
    let put = door.client.put(upload["url"].as_str().unwrap()).header("content-type", "application/pdf").body(bytes);
    assert_eq!(put.send().await.unwrap().status(), 200);
    let job =
        call("submit_job", json!({"operation": "pdf_to_text", "url": ticket["content"]["url"], "wait": 20})).await;
    assert_eq!(job["status"], "success", "{job}");

    let job_id = job["job"]["job_id"].clone();
    let links = call("download_result", json!({"job_id": job_id})).await;
    let file = &links["content"]["files"][0];
    let fetched = door.client.get(file["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(fetched.status(), 200, "{links}");
    let ends: jiff::Timestamp = file["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(ends > jiff::Timestamp::now());
    // A path of the server is still no file of the caller.
    let refused = call("upload_file", json!({"file_path": "/etc/hostname"})).await;
    assert_eq!(refused["status"], "error", "{refused}");
    door.running.stop().await;
}

#[tokio::test]
async fn callers_of_this_machine_have_paths_and_tickets() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
    let ticket = door.call("sim_a", "upload_file", json!({})).await;
    assert_eq!(ticket["content"]["upload"]["headers"]["Content-Type"], "application/pdf", "{ticket}");
    let job = door.submit("sim_a", "a", 20, Value::Null).await;
    let saved = door.call("sim_a", "download_result", json!({"job_id": job["job"]["job_id"]})).await;
    assert!(saved["job"]["outputs"][0]["saved_to"].is_string(), "{saved}");
    door.running.stop().await;
}

#[tokio::test]
async fn operations_are_counted_under_the_conventional_names() {
    let door = Door::open(Life::Checks(0), None, &[]).await;
    door.call("sim_a", "list_jobs", json!({})).await;
    let session = Session::open(&door, "sim_a", "2025-06-18").await;
    session.ask("tools/call", json!({"name": "read_result", "arguments": {}})).await;
    session.ask("made/up", json!({})).await;
    let ended = door.client.delete(door.url("/mcp")).header("mcp-session-id", &session.id).header("x-api-key", "sim_a");
    assert_eq!(ended.send().await.unwrap().status(), 204);
    let text = door.client.get(door.url("/metrics")).send().await.unwrap().text().await.unwrap();
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
    door.running.stop().await;
}
