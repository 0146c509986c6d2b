//! Two servers on one PostgreSQL: a session of one goes on at the other.

use std::sync::Arc;
use std::time::Duration;

use super::answer_in;
use crate::support::postgres::{self, Cluster, Database};
use futures_util::StreamExt;
use pdfco::app::App;
use pdfco::config::{self, Folders, Values};
use pdfco::serve::http::{self, Options, Running};
use pdfco::simulator::{self, Handle};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};

const KEY: &str = "sim_a";
const SESSION: &str = "mcp-session-id";

struct Replicas {
    servers: Vec<Running>,
    client: reqwest::Client,
    service: Handle,
    _database: Option<Database>,
    _home: tempfile::TempDir,
}

impl Replicas {
    async fn two(more: &[(&str, &str)]) -> Option<Replicas> {
        let database = postgres::database().await?;
        let replicas = Replicas::on(&database, more).await;
        Some(Replicas { _database: Some(database), ..replicas })
    }

    async fn on(database: &Database, more: &[(&str, &str)]) -> Replicas {
        let (service, home) = (simulator::spawn(Default::default()).await.unwrap(), tempfile::tempdir().unwrap());
        let folder = home.path().to_str().unwrap();
        let mut servers = Vec::new();
        for _ in 0..2 {
            let mut values: Values = [
                ("PDFCO_BASE_URL", service.url()),
                ("PDFCO_LEDGER", &database.url),
                ("PDFCO_DOWNLOAD_DIR", folder),
                ("PDFCO_RATE_LIMIT", "off"),
                ("PDFCO_CHECK_WORTH_SECONDS", "0.1"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
            values.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            let config = config::merge(&values, &Values::new(), &Values::new(), &Folders::default()).unwrap();
            let app = Arc::new(App::new(config).unwrap());
            servers.push(http::start(app, Options::at("127.0.0.1:0".parse().unwrap())).await.unwrap());
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Replicas { servers, client, service, _database: None, _home: home }
    }

    fn request(&self, method: Method, server: usize, key: &str, session: &str) -> RequestBuilder {
        let url = format!("http://{}/mcp", self.servers[server].address);
        let request = self.client.request(method, url).header("x-api-key", key).header(SESSION, session);
        request.header("mcp-protocol-version", "2025-11-25").header("accept", "application/json, text/event-stream")
    }

    async fn post(&self, server: usize, session: &str, message: Value) -> Response {
        self.request(Method::POST, server, KEY, session).json(&message).send().await.unwrap()
    }

    async fn ask(&self, server: usize, session: &str, method: &str, params: Value) -> Value {
        let message =
            json!({"jsonrpc": "2.0", "id": uuid::Uuid::new_v4().to_string(), "method": method, "params": params});
        let response = self.post(server, session, message).await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        answer_in(&text).unwrap_or(json!({"status": status.as_u16()}))
    }

    async fn call(&self, server: usize, session: &str, tool: &str, arguments: Value) -> Value {
        let answer = self.ask(server, session, "tools/call", json!({"name": tool, "arguments": arguments})).await;
        answer["result"]["structuredContent"].clone()
    }

    /// A session that began at `server`, at an address with this query.
    async fn session(&self, server: usize, query: &str) -> String {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "t", "version": "0"}});
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let url = format!("http://{}/mcp{query}", self.servers[server].address);
        let request = self.client.post(url).header("x-api-key", KEY);
        let response =
            request.header("accept", "application/json, text/event-stream").json(&hello).send().await.unwrap();
        let session = response.headers()[SESSION].to_str().unwrap().to_owned();
        response.bytes().await.unwrap();
        let noted = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.post(1 - server, &session, noted).await.status(), 202, "at the other replica");
        session
    }

    async fn stop(self) {
        for server in self.servers {
            server.stop().await;
        }
    }
}

fn html(seconds: f64, wait: u32) -> Value {
    let options = json!({"html": "<p>a</p>", "profiles": {"Simulate": {"seconds": seconds}}});
    json!({"operation": "html_to_pdf", "options": options, "wait": wait})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_on_at_another_replica_on_postgres() {
    let Some(it) = Replicas::two(&[]).await else { return };
    let session = it.session(0, "").await;
    let tools = it.ask(0, &session, "tools/list", json!({})).await["result"]["tools"].as_array().unwrap().len();
    assert_eq!(it.ask(1, &session, "tools/list", json!({})).await["result"]["tools"].as_array().unwrap().len(), tools);
    let list = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/list"});
    let strangers = it.request(Method::POST, 1, "sim_b", &session).json(&list).send().await.unwrap();
    assert_eq!(strangers.status(), 404, "a session is its tenant's at every replica");
    let unknown = it.post(1, "0e6f2b5e-0000-4000-8000-000000000000", list.clone()).await;
    assert_eq!(unknown.status(), 404);

    // A replica that ends takes no session along; one that its client ends is over everywhere.
    let narrow = it.session(0, "?toolsets=core&read_only=true").await;
    let mut it = it;
    it.servers.remove(0).stop().await;
    let answer = it.call(0, &narrow, "submit_job", html(0.1, 5)).await;
    assert_ne!(answer["status"], "success", "what a session asked for when it began holds at every replica: {answer}");
    assert_eq!(it.call(0, &session, "list_jobs", json!({})).await["status"], "success");
    let ended = it.request(Method::DELETE, 0, KEY, &session).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    assert_eq!(it.post(0, &session, list).await.status(), 404);
    it.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_was_ended_is_over_everywhere_on_postgres() {
    let Some(it) = Replicas::two(&[]).await else { return };
    let session = it.session(0, "").await;
    assert_eq!(it.request(Method::DELETE, 1, KEY, &session).send().await.unwrap().status(), 204);
    let list = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/list"});
    let mut status = it.post(0, &session, list.clone()).await.status();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while status != 404 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
        status = it.post(0, &session, list.clone()).await.status();
    }
    assert_eq!(status, 404);
    it.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_concerns_a_session_reaches_it_anywhere_on_postgres() {
    let Some(it) = Replicas::two(&[]).await else { return };
    let session = it.session(0, "").await;
    let mut stream = it.request(Method::GET, 1, KEY, &session).send().await.unwrap().bytes_stream();
    let mut received = String::new();
    let mut receives = async |what: &str, seconds: u64| {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(seconds);
        while !received.contains(what) {
            let Ok(piece) = tokio::time::timeout_at(deadline, stream.next()).await else { return false };
            received.push_str(&String::from_utf8_lossy(&piece.unwrap().unwrap()));
        }
        true
    };
    // Submitted at the one, received at the other, as soon as both listen to the database.
    let mut job = it.call(0, &session, "submit_job", html(1.0, 0)).await;
    let mut submits = 1;
    while !receives("notifications/resources/list_changed", 3).await {
        assert!(submits < 6, "no change of the list was received");
        job = it.call(0, &session, "submit_job", html(1.0, 0)).await;
        submits += 1;
    }
    let id = job["job"]["job_id"].as_str().unwrap();
    let uri = format!("job://{id}");
    let subscribed = it.ask(0, &session, "resources/subscribe", json!({"uri": uri})).await;
    assert!(subscribed.get("result").is_some(), "{subscribed}");
    assert_eq!(
        it.call(1, &session, "wait_job_completion", json!({"job_id": id, "timeout": 20})).await["status"],
        "success"
    );
    assert!(receives("notifications/resources/updated", 15).await);

    // A request that runs at the one is withdrawn at the other.
    let job = it.call(0, &session, "submit_job", html(600.0, 0)).await;
    let id = job["job"]["job_id"].as_str().unwrap();
    let call = json!({"name": "wait_job_completion", "arguments": {"job_id": id, "timeout": 60}});
    let wait = it.post(0, &session, json!({"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": call}));
    let withdrawing = async {
        while it.service.count("/v1/job/check") == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let params = json!({"requestId": 77, "reason": "not needed"});
        it.post(1, &session, json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})).await
    };
    let (waited, withdrawn) = tokio::join!(async { wait.await.text().await }, withdrawing);
    assert_eq!(withdrawn.status(), 202);
    let waited = waited.unwrap();
    assert!(!waited.contains("\"result\""), "{waited}");
    it.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_ready_while_its_postgres_takes_writes() {
    let Some(mut cluster) = tokio::task::spawn_blocking(Cluster::start).await.unwrap() else { return };
    let database = cluster.database().await;
    let it = Replicas::on(&database, &[]).await;
    let ask = async |path: &str| {
        let answer = it.client.get(format!("http://{}{path}", it.servers[0].address)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let becomes = async |status: u16| {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(90);
        loop {
            let (seen, words) = ask("/readyz").await;
            if seen == status {
                assert_eq!(words, if status == 200 { "ready\n" } else { "not ready\n" });
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "/readyz does not become {status}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(ask("/healthz").await.0, 200, "a database that is away is no reason to start anew");
    };
    becomes(200).await;
    cluster.stop();
    becomes(503).await;
    cluster.resume();
    becomes(200).await;
    // As one that has become a standby. A connection from before is not one of those.
    let mut beside = database.beside().await;
    for (value, status) in [("on", 503), ("off", 200)] {
        let sql = format!(
            "ALTER DATABASE {0} SET default_transaction_read_only = {value};
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{0}' AND pid <> pg_backend_pid()",
            database.name()
        );
        beside.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
        becomes(status).await;
    }
    it.stop().await;
}
