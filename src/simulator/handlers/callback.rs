//! The webhook: a finished job, posted to loopback only, because nothing of a simulator should reach the world.

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::{Host, Url};

use crate::simulator::options::CallbackBody;
use crate::simulator::state::World;

/// Posts `body` to `target` if that is an http link on loopback, until the receiver takes it or the attempts are used up.
pub(in crate::simulator) async fn post(world: &World, target: &str, body: &Map<String, Value>) {
    let Some((address, path)) = loopback(target) else {
        tracing::info!("the simulator calls back only http links on loopback");
        return;
    };
    let callbacks = &world.options.callbacks;
    let body = content(callbacks.body, body);
    let content_type = match callbacks.content_type.as_str() {
        "" => String::new(),
        mime => format!("Content-Type: {mime}\r\n"),
    };
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\n{content_type}Content-Length: {}\r\n\
         x-pdfco-simulator: 1\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    for attempt in 1..=callbacks.attempts {
        let delivered = tokio::select! {
            outcome = tokio::time::timeout(callbacks.patience, deliver(&address, &request)) => outcome.unwrap_or(false),
            () = world.stop.cancelled() => return,
        };
        if delivered {
            return;
        }
        tracing::info!(attempt, "the simulator could not deliver a callback");
        if attempt < callbacks.attempts {
            world.pause(callbacks.patience).await;
        }
    }
}

/// Sends the request; true when the receiver answers with a status of success.
async fn deliver(address: &str, request: &str) -> bool {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut head = [0; 512];
        let read = stream.read(&mut head).await?;
        std::io::Result::Ok(head.get(..read).is_some_and(|head| {
            let status = head.split(|byte| *byte == b' ').nth(1);
            status.is_some_and(|status| status.first() == Some(&b'2'))
        }))
    };
    exchange.await.unwrap_or(false)
}

/// What is posted for a job whose check would answer `check`.
fn content(body: CallbackBody, check: &Map<String, Value>) -> String {
    match body {
        CallbackBody::Check => Value::Object(check.clone()).to_string(),
        CallbackBody::Sync => {
            let mut answer = check.clone();
            let is_success = answer.get("status").and_then(Value::as_str) == Some("success");
            let status = if is_success { json!(200) } else { answer.get("errorCode").cloned().unwrap_or(json!(400)) };
            answer.insert("status".into(), status);
            answer.insert("error".into(), json!(!is_success));
            Value::Object(answer).to_string()
        }
        CallbackBody::Unreadable => "the job is done".to_owned(),
    }
}

/// `host:port` and path of an http link on loopback.
fn loopback(target: &str) -> Option<(String, String)> {
    let url = Url::parse(target).ok().filter(|url| url.scheme() == "http")?;
    let near = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(ip) => IpAddr::V4(ip).is_loopback(),
        Host::Ipv6(ip) => IpAddr::V6(ip).is_loopback(),
    };
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    near.then(|| {
        (
            format!("{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(80)),
            format!("{}{query}", url.path()),
        )
    })
}
