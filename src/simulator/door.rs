//! What happens to a request, from the port to an answer.
//!
//! What lives here: the order of things (write down, go wrong on request, key, pace, route) and the routes, made from
//! the catalog. What never does: the work of any one operation.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::input::Input;
use super::journal::{self, Request};
use super::listener::Shears;
use super::reply::{Refusal, json_reply};
use super::world::World;
use super::{direct, faults, jobs, link, stored};
use crate::catalog::{self, Operation};
use crate::secret::ApiKey;

/// Largest request, as documented: 4 MB.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One request to the API, with its key let in.
pub(super) struct Call {
    pub(super) key: String,
    pub(super) input: Input,
    pub(super) started: Instant,
}

impl Call {
    /// How long it took so far, in milliseconds.
    pub(super) fn duration(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

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
pub(super) async fn answer(
    State(world): State<Arc<World>>,
    ConnectInfo(shears): ConnectInfo<Shears>,
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
        control(&world, arrival).await
    } else {
        match world.faults.take(&path) {
            Some(kind) => faults::apply(&world, kind, &shears, || serve(&world, arrival)).await,
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

    fn json(content: Content, headers: &HeaderMap) -> Result<Option<Value>, Refusal> {
        let Content::Whole(bytes) = content else { return Ok(None) };
        let bytes = bytes?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let kind =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
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
    let query = arrival.query().to_owned();
    let body = Arrival::json(arrival.content, &arrival.headers)?;
    let started = arrival.started;
    let call = move |placeholders| {
        Input::read(&query, body, placeholders).map(|input| Call { key: key.to_owned(), input, started })
    };
    // The two paths that are no operations.
    match path.as_str() {
        "/v1/job/check" => return jobs::check(world, &call(Vec::new())?).await,
        "/v1/file/upload/get-presigned-url" => return direct::presigned(world, &call(Vec::new())?),
        _ => {}
    }
    let routes = world.routes.find(&arrival.method, &path)?;
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
        None => jobs::submit(world, operation, call).await,
    }
}

/// The first required parameter that is not there.
fn missing(operation: &Operation, input: &Input) -> Option<&'static str> {
    let there = |name: &str| input.has(name) || (name == "types" && input.has("type"));
    operation.params().find(|param| param.required && !there(param.wire)).map(|param| param.wire)
}

/// `/simulator/…`: what only a simulator has. No key is needed.
async fn control(world: &World, arrival: Arrival) -> Response {
    let path = arrival.uri.path().to_owned();
    match (&arrival.method, path.as_str()) {
        (&Method::GET, "/simulator/stats") => {
            let mut stats = world.journal.to_json();
            if let Some(map) = stats.as_object_mut() {
                let (jobs, checks) = world.jobs.counts();
                map.insert("jobs".into(), json!(jobs));
                map.insert("checks".into(), json!(checks));
                map.insert("files".into(), json!(world.files.len()));
            }
            json_reply(200, &stats)
        }
        (&Method::POST, "/simulator/faults") => {
            let fault = Arrival::json(arrival.content, &arrival.headers)
                .and_then(|body| faults::Fault::from_json(&body.unwrap_or_default()));
            match fault {
                Ok(fault) => {
                    world.faults.add(fault);
                    json_reply(200, &json!({ "error": false, "status": 200 }))
                }
                Err(refusal) => refusal.answer(None),
            }
        }
        _ => Refusal::new(404, "The simulator has GET /simulator/stats and POST /simulator/faults.").answer(None),
    }
}

/// The paths of the catalog.
pub(super) struct Routes {
    exact: HashMap<&'static str, Vec<&'static Operation>>,
    patterns: Vec<&'static Operation>,
}

/// What a path leads to.
struct Found {
    operations: Vec<&'static Operation>,
    placeholders: Vec<(String, String)>,
}

impl Routes {
    pub(super) fn from_catalog() -> Routes {
        let mut routes = Routes { exact: HashMap::new(), patterns: Vec::new() };
        for operation in catalog::all() {
            if operation.path.contains('{') {
                routes.patterns.push(operation);
            } else {
                routes.exact.entry(operation.path).or_default().push(operation);
            }
        }
        routes
    }

    fn find(&self, method: &Method, path: &str) -> Result<Found, Refusal> {
        let mut found = match self.exact.get(path) {
            Some(operations) => Found { operations: operations.clone(), placeholders: Vec::new() },
            None => self
                .patterns
                .iter()
                .find_map(|operation| {
                    Some(Found { operations: vec![operation], placeholders: fill(operation.path, path)? })
                })
                .ok_or_else(|| Refusal::new(404, format!("Not found: {}", catalog::shorten(path, 80))))?,
        };
        // Official samples upload a link with GET.
        let json_ext = path == "/v1/file/upload/url";
        found.operations.retain(|operation| json_ext || fits(operation.method, method));
        if found.operations.is_empty() { Err(Refusal::new(405, "Method not allowed.")) } else { Ok(found) }
    }
}

fn fits(declared: catalog::Method, method: &Method) -> bool {
    match declared {
        catalog::Method::Get => *method == Method::GET,
        catalog::Method::Post => *method == Method::POST,
    }
}

/// The values of a pattern's placeholders in `path`, if it matches.
fn fill(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
    let mut values = Vec::new();
    let mut pieces = path.split('/');
    for wanted in pattern.split('/') {
        let piece = pieces.next()?;
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !piece.is_empty() => values.push((name.to_owned(), piece.to_owned())),
            Some(_) => return None,
            None if wanted == piece => {}
            None => return None,
        }
    }
    pieces.next().is_none().then_some(values)
}
