//! The HTTP server over real sockets.
//!
//! [`HttpServer`] is a server of this process over a simulator, with a client for revision 2026-07-28; [`Session`] is one
//! of an older revision.

mod admission;
mod callbacks;
mod messages;
mod sessions;
mod tenants;

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

use super::message_in;

/// Long enough to be one.
const TOKEN: &str = "open-sesame-open-sesame-open-sesame";

/// A server over a simulator; `settings` come on top.
struct HttpServer {
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

impl HttpServer {
    async fn open(life: Life, token: Option<&str>, more: &[(&str, &str)]) -> HttpServer {
        let simulator = simulator::spawn(simulator::Options { life, ..Default::default() }).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let app = Arc::new(App::new(settings(&simulator, home.path(), more)).unwrap());
        HttpServer::over(simulator, home, app, |options| options.token = token.map(SecretString::from)).await
    }

    async fn over(
        simulator: Handle,
        home: tempfile::TempDir,
        app: Arc<App>,
        set: impl FnOnce(&mut Options),
    ) -> HttpServer {
        let mut options = Options::at("127.0.0.1:0".parse().unwrap());
        set(&mut options);
        let running = http::start(Arc::clone(&app), options).await.unwrap();
        HttpServer { simulator, running, app, client: client(), _home: home }
    }

    /// Behind a token, for many people.
    async fn shared(server_key: &str, set: impl FnOnce(&mut Options, &std::path::Path)) -> HttpServer {
        let simulator =
            simulator::spawn(simulator::Options { life: Life::Checks(0), ..Default::default() }).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().to_owned();
        let app = Arc::new(App::new(settings(&simulator, &folder, &[("PDFCO_API_KEY", server_key)])).unwrap());
        let token = |options: &mut Options| {
            options.token = Some(SecretString::from(TOKEN));
            set(options, &folder);
        };
        HttpServer::over(simulator, home, app, token).await
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
    server: &'a HttpServer,
    key: &'static str,
    id: String,
    initialized: Value,
}

impl<'a> Session<'a> {
    async fn open(server: &'a HttpServer, key: &'static str, revision: &str) -> Session<'a> {
        let params =
            json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let answer = server.post(&initialize).header("x-api-key", key).send().await.unwrap();
        let id = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let initialized = message_in(&answer.text().await.unwrap())["result"].clone();
        let session = Session { server, key, id, initialized };
        let noted = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(session.post(&noted).send().await.unwrap().status(), 202);
        session
    }

    fn post(&self, message: &Value) -> reqwest::RequestBuilder {
        let revision = self.initialized["protocolVersion"].as_str().unwrap();
        let asked = self.server.post(message).header("x-api-key", self.key);
        asked.header("mcp-session-id", &self.id).header("mcp-protocol-version", revision)
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        message_in(&self.post(&message).send().await.unwrap().text().await.unwrap())
    }
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
