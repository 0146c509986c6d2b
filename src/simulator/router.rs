//! What happens to a request, from the port to an answer: write it down, go wrong on request, admit the key, find the route.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::Response;
use serde_json::Value;
use tokio::time::Instant;

use super::call::Call;
use super::faults::apply::apply;
use super::handlers::{check, control, direct, stored, submit};
use super::input::Input;
use super::link;
use super::listener::ConnectionControl;
use super::reply::Refusal;
use super::state::World;
use super::state::journal::{self, Request};
use crate::catalog::{Operation, Param};
use crate::secret::ApiKey;

/// Largest request, as documented: 4 MB.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A request as it came in.
struct Arrival {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// Still a stream for uploads, whole for everything else.
    content: Content,
    started: Instant,
}

enum Content {
    Stream(Body),
    Whole(Result<Bytes, Refusal>),
}

/// Answers any request.
pub(in crate::simulator) async fn answer(
    State(world): State<Arc<World>>,
    ConnectInfo(connection): ConnectInfo<ConnectionControl>,
    request: axum::extract::Request,
) -> Response {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let content = if link::parts(parts.uri.path()).is_some() {
        Content::Stream(body)
    } else {
        let too_large = |_| Refusal::new(413, "The request is larger than 4 megabytes.");
        Content::Whole(axum::body::to_bytes(body, REQUEST_BYTES_MAX).await.map_err(too_large))
    };
    let arrival = Arrival { method: parts.method, uri: parts.uri, headers: parts.headers, content, started };
    let path = arrival.uri.path().to_owned();
    world.journal.record(arrival.note());
    let mut response = if path.starts_with("/simulator/") {
        control::answer(&world, &arrival.method.clone(), &path, arrival.json())
    } else {
        match world.faults.take(&path) {
            Some(kind) => apply(&world.stop, kind, &connection, || serve(&world, arrival)).await,
            None => serve(&world, arrival).await,
        }
    };
    response.headers_mut().insert("x-pdfco-simulator", HeaderValue::from_static("1"));
    response
}

impl Arrival {
    fn key(&self) -> Option<String> {
        let header = self.headers.get("x-api-key").and_then(|value| value.to_str().ok()).map(str::to_owned);
        header.or_else(|| {
            let mut pairs = url::form_urlencoded::parse(self.query().as_bytes());
            pairs.find(|(name, _)| name.eq_ignore_ascii_case("x-api-key")).map(|(_, value)| value.into_owned())
        })
    }

    fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// The entry for the journal.
    fn note(&self) -> Request {
        let small = match &self.content {
            Content::Whole(Ok(bytes)) if !bytes.is_empty() && bytes.len() <= journal::BODY_BYTES_MAX => Some(bytes),
            _ => None,
        };
        let with_key = self.query().to_ascii_lowercase().contains("x-api-key");
        Request {
            method: self.method.to_string(),
            path: self.uri.path().to_owned(),
            query: self.uri.query().filter(|_| !with_key).map(str::to_owned),
            body: small.and_then(|bytes| serde_json::from_slice(bytes).ok()),
            key: self.key().and_then(|key| ApiKey::new(&key).ok()).map(|key| key.fingerprint().clone()),
        }
    }

    /// The body as JSON, when there is one.
    fn json(self) -> Result<Option<Value>, Refusal> {
        let Content::Whole(bytes) = self.content else { return Ok(None) };
        let bytes = bytes?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let kind =
            self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
        if !kind.to_ascii_lowercase().contains("json") {
            return Err(Refusal::new(415, "Unsupported media type: the simulator takes application/json."));
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|_| Refusal::input("The body is not valid JSON."))
    }
}

async fn serve(world: &Arc<World>, arrival: Arrival) -> Response {
    if let Content::Stream(body) = arrival.content {
        let (path, query) = (arrival.uri.path(), arrival.uri.query().unwrap_or_default());
        return stored::answer(world, &arrival.method, path, query, &arrival.headers, body).await;
    }
    let key = match world.accounts.admit(arrival.key().as_deref()) {
        Ok(key) => key,
        Err(refusal) => return refusal.answer(None),
    };
    let served = serve_key(world, arrival, &key).await;
    served.unwrap_or_else(|refusal| refusal.answer(Some(world.accounts.balance(&key))))
}

async fn serve_key(world: &Arc<World>, arrival: Arrival, key: &str) -> Result<Response, Refusal> {
    let path = arrival.uri.path().trim_end_matches('/').to_owned();
    let (query, method, started) = (arrival.query().to_owned(), arrival.method.clone(), arrival.started);
    let body = arrival.json()?;
    let call = move |placeholders| {
        Input::read(&query, body, placeholders).map(|input| Call { key: key.to_owned(), input, started })
    };
    // The two paths that are no operations.
    match path.as_str() {
        "/v1/job/check" => return check::answer(world, &call(Vec::new())?).await,
        "/v1/file/upload/get-presigned-url" => return direct::presigned(world, &call(Vec::new())?),
        _ => {}
    }
    let routes = world.routes.find(&method, &path)?;
    let call = call(routes.placeholders)?;
    let fits = |operation: &&&Operation| missing(operation, &call.input).is_none();
    // Two operations may share a path; the one whose parameters are there is meant.
    let found = routes.operations.iter().find(fits).or_else(|| routes.operations.first()).copied();
    let operation = found.ok_or_else(|| Refusal::new(404, "Not found."))?;
    if let Some(name) = missing(operation, &call.input) {
        return Err(Refusal::input(&format!("The parameter `{name}` is required.")));
    }
    match direct::answer(world, operation, &call).await {
        Some(answer) => answer,
        None => submit::answer(world, operation, call).await,
    }
}

/// The first required parameter that is not there.
fn missing(operation: &Operation, input: &Input) -> Option<&'static str> {
    let is_there = |name: &str| input.has(name) || (name == "types" && input.has("type"));
    let is_needed = |param: &Param| param.required || (param.sends_default && param.wire != "inline");
    operation.params().find(|param| is_needed(param) && !is_there(param.wire)).map(|param| param.wire)
}
