//! The webhook: a finished job, posted.
//!
//! What lives here: one small HTTP/1.1 POST, to loopback only, because nothing of a simulator should reach the world.
//! What never does: repeating it; the service publishes no retries.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::{Host, Url};

use super::world::World;

/// Longest delivery.
const PATIENCE: Duration = Duration::from_secs(5);

/// Posts `body` to `target` if that is an http link on loopback.
pub(super) async fn post(world: &World, target: &str, body: &Map<String, Value>) {
    let Some((address, path)) = loopback(target) else {
        tracing::info!("the simulator calls back only http links on loopback");
        return;
    };
    let body = serde_json::to_string(body).unwrap_or_default();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         x-pdfco-simulator: 1\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let delivery = async {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(request.as_bytes()).await?;
        // Its first bytes say that the receiver has read the request.
        stream.read(&mut [0; 512]).await
    };
    tokio::select! {
        outcome = tokio::time::timeout(PATIENCE, delivery) => {
            if !matches!(outcome, Ok(Ok(_))) {
                tracing::info!("the simulator could not deliver a callback");
            }
        }
        () = world.stop.cancelled() => {}
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
